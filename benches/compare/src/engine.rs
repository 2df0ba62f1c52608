//! Decisions of the engine, beside those of other engines.

use crate::bundle;
use crate::report::{Table, median};
use crate::workload::{Request as Asked, Workload};
use sidegate::engine::{Layers, View, judge};
use sidegate::loader::reload::compile;
use sidegate::loader::source::Files;
use sidegate::model::{
    Action, Context, Credential, Decision, Delegation, Principal, Request, Resource, ResourceName,
    Timestamp,
};
use sidegate::snapshot::Snapshot;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

type Fault = Box<dyn std::error::Error>;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The directory of the workloads
    #[arg(long, default_value = "../../../shared/data/workloads")]
    workloads: PathBuf,
    /// Only these workloads
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

const ALL: [&str; 8] = ["w1", "w2", "w3", "w4a", "w4b-1k", "w4b-10k", "w4b", "w5"];

pub(crate) fn run(arguments: &Arguments) -> Result<(), Fault> {
    let mut table = Table::new(&[
        "workload",
        "statements",
        "engine",
        "a decision",
        "times as long",
        "answers alike",
        "load",
    ]);
    for name in ALL {
        if arguments.only.is_empty() || arguments.only.iter().any(|only| only == name) {
            let path = arguments.workloads.join(format!("{name}.json.gz"));
            compare(&Workload::read(&path)?, &mut table)?;
        }
    }
    table.print(arguments.json);
    Ok(())
}

/// Adds the rows of one workload.
fn compare(workload: &Workload, table: &mut Table) -> Result<(), Fault> {
    let files = bundle::files(workload);
    let started = Instant::now();
    let snapshot = snapshot(&files)?;
    let load = started.elapsed();
    let questions: Vec<Question> = workload.requests.iter().map(Question::read).collect();
    let answers: Vec<bool> = questions
        .iter()
        .map(|question| {
            let decision = question.decide(&snapshot);
            // The same with every statement read: an index must change nothing.
            assert_eq!(decision, question.scan(&snapshot), "{question:?}");
            decision.is_allow()
        })
        .collect();
    let all: Vec<usize> = (0..questions.len()).collect();
    let own = measure(&all, |number| {
        questions[number].decide(&snapshot).is_allow()
    });
    let mut row = |engine: &str, nanoseconds: f64, alike: String, load: Duration| {
        table.row(&[
            workload.name.clone(),
            workload.statements().to_string(),
            engine.to_owned(),
            in_words(nanoseconds),
            format!("{:.1}", nanoseconds / own),
            alike,
            format!("{:.1} ms", load.as_secs_f64() * 1e3),
        ]);
    };
    row("sidegate", own, format!("{}/{0}", all.len()), load);
    let of_texts = measure(&all, |number| {
        let question = Question::read(&workload.requests[number]);
        question.decide(&snapshot).is_allow()
    });
    row(
        "sidegate, request read from texts",
        of_texts,
        "–".to_owned(),
        load,
    );
    #[cfg(feature = "engines")]
    for (name, load) in crate::engines::ENGINES {
        let started = Instant::now();
        let mut engine = match load(workload) {
            Ok(engine) => engine,
            Err(reason) => {
                eprintln!("{}: {name} is left out: {reason}", workload.name);
                continue;
            }
        };
        let load = started.elapsed();
        for request in &workload.requests {
            engine.prepare(request);
        }
        // The slow ones are asked a part of the questions.
        let trial = Instant::now();
        black_box(engine.decide(0));
        let step = if trial.elapsed() > Duration::from_millis(2) {
            40
        } else {
            1
        };
        let asked: Vec<usize> = all.iter().copied().step_by(step).collect();
        let alike = asked
            .iter()
            .filter(|number| engine.decide(**number) == answers[**number])
            .count();
        let nanoseconds = measure(&asked, |number| engine.decide(number));
        row(name, nanoseconds, format!("{alike}/{}", asked.len()), load);
    }
    Ok(())
}

fn in_words(nanoseconds: f64) -> String {
    match nanoseconds {
        n if n < 1e3 => format!("{n:.0} ns"),
        n if n < 1e6 => format!("{:.2} µs", n / 1e3),
        n => format!("{:.2} ms", n / 1e6),
    }
}

fn snapshot(files: &Files) -> Result<Snapshot, Fault> {
    compile(files, "bench", Timestamp::from_seconds(1_900_000_000))
        .map(|loaded| loaded.snapshot)
        .map_err(|findings| format!("{:?}", findings.first()).into())
}

/// The median of rounds over all questions, in nanoseconds a question.
fn measure(numbers: &[usize], mut decide: impl FnMut(usize) -> bool) -> f64 {
    let mut rounds = Vec::new();
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(600) || rounds.len() < 5 {
        let round = Instant::now();
        for number in numbers {
            black_box(decide(black_box(*number)));
        }
        rounds.push(round.elapsed().as_secs_f64() * 1e9 / numbers.len() as f64);
    }
    median(&rounds)
}

/// A question in the form of the engine.
#[derive(Debug)]
struct Question {
    subject: String,
    principal: Principal,
    action: Action,
    resource: Resource,
    context: Context,
}

impl Question {
    fn read(asked: &Asked) -> Self {
        let role = asked.principal.contains(":role/");
        let session =
            asked
                .principal
                .replacen(":iam:", ":sts:", 1)
                .replacen(":role/", ":assumed-role/", 1)
                + "/bench";
        let text = if role { &session } else { &asked.principal };
        let principal = Principal::of_arn(text, None).expect("an ARN of a caller");
        let name = ResourceName::parse(&asked.resource).expect("an ARN");
        let mut context = Context::new();
        for (key, values) in &asked.context {
            context.set_all(key, values.iter().map(|value| value.as_str().into()));
        }
        let action = Action::parse(&asked.action).expect("an action");
        Self {
            subject: asked.principal.clone(),
            resource: Resource {
                owner: principal.account(),
                delegation: Delegation::Default,
                name,
            },
            principal,
            action,
            context,
        }
    }

    fn request(&self) -> Request<'_> {
        Request {
            principal: &self.principal,
            credential: Credential::Ordinary,
            forwarded: false,
            action: &self.action,
            resource: &self.resource,
            context: &self.context,
        }
    }

    fn decide(&self, snapshot: &Snapshot) -> Decision {
        let subject = snapshot.policies.identity(&self.subject).expect("known");
        let layers = Layers {
            identity: Some(&subject.identity),
            ..Layers::default()
        };
        judge(&layers, &self.request())
    }

    fn scan(&self, snapshot: &Snapshot) -> Decision {
        let subject = snapshot.policies.identity(&self.subject).expect("known");
        let view = View::scanning(subject.identity.documents().iter().cloned());
        let layers = Layers {
            identity: Some(&view),
            ..Layers::default()
        };
        judge(&layers, &self.request())
    }
}
