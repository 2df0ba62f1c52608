//! What is measured. The only module that names a metric.
//!
//! Floor 3. Labels come from closed sets; nothing that a caller sends becomes one.

mod logging;

pub use logging::LogFormat;

use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};
use std::fmt;

/// The upper bounds of the latency histograms, in seconds: from a microsecond to a second.
const BUCKETS: &[f64] = &[
    0.000_001,
    0.000_002_5,
    0.000_005,
    0.000_01,
    0.000_025,
    0.000_05,
    0.000_1,
    0.000_25,
    0.000_5,
    0.001,
    0.002_5,
    0.005,
    0.01,
    0.05,
    0.25,
    1.0,
];

/// A door through which decisions are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Envoy's gRPC check.
    ExtAuthz,
    /// The native gRPC API.
    Api,
    /// HTTP forward-auth.
    ForwardAuth,
    /// The token service.
    Sts,
    /// Credentials for pods.
    PodCredentials,
}

/// A stage of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Who is calling.
    Authenticate,
    /// What the call means.
    Map,
    /// Whether it may be.
    Decide,
}

/// How a reload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// A new snapshot is in force.
    Success,
    /// Nothing had changed.
    Unchanged,
    /// The change was refused, and the last good snapshot stays.
    Failure,
}

impl Door {
    const ALL: [Self; 5] = [
        Self::ExtAuthz,
        Self::Api,
        Self::ForwardAuth,
        Self::Sts,
        Self::PodCredentials,
    ];

    /// The value of the label `door`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::ExtAuthz => "ext_authz",
            Self::Api => "api",
            Self::ForwardAuth => "forward_auth",
            Self::Sts => "sts",
            Self::PodCredentials => "pod_credentials",
        }
    }
}

impl Stage {
    const ALL: [Self; 3] = [Self::Authenticate, Self::Map, Self::Decide];

    /// The value of the label `stage`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Authenticate => "authenticate",
            Self::Map => "map",
            Self::Decide => "decide",
        }
    }
}

impl Reload {
    const ALL: [Self; 3] = [Self::Success, Self::Unchanged, Self::Failure];

    /// The value of the label `result`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Unchanged => "unchanged",
            Self::Failure => "failure",
        }
    }
}

/// How an attempt to fetch keys or a review ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// It brought what was asked for.
    Success,
    /// It did not, and what was at hand stays.
    Failure,
}

impl Fetch {
    const ALL: [Self; 2] = [Self::Success, Self::Failure];

    /// The value of the label `result`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

/// The values of the label `outcome`.
pub const OUTCOMES: [&str; 4] = ["allow", "deny", "unauthenticated", "error"];

/// What is measured at one door. The parts are looked up once, and not for each decision.
struct DoorMetrics {
    decisions: [IntCounter; OUTCOMES.len()],
    seconds: Histogram,
    in_flight: IntGauge,
}

/// All metrics of a process.
pub struct Metrics {
    registry: Registry,
    doors: [DoorMetrics; Door::ALL.len()],
    stages: [Histogram; Stage::ALL.len()],
    reloads: IntCounterVec,
    fetches: IntCounterVec,
    reload_failed: IntGauge,
    snapshot_revision: IntGauge,
    snapshot_timestamp: Gauge,
    snapshot_bytes: IntGauge,
    watch_mode: IntGaugeVec,
}

/// The metrics of every door, and what to register for them.
#[expect(
    clippy::type_complexity,
    reason = "two lists, named by who takes them apart"
)]
fn doors() -> Result<([DoorMetrics; Door::ALL.len()], [Box<dyn Collector>; 3]), prometheus::Error> {
    let decisions = IntCounterVec::new(
        Opts::new("sidegate_decisions_total", "Decisions by door and outcome"),
        &["door", "outcome"],
    )?;
    let decision_seconds = HistogramVec::new(
        HistogramOpts::new(
            "sidegate_decision_duration_seconds",
            "Time from a read request to a formed answer, by door",
        )
        .buckets(BUCKETS.to_vec()),
        &["door"],
    )?;
    let in_flight = IntGaugeVec::new(
        Opts::new(
            "sidegate_requests_in_flight",
            "Requests being answered, by door",
        ),
        &["door"],
    )?;
    let doors = Door::ALL.map(|door| {
        let door = door.label();
        DoorMetrics {
            decisions: OUTCOMES.map(|outcome| decisions.with_label_values(&[door, outcome])),
            seconds: decision_seconds.with_label_values(&[door]),
            in_flight: in_flight.with_label_values(&[door]),
        }
    });
    Ok((
        doors,
        [
            Box::new(decisions),
            Box::new(decision_seconds),
            Box::new(in_flight),
        ],
    ))
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Registers every metric, with every label value at zero.
    ///
    /// # Errors
    ///
    /// [`prometheus::Error`] when two metrics share a name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let (doors, of_doors) = doors()?;
        let stage_seconds = HistogramVec::new(
            HistogramOpts::new(
                "sidegate_stage_duration_seconds",
                "Time that each stage of a decision took",
            )
            .buckets(BUCKETS.to_vec()),
            &["stage"],
        )?;
        let reloads = IntCounterVec::new(
            Opts::new(
                "sidegate_reloads_total",
                "Attempts to load the bundle, by result",
            ),
            &["result"],
        )?;
        let fetches = IntCounterVec::new(
            Opts::new(
                "sidegate_fetches_total",
                "Attempts to fetch keys of issuers or reviews of tokens, by result",
            ),
            &["result"],
        )?;
        let watch_mode = IntGaugeVec::new(
            Opts::new(
                "sidegate_source_watch_mode",
                "How changes of the bundle are noticed",
            ),
            &["mode"],
        )?;
        let gauge = |name: &str, help: &str| IntGauge::new(name, help);
        let reload_failed = gauge(
            "sidegate_policy_reload_failed",
            "1 while the bundle on disk is refused and an older one is in force",
        )?;
        let snapshot_revision = gauge(
            "sidegate_snapshot_revision",
            "Counts the snapshots that were put in force; 0 before the first",
        )?;
        let snapshot_timestamp = Gauge::new(
            "sidegate_snapshot_timestamp_seconds",
            "When the snapshot in force was compiled, in seconds since 1970",
        )?;
        let snapshot_bytes = gauge(
            "sidegate_snapshot_source_bytes",
            "Size of the files of the snapshot in force",
        )?;
        let collectors: [Box<dyn Collector>; 8] = [
            Box::new(stage_seconds.clone()),
            Box::new(reloads.clone()),
            Box::new(fetches.clone()),
            Box::new(watch_mode.clone()),
            Box::new(reload_failed.clone()),
            Box::new(snapshot_revision.clone()),
            Box::new(snapshot_timestamp.clone()),
            Box::new(snapshot_bytes.clone()),
        ];
        for collector in of_doors.into_iter().chain(collectors) {
            registry.register(collector)?;
        }
        let stages = Stage::ALL.map(|stage| stage_seconds.with_label_values(&[stage.label()]));
        let metrics = Self {
            registry,
            doors,
            stages,
            reloads,
            fetches,
            reload_failed,
            snapshot_revision,
            snapshot_timestamp,
            snapshot_bytes,
            watch_mode,
        };
        metrics.start_at_zero();
        Ok(metrics)
    }

    /// Every label value is there from the beginning, so that nobody takes nothing for zero.
    fn start_at_zero(&self) {
        for result in Reload::ALL {
            self.reloads.with_label_values(&[result.label()]);
        }
        for result in Fetch::ALL {
            self.fetches.with_label_values(&[result.label()]);
        }
    }

    /// Notes a decision: its outcome, one of [`OUTCOMES`], and how long it took, in seconds.
    pub fn decided(&self, door: Door, outcome: &'static str, seconds: f64) {
        let door = self.door(door);
        let position = OUTCOMES.iter().position(|known| *known == outcome);
        if let Some(counter) = position.and_then(|at| door.decisions.get(at)) {
            counter.inc();
        }
        door.seconds.observe(seconds);
    }

    fn door(&self, door: Door) -> &DoorMetrics {
        let [ext_authz, api, forward_auth, sts, pod_credentials] = &self.doors;
        match door {
            Door::ExtAuthz => ext_authz,
            Door::Api => api,
            Door::ForwardAuth => forward_auth,
            Door::Sts => sts,
            Door::PodCredentials => pod_credentials,
        }
    }

    /// Notes how long a stage took, in seconds.
    pub fn stage(&self, stage: Stage, seconds: f64) {
        let [authenticate, map, decide] = &self.stages;
        match stage {
            Stage::Authenticate => authenticate.observe(seconds),
            Stage::Map => map.observe(seconds),
            Stage::Decide => decide.observe(seconds),
        }
    }

    /// Counts a request as being answered until the guard is dropped.
    #[must_use]
    pub fn enter(&self, door: Door) -> InFlight {
        let gauge = self.door(door).in_flight.clone();
        gauge.inc();
        InFlight(gauge)
    }

    /// Notes how an attempt to fetch keys or a review ended.
    pub fn fetched(&self, result: Fetch) {
        self.fetches.with_label_values(&[result.label()]).inc();
    }

    /// Notes how a reload ended.
    pub fn reloaded(&self, result: Reload) {
        self.reloads.with_label_values(&[result.label()]).inc();
        self.reload_failed.set(i64::from(result == Reload::Failure));
    }

    /// Notes the snapshot that was put in force: its time in seconds since 1970, and its size.
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds since 1970 fit a double for ages"
    )]
    pub fn published(&self, at_s: i64, bytes: u64) {
        self.snapshot_revision.inc();
        self.snapshot_timestamp.set(at_s as f64);
        self.snapshot_bytes
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Notes how changes are noticed; `mode` is one of the labels of the watcher.
    pub fn watching(&self, mode: &'static str) {
        for known in ["watch", "poll"] {
            let on = i64::from(known == mode);
            self.watch_mode.with_label_values(&[known]).set(on);
        }
    }

    /// All metrics in the text format of Prometheus.
    ///
    /// # Errors
    ///
    /// [`prometheus::Error`] when a metric cannot be encoded.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let mut buffer = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer).into_owned())
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
