//! The bundle: everything that users write, read from the files of one directory.

mod document_source;
mod export;
mod identity;
mod operation;
mod organization;
mod provider;
mod references;
mod resource;
mod revocation;
mod s3;
mod service;
mod signing;

use crate::model::AccountId;
use crate::policy::directory::Directory;
use crate::policy::fields::Fields;
use crate::policy::findings::Findings;
use crate::policy::node::{Mark, Node};
use crate::policy::organization::Organization;
use crate::policy::peer::PeerMapping;
use crate::policy::resource_record::ResourceRecord;
use crate::policy::{
    Diagnostic, Keys, OidcProvider, PrincipalEntry, Revocation, Service, Severity, json, lint,
    policy_test, yaml,
};
use document_source::DocumentSource;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// The version of the document format.
pub const API_VERSION: &str = "sidegate.dev/v1alpha1";

/// What is wrong with a line of a file of revocations.
#[must_use]
pub fn check_revocation(line: &str) -> Vec<Diagnostic> {
    let mut findings = Findings::new("the entry");
    revocation::lines("the entry", line, &mut Vec::new(), &mut findings);
    findings.into_list()
}

/// Everything that a bundle defines.
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    /// Accounts, users, groups, roles and managed policies.
    pub directory: Directory,
    /// Registered issuers.
    pub providers: Vec<OidcProvider>,
    /// Your services.
    pub services: Vec<Service>,
    /// Which client certificates stand for which roles.
    pub peers: Vec<PeerMapping>,
    /// Organizations with their trees.
    pub organizations: Vec<Organization>,
    /// Records of resources.
    pub resources: Vec<ResourceRecord>,
    /// Sessions that were ended before their time.
    pub revocations: Vec<Revocation>,
    /// The condition keys that policies are read by.
    pub keys: Keys,
    /// How many files were read as parts of it.
    pub files: usize,
}

/// One file of a bundle directory.
#[derive(Clone, Copy, Debug)]
pub struct BundleFile<'a> {
    /// The path relative to the bundle, with `/`.
    pub path: &'a str,
    /// What it holds.
    pub bytes: &'a [u8],
}

/// A bundle that was refused, with every finding.
#[derive(Clone, Debug)]
pub struct Refused {
    /// All findings, errors and warnings, in the order of files and lines.
    pub diagnostics: Vec<Diagnostic>,
}

impl Bundle {
    /// Reads a bundle.
    ///
    /// Gives the warnings beside the bundle.
    ///
    /// # Errors
    ///
    /// [`Refused`] with all findings when at least one of them is an error: a bundle is taken whole
    /// or not at all (GEN-4).
    pub fn parse(files: &[BundleFile<'_>]) -> Result<(Self, Vec<Diagnostic>), Refused> {
        let mut reader = Reader::default();
        let by_path: BTreeMap<&str, &[u8]> =
            files.iter().map(|file| (file.path, file.bytes)).collect();
        // Services and accounts come first: policies are read by the types of condition keys, and
        // names become ARNs by the partition.
        let mut sources: Vec<Source<'_>> = Vec::new();
        let mut room = KEPT;
        for file in files.iter().filter(|file| is_document_file(file.path)) {
            let documents = reader.read_file(file);
            sources.push(reader.declare(file, documents, &mut room));
        }
        let included = included_files(&sources);
        sources.retain(|source| !included.contains(source.file.path));
        reader.bundle.files = sources.len();
        for source in sources {
            let documents = match source.documents {
                Some(documents) => documents,
                None => trees(source.file, &mut Findings::new("")),
            };
            let name: Arc<str> = source.file.path.into();
            for node in &documents {
                reader.document(node, &name, &by_path);
            }
        }
        reader.finish()
    }
}

/// `..`-names and dot files never get here; the tests that live beside policies are no policies.
fn is_document_file(path: &str) -> bool {
    let Some((_, extension)) = path.rsplit_once('.') else {
        return false;
    };
    match extension {
        "yaml" | "yml" => !policy_test::is_test_file(path),
        "json" => path != "manifest.json",
        _ => false,
    }
}

/// How much text is kept as trees, in bytes, until everything is declared that it is read by. A tree takes
/// ten times the memory of its text: what is over this is read again instead.
const KEPT: usize = 1 << 20;

/// One file, looked at.
struct Source<'f> {
    file: &'f BundleFile<'f>,
    /// Its trees, where they are kept.
    documents: Option<Vec<Node>>,
    /// The files that it names.
    named: Vec<String>,
    /// Whether it is a document of its own, whoever names it.
    is_own: bool,
}

/// The files that documents name, and that are therefore no documents of the bundle themselves.
fn included_files(sources: &[Source<'_>]) -> HashSet<String> {
    let mut included: HashSet<String> = HashSet::new();
    for source in sources {
        included.extend(source.named.iter().cloned());
    }
    // A file that is a document of its own stays one: leaving it out would drop what it says without a
    // word.
    for source in sources.iter().filter(|source| source.is_own) {
        included.remove(source.file.path);
    }
    included
}

/// The trees of a file; what is no text or breaks the grammar is a finding.
fn trees(file: &BundleFile<'_>, findings: &mut Findings) -> Vec<Node> {
    let Ok(text) = std::str::from_utf8(file.bytes) else {
        findings.error("BND-1", Mark::START, "the file is not UTF-8 text");
        return Vec::new();
    };
    let parsed = if file.path.rsplit('.').next() == Some("json") {
        json::parse(text).map(|node| vec![node])
    } else {
        yaml::parse_all(text)
    };
    parsed.unwrap_or_else(|fault| {
        findings.syntax(fault);
        Vec::new()
    })
}

/// The places of a specification at which a file is named.
fn named_files(spec: &Node) -> impl Iterator<Item = &Node> {
    let inline = spec
        .member("inlinePolicies")
        .and_then(Node::members)
        .unwrap_or_default();
    let policies = inline
        .iter()
        .map(|member| &member.value)
        .chain(spec.member("trustPolicy"))
        .chain(spec.member("policy"))
        .chain(
            spec.member("endpoint")
                .and_then(|endpoint| endpoint.member("policy")),
        )
        .chain([spec]);
    policies
        .filter_map(|node| node.member("documentFile"))
        .chain(spec.member("jwks").and_then(|jwks| jwks.member("file")))
}

#[derive(Default)]
struct Reader {
    bundle: Bundle,
    keys: Keys,
    partitions: BTreeMap<AccountId, String>,
    diagnostics: Vec<Diagnostic>,
}

impl Reader {
    fn read_file(&mut self, file: &BundleFile<'_>) -> Vec<Node> {
        let mut findings = Findings::new(file.path);
        let documents = trees(file, &mut findings);
        self.diagnostics.extend(findings.into_list());
        documents
    }

    /// Takes from a file what other documents are read by; faults are told when the document itself is
    /// read. Its trees are kept while there is `room` for its text.
    fn declare<'f>(
        &mut self,
        file: &'f BundleFile<'f>,
        documents: Vec<Node>,
        room: &mut usize,
    ) -> Source<'f> {
        let mut silent = Findings::new("");
        for node in &documents {
            match node.member("kind").and_then(Node::text) {
                Some("IamService") => {
                    for (key, kind) in service::condition_keys(node, &mut silent) {
                        self.keys.declare(key, kind);
                    }
                }
                Some("IamOidcProvider") => {
                    for (key, kind) in provider::condition_keys(node) {
                        self.keys.declare(key, kind);
                    }
                }
                Some("IamAccount") => {
                    let spec = node.member("spec");
                    let text = |name| spec.and_then(|spec| spec.member(name)).and_then(Node::text);
                    let id = text("id").and_then(|id| AccountId::parse(id).ok());
                    if let (Some(id), Some(partition)) = (id, text("partition")) {
                        self.partitions.insert(id, partition.to_owned());
                    }
                }
                _ => {}
            }
        }
        let specs = documents.iter().filter_map(|node| node.member("spec"));
        let named = specs.flat_map(named_files).filter_map(Node::text);
        let named = named
            .filter_map(|path| document_source::resolve(file.path, path))
            .collect();
        let is_own = |node: &Node| node.member("kind").is_some() || export::is_export(node);
        let is_own = documents.iter().any(is_own);
        let left = room.checked_sub(file.bytes.len());
        *room = left.unwrap_or(*room);
        Source {
            file,
            documents: left.map(|_| documents),
            named,
            is_own,
        }
    }

    fn document(&mut self, node: &Node, file: &Arc<str>, files: &BTreeMap<&str, &[u8]>) {
        let mut findings = Findings::new(Arc::clone(file));
        if export::is_export(node) {
            export::read(node, &mut self.bundle.directory, &self.keys, &mut findings);
        } else if let Some((kind, name, spec)) = envelope(node, &mut findings) {
            let documents = DocumentSource {
                file,
                files,
                keys: &self.keys,
                partitions: &self.partitions,
            };
            read_spec(&mut self.bundle, kind, name, spec, documents, &mut findings);
        }
        self.diagnostics.extend(findings.into_list());
    }

    /// An account by its canonical id is that account wherever the bundle knows it (PRI-2).
    fn resolve_canonical_ids(&mut self) {
        let known: BTreeMap<&str, AccountId> = self
            .bundle
            .directory
            .accounts
            .iter()
            .filter_map(|account| Some((account.canonical_id.as_deref()?, account.id)))
            .collect();
        let policies = self.bundle.resources.iter_mut();
        for policy in policies.filter_map(|record| record.policy.as_mut()) {
            let statements = Arc::make_mut(policy).statements.iter_mut();
            let entries = statements
                .filter_map(|statement| statement.principal.as_mut())
                .flat_map(|element| element.entries.iter_mut());
            for entry in entries {
                if let PrincipalEntry::CanonicalUser(id) = entry
                    && let Some(account) = known.get(id.as_str())
                {
                    *entry = PrincipalEntry::Account {
                        partition: None,
                        account: *account,
                    };
                }
            }
        }
    }

    fn finish(mut self) -> Result<(Bundle, Vec<Diagnostic>), Refused> {
        self.resolve_canonical_ids();
        self.bundle.keys = self.keys;
        references::check(&self.bundle, &mut self.diagnostics);
        lint::check(&self.bundle, &mut self.diagnostics);
        // Stable: findings of one place keep their order.
        self.diagnostics.sort_by(|a, b| a.place.cmp(&b.place));
        // A file that a document names is read by itself first, and by the document again.
        self.diagnostics.dedup();
        if self
            .diagnostics
            .iter()
            .any(|finding| finding.severity == Severity::Error)
        {
            return Err(Refused {
                diagnostics: self.diagnostics,
            });
        }
        Ok((self.bundle, self.diagnostics))
    }
}

const KINDS: &[&str] = &[
    "IamAccount",
    "IamUser",
    "IamGroup",
    "IamRole",
    "IamPolicy",
    "IamOidcProvider",
    "IamOrganization",
    "IamResource",
    "IamRevocation",
    "IamService",
];

/// The kind, name and specification of a document in the Kubernetes manner.
fn envelope<'n>(node: &'n Node, findings: &mut Findings) -> Option<(&'n str, &'n str, &'n Node)> {
    if node.member("Statement").is_some() && node.member("kind").is_none() {
        let hint = "name it in the `documentFile` of an `IamPolicy`";
        let message = "a bare policy document is attached to nobody";
        findings.error_with_hint("BND-2", node.mark, message, hint);
        return None;
    }
    let mut fields = Fields::of(node, "a bundle document", findings)?;
    let version = fields.required_text("apiVersion", findings);
    if let Some((version, mark)) = version
        && version != API_VERSION
    {
        let message = format!("the apiVersion `{version}` is not known");
        findings.error_with_hint("BND-2", mark, message, format!("write `{API_VERSION}`"));
    }
    let kind = fields.required_text("kind", findings);
    if let Some((kind, mark)) = kind
        && !KINDS.contains(&kind)
    {
        let message = format!("the kind `{kind}` is not known");
        let hint = format!("known are {}", KINDS.join(", "));
        findings.error_with_hint("BND-2", mark, message, hint);
        return None;
    }
    let name = fields
        .require("metadata", findings)
        .and_then(|node| metadata(node, findings));
    let spec = fields.require("spec", findings);
    // What a cluster adds to a stored object says nothing about policy.
    fields.take("status");
    fields.finish(findings);
    Some((kind?.0, name?, spec?))
}

fn metadata<'n>(node: &'n Node, findings: &mut Findings) -> Option<&'n str> {
    let mut fields = Fields::of(node, "`metadata`", findings)?;
    let name = fields.required_text("name", findings).map(|(name, _)| name);
    for ignored in [
        "namespace",
        "labels",
        "annotations",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "managedFields",
        "ownerReferences",
        "finalizers",
    ] {
        fields.take(ignored);
    }
    fields.finish(findings);
    name
}

fn read_spec(
    bundle: &mut Bundle,
    kind: &str,
    name: &str,
    spec: &Node,
    documents: DocumentSource<'_>,
    findings: &mut Findings,
) {
    let directory = &mut bundle.directory;
    match kind {
        "IamAccount" => {
            if let Some((account, peers)) = identity::account(name, spec, findings) {
                directory.accounts.push(account);
                bundle.peers.extend(peers);
            }
        }
        "IamUser" => directory
            .users
            .extend(identity::user(name, spec, documents, findings)),
        "IamGroup" => directory
            .groups
            .extend(identity::group(name, spec, documents, findings)),
        "IamRole" => directory
            .roles
            .extend(identity::role(name, spec, documents, findings)),
        "IamPolicy" => {
            directory
                .policies
                .extend(identity::managed_policy(name, spec, documents, findings));
        }
        "IamOidcProvider" => {
            bundle
                .providers
                .extend(provider::read(name, spec, documents, findings));
        }
        "IamOrganization" => bundle
            .organizations
            .extend(organization::read(spec, findings)),
        "IamResource" => bundle
            .resources
            .extend(resource::read(spec, documents, findings)),
        "IamRevocation" => {
            bundle
                .revocations
                .extend(revocation::read(spec, documents, findings));
        }
        "IamService" => bundle.services.extend(service::read(name, spec, findings)),
        // INVARIANT: `envelope` admits the kinds above and no other.
        _ => findings.error(
            "BND-2",
            spec.mark,
            format!("the kind `{kind}` is not known"),
        ),
    }
}
