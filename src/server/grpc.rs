//! The gRPC door: its services, and how connections are served.

use crate::admin::{Admin, Phase};
use crate::api::AuthorizationService;
use crate::ext_authz::CheckService;
use crate::loader::reload::Status;
use crate::proto::DESCRIPTORS;
use crate::proto::sidegate::v1::authorization_server::AuthorizationServer;
use crate::server::bind::Listener;
use crate::server::closed;
use std::time::Duration;
use tokio::sync::watch;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// What is served beside health.
pub(super) struct Services {
    pub(super) check: CheckService,
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

impl Services {
    pub(super) fn into_router(self, admin: Admin) -> Routes {
        let (reporter, health) = tonic_health::server::health_reporter();
        tokio::spawn(report(reporter, admin));
        let mut routes = Routes::new(self.check)
            .add_service(AuthorizationServer::new(self.api))
            .add_service(health);
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
        routes
    }
}

/// Tells health whenever it may have changed.
async fn report(reporter: HealthReporter, admin: Admin) {
    let (mut status, mut phase) = (admin.status.clone(), admin.phase.clone());
    reporter
        .set_service_status("live", ServingStatus::Serving)
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
        if !changed(&mut status, &mut phase).await {
            return;
        }
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

/// Serves connections until the door is to close, and what they have begun.
pub(super) async fn serve(listener: Listener, routes: Routes, closing: watch::Receiver<bool>) {
    let mut builder = Server::builder()
        // Envoy resets streams at its deadline, by the hundred when there is overload (rule 60).
        .http2_max_pending_accept_reset_streams(Some(10_000))
        // A call with more header bytes than Envoy sends is no check.
        .http2_max_header_list_size(64 * 1024)
        .http2_keepalive_interval(Some(Duration::from_mins(1)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)));
    let server = builder.add_routes(routes);
    let ended = match listener {
        Listener::Tcp(listener) => {
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            server
                .serve_with_incoming_shutdown(incoming, closed(closing))
                .await
        }
        Listener::Unix(listener, _file) => {
            let incoming = UnixListenerStream::new(listener);
            server
                .serve_with_incoming_shutdown(incoming, closed(closing))
                .await
        }
    };
    if let Err(error) = ended {
        tracing::error!(%error, "the decisions door failed");
    }
}
