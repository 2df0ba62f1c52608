//! What temporary credentials cost: to issue a session, to open its token for the first time and
//! again, and to ask a list of a million revocations.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use sidegate::authn::{
    Chance, Claims, KeySetFile, Packed, ReadKeyFile, Revocations, SessionKind, SigningKeyFile,
    TokenKeys,
};
use sidegate::model::{AccountId, Timestamp};
use sidegate::policy::{Keys, Revocation, Revoked};
use std::hint::black_box;

const NOW: Timestamp = Timestamp::from_seconds(1_893_456_000);
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:ListBucket"],"Resource":["arn:aws:s3:::photos","arn:aws:s3:::photos/${aws:PrincipalTag/team}/*"]}]}"#;

fn keys() -> TokenKeys {
    let from = Timestamp::from_seconds(NOW.seconds() - 60).to_iso();
    let seed = [7; 32];
    let public = TokenKeys::public_key(&seed).expect("a key");
    let file = KeySetFile {
        trust_domain: "prod".to_owned(),
        read_keys: vec![ReadKeyFile {
            id: 1,
            key: STANDARD.encode([9; 32]),
            active_from: from.clone(),
            not_after: None,
        }],
        signing_keys: vec![SigningKeyFile {
            id: 2,
            public_key: STANDARD.encode(public),
            private_key: Some(STANDARD.encode(seed)),
            active_from: from,
            not_after: None,
        }],
    };
    TokenKeys::compile(&file, Keys::default()).expect("a key set")
}

fn claims(policy: Option<&str>) -> Claims {
    let account = AccountId::parse("210000000001").expect("an account");
    let end = Timestamp::from_seconds(NOW.seconds() + 3_600);
    let role = "arn:aws:iam::210000000001:role/app/reader";
    Claims {
        session_name: Some("job".to_owned()),
        packed: Packed {
            policy: policy.map(str::to_owned),
            tags: vec![("team".to_owned(), "research".to_owned())],
            ..Packed::default()
        },
        ..Claims::new(SessionKind::Role, account, role, (NOW, end))
    }
}

const CHANCE: Chance = Chance {
    id: [3; 16],
    access_key: [1; 5],
};

fn tokens(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("token");
    for (name, policy) in [("plain", None), ("with a policy", Some(POLICY))] {
        let issuer = keys();
        let mint = || {
            issuer
                .mint(claims(policy), 0, CHANCE, NOW)
                .expect("a token")
        };
        group.bench_function(format!("issue, {name}"), |bencher| {
            bencher.iter(|| black_box(mint()));
        });
        let made = mint();
        let open = |keys: &TokenKeys| {
            let id = Some(made.access_key_id.as_str());
            keys.open(black_box(&made.token), id, NOW)
                .expect("a session")
        };
        group.bench_function(format!("open, cold, {name}"), |bencher| {
            bencher.iter_batched_ref(keys, |keys| open(keys), BatchSize::SmallInput);
        });
        open(&issuer);
        group.bench_function(format!("open, cached, {name}"), |bencher| {
            bencher.iter(|| black_box(open(&issuer)));
        });
    }
    group.finish();
}

fn revocations(criterion: &mut Criterion) {
    let id = |number: u128| {
        number
            .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
            .to_be_bytes()
    };
    let entries: Vec<Revocation> = (0..1_000_000)
        .map(|number| Revocation {
            what: Revoked::Token(id(number)),
            before: None,
            until: None,
        })
        .collect();
    let keys = keys();
    let made = keys.mint(claims(None), 0, CHANCE, NOW).expect("a token");
    let session = keys.open(&made.token, None, NOW).expect("a session");
    let revoked = Revocations::compile(&entries, NOW);
    assert!(!revoked.has(&session));
    let mut group = criterion.benchmark_group("revocations");
    group.bench_function("ask a million", |bencher| {
        bencher.iter(|| black_box(revoked.has(black_box(&session))));
    });
    group.sample_size(10);
    group.bench_function("compile a million", |bencher| {
        bencher.iter(|| black_box(Revocations::compile(&entries, NOW)));
    });
    group.finish();
}

criterion_group!(benches, tokens, revocations);
criterion_main!(benches);
