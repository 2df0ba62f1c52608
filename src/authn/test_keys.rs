//! Keys made once for a run of the tests, and tokens signed by them.

use crate::policy::SigningAlgorithm;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// One key of every kind; the `kid` of each is its name here.
pub(super) struct TestKeys {
    pub(super) rsa: RsaKeyPair,
    pub(super) p256: EcdsaKeyPair,
    pub(super) p384: EcdsaKeyPair,
    pub(super) p521: EcdsaKeyPair,
    pub(super) ed25519: Ed25519KeyPair,
}

/// The keys of the issuer that is registered.
pub(super) static ISSUER: LazyLock<TestKeys> = LazyLock::new(TestKeys::generate);
/// The keys of somebody else.
pub(super) static STRANGER: LazyLock<TestKeys> = LazyLock::new(TestKeys::generate);

pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Joins header, payload and signature to a token.
pub(super) fn compact(header: &str, payload: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{}.{}", encode(header), encode(payload));
    let signature = encode(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

impl TestKeys {
    fn generate() -> Self {
        let p256 = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let p384 = &signature::ECDSA_P384_SHA384_FIXED_SIGNING;
        let p521 = &signature::ECDSA_P521_SHA512_FIXED_SIGNING;
        Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            p256: EcdsaKeyPair::generate(p256).unwrap(),
            p384: EcdsaKeyPair::generate(p384).unwrap(),
            p521: EcdsaKeyPair::generate(p521).unwrap(),
            ed25519: Ed25519KeyPair::generate().unwrap(),
        }
    }

    /// The key set that an issuer would publish.
    pub(super) fn jwks(&self) -> String {
        json!({"keys": [self.rsa_jwk(), self.p256_jwk(), self.p384_jwk(), self.p521_jwk(),
            self.ed25519_jwk()]})
        .to_string()
    }

    pub(super) fn rsa_jwk(&self) -> Value {
        let public = self.rsa.public_key();
        json!({
            "kty": "RSA", "kid": "rsa", "use": "sig",
            "n": encode(public.modulus().big_endian_without_leading_zero()),
            "e": encode(public.exponent().big_endian_without_leading_zero()),
        })
    }

    pub(super) fn p256_jwk(&self) -> Value {
        ec_jwk("P-256", "p256", self.p256.public_key().as_ref())
    }

    pub(super) fn p384_jwk(&self) -> Value {
        ec_jwk("P-384", "p384", self.p384.public_key().as_ref())
    }

    pub(super) fn p521_jwk(&self) -> Value {
        ec_jwk("P-521", "p521", self.p521.public_key().as_ref())
    }

    pub(super) fn ed25519_jwk(&self) -> Value {
        let public = encode(self.ed25519.public_key().as_ref());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "ed25519", "x": public})
    }

    /// The `kid` of the key that signs by `algorithm`.
    pub(super) fn key_id(algorithm: SigningAlgorithm) -> &'static str {
        match algorithm {
            SigningAlgorithm::Rs256
            | SigningAlgorithm::Rs384
            | SigningAlgorithm::Rs512
            | SigningAlgorithm::Ps256
            | SigningAlgorithm::Ps384
            | SigningAlgorithm::Ps512 => "rsa",
            SigningAlgorithm::Es256 => "p256",
            SigningAlgorithm::Es384 => "p384",
            SigningAlgorithm::Es512 => "p521",
            SigningAlgorithm::EdDsa => "ed25519",
        }
    }

    /// Signs `message` by the key that fits `algorithm`.
    pub(super) fn sign(&self, algorithm: SigningAlgorithm, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let ecdsa = |key: &EcdsaKeyPair| key.sign(&random, message).unwrap().as_ref().to_vec();
        let encoding: &'static dyn signature::RsaEncoding = match algorithm {
            SigningAlgorithm::Rs256 => &signature::RSA_PKCS1_SHA256,
            SigningAlgorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
            SigningAlgorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
            SigningAlgorithm::Ps256 => &signature::RSA_PSS_SHA256,
            SigningAlgorithm::Ps384 => &signature::RSA_PSS_SHA384,
            SigningAlgorithm::Ps512 => &signature::RSA_PSS_SHA512,
            SigningAlgorithm::Es256 => return ecdsa(&self.p256),
            SigningAlgorithm::Es384 => return ecdsa(&self.p384),
            SigningAlgorithm::Es512 => return ecdsa(&self.p521),
            SigningAlgorithm::EdDsa => return self.ed25519.sign(message).as_ref().to_vec(),
        };
        let mut signed = vec![0; self.rsa.public_modulus_len()];
        self.rsa
            .sign(encoding, &random, message, &mut signed)
            .unwrap();
        signed
    }

    /// The private RSA key as PKCS #8 in PEM.
    pub(super) fn rsa_pem(&self) -> String {
        let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&self.rsa).unwrap();
        pem("PRIVATE KEY", der.as_ref())
    }

    /// The public RSA key in PEM: what an attacker can know.
    pub(super) fn rsa_public_pem(&self) -> String {
        let der = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(self.rsa.public_key());
        pem("PUBLIC KEY", der.unwrap().as_ref())
    }
}

fn ec_jwk(curve: &str, key_id: &str, point: &[u8]) -> Value {
    let (x, y) = point[1..].split_at(point.len() / 2);
    json!({"kty": "EC", "crv": curve, "kid": key_id, "x": encode(x), "y": encode(y)})
}

fn pem(label: &str, der: &[u8]) -> String {
    let body: Vec<String> = STANDARD
        .encode(der)
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8(line.to_vec()).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        body.join("\n")
    )
}
