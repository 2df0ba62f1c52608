//! Metrics as text: that of Prometheus, or `OpenMetrics` with examples.

use crate::telemetry::buckets::Exemplar;
use prometheus::proto::{LabelPair, MetricFamily, MetricType};
use std::fmt::Write as _;

/// A form of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// The text format of Prometheus, version 0.0.4.
    Prometheus,
    /// `OpenMetrics`, version 1.0.0, which may give a trace as an example.
    OpenMetrics,
}

impl Exposition {
    /// The form for whoever sends this `Accept`.
    #[must_use]
    pub fn of(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// The `Content-Type` of the text.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The histogram that has examples.
const WITH_EXEMPLARS: &str = "sidegate_decision_duration_seconds";

/// Writes all families; `exemplars` gives those of a door, bucket by bucket.
pub(super) fn write<'e>(
    families: &[MetricFamily],
    form: Exposition,
    exemplars: impl Fn(&str) -> Option<&'e [Option<Exemplar>]>,
) -> String {
    let mut text = String::new();
    for family in families {
        // Writing to a text cannot fail.
        let _ = write_family(&mut text, family, form, &exemplars);
    }
    if form == Exposition::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text
}

fn write_family<'e>(
    text: &mut String,
    family: &MetricFamily,
    form: Exposition,
    exemplars: &impl Fn(&str) -> Option<&'e [Option<Exemplar>]>,
) -> std::fmt::Result {
    let name = family.name();
    let kind = match family.get_field_type() {
        MetricType::COUNTER => "counter",
        MetricType::HISTOGRAM => "histogram",
        _ => "gauge",
    };
    // In `OpenMetrics` a counter is called without the ending that its samples have.
    let is_open = form == Exposition::OpenMetrics;
    let called = match (kind, is_open) {
        ("counter", true) => name.strip_suffix("_total").unwrap_or(name),
        _ => name,
    };
    writeln!(text, "# HELP {called} {}", family.help())?;
    writeln!(text, "# TYPE {called} {kind}")?;
    for metric in family.get_metric() {
        let labels = metric.get_label();
        match kind {
            "counter" => {
                let value = metric.get_counter().get_value();
                writeln!(text, "{name}{} {value}", Labels(labels, None))?;
            }
            "histogram" => {
                let histogram = metric.get_histogram();
                let door = labels.first().map_or("", LabelPair::value);
                let found = (is_open && name == WITH_EXEMPLARS).then(|| exemplars(door));
                let found = found.flatten().unwrap_or_default();
                let bounds = histogram.get_bucket().iter();
                let bounds = bounds.map(|bucket| {
                    let bound = bucket.upper_bound().to_string();
                    (bound, bucket.cumulative_count())
                });
                let all = histogram.get_sample_count();
                let last = std::iter::once(("+Inf".to_owned(), all));
                for (at, (bound, count)) in bounds.chain(last).enumerate() {
                    let labels = Labels(labels, Some(&bound));
                    write!(text, "{name}_bucket{labels} {count}")?;
                    if let Some(Some(Exemplar { trace, seconds })) = found.get(at) {
                        write!(text, " # {{trace_id=\"{trace}\"}} {seconds}")?;
                    }
                    text.push('\n');
                }
                let labels = Labels(labels, None);
                writeln!(text, "{name}_sum{labels} {}", histogram.get_sample_sum())?;
                writeln!(text, "{name}_count{labels} {all}")?;
            }
            _ => {
                let value = metric.get_gauge().get_value();
                writeln!(text, "{name}{} {value}", Labels(labels, None))?;
            }
        }
    }
    Ok(())
}

/// The labels of a sample, and the bound of a bucket.
struct Labels<'l>(&'l [LabelPair], Option<&'l str>);

impl std::fmt::Display for Labels<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pairs = self.0.iter().map(|pair| (pair.name(), pair.value()));
        let bound = self.1.map(|bound| ("le", bound));
        let mut separator = '{';
        for (name, value) in pairs.chain(bound) {
            let value = value
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            write!(formatter, "{separator}{name}=\"{value}\"")?;
            separator = ',';
        }
        if separator == ',' {
            formatter.write_str("}")?;
        }
        Ok(())
    }
}
