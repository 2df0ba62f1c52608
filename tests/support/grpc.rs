//! A gRPC client that sends messages byte for byte as it is told.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use std::time::Duration;

/// What came back from a unary call.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The gRPC status.
    pub(crate) status: u32,
    /// The message without its frame, if there was one.
    pub(crate) message: Option<Bytes>,
}

/// A message with the prefix of gRPC.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let mut framed = vec![0];
    framed.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend(message);
    framed
}

/// Sends `body` as it is to a method, and reads the answer.
pub(crate) fn call(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Answer {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let exchange = async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        let mut request = http::Request::post(format!("http://sidegate{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let response = sender.send_request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        let status = trailers
            .get("grpc-status")
            .or(parts.headers.get("grpc-status"))
            .expect("a gRPC status");
        let bytes = collected.to_bytes();
        Answer {
            status: status.to_str().unwrap().parse().unwrap(),
            message: (!bytes.is_empty()).then(|| bytes.slice(5..)),
        }
    };
    runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(30), exchange).await })
        .expect("an answer in time")
}
