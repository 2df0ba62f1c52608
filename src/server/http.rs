//! HTTP/1 doors: accepts connections within bounds and drains them.

use crate::server::bind::Listener;
use crate::server::closed;
use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::ServiceExt as _;

/// The most connections of one door; more wait to be accepted.
const MAX_CONNECTIONS: usize = 1_024;

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest head of a request, in bytes: what Envoy, nginx and Traefik accept, and room.
const MAX_HEAD: usize = 128 * 1024;

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Serves connections until the door is to close, and what they have begun.
pub(super) async fn serve(listener: Listener, router: Router, closing: watch::Receiver<bool>) {
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
            Ok(Stream::Tcp(stream)) => connection(stream, slot, &router, &graceful),
            Ok(Stream::Unix(stream)) => connection(stream, slot, &router, &graceful),
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

async fn accept(listener: &Listener) -> io::Result<Stream> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok(Stream::Tcp(stream))
        }
        Listener::Unix(listener, _) => {
            let (stream, _) = listener.accept().await?;
            Ok(Stream::Unix(stream))
        }
    }
}

fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    slot: Option<OwnedSemaphorePermit>,
    router: &Router,
    graceful: &GracefulShutdown,
) {
    let service = router
        .clone()
        .map_request(|request: Request<Incoming>| request.map(axum::body::Body::new));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        let _slot = slot;
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended badly");
        }
    });
}
