use super::*;
use crate::model::AccountId;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

const NOW: i64 = 1_795_000_000;

pub(super) fn key_set(domain: &str, seed: u8) -> KeySetFile {
    let at = Timestamp::from_seconds(NOW - 1_000).to_iso();
    let private = [seed; 32];
    let public = TokenKeys::public_key(&private).unwrap();
    KeySetFile {
        trust_domain: domain.to_owned(),
        read_keys: vec![ReadKeyFile {
            id: 7,
            key: STANDARD.encode([seed ^ 0x55; 32]),
            active_from: at.clone(),
            not_after: None,
        }],
        signing_keys: vec![SigningKeyFile {
            id: 9,
            public_key: STANDARD.encode(public),
            private_key: Some(STANDARD.encode(private)),
            active_from: at,
            not_after: None,
        }],
    }
}

pub(super) fn compiled(file: &KeySetFile) -> TokenKeys {
    TokenKeys::compile(file, crate::policy::Keys::default()).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_seconds(NOW)
}

fn account() -> AccountId {
    AccountId::parse("210000000001").unwrap()
}

fn claims() -> Claims {
    let life = (now(), Timestamp::from_seconds(NOW + 3_600));
    Claims {
        session_name: Some("ana".to_owned()),
        ..Claims::new(
            SessionKind::Role,
            account(),
            "arn:aws:iam::210000000001:role/app/demo",
            life,
        )
    }
}

const CHANCE: Chance = Chance {
    id: [3; 16],
    access_key: [1, 2, 3, 4, 5],
};

fn mint(keys: &TokenKeys, claims: Claims) -> Credentials {
    keys.mint(claims, 0, CHANCE, now()).unwrap()
}

#[test]
fn a_token_proves_its_session_to_a_sidecar_that_cannot_make_one() {
    let file = key_set("prod", 1);
    let issuer = compiled(&file);
    let sidecar = compiled(&file.without_private_keys());
    assert!(issuer.issues() && !sidecar.issues(), "TOK-04");
    let made = mint(&issuer, claims());
    assert!(made.token.starts_with("sgt1_") && made.token.len() < 500);
    assert_eq!(made.secret.expose().len(), 40, "IDS-05");
    for _ in 0..2 {
        let session = sidecar.open(&made.token, Some(&made.access_key_id), now());
        let session = session.unwrap();
        assert_eq!(session.id, CHANCE.id);
        assert_eq!(session.access_key_id, made.access_key_id);
        assert_eq!(session.secret.expose(), made.secret.expose(), "TOK-12");
        let expected = Claims {
            trust_domain: "prod".to_owned(),
            ..claims()
        };
        assert_eq!(session.claims, expected);
    }
    let refused = sidecar.mint(claims(), 0, CHANCE, now());
    assert_eq!(refused.unwrap_err(), MintError::NoKey, "TOK-04");
}

#[test]
fn every_other_text_is_refused() {
    let keys = compiled(&key_set("prod", 1));
    let made = mint(&keys, claims());
    let id = Some(made.access_key_id.as_str());
    let token = &made.token;
    // Bytes of a token have one text only (T44).
    let upper = token.replacen("sgt1", "SGT1", 1);
    let cut = token[..token.len() - 1].to_owned();
    let mut texts = vec![
        upper,
        cut,
        String::new(),
        "sgt1_".to_owned(),
        "a".repeat(9_000),
    ];
    for more in ["A", "=", "==", " ", "\n", "AAAA", "%3D"] {
        texts.push(format!("{token}{more}"));
    }
    for text in &texts {
        let refused = keys.open(text, id, now());
        assert_eq!(refused.unwrap_err(), TokenError::Invalid, "TOK-15: {text}");
    }
    let refused = |id: &str, at: i64| {
        let opened = keys.open(token, Some(id), Timestamp::from_seconds(at));
        opened.map(|_| ()).unwrap_err()
    };
    let own = made.access_key_id.as_str();
    assert_eq!(refused("ASIAAAAAAAAAAAAAAAAA", NOW), TokenError::Invalid);
    assert_eq!(
        refused(&own.replace("ASIA", "AKIA"), NOW),
        TokenError::Invalid
    );
    assert_eq!(refused(own, NOW - 301), TokenError::Invalid, "iat ahead");
    assert_eq!(refused(own, NOW + 3_600), TokenError::Expired);
    // Another key of the session is refused from the cache as well.
    assert!(keys.open(token, id, now()).is_ok());
    assert_eq!(refused("ASIAAAAAAAAAAAAAAAAA", NOW), TokenError::Invalid);
    assert_eq!(refused(own, NOW + 3_600), TokenError::Expired);
}

#[test]
fn every_byte_counts() {
    let keys = compiled(&key_set("prod", 1));
    let made = mint(&keys, claims());
    let bytes = base64url::decode(made.token.strip_prefix("sgt1_").unwrap()).unwrap();
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80] {
            let mut altered = bytes.clone();
            altered[at] ^= flip;
            let text = format!("sgt1_{}", base64url::encode(&altered));
            assert!(keys.open(&text, None, now()).is_err(), "byte {at}");
        }
    }
    for end in 0..bytes.len() {
        let text = format!("sgt1_{}", base64url::encode(&bytes[..end]));
        assert!(
            keys.open(&text, None, now()).is_err(),
            "TOK-06: cut at {end}"
        );
    }
}

#[test]
fn a_token_of_another_trust_domain_is_nothing() {
    let prod = compiled(&key_set("prod", 1));
    let made = mint(&prod, claims());
    // Other keys under the same ids, the same keys under another name, and half of the keys.
    let mut same_reading = key_set("prod", 2);
    same_reading.read_keys = key_set("prod", 1).read_keys.clone();
    let mut same_signing = key_set("prod", 2);
    same_signing.signing_keys = key_set("prod", 1).signing_keys.clone();
    for (file, what) in [
        (key_set("prod", 2), "other keys"),
        (key_set("test", 1), "another name"),
        (same_reading, "TOK-10: another issuer"),
        (same_signing, "another seal"),
    ] {
        let opened = compiled(&file).open(&made.token, None, now());
        assert_eq!(opened.unwrap_err(), TokenError::Invalid, "{what}");
    }
}

#[test]
fn keys_count_within_their_dates() {
    let iso = |at: i64| Timestamp::from_seconds(at).to_iso();
    let mut file = key_set("prod", 1);
    let old = compiled(&file);
    let made = mint(&old, claims());
    // Rotated: the new key is there before it is used, and the old one until its tokens are dead.
    file.read_keys[0].not_after = Some(iso(NOW + 5_000));
    file.signing_keys[0].not_after = Some(iso(NOW + 5_000));
    let mut next = key_set("prod", 2);
    next.read_keys[0].id = 8;
    next.read_keys[0].active_from = iso(NOW + 600);
    next.signing_keys[0].id = 10;
    next.signing_keys[0].active_from = iso(NOW + 600);
    file.read_keys.extend(next.read_keys.clone());
    file.signing_keys.extend(next.signing_keys.clone());
    let rotated = compiled(&file);
    let at = Timestamp::from_seconds;
    let header = |made: &Credentials| {
        let bytes = base64url::decode(made.token.strip_prefix("sgt1_").unwrap()).unwrap();
        let header = Envelope::cut(&bytes).unwrap().header;
        (header.read_key, header.signing_key)
    };
    let of_life = |from: i64| Claims {
        issued_at: at(from),
        expires_at: at(from + 900),
        ..claims()
    };
    let before = rotated.mint(of_life(NOW), 0, CHANCE, at(NOW)).unwrap();
    let after = rotated
        .mint(of_life(NOW + 600), 0, CHANCE, at(NOW + 600))
        .unwrap();
    assert_eq!(
        (header(&before), header(&after)),
        ((7, 9), (8, 10)),
        "TOK-21"
    );
    assert!(rotated.open(&made.token, None, at(NOW + 700)).is_ok());
    assert!(rotated.open(&after.token, None, at(NOW + 500)).is_ok());
    let gone = rotated.open(&made.token, None, at(NOW + 5_000));
    assert_eq!(
        gone.unwrap_err(),
        TokenError::Invalid,
        "also from the cache"
    );
    // REV-04: the key is taken away.
    file.signing_keys.remove(0);
    let emergency = compiled(&file).open(&made.token, None, now());
    assert_eq!(emergency.unwrap_err(), TokenError::UnknownKey);
}

#[test]
fn a_token_is_as_long_as_asked_for_and_no_longer_than_may_be() {
    let keys = compiled(&key_set("prod", 1));
    for least in [0, 400, 401, 1_000, 4_096] {
        let made = keys.mint(claims(), least, CHANCE, now()).unwrap();
        assert!(made.token.len() >= least && made.token.len() <= least.max(400) + 16);
        assert!(keys.open(&made.token, None, now()).is_ok());
    }
    let mut long = claims();
    long.carried = vec![("k".to_owned(), vec!["v".repeat(3_000)])];
    let refused = keys.mint(long, 0, CHANCE, now());
    assert_eq!(refused.unwrap_err(), MintError::TooLong, "TOK-03");
}

type Change = fn(&mut KeySetFile);

#[test]
fn a_key_set_is_refused_with_its_place_and_without_its_secrets() {
    let good = key_set("prod", 1).to_json();
    assert!(KeySetFile::parse(good.as_bytes()).is_ok());
    for (from, to, expected) in [
        ("\"trustDomain\"", "\"domain\"", "line 2"),
        ("\"id\": 7", "\"id\": -7", "line 5"),
        ("\"readKeys\"", "readKeys", "not JSON"),
    ] {
        let fault = KeySetFile::parse(good.replacen(from, to, 1).as_bytes()).unwrap_err();
        assert!(fault.to_string().contains(expected), "{fault}");
    }
    let cases: [(Change, TokenKeysError); 7] = [
        (|set| set.trust_domain.clear(), TokenKeysError::Domain),
        (
            |set| set.read_keys.clear(),
            TokenKeysError::Count("readKeys"),
        ),
        (
            |set| set.signing_keys.clear(),
            TokenKeysError::Count("signingKeys"),
        ),
        (
            |set| set.read_keys.push(set.read_keys[0].clone()),
            TokenKeysError::Twice {
                kind: "readKeys",
                id: 7,
            },
        ),
        (
            |set| set.read_keys[0].key = STANDARD.encode([1; 31]),
            TokenKeysError::Key {
                kind: "readKeys",
                id: 7,
            },
        ),
        (
            |set| set.signing_keys[0].private_key = Some(STANDARD.encode([8; 32])),
            TokenKeysError::Pair(9),
        ),
        (
            |set| set.signing_keys[0].active_from = "soon".to_owned(),
            TokenKeysError::Time {
                kind: "signingKeys",
                id: 9,
            },
        ),
    ];
    for (change, expected) in cases {
        let mut set = key_set("prod", 1);
        change(&mut set);
        let refused = TokenKeys::compile(&set, crate::policy::Keys::default());
        assert_eq!(refused.unwrap_err(), expected);
    }
    let shown = format!("{:?}", key_set("prod", 1));
    assert!(!shown.contains(&STANDARD.encode([1; 32])), "{shown}");
}

#[test]
fn claims_have_one_encoding() {
    let bytes = claims().encode(0);
    assert!(Claims::decode(&bytes).is_some());
    let map = |members: &[u8]| members.to_vec();
    let mut cases = vec![
        // Another type, an empty map, no map.
        map(&[0xa0]),
        map(&[0x80]),
        map(&[]),
        // Something behind it.
        [bytes.as_slice(), &[0x00]].concat(),
        // An indefinite length.
        [&[0xbf], &bytes[1..], &[0xff]].concat(),
    ];
    // A member that counts and is unknown; a number in a longer form.
    let mut unknown = bytes.clone();
    unknown[0] += 1;
    unknown.extend([0x18, 63, 0x00]);
    cases.push(unknown.clone());
    let mut longer = bytes.clone();
    longer.splice(1..2, [0x18, 0x01]);
    cases.push(longer);
    for case in cases {
        assert_eq!(Claims::decode(&case), None, "TOK-13: {case:02x?}");
    }
    // One that does not count.
    let at = unknown.len() - 2;
    unknown[at] = 65;
    assert_eq!(Claims::decode(&unknown), Some(claims()), "TOK-13");
}

fn words(count: usize) -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec("[a-zA-Z0-9 äß:/.-]{0,12}", 0..count)
}

prop_compose! {
    fn any_claims()(
        kind in 0..3_usize,
        name in "[\\w+=,.@-]{2,64}",
        principal in "[a-z:/0-9]{1,60}",
        options in proptest::collection::vec(proptest::option::of("[a-zA-Z0-9:/.-]{0,20}"), 5),
        texts in words(4),
        arns in words(3),
        tags in proptest::collection::vec(("[a-z]{1,9}", "[a-zA-Z ä]{0,9}"), 0..5),
        life in 1..MAX_LIFE_S,
        mfa in proptest::option::of(0..NOW),
        links in proptest::collection::vec((any::<Option<[u8; 16]>>(), "[A-Z0-9]{20}", "[a-z:/0-9]{1,40}", proptest::option::of("[a-z:/]{1,40}"), proptest::option::of(0..NOW)), 0..=MAX_CHAIN),
        carried in proptest::collection::vec(("[a-z:]{1,9}", words(3)), 0..3),
        bearer in any::<bool>(),
    ) -> Claims {
        let kinds = [SessionKind::User, SessionKind::Role, SessionKind::Federated];
        let life = (now(), Timestamp::from_seconds(NOW + life));
        let mut claims = Claims::new(kinds[kind], account(), &principal, life);
        claims.trust_domain = "prod".to_owned();
        claims.session_name = (claims.kind == SessionKind::Role).then_some(name);
        claims.unique_id = options[0].clone();
        claims.source_identity = options[1].clone();
        claims.provider = options[4].clone();
        claims.packed = Packed {
            policy: None,
            policy_arns: arns,
            tags,
            transitive: texts.clone(),
        };
        claims.mfa_at = mfa.map(Timestamp::from_seconds);
        claims.lineage = links
            .into_iter()
            .map(|(token, access_key, principal, session, at)| Link {
                token,
                access_key,
                principal,
                session,
                issued_at: at.map(Timestamp::from_seconds),
            })
            .collect();
        claims.carried = carried;
        claims.bearer = bearer;
        claims.audience = texts;
        claims
    }
}

proptest! {
    #[test]
    fn what_is_sealed_is_what_is_opened(claims in any_claims(), chance in any::<([u8; 16], [u8; 5])>()) {
        let keys = compiled(&key_set("prod", 1));
        let chance = Chance { id: chance.0, access_key: chance.1 };
        let made = keys.mint(claims.clone(), 0, chance, now()).unwrap();
        let session = keys.open(&made.token, Some(&made.access_key_id), now()).unwrap();
        prop_assert_eq!(&session.claims, &claims);
        prop_assert_eq!(session.id, chance.id);
        prop_assert_eq!(AccessKeyBytes::account_of(&made.access_key_id), Some(account()));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let keys = compiled(&key_set("prod", 1));
        let text = format!("sgt1_{}", base64url::encode(&bytes));
        prop_assert!(keys.open(&text, None, now()).is_err());
        let _ = Claims::decode(&bytes);
        let _ = Packed::inflated(&bytes);
        let _ = keys.open_message(&bytes, now());
    }
}
