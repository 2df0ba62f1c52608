//! Cases that are judged by a bundle and not by policies of their own.

use crate::cli::simulate::answer::QuestionAnswer;
use crate::model::Timestamp;
use crate::pdp::{Asker, Closed, Pdp, Question};
use crate::snapshot::Snapshot;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A case, as far as a bundle does not say it. Policies of its own would say something else than the
/// bundle, so that there may be none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default)]
    id: Value,
    /// The snapshot whose decision wrote the context down; without one the context is what somebody knows,
    /// and what follows from the principal and the time is added.
    #[serde(default)]
    revision: Option<String>,
    request: Request,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Request {
    principal: Principal,
    action: String,
    resource: String,
    #[serde(default)]
    resource_account: Option<String>,
    #[serde(default)]
    context: BTreeMap<String, Values>,
    time: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Principal {
    Named(String),
    Other {
        #[serde(rename = "type")]
        kind: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Some(Vec<String>),
    Unknown { unknown: bool },
}

/// The answer to a case.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    id: &'a Value,
    #[serde(flatten)]
    said: QuestionAnswer<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<String>,
}

/// The answer to one line, and whether it could be judged.
pub(super) fn judge(snapshot: &Snapshot, line: &str, explain: bool) -> (String, bool) {
    match answer(snapshot, line, explain) {
        Ok(answer) => (answer, true),
        Err((id, message)) => (json!({"id": id, "error": message}).to_string(), false),
    }
}

fn answer(snapshot: &Snapshot, line: &str, explain: bool) -> Result<String, (Value, String)> {
    let Line {
        id,
        revision,
        request,
    } = match serde_json::from_str(line) {
        Ok(line) => line,
        Err(fault) => {
            let case: Option<Value> = serde_json::from_str(line).ok();
            let id = case.and_then(|mut case| Some(case.get_mut("id")?.take()));
            return Err((id.unwrap_or_default(), fault.to_string()));
        }
    };
    let refuse = |message: String| (id.clone(), message);
    let time = Timestamp::parse(&request.time)
        .map_err(|fault| refuse(format!("`request.time`: {fault}")))?;
    let time = Timestamp::from_seconds(time.seconds());
    let asker = match request.principal {
        Principal::Named(name) => Asker::Named(name),
        Principal::Other { kind } if kind == "Anonymous" => Asker::Anonymous,
        Principal::Other { .. } => {
            return Err(refuse(
                "`request.principal` is an ARN or a service".to_owned(),
            ));
        }
    };
    let mut question = Question::of(asker, &request.action, &request.resource);
    question.pair.resource_account = request.resource_account;
    question.closed = revision.map_or(Closed::Open, Closed::By);
    for (key, values) in request.context {
        match values {
            Values::One(value) => question.context.push((key, vec![value])),
            Values::Some(values) => question.context.push((key, values)),
            Values::Unknown { unknown: true } => question.unknown.push(key),
            Values::Unknown { unknown: false } => {
                return Err(refuse(format!("`{key}` is a string, a list, or unknown")));
            }
        }
    }
    let outcome = Pdp::answer(snapshot, &question, time);
    let explained = explain.then(|| Pdp::explain(snapshot, &question, time));
    let explained = explained.and_then(Result::ok);
    let answer = Answer {
        id: &id,
        said: QuestionAnswer::of(&outcome),
        explain: explained.map(|all| all.iter().map(ToString::to_string).collect()),
    };
    serde_json::to_string(&answer).map_err(|fault| refuse(fault.to_string()))
}
