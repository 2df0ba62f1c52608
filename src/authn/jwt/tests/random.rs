//! Laws over any input: nothing panics, and nothing but the issuer's own text is accepted.

use super::*;
use crate::authn::test_keys::encode;
use proptest::prelude::*;
use std::sync::LazyLock;

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let provider = OidcProvider {
        claims: vec![
            ("groups".to_owned(), "groups".to_owned()),
            ("/a/b/0".to_owned(), "b".to_owned()),
        ],
        role_claim: Some("role".to_owned()),
        allowed_roles: vec!["writer".to_owned()],
        ..provider()
    };
    verifier(&provider)
});
static TOKEN: LazyLock<String> = LazyLock::new(|| signed(&good().to_string()));

fn verify(token: &str) -> Result<WebIdentity, JwtError> {
    let judged = VERIFIER.verify(token, Timestamp::from_seconds(NOW));
    judged.map(|identity| (*identity).clone())
}

/// Any JSON value, small enough to be generated quickly.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

const NAMES: [&str; 14] = [
    "iss",
    "sub",
    "aud",
    "azp",
    "exp",
    "iat",
    "nbf",
    "amr",
    "groups",
    "a",
    "role",
    "https://aws.amazon.com/tags",
    "https://aws.amazon.com/source_identity",
    "kid",
];

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}") {
        prop_assert!(verify(&text).is_err());
    }

    #[test]
    fn no_parts_make_it_panic(
        header in prop::collection::vec(any::<u8>(), 0..60),
        payload in any_json(),
        signature in prop::collection::vec(any::<u8>(), 0..140),
    ) {
        let good_header = es256_header().to_string();
        let payload = encode(payload.to_string());
        for header in [header.as_slice(), good_header.as_bytes()] {
            let token = format!("{}.{payload}.{}", encode(header), encode(&signature));
            prop_assert!(verify(&token).is_err());
        }
    }

    #[test]
    fn a_changed_token_is_refused(at in any::<prop::sample::Index>(), byte in 0x20_u8..0x7f) {
        let mut bytes = TOKEN.clone().into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        prop_assert!(verify(&String::from_utf8(bytes).unwrap()).is_err(), "JWT-01, JWT-02");
    }

    #[test]
    fn a_cut_or_spliced_token_is_refused(
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
        insert in "[A-Za-z0-9_.=-]{0,5}",
    ) {
        let (from, to) = (from.index(TOKEN.len()), to.index(TOKEN.len()));
        let (from, to) = (from.min(to), from.max(to));
        let token = format!("{}{insert}{}", &TOKEN[..from], &TOKEN[to..]);
        prop_assume!(token != *TOKEN);
        prop_assert!(verify(&token).is_err(), "JWT-01, JWT-02");
    }

    #[test]
    fn signed_claims_of_any_shape_are_judged(
        name in prop::sample::select(NAMES.as_slice()),
        value in any_json(),
        header_value in any_json(),
    ) {
        let mut claims = good();
        claims[name] = value;
        let _ = verify(&signed(&claims.to_string()));
        let mut header = es256_header();
        header[name] = header_value;
        let _ = verify(&signed_under(&header, SigningAlgorithm::Es256));
    }

    #[test]
    fn what_is_accepted_is_within_its_time_and_named_for_an_arn(
        iat in -200_000_i64..200_000,
        exp in -200_000_i64..200_000,
        now in -100_000_i64..100_000,
        subject in ".{1,80}",
    ) {
        let claims = changed(&json!({"iat": NOW + iat, "exp": NOW + exp, "sub": subject}));
        let token = signed(&claims.to_string());
        let got = VERIFIER.verify(&token, Timestamp::from_seconds(NOW + now));
        let life = exp - iat;
        let within = now < exp + 60 && iat <= now + 60 && life > 0 && life <= 86_400;
        prop_assert_eq!(got.is_ok(), within, "JWT-05");
        if let Ok(identity) = got {
            let name = &identity.session_name;
            prop_assert!((2..=64).contains(&name.len()));
            prop_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_=,.@+-".contains(&b)));
            prop_assert_eq!(&identity.subject, &subject);
        }
    }
}
