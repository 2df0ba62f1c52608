//! What was found.

use serde_json::{Value, json};
use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// As it should be.
    Note,
    /// It works, and may not for long.
    Warning,
    /// It does not work.
    Fault,
}

impl Level {
    const fn label(self) -> &'static str {
        match self {
            Self::Note => "ok",
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }
}

/// All findings, in the order in which things were looked at.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<(Level, &'static str, String)>);

impl Report {
    pub(super) fn note(&mut self, area: &'static str, text: impl Into<String>) {
        self.0.push((Level::Note, area, text.into()));
    }

    pub(super) fn warn(&mut self, area: &'static str, text: impl Into<String>) {
        self.0.push((Level::Warning, area, text.into()));
    }

    pub(super) fn fault(&mut self, area: &'static str, text: impl Into<String>) {
        self.0.push((Level::Fault, area, text.into()));
    }

    pub(super) fn has(&self, level: Level) -> bool {
        self.0.iter().any(|(of_finding, ..)| *of_finding == level)
    }

    pub(super) fn to_json(&self) -> Value {
        let findings = self
            .0
            .iter()
            .map(|(level, area, text)| json!({"level": level.label(), "area": area, "text": text}));
        json!({"findings": findings.collect::<Vec<_>>()})
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (level, area, text) in &self.0 {
            writeln!(formatter, "{:<8} {area:<13} {text}", level.label())?;
        }
        Ok(())
    }
}
