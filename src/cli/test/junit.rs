//! The outcome as `JUnit` XML.

use crate::cli::test::run::{CaseReport, Failure};
use std::fmt::Write as _;

/// One suite for each document of tests, one case for each case.
pub(super) fn render(reports: &[CaseReport]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for suite in reports.chunk_by(|a, b| (&a.file, &a.test) == (&b.file, &b.test)) {
        let failures = suite.iter().filter(|report| !report.passed()).count();
        let Some(first) = suite.first() else {
            continue;
        };
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\">",
            escape(&first.test),
            suite.len(),
        );
        for report in suite {
            case(report, &mut xml);
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn case(report: &CaseReport, xml: &mut String) {
    let _ = write!(
        xml,
        "    <testcase classname=\"{}\" name=\"{}\"",
        escape(&report.file),
        escape(&report.name),
    );
    if report.passed() {
        xml.push_str("/>\n");
        return;
    }
    xml.push_str(">\n");
    for Failure {
        question,
        expected,
        got,
    } in &report.failures
    {
        let _ = writeln!(
            xml,
            "      <failure message=\"{}\">expected {}\ngot {}</failure>",
            escape(question),
            escape(expected),
            escape(got),
        );
    }
    xml.push_str("    </testcase>\n");
}

/// What cannot stand in XML as it is.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(' '),
            character if character.is_control() => escaped.push('\u{fffd}'),
            character => escaped.push(character),
        }
    }
    escaped
}
