//! What a case is answered.

use crate::engine::Explanation;
use crate::model::{Decision, Grant, Layer, Reason, StatementRef};
use crate::policy::node::{Node, Value};
use serde::Serialize;
use serde_json::{Value as Json, json};

/// The answer to one case.
#[derive(Clone, Debug)]
pub struct Answer {
    id: Option<Json>,
    decision: Decision,
    statements: Vec<String>,
    explanation: Option<Json>,
}

impl Answer {
    /// The answer with what every statement says.
    #[must_use]
    pub fn explained(mut self, explanation: Option<Explanation>) -> Self {
        self.explanation = explanation.map(|explanation| explanation.to_json());
        self
    }

    /// Puts an answer together; `name` tells what a statement is called.
    pub(super) fn new(
        id: Option<&Node>,
        decision: Decision,
        name: impl Fn(&StatementRef) -> String,
    ) -> Self {
        let statements = match &decision {
            Decision::Allow(grant) => grant.statements.iter().map(&name).collect(),
            Decision::Deny(reasons) => {
                let explicit = reasons.iter().filter_map(|reason| match reason {
                    Reason::Explicit { statement, .. } => Some(name(statement)),
                    Reason::Implicit { .. } | Reason::Fault(_) => None,
                });
                explicit.collect()
            }
        };
        Self {
            id: id.map(to_json),
            decision,
            statements,
            explanation: None,
        }
    }

    /// The decision.
    #[must_use]
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// The answer as one line of JSON.
    #[must_use]
    pub fn to_line(&self) -> String {
        let line = match &self.decision {
            Decision::Allow(grant) => Line {
                id: &self.id,
                decision: "Allow",
                reason: "allowed",
                layer: Some(granting_layer(grant)),
                message: None,
                statements: &self.statements,
                layers: None,
                explain: self.explanation.as_ref(),
            },
            Decision::Deny(reasons) => Line {
                id: &self.id,
                decision: "Deny",
                reason: reasons.first().map_or("error", Reason::label),
                layer: reasons.first().and_then(Reason::layer).map(Layer::label),
                message: reasons.iter().find_map(|reason| match reason {
                    Reason::Fault(fault) => Some(fault.to_string()),
                    Reason::Explicit { .. } | Reason::Implicit { .. } => None,
                }),
                statements: &self.statements,
                layers: Some(layers_in_the_way(reasons)),
                explain: self.explanation.as_ref(),
            },
        };
        to_text(&line)
    }
}

/// An answer in the order in which its members are printed.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a Option<Json>,
    decision: &'static str,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    statements: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<&'a Json>,
}

#[derive(Serialize)]
struct Refusal<'a> {
    id: Option<Json>,
    error: &'a str,
}

fn to_text(line: &impl Serialize) -> String {
    // Strings, lists and nulls always serialise; were it not so, a line must stay a line.
    serde_json::to_string(line).unwrap_or_else(|_| "{\"error\":\"unprintable\"}".to_owned())
}

/// Every layer that denies or fails to allow, in the order of the reasons.
fn layers_in_the_way(reasons: &[Reason]) -> Vec<&'static str> {
    let mut layers = Vec::new();
    for label in reasons.iter().filter_map(Reason::layer).map(Layer::label) {
        if !layers.contains(&label) {
            layers.push(label);
        }
    }
    layers
}

/// The first layer that an allow rests on; the root user's right counts as identity.
pub(crate) fn granting_layer(grant: &Grant) -> &'static str {
    if grant.identity || grant.root || grant.none_needed {
        "identity"
    } else {
        "resource"
    }
}

/// The line for a case that cannot be judged.
pub(super) fn refusal(id: Option<Json>, message: &str) -> String {
    to_text(&Refusal { id, error: message })
}

/// The id of a case.
pub(super) fn id(node: &Node) -> Option<Json> {
    node.member("id").map(to_json)
}

fn to_json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Number(lexeme) => serde_json::from_str(lexeme).unwrap_or_else(|_| json!(lexeme)),
        Value::Text(text) => json!(text),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(members) => Json::Object(
            members
                .iter()
                .map(|member| (member.name.clone(), to_json(&member.value)))
                .collect(),
        ),
    }
}
