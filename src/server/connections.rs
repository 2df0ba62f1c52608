//! Accepts connections within bounds, serves them, and drains them.

use crate::model::ClientAddress;
use crate::server::bind::Listener;
use crate::server::closed;
use crate::server::stream::Stream;
use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::ServiceExt as _;

/// The most connections of one door; more wait to be accepted.
const MAX_CONNECTIONS: usize = 1_024;

/// How long a client may take to begin, and over HTTP/1 to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest head of an HTTP/1 request, in bytes: what Envoy, nginx and Traefik accept, and room.
const MAX_HEAD: usize = 128 * 1024;

/// The longest head of a gRPC call, in bytes; what a check is about stands in its message.
const MAX_HEADER_LIST: u32 = 64 * 1024;

/// The most calls in progress on one gRPC connection: Envoy's own limit (rule 56).
const MAX_STREAMS: u32 = 1_024;

/// How many streams may be reset before they were looked at. Envoy resets at its deadline, by the
/// hundred when there is overload (rule 60).
const MAX_RESETS: usize = 10_000;

/// What is spoken on a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Serves connections until the door is to close, and then what they have begun.
pub(super) async fn serve(
    listener: Listener,
    router: Router,
    protocol: Protocol,
    closing: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut closing = std::pin::pin!(closed(closing));
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await.ok();
            (slot, accept(&listener).await)
        };
        let (slot, accepted) = tokio::select! {
            biased;
            () = &mut closing => break,
            next = next => next,
        };
        match accepted {
            Ok((stream, peer)) => connection(stream, peer, slot, &router, protocol, &graceful),
            Err(error) => {
                // Most likely there are too many open files: give the connections time to end.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

async fn accept(listener: &Listener) -> io::Result<(Stream, Option<IpAddr>)> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, peer) = listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok((stream.into(), Some(peer.ip())))
        }
        Listener::Unix(listener, _) => {
            let (stream, _) = listener.accept().await?;
            Ok((stream.into(), None))
        }
    }
}

fn connection(
    stream: Stream,
    peer: Option<IpAddr>,
    slot: Option<OwnedSemaphorePermit>,
    router: &Router,
    protocol: Protocol,
    graceful: &GracefulShutdown,
) {
    let service = router
        .clone()
        .map_request(move |request: Request<Incoming>| {
            let mut request = request.map(axum::body::Body::new);
            if let Some(peer) = peer {
                request.extensions_mut().insert(ClientAddress(peer));
            }
            request
        });
    let service = TowerToHyperService::new(service);
    let watcher = graceful.watcher();
    tokio::spawn(async move {
        let _slot = slot;
        // A client that connects and says nothing is not waited for.
        match tokio::time::timeout(HEAD_TIMEOUT, stream.readable()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
        let io = TokioIo::new(stream);
        match protocol {
            Protocol::Http1 => {
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIMEOUT)
                    .max_buf_size(MAX_HEAD)
                    .serve_connection(io, service);
                ended(watcher.watch(connection).await);
            }
            Protocol::Http2 => {
                let connection = http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .max_pending_accept_reset_streams(MAX_RESETS)
                    .max_header_list_size(MAX_HEADER_LIST)
                    .max_concurrent_streams(MAX_STREAMS)
                    .keep_alive_interval(Duration::from_mins(1))
                    .keep_alive_timeout(Duration::from_secs(20))
                    .serve_connection(io, service);
                ended(watcher.watch(connection).await);
            }
        }
    });
}

fn ended<E: std::error::Error>(outcome: Result<(), E>) {
    if let Err(error) = outcome {
        let error: &dyn std::error::Error = &error;
        tracing::debug!(error = %error, "a connection ended badly");
    }
}
