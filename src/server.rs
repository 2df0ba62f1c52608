//! Puts a server together: builds everything once, binds the doors, and drains on a signal.
//!
//! Floor 7.
//!
//! # Invariants
//!
//! - Every door is bound before any of them answers, so that a server never runs with half of them.
//! - A server that was told to end stops being ready at once, goes on taking work for a while, then
//!   finishes what it has begun, within bounds (K1.25).

mod bind;
mod connections;
mod door;
mod grpc;
mod stream;
mod workers;

pub use bind::BindError;

use crate::admin::{Admin, Phase};
use crate::api::AuthorizationService;
use crate::clock::Clock;
use crate::config::{Address, Config, Drain, Pods};
use crate::ext_authz::{CheckService, Settings as CheckSettings};
use crate::forward_auth::ForwardAuth;
use crate::loader::reload::{Loader, Status};
use crate::pdp::Pdp;
use crate::pod_credentials::PodCredentials;
use crate::snapshot::Store;
use crate::sts::TokenService;
use crate::sts_client::{StsClient, StsClientError};
use crate::telemetry::decision_log::{DecisionLog, DecisionLogError};
use crate::telemetry::{Metrics, OtlpError, Tracer};
use axum::Router;
use bind::Listener;
use connections::{Open, Protocol};
use door::Door;
use http::Request;
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tower::ServiceExt as _;
use workers::Workers;

/// How long the end waits for the decision log, and for traces: a sink that hangs must not hold it up.
const LOG_END: Duration = Duration::from_secs(2);

/// Why a server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A door cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The token service for pods cannot be asked.
    #[error("`pods.sts` cannot be asked")]
    Issuer(#[from] StsClientError),
    /// The authority of the token service for pods cannot be read.
    #[error("`pods.ca` cannot be read")]
    Authority(#[source] std::io::Error),
    /// Signals cannot be listened to, so that nothing could end the server in an orderly way.
    #[error("cannot listen for signals")]
    Signal(#[source] std::io::Error),
    /// Decisions cannot be written down.
    #[error(transparent)]
    Log(#[from] DecisionLogError),
    /// Decisions cannot be traced.
    #[error(transparent)]
    Traces(#[from] OtlpError),
    /// The threads that serve cannot be started.
    #[error("cannot start the threads that serve")]
    Workers(#[source] std::io::Error),
    /// What was in progress did not end in time, or a second signal ended it.
    #[error("the drain was cut short, and requests in progress were dropped")]
    Drain,
    /// A door ended though nobody asked it to.
    #[error("the {door} door ended by itself")]
    Door {
        /// Which one.
        door: &'static str,
    },
}

/// Where the policies of a server come from.
#[derive(Debug)]
pub enum Source {
    /// From a directory, again after each change.
    Directory(Loader),
    /// From the store as it is.
    Published,
}

/// A server that is put together, and bound to its addresses.
#[derive(Debug)]
pub struct Server {
    decisions: Vec<Listener>,
    http: Option<Listener>,
    admin: Option<Listener>,
    pods: Option<(Listener, Option<StsClient>)>,
    config: Config,
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    source: Source,
    log: Option<Arc<DecisionLog>>,
    tracer: Option<Arc<Tracer>>,
}

/// Where the doors of a server are; ports that were given as zero are the real ones here.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// The doors for decisions.
    pub decisions: Vec<Address>,
    /// The HTTP door.
    pub http: Option<Address>,
    /// The admin door.
    pub admin: Option<Address>,
    /// The door for containers of the pod.
    pub pods: Option<Address>,
}

impl Server {
    /// Binds every door.
    ///
    /// # Errors
    ///
    /// [`ServerError`] for the first door that cannot be bound.
    pub async fn bind(
        config: Config,
        store: Arc<Store>,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
        source: Source,
    ) -> Result<Self, ServerError> {
        let mode = config.decisions.socket_mode;
        let mut decisions = Vec::new();
        for address in &config.decisions.addresses {
            decisions.push(Listener::bind(address, mode).await?);
        }
        let http = match &config.http {
            Some(address) => Some(Listener::bind(address, mode).await?),
            None => None,
        };
        let admin = match &config.admin {
            Some(address) => Some(Listener::bind(address, mode).await?),
            None => None,
        };
        let pods = match &config.pods.address {
            Some(address) => Some((
                Listener::bind(address, mode).await?,
                issuer(&config.pods).await?,
            )),
            None => None,
        };
        let otlp = config.otlp.as_ref();
        let log = DecisionLog::start(&config.decision_log, otlp, &metrics)?;
        let tracer = match otlp {
            Some(otlp) => Some(Tracer::start(otlp, config.traced, &metrics)?),
            None => None,
        };
        Ok(Self {
            decisions,
            http,
            admin,
            pods,
            config,
            store,
            metrics,
            clock,
            source,
            log,
            tracer,
        })
    }

    /// Where the doors are.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        Addresses {
            decisions: self.decisions.iter().map(Listener::address).collect(),
            http: self.http.as_ref().map(Listener::address),
            admin: self.admin.as_ref().map(Listener::address),
            pods: self.pods.as_ref().map(|(listener, _)| listener.address()),
        }
    }

    /// Serves until SIGTERM or SIGINT, then drains. A second signal ends the drain.
    ///
    /// # Errors
    ///
    /// [`ServerError`] when signals cannot be listened to or a door fails.
    pub async fn run(self) -> Result<(), ServerError> {
        let mut terminate = signal(SignalKind::terminate()).map_err(ServerError::Signal)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(ServerError::Signal)?;
        let drain = self.config.drain;
        let (log, tracer) = (self.log.clone(), self.tracer.clone());
        let workers = Workers::start(self.config.threads).map_err(ServerError::Workers)?;
        let (phase, closing, mut doors) = self.open(&workers);
        let patient = tokio::select! {
            _ = terminate.recv() => true,
            _ = interrupt.recv() => false,
            Some(ended) = doors.join_next() => {
                let door = ended.unwrap_or("panicked");
                return Err(ServerError::Door { door });
            }
        };
        tracing::info!("draining");
        phase.send_replace(Phase::Draining);
        let again = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let ended = tokio::select! {
            clean = close(drain, patient, &closing, &mut doors) => clean,
            () = again => Err(ServerError::Drain),
        };
        if let Some(log) = log {
            log.close(LOG_END);
        }
        if let Some(tracer) = tracer {
            tracer.close(LOG_END);
        }
        ended
    }

    /// Starts every door; they close when the second sender says so.
    fn open(
        self,
        workers: &Workers,
    ) -> (
        watch::Sender<Phase>,
        watch::Sender<bool>,
        JoinSet<&'static str>,
    ) {
        let (phase, serving) = watch::channel(Phase::Serving);
        let (closing, closed) = watch::channel(false);
        let pdp = Pdp::new(Arc::clone(&self.store), Arc::clone(&self.metrics))
            .with(self.log.clone(), self.tracer.clone());
        let (clock, metrics) = (&self.clock, &self.metrics);
        let decisions = &self.config.decisions;
        let status = follow(self.source);
        let admin = Admin {
            store: Arc::clone(&self.store),
            metrics: Arc::clone(metrics),
            status: status.clone(),
            phase: serving,
            clock: Arc::clone(clock),
        };
        let mut doors = JoinSet::new();
        let services = grpc::Services {
            api: AuthorizationService::new(pdp.clone(), Arc::clone(clock), Arc::clone(metrics)),
            reflection: decisions.reflection,
        };
        let door = Door {
            check: CheckService::new(
                pdp.clone(),
                Arc::clone(clock),
                Arc::clone(metrics),
                CheckSettings {
                    forwarding: decisions.forwarding,
                    trusted_hops: decisions.trusted_hops,
                    concurrency: decisions.concurrency,
                },
            ),
            others: services.into_router(admin.clone(), closed.clone()),
        };
        for listener in self.decisions {
            let open = Open {
                listener,
                service: door.clone(),
                protocol: Protocol::Http2,
                workers: workers.clone(),
            };
            spawn(
                &mut doors,
                "decisions",
                connections::serve(open, closed.clone()),
            );
        }
        let http1 = |listener: Listener, router: Router, workers: &Workers| {
            let open = Open {
                listener,
                service: router
                    .map_request(|request: Request<Incoming>| request.map(axum::body::Body::new)),
                protocol: Protocol::Http1,
                workers: workers.clone(),
            };
            connections::serve(open, closed.clone())
        };
        if let Some((listener, issuer)) = self.pods {
            let (clock, metrics) = (Arc::clone(clock), Arc::clone(metrics));
            let router = PodCredentials::new(pdp.clone(), clock, metrics, issuer).into_router();
            spawn(&mut doors, "pods", http1(listener, router, workers));
        }
        if let Some(listener) = self.http {
            let tokens = TokenService::new(
                pdp.clone(),
                Arc::clone(clock),
                Arc::clone(metrics),
                self.config.http_trusted_hops,
            );
            let forward = ForwardAuth::new(
                pdp,
                Arc::clone(clock),
                Arc::clone(metrics),
                decisions.forwarding,
            );
            let router = tokens.into_router(forward.into_router());
            spawn(&mut doors, "http", http1(listener, router, workers));
        }
        if let Some(listener) = self.admin {
            // Whoever watches is answered even when there is more to do than can be done.
            let router = admin.into_router();
            spawn(
                &mut doors,
                "admin",
                http1(listener, router, &Workers::here()),
            );
        }
        (phase, closing, doors)
    }
}

/// Starts a door that says its name when it ends.
fn spawn(
    doors: &mut JoinSet<&'static str>,
    name: &'static str,
    serving: impl Future<Output = ()> + Send + 'static,
) {
    doors.spawn(async move {
        serving.await;
        name
    });
}

/// Who issues the credentials of pods, if another server does.
async fn issuer(pods: &Pods) -> Result<Option<StsClient>, ServerError> {
    let Some(address) = &pods.sts else {
        return Ok(None);
    };
    let ca = match &pods.ca {
        Some(path) => Some(
            tokio::fs::read(path)
                .await
                .map_err(ServerError::Authority)?,
        ),
        None => None,
    };
    Ok(Some(StsClient::new(address, ca.as_deref())?))
}

/// Starts loading, if there is something to load from.
fn follow(source: Source) -> watch::Receiver<Status> {
    match source {
        Source::Published => watch::channel(Status::Current).1,
        Source::Directory(loader) => {
            let status = loader.status();
            let (first, _) = oneshot::channel();
            tokio::spawn(async move { loader.run(first).await });
            status
        }
    }
}

/// K1.25.
async fn close(
    drain: Drain,
    patient: bool,
    closing: &watch::Sender<bool>,
    doors: &mut JoinSet<&'static str>,
) -> Result<(), ServerError> {
    if patient {
        tokio::time::sleep(drain.delay).await;
    }
    closing.send_replace(true);
    let finish = async { while doors.join_next().await.is_some() {} };
    tokio::time::timeout(drain.max, finish)
        .await
        .map_err(|_| ServerError::Drain)
}

/// Waits until the doors are to close.
async fn closed(mut closing: watch::Receiver<bool>) {
    // An error means that the server itself is gone.
    let _ = closing.wait_for(|closing| *closing).await;
}
