//! An issuer of tokens that lives as long as the process.

use crate::model::Timestamp;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// How long its tokens live, in seconds.
const LIFE_S: i64 = 12 * 3_600;

/// A key pair, and the issuer that the example bundle registers.
pub(super) struct Issuer {
    key: EcdsaKeyPair,
    id: String,
}

impl Issuer {
    /// An issuer with a new key; `None` when the system gives no random bytes.
    pub(super) fn new() -> Option<Self> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?;
        let id = uuid::Uuid::new_v4().to_string();
        Some(Self { key, id })
    }

    /// Its public key as a JWKS document.
    pub(super) fn key_set(&self) -> String {
        // SEC 1: 0x04, then the two coordinates of 32 bytes each.
        let (_, point) = self.key.public_key().as_ref().split_at(1);
        let (x, y) = point.split_at(32);
        let set = json!({"keys": [{
            "kty": "EC",
            "crv": "P-256",
            "use": "sig",
            "alg": "ES256",
            "kid": self.id,
            "x": URL_SAFE_NO_PAD.encode(x),
            "y": URL_SAFE_NO_PAD.encode(y),
        }]});
        format!("{set:#}\n")
    }

    /// A token for `subject`, issued `now`.
    pub(super) fn token(&self, subject: &str, groups: &[&str], now: Timestamp) -> Option<String> {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(&json!({"alg": "ES256", "kid": self.id, "typ": "JWT"}));
        let claims = part(&json!({
            "iss": "https://login.shop.test",
            "aud": "shop",
            "sub": subject,
            "groups": groups,
            "iat": now.seconds(),
            "exp": now.seconds() + LIFE_S,
        }));
        let signed = format!("{header}.{claims}");
        let signature = self
            .key
            .sign(&SystemRandom::new(), signed.as_bytes())
            .ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
