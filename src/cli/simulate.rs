//! `sidegate simulate`: decides offline.

mod answer;

use crate::cli::report::{human, summary};
use crate::cli::validate::texts;
use crate::cli::{Exit, complain, print, say};
use crate::clock::{Clock, SystemClock};
use crate::loader::reload::compile;
use crate::loader::source::{Limits, read_once};
use crate::model::Timestamp;
use crate::pdp::{Asker, Pdp, Question, Verdict};
use crate::simulate::judge_line;
use crate::snapshot::Snapshot;
use answer::QuestionAnswer;
use clap::Args;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

/// The longest line of a file of cases, in bytes.
const MAX_LINE: u64 = 16 << 20;

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["cases", "bundle"])))]
pub(super) struct Simulate {
    /// Judge the cases of a file, one JSON object a line; `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["principal", "action", "resource", "resource_account", "context", "time"])]
    cases: Option<PathBuf>,
    /// Judge one question by the bundle in this directory
    #[arg(long, value_name = "DIR", requires = "action")]
    bundle: Option<PathBuf>,
    /// Who asks: an ARN, or the name of a service; anonymous when it is left out
    #[arg(long, value_name = "ARN")]
    principal: Option<String>,
    /// What is to be done, such as `orders:GetOrder`
    #[arg(long, value_name = "PREFIX:NAME")]
    action: Option<String>,
    /// To what; `*` for an action that has no resource
    #[arg(long, value_name = "ARN", default_value = "*")]
    resource: String,
    /// The account that owns the resource, where its ARN does not say
    #[arg(long, value_name = "ID")]
    resource_account: Option<String>,
    /// A condition key and its value; give it again for more keys or more values of one key
    #[arg(long, value_name = "KEY=VALUE")]
    context: Vec<String>,
    /// The time of the request, such as `2030-01-31T12:00:00Z`; now when it is left out
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// Tell what every statement of every layer says, and why; cases get it as `explain` in JSON
    #[arg(long)]
    explain: bool,
}

impl Simulate {
    pub(super) fn run(self) -> Exit {
        let ended = match (&self.cases, &self.bundle) {
            (Some(cases), _) => judge_cases(cases, self.explain),
            (None, Some(bundle)) => self.judge_question(bundle),
            (None, None) => return Exit::Usage,
        };
        ended.unwrap_or_else(|exit| exit)
    }

    fn judge_question(&self, bundle: &Path) -> Result<Exit, Exit> {
        let question = self.question()?;
        let now = match &self.time {
            None => SystemClock.now(),
            Some(text) => {
                let time = Timestamp::parse(text).map_err(|fault| {
                    say(format!("error: `--time {text}`: {fault}"));
                    Exit::Usage
                })?;
                Timestamp::from_seconds(time.seconds())
            }
        };
        let snapshot = load(bundle, now)?;
        let outcome = Pdp::answer(&snapshot, &question, now);
        let line = QuestionAnswer::of(&outcome).to_line();
        print(format!("{line}\n")).map_err(|error| failed(&error))?;
        if self.explain {
            match Pdp::explain(&snapshot, &question, now) {
                Ok(explained) => {
                    let text: String = explained.iter().map(ToString::to_string).collect();
                    print(format!("\n{text}")).map_err(|error| failed(&error))?;
                }
                Err(refusal) => say(refusal.message()),
            }
        }
        Ok(match outcome.verdict {
            Verdict::Allow(_) => Exit::Done,
            Verdict::Refuse(_) => Exit::Denied,
        })
    }

    fn question(&self) -> Result<Question, Exit> {
        let mut context: Vec<(String, Vec<String>)> = Vec::new();
        for pair in &self.context {
            let Some((key, value)) = pair.split_once('=') else {
                say(format!("error: `--context {pair}`: write `KEY=VALUE`"));
                return Err(Exit::Usage);
            };
            match context.iter_mut().find(|(known, _)| known == key) {
                Some((_, values)) => values.push(value.to_owned()),
                None => context.push((key.to_owned(), vec![value.to_owned()])),
            }
        }
        let asker = self
            .principal
            .clone()
            .map_or(Asker::Anonymous, Asker::Named);
        let action = self.action.as_deref().unwrap_or_default();
        let mut question = Question::of(asker, action, &self.resource);
        question
            .pair
            .resource_account
            .clone_from(&self.resource_account);
        question.context = context;
        Ok(question)
    }
}

fn failed(error: &dyn std::error::Error) -> Exit {
    complain(error);
    Exit::Failed
}

/// The snapshot of a bundle; what is wrong with it goes to stderr.
fn load(directory: &Path, now: Timestamp) -> Result<Snapshot, Exit> {
    let files = read_once(directory, &Limits::default()).map_err(|error| failed(&error))?;
    match compile(&files, "", now) {
        Ok(loaded) => Ok(loaded.snapshot),
        Err(findings) => {
            let colours = io::stderr().is_terminal();
            say(human(&findings, &texts(&files), colours));
            say(format!("the bundle is refused: {}", summary(&findings)));
            Err(Exit::Refused)
        }
    }
}

fn judge_cases(path: &Path, explain: bool) -> Result<Exit, Exit> {
    let reader: Box<dyn BufRead> = if path.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        #[expect(clippy::disallowed_methods, reason = "the file of cases is read here")]
        let file = std::fs::File::open(path).map_err(|error| {
            say(format!("error: cannot read `{}`: {error}", path.display()));
            Exit::Failed
        })?;
        Box::new(BufReader::with_capacity(1 << 16, file))
    };
    let mut writer = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    match stream(reader, &mut writer, explain) {
        Ok(true) => Ok(Exit::Done),
        Ok(false) => Ok(Exit::Failed),
        Err(error) => Err(failed(&error)),
    }
}

/// Judges line after line; false when one of them could not be judged.
fn stream(mut reader: impl BufRead, writer: &mut impl Write, explain: bool) -> io::Result<bool> {
    let mut all = true;
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = io::Read::take(&mut reader, MAX_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            writer.flush()?;
            return Ok(all);
        }
        if line.len() as u64 == MAX_LINE && line.last() != Some(&b'\n') {
            let message = format!("a line has more than {MAX_LINE} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let Ok(text) = std::str::from_utf8(&line) else {
            all = false;
            writeln!(writer, "{{\"id\":null,\"error\":\"not UTF-8 text\"}}")?;
            continue;
        };
        let text = text.trim_matches(['\n', '\r', ' ', '\t']);
        if text.is_empty() {
            continue;
        }
        let (answer, judged) = judge_line(text, explain);
        all &= judged;
        writeln!(writer, "{answer}")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_cannot_be_judged_is_answered_in_its_place() {
        let good = r#"{"id":1,"request":{"principal":"arn:aws:iam::210000000001:user/ana","action":"a:B","resource":"*"}}"#;
        let input = format!("{good}\n\n{{\"id\":\"x\"}}\nnonsense\n{good}");
        let mut bytes = input.into_bytes();
        bytes.extend(b"\n\xff\n");
        let mut out = Vec::new();
        let all = stream(io::Cursor::new(bytes), &mut out, false).unwrap();
        assert!(!all);
        let lines: Vec<serde_json::Value> = String::from_utf8(out)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[0]["decision"], "Deny");
        assert_eq!(lines[1]["id"], "x");
        for faulty in [1, 2, 4] {
            assert!(lines[faulty]["error"].is_string(), "{faulty}");
        }
        assert_eq!(lines[0], lines[3]);
    }
}
