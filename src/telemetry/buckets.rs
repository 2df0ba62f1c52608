//! The buckets of the latency histograms, and an example for each.

use crate::model::TraceId;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// The upper bounds, in seconds: from a microsecond to a second.
pub(super) const BUCKETS: [f64; 16] = [
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

/// How many buckets there are, that without a bound included.
const COUNT: usize = BUCKETS.len() + 1;

/// For each bucket a trace that fell into it, renewed after each look at it: whoever decides pays for
/// the first one only.
#[derive(Debug)]
pub(super) struct Exemplars {
    wanted: [AtomicBool; COUNT],
    known: Mutex<[Option<Exemplar>; COUNT]>,
}

/// One observation with its trace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exemplar {
    pub(super) trace: TraceId,
    pub(super) seconds: f64,
}

impl Default for Exemplars {
    fn default() -> Self {
        Self {
            wanted: std::array::from_fn(|_| AtomicBool::new(true)),
            known: Mutex::new([None; COUNT]),
        }
    }
}

impl Exemplars {
    /// Offers an observation; `trace` is asked only when an example is wanted.
    pub(super) fn offer(&self, seconds: f64, trace: impl FnOnce() -> Option<TraceId>) {
        let bucket = BUCKETS.partition_point(|bound| *bound < seconds);
        let is_wanted = |wanted: &&AtomicBool| wanted.load(Ordering::Relaxed);
        let Some(wanted) = self.wanted.get(bucket).filter(is_wanted) else {
            return;
        };
        let Some(trace) = trace() else {
            return;
        };
        // Nobody waits here: whoever comes second brings an example later.
        if let Ok(mut known) = self.known.try_lock()
            && let Some(place) = known.get_mut(bucket)
        {
            *place = Some(Exemplar { trace, seconds });
            wanted.store(false, Ordering::Relaxed);
        }
    }

    /// The examples by bucket; new ones are wanted from here on.
    pub(super) fn take(&self) -> [Option<Exemplar>; COUNT] {
        let known = *self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for wanted in &self.wanted {
            wanted.store(true, Ordering::Relaxed);
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_has_the_first_trace_since_the_last_look() {
        let exemplars = Exemplars::default();
        let of = |number: u8| move || Some(TraceId([number; 16]));
        exemplars.offer(0.000_004, || None);
        exemplars.offer(0.000_004, of(1));
        exemplars.offer(0.000_004, || panic!("one is enough"));
        exemplars.offer(0.000_005, || panic!("a bound is of its bucket"));
        exemplars.offer(7.0, of(2));
        let found = exemplars.take();
        let numbers = found.map(|exemplar| exemplar.map(|exemplar| exemplar.trace.0[0]));
        assert_eq!(numbers[2], Some(1));
        assert_eq!(numbers[COUNT - 1], Some(2));
        assert_eq!(numbers.iter().flatten().count(), 2);
        exemplars.offer(0.000_003, of(3));
        assert_eq!(
            exemplars.take()[2].map(|exemplar| exemplar.trace.0[0]),
            Some(3)
        );
    }
}
