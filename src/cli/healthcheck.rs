//! `sidegate healthcheck`: asks the admin door of a running server, for probes without a shell.

use crate::cli::serve::Settings;
use crate::cli::{Exit, complain, say};
use crate::config::Address;
use clap::Args;
use http::{Request, StatusCode, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

const TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
pub(super) struct Healthcheck {
    #[command(flatten)]
    settings: Settings,
    /// The admin door, in place of the one in the settings
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// Ask whether it is alive, and not whether it is ready
    #[arg(long)]
    live: bool,
}

/// Why a server is not healthy.
#[derive(Debug, thiserror::Error)]
enum Unhealthy {
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
        cause: hyper::Error,
    },
    #[error("{address} did not answer within {TIMEOUT:?}")]
    Late { address: Address },
    #[error("{address} answers {status}")]
    Status {
        address: Address,
        status: StatusCode,
    },
}

impl Healthcheck {
    pub(super) fn run(self) -> Exit {
        let mut values = match self.settings.values() {
            Ok(values) => values,
            Err(exit) => return exit,
        };
        if let Some(address) = &self.address {
            values.set("admin.address", address, "--address");
        }
        let config = match self.settings.config(&values) {
            Ok(config) => config,
            Err(exit) => return exit,
        };
        let Some(address) = config.admin else {
            say("error: the admin door is off, so there is nobody to ask");
            return Exit::Usage;
        };
        let path = if self.live { "/livez" } else { "/readyz" };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let asked = match runtime {
            Ok(runtime) => runtime.block_on(ask(&address, path)),
            Err(cause) => Err(Unhealthy::Unreachable { address, cause }),
        };
        match asked {
            Ok(()) => Exit::Done,
            Err(error) => {
                complain(&error);
                Exit::Failed
            }
        }
    }
}

async fn ask(address: &Address, path: &str) -> Result<(), Unhealthy> {
    let connect = async {
        match address {
            Address::Tcp(tcp) => {
                let stream = TcpStream::connect(tcp)
                    .await
                    .map_err(unreachable(address))?;
                status(stream, address, path).await
            }
            Address::Unix(file) => {
                let stream = UnixStream::connect(file)
                    .await
                    .map_err(unreachable(address))?;
                status(stream, address, path).await
            }
        }
    };
    let late = |_| Unhealthy::Late {
        address: address.clone(),
    };
    let status = tokio::time::timeout(TIMEOUT, connect)
        .await
        .map_err(late)??;
    if status == StatusCode::OK {
        return Ok(());
    }
    Err(Unhealthy::Status {
        address: address.clone(),
        status,
    })
}

fn unreachable(address: &Address) -> impl Fn(io::Error) -> Unhealthy + use<> {
    let address = address.clone();
    move |cause| Unhealthy::Unreachable {
        address: address.clone(),
        cause,
    }
}

async fn status(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    address: &Address,
    path: &str,
) -> Result<StatusCode, Unhealthy> {
    let unreadable = |cause| Unhealthy::Unreadable {
        address: address.clone(),
        cause,
    };
    let handshake = http1::handshake::<_, Empty<bytes::Bytes>>(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(unreadable)?;
    tokio::spawn(connection);
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = http::Uri::try_from(path).unwrap_or_default();
    let host = http::HeaderValue::from_static("localhost");
    request.headers_mut().insert(header::HOST, host);
    let response = sender.send_request(request).await.map_err(unreadable)?;
    Ok(response.status())
}
