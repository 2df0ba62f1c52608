//! COND-6 and OP-1, exhaustively: every base in every form on every state of a key.

use crate::support::judge_case;
use serde_json::{Value, json};

/// A base operator with a policy value, and request values that pass its positive test, fail it
/// and cannot be read.
#[derive(Clone, Copy)]
struct Base {
    name: &'static str,
    negated: bool,
    policy: &'static str,
    passes: &'static str,
    fails: &'static str,
    unreadable: Option<&'static str>,
}

const fn base(
    name: &'static str,
    policy: &'static str,
    [passes, fails]: [&'static str; 2],
    unreadable: Option<&'static str>,
) -> Base {
    Base {
        name,
        negated: false,
        policy,
        passes,
        fails,
        unreadable,
    }
}

const fn negated(base: Base, name: &'static str) -> Base {
    Base {
        name,
        negated: true,
        ..base
    }
}

const STRING: Base = base("StringEquals", "a*", ["a*", "ab"], None);
const FOLDED: Base = base(
    "StringEqualsIgnoreCase",
    "straße",
    ["STRAßE", "gasse"],
    None,
);
const LIKE: Base = base("StringLike", "a*", ["ab", "ba"], None);
const NUMBER: Base = base("NumericEquals", "10", ["1.0e1", "11"], Some("ten"));
const DATE: Base = base(
    "DateEquals",
    "2030-01-01T00:00:00Z",
    ["2030-01-01T01:00:00+01:00", "2030-01-01T00:00:01Z"],
    Some("2030"),
);
const ADDRESS: Base = base(
    "IpAddress",
    "192.0.2.0/24",
    ["192.0.2.255", "2001:db8::1"],
    Some("192.0.2.01"),
);
const ARN: Base = base(
    "ArnEquals",
    "arn:aws:*:eu-?::run/*",
    ["arn:aws:jobs:eu-1::run/a:b/c", "arn:aws:jobs:eu-1:x:run/a"],
    Some("run/a"),
);

const BASES: [Base; 27] = [
    STRING,
    negated(STRING, "StringNotEquals"),
    FOLDED,
    negated(FOLDED, "StringNotEqualsIgnoreCase"),
    LIKE,
    negated(LIKE, "StringNotLike"),
    NUMBER,
    negated(NUMBER, "NumericNotEquals"),
    base("NumericLessThan", "10", ["9.99", "10.0"], Some("0x9")),
    base(
        "NumericLessThanEquals",
        "10",
        ["10.0", "10.01"],
        Some("9,9"),
    ),
    base("NumericGreaterThan", "10", ["10.01", "10"], Some(" 11")),
    base("NumericGreaterThanEquals", "10", ["10", "-10"], Some("")),
    DATE,
    negated(DATE, "DateNotEquals"),
    base("DateLessThan", "100000", ["99999", "100000"], Some("1000")),
    base(
        "DateLessThanEquals",
        "2030-01",
        ["2030-01-01", "2030-01-01T00:00:00.1Z"],
        Some("2030-01-01T00:00:00"),
    ),
    base(
        "DateGreaterThan",
        "2030-01-01",
        ["2030-01-01T00:01Z", "2030-01-01"],
        Some("2030-02-30"),
    ),
    base(
        "DateGreaterThanEquals",
        "2030-01-01",
        ["2030-01-01", "2029-12-31T23:59:59Z"],
        Some("soon"),
    ),
    base("Bool", "true", ["TRUE", "false"], Some("1")),
    base("BinaryEquals", "YQ==", ["YQ==", "Yg=="], Some("YQ")),
    ADDRESS,
    negated(ADDRESS, "NotIpAddress"),
    ARN,
    Base {
        name: "ArnLike",
        ..ARN
    },
    negated(ARN, "ArnNotEquals"),
    negated(ARN, "ArnNotLike"),
    base("StringLike", "${*}", ["*", "x"], None),
];

/// The states of a key that the columns of [`ROWS`] are about.
#[derive(Clone, Copy, Debug)]
enum State {
    Absent,
    EmptyList,
    Passes,
    Fails,
    PassesAndFails,
    Unreadable,
    Unknown,
}

use State::{Absent, EmptyList, Fails, Passes, PassesAndFails, Unknown, Unreadable};

const STATES: [State; 7] = [
    Absent,
    EmptyList,
    Passes,
    Fails,
    PassesAndFails,
    Unreadable,
    Unknown,
];

/// Qualifier, `IfExists`, negated base, and the result in each of [`STATES`].
///
/// Several values without a qualifier are undetermined by KEY-4, an empty list is absent by CTX-7.
const ROWS: [(&str, &str, bool, &str); 12] = [
    ("", "", false, "FFTFUUU"),
    ("", "IfExists", false, "TTTFUUU"),
    ("", "", true, "TTFTUUU"),
    ("", "IfExists", true, "TTFTUUU"),
    ("ForAllValues:", "", false, "TTTFFUU"),
    ("ForAllValues:", "", true, "TTFTFUU"),
    ("ForAllValues:", "IfExists", false, "TTTFFUU"),
    ("ForAllValues:", "IfExists", true, "TTFTFUU"),
    ("ForAnyValue:", "", false, "FFTFTUU"),
    ("ForAnyValue:", "", true, "FFFTTUU"),
    ("ForAnyValue:", "IfExists", false, "UUTFTUU"),
    ("ForAnyValue:", "IfExists", true, "UUFTTUU"),
];

fn decision(effect: &str, condition: &Value, context: &Value) -> String {
    let mut statements = vec![json!({
        "Effect": effect, "Action": "*", "Resource": "*", "Condition": condition
    })];
    if effect == "Deny" {
        statements.push(json!({"Effect": "Allow", "Action": "*", "Resource": "*"}));
    }
    let case = json!({
        "request": {
            "principal": "arn:aws:iam::210000000001:user/ana",
            "action": "files:Get",
            "resource": "arn:aws:files:::shelf/book",
            "context": context,
        },
        "identityPolicies": [{"Version": "2012-10-17", "Statement": statements}],
    });
    let (line, judged) = judge_case(&case);
    assert!(judged, "{line}: {case}");
    let answer: Value = serde_json::from_str(&line).unwrap();
    answer["decision"].as_str().unwrap().to_owned()
}

/// The truth value that a condition has, told by what it does to either effect (GEN-3).
fn truth(condition: &Value, context: &Value) -> char {
    let allows = decision("Allow", condition, context) == "Allow";
    let denies = decision("Deny", condition, context) == "Deny";
    match (allows, denies) {
        (true, true) => 'T',
        (false, false) => 'F',
        (false, true) => 'U',
        (true, false) => panic!("a condition that allows and does not deny: {condition}"),
    }
}

#[test]
fn every_operator_in_every_form_on_every_state_of_a_key() {
    let mut tried = 0;
    for base in &BASES {
        for (qualifier, suffix, _, row) in ROWS
            .iter()
            .filter(|(_, _, negated, _)| *negated == base.negated)
        {
            for (state, expected) in STATES.into_iter().zip(row.chars()) {
                let value = match state {
                    Absent => None,
                    EmptyList => Some(json!([])),
                    Passes => Some(json!(base.passes)),
                    Fails => Some(json!(base.fails)),
                    PassesAndFails => Some(json!([base.passes, base.fails])),
                    Unreadable => match base.unreadable {
                        // An empty value is special under a qualifier (SET-7).
                        Some("") if !qualifier.is_empty() => continue,
                        Some(text) => Some(json!(text)),
                        None => continue,
                    },
                    Unknown => Some(json!({"unknown": true})),
                };
                let context = value.map_or(json!({}), |value| json!({"files:Key": value}));
                let operator = format!("{qualifier}{}{suffix}", base.name);
                let condition = json!({operator.clone(): {"files:Key": base.policy}});
                let found = truth(&condition, &context);
                assert_eq!(found, expected, "{operator} on {state:?}: {context}");
                tried += 1;
            }
        }
    }
    assert!(tried > 900, "{tried}");
}

#[test]
fn null_on_every_state_of_a_key() {
    // OP-18, OP-19, CTX-6 and CTX-7. (value, result of `true`, result of `false`)
    let cases = [
        (json!({}), 'T', 'F'),
        (json!({"files:Key": []}), 'T', 'F'),
        (json!({"files:Key": "x"}), 'F', 'T'),
        (json!({"files:Key": ["x", "y"]}), 'F', 'T'),
        (json!({"files:Key": ["", "y"]}), 'F', 'T'),
        (json!({"files:Key": ""}), 'U', 'U'),
        (json!({"files:Key": ["", ""]}), 'U', 'U'),
        (json!({"files:Key": {"unknown": true}}), 'U', 'U'),
    ];
    for (context, of_true, of_false) in cases {
        for (value, expected) in [("true", of_true), ("FALSE", of_false)] {
            let condition = json!({"Null": {"files:Key": value}});
            assert_eq!(truth(&condition, &context), expected, "{value}: {context}");
        }
        let both = json!({"Null": {"files:Key": ["true", "false"]}});
        // OP-18 holds whatever is there; an unknown key stays unknown (COND-9).
        let is_unknown = context["files:Key"].is_object();
        let expected = if is_unknown { 'U' } else { 'T' };
        assert_eq!(truth(&both, &context), expected, "both: {context}");
    }
}
