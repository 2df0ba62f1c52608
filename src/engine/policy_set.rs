//! The policies of a whole bundle, by the identity that they belong to.

use crate::engine::document::Document;
use crate::engine::organization::{self, Membership, Memberships};
use crate::engine::resource_set::ResourceSet;
use crate::model::AccountId;
use crate::policy::directory::{Directory, DirectoryIndex, Identity, ManagedPolicy};
use crate::policy::organization::Organization;
use crate::policy::resource_record::ResourceRecord;
use crate::policy::{Policy, PolicyKind};
use std::collections::HashMap;
use std::sync::Arc;

/// Everything that a decision needs to know of one user or role.
#[derive(Debug)]
pub struct Subject {
    /// Its account.
    pub account: AccountId,
    /// Its name, without path.
    pub name: String,
    /// Its ARN.
    pub arn: crate::model::Arn,
    /// Its unique id.
    pub unique_id: Option<String>,
    /// Its tags.
    pub tags: Vec<(String, String)>,
    /// Its own policies and those of its groups.
    pub identity: Vec<Arc<Document>>,
    /// Its permissions boundary; empty when the boundary leads nowhere, which denies.
    pub boundary: Option<Vec<Arc<Document>>>,
    /// Who may assume it, if it is a role.
    pub trust: Option<Arc<Document>>,
    /// The longest session of it, in seconds, if it is a role.
    pub max_session_s: u32,
    /// The longest that a session of a role gets, in seconds, if it is a role (ROLE-14).
    pub max_chained_s: u32,
    /// Whether it is a role that belongs to a service.
    pub service_linked: bool,
}

/// The compiled policies of all identities. Documents that several identities attach are compiled
/// once and shared.
#[derive(Debug, Default)]
pub struct PolicySet {
    users: HashMap<String, Arc<Subject>>,
    roles: HashMap<String, Arc<Subject>>,
    roles_by_name: HashMap<(AccountId, String), Arc<Subject>>,
    memberships: Memberships,
    resources: ResourceSet,
    /// The managed policies, as written: sessions name them.
    managed: HashMap<String, (Option<AccountId>, Arc<Policy>)>,
    /// Every document once, by name.
    documents: Vec<Arc<Document>>,
}

impl PolicySet {
    /// Compiles the policies of a bundle.
    #[must_use]
    pub fn compile(
        directory: &Directory,
        organizations: &[Organization],
        resources: &[ResourceRecord],
    ) -> Self {
        let mut compiler = Compiler {
            index: directory.index(),
            managed: HashMap::new(),
        };
        let mut set = Self::default();
        for user in &directory.users {
            let groups: Vec<&Identity> = user
                .groups
                .iter()
                .filter_map(|group| compiler.index.group(user.identity.account, &group.text))
                .map(|group| &group.identity)
                .collect();
            let subject = Arc::new(compiler.subject(&user.identity, &groups));
            set.users.insert(subject.arn.as_str().to_owned(), subject);
        }
        for role in &directory.roles {
            let mut subject = compiler.subject(&role.identity, &[]);
            let name = format!("{}/trust", subject.arn);
            subject.trust = Some(Arc::new(Document::compile(name, &role.trust)));
            subject.service_linked = role.service_linked;
            subject.max_session_s = role.max_session_s;
            let account = directory.account(subject.account);
            subject.max_chained_s = account.map_or(3_600, |account| account.max_chained_session_s);
            let subject = Arc::new(subject);
            let by_name = (subject.account, subject.name.clone());
            set.roles_by_name.insert(by_name, Arc::clone(&subject));
            set.roles.insert(subject.arn.as_str().to_owned(), subject);
        }
        for policy in &directory.policies {
            let entry = (policy.account, Arc::clone(&policy.policy));
            set.managed.insert(policy.arn.as_str().to_owned(), entry);
        }
        let (memberships, control) = organization::compile(organizations, &compiler.index);
        set.memberships = memberships;
        set.resources = ResourceSet::compile(resources);
        set.collect(control);
        set
    }

    /// The place of an account in its organization, if it is in one.
    #[must_use]
    pub fn membership(&self, account: AccountId) -> Option<&Membership> {
        self.memberships.get(&account).map(AsRef::as_ref)
    }

    /// What is recorded of resources.
    #[must_use]
    pub fn resources(&self) -> &ResourceSet {
        &self.resources
    }

    /// The user with this ARN.
    #[must_use]
    pub fn user(&self, arn: &str) -> Option<&Arc<Subject>> {
        self.users.get(arn)
    }

    /// The role with this ARN, or with this name in `account`.
    #[must_use]
    pub fn role(&self, account: AccountId, text: &str) -> Option<&Arc<Subject>> {
        if text.starts_with("arn:") {
            return self.roles.get(text);
        }
        self.roles_by_name.get(&(account, text.to_owned()))
    }

    /// The user or role with this ARN.
    #[must_use]
    pub fn identity(&self, arn: &str) -> Option<&Arc<Subject>> {
        self.roles.get(arn).or_else(|| self.users.get(arn))
    }

    /// The managed policy with this ARN, if an identity of `account` may have it: its own account's,
    /// or the vendor's.
    #[must_use]
    pub fn managed(&self, account: AccountId, arn: &str) -> Option<&Arc<Policy>> {
        let (owner, policy) = self.managed.get(arn)?;
        let is_fit = owner.is_none_or(|owner| owner == account);
        (is_fit && policy.kind == PolicyKind::Identity).then_some(policy)
    }

    /// How many different documents it holds.
    #[must_use]
    pub fn documents(&self) -> usize {
        self.documents.len()
    }

    /// How many statements those documents hold.
    #[must_use]
    pub fn statements(&self) -> usize {
        self.documents.iter().map(|document| document.len()).sum()
    }

    /// How many users it knows.
    #[must_use]
    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// How many roles it knows.
    #[must_use]
    pub fn roles(&self) -> usize {
        self.roles.len()
    }

    /// Every document once, in the order of names.
    #[must_use]
    pub fn all_documents(&self) -> Vec<&Arc<Document>> {
        self.documents.iter().collect()
    }

    /// The `Sid` of the statement with this name, as answers have it.
    #[must_use]
    pub fn sid(&self, statement: &str) -> Option<&str> {
        let (document, index) = statement.rsplit_once(".Statement[")?;
        let index = index.strip_suffix(']')?.parse().ok()?;
        let at = self
            .documents
            .binary_search_by(|known| known.name.as_ref().cmp(document))
            .ok()?;
        self.documents.get(at)?.sid(index)
    }

    fn collect(&mut self, control: Vec<Arc<Document>>) {
        let mut documents = control;
        for subject in self.users.values().chain(self.roles.values()) {
            let boundary = subject.boundary.iter().flatten();
            let own = subject.identity.iter().chain(boundary);
            documents.extend(own.chain(&subject.trust).cloned());
        }
        documents.extend(self.resources.documents().cloned());
        documents.sort_by(|a, b| a.name.cmp(&b.name));
        documents.dedup_by(|a, b| Arc::ptr_eq(a, b));
        self.documents = documents;
    }
}

struct Compiler<'a> {
    index: DirectoryIndex<'a>,
    managed: HashMap<&'a str, Arc<Document>>,
}

impl<'a> Compiler<'a> {
    fn subject(&mut self, identity: &'a Identity, groups: &[&'a Identity]) -> Subject {
        let mut documents = Vec::new();
        for holder in std::iter::once(identity).chain(groups.iter().copied()) {
            for (name, policy) in &holder.inline {
                let name = format!("{}/{name}", holder.arn);
                documents.push(Arc::new(Document::compile(name, policy)));
            }
            for reference in &holder.attached {
                // A dangling reference grants nothing and blocks nothing.
                if let Some(policy) = self.index.policy(holder.account, &reference.text) {
                    documents.push(self.managed(policy));
                }
            }
        }
        // RSN-4 orders reasons by the id of the policy.
        documents.sort_by(|a, b| a.name.cmp(&b.name));
        let boundary = identity.boundary.as_ref().map(|reference| {
            let policy = self.index.policy(identity.account, &reference.text);
            // A dangling boundary denies: the absence of a limit must not widen access.
            policy
                .map(|policy| self.managed(policy))
                .into_iter()
                .collect()
        });
        Subject {
            account: identity.account,
            name: identity.name.clone(),
            arn: identity.arn.clone(),
            unique_id: identity.unique_id.clone(),
            tags: identity.tags.clone(),
            identity: documents,
            boundary,
            trust: None,
            max_session_s: 0,
            max_chained_s: 0,
            service_linked: false,
        }
    }

    fn managed(&mut self, policy: &'a ManagedPolicy) -> Arc<Document> {
        let compile = || Arc::new(Document::compile(policy.arn.as_str(), &policy.policy));
        Arc::clone(
            self.managed
                .entry(policy.arn.as_str())
                .or_insert_with(compile),
        )
    }
}
