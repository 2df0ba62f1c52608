//! What a question against a bundle is answered, in the form in which cases are answered.

use crate::model::Layer;
use crate::pdp::{Outcome, Refusal, Verdict};
use serde::Serialize;

/// The answer to one question.
#[derive(Debug, Serialize)]
pub(crate) struct QuestionAnswer<'o> {
    decision: &'static str,
    reason: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    layer: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'o str,
    statements: &'o [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<Vec<&'static str>>,
}

impl<'o> QuestionAnswer<'o> {
    /// The answer that an outcome gives.
    #[must_use]
    pub(crate) fn of(outcome: &'o Outcome) -> Self {
        match &outcome.verdict {
            Verdict::Allow(permit) => Self {
                decision: "Allow",
                reason: "allowed",
                layer: permit.layer(),
                message: "",
                statements: permit.statements(),
                layers: None,
            },
            Verdict::Refuse(refusal) => Self {
                decision: "Deny",
                reason: refusal.reason(),
                layer: refusal.layer_label(),
                message: refusal.message(),
                statements: refusal.statements(),
                layers: match refusal {
                    Refusal::Denied { layers, .. } => {
                        Some(layers.iter().copied().map(Layer::label).collect())
                    }
                    _ => None,
                },
            },
        }
    }

    /// The answer as one line of JSON.
    #[must_use]
    pub(crate) fn to_line(&self) -> String {
        // Strings and lists always serialise; were it not so, a line must stay a line.
        serde_json::to_string(self).unwrap_or_else(|_| "{\"error\":\"unprintable\"}".to_owned())
    }
}
