//! Decisions of the engine, beside those of other engines.

use crate::workload::{Request as Asked, Workload};
use sidegate::engine::{Layers, View, judge};
use sidegate::loader::reload::compile;
use sidegate::loader::source::{File, Files};
use sidegate::model::{
    Action, Context, Credential, Decision, Delegation, Principal, Request, Resource, ResourceName,
    Timestamp,
};
use sidegate::snapshot::Snapshot;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The directory of the workloads
    #[arg(long, default_value = "../../../shared/data/workloads")]
    workloads: PathBuf,
    /// Only these workloads
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

const ALL: [&str; 8] = ["w1", "w2", "w3", "w4a", "w4b-1k", "w4b-10k", "w4b", "w5"];

pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    for name in ALL {
        if !arguments.only.is_empty() && !arguments.only.iter().any(|only| only == name) {
            continue;
        }
        let workload = Workload::read(&arguments.workloads.join(format!("{name}.json.gz")))?;
        let started = Instant::now();
        let files = bundle(&workload);
        let made = started.elapsed();
        let started = Instant::now();
        let loaded = compile(&files, "bench", Timestamp::from_seconds(1_900_000_000))
            .map_err(|findings| format!("{:?}", findings.first()))?;
        let compiled = started.elapsed();
        let snapshot = loaded.snapshot;
        let questions: Vec<Question> = workload.requests.iter().map(Question::read).collect();
        let mut allowed = 0;
        let mut denied = 0;
        for question in &questions {
            let by_index = question.decide(&snapshot);
            let scanned = question.scan(&snapshot);
            assert_eq!(by_index, scanned, "{question:?}");
            match &by_index {
                Decision::Allow(_) => allowed += 1,
                Decision::Deny(reasons) if reasons[0].label() == "explicit_deny" => denied += 1,
                Decision::Deny(reasons) if reasons[0].label() == "error" => println!("{question:?} {reasons:?}"),
                Decision::Deny(_) => {}
            }
        }
        let ns = measure(&questions, |question| question.decide(&snapshot).is_allow());
        let of_strings = measure(&workload.requests, |request| {
            Question::read(request).decide(&snapshot).is_allow()
        });
        println!(
            "{name}: {} statements, {allowed}/{denied}/{} {ns:.0} ns, from strings {of_strings:.0} ns, compile {compiled:?} (bundle {made:?}), {} B/statement by own count",
            workload.statements(),
            questions.len() - allowed - denied,
            snapshot.policies.bytes() / workload.statements(),
        );
    }
    Ok(())
}

/// The median of rounds over all questions, in nanoseconds a question.
fn measure<T>(questions: &[T], mut decide: impl FnMut(&T) -> bool) -> f64 {
    let mut rounds = Vec::new();
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(600) || rounds.len() < 5 {
        let round = Instant::now();
        for question in questions {
            black_box(decide(black_box(question)));
        }
        rounds.push(round.elapsed().as_secs_f64() * 1e9 / questions.len() as f64);
    }
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

/// The workload as the files of a bundle.
fn bundle(workload: &Workload) -> Files {
    let mut files = Vec::new();
    let document = |kind: &str, name: &str, spec: serde_json::Value| {
        serde_json::json!({
            "apiVersion": "sidegate.dev/v1alpha1", "kind": kind,
            "metadata": {"name": name}, "spec": spec,
        })
        .to_string()
    };
    let account = "111122223333";
    files.push(File {
        path: "account.json".into(),
        bytes: document("IamAccount", "bench", serde_json::json!({"id": account})).into(),
    });
    for (name, policy) in &workload.policies {
        let spec = serde_json::json!({"account": account, "document": policy});
        files.push(File {
            path: format!("policies/{name}.json"),
            bytes: document("IamPolicy", name, spec).into(),
        });
    }
    for (number, (principal, names)) in workload.attachments.iter().enumerate() {
        let (_, resource) = principal.rsplit_once(':').unwrap_or_default();
        let (kind, name) = resource.split_once('/').unwrap_or_default();
        let mut spec = serde_json::json!({"account": account, "attachedPolicies": names});
        let kind = if kind == "user" { "IamUser" } else { "IamRole" };
        if kind == "IamRole" {
            spec["trustPolicy"] = serde_json::json!({"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}]});
        }
        files.push(File {
            path: format!("principals/{number}.json"),
            bytes: document(kind, name, spec).into(),
        });
    }
    Files::new(files)
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
        for (key, value) in &asked.context {
            context.set(key, value.as_str());
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
