//! The settings of a server: one YAML file, `SIDEGATE_*` variables over it, defaults below it.
//!
//! Floor 6. [`SETTINGS`] is the one list of what can be set; the file, the environment,
//! `--print-config` and the reference all follow it. Unknown settings are errors, and all faults
//! are told at once.

mod address;
mod read;
mod values;

pub use address::Address;
pub use values::Values;

use crate::loader::watch;
use crate::oidc::ApiServer;
use crate::pdp::Forwarding;
use crate::telemetry::{LogFormat, Otlp, decision_log};
use std::path::PathBuf;
use std::time::Duration;

/// One thing that can be set.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Where it stands in the file: `group.name`. Its variable is `SIDEGATE_GROUP_NAME`.
    pub path: &'static str,
    /// What is in force when nobody sets it.
    pub default: &'static str,
    /// What it is for, in one line.
    pub help: &'static str,
}

const fn setting(path: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting {
        path,
        default,
        help,
    }
}

/// Everything that can be set.
pub const SETTINGS: &[Setting] = &[
    setting(
        "bundle.directory",
        "",
        "the directory of the bundle; `--bundle` sets it too",
    ),
    setting(
        "bundle.watch",
        "events",
        "how changes are noticed: `events` of the kernel with polling behind them, or `poll` alone",
    ),
    setting("bundle.poll", "30s", "how often the directory is looked at"),
    setting(
        "bundle.quiet",
        "200ms",
        "how long a change must have settled before it is loaded",
    ),
    setting(
        "credentials.directory",
        "",
        "the directory of the secrets that access keys name; empty when there is none",
    ),
    setting(
        "decisions.address",
        "127.0.0.1:9191",
        "where gRPC is served: `HOST:PORT` or `unix:/PATH`, or several of them",
    ),
    setting(
        "decisions.socketmode",
        "0660",
        "the file mode of Unix sockets, in octal",
    ),
    setting(
        "decisions.reflection",
        "false",
        "whether gRPC server reflection is offered",
    ),
    setting(
        "decisions.credentials",
        "strip",
        "whether the `authorization` of an allowed call goes on to the upstream: `strip` or `forward`",
    ),
    setting(
        "decisions.trustedhops",
        "0",
        "how many proxies of yours stand in front of Envoy: `aws:SourceIp` is what the outermost saw",
    ),
    setting(
        "decisions.concurrency",
        "4096",
        "how many checks of Envoy may be in progress at once; more are denied with 503",
    ),
    setting(
        "http.address",
        "off",
        "where forward-auth is served: `HOST:PORT`, `unix:/PATH` or `off`",
    ),
    setting(
        "http.trustedhops",
        "0",
        "how many proxies of yours stand in front of the token service: what they say of the client is believed",
    ),
    setting(
        "pods.address",
        "off",
        "where containers of the pod get credentials: `127.0.0.1:4570`, or `off`",
    ),
    setting(
        "pods.sts",
        "",
        "the token service that issues those; empty is this server, if it has the keys",
    ),
    setting(
        "pods.ca",
        "",
        "the file of the authority that vouches for it; empty is those of the system",
    ),
    setting(
        "admin.address",
        "127.0.0.1:9193",
        "where health, metrics and the state are served: as above",
    ),
    setting(
        "drain.delay",
        "5s",
        "how long a server that was told to end goes on taking new work (not on Ctrl-C)",
    ),
    setting(
        "drain.max",
        "20s",
        "how long it then waits for what is in progress",
    ),
    setting(
        "kubernetes.api",
        "https://kubernetes.default.svc",
        "the API server that is asked about tokens (`jwks: {tokenReview: true}`)",
    ),
    setting(
        "kubernetes.token",
        "/var/run/secrets/kubernetes.io/serviceaccount/token",
        "the file of our own token for it",
    ),
    setting(
        "kubernetes.ca",
        "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
        "the file of the authority that vouches for it; empty is those of the system",
    ),
    setting(
        "decisionlog.output",
        "stdout",
        "where decisions are written down: `stdout`, the absolute path of a file, `otlp` or `off`",
    ),
    setting(
        "decisionlog.format",
        "json",
        "`json`, or `cloudtrail`: events in the manner of CloudTrail",
    ),
    setting(
        "decisionlog.allows",
        "0",
        "the share of allows that is written down, 0 to 1; refusals all are",
    ),
    setting(
        "decisionlog.redact",
        "path,sourceIp,userAgent,aws:SourceIp,aws:VpcSourceIp,aws:Referer,aws:UserAgent,aws:PrincipalTag/*,aws:RequestTag/*,*:email",
        "what is left out: members of the record, and condition keys with a `*` at either end",
    ),
    setting(
        "decisionlog.queue",
        "8192",
        "how many records may wait to be written; more are dropped and counted",
    ),
    setting(
        "decisionlog.filesize",
        "64MiB",
        "how large a file becomes before the next is begun",
    ),
    setting(
        "decisionlog.files",
        "4",
        "how many files that are full are kept",
    ),
    setting(
        "otlp.endpoint",
        "off",
        "the collector of OpenTelemetry that traces go to: `http://HOST:4317`, or `off`",
    ),
    setting(
        "otlp.protocol",
        "grpc",
        "`grpc` without TLS, or `http`: protobuf over HTTP or HTTPS",
    ),
    setting(
        "traces.sample",
        "0",
        "the share of checks outside of any trace that is traced, 0 to 1; within a sampled trace all are",
    ),
    setting(
        "log.level",
        "info",
        "`error`, `warn`, `info`, `debug` or `trace`, or a filter such as `info,h2=warn`; followed while the server runs",
    ),
    setting(
        "log.format",
        "auto",
        "`json`, `human`, or `auto`: human on a terminal",
    ),
    setting(
        "runtime.threads",
        "auto",
        "how many threads serve; `auto` is one for each processor that the container may use, 8 at the most without a limit",
    ),
];

/// The settings of a server, read and checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the bundle is, and how it is watched.
    pub bundle: Bundle,
    /// The door for decisions.
    pub decisions: Decisions,
    /// Where forward-auth is served, if it is.
    pub http: Option<Address>,
    /// How many trusted proxies stand in front of the token service.
    pub http_trusted_hops: usize,
    /// Where the admin door is, if it is open.
    pub admin: Option<Address>,
    /// The door for containers of the pod.
    pub pods: Pods,
    /// The API server of Kubernetes.
    pub kubernetes: ApiServer,
    /// How the server ends.
    pub drain: Drain,
    /// What is logged.
    pub log: Log,
    /// How decisions are written down.
    pub decision_log: decision_log::Settings,
    /// The collector of OpenTelemetry, if there is one.
    pub otlp: Option<Otlp>,
    /// The share of checks that is traced without being asked to.
    pub traced: f64,
    /// How many threads serve.
    pub threads: usize,
}

/// Where the bundle is, and how it is watched.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The directory; `None` when it was not set.
    pub directory: Option<PathBuf>,
    /// The directory of the secrets that it names, if there is one.
    pub credentials: Option<PathBuf>,
    /// How it is watched.
    pub watch: watch::Settings,
}

/// The door for decisions.
#[derive(Clone, Debug)]
pub struct Decisions {
    /// Where it is; at least one.
    pub addresses: Vec<Address>,
    /// The file mode of its Unix sockets.
    pub socket_mode: u32,
    /// Whether reflection is offered.
    pub reflection: bool,
    /// Whether credentials go on to the upstream.
    pub forwarding: Forwarding,
    /// How many trusted proxies stand in front of Envoy.
    pub trusted_hops: usize,
    /// How many checks may be in progress at once.
    pub concurrency: usize,
}

/// The door at which containers of the pod get credentials.
#[derive(Clone, Debug)]
pub struct Pods {
    /// Where it is, if it is open.
    pub address: Option<Address>,
    /// The token service that issues, if it is another server.
    pub sts: Option<String>,
    /// The file of the authority that vouches for it.
    pub ca: Option<PathBuf>,
}

/// How the server ends.
#[derive(Clone, Copy, Debug)]
pub struct Drain {
    /// How long new work is still taken.
    pub delay: Duration,
    /// How long work in progress is waited for.
    pub max: Duration,
}

/// What is logged.
#[derive(Clone, Debug)]
pub struct Log {
    /// The filter, in the words of `tracing-subscriber`.
    pub filter: String,
    /// The form of a line.
    pub format: LogFormat,
}
