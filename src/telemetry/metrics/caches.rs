//! What is measured of caches.

use crate::cache::Usage;
use crate::telemetry::metrics::Maker;
use prometheus::{IntCounter, IntGauge};

/// The values of the label `cache`.
pub(super) const NAMES: [&str; 5] = [
    "decisions",
    "tokens",
    "jwt",
    "signing_keys",
    "session_policies",
];

/// Those of all caches, in the order of their names.
pub(super) struct Caches([Cache; NAMES.len()]);

struct Cache {
    hits: IntCounter,
    misses: IntCounter,
    evictions: IntCounter,
    entries: IntGauge,
    bytes: IntGauge,
}

impl Caches {
    pub(super) fn new(make: &Maker) -> Result<Self, prometheus::Error> {
        let hits = make.counters(
            "sidegate_cache_hits_total",
            "What was asked for was there, by cache",
            &["cache"],
        )?;
        let misses = make.counters(
            "sidegate_cache_misses_total",
            "What was asked for was not there, by cache",
            &["cache"],
        )?;
        let evictions = make.counters(
            "sidegate_cache_evictions_total",
            "Entries that had to go, for want of room or because their time was over, by cache",
            &["cache"],
        )?;
        let entries = make.gauges("sidegate_cache_entries", "Entries, by cache", &["cache"])?;
        let bytes = make.gauges("sidegate_cache_bytes", "Size, by cache", &["cache"])?;
        Ok(Self(NAMES.map(|cache| Cache {
            hits: hits.with_label_values(&[cache]),
            misses: misses.with_label_values(&[cache]),
            evictions: evictions.with_label_values(&[cache]),
            entries: entries.with_label_values(&[cache]),
            bytes: bytes.with_label_values(&[cache]),
        })))
    }

    /// Notes how a cache was used since the last time.
    pub(super) fn note(&self, name: &str, usage: &Usage) {
        let position = NAMES.iter().position(|known| *known == name);
        let Some(cache) = position.and_then(|at| self.0.get(at)) else {
            return;
        };
        cache.hits.inc_by(usage.hits);
        cache.misses.inc_by(usage.misses);
        cache.evictions.inc_by(usage.evictions);
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        cache.entries.set(number(usage.entries));
        cache.bytes.set(number(usage.bytes));
    }
}
