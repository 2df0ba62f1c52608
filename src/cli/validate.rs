//! `sidegate validate`.

use crate::cli::report::{self, Format, Texts};
use crate::cli::{Exit, complain, print, say};
use crate::clock::{Clock, SystemClock};
use crate::loader::reload::compile;
use crate::loader::source::{Files, Limits, read_once};
use crate::policy::{Diagnostic, Severity};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Validate {
    /// The directory of the bundle
    directory: PathBuf,
    /// How findings are printed
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Take warnings for errors
    #[arg(long)]
    strict: bool,
}

impl Validate {
    pub(super) fn run(self) -> Exit {
        let files = match read_once(&self.directory, &Limits::default()) {
            Ok(files) => files,
            Err(error) => {
                complain(&error);
                return Exit::Failed;
            }
        };
        let (mut findings, counts) = findings(&files);
        if self.strict {
            for finding in &mut findings {
                finding.severity = Severity::Error;
            }
        }
        let texts = texts(&files);
        if let Err(error) = print(report::render(self.format, &findings, &texts)) {
            complain(&error);
            return Exit::Failed;
        }
        let summary = report::summary(&findings);
        let refused = findings
            .iter()
            .any(|finding| finding.severity == Severity::Error);
        if refused {
            say(format!("refused: {summary}"));
            Exit::Refused
        } else {
            say(format!("valid: {summary}{}", counts.unwrap_or_default()));
            Exit::Done
        }
    }
}

/// All findings about a bundle, and what it holds if it is not refused.
fn findings(files: &Files) -> (Vec<Diagnostic>, Option<String>) {
    match compile(files, "", SystemClock.now()) {
        Err(findings) => (findings, None),
        Ok(loaded) => {
            let snapshot = loaded.snapshot;
            let counts = format!(
                "; {} files, {} users, {} roles, {} statements, {} services",
                snapshot.files,
                snapshot.policies.users(),
                snapshot.policies.roles(),
                snapshot.policies.statements(),
                snapshot.services,
            );
            (loaded.warnings, Some(counts))
        }
    }
}

/// The files of a bundle as texts, as far as they are.
pub(super) fn texts(files: &Files) -> Texts<'_> {
    files
        .entries
        .iter()
        .filter_map(|file| Some((file.path.as_str(), std::str::from_utf8(&file.bytes).ok()?)))
        .collect()
}
