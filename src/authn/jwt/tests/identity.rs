use super::*;
use crate::policy::RoleRule;

fn keys(identity: &WebIdentity) -> Vec<(&str, Vec<&str>)> {
    let pairs = identity.context.iter();
    pairs
        .map(|(key, values)| (key.as_str(), values.iter().map(String::as_str).collect()))
        .collect()
}

fn rule(claim: &str, value: &str, role: &str) -> RoleRule {
    RoleRule {
        claims: vec![(claim.to_owned(), value.to_owned())],
        role: role.to_owned(),
    }
}

#[test]
fn an_identity_tells_whom_and_how_long() {
    let identity = judge(&provider(), &good()).unwrap();
    assert_eq!(identity.subject, "ana");
    assert_eq!(identity.issued_at, Timestamp::from_seconds(NOW - 10));
    assert_eq!(identity.expires_at, Timestamp::from_seconds(NOW + 3590));
    assert_eq!(identity.provider.name, "login");
    assert_eq!(identity.role.as_deref(), Some("reader"), "BRR-04");
    assert_eq!(identity.session_name, "ana", "BRR-04");
    assert_eq!(identity.source_identity, None, "CLM-04");
    assert!(identity.session_tags.is_empty() && identity.transitive_tag_keys.is_empty());
    let claims = json!({"exp": 1_893_459_590.9, "iat": 1_893_455_990.9});
    let identity = judge(&provider(), &changed(&claims)).unwrap();
    assert_eq!(
        identity.expires_at,
        Timestamp::from_seconds(NOW + 3590),
        "JWT-05"
    );
}

#[test]
fn claims_become_condition_keys_of_the_issuer() {
    let provider = OidcProvider {
        issuer: "https://Tenant.example:8443/a/".to_owned(),
        claims: vec![
            ("email".to_owned(), "email".to_owned()),
            ("email_verified".to_owned(), "verified".to_owned()),
            ("level".to_owned(), "Level".to_owned()),
            ("groups".to_owned(), "groups".to_owned()),
            ("https://acme.test/team".to_owned(), "team".to_owned()),
            (
                "/kubernetes.io/namespace".to_owned(),
                "namespace".to_owned(),
            ),
            ("uid".to_owned(), "id".to_owned()),
            ("none".to_owned(), "none".to_owned()),
            ("empty".to_owned(), "empty".to_owned()),
        ],
        ..provider()
    };
    let claims = changed(&json!({
        "iss": "https://Tenant.example:8443/a/", "aud": ["other", "orders", "ledger"],
        "azp": "orders", "amr": ["pwd", "otp"], "email": "ana@acme.test", "email_verified": true,
        "level": 3, "groups": ["dev", "ops"], "https://acme.test/team": "blue", "uid": "u-1",
        "kubernetes.io": {"namespace": "shop"}, "empty": [], "unmapped": {"x": 1},
    }));
    let identity = judge(&provider, &claims).unwrap();
    let prefix = "Tenant.example:8443/a/";
    let expected = [
        ("iss", vec!["https://Tenant.example:8443/a/"]),
        ("sub", vec!["ana"]),
        ("aud", vec!["orders"]),
        ("oaud", vec!["other", "orders", "ledger"]),
        ("azp", vec!["orders"]),
        ("amr", vec!["pwd", "otp"]),
        ("email", vec!["ana@acme.test"]),
        ("verified", vec!["true"]),
        ("Level", vec!["3"]),
        ("groups", vec!["dev", "ops"]),
        ("team", vec!["blue"]),
        ("namespace", vec!["shop"]),
        ("id", vec!["u-1"]),
    ]
    .map(|(part, values)| (format!("{prefix}:{part}"), values));
    let expected: Vec<_> = expected
        .iter()
        .map(|(key, values)| (key.as_str(), values.clone()))
        .collect();
    assert_eq!(keys(&identity), expected, "CLM-01, CLM-02");
    let carried: Vec<&str> = identity.carried().map(|(key, _)| key).collect();
    let kept = ["sub", "aud", "amr", "id"].map(|part| format!("{prefix}:{part}"));
    assert_eq!(carried, kept, "CLM-03");
}

#[test]
fn the_audience_key_holds_what_was_checked() {
    let multiple = OidcProvider {
        multiple_audiences: true,
        ..provider()
    };
    let ignore = OidcProvider {
        authorized_party: AuthorizedParty::Ignore,
        ..provider()
    };
    // (provider, changes, values of `aud`)
    let cases = [
        (&multiple, json!({}), vec!["orders"]),
        (
            &multiple,
            json!({"aud": ["a", "ledger", "b", "orders"]}),
            vec!["ledger", "orders"],
        ),
        (
            &multiple,
            json!({"aud": ["a", "ledger"], "azp": "orders"}),
            vec!["orders"],
        ),
        (&ignore, json!({"azp": "a"}), vec!["orders"]),
    ];
    for (provider, changes, expected) in cases {
        let identity = judge(provider, &changed(&changes)).unwrap();
        let keys = keys(&identity);
        let audience = keys.iter().find(|(key, _)| *key == "login.example.com:aud");
        assert_eq!(audience.unwrap().1, expected, "CLM-02: {changes}");
    }
}

#[test]
fn a_mapped_claim_that_has_no_text_refuses_the_token() {
    let provider = OidcProvider {
        claims: vec![("/x/y".to_owned(), "y".to_owned())],
        ..provider()
    };
    // (claim x, whether the token is accepted)
    let cases = [
        (json!({"y": "a"}), true),
        (json!({"y": ["a", "b"]}), true),
        (json!({"y": []}), true),
        (json!({"y": false}), true),
        (json!({"y": 1.5}), true),
        (json!({}), true),
        (json!({"y": null}), false),
        (json!({"y": {"z": 1}}), false),
        (json!({"y": [1]}), false),
        (json!({"y": 1e40}), false),
        (json!("y"), false),
        (json!(["y"]), false),
    ];
    for (value, accepted) in cases {
        let got = judge(&provider, &changed(&json!({ "x": value })));
        assert_eq!(got.is_ok(), accepted, "CLM-02, JWT-04: {value}");
        assert!(
            got.err()
                .is_none_or(|fault| fault == JwtError::ClaimType("/x/y".to_owned()))
        );
    }
}

#[test]
fn the_first_rule_that_holds_gives_the_role() {
    let provider = OidcProvider {
        roles: vec![
            rule("groups", "ops", "operator"),
            rule("groups", "dev", "developer"),
            rule("/kubernetes.io/namespace", "shop", "shop"),
            rule("admin", "true", "admin"),
        ],
        role_claim: Some("role".to_owned()),
        allowed_roles: vec![
            "writer".to_owned(),
            "arn:aws:iam::210000000001:role/team/Ops".to_owned(),
        ],
        ..provider()
    };
    let refused = |fault| Err(fault);
    let odd = |claim: &str| Err(JwtError::ClaimType(claim.to_owned()));
    // (changes, role)
    let cases = [
        (
            json!({"groups": ["dev", "ops"], "role": "other"}),
            Ok(Some("operator")),
        ),
        (json!({"groups": ["dev"]}), Ok(Some("developer"))),
        (json!({"groups": "dev"}), Ok(Some("developer"))),
        (json!({"groups": ["Dev", "devs", ""]}), Ok(Some("reader"))),
        (json!({"groups": "dev ops"}), Ok(Some("reader"))),
        (
            json!({"kubernetes.io": {"namespace": "shop"}}),
            Ok(Some("shop")),
        ),
        (json!({"admin": true}), Ok(Some("admin"))),
        (json!({"admin": false}), Ok(Some("reader"))),
        (json!({"role": "writer"}), Ok(Some("writer"))),
        (
            json!({"role": "arn:aws:iam::210000000001:role/team/Ops"}),
            Ok(Some("arn:aws:iam::210000000001:role/team/Ops")),
        ),
        (json!({"role": "Writer"}), refused(JwtError::Role)),
        (json!({"role": "team/Ops"}), refused(JwtError::Role)),
        (json!({"role": "reader"}), refused(JwtError::Role)),
        (json!({"role": "*"}), refused(JwtError::Role)),
        (json!({"role": ""}), refused(JwtError::Role)),
        (json!({"role": ["writer"]}), odd("role")),
        (json!({"role": 1}), odd("role")),
        (json!({"groups": {"dev": true}}), odd("groups")),
        (json!({"groups": ["dev", 1]}), odd("groups")),
        (
            json!({"kubernetes.io": "shop"}),
            odd("/kubernetes.io/namespace"),
        ),
        (json!({}), Ok(Some("reader"))),
    ];
    for (changes, expected) in cases {
        let got = judge(&provider, &changed(&changes)).map(|identity| identity.role);
        let expected = expected.map(|role: Option<&str>| role.map(str::to_owned));
        assert_eq!(got, expected, "BRR-04: {changes}");
    }
    let none = OidcProvider {
        default_role: None,
        ..provider
    };
    let got = judge(&none, &good()).map(|identity| identity.role);
    assert_eq!(got, Ok(None), "BRR-04");
}

#[test]
fn the_session_is_named_by_a_claim() {
    let named = |claim: &str| OidcProvider {
        session_name: claim.to_owned(),
        names_sessions: false,
        ..provider()
    };
    let odd = |claim: &str| Err(JwtError::ClaimType(claim.to_owned()));
    let missing = |claim: &str| Err(JwtError::MissingClaim(claim.to_owned()));
    let name = |text: &str| Ok(text.to_owned());
    // (claim, changes, name)
    let cases = [
        (
            "sub",
            json!({"sub": "ana@acme.test"}),
            name("ana@acme.test"),
        ),
        (
            "sub",
            json!({"sub": "auth0|ana/x:y"}),
            name("auth0-ana-x-y-a845dda13cb4"),
        ),
        ("sub", json!({"sub": "7"}), name("7--7902699be42c")),
        (
            "sub",
            json!({"sub": "x".repeat(100)}),
            name(&format!("{}-09ecb6ebc8bc", "x".repeat(51))),
        ),
        ("/k/pod", json!({"k": {"pod": "cart-1"}}), name("cart-1")),
        ("uid", json!({"uid": 4711}), name("4711")),
        ("uid", json!({"uid": ""}), Err(JwtError::SessionName)),
        ("uid", json!({}), missing("uid")),
        ("/k/pod", json!({"k": {}}), missing("/k/pod")),
        ("uid", json!({"uid": true}), odd("uid")),
        ("uid", json!({"uid": ["a"]}), odd("uid")),
        ("/k/pod", json!({"k": 1}), odd("/k/pod")),
    ];
    for (claim, changes, expected) in cases {
        let got = judge(&named(claim), &changed(&changes)).map(|identity| identity.session_name);
        assert_eq!(got, expected, "BRR-04: {claim} {changes}");
    }
}

#[test]
fn tags_and_source_identity_come_from_their_claims() {
    let tags = json!({"https://aws.amazon.com/tags": {
        "principal_tags": {"Team": ["blue"], "Dept": ["r&d".replace('&', "+")]},
        "transitive_tag_keys": ["Dept"],
    }});
    let identity = judge(&provider(), &changed(&tags)).unwrap();
    let expected = [("Dept", "r+d"), ("Team", "blue")];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(identity.session_tags, expected, "CLM-04");
    assert_eq!(identity.transitive_tag_keys, ["Dept"], "CLM-04");
    let duplicate = json!({"https://aws.amazon.com/tags": {
        "principal_tags": {"Dept": ["a"], "dept": ["b"]},
    }});
    let fault = judge(&provider(), &changed(&duplicate)).unwrap_err();
    assert_eq!(
        fault,
        JwtError::SessionTags(TagFault::Duplicate),
        "TAG-01, T33"
    );
    assert_eq!((fault.rule(), fault.label()), ("CLM-04", "session_tags"));

    // (source identity, accepted)
    let cases = [
        ("ana", true),
        ("a_=,.@+-Z9", true),
        (&"x".repeat(64), true),
        (&"x".repeat(65), false),
        ("a", false),
        ("", false),
        ("aws:ana", false),
        ("ana bo", false),
        ("anä", false),
    ];
    for (identity, accepted) in cases {
        let claims = changed(&json!({"https://aws.amazon.com/source_identity": identity}));
        let got = judge(&provider(), &claims).map(|identity| identity.source_identity);
        let expected = if accepted {
            Ok(Some(identity.to_owned()))
        } else {
            Err(JwtError::SourceIdentity)
        };
        assert_eq!(got, expected, "CLM-04: `{identity}`");
    }
}

#[test]
fn a_projected_token_of_kubernetes_is_an_identity() {
    let cluster = OidcProvider {
        issuer: "https://kubernetes.default.svc.cluster.local".to_owned(),
        audiences: vec!["sts.amazonaws.com".to_owned()],
        algorithms: vec![SigningAlgorithm::Rs256],
        claims: vec![(
            "/kubernetes.io/namespace".to_owned(),
            "namespace".to_owned(),
        )],
        session_name: "/kubernetes.io/serviceaccount/name".to_owned(),
        names_sessions: false,
        ..provider()
    };
    let claims = json!({
        "iss": "https://kubernetes.default.svc.cluster.local",
        "sub": "system:serviceaccount:shop:cart", "aud": ["sts.amazonaws.com"],
        "iat": NOW, "nbf": NOW, "exp": NOW + 86_400, "jti": "0a1b",
        "kubernetes.io": {
            "namespace": "shop", "node": {"name": "n1", "uid": "u1"},
            "pod": {"name": "cart-7", "uid": "u2"},
            "serviceaccount": {"name": "cart", "uid": "u3"}, "warnafter": NOW + 3607,
        },
    });
    let header = r#"{"alg":"RS256","kid":"rsa"}"#;
    let sign = |claims: &Value| {
        compact(header, &claims.to_string(), |message| {
            ISSUER.sign(SigningAlgorithm::Rs256, message)
        })
    };
    let now = Timestamp::from_seconds(NOW);
    let identity = verifier(&cluster).verify(&sign(&claims), now).unwrap();
    assert_eq!(
        identity.subject, "system:serviceaccount:shop:cart",
        "K8S-01"
    );
    assert_eq!(identity.session_name, "cart", "K8S-01");
    let key = "kubernetes.default.svc.cluster.local:namespace";
    assert!(keys(&identity).contains(&(key, vec!["shop"])), "K8S-01");
    let mut for_the_cluster = claims;
    for_the_cluster["aud"] = json!(["https://kubernetes.default.svc.cluster.local"]);
    let fault = verifier(&cluster).verify(&sign(&for_the_cluster), now);
    assert_eq!(fault.unwrap_err(), JwtError::Audience, "K8S-02");
}
