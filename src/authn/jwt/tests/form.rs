use super::*;
use crate::authn::json::JsonError;
use crate::authn::test_keys::encode;

#[test]
fn only_a_compact_jws_of_three_strict_parts_is_read() {
    let token = signed(&good().to_string());
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        panic!("a token has three parts");
    };
    let join = |parts: [&str; 3]| parts.join(".");
    let encoding = |part| Some(JwtError::Encoding { part });
    let json = |part, fault| Some(JwtError::Json { part, fault });
    let (in_header, in_payload, in_signature) = (Part::Header, Part::Payload, Part::Signature);
    let serialised =
        format!(r#"{{"payload":"{payload}","protected":"{header}","signature":"{signature}"}}"#);
    let duplicate_header = encode(r#"{"alg":"ES256","alg":"none"}"#);
    let duplicate_claim = encode(r#"{"sub":"ana","x":{"a":1,"a":2}}"#);
    // (token, fault)
    let cases = [
        (token.clone(), None),
        (String::new(), Some(JwtError::Form)),
        (".".to_owned(), Some(JwtError::Form)),
        (header.to_owned(), Some(JwtError::Form)),
        (format!("{header}.{payload}"), Some(JwtError::Form)),
        (format!("{token}.x"), Some(JwtError::Form)),
        (format!("{token}.x.y"), Some(JwtError::Encrypted)),
        ("....".to_owned(), Some(JwtError::Encrypted)),
        (format!("{token}.x.y.z"), Some(JwtError::Form)),
        (serialised, Some(JwtError::Form)),
        ("..".to_owned(), json(in_header, JsonError::Syntax)),
        (format!(" {token}"), encoding(in_header)),
        (format!("{token}\n"), encoding(in_signature)),
        (format!("{token}="), encoding(in_signature)),
        (
            join([&format!("{header}="), payload, signature]),
            encoding(in_header),
        ),
        (
            join([header, &format!("{payload}=="), signature]),
            encoding(in_payload),
        ),
        (
            join([header, &format!("{payload} "), signature]),
            encoding(in_payload),
        ),
        (join([header, "e30+", signature]), encoding(in_payload)),
        (join([header, "é", signature]), encoding(in_payload)),
        (join([header, payload, "AB"]), encoding(in_signature)),
        (
            join([header, &encode("[]"), signature]),
            json(in_payload, JsonError::NotAnObject),
        ),
        (
            join([header, &encode("{} {}"), signature]),
            json(in_payload, JsonError::TrailingData),
        ),
        (
            join([header, &encode(b"\xff"), signature]),
            json(in_payload, JsonError::NotText),
        ),
        (
            join([header, "", signature]),
            json(in_payload, JsonError::Syntax),
        ),
        (
            join([&encode("null"), payload, signature]),
            json(in_header, JsonError::NotAnObject),
        ),
        (
            join([&duplicate_header, payload, signature]),
            json(in_header, JsonError::Duplicate),
        ),
        (
            join([header, &duplicate_claim, signature]),
            json(in_payload, JsonError::Duplicate),
        ),
    ];
    for (token, expected) in cases {
        let got = judge_token(&token).err();
        assert_eq!(got, expected, "JWT-01: `{token}`");
        assert!(got.is_none_or(|fault| (fault.rule(), fault.label()) == ("JWT-01", "malformed")));
    }
}

#[test]
fn bits_that_decoding_would_drop_are_refused() {
    let token = signed(&good().to_string());
    // A signature of 64 bytes ends in a character of which four bits are unused.
    let (front, last) = token.split_at(token.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut accepted = Vec::new();
    for character in alphabet.chars() {
        if judge_token(&format!("{front}{character}")).is_ok() {
            accepted.push(character.to_string());
        }
    }
    assert_eq!(accepted, [last], "JWT-01: one text for one token");
}

#[test]
fn a_token_has_twenty_thousand_characters_at_most() {
    let padded = |length: usize| {
        let mut filler = length - signed(&good().to_string()).len();
        loop {
            let token = signed(&changed(&json!({"filler": "x".repeat(filler)})).to_string());
            match token.len().checked_sub(length) {
                Some(0) => return token,
                Some(over) => filler -= over.div_ceil(2).max(1),
                None => filler += 1,
            }
        }
    };
    assert!(judge_token(&padded(Verifier::MAX_CHARS)).is_ok(), "JWT-01");
    let length = Verifier::MAX_CHARS + 1;
    let over = format!("{}x", padded(Verifier::MAX_CHARS));
    assert_eq!(
        judge_token(&over).err(),
        Some(JwtError::TooLong { length }),
        "JWT-01"
    );
    let huge = "a.".repeat(4 << 20);
    let length = huge.len();
    assert_eq!(
        judge_token(&huge).err(),
        Some(JwtError::TooLong { length }),
        "JWT-01"
    );
}

#[test]
fn the_header_is_understood_whole_or_the_token_is_refused() {
    let es256 = SigningAlgorithm::Es256;
    let under = |member: &str, value: Value| {
        let mut header = es256_header();
        header[member] = value;
        header
    };
    // (header, fault)
    let cases = [
        (es256_header(), None),
        (json!({"kid": "p256"}), Some(JwtError::Header("alg"))),
        (under("alg", json!(null)), Some(JwtError::Header("alg"))),
        (under("alg", json!(256)), Some(JwtError::Header("alg"))),
        (
            under("alg", json!(["ES256"])),
            Some(JwtError::Header("alg")),
        ),
        (under("kid", json!(null)), Some(JwtError::Header("kid"))),
        (under("kid", json!(1)), Some(JwtError::Header("kid"))),
        (under("kid", json!(["p256"])), Some(JwtError::Header("kid"))),
        (under("typ", json!(1)), Some(JwtError::Header("typ"))),
        (under("typ", json!("JWT")), None),
        (under("typ", json!("jwt")), None),
        (under("typ", json!("JOSE")), None),
        (under("typ", json!("at+jwt")), None),
        (under("typ", json!("application/AT+JWT")), None),
        (
            under("typ", json!("logout+jwt")),
            Some(JwtError::OtherPurpose),
        ),
        (
            under("typ", json!("application/Logout+JWT")),
            Some(JwtError::OtherPurpose),
        ),
        (
            under("typ", json!("dpop+jwt")),
            Some(JwtError::OtherPurpose),
        ),
        (
            under("crit", json!(["exp"])),
            Some(JwtError::CriticalExtension),
        ),
        (
            under("crit", json!(["b64"])),
            Some(JwtError::CriticalExtension),
        ),
        (under("crit", json!([])), Some(JwtError::CriticalExtension)),
        (
            under("crit", json!(null)),
            Some(JwtError::CriticalExtension),
        ),
        (under("b64", json!(false)), Some(JwtError::UnencodedPayload)),
        (under("b64", json!(true)), Some(JwtError::UnencodedPayload)),
        (under("jku", json!("https://evil.example/keys")), None),
        (under("unknown", json!({"a": [1]})), None),
    ];
    for (header, expected) in cases {
        let got = judge_token(&signed_under(&header, es256)).err();
        assert_eq!(got, expected, "JWT-01: {header}");
    }
}

#[test]
fn form_comes_before_issuer_before_signature_before_claims() {
    let header = r#"{"alg":"ES256","kid":"p256"}"#;
    let stranger = json!({"iss": "https://evil.example", "exp": "never"});
    let expired = changed(&json!({"exp": NOW - 9000, "sub": 1}));
    let unsigned =
        |header: &str, claims: &Value| compact(header, &claims.to_string(), |_| vec![0; 64]);
    let no_issuer = changed(&json!({"iss": null}));
    let odd_issuer = changed(&json!({"iss": ["https://login.example.com"]}));
    let critical = r#"{"alg":"none","crit":["x"]}"#;
    // (token, label and rule)
    let cases = [
        (unsigned(critical, &stranger), ("malformed", "JWT-01")),
        (
            unsigned(r#"{"alg":"none"}"#, &stranger),
            ("unknown_issuer", "JWT-07"),
        ),
        (unsigned(header, &stranger), ("unknown_issuer", "JWT-07")),
        (unsigned(header, &no_issuer), ("claims", "JWT-04")),
        (unsigned(header, &odd_issuer), ("claims", "JWT-04")),
        (
            unsigned(r#"{"alg":"none"}"#, &expired),
            ("algorithm", "JWT-02"),
        ),
        (unsigned(header, &expired), ("signature", "JWT-02")),
        (signed(&expired.to_string()), ("claims", "JWT-04")),
    ];
    for (token, expected) in cases {
        let fault = judge_token(&token).unwrap_err();
        assert_eq!((fault.label(), fault.rule()), expected, "JWT-08: {fault}");
    }
}
