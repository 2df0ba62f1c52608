use super::*;
use crate::mapping::Table;
use crate::model::{Body, Headers, Peer, Protocol};
use crate::policy::{Bundle, BundleFile};

/// A table with one route whose context has this one key.
fn table(key: &str, source: &str) -> Result<Table, &'static str> {
    let text = format!(
        "apiVersion: sidegate.dev/v1alpha1\nkind: IamService\nmetadata: {{name: orders}}\n\
         spec:\n  prefix: orders\n  account: \"210000000001\"\n  conditionKeys: {{}}\n  routes:\n    \
         - match: \"GET /v1/{{Id}}\"\n      action: orders:Get\n      context: {{\"{key}\": \"{source}\"}}\n"
    );
    let file = BundleFile {
        path: "orders.yaml",
        bytes: text.as_bytes(),
    };
    let (bundle, _) = Bundle::parse(&[file]).unwrap();
    Table::compile(&bundle.services).map_err(|faults| faults[0].rule)
}

/// The values that the key gets, or the label of the fault.
fn values(
    source: &str,
    target: &str,
    headers: &[(&str, &[u8])],
) -> Result<Vec<String>, &'static str> {
    let table = table("orders:X", source).unwrap();
    let mut fields = Headers::new();
    for (name, value) in headers {
        fields.push(name, *value);
    }
    let call = HttpCall {
        method: "GET".into(),
        scheme: "https".into(),
        authority: "shop.test".into(),
        target: target.into(),
        headers: fields,
        body: Body::none(),
        peer: Peer::default(),
        protocol: Protocol::Http,
    };
    let mapped = table.resolve(&call).map_err(|fault| fault.label())?;
    let values = mapped.context.first().map(|(_, values)| values.as_slice());
    Ok(values
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect())
}

#[test]
fn a_key_comes_from_where_the_route_says() {
    let none: &[(&str, &[u8])] = &[];
    let one: &[(&str, &[u8])] = &[("X-Priority", b"high")];
    let twice: &[(&str, &[u8])] = &[("x-priority", b"high"), ("x-priority", b"low")];
    let twin: &[(&str, &[u8])] = &[("x-priority", b"low"), ("x_priority", b"high")];
    let only_twin: &[(&str, &[u8])] = &[("x_priority", b"high")];
    let bytes: &[(&str, &[u8])] = &[("x-priority", b"\xff")];
    let empty: &[(&str, &[u8])] = &[("x-priority", b"")];
    // (source, target, headers, values)
    let cases = [
        ("header:x-priority", "/v1/7", one, Ok(vec!["high"])),
        ("header:X-Priority", "/v1/7", one, Ok(vec!["high"])),
        ("header:x-priority", "/v1/7", none, Ok(vec![])),
        ("header:x-priority", "/v1/7", empty, Ok(vec![""])),
        ("header:x-priority", "/v1/7", twice, Err("bad_header")),
        ("header:x-priority", "/v1/7", twin, Err("bad_header")),
        ("header:x-priority", "/v1/7", only_twin, Err("bad_header")),
        ("header:x-priority", "/v1/7", bytes, Err("bad_header")),
        ("query:tag", "/v1/7?tag=a&tag=b", none, Ok(vec!["a", "b"])),
        ("query:tag", "/v1/7?tag=a%26b", none, Ok(vec!["a&b"])),
        ("query:tag", "/v1/7?t%61g=a", none, Ok(vec!["a"])),
        ("query:tag", "/v1/7?other=a", none, Ok(vec![])),
        ("query:tag", "/v1/7", none, Ok(vec![])),
        ("query:tag", "/v1/7?tag=%zz", none, Err("bad_query")),
        ("query:tag", "/v1/7?tag=%ff", none, Err("bad_query")),
        ("query:tag", "/v1/7?tag=a;tag=b", none, Err("bad_query")),
        ("query:tag", "/v1/7?tag=a+b", none, Err("bad_query")),
        ("query:tag", "/v1/7?TAG=b", none, Err("bad_query")),
        ("path:Id", "/v1/7", none, Ok(vec!["7"])),
        ("path:Id", "/v1/a%20b", none, Ok(vec!["a b"])),
        ("value:fixed text", "/v1/7", none, Ok(vec!["fixed text"])),
        ("value:", "/v1/7", none, Ok(vec![""])),
    ];
    for (source, target, headers, expected) in cases {
        let expected = expected.map(|values| values.into_iter().map(str::to_owned).collect());
        let got = values(source, target, headers);
        assert_eq!(got, expected, "{source} of {target} with {headers:?}");
    }
}

#[test]
fn a_route_sets_no_key_of_facts_and_reads_no_header_of_proxies() {
    // (key, source, rule)
    let cases = [
        ("orders:X", "header:x-y", Ok(())),
        ("aws:RequestTag/team", "header:x-team", Ok(())),
        ("aws:TagKeys", "value:team", Ok(())),
        ("aws:SourceIp", "header:x-ip", Err("MAP-12")),
        ("aws:PrincipalTag/team", "header:x-team", Err("MAP-12")),
        ("AWS:principalarn", "header:x", Err("MAP-12")),
        ("sts:ExternalId", "header:x", Err("MAP-12")),
        ("iam:PassedToService", "value:x", Err("MAP-12")),
        ("saml:sub", "value:x", Err("MAP-12")),
        ("sidegate:PeerPrincipal", "header:x", Err("MAP-12")),
        ("login.shop.test:sub", "header:x", Err("MAP-12")),
        ("stock:X", "value:x", Err("MAP-11")),
        ("nothing", "value:x", Err("MAP-11")),
        ("orders:", "value:x", Err("MAP-11")),
        ("orders:X", "header:authorization", Err("MAP-13")),
        ("orders:X", "header:Cookie", Err("MAP-13")),
        ("orders:X", "header:x-sidegate-principal", Err("MAP-13")),
        ("orders:X", "header:x_sidegate_principal", Err("MAP-13")),
        ("orders:X", "header:x-forwarded-client-cert", Err("MAP-13")),
        ("orders:X", "header:x_forwarded_for", Err("MAP-13")),
        ("orders:X", "header:X-Envoy-Original-Path", Err("MAP-13")),
        ("orders:X", "header:x-real-ip", Err("MAP-13")),
        ("orders:X", "header:forwarded", Err("MAP-13")),
        ("orders:X", "header:host", Err("MAP-13")),
        ("orders:X", "header::path", Err("MAP-13")),
        ("orders:X", "header:", Err("MAP-13")),
        ("orders:X", "query:", Err("MAP-13")),
        ("orders:X", "path:Other", Err("MAP-13")),
        ("orders:X", "x-priority", Err("MAP-13")),
    ];
    for (key, source, expected) in cases {
        assert_eq!(
            table(key, source).map(|_| ()),
            expected,
            "{key} from {source}"
        );
    }
}
