//! `sidegate explain`: why one request was decided as it was.

use crate::cli::replay::{Records, question};
use crate::cli::simulate::load;
use crate::cli::{Exit, complain, print, say};
use crate::pdp::Pdp;
use crate::telemetry::decision_log::Record;
use clap::Args;
use std::fmt::Write as _;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The decision log; `-` is stdin
    #[arg(long, value_name = "FILE")]
    log: PathBuf,
    /// The id of the decision, as the answer and the log have it
    #[arg(long, value_name = "ID")]
    id: String,
    /// The bundle that decided
    #[arg(long, value_name = "DIR")]
    bundle: PathBuf,
}

impl Explain {
    pub(super) fn run(self) -> Exit {
        self.explain().unwrap_or_else(|exit| exit)
    }

    fn explain(&self) -> Result<Exit, Exit> {
        let mut records = Records::open(&self.log)?;
        let record = loop {
            match records.next()? {
                Some(record) if record.id == self.id => break record,
                Some(_) => {}
                None => {
                    say(format!(
                        "error: `{}` has no decision `{}`",
                        self.log.display(),
                        self.id
                    ));
                    return Err(Exit::Failed);
                }
            }
        };
        let told = tell(&record);
        print(&told).map_err(|error| failed(&error))?;
        let (question, time) = match question(&record) {
            Ok(asked) => asked,
            Err(reason) => {
                say(format!("it is not decided again: {reason}"));
                return Ok(Exit::Done);
            }
        };
        let snapshot = load(&self.bundle, time)?;
        let now = snapshot.revision.as_str();
        if record.revision.as_deref().is_some_and(|then| then != now) {
            say(format!(
                "note: the bundle is {now}, and another one decided: what follows holds for this one, to which keys that the log does not hold are unknown"
            ));
        }
        let redacted = record.redacted.iter().filter(|name| name.contains(':'));
        let redacted: Vec<&str> = redacted.map(String::as_str).collect();
        if !redacted.is_empty() {
            say(format!(
                "note: the log leaves out {}: below they are unknown",
                redacted.join(", ")
            ));
        }
        let text = match Pdp::explain(&snapshot, &question, time) {
            Ok(explained) => explained.iter().map(ToString::to_string).collect(),
            Err(refusal) => format!("{}\n", refusal.message()),
        };
        print(format!("\n{}", plain(&text, '\n'))).map_err(|error| failed(&error))?;
        Ok(Exit::Done)
    }
}

fn failed(error: &dyn std::error::Error) -> Exit {
    complain(error);
    Exit::Failed
}

/// A text that a terminal shows and does not obey: callers have written parts of it.
fn plain(text: &str, kept: char) -> String {
    let shown = |c: char| {
        if c.is_control() && c != kept {
            '\u{fffd}'
        } else {
            c
        }
    };
    text.chars().map(shown).collect()
}

/// What the record says, for people.
fn tell(record: &Record) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{name:<15}{}", plain(value, ' '));
        }
    };
    let decision = match record.reason.as_str() {
        "allowed" => "allow".to_owned(),
        reason => format!("{}: {reason}", record.outcome),
    };
    line("decision", Some(&decision));
    line("because", record.message.as_deref());
    line("cause", record.cause.as_deref());
    line("rule", record.rule.as_deref());
    line("layer", record.layer.as_deref());
    line("statements", Some(&record.statements.join(", ")));
    line("time", Some(&record.time));
    let call = [&record.method, &record.host, &record.path];
    let call: Vec<&str> = call.into_iter().flatten().map(String::as_str).collect();
    line("call", Some(&call.join(" ")));
    line("principal", record.principal.as_deref());
    line("authenticated", record.authentication.as_deref());
    line("access key", record.access_key.as_deref());
    line("source identity", record.source_identity.as_deref());
    line("action", record.action.as_deref());
    line("resources", Some(&record.resources.join(", ")));
    line("left out", Some(&record.redacted.join(", ")));
    line("request", record.request_id.as_deref());
    line("trace", record.trace_id.as_deref());
    line("revision", record.revision.as_deref());
    line("took", Some(&format!("{} µs", record.latency_us)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_wrote_is_shown_and_not_obeyed() {
        let record = Record {
            reason: "unmapped".to_owned(),
            path: Some("/a\u{1b}[2J\nallow".to_owned()),
            ..Record::default()
        };
        let text = tell(&record);
        assert!(text.contains("/a\u{fffd}[2J\u{fffd}allow\n"), "{text}");
        assert_eq!(plain("a\n\u{7}b", '\n'), "a\n\u{fffd}b");
    }
}
