//! Whatever a client writes as a signature: the header, the address, and the request around it.
//!
//! Nobody has the key, so nothing verifies; and no byte string makes the reader or the canonical
//! form panic, or take more memory at once than a request may be long.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidegate::authn::{SignedCall, SigningKey};
use sidegate::model::{Body, Headers, HttpCall, Peer, Protocol, Timestamp};
use sidegate::policy::{PayloadMode, Signing};

fn call(input: &str) -> HttpCall {
    let mut lines = input.split('\n');
    let mut line = || lines.next().unwrap_or_default().to_owned();
    let (method, authority, target, body) = (line(), line(), line(), line());
    let mut headers = Headers::new();
    for field in lines {
        let (name, value) = field.split_once(':').unwrap_or((field, ""));
        headers.push(name, value);
    }
    HttpCall {
        method,
        scheme: "https".to_owned(),
        authority,
        target,
        headers,
        body: Body::Known(body.into()),
        peer: Peer::default(),
        protocol: Protocol::Http,
    }
}

fuzz_target!(|input: &str| {
    let call = call(input);
    let query = call.target.split_once('?').map(|(_, query)| query);
    let all: Vec<PayloadMode> = PayloadMode::ALL.iter().map(|(mode, _)| *mode).collect();
    let read = [
        SignedCall::of_header(&call),
        SignedCall::of_query(query.unwrap_or_default()),
    ];
    for signed in read.into_iter().flatten() {
        let mut signing = Signing::of(signed.service(), Some(signed.region()), &all);
        signing.unsigned_token = true;
        let _ = signed.check_scope(&signing);
        let _ = signed.check_clock(&signing, Timestamp::from_seconds(1_893_456_000));
        let _ = signed.check_token();
        let key = SigningKey::derive(b"secret", signed.date(), signed.region(), signed.service());
        for service in [signed.service(), "s3"] {
            signing.service = service.to_owned();
            assert!(signed.verify(&call, &signing, &key).is_err());
            if let Ok(canonical) = signed.canonical_request(&call, &signing) {
                // Each byte becomes three at the most; path twice.
                assert!(canonical.len() <= 9 * input.len() + 256);
            }
        }
    }
});
