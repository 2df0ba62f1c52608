//! Every numbered rule of the policy language is tested by name, or it says why it is not.

#![expect(
    clippy::disallowed_methods,
    reason = "the test reads the source of the tests"
)]

use crate::conformance::{decisions, documents};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The rules as `PREFIX-NUMBER`, and the reasons of those that are not covered.
fn listed() -> (BTreeSet<String>, BTreeMap<String, String>) {
    let mut rules = BTreeSet::new();
    let mut reasons = BTreeMap::new();
    let lines = include_str!("conformance/rules.txt").lines();
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, rest) = line.split_once(' ').unwrap();
        let rest = rest.trim();
        if name.contains('-') {
            assert!(rest.len() > 10, "{name} has no reason");
            let twice = reasons.insert(name.to_owned(), rest.to_owned());
            assert!(twice.is_none(), "{name} is listed twice");
        } else {
            let last: u32 = rest.parse().unwrap();
            rules.extend((1..=last).map(|number| format!("{name}-{number}")));
        }
    }
    (rules, reasons)
}

/// Every rule that a text names.
fn named(text: &str, rules: &BTreeSet<String>, found: &mut BTreeSet<String>) {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    found.extend(
        words
            .filter(|word| rules.contains(*word))
            .map(str::to_owned),
    );
}

/// The part of a source file that is a test.
fn tests_of(path: &Path, text: &str) -> Option<String> {
    let is_test = path.components().any(|part| part.as_os_str() == "tests")
        || path.file_stem().is_some_and(|stem| stem == "tests");
    let in_source = path.components().any(|part| part.as_os_str() == "src");
    if is_test || !in_source {
        return Some(text.to_owned());
    }
    let at = text.find("#[cfg(test)]")?;
    Some(text[at..].to_owned())
}

fn read(directory: &Path, rules: &BTreeSet<String>, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, rules, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            if let Some(text) = tests_of(&path, &text) {
                named(&text, rules, found);
            }
        }
    }
}

#[test]
fn every_rule_is_covered_or_says_why_not() {
    let (rules, reasons) = listed();
    let mut found = BTreeSet::new();
    for case in decisions() {
        found.extend(case.rules);
    }
    for document in documents() {
        found.extend(document.rules);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    read(&root.join("tests"), &rules, &mut found);
    read(&root.join("src"), &rules, &mut found);
    let unknown: Vec<&String> = found.difference(&rules).collect();
    assert!(unknown.is_empty(), "rules that do not exist: {unknown:?}");
    let silent: Vec<&String> = rules
        .iter()
        .filter(|rule| !found.contains(*rule) && !reasons.contains_key(*rule))
        .collect();
    assert!(silent.is_empty(), "neither covered nor listed: {silent:?}");
    let stale: Vec<&String> = reasons
        .keys()
        .filter(|rule| found.contains(*rule) || !rules.contains(*rule))
        .collect();
    assert!(
        stale.is_empty(),
        "listed, and covered all the same: {stale:?}"
    );
}
