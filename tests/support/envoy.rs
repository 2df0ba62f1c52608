//! The real Envoy, as a process, with the configuration that we ship.

#![expect(clippy::disallowed_methods, reason = "the tests write what is read")]

use super::eventually;
use super::http::{Reply, send, try_send};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// The configuration that we ship.
pub(crate) const SHIPPED: &str = include_str!("../../deploy/envoy/envoy.yaml");

/// The configuration that we ship for protocols of AWS.
pub(crate) const SHIPPED_FOR_AWS: &str = include_str!("../../deploy/aws/envoy.yaml");

/// A running Envoy.
pub(crate) struct Envoy {
    child: Child,
    directory: TempDir,
    pub(crate) ingress: SocketAddr,
    admin: SocketAddr,
}

/// What the configuration names: where Sidegate and the upstreams are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neighbours<'n> {
    pub(crate) socket: &'n Path,
    pub(crate) upstream: SocketAddr,
    pub(crate) grpc: Option<SocketAddr>,
}

impl Envoy {
    /// Starts Envoy with a variant of the configuration that we ship, in which `changes` are made.
    pub(crate) fn start(
        program: &Path,
        neighbours: Neighbours<'_>,
        changes: &[(&str, &str)],
    ) -> Self {
        Self::start_on(program, SHIPPED, neighbours, changes)
    }

    /// As [`start`](Self::start), with another configuration.
    pub(crate) fn start_on(
        program: &Path,
        config: &str,
        neighbours: Neighbours<'_>,
        changes: &[(&str, &str)],
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = config.to_owned();
        let port = |address: SocketAddr| format!("port_value: {}", address.port());
        let socket = neighbours.socket.display().to_string();
        let mut all = vec![
            ("/run/sidegate/sidegate.sock", socket),
            ("port_value: 9901", "port_value: 0".to_owned()),
            ("port_value: 10000", "port_value: 0".to_owned()),
            ("port_value: 8081", port(neighbours.upstream)),
        ];
        if let Some(grpc) = neighbours.grpc {
            all.push(("port_value: 8082", port(grpc)));
        }
        all.extend(changes.iter().map(|(from, to)| (*from, (*to).to_owned())));
        for (from, to) in all {
            assert!(config.contains(from), "`{from}` in the configuration");
            config = config.replace(from, &to);
        }
        let path = directory.path().join("envoy.yaml");
        std::fs::write(&path, config).unwrap();
        let admin = directory.path().join("admin");
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let child = Command::new(program)
            .arg("-c")
            .arg(&path)
            .arg("--admin-address-path")
            .arg(&admin)
            .args(["--use-dynamic-base-id", "--concurrency", "2"])
            .args(["--log-level", "warning", "--file-flush-interval-msec", "50"])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut envoy = Self {
            child,
            directory,
            ingress: SocketAddr::from(([127, 0, 0, 1], 0)),
            admin: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        (envoy.admin, envoy.ingress) = eventually("Envoy's listener", || {
            let admin: SocketAddr = std::fs::read_to_string(&admin).ok()?.parse().ok()?;
            let ready = try_send(admin, "GET", "/ready", &[])?;
            if ready.status != 200 {
                return None;
            }
            let listeners = try_send(admin, "GET", "/listeners?format=json", &[])?.json();
            let address = &listeners["listener_statuses"][0]["local_address"]["socket_address"];
            let port = u16::try_from(address["port_value"].as_u64()?).ok()?;
            Some((admin, SocketAddr::from(([127, 0, 0, 1], port))))
        });
        envoy
    }

    /// Sends a request through Envoy.
    #[track_caller]
    pub(crate) fn send(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Reply {
        send(self.ingress, method, target, headers)
    }

    /// The value of a statistic.
    pub(crate) fn stat(&self, name: &str) -> u64 {
        let text = send(self.admin, "GET", "/stats", &[]).body;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value
            .unwrap_or_else(|| panic!("no `{name}`"))
            .parse()
            .unwrap()
    }

    /// What Envoy logged, its access log included.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of envoy\n{}", self.log());
        }
    }
}
