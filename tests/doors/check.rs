//! `envoy.service.auth.v3.Authorization/Check`.

use crate::support::grpc::{Answer, call, frame};
use crate::support::sidegate::Sidegate;
use envoy_types::pb::envoy::config::core::v3::Metadata;
use envoy_types::pb::envoy::config::core::v3::{
    Address, HeaderMap, HeaderValue, SocketAddress, address, socket_address,
};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{
    HttpRequest, Peer, Request, TlsSession,
};
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest, CheckResponse};
use prost::Message as _;
use std::convert::Infallible;

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

fn check(sidegate: &Sidegate, body: Vec<u8>) -> Answer {
    call(sidegate.decisions, CHECK, &[], body)
}

/// The answer as the complete types of Envoy read it: code, HTTP status, reason.
#[track_caller]
fn verdict(answer: &Answer) -> (i32, i32, String) {
    assert_eq!(answer.status, 0, "rule 42: the call itself succeeds");
    let message = answer
        .message
        .clone()
        .expect("rule 21: never an empty message");
    let response = CheckResponse::decode(message).unwrap();
    let status = response.status.expect("rule 21: always a status");
    match response.http_response.expect("rule 22: always an answer") {
        HttpResponse::OkResponse(_) => {
            assert_eq!(status.code, 0);
            (0, 200, String::new())
        }
        HttpResponse::DeniedResponse(denied) => {
            assert_ne!(status.code, 0);
            (status.code, denied.status.unwrap().code, status.message)
        }
        HttpResponse::ErrorResponse(_) => panic!("rule 30: a client could choose fail-open"),
    }
}

fn request(http: HttpRequest) -> CheckRequest {
    CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(Request {
                time: Some(envoy_types::pb::google::protobuf::Timestamp::default()),
                http: Some(http),
            }),
            ..AttributeContext::default()
        }),
    }
}

fn get(path: &str, headers: &[(&str, &[u8])]) -> HttpRequest {
    let header = |(key, value): &(&str, &[u8])| HeaderValue {
        key: (*key).to_owned(),
        raw_value: value.to_vec(),
        ..HeaderValue::default()
    };
    HttpRequest {
        id: "42".into(),
        method: "GET".into(),
        path: path.into(),
        host: "shop.test".into(),
        scheme: "http".into(),
        header_map: Some(HeaderMap {
            headers: headers.iter().map(header).collect(),
        }),
        ..HttpRequest::default()
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn bad_input_is_denied_and_never_an_error_an_allow_or_the_end() {
    let sidegate = Sidegate::start();
    let bearer = sidegate.bearer("ana");
    let ana: (&str, &[u8]) = ("authorization", bearer.as_bytes());
    let good = request(get("/v1/orders/7", &[ana])).encode_to_vec();
    assert_eq!(verdict(&check(&sidegate, frame(&good))).1, 200);

    let message = |http: HttpRequest| frame(&request(http).encode_to_vec());
    let post = |headers: &[(&str, &[u8])]| {
        let http = HttpRequest {
            method: "POST".into(),
            ..get("/v1/orders", headers)
        };
        frame(&request(http).encode_to_vec())
    };
    let many: Vec<(String, Vec<u8>)> = (0..300)
        .map(|number| (format!("x-{number}"), vec![b'x'; 8]))
        .collect();
    let many: Vec<(&str, &[u8])> = many
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_slice()))
        .collect();
    let large = vec![b'x'; 10 << 20];
    let long = format!("/v1/orders/{}", "x".repeat(100_000));
    let l4 = CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(Peer::default()),
            ..AttributeContext::default()
        }),
    };
    let mut compressed = frame(&good);
    compressed[0] = 1;
    let mut long_frame = frame(&good);
    long_frame.extend(frame(&good));
    // (what, body, code, status, reason)
    let cases: Vec<(&str, Vec<u8>, i32, i32, &str)> = vec![
        ("nothing at all", vec![], 3, 400, "bad_message"),
        ("an empty message", frame(&[]), 3, 400, "no_attributes"),
        (
            "no HTTP in it",
            frame(&l4.encode_to_vec()),
            3,
            400,
            "no_http",
        ),
        (
            "a message cut short",
            frame(&good[..good.len() - 3]),
            3,
            400,
            "bad_message",
        ),
        (
            "a frame cut short",
            frame(&good)[..40].to_vec(),
            3,
            400,
            "bad_message",
        ),
        ("a compressed frame", compressed, 3, 400, "compressed"),
        ("two messages", long_frame, 3, 400, "bad_message"),
        ("noise", frame(&[0xff; 64]), 3, 400, "bad_message"),
        (
            "a NUL in the path",
            message(get("/v1/orders/a%00b", &[ana])),
            3,
            400,
            "ambiguous_path",
        ),
        (
            "no path",
            message(get("", &[ana])),
            3,
            400,
            "ambiguous_path",
        ),
        (
            "a long path",
            message(get(&long, &[ana])),
            3,
            400,
            "target_too_long",
        ),
        (
            "many headers",
            message(get("/v1/orders/7", &many)),
            3,
            400,
            "too_many_headers",
        ),
        (
            "10 MiB of headers",
            message(get("/v1/orders/7", &[("x-large", &large)])),
            3,
            400,
            "message_too_large",
        ),
        (
            "bytes for a token",
            message(get(
                "/v1/orders/7",
                &[("authorization", b"Bearer \xff\xfe")],
            )),
            16,
            401,
            "unauthenticated",
        ),
        (
            "two tokens",
            message(get("/v1/orders/7", &[ana, ana])),
            16,
            401,
            "unauthenticated",
        ),
        (
            "bytes for a condition key",
            post(&[ana, ("x-priority", b"\xff")]),
            3,
            400,
            "bad_header",
        ),
        (
            "two values for a condition key",
            post(&[ana, ("x-priority", b"low"), ("x-priority", b"high")]),
            3,
            400,
            "bad_header",
        ),
        (
            "another spelling of it",
            post(&[ana, ("x_priority", b"high")]),
            3,
            400,
            "bad_header",
        ),
    ];
    for (what, body, code, status, reason) in cases {
        let got = verdict(&check(&sidegate, body));
        assert_eq!(got, (code, status, reason.to_owned()), "{what}");
    }
    // It is as well as before.
    assert_eq!(verdict(&check(&sidegate, frame(&good))).1, 200);
    let panics = sidegate.log().contains("panicked");
    assert!(!panics, "{}", sidegate.log());
    let errors = "sidegate_decisions_total{door=\"ext_authz\",outcome=\"error\"}";
    assert_eq!(sidegate.count(errors), 0);
}

#[test]
fn fields_that_nobody_reads_do_no_harm() {
    let sidegate = Sidegate::start();
    let bearer = sidegate.bearer("ben");
    let address = Address {
        address: Some(address::Address::SocketAddress(SocketAddress {
            address: "192.0.2.7".into(),
            port_specifier: Some(socket_address::PortSpecifier::PortValue(4711)),
            ..SocketAddress::default()
        })),
    };
    let mut check_request = request(HttpRequest {
        headers: [
            ("authorization".to_owned(), bearer),
            (":path".to_owned(), "/v1/orders/sealed-1".to_owned()),
            ("user-agent".to_owned(), "curl/8, (a comma)".to_owned()),
        ]
        .into(),
        header_map: None,
        query: "x=1".into(),
        fragment: "f".into(),
        size: 17,
        protocol: "HTTP/1.1".into(),
        body: "{}".into(),
        raw_body: b"{}".to_vec(),
        ..get("/v1/orders/7", &[])
    });
    let attributes = check_request.attributes.as_mut().unwrap();
    attributes.source = Some(Peer {
        address: Some(address.clone()),
        service: "spoofed".into(),
        labels: [("a".to_owned(), "b".to_owned())].into(),
        principal: String::new(),
        certificate: "pem".into(),
    });
    attributes.destination = attributes.source.clone();
    attributes.context_extensions = [("tenant".to_owned(), "a".to_owned())].into();
    attributes.metadata_context = Some(Metadata::default());
    attributes.route_metadata_context = Some(Metadata::default());
    attributes.tls_session = Some(TlsSession {
        sni: "shop.test".into(),
    });
    let mut bytes = check_request.encode_to_vec();
    // A field of a version to come: number 1000, three bytes.
    bytes.extend([0xc2, 0x3e, 3, b'n', b'e', b'w']);
    assert_eq!(
        verdict(&check(&sidegate, frame(&bytes))),
        (0, 200, String::new())
    );
}

#[test]
fn an_allow_replaces_and_removes_what_the_client_sent() {
    let sidegate = Sidegate::start();
    let bearer = sidegate.bearer("ben");
    let headers: [(&str, &[u8]); 3] = [
        ("authorization", bearer.as_bytes()),
        ("x-sidegate-principal", b"spoofed"),
        ("x_sidegate-Account", b"spoofed"),
    ];
    let body = frame(&request(get("/v1/orders/7", &headers)).encode_to_vec());
    let message = check(&sidegate, body).message.unwrap();
    let response = CheckResponse::decode(message).unwrap();
    let Some(HttpResponse::OkResponse(ok)) = response.http_response else {
        panic!("{response:?}");
    };
    let set: Vec<&str> = ok
        .headers
        .iter()
        .map(|option| {
            // Rule 31: whichever of the two a version of Envoy obeys, it replaces.
            #[expect(deprecated, reason = "the only form that 1.40 obeys")]
            let append = option.append.map(|append| append.value);
            assert_eq!((append, option.append_action), (Some(false), 2));
            let header = option.header.as_ref().unwrap();
            assert!(
                header.raw_value.is_empty() && !header.value.is_empty(),
                "rule 33"
            );
            header.key.as_str()
        })
        .collect();
    let removed = &ok.headers_to_remove;
    for name in [
        "x-sidegate-principal",
        "x-sidegate-account",
        "x-sidegate-session",
        "x-sidegate-decision-id",
    ] {
        assert!(set.contains(&name), "HDR-01: {set:?}");
        assert!(
            !removed.iter().any(|gone| gone == name),
            "HDR-02: {removed:?}"
        );
    }
    for name in [
        "authorization",
        "x-sidegate-request-id",
        "x_sidegate-account",
        "x_sidegate_principal",
    ] {
        assert!(
            removed.iter().any(|gone| gone == name),
            "HDR-02, HDR-03: {removed:?}"
        );
    }
    for name in removed {
        assert!(!name.starts_with(':') && name != "host", "rule 19");
    }
    let metadata = response.dynamic_metadata.unwrap().fields;
    let text = format!("{metadata:?}");
    assert!(text.contains("decision_id") && text.contains("order-reader/ben"));
    assert!(!text.contains("eyJ"), "rule 40: no secrets");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asker_that_runs_out_of_time_is_denied() {
    let sidegate = Sidegate::start();
    let bearer = sidegate.bearer("ana");
    let headers: [(&str, &[u8]); 1] = [("authorization", bearer.as_bytes())];
    let good = frame(&request(get("/v1/orders/7", &headers)).encode_to_vec());
    let stream = tokio::net::TcpStream::connect(sidegate.decisions)
        .await
        .unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(stream),
    )
    .await
    .unwrap();
    tokio::spawn(connection);
    // (what is sent, the time that is given): half a message and no more, or a whole one too late.
    let cases = [(&good[..good.len() / 2], "100m"), (&good[..], "0n")];
    for (sent, timeout) in cases {
        let (frames, body) = tokio::sync::mpsc::channel::<Result<_, Infallible>>(1);
        let body = tokio_stream::wrappers::ReceiverStream::new(body);
        let request = http::Request::post(format!("http://sidegate{CHECK}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("grpc-timeout", timeout)
            .body(http_body_util::StreamBody::new(body))
            .unwrap();
        let data = bytes::Bytes::copy_from_slice(sent);
        frames
            .send(Ok(hyper::body::Frame::data(data)))
            .await
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        let collected = http_body_util::BodyExt::collect(response.into_body())
            .await
            .unwrap();
        let late = Answer {
            status: 0,
            message: Some(collected.to_bytes().slice(5..)),
        };
        assert_eq!(verdict(&late), (4, 503, "deadline".to_owned()), "{timeout}");
        drop(frames);
    }
}

#[test]
fn what_is_not_this_service_is_not_implemented() {
    let sidegate = Sidegate::start();
    for path in [
        "/envoy.service.auth.v2.Authorization/Check",
        "/envoy.service.auth.v3.Authorization/check",
        "/envoy.service.auth.v3.Authorization/Check/x",
        "/nothing",
    ] {
        let answer = call(sidegate.decisions, path, &[], frame(&[]));
        assert_eq!((answer.status, answer.message), (12, None), "{path}");
    }
}
