//! Snapshots that follow one another: what is taken over, what is seen while they change, and what
//! is too large.

use proptest::prelude::*;
use sidegate::authn::NoRemotes;
use sidegate::engine::{Layers, View, judge};
use sidegate::loader::reload::{Known, compile, compile_with};
use sidegate::loader::source::{File, Files};
use sidegate::model::{
    Action, Body, Context, Credential, Decision, Delegation, Headers, HttpCall, Peer, Principal,
    Protocol, Request, Resource, ResourceName, Timestamp,
};
use sidegate::pdp::{Pdp, Verdict};
use sidegate::policy::Bundle;
use sidegate::snapshot::{Origin, Revision, Snapshot, Store, Surroundings};
use sidegate::telemetry::Metrics;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const NOW: Timestamp = Timestamp::from_seconds(1_893_456_000);
const USERS: [&str; 2] = ["ana", "ben"];

/// A document of the pool: which one, and what it says at the moment.
fn document(number: usize, version: usize) -> String {
    let mut statements = Vec::new();
    // Enough of them that the index of a user is kept when some change.
    for at in 0..60 {
        let serial = number * 60 + at;
        let effect = if (serial + version).is_multiple_of(7) {
            "Deny"
        } else {
            "Allow"
        };
        let resource = match serial % 5 {
            0 => "*".to_owned(),
            1 => format!("arn:aws:orders:eu-1:210000000001:item/{}", serial % 40),
            2 => format!(
                "arn:aws:orders:*:210000000001:item/{}*",
                (serial + version) % 40
            ),
            3 => format!("arn:aws:orders:eu-1:210000000001:*/{}", serial % 40),
            _ => format!("arn:aws:orders:eu-1:210000000001:*tem/{}*", serial % 40),
        };
        let condition = if serial.is_multiple_of(3) {
            format!(
                r#","Condition":{{"StringEquals":{{"aws:PrincipalTag/team":"t{}"}}}}"#,
                serial % 9
            )
        } else {
            String::new()
        };
        let action = match serial % 4 {
            0 => "orders:Get*",
            1 => "orders:GetItem",
            2 => "orders:Put",
            _ => "orders:*",
        };
        statements.push(format!(
            r#"{{"Effect":"{effect}","Action":"{action}","Resource":"{resource}"{condition}}}"#
        ));
    }
    format!(
        r#"{{"apiVersion":"sidegate.dev/v1alpha1","kind":"IamPolicy","metadata":{{"name":"p{number}"}},"spec":{{"account":"210000000001","document":{{"Version":"2012-10-17","Statement":[{}]}}}}}}"#,
        statements.join(",")
    )
}

fn files(documents: &[(usize, usize)], attached: [&[usize]; 2]) -> Files {
    let mut entries: Vec<File> = documents
        .iter()
        .map(|(number, version)| File {
            path: format!("p{number}.json"),
            bytes: document(*number, *version).into_bytes(),
        })
        .collect();
    for (user, attached) in USERS.iter().zip(attached) {
        let names: Vec<String> = attached
            .iter()
            .map(|number| format!("\"p{number}\""))
            .collect();
        entries.push(File {
            path: format!("{user}.json"),
            bytes: format!(
                r#"{{"apiVersion":"sidegate.dev/v1alpha1","kind":"IamUser","metadata":{{"name":"{user}"}},"spec":{{"account":"210000000001","attachedPolicies":[{}]}}}}"#,
                names.join(",")
            )
            .into_bytes(),
        });
    }
    Files::new(entries)
}

fn ask(view: &View, action: &str, resource: &str, team: &str) -> Decision {
    let principal = Principal::of_arn("arn:aws:iam::210000000001:user/ana", None).unwrap();
    let action = Action::parse(action).unwrap();
    let resource = Resource {
        name: ResourceName::parse(resource).unwrap(),
        owner: principal.account(),
        delegation: Delegation::Default,
    };
    let mut context = Context::new();
    context.set("aws:PrincipalTag/team", team);
    let request = Request {
        principal: &principal,
        credential: Credential::Ordinary,
        forwarded: false,
        action: &action,
        resource: &resource,
        context: &context,
    };
    let layers = Layers {
        identity: Some(view),
        ..Layers::default()
    };
    judge(&layers, &request)
}

/// Every user decides as by reading all of its statements.
fn check(snapshot: &Snapshot) {
    for user in USERS {
        let arn = format!("arn:aws:iam::210000000001:user/{user}");
        let view = &snapshot.policies.user(&arn).unwrap().identity;
        let scanning = View::scanning(view.documents().iter().cloned());
        for action in ["orders:GetItem", "orders:Put", "orders:Drop", "jobs:Start"] {
            for serial in [0, 7, 13, 39, 40] {
                let resource = format!("arn:aws:orders:eu-1:210000000001:item/{serial}");
                let team = format!("t{}", serial % 9);
                assert_eq!(
                    ask(view, action, &resource, &team),
                    ask(&scanning, action, &resource, &team),
                    "{user} {action} {resource}"
                );
            }
            assert_eq!(
                ask(view, action, "*", "t3"),
                ask(&scanning, action, "*", "t3")
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn what_is_taken_over_is_what_would_be_compiled(
        edits in prop::collection::vec((0_usize..50, 0_usize..5, any::<bool>()), 1..6),
    ) {
        // Forty documents with 2,400 statements, most of them on both users.
        let mut documents: Vec<(usize, usize)> = (0..50).map(|number| (number, 0)).collect();
        let mut of_ana: Vec<usize> = (0..45).collect();
        let of_ben: Vec<usize> = (5..50).collect();
        let now = files(&documents, [&of_ana, &of_ben]);
        let first = Arc::new(compile(&now, "test", NOW).unwrap().snapshot);
        check(&first);
        let mut known = Known::new(first, &now, None);
        for (number, version, attach) in edits {
            documents[number].1 = version;
            of_ana.retain(|attached| *attached != number);
            if attach {
                of_ana.push(number);
            }
            let now = files(&documents, [&of_ana, &of_ben]);
            let fresh = compile(&now, "test", NOW).unwrap().snapshot;
            let again = compile_with(&now, None, &NoRemotes, "test", NOW, Some(&known));
            let again = again.unwrap().snapshot;
            prop_assert_eq!(again.policies.statements(), fresh.policies.statements());
            for user in USERS {
                let arn = format!("arn:aws:iam::210000000001:user/{user}");
                let of = |snapshot: &Snapshot| -> Vec<String> {
                    let subject = snapshot.policies.user(&arn).unwrap();
                    let documents = subject.identity.documents().iter();
                    documents.map(|document| format!("{document:?}")).collect()
                };
                prop_assert_eq!(of(&again), of(&fresh), "no document is of another time");
            }
            check(&again);
            known = Known::new(Arc::new(again), &now, None);
        }
    }
}

fn of_revision(number: u64) -> Snapshot {
    // Every other one lets in.
    let effect = if number.is_multiple_of(2) {
        "Allow"
    } else {
        "Deny"
    };
    let text = format!(
        r#"
apiVersion: sidegate.dev/v1alpha1
kind: IamService
metadata: {{name: shop}}
spec:
  prefix: shop
  account: "210000000001"
  region: eu-1
  hosts: [shop.test]
  routes: [{{match: "GET /item", action: "shop:Get", resource: "arn:aws:shop:::item"}}]
---
apiVersion: sidegate.dev/v1alpha1
kind: IamResource
metadata: {{name: item}}
spec:
  arn: arn:aws:shop:::item
  account: "210000000001"
  policy: {{Version: "2012-10-17", Statement: [{{Effect: {effect}, Principal: "*", Action: "shop:Get", Resource: "*"}}]}}
"#
    );
    let files = Files::new(vec![File {
        path: "all.yaml".into(),
        bytes: text.into_bytes(),
    }]);
    let (bundle, _) = Bundle::parse(&files.parts()).unwrap();
    snapshot(&bundle, number, usize::MAX).unwrap()
}

fn snapshot(
    bundle: &Bundle,
    revision: u64,
    budget: usize,
) -> Result<Snapshot, Vec<sidegate::policy::Diagnostic>> {
    let surroundings = Surroundings {
        remotes: &NoRemotes,
        secrets: None,
        before: None,
        budget,
    };
    let origin = Origin {
        revision: Revision::new(revision),
        source: "test".into(),
        bytes: 0,
        at: NOW,
    };
    Snapshot::compile(bundle, surroundings, Vec::new(), origin).map(|(snapshot, _)| snapshot)
}

#[test]
fn every_answer_is_right_for_the_revision_that_it_names() {
    let store = Arc::new(Store::empty());
    store.publish(Arc::new(of_revision(0)));
    let pdp = Pdp::new(Arc::clone(&store), Arc::new(Metrics::new().unwrap()));
    let call = HttpCall {
        method: "GET".into(),
        scheme: "https".into(),
        authority: "shop.test".into(),
        target: "/item".into(),
        headers: Headers::new(),
        body: Body::none(),
        peer: Peer {
            ip: None,
            principal: String::new(),
            endpoint: None,
            secure: Some(true),
        },
        protocol: Protocol::Http,
    };
    let (over, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let outcome = pdp.decide(&call, NOW);
                    let revision = outcome.subjects.revision.unwrap();
                    let number: u64 = revision.as_str().parse().unwrap();
                    let is_allow = matches!(outcome.verdict, Verdict::Allow(_));
                    assert_eq!(is_allow, number.is_multiple_of(2), "revision {number}");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for number in 1..=1_000 {
            store.publish(Arc::new(of_revision(number)));
            // Each is asked at least once before the next.
            let before = asked.load(Ordering::Relaxed);
            while asked.load(Ordering::Relaxed) == before {
                std::thread::yield_now();
            }
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn what_does_not_fit_is_refused_with_its_size() {
    let all = files(&[(0, 0), (1, 0)], [&[0], &[1]]);
    let (bundle, _) = Bundle::parse(&all.parts()).unwrap();
    let faults = snapshot(&bundle, 0, 8 << 10).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].rule, "BND-10");
    assert!(
        faults[0].message.contains("120 statements in 2 documents"),
        "{faults:?}"
    );
    assert!(snapshot(&bundle, 0, 1 << 20).is_ok());
}

#[test]
fn documents_of_one_name_are_all_there_and_all_read() {
    // An inline policy may be called as a trust policy is, or, by its slash, as one of another role.
    let role = |name: &str, path: &str, inline: &str, key: &str| {
        format!(
            r#"
---
apiVersion: sidegate.dev/v1alpha1
kind: IamRole
metadata: {{name: {name}}}
spec:
  account: "210000000001"
  path: {path}
  trustPolicy: {{Version: "2012-10-17", Statement: [{{Effect: Allow, Principal: {{AWS: "210000000001"}}, Action: "sts:AssumeRole"}}]}}
  inlinePolicies:
    {inline}:
      Version: "2012-10-17"
      Statement: [{{Effect: Deny, Action: "*", Resource: "*", Condition: {{StringEquals: {{"{key}": x}}}}}}]
"#
        )
    };
    let text = [
        role("batch", "/", "trust", "aws:SourceIp"),
        role("job", "/", "x/c", "aws:UserAgent"),
        role("x", "/job/", "c", "aws:Referer"),
    ]
    .concat();
    let files = Files::new(vec![File {
        path: "all.yaml".into(),
        bytes: text.into_bytes(),
    }]);
    let (bundle, _) = Bundle::parse(&files.parts()).unwrap();
    let snapshot = snapshot(&bundle, 0, usize::MAX).unwrap();
    assert_eq!(snapshot.policies.statements(), 6);
    for key in ["aws:SourceIp", "aws:UserAgent", "aws:Referer"] {
        assert!(snapshot.policies.reads().may_have(key), "CACHE-2: {key}");
    }
}

#[test]
fn who_asks_cannot_make_a_piece_of_text_count_more_than_once() {
    let statements: Vec<String> = (0..40)
        .map(|number| {
            format!(r#"{{"Effect":"Deny","Action":"orders:Get","Resource":"arn:aws:orders:*:*:*aaaa*{number}?*"}}"#)
        })
        .collect();
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
        statements.join(",")
    );
    let policy = format!(
        r#"{{"apiVersion":"sidegate.dev/v1alpha1","kind":"IamUser","metadata":{{"name":"ana"}},"spec":{{"account":"210000000001","inlinePolicies":{{"p":{text}}}}}}}"#
    );
    let files = Files::new(vec![File {
        path: "ana.json".into(),
        bytes: policy.into_bytes(),
    }]);
    let snapshot = compile(&files, "test", NOW).unwrap().snapshot;
    let view = &snapshot
        .policies
        .user("arn:aws:iam::210000000001:user/ana")
        .unwrap()
        .identity;
    let name = format!("arn:aws:orders:eu-1:210000000001:{}7x", "a".repeat(1_900));
    let Decision::Deny(reasons) = ask(view, "orders:Get", &name, "t") else {
        panic!("denied");
    };
    assert_eq!(
        reasons.len(),
        2,
        "the one of the number, and that nothing allows: {reasons:?}"
    );
}
