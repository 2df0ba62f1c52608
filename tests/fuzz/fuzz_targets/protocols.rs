//! Whatever a client writes to a service with a protocol of AWS: host, path, query, headers, body.
//!
//! A call that is mapped has a target; every target of an object store is in the bucket that the
//! call names, unless it is the source of a copy; and no key has a way to another one in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidegate::mapping::Table;
use sidegate::model::{Body, Headers, HttpCall, Peer, Protocol};
use sidegate::policy::{Bundle, BundleFile};
use std::sync::LazyLock;

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let text = include_str!("../../../deploy/aws/bundle/services.yaml");
    let file = BundleFile {
        path: "services.yaml",
        bytes: text.as_bytes(),
    };
    let (bundle, _) = Bundle::parse(&[file]).expect("what we ship");
    Table::compile(&bundle.services).expect("what we ship")
});

fuzz_target!(|input: (&str, &str, &str, Vec<(String, String)>, &[u8], u8)| {
    let (method, bucket, target, fields, body, choice) = input;
    let authority = match choice % 4 {
        0 => "s3.internal".to_owned(),
        1 => format!("{bucket}.s3.internal"),
        2 => "dynamodb.internal".to_owned(),
        _ => "sns.internal".to_owned(),
    };
    let mut headers = Headers::new();
    for (name, value) in &fields {
        headers.push(name, value.as_str());
    }
    let call = HttpCall {
        method: method.to_owned(),
        scheme: "https".to_owned(),
        authority,
        target: target.to_owned(),
        headers,
        body: Body::Known(body.to_vec().into()),
        peer: Peer::default(),
        protocol: Protocol::Http,
    };
    let Ok(mapped) = TABLE.resolve(&call) else {
        return;
    };
    assert!(!mapped.targets.is_empty());
    let has_source = fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("x-amz-copy-source"))
        || target.contains("copy");
    for of_target in &mapped.targets {
        let Some(arn) = of_target.resource.arn() else {
            continue;
        };
        let name = arn.resource();
        assert!(!name.split('/').any(|part| part == "." || part == ".."));
        if choice % 4 == 1 && !has_source {
            let own = bucket.to_ascii_lowercase();
            assert!(name == own || name.starts_with(&format!("{own}/")), "{name}");
        }
    }
});
