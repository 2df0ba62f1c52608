//! `IamOidcProvider`.

use crate::model::{AccountId, Arn, ContextKey};
use crate::policy::bundle::document_source::DocumentSource;
use crate::policy::fields::{Fields, string};
use crate::policy::findings::Findings;
use crate::policy::node::{Mark, Node, Value};
use crate::policy::{
    AuthorizedParty, Cardinality, ConditionKeyType, OidcProvider, RoleRule, SigningAlgorithm,
};

const DAY_S: u32 = 86_400;

pub(super) fn read(
    name: &str,
    spec: &Node,
    documents: DocumentSource<'_>,
    findings: &mut Findings,
) -> Option<OidcProvider> {
    let mut fields = Fields::of(spec, "`spec` of an IamOidcProvider", findings)?;
    let account = fields.account("account", findings);
    let issuer = fields.required_text("issuer", findings);
    let audiences = audiences(&mut fields, findings);
    let algorithms = algorithms(&mut fields, findings);
    let jwks = fields.require("jwks", findings);
    let jwks = jwks.and_then(|node| key_set(node, documents, findings));
    let leeway = fields.duration_s("leeway", findings);
    if let Some((seconds, mark)) = leeway
        && seconds > 300
    {
        findings.error("JWT-05", mark, "`leeway` is at most 5m");
    }
    let life = fields.duration_s("maxTokenLife", findings);
    let multiple_audiences = fields.flag("multipleAudiences", findings);
    let authorized_party = match fields.text("azp", findings) {
        None | Some(("require", _)) => AuthorizedParty::Require,
        Some(("ignore", _)) => AuthorizedParty::Ignore,
        Some((_, mark)) => {
            findings.error("JWT-07", mark, "`azp` is `require` or `ignore`");
            AuthorizedParty::Require
        }
    };
    let claims = fields.text_pairs("claims", findings);
    let roles = fields.list("roles", findings);
    let roles: Vec<RoleRule> = roles
        .iter()
        .filter_map(|node| role(node, findings))
        .collect();
    let role_claim = fields
        .text("roleClaim", findings)
        .map(|(text, _)| text.to_owned());
    let allowed_roles: Vec<String> = fields
        .texts("allowedRoles", findings)
        .into_iter()
        .map(|(text, _)| text.to_owned())
        .collect();
    let default_role = fields
        .text("defaultRole", findings)
        .map(|(text, _)| text.to_owned());
    let session_name = fields
        .text("sessionName", findings)
        .map_or("sub", |(text, _)| text);
    fields.finish(findings);
    if role_claim.is_some() && allowed_roles.is_empty() {
        let message = "`roleClaim` needs `allowedRoles`: the roles that a token may name";
        findings.error("BND-4", spec.mark, message);
    }
    let (account, issuer) = (account?, issuer?);
    Some(OidcProvider {
        place: findings.place(spec.mark),
        name: name.to_owned(),
        account,
        arn: provider_arn(documents.partition(account), account, issuer, findings)?,
        issuer: issuer.0.to_owned(),
        audiences,
        algorithms,
        jwks: jwks?,
        leeway_s: leeway.map_or(60, |(seconds, _)| seconds),
        max_token_life_s: life.map_or(DAY_S, |(seconds, _)| seconds),
        multiple_audiences,
        authorized_party,
        claims,
        roles,
        role_claim,
        allowed_roles,
        default_role,
        session_name: session_name.to_owned(),
    })
}

/// The condition keys of a provider's tokens: those that every provider has, and its claims
/// (CLM-02). A claim may be a text in one token and a list in another.
pub(super) fn condition_keys(document: &Node) -> Vec<(ContextKey, ConditionKeyType)> {
    let spec = document.member("spec");
    let member = |name| spec.and_then(|spec| spec.member(name));
    let issuer = member("issuer").and_then(Node::text);
    let Some(prefix) = issuer.and_then(|issuer| issuer.strip_prefix("https://")) else {
        return Vec::new();
    };
    let claims = member("claims").and_then(Node::members).unwrap_or_default();
    let names = claims
        .iter()
        .filter_map(|claim| claim.value.text())
        .chain(["aud", "oaud", "azp", "iss"]);
    let kind = |cardinality| ConditionKeyType {
        name: "string",
        cardinality,
    };
    let key = |name: &str| ContextKey::new(&format!("{prefix}:{name}"));
    let mut keys: Vec<_> = names
        .map(|name| (key(name), kind(Cardinality::Either)))
        .collect();
    keys.push((key("sub"), kind(Cardinality::Single)));
    keys.push((key("id"), kind(Cardinality::Single)));
    keys.push((key("amr"), kind(Cardinality::Multiple)));
    keys
}

/// OID-01: an https URL without query and fragment.
fn provider_arn(
    partition: &str,
    account: AccountId,
    (issuer, mark): (&str, Mark),
    findings: &mut Findings,
) -> Option<Arn> {
    let host = issuer.strip_prefix("https://").filter(|rest| {
        !rest.is_empty()
            && !rest.starts_with('/')
            && !rest.contains(['?', '#', '@', '*', '$'])
            && rest.bytes().all(|byte| (0x21..=0x7e).contains(&byte))
    });
    let Some(host) = host else {
        let message = format!("`{issuer}` is not an issuer");
        let hint = "an https URL without query and fragment, exactly as in the tokens' `iss`";
        findings.error_with_hint("OID-01", mark, message, hint);
        return None;
    };
    match Arn::of_identity(partition, "iam", account, &format!("oidc-provider/{host}")) {
        Ok(arn) => Some(arn),
        Err(fault) => {
            findings.error("OID-01", mark, fault.to_string());
            None
        }
    }
}

/// Incident rule 9: without an audience nothing is checked, so there is no such provider.
fn audiences(fields: &mut Fields<'_>, findings: &mut Findings) -> Vec<String> {
    let mark = fields.mark();
    fields.require("audiences", findings);
    let audiences = fields.texts("audiences", findings);
    if audiences.is_empty() || audiences.len() > 100 {
        findings.error("OID-01", mark, "a provider has 1 to 100 audiences");
    }
    for (audience, mark) in &audiences {
        if audience.is_empty() {
            findings.error("OID-01", *mark, "an audience may not be empty");
        }
    }
    audiences
        .into_iter()
        .map(|(text, _)| text.to_owned())
        .collect()
}

/// JWT-02.
fn algorithms(fields: &mut Fields<'_>, findings: &mut Findings) -> Vec<SigningAlgorithm> {
    let mark = fields.mark();
    let written = fields.texts("algorithms", findings);
    if written.is_empty() {
        if fields.take("algorithms").is_some() {
            findings.error("JWT-02", mark, "`algorithms` is empty");
        }
        return vec![SigningAlgorithm::Rs256, SigningAlgorithm::Es256];
    }
    let mut algorithms = Vec::new();
    for (text, mark) in written {
        if let Some(algorithm) = SigningAlgorithm::parse(text) {
            algorithms.push(algorithm);
            continue;
        }
        let names: Vec<&str> = SigningAlgorithm::ALL
            .iter()
            .map(|(_, name)| *name)
            .collect();
        let message = format!("`{text}` is not an algorithm that may be accepted");
        let hint = format!("known are {}", names.join(", "));
        findings.error_with_hint("JWT-02", mark, message, hint);
    }
    algorithms
}

/// The key set: `inline` as a mapping or a JSON string, or `file` beside the document.
fn key_set(node: &Node, documents: DocumentSource<'_>, findings: &mut Findings) -> Option<String> {
    let mut fields = Fields::of(node, "`jwks`", findings)?;
    let inline = fields.take("inline");
    let file = fields.take("file");
    fields.finish(findings);
    match (inline, file) {
        (Some(inline), None) => Some(inline.text().map_or_else(|| to_json(inline), str::to_owned)),
        (None, Some(file)) => documents
            .text_of_file(file, "file", findings)
            .map(|(_, text)| text.to_owned()),
        _ => {
            findings.error(
                "BND-4",
                node.mark,
                "`jwks` needs one of `inline` and `file`",
            );
            None
        }
    }
}

/// The JSON text of a tree.
fn to_json(node: &Node) -> String {
    let quote = |text: &str| serde_json::Value::from(text).to_string();
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(lexeme) => lexeme.clone(),
        Value::Text(text) => quote(text),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(to_json).collect();
            format!("[{}]", items.join(","))
        }
        Value::Map(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|member| format!("{}:{}", quote(&member.name), to_json(&member.value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

fn role(node: &Node, findings: &mut Findings) -> Option<RoleRule> {
    let mut fields = Fields::of(node, "a role rule", findings)?;
    let claim = fields.required_text("claim", findings);
    let value = fields.require("value", findings);
    let role = fields.required_text("role", findings);
    fields.finish(findings);
    let value = value.and_then(|node| string(node, "value", findings));
    Some(RoleRule {
        claim: claim?.0.to_owned(),
        value: value?.0.to_owned(),
        role: role?.0.to_owned(),
    })
}
