//! Which organization an account is in, and the control policies on its way from the root.

use crate::engine::compiler::Compiler;
use crate::engine::document::Document;
use crate::engine::view::Level;
use crate::model::AccountId;
use crate::policy::directory::{DirectoryIndex, Reference};
use crate::policy::organization::{ControlPolicies, FULL_ACCESS, Node, Organization};
use crate::policy::{Effect, PolicyKind};
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
    compiler: &mut Compiler<'_>,
) -> Memberships {
    let [name, _] = FULL_ACCESS;
    let mut trees = Trees {
        index,
        compiler,
        management: None,
        full_access: Arc::new(Document::of_everything(name, Effect::Allow)),
        memberships: HashMap::new(),
    };
    for organization in organizations {
        trees.organization(organization);
    }
    trees.memberships
}

struct Trees<'a, 'd, 'c> {
    index: &'a DirectoryIndex<'d>,
    compiler: &'a mut Compiler<'c>,
    management: Option<AccountId>,
    full_access: Arc<Document>,
    memberships: Memberships,
}

/// The levels from the root to where the walk is.
#[derive(Clone, Default)]
struct Way {
    path: String,
    scp: Vec<Level>,
    rcp: Vec<Level>,
}

impl Trees<'_, '_, '_> {
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
            None => vec![Arc::clone(&self.full_access)],
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
        let mut level = |mut documents: Vec<Arc<Document>>| {
            documents.sort_by(|one, other| one.name.cmp(&other.name));
            Level {
                id: id.into(),
                view: self.compiler.view(documents, None),
            }
        };
        next.scp.push(level(service));
        next.rcp.push(level(resource));
        next
    }

    /// The document that a node means. One that leads nowhere denies: the absence of a limit must
    /// not widen access.
    fn document(&mut self, reference: &Reference, kind: PolicyKind) -> Arc<Document> {
        let text = reference.text.as_str();
        let found = self
            .management
            .and_then(|account| self.index.policy(account, text));
        match found.filter(|policy| policy.policy.kind == kind) {
            Some(policy) => self.compiler.document(policy.arn.as_str(), &policy.policy),
            None if kind == PolicyKind::ServiceControl && FULL_ACCESS.contains(&text) => {
                Arc::clone(&self.full_access)
            }
            None => Arc::new(Document::of_everything(text, Effect::Deny)),
        }
    }
}
