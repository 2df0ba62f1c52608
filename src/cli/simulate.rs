//! `sidegate simulate`: decides offline.

mod answer;
mod of_bundle;

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
use std::io::{self, BufRead as _, BufReader, BufWriter, IsTerminal as _, Read, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};

/// The longest line of a file of cases, in bytes.
const MAX_LINE: u64 = 16 << 20;
/// How much of a file of cases is read ahead, in bytes: enough to keep every processor busy.
const READ_AHEAD: usize = 1 << 20;

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["cases", "bundle"])))]
pub(super) struct Simulate {
    /// Judge the cases of a file, one JSON object a line; `-` is stdin
    #[arg(long, value_name = "FILE", group = "asked", conflicts_with_all = ["principal", "action", "resource", "resource_account", "context", "time"])]
    cases: Option<PathBuf>,
    /// Judge by the bundle in this directory: one question, or those of cases, whose own policies are
    /// then not read
    #[arg(long, value_name = "DIR", requires = "asked")]
    bundle: Option<PathBuf>,
    /// Who asks: an ARN, or the name of a service; anonymous when it is left out
    #[arg(long, value_name = "ARN")]
    principal: Option<String>,
    /// What is to be done, such as `orders:GetOrder`
    #[arg(long, value_name = "PREFIX:NAME", group = "asked")]
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
            (Some(cases), bundle) => judge_cases(cases, bundle.as_deref(), self.explain),
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
pub(super) fn load(directory: &Path, now: Timestamp) -> Result<Snapshot, Exit> {
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

fn judge_cases(path: &Path, bundle: Option<&Path>, explain: bool) -> Result<Exit, Exit> {
    let judge: &Judge = &match bundle {
        None => Box::new(move |line: &str| judge_line(line, explain)) as Box<Judge>,
        Some(directory) => {
            let snapshot = load(directory, SystemClock.now())?;
            Box::new(move |line: &str| of_bundle::judge(&snapshot, line, explain))
        }
    };
    let source: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        #[expect(clippy::disallowed_methods, reason = "the file of cases is read here")]
        let file = std::fs::File::open(path).map_err(|error| {
            say(format!("error: cannot read `{}`: {error}", path.display()));
            Exit::Failed
        })?;
        Box::new(file)
    };
    let mut cases = Cases::read(source);
    let mut writer = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    match judge_all(&mut cases, &mut writer, judge, workers) {
        Ok(true) => Ok(Exit::Done),
        Ok(false) => Ok(Exit::Failed),
        Err(error) => Err(failed(&error)),
    }
}

/// Judges all cases, a batch at a time; false when one of them could not be judged. The answers come
/// in the order of the cases, as soon as there is nothing more to read at once.
fn judge_all(
    cases: &mut Cases<impl Read>,
    writer: &mut impl Write,
    of_line: &Judge,
    workers: usize,
) -> io::Result<bool> {
    let mut all = true;
    loop {
        let batch = cases.batch()?;
        if batch.is_empty() {
            return Ok(all);
        }
        let share = batch.len().div_ceil(workers);
        let judge = |cases: &[Vec<u8>]| cases.iter().map(|case| judge(case, of_line)).collect();
        let answers: Vec<Vec<(String, bool)>> = std::thread::scope(|scope| {
            let mut shares = batch.chunks(share);
            let first = shares.next();
            let others: Vec<_> = shares
                .map(|share| scope.spawn(move || judge(share)))
                .collect();
            // One share is judged here; a few cases need no thread at all.
            let first = first.map(judge).into_iter();
            let others = others.into_iter().map(|other| match other.join() {
                Ok(answers) => answers,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            first.chain(others).collect()
        });
        for (answer, judged) in answers.iter().flatten() {
            all &= judged;
            writeln!(writer, "{answer}")?;
        }
        writer.flush()?;
    }
}

/// Gives the answer to one line, and whether it could be judged.
type Judge = dyn Fn(&str) -> (String, bool) + Sync;

fn judge(line: &[u8], of_line: &Judge) -> (String, bool) {
    match std::str::from_utf8(line) {
        Ok(text) => of_line(text),
        Err(_) => (
            "{\"id\":null,\"error\":\"not UTF-8 text\"}".to_owned(),
            false,
        ),
    }
}

/// The lines of a file of cases.
struct Cases<R> {
    reader: BufReader<R>,
}

impl<R: Read> Cases<R> {
    fn read(source: R) -> Self {
        Self {
            reader: BufReader::with_capacity(READ_AHEAD, source),
        }
    }

    /// The next cases, as many as can be read without waiting; none at the end. Blank lines are no
    /// cases.
    fn batch(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.is_empty() || (bytes < READ_AHEAD && self.reader.buffer().contains(&b'\n')) {
            let mut line = Vec::new();
            let read = (&mut self.reader)
                .take(MAX_LINE)
                .read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            if read as u64 == MAX_LINE && line.last() != Some(&b'\n') {
                let message = format!("a line has more than {MAX_LINE} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            let line = line.trim_ascii();
            if !line.is_empty() {
                bytes += line.len();
                batch.push(line.to_vec());
            }
        }
        Ok(batch)
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
        let mut answers = Vec::new();
        for workers in [1, 2, 3, 64] {
            let mut cases = Cases::read(io::Cursor::new(&bytes));
            let mut out = Vec::new();
            let all = judge_all(
                &mut cases,
                &mut out,
                &|line| judge_line(line, false),
                workers,
            )
            .unwrap();
            assert!(!all);
            answers.push(out);
        }
        let out = answers.pop().unwrap();
        assert!(answers.iter().all(|other| *other == out));
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

    /// Gives one line at a read, and tells how many were read.
    struct OneByOne<'a> {
        lines: std::str::SplitInclusive<'a, char>,
        given: &'a std::cell::Cell<usize>,
    }

    impl Read for OneByOne<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let line = self.lines.next().unwrap_or_default().as_bytes();
            self.given
                .set(self.given.get() + usize::from(!line.is_empty()));
            (&mut *buffer).write(line)
        }
    }

    /// Notes how many lines had been read at each flush.
    struct Flushes<'a> {
        given: &'a std::cell::Cell<usize>,
        seen: Vec<usize>,
    }

    impl Write for Flushes<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.seen.push(self.given.get());
            Ok(())
        }
    }

    #[test]
    fn who_asks_one_by_one_is_answered_one_by_one() {
        let given = std::cell::Cell::new(0);
        let lines = "{}\n{}\n{}\n";
        let mut cases = Cases::read(OneByOne {
            lines: lines.split_inclusive('\n'),
            given: &given,
        });
        let mut writer = Flushes {
            given: &given,
            seen: Vec::new(),
        };
        judge_all(&mut cases, &mut writer, &|line| judge_line(line, false), 2).unwrap();
        assert_eq!(writer.seen, [1, 2, 3]);
    }
}
