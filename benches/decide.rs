//! From a question to its answer, by bundles of several sizes.
//!
//! All statements are on one user, so this is what a decision costs where it costs most. `answer`
//! is the whole way from texts to an outcome with its reasons; `check` is a decoded HTTP call by
//! the example bundle, without credentials.

mod generated;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use generated::Chance;
use sidegate::engine::{DecisionCache, Document, Layers, Level, View, judge};
use sidegate::loader::reload::compile;
use sidegate::loader::source::{Limits, read_once};
use sidegate::model::{
    Action, Body, Context, Credential, Decision, Delegation, Headers, HttpCall, Peer, Principal,
    Protocol, Request, Resource, ResourceName, Timestamp,
};
use sidegate::pdp::{Asker, Pdp, Question};
use sidegate::policy::{Findings, Keys, Policy, PolicyKind, json};
use sidegate::snapshot::Store;
use sidegate::telemetry::Metrics;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_seconds(1_893_456_000);

fn deciding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide/answer");
    for statements in [10, 100, 1_000, 10_000] {
        let files = generated::bundle(statements, 7);
        let snapshot = compile(&files, "bench", NOW)
            .expect("a good bundle")
            .snapshot;
        let mut chance = Chance::new(11);
        let questions: Vec<Question> = (0..256)
            .map(|_| {
                let (action, resource) = chance.question(statements.max(10));
                let asker = Asker::Named("arn:aws:iam::210000000001:user/ana".into());
                let mut question = Question::of(asker, &action, &resource);
                question.context = vec![("aws:SourceIp".into(), vec!["192.0.2.7".into()])];
                question
            })
            .collect();
        let mut next = questions.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(statements), |bencher| {
            bencher.iter(|| {
                let question = next.next().expect("a cycle");
                Pdp::answer(&snapshot, black_box(question), NOW)
            });
        });
    }
    group.finish();
}

fn checking(criterion: &mut Criterion) {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/example/bundle");
    let files = read_once(&example, &Limits::default()).expect("the example");
    let loaded = compile(&files, "bench", NOW).expect("a good bundle");
    let store = Arc::new(Store::empty());
    store.publish(Arc::new(loaded.snapshot));
    let metrics = Arc::new(Metrics::new().expect("metrics"));
    let pdp = Pdp::new(store, metrics);
    let mut headers = Headers::new();
    headers.push("user-agent", "curl/8");
    headers.push("accept", "*/*");
    let call = HttpCall {
        method: "GET".into(),
        scheme: "https".into(),
        authority: "shop.test".into(),
        target: "/v1/orders/7?page=2".into(),
        headers,
        body: Body::none(),
        peer: Peer {
            ip: Some([192, 0, 2, 7].into()),
            principal: "spiffe://shop.test/ns/shop/sa/cart".into(),
            endpoint: None,
            secure: Some(true),
        },
        protocol: Protocol::Http,
    };
    criterion.bench_function("decide/check", |bencher| {
        bencher.iter(|| pdp.decide(black_box(&call), NOW));
    });
}

/// Every layer at once, each with conditions: control policies at three levels, a boundary, a session
/// policy and the policy of the resource beside those of the identity.
#[expect(clippy::too_many_lines, reason = "policies, and a question to them")]
fn layering(criterion: &mut Criterion) {
    let guards = |name: &str| {
        let everything = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
        let guard = r#"{"Effect":"Deny","NotAction":["iam:*","sts:*"],"Resource":"*",
            "Condition":{"StringNotEquals":{"aws:RequestedRegion":["eu-1","eu-2"]}}},
            {"Effect":"Deny","Action":"orders:Delete*","Resource":"*",
            "Condition":{"Bool":{"aws:MultiFactorAuthPresent":"false"}}},
            {"Effect":"Deny","Action":"orders:*","Resource":"*",
            "Condition":{"StringNotEquals":{"aws:PrincipalOrgID":"o-example"}}}"#;
        let kind = PolicyKind::ServiceControl;
        View::new([
            document("FullAWSAccess", kind, everything),
            document(name, kind, guard),
        ])
    };
    let scp = ["root", "unit", "account"].map(|name| Level {
        id: name.into(),
        view: Arc::new(guards(name)),
    });
    let statements: Vec<String> = (0..10)
        .map(|number| {
            format!(
                r#"{{"Effect":"Allow","Action":["orders:Get*","orders:List*"],
                "Resource":"arn:aws:orders:*:210000000001:item/{number}*",
                "Condition":{{"StringEquals":{{"aws:PrincipalTag/team":"shop"}},
                "IpAddress":{{"aws:SourceIp":["10.0.0.0/8","192.0.2.0/24"]}},
                "DateLessThan":{{"aws:CurrentTime":"2040-01-01T00:00:00Z"}}}}}}"#
            )
        })
        .collect();
    let identity = View::new([
        document("read", PolicyKind::Identity, &statements.join(",")),
        document(
            "sealed",
            PolicyKind::Identity,
            r#"{"Effect":"Deny","Action":"orders:*","Resource":"arn:aws:orders:*:*:item/sealed-*",
            "Condition":{"StringNotLike":{"aws:PrincipalTag/clearance":"high*"}}}"#,
        ),
    ]);
    let within = |name, kind| {
        View::new([document(
            name,
            kind,
            r#"{"Effect":"Allow","Action":"orders:*","Resource":"arn:aws:orders:*:210000000001:*",
            "Condition":{"Bool":{"aws:SecureTransport":"true"}}}"#,
        )])
    };
    let boundary = within("boundary", PolicyKind::Identity);
    let session = within("session", PolicyKind::Identity);
    let resource_policy = View::new([document(
        "item",
        PolicyKind::Resource,
        r#"{"Effect":"Deny","Principal":"*","Action":"orders:*","Resource":"*",
        "Condition":{"StringNotEquals":{"aws:PrincipalOrgID":"o-example"}}},
        {"Effect":"Allow","Principal":{"AWS":"210000000001"},"Action":"orders:Get*","Resource":"*",
        "Condition":{"StringEquals":{"aws:PrincipalTag/team":"${aws:ResourceTag/team}"}}}"#,
    )]);
    let principal = Principal::of_arn(
        "arn:aws:sts::210000000001:assumed-role/reader/ana",
        Some("arn:aws:iam::210000000001:role/reader"),
    )
    .expect("a session");
    let action = Action::parse("orders:GetItem").expect("an action");
    let resource = Resource {
        name: ResourceName::parse("arn:aws:orders:eu-1:210000000001:item/7").expect("an ARN"),
        owner: principal.account(),
        delegation: Delegation::Default,
    };
    let mut context = Context::new();
    for (key, value) in [
        ("aws:SourceIp", "192.0.2.7"),
        ("aws:RequestedRegion", "eu-1"),
        ("aws:PrincipalOrgID", "o-example"),
        ("aws:PrincipalTag/team", "shop"),
        ("aws:ResourceTag/team", "shop"),
        ("aws:PrincipalTag/clearance", "high"),
        ("aws:MultiFactorAuthPresent", "true"),
        ("aws:SecureTransport", "true"),
        ("aws:CurrentTime", "2030-01-01T12:00:00Z"),
    ] {
        context.set(key, value);
    }
    let request = Request {
        principal: &principal,
        credential: Credential::Ordinary,
        forwarded: false,
        action: &action,
        resource: &resource,
        context: &context,
    };
    let layers = Layers {
        scp: Some(&scp),
        resource: Some(&resource_policy),
        identity: Some(&identity),
        boundary: Some(&boundary),
        session: Some(&session),
        ..Layers::default()
    };
    assert!(
        matches!(judge(&layers, &request), Decision::Allow(_)),
        "every layer allows: {:?}",
        judge(&layers, &request)
    );
    criterion.bench_function("decide/layers", |bencher| {
        bencher.iter(|| judge(black_box(&layers), black_box(&request)));
    });
}

/// A document of these statements.
fn document(name: &str, kind: PolicyKind, statements: &str) -> Arc<Document> {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    let node = json::parse(&text).expect("JSON");
    let mut findings = Findings::new("bench");
    let keys = Keys::of_closed_world();
    let policy = Policy::parse(&node, kind, &keys, &mut findings).expect("a policy");
    Arc::new(Document::compile(name, &policy))
}

/// Where a decision is worth keeping: statements that no index tells apart, tested one by one, beside
/// finding the decision by all that it depends on.
fn remembering(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide/remembered");
    for statements in [16, 32, 64, 128, 256] {
        let all: Vec<String> = (0..statements)
            .map(|number| {
                format!(
                    r#"{{"Effect":"Allow","Action":"orders:Get*","Resource":"*","Condition":{{"IpAddress":{{"aws:SourceIp":"10.{number}.0.0/16"}}}}}}"#
                )
            })
            .collect();
        let document = document("bench", PolicyKind::Identity, &all.join(","));
        let view = View::new([document]);
        let principal =
            Principal::of_arn("arn:aws:iam::210000000001:user/ana", None).expect("an ARN");
        let action = Action::parse("orders:GetItem").expect("an action");
        let resource = Resource {
            name: ResourceName::parse("arn:aws:orders:eu-1:210000000001:item/7").expect("an ARN"),
            owner: principal.account(),
            delegation: Delegation::Default,
        };
        let mut context = Context::new();
        context.set("aws:SourceIp", "10.9.1.2");
        let request = Request {
            principal: &principal,
            credential: Credential::Ordinary,
            forwarded: false,
            action: &action,
            resource: &resource,
            context: &context,
        };
        let layers = Layers {
            identity: Some(&view),
            ..Layers::default()
        };
        let cache = DecisionCache::new(0);
        group.bench_function(BenchmarkId::new("made", statements), |bencher| {
            bencher.iter(|| judge(black_box(&layers), black_box(&request)));
        });
        group.bench_function(BenchmarkId::new("found", statements), |bencher| {
            bencher.iter(|| cache.judge(black_box(&layers), black_box(&request), NOW));
        });
    }
    group.finish();
}

criterion_group!(benches, deciding, checking, layering, remembering);
criterion_main!(benches);
