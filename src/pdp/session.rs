//! From a session token to the caller behind it (TOK-15).

use crate::authn::{Session, SessionKind, TokenError};
use crate::engine::Subject;
use crate::model::{Credential, FederationIssuer, Principal, Timestamp};
use crate::pdp::authenticate;
use crate::pdp::caller::{AuthenticationType, Caller};
use crate::pdp::outcome::Refusal;
use crate::snapshot::{MissingPolicy, Snapshot};
use std::sync::Arc;

/// The longest that a session may be used without a signature, in seconds (BRR-03).
const MAX_BEARER_S: i64 = 3_600;

/// The session that a token proves, if nobody ended it and its principal is still there.
///
/// `service` is the one that is called: a session may be for some services only.
pub(super) fn open(
    snapshot: &Snapshot,
    token: &str,
    access_key_id: Option<&str>,
    service: &str,
    now: Timestamp,
) -> Result<Arc<Session>, Refusal> {
    let keys = snapshot.token_keys.as_ref().ok_or(TokenError::UnknownKey);
    let session = keys.and_then(|keys| keys.open(token, access_key_id, now));
    let session = session.map_err(refused)?;
    if snapshot.revocations.has(&session) {
        return Err(refused(TokenError::Revoked));
    }
    let audience = &session.claims.audience;
    if !audience.is_empty() && !audience.iter().any(|known| known == service) {
        return Err(refused(TokenError::Invalid));
    }
    Ok(session)
}

/// Whether a session that a token proves would be taken: nobody ended it, and its principal is there.
///
/// # Errors
///
/// [`TokenError::Revoked`].
pub fn accepts(snapshot: &Snapshot, session: &Arc<Session>) -> Result<(), TokenError> {
    let is_gone = caller(snapshot, session, AuthenticationType::SigV4).is_err();
    if is_gone || snapshot.revocations.has(session) {
        return Err(TokenError::Revoked);
    }
    Ok(())
}

/// BRR-01, BRR-03: a session whose token is used without a signature.
pub(super) fn open_bearer(
    snapshot: &Snapshot,
    token: &str,
    service: &str,
    now: Timestamp,
) -> Result<Arc<Session>, Refusal> {
    let session = open(snapshot, token, None, service, now)?;
    let claims = &session.claims;
    let life_s = claims.expires_at.seconds() - claims.issued_at.seconds();
    if !claims.bearer || claims.audience.is_empty() || life_s > MAX_BEARER_S {
        return Err(unsuitable("this session may be used with signatures only"));
    }
    Ok(session)
}

/// A bearer token where none is taken.
pub(super) fn unsuitable(message: &str) -> Refusal {
    Refusal::Unauthenticated {
        label: "bearer_refused",
        failure: TokenError::Invalid.failure(),
        region: None,
        unsettled: false,
        rule: "BRR-01",
        message: message.to_owned(),
    }
}

pub(super) fn refused(fault: TokenError) -> Refusal {
    Refusal::Unauthenticated {
        label: fault.label(),
        failure: fault.failure(),
        region: None,
        unsettled: false,
        rule: fault.rule(),
        message: fault.to_string(),
    }
}

/// The caller of a session.
///
/// # Errors
///
/// [`TokenError::Revoked`] when its user, role or access key is gone, or is another one of the same
/// name (REV-02).
pub(super) fn caller(
    snapshot: &Snapshot,
    session: &Arc<Session>,
    authentication: AuthenticationType,
) -> Result<Caller, Refusal> {
    let claims = &session.claims;
    let gone = || refused(TokenError::Revoked);
    let policies = &snapshot.policies;
    let is_same = |subject: &&Arc<Subject>| subject.unique_id == claims.unique_id;
    let of_user = |arn: &str| {
        // What a user's key began ends with the key.
        let keys = &snapshot.access_keys;
        let key = claims.parent_key();
        let is_active =
            key.is_some_and(|key| keys.is_active(key) && keys.user_of(key) == Some(arn));
        let user = policies.user(arn).filter(is_same);
        user.filter(|_| is_active).ok_or_else(gone)
    };
    let mut caller = match claims.kind {
        SessionKind::Role => {
            let role = policies.role(claims.account, &claims.principal);
            let role = role.filter(is_same).ok_or_else(gone)?;
            let name = claims.session_name.as_deref().unwrap_or_default();
            authenticate::role_session(role, name, authentication)?
        }
        SessionKind::User => {
            let user = of_user(&claims.principal)?;
            let principal = Principal::User {
                arn: user.arn.clone(),
                account: user.account,
            };
            let mut caller = Caller::plain(principal, Some(Arc::clone(user)), authentication);
            caller.credential = Credential::SessionToken {
                mfa: claims.mfa_at.is_some(),
            };
            caller
        }
        SessionKind::Federated => {
            let user = of_user(claims.parent().unwrap_or_default())?;
            let arn = crate::model::Arn::parse(&claims.principal).map_err(|_| gone())?;
            let principal = Principal::FederatedUser {
                arn,
                account: user.account,
                issuer: FederationIssuer::User(user.arn.clone()),
            };
            Caller::plain(principal, Some(Arc::clone(user)), authentication)
        }
    };
    caller.issued_at = Some(claims.issued_at);
    caller.mfa_at = claims.mfa_at;
    caller.source_identity.clone_from(&claims.source_identity);
    caller.session_tags.clone_from(&claims.packed.tags);
    caller.transitive_tags.clone_from(&claims.packed.transitive);
    caller.provider.clone_from(&claims.provider);
    caller.claims.clone_from(&claims.carried);
    // PKD-04: without one of its policies a session may do nothing at all.
    let policies = snapshot.session_policies(session);
    caller.session_policies = policies.map_err(|MissingPolicy| gone())?;
    caller.token = Some(Arc::clone(session));
    Ok(caller)
}
