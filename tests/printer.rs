//! Printing and parsing is the identity: what a document was read as, written out again and read
//! again, is the same. A reader that loses or adds anything cannot pass.

use crate::conformance::{decisions, documents};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sidegate::policy::ip_range::IpRange;
use sidegate::policy::template::{Template, Token};
use sidegate::policy::{
    ActionPattern, Base, Condition, ConditionValue, Element, Findings, Keys, Place, Policy,
    PolicyKind, PrincipalEntry, ResourcePattern, Statement, json,
};
use std::net::{Ipv4Addr, Ipv6Addr};

/// What a text is written in: which of its characters have to be escaped.
#[derive(Clone, Copy)]
struct Form {
    wildcards: bool,
    variables: bool,
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn list(texts: impl Iterator<Item = String>) -> String {
    format!("[{}]", texts.collect::<Vec<_>>().join(","))
}

fn template(template: &Template, form: Form) -> String {
    let mut text = String::new();
    for token in &template.tokens {
        match token {
            Token::One => text.push('?'),
            Token::Many => text.push('*'),
            Token::Variable { key, default: None } => text.extend(["${", key.as_str(), "}"]),
            Token::Variable {
                key,
                default: Some(default),
            } => {
                text.extend(["${", key.as_str(), ", '", default, "'}"]);
            }
            Token::Literal(literal) => {
                for character in literal.chars() {
                    match character {
                        '*' if form.wildcards && form.variables => text += "${*}",
                        '?' if form.wildcards && form.variables => text += "${?}",
                        '$' if form.variables => text += "${$}",
                        other => text.push(other),
                    }
                }
            }
        }
    }
    text
}

fn resource(pattern: &ResourcePattern, variables: bool) -> String {
    let ResourcePattern::Arn {
        partition,
        service,
        region,
        account,
        resource,
    } = pattern
    else {
        return "*".to_owned();
    };
    let plain = Form {
        wildcards: true,
        variables: false,
    };
    let head = [partition, service, region, account].map(|part| template(part, plain));
    let form = Form {
        wildcards: true,
        variables,
    };
    format!("arn:{}:{}", head.join(":"), template(resource, form))
}

fn action(pattern: &ActionPattern) -> String {
    match pattern {
        ActionPattern::All => "*".to_owned(),
        ActionPattern::Named { prefix, name } => format!("{prefix}:{name}"),
    }
}

fn principal(element: &Element<PrincipalEntry>) -> String {
    if element.entries == [PrincipalEntry::Everyone] {
        return quoted("*");
    }
    let mut members: Vec<(&str, Vec<String>)> = Vec::new();
    for entry in &element.entries {
        let (member, text) = match entry {
            PrincipalEntry::Everyone => ("AWS", "*".to_owned()),
            PrincipalEntry::Account {
                partition: None,
                account,
            } => ("AWS", account.to_string()),
            PrincipalEntry::Account {
                partition: Some(partition),
                account,
            } => ("AWS", format!("arn:{partition}:iam::{account}:root")),
            PrincipalEntry::User(arn)
            | PrincipalEntry::Role(arn)
            | PrincipalEntry::RoleSession(arn)
            | PrincipalEntry::FederatedUser(arn) => ("AWS", arn.as_str().to_owned()),
            PrincipalEntry::UniqueId(id) => ("AWS", id.clone()),
            PrincipalEntry::Service(name) => ("Service", name.clone()),
            PrincipalEntry::Federated(name) => ("Federated", name.clone()),
            PrincipalEntry::CanonicalUser(id) => ("CanonicalUser", id.clone()),
        };
        match members.last_mut() {
            Some((last, texts)) if *last == member => texts.push(text),
            _ => members.push((member, vec![text])),
        }
    }
    if members.is_empty() {
        members.push(("AWS", Vec::new()));
    }
    let members = members.iter().map(|(member, texts)| {
        let texts = list(texts.iter().map(|text| quoted(text)));
        format!("{}:{texts}", quoted(member))
    });
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

fn value(value: &ConditionValue, condition: &Condition, variables: bool) -> String {
    let text = match value {
        ConditionValue::Text(text) => {
            let exact = matches!(
                condition.base,
                Base::StringEquals
                    | Base::StringNotEquals
                    | Base::StringEqualsIgnoreCase
                    | Base::StringNotEqualsIgnoreCase
            );
            template(
                text,
                Form {
                    wildcards: !exact,
                    variables,
                },
            )
        }
        ConditionValue::Number(number) => number.to_string(),
        ConditionValue::Instant(instant) => match instant.nanoseconds() {
            0 => instant.to_iso(),
            fraction => instant.to_iso().replace('Z', &format!(".{fraction:09}Z")),
        },
        ConditionValue::Truth(truth) => truth.to_string(),
        ConditionValue::Bytes(bytes) => STANDARD.encode(bytes),
        ConditionValue::Range(IpRange::V4(network, mask)) => {
            format!("{}/{}", Ipv4Addr::from_bits(*network), mask.count_ones())
        }
        ConditionValue::Range(IpRange::V6(network, mask)) => {
            format!("{}/{}", Ipv6Addr::from_bits(*network), mask.count_ones())
        }
    };
    quoted(&text)
}

fn conditions(conditions: &[Condition], variables: bool) -> String {
    let mut operators: Vec<(&str, Vec<String>)> = Vec::new();
    for condition in conditions {
        let values = condition.values.iter();
        let values = list(values.map(|one| value(one, condition, variables)));
        let member = format!("{}:{values}", quoted(&condition.key_text));
        match operators.last_mut() {
            Some((last, members)) if *last == condition.operator => members.push(member),
            _ => operators.push((&condition.operator, vec![member])),
        }
    }
    let operators = operators
        .iter()
        .map(|(operator, members)| format!("{}:{{{}}}", quoted(operator), members.join(",")));
    format!("{{{}}}", operators.collect::<Vec<_>>().join(","))
}

fn statement(statement: &Statement, variables: bool) -> String {
    let not = |negated: bool| if negated { "Not" } else { "" };
    let mut members = Vec::new();
    if let Some(sid) = &statement.sid {
        members.push(format!("\"Sid\":{}", quoted(sid)));
    }
    members.push(format!("\"Effect\":\"{}\"", statement.effect.label()));
    if let Some(element) = &statement.principal {
        members.push(format!(
            "\"{}Principal\":{}",
            not(element.negated),
            principal(element)
        ));
    }
    let actions = statement.action.entries.iter();
    members.push(format!(
        "\"{}Action\":{}",
        not(statement.action.negated),
        list(actions.map(|entry| quoted(&action(entry))))
    ));
    if let Some(element) = &statement.resource {
        let entries = element.entries.iter();
        members.push(format!(
            "\"{}Resource\":{}",
            not(element.negated),
            list(entries.map(|entry| quoted(&resource(entry, variables))))
        ));
    }
    if !statement.conditions.is_empty() {
        members.push(format!(
            "\"Condition\":{}",
            conditions(&statement.conditions, variables)
        ));
    }
    format!("{{{}}}", members.join(","))
}

fn print(policy: &Policy) -> String {
    let version = if policy.variables {
        "2012-10-17"
    } else {
        "2008-10-17"
    };
    let id = policy
        .id
        .as_ref()
        .map(|id| format!("\"Id\":{},", quoted(id)));
    let statements = policy.statements.iter();
    format!(
        "{{\"Version\":\"{version}\",{}\"Statement\":{}}}",
        id.unwrap_or_default(),
        list(statements.map(|one| statement(one, policy.variables)))
    )
}

/// Reads a text; without places and sizes, which printing may change.
fn read(text: &str, kind: PolicyKind) -> Option<Policy> {
    let node = json::parse(text).ok()?;
    let mut findings = Findings::new("document");
    let mut policy = Policy::parse(&node, kind, &Keys::global(), &mut findings)?;
    let place = Place {
        file: "document".into(),
        line: 1,
        column: 1,
    };
    policy.characters = 0;
    policy.place = place.clone();
    for statement in &mut policy.statements {
        statement.place = place.clone();
    }
    Some(policy)
}

/// Prints and reads a document that can be read; tells whether it could be.
#[track_caller]
pub(crate) fn check(text: &str, kind: PolicyKind) -> bool {
    let Some(policy) = read(text, kind) else {
        return false;
    };
    let printed = print(&policy);
    let again = read(&printed, kind).unwrap_or_else(|| panic!("{printed}\nfrom {text}"));
    assert_eq!(policy, again, "{printed}\nfrom {text}");
    assert_eq!(printed, print(&again));
    true
}

/// Every document of a simulation case, with its kind; tells how many could be read.
pub(crate) fn check_case(case: &Value) -> usize {
    let lists = [
        ("identityPolicies", PolicyKind::Identity),
        ("permissionsBoundaries", PolicyKind::Identity),
        ("sessionPolicies", PolicyKind::Identity),
        ("endpointPolicies", PolicyKind::Endpoint),
    ];
    let levels = [
        ("serviceControlPolicies", PolicyKind::ServiceControl),
        ("resourceControlPolicies", PolicyKind::ResourceControl),
    ];
    let of = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut found = Vec::new();
    for (member, kind) in lists {
        found.extend(of(&case[member]).into_iter().map(|one| (one, kind)));
    }
    for (member, kind) in levels {
        for level in of(&case[member]) {
            found.extend(of(&level["policies"]).into_iter().map(|one| (one, kind)));
        }
    }
    if case["resourcePolicy"].is_object() {
        found.push((case["resourcePolicy"].clone(), PolicyKind::Resource));
        found.push((case["resourcePolicy"].clone(), PolicyKind::Trust));
    }
    let read = found
        .iter()
        .filter(|(document, kind)| check(&document.to_string(), *kind));
    read.count()
}

#[test]
fn printing_and_parsing_is_the_identity() {
    let mut tried = 0;
    for document in documents() {
        tried += usize::from(check(&document.text, document.kind()));
    }
    for case in decisions() {
        tried += check_case(&case.case);
    }
    assert!(tried > 300, "{tried}");
    // What has to be escaped, and what may not be.
    for version in ["2012-10-17", "2008-10-17"] {
        for value in [
            "a*b",
            "a?b",
            "${*}${?}${$}",
            "$",
            "$$",
            "${aws:username}",
            "${x:y, 'z'}a",
            "",
        ] {
            for operator in [
                "StringEquals",
                "StringNotLike",
                "ForAnyValue:stringlikeIfExists",
            ] {
                let text = format!(
                    r#"{{"Version":"{version}","Statement":{{"Effect":"Allow","Action":"a:B*","Resource":["arn:aws:a:*::{value}x","**"],"Condition":{{"{operator}":{{"a:K":["{value}","é\"\\"]}}}}}}}}"#
                );
                assert!(check(&text, PolicyKind::Identity), "{text}");
            }
        }
    }
}
