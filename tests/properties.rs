//! Laws of decisions, against a slow and obvious judge ([`oracle`](crate::oracle)).
//!
//! Cases are whole simulation cases in JSON: every kind of caller, layer, operator, qualifier and
//! value. `PROPTEST_CASES=1000000 cargo test --release properties` runs them for long.

#![expect(
    clippy::disallowed_methods,
    reason = "the length of the run is the caller's choice"
)]

use crate::conformance::decisions;
use crate::oracle::{Verdict, judge};
use crate::support::judge_case;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use sidegate::engine::DecisionCache;
use sidegate::policy::json;
use sidegate::simulate::{Case, judge_line};

const A: &str = "210000000001";
const B: &str = "210000000002";

/// What the engine says.
fn engine(case: &Value) -> Verdict {
    let (line, judged) = judge_case(case);
    let answer: Value = serde_json::from_str(&line).unwrap();
    assert!(judged, "a case that cannot be judged: {line}\n{case}");
    let word = |text: &str| -> &'static str {
        let known = [
            "Allow",
            "Deny",
            "allowed",
            "explicit_deny",
            "implicit_deny",
            "error",
            "scp",
            "rcp",
            "endpoint",
            "resource",
            "trust",
            "identity",
            "boundary",
            "session",
            "partition",
        ];
        known
            .into_iter()
            .find(|known| *known == text)
            .unwrap_or_else(|| panic!("{text}"))
    };
    let layers = answer["layers"].as_array().cloned().unwrap_or_default();
    Verdict {
        decision: word(answer["decision"].as_str().unwrap()),
        reason: word(answer["reason"].as_str().unwrap()),
        layer: answer["layer"].as_str().map(word),
        layers: layers
            .iter()
            .map(|layer| word(layer.as_str().unwrap()))
            .collect(),
    }
}

fn text(from: &[&str]) -> impl Strategy<Value = String> + Clone + use<> {
    let owned: Vec<String> = from.iter().map(|text| (*text).to_owned()).collect();
    select(owned)
}

fn principals() -> impl Strategy<Value = Value> {
    let named = |text: &'static str| Just(json!(text));
    prop_oneof![
        4 => named("arn:aws:iam::210000000001:user/ana"),
        4 => named("arn:aws:sts::210000000001:assumed-role/Ops/jo"),
        1 => named("arn:aws:iam::210000000001:root"),
        1 => named("arn:aws:sts::210000000001:federated-user/eve"),
        1 => named("jobs.example.com"),
        1 => named("arn:aws:iam::210000000001:oidc-provider/login.example.com"),
        1 => Just(json!({"type": "Anonymous"})),
    ]
}

fn principal_element() -> impl Strategy<Value = Value> {
    let aws = text(&[
        A,
        B,
        "arn:aws:iam::210000000001:root",
        "arn:aws:iam::210000000001:user/ana",
        "arn:aws:iam::210000000001:role/Ops",
        "arn:aws:sts::210000000001:assumed-role/Ops/jo",
        "arn:aws:sts::210000000001:federated-user/eve",
        "arn:aws:iam::210000000002:user/ana",
    ]);
    prop_oneof![
        2 => Just(json!("*")),
        6 => vec(aws, 1..4).prop_map(|entries| json!({"AWS": entries})),
        1 => Just(json!({"Service": "jobs.example.com"})),
        1 => Just(json!({"AWS": A, "Service": ["jobs.example.com", "other.example.com"]})),
    ]
}

fn actions() -> impl Strategy<Value = Value> {
    let entry = text(&[
        "*",
        "orders:*",
        "orders:Get*",
        "orders:Get",
        "ORDERS:get",
        "orders:?et",
        "stock:*",
        "sts:*",
        "sts:AssumeRole",
        "kms:*",
        "iam:*",
        "orders:*t",
        "*:*",
    ]);
    vec(entry, 1..3).prop_map(|entries| match entries.as_slice() {
        [one] => json!(one),
        several => json!(several),
    })
}

fn resources() -> impl Strategy<Value = Value> {
    let entry = text(&[
        "*",
        "arn:aws:orders:*:*:order/*",
        "arn:aws:orders:eu-1:210000000001:order/a",
        "arn:aws:orders:eu-1:210000000001:order/a*",
        "arn:aws:orders:e?-1:2*:*/b",
        "arn:aws:orders:eu-1:210000000001:order/${aws:username}",
        "arn:aws:orders:eu-1:210000000001:order/${aws:PrincipalTag/team, 'a'}",
        "arn:aws:orders:eu-1:210000000001:order/a${*}",
        "arn:aws:orders:::shelf/??",
        "arn:*:orders:::*",
        "arn:aws:iam::210000000001:role/Deploy",
        "arn:aws:kms:eu-1:210000000001:key/*",
    ]);
    vec(entry, 1..3).prop_map(|entries| json!(entries))
}

/// One operator with its values, and the key it goes with most of the time.
fn condition() -> impl Strategy<Value = (String, String, Value)> {
    let key = text(&[
        "aws:username",
        "aws:TagKeys",
        "AWS:tagkeys",
        "aws:PrincipalTag/team",
        "orders:S",
        "orders:N",
        "orders:D",
        "orders:B",
        "orders:Bin",
        "orders:Arn",
        "aws:SourceIp",
        "aws:CurrentTime",
        "aws:EpochTime",
        "aws:PrincipalArn",
        "aws:PrincipalAccount",
        "aws:MultiFactorAuthPresent",
        "aws:PrincipalIsAWSService",
        "aws:ResourceAccount",
        "aws:PrincipalType",
    ]);
    let strings = text(&[
        "a",
        "b",
        "A",
        "red",
        "RED",
        "",
        "*",
        "a*",
        "?",
        "ana",
        "${aws:username}",
        "${aws:PrincipalTag/team}",
        "${orders:S, 'a'}",
        "x${*}",
        "User",
        A,
        "Ré",
    ]);
    let arns = text(&[
        "arn:aws:iam::210000000001:user/ana",
        "arn:aws:iam::*:role/*",
        "arn:*:jobs:*:*:run/?",
        "arn:aws:iam::${aws:PrincipalAccount}:user/${aws:username}",
        "arn:aws:jobs:eu-1:210000000001:run/1",
    ]);
    let numbers = text(&[
        "0",
        "10",
        "-1",
        "9.99999999999999999999",
        "10.0",
        "007",
        "1800000000",
    ]);
    let dates = text(&[
        "2030-01-01T00:00:00Z",
        "2030-01-01",
        "2030-01-01T01:00:00+01:00",
        "1893456000",
        "2029-12-31T23:59:59Z",
    ]);
    let ranges = text(&[
        "192.0.2.0/24",
        "192.0.2.7",
        "0.0.0.0/0",
        "2001:db8::/32",
        "2001:db8::1",
        "10.0.0.0/8",
        "::/0",
    ]);
    let string_operator = text(&[
        "StringEquals",
        "StringNotEquals",
        "StringEqualsIgnoreCase",
        "StringNotEqualsIgnoreCase",
        "StringLike",
        "StringNotLike",
    ]);
    let arn_operator = text(&["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"]);
    let comparison = text(&[
        "Equals",
        "NotEquals",
        "LessThan",
        "LessThanEquals",
        "GreaterThan",
        "GreaterThanEquals",
    ]);
    let operator_and_values = prop_oneof![
        4 => (string_operator, vec(strings, 1..3)).prop_map(|(o, v)| (o, json!(v))),
        2 => (arn_operator, vec(arns, 1..3)).prop_map(|(o, v)| (o, json!(v))),
        2 => (comparison.clone(), vec(numbers, 1..3)).prop_map(|(o, v)| (format!("Numeric{o}"), json!(v))),
        2 => (comparison, vec(dates, 1..3)).prop_map(|(o, v)| (format!("Date{o}"), json!(v))),
        1 => text(&["true", "false", "TRUE"]).prop_map(|v| ("Bool".to_owned(), json!(v))),
        1 => text(&["QQ==", "Qg=="]).prop_map(|v| ("BinaryEquals".to_owned(), json!(v))),
        2 => (text(&["IpAddress", "NotIpAddress"]), vec(ranges, 1..3)).prop_map(|(o, v)| (o, json!(v))),
    ];
    let qualified = (
        text(&["", "", "ForAllValues:", "ForAnyValue:"]),
        operator_and_values,
        text(&["", "", "IfExists"]),
        key.clone(),
    )
        .prop_map(|(set, (operator, values), exists, key)| {
            (format!("{set}{operator}{exists}"), key, values)
        });
    let null = (vec(text(&["true", "false"]), 1..3), key)
        .prop_map(|(values, key)| ("Null".to_owned(), key, json!(values)));
    prop_oneof![8 => qualified, 1 => null]
}

fn conditions() -> impl Strategy<Value = Option<Value>> {
    option::weighted(
        0.6,
        vec(condition(), 1..3).prop_map(|tests| {
            let mut operators = Map::new();
            for (operator, key, values) in tests {
                let taken = operators
                    .keys()
                    .any(|known: &String| known.eq_ignore_ascii_case(&operator));
                if !taken {
                    operators.insert(operator, json!({key: values}));
                }
            }
            Value::Object(operators)
        }),
    )
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Identity,
    Resource,
    Trust,
    Endpoint,
    Scp,
    Rcp,
}

fn statement(place: Place) -> impl Strategy<Value = Value> {
    let allow = if place == Place::Rcp { 0.0 } else { 0.7 };
    (
        prop::bool::weighted(allow),
        actions(),
        prop::bool::weighted(0.15),
        option::weighted(0.8, resources()),
        prop::bool::weighted(0.15),
        principal_element(),
        prop::bool::weighted(0.2),
        conditions(),
    )
        .prop_map(
            move |(
                allow,
                actions,
                not_action,
                resources,
                not_resource,
                principal,
                not_principal,
                conditions,
            )| {
                let mut statement = Map::new();
                let effect = if allow { "Allow" } else { "Deny" };
                statement.insert("Effect".into(), json!(effect));
                let everyone = principal == json!("*");
                match place {
                    Place::Identity | Place::Scp => {}
                    Place::Rcp => {
                        statement.insert("Principal".into(), json!("*"));
                    }
                    Place::Resource if !allow && not_principal && !everyone => {
                        statement.insert("NotPrincipal".into(), principal);
                    }
                    Place::Trust if allow && everyone => {
                        statement.insert("Principal".into(), json!({"AWS": A}));
                    }
                    Place::Resource | Place::Trust | Place::Endpoint => {
                        statement.insert("Principal".into(), principal);
                    }
                }
                let action = match place {
                    Place::Rcp => json!(["orders:*", "sts:*"]),
                    _ => actions,
                };
                let action_name = if not_action && place != Place::Rcp {
                    "NotAction"
                } else {
                    "Action"
                };
                statement.insert(action_name.into(), action);
                let resources = match (place, resources) {
                    (Place::Trust, _) => None,
                    (Place::Identity | Place::Scp | Place::Rcp, None) => Some(json!("*")),
                    (_, resources) => resources,
                };
                if let Some(resources) = resources {
                    let name = if not_resource {
                        "NotResource"
                    } else {
                        "Resource"
                    };
                    statement.insert(name.into(), resources);
                }
                if let Some(conditions) = conditions {
                    statement.insert("Condition".into(), conditions);
                }
                Value::Object(statement)
            },
        )
}

fn document(place: Place) -> impl Strategy<Value = Value> {
    let old = matches!(place, Place::Identity | Place::Resource);
    (
        vec(statement(place), 1..4),
        prop::bool::weighted(if old { 0.1 } else { 0.0 }),
    )
        .prop_map(|(statements, old)| {
            let version = if old { "2008-10-17" } else { "2012-10-17" };
            json!({"Version": version, "Statement": statements})
        })
}

fn everything() -> Value {
    json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
}

/// Mostly a document that allows all, so that other layers decide as well.
fn limits(place: Place) -> impl Strategy<Value = Value> {
    let mut full = everything();
    if matches!(place, Place::Endpoint | Place::Resource) {
        full["Statement"]["Principal"] = json!("*");
    }
    prop_oneof![2 => Just(full), 1 => document(place)]
}

fn levels(place: Place) -> impl Strategy<Value = Value> {
    let level = match place {
        Place::Scp => vec(limits(place), 0..3).boxed(),
        _ => vec(document(place), 0..2).boxed(),
    };
    vec(level, 1..3).prop_map(|levels| {
        let levels: Vec<Value> = levels
            .into_iter()
            .map(|policies| json!({"level": "x", "policies": policies}))
            .collect();
        json!(levels)
    })
}

fn context() -> impl Strategy<Value = Value> {
    let values = |from: &[&str]| {
        let one = text(from);
        prop_oneof![
            6 => one.clone().prop_map(Value::String),
            3 => vec(one, 0..3).prop_map(|values| json!(values)),
            1 => Just(json!({"unknown": true})),
        ]
    };
    (
        option::of(values(&["a", "b", "A", "red", "", "x*", "ré", "ana"])),
        option::of(values(&["a", "b", "", "red"])),
        option::of(values(&["a", "red", "*", ""])),
        option::of(values(&[
            "10",
            "9.99999999999999999999",
            "-1",
            "ten",
            "1e1x",
        ])),
        option::of(values(&["2030-01-01T00:00:00Z", "2029-12-31", "soon"])),
        option::of(values(&["true", "FALSE", "1"])),
        option::of(values(&["QQ==", "%%"])),
        option::of(values(&["arn:aws:jobs:eu-1:210000000001:run/1", "run/1"])),
        option::of(values(&[
            "192.0.2.7",
            "10.1.2.3",
            "2001:db8::1",
            "::ffff:192.0.2.9",
            "nowhere",
        ])),
    )
        .prop_map(|(s, keys, team, n, d, b, bin, arn, ip)| {
            let mut context = Map::new();
            let pairs = [
                ("orders:S", s),
                ("aws:TagKeys", keys),
                ("aws:PrincipalTag/Team", team),
                ("orders:N", n),
                ("orders:D", d),
                ("orders:B", b),
                ("orders:Bin", bin),
                ("orders:Arn", arn),
                ("aws:SourceIp", ip),
            ];
            for (key, value) in pairs {
                if let Some(value) = value {
                    context.insert(key.into(), value);
                }
            }
            Value::Object(context)
        })
}

fn cases() -> impl Strategy<Value = Value> {
    let action_and_resource = prop_oneof![
        6 => (
            text(&["orders:Get", "orders:Put", "orders:List"]),
            text(&[
                "arn:aws:orders:eu-1:210000000001:order/a",
                "arn:aws:orders:eu-1:210000000001:order/ana",
                "arn:aws:orders:eu-1:210000000001:order/a*",
                "arn:aws:orders:::shelf/é1",
                "arn:aws:orders:eu-1:210000000002:order/b",
                "arn:aws-cn:orders:::shelf/a1",
                "*",
            ]),
        ),
        1 => Just(("sts:AssumeRole".to_owned(), "arn:aws:iam::210000000001:role/Deploy".to_owned())),
        1 => Just(("kms:Decrypt".to_owned(), "arn:aws:kms:eu-1:210000000001:key/7".to_owned())),
        1 => Just(("sts:GetCallerIdentity".to_owned(), "*".to_owned())),
        1 => Just(("iam:GetUser".to_owned(), "arn:aws:iam::210000000001:user/ana".to_owned())),
    ];
    (
        principals(),
        action_and_resource,
        option::weighted(0.2, text(&[A, B])),
        context(),
        vec(limits(Place::Identity), 0..4),
        option::weighted(0.3, vec(limits(Place::Identity), 0..2)),
        option::weighted(0.3, vec(limits(Place::Identity), 0..2)),
        option::weighted(0.25, levels(Place::Scp)),
        option::weighted(0.15, levels(Place::Rcp)),
        option::weighted(0.2, vec(limits(Place::Endpoint), 0..2)),
        option::weighted(0.5, (limits(Place::Resource), document(Place::Trust))),
    )
        .prop_map(
            |(
                principal,
                (action, resource),
                owner,
                context,
                identity,
                boundary,
                session,
                scp,
                rcp,
                endpoint,
                policy,
            )| {
                let mut request = json!({
                    "principal": principal, "action": action, "resource": resource,
                    "context": context, "time": "2030-01-01T00:00:00Z",
                });
                if let Some(owner) = owner {
                    request["resourceAccount"] = json!(owner);
                }
                let trust = action == "sts:AssumeRole";
                let mut case = json!({"request": request, "identityPolicies": identity});
                if resource == "*" {
                    case["wildcardOnlyAction"] = json!(true);
                }
                let layers = [
                    ("permissionsBoundaries", boundary.map(Value::from)),
                    ("sessionPolicies", session.map(Value::from)),
                    ("serviceControlPolicies", scp),
                    ("resourceControlPolicies", rcp),
                    ("endpointPolicies", endpoint.map(Value::from)),
                    (
                        "resourcePolicy",
                        policy.map(|(own, of_role)| if trust { of_role } else { own }),
                    ),
                ];
                for (name, value) in layers {
                    if let Some(value) = value {
                        case[name] = value;
                    }
                }
                case
            },
        )
}

fn allows(case: &Value) -> bool {
    engine(case).decision == "Allow"
}

/// The lists of statements in a case, with what may stand in them.
fn documents_of(case: &mut Value) -> Vec<(&'static str, &mut Value)> {
    let mut found = Vec::new();
    for (name, value) in case.as_object_mut().unwrap() {
        match name.as_str() {
            "identityPolicies" | "permissionsBoundaries" | "sessionPolicies" => {
                found.extend(
                    value
                        .as_array_mut()
                        .unwrap()
                        .iter_mut()
                        .map(|d| ("identity", d)),
                );
            }
            "endpointPolicies" => {
                found.extend(
                    value
                        .as_array_mut()
                        .unwrap()
                        .iter_mut()
                        .map(|d| ("everyone", d)),
                );
            }
            "serviceControlPolicies" => {
                for level in value.as_array_mut().unwrap() {
                    let policies = level["policies"].as_array_mut().unwrap();
                    found.extend(policies.iter_mut().map(|d| ("identity", d)));
                }
            }
            "resourcePolicy" => found.push(("everyone", value)),
            _ => {}
        }
    }
    found
}

fn statements_of(document: &mut Value) -> &mut Vec<Value> {
    let statements = &mut document["Statement"];
    if statements.is_object() {
        *statements = json!([statements.clone()]);
    }
    statements.as_array_mut().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig {
        // `PROPTEST_CASES` overrides it.
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_engine_decides_as_the_rules_do(case in cases()) {
        prop_assert_eq!(engine(&case), judge(&case), "{}", case);
    }

    #[test]
    fn what_is_remembered_is_what_would_be_decided(
        policies in vec(cases(), 1..3),
        requests in vec((cases(), any::<prop::sample::Index>(), 0_usize..4), 1..8),
        limit in option::of(0_usize..3),
    ) {
        // One cache, as if snapshots were swapped in between; each question comes twice.
        let cache = DecisionCache::new(0);
        let limits = ["2030-01-01T00:00:00Z", "2030-01-01T00:00:01Z", "2029-12-31T23:59:59Z"];
        let times = ["2029-12-31T23:59:58Z", "2029-12-31T23:59:59Z", "2030-01-01T00:00:00Z", "2030-01-01T00:00:01Z"];
        let mut policies = policies;
        if let Some(limit) = limit {
            let statement = json!({"Effect": "Deny", "Action": "*", "Resource": "*",
                "Condition": {"DateGreaterThanEquals": {"aws:CurrentTime": limits[limit]}}});
            for case in &mut policies {
                case["identityPolicies"] = json!([{"Version": "2012-10-17", "Statement": [statement]}]);
            }
        }
        let read = |case: &Value| Case::read(&json::parse(&case.to_string()).unwrap()).ok();
        let ready: Vec<Option<Case>> = policies.iter().map(read).collect();
        for _ in 0..2 {
            for (request, index, time) in &requests {
                let at = index.index(policies.len());
                let mut asked = policies[at].clone();
                asked["request"] = request["request"].clone();
                asked["request"]["time"] = json!(times[*time]);
                if let (Some(asked_case), Some(ready)) = (read(&asked), &ready[at]) {
                    let plain = asked_case.judge().to_line();
                    let cached = asked_case.judge_cached(ready, &cache).to_line();
                    prop_assert_eq!(plain, cached, "CACHE-1: {}", asked);
                }
            }
        }
    }

    #[test]
    fn another_deny_never_grants(case in cases(), actions in actions(), conditions in conditions(), at in any::<prop::sample::Index>()) {
        let before = allows(&case);
        let mut after = case.clone();
        let mut documents = documents_of(&mut after);
        if !documents.is_empty() {
            let index = at.index(documents.len());
            let (kind, document) = &mut documents[index];
            let mut deny = json!({"Effect": "Deny", "Action": actions});
            if *kind == "identity" {
                deny["Resource"] = json!("*");
            } else {
                deny["Principal"] = json!("*");
            }
            if let Some(conditions) = conditions {
                deny["Condition"] = conditions;
            }
            statements_of(document).push(deny);
            prop_assert!(before || !allows(&after), "{}", after);
        }
    }

    #[test]
    fn another_limit_never_grants(case in cases(), limit in document(Place::Identity), scp in levels(Place::Scp), rcp in levels(Place::Rcp), endpoint in document(Place::Endpoint)) {
        let before = allows(&case);
        let session_exists = !case["sessionPolicies"].is_null();
        let federated = case["request"]["principal"].as_str().is_some_and(|p| p.contains("federated-user"));
        for (name, value) in [
            ("permissionsBoundaries", json!([limit])),
            ("sessionPolicies", json!([limit])),
            ("serviceControlPolicies", scp),
            ("resourceControlPolicies", rcp),
            ("endpointPolicies", json!([endpoint])),
        ] {
            // A federated user has nothing without a session policy, so that its first one gives.
            let gives = name == "sessionPolicies" && (session_exists || federated);
            if case[name].is_null() && !gives {
                let mut after = case.clone();
                after[name] = value;
                prop_assert!(before || !allows(&after), "{name}: {}", after);
            }
        }
    }

    #[test]
    fn the_order_of_statements_and_documents_does_not_matter(case in cases()) {
        let mut after = case.clone();
        for (_, document) in documents_of(&mut after) {
            statements_of(document).reverse();
        }
        for name in ["identityPolicies", "permissionsBoundaries", "sessionPolicies"] {
            if let Some(documents) = after[name].as_array_mut() {
                documents.reverse();
            }
        }
        let (before, after) = (engine(&case), engine(&after));
        prop_assert_eq!(before, after);
    }

    #[test]
    fn what_is_unknown_never_grants(case in cases(), at in any::<prop::sample::Index>()) {
        let before = allows(&case);
        let keys: Vec<String> = [
            "orders:S", "aws:TagKeys", "aws:PrincipalTag/Team", "orders:N", "orders:D", "orders:B",
            "orders:Arn", "aws:SourceIp", "aws:username",
        ].map(str::to_owned).into();
        let mut after = case.clone();
        after["request"]["context"][&keys[at.index(keys.len())]] = json!({"unknown": true});
        prop_assert!(before || !allows(&after), "{}", after);
    }

    #[test]
    fn printing_and_parsing_is_the_identity(case in cases()) {
        crate::printer::check_case(&case);
    }

    #[test]
    fn explaining_changes_nothing_and_names_what_decided(case in cases()) {
        let (plain, _) = judge_case(&case);
        let (explained, _) = judge_line(&case.to_string(), true);
        let plain: Value = serde_json::from_str(&plain).unwrap();
        let mut explained: Value = serde_json::from_str(&explained).unwrap();
        let statements = explained.as_object_mut().unwrap().remove("explain").unwrap_or_default();
        prop_assert_eq!(&plain, &explained);
        for name in plain["statements"].as_array().unwrap() {
            let name = name.as_str().unwrap();
            let found = statements.as_array().unwrap().iter().any(|statement| {
                let own = format!("{}.Statement[{}]", statement["document"].as_str().unwrap(), statement["index"]);
                own == name && statement["applies"] == true
            });
            prop_assert!(found, "{name} in {statements}");
        }
    }
}

#[test]
fn the_oracle_knows_the_conformance_cases_too() {
    let mut told = 0;
    for decision in decisions() {
        let request = &decision.case["request"];
        // What it leaves to the engine: names that no request may carry, and what is over a limit.
        let odd = request["action"]
            .as_str()
            .is_some_and(|action| action.contains('*'))
            || request["resource"] == "shelf"
            || request["context"].to_string().len() > 4_000
            || decision.case.to_string().contains("principalRole")
            || decision
                .rules
                .iter()
                .any(|rule| matches!(rule.as_str(), "OP-14" | "OP-9"));
        if odd {
            continue;
        }
        let (fast, slow) = (engine(&decision.case), judge(&decision.case));
        assert_eq!(
            fast.decision, slow.decision,
            "{}: {}",
            decision.name, decision.case
        );
        told += 1;
    }
    assert!(told > 150, "{told}");
}
