//! `sidegate doctor`: what a server depends on, and what is wrong with it (K7.14).
//!
//! Nothing secret is read into the report: of keys their ids and dates, of files their names, of
//! variables their names.

mod report;
mod system;

use crate::authn::{KeySetFile, certificates_end};
use crate::cli::ask::ask;
use crate::cli::serve::Settings;
use crate::cli::{Exit, complain, print};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, SETTINGS};
use crate::loader::reload::compile;
use crate::loader::source::{Limits, mount, read_once};
use crate::model::Timestamp;
use crate::policy::Severity;
use crate::snapshot::TOKEN_KEYS;
use crate::telemetry::decision_log::Output;
use clap::{Args, ValueEnum};
use report::{Level, Report};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// How soon a key ends when it is told of, in seconds.
const SOON_S: i64 = 7 * 24 * 3_600;

#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    settings: Settings,
    /// The form of the report
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Human,
    Json,
}

impl Doctor {
    pub(super) fn run(self) -> Exit {
        let values = match self.settings.values() {
            Ok(values) => values,
            Err(exit) => return exit,
        };
        let config = match self.settings.config(&values) {
            Ok(config) => config,
            Err(exit) => return exit,
        };
        let mut report = Report::default();
        let now = SystemClock.now();
        report.note("version", env!("CARGO_PKG_VERSION"));
        report.note("time", format!("{now}, by the clock of this machine"));
        let given: Vec<&str> = SETTINGS
            .iter()
            .filter(|setting| values.is_given(setting.path))
            .map(|setting| setting.path)
            .collect();
        report.note("settings", format!("set: {}", listed(&given)));
        let log = match &config.decision_log.output {
            Output::Off => "off, so that nobody can tell why something was denied".to_owned(),
            Output::Stdout => "to the standard output".to_owned(),
            Output::File(path) => format!("to {}", path.display()),
            Output::Otlp => "to the collector".to_owned(),
        };
        report.note("decision log", log);
        let in_force = admin(&config, &mut report);
        bundle(&config, in_force.as_deref(), now, &mut report);
        credentials(&config, now, &mut report);
        for (setting, path) in [
            ("kubernetes.ca", &config.kubernetes.ca),
            ("pods.ca", &config.pods.ca),
        ] {
            if let Some(path) = path {
                certificates(setting, path, now, &mut report);
            }
        }
        system::look(&config, &mut report);
        let text = match self.format {
            Format::Human => report.to_string(),
            Format::Json => format!("{}\n", report.to_json()),
        };
        if let Err(error) = print(text) {
            complain(&error);
            return Exit::Failed;
        }
        if report.has(Level::Fault) {
            Exit::Failed
        } else {
            Exit::Done
        }
    }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() {
        "nothing, all is as it comes".to_owned()
    } else {
        names.join(", ")
    }
}

/// What the running server says of itself; gives the revision in force.
fn admin(config: &Config, report: &mut Report) -> Option<String> {
    let Some(address) = &config.admin else {
        report.warn(
            "server",
            "the admin door is off, so that nobody can be asked",
        );
        return None;
    };
    let (_, body) = match ask(address, "/readyz") {
        Ok(answer) => answer,
        Err(error) => {
            report.fault("server", format!("{error}: it does not run, or elsewhere"));
            return None;
        }
    };
    let told: Value = serde_json::from_slice(&body).unwrap_or_default();
    let revision = text_at(&told, "/revision").map(str::to_owned);
    let named = revision.as_deref().unwrap_or("none");
    let says = |member: &str| told.get(member) == Some(&Value::Bool(true));
    if says("ready") {
        report.note("server", format!("ready at {address}, revision {named}"));
    } else if says("draining") {
        report.warn("server", "it is going down");
    } else {
        report.fault(
            "server",
            "not ready: no policies are in force, and everything is denied",
        );
    }
    match text_at(&told, "/reload/status") {
        Some("current") => report.note("reload", "what is on disk is in force"),
        Some("failed") => {
            let faults: Vec<&str> = told
                .pointer("/reload/faults")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let at = text_at(&told, "/reload/at").unwrap_or_default();
            report.fault("reload", format!("refused at {at}: {}", listed(&faults)));
        }
        other => report.warn("reload", other.unwrap_or("unknown")),
    }
    if let Ok((_, text)) = ask(address, "/metrics") {
        counters(&String::from_utf8_lossy(&text), report);
    }
    revision
}

fn text_at<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer)?.as_str()
}

/// What has been counted and should not have been.
fn counters(text: &str, report: &mut Report) {
    let sum = |name: &str, label: &str| -> f64 {
        text.lines()
            .filter(|line| line.starts_with(name) && line.contains(label))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    };
    report.note(
        "decisions",
        format!("{} so far", sum("sidegate_decisions_total", "")),
    );
    for (name, label, area, meaning) in [
        (
            "sidegate_decisions_total",
            "outcome=\"error\"",
            "errors",
            "calls that could not be decided, and were denied",
        ),
        (
            "sidegate_decision_log_records_total",
            "result=\"dropped\"",
            "decision log",
            "records that were lost",
        ),
        (
            "sidegate_fetches_total",
            "result=\"failure\"",
            "fetches",
            "keys of issuers and reviews that did not come",
        ),
        (
            "sidegate_source_watch_mode",
            "mode=\"poll\"",
            "watch",
            "changes are noticed by polling, the kernel grants no watch",
        ),
    ] {
        let count = sum(name, label);
        if count > 0.0 {
            report.warn(area, format!("{count}: {meaning}"));
        }
    }
}

fn bundle(config: &Config, in_force: Option<&str>, now: Timestamp, report: &mut Report) {
    let Some(directory) = &config.bundle.directory else {
        report.warn(
            "bundle",
            "these settings name no directory; a server of theirs denies everything",
        );
        return;
    };
    for frozen in mount::inspect(directory).unwrap_or_default() {
        report.fault("bundle", frozen.to_string());
    }
    let files = match read_once(directory, &Limits::default()) {
        Ok(files) => files,
        Err(error) => {
            report.fault("bundle", error.to_string());
            return;
        }
    };
    match compile(&files, "", now) {
        Ok(loaded) => {
            let snapshot = &loaded.snapshot;
            report.note(
                "bundle",
                format!(
                    "{}: {} files, {} statements, {} warnings, {} MiB compiled",
                    directory.display(),
                    snapshot.files,
                    snapshot.policies.statements(),
                    loaded.warnings.len(),
                    snapshot.policies.bytes() >> 20,
                ),
            );
            let on_disk = snapshot.revision.as_str();
            if in_force.is_some_and(|in_force| in_force != on_disk) {
                report.warn(
                    "bundle",
                    format!("revision {on_disk} is on disk and another one in force"),
                );
            }
        }
        Err(findings) => {
            let errors = findings
                .iter()
                .filter(|finding| finding.severity == Severity::Error);
            let first: Vec<String> = errors
                .take(5)
                .map(|finding| format!("{} {}: {}", finding.place, finding.rule, finding.message))
                .collect();
            report.fault("bundle", format!("refused: {}", first.join("; ")));
        }
    }
}

fn credentials(config: &Config, now: Timestamp, report: &mut Report) {
    let Some(directory) = &config.bundle.credentials else {
        return;
    };
    #[expect(clippy::disallowed_methods, reason = "the directory is looked at here")]
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            report.fault("credentials", format!("{}: {error}", directory.display()));
            return;
        }
    };
    let mut count = 0;
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        count += 1;
        #[expect(clippy::disallowed_methods, reason = "the directory is looked at here")]
        let metadata = std::fs::metadata(entry.path());
        if metadata.is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0) {
            report.warn(
                "credentials",
                format!("`{name}` is open to everybody on this machine"),
            );
        }
    }
    report.note(
        "credentials",
        format!("{}: {count} files", directory.display()),
    );
    token_keys(&directory.join(TOKEN_KEYS), now, report);
}

/// Authorities that are read from files of their own; one that is not there is not used either.
fn certificates(setting: &str, path: &Path, now: Timestamp, report: &mut Report) {
    let Some(bytes) = read(path, "certificates", report) else {
        return;
    };
    match certificates_end(&bytes) {
        None => report.fault(
            "certificates",
            format!("`{setting}` holds none that can be read"),
        ),
        Some(end) if end.seconds() - now.seconds() < SOON_S => {
            report.fault(
                "certificates",
                format!("the first of `{setting}` ends {end}"),
            );
        }
        Some(end) => report.note("certificates", format!("`{setting}` until {end}")),
    }
}

/// A file that there need not be; one that is there has to be readable.
fn read(path: &Path, area: &'static str, report: &mut Report) -> Option<Vec<u8>> {
    #[expect(
        clippy::disallowed_methods,
        reason = "keys and authorities are looked at here"
    )]
    let read = std::fs::read(path);
    match read {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            report.fault(area, format!("{}: {error}", path.display()));
            None
        }
    }
}

fn token_keys(path: &Path, now: Timestamp, report: &mut Report) {
    let Some(bytes) = read(path, "token keys", report) else {
        return;
    };
    let set = match KeySetFile::parse(&bytes) {
        Ok(set) => set,
        Err(error) => {
            report.fault("token keys", error.to_string());
            return;
        }
    };
    let reading = set.read_keys.iter().map(|key| (key.id, &key.not_after));
    let signing = set.signing_keys.iter().map(|key| (key.id, &key.not_after));
    let issues = set.signing_keys.iter().any(|key| key.private_key.is_some());
    let half = if issues {
        "issues and verifies"
    } else {
        "verifies"
    };
    report.note(
        "token keys",
        format!("trust domain {}, {half}", set.trust_domain),
    );
    for (kind, keys) in [
        ("reading", reading.collect::<Vec<_>>()),
        ("signing", signing.collect::<Vec<_>>()),
    ] {
        let ends: Vec<Option<i64>> = keys
            .iter()
            .map(|(_, end)| Some(Timestamp::parse(end.as_deref()?).ok()?.seconds()))
            .collect();
        let told: Vec<String> = keys
            .iter()
            .map(|(id, end)| match end {
                Some(end) => format!("{id} until {end}"),
                None => id.to_string(),
            })
            .collect();
        report.note("token keys", format!("{kind}: {}", told.join(", ")));
        let last = ends.iter().copied().collect::<Option<Vec<_>>>();
        if let Some(last) = last.and_then(|ends| ends.into_iter().max())
            && last - now.seconds() < SOON_S
        {
            let end = Timestamp::from_seconds(last);
            report.fault(
                "token keys",
                format!("no {kind} key is left from {end} on: `sidegate keys rotate`"),
            );
        }
    }
}
