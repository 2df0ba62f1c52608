//! A session never does more than its role, its session policy and its boundary all allow, whatever
//! the three say, and whoever signs.

use crate::support::signer::{ToSign, sha256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use sidegate::authn::{
    Chance, Claims, Credentials, KeySetFile, NoRemotes, Packed, ReadKeyFile, SessionKind,
    SigningKeyFile, TokenKeys,
};
use sidegate::loader::reload::compile_with;
use sidegate::loader::source::{File, Files};
use sidegate::model::{AccountId, Body, Headers, HttpCall, Peer, Protocol, Timestamp};
use sidegate::pdp::{Pdp, Verdict};
use sidegate::policy::Keys;
use sidegate::snapshot::Store;
use sidegate::telemetry::Metrics;
use std::fmt::Write as _;
use std::sync::Arc;

const ACTIONS: usize = 6;
const ROLE: &str = "arn:aws:iam::210000000001:role/reader";

fn document(allowed: &[bool], denied: &[bool]) -> String {
    let of = |set: &[bool]| -> Vec<String> {
        let names = set.iter().enumerate().filter(|(_, is_in)| **is_in);
        names.map(|(at, _)| format!("\"shop:Get{at}\"")).collect()
    };
    let statement = |effect: &str, names: &[String]| {
        // An empty list of actions is none; what nobody asks for stands in its place.
        let names = if names.is_empty() {
            "\"shop:None\"".to_owned()
        } else {
            names.join(",")
        };
        format!("{{\"Effect\":\"{effect}\",\"Action\":[{names}],\"Resource\":\"*\"}}")
    };
    format!(
        "{{\"Version\":\"2012-10-17\",\"Statement\":[{},{}]}}",
        statement("Allow", &of(allowed)),
        statement("Deny", &of(denied))
    )
}

fn bundle(role: &str, boundary: Option<&str>) -> String {
    let mut routes = String::new();
    for at in 0..ACTIONS {
        let _ = write!(
            routes,
            "\n    - {{match: \"GET /{at}\", action: \"shop:Get{at}\", resource: \"arn:aws:shop:::{at}\"}}"
        );
    }
    let limit = boundary
        .map(|_| "\n  permissionsBoundary: limit")
        .unwrap_or_default();
    let policy = boundary.map(|document| {
        format!("\n---\napiVersion: sidegate.dev/v1alpha1\nkind: IamPolicy\nmetadata: {{name: limit}}\nspec: {{account: \"210000000001\", documentJson: '{document}'}}")
    });
    format!(
        "apiVersion: sidegate.dev/v1alpha1\nkind: IamService\nmetadata: {{name: shop}}\nspec:\n  prefix: shop\n  account: \"210000000001\"\n  region: eu-west-1\n  hosts: [shop.internal]\n  actions: [shop:None]\n  routes:{routes}\n---\n\
         apiVersion: sidegate.dev/v1alpha1\nkind: IamRole\nmetadata: {{name: reader}}\nspec:\n  account: \"210000000001\"{limit}\n  trustPolicy: {{Version: \"2012-10-17\", Statement: [{{Effect: Allow, Principal: {{Service: ec2.amazonaws.com}}, Action: sts:AssumeRole}}]}}\n  inlinePolicies:\n    own: {{documentJson: '{role}'}}{}",
        policy.unwrap_or_default()
    )
}

fn key_set() -> KeySetFile {
    let seed = [7; 32];
    let from = "2020-01-01T00:00:00Z".to_owned();
    KeySetFile {
        trust_domain: "prod".to_owned(),
        read_keys: vec![ReadKeyFile {
            id: 1,
            key: STANDARD.encode([9; 32]),
            active_from: from.clone(),
            not_after: None,
        }],
        signing_keys: vec![SigningKeyFile {
            id: 2,
            public_key: STANDARD.encode(TokenKeys::public_key(&seed).unwrap()),
            private_key: Some(STANDARD.encode(seed)),
            active_from: from,
            not_after: None,
        }],
    }
}

fn decision_point(text: &str, now: Timestamp) -> Pdp {
    let files = |path: &str, text: &str| {
        Files::new(vec![File {
            path: path.to_owned(),
            bytes: text.as_bytes().to_vec(),
        }])
    };
    let bundle = files("all.yaml", text);
    let secrets = files("token-keys.json", &key_set().to_json());
    let loaded = compile_with(&bundle, Some(&secrets), &NoRemotes, "test", now, None);
    let loaded = loaded.unwrap_or_else(|findings| panic!("{findings:?}"));
    let store = Arc::new(Store::empty());
    store.publish(Arc::new(loaded.snapshot));
    Pdp::new(store, Arc::new(Metrics::new().unwrap()))
}

fn mint(policy: Option<String>, arns: &[&str], now: Timestamp) -> Credentials {
    let account = AccountId::parse("210000000001").unwrap();
    let at = |seconds: i64| Timestamp::from_seconds(now.seconds() + seconds);
    let claims = Claims {
        session_name: Some("job".to_owned()),
        packed: Packed {
            policy,
            policy_arns: arns.iter().map(|arn| (*arn).to_owned()).collect(),
            ..Packed::default()
        },
        ..Claims::new(SessionKind::Role, account, ROLE, (at(0), at(900)))
    };
    let chance = Chance {
        id: [1; 16],
        access_key: [2; 5],
    };
    let keys = TokenKeys::compile(&key_set(), Keys::default()).unwrap();
    keys.mint(claims, 0, chance, now).unwrap()
}

fn may(pdp: &Pdp, credentials: &Credentials, action: usize, now: Timestamp) -> bool {
    match ask_signed(pdp, credentials, action, now) {
        Verdict::Allow(_) => true,
        Verdict::Refuse(refusal) => {
            assert_eq!(refusal.label(), "deny", "{refusal:?}");
            false
        }
    }
}

fn ask_signed(pdp: &Pdp, credentials: &Credentials, action: usize, now: Timestamp) -> Verdict {
    let target = format!("/{action}");
    let empty = sha256(b"");
    let secret = String::from_utf8(credentials.secret.expose().to_vec()).unwrap();
    let signed = ToSign {
        id: &credentials.access_key_id,
        secret: &secret,
        service: "shop",
        method: "GET",
        host: "shop.internal",
        target: &target,
        canonical_path: &target,
        canonical_query: "",
        headers: vec![("x-amz-security-token", &credentials.token, true)],
        payload: &empty,
        signs_host: true,
        signs_date: true,
    };
    let mut headers = Headers::new();
    for (name, value) in signed.sign().iter().filter(|(name, _)| name != "host") {
        headers.push(name, value.as_str());
    }
    let call = HttpCall {
        method: "GET".to_owned(),
        scheme: "https".to_owned(),
        authority: "shop.internal".to_owned(),
        target,
        headers,
        body: Body::none(),
        peer: Peer::default(),
        protocol: Protocol::Http,
    };
    pdp.decide(&call, now).verdict
}

#[test]
fn a_token_alone_is_taken_where_everybody_agreed_to_that() {
    // BRR-01 to BRR-03: the service, the token and the connection, for an hour at the most.
    let now = crate::support::signer::now();
    let all = document(&[true; ACTIONS], &[false; ACTIONS]);
    let closed = bundle(&all, None);
    let open = closed.replace(
        "  actions: [shop:None]",
        "  actions: [shop:None]\n  signing: {bearerSessions: true}",
    );
    let token = |bearer: bool, audience: &[&str], life_s: i64| {
        let account = AccountId::parse("210000000001").unwrap();
        let end = Timestamp::from_seconds(now.seconds() + life_s);
        let claims = Claims {
            session_name: Some("job".to_owned()),
            bearer,
            audience: audience.iter().map(|name| (*name).to_owned()).collect(),
            ..Claims::new(SessionKind::Role, account, ROLE, (now, end))
        };
        let keys = TokenKeys::compile(&key_set(), Keys::default()).unwrap();
        let chance = Chance {
            id: [4; 16],
            access_key: [5; 5],
        };
        keys.mint(claims, 0, chance, now).unwrap()
    };
    let ask = |text: &str, made: &Credentials, secure: Option<bool>| {
        let mut headers = Headers::new();
        headers.push("authorization", format!("Bearer {}", made.token));
        let call = HttpCall {
            method: "GET".to_owned(),
            scheme: "https".to_owned(),
            authority: "shop.internal".to_owned(),
            target: "/0".to_owned(),
            headers,
            body: Body::none(),
            peer: Peer {
                secure,
                ..Peer::default()
            },
            protocol: Protocol::Http,
        };
        let verdict = decision_point(text, now).decide(&call, now).verdict;
        matches!(verdict, Verdict::Allow(_))
    };
    let good = token(true, &["shop"], 3_600);
    assert!(ask(&open, &good, Some(true)));
    assert!(!ask(&closed, &good, Some(true)), "the service");
    assert!(!ask(&open, &good, Some(false)), "the connection");
    assert!(
        !ask(&open, &good, None),
        "a connection of which nobody knows"
    );
    assert!(
        !ask(&open, &token(false, &["shop"], 3_600), Some(true)),
        "the token"
    );
    assert!(
        !ask(&open, &token(true, &[], 3_600), Some(true)),
        "no audience"
    );
    assert!(
        !ask(&open, &token(true, &["other"], 3_600), Some(true)),
        "another audience"
    );
    assert!(
        !ask(&open, &token(true, &["shop"], 3_601), Some(true)),
        "more than an hour"
    );
    // An audience binds signatures, too.
    let pdp = decision_point(&open, now);
    assert!(may(&pdp, &token(false, &["shop"], 900), 0, now));
    let elsewhere = ask_signed(&pdp, &token(false, &["other"], 900), 0, now);
    assert!(matches!(elsewhere, Verdict::Refuse(_)));
}

#[test]
fn without_one_of_its_policies_a_session_may_nothing() {
    // PKD-04: nobody knows any more what it denied, so that not even a policy that names the session
    // lets it in.
    let now = crate::support::signer::now();
    let all = document(&[true; ACTIONS], &[false; ACTIONS]);
    let shelf = "\n---\napiVersion: sidegate.dev/v1alpha1\nkind: IamResource\nmetadata: {name: zero}\nspec:\n  arn: arn:aws:shop:::0\n  account: \"210000000001\"\n  policy: {Version: \"2012-10-17\", Statement: [{Effect: Allow, Principal: {AWS: \"arn:aws:sts::210000000001:assumed-role/reader/job\"}, Action: \"shop:*\", Resource: \"*\"}]}";
    let text = format!("{}{shelf}", bundle(&all, Some(&all)));
    let pdp = decision_point(&text, now);
    let limit = "arn:aws:iam::210000000001:policy/limit";
    assert!(may(&pdp, &mint(None, &[limit], now), 0, now));
    let gone = "arn:aws:iam::210000000001:policy/gone";
    for arns in [&[gone][..], &[limit, gone]] {
        let verdict = ask_signed(&pdp, &mint(Some(all.clone()), arns, now), 0, now);
        assert!(matches!(verdict, Verdict::Refuse(_)), "{arns:?}");
    }
}

type Set = [bool; ACTIONS];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_session_is_within_its_role_its_policy_and_its_boundary(
        role in any::<(Set, Set)>(),
        policy in any::<Option<(Set, Set)>>(),
        boundary in any::<Option<(Set, Set)>>(),
    ) {
        // The signer's clock is the real one.
        let now = crate::support::signer::now();
        let text = |(allowed, denied): &(Set, Set)| document(allowed, denied);
        let limit = boundary.as_ref().map(text);
        let pdp = decision_point(&bundle(&text(&role), limit.as_deref()), now);
        let credentials = mint(policy.as_ref().map(text), &[], now);
        for action in 0..ACTIONS {
            let by = |set: &(Set, Set)| set.0[action] && !set.1[action];
            let expected = by(&role) && policy.as_ref().is_none_or(by) && boundary.as_ref().is_none_or(by);
            prop_assert_eq!(may(&pdp, &credentials, action, now), expected, "action {}", action);
        }
    }
}
