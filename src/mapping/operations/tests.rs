use crate::mapping::{Mapped, MappingError, Table};
use crate::model::{Body, Context, Headers, HttpCall, Peer, Protocol};
use crate::policy::{Bundle, BundleFile};

const NOTES: &str = r#"apiVersion: sidegate.dev/v1alpha1
kind: IamService
metadata: {name: notes}
spec:
  prefix: notes
  protocol: aws-json
  target: Notes_20260101
  account: "210000000001"
  region: eu-1
  hosts: [notes.test]
  conditionKeys: {"notes:Kind": {type: string}}
  resources:
    notebook: {arn: "arn:aws:notes:${Region}:${Account}:notebook/${Notebook}"}
  operations:
    Read:
      resource: notebook
      values: {Notebook: "body:Notebook"}
      without: ["body:All"]
      context: {"notes:Kind": "body:Kind"}
"#;

fn table() -> Table {
    let file = BundleFile {
        path: "notes.yaml",
        bytes: NOTES.as_bytes(),
    };
    let (bundle, _) = Bundle::parse(&[file]).unwrap();
    Table::compile(&bundle.services).unwrap()
}

fn ask<'t>(table: &'t Table, operation: &str, body: &str) -> Result<Mapped<'t>, MappingError> {
    let mut headers = Headers::new();
    headers.push("content-type", "application/x-amz-json-1.0");
    headers.push("x-amz-target", format!("Notes_20260101.{operation}"));
    table.resolve(&HttpCall {
        method: "POST".into(),
        scheme: "https".into(),
        authority: "notes.test".into(),
        target: "/".into(),
        headers,
        body: Body::Known(body.to_owned().into()),
        peer: Peer::default(),
        protocol: Protocol::Http,
    })
}

fn sentence(fault: &MappingError) -> String {
    let cause = std::error::Error::source(fault).map(|cause| format!(": {cause}"));
    format!("{fault}{}", cause.unwrap_or_default())
}

#[test]
fn what_nobody_computes_is_not_absent() {
    // CTX-6: a policy of AWS may test keys that stand in bodies which are not read here.
    let table = table();
    let mapped = ask(&table, "Read", r#"{"Notebook":"a","Kind":"plain"}"#).unwrap();
    let mut context = Context::new();
    for family in &mapped.unknown {
        context.set_unknown_family(family.clone());
    }
    for (key, values) in &mapped.context {
        context.set_all(key, values.iter().map(|value| (**value).into()));
    }
    let is_unknown = |key| {
        let unknown = &crate::model::ContextValue::Unknown;
        context.lookup(key) == Some(unknown)
    };
    for key in ["notes:leadingkeys", "aws:requesttag/owner", "aws:tagkeys"] {
        assert!(is_unknown(key), "{key}");
    }
    assert!(!is_unknown("notes:kind"));
    assert_eq!(context.lookup("aws:principalarn"), None);
}

#[test]
fn what_a_body_does_not_say_in_one_way_is_told_by_its_cause() {
    let table = table();
    let cases = [
        (
            "Read",
            r#"{"Notebook":7.0}"#,
            "a name in the body has characters that no name has",
        ),
        (
            "Read",
            r#"{"Notebook":true}"#,
            "a name in the body has characters that no name has",
        ),
        (
            "Read",
            r#"{"Notebook":"a","All":true}"#,
            "`without` of the operation refuses",
        ),
        (
            "Read",
            r#"{"Notebook":"a","notebook":"b"}"#,
            "under a name like another",
        ),
        ("Read", "{}", "the body does not say what it is about"),
        (
            "Write",
            "{}",
            "`Write` is not listed in `operations` of the service `notes`",
        ),
    ];
    for (operation, body, expected) in cases {
        let fault = ask(&table, operation, body).unwrap_err();
        assert!(
            sentence(&fault).contains(expected),
            "{body}: {}",
            sentence(&fault)
        );
    }
}
