//! Two signers that share no code with the verifier: the crate `aws-sigv4`, and botocore. What they
//! sign verifies, whatever paths, queries and headers look like; and with any byte changed that the
//! signature covers, it does not (ACC-03).

use super::{Verifier, call, lenient};
use crate::support::parts;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SessionTokenMode, SignableBody, SignableRequest,
    SignatureLocation, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use proptest::prelude::*;
use sidegate::model::{Body, HttpCall, Timestamp};
use std::process::Command;
use std::time::{Duration, SystemTime};

const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const AT: u64 = 1_893_456_000;

/// A request that somebody wants to sign.
#[derive(Clone, Debug)]
struct Wanted {
    method: String,
    /// As it goes over the wire.
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    is_s3: bool,
    in_query: bool,
}

fn piece() -> impl Strategy<Value = String> {
    // Unreserved, escaped, reserved, and multi-byte characters.
    prop_oneof![
        "[A-Za-z0-9._~-]{1,8}",
        "(%[0-9A-F][0-9A-F]){1,3}".prop_filter("no controls", |text| {
            let bytes = percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
            bytes.iter().all(|byte| !byte.is_ascii_control())
        }),
        "[!$&'()*+,;=:@]{1,3}",
        "(%C3%BC|%E2%82%AC)",
    ]
}

fn segment() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 1..4).prop_map(|pieces| pieces.concat())
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let path = prop::collection::vec(segment(), 0..5)
        .prop_map(|segments| format!("/{}", segments.join("/")));
    let name = "[A-Za-z][A-Za-z0-9-]{0,6}";
    let value = prop::collection::vec(
        prop_oneof![
            "[A-Za-z0-9._~-]{1,6}",
            Just("%20".to_owned()),
            Just("%2B".to_owned()),
            Just("%C3%BC".to_owned()),
            Just("%2F".to_owned())
        ],
        0..4,
    )
    .prop_map(|pieces| pieces.concat());
    let query = prop::collection::vec((name, value), 0..5).prop_map(|pairs| {
        let pairs: Vec<String> = pairs
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("&")
    });
    let headers = prop::collection::vec(("x-[a-z]{1,8}", "[ -~]{0,20}"), 0..4);
    let method = prop_oneof![Just("GET"), Just("PUT"), Just("POST"), Just("DELETE")];
    (
        method,
        path,
        query,
        headers,
        prop::collection::vec(any::<u8>(), 0..40),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(method, path, query, headers, body, is_s3, in_query)| {
            let mut seen = Vec::new();
            let headers = headers
                .into_iter()
                .filter(|(name, _)| {
                    let is_new = !seen.contains(name) && !name.starts_with("x-amz");
                    seen.push(name.clone());
                    is_new
                })
                .collect();
            Wanted {
                method: method.to_owned(),
                path: if is_s3 { as_s3(&path) } else { path },
                query,
                headers,
                body,
                is_s3,
                in_query,
            }
        })
        // What S3 or a listener would refuse is refused whatever the signature is (SIG-45).
        .prop_filter("no dot segments", |wanted| {
            wanted.path.split('/').all(|segment| {
                let dots = segment.to_ascii_lowercase().replace("%2e", ".");
                let folded = segment.to_ascii_lowercase();
                dots != "." && dots != ".." && !folded.contains("%5c")
            })
        })
}

/// A path as clients of S3 write it: what has to be escaped is, and nothing else. The crate signs
/// it as it is written, and S3 reads it and writes it anew (SIG-17).
fn as_s3(path: &str) -> String {
    const ESCAPED: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    let segments = path.split('/').map(|segment| {
        let bytes = percent_encoding::percent_decode_str(segment).collect::<Vec<u8>>();
        percent_encoding::percent_encode(&bytes, ESCAPED).to_string()
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Has the crate sign a request, and gives the call that a server sees.
fn signed(wanted: &Wanted) -> HttpCall {
    let service = if wanted.is_s3 { "s3" } else { "orders" };
    let identity = Credentials::new(ID, SECRET, None, None, "test").into();
    let mut settings = SigningSettings::default();
    settings.session_token_mode = SessionTokenMode::Include;
    if wanted.in_query {
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_mins(10));
    }
    if wanted.is_s3 {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("eu-1")
        .name(service)
        .time(SystemTime::UNIX_EPOCH + Duration::from_secs(AT))
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let mut target = wanted.path.clone();
    if !wanted.query.is_empty() {
        target = format!("{target}?{}", wanted.query);
    }
    let uri = format!("https://orders.example.test{target}");
    let body = if wanted.in_query && wanted.is_s3 {
        SignableBody::UnsignedPayload
    } else {
        SignableBody::Bytes(&wanted.body)
    };
    let headers = wanted.headers.iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_str()));
    let request = SignableRequest::new(&wanted.method, uri, headers, body).unwrap();
    let (instructions, _) = sign(request, &params).unwrap().into_parts();
    let mut fields: Vec<(&str, &[u8])> = vec![("host", b"orders.example.test")];
    for (name, value) in &wanted.headers {
        fields.push((name, value.as_bytes()));
    }
    let added: Vec<(String, String)> = instructions
        .headers()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for (name, value) in &added {
        fields.push((name, value.as_bytes()));
    }
    for (name, value) in instructions.params() {
        let separator = if target.contains('?') { '&' } else { '?' };
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
        };
        target = format!("{target}{separator}{}={}", name, encode(value));
    }
    call(&wanted.method, &target, &fields, &wanted.body)
}

fn verifier(is_s3: bool) -> Verifier {
    Verifier {
        signing: lenient(if is_s3 { "s3" } else { "orders" }, "eu-1"),
        key: (ID.to_owned(), SECRET.to_owned()),
        token: None,
        now: Timestamp::from_seconds(AT.cast_signed()),
    }
}

/// Every call that differs in one covered place.
fn altered(call: &HttpCall, signed: &[String], at: usize) -> Vec<(String, HttpCall)> {
    let mut all = Vec::new();
    let mut add = |what: &str, change: &dyn Fn(&mut HttpCall)| {
        let mut other = call.clone();
        change(&mut other);
        if other != *call {
            all.push((what.to_owned(), other));
        }
    };
    add("method", &|call| "OPTIONS".clone_into(&mut call.method));
    add("host", &|call| {
        "orders.example.tesu".clone_into(&mut call.authority);
    });
    add("query", &|call| {
        let separator = if call.target.contains('?') { '&' } else { '?' };
        call.target.push(separator);
        call.target.push_str("more=1");
    });
    // One character of the target becomes another one.
    add("target", &|call| {
        let at = 1 + at % call.target.len().max(2).saturating_sub(1);
        let mut bytes = call.target.clone().into_bytes();
        if let Some(byte) = bytes.get_mut(at) {
            *byte = if *byte == b'x' { b'y' } else { b'x' };
        }
        call.target = String::from_utf8(bytes).unwrap();
    });
    for name in signed.iter().filter(|name| *name != "host") {
        add(name, &|call| {
            let mut headers = sidegate::model::Headers::new();
            for (field, value) in call.headers.iter() {
                let mut value = value.to_vec();
                if field == name {
                    value.push(b'!');
                }
                headers.push(field, value);
            }
            call.headers = headers;
        });
    }
    add("body", &|call| {
        if let Body::Known(bytes) = &call.body {
            let mut bytes = bytes.to_vec();
            bytes.push(7);
            call.body = Body::Known(bytes.into());
        }
    });
    all
}

fn signed_names(call: &HttpCall) -> Vec<String> {
    use sidegate::authn::SignedCall;
    let query = call.target.split_once('?').map(|(_, query)| query);
    let signed = if call.headers.has("authorization") {
        SignedCall::of_header(call)
    } else {
        SignedCall::of_query(query.unwrap())
    };
    let signed = signed.unwrap();
    signed.signed_headers().map(str::to_owned).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn what_the_crate_signs_verifies_and_no_byte_may_change(wanted in wanted(), at in any::<usize>()) {
        let call = signed(&wanted);
        let verifier = verifier(wanted.is_s3);
        let got = verifier.verify(&call);
        prop_assert!(got.is_ok(), "{got:?}: {call:?}");
        let names = signed_names(&call);
        let leaves_body = wanted.is_s3 && wanted.in_query;
        for (what, other) in altered(&call, &names, at) {
            if what == "body" && leaves_body {
                continue;
            }
            let got = verifier.verify(&other);
            // A character of the target may have stood for the same one.
            let is_same = what == "target" && is_equal(&call, &other);
            prop_assert!(got.is_err() || is_same, "{what}: {other:?}");
        }
    }
}

/// Whether two targets are the same request: letters of an escape in the other case.
fn is_equal(one: &HttpCall, other: &HttpCall) -> bool {
    one.target.eq_ignore_ascii_case(&other.target)
}

#[test]
fn what_botocore_signs_verifies() {
    let Some(python) = parts::python("what_botocore_signs_verifies") else {
        return;
    };
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sigv4/sign.py");
    let output = Command::new(python).arg(script).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut count = 0;
    for line in text.lines() {
        let request: serde_json::Value = serde_json::from_str(line).unwrap();
        let call = super::call_of(&request);
        let is_s3 = request["service"] == "s3";
        let mut verifier = verifier(is_s3);
        verifier.now = super::basic(request["at"].as_str().unwrap());
        let got = verifier.verify(&call);
        assert!(got.is_ok(), "{got:?}: {request}");
        let names = signed_names(&call);
        let leaves_body = is_s3 && request["in_query"] == true;
        for (what, other) in altered(&call, &names, count) {
            let is_free = what == "body" && leaves_body;
            let is_same = what == "target" && is_equal(&call, &other);
            assert!(
                verifier.verify(&other).is_err() || is_free || is_same,
                "{what}: {request}"
            );
        }
        count += 1;
    }
    assert_eq!(count, 2_000);
}
