//! All that a decision reads, as one unchanging value, and the place where the current one stands.
//!
//! Floor 3. Compiling a snapshot is pure; publishing it is one store.

use crate::authn::{
    AccessKeys, KeySetFile, PeerTable, Remotes, Revocations, SecondFactors, SecretFiles, Session,
    TokenId, TokenKeys, TokenKeysError, Verifier, certificates_end,
};
use crate::cache::{CountedCache, Usage};
use crate::engine::{DecisionCache, Document, PolicySet, Unchanged, View};
use crate::mapping::{PolicySource, Table};
use crate::model::{Arn, Timestamp};
use crate::policy::directory::Account;
use crate::policy::resource_record::ResourceRecord;
use crate::policy::{Bundle, Diagnostic, KeySource, Keys, Place};
use arc_swap::ArcSwapOption;
use moka::sync::Cache;
use std::fmt;
use std::sync::Arc;

/// Which state of the bundle a snapshot was made from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Revision(Arc<str>);

impl Revision {
    /// A revision by the digest of the files.
    #[must_use]
    pub fn new(digest: impl fmt::Display) -> Self {
        Self(digest.to_string().into())
    }

    /// A number that is the same for the same state; the beginning of the digest.
    #[must_use]
    pub fn number(&self) -> u64 {
        let start = self.0.get(..16).unwrap_or_default();
        u64::from_str_radix(start, 16).unwrap_or_default()
    }

    /// The whole digest, in hexadecimal.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Everything that a decision reads, of one revision.
#[derive(Debug)]
pub struct Snapshot {
    /// Which state of the bundle it is.
    pub revision: Revision,
    /// When it was compiled.
    pub compiled_at: Timestamp,
    /// Where the bundle came from.
    pub source: String,
    /// How large the files of the bundle are, in bytes.
    pub source_bytes: u64,
    /// How many files were read.
    pub files: usize,
    /// What a warning was given for.
    pub warnings: usize,
    /// Policies by identity.
    pub policies: PolicySet,
    /// What calls mean.
    pub mapping: Table,
    /// How many services are mapped.
    pub services: usize,
    /// Registered issuers.
    pub tokens: Verifier,
    /// How many issuers are registered.
    pub issuers: usize,
    /// Mapped client certificates.
    pub peers: PeerTable,
    /// Long-term access keys.
    pub access_keys: AccessKeys,
    /// The keys of session tokens, where there are any.
    pub token_keys: Option<TokenKeys>,
    /// Sessions that were ended before their time.
    pub revocations: Revocations,
    /// When the first of the authorities' certificates ends that the bundle holds.
    pub certificates_end: Option<Timestamp>,
    /// The second factors of users.
    pub second_factors: SecondFactors,
    /// Decisions that were made by it.
    pub decisions: DecisionCache,
    condition_keys: Keys,
    accounts: Vec<Account>,
    /// Session policies that were compiled a moment ago.
    session_policies: SessionPolicies,
}

/// The file of the credentials directory that holds the keys of session tokens.
pub const TOKEN_KEYS: &str = "token-keys.json";

/// Compiled session policies by the id of their token, with what they were compiled from: an entry is
/// only used for the same.
type SessionPolicies = CountedCache<TokenId, (Arc<Session>, Arc<View>)>;

/// A session has a policy that is not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingPolicy;

/// How many compiled session policies are kept.
const MAX_SESSION_POLICIES: u64 = 10_000;

/// What a bundle refers to and does not hold itself.
#[derive(Clone, Copy)]
pub struct Surroundings<'s> {
    /// Who fetches keys and asks for reviews.
    pub remotes: &'s dyn Remotes,
    /// The files of the credentials directory; `None` where there is none.
    pub secrets: Option<&'s SecretFiles<'s>>,
    /// The snapshot before, from which what has not changed is taken over.
    pub before: Option<Before<'s>>,
    /// The most memory that the compiled policies may take, in bytes.
    pub budget: usize,
}

/// The most memory that compiled policies may take unless told otherwise, in bytes: some two million
/// statements. While a bundle is replaced there are two of them.
pub const BUDGET: usize = 512 << 20;

/// A snapshot that was compiled before.
#[derive(Clone, Copy)]
pub struct Before<'s> {
    /// The snapshot.
    pub snapshot: &'s Snapshot,
    /// Whether the file of the bundle at a path is the same, byte for byte.
    pub is_same_file: &'s dyn Fn(&str) -> bool,
}

/// Where a snapshot comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The revision of the files.
    pub revision: Revision,
    /// The directory, or what else the bundle was read from.
    pub source: String,
    /// The size of all files, in bytes.
    pub bytes: u64,
    /// The time.
    pub at: Timestamp,
}

impl Snapshot {
    /// Compiles a bundle; gives the warnings with it.
    ///
    /// # Errors
    ///
    /// Every fault that only shows when the parts are put together: routes that conflict, key sets
    /// that cannot be used, peers that are ambiguous.
    pub fn compile(
        bundle: &Bundle,
        surroundings: Surroundings<'_>,
        mut warnings: Vec<Diagnostic>,
        origin: Origin,
    ) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        let users = &bundle.directory.users;
        let keys = AccessKeys::compile(users, surroundings.secrets);
        let mapping = Table::compile(&bundle.services);
        let tokens = Verifier::compile(&bundle.providers, surroundings.remotes);
        let peers = PeerTable::compile(&bundle.peers);
        let token_keys = token_keys(surroundings.secrets, &bundle.keys);
        match (mapping, tokens, peers, keys, token_keys) {
            (Ok(mapping), Ok(tokens), Ok(peers), Ok((access_keys, of_keys)), Ok(token_keys)) => {
                let faults = idle_records(&bundle.resources, &mapping);
                if !faults.is_empty() {
                    return Err(faults);
                }
                warnings.extend(of_keys);
                if token_keys.is_some() {
                    warnings.extend(nameless(bundle));
                }
                // Policies are read by the condition keys and accounts of the whole bundle.
                let before = surroundings.before.filter(|before| {
                    let snapshot = before.snapshot;
                    snapshot.condition_keys == bundle.keys
                        && snapshot.accounts == bundle.directory.accounts
                });
                let unchanged = before.map(|before| Unchanged {
                    before: &before.snapshot.policies,
                    is_same_file: before.is_same_file,
                });
                let policies = PolicySet::compile(
                    &bundle.directory,
                    &bundle.organizations,
                    &bundle.resources,
                    unchanged,
                );
                if let Some(fault) = over_budget(&policies, surroundings.budget) {
                    return Err(vec![fault]);
                }
                let snapshot = Self {
                    revision: origin.revision,
                    compiled_at: origin.at,
                    source: origin.source,
                    source_bytes: origin.bytes,
                    files: bundle.files,
                    warnings: warnings.len(),
                    policies,
                    mapping,
                    services: bundle.services.len(),
                    tokens,
                    issuers: bundle.providers.len(),
                    peers,
                    access_keys,
                    token_keys,
                    revocations: Revocations::compile(&bundle.revocations, origin.at),
                    certificates_end: certificates_end_of(bundle),
                    second_factors: SecondFactors::compile(users, |path| {
                        surroundings.secrets.and_then(|file| file(path))
                    }),
                    decisions: DecisionCache::default(),
                    condition_keys: bundle.keys.clone(),
                    accounts: bundle.directory.accounts.clone(),
                    session_policies: CountedCache::of(
                        Cache::builder().max_capacity(MAX_SESSION_POLICIES),
                    ),
                };
                Ok((snapshot, warnings))
            }
            (mapping, tokens, peers, keys, token_keys) => {
                let faults = [mapping.err(), tokens.err(), peers.err(), keys.err()];
                let faults = faults.into_iter().flatten().flatten();
                Err(faults.chain(token_keys.err()).collect())
            }
        }
    }

    /// How its caches are used, by name.
    #[must_use]
    pub fn caches(&self) -> [(&'static str, Usage); 5] {
        let tokens = self.token_keys.as_ref().map(TokenKeys::usage);
        [
            ("decisions", self.decisions.usage()),
            ("tokens", tokens.unwrap_or_default()),
            ("jwt", self.tokens.usage()),
            ("signing_keys", self.access_keys.usage()),
            ("session_policies", self.session_policies.usage()),
        ]
    }

    /// The condition keys that policies are read by.
    #[must_use]
    pub fn condition_keys(&self) -> &Keys {
        &self.condition_keys
    }

    /// The session policies of a session, ready to be judged; `None` where it has none.
    ///
    /// # Errors
    ///
    /// [`MissingPolicy`] when one is gone: nobody knows any more what it denied (PKD-04).
    pub fn session_policies(
        &self,
        session: &Arc<Session>,
    ) -> Result<Option<Arc<View>>, MissingPolicy> {
        let packed = &session.claims.packed;
        if !packed.has_policies() {
            return Ok(None);
        }
        if let Some((known, view)) = self.session_policies.get(&session.id) {
            let (one, other) = (&known.claims, &session.claims);
            let is_same = one.account == other.account && one.packed == other.packed;
            if Arc::ptr_eq(&known, session) || is_same {
                return Ok(Some(view));
            }
        }
        let mut documents = Vec::new();
        if let Some(policy) = &session.policy {
            documents.push(Arc::new(Document::compile("the session policy", policy)));
        }
        for arn in &packed.policy_arns {
            let managed = self.policies.managed(session.claims.account, arn);
            documents.push(Arc::clone(managed.ok_or(MissingPolicy)?));
        }
        let view = Arc::new(View::new(documents));
        let entry = (Arc::clone(session), Arc::clone(&view));
        self.session_policies.insert(session.id, entry);
        Ok(Some(view))
    }
}

/// A bundle that would not fit is refused as a whole, and the one before stays.
fn over_budget(policies: &PolicySet, budget: usize) -> Option<Diagnostic> {
    let bytes = policies.bytes();
    if bytes <= budget {
        return None;
    }
    let largest = policies
        .all_documents()
        .into_iter()
        .max_by_key(|document| document.len())?;
    let message = format!(
        "the policies take {} MiB when compiled, and {} MiB is the most; {} statements in {} documents, {} of them in this one",
        bytes >> 20,
        budget >> 20,
        policies.statements(),
        policies.documents(),
        largest.len(),
    );
    let fault = Diagnostic::error("BND-10", largest.place.clone(), message);
    Some(
        fault
            .hint("split the bundle among servers, or say with patterns what is listed one by one"),
    )
}

/// When the first of the authorities ends that vouch for servers of issuers.
fn certificates_end_of(bundle: &Bundle) -> Option<Timestamp> {
    let authorities = bundle.providers.iter().filter_map(|provider| {
        let KeySource::Fetched(request) = &provider.keys else {
            return None;
        };
        certificates_end(request.ca.as_deref()?.as_bytes())
    });
    authorities.min()
}

/// T29: without a `uniqueId` nobody can tell a role or user from another one of the same name.
fn nameless(bundle: &Bundle) -> Option<Diagnostic> {
    let directory = &bundle.directory;
    let roles = directory.roles.iter().map(|role| &role.identity);
    let users = directory.users.iter().map(|user| &user.identity);
    let mut without = roles
        .chain(users)
        .filter(|identity| identity.unique_id.is_none());
    let first = without.next()?;
    let count = 1 + without.count();
    let message = format!(
        "{count} roles and users have no `uniqueId`, `{}` among them: made anew under an old name, they take over its sessions",
        first.name
    );
    let warning = Diagnostic::warning("TOK-15", first.place.clone(), message);
    Some(warning.hint(
        "give each one that is made an id of its own, such as `AROA…` with 17 letters and digits",
    ))
}

/// The keys of session tokens, if the credentials directory holds any.
fn token_keys(
    secrets: Option<&SecretFiles<'_>>,
    names: &Keys,
) -> Result<Option<TokenKeys>, Diagnostic> {
    let Some(bytes) = secrets.and_then(|file| file(TOKEN_KEYS)) else {
        return Ok(None);
    };
    let compiled =
        KeySetFile::parse(bytes).and_then(|file| TokenKeys::compile(&file, names.clone()));
    compiled.map(Some).map_err(|fault| {
        let (line, column) = match &fault {
            TokenKeysError::Form { line, column, .. } => (*line, *column),
            _ => (1, 1),
        };
        let at = |number: usize| u32::try_from(number).unwrap_or(1).max(1);
        let place = Place {
            file: TOKEN_KEYS.into(),
            line: at(line),
            column: at(column),
        };
        let hint = "`sidegate keys` makes and rotates key sets";
        Diagnostic::error("TOK-10", place, fault.to_string()).hint(hint)
    })
}

/// Records whose policy or list nobody would ask: what is written must not say nothing.
fn idle_records(records: &[ResourceRecord], mapping: &Table) -> Vec<Diagnostic> {
    let mut faults = Vec::new();
    for record in records {
        // A pattern stands for the resources that it covers, such as this one.
        let example = record.arn.replace(['*', '?'], "x");
        let mut tell = |rule, message: &str, hint: &str| {
            let fault = Diagnostic::error(rule, record.place.clone(), message);
            faults.push(fault.hint(hint));
        };
        let Ok(arn) = Arn::parse(&example) else {
            continue;
        };
        if arn.service() == "iam" && (record.policy.is_some() || !record.acl.is_empty()) {
            let message =
                "users, roles and policies have no resource policy, so this one says nothing";
            tell(
                "BND-7",
                message,
                "who may assume a role stands in its `trustPolicy`",
            );
            continue;
        }
        let (policy, permissions) = match mapping.describe(&arn) {
            Ok(Some(found)) => (found.policy, found.acl.len()),
            Err(fault) if !record.wild => {
                tell(
                    "BND-7",
                    &fault.to_string(),
                    "compare it with `resources` of the service",
                );
                continue;
            }
            // No type, or others that the pattern covers may be of one.
            Ok(None) | Err(_) => continue,
        };
        if record.policy.is_some() && policy != PolicySource::Own {
            let message =
                "resources of this type have no policy of their own, so this one says nothing";
            let hint =
                "give the type `policy: own`, or write the policy of the resource that contains it";
            tell("BND-7", message, hint);
        }
        if !record.acl.is_empty() && permissions == 0 {
            let message =
                "resources of this type have no access control list, so this one says nothing";
            tell(
                "ACL-1",
                message,
                "say in `acl` of the type what its permissions stand for",
            );
        }
    }
    faults
}

/// The current snapshot. Readers never wait, and see one revision whole.
#[derive(Debug, Default)]
pub struct Store {
    current: ArcSwapOption<Snapshot>,
}

impl Store {
    /// A store in which no snapshot is in force yet.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// The snapshot in force; `None` before the first.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Snapshot>> {
        self.current.load_full()
    }

    /// Puts a snapshot in force and gives back the one before it.
    pub fn publish(&self, snapshot: Arc<Snapshot>) -> Option<Arc<Snapshot>> {
        self.current.swap(Some(snapshot))
    }
}
