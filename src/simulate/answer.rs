//! What a case is answered.

use crate::model::{Decision, Grant, Reason, StatementRef};
use crate::policy::node::{Node, Value};
use serde_json::{Map, Value as Json, json};

/// The answer to one case.
#[derive(Clone, Debug)]
pub struct Answer {
    id: Option<Json>,
    decision: Decision,
    statements: Vec<String>,
}

impl Answer {
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
        let mut answer = Map::new();
        answer.insert("id".to_owned(), self.id.clone().unwrap_or(Json::Null));
        let mut put = |name: &str, value: Json| answer.insert(name.to_owned(), value);
        match &self.decision {
            Decision::Allow(grant) => {
                put("decision", json!("Allow"));
                put("reason", json!("allowed"));
                put("layer", json!(granting_layer(grant)));
                put("statements", json!(self.statements));
            }
            Decision::Deny(reasons) => {
                put("decision", json!("Deny"));
                put(
                    "reason",
                    json!(reasons.first().map_or("error", Reason::label)),
                );
                if let Some(layer) = reasons.first().and_then(Reason::layer) {
                    put("layer", json!(layer.label()));
                }
                if let Some(Reason::Fault(fault)) = reasons.first() {
                    put("message", json!(fault.to_string()));
                }
                put("statements", json!(self.statements));
                let mut layers: Vec<&str> = Vec::new();
                for layer in reasons
                    .iter()
                    .filter_map(Reason::layer)
                    .map(crate::model::Layer::label)
                {
                    if !layers.contains(&layer) {
                        layers.push(layer);
                    }
                }
                put("layers", json!(layers));
            }
        }
        Json::Object(answer).to_string()
    }
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
pub(super) fn refusal(id: Option<&Node>, message: &str) -> String {
    let mut line = Map::new();
    line.insert("id".to_owned(), id.map_or(Json::Null, to_json));
    line.insert("error".to_owned(), json!(message));
    Json::Object(line).to_string()
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
