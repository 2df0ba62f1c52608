//! The time of day. The only module that reads a clock.
//!
//! Floor 3. Everything below takes the time as an argument.

use crate::model::Timestamp;
use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where the time of day comes from.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time of day in whole seconds (GEN-7).
    fn now(&self) -> Timestamp;

    /// The same since 1970 with all that is known of it, for what people read and nothing decides.
    fn since_epoch(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.now().seconds()).unwrap_or_default())
    }
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let seconds = self.since_epoch().as_secs();
        Timestamp::from_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the module that reads the clock"
    )]
    fn since_epoch(&self) -> Duration {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    }
}

/// A clock that stands still, for tests.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// Measures how long something takes.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the module that reads the clock"
    )]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start, or since the last lap, and a new start.
    pub fn lap(&mut self) -> Duration {
        let next = Self::start();
        let lap = next.0.duration_since(self.0);
        *self = next;
        lap
    }

    /// How much later it was started than another one.
    #[must_use]
    pub fn since(&self, earlier: Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// The time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
