//! The condition keys of a request (KEY-8, KEY-9).

use crate::authn::{SessionKind, SignatureForm, WebIdentity};
use crate::engine::Membership;
use crate::mapping::Mapped;
use crate::model::{Context, Delegation, HttpCall, Principal, Timestamp};
use crate::pdp::caller::{Caller, Signature};
use crate::pdp::question::{Closed, Question};
use crate::pdp::target::{Tags, Target, ThroughEndpoint};
use crate::policy::ServiceProtocol;
use crate::snapshot::Snapshot;
use std::sync::Arc;

/// Keys that are derived from records and the clock; a request that brings one is refused (CTX-5).
const DERIVED: &[&str] = &[
    "aws:assumedroot",
    "aws:calledvia",
    "aws:calledviafirst",
    "aws:calledvialast",
    "aws:currenttime",
    "aws:epochtime",
    "aws:federatedprovider",
    "aws:multifactorauthage",
    "aws:multifactorauthpresent",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalisawsservice",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principalservicename",
    "aws:principalservicenameslist",
    "aws:principaltype",
    "aws:resourceaccount",
    "aws:resourceorgid",
    "aws:resourceorgpaths",
    "aws:sourceidentity",
    "aws:tokenissuetime",
    "aws:userid",
    "aws:username",
    "aws:viaawsservice",
    "sidegate:authtype",
    "sidegate:peerprincipal",
    "sidegate:signatureage",
];

const DERIVED_FAMILIES: &[&str] = &["aws:principaltag/", "aws:resourcetag/", "iam:resourcetag/"];

/// The tags of resources: until the bundle has records of resources nobody knows them.
const RESOURCE_TAGS: [&str; 2] = ["aws:resourcetag/", "iam:resourcetag/"];

/// Keys that tell about the connection of a caller.
const NETWORK: [&str; 4] = [
    "aws:SourceIp",
    "aws:SecureTransport",
    "aws:UserAgent",
    "aws:Referer",
];

/// Why a key of a question is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyFault {
    /// Only Sidegate itself may set it (CTX-5).
    #[error("the key `{0}` is derived here")]
    Derived(String),
    /// It came in two spellings.
    #[error("the key `{0}` is given twice")]
    Twice(String),
}

/// What a trusted peer tells about the connection of the caller it asks about; the rest is unknown
/// (CTX-6).
pub(super) fn set_told_network(context: &mut Context, given: &[(String, Vec<String>)]) {
    for key in NETWORK {
        let mut told = given
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(key));
        match (told.next(), told.next()) {
            (Some((_, values)), None) => {
                context.set_all(key, values.iter().map(|value| value.as_str().into()));
            }
            _ => context.set_unknown(key),
        }
    }
}

/// The context of an HTTP call.
pub(super) fn of_call(
    caller: &Caller,
    call: &HttpCall,
    mapped: &Mapped<'_>,
    now: Timestamp,
    snapshot: &Snapshot,
) -> Context {
    // What no policy reads is not worth finding out. Session policies are not among those that the
    // snapshot knows, and a sealed reason tells everything.
    let is_closed = caller.session_policies.is_none() && !mapped.service.encoded_denials;
    let mut context = if is_closed {
        Context::reading(Arc::clone(snapshot.policies.reads()))
    } else {
        Context::new()
    };
    for (key, values) in &mapped.context {
        context.set_all(key, values.iter().map(|value| (&**value).into()));
    }
    for key in &mapped.unknown {
        if key.ends_with(['/', ':']) {
            context.set_unknown_family(key.clone());
        } else if context.lookup(&key.to_ascii_lowercase()).is_none() {
            context.set_unknown(key);
        }
    }
    if let Some(signature) = &caller.signature {
        set_signature(&mut context, signature, mapped);
    }
    set_network(&mut context, call);
    match &mapped.service.region {
        Some(region) => context.set("aws:RequestedRegion", region.clone()),
        None => context.set_unknown("aws:RequestedRegion"),
    }
    context.set("aws:ViaAWSService", "false");
    set_caller(&mut context, caller, now);
    set_time(&mut context, now);
    context
}

/// BRR-02: how the call was signed, and the names that S3 has for it.
fn set_signature(context: &mut Context, signature: &Signature, mapped: &Mapped<'_>) {
    let age_ms = signature.age_s.saturating_mul(1000).to_string();
    if mapped.service.protocol == ServiceProtocol::S3 {
        let form = match signature.form {
            SignatureForm::Header => "REST-HEADER",
            SignatureForm::Query => "REST-QUERY-STRING",
        };
        context.set("s3:authType", form);
        context.set("s3:signatureversion", "AWS4-HMAC-SHA256");
        context.set("s3:signatureAge", age_ms.as_str());
    }
    context.set("sidegate:SignatureAge", age_ms);
}

/// What is known of a caller of the token service and of its connection.
pub(super) fn of_caller(caller: &Caller, call: &HttpCall, now: Timestamp) -> Context {
    let mut context = Context::new();
    set_network(&mut context, call);
    context.set("aws:ViaAWSService", "false");
    match caller
        .signature
        .as_ref()
        .map(|signature| &*signature.region)
    {
        // The old global endpoint is in the first region.
        Some("aws-global") => context.set("aws:RequestedRegion", "us-east-1"),
        Some(region) => context.set("aws:RequestedRegion", region),
        None => context.set_unknown("aws:RequestedRegion"),
    }
    set_caller(&mut context, caller, now);
    set_time(&mut context, now);
    context
}

/// The context of a question that a trusted peer asks.
///
/// # Errors
///
/// [`KeyFault`] for a key that may not be given so.
pub(super) fn of_question(
    caller: &Caller,
    question: &Question,
    now: Timestamp,
) -> Result<Context, KeyFault> {
    let mut context = Context::new();
    if question.closed != Closed::Open {
        for (key, values) in &question.context {
            context.set_all(key, values.iter().map(|value| value.as_str().into()));
        }
        for key in &question.unknown {
            if key.ends_with(['/', ':']) {
                context.set_unknown_family(key.clone());
            } else {
                context.set_unknown(key);
            }
        }
        return Ok(context);
    }
    for (key, values) in &question.context {
        let folded = admit(key)?;
        if context.lookup(&folded).is_none() {
            context.set_all(key, values.iter().map(|value| value.as_str().into()));
        } else if folded.starts_with("aws:requesttag/") {
            // KEY-2: two tags whose names differ by case alone.
            context.set_unknown(key);
        } else {
            return Err(KeyFault::Twice(key.clone()));
        }
    }
    for key in &question.unknown {
        admit(key)?;
        context.set_unknown(key);
    }
    set_forwarded(&mut context, &question.called_via);
    set_caller(&mut context, caller, now);
    set_time(&mut context, now);
    Ok(context)
}

/// The folded name of a key that a peer may give (CTX-5).
fn admit(key: &str) -> Result<String, KeyFault> {
    let folded = key.to_ascii_lowercase();
    let of_family = |family: &&str| folded.starts_with(*family);
    if DERIVED.contains(&folded.as_str()) || DERIVED_FAMILIES.iter().any(of_family) {
        return Err(KeyFault::Derived(key.to_owned()));
    }
    Ok(folded)
}

/// CTX-8: services that repeat a call with the caller's authority, in the order of the calls.
fn set_forwarded(context: &mut Context, called_via: &[String]) {
    context.set("aws:ViaAWSService", (!called_via.is_empty()).to_string());
    let (Some(first), Some(last)) = (called_via.first(), called_via.last()) else {
        return;
    };
    let names = called_via.iter().map(|name| name.as_str().into());
    context.set_all("aws:CalledVia", names);
    context.set("aws:CalledViaFirst", first.as_str());
    context.set("aws:CalledViaLast", last.as_str());
    for key in OF_ENDPOINTS {
        context.remove(key);
    }
}

/// Keys of the endpoint that a caller came through; a service that repeats its call does not.
const OF_ENDPOINTS: [&str; 7] = [
    "aws:SourceVpc",
    "aws:SourceVpcArn",
    "aws:SourceVpce",
    "aws:VpcSourceIp",
    "aws:VpceAccount",
    "aws:VpceOrgID",
    "aws:VpceOrgPaths",
];

/// What the directory and the records say of caller and resource.
pub(super) fn set_records(
    context: &mut Context,
    snapshot: &Snapshot,
    caller: &Caller,
    target: &Target<'_>,
) {
    let principal = caller.principal.account();
    let place = principal.and_then(|account| snapshot.policies.membership(account));
    set_membership(
        context,
        place,
        "aws:PrincipalOrgID",
        "aws:PrincipalOrgPaths",
    );
    set_membership(
        context,
        target.membership,
        "aws:ResourceOrgID",
        "aws:ResourceOrgPaths",
    );
    if let Some(owner) = target.resource.owner {
        context.set("aws:ResourceAccount", owner.as_str());
    }
    match target.tags {
        Tags::None => {}
        Tags::Unknown => {
            for family in RESOURCE_TAGS {
                context.set_unknown_family(family);
            }
        }
        Tags::Known(_)
            if !RESOURCE_TAGS
                .iter()
                .any(|family| context.wants_family(family)) => {}
        Tags::Known(tags) => {
            let is_assumed = target.resource.delegation == Delegation::Trust;
            for (key, value) in tags {
                let inherited = is_assumed.then(|| caller.transitive_tag(key)).flatten();
                let value = inherited.unwrap_or(value);
                context.set(&format!("aws:ResourceTag/{key}"), value);
                context.set(&format!("iam:ResourceTag/{key}"), value);
            }
        }
    }
    if let ThroughEndpoint::Known(endpoint) = ThroughEndpoint::of(snapshot, context) {
        context.set("aws:VpceAccount", endpoint.owner.as_str());
        if let Some(vpc) = &endpoint.vpc {
            context.set("aws:SourceVpc", vpc.as_str());
        }
        let place = snapshot.policies.membership(endpoint.owner);
        set_membership(context, place, "aws:VpceOrgID", "aws:VpceOrgPaths");
    }
}

/// KEY-12: absent for an account outside any organization.
fn set_membership(context: &mut Context, place: Option<&Membership>, id: &str, paths: &str) {
    if let Some(place) = place {
        context.set(id, &*place.organization);
        context.set_all(paths, [(&*place.path).into()]);
    }
}

/// The context in which a trust policy judges a token (ROLE-23, CLM-02).
pub(super) fn of_web_identity(identity: &WebIdentity, now: Timestamp) -> Context {
    let mut context = Context::new();
    for (key, values) in &identity.context {
        context.set_all(key, values.iter().map(|value| value.as_str().into()));
    }
    context.set("aws:FederatedProvider", identity.provider.arn.as_str());
    context.set("sts:RoleSessionName", identity.session_name.as_str());
    if let Some(source) = &identity.source_identity {
        context.set("sts:SourceIdentity", source.as_str());
    }
    for (key, value) in &identity.session_tags {
        context.set(&format!("aws:RequestTag/{key}"), value.as_str());
    }
    context.set_all(
        "aws:TagKeys",
        identity
            .session_tags
            .iter()
            .map(|(key, _)| key.as_str().into()),
    );
    context.set_all(
        "sts:TransitiveTagKeys",
        identity
            .transitive_tag_keys
            .iter()
            .map(|key| key.as_str().into()),
    );
    context.set("aws:ViaAWSService", "false");
    set_time(&mut context, now);
    context
}

/// What the connection and its headers tell.
pub(super) fn set_network(context: &mut Context, call: &HttpCall) {
    // KEY-9: a caller that comes through an endpoint has a private address and no public one.
    let address = if call.peer.endpoint.is_some() {
        "aws:VpcSourceIp"
    } else {
        "aws:SourceIp"
    };
    match call.peer.ip {
        Some(_) if !context.wants(address) => {}
        Some(ip) => context.set(address, ip.to_canonical().to_string()),
        // The caller has an address, and nobody told it.
        None => context.set_unknown(address),
    }
    if let Some(endpoint) = &call.peer.endpoint {
        context.set("aws:SourceVpce", endpoint.as_str());
    }
    match call.peer.secure {
        Some(secure) => context.set("aws:SecureTransport", secure.to_string()),
        None => context.set_unknown("aws:SecureTransport"),
    }
    for (key, header) in [("aws:UserAgent", "user-agent"), ("aws:Referer", "referer")] {
        if !context.wants(key) {
            continue;
        }
        match call.headers.joined(header) {
            Ok(Some(text)) if text.len() <= Context::MAX_CHARS => context.set(key, text),
            Ok(None) => {}
            // Present, but not in one readable way: not the same as absent.
            Ok(Some(_)) | Err(_) => context.set_unknown(key),
        }
    }
    if !call.peer.principal.is_empty() {
        context.set("sidegate:PeerPrincipal", call.peer.principal.as_str());
    }
}

fn set_time(context: &mut Context, now: Timestamp) {
    if context.wants("aws:CurrentTime") {
        context.set("aws:CurrentTime", now.to_iso());
    }
    if context.wants("aws:EpochTime") {
        context.set("aws:EpochTime", now.seconds().to_string());
    }
}

fn set_caller(context: &mut Context, caller: &Caller, now: Timestamp) {
    let principal = &caller.principal;
    if let Some(label) = caller.authentication.label() {
        context.set("sidegate:AuthType", label);
    }
    if let Some(arn) = principal.policy_arn() {
        context.set("aws:PrincipalArn", arn.as_str());
    }
    if let Some(account) = principal.account() {
        context.set("aws:PrincipalAccount", account.as_str());
    }
    if let Some(kind) = principal.type_name() {
        context.set("aws:PrincipalType", kind);
    }
    let unique_id = caller
        .subject
        .as_ref()
        .map(|subject| subject.unique_id.as_deref());
    match principal {
        Principal::Anonymous => {
            context.set("aws:PrincipalAccount", "anonymous");
            context.set("aws:userid", "anonymous");
            return;
        }
        Principal::Service { name } => {
            context.set("aws:PrincipalServiceName", name.as_str());
            context.set_all("aws:PrincipalServiceNamesList", [name.as_str().into()]);
        }
        Principal::IdentityProvider { provider, .. } => {
            context.set("aws:FederatedProvider", provider.as_str());
            return;
        }
        Principal::Root { account, .. } => context.set("aws:userid", account.as_str()),
        Principal::User { arn, .. } => {
            context.set("aws:username", arn.name());
            match unique_id.flatten() {
                Some(id) => context.set("aws:userid", id),
                None => context.set_unknown("aws:userid"),
            }
        }
        Principal::RoleSession { session, .. } => {
            match unique_id.flatten() {
                _ if !context.wants("aws:userid") => {}
                Some(id) => context.set("aws:userid", format!("{id}:{}", session.name())),
                // It has one, and the bundle does not say which.
                None => context.set_unknown("aws:userid"),
            }
            // KEY-11: whatever second factor the assuming call had.
            context.set("aws:MultiFactorAuthPresent", "false");
            if caller.issued_at.is_none() {
                context.set_unknown("aws:TokenIssueTime");
            }
        }
        Principal::FederatedUser { account, .. } => {
            let name = principal.session_name().unwrap_or_default();
            context.set("aws:userid", format!("{account}:{name}"));
        }
    }
    let is_service = matches!(principal, Principal::Service { .. });
    context.set("aws:PrincipalIsAWSService", is_service.to_string());
    set_session(context, caller, now);
}

/// KEY-11, MFA-03: a session of a user says whether a second factor was shown to obtain it, and when;
/// long-term keys say nothing, and a session of a role never has one.
fn set_second_factor(context: &mut Context, caller: &Caller, now: Timestamp) {
    let Some(token) = &caller.token else {
        return;
    };
    if token.claims.kind == SessionKind::Role {
        return;
    }
    context.set(
        "aws:MultiFactorAuthPresent",
        caller.mfa_at.is_some().to_string(),
    );
    if let Some(at) = caller.mfa_at {
        let age_s = now.seconds().saturating_sub(at.seconds()).max(0);
        context.set("aws:MultiFactorAuthAge", age_s.to_string());
    }
}

/// What the session behind the credentials carries.
fn set_session(context: &mut Context, caller: &Caller, now: Timestamp) {
    let subject = caller.subject.as_ref();
    let has_tags = context.wants_family("aws:principaltag/");
    if let Some(subject) = subject.filter(|_| has_tags) {
        for (key, value) in &subject.tags {
            context.set(&format!("aws:PrincipalTag/{key}"), value.as_str());
        }
    }
    // ROLE-21: tags of the session win over those of the role; names fold.
    for (key, value) in caller.session_tags.iter().filter(|_| has_tags) {
        context.set(&format!("aws:PrincipalTag/{key}"), value.as_str());
    }
    set_second_factor(context, caller, now);
    if let Some(issued_at) = caller.issued_at
        && context.wants("aws:TokenIssueTime")
    {
        context.set("aws:TokenIssueTime", issued_at.to_iso());
    }
    if let Some(source) = &caller.source_identity {
        context.set("aws:SourceIdentity", source.as_str());
    }
    if let Some(provider) = &caller.provider {
        context.set("aws:FederatedProvider", provider.as_str());
    }
    for (key, values) in &caller.claims {
        context.set_all(key, values.iter().map(|value| value.as_str().into()));
    }
}
