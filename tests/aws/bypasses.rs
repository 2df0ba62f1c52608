//! Ways around that have let somebody in elsewhere, tried through the real Envoy (incident rules 1,
//! 2, 8 and 9). Each request carries a signature that computes, unless it says otherwise.

use super::{ANA, BEN};
use crate::support::envoy::{Envoy, Neighbours, SHIPPED_FOR_AWS};
use crate::support::http::{Reply, send_bytes};
use crate::support::parts;
use crate::support::sidegate::Sidegate;
use crate::support::signer::{ToSign, bytes, sha256};
use crate::support::upstream::Upstream;
use std::path::Path;

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

struct Scene {
    envoy: Envoy,
    upstream: Upstream,
    _sidegate: Sidegate,
}

impl Scene {
    fn start(test: &str, changes: &[(&str, &str)]) -> Option<Self> {
        let program = parts::envoy(test)?;
        let upstream = Upstream::start();
        let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/aws/bundle");
        let sidegate = Sidegate::start_on(&bundle, &[("ana", ANA), ("ben", BEN)], &[]);
        let neighbours = Neighbours {
            socket: &sidegate.socket(),
            upstream: upstream.address,
            grpc: None,
        };
        let envoy = Envoy::start_on(&program, SHIPPED_FOR_AWS, neighbours, changes);
        Some(Self {
            envoy,
            upstream,
            _sidegate: sidegate,
        })
    }

    /// Sends a request; gives the answer, and whether the upstream saw it.
    fn send(&self, request: &[u8]) -> (Reply, bool) {
        let reply = send_bytes(self.envoy.ingress, request).expect("an answer");
        (reply, !self.upstream.take().is_empty())
    }
}

/// What Ben asks an object store for.
fn get<'s>(host: &'s str, path: &'s str) -> ToSign<'s> {
    ToSign {
        id: "AKIAEXAMPLEBEN000001",
        secret: BEN,
        service: "s3",
        method: "GET",
        host,
        target: path,
        canonical_path: path,
        canonical_query: "",
        headers: vec![("x-amz-content-sha256", EMPTY, true)],
        payload: EMPTY,
        signs_host: true,
        signs_date: true,
    }
}

fn code(reply: &Reply) -> &str {
    let behind = |text: &'_ str| -> Option<(usize, usize)> {
        let start = text.find("<Code>")? + 6;
        Some((start, start + text.get(start..)?.find("</Code>")?))
    };
    match behind(&reply.body) {
        Some((start, end)) => &reply.body[start..end],
        None => "",
    }
}

#[test]
fn another_path_than_the_upstream_serves_is_refused() {
    // Incident rule 1; T03, T05.
    let test = "another_path_than_the_upstream_serves_is_refused";
    let Some(scene) = Scene::start(test, &[]) else {
        return;
    };
    let host = "s3.internal";
    // (target, path in the canonical request, status)
    let cases = [
        ("/photos/public/1", "/photos/public/1", 200),
        ("/photos/public/a//b", "/photos/public/a//b", 400),
        (
            "/photos/public/../private/1",
            "/photos/public/../private/1",
            400,
        ),
        (
            "/photos/public/%2e%2e/private/1",
            "/photos/public/../private/1",
            400,
        ),
        (
            "/photos/public%2F..%2Fprivate/1",
            "/photos/public%2F..%2Fprivate/1",
            400,
        ),
        (
            "/photos/public\\..\\private/1",
            "/photos/public%5C..%5Cprivate/1",
            400,
        ),
        ("//photos/private/1", "//photos/private/1", 400),
        ("/photos/private/1", "/photos/private/1", 403),
        (
            "/photos/private/1?x=/photos/public/1",
            "/photos/private/1",
            403,
        ),
    ];
    for (target, canonical, status) in cases {
        let mut request = get(host, target);
        request.canonical_path = canonical;
        let (reply, arrived) = scene.send(&bytes("GET", target, &request.sign(), b""));
        assert_eq!(reply.status, status, "{target}: {reply:?}");
        assert_eq!(arrived, status == 200, "{target}");
    }
    // What is signed with one encoding is not another path's signature (SIG-14, SIG-17).
    let mut request = get(host, "/photos/public/a%252Fb");
    request.canonical_path = "/photos/public/a%2Fb";
    let (reply, _) = scene.send(&bytes("GET", request.target, &request.sign(), b""));
    assert_eq!(code(&reply), "SignatureDoesNotMatch");
}

#[test]
fn another_host_than_was_signed_is_refused() {
    // Incident rule 2; SIG-24, SIG-25, T12, T13.
    let test = "another_host_than_was_signed_is_refused";
    let Some(scene) = Scene::start(test, &[]) else {
        return;
    };
    let signed = get("s3.internal", "/photos/public/1").sign();
    let with_host = |host: &str| {
        let mut headers = signed.clone();
        for (name, value) in &mut headers {
            if name == "host" {
                host.clone_into(value);
            }
        }
        scene.send(&bytes("GET", "/photos/public/1", &headers, b""))
    };
    for host in [
        // Not every store folds letters.
        "S3.Internal",
        "photos.s3.internal",
        "s3.internal.",
        "s3.internal:81",
        "other.internal",
    ] {
        let (reply, arrived) = with_host(host);
        assert_ne!(reply.status, 200, "{host}: {reply:?}");
        assert!(!arrived, "{host}");
    }
    let mut twice = signed.clone();
    twice.push(("host".to_owned(), "other.internal".to_owned()));
    let (reply, arrived) = scene.send(&bytes("GET", "/photos/public/1", &twice, b""));
    assert_ne!(reply.status, 200, "T12: {reply:?}");
    assert!(!arrived);
    // An absolute target takes the place of the host.
    let absolute = "http://photos.s3.internal/photos/public/1";
    let (reply, arrived) = scene.send(&bytes("GET", absolute, &signed, b""));
    assert_eq!(code(&reply), "SignatureDoesNotMatch", "T13");
    assert!(!arrived);
    // A bucket by its host is the same object as by its path.
    let virtual_hosted = get("photos.s3.internal", "/private/1").sign();
    let (reply, _) = scene.send(&bytes("GET", "/private/1", &virtual_hosted, b""));
    assert_eq!(code(&reply), "AccessDenied");
    assert!(
        reply.body.contains("arn:aws:s3:::photos/private/1"),
        "{reply:?}"
    );
}

/// Method, host, target and what is added.
type Sent<'c> = (&'c str, &'c str, &'c str, &'c [(&'c str, &'c str)]);

#[test]
fn another_operation_than_the_upstream_serves_is_refused() {
    // Incident rule 1: what the store takes for something else than is judged. Ana may do anything
    // but touch what is sealed.
    let test = "another_operation_than_the_upstream_serves_is_refused";
    let Some(scene) = Scene::start(test, &[]) else {
        return;
    };
    let form = "multipart/form-data; boundary=b";
    let cases: [Sent<'_>; 9] = [
        (
            "POST",
            "s3.internal",
            "/photos?metadataTable=",
            &[("content-type", form)],
        ),
        (
            "POST",
            "s3.internal",
            "/photos/a?restore=",
            &[("content-type", form)],
        ),
        ("DELETE", "s3.internal", "/photos/a?uploadId=", &[]),
        ("GET", "photos.s3.internal", "//sealed/x", &[]),
        ("GET", "s3.internal", "/photos//sealed/x", &[]),
        ("GET", "localhost.s3.internal", "/photos/sealed/x", &[]),
        ("GET", "minio.s3.internal", "/photos/sealed/x", &[]),
        ("PUT", "s3.internal", "/minio/admin/v3/add-user", &[]),
        (
            "GET",
            "s3.internal",
            "/photos/a",
            &[("x-http-method-override", "DELETE")],
        ),
    ];
    for (method, host, target, more) in cases {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = get(host, target);
        (request.id, request.secret) = ("AKIAEXAMPLEANA000001", ANA);
        (request.method, request.canonical_path) = (method, path);
        request.canonical_query = query;
        let mut headers = request.sign();
        let more = more.iter();
        headers.extend(more.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let (reply, arrived) = scene.send(&bytes(method, target, &headers, b""));
        assert!([400, 403].contains(&reply.status), "{target}: {reply:?}");
        assert_ne!(code(&reply), "SignatureDoesNotMatch", "{target}");
        assert!(!arrived, "{method} {host} {target}");
    }
}

#[test]
fn nobody_reads_a_body_for_somebody_who_does_not_say_who_they_are() {
    let test = "nobody_reads_a_body_for_somebody_who_does_not_say_who_they_are";
    let Some(scene) = Scene::start(test, &[]) else {
        return;
    };
    for (host, target, code_of) in [
        ("sns.internal", "/", "MissingAuthenticationToken"),
        (
            "dynamodb.internal",
            "/",
            "MissingAuthenticationTokenException",
        ),
        ("s3.internal", "/photos?delete", "AccessDenied"),
    ] {
        let headers = vec![("host".to_owned(), host.to_owned())];
        let (reply, arrived) = scene.send(&bytes("POST", target, &headers, b"<Delete a='"));
        assert_eq!((reply.status, arrived), (403, false), "{host}: {reply:?}");
        assert!(reply.body.contains(code_of), "{host}: {reply:?}");
        assert!(
            reply.body.contains("missing Authentication Token"),
            "{host}: {reply:?}"
        );
    }
}

#[test]
fn a_body_that_goes_on_behind_what_envoy_shows_is_not_known() {
    // ENV-04, T11: Envoy asks when its buffer is full, and calls the body whole if nothing more has
    // come by then.
    let test = "a_body_that_goes_on_behind_what_envoy_shows_is_not_known";
    let Some(scene) = Scene::start(test, &[]) else {
        return;
    };
    let arn = "arn%3Aaws%3Asns%3Aeu-west-1%3A210000000001%3Apublic";
    let mut body = format!("Action=Publish&Version=2010-03-31&TopicArn={arn}&Message=");
    body.extend(std::iter::repeat_n('x', (1 << 20) - body.len()));
    let hash: &'static str = Box::leak(sha256(body.as_bytes()).into_boxed_str());
    let mut request = get("sns.internal", "/");
    (request.id, request.secret) = ("AKIAEXAMPLEANA000001", ANA);
    (request.method, request.service) = ("POST", "sns");
    request.headers = vec![
        ("x-amz-content-sha256", hash, true),
        ("content-type", FORM, true),
    ];
    request.payload = hash;
    let mut headers = request.sign();
    let whole = bytes("POST", "/", &headers, body.as_bytes());
    let (reply, arrived) = scene.send(&whole);
    assert_eq!((reply.status, arrived), (200, true), "{reply:?}");
    // The same without a length, and with more to come.
    headers.push(("transfer-encoding".to_owned(), "chunked".to_owned()));
    let mut unfinished = head("POST", "/", &headers);
    unfinished.extend(format!("{:x}\r\n{body}\r\n", body.len()).into_bytes());
    let (reply, arrived) = scene.send(&unfinished);
    assert_eq!((reply.status, arrived), (403, false), "{reply:?}");
    assert!(reply.body.contains("SignatureDoesNotMatch"), "{reply:?}");
}

/// The head of a request whose body has no length.
fn head(method: &str, target: &str, headers: &[(String, String)]) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n");
    for (name, value) in headers {
        text.extend([name.as_str(), ": ", value, "\r\n"]);
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// What is tried, what is signed, what is added, the body, and the answer.
type Case<'c> = (
    &'c str,
    &'c ToSign<'c>,
    &'c [(&'c str, &'c str)],
    &'c [u8],
    u16,
    &'c str,
);

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_is_not_signed_is_not_trusted() {
    // Incident rule 8; SIG-40 to SIG-46, STR-01 to STR-05, T06, T07, T14, T23.
    let test = "what_is_not_signed_is_not_trusted";
    let Some(scene) = Scene::start(test, &[]) else {
        return;
    };
    let path = "/photos/inbox/1";
    let put = |payload: &'static str| {
        let mut request = get("s3.internal", path);
        request.method = "PUT";
        request.headers = vec![("x-amz-content-sha256", payload, true)];
        request.payload = payload;
        request
    };
    let body = b"hello";
    let hash: &'static str = Box::leak(sha256(body).into_boxed_str());
    let send = |request: &ToSign<'_>, more: &[(&str, &str)], body: &[u8]| {
        let mut headers = request.sign();
        let more = more.iter();
        headers.extend(more.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        scene.send(&bytes(request.method, request.target, &headers, body))
    };
    let mut no_host = put(hash);
    no_host.signs_host = false;
    let mut no_date = put(hash);
    no_date.signs_date = false;
    let mut no_hash = put(hash);
    no_hash.headers = vec![("x-amz-content-sha256", hash, false)];
    let trailer = put("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    let mut other_trailer = trailer.clone();
    other_trailer.payload = "UNSIGNED-PAYLOAD";
    let signed = "SignatureDoesNotMatch";
    let good = put(hash);
    let unknown = put("NOT-A-MODE");
    let chunks = put("STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
    let ecdsa = put("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD");
    let unsigned = put("UNSIGNED-PAYLOAD");
    let cases: Vec<Case<'_>> = vec![
        ("as it should be", &good, &[], body, 200, ""),
        (
            "another body",
            &good,
            &[],
            b"hellO",
            400,
            "XAmzContentSHA256Mismatch",
        ),
        (
            "a header added",
            &good,
            &[("x-amz-acl", "public-read")],
            body,
            403,
            signed,
        ),
        (
            "a token added",
            &good,
            &[("x-amz-security-token", "t")],
            body,
            403,
            "InvalidAccessKeyId",
        ),
        (
            "a signed header taken away",
            &good,
            &[("connection", "x-amz-content-sha256")],
            body,
            403,
            signed,
        ),
        (
            "a header twice",
            &good,
            &[("x-amz-date", "20200101T000000Z")],
            body,
            403,
            "AccessDenied",
        ),
        (
            "a bearer token beside it",
            &good,
            &[("authorization", "Bearer a")],
            body,
            400,
            "InvalidArgument",
        ),
        (
            "two signatures",
            &good,
            &[("authorization", "AWS4-HMAC-SHA256 Credential=a")],
            body,
            400,
            "InvalidArgument",
        ),
        ("no host under it", &no_host, &[], body, 403, signed),
        ("no date under it", &no_date, &[], body, 403, signed),
        ("no hash under it", &no_hash, &[], body, 403, signed),
        (
            "a mode that nobody knows",
            &unknown,
            &[],
            body,
            400,
            "InvalidArgument",
        ),
        (
            "another algorithm",
            &ecdsa,
            &[],
            body,
            400,
            "InvalidArgument",
        ),
        (
            "chunks that nobody verifies",
            &chunks,
            &[],
            body,
            403,
            signed,
        ),
        (
            "a body that need not be signed",
            &unsigned,
            &[],
            body,
            200,
            "",
        ),
        ("a trailer", &trailer, &[], body, 200, ""),
        (
            "a trailer with another signature",
            &other_trailer,
            &[],
            body,
            403,
            signed,
        ),
    ];
    for (what, request, more, body, status, expected) in cases {
        let (reply, arrived) = send(request, more, body);
        assert_eq!(reply.status, status, "{what}: {reply:?}");
        assert_eq!(code(&reply), expected, "{what}: {reply:?}");
        assert_eq!(arrived, status == 200, "{what}");
    }
    // A field that a server folds into another one does not even get here (ENV-14).
    let (reply, arrived) = send(&good, &[("x_amz_acl", "public-read")], body);
    assert_eq!((reply.status, arrived), (400, false));
    // Where the body says what is asked for, it has to be under the signature (SIG-44).
    let delete = b"<Delete><Object><Key>inbox/1</Key></Object></Delete>";
    let several = |payload: &'static str| ToSign {
        id: "AKIAEXAMPLEANA000001",
        secret: ANA,
        method: "POST",
        target: "/photos?delete",
        canonical_path: "/photos",
        canonical_query: "delete=",
        ..put(payload)
    };
    let of_delete: &'static str = Box::leak(sha256(delete).into_boxed_str());
    let (reply, arrived) = send(&several(of_delete), &[], delete);
    assert_eq!((reply.status, arrived), (200, true), "{reply:?}");
    let (reply, arrived) = send(&several("UNSIGNED-PAYLOAD"), &[], delete);
    assert_eq!((code(&reply), arrived), (signed, false));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_call_that_says_two_things_is_refused() {
    // Incident rules 1 and 8 for the protocols that name operations; rule 45.
    let test = "a_call_that_says_two_things_is_refused";
    let Some(scene) = Scene::start(test, &[]) else {
        return;
    };
    let call = |service: &'static str,
                target: &'static str,
                query: &'static str,
                headers: Vec<(&'static str, &'static str, bool)>,
                body: &[u8]| {
        let hash: &'static str = Box::leak(sha256(body).into_boxed_str());
        let host: &'static str = Box::leak(format!("{service}.internal").into_boxed_str());
        let request = ToSign {
            id: "AKIAEXAMPLEANA000001",
            secret: ANA,
            service,
            method: "POST",
            host,
            target,
            canonical_path: "/",
            canonical_query: query,
            headers,
            payload: hash,
            signs_host: true,
            signs_date: true,
        };
        let (reply, arrived) = scene.send(&bytes("POST", target, &request.sign(), body));
        (reply.status, arrived)
    };
    let table = |operation: &'static str, body: &str| {
        let headers = vec![
            ("content-type", "application/x-amz-json-1.0", true),
            ("x-amz-target", operation, true),
        ];
        call("dynamodb", "/", "", headers, body.as_bytes())
    };
    let get = "DynamoDB_20120810.GetItem";
    assert_eq!(table(get, r#"{"TableName":"orders"}"#), (200, true));
    let cases = [
        (get, r#"{"TableName":"sealed"}"#, 403),
        (get, r#"{"TableName":"orders","TableName":"sealed"}"#, 400),
        (get, r#"{"TableName":"orders","tablename":"sealed"}"#, 400),
        (
            get,
            r#"{"TableName":"arn:aws:dynamodb:eu-west-1:210000000001:table/sealed"}"#,
            400,
        ),
        (get, r#"{"TableName":["orders"]}"#, 400),
        (get, r#"{"Table":"orders"}"#, 400),
        (get, r#"{"TableName":"orders"} {"TableName":"sealed"}"#, 400),
        (get, "\u{feff}{\"TableName\":\"orders\"}", 400),
        // Without a length nobody tells whether there is a body.
        (get, "", 403),
        (
            "Kinesis_20131202.GetRecords",
            r#"{"TableName":"orders"}"#,
            403,
        ),
        (
            "DynamoDB_20120810.Get:Item",
            r#"{"TableName":"orders"}"#,
            400,
        ),
    ];
    for (operation, body, status) in cases {
        assert_eq!(
            table(operation, body),
            (status, false),
            "{operation} {body}"
        );
    }
    // The operation is under the signature, or it is none (SIG-42).
    let json = ("content-type", "application/x-amz-json-1.0", true);
    let unsigned = vec![json, ("x-amz-target", get, false)];
    let body = br#"{"TableName":"orders"}"#;
    assert_eq!(
        call("dynamodb", "/", "", unsigned, body),
        (403, false),
        "T06"
    );
    let zipped = vec![
        json,
        ("x-amz-target", get, true),
        ("content-encoding", "gzip", true),
    ];
    let odd = vec![
        json,
        ("x-amz-target", get, true),
        ("smithy-protocol", "rpc-v2-cbor", true),
    ];
    assert_eq!(call("dynamodb", "/", "", odd, body), (400, false));
    // A server that goes by the type would read another operation out of it.
    let as_form = vec![("content-type", FORM, true), ("x-amz-target", get, true)];
    assert_eq!(call("dynamodb", "/", "", as_form, body), (400, false));
    assert_eq!(call("dynamodb", "/", "", zipped, body), (400, false));
    let form = |is_signed| vec![("content-type", FORM, is_signed)];
    let list = b"Action=ListTopics&Version=2010-03-31";
    assert_eq!(call("sns", "/", "", form(true), list), (200, true));
    // There is one type that a form can have, so whether it is signed does not matter; but another
    // charset makes another form of it.
    assert_eq!(call("sns", "/", "", form(false), list), (200, true));
    let wide = vec![(
        "content-type",
        "application/x-www-form-urlencoded; charset=utf-16",
        true,
    )];
    assert_eq!(call("sns", "/", "", wide, list), (400, false));
    let control = b"Action=ListTopics&Version=2010-03-31&%00A=DeleteTopic";
    assert_eq!(call("sns", "/", "", form(true), control), (400, false));
    let both = vec![("content-type", FORM, true), ("x-amz-target", get, true)];
    assert_eq!(call("sns", "/", "", both, list), (400, false));
    // What it is about is named in one way, by names of this service alone.
    let publish = |more: &str| {
        let body = format!("Action=Publish&Version=2010-03-31&Message=m&{more}");
        call("sns", "/", "", form(true), body.as_bytes())
    };
    let arn = |rest: &str| format!("TopicArn=arn:aws:sns:{rest}");
    let news = arn("eu-west-1:210000000001:news");
    assert_eq!(publish(&news), (200, true));
    assert_eq!(
        publish(&format!(
            "{news}&TargetArn=arn:aws:sns:eu-west-1:210000000001:sealed"
        )),
        (403, false)
    );
    assert_eq!(publish(&format!("{news}&PhoneNumber=1")), (400, false));
    assert_eq!(publish(&arn("eu-west-1:210000000002:sealed")), (400, false));
    assert_eq!(publish(&arn("eu-west-2:210000000001:sealed")), (400, false));
    assert_eq!(
        publish(&arn("eu-west-1:210000000001:sealed:x")),
        (400, false)
    );
    assert_eq!(
        publish(&arn("eu-west-1:210000000001:sealed%20")),
        (400, false)
    );
    let near = b"Action=createTopic&Version=2010-03-31&Name=news";
    assert_eq!(call("sns", "/", "", form(true), near), (400, false));
    let unlisted = b"Action=Unlisted&Version=2010-03-31&Name=news";
    assert_eq!(call("sns", "/", "", form(true), unlisted), (403, false));
    let two = b"Action=ListTopics&Version=2010-03-31&Action=DeleteTopic";
    assert_eq!(call("sns", "/", "", form(true), two), (400, false));
    let near = b"Action=ListTopics&Version=2010-03-31&action=DeleteTopic";
    assert_eq!(call("sns", "/", "", form(true), near), (400, false));
    let other = b"Action=ListTopics&Version=2011-06-15";
    assert_eq!(call("sns", "/", "", form(true), other), (403, false));
    let both = call(
        "sns",
        "/?Action=DeleteTopic",
        "Action=DeleteTopic",
        form(true),
        list,
    );
    assert_eq!(both, (400, false));
    let other = vec![("content-type", "application/json", true)];
    assert_eq!(call("sns", "/", "", other, list), (400, false));
}

#[test]
fn a_body_that_was_not_shown_is_no_empty_body() {
    // ENV-03, ENV-04, T10, T11, rules 44 and 45.
    let test = "a_body_that_was_not_shown_is_no_empty_body";
    let limit = ("max_request_bytes: 1048576", "max_request_bytes: 16");
    let as_text = ("pack_as_bytes: true", "pack_as_bytes: false");
    for changes in [&[limit][..], &[as_text][..]] {
        let Some(scene) = Scene::start(test, changes) else {
            return;
        };
        let body = br#"{"TableName":"orders", "Key": {}}"#;
        let mut request = ToSign {
            service: "dynamodb",
            method: "POST",
            headers: vec![
                ("content-type", "application/x-amz-json-1.0", true),
                ("x-amz-target", "DynamoDB_20120810.GetItem", true),
            ],
            payload: "",
            ..get("dynamodb.internal", "/")
        };
        let (whole, empty) = (sha256(body), sha256(b""));
        for payload in [&whole, &empty] {
            request.payload = payload;
            let sent = bytes("POST", "/", &request.sign(), body);
            let (reply, arrived) = scene.send(&sent);
            assert_eq!(
                (reply.status, arrived),
                (403, false),
                "{changes:?}: {reply:?}"
            );
            assert!(
                reply.body.contains("InvalidSignatureException"),
                "{reply:?}"
            );
            assert!(
                reply.body.contains("has to send whole bodies along"),
                "T10: {reply:?}"
            );
        }
        // A store takes a signed hash, which it has to compare itself.
        let put = ToSign {
            method: "PUT",
            headers: vec![("x-amz-content-sha256", whole.as_str(), true)],
            payload: whole.as_str(),
            ..get("s3.internal", "/photos/inbox/1")
        };
        let (reply, arrived) = scene.send(&bytes("PUT", put.target, &put.sign(), body));
        assert_eq!((reply.status, arrived), (200, true), "{reply:?}");
    }
}

#[test]
fn an_issuer_without_audience_lets_nobody_in() {
    // Incident rule 9.
    let bundle = tempfile::tempdir().unwrap();
    let text = "apiVersion: sidegate.dev/v1alpha1\nkind: IamOidcProvider\nmetadata: {name: login}\n\
                spec:\n  account: \"210000000001\"\n  issuer: https://login.test\n  jwks: {discovery: true}\n";
    for audiences in [
        "",
        "  audiences: []\n",
        "  audiences: [\"\"]\n",
        "  audiences: [https://kubernetes.default.svc]\n",
    ] {
        let path = bundle.path().join("login.yaml");
        std::fs::write(path, format!("{text}{audiences}")).unwrap();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_sidegate"))
            .arg("validate")
            .arg(bundle.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(3), "{audiences}");
    }
}
