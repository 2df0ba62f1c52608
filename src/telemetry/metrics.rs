//! The metrics of a process.

mod caches;

use crate::cache::Usage;
use crate::model::TraceId;
use crate::telemetry::buckets::{BUCKETS, Exemplars};
use crate::telemetry::exposition::{self, Exposition};
use crate::telemetry::{Door, Fetch, Logged, Method, Reload, Stage};
use caches::Caches;
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};
use std::fmt;

/// The values of the label `outcome`.
pub const OUTCOMES: [&str; 4] = ["allow", "deny", "unauthenticated", "error"];

/// What nearly all decisions are, with outcome and reason; and what a door is watched for, so that it
/// is there at zero.
const ORDINARY: [(&str, &str); 9] = [
    ("allow", "allowed"),
    ("deny", "implicit_deny"),
    ("deny", "explicit_deny"),
    ("deny", "unmapped"),
    ("unauthenticated", "unauthenticated"),
    ("error", "no_snapshot"),
    ("error", "overload"),
    ("error", "deadline"),
    ("error", "internal"),
];

/// The classes of rules by which credentials are refused: the letters in front of a rule's number.
const RULE_CLASSES: [&str; 10] = [
    "BRR", "ERR", "JWT", "KEY", "MTL", "PKD", "REV", "SIG", "TOK", "other",
];

/// What is measured at one door. The parts are looked up once, and not for each decision.
struct DoorMetrics {
    ordinary: [IntCounter; ORDINARY.len()],
    seconds: Histogram,
    exemplars: Exemplars,
    in_flight: IntGauge,
}

/// What is known of the snapshot in force.
#[derive(Clone, Debug)]
pub struct SnapshotFacts {
    /// The memory of the compiled policies, in bytes.
    pub compiled_bytes: usize,
    /// The statements of all policies.
    pub statements: usize,
    /// A number that is the same for the same bundle.
    pub digest: u64,
    /// Sessions and keys that were ended before their time.
    pub revocations: usize,
    /// When the keys of session tokens end that are in use, in seconds since 1970; `None` where they
    /// never do, or there are none.
    pub token_keys_end_s: Option<i64>,
    /// When the first certificate of an authority ends that the bundle holds.
    pub certificates_end_s: Option<i64>,
    /// Its caches.
    pub caches: [(&'static str, Usage); caches::NAMES.len()],
}

/// All metrics of a process.
pub struct Metrics {
    registry: Registry,
    decisions: IntCounterVec,
    doors: [DoorMetrics; Door::ALL.len()],
    stages: [Histogram; Stage::ALL.len()],
    authentications: [[IntCounter; 2]; Method::ALL.len()],
    authentication_failures: [IntCounter; RULE_CLASSES.len()],
    caches: Caches,
    reloads: IntCounterVec,
    fetches: IntCounterVec,
    reload_failed: IntGauge,
    snapshot_revision: IntGauge,
    snapshot_timestamp: Gauge,
    snapshot_bytes: IntGauge,
    snapshot_compiled: IntGauge,
    snapshot_statements: IntGauge,
    snapshot_digest: IntGauge,
    revocations: IntGauge,
    source_success: Gauge,
    key_expiry: IntGaugeVec,
    watch_mode: IntGaugeVec,
    log_records: [IntCounter; Logged::ALL.len()],
    log_depth: IntGauge,
    spans: [IntCounter; 2],
}

/// Registers what is made.
struct Maker(Registry);

impl Maker {
    fn keep<C: Collector + Clone + 'static>(&self, made: C) -> Result<C, prometheus::Error> {
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.keep(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.keep(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.keep(IntGauge::new(name, help)?)
    }

    fn time(&self, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
        self.keep(Gauge::new(name, help)?)
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        label: &str,
    ) -> Result<HistogramVec, prometheus::Error> {
        let options = HistogramOpts::new(name, help).buckets(BUCKETS.to_vec());
        self.keep(HistogramVec::new(options, &[label])?)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Registers every metric, with every label value of a closed set at zero, so that nobody takes
    /// nothing for zero.
    ///
    /// # Errors
    ///
    /// [`prometheus::Error`] when two metrics share a name.
    #[expect(clippy::too_many_lines, reason = "one list of what there is")]
    pub fn new() -> Result<Self, prometheus::Error> {
        let make = Maker(Registry::new());
        make.0.register(Box::new(ProcessCollector::for_self()))?;
        let decisions = make.counters(
            "sidegate_decisions_total",
            "Decisions by door, outcome and reason",
            &["door", "outcome", "reason"],
        )?;
        let seconds = make.histograms(
            "sidegate_decision_duration_seconds",
            "Time from a read request to a formed answer, by door",
            "door",
        )?;
        let in_flight = make.gauges(
            "sidegate_requests_in_flight",
            "Requests being answered, by door",
            &["door"],
        )?;
        let doors = Door::ALL.map(|door| {
            let door = door.label();
            DoorMetrics {
                ordinary: ORDINARY
                    .map(|(outcome, reason)| decisions.with_label_values(&[door, outcome, reason])),
                seconds: seconds.with_label_values(&[door]),
                exemplars: Exemplars::default(),
                in_flight: in_flight.with_label_values(&[door]),
            }
        });
        let stages = make.histograms(
            "sidegate_stage_duration_seconds",
            "Time that each stage of a decision took",
            "stage",
        )?;
        let authentications = make.counters(
            "sidegate_authentications_total",
            "Attempts to authenticate a caller, by method and result",
            &["method", "result"],
        )?;
        let failures = make.counters(
            "sidegate_authentication_failures_total",
            "Credentials that were refused, by class of the rule",
            &["rule"],
        )?;
        let log_records = make.counters(
            "sidegate_decision_log_records_total",
            "Records of the decision log, by what became of them",
            &["result"],
        )?;
        let spans = make.counters(
            "sidegate_spans_total",
            "Spans of traced decisions, by what became of them",
            &["result"],
        )?;
        let reloads = make.counters(
            "sidegate_reloads_total",
            "Attempts to load the bundle, by result",
            &["result"],
        )?;
        for result in Reload::ALL {
            reloads.with_label_values(&[result.label()]);
        }
        let fetches = make.counters(
            "sidegate_fetches_total",
            "Attempts to fetch keys of issuers or reviews of tokens, by result",
            &["result"],
        )?;
        for result in Fetch::ALL {
            fetches.with_label_values(&[result.label()]);
        }
        let build = make.gauges(
            "sidegate_build_info",
            "1, with the version of the program",
            &["version"],
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(Self {
            doors,
            stages: Stage::ALL.map(|stage| stages.with_label_values(&[stage.label()])),
            authentications: Method::ALL.map(|method| {
                ["success", "failure"]
                    .map(|result| authentications.with_label_values(&[method.label(), result]))
            }),
            authentication_failures: RULE_CLASSES
                .map(|class| failures.with_label_values(&[class])),
            caches: Caches::new(&make)?,
            log_records: Logged::ALL.map(|result| log_records.with_label_values(&[result.label()])),
            spans: ["exported", "dropped"].map(|result| spans.with_label_values(&[result])),
            decisions,
            reloads,
            fetches,
            reload_failed: make.gauge(
                "sidegate_policy_reload_failed",
                "1 while the bundle on disk is refused and an older one is in force",
            )?,
            snapshot_revision: make.gauge(
                "sidegate_snapshot_revision",
                "Counts the snapshots that were put in force; 0 before the first",
            )?,
            snapshot_timestamp: make.time(
                "sidegate_snapshot_timestamp_seconds",
                "When the snapshot in force was compiled, in seconds since 1970",
            )?,
            snapshot_bytes: make.gauge(
                "sidegate_snapshot_source_bytes",
                "Size of the files of the snapshot in force",
            )?,
            snapshot_compiled: make.gauge(
                "sidegate_snapshot_compiled_bytes",
                "Memory of the compiled policies of the snapshot in force",
            )?,
            snapshot_statements: make.gauge(
                "sidegate_snapshot_statements",
                "Statements of all policies of the snapshot in force",
            )?,
            snapshot_digest: make.gauge(
                "sidegate_snapshot_digest",
                "A number that is the same where the bundle is the same; 0 before the first",
            )?,
            revocations: make.gauge(
                "sidegate_revocations",
                "Entries that end sessions and keys before their time",
            )?,
            source_success: make.time(
                "sidegate_source_last_success_timestamp_seconds",
                "When the bundle was last read whole and found good, changed or not, in seconds since 1970",
            )?,
            key_expiry: make.gauges(
                "sidegate_key_expiry_timestamp_seconds",
                "When the keys in use end, in seconds since 1970; absent where they do not",
                &["kind"],
            )?,
            watch_mode: make.gauges(
                "sidegate_source_watch_mode",
                "How changes of the bundle are noticed",
                &["mode"],
            )?,
            log_depth: make.gauge(
                "sidegate_decision_log_queue_depth",
                "Records that wait to be written",
            )?,
            registry: make.0,
        })
    }

    /// Notes a decision: its outcome, one of [`OUTCOMES`], its reason, one of a closed set, and how
    /// long it took, in seconds. `trace` is asked for the trace that it is part of when an example is
    /// wanted.
    pub fn decided(
        &self,
        door: Door,
        outcome: &'static str,
        reason: &'static str,
        seconds: f64,
        trace: impl FnOnce() -> Option<TraceId>,
    ) {
        let of_door = self.door(door);
        let position = ORDINARY
            .iter()
            .position(|known| *known == (outcome, reason));
        match position.and_then(|at| of_door.ordinary.get(at)) {
            Some(counter) => counter.inc(),
            None => self
                .decisions
                .with_label_values(&[door.label(), outcome, reason])
                .inc(),
        }
        of_door.seconds.observe(seconds);
        of_door.exemplars.offer(seconds, trace);
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

    /// Notes that a caller was authenticated, or by which rule it was not.
    pub fn authenticated(&self, method: Method, refused_by: Option<&'static str>) {
        let [sigv4, session_token, jwt, mtls, none] = &self.authentications;
        let [success, failure] = match method {
            Method::SigV4 => sigv4,
            Method::SessionToken => session_token,
            Method::Jwt => jwt,
            Method::Mtls => mtls,
            Method::None => none,
        };
        let Some(rule) = refused_by else {
            success.inc();
            return;
        };
        failure.inc();
        let class = rule.split('-').next().unwrap_or_default();
        let position = RULE_CLASSES.iter().position(|known| *known == class);
        let other = RULE_CLASSES.len() - 1;
        if let Some(counter) = self.authentication_failures.get(position.unwrap_or(other)) {
            counter.inc();
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

    /// Notes how a reload ended, and when, in seconds since 1970.
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds since 1970 fit a double for ages"
    )]
    pub fn reloaded(&self, result: Reload, at_s: i64) {
        self.reloads.with_label_values(&[result.label()]).inc();
        self.reload_failed.set(i64::from(result == Reload::Failure));
        if result != Reload::Failure {
            self.source_success.set(at_s as f64);
        }
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

    /// Notes what became of some records of the decision log.
    pub fn logged(&self, result: Logged, count: usize) {
        let [written, dropped, sampled_out] = &self.log_records;
        let counter = match result {
            Logged::Written => written,
            Logged::Dropped => dropped,
            Logged::SampledOut => sampled_out,
        };
        counter.inc_by(count as u64);
    }

    /// Notes how many records more, or less, wait to be written.
    pub fn log_queue(&self, change: i64) {
        self.log_depth.add(change);
    }

    /// Notes what became of some spans.
    pub fn exported(&self, is_exported: bool, count: usize) {
        let [exported, dropped] = &self.spans;
        let counter = if is_exported { exported } else { dropped };
        counter.inc_by(count as u64);
    }

    /// Notes what is known of the snapshot in force.
    pub fn describe(&self, facts: &SnapshotFacts) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.snapshot_compiled.set(number(facts.compiled_bytes));
        self.snapshot_statements.set(number(facts.statements));
        // Whole in a double, as which it is read.
        let digest = facts.digest >> 11;
        self.snapshot_digest
            .set(i64::try_from(digest).unwrap_or_default());
        self.revocations.set(number(facts.revocations));
        for (kind, end) in [
            ("token_key", facts.token_keys_end_s),
            ("certificate", facts.certificates_end_s),
        ] {
            match end {
                Some(end) => self.key_expiry.with_label_values(&[kind]).set(end),
                // An error says that it was not there.
                None => drop(self.key_expiry.remove_label_values(&[kind])),
            }
        }
        for (name, usage) in &facts.caches {
            self.caches.note(name, usage);
        }
    }

    /// All metrics as text, in the form that the asker understands.
    #[must_use]
    pub fn render(&self, form: Exposition) -> String {
        let exemplars = Door::ALL.map(|door| (door.label(), self.door(door).exemplars.take()));
        exposition::write(&self.registry.gather(), form, |label| {
            let of_door = exemplars.iter().find(|(door, _)| *door == label);
            of_door.map(|(_, exemplars)| exemplars.as_slice())
        })
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
