//! Where log lines go and what they look like.

use std::io::IsTerminal as _;
use std::sync::OnceLock;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, reload};

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Human,
    /// For people on a terminal, else JSON.
    Auto,
}

/// What says which lines are written, so that it can be changed.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// The log of the process.
#[derive(Clone, Copy, Debug)]
pub struct Logging;

impl Logging {
    /// Writes other lines from here on: those that `filter` lets through. False when it is no filter.
    pub fn change(filter: &str) -> bool {
        let Ok(filter) = EnvFilter::try_new(filter) else {
            return false;
        };
        // Without a handle, somebody such as a test has installed another log.
        FILTER
            .get()
            .is_none_or(|handle| handle.reload(filter).is_ok())
    }
}

impl LogFormat {
    /// Whether `text` can be a filter of log lines.
    #[must_use]
    pub fn is_filter(text: &str) -> bool {
        !text.is_empty() && EnvFilter::try_new(text).is_ok()
    }

    /// Sends log lines to stderr from here on. Does nothing when they are sent somewhere already.
    pub fn install(self, filter: &str) {
        let json = match self {
            Self::Json => true,
            Self::Human => false,
            Self::Auto => !std::io::stderr().is_terminal(),
        };
        let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
        let (filter, handle) = reload::Layer::new(filter);
        let lines = tracing_subscriber::fmt::layer()
            .with_target(false)
            .with_writer(std::io::stderr);
        let lines = if json {
            lines.json().flatten_event(true).boxed()
        } else {
            lines.with_ansi(std::io::stderr().is_terminal()).boxed()
        };
        // An error means that somebody, such as a test, has installed one before.
        if tracing_subscriber::registry()
            .with(filter)
            .with(lines)
            .try_init()
            .is_ok()
        {
            let _ = FILTER.set(handle);
        }
    }
}
