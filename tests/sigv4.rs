//! The verifier of signatures, held against requests that others signed.

#![expect(clippy::disallowed_methods, reason = "the tests read vectors")]

mod differential;
mod recorded;

use crate::support::shared::data;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sidegate::authn::{Failure, Presented, SigV4Error, SignedCall, SigningKey, presented};
use sidegate::model::{Body, Headers, HttpCall, Peer, Protocol, Timestamp};
use sidegate::policy::{PayloadMode, Signing};
use std::path::Path;

/// A verifier that knows one key, in the order of SIG-36.
struct Verifier {
    signing: Signing,
    key: (String, String),
    token: Option<String>,
    now: Timestamp,
}

/// Why a request is refused.
#[derive(Debug)]
enum Refused {
    Ambiguous,
    Signature(SigV4Error),
}

impl Refused {
    /// The code and status that a client is told (section 1.9), for S3 or for others.
    fn code(&self, s3: bool) -> (&'static str, u16) {
        let failure = match self {
            Self::Ambiguous => Failure::Several,
            Self::Signature(error) => error.failure(),
        };
        let dialect = if s3 {
            sidegate::pdp::Dialect::S3
        } else {
            sidegate::pdp::Dialect::Query
        };
        dialect.code(failure)
    }
}

impl From<SigV4Error> for Refused {
    fn from(error: SigV4Error) -> Self {
        Self::Signature(error)
    }
}

impl Verifier {
    fn verify(&self, call: &HttpCall) -> Result<PayloadMode, Refused> {
        let query = call.target.split_once('?').map(|(_, query)| query);
        let signed = match presented(&call.headers, query) {
            Ok(Presented::SigV4Header) => SignedCall::of_header(call)?,
            Ok(Presented::SigV4Query) => SignedCall::of_query(query.unwrap())?,
            Ok(_) => return Err(SigV4Error::Algorithm.into()),
            Err(sidegate::authn::CredentialError::UnsupportedScheme) => {
                return Err(SigV4Error::Algorithm.into());
            }
            Err(_) => return Err(Refused::Ambiguous),
        };
        signed.check_scope(&self.signing)?;
        signed.check_clock(&self.signing, self.now)?;
        signed.check_token()?;
        let (id, secret) = &self.key;
        if signed.access_key_id() != id {
            return Err(SigV4Error::UnknownKey.into());
        }
        if signed.token() != self.token.as_deref() {
            return Err(SigV4Error::InvalidToken.into());
        }
        let key = SigningKey::derive(
            secret.as_bytes(),
            signed.date(),
            signed.region(),
            signed.service(),
        );
        Ok(signed.verify(call, &self.signing, &key)?)
    }
}

fn lenient(service: &str, region: &str) -> Signing {
    let all: Vec<PayloadMode> = PayloadMode::ALL.iter().map(|(mode, _)| *mode).collect();
    Signing {
        regions: vec![region.to_owned()],
        ..Signing::of(service, None, &all)
    }
}

/// A call with these fields.
pub(crate) fn call(method: &str, target: &str, headers: &[(&str, &[u8])], body: &[u8]) -> HttpCall {
    let mut fields = Headers::new();
    let mut authority = String::new();
    for (name, value) in headers {
        if name.eq_ignore_ascii_case("host") {
            authority = String::from_utf8(value.to_vec()).unwrap();
        } else {
            fields.push(name, value.to_vec());
        }
    }
    HttpCall {
        method: method.to_owned(),
        scheme: "http".to_owned(),
        authority,
        target: target.to_owned(),
        headers: fields,
        body: Body::Known(body.to_vec().into()),
        peer: Peer::default(),
        protocol: Protocol::Http,
    }
}

fn call_of(request: &Value) -> HttpCall {
    let headers: Vec<(&str, &[u8])> = request["headers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| {
            let value = pair[1].as_str().unwrap().as_bytes();
            (pair[0].as_str().unwrap(), value)
        })
        .collect();
    let body = STANDARD
        .decode(request["body_base64"].as_str().unwrap_or_default())
        .unwrap();
    let text = |name: &str| request[name].as_str().unwrap();
    call(text("method"), text("target"), &headers, &body)
}

fn basic(text: &str) -> Timestamp {
    let part = |range| text.get(range).unwrap();
    let iso = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0..4),
        part(4..6),
        part(6..8),
        part(9..11),
        part(11..13),
        part(13..15)
    );
    Timestamp::parse(&iso).unwrap()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn requests_of_stock_clients_verify() {
    // ACC-01.
    let Some(path) = data("requests_of_stock_clients_verify", "sigv4/observed.json") else {
        return;
    };
    let mut count = 0;
    for vector in json(&path)["vectors"].as_array().unwrap() {
        let name = vector["name"].as_str().unwrap();
        let expected = &vector["expected"];
        let text = |name: &str| expected[name].as_str().unwrap();
        let mut scope = text("scope").split('/').skip(1);
        let region = scope.next().unwrap();
        let signing = lenient(scope.next().unwrap(), region);
        let raw = text("path_mode") == "raw+single";
        assert_eq!(signing.signs_raw_path(), raw, "SIG-14: {name}");
        let verifier = Verifier {
            signing,
            key: (
                text("access_key_id").to_owned(),
                vector["secret_access_key"].as_str().unwrap().to_owned(),
            ),
            token: vector["session_token"].as_str().map(str::to_owned),
            now: basic(text("timestamp")),
        };
        let mut request = call_of(&vector["request"]);
        // ENV-11: Envoy takes it away before it asks.
        let signed = match presented(
            &request.headers,
            request.target.split_once('?').map(|(_, query)| query),
        )
        .unwrap()
        {
            Presented::SigV4Header => SignedCall::of_header(&request).unwrap(),
            _ => SignedCall::of_query(request.target.split_once('?').unwrap().1).unwrap(),
        };
        let canonical = signed
            .canonical_request(&request, &verifier.signing)
            .unwrap();
        // A host that is signed in another spelling is found by trying.
        if name != "own-default-port" {
            assert_eq!(
                String::from_utf8(canonical).unwrap(),
                text("canonical_request"),
                "SIG-12: {name}"
            );
        }
        let got = verifier.verify(&request);
        if ["own-dot-segments", "own-double-slash"].contains(&name) {
            // SIG-45: what a listener that normalises would show instead.
            assert!(
                matches!(got, Err(Refused::Signature(SigV4Error::AmbiguousPath))),
                "{name}: {got:?}"
            );
            request.target = normalised(&request.target);
            assert!(verifier.verify(&request).is_ok(), "{name}");
        } else {
            assert!(got.is_ok(), "{name}: {got:?}");
        }
        count += 1;
    }
    assert_eq!(count, 30);
}

/// The path without dot segments and empty ones.
fn normalised(target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let mut text = format!("/{}", segments.join("/"));
    if path.ends_with('/') && !segments.is_empty() {
        text.push('/');
    }
    if !query.is_empty() {
        text = format!("{text}?{query}");
    }
    text
}

#[test]
fn what_must_be_refused_is_refused_as_named() {
    // ACC-01.
    let Some(path) = data(
        "what_must_be_refused_is_refused_as_named",
        "sigv4/negative.json",
    ) else {
        return;
    };
    let mut count = 0;
    for vector in json(&path)["vectors"].as_array().unwrap() {
        let name = vector["name"].as_str().unwrap();
        let server = &vector["server"];
        let service = server["service"].as_str().unwrap();
        let mut payloads = vec![PayloadMode::Verified, PayloadMode::Signed];
        if server["allow_unsigned_payload"].as_bool().unwrap() {
            payloads.push(PayloadMode::Unsigned);
        }
        let skew = server["max_skew_seconds"].as_u64().unwrap();
        let signing = Signing {
            regions: vec![server["region"].as_str().unwrap().to_owned()],
            max_skew_s: u32::try_from(skew).unwrap(),
            ..Signing::of(service, None, &payloads)
        };
        let request = call_of(&vector["request"]);
        let token = vector["session_token"].as_str();
        let id = if token.is_some() { "ASIA" } else { "AKIA" };
        let verifier = Verifier {
            signing,
            key: (
                format!("{id}IOSFODNN7EXAMPLE"),
                vector["secret_access_key"].as_str().unwrap().to_owned(),
            ),
            token: token.map(str::to_owned),
            now: basic(vector["now"].as_str().unwrap()),
        };
        let refused = verifier.verify(&request).expect_err(name);
        let expected = &vector["expected"];
        let (code, status) = refused.code(service == "s3");
        assert_eq!(
            code,
            expected["code"].as_str().unwrap(),
            "{name}: {refused:?}"
        );
        assert_eq!(
            u64::from(status),
            expected["http_status"].as_u64().unwrap(),
            "{name}: {refused:?}"
        );
        count += 1;
    }
    assert_eq!(count, 39);
}

/// A request as the public suites write it down.
fn read_request(text: &str, host: &str) -> HttpCall {
    let text = text.replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let first = lines.next().unwrap();
    let (method, rest) = first.split_once(' ').unwrap();
    let target = rest.strip_suffix(" HTTP/1.1").unwrap_or(rest);
    let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
    for line in lines {
        match line.split_once(':') {
            Some((name, value)) if !line.starts_with([' ', '\t']) => {
                headers.push((name.to_owned(), value.trim().as_bytes().to_vec()));
            }
            // Folded lines are one line with a blank, as Envoy shows them (ENV-06).
            _ => {
                let (_, value) = headers.last_mut().unwrap();
                value.push(b' ');
                value.extend_from_slice(line.trim().as_bytes());
            }
        }
    }
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        headers.push(("host".to_owned(), host.as_bytes().to_vec()));
    }
    let headers: Vec<(&str, &[u8])> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_slice()))
        .collect();
    call(method, target, &headers, body.as_bytes())
}

#[test]
fn the_public_suite_verifies() {
    // ACC-01, T01, T04.
    let Some(path) = data("the_public_suite_verifies", "sigv4/aws-c-auth-v4") else {
        return;
    };
    let mut count = 0;
    for entry in std::fs::read_dir(path).unwrap() {
        let directory = entry.unwrap().path();
        let name = directory.file_name().unwrap().to_str().unwrap().to_owned();
        let context = json(&directory.join("context.json"));
        let normalises = context["normalize"].as_bool().unwrap();
        let credentials = &context["credentials"];
        let omits_token = context["omit_session_token"].as_bool().unwrap_or(false);
        for form in ["header", "query"] {
            let file = |suffix: &str| {
                let bytes = std::fs::read(directory.join(format!("{form}-{suffix}.txt"))).unwrap();
                String::from_utf8(bytes).unwrap()
            };
            let request = read_request(&file("signed-request"), "example.amazonaws.com");
            let service = context["service"].as_str().unwrap();
            let mut signing = lenient(service, context["region"].as_str().unwrap());
            // The scope names one service for both ways to sign a path.
            let raw = !normalises;
            let signed = if form == "header" {
                SignedCall::of_header(&request)
            } else {
                SignedCall::of_query(request.target.split_once('?').unwrap().1)
            };
            let signed = signed.unwrap_or_else(|error| panic!("{name} {form}: {error}"));
            if raw {
                // The suite signs the raw path for a service whose paths are normalised; there is
                // no setting that would accept both (SIG-14).
                signing.service = "s3".to_owned();
            }
            let canonical = signed.canonical_request(&request, &signing).unwrap();
            let expected = file("canonical-request");
            let canonical = String::from_utf8(canonical).unwrap();
            let (canonical, expected) = if raw && form == "query" {
                // A signed address of S3 leaves the body unsigned (SIG-27).
                let cut = |text: &str| text.rsplit_once('\n').unwrap().0.to_owned();
                (cut(&canonical), cut(expected.trim_end()))
            } else {
                (canonical, expected.trim_end().to_owned())
            };
            // There the token was added to the address after signing.
            if !(omits_token && form == "query") {
                assert_eq!(canonical, expected, "SIG-12: {name} {form}");
            }
            count += 1;
            if raw {
                continue;
            }
            signing.unsigned_token = omits_token;
            let mut verifier = Verifier {
                signing,
                key: (
                    credentials["access_key_id"].as_str().unwrap().to_owned(),
                    credentials["secret_access_key"]
                        .as_str()
                        .unwrap()
                        .to_owned(),
                ),
                token: credentials["token"].as_str().map(str::to_owned),
                now: Timestamp::parse(context["timestamp"].as_str().unwrap()).unwrap(),
            };
            match verifier.verify(&request) {
                Ok(_) if omits_token => {
                    // SIG-46: only where the service says so.
                    verifier.signing.unsigned_token = false;
                    assert!(verifier.verify(&request).is_err(), "{name} {form}");
                }
                Ok(_) => {}
                Err(Refused::Signature(SigV4Error::AmbiguousPath)) => {
                    assert!(name.starts_with("get-relative") || name.starts_with("get-slash"));
                }
                Err(refused) => panic!("{name} {form}: {refused:?}"),
            }
        }
    }
    assert_eq!(count, 2 * 38);
}

#[test]
fn paths_that_the_public_suite_cannot_tell_apart() {
    // ACC-01, T01, T02.
    let Some(path) = data("paths_that_the_public_suite_cannot_tell_apart", "sigv4") else {
        return;
    };
    let file = |name: &str| String::from_utf8(std::fs::read(path.join(name)).unwrap()).unwrap();
    for (name, secret, host) in [
        (
            "double-url-encode",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            "example.amazonaws.com",
        ),
        (
            "double-encode-path",
            "notrealrnrELgWzOk3IfjzDKtFBhDby",
            "tj9n5r0m12.execute-api.us-east-1.amazonaws.com",
        ),
    ] {
        let directory = format!("smithy-rs-v4/{name}");
        let request = read_request(
            &file(&format!("{directory}/header-signed-request.txt")),
            host,
        );
        let signed = SignedCall::of_header(&request).unwrap();
        let signing = lenient(signed.service(), signed.region());
        let expected = file(&format!("{directory}/header-canonical-request.txt"));
        let canonical = signed.canonical_request(&request, &signing).unwrap();
        let canonical = String::from_utf8(canonical).unwrap();
        assert_eq!(
            canonical.lines().nth(1),
            expected.lines().nth(1),
            "SIG-16: {name}"
        );
        let now = signed.signed_at();
        let key = (signed.access_key_id().to_owned(), secret.to_owned());
        let token = signed.token().map(str::to_owned);
        let verifier = Verifier {
            signing,
            key,
            token,
            now,
        };
        let got = verifier.verify(&request);
        assert!(got.is_ok(), "{name}: {got:?}");
    }
    for name in [
        "get-special-character",
        "get-vanilla-query-order-key",
        "get-vanilla-query-order-value",
    ] {
        let request = read_request(
            &file(&format!("botocore-v4/{name}/{name}.sreq")),
            "host.foo.com",
        );
        let signed = SignedCall::of_header(&request).unwrap();
        let signing = lenient(signed.service(), signed.region());
        let canonical = signed.canonical_request(&request, &signing).unwrap();
        let expected = file(&format!("botocore-v4/{name}/{name}.creq")).replace("\r\n", "\n");
        assert_eq!(String::from_utf8(canonical).unwrap(), expected, "{name}");
    }
}

#[test]
fn seed_signatures_of_chunked_uploads_verify() {
    // STR-01, STR-02, ACC-01.
    let Some(path) = data(
        "seed_signatures_of_chunked_uploads_verify",
        "sigv4/streaming.json",
    ) else {
        return;
    };
    let file = json(&path);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for case in file["cases"].as_array().unwrap() {
        let name = text(&case["name"]);
        let mut request = call_of(case);
        let mut names: Vec<String> = case["headers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| text(&pair[0]))
            .collect();
        names.sort();
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
            text(&file["access_key_id"]),
            text(&file["scope"]),
            names.join(";"),
            text(&case["seed_signature"])
        );
        request.headers.push("authorization", authorization);
        request.body = Body::Unknown;
        let mut verifier = Verifier {
            signing: lenient("s3", "us-east-1"),
            key: (
                text(&file["access_key_id"]),
                text(&file["secret_access_key"]),
            ),
            token: None,
            now: basic(&text(&file["timestamp"])),
        };
        assert!(
            matches!(verifier.verify(&request), Ok(PayloadMode::SignedChunks)),
            "{name}: {:?}",
            verifier.verify(&request)
        );
        // STR-04: refused unless the service says otherwise.
        verifier.signing.payloads = vec![PayloadMode::Verified, PayloadMode::UnsignedTrailer];
        assert!(
            matches!(
                verifier.verify(&request),
                Err(Refused::Signature(SigV4Error::PayloadRefused))
            ),
            "{name}"
        );
        // The seed signature is verified whatever the mode is (T23).
        verifier.signing = lenient("s3", "us-east-1");
        verifier.key.1.push('x');
        assert!(
            matches!(
                verifier.verify(&request),
                Err(Refused::Signature(SigV4Error::Mismatch))
            ),
            "{name}"
        );
    }
}
