//! What grows with the number of statements, and what does not: a decision, the memory, compiling,
//! and compiling again when one document has changed.
//!
//! All statements are on one user, so that nothing but the index keeps decisions quick. Run it as
//! `cargo bench --bench growth`, with `-- 1000000` for a series up to a million statements, and
//! with `--json` for a JSON object a row.

mod generated;

use allocation_counter::measure;
use sidegate::authn::NoRemotes;
use sidegate::clock::Stopwatch;
use sidegate::engine::{Layers, judge};
use sidegate::loader::source::{File, Files};
use sidegate::model::{
    Action, Context, Credential, Delegation, Principal, Request, Resource, ResourceName, Timestamp,
};
use sidegate::policy::Bundle;
use sidegate::snapshot::{Before, Origin, Revision, Snapshot, Surroundings};
use std::hint::black_box;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_seconds(1_893_456_000);
const USER: &str = "arn:aws:iam::210000000001:user/ana";

fn compiled(bundle: &Bundle, before: Option<Before<'_>>) -> Snapshot {
    let surroundings = Surroundings {
        remotes: &NoRemotes,
        secrets: None,
        before,
        budget: usize::MAX,
    };
    let origin = Origin {
        revision: Revision::new("bench"),
        source: "bench".into(),
        bytes: 0,
        at: NOW,
    };
    let compiled = Snapshot::compile(bundle, surroundings, Vec::new(), origin);
    compiled.expect("a good bundle").0
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let stopwatch = Stopwatch::start();
    let done = work();
    (done, stopwatch.elapsed())
}

/// The median time of a decision over all questions, in nanoseconds.
fn decide(snapshot: &Snapshot, questions: &[(String, String)]) -> f64 {
    let principal = Principal::of_arn(USER, None).expect("an ARN");
    let mut context = Context::new();
    context.set("aws:SourceIp", "192.0.2.7");
    context.set("aws:PrincipalTag/team", "red");
    let asked: Vec<(Action, Resource)> = questions
        .iter()
        .map(|(action, resource)| {
            let resource = Resource {
                name: ResourceName::parse(resource).expect("an ARN"),
                owner: principal.account(),
                delegation: Delegation::Default,
            };
            (Action::parse(action).expect("an action"), resource)
        })
        .collect();
    let mut rounds = Vec::new();
    let stopwatch = Stopwatch::start();
    while stopwatch.elapsed() < Duration::from_secs(1) || rounds.len() < 5 {
        let ((), took) = timed(|| {
            for (action, resource) in &asked {
                let user = snapshot.policies.user(USER).expect("known");
                let layers = Layers {
                    identity: Some(&user.identity),
                    ..Layers::default()
                };
                let request = Request {
                    principal: &principal,
                    credential: Credential::Ordinary,
                    forwarded: false,
                    action,
                    resource,
                    context: &context,
                };
                black_box(judge(&layers, black_box(&request)));
            }
        });
        rounds.push(took.as_secs_f64() * 1e9 / f64::from(u32::try_from(asked.len()).expect("few")));
    }
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

fn changed(files: &Files) -> Files {
    let statement = r#"{"Effect":"Allow","Action":"orders:GetItem","Resource":"*"}"#;
    let entries = files.entries.iter().map(|file| File {
        path: file.path.clone(),
        bytes: if file.path == "p0.json" {
            generated::policy(0, statement).into_bytes()
        } else {
            file.bytes.clone()
        },
    });
    Files::new(entries.collect())
}

fn row(statements: usize, json: bool) {
    let (files, questions) = generated::large(statements, 42);
    let (bundle, read) = timed(|| Bundle::parse(&files.parts()).expect("a good bundle").0);
    let mut snapshot = None;
    let (memory, compile) = timed(|| measure(|| snapshot = Some(compiled(&bundle, None))));
    let snapshot = snapshot.expect("compiled");
    let decision = decide(&snapshot, &questions);
    let after = changed(&files);
    let bundle = Bundle::parse(&after.parts()).expect("a good bundle").0;
    let before = Before {
        snapshot: &snapshot,
        is_same_file: &|path| path != "p0.json",
    };
    let (again, recompile) = timed(|| compiled(&bundle, Some(before)));
    assert_eq!(again.policies.statements(), statements - 100 + 1);
    let bytes = u64::try_from(memory.bytes_current).expect("more is kept than freed");
    let each = bytes / u64::try_from(statements).expect("a count");
    let ms = |took: Duration| took.as_secs_f64() * 1e3;
    if json {
        println!(
            r#"{{"statements":{statements},"decision_ns":{decision:.0},"read_ms":{:.1},"compile_ms":{:.1},"recompile_ms":{:.2},"bytes_a_statement":{each}}}"#,
            ms(read),
            ms(compile),
            ms(recompile)
        );
    } else {
        println!(
            "| {statements} | {decision:.0} ns | {:.1} ms | {:.1} ms | {:.2} ms | {each} B |",
            ms(read),
            ms(compile),
            ms(recompile)
        );
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let limit = arguments.iter().find_map(|argument| argument.parse().ok());
    if !json {
        println!(
            "| statements | a decision | read and check | compile | one document changed: compile | memory a statement |"
        );
        println!("|---|---|---|---|---|---|");
    }
    let mut statements = 100;
    while statements <= limit.unwrap_or(100_000) {
        row(statements, json);
        statements *= 10;
    }
}
