//! Which layers bind which kind of caller.

use super::Layers;
use crate::engine::view::{Level, View};
use crate::model::{Principal, Request};

/// The layers that bind this kind of caller (EV-5).
pub(in crate::engine) struct Applicable<'a> {
    pub(in crate::engine) scp: Option<&'a [Level]>,
    pub(in crate::engine) rcp: Option<&'a [Level]>,
    pub(in crate::engine) endpoint: Option<&'a View>,
    pub(in crate::engine) resource: Option<&'a View>,
    pub(in crate::engine) identity: Option<&'a View>,
    pub(in crate::engine) boundary: Option<&'a View>,
    pub(in crate::engine) session: Option<&'a View>,
    pub(super) acl: bool,
    /// Whether the caller is one that identity policies speak for.
    pub(super) has_identity: bool,
}

impl<'a> Applicable<'a> {
    pub(in crate::engine) fn of(layers: &Layers<'a>, request: &Request<'_>) -> Self {
        let service_linked = matches!(
            request.principal,
            Principal::RoleSession {
                service_linked: true,
                ..
            }
        );
        let (has_scp, has_identity, has_session) = match request.principal {
            Principal::Anonymous
            | Principal::Service { .. }
            | Principal::IdentityProvider { .. } => (false, false, false),
            Principal::Root { assumed, .. } => (true, false, *assumed),
            Principal::User { .. }
            | Principal::RoleSession { .. }
            | Principal::FederatedUser { .. } => (true, true, true),
        };
        // CTX-8: a service that repeats a call does not use the caller's endpoint.
        let at_endpoint =
            !request.forwarded && !matches!(request.principal, Principal::Service { .. });
        Self {
            scp: layers.scp.filter(|_| has_scp && !service_linked),
            rcp: layers
                .rcp
                .filter(|_| !service_linked && !is_retiring_a_grant(request)),
            endpoint: layers.endpoint.filter(|_| at_endpoint),
            resource: layers.resource,
            identity: layers.identity.filter(|_| has_identity),
            boundary: layers.boundary.filter(|_| has_identity && !service_linked),
            // EV-5: a user has none, so an empty list of them is no limit.
            session: layers.session.filter(|view| {
                let of_user = matches!(request.principal, Principal::User { .. });
                has_session && !(of_user && view.is_empty())
            }),
            acl: layers.acl,
            has_identity,
        }
    }
}

/// RCP-3.
fn is_retiring_a_grant(request: &Request<'_>) -> bool {
    request.action.folded() == "kms:retiregrant"
}
