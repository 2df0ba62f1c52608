use super::*;
use crate::proto::envoy::config::core::v3::{HeaderMap, HeaderValue};
use crate::proto::envoy::service::auth::v3::attribute_context::HttpRequest;
use crate::proto::envoy::service::auth::v3::{AttributeContext, CheckRequest, attribute_context};
use prost::Message as _;

fn read(check: &CheckRequest, trusted_hops: usize) -> Result<HttpCall, Refusal> {
    super::read(&check.encode_to_vec().into(), trusted_hops)
}

fn check(http: HttpRequest) -> CheckRequest {
    let request = attribute_context::Request { http: Some(http) };
    CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(request),
            ..AttributeContext::default()
        }),
    }
}

fn field(key: &str, value: &str, raw: &[u8]) -> HeaderValue {
    HeaderValue {
        key: key.to_owned(),
        value: value.to_owned(),
        raw_value: bytes::Bytes::copy_from_slice(raw),
    }
}

#[test]
fn what_is_missing_or_contradicts_itself_is_refused() {
    let map = |headers| Some(HeaderMap { headers });
    let two = HttpRequest {
        headers: [("a".to_owned(), "b".to_owned())].into(),
        header_map: map(vec![field("a", "", b"b")]),
        ..HttpRequest::default()
    };
    let differing = HttpRequest {
        header_map: map(vec![field("a", "x", b"y")]),
        ..HttpRequest::default()
    };
    let many = HttpRequest {
        header_map: map((0..300)
            .map(|n| field(&format!("h{n}"), "", b"y"))
            .collect()),
        ..HttpRequest::default()
    };
    let cases = [
        (CheckRequest { attributes: None }, "no_attributes"),
        (
            CheckRequest {
                attributes: Some(AttributeContext::default()),
            },
            "no_http",
        ),
        (check(two), "two_header_forms"),
        (check(differing), "two_header_values"),
        (check(many), "too_many_headers"),
    ];
    for (check, label) in cases {
        let refusal = read(&check, 0).unwrap_err();
        assert_eq!(refusal.reason(), label);
        assert_eq!(refusal.http_status(), 400);
    }
}

proptest::proptest! {
    #[test]
    fn a_check_is_read_as_the_generated_types_read_it(
        texts in proptest::array::uniform4("[a-zA-Z0-9/é.-]{0,200}"),
        fields in proptest::collection::vec(("[a-zA-Z_-]{1,30}", "[ -~é]{0,150}", proptest::bool::ANY), 0..20),
        joined in proptest::bool::ANY,
        raw_body in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
    ) {
        let [method, path, host, scheme] = texts;
        let listed = fields.iter().map(|(key, value, is_raw)| {
            if *is_raw {
                field(key, "", value.as_bytes())
            } else {
                field(key, value, b"")
            }
        });
        let pairs = fields.iter().map(|(key, value, _)| (key.clone(), value.clone()));
        let http = HttpRequest {
            method: method.clone(),
            path: path.clone(),
            host: host.clone(),
            scheme: scheme.clone(),
            headers: pairs.clone().filter(|_| joined).collect(),
            header_map: (!joined).then(|| HeaderMap { headers: listed.collect() }),
            raw_body: raw_body.into(),
            ..HttpRequest::default()
        };
        let as_sent = http.clone();
        if let Ok(call) = read(&check(http), 0) {
            proptest::prop_assert_eq!(call.method, method);
            proptest::prop_assert_eq!(call.target, path);
            proptest::prop_assert_eq!(call.authority, host);
            proptest::prop_assert_eq!(call.scheme, scheme);
            let expected: Vec<(String, Vec<u8>)> = if joined {
                // The order of a map is nobody's.
                let mut fields: Vec<_> = as_sent.headers.into_iter().collect();
                fields.sort();
                fields.into_iter().map(|(key, value)| (key.to_ascii_lowercase(), value.into_bytes())).collect()
            } else {
                pairs.map(|(key, value)| (key.to_ascii_lowercase(), value.into_bytes())).collect()
            };
            let mut expected = expected;
            let mut got: Vec<(String, Vec<u8>)> = call.headers.iter().map(|(key, value)| (key.to_owned(), value.to_vec())).collect();
            if joined {
                expected.sort();
                got.sort();
            }
            proptest::prop_assert_eq!(got, expected);
        } else {
            // Only a content type that is there twice, or is no text, is refused here.
            proptest::prop_assert!(fields.iter().any(|(key, ..)| key.eq_ignore_ascii_case("content-type")));
        }
    }
}

#[test]
fn what_is_no_message_is_refused_and_nothing_else_happens() {
    let whole = check(HttpRequest {
        method: "GET".to_owned(),
        headers: [("a".to_owned(), "b".repeat(200))].into(),
        ..HttpRequest::default()
    })
    .encode_to_vec();
    for length in 1..whole.len() {
        let refused = super::read(&whole[..length].to_vec().into(), 0).unwrap_err();
        assert_eq!(refused.http_status(), 400, "{length}");
    }
}

#[test]
fn only_the_connection_tells_that_it_is_secure() {
    use crate::proto::envoy::service::auth::v3::attribute_context::{Peer, TlsSession};
    let secure = |scheme: &str, sni: &str, principal: &str| {
        let http = HttpRequest {
            scheme: scheme.to_owned(),
            ..HttpRequest::default()
        };
        let mut check = check(http);
        let attributes = check.attributes.as_mut().unwrap();
        attributes.tls_session = Some(TlsSession {
            sni: sni.to_owned(),
        });
        attributes.source = Some(Peer {
            address: None,
            principal: principal.to_owned(),
        });
        read(&check, 0).unwrap().peer.secure
    };
    let cases = [
        ("https", "shop.test", "", Some(true)),
        ("http", "shop.test", "", Some(true)),
        ("http", "", "spiffe://shop.test/x", Some(true)),
        ("http", "", "", Some(false)),
        ("https", "", "", None),
        ("", "", "", None),
    ];
    for (scheme, sni, principal, expected) in cases {
        assert_eq!(secure(scheme, sni, principal), expected, "{scheme} {sni}");
    }
}

#[test]
fn behind_proxies_the_outermost_trusted_one_tells_the_address() {
    let address = |fields: &[&str], hops| {
        let headers = fields
            .iter()
            .map(|value| field("x-forwarded-for", "", value.as_bytes()))
            .collect();
        let http = HttpRequest {
            header_map: Some(HeaderMap { headers }),
            ..HttpRequest::default()
        };
        let ip = read(&check(http), hops).unwrap().peer.ip;
        ip.map(|ip| ip.to_string())
    };
    // (fields, hops, address): the client may have written the beginning.
    let cases: [(&[&str], usize, Option<&str>); 6] = [
        (&["6.6.6.6, 192.0.2.7, 10.0.0.1"], 1, Some("192.0.2.7")),
        (
            &["6.6.6.6, 192.0.2.7", "10.0.0.2, 10.0.0.1"],
            2,
            Some("192.0.2.7"),
        ),
        (&["10.0.0.1"], 1, None),
        (&["nonsense, 10.0.0.1"], 1, None),
        (&[], 1, None),
        (&["6.6.6.6"], 0, None),
    ];
    for (fields, hops, expected) in cases {
        assert_eq!(
            address(fields, hops).as_deref(),
            expected,
            "{fields:?} {hops}"
        );
    }
}

#[test]
fn both_forms_of_headers_are_read() {
    let joined = HttpRequest {
        headers: [
            ("x-a".to_owned(), "1,2".to_owned()),
            (":path".to_owned(), "/".to_owned()),
        ]
        .into(),
        ..HttpRequest::default()
    };
    assert_eq!(
        read(&check(joined), 0).unwrap().headers.joined("x-a"),
        Ok(Some("1,2"))
    );
    let listed = HttpRequest {
        header_map: Some(HeaderMap {
            headers: vec![
                field(":method", "", b"GET"),
                field("x-a", "", b"1"),
                field("x-a", "", b"2"),
                field("content-type", "", b"application/grpc+proto"),
            ],
        }),
        ..HttpRequest::default()
    };
    let call = read(&check(listed), 0).unwrap();
    assert_eq!(call.headers.len(), 3);
    assert_eq!(call.headers.all("x-a").count(), 2);
    assert_eq!(call.protocol, Protocol::Grpc);
}
