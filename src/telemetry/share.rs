//! Which of many events are a given share of them.

use std::sync::atomic::{AtomicU64, Ordering};

/// A share of all events, spread evenly among them.
#[derive(Debug)]
pub(super) struct Share {
    /// How many in each [`WHOLE`].
    part: u64,
    events: AtomicU64,
}

const WHOLE: u64 = 1_000_000;

impl Share {
    /// A share from 0, none, to 1, all.
    pub(super) fn new(share: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a number from 0 to a million"
        )]
        let part = (share.clamp(0.0, 1.0) * WHOLE as f64).round() as u64;
        Self {
            part,
            events: AtomicU64::new(0),
        }
    }

    /// Whether the next event is one of the share.
    pub(super) fn next(&self) -> bool {
        match self.part {
            0 => false,
            WHOLE => true,
            part => {
                let number = self.events.fetch_add(1, Ordering::Relaxed) % WHOLE;
                (number + 1) * part / WHOLE > number * part / WHOLE
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_spread_evenly() {
        for (share, of_hundred) in [(0.0, 0), (0.01, 1), (0.25, 25), (0.5, 50), (1.0, 100)] {
            let share = Share::new(share);
            for _ in 0..3 {
                let chosen = (0..100).filter(|_| share.next()).count();
                assert_eq!(chosen, of_hundred);
            }
        }
    }
}
