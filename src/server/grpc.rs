//! The services of the gRPC door.

use crate::admin::{Admin, Phase};
use crate::api::{AuthorizationService, MAX_MESSAGE};
use crate::loader::reload::Status;
use crate::proto::DESCRIPTORS;
use crate::proto::sidegate::v1::authorization_server::AuthorizationServer;
use axum::Router;
use tokio::sync::watch;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// What is served beside health.
pub(super) struct Services {
    pub(super) api: AuthorizationService,
    pub(super) reflection: bool,
}

/// Names under which health is told: the server as a whole, its services, and what probes of
/// Kubernetes ask for (K1.23).
const READY: [&str; 5] = [
    "",
    "envoy.service.auth.v3.Authorization",
    "sidegate.v1.Authorization",
    "ready",
    "startup",
];

const LIVE: &str = "live";

impl Services {
    pub(super) fn into_router(self, admin: Admin, closing: watch::Receiver<bool>) -> Router {
        let (reporter, health) = tonic_health::server::health_reporter();
        tokio::spawn(report(reporter, admin, closing));
        let api = AuthorizationServer::new(self.api).max_decoding_message_size(MAX_MESSAGE);
        let mut routes = Routes::new(api).add_service(health);
        if self.reflection {
            let builder = || {
                tonic_reflection::server::Builder::configure()
                    .register_encoded_file_descriptor_set(DESCRIPTORS)
                    .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            };
            // Clients in use ask in either version.
            match (builder().build_v1(), builder().build_v1alpha()) {
                (Ok(v1), Ok(v1alpha)) => routes = routes.add_service(v1).add_service(v1alpha),
                (Err(error), _) | (_, Err(error)) => {
                    tracing::error!(%error, "reflection is not offered");
                }
            }
        }
        routes.prepare().into_axum_router()
    }
}

/// Tells health whenever it may have changed, until the doors close.
async fn report(reporter: HealthReporter, admin: Admin, closing: watch::Receiver<bool>) {
    let (mut status, mut phase) = (admin.status.clone(), admin.phase.clone());
    let mut closing = std::pin::pin!(super::closed(closing));
    reporter
        .set_service_status(LIVE, ServingStatus::Serving)
        .await;
    loop {
        let serving = if admin.is_ready() {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        for name in READY {
            reporter.set_service_status(name, serving).await;
        }
        let goes_on = tokio::select! {
            goes_on = changed(&mut status, &mut phase) => goes_on,
            () = &mut closing => false,
        };
        if !goes_on {
            break;
        }
    }
    // Whoever watches is told the last, and the streams end: a drain does not wait for them.
    let mut reporter = reporter;
    for name in READY.into_iter().chain([LIVE]) {
        reporter.clear_service_status(name).await;
    }
}

/// Waits for news; false when there can be none any more.
async fn changed(status: &mut watch::Receiver<Status>, phase: &mut watch::Receiver<Phase>) -> bool {
    tokio::select! {
        changed = phase.changed() => changed.is_ok(),
        // A source that is never read again sends no news, and the phase still does.
        Ok(()) = status.changed() => true,
    }
}
