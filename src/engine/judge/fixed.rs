//! What no policy decides: refusals that none lifts, and actions that need no permission.

use super::Layers;
use crate::model::{Credential, Principal, Request};

/// ARN-8.
pub(super) fn crosses_partitions(request: &Request<'_>) -> bool {
    match (request.principal.arn(), request.resource.name.arn()) {
        (Some(caller), Some(resource)) => caller.partition() != resource.partition(),
        _ => false,
    }
}

/// ROLE-7 and ROLE-17: fixed refusals that no policy lifts.
pub(super) fn is_refused_to_credential(request: &Request<'_>) -> bool {
    let (prefix, name) = (request.action.prefix(), request.action.name());
    let is_root = matches!(request.principal, Principal::Root { .. });
    if is_root && prefix == "sts" && name == "assumerole" {
        return true;
    }
    match (request.principal, request.credential) {
        (Principal::RoleSession { .. }, _) => {
            prefix == "sts" && matches!(name, "getsessiontoken" | "getfederationtoken")
        }
        (Principal::FederatedUser { .. }, _) => {
            prefix == "iam" || (prefix == "sts" && name != "getcalleridentity")
        }
        (_, Credential::SessionToken { mfa }) => {
            (prefix == "iam" && !mfa) || (prefix == "sts" && !is_open_to_session_tokens(name))
        }
        (_, Credential::Ordinary) => false,
    }
}

/// What a session token of a user may ask of the token service: its own identity, and to assume a
/// role with all that is decided along with it (ROLE-17, ROLE-20, ROLE-25).
fn is_open_to_session_tokens(name: &str) -> bool {
    matches!(
        name,
        "assumerole" | "getcalleridentity" | "setcontext" | "setsourceidentity" | "tagsession"
    )
}

/// EV-6.
pub(super) fn needs_no_permission(layers: &Layers<'_>, request: &Request<'_>) -> bool {
    let authenticated = !matches!(
        request.principal,
        Principal::Anonymous | Principal::IdentityProvider { .. }
    );
    let of_sts = request.action.prefix() == "sts"
        && matches!(
            request.action.name(),
            "getcalleridentity" | "getsessiontoken"
        );
    authenticated && (layers.no_permission_needed || of_sts)
}
