//! An explanation as people and programs read it.

use super::{Explanation, StatementReport};
use crate::engine::truth::Truth;
use crate::policy::Effect;
use serde_json::{Value, json};
use std::fmt::Write as _;

impl Explanation {
    /// One JSON object for each statement, in the order of the layers.
    #[must_use]
    pub fn to_json(&self) -> Value {
        self.statements
            .iter()
            .map(StatementReport::to_json)
            .collect()
    }

    /// The statements by layer and document, with what they said.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let mut before = None;
        for statement in &self.statements {
            let heading = (
                statement.reference.layer,
                &statement.level,
                &statement.document,
            );
            if before != Some(heading) {
                before = Some(heading);
                let level = statement.level.as_ref().map(|id| format!(" at {id}"));
                let _ = writeln!(
                    text,
                    "  {}{}: {}",
                    statement.reference.layer.in_words(),
                    level.unwrap_or_default(),
                    statement.document,
                );
            }
            statement.write_text(&mut text);
        }
        if self.statements.is_empty() {
            text.push_str("  no policy is attached to anybody or anything here\n");
        }
        text
    }
}

impl StatementReport {
    fn to_json(&self) -> Value {
        let test = |name: &str, result: Truth, value: Option<&str>| {
            let mut test = json!({"test": name, "result": result.label()});
            if let (Some(value), Some(members)) = (value, test.as_object_mut()) {
                members.insert("value".to_owned(), json!(value));
            }
            test
        };
        let elements: Vec<Value> = self
            .elements
            .iter()
            .map(|element| test(element.name, element.result, None))
            .collect();
        let conditions: Vec<Value> = self
            .conditions
            .iter()
            .map(|condition| test(&condition.test, condition.result, Some(&condition.value)))
            .collect();
        json!({
            "layer": self.reference.layer.label(),
            "level": self.level.as_deref(),
            "document": &*self.document,
            "index": self.reference.statement,
            "sid": self.sid.as_deref(),
            "effect": self.effect.label(),
            "result": self.result.label(),
            "applies": self.applies(),
            "elements": elements,
            "conditions": conditions,
            "place": self.place.to_string(),
        })
    }

    /// Whether the statement has its effect: an uncertain Allow has none, an uncertain Deny has
    /// (GEN-3).
    #[must_use]
    pub fn applies(&self) -> bool {
        match (self.effect, self.result) {
            (_, Truth::True) | (Effect::Deny, Truth::Undetermined) => true,
            (_, Truth::False) | (Effect::Allow, Truth::Undetermined) => false,
        }
    }

    fn write_text(&self, text: &mut String) {
        let sign = match (self.applies(), self.effect) {
            (true, Effect::Allow) => '+',
            (true, Effect::Deny) => '!',
            (false, _) => ' ',
        };
        let sid = self.sid.as_deref().map(|sid| format!(" {sid}"));
        let outcome = match (self.result, self.effect) {
            (Truth::True, Effect::Allow) => "allows".to_owned(),
            (Truth::True, Effect::Deny) => "denies".to_owned(),
            (Truth::Undetermined, Effect::Allow) => {
                "cannot be determined, so it does not allow".to_owned()
            }
            (Truth::Undetermined, Effect::Deny) => "cannot be determined, so it denies".to_owned(),
            (Truth::False, _) => format!("does not match: {}", self.failing().join(", ")),
        };
        let _ = writeln!(
            text,
            "  {sign} [{}]{} {}: {outcome}   ({})",
            self.reference.statement,
            sid.unwrap_or_default(),
            self.effect.label(),
            self.place,
        );
        // The cause is told where the statement is about the request but for its conditions.
        let is_near = self
            .elements
            .iter()
            .all(|element| element.result != Truth::False);
        let told = self
            .conditions
            .iter()
            .filter(|condition| is_near && condition.result != Truth::True);
        for condition in told {
            let verdict = match condition.result {
                Truth::False => "does not hold",
                _ => "cannot be determined",
            };
            let _ = writeln!(
                text,
                "        {} {verdict}: the request has {}",
                condition.test, condition.value
            );
        }
    }

    /// What keeps the statement from matching: its elements, or else its conditions.
    fn failing(&self) -> Vec<&str> {
        let elements: Vec<&str> = self
            .elements
            .iter()
            .filter(|element| element.result == Truth::False)
            .map(|element| element.name)
            .collect();
        if !elements.is_empty() {
            return elements;
        }
        self.conditions
            .iter()
            .filter(|condition| condition.result == Truth::False)
            .map(|condition| condition.test.as_str())
            .collect()
    }
}
