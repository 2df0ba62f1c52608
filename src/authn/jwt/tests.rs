mod claims;
mod compile;
mod form;
mod identity;
mod random;
mod signature;

use super::*;
use crate::authn::NoRemotes;
use crate::authn::test_keys::{ISSUER, TestKeys, compact};
use crate::model::{AccountId, Arn};
use crate::policy::{AuthorizedParty, KeySource, Place, SigningAlgorithm};
use serde_json::{Value, json};

/// The time at which tokens are judged, in seconds since 1970.
const NOW: i64 = 1_893_456_000;

/// A provider that accepts the six algorithms that need no opt-in.
fn provider() -> OidcProvider {
    OidcProvider {
        place: Place {
            file: "login.yaml".into(),
            line: 3,
            column: 5,
        },
        name: "login".to_owned(),
        account: AccountId::parse("210000000001").unwrap(),
        arn: Arn::parse("arn:aws:iam::210000000001:oidc-provider/login.example.com").unwrap(),
        issuer: "https://login.example.com".to_owned(),
        audiences: vec!["orders".to_owned(), "ledger".to_owned()],
        algorithms: vec![
            SigningAlgorithm::Rs256,
            SigningAlgorithm::Rs384,
            SigningAlgorithm::Rs512,
            SigningAlgorithm::Es256,
            SigningAlgorithm::Es384,
            SigningAlgorithm::Es512,
        ],
        keys: KeySource::Inline(ISSUER.jwks()),
        leeway_s: 60,
        max_token_life_s: 86_400,
        multiple_audiences: false,
        authorized_party: AuthorizedParty::Require,
        claims: Vec::new(),
        roles: Vec::new(),
        role_claim: None,
        allowed_roles: Vec::new(),
        default_role: Some("reader".to_owned()),
        cluster: None,
        session_name: "sub".to_owned(),
        names_sessions: false,
    }
}

fn verifier(provider: &OidcProvider) -> Verifier {
    Verifier::compile(std::slice::from_ref(provider), &NoRemotes).unwrap()
}

/// The claims of a token that is accepted.
fn good() -> Value {
    json!({
        "iss": "https://login.example.com", "sub": "ana", "aud": "orders",
        "iat": NOW - 10, "exp": NOW + 3590,
    })
}

/// The good claims with some replaced or added; a null removes one.
fn changed(changes: &Value) -> Value {
    let mut claims = good();
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    claims
}

/// Signs a payload as the issuer does, by ES256.
fn signed(payload: &str) -> String {
    let header = r#"{"alg":"ES256","kid":"p256","typ":"JWT"}"#;
    compact(header, payload, |message| {
        ISSUER.sign(SigningAlgorithm::Es256, message)
    })
}

/// Signs a payload under any header, by the key that fits `algorithm`.
fn signed_under(header: &Value, algorithm: SigningAlgorithm) -> String {
    compact(&header.to_string(), &good().to_string(), |message| {
        ISSUER.sign(algorithm, message)
    })
}

fn judge(provider: &OidcProvider, claims: &Value) -> Result<WebIdentity, JwtError> {
    let verifier = verifier(provider);
    let token = signed(&claims.to_string());
    let judged = verifier.verify(&token, Timestamp::from_seconds(NOW));
    // What was verified a moment ago is what it was.
    let again = verifier.verify(&token, Timestamp::from_seconds(NOW));
    assert_eq!(format!("{judged:?}"), format!("{again:?}"));
    judged.map(|identity| (*identity).clone())
}

fn judge_token(token: &str) -> Result<WebIdentity, JwtError> {
    let judged = verifier(&provider()).verify(token, Timestamp::from_seconds(NOW));
    judged.map(|identity| (*identity).clone())
}

fn es256_header() -> Value {
    json!({"alg": "ES256", "kid": TestKeys::key_id(SigningAlgorithm::Es256)})
}
