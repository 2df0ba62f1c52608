use super::*;
use crate::authn::NoRemotes;
use crate::policy::KeySource;
use crate::policy::RoleRule;

/// Compiles one provider and looks at the rules of its faults.
fn check(provider: &OidcProvider, rules: &[&str]) {
    let faults = Verifier::compile(std::slice::from_ref(provider), &NoRemotes);
    let faults = faults.err().unwrap_or_default();
    let got: Vec<&str> = faults.iter().map(|fault| fault.rule).collect();
    assert_eq!(got, rules, "{provider:?}");
    assert!(faults.iter().all(|fault| fault.place == provider.place));
}

#[test]
fn an_issuer_is_a_plain_https_address() {
    // (issuer, accepted)
    let cases = [
        ("https://login.example.com", true),
        ("https://login.example.com:8443/a/", true),
        ("http://login.example.com", false),
        ("login.example.com", false),
        ("HTTPS://login.example.com", false),
        ("https://", false),
        ("https:///path", false),
        ("https://login.example.com?x", false),
        ("https://login.example.com/#x", false),
        ("https://ana@login.example.com", false),
        ("https://login.example.com ", false),
    ];
    for (issuer, accepted) in cases {
        let provider = OidcProvider {
            issuer: issuer.to_owned(),
            ..provider()
        };
        check(&provider, if accepted { &[] } else { &["OID-01"] });
    }
}

#[test]
fn a_provider_without_sane_limits_is_refused() {
    let audiences = |audiences: &[&str]| OidcProvider {
        audiences: audiences.iter().map(|name| (*name).to_owned()).collect(),
        ..provider()
    };
    let jwks = |jwks: &str| OidcProvider {
        keys: KeySource::Inline(jwks.to_owned()),
        ..provider()
    };
    let times = |leeway_s: u32, max_token_life_s: u32| OidcProvider {
        leeway_s,
        max_token_life_s,
        ..provider()
    };
    let no_algorithm = OidcProvider {
        algorithms: vec![],
        ..provider()
    };
    let all_wrong = OidcProvider {
        issuer: "x".to_owned(),
        audiences: vec![],
        leeway_s: 999,
        keys: KeySource::Inline("{}".to_owned()),
        ..provider()
    };
    check(&provider(), &[]);
    check(&audiences(&[]), &["JWT-06"]);
    check(&audiences(&["orders", ""]), &["JWT-06"]);
    check(&audiences(&["orders"; 100]), &[]);
    check(&audiences(&["orders"; 101]), &["OID-01"]);
    check(&no_algorithm, &["JWT-02"]);
    check(&times(300, 1), &[]);
    check(&times(301, 1), &["JWT-05"]);
    check(&times(0, 0), &["JWT-05"]);
    check(&jwks(""), &["OID-02"]);
    check(&jwks(r#"{"keys":[]}"#), &["JWT-02"]);
    check(&jwks(r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#), &["JWT-02"]);
    check(&all_wrong, &["JWT-06", "JWT-05", "OID-01", "OID-02"]);
}

#[test]
fn a_claim_map_sets_each_key_once_and_no_standard_one() {
    // (claims and parts of keys, accepted)
    let cases: [(&[(&str, &str)], bool); 9] = [
        (&[("email", "email"), ("/a/b", "b")], true),
        (&[("email", "a"), ("email", "b")], true),
        (&[("email", "sub")], false),
        (&[("email", "AUD")], false),
        (&[("email", "e"), ("mail", "E")], false),
        (&[("email", "")], false),
        (&[("email", "a:b")], false),
        (&[("", "email")], false),
        (&[("/a~2", "email")], false),
    ];
    for (claims, accepted) in cases {
        let provider = OidcProvider {
            claims: claims
                .iter()
                .map(|(claim, part)| ((*claim).to_owned(), (*part).to_owned()))
                .collect(),
            ..provider()
        };
        check(&provider, if accepted { &[] } else { &["CLM-02"] });
    }
}

#[test]
fn a_role_mapping_that_cannot_work_is_refused() {
    let rule = |claim: &str, role: &str| OidcProvider {
        roles: vec![RoleRule {
            claims: vec![(claim.to_owned(), "x".to_owned())],
            role: role.to_owned(),
        }],
        ..provider()
    };
    let open_claim = OidcProvider {
        role_claim: Some("role".to_owned()),
        ..provider()
    };
    let no_default = OidcProvider {
        default_role: Some(String::new()),
        ..provider()
    };
    let no_session_name = OidcProvider {
        session_name: String::new(),
        ..provider()
    };
    check(&rule("groups", "ops"), &[]);
    check(&rule("groups", ""), &["BRR-04"]);
    check(&rule("", "ops"), &["BRR-04"]);
    check(&open_claim, &["BRR-04"]);
    check(&no_default, &["BRR-04"]);
    check(&no_session_name, &["BRR-04"]);
}

#[test]
fn all_faults_of_all_providers_are_told() {
    let broken = |issuer: &str, line: u32| OidcProvider {
        issuer: issuer.to_owned(),
        audiences: vec![],
        place: Place {
            file: "login.yaml".into(),
            line,
            column: 1,
        },
        ..provider()
    };
    let faults = Verifier::compile(
        &[broken("https://a", 1), provider(), broken("https://b", 2)],
        &NoRemotes,
    );
    let lines: Vec<u32> = faults
        .unwrap_err()
        .iter()
        .map(|fault| fault.place.line)
        .collect();
    assert_eq!(lines, [1, 2], "JWT-06");
}

#[test]
fn an_issuer_is_registered_once() {
    let again = OidcProvider {
        name: "again".to_owned(),
        audiences: vec!["other".to_owned()],
        ..provider()
    };
    let faults = Verifier::compile(&[provider(), again], &NoRemotes).unwrap_err();
    let rules: Vec<&str> = faults.iter().map(|fault| fault.rule).collect();
    assert_eq!(rules, ["OID-01"]);
}

#[test]
fn without_providers_every_token_is_refused() {
    let nobody = Verifier::compile(&[], &NoRemotes).unwrap();
    assert!(nobody.is_empty() && !verifier(&provider()).is_empty());
    let token = signed(&good().to_string());
    let fault = nobody.verify(&token, Timestamp::from_seconds(NOW));
    assert_eq!(fault.unwrap_err().label(), "unknown_issuer", "JWT-07");
}

#[test]
fn a_broken_key_set_is_told_with_its_cause() {
    let provider = OidcProvider {
        keys: KeySource::Inline(r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#.to_owned()),
        ..provider()
    };
    let faults = Verifier::compile(&[provider], &NoRemotes).unwrap_err();
    let text = faults[0].to_string();
    assert!(
        text.contains("`keys[0]` cannot be used: the key's `k` is secret"),
        "{text}"
    );
    assert!(text.starts_with("login.yaml:3:5: error[JWT-02]"), "{text}");
}
