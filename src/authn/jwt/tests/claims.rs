use super::*;

/// Judges claims and names the outcome by rule and label.
fn outcome(provider: &OidcProvider, claims: &Value) -> Option<(&'static str, &'static str)> {
    judge(provider, claims)
        .err()
        .map(|fault| (fault.rule(), fault.label()))
}

/// A time with half a second behind its whole ones.
fn half(seconds: i64) -> Value {
    serde_json::from_str(&format!("{seconds}.5")).unwrap()
}

#[test]
fn required_claims_are_there() {
    // (claim, rule)
    let cases = [
        ("iss", "JWT-04"),
        ("sub", "JWT-04"),
        ("exp", "JWT-04"),
        ("iat", "JWT-04"),
        ("aud", "JWT-06"),
    ];
    for (claim, rule) in cases {
        let fault = judge(&provider(), &changed(&json!({ claim: null }))).unwrap_err();
        assert_eq!(fault, JwtError::MissingClaim(claim.to_owned()), "{rule}");
        assert_eq!((fault.rule(), fault.label()), (rule, "claims"));
    }
    let legacy = json!({"iss": "https://login.example.com", "sub": "system:serviceaccount:a:b"});
    assert_eq!(
        outcome(&provider(), &legacy),
        Some(("JWT-06", "claims")),
        "K8S-02"
    );
}

#[test]
fn a_claim_of_the_wrong_type_is_never_absent() {
    let lenient = OidcProvider {
        claims: vec![("groups".to_owned(), "groups".to_owned())],
        multiple_audiences: true,
        ..provider()
    };
    let text = json!("1");
    let number = json!(1_893_459_590);
    let object = json!({"a": 1});
    let values = [
        ("null", Value::Null),
        ("text", text),
        ("number", number),
        ("bool", json!(true)),
        ("object", object),
        ("list", json!(["orders"])),
        ("odd list", json!(["orders", 1])),
        ("nested list", json!([["orders"]])),
        ("null list", json!([null])),
    ];
    // (claim, the types that it may have)
    let cases: [(&str, &[&str]); 13] = [
        ("iss", &["text"]),
        ("sub", &["text"]),
        ("aud", &["text", "list"]),
        ("azp", &["text"]),
        ("exp", &["number"]),
        ("iat", &["number"]),
        ("nbf", &["number"]),
        ("amr", &["list"]),
        ("groups", &["text", "number", "bool", "list"]),
        ("https://aws.amazon.com/source_identity", &["text"]),
        ("https://aws.amazon.com/tags", &[]),
        // No rule reads these, so that their types do not matter.
        (
            "jti",
            &[
                "null",
                "text",
                "number",
                "bool",
                "object",
                "list",
                "odd list",
                "nested list",
                "null list",
            ],
        ),
        (
            "extra",
            &[
                "null",
                "text",
                "number",
                "bool",
                "object",
                "list",
                "odd list",
                "nested list",
                "null list",
            ],
        ),
    ];
    for (claim, allowed) in cases {
        for (name, value) in &values {
            // A null has to be written past `changed`, which would remove the claim.
            let mut claims = good();
            claims[claim] = value.clone();
            let got = judge(&lenient, &claims).err();
            let wrong = JwtError::ClaimType(claim.to_owned());
            let tags = matches!(got, Some(JwtError::SessionTags(_)));
            let refused = tags || got == Some(wrong);
            let rule = "JWT-04, T38";
            assert_eq!(
                refused,
                !allowed.contains(name),
                "{rule}: {claim} as {name}: {got:?}"
            );
        }
    }
}

#[test]
fn a_subject_has_one_to_255_characters() {
    // (subject, outcome)
    let refused = Some(("JWT-04", "claims"));
    let cases = [
        ("a".to_owned(), None),
        ("é".repeat(255), None),
        ("a".repeat(255), None),
        ("a".repeat(256), refused),
        ("é".repeat(256), refused),
        (String::new(), refused),
    ];
    for (subject, expected) in cases {
        let got = outcome(&provider(), &changed(&json!({ "sub": subject })));
        assert_eq!(got, expected, "JWT-04: `{subject}`");
    }
}

#[test]
fn a_token_is_judged_by_the_clock_with_leeway_and_no_more() {
    let expired = Some(("JWT-05", "expired"));
    let early = Some(("JWT-05", "not_yet_valid"));
    let life = Some(("JWT-05", "life"));
    let range = Some(("JWT-04", "claims"));
    // (changes, outcome); the leeway is 60 s and the longest life a day
    let cases = [
        (json!({"exp": NOW + 1}), None),
        (json!({"exp": NOW}), None),
        (json!({"exp": NOW - 5}), None),
        (json!({"exp": NOW - 59, "iat": NOW - 90}), None),
        (json!({"exp": NOW - 60, "iat": NOW - 90}), expired),
        (json!({"exp": NOW - 61, "iat": NOW - 90}), expired),
        (json!({"exp": 0, "iat": 0}), expired),
        (json!({"exp": 1.5, "iat": 0}), expired),
        (json!({"exp": half(NOW - 60), "iat": NOW - 90}), expired),
        (json!({"exp": half(NOW - 59), "iat": NOW - 90}), None),
        (json!({"iat": NOW + 60}), None),
        (json!({"iat": NOW + 61}), early),
        (json!({"iat": half(NOW + 59)}), None),
        (json!({"iat": half(NOW + 60)}), early),
        (json!({"nbf": NOW + 60}), None),
        (json!({"nbf": NOW + 61}), early),
        (json!({"nbf": half(NOW + 60)}), early),
        (json!({"nbf": 0}), None),
        (json!({"exp": NOW + 86_390}), None),
        (json!({"exp": NOW + 86_391}), life),
        (
            json!({"exp": half(NOW + 86_390), "iat": half(NOW - 10)}),
            None,
        ),
        (json!({"exp": half(NOW + 86_390)}), life),
        (json!({"iat": NOW - 86_400, "exp": NOW + 1}), life),
        (json!({"iat": NOW + 30, "exp": NOW + 10}), life),
        (json!({"iat": NOW + 30, "exp": NOW + 30}), life),
        (json!({"exp": -1}), range),
        (json!({"iat": -1}), range),
        (json!({"nbf": -0.5}), range),
        (json!({"exp": 253_402_300_799_i64}), life),
        (json!({"exp": 253_402_300_800_i64}), range),
        (json!({"exp": 18_446_744_073_709_551_615_u64}), range),
        (json!({"exp": 1e300}), range),
    ];
    for (changes, expected) in cases {
        let got = outcome(&provider(), &changed(&changes));
        assert_eq!(got, expected, "JWT-05: {changes}");
    }
}

#[test]
fn leeway_and_life_are_the_providers_own() {
    let strict = OidcProvider {
        leeway_s: 0,
        max_token_life_s: 100,
        ..provider()
    };
    let wide = OidcProvider {
        leeway_s: 300,
        ..provider()
    };
    // (provider, changes, accepted)
    let cases = [
        (&strict, json!({"exp": NOW + 1, "iat": NOW}), true),
        (&strict, json!({"exp": NOW, "iat": NOW - 9}), false),
        (&strict, json!({"exp": NOW + 50, "iat": NOW + 1}), false),
        (&strict, json!({"exp": NOW + 100, "iat": NOW}), true),
        (&strict, json!({"exp": NOW + 101, "iat": NOW}), false),
        (&wide, json!({"exp": NOW - 299, "iat": NOW - 400}), true),
        (&wide, json!({"exp": NOW - 300, "iat": NOW - 400}), false),
    ];
    for (provider, changes, accepted) in cases {
        let got = judge(provider, &changed(&changes));
        assert_eq!(got.is_ok(), accepted, "JWT-05: {changes}");
    }
}

#[test]
fn expiry_is_told_apart_with_its_times() {
    let fault = judge(&provider(), &changed(&json!({"exp": NOW - 100}))).unwrap_err();
    assert!(fault.is_expiry(), "JWT-05");
    let now = "2030-01-01T00:00:00Z";
    let text =
        format!("current time {now} must be before the expiration time 2029-12-31T23:58:20Z");
    assert_eq!(fault.to_string(), text, "JWT-05");
    let fault = judge(&provider(), &changed(&json!({"nbf": NOW + 100}))).unwrap_err();
    assert!(!fault.is_expiry(), "JWT-05");
}

#[test]
fn no_clock_makes_the_arithmetic_overflow() {
    let verifier = verifier(&provider());
    let token = signed(&good().to_string());
    for now in [i64::MIN, -1, 0, i64::MAX] {
        let got = verifier.verify(&token, Timestamp::from_seconds(now));
        assert_eq!(got.unwrap_err().rule(), "JWT-05", "{now}");
    }
}

#[test]
fn audience_and_authorized_party_are_both_registered() {
    let wrong = Some(("JWT-06", "audience"));
    let party = Some(("JWT-07", "audience"));
    let require = provider();
    let ignore = OidcProvider {
        authorized_party: AuthorizedParty::Ignore,
        ..provider()
    };
    let multiple = OidcProvider {
        multiple_audiences: true,
        ..provider()
    };
    let both = OidcProvider {
        multiple_audiences: true,
        authorized_party: AuthorizedParty::Ignore,
        ..provider()
    };
    // (provider, changes, outcome)
    let cases = [
        (&require, json!({"aud": "orders"}), None),
        (&require, json!({"aud": ["orders"]}), None),
        (&require, json!({"aud": "Orders"}), wrong),
        (&require, json!({"aud": "orders "}), wrong),
        (&require, json!({"aud": "order"}), wrong),
        (&require, json!({"aud": "orders,ledger"}), wrong),
        (&require, json!({"aud": ""}), wrong),
        (&require, json!({"aud": []}), wrong),
        (&require, json!({"aud": ["other"]}), wrong),
        (&require, json!({"aud": "other", "azp": "orders"}), wrong),
        (&require, json!({"aud": ["orders", "other"]}), wrong),
        (&require, json!({"aud": ["orders", "orders"]}), wrong),
        (
            &require,
            json!({"aud": ["orders", "other"], "azp": "orders"}),
            None,
        ),
        (
            &require,
            json!({"aud": ["orders", "other"], "azp": "ledger"}),
            None,
        ),
        (
            &require,
            json!({"aud": ["orders", "other"], "azp": "other"}),
            party,
        ),
        (
            &require,
            json!({"aud": ["one", "other"], "azp": "orders"}),
            wrong,
        ),
        (&require, json!({"azp": "orders"}), None),
        (&require, json!({"azp": "other"}), party),
        (&require, json!({"azp": ""}), party),
        (&ignore, json!({"azp": "other"}), None),
        (&ignore, json!({"aud": ["orders", "other"]}), wrong),
        (
            &ignore,
            json!({"aud": ["orders", "other"], "azp": "other"}),
            None,
        ),
        (&ignore, json!({"aud": "other", "azp": "other"}), wrong),
        (&multiple, json!({"aud": ["orders", "other"]}), None),
        (&multiple, json!({"aud": ["one", "other"]}), wrong),
        (
            &multiple,
            json!({"aud": ["orders", "other"], "azp": "other"}),
            party,
        ),
        (
            &both,
            json!({"aud": ["orders", "other"], "azp": "other"}),
            None,
        ),
    ];
    for (provider, changes, expected) in cases {
        let got = outcome(provider, &changed(&changes));
        assert_eq!(got, expected, "JWT-06, JWT-07: {changes}");
    }
}
