//! One check from its bytes to the bytes of its answer, by the example bundle: what a server does
//! for Envoy beside HTTP/2.

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use prost::Message as _;
use sidegate::clock::FixedClock;
use sidegate::ext_authz::{CheckService, Settings};
use sidegate::loader::reload::compile;
use sidegate::loader::source::{File, Files, Limits, read_once};
use sidegate::model::Timestamp;
use sidegate::pdp::{Forwarding, Pdp};
use sidegate::proto::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use sidegate::proto::envoy::service::auth::v3::{AttributeContext, CheckRequest, CheckResponse};
use sidegate::snapshot::Store;
use sidegate::telemetry::Metrics;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

const NOW: i64 = 1_893_456_000;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A key pair of an issuer, and a token of it for a reader of orders.
fn issuer() -> (String, String) {
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
    let pair = rcgen::KeyPair::generate().expect("a key");
    let key = EncodingKey::from_ec_der(&pair.serialize_der());
    let point = pair.public_key_raw();
    let part = |range| data_encoding::BASE64URL_NOPAD.encode(&point[range]);
    let jwks = serde_json::json!({"keys": [{
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "bench",
        "x": part(1..33), "y": part(33..65),
    }]});
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("bench".to_owned());
    let claims = serde_json::json!({
        "iss": "https://login.shop.test", "sub": "ben", "aud": "shop", "groups": [],
        "iat": NOW - 60, "exp": NOW + 3_600,
    });
    let token = encode(&header, &claims, &key).expect("a token");
    (jwks.to_string(), token)
}

fn check(token: &str) -> CheckRequest {
    let headers = [
        (":authority", "shop.test"),
        (":method", "GET"),
        (":path", "/v1/orders/7"),
        (":scheme", "https"),
        (
            "accept",
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
        ),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("accept-language", "en-GB,en;q=0.5"),
        ("authorization", &format!("Bearer {token}")),
        ("cache-control", "no-cache"),
        ("referer", "https://shop.test/orders?page=2&sort=newest"),
        ("sec-fetch-dest", "document"),
        ("sec-fetch-mode", "navigate"),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
        ),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "8f2f6c1e-5a4e-4f55-9a5e-0a4c1e7c2f8d"),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(Peer::default()),
            request: Some(Request {
                http: Some(HttpRequest {
                    method: "GET".to_owned(),
                    headers: headers.into(),
                    path: "/v1/orders/7".to_owned(),
                    host: "shop.test".to_owned(),
                    scheme: "https".to_owned(),
                    ..HttpRequest::default()
                }),
            }),
            ..AttributeContext::default()
        }),
    }
}

fn checking(criterion: &mut Criterion) {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/example/bundle");
    let mut files = read_once(&example, &Limits::default())
        .expect("the example")
        .entries;
    let (jwks, token) = issuer();
    files.retain(|file| file.path != "jwks.json");
    files.push(File {
        path: "jwks.json".into(),
        bytes: jwks.into(),
    });
    let now = Timestamp::from_seconds(NOW);
    let loaded = compile(&Files::new(files), "bench", now).expect("a good bundle");
    let store = Arc::new(Store::empty());
    store.publish(Arc::new(loaded.snapshot));
    let metrics = Arc::new(Metrics::new().expect("metrics"));
    let service = CheckService::new(
        Pdp::new(store, Arc::clone(&metrics)),
        Arc::new(FixedClock(now)),
        metrics,
        Settings {
            forwarding: Forwarding::Strip,
            trusted_hops: 0,
            concurrency: 1_024,
        },
    );
    let message = Bytes::from(check(&token).encode_to_vec());
    let answer = CheckResponse::decode(service.answer(Ok(message.clone()))).expect("an answer");
    assert_eq!(answer.status.expect("a status").code, 0, "allowed");
    criterion.bench_function("check/answer", |bencher| {
        bencher.iter(|| service.answer(black_box(Ok(message.clone()))));
    });
    criterion.bench_function("check/read", |bencher| {
        bencher.iter(|| sidegate::ext_authz::read(black_box(&message), 0));
    });
    criterion.bench_function("check/generated", |bencher| {
        bencher.iter(|| CheckRequest::decode(black_box(message.clone())));
    });
}

criterion_group!(benches, checking);
criterion_main!(benches);
