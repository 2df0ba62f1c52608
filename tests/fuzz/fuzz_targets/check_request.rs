//! Whatever Envoy, or somebody in its place, sends as a check.
//!
//! No input has good credentials and nothing is open to everybody, so every answer is a denial: with
//! a status whose code is not zero, and a `denied_response`.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use prost::Message as _;
use sidegate::clock::FixedClock;
use sidegate::ext_authz::{CheckService, Settings};
use sidegate::loader::reload::compile;
use sidegate::loader::source::{Limits, read_once};
use sidegate::model::Timestamp;
use sidegate::pdp::{Forwarding, Pdp};
use sidegate::proto::envoy::service::auth::v3::CheckResponse;
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

fuzz_target!(|input: &[u8]| {
    let response = SERVICE.answer(Ok(Bytes::copy_from_slice(input)));
    let bytes = response.encode_to_vec();
    let response = CheckResponse::decode(bytes.as_slice()).expect("what is sent can be read");
    let status = response.status.expect("rule 21: always a status");
    assert_ne!(status.code, 0, "nobody is let in");
    let Some(HttpResponse::DeniedResponse(denied)) = response.http_response else {
        panic!("rule 22: a denial has a denied_response");
    };
    let code = denied.status.expect("a status for the client").code;
    assert!((400..600).contains(&code), "rule 25: {code}");
});
