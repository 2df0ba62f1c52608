//! The policies that AWS publishes: each of them loads, and means here what it means to the slow
//! judge. `SIDEGATE_SHARED` names the directory that holds `data/aws-managed-policies.jsonl.gz`.

#![expect(
    clippy::disallowed_methods,
    reason = "the test reads data that is not part of the project"
)]

use crate::oracle::judge;
use crate::support::judge_case;
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use sidegate::policy::{Findings, Keys, Policy, PolicyKind, Severity, json as reader};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};

/// The lines of the collection; `None` when there is none.
fn collection(test: &str) -> Option<Vec<String>> {
    let path = crate::support::shared::data(test, "aws-managed-policies.jsonl.gz")?;
    let lines = BufReader::new(GzDecoder::new(File::open(path).unwrap())).lines();
    Some(lines.map(Result::unwrap).collect())
}

#[test]
fn every_managed_policy_loads() {
    // GEN-9.
    let Some(lines) = collection("every_managed_policy_loads") else {
        return;
    };
    let mut warnings: BTreeMap<&str, u32> = BTreeMap::new();
    let mut wrong = Vec::new();
    for line in &lines {
        let node = reader::parse(line).unwrap();
        let name = node.member("name").unwrap().text().unwrap().to_owned();
        let mut findings = Findings::new(name.as_str());
        let document = node.member("document").unwrap();
        let keys = Keys::global();
        let policy = Policy::parse(document, PolicyKind::Identity, &keys, &mut findings);
        for finding in findings.into_list() {
            if finding.severity == Severity::Error {
                wrong.push(finding.to_string());
            }
            *warnings.entry(finding.rule).or_default() += 1;
        }
        assert!(policy.is_some() || !wrong.is_empty(), "{name}");
        let document: Value = serde_json::from_str(line).unwrap();
        let text = document["document"].to_string();
        assert!(crate::printer::check(&text, PolicyKind::Identity), "{name}");
    }
    assert!(lines.len() >= 1_523, "{}", lines.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let _ = writeln!(std::io::stderr(), "warnings on them: {warnings:?}");
}

/// Some text that a pattern matches: what is wild becomes `filler`.
fn instance(pattern: &str, filler: &str) -> String {
    let mut text = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find("${") {
        text.push_str(&rest[..at]);
        let end = rest[at..].find('}').map_or(rest.len(), |end| at + end + 1);
        text.push_str(filler);
        rest = &rest[end..];
    }
    text.push_str(rest);
    text.replace('*', filler).replace('?', "1")
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn every_managed_policy_means_what_it_says() {
    let Some(lines) = collection("every_managed_policy_means_what_it_says") else {
        return;
    };
    let mut allowed = 0;
    let mut asked = 0;
    for line in &lines {
        let entry: Value = serde_json::from_str(line).unwrap();
        let document = &entry["document"];
        let statements = match &document["Statement"] {
            Value::Array(list) => list.clone(),
            one => vec![one.clone()],
        };
        for statement in statements.iter().take(4) {
            let actions = [&statement["Action"], &statement["NotAction"]];
            let resources = [&statement["Resource"], &statement["NotResource"]];
            let all_actions = actions.into_iter().flat_map(texts);
            let all_resources: Vec<&str> = resources.into_iter().flat_map(texts).collect();
            for action in all_actions.take(2) {
                let action = if action == "*" { "files:Get" } else { action };
                for resource in all_resources.iter().take(2) {
                    let resource = match *resource {
                        "*" => "arn:aws:files:::shelf/book".to_owned(),
                        text => instance(text, "x"),
                    };
                    if resource.split(':').count() < 6 {
                        continue;
                    }
                    for context in [json!({}), context_for(&statement["Condition"])] {
                        let case = json!({
                            "request": {
                                "principal": "arn:aws:sts::210000000001:assumed-role/Ops/jo",
                                "action": instance(action, "Xyz"),
                                "resource": resource,
                                "resourceAccount": owner(&resource),
                                "context": context,
                                "time": "2030-01-01T00:00:00Z",
                            },
                            "identityPolicies": [document],
                        });
                        let (answer, judged) = judge_case(&case);
                        assert!(judged, "{answer}: {case}");
                        let answer: Value = serde_json::from_str(&answer).unwrap();
                        let expected = judge(&case);
                        let found = (&answer["decision"], &answer["reason"]);
                        assert_eq!(
                            found,
                            (&json!(expected.decision), &json!(expected.reason)),
                            "{case}"
                        );
                        allowed += u32::from(expected.decision == "Allow");
                        asked += 1;
                    }
                }
            }
        }
    }
    assert!(asked > 10_000 && allowed > 5_000, "{allowed} of {asked}");
}

/// Whoever the text says, or the caller's account.
fn owner(resource: &str) -> &str {
    let account = resource.split(':').nth(4).unwrap_or_default();
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    if is_account { account } else { "210000000001" }
}

/// Values that the conditions of a statement ask for, as far as one can tell without reading them.
fn context_for(condition: &Value) -> Value {
    let mut context = serde_json::Map::new();
    let operators = condition.as_object().into_iter().flatten();
    for (operator, keys) in operators {
        if operator.eq_ignore_ascii_case("Null") {
            continue;
        }
        for (key, values) in keys.as_object().into_iter().flatten() {
            if let Some(value) = texts(values).first() {
                context.insert(key.clone(), json!(instance(value, "x")));
            }
        }
    }
    Value::Object(context)
}
