//! The floor: a server that allows everything, as the generated code has it.

use envoy_types::ext_authz::v3::pb::{
    Authorization, AuthorizationServer, CheckRequest, CheckResponse,
};
use envoy_types::pb::google::rpc;
use std::path::PathBuf;
use tokio::net::{TcpListener, UnixListener};
use tonic::transport::Server;
use tonic::{Request, Response, Status};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The port to listen on
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The socket to listen on, in place of a port
    #[arg(long)]
    socket: Option<PathBuf>,
}

struct Always;

#[tonic::async_trait]
impl Authorization for Always {
    async fn check(&self, _: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        Ok(Response::new(CheckResponse {
            status: Some(rpc::Status {
                code: 0,
                ..rpc::Status::default()
            }),
            ..CheckResponse::default()
        }))
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let server = Server::builder().add_service(AuthorizationServer::new(Always));
        match &arguments.socket {
            Some(path) => {
                let listener = UnixListener::bind(path)?;
                let incoming = tokio_stream::wrappers::UnixListenerStream::new(listener);
                server.serve_with_incoming(incoming).await?;
            }
            None => {
                let listener = TcpListener::bind(("127.0.0.1", arguments.port)).await?;
                let incoming =
                    tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
                server.serve_with_incoming(incoming).await?;
            }
        }
        Ok(())
    })
}
