//! `sidegate selftest`: asks the decisions door as Envoy does, and sees that it decides.

use crate::cli::{Exit, complain, print, say};
use crate::proto::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use crate::proto::envoy::service::auth::v3::check_response::HttpResponse;
use crate::proto::envoy::service::auth::v3::{AttributeContext, CheckRequest, CheckResponse};
use clap::Args;
use hyper_util::rt::TokioIo;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::UnixStream;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const TIMEOUT: Duration = Duration::from_secs(5);
/// A host that no service has: names below `invalid` belong to nobody (RFC 2606).
const NOBODYS_HOST: &str = "selftest.sidegate.invalid";

#[derive(Debug, Args)]
pub(super) struct Selftest {
    /// The decisions door: `HOST:PORT` or `unix:/PATH`
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9191")]
    target: String,
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("`{0}` is no address: write `HOST:PORT` or `unix:/PATH`")]
    Address(String),
    #[error("nobody answers at {target}")]
    Unreachable {
        target: String,
        #[source]
        cause: tonic::transport::Error,
    },
    #[error("the call failed, and every call should be answered")]
    Call(#[source] Box<tonic::Status>),
    #[error("it is not ready: no policies are in force, or it is going down")]
    NotReady,
    #[error("a call of nobody to nothing was not denied: whatever answers there is no Sidegate")]
    Allowed,
    #[error("there is no runtime to ask with")]
    Runtime(#[source] std::io::Error),
}

impl From<tonic::Status> for Failed {
    fn from(status: tonic::Status) -> Self {
        Self::Call(Box::new(status))
    }
}

impl Selftest {
    pub(super) fn run(self) -> Exit {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failed::Runtime);
        let tested = runtime.and_then(|runtime| {
            runtime.block_on(async {
                let within = tokio::time::timeout(TIMEOUT, test(&self.target)).await;
                within.unwrap_or_else(|_| Err(tonic::Status::deadline_exceeded("too late").into()))
            })
        });
        match tested {
            Ok(code) => {
                let told = format!("ready, and denies what nobody may do (code {code})\n");
                match print(told) {
                    Ok(()) => Exit::Done,
                    Err(error) => {
                        complain(&error);
                        Exit::Failed
                    }
                }
            }
            Err(error) => {
                complain(&error);
                say(format!("{} did not pass", self.target));
                Exit::Failed
            }
        }
    }
}

/// Gives the code of the denial.
async fn test(target: &str) -> Result<i32, Failed> {
    let channel = connect(target).await?;
    let ready = HealthCheckRequest {
        service: "ready".to_owned(),
    };
    let health = HealthClient::new(channel.clone()).check(ready).await?;
    if health.into_inner().status() != ServingStatus::Serving {
        return Err(Failed::NotReady);
    }
    let check = CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(Request {
                http: Some(HttpRequest {
                    method: "GET".to_owned(),
                    path: "/".to_owned(),
                    host: NOBODYS_HOST.to_owned(),
                    scheme: "https".to_owned(),
                    ..HttpRequest::default()
                }),
            }),
            ..AttributeContext::default()
        }),
    };
    let mut client = Grpc::new(channel);
    let refused = |cause| Failed::Unreachable {
        target: target.to_owned(),
        cause,
    };
    client.ready().await.map_err(refused)?;
    let codec = tonic_prost::ProstCodec::<CheckRequest, CheckResponse>::default();
    let path = http::uri::PathAndQuery::from_static(crate::ext_authz::CHECK_PATH);
    let answer = client
        .unary(tonic::Request::new(check), path, codec)
        .await?
        .into_inner();
    let code = answer.status.map_or(0, |status| status.code);
    let is_denied = matches!(answer.http_response, Some(HttpResponse::DeniedResponse(_)));
    if code == 0 || !is_denied {
        return Err(Failed::Allowed);
    }
    Ok(code)
}

async fn connect(target: &str) -> Result<Channel, Failed> {
    let bad = || Failed::Address(target.to_owned());
    let unreachable = |cause| Failed::Unreachable {
        target: target.to_owned(),
        cause,
    };
    if let Some(path) = target.strip_prefix("unix:") {
        let path = PathBuf::from(path);
        let connect = tower::service_fn(move |_: Uri| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        let endpoint = Endpoint::from_static("http://localhost");
        return endpoint
            .connect_with_connector(connect)
            .await
            .map_err(unreachable);
    }
    if !target.contains(':') || target.contains('/') {
        return Err(bad());
    }
    let endpoint = Endpoint::from_shared(format!("http://{target}")).map_err(|_| bad())?;
    endpoint.connect().await.map_err(unreachable)
}
