//! `sidegate test`: runs the tests that stand beside the policies.

mod coverage;
mod junit;
mod run;

use crate::cli::report::{human, summary};
use crate::cli::validate::texts;
use crate::cli::{Exit, complain, print, say};
use crate::clock::{Clock, SystemClock};
use crate::loader::reload::compile;
use crate::loader::source::{Limits, read_once};
use crate::policy::policy_test;
use clap::{Args, ValueEnum};
use coverage::Coverage;
use run::{CaseReport, run};
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Test {
    /// The directory of the bundle, with its `*_test.yaml`
    directory: PathBuf,
    /// Run only cases whose name contains this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// How the outcome is printed
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// List the statements that no case reached
    #[arg(long)]
    coverage: bool,
    /// Fail unless at least this share of statements was reached, in percent
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    require_coverage: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Human,
    /// XML that build servers read
    Junit,
}

impl Test {
    pub(super) fn run(self) -> Exit {
        self.execute().unwrap_or_else(|exit| exit)
    }

    fn execute(&self) -> Result<Exit, Exit> {
        let failed = |error: &dyn std::error::Error| {
            complain(error);
            Exit::Failed
        };
        let files =
            read_once(&self.directory, &Limits::default()).map_err(|error| failed(&error))?;
        let now = SystemClock.now();
        let refused = |findings: Vec<_>| {
            let colours = std::io::stderr().is_terminal();
            say(human(&findings, &texts(&files), colours));
            say(format!("refused: {}", summary(&findings)));
            Exit::Refused
        };
        let snapshot = compile(&files, "", now).map_err(refused)?.snapshot;
        let mut tests = policy_test::read(&files.parts()).map_err(refused)?;
        if let Some(filter) = &self.filter {
            for test in &mut tests {
                test.cases.retain(|case| case.name.contains(filter));
            }
        }
        let mut coverage = Coverage::of(&snapshot);
        let reports: Vec<CaseReport> = tests
            .iter()
            .flat_map(|test| test.cases.iter().map(move |case| (test, case)))
            .map(|(test, case)| run(&snapshot, test, case, now, &mut coverage))
            .collect();
        let text = match self.format {
            Format::Human => self.describe(&reports, &coverage),
            Format::Junit => junit::render(&reports),
        };
        print(text).map_err(|error| failed(&error))?;
        Ok(self.verdict(&reports, &coverage))
    }

    fn verdict(&self, reports: &[CaseReport], coverage: &Coverage) -> Exit {
        if reports.is_empty() {
            say("no case was run: a test is a `PolicyTest` in a file that ends in `_test.yaml`");
            return Exit::Failed;
        }
        if let Some(required) = self.require_coverage
            && coverage.percent() < usize::from(required)
        {
            let reached = coverage.percent();
            say(format!(
                "{reached} % of the statements were reached, and {required} % are required"
            ));
            return Exit::Denied;
        }
        if reports.iter().all(CaseReport::passed) {
            Exit::Done
        } else {
            Exit::Denied
        }
    }

    fn describe(&self, reports: &[CaseReport], coverage: &Coverage) -> String {
        let mut text = String::new();
        let mut file = "";
        for report in reports {
            if report.file != file {
                file = &report.file;
                let _ = writeln!(text, "{file}");
            }
            let _ = write!(text, "{report}");
        }
        let failed = reports.iter().filter(|report| !report.passed()).count();
        let decisions: usize = reports.iter().map(|report| report.decisions).sum();
        let _ = writeln!(
            text,
            "\n{} passed, {failed} failed; {decisions} decisions",
            reports.len() - failed,
        );
        let _ = writeln!(
            text,
            "coverage: {} of {} statements ({} %)",
            coverage.reached(),
            coverage.total(),
            coverage.percent(),
        );
        if self.coverage {
            for statement in coverage.missed() {
                let _ = writeln!(text, "  not reached: {statement}");
            }
        }
        text
    }
}
