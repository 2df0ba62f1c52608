//! Asks the admin door of a running server.

use crate::config::Address;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

const TIMEOUT: Duration = Duration::from_secs(3);
/// The longest answer that is read, in bytes.
const LONGEST: usize = 4 << 20;

/// Why a door gives no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("nobody answers at {address}")]
    Unreachable {
        address: Address,
        #[source]
        cause: io::Error,
    },
    #[error("the answer of {address} cannot be read")]
    Unreadable {
        address: Address,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{address} did not answer within {TIMEOUT:?}")]
    Late { address: Address },
}

/// Asks for `path`; gives the status and the body.
pub(super) fn ask(address: &Address, path: &str) -> Result<(StatusCode, Bytes), NoAnswer> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(unreachable(address))?;
    let late = |_| NoAnswer::Late {
        address: address.clone(),
    };
    runtime.block_on(async {
        tokio::time::timeout(TIMEOUT, over(address, path))
            .await
            .map_err(late)?
    })
}

async fn over(address: &Address, path: &str) -> Result<(StatusCode, Bytes), NoAnswer> {
    match address {
        Address::Tcp(tcp) => {
            let stream = TcpStream::connect(tcp)
                .await
                .map_err(unreachable(address))?;
            answer(stream, address, path).await
        }
        Address::Unix(file) => {
            let stream = UnixStream::connect(file)
                .await
                .map_err(unreachable(address))?;
            answer(stream, address, path).await
        }
    }
}

fn unreachable(address: &Address) -> impl Fn(io::Error) -> NoAnswer + use<> {
    let address = address.clone();
    move |cause| NoAnswer::Unreachable {
        address: address.clone(),
        cause,
    }
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    address: &Address,
    path: &str,
) -> Result<(StatusCode, Bytes), NoAnswer> {
    let unreadable = |cause: hyper::Error| NoAnswer::Unreadable {
        address: address.clone(),
        cause: cause.into(),
    };
    let handshake = http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(unreadable)?;
    tokio::spawn(connection);
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = http::Uri::try_from(path).unwrap_or_default();
    let host = http::HeaderValue::from_static("localhost");
    request.headers_mut().insert(header::HOST, host);
    let response = sender.send_request(request).await.map_err(unreadable)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LONGEST).collect().await;
    let body = body.map_err(|cause| NoAnswer::Unreadable {
        address: address.clone(),
        cause,
    })?;
    Ok((status, body.to_bytes()))
}
