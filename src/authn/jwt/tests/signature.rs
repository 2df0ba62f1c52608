use super::*;
use crate::authn::NoRemotes;
use crate::authn::jwks::SignatureFault;
use crate::authn::test_keys::{STRANGER, encode};
use crate::policy::KeySource;
use aws_lc_rs::signature::KeyPair;
use jsonwebtoken::{Algorithm, EncodingKey, Header};

fn lenient() -> OidcProvider {
    OidcProvider {
        algorithms: SigningAlgorithm::ALL
            .iter()
            .map(|(algorithm, _)| *algorithm)
            .collect(),
        ..provider()
    }
}

#[test]
fn tokens_of_another_library_are_accepted() {
    let rsa = EncodingKey::from_rsa_pem(ISSUER.rsa_pem().as_bytes()).unwrap();
    let p256 = EncodingKey::from_ec_der(ISSUER.p256.to_pkcs8v1().unwrap().as_ref());
    let p384 = EncodingKey::from_ec_der(ISSUER.p384.to_pkcs8v1().unwrap().as_ref());
    let ed25519 = EncodingKey::from_ed_der(ISSUER.ed25519.to_pkcs8().unwrap().as_ref());
    // (algorithm, key, kid)
    let cases = [
        (Algorithm::RS256, &rsa, "rsa"),
        (Algorithm::RS384, &rsa, "rsa"),
        (Algorithm::RS512, &rsa, "rsa"),
        (Algorithm::PS256, &rsa, "rsa"),
        (Algorithm::PS384, &rsa, "rsa"),
        (Algorithm::PS512, &rsa, "rsa"),
        (Algorithm::ES256, &p256, "p256"),
        (Algorithm::ES384, &p384, "p384"),
        (Algorithm::EdDSA, &ed25519, "ed25519"),
    ];
    let verifier = verifier(&lenient());
    for (algorithm, key, key_id) in cases {
        let mut header = Header::new(algorithm);
        header.kid = Some(key_id.to_owned());
        let token = jsonwebtoken::encode(&header, &good(), key).unwrap();
        let identity = verifier.verify(&token, Timestamp::from_seconds(NOW));
        assert_eq!(
            identity.map(|identity| identity.subject.clone()).as_deref(),
            Ok("ana"),
            "JWT-02"
        );
    }
}

#[test]
fn only_listed_algorithms_are_accepted() {
    for (algorithm, name) in SigningAlgorithm::ALL {
        let header = json!({"alg": name, "kid": TestKeys::key_id(algorithm)});
        let token = signed_under(&header, algorithm);
        let listed = provider().algorithms.contains(&algorithm);
        let expected = (!listed).then_some(JwtError::Algorithm);
        assert_eq!(judge_token(&token).err(), expected, "JWT-02: {name}");
        let only = OidcProvider {
            algorithms: vec![algorithm],
            ..provider()
        };
        let got = verifier(&only).verify(&token, Timestamp::from_seconds(NOW));
        assert!(got.is_ok(), "JWT-02: {name}");
    }
}

#[test]
fn no_name_of_an_algorithm_stands_for_another() {
    let names = [
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        "HS256",
        "HS384",
        "HS512",
        "es256",
        "Es256",
        " ES256",
        "ES256 ",
        "ES256K",
        "ES256\u{0}",
        "EDDSA",
        "Ed25519",
        "RS1",
        "RSA1_5",
        "dir",
        "A256GCM",
    ];
    for name in names {
        let header = json!({"alg": name, "kid": "p256"});
        let token = signed_under(&header, SigningAlgorithm::Es256);
        let got = verifier(&lenient()).verify(&token, Timestamp::from_seconds(NOW));
        assert_eq!(got.err(), Some(JwtError::Algorithm), "JWT-02: `{name}`");
        let unsigned = token.rsplit_once('.').unwrap().0;
        let got = judge_token(&format!("{unsigned}."));
        assert_eq!(got.err(), Some(JwtError::Algorithm), "JWT-02: `{name}`");
    }
}

#[test]
fn a_public_key_is_never_a_secret() {
    let public = ISSUER.rsa.public_key();
    let modulus = public.modulus().big_endian_without_leading_zero();
    let secrets = [
        ISSUER.rsa_public_pem().into_bytes(),
        ISSUER.rsa_public_pem().trim().as_bytes().to_vec(),
        modulus.to_vec(),
        encode(modulus).into_bytes(),
        ISSUER.rsa_jwk().to_string().into_bytes(),
        ISSUER.jwks().into_bytes(),
        b"rsa".to_vec(),
        Vec::new(),
    ];
    for secret in secrets {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let mut header = Header::new(algorithm);
            header.kid = Some("rsa".to_owned());
            let key = EncodingKey::from_secret(&secret);
            let token = jsonwebtoken::encode(&header, &good(), &key).unwrap();
            let fault = judge_token(&token).unwrap_err();
            assert_eq!(fault, JwtError::Algorithm, "JWT-02, T39: {algorithm:?}");
            // The same with a name that is listed: the RSA key verifies no HMAC.
            let header = json!({"alg": "RS256", "kid": "rsa"}).to_string();
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let payload = signed.split_once('.').unwrap().1;
            let got = judge_token(&format!("{}.{payload}.{signature}", encode(header)));
            let expected = JwtError::Signature(SignatureFault::Mismatch);
            assert_eq!(got.err(), Some(expected), "JWT-02, T39: {algorithm:?}");
        }
    }
}

#[test]
fn a_key_verifies_by_its_own_algorithms_only() {
    let (es256, rs256) = (SigningAlgorithm::Es256, SigningAlgorithm::Rs256);
    let mismatch = |fault| Some(JwtError::Signature(fault));
    // (alg and kid of the header, what signed, fault)
    let cases = [
        ("ES256", Some("p256"), es256, None),
        ("ES256", None, es256, None),
        (
            "RS256",
            Some("p256"),
            es256,
            mismatch(SignatureFault::KeyMismatch),
        ),
        (
            "ES384",
            Some("p256"),
            es256,
            mismatch(SignatureFault::KeyMismatch),
        ),
        (
            "ES256",
            Some("rsa"),
            es256,
            mismatch(SignatureFault::KeyMismatch),
        ),
        (
            "ES256",
            Some("rsa"),
            rs256,
            mismatch(SignatureFault::KeyMismatch),
        ),
        ("RS256", None, es256, mismatch(SignatureFault::Mismatch)),
        (
            "RS512",
            Some("rsa"),
            rs256,
            mismatch(SignatureFault::Mismatch),
        ),
        (
            "RS256",
            Some("rsa"),
            SigningAlgorithm::Ps256,
            mismatch(SignatureFault::Mismatch),
        ),
        (
            "ES256",
            Some("ed25519"),
            es256,
            mismatch(SignatureFault::UnknownKey),
        ),
        (
            "ES256",
            Some("none"),
            es256,
            mismatch(SignatureFault::UnknownKey),
        ),
        (
            "ES256",
            Some(""),
            es256,
            mismatch(SignatureFault::UnknownKey),
        ),
        (
            "ES256",
            Some("../../p256"),
            es256,
            mismatch(SignatureFault::UnknownKey),
        ),
        (
            "ES256",
            Some("p256' OR '1'='1"),
            es256,
            mismatch(SignatureFault::UnknownKey),
        ),
    ];
    for (name, key_id, algorithm, expected) in cases {
        let mut header = json!({ "alg": name });
        if let Some(key_id) = key_id {
            header["kid"] = json!(key_id);
        }
        let got = judge_token(&signed_under(&header, algorithm)).err();
        assert_eq!(
            got, expected,
            "JWT-02, JWT-03: {header} signed by {algorithm:?}"
        );
        if let Some(fault) = got {
            let rule = match expected {
                Some(JwtError::Signature(SignatureFault::UnknownKey)) => ("key", "JWT-03"),
                Some(JwtError::Signature(SignatureFault::KeyMismatch)) => ("key", "JWT-02"),
                _ => ("signature", "JWT-02"),
            };
            assert_eq!((fault.label(), fault.rule()), rule);
        }
    }
}

#[test]
fn keys_inside_the_token_are_not_read() {
    let header = json!({
        "alg": "ES256", "kid": "p256", "jwk": STRANGER.p256_jwk(),
        "jku": "https://evil.example/keys", "x5u": "https://evil.example/chain", "x5c": ["MII="],
    });
    let forged = compact(&header.to_string(), &good().to_string(), |message| {
        STRANGER.sign(SigningAlgorithm::Es256, message)
    });
    let expected = JwtError::Signature(SignatureFault::Mismatch);
    assert_eq!(judge_token(&forged).err(), Some(expected), "OID-01, T39");
}

#[test]
fn every_byte_of_header_and_payload_is_signed() {
    let token = signed(&good().to_string());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let payload = encode(changed(&json!({"sub": "eve"})).to_string());
    let other_header = encode(r#"{"kid":"p256","alg":"ES256"}"#);
    let (_, own_payload) = signed.split_once('.').unwrap();
    for forged in [
        format!("{header}.{payload}.{signature}"),
        format!("{other_header}.{own_payload}.{signature}"),
        format!("{signed}."),
        format!("{signed}.{}", encode([0; 64])),
    ] {
        let expected = JwtError::Signature(SignatureFault::Mismatch);
        assert_eq!(
            judge_token(&forged).err(),
            Some(expected),
            "JWT-02: `{forged}`"
        );
    }
}

#[test]
fn an_issuer_vouches_for_its_own_tokens_only() {
    let other = OidcProvider {
        issuer: "https://other.example/".to_owned(),
        keys: KeySource::Inline(STRANGER.jwks()),
        ..provider()
    };
    let both = Verifier::compile(&[provider(), other], &NoRemotes).unwrap();
    let as_other = changed(&json!({"iss": "https://other.example/"})).to_string();
    let header = es256_header().to_string();
    let sign = |keys: &'static TestKeys, claims: &str| {
        compact(&header, claims, |message| {
            keys.sign(SigningAlgorithm::Es256, message)
        })
    };
    let own = good().to_string();
    // (token, whether it is accepted)
    let cases = [
        (sign(&ISSUER, &own), true),
        (sign(&STRANGER, &as_other), true),
        (sign(&STRANGER, &own), false),
        (sign(&ISSUER, &as_other), false),
    ];
    for (token, accepted) in cases {
        let got = both.verify(&token, Timestamp::from_seconds(NOW));
        assert_eq!(got.is_ok(), accepted, "JWT-02, JWT-07: {got:?}");
    }
}

#[test]
fn issuers_are_exact_texts() {
    let doubtful = [
        "https://login.example.com/",
        "https://LOGIN.example.com",
        "http://login.example.com",
        "login.example.com",
        " https://login.example.com",
        "https://login.example.com:443",
        "https://login.example.com\u{0}",
        "",
    ];
    for issuer in doubtful {
        let token = signed(&changed(&json!({ "iss": issuer })).to_string());
        let fault = judge_token(&token).unwrap_err();
        let named = (fault.label(), fault.rule());
        assert_eq!(
            named,
            ("unknown_issuer", "JWT-07"),
            "OID-01, T40: `{issuer}`"
        );
    }
    let long = "https://evil.example/\n".repeat(50);
    let fault = judge_token(&signed(&changed(&json!({ "iss": long })).to_string())).unwrap_err();
    let text = fault.to_string();
    assert!(!text.contains('\n') && text.len() < 400, "KEY-05: `{text}`");
}
