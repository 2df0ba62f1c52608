//! Records of the decision log, read and asked again.

use crate::cli::{Exit, complain, say};
use crate::model::Timestamp;
use crate::pdp::{Asker, Closed, Question};
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
    /// It did several things at once, of which a record does not say which keys each could read.
    #[error("it asked for several things at once")]
    Several,
    /// It was too large for a record.
    #[error("parts of it had no room in the log")]
    LeftOut,
    /// It asked by credentials of which the bundle knows nothing.
    #[error("it asked by a session of a user's own")]
    Credential,
    /// Its resource was left out.
    #[error("its resource was redacted")]
    NoResource,
    /// The name of its session was left out.
    #[error("the name of its session was redacted")]
    NoSession,
}

/// The question of a record, and when it was asked.
pub(super) fn question(record: &Record) -> Result<(Question, Timestamp), NotAsked> {
    let action = record.action.as_deref().ok_or(NotAsked::NoQuestion)?;
    // Policies decided these; whatever else ended earlier, for reasons that are not in the bundle.
    let by_policy = ["allowed", "explicit_deny", "implicit_deny"];
    if record.door == "sts" || !by_policy.contains(&record.reason.as_str()) {
        return Err(NotAsked::NoQuestion);
    }
    if record.has_session_policies {
        return Err(NotAsked::SessionPolicies);
    }
    if record.credential.is_some() {
        return Err(NotAsked::Credential);
    }
    if record.left_out > 0 {
        return Err(NotAsked::LeftOut);
    }
    let resource = match record.resources.as_slice() {
        [only] => only,
        [] => return Err(NotAsked::NoResource),
        _ => return Err(NotAsked::Several),
    };
    let asker = match record.principal.as_deref() {
        None | Some("anonymous") => Asker::Anonymous,
        Some(session) if session.ends_with("/*") => return Err(NotAsked::NoSession),
        Some(principal) => Asker::Named(principal.to_owned()),
    };
    let time = Timestamp::parse(&record.time).map_err(|_| NotAsked::NoQuestion)?;
    let redacted = record.redacted.iter().filter(|name| name.contains(':'));
    let mut question = Question::of(asker, action, resource);
    question
        .pair
        .resource_account
        .clone_from(&record.resource_account);
    question.context = record.context.clone().into_iter().collect();
    // What was left out has a value, and nobody knows it here.
    question.unknown = record.unknown.iter().chain(redacted).cloned().collect();
    question.closed = Closed::By(record.revision.clone().unwrap_or_default());
    Ok((question, Timestamp::from_seconds(time.seconds())))
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
    let revision = match &question.closed {
        Closed::By(revision) => Some(revision.as_str()),
        Closed::Open => None,
    };
    json!({"id": id, "revision": revision, "request": request})
}

/// The records of a log, with their lines; `-` is stdin. Lines that are no records, such as those of
/// another log on the same output, are passed over and counted.
pub(super) struct Records {
    reader: BufReader<Box<dyn Read>>,
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
            reader: BufReader::new(source),
            passed_over: 0,
        })
    }

    /// The next record; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Record>, Exit> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = self.reader.read_until(b'\n', &mut line);
            let read = read.map_err(|error| {
                complain(&error);
                Exit::Failed
            })?;
            if read == 0 {
                return Ok(None);
            }
            match serde_json::from_slice::<Record>(&line) {
                Ok(record) if record.schema == SCHEMA => return Ok(Some(record)),
                _ => self.passed_over += usize::from(!line.trim_ascii().is_empty()),
            }
        }
    }
}
