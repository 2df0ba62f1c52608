//! From what a call presents to who is calling.

use crate::authn::{
    Bearer, Failure, Presented, SigV4Error, SignatureForm, SignedCall, WebIdentity, presented,
    presents_signature,
};
use crate::engine::{Layers, Subject, judge};
use crate::mapping::{Host, Mapped};
use crate::model::{
    AccountId, Action, Arn, Context, ContextKey, Decision, HttpCall, Layer, Principal, Reason,
    Request, ResourceName, Timestamp,
};
use crate::pdp::caller::{AuthenticationType, Caller, Signature};
use crate::pdp::outcome::Refusal;
use crate::pdp::target::Target;
use crate::pdp::{context, layers_of, session};
use crate::policy::{PayloadMode, ServiceProtocol, Signing};
use crate::snapshot::Snapshot;
use crate::telemetry::Method;
use std::sync::Arc;

/// Authenticates an HTTP call; tells by which method, too.
pub(super) fn call(
    snapshot: &Snapshot,
    call: &HttpCall,
    now: Timestamp,
) -> (Method, Result<Arc<Caller>, Refusal>) {
    let query = call.target.split_once('?').map(|(_, query)| query);
    let presented = match presented(&call.headers, query) {
        Ok(presented) => presented,
        Err(fault) => {
            let is_signed = presents_signature(&call.headers, query);
            let failure = fault.failure(is_signed);
            let method = if is_signed {
                Method::SigV4
            } else {
                Method::None
            };
            let refusal = refused(fault.label(), failure, fault.rule(), &fault);
            return (method, Err(refusal));
        }
    };
    match presented {
        Presented::None => match peer(snapshot, call, now) {
            Ok(caller) if caller.principal == Principal::Anonymous => {
                (Method::None, Ok(Arc::new(caller)))
            }
            peer => (Method::Mtls, peer.map(Arc::new)),
        },
        Presented::Bearer(Bearer::WebIdentity(token)) => {
            let facts = |context: &mut Context| context::set_network(context, call);
            (Method::Jwt, token_session(snapshot, token, now, facts))
        }
        Presented::Bearer(Bearer::Session(token)) => {
            let caller = bearer_session(snapshot, call, token, now);
            (Method::SessionToken, caller.map(Arc::new))
        }
        Presented::SigV4Header => {
            let read = SignedCall::of_header(call);
            let caller = signed(snapshot, call, read, now);
            (Method::SigV4, caller.map(Arc::new))
        }
        Presented::SigV4Query => {
            let read = SignedCall::of_query(query.unwrap_or_default());
            let caller = signed(snapshot, call, read, now);
            (Method::SigV4, caller.map(Arc::new))
        }
    }
}

/// A signed call, in the order of SIG-36.
fn signed(
    snapshot: &Snapshot,
    call: &HttpCall,
    read: Result<SignedCall<'_>, SigV4Error>,
    now: Timestamp,
) -> Result<Caller, Refusal> {
    let refuse = |fault: SigV4Error| unsigned(&fault);
    let signed = read.map_err(refuse)?;
    let mapping = &snapshot.mapping;
    // What a signature has to be like is for the service to say; without service there is nothing
    // to prove oneself to.
    let service = mapping
        .service(call)
        .or_else(|| mapping.protocol_service(call));
    let signing = match service {
        Some(service) => &service.signing,
        None if Host::read(&call.authority).is_err() => {
            return Err(refuse(SigV4Error::Authority));
        }
        None => return Err(super::unmapped_call(mapping.resolve(call).err())),
    };
    signed.check_scope(signing).map_err(refuse)?;
    signed.check_clock(signing, now).map_err(refuse)?;
    signed.check_token().map_err(refuse)?;
    let prefix = service.map_or("", |service| &service.prefix);
    verified(snapshot, call, &signed, (signing, prefix), now)
}

/// The caller whose key signed a call whose scope, clock and token were looked at. `prefix` is the
/// service that is called.
pub(super) fn verified(
    snapshot: &Snapshot,
    call: &HttpCall,
    signed: &SignedCall<'_>,
    (signing, prefix): (&Signing, &str),
    now: Timestamp,
) -> Result<Caller, Refusal> {
    let refuse = |fault: SigV4Error| unsigned(&fault);
    let id = signed.access_key_id();
    let (date, region, service) = (signed.date(), signed.region(), signed.service());
    let authentication = match signed.form() {
        SignatureForm::Header => AuthenticationType::SigV4,
        SignatureForm::Query => AuthenticationType::SigV4Query,
    };
    let (mut caller, payload) = if let Some(token) = signed.token() {
        let opened = session::open(snapshot, token, Some(id), prefix, now)?;
        let key = opened.signing_key(date, region, service);
        let payload = signed.verify(call, signing, &key).map_err(refuse)?;
        let caller = session::caller(snapshot, &opened, authentication)?;
        (caller, payload)
    } else {
        let keys = &snapshot.access_keys;
        if snapshot.revocations.has_key(id) {
            return Err(refuse(SigV4Error::InactiveKey));
        }
        let (user, key) = keys
            .signing_key(id, date, region, service)
            .map_err(refuse)?;
        let payload = signed.verify(call, signing, &key).map_err(refuse)?;
        let subject = snapshot.policies.user(user).map(Arc::clone);
        // The key's user is of the same bundle, so it is there.
        let subject = subject.ok_or_else(|| refuse(SigV4Error::UnknownKey))?;
        let principal = Principal::of_arn(user, None).map_err(|_| Refusal::Internal)?;
        (
            Caller::plain(principal, Some(subject), authentication),
            payload,
        )
    };
    caller.access_key_id = Some(id.to_owned());
    caller.signature = Some(Signature {
        form: signed.form(),
        region: region.into(),
        age_s: now.seconds().saturating_sub(signed.signed_at().seconds()),
        headers: signed.signed_headers().map(Box::from).collect(),
        payload,
    });
    Ok(caller)
}

/// BRR-01: a session token without a signature, where the service takes those, and over TLS.
fn bearer_session(
    snapshot: &Snapshot,
    call: &HttpCall,
    token: &str,
    now: Timestamp,
) -> Result<Caller, Refusal> {
    let mapping = &snapshot.mapping;
    let service = mapping.service(call);
    let service = service.or_else(|| mapping.protocol_service(call));
    let service = service.ok_or_else(|| super::unmapped_call(mapping.resolve(call).err()))?;
    if !service.signing.bearer_sessions {
        return Err(session::unsuitable(
            "session tokens are taken with signatures only here",
        ));
    }
    if call.peer.secure != Some(true) {
        return Err(session::unsuitable(
            "session tokens are taken over TLS only",
        ));
    }
    let opened = session::open_bearer(snapshot, token, &service.prefix, now)?;
    session::caller(snapshot, &opened, AuthenticationType::Bearer)
}

pub(super) fn unsigned(fault: &SigV4Error) -> Refusal {
    Refusal::Unauthenticated {
        label: fault.label(),
        failure: fault.failure(),
        region: match fault {
            SigV4Error::Region { expected, .. } => Some(expected.clone()),
            _ => None,
        },
        unsettled: false,
        rule: fault.rule(),
        message: fault.to_string(),
    }
}

/// Nobody reads a body for somebody who does not say who they are: the protocols of AWS are signed,
/// and where S3 is open to everyone, it is for objects as they are.
pub(super) fn check_anonymous(
    snapshot: &Snapshot,
    caller: &Caller,
    call: &HttpCall,
) -> Result<(), Refusal> {
    if caller.principal != Principal::Anonymous {
        return Ok(());
    }
    let service = snapshot.mapping.protocol_service(call);
    let (_, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
    let is_signed_only = service.is_some_and(|service| match service.protocol {
        ServiceProtocol::AwsJson(_) | ServiceProtocol::AwsQuery(_) => true,
        ServiceProtocol::S3 => match call.method.as_str() {
            "GET" | "HEAD" => query.contains("response-"),
            "PUT" => !query.is_empty(),
            _ => call.method == "POST",
        },
        ServiceProtocol::Grpc(_) | ServiceProtocol::Routes => false,
    });
    if is_signed_only {
        let message = "Request is missing Authentication Token";
        return Err(refused(
            "missing_credentials",
            Failure::Missing,
            "ERR-01",
            &message,
        ));
    }
    Ok(())
}

/// What a decision rests on has to be under the signature: the headers that were read (SIG-43), and
/// the body where it was (SIG-44).
pub(super) fn check_coverage(
    caller: &Caller,
    call: &HttpCall,
    mapped: &Mapped<'_>,
) -> Result<(), Refusal> {
    let Some(signature) = &caller.signature else {
        return Ok(());
    };
    let is_signed = |header: &str| signature.headers.iter().any(|name| &**name == header);
    for header in &mapped.headers {
        if call.headers.has(header) && !is_signed(header) {
            return Err(unsigned(&SigV4Error::Unsigned {
                rule: "SIG-43",
                header: (*header).to_owned(),
            }));
        }
    }
    if mapped.reads_body && signature.payload != PayloadMode::Verified {
        return Err(unsigned(&SigV4Error::PayloadRefused));
    }
    Ok(())
}

fn unauthenticated(
    label: &'static str,
    rule: &'static str,
    fault: &impl std::fmt::Display,
) -> Refusal {
    refused(label, Failure::Identity, rule, fault)
}

pub(super) fn refused(
    label: &'static str,
    failure: Failure,
    rule: &'static str,
    fault: &impl std::fmt::Display,
) -> Refusal {
    Refusal::Unauthenticated {
        label,
        failure,
        region: None,
        unsettled: false,
        rule,
        message: fault.to_string(),
    }
}

/// MTL-01 to MTL-03.
fn peer(snapshot: &Snapshot, call: &HttpCall, now: Timestamp) -> Result<Caller, Refusal> {
    let identity = snapshot
        .peers
        .resolve(&call.peer.principal)
        .map_err(|fault| unauthenticated(fault.label(), fault.rule(), &fault))?;
    let Some(identity) = identity else {
        return Ok(Caller::anonymous());
    };
    let role = snapshot
        .policies
        .role(identity.account, &identity.role)
        .filter(|role| role.account == identity.account)
        .ok_or_else(|| Refusal::Unauthenticated {
            label: "unknown_role",
            failure: Failure::Identity,
            region: None,
            unsettled: false,
            rule: "MTL-02",
            message: "the role of the client certificate does not exist".to_owned(),
        })?;
    let mut caller = role_session(role, &identity.session_name, AuthenticationType::Mtls)?;
    caller.issued_at = Some(now);
    Ok(caller)
}

/// BRR-04: a token stands for a session of its role exactly as if the role had been assumed by it.
pub(super) fn token_session(
    snapshot: &Snapshot,
    token: &str,
    now: Timestamp,
    facts: impl Fn(&mut Context),
) -> Result<Arc<Caller>, Refusal> {
    let identity =
        snapshot
            .tokens
            .verify(token, now)
            .map_err(|fault| Refusal::Unauthenticated {
                label: fault.label(),
                failure: fault.failure(),
                region: None,
                unsettled: fault.may_be_settled(),
                rule: fault.rule(),
                message: fault.to_string(),
            })?;
    // Identities are remembered by the verifier of this snapshot, so that it is of this snapshot what
    // was found out of them.
    if let Some(known) = identity.memo.get::<Caller>() {
        return Ok(known);
    }
    let account = identity.provider.account;
    // JWT-08: a role that does not exist is refused like one that may not be assumed.
    let role = identity
        .role
        .as_deref()
        .and_then(|role| snapshot.policies.role(account, role))
        .ok_or_else(unknown_role)?;
    may_assume(snapshot, role, &identity, now, facts)?;
    let mut caller = role_session(role, &identity.session_name, AuthenticationType::Oidc)?;
    caller.issued_at = Some(identity.issued_at);
    caller.provider = Some(identity.provider.arn.as_str().to_owned());
    caller.claims = identity
        .carried()
        .map(|(key, values)| (key.to_owned(), values.to_vec()))
        .collect();
    caller.source_identity.clone_from(&identity.source_identity);
    caller.session_tags.clone_from(&identity.session_tags);
    caller
        .transitive_tags
        .clone_from(&identity.transitive_tag_keys);
    let caller = Arc::new(caller);
    if is_decided_by_token(snapshot, role, &identity) {
        identity.memo.keep(&caller);
    }
    Ok(caller)
}

/// Whether a role may be assumed depends on the token and the snapshot alone: every key that trust
/// policy and control policies read comes from them (CACHE-1, CACHE-2). Whatever else they may read,
/// such as an address or the time, is another one with each call.
fn is_decided_by_token(snapshot: &Snapshot, role: &Subject, identity: &WebIdentity) -> bool {
    const OF_TOKEN: [&str; 5] = [
        "aws:federatedprovider",
        "aws:tagkeys",
        "sts:rolesessionname",
        "sts:sourceidentity",
        "sts:transitivetagkeys",
    ];
    let issuer = &identity.provider.issuer;
    let prefix = issuer.strip_prefix("https://").unwrap_or(issuer);
    let is_claim = |key: &str| {
        let start = key.get(..prefix.len());
        // The names of services have no dot, and those of hosts that vouch for somebody do.
        prefix.contains('.')
            && start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            && key.as_bytes().get(prefix.len()) == Some(&b':')
    };
    let is_of_token = |key: &ContextKey| {
        let key = key.as_str();
        OF_TOKEN.contains(&key) || key.starts_with("aws:requesttag/") || is_claim(key)
    };
    let place = snapshot.policies.membership(role.account);
    let levels = place.and_then(|place| place.rcp.as_deref());
    let control = levels.unwrap_or_default().iter();
    let views = control.map(|level| &level.view).chain(&role.trust);
    views.flat_map(|view| view.reads()).all(is_of_token)
}

fn unknown_role() -> Refusal {
    Action::parse("sts:AssumeRoleWithWebIdentity")
        .map_or(Refusal::Internal, |action| trust_denied(&action, None))
}

/// Asks the trust policy of the role (ROLE-4), and again for tags and source identity (ROLE-20,
/// ROLE-25).
pub(super) fn may_assume(
    snapshot: &Snapshot,
    role: &Subject,
    identity: &WebIdentity,
    now: Timestamp,
    facts: impl Fn(&mut Context),
) -> Result<(), Refusal> {
    let mut actions = vec!["sts:AssumeRoleWithWebIdentity"];
    if !identity.session_tags.is_empty() {
        actions.push("sts:TagSession");
    }
    if identity.source_identity.is_some() {
        actions.push("sts:SetSourceIdentity");
    }
    let mut context = context::of_web_identity(identity, now);
    facts(&mut context);
    let principal = Principal::IdentityProvider {
        provider: identity.provider.arn.as_str().to_owned(),
        partition: identity.provider.arn.partition().to_owned(),
    };
    let caller = Caller::plain(principal, None, AuthenticationType::Oidc);
    for action in actions {
        let action = Action::parse(action).map_err(|_| Refusal::Internal)?;
        let name = ResourceName::Arn(role.arn.clone());
        let target = Target::look_up(snapshot, &caller.principal, &action, name, None, None, None)?;
        let mut context = context.clone();
        context::set_records(&mut context, snapshot, &caller, &target);
        // ROLE-4: the trust policy decides, and control policies. An endpoint is a gate for the call
        // itself (EV-14), which is yet to be judged.
        let layers = Layers {
            endpoint: None,
            ..layers_of(snapshot, &caller, &target, &context)
        };
        let request = Request {
            principal: &caller.principal,
            credential: caller.credential,
            forwarded: false,
            action: &action,
            resource: &target.resource,
            context: &context,
        };
        if let Decision::Deny(reasons) = judge(&layers, &request) {
            return Err(trust_denied(&action, reasons.first()));
        }
    }
    Ok(())
}

/// JWT-08: whatever the reason is, the caller is told the same.
fn trust_denied(action: &Action, reason: Option<&Reason>) -> Refusal {
    let layer = reason.and_then(Reason::layer).unwrap_or(Layer::Trust);
    Refusal::Denied {
        reason: reason.map_or("implicit_deny", Reason::label),
        layer: Some(layer),
        layers: vec![layer],
        statements: Vec::new(),
        message: format!("Not authorized to perform {action}"),
    }
}

/// A session of a role.
pub(super) fn role_session(
    role: &Arc<Subject>,
    name: &str,
    authentication: AuthenticationType,
) -> Result<Caller, Refusal> {
    let resource = format!("assumed-role/{}/{name}", role.name);
    let session = Arn::of_identity(role.arn.partition(), "sts", role.account, &resource)
        .map_err(|_| Refusal::Internal)?;
    let principal = Principal::RoleSession {
        role: role.arn.clone(),
        session,
        account: role.account,
        service_linked: role.service_linked,
    };
    Ok(Caller::plain(
        principal,
        Some(Arc::clone(role)),
        authentication,
    ))
}

/// The caller that a trusted peer names by ARN, by the name of a service, or not at all.
pub(super) fn named(snapshot: &Snapshot, text: &str) -> Result<Caller, Refusal> {
    let malformed = |message: String| Refusal::Malformed {
        label: "bad_principal",
        message,
    };
    if !text.starts_with("arn:") && text.contains('.') && !text.contains([':', '/', ' ']) {
        let principal = Principal::Service {
            name: text.to_owned(),
        };
        return Ok(Caller::plain(principal, None, AuthenticationType::Named));
    }
    let principal = Principal::of_arn(text, None).map_err(|fault| malformed(fault.to_string()))?;
    match &principal {
        Principal::User { arn, .. } => {
            let subject = snapshot.policies.user(arn.as_str()).map(Arc::clone);
            let subject = subject.ok_or_else(|| unknown(text))?;
            Ok(Caller::plain(
                principal,
                Some(subject),
                AuthenticationType::Named,
            ))
        }
        Principal::RoleSession {
            role,
            account,
            session: arn,
            ..
        } => {
            let role = known_role(snapshot, *account, role.name()).ok_or_else(|| unknown(text))?;
            role_session(role, arn.name(), AuthenticationType::Named)
        }
        Principal::Root { .. } | Principal::IdentityProvider { .. } => {
            Ok(Caller::plain(principal, None, AuthenticationType::Named))
        }
        // Their policies and issuers are in their credentials, which a name does not carry.
        Principal::FederatedUser { .. } | Principal::Service { .. } | Principal::Anonymous => Err(
            malformed(format!("`{text}` cannot be named, only authenticated")),
        ),
    }
}

fn known_role<'s>(
    snapshot: &'s Snapshot,
    account: AccountId,
    name: &str,
) -> Option<&'s Arc<Subject>> {
    snapshot.policies.role(account, name)
}

fn unknown(text: &str) -> Refusal {
    Refusal::Fault {
        fault: crate::model::EvaluationFault::UnknownPrincipal,
        message: format!("the bundle does not know `{text}`"),
    }
}
