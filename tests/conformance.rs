//! What IAM means, as data: each case names the rules that it is about.

#![expect(
    clippy::disallowed_methods,
    reason = "the test reads what is checked in"
)]

use crate::support::judge_case;
use serde::Deserialize;
use serde_json::Value;
use sidegate::policy::{Findings, Keys, Policy, PolicyKind, Severity, json};
use sidegate::simulate::judge_line;
use std::path::Path;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decision {
    pub(crate) name: String,
    pub(crate) rules: Vec<String>,
    pub(crate) case: Value,
    expect: Expected,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    decision: String,
    reason: Option<String>,
    layer: Option<String>,
    layers: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    name: String,
    pub(crate) rules: Vec<String>,
    kind: String,
    pub(crate) text: String,
    error: Option<String>,
    warning: Option<String>,
}

impl Document {
    pub(crate) fn kind(&self) -> PolicyKind {
        match self.kind.as_str() {
            "identity" => PolicyKind::Identity,
            "scp" => PolicyKind::ServiceControl,
            "rcp" => PolicyKind::ResourceControl,
            "resource" => PolicyKind::Resource,
            "trust" => PolicyKind::Trust,
            "endpoint" => PolicyKind::Endpoint,
            other => panic!("{}: {other}", self.name),
        }
    }
}

fn read<T: for<'de> Deserialize<'de>>(file: &str) -> Vec<T> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let text = std::fs::read_to_string(directory.join(file)).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

pub(crate) fn decisions() -> Vec<Decision> {
    read("decisions.jsonl")
}

pub(crate) fn documents() -> Vec<Document> {
    read("documents.jsonl")
}

#[test]
fn every_decision_is_as_the_rules_say() {
    let mut wrong = Vec::new();
    for Decision {
        name,
        rules,
        case,
        expect,
    } in decisions()
    {
        let (line, judged) = judge_case(&case);
        // GEN-7
        let again = judge_case(&case);
        assert_eq!((&line, judged), (&again.0, again.1), "{name}");
        let answer: Value = serde_json::from_str(&line).unwrap();
        let text = |member: &str| answer[member].as_str().map(str::to_owned);
        let layers: Vec<String> = answer["layers"]
            .as_array()
            .map(|layers| {
                layers
                    .iter()
                    .map(|l| l.as_str().unwrap().to_owned())
                    .collect()
            })
            .unwrap_or_default();
        let fits = judged
            && text("decision").as_ref() == Some(&expect.decision)
            && (expect.reason.is_none() || text("reason") == expect.reason)
            && (expect.layer.is_none() || text("layer") == expect.layer)
            && expect
                .layers
                .as_ref()
                .is_none_or(|expected| *expected == layers);
        if !fits {
            wrong.push(format!("{name} {rules:?}: {line}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_document_is_taken_or_refused_as_the_rules_say() {
    let mut wrong = Vec::new();
    for document in documents() {
        let kind = document.kind();
        let Document {
            name,
            rules,
            text,
            error,
            warning,
            ..
        } = document;
        let mut findings = Findings::new("document");
        let policy = match json::parse(&text) {
            Ok(node) => Policy::parse(&node, kind, &Keys::global(), &mut findings),
            Err(fault) => {
                findings.syntax(fault);
                None
            }
        };
        let findings = findings.into_list();
        let of = |severity| {
            let found = findings
                .iter()
                .filter(move |finding| finding.severity == severity);
            found.map(|finding| finding.rule).collect::<Vec<_>>()
        };
        let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
        let fits = match (&error, &warning) {
            (Some(rule), _) => policy.is_none() && errors.contains(&rule.as_str()),
            (None, Some(rule)) => policy.is_some() && warnings.contains(&rule.as_str()),
            (None, None) => policy.is_some(),
        };
        if !fits {
            wrong.push(format!(
                "{name} {rules:?}: errors {errors:?}, warnings {warnings:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_could_not_be_determined_is_told_with_its_key() {
    // RSN-6: the Allow that was dropped and the Deny that applies, and what made them so.
    let case = serde_json::json!({
        "request": {
            "principal": "arn:aws:iam::210000000001:user/ana",
            "action": "files:Put",
            "resource": "arn:aws:files:::a",
            "context": {"files:Size": "ten"},
        },
        "identityPolicies": [{"Version": "2012-10-17", "Statement": [
            {"Sid": "Small", "Effect": "Allow", "Action": "files:Put", "Resource": "*",
             "Condition": {"NumericLessThan": {"files:Size": "20"}}},
            {"Effect": "Deny", "Action": "files:*", "Resource": "*",
             "Condition": {"NumericGreaterThan": {"files:Size": "99"}}},
            {"Effect": "Deny", "Action": "files:Get", "Resource": "*"},
        ]}],
    });
    let (line, judged) = judge_line(&case.to_string(), true);
    assert!(judged, "{line}");
    let answer: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        answer["statements"],
        serde_json::json!(["identityPolicies[0].Statement[1]"])
    );
    let told: Vec<String> = answer["explain"]
        .as_array()
        .unwrap()
        .iter()
        .map(|said| {
            let conditions = said["conditions"].as_array().unwrap().iter();
            let tests = conditions.map(|test| format!(" {} = {}", test["test"], test["value"]));
            format!(
                "{} {} {} {}{}",
                said["index"],
                said["effect"],
                said["result"],
                said["applies"],
                tests.collect::<String>()
            )
            .replace(['"', '\\'], "")
        })
        .collect();
    assert_eq!(
        told,
        [
            "0 Allow undetermined false NumericLessThan files:Size = ten",
            "1 Deny undetermined true NumericGreaterThan files:Size = ten",
            "2 Deny false false",
        ]
    );
}
