//! Where log lines go and what they look like.

use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

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
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_target(false)
            .with_writer(std::io::stderr);
        // An error means that somebody, such as a test, has installed one before.
        let _ = if json {
            builder.json().flatten_event(true).try_init()
        } else {
            builder
                .with_ansi(std::io::stderr().is_terminal())
                .try_init()
        };
    }
}
