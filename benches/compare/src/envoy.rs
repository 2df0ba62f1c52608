//! Requests through Envoy: without the filter, with the floor behind it, and with Sidegate.

use crate::load::Address;
use crate::process::Process;
use crate::report::Table;
use crate::server::{Kind, free_port, start};
use hdrhistogram::Histogram;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

type Fault = Box<dyn std::error::Error>;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The program to measure
    #[arg(long, default_value = "../../target/release/sidegate")]
    sidegate: PathBuf,
    /// Envoy; the tests of the product set it up under `target/tmp/parts`
    #[arg(long, default_value = "envoy")]
    envoy: PathBuf,
    /// How long each measurement takes, in seconds
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

pub(crate) fn run(arguments: &Arguments) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(compare(arguments))
}

async fn compare(arguments: &Arguments) -> Result<(), Fault> {
    let upstream = TcpListener::bind("127.0.0.1:0").await?;
    let upstream_port = upstream.local_addr()?.port();
    tokio::spawn(serve(upstream));
    let mut table = Table::new(&[
        "filter",
        "connections",
        "requests a second",
        "p50",
        "p99",
        "Envoy, µs a request",
        "server, µs a request",
    ]);
    for kind in [None, Some(Kind::Floor), Some(Kind::Sidegate)] {
        let server = match kind {
            None => None,
            Some(kind) => Some(start(kind, false, &arguments.sidegate, None, &[]).await?),
        };
        let port = free_port()?;
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("envoy.yaml");
        let filter_port = server.as_ref().map(|server| match server.address {
            Address::Tcp(port) => port,
            Address::Unix(_) => 0,
        });
        std::fs::write(&file, configuration(port, upstream_port, filter_port))?;
        let mut command = Command::new(&arguments.envoy);
        command
            .args([
                "--concurrency",
                "1",
                "--use-dynamic-base-id",
                "-l",
                "off",
                "-c",
            ])
            .arg(&file)
            .stdout(Stdio::null());
        let envoy = Process::start(&mut command)?;
        let token = server
            .as_ref()
            .map_or("none", |server| server.token.as_str());
        let request = format!(
            "GET /v1/orders/7 HTTP/1.1\r\nhost: shop.test\r\nauthorization: Bearer {token}\r\nuser-agent: bench\r\naccept: */*\r\n\r\n"
        );
        ready(port, &request).await?;
        for connections in [1, 64] {
            let before = (
                envoy.cpu(),
                server.as_ref().map(|server| server.process.cpu()),
            );
            let (latency, seconds) = load(
                port,
                &request,
                connections,
                Duration::from_secs(arguments.seconds),
            )
            .await?;
            let calls = latency.len() as f64;
            let each = |took: Duration| format!("{:.1}", took.as_secs_f64() * 1e6 / calls);
            let of_server = server.as_ref().zip(before.1);
            let at = |quantile: f64| latency.value_at_quantile(quantile) as f64 / 1e3;
            table.row(&[
                kind.map_or("none".to_owned(), |kind| format!("{kind:?}")),
                connections.to_string(),
                format!("{:.0}", calls / seconds),
                format!("{:.0} µs", at(0.5)),
                format!("{:.0} µs", at(0.99)),
                each(envoy.cpu() - before.0),
                of_server.map_or("–".to_owned(), |(server, before)| {
                    each(server.process.cpu() - before)
                }),
            ]);
        }
    }
    table.print(arguments.json);
    Ok(())
}

/// Answers every request with two letters.
async fn serve(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let mut buffer = [0; 8_192];
            // Requests have no bodies, so that each ends with an empty line.
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                let ends = buffer[..read]
                    .windows(4)
                    .filter(|four| four == b"\r\n\r\n")
                    .count();
                if stream.write_all(&ANSWER.repeat(ends)).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// One request on a connection; gives whether it was let through.
async fn ask(stream: &mut TcpStream, request: &str, buffer: &mut [u8]) -> std::io::Result<bool> {
    stream.write_all(request.as_bytes()).await?;
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        filled += read;
        let text = &buffer[..filled];
        // The answer that is let through ends with these letters; a denial is not waited for.
        if text.ends_with(b"\r\n\r\nok") {
            return Ok(true);
        }
        if !text.starts_with(b"HTTP/1.1 200") {
            return Ok(false);
        }
    }
}

async fn ready(port: u16, request: &str) -> Result<(), Fault> {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(20) {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await
            && ask(&mut stream, request, &mut [0; 8_192])
                .await
                .unwrap_or(false)
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err("Envoy lets nothing through".into())
}

async fn load(
    port: u16,
    request: &str,
    connections: usize,
    length: Duration,
) -> Result<(Histogram<u64>, f64), Fault> {
    let started = Instant::now();
    let end = started + length;
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let request = request.to_owned();
        tasks.spawn(async move {
            let mut latency =
                Histogram::<u64>::new_with_bounds(100, 60_000_000_000, 3).expect("good bounds");
            let mut buffer = [0; 8_192];
            while Instant::now() < end {
                let begun = Instant::now();
                assert!(
                    ask(&mut stream, &request, &mut buffer)
                        .await
                        .expect("an answer"),
                    "let through"
                );
                latency.saturating_record(begun.elapsed().as_nanos() as u64);
            }
            latency
        });
    }
    let mut all = Histogram::new_with_bounds(100, 60_000_000_000, 3)?;
    while let Some(ended) = tasks.join_next().await {
        all.add(ended?)?;
    }
    Ok((all, started.elapsed().as_secs_f64()))
}

fn configuration(port: u16, upstream: u16, filter: Option<u16>) -> String {
    let cluster = |name: &str, port: u16, is_http2: bool| {
        let protocol = if is_http2 {
            r#", "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": {"http2_protocol_options": {}}}}"#
        } else {
            ""
        };
        format!(
            r#"{{"name": "{name}", "type": "STATIC", "connect_timeout": "1s", "load_assignment": {{"cluster_name": "{name}", "endpoints": [{{"lb_endpoints": [{{"endpoint": {{"address": {{"socket_address": {{"address": "127.0.0.1", "port_value": {port}}}}}}}}}]}}]}}{protocol}}}"#
        )
    };
    let check = filter.map(|_| {
        r#"{"name": "envoy.filters.http.ext_authz", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz", "transport_api_version": "V3", "failure_mode_allow": false, "grpc_service": {"envoy_grpc": {"cluster_name": "check"}, "timeout": "1s"}}}, "#
    });
    let clusters = [
        Some(cluster("upstream", upstream, false)),
        filter.map(|port| cluster("check", port, true)),
    ];
    let clusters: Vec<String> = clusters.into_iter().flatten().collect();
    format!(
        r#"{{"static_resources": {{"listeners": [{{"address": {{"socket_address": {{"address": "127.0.0.1", "port_value": {port}}}}}, "filter_chains": [{{"filters": [{{"name": "envoy.filters.network.http_connection_manager", "typed_config": {{"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "bench", "route_config": {{"virtual_hosts": [{{"name": "all", "domains": ["*"], "routes": [{{"match": {{"prefix": "/"}}, "route": {{"cluster": "upstream"}}}}]}}]}}, "http_filters": [{}{{"name": "envoy.filters.http.router", "typed_config": {{"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}}}]}}}}]}}]}}], "clusters": [{}]}}}}"#,
        check.unwrap_or_default(),
        clusters.join(", ")
    )
}
