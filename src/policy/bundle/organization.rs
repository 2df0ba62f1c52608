//! `IamOrganization`.

use crate::policy::bundle::identity::references;
use crate::policy::fields::Fields;
use crate::policy::findings::Findings;
use crate::policy::node::{Mark, Node as Tree};
use crate::policy::organization::{ControlPolicies, MAX_DEPTH, Member, Node, Organization};

pub(super) fn read(spec: &Tree, findings: &mut Findings) -> Option<Organization> {
    let mut fields = Fields::of(spec, "`spec` of an IamOrganization", findings)?;
    let id = fields
        .required_text("id", findings)
        .and_then(|id| identifier(id, "o-", findings));
    let management = fields.account("managementAccount", findings);
    let service_control = switch("serviceControlPolicies", &mut fields, findings);
    let resource_control = switch("resourceControlPolicies", &mut fields, findings);
    let root = fields.require("root", findings);
    fields.finish(findings);
    let root = root.and_then(|root| node(root, "r-", 0, findings));
    Some(Organization {
        place: findings.place(spec.mark),
        id: id?,
        management: management?,
        service_control,
        resource_control,
        root: root?,
    })
}

/// `enabled`, the default, or `disabled`.
fn switch(name: &'static str, fields: &mut Fields<'_>, findings: &mut Findings) -> bool {
    match fields.text(name, findings) {
        None | Some(("enabled", _)) => true,
        Some(("disabled", _)) => false,
        Some((_, mark)) => {
            let message = format!("`{name}` is `enabled` or `disabled`");
            findings.error("BND-5", mark, message);
            true
        }
    }
}

fn identifier((text, mark): (&str, Mark), prefix: &str, findings: &mut Findings) -> Option<String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let rest = text.strip_prefix(prefix);
    if rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(fits)) {
        return Some(text.to_owned());
    }
    let message = format!("`{text}` is not an id of an organization's tree");
    let hint = format!("`{prefix}` and then lower-case letters, digits and `-`");
    findings.error_with_hint("BND-5", mark, message, hint);
    None
}

fn node(node: &Tree, prefix: &str, depth: usize, findings: &mut Findings) -> Option<Node> {
    if depth > MAX_DEPTH {
        let message = format!("units are nested more than {MAX_DEPTH} deep");
        findings.error("LIM-4", node.mark, message);
        return None;
    }
    let mut fields = Fields::of(node, "a node of the tree", findings)?;
    let id = fields
        .required_text("id", findings)
        .and_then(|id| identifier(id, prefix, findings));
    fields.text("name", findings);
    let policies = policies(&mut fields, findings);
    let units = fields.list("units", findings);
    let accounts = fields.list("accounts", findings);
    fields.finish(findings);
    let units = units
        .iter()
        .filter_map(|unit| self::node(unit, "ou-", depth + 1, findings))
        .collect();
    let accounts = accounts
        .iter()
        .filter_map(|account| member(account, findings))
        .collect();
    Some(Node {
        id: id?,
        policies,
        units,
        accounts,
    })
}

fn member(node: &Tree, findings: &mut Findings) -> Option<Member> {
    let mut fields = Fields::of(node, "an account of the tree", findings)?;
    let id = fields.account("id", findings);
    let policies = policies(&mut fields, findings);
    fields.finish(findings);
    Some(Member {
        place: findings.place(node.mark),
        id: id?,
        policies,
    })
}

fn policies(fields: &mut Fields<'_>, findings: &mut Findings) -> ControlPolicies {
    let is_given = fields.take("serviceControlPolicies").is_some();
    let service = references("serviceControlPolicies", fields, findings);
    ControlPolicies {
        service: is_given.then_some(service),
        resource: references("resourceControlPolicies", fields, findings),
    }
}
