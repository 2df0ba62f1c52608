//! The condition keys of a request (KEY-8, KEY-9).

use crate::authn::WebIdentity;
use crate::engine::Subject;
use crate::mapping::Mapped;
use crate::model::{AccountId, Context, HttpCall, Principal, ResourceName, Timestamp};
use crate::pdp::caller::Caller;

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
) -> Context {
    let mut context = Context::new();
    for (key, values) in &mapped.context {
        context.set_all(key, values.iter().cloned());
    }
    set_network(&mut context, call);
    match &mapped.service.region {
        Some(region) => context.set("aws:RequestedRegion", region.clone()),
        None => context.set_unknown("aws:RequestedRegion"),
    }
    set_caller(&mut context, caller);
    // CTX-4: what has no owner of its own is the caller's.
    let owner = mapped.owner.or_else(|| caller.principal.account());
    set_resource(&mut context, &mapped.resource, owner);
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
    given: &[(String, Vec<String>)],
    resource: &ResourceName,
    owner: Option<AccountId>,
    now: Timestamp,
) -> Result<Context, KeyFault> {
    let mut context = Context::new();
    for (key, values) in given {
        let folded = key.to_ascii_lowercase();
        let of_family = |family: &&str| folded.starts_with(*family);
        if DERIVED.contains(&folded.as_str()) || DERIVED_FAMILIES.iter().any(of_family) {
            return Err(KeyFault::Derived(key.clone()));
        }
        if context.lookup(&folded).is_none() {
            context.set_all(key, values.iter().map(|value| value.as_str().into()));
        } else if folded.starts_with("aws:requesttag/") {
            // KEY-2: two tags whose names differ by case alone.
            context.set_unknown(key);
        } else {
            return Err(KeyFault::Twice(key.clone()));
        }
    }
    set_caller(&mut context, caller);
    let owner = owner.or_else(|| caller.principal.account());
    set_resource(&mut context, resource, owner);
    set_time(&mut context, now);
    Ok(context)
}

/// The context in which a trust policy judges a token (ROLE-23, CLM-02).
pub(super) fn of_web_identity(identity: &WebIdentity, role: &Subject, now: Timestamp) -> Context {
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
    for (key, value) in &role.tags {
        context.set(&format!("aws:ResourceTag/{key}"), value.as_str());
        context.set(&format!("iam:ResourceTag/{key}"), value.as_str());
    }
    context.set("aws:ResourceAccount", role.account.as_str());
    context.set("aws:ViaAWSService", "false");
    set_time(&mut context, now);
    context
}

/// What the connection and its headers tell.
pub(super) fn set_network(context: &mut Context, call: &HttpCall) {
    match call.peer.ip {
        Some(ip) => context.set("aws:SourceIp", ip.to_canonical().to_string()),
        // The caller has an address, and nobody told it.
        None => context.set_unknown("aws:SourceIp"),
    }
    match call.peer.secure {
        Some(secure) => context.set("aws:SecureTransport", secure.to_string()),
        None => context.set_unknown("aws:SecureTransport"),
    }
    for (key, header) in [("aws:UserAgent", "user-agent"), ("aws:Referer", "referer")] {
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
    context.set("aws:CurrentTime", now.to_iso());
    context.set("aws:EpochTime", now.seconds().to_string());
}

fn set_resource(context: &mut Context, resource: &ResourceName, owner: Option<AccountId>) {
    if let Some(owner) = owner {
        context.set("aws:ResourceAccount", owner.as_str());
    }
    if resource.arn().is_some() {
        for family in RESOURCE_TAGS {
            context.set_unknown_family(family);
        }
    }
}

fn set_caller(context: &mut Context, caller: &Caller) {
    let principal = &caller.principal;
    if let Some(label) = caller.authentication.label() {
        context.set("sidegate:AuthType", label);
    }
    context.set("aws:ViaAWSService", "false");
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
        Principal::IdentityProvider { .. } => return,
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
    set_session(context, caller);
}

/// What the session behind the credentials carries.
fn set_session(context: &mut Context, caller: &Caller) {
    if let Some(subject) = &caller.subject {
        for (key, value) in &subject.tags {
            context.set(&format!("aws:PrincipalTag/{key}"), value.as_str());
        }
    }
    // ROLE-21: tags of the session win over those of the role; names fold.
    for (key, value) in &caller.session_tags {
        context.set(&format!("aws:PrincipalTag/{key}"), value.as_str());
    }
    if let Some(issued_at) = caller.issued_at {
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
