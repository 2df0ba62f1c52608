//! Runs one case and says what was wrong.

use crate::cli::test::coverage::Coverage;
use crate::model::Timestamp;
use crate::pdp::{Asker, Outcome, Pdp, Question, Verdict};
use crate::policy::policy_test::{Expectation, PolicyTest, TestCase};
use crate::snapshot::Snapshot;
use std::fmt;

/// How a case went.
#[derive(Debug)]
pub(super) struct CaseReport {
    pub(super) test: String,
    pub(super) file: String,
    pub(super) name: String,
    /// How many questions it asked.
    pub(super) decisions: usize,
    pub(super) failures: Vec<Failure>,
}

/// A question that was answered otherwise than expected.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) question: String,
    pub(super) expected: String,
    pub(super) got: String,
}

impl CaseReport {
    pub(super) fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

impl fmt::Display for CaseReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name, decisions, ..
        } = self;
        if self.passed() {
            return writeln!(formatter, "  ok    {name} ({decisions})");
        }
        let failed = self.failures.len();
        writeln!(formatter, "  FAIL  {name} ({failed} of {decisions} differ)")?;
        for Failure {
            question,
            expected,
            got,
        } in &self.failures
        {
            writeln!(formatter, "        {question}")?;
            writeln!(formatter, "          expected  {expected}")?;
            writeln!(formatter, "          got       {got}")?;
        }
        Ok(())
    }
}

/// Asks every question of a case.
pub(super) fn run(
    snapshot: &Snapshot,
    test: &PolicyTest,
    case: &TestCase,
    now: Timestamp,
    coverage: &mut Coverage,
) -> CaseReport {
    let mut report = CaseReport {
        test: test.name.clone(),
        file: test.file.clone(),
        name: case.name.clone(),
        decisions: 0,
        failures: Vec::new(),
    };
    let now = case.time.unwrap_or(now);
    for principal in &case.principals {
        for action in &case.actions {
            for resource in &case.resources {
                let question = question(case, principal, action, resource);
                let outcome = Pdp::answer(snapshot, &question, now);
                if let Ok(explained) = Pdp::explain(snapshot, &question, now) {
                    coverage.add(&explained);
                }
                report.decisions += 1;
                if !fits(snapshot, &case.expect, &outcome) {
                    report.failures.push(Failure {
                        question: format!("{principal} {action} on {resource}"),
                        expected: expected(&case.expect),
                        got: got(&outcome),
                    });
                }
            }
        }
    }
    report
}

fn question(case: &TestCase, principal: &str, action: &str, resource: &str) -> Question {
    let asker = if principal == "anonymous" {
        Asker::Anonymous
    } else {
        Asker::Named(principal.to_owned())
    };
    let mut question = Question::of(asker, action, resource);
    question
        .pair
        .resource_account
        .clone_from(&case.resource_account);
    question.context.clone_from(&case.context);
    question.unknown.clone_from(&case.unknown);
    question
}

/// Decision, reason, layer and statements of an outcome.
fn parts(outcome: &Outcome) -> (bool, &str, &str, &[String]) {
    match &outcome.verdict {
        Verdict::Allow(permit) => (true, "allowed", permit.layer(), permit.statements()),
        Verdict::Refuse(refusal) => (
            false,
            refusal.reason(),
            refusal.layer_label(),
            refusal.statements(),
        ),
    }
}

fn fits(snapshot: &Snapshot, expect: &Expectation, outcome: &Outcome) -> bool {
    let (allow, reason, layer, statements) = parts(outcome);
    let is =
        |wanted: &Option<String>, text: &str| wanted.as_deref().is_none_or(|wanted| wanted == text);
    let statement = expect.statement.as_deref().is_none_or(|wanted| {
        statements
            .iter()
            .any(|name| name == wanted || snapshot.policies.sid(name) == Some(wanted))
    });
    allow == expect.allow && is(&expect.reason, reason) && is(&expect.layer, layer) && statement
}

fn word(allow: bool) -> &'static str {
    if allow { "Allow" } else { "Deny" }
}

fn expected(expect: &Expectation) -> String {
    let Expectation {
        allow,
        reason,
        layer,
        statement,
    } = expect;
    let mut parts = vec![word(*allow).to_owned()];
    parts.extend(reason.clone());
    parts.extend(layer.as_ref().map(|layer| format!("by {layer}")));
    parts.extend(statement.as_ref().map(|name| format!("statement {name}")));
    parts.join(", ")
}

fn got(outcome: &Outcome) -> String {
    let (allow, reason, layer, statements) = parts(outcome);
    let mut parts = vec![word(allow).to_owned(), reason.to_owned()];
    if !layer.is_empty() {
        parts.push(format!("by {layer}"));
    }
    parts.extend(statements.iter().cloned());
    if let Verdict::Refuse(refusal) = &outcome.verdict
        && layer.is_empty()
    {
        parts.push(refusal.message().to_owned());
    }
    parts.join(", ")
}
