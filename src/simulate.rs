//! Offline decisions: cases that carry everything they need.
//!
//! Floor 4. A case is a closed world in JSON: a request and all the policies around it. The same
//! engine judges it that judges live requests; nothing here reads a bundle, a file or a clock.

mod answer;
mod case;

pub use answer::Answer;
pub use case::{Case, InvalidCase};

use crate::policy::json;

/// Judges one line of a cases file and gives back one line, without its end.
///
/// With `explain` the answer tells what every statement says. The flag that is given back tells
/// whether the case could be judged.
#[must_use]
pub fn judge_line(line: &str, explain: bool) -> (String, bool) {
    let node = match json::parse(line) {
        Ok(node) => node,
        Err(fault) => {
            let message = format!("column {}: {}", fault.mark.column, fault.message);
            // A reader that minds less may still find out which case it is.
            let case: Option<serde_json::Value> = serde_json::from_str(line).ok();
            let id = case.and_then(|mut case| Some(case.get_mut("id")?.take()));
            return (answer::refusal(id, &message), false);
        }
    };
    match Case::read(&node) {
        Ok(case) if explain => (case.judge().explained(case.explain()).to_line(), true),
        Ok(case) => (case.judge().to_line(), true),
        Err(InvalidCase { message }) => (answer::refusal(answer::id(&node), &message), false),
    }
}
