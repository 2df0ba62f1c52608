//! Accepts connections within bounds, serves them, and drains them.

use crate::model::ClientAddress;
use crate::server::bind::Listener;
use crate::server::closed;
use crate::server::stream::Stream;
use crate::server::workers::Workers;
use bytes::Bytes;
use http::Request;
use http::Response;
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::{Service, ServiceExt as _};

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

/// What answers the requests of a door.
pub(super) trait Answers<B>:
    Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S, B> Answers<B> for S where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// A door that is open.
pub(super) struct Open<S> {
    pub(super) listener: Listener,
    pub(super) service: S,
    pub(super) protocol: Protocol,
    /// Who serves its connections.
    pub(super) workers: Workers,
}

/// Serves connections until the door is to close, and then what they have begun.
pub(super) async fn serve<S, B>(door: Open<S>, closing: watch::Receiver<bool>)
where
    S: Answers<B>,
    B: Body<Data = Bytes, Error: Error + Send + Sync> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut closing = std::pin::pin!(closed(closing));
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await.ok();
            (slot, accept(&door.listener).await)
        };
        let (slot, accepted) = tokio::select! {
            biased;
            () = &mut closing => break,
            next = next => next,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = connection(
                    stream,
                    peer,
                    slot,
                    door.service.clone(),
                    door.protocol,
                    graceful.watcher(),
                );
                if let Some(worker) = door.workers.next() {
                    worker.spawn(connection);
                }
            }
            Err(error) => {
                // Most likely there are too many open files: give the connections time to end.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(door.listener);
    graceful.shutdown().await;
}

/// A connection that is no worker's yet.
enum Accepted {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Accepted {
    /// Has the events of the connection told to the runtime of whoever calls.
    fn attach(self) -> io::Result<Stream> {
        Ok(match self {
            Self::Tcp(stream) => TcpStream::from_std(stream)?.into(),
            Self::Unix(stream) => UnixStream::from_std(stream)?.into(),
        })
    }
}

async fn accept(listener: &Listener) -> io::Result<(Accepted, Option<IpAddr>)> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, peer) = listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok((Accepted::Tcp(stream.into_std()?), Some(peer.ip())))
        }
        Listener::Unix(listener, _) => {
            let (stream, _) = listener.accept().await?;
            Ok((Accepted::Unix(stream.into_std()?), None))
        }
    }
}

async fn connection<S, B>(
    accepted: Accepted,
    peer: Option<IpAddr>,
    slot: Option<OwnedSemaphorePermit>,
    service: S,
    protocol: Protocol,
    watcher: Watcher,
) where
    S: Answers<B>,
    B: Body<Data = Bytes, Error: Error + Send + Sync> + Send + 'static,
{
    let _slot = slot;
    let stream = match accepted.attach() {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(%error, "cannot serve a connection");
            return;
        }
    };
    let service = service.map_request(move |mut request: Request<Incoming>| {
        if let Some(peer) = peer {
            request.extensions_mut().insert(ClientAddress(peer));
        }
        request
    });
    let service = TowerToHyperService::new(service);
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
}

fn ended<E: Error>(outcome: Result<(), E>) {
    if let Err(error) = outcome {
        let error: &dyn Error = &error;
        tracing::debug!(error = %error, "a connection ended badly");
    }
}
