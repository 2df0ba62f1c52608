//! Whatever a caller can present: tokens, key sets, peers and authorization headers.
//!
//! The first byte says what the rest is. A payload under a good signature is signed here, so that
//! the fuzzer reaches the claims behind it.
#![no_main]

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use sidegate::authn::{KeySet, NoRemotes, PeerTable, Verifier, presented};
use sidegate::model::{AccountId, Arn, Headers, Timestamp};
use sidegate::policy::{
    AuthorizedParty, KeySource, OidcProvider, PeerMapping, PeerMatch, Place, RoleRule, SigningAlgorithm,
};
use std::sync::LazyLock;

const NOW: i64 = 1_893_456_000;
const HEADER: &[u8] = br#"{"alg":"EdDSA","kid":"k"}"#;

static KEY: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed is 32 bytes"));
static VERIFIER: LazyLock<Verifier> =
    LazyLock::new(|| Verifier::compile(&[provider()], &NoRemotes).expect("the provider is good"));
static PEERS: LazyLock<PeerTable> = LazyLock::new(|| {
    let mapping = PeerMapping {
        place: place(),
        matcher: PeerMatch::Spiffe("spiffe://acme.test/ns/*/sa/{name}".to_owned()),
        role: "reader".to_owned(),
        account: account(),
    };
    PeerTable::compile(&[mapping]).expect("the mapping is good")
});

fuzz_target!(|input: &[u8]| {
    let Some((kind, rest)) = input.split_first() else {
        return;
    };
    match kind % 5 {
        0 => token(rest),
        1 => signed_claims(rest),
        2 => key_set(rest),
        3 => peer(rest),
        _ => headers(rest),
    }
});

fn token(bytes: &[u8]) {
    if let Ok(token) = std::str::from_utf8(bytes) {
        let _ = VERIFIER.verify(token, Timestamp::from_seconds(NOW));
    }
}

fn signed_claims(payload: &[u8]) {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!("{}.{}", encode(HEADER), encode(payload));
    let signature = KEY.sign(signed.as_bytes());
    let token = format!("{signed}.{}", encode(signature.as_ref()));
    let Ok(identity) = VERIFIER.verify(&token, Timestamp::from_seconds(NOW)) else {
        return;
    };
    assert!((2..=64).contains(&identity.session_name.len()));
    assert!(identity.expires_at.seconds() > NOW - 60);
    assert!(!identity.subject.is_empty());
    assert!(
        identity
            .context
            .iter()
            .all(|(_, values)| !values.is_empty())
    );
}

fn key_set(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let algorithms = SigningAlgorithm::ALL.map(|(algorithm, _)| algorithm);
    if let Ok(keys) = KeySet::parse(text, &algorithms) {
        for algorithm in algorithms {
            let _ = keys.verify(None, algorithm, b"message", &[1; 64]);
        }
    }
}

fn peer(bytes: &[u8]) {
    let Ok(principal) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(Some(identity)) = PEERS.resolve(principal) {
        assert!(principal.starts_with("spiffe://acme.test/ns/"));
        assert!((2..=64).contains(&identity.session_name.len()));
    }
}

fn headers(bytes: &[u8]) {
    let mut headers = Headers::new();
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let query = lines.next().and_then(|line| std::str::from_utf8(line).ok());
    for value in lines {
        headers.push("authorization", value);
    }
    let _ = presented(&headers, query);
}

fn provider() -> OidcProvider {
    let public = URL_SAFE_NO_PAD.encode(KEY.public_key().as_ref());
    OidcProvider {
        place: place(),
        name: "login".to_owned(),
        account: account(),
        arn: Arn::parse("arn:aws:iam::210000000001:oidc-provider/login.example.com")
            .expect("the ARN is good"),
        issuer: "https://login.example.com".to_owned(),
        audiences: vec!["orders".to_owned()],
        algorithms: vec![SigningAlgorithm::EdDsa],
        keys: KeySource::Inline(format!(
            r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"k","x":"{public}"}}]}}"#
        )),
        leeway_s: 60,
        max_token_life_s: 86_400,
        multiple_audiences: true,
        authorized_party: AuthorizedParty::Require,
        claims: vec![
            ("groups".to_owned(), "groups".to_owned()),
            ("/a/b/0".to_owned(), "b".to_owned()),
        ],
        roles: vec![RoleRule {
            claims: vec![("/a/groups".to_owned(), "ops".to_owned())],
            role: "operator".to_owned(),
        }],
        role_claim: Some("role".to_owned()),
        allowed_roles: vec!["writer".to_owned()],
        default_role: None,
        session_name: "sub".to_owned(),
        names_sessions: false,
        cluster: None,
    }
}

fn place() -> Place {
    Place {
        file: "fuzz.yaml".into(),
        line: 1,
        column: 1,
    }
}

fn account() -> AccountId {
    AccountId::parse("210000000001").expect("twelve digits")
}
