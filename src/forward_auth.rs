//! The HTTP door: forward-auth for proxies that ask by a subrequest.
//!
//! Floor 5. Reads a subrequest, asks the [`pdp`](crate::pdp), answers by status; decides nothing.
//! The path says which proxy asks, for each tells in other headers what the client wanted:
//!
//! | path | for | the client's call is told by |
//! |---|---|---|
//! | `/authorize` | Traefik, Caddy | `x-forwarded-method`, `-proto`, `-host`, `-uri`, `-for` |
//! | `/authorize/nginx` | nginx, ingress-nginx | `x-original-method`, `x-original-url`, `x-real-ip` |
//! | `/authorize/envoy/…` | Envoy's HTTP `ext_authz` with this `path_prefix` | the subrequest itself |
//!
//! # Invariants
//!
//! - Only a [`Permit`](crate::pdp::Permit) is answered 200, and nothing else below 300.
//! - A header that has to tell something about the call and is missing, repeated or unreadable
//!   refuses the call: the client could have sent what the proxy did not (rule 69).
//! - A proxy that takes a server error for a reason to let a call pass gets none (rule 66).

mod profile;

pub use profile::Profile;

use crate::clock::{Clock, Stopwatch};
use crate::model::HttpCall;
use crate::pdp::{
    DecisionId, Denial, Dialect, Forwarding, Outcome, Pdp, Refusal, Told, Verdict,
    headers_to_remove, identity_headers,
};
use crate::telemetry::{Door, Metrics};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// The longest that an answer waits for what is not at hand: keys of an issuer, or a review.
const LONGEST: Duration = Duration::from_secs(1);

/// What the door needs to answer.
#[derive(Clone, Debug)]
pub struct ForwardAuth {
    pdp: Pdp,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    forwarding: Forwarding,
}

impl ForwardAuth {
    /// A door that asks `pdp`.
    #[must_use]
    pub fn new(
        pdp: Pdp,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        forwarding: Forwarding,
    ) -> Self {
        Self {
            pdp,
            clock,
            metrics,
            forwarding,
        }
    }

    /// The routes of this door.
    pub fn into_router(self) -> Router {
        Router::new().fallback(handle).with_state(self)
    }

    async fn respond(&self, parts: &Parts) -> Response<Body> {
        let Some((profile, target)) = Profile::of_target(&parts.uri) else {
            return not_found();
        };
        let _in_flight = self.metrics.enter(Door::ForwardAuth);
        let stopwatch = Stopwatch::start();
        let id = DecisionId::random();
        // A panic must become a denial, whatever it was that failed.
        let guard = |decide: &dyn Fn() -> Outcome| {
            catch_unwind(AssertUnwindSafe(decide))
                .unwrap_or_else(|_| Outcome::refused(Refusal::Internal))
        };
        let read = catch_unwind(AssertUnwindSafe(|| profile.read(parts, target)));
        let (outcome, call) = match read.unwrap_or(Err(Refusal::Internal)) {
            Err(refusal) => (Outcome::refused(refusal), None),
            Ok(call) => {
                let decide = || self.pdp.decide(&call, self.clock.now());
                let mut outcome = guard(&decide);
                if let Some(unsettled) = self.pdp.unsettled_call(&outcome, &call) {
                    unsettled.settle(LONGEST).await;
                    outcome = guard(&decide);
                }
                (outcome, Some(call))
            }
        };
        let response = self.write(&outcome, &id, profile, call.as_ref());
        let told = Told {
            door: Door::ForwardAuth,
            id: &id,
            call: call.as_ref(),
            arrived: stopwatch,
            clock: &*self.clock,
        };
        self.pdp.tell(&told, &outcome);
        response
    }

    fn write(
        &self,
        outcome: &Outcome,
        id: &DecisionId,
        profile: Profile,
        call: Option<&HttpCall>,
    ) -> Response<Body> {
        match &outcome.verdict {
            Verdict::Allow(_) => self
                .allowed(outcome, id, profile, call)
                .unwrap_or_else(|| denied(&Refusal::Internal, id, profile, outcome.dialect)),
            Verdict::Refuse(refusal) => denied(refusal, id, profile, outcome.dialect),
        }
    }

    fn allowed(
        &self,
        outcome: &Outcome,
        id: &DecisionId,
        profile: Profile,
        call: Option<&HttpCall>,
    ) -> Option<Response<Body>> {
        let identity = identity_headers(outcome, id)?;
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        for (name, value) in &identity {
            let value = HeaderValue::from_str(value).ok()?;
            headers.insert(HeaderName::from_static(name), value);
        }
        if profile == Profile::Envoy {
            let remove = headers_to_remove(&identity, call, self.forwarding);
            let value = HeaderValue::from_str(&remove.join(",")).ok()?;
            headers.insert("x-envoy-auth-headers-to-remove", value);
        }
        Some(response)
    }
}

async fn handle(State(door): State<ForwardAuth>, request: Request<Body>) -> Response<Body> {
    // A subrequest has no body that a decision reads.
    let (parts, _body) = request.into_parts();
    door.respond(&parts).await
}

fn denied(
    refusal: &Refusal,
    id: &DecisionId,
    profile: Profile,
    dialect: Dialect,
) -> Response<Body> {
    let Denial {
        status,
        headers,
        body,
    } = dialect.write(refusal, id);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = profile.status(status);
    for (name, value) in headers {
        // Codes and ids are visible ASCII.
        if let Ok(value) = HeaderValue::from_str(&value) {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    response
}

fn not_found() -> Response<Body> {
    let mut response = Response::new(Body::from(
        "ask at /authorize (Traefik, Caddy), /authorize/nginx or /authorize/envoy\n",
    ));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

#[cfg(test)]
mod tests;
