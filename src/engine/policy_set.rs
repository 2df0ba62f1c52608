//! The policies of a whole bundle, by the identity that they belong to.

use crate::engine::compiler::{Compiled, Compiler, Unchanged};
use crate::engine::document::Document;
use crate::engine::organization::{self, Membership, Memberships};
use crate::engine::resource_set::ResourceSet;
use crate::engine::view::View;
use crate::model::{AccountId, ContextKey, KeySet};
use crate::policy::PolicyKind;
use crate::policy::directory::{Directory, DirectoryIndex, Identity};
use crate::policy::organization::Organization;
use crate::policy::resource_record::ResourceRecord;
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
    pub identity: Arc<View>,
    /// Its permissions boundary; without documents when the boundary leads nowhere, which denies.
    pub boundary: Option<Arc<View>>,
    /// Who may assume it, if it is a role.
    pub trust: Option<Arc<View>>,
    /// The longest session of it, in seconds, if it is a role.
    pub max_session_s: u32,
    /// The longest that a session of a role gets, in seconds, if it is a role (ROLE-14).
    pub max_chained_s: u32,
    /// Whether it is a role that belongs to a service.
    pub service_linked: bool,
}

/// Hashed with a seed of the process: callers choose what is looked up.
type ByArn<T> = HashMap<String, T, foldhash::fast::RandomState>;

/// The compiled policies of all identities. Documents that several identities attach are compiled
/// once and shared.
#[derive(Debug, Default)]
pub struct PolicySet {
    users: ByArn<Arc<Subject>>,
    roles: ByArn<Arc<Subject>>,
    roles_by_name: HashMap<(AccountId, String), Arc<Subject>>,
    memberships: Memberships,
    resources: ResourceSet,
    /// The managed policies of identities: sessions name them.
    managed: HashMap<String, (Option<AccountId>, Arc<Document>)>,
    /// Every document once, by name.
    documents: Vec<Arc<Document>>,
    /// The context keys that any document reads.
    reads: Arc<KeySet>,
    compiled: Compiled,
}

impl PolicySet {
    /// Compiles the policies of a bundle, and takes over what has not changed.
    #[must_use]
    pub fn compile(
        directory: &Directory,
        organizations: &[Organization],
        resources: &[ResourceRecord],
        unchanged: Option<Unchanged<'_>>,
    ) -> Self {
        let index = directory.index();
        let mut compiler = Compiler::new(unchanged);
        let mut set = Self::default();
        for policy in &directory.policies {
            if policy.policy.kind == PolicyKind::Identity {
                let document = compiler.document(policy.arn.as_str(), &policy.policy);
                let entry = (policy.account, document);
                set.managed.insert(policy.arn.as_str().to_owned(), entry);
            }
        }
        let mut drafts = Vec::with_capacity(directory.users.len() + directory.roles.len());
        for user in &directory.users {
            let groups = user.groups.iter();
            let groups = groups.filter_map(|group| index.group(user.identity.account, &group.text));
            let groups = groups.map(|group| &group.identity);
            drafts.push(draft(&mut compiler, &index, &user.identity, groups));
        }
        for role in &directory.roles {
            drafts.push(draft(
                &mut compiler,
                &index,
                &role.identity,
                std::iter::empty(),
            ));
        }
        // Which documents many views share has to be known before the first of them is made.
        for draft in &drafts {
            compiler.announce(&draft.identity);
        }
        let mut drafts = drafts.into_iter();
        let before = unchanged.map(|unchanged| unchanged.before);
        for draft in drafts.by_ref().take(directory.users.len()) {
            let subject = Arc::new(subject(draft, &mut compiler, before));
            set.users.insert(subject.arn.as_str().to_owned(), subject);
        }
        for (role, draft) in directory.roles.iter().zip(drafts) {
            let mut subject = subject(draft, &mut compiler, before);
            let trust = compiler.document(&format!("{}/trust", subject.arn), &role.trust);
            subject.trust = Some(compiler.view(vec![trust], None));
            subject.service_linked = role.service_linked;
            subject.max_session_s = role.max_session_s;
            let account = directory.account(subject.account);
            subject.max_chained_s = account.map_or(3_600, |account| account.max_chained_session_s);
            let subject = Arc::new(subject);
            let by_name = (subject.account, subject.name.clone());
            set.roles_by_name.insert(by_name, Arc::clone(&subject));
            set.roles.insert(subject.arn.as_str().to_owned(), subject);
        }
        set.memberships = organization::compile(organizations, &index, &mut compiler);
        set.resources = ResourceSet::compile(resources, &mut compiler);
        set.compiled = compiler.finish();
        set.documents = set.compiled.documents().map(Arc::clone).collect();
        set.documents
            .sort_unstable_by(|one, other| one.name.cmp(&other.name));
        let of_endpoint = ContextKey::new("aws:SourceVpce");
        let reads = set
            .compiled
            .reads()
            .into_iter()
            .cloned()
            .chain([of_endpoint]);
        set.reads = Arc::new(KeySet::new(reads));
        set
    }

    /// The context keys that any document reads (CACHE-2), and that of endpoints, by which policies
    /// are found.
    #[must_use]
    pub fn reads(&self) -> &Arc<KeySet> {
        &self.reads
    }

    pub(super) fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    /// About how much memory the compiled policies take, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.compiled.bytes()
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
    pub fn managed(&self, account: AccountId, arn: &str) -> Option<&Arc<Document>> {
        let (owner, document) = self.managed.get(arn)?;
        let is_fit = owner.is_none_or(|owner| owner == account);
        is_fit.then_some(document)
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
}

/// A user or role whose documents are compiled.
struct Draft<'a> {
    of: &'a Identity,
    identity: Vec<Arc<Document>>,
    boundary: Option<Vec<Arc<Document>>>,
}

fn draft<'a>(
    compiler: &mut Compiler<'_>,
    index: &DirectoryIndex<'a>,
    of: &'a Identity,
    groups: impl Iterator<Item = &'a Identity>,
) -> Draft<'a> {
    let mut identity = Vec::new();
    for holder in std::iter::once(of).chain(groups) {
        for (name, policy) in &holder.inline {
            identity.push(compiler.document(&format!("{}/{name}", holder.arn), policy));
        }
        for reference in &holder.attached {
            // A dangling reference grants nothing and blocks nothing.
            if let Some(policy) = index.policy(holder.account, &reference.text) {
                identity.push(compiler.document(policy.arn.as_str(), &policy.policy));
            }
        }
    }
    // RSN-4 orders reasons by the id of the policy.
    identity.sort_by(|a, b| a.name.cmp(&b.name));
    let boundary = of.boundary.as_ref().map(|reference| {
        let policy = index.policy(of.account, &reference.text);
        // A dangling boundary denies: the absence of a limit must not widen access.
        policy
            .map(|policy| compiler.document(policy.arn.as_str(), &policy.policy))
            .into_iter()
            .collect()
    });
    Draft {
        of,
        identity,
        boundary,
    }
}

fn subject(draft: Draft<'_>, compiler: &mut Compiler<'_>, before: Option<&PolicySet>) -> Subject {
    let Draft {
        of,
        identity,
        boundary,
    } = draft;
    let before = before.and_then(|before| before.identity(of.arn.as_str()));
    Subject {
        account: of.account,
        name: of.name.clone(),
        arn: of.arn.clone(),
        unique_id: of.unique_id.clone(),
        tags: of.tags.clone(),
        identity: compiler.view(identity, before.map(|before| &before.identity)),
        boundary: boundary.map(|documents| compiler.view(documents, None)),
        trust: None,
        max_session_s: 0,
        max_chained_s: 0,
        service_linked: false,
    }
}
