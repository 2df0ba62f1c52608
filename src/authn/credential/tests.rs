use super::*;

const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=A/20300101/eu-1/orders/aws4_request, \
    SignedHeaders=host;x-amz-date,Signature=00";

/// The name and value of a header field.
type Field = (&'static str, &'static [u8]);
/// What is presented, as it prints.
type Outcome = Result<&'static str, CredentialError>;

fn headers(fields: &[Field]) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in fields {
        headers.push(name, *value);
    }
    headers
}

#[test]
fn one_authorization_value_is_one_method_or_a_refusal() {
    let web = |token| Ok(Presented::Bearer(Bearer::WebIdentity(token)));
    // (value, what is presented)
    let cases: [(&str, Result<Presented<'_>, CredentialError>); 35] = [
        ("Bearer eyJ.a.b", web("eyJ.a.b")),
        ("bearer eyJ.a.b", web("eyJ.a.b")),
        ("BEARER \t eyJ.a.b  ", web("eyJ.a.b")),
        ("Bearer a-._~+/=", web("a-._~+/=")),
        ("Bearer SGT1_x", web("SGT1_x")),
        (
            "Bearer sgt1_x",
            Ok(Presented::Bearer(Bearer::Session("sgt1_x"))),
        ),
        (SIGNATURE, Ok(Presented::SigV4Header)),
        ("aws4-hmac-sha256 Credential=x", Ok(Presented::SigV4Header)),
        ("AWS4-HMAC-SHA256\tCredential=x", Ok(Presented::SigV4Header)),
        ("Bearer a,b", Err(CredentialError::Several)),
        ("Bearer a,Bearer b", Err(CredentialError::Several)),
        (
            "Bearer a, AWS4-HMAC-SHA256 Credential=x",
            Err(CredentialError::Several),
        ),
        ("Bearer a,", Err(CredentialError::Several)),
        ("Bearer ,a", Err(CredentialError::Several)),
        (
            "AWS4-HMAC-SHA256 Credential=x,Bearer b",
            Err(CredentialError::Several),
        ),
        (
            "AWS4-HMAC-SHA256 Credential=x, bearer\tb",
            Err(CredentialError::Several),
        ),
        (
            "AWS4-HMAC-SHA256 Credential=x,Bearer",
            Err(CredentialError::Several),
        ),
        (
            "AWS4-HMAC-SHA256 Credential=x,",
            Err(CredentialError::Several),
        ),
        ("Bearer", Err(CredentialError::Empty)),
        ("Bearer ", Err(CredentialError::Empty)),
        ("AWS4-HMAC-SHA256", Err(CredentialError::Empty)),
        ("", Err(CredentialError::Empty)),
        (" \t", Err(CredentialError::Empty)),
        ("Bearer a b", Err(CredentialError::Malformed)),
        ("Bearer \"a\"", Err(CredentialError::Malformed)),
        ("Bearer é", Err(CredentialError::Malformed)),
        ("Bearer a!b", Err(CredentialError::Malformed)),
        ("Basic YTpi", Err(CredentialError::UnsupportedScheme)),
        ("eyJ.a.b", Err(CredentialError::UnsupportedScheme)),
        ("Bearer:eyJ.a.b", Err(CredentialError::UnsupportedScheme)),
        ("Bearerx a", Err(CredentialError::UnsupportedScheme)),
        ("AWS a:b", Err(CredentialError::UnsupportedScheme)),
        (
            "AWS4-ECDSA-P256-SHA256 Credential=x",
            Err(CredentialError::UnsupportedScheme),
        ),
        (
            "AWS4-HMAC-SHA256-PAYLOAD Credential=x",
            Err(CredentialError::UnsupportedScheme),
        ),
        (",Bearer a", Err(CredentialError::UnsupportedScheme)),
    ];
    for (value, expected) in cases {
        let headers = headers(&[("Authorization", value.as_bytes())]);
        assert_eq!(
            presented(&headers, None),
            expected,
            "SIG-01, BRR-05: `{value}`"
        );
    }
}

#[test]
fn two_credentials_are_refused_whatever_they_are() {
    let bearer: Field = ("authorization", b"Bearer a");
    let signature: Field = ("authorization", SIGNATURE.as_bytes());
    let token: Field = ("x-amz-security-token", b"t");
    let session_query = "X-Amz-Signature=0&X-Amz-Security-Token=t";
    // (fields, query, what is presented)
    let cases: [(&[Field], Option<&str>, Outcome); 28] = [
        (&[], None, Ok("None")),
        (&[], Some(""), Ok("None")),
        (&[], Some("a=b&x-amz-signature=0"), Ok("None")),
        (&[], Some("a=X-Amz-Signature=0"), Ok("None")),
        (&[], Some("X-Amz-Date=0&X-Amz-Expires=1"), Ok("None")),
        (&[], Some("a&X-Amz-Algorithm=x"), Ok("SigV4Query")),
        (&[], Some("X-Amz-Credential"), Ok("SigV4Query")),
        (&[], Some("X-Amz-Signature=0"), Ok("SigV4Query")),
        (&[], Some("X%2dAmz%2DSignature=0"), Ok("SigV4Query")),
        (&[], Some("%=1&%zz&%2"), Ok("None")),
        (&[], Some(session_query), Ok("SigV4Query")),
        (
            &[bearer],
            Some("a=b"),
            Ok("Bearer(WebIdentity([redacted]))"),
        ),
        (&[signature], None, Ok("SigV4Header")),
        (&[signature, token], None, Ok("SigV4Header")),
        (
            &[token],
            Some("X-Amz-Signature=0"),
            Err(CredentialError::Several),
        ),
        (&[bearer, bearer], None, Err(CredentialError::Several)),
        (&[bearer, signature], None, Err(CredentialError::Several)),
        (
            &[bearer],
            Some("X-Amz-Signature=0"),
            Err(CredentialError::Several),
        ),
        (
            &[signature],
            Some("X-Amz-Algorithm=x"),
            Err(CredentialError::Several),
        ),
        (
            &[signature],
            Some("X-Amz-Security-Token=t"),
            Err(CredentialError::Several),
        ),
        (&[token], Some(session_query), Err(CredentialError::Several)),
        (&[token], None, Err(CredentialError::TokenWithoutSignature)),
        (
            &[bearer, token],
            None,
            Err(CredentialError::TokenWithoutSignature),
        ),
        (
            &[],
            Some("X-Amz-Security-Token=t"),
            Err(CredentialError::TokenWithoutSignature),
        ),
        (
            &[],
            Some("x-amz-security-token"),
            Err(CredentialError::TokenWithoutSignature),
        ),
        (
            &[("authorization", b"Bearer a\xff")],
            None,
            Err(CredentialError::NotText),
        ),
        (
            &[("authorization", b"Bearer a\0")],
            None,
            Err(CredentialError::NotText),
        ),
        (
            &[("authorization", b"")],
            Some("X-Amz-Signature=0"),
            Err(CredentialError::Empty),
        ),
    ];
    for (fields, query, expected) in cases {
        let headers = headers(fields);
        let got = presented(&headers, query).map(|presented| format!("{presented:?}"));
        let expected = expected.map(str::to_owned);
        assert_eq!(
            got, expected,
            "SIG-02, SIG-03, SIG-49: {fields:?} {query:?}"
        );
    }
}

#[test]
fn each_refusal_has_its_label_and_rule() {
    // (fault, label, rule)
    let cases = [
        (CredentialError::Several, "several_credentials", "SIG-02"),
        (CredentialError::NotText, "not_text", "SIG-03"),
        (CredentialError::Empty, "empty", "SIG-03"),
        (
            CredentialError::UnsupportedScheme,
            "unsupported_scheme",
            "SIG-05",
        ),
        (CredentialError::Malformed, "malformed", "BRR-05"),
        (
            CredentialError::TokenWithoutSignature,
            "token_without_signature",
            "BRR-01",
        ),
    ];
    for (fault, label, rule) in cases {
        assert_eq!((fault.label(), fault.rule()), (label, rule));
    }
}

#[test]
fn a_token_does_not_print() {
    let presented = Presented::Bearer(Bearer::Session("sgt1_secret"));
    assert_eq!(
        format!("{presented:?}"),
        "Bearer(Session([redacted]))",
        "KEY-05"
    );
    let bearer = Bearer::WebIdentity("eyJsecret");
    assert_eq!(format!("{bearer:?}"), "WebIdentity([redacted])", "KEY-05");
}
