//! From what a call presents to who is calling.

use crate::authn::{Bearer, Presented, WebIdentity, presented};
use crate::engine::{Layers, Subject, judge};
use crate::model::{
    AccountId, Action, Arn, Context, Credential, Decision, HttpCall, Layer, Principal, Reason,
    Request, ResourceName, Timestamp,
};
use crate::pdp::caller::{AuthenticationType, Caller};
use crate::pdp::outcome::Refusal;
use crate::pdp::target::Target;
use crate::pdp::{context, layers_of};
use crate::snapshot::Snapshot;
use std::sync::Arc;

/// Authenticates an HTTP call.
pub(super) fn call(
    snapshot: &Snapshot,
    call: &HttpCall,
    now: Timestamp,
) -> Result<Caller, Refusal> {
    let query = call.target.split_once('?').map(|(_, query)| query);
    let presented = presented(&call.headers, query)
        .map_err(|fault| unauthenticated(fault.label(), fault.rule(), &fault))?;
    match presented {
        Presented::None => peer(snapshot, call, now),
        Presented::Bearer(Bearer::WebIdentity(token)) => {
            let facts = |context: &mut Context| context::set_network(context, call);
            token_session(snapshot, token, now, facts)
        }
        Presented::Bearer(Bearer::Session(_)) => Err(Refusal::Unauthenticated {
            label: "unsupported_credential",
            rule: "BRR-01",
            message: "session tokens are not accepted here".to_owned(),
        }),
        Presented::SigV4Header | Presented::SigV4Query => Err(Refusal::Unauthenticated {
            label: "unsupported_credential",
            rule: "SIG-01",
            message: "signed requests are not accepted here".to_owned(),
        }),
    }
}

fn unauthenticated(
    label: &'static str,
    rule: &'static str,
    fault: &impl std::fmt::Display,
) -> Refusal {
    Refusal::Unauthenticated {
        label,
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
            rule: "MTL-02",
            message: "the role of the client certificate does not exist".to_owned(),
        })?;
    let mut caller = session(role, &identity.session_name, AuthenticationType::Mtls)?;
    caller.issued_at = Some(now);
    Ok(caller)
}

/// BRR-04: a token stands for a session of its role exactly as if the role had been assumed by it.
pub(super) fn token_session(
    snapshot: &Snapshot,
    token: &str,
    now: Timestamp,
    facts: impl Fn(&mut Context),
) -> Result<Caller, Refusal> {
    let identity = snapshot
        .tokens
        .verify(token, now)
        .map_err(|fault| unauthenticated(fault.label(), fault.rule(), &fault))?;
    let account = identity.provider.account;
    // JWT-08: a role that does not exist is refused like one that may not be assumed.
    let role = identity
        .role
        .as_deref()
        .and_then(|role| snapshot.policies.role(account, role))
        .ok_or_else(unknown_role)?;
    may_assume(snapshot, role, &identity, now, facts)?;
    let mut caller = session(role, &identity.session_name, AuthenticationType::Oidc)?;
    caller.issued_at = Some(identity.issued_at);
    caller.provider = Some(identity.provider.arn.as_str().to_owned());
    caller.claims = identity
        .carried()
        .map(|(key, values)| (key.to_owned(), values.to_vec()))
        .collect();
    caller.source_identity = identity.source_identity;
    caller.session_tags = identity.session_tags;
    caller.transitive_tags = identity.transitive_tag_keys;
    Ok(caller)
}

fn unknown_role() -> Refusal {
    Action::parse("sts:AssumeRoleWithWebIdentity")
        .map_or(Refusal::Internal, |action| trust_denied(&action, None))
}

/// Asks the trust policy of the role (ROLE-4), and again for tags and source identity (ROLE-20,
/// ROLE-25).
fn may_assume(
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
            credential: Credential::Ordinary,
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
pub(super) fn session(
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
            session(role, arn.name(), AuthenticationType::Named)
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
