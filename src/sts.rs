//! The token service: the query API of AWS STS at the root of the HTTP door (section 2 of the
//! signing rules), for stock clients.
//!
//! Floor 5. Reads a call, lets the [`pdp`](crate::pdp::issue) decide, writes XML.
//!
//! # Invariants
//!
//! - A parameter that is unknown, repeated or of another form refuses the call: one that was ignored
//!   could have been a restriction (STS-03).
//! - Neither secrets nor tokens are logged or repeated, and no answer may be stored.

mod answer;
mod audit;
mod parameters;

use crate::authn::Chance;
use crate::clock::{Clock, Stopwatch};
use crate::model::{Body, ClientAddress, Headers, HttpCall, Peer, Protocol};
use crate::pdp::issue::{Desk, IssueFault, UsedCodes};
use crate::pdp::{DecisionId, Dialect, Pdp, Refusal, Told};
use crate::telemetry::{Door, Metrics};
use answer::Answer;
use audit::Asked;
use aws_lc_rs::rand;
use axum::Router;
use axum::body::Body as HttpBody;
use axum::extract::State;
use axum::routing::any;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use parameters::{Ask, Parameters};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The longest body, in bytes (STS-03).
const MAX_BODY: usize = 256 * 1024;
/// The longest that a body is waited for.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);
/// The most calls in progress at once.
const MAX_AT_ONCE: usize = 256;
/// The longest that the keys of an issuer are waited for.
const LONGEST: Duration = Duration::from_secs(2);

/// What the door needs to answer.
#[derive(Clone, Debug)]
pub struct TokenService {
    pdp: Pdp,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    used: UsedCodes,
    places: Arc<Semaphore>,
    trusted_hops: usize,
}

impl TokenService {
    /// A door that asks `pdp`, behind so many proxies of the operator's own.
    #[must_use]
    pub fn new(
        pdp: Pdp,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        trusted_hops: usize,
    ) -> Self {
        Self {
            pdp,
            clock,
            metrics,
            used: UsedCodes::default(),
            places: Arc::new(Semaphore::new(MAX_AT_ONCE)),
            trusted_hops,
        }
    }

    /// The routes of this door, with `others` for every other path.
    pub fn into_router(self, others: Router) -> Router {
        let answer = |State(door): State<Self>, request: Request<HttpBody>| async move {
            let (parts, body) = request.into_parts();
            door.respond(parts, body).await
        };
        let root = Router::new().route("/", any(answer)).with_state(self);
        root.fallback_service(others)
    }

    /// Answers one call.
    pub async fn respond(&self, parts: Parts, body: HttpBody) -> Response<HttpBody> {
        let _in_flight = self.metrics.enter(Door::Sts);
        let stopwatch = Stopwatch::start();
        let id = DecisionId::random();
        let Ok(_place) = self.places.try_acquire() else {
            return write(Err(IssueFault::Refused(Refusal::Overload)), &id);
        };
        let limited = Limited::new(body, MAX_BODY).collect();
        let bytes = match tokio::time::timeout(BODY_TIMEOUT, limited).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(_)) | Err(_) => Err(malformed("the body is too long, or did not arrive")),
        };
        let read = bytes.and_then(|bytes| read(&parts, bytes, self.trusted_hops));
        let mut asked = Asked::default();
        let answer = match &read {
            Err(refusal) => Err(IssueFault::Refused(refusal.clone())),
            Ok(call) => self.answer(call, &id, &mut asked).await,
        };
        let (label, reason) = match &answer {
            Ok(_) => ("allow", "allowed"),
            Err(IssueFault::Refused(refusal)) => (refusal.label(), refusal.reason()),
            Err(IssueFault::NoKeys) => ("error", "no_keys"),
            Err(_) => ("deny", "refused"),
        };
        let took = stopwatch.elapsed();
        self.metrics
            .decided(Door::Sts, label, reason, took.as_secs_f64(), || None);
        if label != "allow" || self.pdp.keeps_allow() {
            let told = Told {
                door: Door::Sts,
                id: &id,
                call: read.as_ref().ok(),
                arrived: stopwatch,
                clock: &*self.clock,
            };
            self.pdp
                .write_down(asked.record(&told, (label, reason), &answer, took));
        }
        write(answer, &id)
    }

    async fn answer(
        &self,
        call: &HttpCall,
        id: &DecisionId,
        told: &mut Asked,
    ) -> Result<Answer, IssueFault> {
        let ask = Parameters::read(call).and_then(Parameters::ask);
        let ask = ask.inspect_err(|fault| audit::unread(call, fault, id))?;
        if let Ask::WebIdentity(asked) = &ask
            && let Some(unsettled) = self.pdp.unsettled_token(&asked.token, self.clock.now())
        {
            unsettled.settle(LONGEST).await;
        }
        let chance = chance()?;
        // A panic must become a refusal, whatever it was that failed.
        let decide = AssertUnwindSafe(|| {
            let snapshot = self.pdp.snapshot().ok_or(Refusal::NoSnapshot)?;
            let desk = Desk {
                snapshot: &snapshot,
                call,
                used: &self.used,
                chance,
                now: self.clock.now(),
            };
            let mut event = audit::Event::of(call, &ask, id, desk.now);
            let answer = decide(&desk, &ask, &mut event);
            event.tell(&answer);
            *told = event.asked();
            answer
        });
        catch_unwind(decide).unwrap_or(Err(IssueFault::Refused(Refusal::Internal)))
    }
}

/// The action that a call asks for, once all of its parameters were looked at.
///
/// # Errors
///
/// [`IssueFault`] for the first that is missing, unknown, repeated or of another form.
pub fn action(call: &HttpCall) -> Result<&'static str, IssueFault> {
    Ok(Parameters::read(call)?.ask()?.name())
}

fn decide(desk: &Desk<'_>, ask: &Ask, event: &mut audit::Event<'_>) -> Result<Answer, IssueFault> {
    if let Ask::WebIdentity(ask) = ask {
        let (issued, identity) = desk.assume_role_with_web_identity(ask)?;
        return Ok(Answer::WebIdentity(issued, identity));
    }
    let caller = desk.caller(matches!(ask, Ask::CallerIdentity))?;
    event.caller(&caller);
    match ask {
        // INVARIANT: answered above, without a caller.
        Ask::WebIdentity(_) => Err(IssueFault::Refused(Refusal::Internal)),
        Ask::AssumeRole(ask) => desk.assume_role(&caller, ask).map(Answer::AssumeRole),
        Ask::SessionToken(ask) => desk.session_token(&caller, ask).map(Answer::SessionToken),
        Ask::FederationToken(ask) => desk
            .federation_token(&caller, ask)
            .map(Answer::FederationToken),
        Ask::CallerIdentity => {
            let identity = desk.identity(&caller);
            let identity = identity.ok_or(IssueFault::Refused(Refusal::Internal))?;
            Ok(Answer::CallerIdentity(identity))
        }
        Ask::DecodeMessage(text) => desk
            .decoded_message(&caller, text)
            .map(Answer::DecodedMessage),
        Ask::AccessKeyInfo(key) => desk.account_of_key(&caller, key).map(Answer::AccessKeyInfo),
    }
}

fn chance() -> Result<Chance, IssueFault> {
    let mut chance = Chance {
        id: [0; 16],
        access_key: [0; 5],
    };
    let filled = rand::fill(&mut chance.id).and_then(|()| rand::fill(&mut chance.access_key));
    filled.map_err(|_| IssueFault::Refused(Refusal::Internal))?;
    Ok(chance)
}

fn malformed(message: &str) -> Refusal {
    Refusal::Malformed {
        label: "bad_sts_call",
        message: message.to_owned(),
    }
}

/// The call as the client sent it; this server is the one that it is for.
fn read(parts: &Parts, body: Bytes, trusted_hops: usize) -> Result<HttpCall, Refusal> {
    let mut headers = Headers::new();
    for (name, value) in &parts.headers {
        if *name != http::header::HOST {
            headers.push(name.as_str(), value.as_bytes());
        }
    }
    let mut hosts = parts.headers.get_all(http::header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    let (Some(authority), None) = (host, hosts.next()) else {
        return Err(malformed("there is not exactly one host"));
    };
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let address = parts.extensions.get::<ClientAddress>();
    let peer = peer(&headers, address.map(|address| address.0), trusted_hops);
    Ok(HttpCall {
        method: parts.method.as_str().to_owned(),
        scheme: String::new(),
        authority: authority.to_owned(),
        target: target.to_owned(),
        headers,
        body: Body::Known(body),
        peer,
        protocol: Protocol::Http,
    })
}

/// Where a call comes from. Behind proxies of the operator's own they say so, each at the end of the
/// list; somebody else who stands between knows what this server cannot.
fn peer(headers: &Headers, address: Option<IpAddr>, trusted_hops: usize) -> Peer {
    let is_relayed = headers.has("x-forwarded-for") || headers.has("forwarded");
    let (ip, secure) = match trusted_hops.checked_sub(1) {
        None if is_relayed => (None, None),
        // This door itself speaks no TLS.
        None => (address, Some(false)),
        Some(inner) => {
            let list = headers
                .joined("x-forwarded-for")
                .ok()
                .flatten()
                .unwrap_or_default();
            let ip = list.rsplit(',').nth(inner);
            let secure = match headers.single("x-forwarded-proto") {
                Ok(Some("https")) => Some(true),
                Ok(Some("http")) => Some(false),
                Ok(_) | Err(_) => None,
            };
            (ip.and_then(|ip| ip.trim().parse().ok()), secure)
        }
    };
    Peer {
        ip,
        secure,
        ..Peer::default()
    }
}

fn write(answer: Result<Answer, IssueFault>, id: &DecisionId) -> Response<HttpBody> {
    let (status, headers, body) = match answer {
        Ok(answer) => (200, answer::headers(id), answer.to_xml(id)),
        Err(IssueFault::Refused(refusal)) => {
            let denial = Dialect::Query.write(&refusal, id);
            (denial.status, denial.headers, denial.body)
        }
        Err(fault) => {
            let (code, status, message) = fault.code().unwrap_or(("InternalFailure", 500, ""));
            (
                status,
                answer::headers(id),
                answer::error(code, status, message, id),
            )
        }
    };
    let mut response = Response::new(HttpBody::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            let name = HeaderName::from_static(name);
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// A call that names no action of the service, as its clients are told (STS-03).
fn unknown_action(code: &'static str, message: String) -> IssueFault {
    IssueFault::Call { code, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hops, headers, the address, and whether over TLS.
    type Case<'c> = (
        usize,
        &'c [(&'c str, &'c str)],
        Option<IpAddr>,
        Option<bool>,
    );

    #[test]
    fn where_a_call_comes_from_is_what_somebody_trusted_says() {
        let here = "192.0.2.1".parse().ok();
        let list = ("x-forwarded-for", "198.51.100.9, 203.0.113.7, 10.0.0.1");
        let tls = ("x-forwarded-proto", "https");
        let ip = |text: &str| text.parse().ok();
        let cases: [Case<'_>; 9] = [
            (0, &[], here, Some(false)),
            (0, &[tls], here, Some(false)),
            (0, &[list, tls], None, None),
            (0, &[("forwarded", "for=198.51.100.9")], None, None),
            (1, &[list, tls], ip("10.0.0.1"), Some(true)),
            (
                2,
                &[list, ("x-forwarded-proto", "http")],
                ip("203.0.113.7"),
                Some(false),
            ),
            (4, &[list], None, None),
            (1, &[], None, None),
            (1, &[tls, tls], None, None),
        ];
        for (hops, fields, address, secure) in cases {
            let mut headers = Headers::new();
            for (name, value) in fields {
                headers.push(name, *value);
            }
            let found = peer(&headers, here, hops);
            assert_eq!(
                (found.ip, found.secure),
                (address, secure),
                "{hops} {fields:?}"
            );
        }
    }
}
