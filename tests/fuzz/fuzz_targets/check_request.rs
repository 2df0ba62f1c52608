//! Whatever Envoy, or somebody in its place, sends as a check.
//!
//! No input has good credentials and nothing is open to everybody, so every answer is a denial: with
//! a status whose code is not zero, and a `denied_response`.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use prost::Message as _;
use sidegate::clock::FixedClock;
use sidegate::ext_authz::{CheckService, Settings, read};
use sidegate::loader::reload::compile;
use sidegate::loader::source::{Limits, read_once};
use sidegate::model::Timestamp;
use sidegate::pdp::{Forwarding, Pdp};
use sidegate::proto::envoy::service::auth::v3::{CheckRequest, CheckResponse};
use sidegate::proto::envoy::service::auth::v3::check_response::HttpResponse;
use sidegate::snapshot::Store;
use sidegate::telemetry::Metrics;
use std::path::Path;
use std::sync::{Arc, LazyLock};

static SERVICE: LazyLock<CheckService> = LazyLock::new(|| {
    let now = Timestamp::from_seconds(1_893_456_000);
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/example/bundle");
    let files = read_once(Path::new(example), &Limits::default()).expect("the example");
    let loaded = compile(&files, "fuzz", now).expect("a good bundle");
    let store = Arc::new(Store::empty());
    store.publish(Arc::new(loaded.snapshot));
    let metrics = Arc::new(Metrics::new().expect("metrics"));
    let pdp = Pdp::new(store, Arc::clone(&metrics));
    let clock = Arc::new(FixedClock(now));
    let settings = Settings {
        forwarding: Forwarding::Strip,
        trusted_hops: 1,
        concurrency: 1,
    };
    CheckService::new(pdp, clock, metrics, settings)
});

/// What is read by hand is what the generated types read, where both can.
fn is_read_alike(input: &Bytes) {
    let Ok(check) = CheckRequest::decode(input.clone()) else {
        return;
    };
    let http = check
        .attributes
        .and_then(|attributes| attributes.request)
        .and_then(|request| request.http);
    if let (Ok(call), Some(http)) = (read(input, 0), http) {
        assert_eq!(call.method, http.method);
        assert_eq!(call.target, http.path);
        assert_eq!(call.authority, http.host);
        assert_eq!(call.scheme, http.scheme);
        for (name, value) in &http.headers {
            if !name.starts_with(':') {
                let name = name.to_ascii_lowercase();
                assert!(call.headers.all(&name).any(|read| read == value.as_bytes()));
            }
        }
        let listed = http.header_map.unwrap_or_default().headers;
        for field in listed.iter().filter(|field| !field.key.starts_with(':')) {
            let value = if field.raw_value.is_empty() {
                field.value.as_bytes()
            } else {
                &field.raw_value
            };
            let name = field.key.to_ascii_lowercase();
            assert!(call.headers.all(&name).any(|read| read == value));
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let input = Bytes::copy_from_slice(input);
    is_read_alike(&input);
    let bytes = SERVICE.answer(Ok(input));
    let response = CheckResponse::decode(bytes).expect("what is sent can be read");
    let status = response.status.expect("rule 21: always a status");
    assert_ne!(status.code, 0, "nobody is let in");
    let Some(HttpResponse::DeniedResponse(denied)) = response.http_response else {
        panic!("rule 22: a denial has a denied_response");
    };
    let code = denied.status.expect("a status for the client").code;
    assert!((400..600).contains(&code), "rule 25: {code}");
});
