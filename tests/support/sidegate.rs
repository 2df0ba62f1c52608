//! The program itself, as a process.

#![expect(clippy::disallowed_methods, reason = "the tests write what is read")]

use super::eventually;
use super::http::{Reply, send};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// A server on the example bundle, in a directory of its own.
pub(crate) struct Sidegate {
    child: Child,
    around: Arc<TempDir>,
    log: Arc<Mutex<Vec<String>>>,
    pub(crate) decisions: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Sidegate {
    /// Starts a server and waits until it is ready.
    pub(crate) fn start() -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), &[])
    }

    /// Starts a server with these `SIDEGATE_*` variables.
    pub(crate) fn start_with(variables: &[(&str, &str)]) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), variables)
    }

    /// Starts a server in the directory of an earlier one.
    pub(crate) fn start_in(around: Arc<TempDir>, variables: &[(&str, &str)]) -> Self {
        Self::spawn(around, &["--quickstart"], variables)
    }

    /// Starts a server with a file of settings.
    pub(crate) fn start_configured(around: Arc<TempDir>, config: &Path) -> Self {
        let config = config.display().to_string();
        Self::spawn(around, &["--quickstart", "--config", &config], &[])
    }

    /// Starts a server on a bundle that we ship, with secrets for its access keys.
    pub(crate) fn start_on(
        bundle: &Path,
        secrets: &[(&str, &str)],
        variables: &[(&str, &str)],
    ) -> Self {
        let around = tempfile::tempdir().unwrap();
        let here = around.path().join("bundle");
        std::fs::create_dir_all(here.join(".sidegate")).unwrap();
        for entry in std::fs::read_dir(bundle).unwrap() {
            let from = entry.unwrap().path();
            std::fs::copy(&from, here.join(from.file_name().unwrap())).unwrap();
        }
        let credentials = around.path().join("credentials");
        std::fs::create_dir(&credentials).unwrap();
        for (name, secret) in secrets {
            std::fs::write(credentials.join(name), secret).unwrap();
        }
        let directory = credentials.display().to_string();
        Self::spawn(Arc::new(around), &["--credentials", &directory], variables)
    }

    /// Starts a server in the directory of an earlier one that had secrets.
    pub(crate) fn start_with_credentials(around: Arc<TempDir>) -> Self {
        let credentials = around.path().join("credentials").display().to_string();
        Self::spawn(around, &["--credentials", &credentials], &[])
    }

    fn spawn(around: Arc<TempDir>, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let bundle = around.path().join("bundle");
        let socket = bundle.join(".sidegate/sidegate.sock");
        let mut child = Command::new(env!("CARGO_BIN_EXE_sidegate"))
            .args(["serve", "--bundle"])
            .arg(&bundle)
            .args(arguments)
            .env(
                "SIDEGATE_DECISIONS_ADDRESS",
                format!("127.0.0.1:0, unix:{}", socket.display()),
            )
            .env("SIDEGATE_HTTP_ADDRESS", "127.0.0.1:0")
            .env("SIDEGATE_ADMIN_ADDRESS", "127.0.0.1:0")
            .env("SIDEGATE_BUNDLE_QUIET", "50ms")
            .env("SIDEGATE_DRAIN_DELAY", "0s")
            .env("SIDEGATE_LOG_FORMAT", "json")
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let sink = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                sink.lock().unwrap().push(line);
            }
        });
        let address = |door: Option<&str>| {
            eventually("a door", || {
                log.lock().unwrap().iter().find_map(|line| {
                    let event: serde_json::Value = serde_json::from_str(line).ok()?;
                    let text = event.get("address")?.as_str()?;
                    let fits = event.get("door").and_then(|door| door.as_str()) == door;
                    text.parse::<SocketAddr>().ok().filter(|_| fits)
                })
            })
        };
        let sidegate = Self {
            decisions: address(None),
            http: address(Some("http")),
            admin: address(Some("admin")),
            child,
            around,
            log,
        };
        sidegate.await_ready();
        sidegate
    }

    fn await_ready(&self) {
        eventually("readiness", || {
            (self.admin("/readyz").status == 200).then_some(())
        });
    }

    /// Where a door is that is not open by itself.
    pub(crate) fn door(&self, name: &str) -> SocketAddr {
        let log = self.log();
        let of_line = |line: &str| {
            let event: serde_json::Value = serde_json::from_str(line).ok()?;
            let is_it = event.get("door")?.as_str()? == name;
            event
                .get("address")?
                .as_str()?
                .parse()
                .ok()
                .filter(|_| is_it)
        };
        log.lines().find_map(of_line).unwrap()
    }

    /// Where the bundle is.
    pub(crate) fn bundle(&self) -> PathBuf {
        self.around.path().join("bundle")
    }

    /// Where the secrets are of a server that was given some.
    pub(crate) fn credentials(&self) -> PathBuf {
        self.around.path().join("credentials")
    }

    /// The directory around the bundle, to start another server in.
    pub(crate) fn around(&self) -> Arc<TempDir> {
        Arc::clone(&self.around)
    }

    /// The Unix socket for decisions.
    pub(crate) fn socket(&self) -> PathBuf {
        self.bundle().join(".sidegate/sidegate.sock")
    }

    /// The value of an `authorization` header for one of the example's people.
    pub(crate) fn bearer(&self, who: &str) -> String {
        let path = self.bundle().join(format!(".sidegate/{who}.jwt"));
        format!("Bearer {}", std::fs::read_to_string(path).unwrap())
    }

    /// Asks the admin door.
    pub(crate) fn admin(&self, path: &str) -> Reply {
        send(self.admin, "GET", path, &[])
    }

    /// The sum of all series of a metric that have these labels: `name` or `name{label="value",…}`.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.admin("/metrics").body;
        let (base, labels) = name.split_once('{').unwrap_or((name, "}"));
        let labels = labels.trim_end_matches('}').split(',');
        let labels: Vec<&str> = labels.filter(|label| !label.is_empty()).collect();
        let values = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(base)?;
            let (of_line, value) = rest.rsplit_once(' ')?;
            let is_base = of_line.is_empty() || of_line.starts_with('{');
            let has_all = labels.iter().all(|label| of_line.contains(label));
            (is_base && has_all).then(|| value.parse::<f64>().unwrap())
        });
        let values: Vec<f64> = values.collect();
        assert!(!values.is_empty(), "no metric `{name}` in:\n{text}");
        values.iter().sum()
    }

    /// The value of a metric that counts.
    pub(crate) fn count(&self, name: &str) -> u64 {
        format!("{}", self.metric(name)).parse().unwrap()
    }

    /// The log so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// Replaces a text in a file of the bundle.
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let path = self.bundle().join(path);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "`{from}` in {}", path.display());
        replace(&path, &text.replace(from, to));
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Waits for the end and gives the exit status.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Ends the server at once, as a crash does.
    pub(crate) fn kill(mut self) -> Arc<TempDir> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.around()
    }
}

/// Writes whole or not at all, as editors do.
fn replace(path: &Path, text: &str) {
    let beside = path.with_file_name(".edit");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, path).unwrap();
}

impl Drop for Sidegate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of sidegate\n{}", self.log());
        }
    }
}
