//! `IamOidcProvider`.

use crate::model::{AccountId, Arn, ContextKey};
use crate::policy::bundle::document_source::DocumentSource;
use crate::policy::fields::{Fields, string};
use crate::policy::findings::Findings;
use crate::policy::node::{Mark, Node, Value};
use crate::policy::{
    AuthorizedParty, Cardinality, Cluster, ConditionKeyType, KeyRequest, KeySource, OidcProvider,
    RoleRule, SigningAlgorithm,
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
    let keys = jwks.and_then(|node| {
        let issuer = issuer.map_or("", |(text, _)| text);
        key_source(node, issuer, &algorithms, documents, findings)
    });
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
    let stated = fields.text("sessionName", findings);
    let session_name = stated.map_or("sub", |(text, _)| text);
    let cluster = fields
        .take("cluster")
        .and_then(|node| cluster(node, findings));
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
        keys: keys?,
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
        names_sessions: stated.is_some(),
        cluster,
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
        // K8S-02: every pod has a token for the API server, and whoever gets one would be let in.
        if audience.starts_with("https://kubernetes.default.svc") {
            let message = "tokens for the API server of Kubernetes are not tokens for this";
            let hint = "project tokens of an audience of their own, such as `sts.amazonaws.com`";
            findings.error_with_hint("K8S-02", *mark, message, hint);
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

/// Where the keys come from: `inline` as a mapping or a JSON string, `file` beside the document,
/// `url`, `discovery` or `tokenReview`.
fn key_source(
    node: &Node,
    issuer: &str,
    algorithms: &[SigningAlgorithm],
    documents: DocumentSource<'_>,
    findings: &mut Findings,
) -> Option<KeySource> {
    let mut fields = Fields::of(node, "`jwks`", findings)?;
    let inline = fields.take("inline");
    let file = fields.take("file");
    let url = fields.text("url", findings);
    let discovery = fields.flag("discovery", findings);
    let review = fields.flag("tokenReview", findings);
    let fetched = url.is_some() || discovery;
    let hosts = fields.texts("hosts", findings);
    let ca = fields.take("caFile").and_then(|node| {
        let found = documents.text_of_file(node, "caFile", findings);
        found.map(|(_, text)| text.to_owned())
    });
    let private_addresses = fields.flag("privateAddresses", findings);
    let stale = fields.duration_s("staleIfError", findings);
    fields.finish(findings);
    let sources = [
        inline.is_some(),
        file.is_some(),
        url.is_some(),
        discovery,
        review,
    ];
    if sources.into_iter().filter(|given| *given).count() != 1 {
        let message = "`jwks` needs one of `inline`, `file`, `url`, `discovery: true` and `tokenReview: true`";
        findings.error("OID-03", node.mark, message);
        return None;
    }
    if !fetched && (!hosts.is_empty() || ca.is_some() || private_addresses || stale.is_some()) {
        let message = "`hosts`, `caFile`, `privateAddresses` and `staleIfError` go with `url` and `discovery`";
        findings.error("OID-03", node.mark, message);
    }
    if let Some((url, mark)) = url
        && !is_https(url)
    {
        let message = format!("`{url}` is not an https address without query and fragment");
        findings.error("OID-02", mark, message);
    }
    if review {
        return Some(KeySource::TokenReview);
    }
    if fetched {
        return Some(KeySource::Fetched(KeyRequest {
            issuer: issuer.to_owned(),
            url: url.map(|(text, _)| text.to_owned()),
            hosts: hosts
                .into_iter()
                .map(|(text, _)| text.to_ascii_lowercase())
                .collect(),
            ca,
            private_addresses,
            stale_if_error_s: stale.map_or(DAY_S, |(seconds, _)| seconds),
            algorithms: algorithms.to_vec(),
        }));
    }
    let text = match (inline, file) {
        (Some(inline), _) => inline.text().map_or_else(|| to_json(inline), str::to_owned),
        (None, file) => {
            let found = documents.text_of_file(file?, "file", findings);
            found.map(|(_, text)| text.to_owned())?
        }
    };
    Some(KeySource::Inline(text))
}

fn is_https(url: &str) -> bool {
    url.strip_prefix("https://").is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with('/')
            && !rest.contains(['?', '#', '@'])
            && rest.bytes().all(|byte| (0x21..=0x7e).contains(&byte))
    })
}

/// K8S-04.
fn cluster(node: &Node, findings: &mut Findings) -> Option<Cluster> {
    let mut fields = Fields::of(node, "`cluster`", findings)?;
    let name = fields.required_text("name", findings);
    let arn = fields.text("arn", findings);
    fields.finish(findings);
    Some(Cluster {
        name: name?.0.to_owned(),
        arn: arn.map(|(text, _)| text.to_owned()),
    })
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

/// A role for tokens with a claim of some value, or with several (`claims`).
fn role(node: &Node, findings: &mut Findings) -> Option<RoleRule> {
    let mut fields = Fields::of(node, "a role rule", findings)?;
    let claim = fields.text("claim", findings);
    let value = fields.take("value");
    let value = value.and_then(|node| string(node, "value", findings));
    let several = fields.text_pairs("claims", findings);
    let role = fields.required_text("role", findings);
    fields.finish(findings);
    let claims = match (claim, value, several.is_empty()) {
        (Some((claim, _)), Some((value, _)), true) => vec![(claim.to_owned(), value.to_owned())],
        (None, None, false) => several,
        // What is wrong with `claims` is told already.
        (None, None, true) if node.member("claims").is_some() => return None,
        _ => {
            let message = "a role rule has `claim` and `value`, or `claims`";
            findings.error("BND-4", node.mark, message);
            return None;
        }
    };
    Some(RoleRule {
        claims,
        role: role?.0.to_owned(),
    })
}
