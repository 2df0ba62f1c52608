use super::*;
use crate::authn::test_keys::{ISSUER, STRANGER, TestKeys, encode};
use serde_json::{Value, json};

const RS: [SigningAlgorithm; 1] = [SigningAlgorithm::Rs256];

fn every() -> Vec<SigningAlgorithm> {
    SigningAlgorithm::ALL
        .iter()
        .map(|(algorithm, _)| *algorithm)
        .collect()
}

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// The key with a member set, or removed when the value is null.
fn with(mut key: Value, member: &str, value: Value) -> Value {
    let members = key.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(member);
    } else {
        members.insert(member.to_owned(), value);
    }
    key
}

/// A modulus of the given bits that is odd and nothing else.
fn modulus(bits: usize) -> String {
    let mut bytes = vec![0xff; bits.div_ceil(8)];
    bytes[0] = u8::try_from(0xff_u32 >> (bytes.len() * 8 - bits)).unwrap();
    encode(bytes)
}

#[test]
fn each_key_verifies_by_the_algorithms_that_fit_it_and_no_other() {
    let set = KeySet::parse(&ISSUER.jwks(), &every()).unwrap();
    assert_eq!((set.len(), set.is_empty()), (5, false));
    for (signed_by, name) in SigningAlgorithm::ALL {
        let signature = ISSUER.sign(signed_by, b"message");
        let key_id = Some(TestKeys::key_id(signed_by));
        for (claimed, other) in SigningAlgorithm::ALL {
            let expected = if claimed == signed_by {
                Ok(())
            } else if TestKeys::key_id(claimed) == TestKeys::key_id(signed_by) {
                Err(SignatureFault::Mismatch)
            } else {
                Err(SignatureFault::KeyMismatch)
            };
            let got = set.verify(key_id, claimed, b"message", &signature);
            assert_eq!(got, expected, "JWT-02: {name} as {other}");
        }
        let forged = STRANGER.sign(signed_by, b"message");
        let got = set.verify(key_id, signed_by, b"message", &forged);
        assert_eq!(got, Err(SignatureFault::Mismatch), "JWT-02: {name}");
        let got = set.verify(key_id, signed_by, b"massage", &signature);
        assert_eq!(got, Err(SignatureFault::Mismatch), "JWT-02: {name}");
        for doubtful in [&[][..], &[0; 64], &[0; 256], &signature[1..]] {
            let got = set.verify(key_id, signed_by, b"message", doubtful);
            assert_eq!(got, Err(SignatureFault::Mismatch), "JWT-02: {name}");
        }
    }
}

#[test]
fn published_examples_verify() {
    // (key, algorithm, what is signed, signature); RFC 7515 appendix A.3, RFC 8037 appendix A.
    let cases = [
        (
            json!({"kty": "EC", "crv": "P-256",
                "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}),
            SigningAlgorithm::Es256,
            "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt\
             cGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
        (
            json!({"kty": "OKP", "crv": "Ed25519",
                "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}),
            SigningAlgorithm::EdDsa,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
    ];
    for (key, algorithm, signed, signature) in cases {
        let set = KeySet::parse(&set(&[key]), &every()).unwrap();
        let signature = crate::authn::base64url::decode(signature).unwrap();
        let got = set.verify(None, algorithm, signed.as_bytes(), &signature);
        assert_eq!(got, Ok(()), "JWT-02: {algorithm:?}");
    }
}

#[test]
fn a_key_is_chosen_by_its_id_or_by_being_the_only_one_that_fits() {
    let unnamed = |key| with(key, "kid", Value::Null);
    let one = set(&[ISSUER.rsa_jwk(), ISSUER.p256_jwk()]);
    let two = set(&[
        ISSUER.p256_jwk(),
        with(STRANGER.p256_jwk(), "kid", json!("other")),
    ]);
    let nameless = set(&[unnamed(ISSUER.p256_jwk()), unnamed(ISSUER.rsa_jwk())]);
    let bound = with(ISSUER.rsa_jwk(), "alg", json!("RS512"));
    let bound = set(&[bound, ISSUER.p256_jwk()]);
    let (es256, rs256) = (SigningAlgorithm::Es256, SigningAlgorithm::Rs256);
    // (set, kid, algorithm, outcome)
    let cases = [
        (&one, Some("p256"), es256, Ok(())),
        (&one, None, es256, Ok(())),
        (&one, None, rs256, Ok(())),
        (&one, Some("rsa"), es256, Err(SignatureFault::KeyMismatch)),
        (&one, Some("P256"), es256, Err(SignatureFault::UnknownKey)),
        (&one, Some(""), es256, Err(SignatureFault::UnknownKey)),
        (
            &one,
            Some("../p256"),
            es256,
            Err(SignatureFault::UnknownKey),
        ),
        (
            &one,
            None,
            SigningAlgorithm::Es384,
            Err(SignatureFault::UnknownKey),
        ),
        (&two, Some("p256"), es256, Ok(())),
        (&two, Some("other"), es256, Err(SignatureFault::Mismatch)),
        (&two, None, es256, Err(SignatureFault::AmbiguousKey)),
        (&nameless, None, es256, Ok(())),
        (
            &nameless,
            Some("p256"),
            es256,
            Err(SignatureFault::UnknownKey),
        ),
        (&bound, Some("rsa"), SigningAlgorithm::Rs512, Ok(())),
        (&bound, Some("rsa"), rs256, Err(SignatureFault::KeyMismatch)),
        (&bound, None, rs256, Err(SignatureFault::UnknownKey)),
    ];
    for (jwks, key_id, algorithm, expected) in cases {
        let set = KeySet::parse(jwks, &every()).unwrap();
        let signature = ISSUER.sign(algorithm, b"message");
        let got = set.verify(key_id, algorithm, b"message", &signature);
        assert_eq!(
            got, expected,
            "JWT-02, JWT-03: {key_id:?} {algorithm:?} {jwks}"
        );
    }
}

#[test]
fn keys_that_are_no_use_are_left_out() {
    let rsa = ISSUER.rsa_jwk();
    // (a second key of the set, whether it is used)
    let cases = [
        (with(rsa.clone(), "kid", json!("b")), true),
        (with(rsa.clone(), "use", json!("enc")), false),
        (with(rsa.clone(), "use", Value::Null), true),
        (with(rsa.clone(), "key_ops", json!(["verify"])), true),
        (with(rsa.clone(), "key_ops", json!(["encrypt"])), false),
        (with(rsa.clone(), "key_ops", json!([])), false),
        (with(rsa.clone(), "alg", json!("RS256")), true),
        (with(rsa.clone(), "alg", json!("RS384")), false),
        (with(rsa.clone(), "alg", json!("RSA-OAEP")), false),
        (with(rsa.clone(), "alg", json!("HS256")), false),
        (with(rsa.clone(), "alg", json!("rs256")), false),
        (with(rsa.clone(), "x5c", json!(["whatever"])), true),
        (ISSUER.p256_jwk(), false),
        (ISSUER.ed25519_jwk(), false),
        (
            json!({"kty": "EC", "crv": "secp256k1", "x": "", "y": ""}),
            false,
        ),
        (json!({"kty": "OKP", "crv": "X25519", "x": ""}), false),
        (json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": ""}), false),
        (json!({"kty": "rsa", "n": "", "e": ""}), false),
    ];
    for (key, used) in cases {
        let key = with(key, "kid", json!("second"));
        let both = KeySet::parse(&set(&[ISSUER.rsa_jwk(), key.clone()]), &RS).unwrap();
        assert_eq!(both.len() == 2, used, "JWT-02: {key}");
        let alone = KeySet::parse(&set(std::slice::from_ref(&key)), &RS).err();
        let expected = (!used).then_some(KeySetError::NoUsableKey);
        assert_eq!(alone, expected, "JWT-02: {key}");
    }
}

/// Reads a set whose second key is `key`.
fn check(key: &Value, expected: Result<(), KeyFault>) {
    let good = with(ISSUER.rsa_jwk(), "kid", json!("good"));
    let got = KeySet::parse(&set(&[good, key.clone()]), &every()).map(|_| ());
    let expected = expected.map_err(|fault| KeySetError::Key { index: 1, fault });
    assert_eq!(got, expected, "JWT-02: {key}");
}

#[test]
fn a_key_of_the_wrong_shape_refuses_the_set() {
    check(&json!("key"), Err(KeyFault::NotAnObject));
    check(&json!({}), Err(KeyFault::Missing("kty")));
    check(&json!({"kty": "RSA"}), Err(KeyFault::Missing("n")));
    check(&json!({"kty": "EC"}), Err(KeyFault::Missing("crv")));
    // (member, value of the wrong type)
    let cases = [
        ("kty", json!(1)),
        ("kid", json!(1)),
        ("alg", json!(["RS256"])),
        ("use", json!(true)),
        ("key_ops", json!("verify")),
        ("key_ops", json!([1])),
        ("n", json!(65537)),
        ("e", json!([1])),
    ];
    for (member, value) in cases {
        let key = with(ISSUER.rsa_jwk(), member, value);
        check(&key, Err(KeyFault::WrongType(member)));
    }
    let key = with(ISSUER.p256_jwk(), "crv", json!(256));
    check(&key, Err(KeyFault::WrongType("crv")));
}

#[test]
fn a_secret_in_a_key_set_refuses_it() {
    let rsa = ISSUER.rsa_jwk();
    let for_encryption = with(rsa.clone(), "use", json!("enc"));
    // (key, secret member)
    let cases = [
        (json!({"kty": "oct", "k": "AAAA"}), "k"),
        (json!({"kty": "AKP", "priv": "AQAB"}), "priv"),
        (with(rsa.clone(), "d", json!("AQAB")), "d"),
        (with(rsa.clone(), "p", json!(0)), "p"),
        (with(rsa, "qi", json!("")), "qi"),
        (with(for_encryption, "d", json!("AQAB")), "d"),
        (with(ISSUER.p256_jwk(), "d", json!("AQAB")), "d"),
        (with(ISSUER.ed25519_jwk(), "d", json!("AQAB")), "d"),
    ];
    for (key, member) in cases {
        check(&key, Err(KeyFault::PrivateMember(member)));
    }
    check(&json!({"kty": "oct"}), Err(KeyFault::Symmetric));
}

#[test]
fn an_rsa_key_has_a_sane_modulus_and_exponent() {
    let size = |bits| Err(KeyFault::ModulusSize { bits });
    let encoding = |member| Err(KeyFault::Encoding(member));
    let even = encode([0xfe; 256]);
    let (m1024, m2047, m2048) = (modulus(1024), modulus(2047), modulus(2048));
    let (m8192, m8193) = (modulus(8192), modulus(8193));
    // (member, value, fault)
    let cases = [
        ("n", "", encoding("n")),
        ("n", "AAAB", encoding("n")),
        ("n", "****", encoding("n")),
        ("n", &m1024, size(1024)),
        ("n", &m2047, size(2047)),
        ("n", &m2048, Ok(())),
        ("n", &m8192, Ok(())),
        ("n", &m8193, size(8193)),
        ("n", &even, Err(KeyFault::Modulus)),
        ("e", "AQ", Err(KeyFault::Exponent)),
        ("e", "Ag", Err(KeyFault::Exponent)),
        ("e", "Aw", Ok(())),
        ("e", "_____w", Ok(())),
        ("e", "AQAAAAE", Err(KeyFault::Exponent)),
        ("e", "AQAC", Err(KeyFault::Exponent)),
        ("e", "AAEAAQ", encoding("e")),
        ("e", "AQAB=", encoding("e")),
    ];
    for (member, value, expected) in cases {
        check(&with(ISSUER.rsa_jwk(), member, json!(value)), expected);
    }
}

#[test]
fn a_point_lies_on_its_curve() {
    let coordinate = |member, bytes, expected| {
        Err(KeyFault::Coordinate {
            member,
            bytes,
            expected,
        })
    };
    let p256 = ISSUER.p256_jwk();
    let (short, large) = (encode([1; 31]), encode([0xff; 32]));
    // (key, member, value, fault)
    let cases = [
        (&p256, "x", json!("AAAA"), coordinate("x", 3, 32)),
        (&p256, "y", json!(short), coordinate("y", 31, 32)),
        (&p256, "crv", json!("P-384"), coordinate("x", 32, 48)),
        (&p256, "y", p256["x"].clone(), Err(KeyFault::Invalid)),
        (&p256, "x", json!(large), Err(KeyFault::Invalid)),
        (&p256, "y", Value::Null, Err(KeyFault::Missing("y"))),
    ];
    for (key, member, value, expected) in cases {
        check(&with(key.clone(), member, value), expected);
    }
    let key = with(ISSUER.ed25519_jwk(), "x", json!("AAAA"));
    check(&key, coordinate("x", 3, 32));
}

#[test]
fn a_set_is_strict_json_within_its_limits() {
    let keys = |count: usize| {
        let key = |n: usize| with(ISSUER.rsa_jwk(), "kid", json!(n.to_string()));
        set(&(0..count).map(key).collect::<Vec<Value>>())
    };
    let padded = format!("{}{}", keys(1), " ".repeat(KeySet::MAX_BYTES));
    let length = padded.len();
    let rsa = ISSUER.rsa_jwk();
    let same_id = set(&[rsa.clone(), with(ISSUER.p256_jwk(), "kid", json!("rsa"))]);
    let same_id_unused = set(&[rsa.clone(), with(rsa.clone(), "use", json!("enc"))]);
    let twice = keys(1).replace("\"kty\"", "\"kty\":\"EC\",\"kty\"");
    // (text, fault, rule)
    let cases = [
        (keys(100), None, ""),
        (
            keys(101),
            Some(KeySetError::TooManyKeys { count: 101 }),
            "OID-02",
        ),
        (padded, Some(KeySetError::TooLarge { length }), "OID-02"),
        (set(&[]), Some(KeySetError::NoUsableKey), "JWT-02"),
        ("{}".to_owned(), Some(KeySetError::NoKeys), "OID-02"),
        (
            r#"{"keys":{}}"#.to_owned(),
            Some(KeySetError::NoKeys),
            "OID-02",
        ),
        (
            String::new(),
            Some(KeySetError::Json(JsonError::Syntax)),
            "OID-02",
        ),
        (
            "[]".to_owned(),
            Some(KeySetError::Json(JsonError::NotAnObject)),
            "OID-02",
        ),
        (
            format!("{}{}", keys(1), keys(1)),
            Some(KeySetError::Json(JsonError::TrailingData)),
            "OID-02",
        ),
        (
            twice,
            Some(KeySetError::Json(JsonError::Duplicate)),
            "OID-02",
        ),
        (
            same_id,
            Some(KeySetError::DuplicateKeyId { index: 1 }),
            "JWT-03",
        ),
        (
            same_id_unused,
            Some(KeySetError::DuplicateKeyId { index: 1 }),
            "JWT-03",
        ),
    ];
    for (text, expected, rule) in cases {
        let got = KeySet::parse(&text, &RS).err();
        assert_eq!(
            got,
            expected,
            "{}",
            text.chars().take(80).collect::<String>()
        );
        assert_eq!(got.map_or("", |fault| fault.rule()), rule);
    }
    assert_eq!(
        KeySet::parse(&keys(1), &[]).err(),
        Some(KeySetError::NoUsableKey),
        "JWT-02"
    );
}
