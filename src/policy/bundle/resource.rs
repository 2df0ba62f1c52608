//! `IamResource`.

use crate::policy::bundle::document_source::DocumentSource;
use crate::policy::bundle::identity::tags;
use crate::policy::fields::Fields;
use crate::policy::findings::Findings;
use crate::policy::node::Node;
use crate::policy::resource_record::{AclGrant, Endpoint, Grantee, Permission, ResourceRecord};
use crate::policy::{PolicyKind, ResourcePattern};

/// The most grants of an access control list (ACL-6).
const MAX_GRANTS: usize = 100;

pub(super) fn read(
    spec: &Node,
    documents: DocumentSource<'_>,
    findings: &mut Findings,
) -> Option<ResourceRecord> {
    let mut fields = Fields::of(spec, "`spec` of an IamResource", findings)?;
    let arn = fields.required_text("arn", findings);
    let owner = fields.account("account", findings);
    let policy = fields.take("policy");
    let policy = policy.map(|node| documents.policy(node, PolicyKind::Resource, findings));
    let has_tags = fields.take("tags").is_some();
    let tags = tags(&mut fields, findings);
    let acl = fields.take("acl").map(|node| acl(node, findings));
    let endpoint = fields.take("endpoint");
    let endpoint = endpoint.map(|node| self::endpoint(node, documents, findings));
    fields.text("description", findings);
    fields.finish(findings);
    let (text, mark) = arn?;
    let pattern = ResourcePattern::parse(text, PolicyKind::Identity, false, mark, findings)?;
    if pattern == ResourcePattern::All {
        let message = "a record is about an ARN, not about everything";
        findings.error("BND-5", mark, message);
        return None;
    }
    let (acl, acl_disabled) = match acl {
        None => (Vec::new(), false),
        Some(acl) => acl?,
    };
    Some(ResourceRecord {
        place: findings.place(spec.mark),
        arn: text.to_owned(),
        wild: text.contains(['*', '?']),
        pattern,
        owner: owner?,
        // A policy that was given and is at fault must not pass for none.
        policy: match policy {
            None => None,
            Some(policy) => Some(policy?),
        },
        tags: has_tags.then_some(tags),
        acl,
        acl_disabled,
        endpoint: match endpoint {
            None => None,
            Some(endpoint) => Some(endpoint?),
        },
    })
}

fn acl(node: &Node, findings: &mut Findings) -> Option<(Vec<AclGrant>, bool)> {
    let mut fields = Fields::of(node, "`acl`", findings)?;
    let disabled = fields.flag("disabled", findings);
    let items = fields.list("grants", findings);
    fields.finish(findings);
    if items.len() > MAX_GRANTS {
        let message = format!("an access control list has at most {MAX_GRANTS} grants");
        findings.error("ACL-6", node.mark, message);
    }
    let mut grants = Vec::new();
    for item in items {
        grants.push(grant(item, findings)?);
    }
    Some((grants, disabled))
}

fn grant(node: &Node, findings: &mut Findings) -> Option<AclGrant> {
    let mut fields = Fields::of(node, "a grant", findings)?;
    let account = fields
        .take("account")
        .map(|_| fields.account("account", findings));
    let group = fields.text("group", findings);
    let permission = fields.required_text("permission", findings);
    fields.finish(findings);
    let grantee = match (account, group) {
        (Some(account), None) => Grantee::Account(account?),
        (None, Some(("AllUsers", _))) => Grantee::AllUsers,
        (None, Some(("AuthenticatedUsers", _))) => Grantee::AuthenticatedUsers,
        (None, Some(("LogDelivery", _))) => Grantee::LogDelivery,
        _ => {
            let message = "a grant names an `account`, or a `group`: `AllUsers`, `AuthenticatedUsers` or `LogDelivery`";
            findings.error("ACL-2", node.mark, message);
            return None;
        }
    };
    let (text, mark) = permission?;
    let Some(permission) = Permission::parse(text) else {
        let names: Vec<&str> = Permission::ALL.iter().map(|(_, name)| *name).collect();
        let message = format!("`{text}` is not a permission");
        findings.error_with_hint(
            "ACL-4",
            mark,
            message,
            format!("known are {}", names.join(", ")),
        );
        return None;
    };
    Some(AclGrant {
        grantee,
        permission,
    })
}

fn endpoint(
    node: &Node,
    documents: DocumentSource<'_>,
    findings: &mut Findings,
) -> Option<Endpoint> {
    let mut fields = Fields::of(node, "`endpoint`", findings)?;
    let id = fields.required_text("id", findings);
    let vpc = fields.text("vpc", findings);
    let policy = fields.take("policy");
    fields.finish(findings);
    let policy = match policy {
        None => None,
        Some(policy) => Some(documents.policy(policy, PolicyKind::Endpoint, findings)?),
    };
    Some(Endpoint {
        id: id?.0.to_owned(),
        vpc: vpc.map(|(text, _)| text.to_owned()),
        policy,
    })
}
