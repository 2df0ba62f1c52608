//! `IamAccount`, `IamUser`, `IamGroup`, `IamRole` and `IamPolicy`.

use crate::model::{AccountId, Arn};
use crate::policy::PolicyKind;
use crate::policy::bundle::document_source::DocumentSource;
use crate::policy::directory::{
    AccessKey, Account, Group, Identity, ManagedPolicy, MfaDevice, Reference, Role, User,
};
use crate::policy::fields::Fields;
use crate::policy::findings::Findings;
use crate::policy::node::{Mark, Node};
use crate::policy::peer::{PeerMapping, PeerMatch};
use std::collections::HashSet;

/// The shortest and longest `maxSessionDuration`, in seconds (ROLE-13).
const SESSION_S: std::ops::RangeInclusive<u32> = 3_600..=RAISED_S;
/// The longest session that an operator can allow, in seconds: 72 hours (DUR-04).
const RAISED_S: u32 = 259_200;
/// The longest session of AWS, in seconds.
const LONGEST_S: u32 = 43_200;

pub(super) fn account(
    name: &str,
    spec: &Node,
    findings: &mut Findings,
) -> Option<(Account, Vec<PeerMapping>)> {
    let mut fields = Fields::of(spec, "`spec` of an IamAccount", findings)?;
    let id = fields.account("id", findings);
    let partition = fields
        .text("partition", findings)
        .map_or("aws", |(text, _)| text);
    let alias = fields
        .text("alias", findings)
        .map_or(name, |(text, _)| text);
    let canonical_id = fields.text("canonicalId", findings);
    if let Some((text, mark)) = canonical_id
        && !(text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
    {
        findings.error("BND-5", mark, "`canonicalId` is 64 hexadecimal digits");
    }
    let namespaces = fields.texts("namespaces", findings);
    let mut longest = |name: &'static str, usual_s: u32| {
        let Some((seconds, mark)) = fields.duration_s(name, findings) else {
            return usual_s;
        };
        if !(usual_s..=RAISED_S).contains(&seconds) {
            let message = format!("`{name}` is from {}h to 72h", usual_s / 3_600);
            findings.error("DUR-04", mark, message);
        }
        seconds
    };
    let max_role_session_s = longest("maxRoleSession", LONGEST_S);
    let max_chained_session_s = longest("maxChainedSession", 3_600);
    let peers = fields.list("peers", findings);
    fields.finish(findings);
    let id = id?;
    let peers = peers
        .iter()
        .filter_map(|node| peer(id, node, findings))
        .collect();
    let account = Account {
        place: findings.place(spec.mark),
        id,
        partition: partition.to_owned(),
        alias: Some(alias.to_owned()),
        canonical_id: canonical_id.map(|(text, _)| text.to_ascii_lowercase()),
        namespaces: namespaces
            .into_iter()
            .map(|(text, _)| text.to_owned())
            .collect(),
        max_role_session_s,
        max_chained_session_s,
    };
    Some((account, peers))
}

fn peer(account: AccountId, node: &Node, findings: &mut Findings) -> Option<PeerMapping> {
    let mut fields = Fields::of(node, "a peer", findings)?;
    let spiffe = fields
        .text("spiffe", findings)
        .map(|(text, _)| PeerMatch::Spiffe(text.to_owned()));
    let dns = fields
        .text("dns", findings)
        .map(|(text, _)| PeerMatch::Dns(text.to_owned()));
    let subject = fields
        .text("subject", findings)
        .map(|(text, _)| PeerMatch::Subject(text.to_owned()));
    let role = fields.required_text("role", findings);
    fields.finish(findings);
    let mut matchers = [spiffe, dns, subject].into_iter().flatten();
    let (Some(matcher), None) = (matchers.next(), matchers.next()) else {
        findings.error(
            "BND-4",
            node.mark,
            "a peer needs one of `spiffe`, `dns` and `subject`",
        );
        return None;
    };
    Some(PeerMapping {
        place: findings.place(node.mark),
        matcher,
        role: role?.0.to_owned(),
        account,
    })
}

/// What the kinds of identities have in common.
struct Common {
    account: AccountId,
    name: String,
    arn: Arn,
    attached: Vec<Reference>,
    inline: Vec<(String, std::sync::Arc<crate::policy::Policy>)>,
}

fn common(
    name: &str,
    kind: &str,
    fields: &mut Fields<'_>,
    documents: DocumentSource<'_>,
    findings: &mut Findings,
) -> Option<Common> {
    let account = fields.account("account", findings);
    let name = entity_name(name, fields, 64, findings);
    let path = path(fields, findings);
    let attached = references("attachedPolicies", fields, findings);
    let mut inline = Vec::new();
    for member in fields.mapping("inlinePolicies", findings) {
        let policy = documents.policy(&member.value, PolicyKind::Identity, findings);
        inline.extend(policy.map(|policy| (member.name.clone(), policy)));
    }
    let account = account?;
    let name = name?;
    let arn = identity_arn(
        documents.partition(account),
        account,
        &format!("{kind}{path}{name}"),
        fields.mark(),
        findings,
    )?;
    Some(Common {
        account,
        name,
        arn,
        attached,
        inline,
    })
}

fn identity_arn(
    partition: &str,
    account: AccountId,
    resource: &str,
    mark: Mark,
    findings: &mut Findings,
) -> Option<Arn> {
    match Arn::of_identity(partition, "iam", account, resource) {
        Ok(arn) => Some(arn),
        Err(fault) => {
            findings.error("BND-5", mark, fault.to_string());
            None
        }
    }
}

/// `spec.name`, else `metadata.name`, in the alphabet of names (LIM-4).
fn entity_name(
    metadata: &str,
    fields: &mut Fields<'_>,
    limit: usize,
    findings: &mut Findings,
) -> Option<String> {
    let (name, mark) = fields
        .text("name", findings)
        .unwrap_or((metadata, fields.mark()));
    let fits = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if name.is_empty() || name.len() > limit || !name.chars().all(fits) {
        let message = format!("`{name}` is not a name");
        let hint = format!("1 to {limit} letters, digits and `+=,.@_-`");
        findings.error_with_hint("LIM-4", mark, message, hint);
        return None;
    }
    Some(name.to_owned())
}

/// The path, with a slash at both ends.
fn path(fields: &mut Fields<'_>, findings: &mut Findings) -> String {
    let Some((path, mark)) = fields.text("path", findings) else {
        return "/".to_owned();
    };
    let visible = path
        .bytes()
        .all(|byte| (0x21..=0x7e).contains(&byte) && !b"*?$:".contains(&byte));
    let framed = path == "/" || (path.starts_with('/') && path.ends_with('/'));
    if !visible || !framed || path.contains("//") || path.len() > 512 {
        let message = format!("`{path}` is not a path");
        findings.error_with_hint(
            "LIM-4",
            mark,
            message,
            "begin and end with `/`, such as `/team/`",
        );
    }
    path.to_owned()
}

pub(super) fn references(
    name: &'static str,
    fields: &mut Fields<'_>,
    findings: &mut Findings,
) -> Vec<Reference> {
    let texts = fields.texts(name, findings);
    texts
        .into_iter()
        .map(|(text, mark)| Reference {
            place: findings.place(mark),
            text: text.to_owned(),
        })
        .collect()
}

fn boundary(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<Reference> {
    let (text, mark) = fields.text("permissionsBoundary", findings)?;
    Some(Reference {
        place: findings.place(mark),
        text: text.to_owned(),
    })
}

/// Tags, at most 50, of which no two differ only by case (LIM-4).
pub(super) fn tags(fields: &mut Fields<'_>, findings: &mut Findings) -> Vec<(String, String)> {
    let mark = fields.mark();
    let tags = fields.text_pairs("tags", findings);
    let mut folded = HashSet::new();
    for (key, value) in &tags {
        if !folded.insert(key.to_ascii_lowercase()) {
            findings.error(
                "KEY-2",
                mark,
                format!("the tag `{key}` differs from another only by case"),
            );
        }
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            let message = format!("the tag `{key}` is over the limit");
            findings.error_with_hint(
                "LIM-4",
                mark,
                message,
                "keys have 1 to 128 characters, values 256",
            );
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            findings.error("LIM-4", mark, format!("the tag name `{key}` is reserved"));
        }
    }
    if tags.len() > 50 {
        findings.error("LIM-4", mark, "an identity has at most 50 tags");
    }
    tags
}

fn unique_id(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<String> {
    fields
        .text("uniqueId", findings)
        .map(|(text, _)| text.to_owned())
}

pub(super) fn user(
    name: &str,
    spec: &Node,
    documents: DocumentSource<'_>,
    findings: &mut Findings,
) -> Option<User> {
    let mut fields = Fields::of(spec, "`spec` of an IamUser", findings)?;
    let common = common(name, "user", &mut fields, documents, findings);
    let unique_id = unique_id(&mut fields, findings);
    let tags = tags(&mut fields, findings);
    let boundary = boundary(&mut fields, findings);
    let groups = references("groups", &mut fields, findings);
    let access_keys = fields.list("accessKeys", findings);
    let access_keys: Vec<_> = access_keys
        .iter()
        .filter_map(|node| access_key(node, findings))
        .collect();
    let devices = fields.list("mfaDevices", findings);
    let mfa_devices: Vec<_> = devices
        .iter()
        .filter_map(|node| mfa_device(node, findings))
        .collect();
    fields.finish(findings);
    let Common {
        account,
        name,
        arn,
        attached,
        inline,
    } = common?;
    let place = findings.place(spec.mark);
    let identity = Identity {
        place,
        account,
        name,
        arn,
        unique_id,
        tags,
        attached,
        inline,
        boundary,
    };
    Some(User {
        identity,
        groups,
        access_keys,
        mfa_devices,
    })
}

fn access_key(node: &Node, findings: &mut Findings) -> Option<AccessKey> {
    let mut fields = Fields::of(node, "an access key", findings)?;
    let id = fields.required_text("id", findings);
    let secret_file = fields.required_text("secretFile", findings);
    let status = fields.text("status", findings);
    fields.finish(findings);
    if let Some((text, mark)) = status
        && !matches!(text, "Active" | "Inactive")
    {
        findings.error("BND-5", mark, "`status` is `Active` or `Inactive`");
    }
    Some(AccessKey {
        id: id?.0.to_owned(),
        secret_file: secret_file?.0.to_owned(),
        active: status.is_none_or(|(text, _)| text == "Active"),
    })
}

fn mfa_device(node: &Node, findings: &mut Findings) -> Option<MfaDevice> {
    let mut fields = Fields::of(node, "an MFA device", findings)?;
    let serial = fields.required_text("serial", findings);
    let secret_file = fields.required_text("secretFile", findings);
    fields.finish(findings);
    Some(MfaDevice {
        serial: serial?.0.to_owned(),
        secret_file: secret_file?.0.to_owned(),
    })
}

pub(super) fn group(
    name: &str,
    spec: &Node,
    documents: DocumentSource<'_>,
    findings: &mut Findings,
) -> Option<Group> {
    let mut fields = Fields::of(spec, "`spec` of an IamGroup", findings)?;
    let common = common(name, "group", &mut fields, documents, findings);
    let unique_id = unique_id(&mut fields, findings);
    fields.finish(findings);
    let Common {
        account,
        name,
        arn,
        attached,
        inline,
    } = common?;
    let place = findings.place(spec.mark);
    let tags = Vec::new();
    let identity = Identity {
        place,
        account,
        name,
        arn,
        unique_id,
        tags,
        attached,
        inline,
        boundary: None,
    };
    Some(Group { identity })
}

pub(super) fn role(
    name: &str,
    spec: &Node,
    documents: DocumentSource<'_>,
    findings: &mut Findings,
) -> Option<Role> {
    let mut fields = Fields::of(spec, "`spec` of an IamRole", findings)?;
    let common = common(name, "role", &mut fields, documents, findings);
    let unique_id = unique_id(&mut fields, findings);
    let tags = tags(&mut fields, findings);
    let boundary = boundary(&mut fields, findings);
    let trust = fields.require("trustPolicy", findings);
    let trust = trust.and_then(|node| documents.policy(node, PolicyKind::Trust, findings));
    let session = fields.duration_s("maxSessionDuration", findings);
    if let Some((seconds, mark)) = session
        && !SESSION_S.contains(&seconds)
    {
        findings.error(
            "ROLE-13",
            mark,
            "`maxSessionDuration` is from 1h to 12h, or to what the account allows",
        );
    }
    let service_linked = fields.flag("serviceLinked", findings);
    if service_linked && let Some(boundary) = &boundary {
        let message = "a service-linked role has no permissions boundary";
        findings.extend([crate::policy::Diagnostic::error(
            "EV-21",
            boundary.place.clone(),
            message,
        )]);
    }
    fields.text("description", findings);
    fields.finish(findings);
    let Common {
        account,
        name,
        arn,
        attached,
        inline,
    } = common?;
    let place = findings.place(spec.mark);
    let identity = Identity {
        place,
        account,
        name,
        arn,
        unique_id,
        tags,
        attached,
        inline,
        boundary,
    };
    let max_session_s = session.map_or(3_600, |(seconds, _)| seconds);
    Some(Role {
        identity,
        trust: trust?,
        max_session_s,
        service_linked,
    })
}

pub(super) fn managed_policy(
    name: &str,
    spec: &Node,
    documents: DocumentSource<'_>,
    findings: &mut Findings,
) -> Option<ManagedPolicy> {
    let mut fields = Fields::of(spec, "`spec` of an IamPolicy", findings)?;
    let account = fields.required_text("account", findings);
    let account = match account {
        Some(("aws", _)) => Some(None),
        Some((_, _)) => fields.account("account", findings).map(Some),
        None => None,
    };
    let name = entity_name(name, &mut fields, 128, findings);
    let path = path(&mut fields, findings);
    let kind = match fields.text("type", findings) {
        None | Some(("Identity", _)) => PolicyKind::Identity,
        Some(("ServiceControl", _)) => PolicyKind::ServiceControl,
        Some(("ResourceControl", _)) => PolicyKind::ResourceControl,
        Some((kind, mark)) => {
            let message = format!("the type `{kind}` is not known");
            let hint = "`Identity`, `ServiceControl` or `ResourceControl`";
            findings.error_with_hint("BND-5", mark, message, hint);
            PolicyKind::Identity
        }
    };
    let written = [
        fields
            .take("document")
            .map(|node| documents.policy(node, kind, findings)),
        fields
            .take("documentJson")
            .map(|node| documents.policy_of_json(node, kind, findings)),
        fields
            .take("documentFile")
            .map(|node| documents.policy_of_file(node, kind, findings)),
    ];
    fields.text("description", findings);
    fields.finish(findings);
    let mut written = written.into_iter().flatten();
    let (Some(policy), None) = (written.next(), written.next()) else {
        let message = "an IamPolicy needs one of `document`, `documentJson` and `documentFile`";
        findings.error("BND-4", spec.mark, message);
        return None;
    };
    let (account, name) = (account?, name?);
    let owner = account.map_or_else(|| "aws".to_owned(), |id| id.to_string());
    let partition = account.map_or("aws", |id| documents.partition(id));
    let text = format!("arn:{partition}:iam::{owner}:policy{path}{name}");
    let arn = match Arn::parse(&text) {
        Ok(arn) => arn,
        Err(fault) => {
            findings.error("BND-5", spec.mark, fault.to_string());
            return None;
        }
    };
    Some(ManagedPolicy {
        place: findings.place(spec.mark),
        account,
        name,
        arn,
        policy: policy?,
    })
}
