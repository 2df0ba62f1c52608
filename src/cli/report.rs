//! Findings as people and machines read them.

use crate::policy::{Diagnostic, Place, Severity};
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// With the lines that are meant, as compilers print them
    Human,
    /// One JSON document
    Json,
    /// SARIF 2.1.0, which code hosts show beside a change
    Sarif,
}

/// The texts of the files that findings speak of.
pub(super) type Texts<'t> = BTreeMap<&'t str, &'t str>;

/// All findings in the form asked for, with a newline at the end.
pub(super) fn render(format: Format, findings: &[Diagnostic], texts: &Texts<'_>) -> String {
    match format {
        Format::Human => human(findings, texts, std::io::stdout().is_terminal()),
        Format::Json => format!(
            "{:#}\n",
            json!({"findings": findings.iter().map(object).collect::<Vec<_>>()})
        ),
        Format::Sarif => format!("{:#}\n", sarif(findings)),
    }
}

/// How many errors and warnings there are, in words.
pub(super) fn summary(findings: &[Diagnostic]) -> String {
    let errors = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .count();
    let count = |number: usize, word: &str| {
        let plural = if number == 1 { "" } else { "s" };
        format!("{number} {word}{plural}")
    };
    let warnings = findings.len() - errors;
    format!("{}, {}", count(errors, "error"), count(warnings, "warning"))
}

/// Findings with the lines that they mean.
pub(super) fn human(findings: &[Diagnostic], texts: &Texts<'_>, colours: bool) -> String {
    let renderer = if colours {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut report = String::new();
    for finding in findings {
        let text = texts.get(&*finding.place.file);
        let groups = [group(finding, text.copied())];
        report.push_str(&renderer.render(&groups));
        report.push_str("\n\n");
    }
    report
}

fn group<'a>(finding: &'a Diagnostic, text: Option<&'a str>) -> Group<'a> {
    let Diagnostic {
        severity,
        rule,
        place,
        message,
        hint,
    } = finding;
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(message.as_str()).id(*rule);
    let group = match text.and_then(|text| Some((text, span(text, place)?))) {
        Some((text, span)) => title.element(
            Snippet::source(text)
                .path(&*place.file)
                .annotation(AnnotationKind::Primary.span(span)),
        ),
        None => title.element(Origin::path(&*place.file)),
    };
    match hint {
        Some(hint) => group.element(Level::HELP.message(hint.as_str())),
        None => group,
    }
}

/// The bytes of the word or bracket at a place.
fn span(text: &str, place: &Place) -> Option<std::ops::Range<usize>> {
    let line = usize::try_from(place.line).ok()?.checked_sub(1)?;
    let column = usize::try_from(place.column).ok()?.checked_sub(1)?;
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let (_, rest) = text.split_at_checked(before)?;
    let line = rest.lines().next().unwrap_or_default();
    let start = line
        .char_indices()
        .nth(column)
        .map_or(line.len(), |(at, _)| at);
    let word = line.get(start..)?;
    let quote = word.chars().next().filter(|first| "\"'".contains(*first));
    let length = match quote {
        Some(quote) => word.get(1..)?.find(quote).map_or(word.len(), |end| end + 2),
        None => word
            .find(|c: char| c.is_whitespace() || ",:{}[]".contains(c))
            .unwrap_or(word.len()),
    };
    // An empty span would show nothing.
    let shown = length.max(word.chars().next().map_or(0, char::len_utf8));
    Some(before + start..before + start + shown)
}

fn object(finding: &Diagnostic) -> Value {
    json!({
        "severity": finding.severity.label(),
        "rule": finding.rule,
        "file": &*finding.place.file,
        "line": finding.place.line,
        "column": finding.place.column,
        "message": finding.message,
        "hint": finding.hint,
    })
}

fn sarif(findings: &[Diagnostic]) -> Value {
    let rules: BTreeSet<&str> = findings.iter().map(|finding| finding.rule).collect();
    let rules: Vec<Value> = rules.iter().map(|rule| json!({"id": rule})).collect();
    let results: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let hint = finding.hint.as_ref().map(|hint| format!(" ({hint})"));
            let text = format!("{}{}", finding.message, hint.unwrap_or_default());
            json!({
                "ruleId": finding.rule,
                "level": finding.severity.label(),
                "message": {"text": text},
                "locations": [{"physicalLocation": {
                    "artifactLocation": {"uri": &*finding.place.file},
                    "region": {
                        "startLine": finding.place.line,
                        "startColumn": finding.place.column,
                    },
                }}],
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "sidegate",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_the_word_at_the_place() {
        let text = "a: {b: é}\n  \"key, x\": [v]\n";
        // (line, column, what is meant)
        let cases = [
            (1, 1, "a"),
            (1, 4, "{"),
            (1, 8, "é"),
            (2, 3, "\"key, x\""),
            (2, 14, "v"),
            (9, 1, ""),
        ];
        for (line, column, expected) in cases {
            let place = Place {
                file: "f".into(),
                line,
                column,
            };
            let range = span(text, &place).unwrap();
            assert_eq!(&text[range], expected, "{line}:{column}");
        }
    }
}
