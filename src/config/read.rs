//! From the texts of the settings to their values.

use crate::config::values::Values;
use crate::config::{Address, Bundle, Config, Decisions, Drain, Log, Pods, SETTINGS};
use crate::loader::watch;
use crate::oidc::ApiServer;
use crate::pdp::Forwarding;
use crate::policy::{Diagnostic, Place};
use crate::telemetry::decision_log::{self, Format, Output, Redaction};
use crate::telemetry::{LogFormat, Otlp, OtlpProtocol};
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

/// The most threads that `auto` starts: a sidecar sees every processor of its node.
const AUTO_THREADS: usize = 8;

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Every setting whose text cannot be read.
    pub fn read(values: &Values) -> Result<Self, Vec<Diagnostic>> {
        let mut reader = Reader {
            values,
            faults: Vec::new(),
        };
        let config = reader.config();
        match config {
            Some(config) if reader.faults.is_empty() => Ok(config),
            _ => Err(reader.faults),
        }
    }
}

struct Reader<'v> {
    values: &'v Values,
    faults: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn config(&mut self) -> Option<Config> {
        // Every setting is read before any failure ends this, so that all faults are told.
        let bundle = self.bundle();
        let addresses = self.read("decisions.address", ADDRESS, |text| {
            text.split(',')
                .map(|part| Address::parse(part.trim()))
                .collect::<Option<Vec<_>>>()
        });
        let socket_mode = self.read("decisions.socketmode", "up to 0777", |text| {
            u32::from_str_radix(text, 8)
                .ok()
                .filter(|mode| *mode <= 0o777)
        });
        let reflection = self.read("decisions.reflection", "`true` or `false`", |text| {
            text.parse().ok()
        });
        let forwarding =
            self.read(
                "decisions.credentials",
                "`strip` or `forward`",
                |text| match text {
                    "strip" => Some(Forwarding::Strip),
                    "forward" => Some(Forwarding::Keep),
                    _ => None,
                },
            );
        let trusted_hops = self.read("decisions.trustedhops", "0 to 16", |text| {
            text.parse().ok().filter(|hops| *hops <= 16)
        });
        let concurrency = self.read("decisions.concurrency", "1 to 1000000", |text| {
            text.parse()
                .ok()
                .filter(|number| (1..=1_000_000).contains(number))
        });
        let http = self.read("http.address", ADDRESS, door);
        let admin = self.read("admin.address", ADDRESS, door);
        let http_trusted_hops = self.read("http.trustedhops", "0 to 16", |text| {
            text.parse().ok().filter(|hops| *hops <= 16)
        });
        let pods = self.pods();
        let kubernetes = self.kubernetes();
        let delay = self.duration("drain.delay");
        let max = self.duration("drain.max");
        let filter = self.read("log.level", "a level, such as `info`", |text| {
            LogFormat::is_filter(text).then(|| text.to_owned())
        });
        let format = self.read(
            "log.format",
            "`json`, `human` or `auto`",
            |text| match text {
                "json" => Some(LogFormat::Json),
                "human" => Some(LogFormat::Human),
                "auto" => Some(LogFormat::Auto),
                _ => None,
            },
        );
        let decision_log = self.decision_log();
        let otlp = self.otlp();
        let traced = self.read("traces.sample", "a number from 0 to 1", share);
        let threads = self.read(
            "runtime.threads",
            "`auto`, or 1 to 256",
            |text| match text {
                "auto" => Some(auto_threads()),
                _ => text
                    .parse()
                    .ok()
                    .filter(|number| (1..=256).contains(number)),
            },
        );
        Some(Config {
            bundle: bundle?,
            decisions: Decisions {
                addresses: addresses?,
                socket_mode: socket_mode?,
                reflection: reflection?,
                forwarding: forwarding?,
                trusted_hops: trusted_hops?,
                concurrency: concurrency?,
            },
            http: http?.0,
            http_trusted_hops: http_trusted_hops?,
            admin: admin?.0,
            pods: pods?,
            kubernetes: kubernetes?,
            drain: Drain {
                delay: delay?,
                max: max?,
            },
            log: Log {
                filter: filter?,
                format: format?,
            },
            decision_log: decision_log?,
            otlp: otlp?.0,
            traced: traced?,
            threads: threads?,
        })
    }

    fn decision_log(&mut self) -> Option<decision_log::Settings> {
        let output = self.read(
            "decisionlog.output",
            "`stdout`, `otlp`, `off`, or a path that begins with a slash",
            |text| match text {
                "off" => Some(Output::Off),
                "stdout" => Some(Output::Stdout),
                "otlp" => Some(Output::Otlp),
                path if path.starts_with('/') => Some(Output::File(path.into())),
                _ => None,
            },
        );
        let format = self.read(
            "decisionlog.format",
            "`json` or `cloudtrail`",
            |text| match text {
                "json" => Some(Format::Json),
                "cloudtrail" => Some(Format::CloudTrail),
                _ => None,
            },
        );
        let allows = self.read("decisionlog.allows", "a number from 0 to 1", share);
        let redaction = self.read(
            "decisionlog.redact",
            "`accessKey`, `host`, `path`, `resources`, `session`, `sourceIdentity`, `sourceIp`, `userAgent`, or condition keys such as `aws:SourceIp` or `aws:PrincipalTag/*`",
            Redaction::parse,
        );
        let queue = self.read("decisionlog.queue", "1 to 1000000", |text| {
            text.parse()
                .ok()
                .filter(|number| (1..=1_000_000).contains(number))
        });
        let largest_file = self.read(
            "decisionlog.filesize",
            "a number with a unit, `4KiB` at the least: `64MiB`",
            |text| size(text).filter(|bytes| *bytes >= 4_096),
        );
        let kept_files = self.read("decisionlog.files", "0 to 1000", |text| {
            text.parse().ok().filter(|number| *number <= 1_000)
        });
        Some(decision_log::Settings {
            output: output?,
            format: format?,
            allows: allows?,
            redaction: redaction?,
            queue: queue?,
            largest_file: largest_file?,
            kept_files: kept_files?,
        })
    }

    fn otlp(&mut self) -> Option<Collector> {
        let protocol = self.read("otlp.protocol", "`grpc` or `http`", |text| match text {
            "grpc" => Some(OtlpProtocol::Grpc),
            "http" => Some(OtlpProtocol::Http),
            _ => None,
        })?;
        let (schemes, hint): (&[&str], _) = match protocol {
            OtlpProtocol::Grpc => (
                &["http://"],
                "`http://HOST:4317`, or `off`; for TLS say `otlp.protocol: http`",
            ),
            OtlpProtocol::Http => (&["http://", "https://"], "`https://HOST:4318`, or `off`"),
        };
        self.read("otlp.endpoint", hint, |text| {
            if text == "off" {
                return Some(Collector(None));
            }
            let uri: http::Uri = text.parse().ok()?;
            let is_known = schemes.iter().any(|scheme| text.starts_with(scheme));
            let endpoint = text.to_owned();
            let collector = Collector(Some(Otlp { endpoint, protocol }));
            (is_known && uri.host().is_some()).then_some(collector)
        })
    }

    fn bundle(&mut self) -> Option<Bundle> {
        let directory = self.read("bundle.directory", "a path", |text| Some(text.to_owned()));
        let credentials = self.read("credentials.directory", "a path", |text| {
            Some(text.to_owned())
        });
        let mode = self.read("bundle.watch", "`events` or `poll`", |text| match text {
            "events" => Some(watch::Mode::Watch),
            "poll" => Some(watch::Mode::Poll),
            _ => None,
        });
        let poll = self.duration("bundle.poll");
        let quiet = self.duration("bundle.quiet");
        Some(Bundle {
            directory: directory.filter(|text| !text.is_empty()).map(Into::into),
            credentials: credentials.filter(|text| !text.is_empty()).map(Into::into),
            watch: watch::Settings {
                poll: poll?,
                quiet: quiet?,
                mode: mode?,
                ..watch::Settings::default()
            },
        })
    }

    fn pods(&mut self) -> Option<Pods> {
        let address = self.read("pods.address", ADDRESS, door);
        let sts = self.read("pods.sts", "an address, or nothing", |text| {
            Some(text.to_owned())
        });
        let ca = self.read("pods.ca", "a path", |text| Some(text.to_owned()));
        Some(Pods {
            address: address?.0,
            sts: sts.filter(|text| !text.is_empty()),
            ca: ca.filter(|text| !text.is_empty()).map(Into::into),
        })
    }

    fn kubernetes(&mut self) -> Option<ApiServer> {
        let address = self.read("kubernetes.api", "an https address", |text| {
            text.starts_with("https://").then(|| text.to_owned())
        });
        let token = self.read("kubernetes.token", "a path", |text| {
            (!text.is_empty()).then(|| text.into())
        });
        let ca = self.read("kubernetes.ca", "a path", |text| Some(text.to_owned()));
        Some(ApiServer {
            address: address?,
            token: token?,
            ca: ca.filter(|text| !text.is_empty()).map(Into::into),
        })
    }

    fn read<T>(
        &mut self,
        path: &'static str,
        hint: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let given = self.values.given(path);
        // INVARIANT: every path here is in the list; a default that is not read is a fault, too.
        let default = SETTINGS
            .iter()
            .find(|setting| setting.path == path)
            .map_or("", |setting| setting.default);
        let text = given.map_or(default, |given| &given.text);
        let value = parse(text);
        if value.is_none() {
            let place = given.map_or_else(|| default_place(path), |given| given.place.clone());
            let message = format!("`{text}` cannot be read as `{path}`");
            self.faults
                .push(Diagnostic::error("CFG-3", place, message).hint(hint));
        }
        value
    }

    fn duration(&mut self, path: &'static str) -> Option<Duration> {
        self.read(path, "a number with a unit: `200ms`, `30s`, `5m`", duration)
    }
}

/// A collector that there may be.
struct Collector(Option<Otlp>);

/// A door that may be closed.
struct Door(Option<Address>);

fn door(text: &str) -> Option<Door> {
    match text {
        "off" => Some(Door(None)),
        _ => Address::parse(text).map(Some).map(Door),
    }
}

const ADDRESS: &str = "`127.0.0.1:9191` or `unix:/run/sidegate/sidegate.sock`";

fn default_place(path: &str) -> Place {
    Place {
        file: Arc::from(path),
        line: 1,
        column: 1,
    }
}

fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let number: u64 = digits.parse().ok()?;
    match text.strip_prefix(digits)? {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3_600).map(Duration::from_secs),
        _ => None,
    }
}

fn share(text: &str) -> Option<f64> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
}

fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    match text.strip_prefix(digits)? {
        "KiB" => number.checked_mul(1 << 10),
        "MiB" => number.checked_mul(1 << 20),
        "GiB" => number.checked_mul(1 << 30),
        _ => None,
    }
}

/// K1.30: what the standard library makes of a quota is rounded down, and without one it is every
/// processor of the node.
fn auto_threads() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    #[expect(
        clippy::disallowed_methods,
        reason = "the limit of the container decides how many threads are of use"
    )]
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let quota = read("/sys/fs/cgroup/cpu.max").or_else(|| {
        let of = |name: &str| read(&format!("/sys/fs/cgroup/cpu/cpu.cfs_{name}_us"));
        Some(format!("{} {}", of("quota")?.trim(), of("period")?.trim()))
    });
    match quota.as_deref().and_then(whole_processors) {
        Some(quota) => quota,
        None => processors.min(AUTO_THREADS),
    }
}

/// How many processors a quota is, rounded up: `QUOTA PERIOD`, where `max` or less than zero is none.
fn whole_processors(quota: &str) -> Option<usize> {
    let (quota, period) = quota.trim().split_once(' ')?;
    let (quota, period): (u64, u64) = (quota.parse().ok()?, period.parse().ok()?);
    if quota == 0 || period == 0 {
        return None;
    }
    usize::try_from(quota.div_ceil(period)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_can_be_read() {
        let config = Config::read(&Values::default()).unwrap();
        assert_eq!(config.http, None);
        assert_eq!(config.drain.delay, Duration::from_secs(5));
        assert_eq!(config.bundle.watch, watch::Settings::default());
        assert_eq!(config.decisions.socket_mode, 0o660);
    }

    #[test]
    fn durations_have_units() {
        let cases = [
            ("200ms", Some(Duration::from_millis(200))),
            ("5m", Some(Duration::from_mins(5))),
            ("5", None),
            ("s", None),
            ("-5s", None),
            ("5 s", None),
            ("99999999999999999999s", None),
        ];
        for (text, expected) in cases {
            assert_eq!(duration(text), expected, "{text}");
        }
    }

    #[test]
    fn a_quota_is_rounded_up() {
        for (text, expected) in [
            ("max 100000\n", None),
            ("-1 100000", None),
            ("50000 100000", Some(1)),
            ("150000 100000", Some(2)),
            ("200000 100000", Some(2)),
            ("0 0", None),
            ("", None),
        ] {
            assert_eq!(whole_processors(text), expected, "K1.30: {text}");
        }
    }

    #[test]
    fn sizes_have_units_and_shares_are_parts() {
        for (text, expected) in [
            ("64MiB", Some(64 << 20)),
            ("1KiB", Some(1_024)),
            ("64", None),
            ("MiB", None),
            ("1MB", None),
            ("99999999999GiB", None),
        ] {
            assert_eq!(size(text), expected, "{text}");
        }
        for (text, expected) in [
            ("0.5", Some(0.5)),
            ("1.1", None),
            ("-0.1", None),
            ("NaN", None),
        ] {
            assert_eq!(share(text), expected, "{text}");
        }
    }
}
