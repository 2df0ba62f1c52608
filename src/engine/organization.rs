//! Which organization an account is in, and the control policies on its way from the root.

use crate::engine::document::{Document, Level};
use crate::model::AccountId;
use crate::policy::PolicyKind;
use crate::policy::directory::{DirectoryIndex, ManagedPolicy, Reference};
use crate::policy::organization::{ControlPolicies, FULL_ACCESS, Node, Organization};
use std::collections::HashMap;
use std::sync::Arc;

/// An account's place in its organization.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The id of the organization, such as `o-acme12345`.
    pub organization: Arc<str>,
    /// The way from the root to the account, as `aws:PrincipalOrgPaths` has it (KEY-9).
    pub path: Arc<str>,
    /// Whether the account manages the organization, and is bound by no control policy (SCP-4).
    pub is_management: bool,
    /// The service control policies, from the root down; `None` where they are not in force.
    pub scp: Option<Vec<Level>>,
    /// The resource control policies, from the root down; `None` where they are not in force.
    pub rcp: Option<Vec<Level>>,
}

/// Every account's place.
pub(super) type Memberships = HashMap<AccountId, Arc<Membership>>;

/// Compiles the trees of all organizations.
pub(super) fn compile(
    organizations: &[Organization],
    index: &DirectoryIndex<'_>,
) -> (Memberships, Vec<Arc<Document>>) {
    let mut compiler = Compiler {
        index,
        management: None,
        documents: HashMap::new(),
        memberships: HashMap::new(),
    };
    for organization in organizations {
        compiler.organization(organization);
    }
    let documents = compiler.documents.into_values().collect();
    (compiler.memberships, documents)
}

struct Compiler<'a, 'd> {
    index: &'a DirectoryIndex<'d>,
    management: Option<AccountId>,
    documents: HashMap<String, Arc<Document>>,
    memberships: Memberships,
}

/// The levels from the root to where the walk is.
#[derive(Clone, Default)]
struct Way {
    path: String,
    scp: Vec<Level>,
    rcp: Vec<Level>,
}

impl Compiler<'_, '_> {
    fn organization(&mut self, organization: &Organization) {
        self.management = Some(organization.management);
        let id: Arc<str> = organization.id.as_str().into();
        let way = Way {
            path: format!("{id}/"),
            ..Way::default()
        };
        let root = self.step(&way, &organization.root.id, &organization.root.policies);
        self.below(organization, &id, &organization.root, &root);
        // It belongs to the organization wherever the tree puts it, and may be left out of it.
        let management = organization.management;
        if !self.memberships.contains_key(&management) {
            self.join(organization, &id, management, root);
        }
    }

    fn below(&mut self, organization: &Organization, id: &Arc<str>, node: &Node, way: &Way) {
        for unit in &node.units {
            let way = self.step(way, &unit.id, &unit.policies);
            self.below(organization, id, unit, &way);
        }
        for member in &node.accounts {
            let mut own = self.step(way, member.id.as_str(), &member.policies);
            // The path names nodes and not the account itself.
            own.path.clone_from(&way.path);
            self.join(organization, id, member.id, own);
        }
    }

    fn join(&mut self, organization: &Organization, id: &Arc<str>, account: AccountId, way: Way) {
        let Way { path, scp, rcp } = way;
        let membership = Membership {
            organization: Arc::clone(id),
            path: path.into(),
            is_management: account == organization.management,
            scp: organization.service_control.then_some(scp),
            rcp: organization.resource_control.then_some(rcp),
        };
        self.memberships.insert(account, Arc::new(membership));
    }

    fn step(&mut self, way: &Way, id: &str, policies: &ControlPolicies) -> Way {
        let mut next = way.clone();
        next.path = format!("{}{id}/", way.path);
        let service = match &policies.service {
            None => vec![self.full_access()],
            Some(references) => references
                .iter()
                .map(|reference| self.document(reference, PolicyKind::ServiceControl))
                .collect(),
        };
        let resource = policies
            .resource
            .iter()
            .map(|reference| self.document(reference, PolicyKind::ResourceControl))
            .collect();
        // RSN-4 orders reasons by the id of the policy.
        let level = |mut documents: Vec<Arc<Document>>| {
            documents.sort_by(|one, other| one.name.cmp(&other.name));
            Level {
                id: id.into(),
                documents,
            }
        };
        next.scp.push(level(service));
        next.rcp.push(level(resource));
        next
    }

    fn full_access(&mut self) -> Arc<Document> {
        let [name, _] = FULL_ACCESS;
        let document = self.documents.entry(name.to_owned()).or_insert_with(|| {
            Arc::new(Document::of_everything(name, crate::policy::Effect::Allow))
        });
        Arc::clone(document)
    }

    /// The document that a node means. One that leads nowhere denies: the absence of a limit must
    /// not widen access.
    fn document(&mut self, reference: &Reference, kind: PolicyKind) -> Arc<Document> {
        let text = reference.text.as_str();
        let found = self
            .management
            .and_then(|account| self.index.policy(account, text));
        match found.filter(|policy| policy.policy.kind == kind) {
            Some(policy) => self.managed(policy),
            None if kind == PolicyKind::ServiceControl && FULL_ACCESS.contains(&text) => {
                self.full_access()
            }
            None => Arc::new(Document::of_everything(text, crate::policy::Effect::Deny)),
        }
    }

    fn managed(&mut self, policy: &ManagedPolicy) -> Arc<Document> {
        let arn = policy.arn.as_str();
        let document = self
            .documents
            .entry(arn.to_owned())
            .or_insert_with(|| Arc::new(Document::compile(arn, &policy.policy)));
        Arc::clone(document)
    }
}
