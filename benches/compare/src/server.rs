//! Checks of a server, beside those of one that decides nothing.

use crate::load::{Address, Call, Measured, call, closed, connect, open};
use crate::process::Process;
use crate::report::{Table, median};
use envoy_types::ext_authz::v3::pb::CheckRequest;
use envoy_types::pb::envoy::config::core::v3::{
    Address as EnvoyAddress, SocketAddress, address, socket_address,
};
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use prost::Message as _;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

type Fault = Box<dyn std::error::Error>;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The program to measure
    #[arg(long, default_value = "../../target/release/sidegate")]
    sidegate: PathBuf,
    /// How many times each server is started and measured
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long each measurement takes, in seconds
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Over how many connections calls go when many are in flight
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// The program of Cerbos, to measure it as well
    #[arg(long, value_name = "PATH")]
    cerbos: Option<PathBuf>,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Floor,
    Sidegate,
    Cerbos,
}

/// A server that has answered.
pub(crate) struct Started {
    pub(crate) process: Process,
    pub(crate) address: Address,
    pub(crate) call: Call,
    pub(crate) token: String,
    /// The port of the admin door.
    pub(crate) admin: u16,
    ready: Duration,
    _directory: tempfile::TempDir,
}

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

pub(crate) fn run(arguments: &Arguments) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // (transport, measure) -> kind -> values of all rounds
    let mut found: BTreeMap<(&str, &str), BTreeMap<Kind, Vec<f64>>> = BTreeMap::new();
    for round in 0..arguments.rounds {
        for transport in ["tcp", "unix"] {
            // Whoever goes first finds the machine in another state: they take turns.
            let mut kinds = vec![Kind::Floor, Kind::Sidegate];
            kinds.extend(arguments.cerbos.as_ref().map(|_| Kind::Cerbos));
            if round % 2 == 1 {
                kinds.reverse();
            }
            for kind in kinds {
                let measured = runtime.block_on(measure(kind, transport, arguments))?;
                for (name, value) in measured {
                    let of_kind = found.entry((transport, name)).or_default();
                    of_kind.entry(kind).or_default().push(value);
                }
            }
        }
    }
    let mut columns = vec![
        "transport",
        "measure",
        "floor",
        "sidegate",
        "ratio",
        "spread",
    ];
    columns.extend(arguments.cerbos.as_ref().map(|_| "cerbos"));
    let mut table = Table::new(&columns);
    for ((transport, name), of_kind) in &found {
        let of = |kind: Kind| {
            of_kind
                .get(&kind)
                .map(|values| median(values))
                .unwrap_or_default()
        };
        let (floor, sidegate) = (of(Kind::Floor), of(Kind::Sidegate));
        let values = of_kind.get(&Kind::Sidegate).cloned().unwrap_or_default();
        let least = values.iter().copied().fold(f64::MAX, f64::min);
        let most = values.iter().copied().fold(0.0, f64::max);
        let mut row = vec![
            (*transport).to_owned(),
            (*name).to_owned(),
            format!("{floor:.1}"),
            format!("{sidegate:.1}"),
            format!("{:.2}", sidegate / floor),
            format!("{least:.1}–{most:.1}"),
        ];
        row.extend(
            arguments
                .cerbos
                .as_ref()
                .map(|_| format!("{:.1}", of(Kind::Cerbos))),
        );
        table.row(&row);
    }
    table.print(arguments.json);
    Ok(())
}

async fn measure(
    kind: Kind,
    transport: &str,
    arguments: &Arguments,
) -> Result<Vec<(&'static str, f64)>, Fault> {
    let length = Duration::from_secs(arguments.seconds);
    let over_socket = transport == "unix";
    let program = match (kind, &arguments.cerbos) {
        (Kind::Cerbos, Some(cerbos)) => cerbos,
        (_, _) => &arguments.sidegate,
    };
    let server = start(kind, over_socket, program, None, &[]).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let idle = server.process.resident();
    let (address, call) = (&server.address, &server.call);
    closed(
        address,
        call,
        arguments.connections,
        64,
        Duration::from_secs(1),
    )
    .await?;
    let mut values = vec![
        ("ready, ms", server.ready.as_secs_f64() * 1e3),
        ("resident when idle, MB", idle as f64 / 1e6),
    ];
    let mut note = |names: [&'static str; 5], measured: &Measured, cpu: Duration| {
        assert_eq!(measured.wrong, 0, "{kind:?}: every answer is an allow");
        let at = |quantile: f64| measured.latency.value_at_quantile(quantile) as f64 / 1e3;
        let [rate, p50, p99, p999, each] = names;
        values.push((rate, measured.calls as f64 / measured.seconds));
        values.push((p50, at(0.5)));
        values.push((p99, at(0.99)));
        values.push((p999, at(0.999)));
        values.push((each, cpu.as_secs_f64() * 1e6 / measured.calls as f64));
    };
    let before = server.process.cpu();
    let one = closed(address, call, 1, 1, length).await?;
    let after = server.process.cpu();
    note(
        [
            "1 in flight, calls a second",
            "1 in flight, p50 µs",
            "1 in flight, p99 µs",
            "1 in flight, p99.9 µs",
            "1 in flight, processor µs a call",
        ],
        &one,
        after - before,
    );
    let before = server.process.cpu();
    let many = closed(address, call, arguments.connections, 64, length).await?;
    let after = server.process.cpu();
    note(
        [
            "64 in flight, calls a second",
            "64 in flight, p50 µs",
            "64 in flight, p99 µs",
            "64 in flight, p99.9 µs",
            "64 in flight, processor µs a call",
        ],
        &many,
        after - before,
    );
    let before = server.process.cpu();
    let at_rate = open(address, call, arguments.connections, 2_000.0, length).await?;
    let after = server.process.cpu();
    note(
        [
            "2,000 a second, calls a second",
            "2,000 a second, p50 µs",
            "2,000 a second, p99 µs",
            "2,000 a second, p99.9 µs",
            "2,000 a second, processor µs a call",
        ],
        &at_rate,
        after - before,
    );
    values.push((
        "resident afterwards, MB",
        server.process.resident() as f64 / 1e6,
    ));
    Ok(values)
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

pub(crate) async fn start(
    kind: Kind,
    over_socket: bool,
    program: &Path,
    bundle: Option<&Path>,
    settings: &[(&str, String)],
) -> Result<Started, Fault> {
    let directory = tempfile::tempdir()?;
    let socket = directory.path().join("socket");
    let port = free_port()?;
    let admin = free_port()?;
    let address = if over_socket {
        Address::Unix(socket.clone())
    } else {
        Address::Tcp(port)
    };
    let listens = match &address {
        Address::Tcp(port) => format!("127.0.0.1:{port}"),
        Address::Unix(path) => format!("unix:{}", path.display()),
    };
    let begun = Instant::now();
    let (process, token) = match kind {
        Kind::Floor => {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("floor").arg("--port").arg(port.to_string());
            if over_socket {
                command.arg("--socket").arg(&socket);
            }
            (
                Process::start(command.stdout(Stdio::null()))?,
                "x".repeat(400),
            )
        }
        Kind::Cerbos => {
            let process = crate::cerbos::start(program, directory.path(), &listens)?;
            (process, String::new())
        }
        Kind::Sidegate => {
            let mut command = Command::new(program);
            command
                .args(["serve", "--quickstart"])
                .env("SIDEGATE_DECISIONS_ADDRESS", listens)
                .env(
                    "SIDEGATE_HTTP_ADDRESS",
                    format!("127.0.0.1:{}", free_port()?),
                )
                .env("SIDEGATE_ADMIN_ADDRESS", format!("127.0.0.1:{admin}"))
                .env("SIDEGATE_RUNTIME_THREADS", "1")
                .stdout(Stdio::piped());
            if let Some(bundle) = bundle {
                command.arg("--bundle").arg(bundle);
            }
            command.envs(settings.iter().map(|(name, value)| (name, value)));
            let mut process = Process::start(&mut command)?;
            let output = process.child().stdout.take().ok_or("no output")?;
            let mut lines = BufReader::new(output).lines();
            let token = lines
                .by_ref()
                .map_while(Result::ok)
                .find_map(|line| Some(line.strip_prefix("BEN=")?.split(' ').next()?.to_owned()))
                .ok_or("no token was printed")?;
            // With a bundle of its own the tokens are beside the example, in files.
            let token = match bundle {
                Some(bundle) => std::fs::read_to_string(bundle.join(".sidegate/ben.jwt"))?,
                None => token,
            };
            let token = token.trim().to_owned();
            // Nobody reads the rest, and nothing may wait for that.
            std::thread::spawn(move || lines.for_each(drop));
            (process, token)
        }
    };
    let what = match kind {
        Kind::Floor | Kind::Sidegate => Call::new(CHECK, &check(&token).encode_to_vec()),
        Kind::Cerbos => crate::cerbos::call(),
    };
    let ready = loop {
        if let Ok(mut send) = connect(&address).await
            && call(&mut send, &what).await.unwrap_or(false)
        {
            break begun.elapsed();
        }
        if begun.elapsed() > Duration::from_secs(60) {
            return Err(format!("{kind:?} does not answer").into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    Ok(Started {
        process,
        address,
        call: what,
        token,
        admin,
        ready,
        _directory: directory,
    })
}

/// A check as Envoy sends it for a call of a browser: some 1.9 KB with 16 header fields.
pub(crate) fn check(token: &str) -> CheckRequest {
    let headers = [
        (":authority", "shop.test"),
        (":method", "GET"),
        (":path", "/v1/orders/7"),
        (":scheme", "https"),
        (
            "accept",
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
        ),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("accept-language", "en-GB,en;q=0.5"),
        ("cache-control", "no-cache"),
        ("referer", "https://shop.test/orders?page=2&sort=newest"),
        ("sec-fetch-dest", "document"),
        ("sec-fetch-mode", "navigate"),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
        ),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "8f2f6c1e-5a4e-4f55-9a5e-0a4c1e7c2f8d"),
    ];
    let mut headers: std::collections::HashMap<String, String> = headers
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    headers.insert("authorization".to_owned(), format!("Bearer {token}"));
    let peer = |address: &str, port| Peer {
        address: Some(EnvoyAddress {
            address: Some(address::Address::SocketAddress(SocketAddress {
                address: address.to_owned(),
                port_specifier: Some(socket_address::PortSpecifier::PortValue(port)),
                ..SocketAddress::default()
            })),
        }),
        ..Peer::default()
    };
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(peer("192.0.2.7", 51_432)),
            destination: Some(peer("10.0.0.12", 8443)),
            request: Some(Request {
                http: Some(HttpRequest {
                    id: "14059126354786254111".to_owned(),
                    method: "GET".to_owned(),
                    headers,
                    path: "/v1/orders/7".to_owned(),
                    host: "shop.test".to_owned(),
                    scheme: "https".to_owned(),
                    protocol: "HTTP/2".to_owned(),
                    ..HttpRequest::default()
                }),
                ..Request::default()
            }),
            ..AttributeContext::default()
        }),
    }
}
