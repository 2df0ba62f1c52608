//! Temporary credentials: stock clients get them from the token service, and use them behind real
//! Envoys whose sidecars share nothing with it but the keys that read.

use super::{ANA, BEN, World};
use crate::support::{eventually, parts};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PublicKeyData as _};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

const CLEO: &str = "cleos-secret-of-forty-characters-012345+";
const DORA: &str = "doras-secret-of-forty-characters-012345/";
const CLEOS_SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const DORAS_SEED: &str = "MFRGGZDFMZTWQ2LKNNWG23TPOBYXE43U";

/// The story with its issuer and its keys.
struct Story {
    around: TempDir,
    issuer: World,
    elsewhere: World,
    jwt: PathBuf,
    expired: PathBuf,
}

fn sidegate(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sidegate"))
        .args(arguments)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (output.status.code().unwrap_or(-1), text)
}

/// An issuer of web identities: its document, and tokens of a service account.
fn issuer_of_tokens(around: &Path) -> (String, PathBuf, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let point = key.der_bytes();
    let encode = |bytes: &[u8]| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
    };
    let jwks = json!({"keys": [{
        "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "k", "use": "sig",
        "x": encode(&point[1..33]), "y": encode(&point[33..65]),
    }]});
    let document = format!(
        "apiVersion: sidegate.dev/v1alpha1\nkind: IamOidcProvider\nmetadata: {{name: id}}\nspec:\n  \
         account: \"210000000001\"\n  issuer: https://id.test\n  audiences: [sts]\n  jwks: {{inline: '{jwks}'}}\n  \
         roles: [{{claim: sub, value: \"system:serviceaccount:shop:cart\", role: pod}}]\n"
    );
    let signer = EncodingKey::from_ec_pem(key.serialize_pem().as_bytes()).unwrap();
    let header = Header {
        kid: Some("k".to_owned()),
        ..Header::new(Algorithm::ES256)
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = now.as_secs();
    let token = |from: u64, to: u64| {
        let claims = json!({
            "iss": "https://id.test", "aud": "sts", "iat": from, "exp": to,
            "sub": "system:serviceaccount:shop:cart",
        });
        jsonwebtoken::encode(&header, &claims, &signer).unwrap()
    };
    let (good, expired) = (around.join("jwt"), around.join("expired-jwt"));
    std::fs::write(&good, token(now, now + 3_600)).unwrap();
    std::fs::write(&expired, token(now - 7_200, now - 3_600)).unwrap();
    (document, good, expired)
}

impl Story {
    fn start(test: &str) -> Option<Self> {
        parts::python(test)?;
        let around = tempfile::tempdir().unwrap();
        let keys = around.path().join("keys");
        let keys_text = keys.display().to_string();
        let (code, said) = sidegate(&["keys", "generate", &keys_text, "--trust-domain", "prod"]);
        assert_eq!(code, 0, "{said}");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let bundle = around.path().join("bundle");
        std::fs::create_dir(&bundle).unwrap();
        for from in ["account.yaml", "services.yaml", "users.yaml"] {
            let shipped =
                std::fs::read_to_string(root.join("deploy/aws/bundle").join(from)).unwrap();
            let told = "protocol: aws-json\n  encodedDenials: true";
            std::fs::write(
                bundle.join(from),
                shipped.replace("protocol: aws-json", told),
            )
            .unwrap();
        }
        let story = root.join("tests/aws/sts/story.yaml");
        std::fs::copy(story, bundle.join("story.yaml")).unwrap();
        std::fs::write(bundle.join("revoked.jsonl"), "").unwrap();
        let (document, jwt, expired) = issuer_of_tokens(around.path());
        std::fs::write(bundle.join("issuer.yaml"), document).unwrap();
        let key_set =
            |who: &str| std::fs::read_to_string(keys.join(who).join("token-keys.json")).unwrap();
        let (of_issuer, of_sidecar) = (key_set("issuer"), key_set("sidecar"));
        assert!(!of_sidecar.contains("privateKey"), "TOK-10");
        let secrets = |keys: &'static str| {
            [
                ("ana", ANA),
                ("ben", BEN),
                ("cleo", CLEO),
                ("dora", DORA),
                ("cleo-seed", CLEOS_SEED),
                ("dora-seed", DORAS_SEED),
                ("token-keys.json", keys),
            ]
        };
        let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
        let issuer = World::start_on(test, &bundle, &secrets(leak(of_issuer)), None, &[])?;
        let objects = issuer.moto.address;
        let sts = format!("http://{}", issuer.sidegate.http);
        let pods = [
            ("SIDEGATE_PODS_ADDRESS", "127.0.0.1:0"),
            ("SIDEGATE_PODS_STS", &sts),
        ];
        let of_sidecar = secrets(leak(of_sidecar));
        let elsewhere = World::start_on(test, &bundle, &of_sidecar, Some(objects), &pods)?;
        Some(Self {
            around,
            issuer,
            elsewhere,
            jwt,
            expired,
        })
    }

    /// What the clients said, by the names of their steps.
    fn tell(&self) -> BTreeMap<String, Value> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws/sts/story.py");
        let credentials = self.issuer.sidegate.credentials();
        let bundle = self.issuer.sidegate.bundle();
        let process = format!(
            "{} token mint --bundle {} --credentials {} --role arn:aws:iam::210000000001:role/app/reader --session local",
            env!("CARGO_BIN_EXE_sidegate"),
            bundle.display(),
            credentials.display(),
        );
        let settings = json!({
            "sts": self.issuer.sidegate.http.port(),
            "s3": self.issuer.envoy.ingress.port(),
            "pods": self.elsewhere.sidegate.door("pods").port(),
            "elsewhere": self.elsewhere.envoy.ingress.port(),
            "secrets": {"ana": ANA, "ben": BEN, "cleo": CLEO, "dora": DORA},
            "seeds": {"cleo": CLEOS_SEED, "dora": DORAS_SEED},
            "jwt": self.jwt,
            "expired": self.expired,
            "aws": self.issuer.python.with_file_name("aws"),
            "process": process,
            "tokens": self.around.path().join("tokens.json"),
        });
        let arguments = [script.to_str().unwrap(), &settings.to_string()];
        let (code, out, err) = self.issuer.run(&self.issuer.python, &arguments, &[]);
        assert_eq!(code, 0, "{err}\n{out}");
        out.lines()
            .map(|line| {
                let value: Value = serde_json::from_str(line).unwrap();
                (value["step"].as_str().unwrap().to_owned(), value)
            })
            .collect()
    }
}

/// A step, and the code with the beginning of a message; or its result as JSON.
type Expected = (&'static str, &'static str, &'static str);

const NOT: &str = "is not authorized to perform: ";

/// Steps that end in an error of the client's own.
const REFUSED: &[Expected] = &[
    ("a service-linked role", "AccessDenied", NOT),
    (
        "a code tells nothing of administrator",
        "AccessDenied",
        "MultiFactorAuthentication failed",
    ),
    (
        "a code tells nothing of nobody",
        "AccessDenied",
        "MultiFactorAuthentication failed",
    ),
    // T37: the caller's own token, and not one of an issuer.
    ("a session that has ended", "ExpiredToken", "is expired"),
    (
        "a session that has ended assumes",
        "ExpiredToken",
        "is expired",
    ),
    (
        "a sealed reason, denied",
        "AccessDenied",
        "sts:DecodeAuthorizationMessage",
    ),
    (
        "a sealed reason, altered",
        "InvalidAuthorizationMessageException",
        "",
    ),
    (
        "a token is no sealed reason",
        "InvalidAuthorizationMessageException",
        "",
    ),
    (
        "identity with a wrong secret",
        "SignatureDoesNotMatch",
        "The request signature",
    ),
    (
        "account of a key, denied",
        "AccessDenied",
        "sts:GetAccessKeyInfo",
    ),
    (
        "assume, denied",
        "AccessDenied",
        "sts:AssumeRole on resource: arn:aws:iam::210000000001:role/app/reader",
    ),
    (
        "assume, no such role",
        "AccessDenied",
        "sts:AssumeRole on resource: arn:aws:iam::210000000001:role/app/nobody",
    ),
    (
        "assume, wrong path",
        "AccessDenied",
        "sts:AssumeRole on resource: arn:aws:iam::210000000001:role/reader",
    ),
    (
        "assume, too long",
        "ValidationError",
        "exceeds the MaxSessionDuration",
    ),
    (
        "assume, 72 hours",
        "ValidationError",
        "exceeds the MaxSessionDuration",
    ),
    ("write by a session", "AccessDenied", "s3:PutObject"),
    (
        "session token of a session",
        "AccessDenied",
        "Cannot call GetSessionToken with session credentials",
    ),
    (
        "federation token of a session",
        "AccessDenied",
        "Cannot call GetFederationToken",
    ),
    ("another secret", "SignatureDoesNotMatch", ""),
    ("another key", "InvalidToken", ""),
    ("another token", "InvalidToken", ""),
    ("no token", "InvalidAccessKeyId", ""),
    ("a long-term key with a token", "InvalidAccessKeyId", ""),
    (
        "outside the session policy",
        "AccessDenied",
        "because no session policy allows the s3:GetObject action",
    ),
    (
        "beyond the role",
        "AccessDenied",
        "because no identity-based policy allows the s3:PutObject action",
    ),
    (
        "outside the managed policy",
        "AccessDenied",
        "no session policy",
    ),
    ("a policy that is none", "MalformedPolicyDocument", ""),
    (
        "a policy that is not there",
        "ValidationError",
        "does not exist",
    ),
    (
        "tags that are too much",
        "PackedPolicyTooLarge",
        "Packed size of session tags consumes",
    ),
    (
        "tags that differ by case",
        "ValidationError",
        "case insensitive",
    ),
    ("a reserved tag", "ValidationError", "aws:"),
    ("and nowhere else", "AccessDenied", "s3:GetObject"),
    (
        "a transitive tag again",
        "ValidationError",
        "transitive tag key",
    ),
    ("another source identity", "AccessDenied", NOT),
    (
        "a chain is an hour",
        "ValidationError",
        "1 hour session limit",
    ),
    (
        "administrator without a second factor",
        "AccessDenied",
        "sts:AssumeRole",
    ),
    (
        "administrator with a wrong code",
        "AccessDenied",
        "MultiFactorAuthentication failed",
    ),
    (
        "the same code again",
        "AccessDenied",
        "MultiFactorAuthentication failed",
    ),
    (
        "somebody else's device",
        "AccessDenied",
        "MultiFactorAuthentication failed",
    ),
    (
        "a role has no second factor",
        "AccessDenied",
        "sts:AssumeRole",
    ),
    ("dora reads with her key", "AccessDenied", "s3:GetObject"),
    (
        "dora reads without a second factor",
        "AccessDenied",
        "s3:GetObject",
    ),
    (
        "dora deletes with a second factor",
        "AccessDenied",
        "explicit deny",
    ),
    (
        "a session token asks for no other",
        "AccessDenied",
        "Cannot call GetSessionToken",
    ),
    (
        "a session of a user asks for 129601 s",
        "ValidationError",
        "129600",
    ),
    ("another external id", "AccessDenied", NOT),
    ("no external id", "AccessDenied", NOT),
    ("external id without permission", "AccessDenied", NOT),
    ("a service's role", "AccessDenied", NOT),
    (
        "what the boundary keeps",
        "AccessDenied",
        "explicit deny in a permissions boundary",
    ),
    ("a guest without a policy", "AccessDenied", "s3:GetObject"),
    ("a guest assumes nothing", "AccessDenied", NOT),
    ("a guest beyond its issuer", "AccessDenied", "s3:PutObject"),
    (
        "a guest of whoever may not",
        "AccessDenied",
        "sts:GetFederationToken on resource: arn:aws:sts::210000000001:federated-user/guest",
    ),
    (
        "web identity for a role that does not trust it",
        "AccessDenied",
        "Not authorized to perform sts:AssumeRoleWithWebIdentity",
    ),
    (
        "web identity for no role",
        "AccessDenied",
        "Not authorized to perform sts:AssumeRoleWithWebIdentity",
    ),
    (
        "web identity with another token",
        "InvalidIdentityToken",
        "",
    ),
    ("web identity past its end", "ExpiredTokenException", ""),
];

#[expect(clippy::too_many_lines, reason = "a table")]
fn results() -> Vec<(&'static str, Value)> {
    let reader = "arn:aws:sts::210000000001:assumed-role/reader";
    let code = |status: u16, code: &str| json!([status, code]);
    vec![
        // T32, DUR-04.
        (
            "72 hours where the operator raised it",
            json!("arn:aws:sts::310000000001:assumed-role/deployer/job"),
        ),
        // T42.
        (
            "identity under a denial",
            json!("arn:aws:iam::210000000001:user/dora"),
        ),
        (
            "the command line with mfa_serial",
            json!([
                true,
                "arn:aws:sts::210000000001:assumed-role/administrator/factor"
            ]),
        ),
        (
            "identity of a user",
            json!({"UserId": "AIDAEXAMPLECLEO00001", "Account": "210000000001", "Arn": "arn:aws:iam::210000000001:user/cleo"}),
        ),
        ("account of a key", json!("210000000001")),
        // T28: the session's ARN has no path.
        (
            "assume",
            json!([format!("{reader}/job"), "AROAEXAMPLEREADER001:job", "ASIA"]),
        ),
        ("read by a session", json!("research/1")),
        ("read behind another sidecar", json!("research/1")),
        ("identity of a session", json!("AROAEXAMPLEREADER001:job")),
        ("a signed address of a session", json!("research/1")),
        ("within the session policy", json!("sales/1")),
        ("within the managed policy", json!("research/1")),
        ("packed size", json!(1)),
        ("the tag of the chain lets in", json!("research/1")),
        ("the same source identity", json!("cleo")),
        (
            "administrator with a second factor",
            json!("arn:aws:sts::210000000001:assumed-role/administrator/job"),
        ),
        ("dora writes", json!(true)),
        ("dora reads with a second factor", json!("dora")),
        ("dora lists with a second factor", json!(1)),
        (
            "identity of a session of a user",
            json!("arn:aws:iam::210000000001:user/dora"),
        ),
        (
            "external id",
            json!("arn:aws:sts::310000000001:assumed-role/deployer/job"),
        ),
        ("what the boundary lets through", json!(true)),
        ("a guest whom the bucket names", json!(0)),
        (
            "identity of a guest",
            json!([
                "210000000001:guest",
                "arn:aws:sts::210000000001:federated-user/guest"
            ]),
        ),
        ("a guest with a policy", json!("sales/1")),
        (
            "web identity",
            json!([
                "system:serviceaccount:shop:cart",
                "sts",
                "https://id.test",
                "arn:aws:sts::210000000001:assumed-role/pod/cart"
            ]),
        ),
        (
            "the command line by its environment",
            json!("arn:aws:sts::210000000001:assumed-role/pod/env"),
        ),
        ("the command line lists by its environment", json!(" 1")),
        (
            "the command line by source_profile",
            json!(format!("{reader}/profile")),
        ),
        (
            "the command line by credential_process",
            json!(format!("{reader}/local")),
        ),
        (
            "a sealed reason",
            json!([
                false,
                false,
                "arn:aws:sts::210000000001:federated-user/guest",
                "dynamodb:ListTables"
            ]),
        ),
        (
            "a container by its environment",
            json!(
                "arn:aws:sts::210000000001:assumed-role/pod/system-serviceaccount-shop-cart-54beea9ea05e"
            ),
        ),
        ("a container lists", json!(" 1")),
        (
            "pods",
            json!([
                200,
                [
                    "AccessKeyId",
                    "AccountId",
                    "Expiration",
                    "SecretAccessKey",
                    "Token"
                ]
            ]),
        ),
        ("pods without a token", code(400, "InvalidRequest")),
        ("pods with a bearer", code(400, "InvalidRequest")),
        ("pods with a forged token", code(400, "InvalidToken")),
        ("pods with an expired token", code(400, "InvalidToken")),
        ("pods by another name", code(403, "AccessDenied")),
        ("pods through a proxy", code(403, "AccessDenied")),
        ("pods from a page", code(403, "AccessDenied")),
        ("pods by another path", code(404, "NotFound")),
        ("no action", code(400, "MissingAction")),
        ("no version", code(400, "InvalidAction")),
        ("another version", code(400, "InvalidAction")),
        ("another action", code(400, "InvalidAction")),
        ("an unknown parameter", code(400, "InvalidQueryParameter")),
        ("a parameter twice", code(400, "ValidationError")),
        ("a list with a gap", code(400, "ValidationError")),
        ("unsigned", code(403, "MissingAuthenticationToken")),
        (
            "a parameter in the query of a POST",
            code(400, "ValidationError"),
        ),
        // STS-05.
        (
            "a signed address that assumes",
            code(400, "IncompleteSignature"),
        ),
        ("a signed address that asks who", code(200, "")),
    ]
}

#[test]
fn temporary_credentials_are_got_and_used_by_stock_clients() {
    // ACC-02; T28 to T43.
    let test = "temporary_credentials_are_got_and_used_by_stock_clients";
    let Some(story) = Story::start(test) else {
        return;
    };
    let said = story.tell();
    let step = |name: &str| said.get(name).unwrap_or_else(|| panic!("no step `{name}`"));
    let expected = results();
    for (name, result) in &expected {
        assert_eq!(step(name)["result"], *result, "{}", step(name));
    }
    for (name, code, message) in REFUSED {
        let said = step(name);
        assert_eq!(said["error"], *code, "{said}");
        assert_eq!(said["request"], true, "ERR-37: {said}");
        let told = said["message"].as_str().unwrap_or_default();
        assert!(told.contains(message), "{said}");
    }
    assert_eq!(
        said.len(),
        expected.len() + REFUSED.len(),
        "every step is expected"
    );
    audited(&story);
    revoked(&story);
}

/// Each issuance is told, without what is secret.
fn audited(story: &Story) {
    let log = story.issuer.sidegate.log();
    let events: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|line| serde_json::from_str(line["event"].as_str()?).ok())
        .collect();
    let of = |name: &'static str| {
        events
            .iter()
            .filter(move |event| event["eventName"] == name)
    };
    let tagged =
        of("AssumeRole").find(|event| event["requestParameters"]["sourceIdentity"] == "cleo");
    let tagged = tagged.unwrap();
    assert_eq!(
        tagged["userIdentity"]["arn"],
        "arn:aws:iam::210000000001:user/cleo"
    );
    assert_eq!(
        tagged["requestParameters"]["roleArn"],
        "arn:aws:iam::210000000001:role/app/reader"
    );
    assert_eq!(
        tagged["requestParameters"]["tags"],
        json!(["team=research", "floor=4"])
    );
    assert_eq!(tagged["sourceIPAddress"], "127.0.0.1");
    assert!(
        tagged["responseElements"]["accessKeyId"]
            .as_str()
            .unwrap()
            .starts_with("ASIA")
    );
    assert!(of("AssumeRole").any(|event| event["errorCode"] == "AccessDenied"));
    assert!(
        of("AssumeRoleWithWebIdentity")
            .any(|event| event["userIdentity"]["userName"] == "system:serviceaccount:shop:cart")
    );
    for secret in ["sgt1_", "unique-42", CLEO, CLEOS_SEED] {
        assert!(!log.contains(secret), "{secret}");
    }
}

/// REV-03: what `sidegate token revoke` writes ends a session, and what was obtained with it.
fn revoked(story: &Story) {
    let text = std::fs::read_to_string(story.around.path().join("tokens.json")).unwrap();
    let tokens: BTreeMap<String, Vec<String>> = serde_json::from_str(&text).unwrap();
    let sidecar = &story.elsewhere.sidegate;
    let bundle = sidecar.bundle().display().to_string();
    let credentials = sidecar.credentials().display().to_string();
    let verify = |name: &str| {
        let of = ["--bundle", &bundle, "--credentials", &credentials];
        sidegate(&[&["token", "verify"], &of[..], &[&tokens[name][2]]].concat())
    };
    for name in tokens.keys() {
        let (code, said) = verify(name);
        assert_eq!(code, 0, "{name}: {said}");
    }
    let inspected = sidegate(&[
        "token",
        "inspect",
        "--bundle",
        &bundle,
        "--credentials",
        &credentials,
        &tokens["first"][2],
    ]);
    let inspected: Value = serde_json::from_str(&inspected.1).unwrap();
    assert_eq!(inspected["tags"]["team"], "research");
    assert!(inspected.get("secretAccessKey").is_none());
    let list = |story: &str| format!("{story}/revoked.jsonl");
    let id = inspected["tokenId"].as_str().unwrap();
    let (code, said) = sidegate(&["token", "revoke", "--file", &list(&bundle), "--token", id]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(
        sidegate(&["token", "revoke", "--file", &list(&bundle), "--token", "x"]).0,
        1
    );
    // The end of the chain dies with its beginning, and nobody else does.
    for (name, expected) in [("first", 1), ("third", 1), ("reader", 0), ("guest", 0)] {
        assert_eq!(verify(name).0, expected, "{name}");
    }
    // And at the doors, with the snapshot that carries it.
    let script = "import sys, json, boto3\nkey, secret, token = json.loads(sys.argv[1])\n\
        s3 = boto3.client('s3', endpoint_url=sys.argv[2], region_name='eu-west-1', aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token)\n\
        try:\n  print(s3.get_object(Bucket='photos', Key='research/1')['Body'].read().decode())\n\
        except Exception as error:\n  print(error.response['Error']['Code'])\n";
    let endpoint = format!(
        "http://s3.internal:{}",
        story.elsewhere.envoy.ingress.port()
    );
    let read = |name: &str| {
        let credentials = serde_json::to_string(&tokens[name]).unwrap();
        let (_, out, err) = story.elsewhere.run(
            &story.elsewhere.python,
            &["-c", script, &credentials, &endpoint],
            &[],
        );
        format!("{}{err}", out.trim())
    };
    eventually("the revocation", || {
        (read("third") == "InvalidToken").then_some(())
    });
    assert_eq!(read("reader"), "research/1");
    // REV-02: with the key that it began with.
    let users = sidecar.bundle().join("story.yaml");
    let text = std::fs::read_to_string(&users).unwrap();
    let text = text.replace("secretFile: cleo}]", "secretFile: cleo, status: Inactive}]");
    std::fs::write(
        &users,
        text.replace("AROAEXAMPLEREADER001", "AROAEXAMPLEREADER002"),
    )
    .unwrap();
    // T29: the role is made anew under its name, so that it is another one.
    eventually("the other role", || {
        (read("reader") == "InvalidToken").then_some(())
    });
    assert_eq!(verify("guest").0, 1);
}
