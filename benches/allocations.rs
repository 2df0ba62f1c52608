//! How often the engine asks the allocator for memory while it decides: never. Run as a test too,
//! for the count does not depend on the machine.

use allocation_counter::measure;
use sidegate::engine::{Document, Layers, Level, Thresholds, View, judge};
use sidegate::model::{
    AccountId, Action, Context, Credential, Decision, Delegation, Principal, Request, Resource,
    ResourceName,
};
use sidegate::policy::{Findings, Keys, Policy, PolicyKind, json};
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

fn document(name: &str, kind: PolicyKind, statements: &str) -> Arc<Document> {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    let node = json::parse(&text).expect("JSON");
    let mut findings = Findings::new(name);
    let policy = Policy::parse(&node, kind, &Keys::global(), &mut findings).expect("a policy");
    Arc::new(Document::compile(name, &policy))
}

/// Forty statements with conditions of every family, some of which match.
fn identity() -> String {
    let mut text = String::new();
    for at in 0..10 {
        let _ = write!(
            text,
            r#"{{"Effect":"Allow","Action":["files:Get*","files:Put"],"Resource":"arn:aws:files:*:*:shelf-{at}/*",
                "Condition":{{"StringLike":{{"aws:PrincipalTag/team":["re*","blue"]}},"IpAddress":{{"aws:SourceIp":"192.0.2.0/24"}}}}}},
               {{"Effect":"Allow","Action":"files:List*","Resource":"arn:aws:files:*:*:shelf-{at}/*",
                "Condition":{{"NumericLessThan":{{"files:Size":"100.5"}},"StringEqualsIgnoreCase":{{"aws:PrincipalTag/team":"RED"}},"DateLessThan":{{"aws:CurrentTime":"2031-01-01T00:00:00Z"}},"Bool":{{"aws:SecureTransport":"true"}}}}}},
               {{"Effect":"Allow","NotAction":"files:*","Resource":"arn:aws:jobs:*:*:run/{at}",
                "Condition":{{"BinaryEquals":{{"jobs:Digest":"YQ=="}},"Null":{{"aws:TokenIssueTime":"true"}}}}}},
               {{"Effect":"Deny","Action":"files:*","Resource":"arn:aws:files:*:*:shelf-{at}/sealed*",
                "Condition":{{"ForAnyValue:StringEquals":{{"aws:TagKeys":["x","y"]}},"ArnNotLike":{{"aws:PrincipalArn":"arn:aws:iam::*:role/Admin"}}}}}},"#
        );
    }
    text.pop();
    text
}

fn main() {
    // With an index, however small, and without one.
    decide(View::scanning);
    decide(|documents| View::indexed(documents, Thresholds::default()));
    decide(|documents| {
        let least = Thresholds {
            listed: 0,
            keyed: 1,
        };
        View::indexed(documents, least)
    });
}

fn decide(view: fn([Arc<Document>; 1]) -> View) {
    let everything = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
    let of_home =
        r#"{"Effect":"Allow","Action":"files:*","Resource":"arn:aws:files:*:*:${aws:username}/*"}"#;
    let of_account = r#"{"Effect":"Allow","Principal":{"AWS":"210000000001"},"Action":"files:*","Resource":"*"},
        {"Effect":"Deny","NotPrincipal":{"AWS":["arn:aws:iam::210000000001:user/ana","210000000001"]},"Action":"files:Drop","Resource":"*"}"#;
    let identity_view =
        |name: &str, statements: &str| view([document(name, PolicyKind::Identity, statements)]);
    let plain = identity_view("identity", &identity());
    let filled = identity_view("home", of_home);
    let limit = identity_view("limit", everything);
    let resource = view([document("resource", PolicyKind::Resource, of_account)]);
    let level = |id: &str| Level {
        id: id.into(),
        view: Arc::new(view([document(id, PolicyKind::ServiceControl, everything)])),
    };
    let levels = [level("r-1"), level("ou-1"), level("210000000001")];
    let layers = Layers {
        scp: Some(&levels),
        rcp: Some(&levels),
        endpoint: None,
        resource: Some(&resource),
        identity: Some(&plain),
        boundary: Some(&limit),
        session: None,
        acl: false,
        no_permission_needed: false,
    };
    let mut context = Context::new();
    for (key, value) in [
        ("aws:username", "ana"),
        ("aws:SourceIp", "192.0.2.7"),
        ("aws:PrincipalTag/team", "red"),
        ("aws:SecureTransport", "true"),
        ("aws:CurrentTime", "2030-01-01T00:00:00Z"),
        ("aws:PrincipalArn", "arn:aws:iam::210000000001:user/ana"),
        ("files:Size", "12.75"),
        ("jobs:Digest", "YQ=="),
    ] {
        context.set(key, value);
    }
    context.set_all("aws:TagKeys", ["x".into(), "z".into()]);
    let principal = Principal::of_arn("arn:aws:iam::210000000001:user/ana", None).expect("an ARN");
    let with_variable = Layers {
        identity: Some(&filled),
        ..layers
    };
    let many = View::new([(); 6].map(|()| Arc::clone(&limit.documents()[0])));
    let of_many = Layers {
        identity: Some(&many),
        ..layers
    };
    // (what, layers, action, resource, whether it is allowed)
    let cases = [
        (
            "an allow",
            layers,
            "files:GetBook",
            "files:shelf-7/book",
            true,
        ),
        (
            "other operators",
            layers,
            "files:ListBooks",
            "files:shelf-9/book",
            true,
        ),
        (
            "NotAction and bytes",
            layers,
            "jobs:Start",
            "jobs:run/3",
            true,
        ),
        (
            "several allows",
            of_many,
            "files:GetBook",
            "files:shelf-7/book",
            true,
        ),
        (
            "an explicit deny",
            layers,
            "files:GetBook",
            "files:shelf-7/sealed-1",
            false,
        ),
        (
            "an implicit deny",
            layers,
            "files:Burn",
            "files:shelf-7/book",
            false,
        ),
        (
            "a bounded caller",
            layers,
            "files:Drop",
            "files:shelf-7/book",
            false,
        ),
        (
            "a variable",
            with_variable,
            "files:GetBook",
            "files:ana/book",
            true,
        ),
    ];
    for (what, layers, action, resource, allowed) in cases {
        let action = Action::parse(action).expect("an action");
        let (service, path) = resource.split_once(':').expect("a service");
        let arn = format!("arn:aws:{service}:eu-1:210000000001:{path}");
        let resource = Resource {
            name: ResourceName::parse(&arn).expect("an ARN"),
            owner: AccountId::parse("210000000001").ok(),
            delegation: Delegation::Default,
        };
        let request = Request {
            principal: &principal,
            credential: Credential::Ordinary,
            forwarded: false,
            action: &action,
            resource: &resource,
            context: &context,
        };
        let mut decision = None;
        let found = measure(|| decision = Some(judge(black_box(&layers), black_box(&request))));
        let decision = decision.expect("a decision");
        assert_eq!(
            matches!(decision, Decision::Allow(_)),
            allowed,
            "{what}: {decision:?}"
        );
        println!("{what}: {} allocations", found.count_total);
        assert_eq!(found.count_total, 0, "{what}");
    }
}
