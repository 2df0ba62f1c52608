//! Credentials for the containers of a pod: the protocol of container credentials that every AWS SDK
//! speaks (section 6.2 of the signing rules).
//!
//! Floor 5. Whoever brings the projected token of its service account gets credentials of the role
//! that the issuer's rules give to it. An issuer makes them itself; a sidecar asks one.
//!
//! # Invariants
//!
//! - To be on the same machine proves nothing: the token does (CCE-03).
//! - A page that a browser was led to gets nothing: the host is one of ours by number, and no proxy
//!   and no script stands between (CCE-06).

use crate::authn::{Chance, JwtError, sha256};
use crate::clock::Clock;
use crate::model::{Body, Headers, HttpCall, Peer, Protocol, Timestamp};
use crate::pdp::Pdp;
use crate::pdp::issue::{AssumeRoleWithWebIdentity, Desk, IssueFault, UsedCodes};
use crate::sts_client::{StsClient, StsClientError, Vended};
use crate::telemetry::{Door, Metrics};
use aws_lc_rs::rand;
use axum::Router;
use axum::body::Body as HttpBody;
use axum::extract::State;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use moka::sync::Cache;
use std::sync::Arc;
use std::time::Duration;

/// The longest that keys of an issuer are waited for.
const LONGEST: Duration = Duration::from_millis(800);
/// The most pods whose credentials are kept.
const MAX_KEPT: u64 = 1_000;
/// The path that is served (CCE-01).
const PATH: &str = "/v1/credentials";
/// The hosts that clients call without TLS (CCE-02).
const HOSTS: [&str; 6] = [
    "127.0.0.1",
    "[::1]",
    "localhost",
    "169.254.170.2",
    "169.254.170.23",
    "[fd00:ec2::23]",
];

/// What the door needs to answer.
#[derive(Clone, Debug)]
pub struct PodCredentials {
    pdp: Pdp,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    /// Who issues; `None` is this server itself.
    issuer: Option<StsClient>,
    kept: Cache<[u8; 32], Arc<Kept>>,
    used: UsedCodes,
}

/// Credentials that were given to a token.
#[derive(Debug)]
struct Kept {
    vended: Vended,
    account: String,
    /// From when on new ones are asked for: half of their life (CCE-07).
    renew_at: Timestamp,
}

/// Why nothing is given, as clients are told.
#[derive(Debug)]
struct Fault {
    status: StatusCode,
    code: &'static str,
    message: String,
}

fn fault(status: StatusCode, code: &'static str, message: impl Into<String>) -> Fault {
    Fault {
        status,
        code,
        message: message.into(),
    }
}

impl PodCredentials {
    /// A door whose credentials come from `issuer`, or are made here.
    #[must_use]
    pub fn new(
        pdp: Pdp,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        issuer: Option<StsClient>,
    ) -> Self {
        let hour = Duration::from_hours(1);
        let kept = Cache::builder().max_capacity(MAX_KEPT).time_to_live(hour);
        Self {
            pdp,
            clock,
            metrics,
            issuer,
            kept: kept.build(),
            used: UsedCodes::default(),
        }
    }

    /// The routes of this door.
    pub fn into_router(self) -> Router {
        Router::new().fallback(handle).with_state(self)
    }

    async fn give(&self, parts: &Parts) -> Result<Arc<Kept>, Fault> {
        let token = token_of(parts)?;
        let now = self.clock.now();
        if let Some(unsettled) = self.pdp.unsettled_token(token, now) {
            unsettled.settle(LONGEST).await;
        }
        let unavailable = || {
            fault(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                "no policies are in force",
            )
        };
        let snapshot = self.pdp.snapshot().ok_or_else(unavailable)?;
        // The token is looked at each time: what is kept is kept for it alone, and not longer than it
        // is good.
        let identity = snapshot
            .tokens
            .verify(token, now)
            .map_err(|refused| of_token(&refused))?;
        let none = || {
            let message = "no role is associated with this service account";
            fault(StatusCode::FORBIDDEN, "AccessDenied", message)
        };
        let role = identity.role.as_deref().ok_or_else(none)?;
        let role = snapshot.policies.role(identity.provider.account, role);
        let role = role.ok_or_else(none)?;
        let name = name_of(token, snapshot.revision.as_str());
        let kept = self.kept.get(&name).filter(|kept| now < kept.renew_at);
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let vended = if let Some(issuer) = &self.issuer {
            issuer
                .assume(role.arn.as_str(), &identity.session_name, token)
                .await
                .map_err(|refused| of_issuer(&refused))?
        } else {
            let call = call_of(parts);
            let chance = chance().ok_or_else(internal)?;
            let desk = Desk {
                snapshot: &snapshot,
                call: &call,
                used: &self.used,
                chance,
                now,
            };
            let ask = AssumeRoleWithWebIdentity {
                role_arn: role.arn.as_str().to_owned(),
                session_name: identity.session_name.clone(),
                token: token.to_owned(),
                ..AssumeRoleWithWebIdentity::default()
            };
            let issued = desk.assume_role_with_web_identity(&ask);
            let (issued, _) = issued.map_err(|refused| of_issue(&refused))?;
            Vended {
                access_key_id: issued.credentials.access_key_id.clone(),
                secret: issued.credentials.secret.clone(),
                token: crate::model::Secret::new(issued.credentials.token.clone().into_bytes()),
                expires_at: issued.claims.expires_at,
            }
        };
        let half = i64::midpoint(now.seconds(), vended.expires_at.seconds());
        let kept = Arc::new(Kept {
            account: role.account.as_str().to_owned(),
            renew_at: Timestamp::from_seconds(half),
            vended,
        });
        tracing::info!(
            target: "sidegate::audit",
            role = role.arn.as_str(),
            session = identity.session_name,
            subject = identity.subject,
            access_key = kept.vended.access_key_id,
            expires_at = %kept.vended.expires_at,
            "credentials for a pod"
        );
        self.kept.insert(name, Arc::clone(&kept));
        Ok(kept)
    }
}

async fn handle(
    State(door): State<PodCredentials>,
    request: Request<HttpBody>,
) -> Response<HttpBody> {
    let _in_flight = door.metrics.enter(Door::PodCredentials);
    let stopwatch = crate::clock::Stopwatch::start();
    let (parts, _body) = request.into_parts();
    let given = door.give(&parts).await;
    let (label, reason) = match &given {
        Ok(_) => ("allow", "allowed"),
        Err(fault) if fault.status.is_server_error() => ("error", "no_credentials"),
        Err(_) => ("deny", "refused"),
    };
    let elapsed = stopwatch.elapsed().as_secs_f64();
    door.metrics
        .decided(Door::PodCredentials, label, reason, elapsed, || None);
    let (status, body) = match given {
        Ok(kept) => (StatusCode::OK, body_of(&kept)),
        Err(fault) => {
            tracing::info!(
                code = fault.code,
                message = fault.message,
                "no credentials for a pod"
            );
            let body = serde_json::json!({"Code": fault.code, "Message": fault.message});
            (fault.status, body)
        }
    };
    let mut response = Response::new(HttpBody::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("cache-control", HeaderValue::from_static("no-store"));
    response
}

/// CCE-04.
fn body_of(kept: &Kept) -> serde_json::Value {
    let text =
        |secret: &crate::model::Secret| String::from_utf8_lossy(secret.expose()).into_owned();
    serde_json::json!({
        "AccessKeyId": kept.vended.access_key_id,
        "SecretAccessKey": text(&kept.vended.secret),
        "Token": text(&kept.vended.token),
        "AccountId": kept.account,
        "Expiration": kept.vended.expires_at.to_iso(),
    })
}

/// The token of a request that may ask (CCE-03, CCE-06).
fn token_of(parts: &Parts) -> Result<&str, Fault> {
    let one = |name: &str| {
        let mut values = parts.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            _ => None,
        }
    };
    let authority = one("host").unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let has = |name: &str| parts.headers.contains_key(name);
    let is_relayed = has("x-forwarded-for") || has("forwarded") || has("origin");
    if !HOSTS.contains(&host) || is_relayed {
        let message = "asked by another name than this machine's, or through somebody else";
        return Err(fault(StatusCode::FORBIDDEN, "AccessDenied", message));
    }
    if parts.uri.path() != PATH || parts.method != http::Method::GET {
        let message = format!("ask by GET {PATH}");
        return Err(fault(StatusCode::NOT_FOUND, "NotFound", message));
    }
    let token = one("authorization").filter(|token| !token.is_empty() && !token.contains(' '));
    token.ok_or_else(|| {
        let message = "`authorization` is the token of the service account, and nothing else";
        fault(StatusCode::BAD_REQUEST, "InvalidRequest", message)
    })
}

fn call_of(parts: &Parts) -> HttpCall {
    let mut headers = Headers::new();
    for (name, value) in &parts.headers {
        if *name != http::header::AUTHORIZATION && *name != http::header::HOST {
            headers.push(name.as_str(), value.as_bytes());
        }
    }
    let address = parts.extensions.get::<crate::model::ClientAddress>();
    HttpCall {
        method: "GET".to_owned(),
        scheme: String::new(),
        authority: String::new(),
        target: PATH.to_owned(),
        headers,
        body: Body::none(),
        peer: Peer {
            ip: address.map(|address| address.0),
            ..Peer::default()
        },
        protocol: Protocol::Http,
    }
}

fn chance() -> Option<Chance> {
    let mut chance = Chance {
        id: [0; 16],
        access_key: [0; 5],
    };
    rand::fill(&mut chance.id).ok()?;
    rand::fill(&mut chance.access_key).ok()?;
    Some(chance)
}

/// What credentials are found by: the whole token, and the policies by which they were given.
fn name_of(token: &str, revision: &str) -> [u8; 32] {
    sha256(&format!("{}:{revision}:{token}", revision.len()))
}

fn internal() -> Fault {
    fault(
        StatusCode::INTERNAL_SERVER_ERROR,
        "InternalFailure",
        "the evaluation failed",
    )
}

fn of_token(refused: &JwtError) -> Fault {
    if refused.failure() == crate::authn::Failure::Unavailable {
        return fault(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
            refused.to_string(),
        );
    }
    fault(StatusCode::BAD_REQUEST, "InvalidToken", refused.to_string())
}

fn of_issue(refused: &IssueFault) -> Fault {
    match refused.code() {
        None => internal(),
        Some((_, 500.., message)) => fault(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
            message,
        ),
        Some((_, 403, message)) => fault(StatusCode::FORBIDDEN, "AccessDenied", message),
        Some((_, _, message)) => fault(StatusCode::BAD_REQUEST, "InvalidRequest", message),
    }
}

fn of_issuer(refused: &StsClientError) -> Fault {
    match refused {
        StsClientError::Refused { code, message } if code == "AccessDenied" => {
            fault(StatusCode::FORBIDDEN, "AccessDenied", message)
        }
        StsClientError::Refused { message, .. } => {
            fault(StatusCode::BAD_REQUEST, "InvalidRequest", message)
        }
        other => fault(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
            other.to_string(),
        ),
    }
}
