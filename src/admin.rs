//! The door for whoever runs Sidegate: health, readiness, metrics, and what is in force.
//!
//! Floor 5. Shows counts, times and places; never the text of a policy, a token or a secret
//! (incident rule 12).

use crate::authn::TokenKeys;
use crate::clock::Clock;
use crate::loader::reload::Status;
use crate::model::Timestamp;
use crate::snapshot::{Snapshot, Store};
use crate::telemetry::{Exposition, Metrics, SnapshotFacts};
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::watch;

/// Whether the server takes new work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It answers.
    Serving,
    /// It finishes what it has begun, and is about to end.
    Draining,
}

/// What the door needs to answer.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The snapshot in force.
    pub store: Arc<Store>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// How the last reload ended.
    pub status: watch::Receiver<Status>,
    /// Whether the server is going down.
    pub phase: watch::Receiver<Phase>,
    /// The time, for ages.
    pub clock: Arc<dyn Clock>,
}

impl Admin {
    /// The routes of this door.
    pub fn into_router(self) -> Router {
        Router::new()
            .route("/livez", get(async || "ok\n"))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .route("/snapshot", get(snapshot))
            .with_state(self)
    }

    /// Whether decisions are made by policies, and new ones may be asked for.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.store.current().is_some() && *self.phase.borrow() == Phase::Serving
    }

    fn reload(&self) -> Value {
        match &*self.status.borrow() {
            Status::Pending => json!({"status": "pending"}),
            Status::Current => json!({"status": "current"}),
            Status::Failed { label, places, at } => {
                let faults: Vec<String> = places
                    .iter()
                    .map(|(place, rule)| format!("{place} {rule}"))
                    .collect();
                json!({"status": "failed", "cause": label, "at": at.to_iso(), "faults": faults})
            }
        }
    }
}

async fn readyz(State(admin): State<Admin>) -> Response {
    let ready = admin.is_ready();
    let draining = *admin.phase.borrow() == Phase::Draining;
    let revision = admin
        .store
        .current()
        .map(|snapshot| snapshot.revision.to_string());
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({
        "ready": ready,
        "draining": draining,
        "revision": revision,
        "reload": admin.reload(),
    });
    (status, as_json(&body)).into_response()
}

async fn metrics(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    if let Some(current) = admin.store.current() {
        let keys = current.token_keys.as_ref();
        let end = keys.and_then(TokenKeys::end_of_use);
        admin.metrics.describe(&SnapshotFacts {
            compiled_bytes: current.policies.bytes(),
            statements: current.policies.statements(),
            digest: current.revision.number(),
            revocations: current.revocations.len(),
            token_keys_end_s: end.map(Timestamp::seconds),
            certificates_end_s: current.certificates_end.map(Timestamp::seconds),
            caches: current.caches(),
        });
    }
    let accept = headers.get(header::ACCEPT);
    let accept = accept.and_then(|value| value.to_str().ok());
    let form = Exposition::of(accept.unwrap_or_default());
    let text = admin.metrics.render(form);
    ([(header::CONTENT_TYPE, form.content_type())], text).into_response()
}

async fn snapshot(State(admin): State<Admin>) -> Response {
    let Some(current) = admin.store.current() else {
        let body = json!({"revision": null, "reload": admin.reload()});
        return (StatusCode::SERVICE_UNAVAILABLE, as_json(&body)).into_response();
    };
    as_json(&describe(&current, &admin)).into_response()
}

fn describe(snapshot: &Snapshot, admin: &Admin) -> Value {
    let age = admin.clock.now().seconds() - snapshot.compiled_at.seconds();
    json!({
        "revision": snapshot.revision.as_str(),
        "compiledAt": snapshot.compiled_at.to_iso(),
        "ageSeconds": age.max(0),
        "source": snapshot.source,
        "files": snapshot.files,
        "bytes": snapshot.source_bytes,
        "users": snapshot.policies.users(),
        "roles": snapshot.policies.roles(),
        "documents": snapshot.policies.documents(),
        "statements": snapshot.policies.statements(),
        "services": snapshot.services,
        "issuers": snapshot.issuers,
        "warnings": snapshot.warnings,
        "reload": admin.reload(),
    })
}

fn as_json(body: &Value) -> impl IntoResponse + use<> {
    (
        [(header::CONTENT_TYPE, "application/json")],
        format!("{body}\n"),
    )
}
