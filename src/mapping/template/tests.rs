use super::TemplateFault as F;
use super::*;
use crate::policy::{PathMode, Place};
use std::collections::BTreeMap;

fn service(account: Option<&str>, region: Option<&str>) -> Service {
    Service {
        place: Place {
            file: "orders.yaml".into(),
            line: 1,
            column: 1,
        },
        name: "orders".into(),
        prefix: "orders".into(),
        account: account.map(|text| AccountId::parse(text).unwrap()),
        partition: "aws".into(),
        region: region.map(str::to_owned),
        hosts: vec![],
        paths: PathMode::Strict,
        resources: BTreeMap::new(),
        actions: vec![],
        no_permission: vec![],
        log_delivery: None,
        encoded_denials: false,
        condition_keys: BTreeMap::new(),
        protocol: crate::policy::ServiceProtocol::Routes,
        routes: vec![],
        operations: vec![],
        signing: crate::policy::Signing::of("orders", None, &[]),
    }
}

const ACCOUNT: &str = "210000000001";

type Captures = &'static [(&'static str, &'static str)];

fn render(template: &str, captures: &[(&str, &str)]) -> Result<String, ResourceFault> {
    let service = service(Some(ACCOUNT), Some("eu-1"));
    let names: Vec<&str> = captures.iter().map(|(name, _)| *name).collect();
    let values: Vec<_> = captures.iter().map(|(_, value)| (*value).into()).collect();
    let template = ArnTemplate::parse(template, &service).unwrap();
    let bound = template.bind(&names).unwrap();
    bound.render(&values).map(|arn| arn.to_string())
}

fn fault(template: &str, captures: &[&str], service: &Service) -> F {
    let parsed = ArnTemplate::parse(template, service);
    let bound = parsed.and_then(|template| template.bind(captures));
    bound.expect_err(template)
}

#[test]
fn a_template_is_filled_from_service_and_path() {
    let all = "arn:${Partition}:orders:${Region}:${Account}:order/${Id}";
    let cases: [(&str, Captures, &str); 10] = [
        (
            all,
            &[("Id", "7")],
            "arn:aws:orders:eu-1:210000000001:order/7",
        ),
        // Colons, wildcards and dollar signs in a value are text of the sixth component.
        (
            all,
            &[("Id", "a:b:c")],
            "arn:aws:orders:eu-1:210000000001:order/a:b:c",
        ),
        (
            all,
            &[("Id", "${aws:x}")],
            "arn:aws:orders:eu-1:210000000001:order/${aws:x}",
        ),
        ("arn:aws:orders:::order/*", &[], "arn:aws:orders:::order/*"),
        (
            "arn:aws:s3:::${B}/${K}",
            &[("B", "b"), ("K", "k/l")],
            "arn:aws:s3:::b/k/l",
        ),
        (
            "arn:aws:s3:::${B}",
            &[("A", "1"), ("B", "2")],
            "arn:aws:s3:::2",
        ),
        (
            "arn:aws:orders:::${Region}/${Account}/$x",
            &[],
            "arn:aws:orders:::eu-1/210000000001/$x",
        ),
        (
            "arn:aws:logs:::group:${G}:stream:${S}",
            &[("G", "a"), ("S", "b:stream:c")],
            "arn:aws:logs:::group:a:stream:b:stream:c",
        ),
        // The text at the end is that at the end, wherever else it stands.
        (
            "arn:aws:files:::${S}/${D}.json",
            &[("S", "s"), ("D", "a.json.b.json")],
            "arn:aws:files:::s/a.json.b.json.json",
        ),
        (
            "arn:aws:logs:::group:${G}:stream:${S}",
            &[("G", "master:"), ("S", "c")],
            "arn:aws:logs:::group:master::stream:c",
        ),
    ];
    for (template, captures, expected) in cases {
        assert_eq!(
            render(template, captures).as_deref(),
            Ok(expected),
            "{template}"
        );
    }
}

#[test]
fn no_two_sets_of_values_give_one_arn() {
    let logs = "arn:aws:logs:::group:${G}:stream:${S}";
    let cases: [(&str, &[(&str, &str)]); 6] = [
        (logs, &[("G", "a:stream:b"), ("S", "c")]),
        (logs, &[("G", "a:stream"), ("S", "c:stream:d")]),
        ("arn:aws:x:::${A}-${B}", &[("A", "a-b"), ("B", "c")]),
        // The whole of a path may hold slashes, and then it must not be taken for a name in it.
        ("arn:aws:x:::${A}/${B}", &[("A", "a/b"), ("B", "c")]),
        ("arn:aws:x:::${A}/meta", &[("A", "")]),
        ("arn:aws:x:::${A}/${B}", &[("A", "a"), ("B", "")]),
    ];
    for (template, captures) in cases {
        assert_eq!(
            render(template, captures),
            Err(ResourceFault::Separator),
            "{template}"
        );
    }
}

#[test]
fn an_arn_over_its_limit_is_refused_and_never_cut() {
    let template = "arn:aws:orders:::order/${Id}";
    let head = template.len() - "${Id}".len();
    let most = "x".repeat(Arn::LIMIT - head);
    assert!(render(template, &[("Id", &most)]).is_ok(), "LIM-5");
    let more = "x".repeat(Arn::LIMIT - head + 1);
    assert_eq!(
        render(template, &[("Id", &more)]),
        Err(ResourceFault::TooLong),
        "LIM-5"
    );
}

#[test]
fn the_owner_is_the_account_that_the_template_names_or_the_service_s() {
    let cases = [
        ("arn:aws:orders:::x", ACCOUNT),
        ("arn:aws:orders::${Account}:x", ACCOUNT),
        ("arn:aws:orders::210000000002:x", "210000000002"),
    ];
    for (text, owner) in cases {
        let template = ArnTemplate::parse(text, &service(Some(ACCOUNT), None)).unwrap();
        assert_eq!(
            template.bind(&[]).unwrap().owner().as_str(),
            owner,
            "CTX-4: {text}"
        );
    }
}

#[test]
fn a_service_without_region_has_arns_without_region() {
    let text = "arn:aws:orders:${Region}:${Account}:x${Region}";
    let template = ArnTemplate::parse(text, &service(Some(ACCOUNT), None)).unwrap();
    let arn = template.bind(&[]).unwrap().render(&[]).unwrap();
    assert_eq!(arn.as_str(), "arn:aws:orders::210000000001:x");
}

#[test]
fn what_is_not_a_template_is_told_with_its_rule() {
    let whole = service(Some(ACCOUNT), Some("eu-1"));
    let cases = [
        ("order/${Id}", "MAP-5"),
        ("arn:aws:orders:::", "MAP-5"),
        ("arn:aws:orders::x", "MAP-5"),
        ("ARN:aws:orders:::x", "MAP-5"),
        ("arn::orders:::x", "MAP-5"),
        ("arn:aws::::x", "MAP-5"),
        ("arn:AWS:orders:::x", "MAP-5"),
        ("arn:aws:orders:*::x", "MAP-5"),
        ("arn:aws:orders::*:x", "MAP-5"),
        ("arn:aws:orders::2100:x", "MAP-5"),
        ("arn:aws:orders:::x\u{1}", "MAP-5"),
        ("arn:aws:orders:::${Id", "MAP-5"),
        ("arn:aws:orders:::${}", "MAP-5"),
        ("arn:aws:orders:::${aws:username}", "MAP-5"),
        ("arn:aws:orders:::${Other}", "MAP-6"),
        ("arn:${Id}:orders:::x", "MAP-7"),
        ("arn:aws:${Id}:::x", "MAP-7"),
        ("arn:aws:orders:${Id}::x", "MAP-7"),
        ("arn:aws:orders::${Id}:x", "MAP-7"),
        ("arn:aws:orders:${Account}::x", "MAP-7"),
        ("arn:aws:orders:x${Region}::x", "MAP-7"),
        ("arn:aws:orders:::${Id}${Part}", "MAP-8"),
    ];
    for (text, rule) in cases {
        let fault = fault(text, &["Id", "Part"], &whole);
        assert_eq!(fault.rule(), rule, "{text}: {fault}");
    }
    let nobody = service(None, None);
    let cases = [
        ("arn:aws:orders:::x", "MAP-10"),
        ("arn:aws:orders::${Account}:x", "MAP-6"),
        ("arn:aws:orders::210000000001:${Account}", "MAP-6"),
    ];
    for (text, rule) in cases {
        assert_eq!(fault(text, &[], &nobody).rule(), rule, "{text}");
    }
    let long = format!("arn:aws:orders:::{}", "x".repeat(Arn::LIMIT));
    assert_eq!(fault(&long, &[], &whole), F::TooLong, "LIM-5");
}
