//! What it costs to know who calls: a signed request by the size of its body, with the signing key
//! at hand and with it still to be derived; a token of an issuer for the first time (`cold`), and
//! again (`cached`).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sidegate::authn::{SignedCall, SigningKey};
use sidegate::loader::reload::compile;
use sidegate::loader::source::{File, Files};
use sidegate::model::{Body, Headers, HttpCall, Peer, Protocol, Timestamp};
use sidegate::policy::{PayloadMode, Signing};
use sidegate::snapshot::Snapshot;
use std::fmt::Write as _;
use std::hint::black_box;

const NOW: Timestamp = Timestamp::from_seconds(1_893_456_000);
const SECRET: &[u8] = b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const SCOPE: &str = "20300101/eu-1/s3/aws4_request";

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A request as the stock client of S3 signs it.
fn signed(body: Vec<u8>) -> HttpCall {
    let hash = hex(digest::digest(&digest::SHA256, &body).as_ref());
    let names = "host;x-amz-content-sha256;x-amz-date";
    let canonical = format!(
        "PUT\n/photos/public/1\n\nhost:s3.internal\nx-amz-content-sha256:{hash}\nx-amz-date:20300101T000000Z\n\n{names}\n{hash}"
    );
    let text = format!(
        "AWS4-HMAC-SHA256\n20300101T000000Z\n{SCOPE}\n{}",
        hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref())
    );
    let mut key = [b"AWS4", SECRET].concat();
    for part in SCOPE.split('/') {
        let mac = hmac::Key::new(hmac::HMAC_SHA256, &key);
        key = hmac::sign(&mac, part.as_bytes()).as_ref().to_vec();
    }
    let mac = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signature = hex(hmac::sign(&mac, text.as_bytes()).as_ref());
    let mut headers = Headers::new();
    headers.push("user-agent", "Boto3/1.44.8 md/Botocore#1.44.8");
    headers.push("x-amz-date", "20300101T000000Z");
    headers.push("x-amz-content-sha256", hash);
    headers.push(
        "authorization",
        format!("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/{SCOPE}, SignedHeaders={names}, Signature={signature}"),
    );
    HttpCall {
        method: "PUT".into(),
        scheme: "https".into(),
        authority: "s3.internal".into(),
        target: "/photos/public/1".into(),
        headers,
        body: Body::Known(body.into()),
        peer: Peer::default(),
        protocol: Protocol::Http,
    }
}

fn signatures(criterion: &mut Criterion) {
    let signing = Signing::of("s3", Some("eu-1"), &[PayloadMode::Verified]);
    let key = || SigningKey::derive(SECRET, "20300101", "eu-1", "s3");
    let verify = |call: &HttpCall, key: &SigningKey| {
        let signed = SignedCall::of_header(call).expect("a signature");
        signed.check_scope(&signing).expect("the scope");
        signed.check_clock(&signing, NOW).expect("the time");
        signed
            .verify(call, &signing, key)
            .expect("a good signature")
    };
    let mut group = criterion.benchmark_group("authenticate/signature");
    for size in [0_usize, 1 << 10, 64 << 10, 1 << 20] {
        let call = signed(vec![7; size]);
        let warm = key();
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| verify(black_box(&call), &warm));
        });
    }
    group.finish();
    let call = signed(Vec::new());
    criterion.bench_function("authenticate/signature/cold", |bencher| {
        bencher.iter(|| verify(black_box(&call), &key()));
    });
}

fn tokens(criterion: &mut Criterion) {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let (_, point) = key.public_key().as_ref().split_at(1);
    let (x, y) = point.split_at(32);
    let bundle = format!(
        "apiVersion: sidegate.dev/v1alpha1\nkind: IamOidcProvider\nmetadata: {{name: login}}\nspec:\n  \
         account: \"210000000001\"\n  issuer: https://login.test\n  audiences: [shop]\n  algorithms: [ES256]\n  \
         jwks: {{inline: {{keys: [{{kty: EC, crv: P-256, kid: k, x: {}, y: {}}}]}}}}\n  defaultRole: reader\n",
        URL_SAFE_NO_PAD.encode(x),
        URL_SAFE_NO_PAD.encode(y)
    );
    let files = Files::new(vec![File {
        path: "login.yaml".into(),
        bytes: bundle.into_bytes(),
    }]);
    let snapshot = || {
        compile(&files, "bench", NOW)
            .expect("a good bundle")
            .snapshot
    };
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let head = part(r#"{"alg":"ES256","kid":"k","typ":"JWT"}"#);
    let at = NOW.seconds();
    let claims = part(&format!(
        r#"{{"iss":"https://login.test","aud":"shop","sub":"ana","groups":["a","b"],"iat":{at},"exp":{}}}"#,
        at + 3_600
    ));
    let text = format!("{head}.{claims}");
    let signature = key
        .sign(&SystemRandom::new(), text.as_bytes())
        .expect("a signature");
    let token = format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()));
    let warm = snapshot();
    criterion.bench_function("authenticate/token/cached", |bencher| {
        let verify = || {
            warm.tokens
                .verify(black_box(&token), NOW)
                .expect("a good token")
        };
        bencher.iter(verify);
    });
    criterion.bench_function("authenticate/token/cold", |bencher| {
        let verify = |cold: Snapshot| {
            cold.tokens
                .verify(black_box(&token), NOW)
                .expect("a good token");
            cold
        };
        bencher.iter_batched(snapshot, verify, BatchSize::LargeInput);
    });
}

criterion_group!(benches, signatures, tokens);
criterion_main!(benches);
