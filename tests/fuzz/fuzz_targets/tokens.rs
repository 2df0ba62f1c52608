//! Whatever comes as a session token, as the claims in one, as a sealed reason, and as a call to the
//! token service: nobody has the keys, so nothing opens, and nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidegate::authn::{Claims, KeySetFile, TokenKeys};
use sidegate::model::{Body, Headers, HttpCall, Peer, Protocol, Timestamp};
use sidegate::policy::Keys;
use sidegate::sts;
use std::sync::LazyLock;

const SET: &str = r#"{"trustDomain":"fuzz","readKeys":[{"id":1,"key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","activeFrom":"2020-01-01T00:00:00Z"}],
"signingKeys":[{"id":1,"publicKey":"O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=","activeFrom":"2020-01-01T00:00:00Z"}]}"#;

static KEYS: LazyLock<TokenKeys> = LazyLock::new(|| {
    let file = KeySetFile::parse(SET.as_bytes()).expect("a key set");
    TokenKeys::compile(&file, Keys::default()).expect("keys")
});

fuzz_target!(|input: &[u8]| {
    let now = Timestamp::from_seconds(1_893_456_000);
    let text = String::from_utf8_lossy(input);
    assert!(KEYS.open(&text, None, now).is_err());
    assert!(KEYS.open(&format!("sgt1_{text}"), Some(&text), now).is_err());
    let _ = KEYS.open_message(input, now);
    // Claims have one encoding.
    if let Some(claims) = Claims::decode(input) {
        assert!(claims.depth() <= sidegate::authn::MAX_CHAIN);
    }
    let _ = KeySetFile::parse(input);
    let mut headers = Headers::new();
    headers.push("content-type", "application/x-www-form-urlencoded");
    let call = |method: &str, target: String, body: Body| HttpCall {
        method: method.to_owned(),
        scheme: String::new(),
        authority: "sts".to_owned(),
        target,
        headers: headers.clone(),
        body,
        peer: Peer::default(),
        protocol: Protocol::Http,
    };
    let _ = sts::action(&call("POST", "/".to_owned(), Body::Known(input.to_vec().into())));
    let _ = sts::action(&call("GET", format!("/?{text}"), Body::none()));
});
