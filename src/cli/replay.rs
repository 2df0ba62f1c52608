//! Records of the decision log, read and asked again.

use crate::cli::{Exit, complain, say};
use crate::model::Timestamp;
use crate::pdp::{Asker, Pair, Question};
use crate::telemetry::decision_log::{Record, SCHEMA};
use serde_json::{Map, Value, json};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Why a record cannot be asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotAsked {
    /// It ended before anybody knew what was asked for.
    #[error("nobody found out what it asked for")]
    NoQuestion,
    /// Its policies are not in the bundle.
    #[error("its session had policies of its own, which the log does not hold")]
    SessionPolicies,
    /// Nobody wrote down what the decision read.
    #[error("what the decision could read was not written down")]
    NoContext,
    /// The name of its session was left out.
    #[error("the name of its session was redacted")]
    NoSession,
}

/// The questions of a record, one for each of its resources.
pub(super) fn questions(record: &Record) -> Result<(Vec<Question>, Timestamp), NotAsked> {
    let action = record.action.as_deref().ok_or(NotAsked::NoQuestion)?;
    if record.has_session_policies {
        return Err(NotAsked::SessionPolicies);
    }
    if record.resources.is_empty() {
        return Err(NotAsked::NoQuestion);
    }
    if record.context.is_empty() && record.unknown.is_empty() && record.redacted.is_empty() {
        return Err(NotAsked::NoContext);
    }
    let asker = match record.principal.as_deref() {
        None | Some("anonymous") => Asker::Anonymous,
        Some(session) if session.ends_with("/*") => return Err(NotAsked::NoSession),
        Some(principal) => Asker::Named(principal.to_owned()),
    };
    let time = Timestamp::parse(&record.time).map_err(|_| NotAsked::NoQuestion)?;
    let redacted = record.redacted.iter().filter(|name| name.contains(':'));
    let last = record.resources.len() - 1;
    let questions = record.resources.iter().enumerate().map(|(at, resource)| {
        let mut question = Question::of(asker.clone(), action, resource);
        question.pair = Pair {
            action: action.to_owned(),
            resource: resource.clone(),
            resource_account: (at == last)
                .then(|| record.resource_account.clone())
                .flatten(),
        };
        question.context = record.context.clone().into_iter().collect();
        // What was left out has a value, and nobody knows it here.
        question.unknown = record
            .unknown
            .iter()
            .chain(redacted.clone())
            .cloned()
            .collect();
        question.is_closed = true;
        question
    });
    Ok((questions.collect(), Timestamp::from_seconds(time.seconds())))
}

/// A question as a case of `simulate`.
pub(super) fn case(id: &str, question: &Question, time: Timestamp) -> Value {
    let principal = match &question.asker {
        Asker::Named(arn) => json!(arn),
        Asker::Anonymous | Asker::Bearer(_) => json!({"type": "Anonymous"}),
    };
    let mut context = Map::new();
    for (key, values) in &question.context {
        context.insert(key.clone(), json!(values));
    }
    for key in &question.unknown {
        context.insert(key.clone(), json!({"unknown": true}));
    }
    let mut request = json!({
        "principal": principal,
        "action": question.pair.action,
        "resource": question.pair.resource,
        "context": context,
        "time": time.to_iso(),
    });
    if let (Some(account), Some(members)) =
        (&question.pair.resource_account, request.as_object_mut())
    {
        members.insert("resourceAccount".to_owned(), json!(account));
    }
    json!({"id": id, "request": request})
}

/// The records of a log, with their lines; `-` is stdin. Lines that are no records, such as those of
/// another log on the same output, are passed over and counted.
pub(super) struct Records {
    lines: io::Lines<BufReader<Box<dyn Read>>>,
    pub(super) passed_over: usize,
}

impl Records {
    pub(super) fn open(path: &Path) -> Result<Self, Exit> {
        let source: Box<dyn Read> = if path.as_os_str() == "-" {
            Box::new(io::stdin().lock())
        } else {
            #[expect(clippy::disallowed_methods, reason = "the log is read here")]
            let file = std::fs::File::open(path).map_err(|error| {
                say(format!("error: cannot read `{}`: {error}", path.display()));
                Exit::Failed
            })?;
            Box::new(file)
        };
        Ok(Self {
            lines: BufReader::new(source).lines(),
            passed_over: 0,
        })
    }

    /// The next record; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Record>, Exit> {
        for line in &mut self.lines {
            let line = line.map_err(|error| {
                complain(&error);
                Exit::Failed
            })?;
            match serde_json::from_str::<Record>(&line) {
                Ok(record) if record.schema == SCHEMA => return Ok(Some(record)),
                _ => self.passed_over += usize::from(!line.trim().is_empty()),
            }
        }
        Ok(None)
    }
}
