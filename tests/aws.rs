//! Stock clients of AWS against services behind the real Envoy: boto3 and the `aws` command line,
//! with `moto` as object store, tables and topics.

#![expect(clippy::disallowed_methods, reason = "the tests run programs")]

mod bypasses;
mod sts;

use crate::support::envoy::{Envoy, Neighbours, SHIPPED_FOR_AWS};
use crate::support::eventually;
use crate::support::http::try_send;
use crate::support::parts;
use crate::support::sidegate::Sidegate;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const ANA: &str = "anas-secret-of-forty-characters-0123456+";
const BEN: &str = "bens-secret-of-forty-characters-0123456/";

/// A stand-in for services of AWS.
struct Moto {
    child: Option<Child>,
    address: SocketAddr,
}

impl Moto {
    fn start(python: &Path) -> Self {
        // The port is free a moment later still.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
        let address = address.unwrap();
        let child = Command::new(python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p"])
            .arg(address.port().to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let moto = Self {
            child: Some(child),
            address,
        };
        eventually("the stand-in", || {
            let reply = try_send(address, "GET", "/moto-api/data.json", &[])?;
            (reply.status == 200).then_some(())
        });
        moto
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Everything that a client needs to call a service.
struct World {
    envoy: Envoy,
    sidegate: Sidegate,
    moto: Moto,
    python: PathBuf,
}

impl World {
    fn start(test: &str) -> Option<Self> {
        let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/aws/bundle");
        Self::start_on(test, &bundle, &[("ana", ANA), ("ben", BEN)], None, &[])
    }

    /// On a bundle, and in front of a stand-in that runs already or of one of its own.
    fn start_on(
        test: &str,
        bundle: &Path,
        secrets: &[(&str, &str)],
        store: Option<SocketAddr>,
        variables: &[(&str, &str)],
    ) -> Option<Self> {
        let python = parts::python(test)?;
        let program = parts::envoy(test)?;
        let moto = match store {
            Some(address) => Moto {
                child: None,
                address,
            },
            None => Moto::start(&python),
        };
        // The stand-in takes a request without credentials for one of nobody.
        let forward = ("SIDEGATE_DECISIONS_CREDENTIALS", "forward");
        let variables = [variables, &[forward]].concat();
        let sidegate = Sidegate::start_on(bundle, secrets, &variables);
        let neighbours = Neighbours {
            socket: &sidegate.socket(),
            upstream: moto.address,
            grpc: None,
        };
        let envoy = Envoy::start_on(&program, SHIPPED_FOR_AWS, neighbours, &[]);
        Some(Self {
            envoy,
            sidegate,
            moto,
            python,
        })
    }

    /// Runs a program to which names that end in `.internal` are this machine.
    fn run(
        &self,
        program: &Path,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> (i32, String, String) {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws");
        let output = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.sidegate.bundle())
            .env("PYTHONPATH", here)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap_or(-1);
        (code, text(&output.stdout), text(&output.stderr))
    }

    fn port(&self) -> String {
        self.envoy.ingress.port().to_string()
    }
}

/// What a step of `clients.py` should say: its result, or a code with the beginning of a message.
enum Said {
    Result(Value),
    Error(&'static str, u16, &'static str),
}

#[test]
fn stock_clients_are_allowed_and_denied_in_their_own_words() {
    let test = "stock_clients_are_allowed_and_denied_in_their_own_words";
    let Some(world) = World::start(test) else {
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws/clients.py");
    let script = script.to_str().unwrap();
    let arguments = [script, &world.port(), ANA, BEN];
    let (code, out, err) = world.run(&world.python, &arguments, &[]);
    assert_eq!(code, 0, "{err}\n{out}");
    let said: BTreeMap<String, Value> = out
        .lines()
        .map(|line| {
            let value: Value = serde_json::from_str(line).unwrap();
            (value["step"].as_str().unwrap().to_owned(), value)
        })
        .collect();
    let expected = expected();
    for (step, expected) in &expected {
        let said = said
            .get(*step)
            .unwrap_or_else(|| panic!("no step `{step}`"));
        match expected {
            Said::Result(result) => assert_eq!(said["result"], *result, "{said}"),
            Said::Error(code, status, message) => {
                assert_eq!(said["error"], *code, "{said}");
                assert_eq!(said["status"], *status, "{said}");
                assert_eq!(said["request"], true, "ERR-37: {said}");
                let told = said["message"].as_str().unwrap_or_default();
                assert!(told.contains(message), "{said}");
            }
        }
    }
    let known: Vec<&str> = expected.iter().map(|(step, _)| *step).collect();
    let forgotten: Vec<&String> = said
        .keys()
        .filter(|step| !known.contains(&step.as_str()))
        .collect();
    assert_eq!(forgotten, Vec::<&String>::new());
    drop(world.moto);
}

/// ACC-01, ACC-02, ERR-01 to ERR-11, ERR-30 to ERR-35, STR-05, T03, T12, T19, T22, T24, T25.
#[expect(clippy::too_many_lines, reason = "a table")]
fn expected() -> Vec<(&'static str, Said)> {
    let ok = |step| (step, Said::Result(json!(true)));
    let is = |step, value| (step, Said::Result(value));
    let s3 = |step, message| (step, Said::Error("AccessDenied", 403, message));
    let by_json = |step, message| (step, Said::Error("AccessDeniedException", 403, message));
    let fails = |step, code, status, message| (step, Said::Error(code, status, message));
    let mismatch = "The request signature we calculated does not match";
    let unknown = "The security token included in the request is invalid.";
    vec![
        ok("create-bucket"),
        s3(
            "create-bucket-denied",
            "User: arn:aws:iam::210000000001:user/ben is not authorized to perform: s3:CreateBucket on resource: arn:aws:s3:::bens because no identity-based policy allows the s3:CreateBucket action",
        ),
        is("list-buckets", json!(["photos"])),
        ok("put public/1"),
        ok("put public/2"),
        ok("put private/1"),
        ok("put a b/ü+%2F/c~"),
        ok("put folder/"),
        ok("get-odd-key"),
        ok("get-virtual"),
        ok("put-virtual"),
        ok("get-allowed"),
        s3(
            "get-denied",
            "s3:GetObject on resource: arn:aws:s3:::photos/private/1",
        ),
        s3(
            "get-sealed",
            "with an explicit deny in an identity-based policy",
        ),
        ok("get-range"),
        fails("head-denied", "403", 403, "Forbidden"),
        is("head-allowed", json!(16384)),
        is("list-allowed", json!(["public/1", "public/2", "public/3"])),
        s3(
            "list-denied",
            "s3:ListBucket on resource: arn:aws:s3:::photos",
        ),
        s3(
            "list-all-denied",
            "s3:ListBucket on resource: arn:aws:s3:::photos",
        ),
        ok("list-versions"),
        s3(
            "put-denied",
            "s3:PutObject on resource: arn:aws:s3:::photos/public/4",
        ),
        ok("put-inbox"),
        ok("put-tagged"),
        s3("put-tagged-denied", "s3:PutObjectTagging"),
        s3("put-acl-denied", "s3:PutObjectAcl"),
        ok("tag"),
        s3("tag-denied", "s3:PutObjectTagging"),
        ok("copy"),
        ok("copied"),
        ok("copy-odd-key"),
        s3(
            "copy-source-denied",
            "s3:GetObject on resource: arn:aws:s3:::photos/private/1",
        ),
        s3(
            "copy-sealed",
            "s3:GetObject on resource: arn:aws:s3:::photos/sealed/1",
        ),
        s3(
            "delete-several-sealed",
            "s3:DeleteObject on resource: arn:aws:s3:::photos/sealed/1",
        ),
        ok("still-there"),
        is("delete-several", json!(2)),
        ok("multipart"),
        s3("multipart-denied", "s3:PutObject"),
        s3("bucket-acl-denied", "s3:GetBucketAcl"),
        ok("versioning"),
        is("presigned-get", json!([200, true])),
        is(
            "presigned-version-2",
            json!([400, "AuthorizationHeaderMalformed"]),
        ),
        is("presigned-get-denied", json!([403, "AccessDenied"])),
        is("presigned-put", json!(200)),
        ok("presigned-put-read"),
        is("presigned-other-key", json!([403, "SignatureDoesNotMatch"])),
        is(
            "presigned-other-method",
            json!([403, "SignatureDoesNotMatch"]),
        ),
        is("presigned-longer", json!([403, "SignatureDoesNotMatch"])),
        is(
            "presigned-twice",
            json!([400, "AuthorizationQueryParametersError"]),
        ),
        is("presigned-and-bearer", json!([400, "InvalidArgument"])),
        is(
            "presigned-more-headers",
            json!([403, "SignatureDoesNotMatch"]),
        ),
        is("presigned-expired", json!([403, "AccessDenied"])),
        fails("wrong-secret", "SignatureDoesNotMatch", 403, mismatch),
        fails("unknown-key", "InvalidAccessKeyId", 403, unknown),
        fails("inactive-key", "InvalidAccessKeyId", 403, unknown),
        // The client signs again with the region that it was told.
        ok("other-region"),
        fails("skewed", "RequestTimeTooSkewed", 403, "Signature expired: "),
        fails(
            "skewed-json",
            "InvalidSignatureException",
            403,
            " - 5 min.)",
        ),
        is("anonymous", json!([403, "AccessDenied"])),
        fails(
            "wrong-secret-json",
            "InvalidSignatureException",
            403,
            mismatch,
        ),
        fails(
            "unknown-key-json",
            "UnrecognizedClientException",
            403,
            unknown,
        ),
        fails("wrong-secret-query", "SignatureDoesNotMatch", 403, mismatch),
        fails("unknown-key-query", "InvalidClientTokenId", 403, unknown),
        is("create-table orders", json!("orders")),
        ok("put-item orders"),
        is("create-table customers", json!("customers")),
        ok("put-item customers"),
        is("get-item", json!("grüß")),
        by_json(
            "get-item-denied",
            "dynamodb:GetItem on resource: arn:aws:dynamodb:eu-west-1:210000000001:table/customers",
        ),
        by_json(
            "get-item-sealed",
            "with an explicit deny in an identity-based policy",
        ),
        fails(
            "get-item-by-arn",
            "ValidationException",
            400,
            "a name in the body",
        ),
        is("batch-get", json!(["orders"])),
        by_json("batch-get-denied", "table/customers"),
        is("batch-get-all", json!(["customers", "orders"])),
        by_json("list-tables-denied", "dynamodb:ListTables because no"),
        is("list-tables", json!(["orders", "customers"])),
        ok("transact"),
        by_json("transact-sealed", "table/sealed"),
        is("create-topic", json!("news")),
        s3(
            "create-topic-sealed",
            "sns:CreateTopic on resource: arn:aws:sns:eu-west-1:210000000001:sealed",
        ),
        s3("create-topic-denied", "sns:CreateTopic"),
        s3("attributes-sealed", "sns:GetTopicAttributes"),
        is("list-topics", json!(1)),
        is("http2", json!(["HTTP/2", 200, true])),
        is("http2-wrong-secret", json!(["HTTP/2", 403, false])),
    ]
}

/// Who calls which service with which arguments, whether it works, and what is said.
type Row<'a> = (&'a str, &'a str, Vec<&'a str>, bool, &'a str);

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn the_command_line_of_aws_works() {
    let test = "the_command_line_of_aws_works";
    let (Some(world), Some(aws)) = (World::start(test), parts::aws(test)) else {
        return;
    };
    let port = world.port();
    let directory = tempfile::tempdir().unwrap();
    let photo = directory.path().join("photo");
    let large = directory.path().join("large");
    let back = directory.path().join("back");
    // More than one part of an upload, and more than Envoy is told to show.
    std::fs::write(&large, vec![7; 9 << 20]).unwrap();
    std::fs::write(&photo, b"a photo").unwrap();
    let written = |path: &Path| path.to_str().unwrap().to_owned();
    let (photo, large, back) = (written(&photo), written(&large), written(&back));
    let run = |who: &str, service: &str, arguments: &[&str]| {
        let (key, secret) = match who {
            "ana" => ("AKIAEXAMPLEANA000001", ANA),
            "ben" => ("AKIAEXAMPLEBEN000001", BEN),
            _ => ("AKIAEXAMPLEBEN000001", ANA),
        };
        let endpoint = format!("http://{service}.internal:{port}");
        let command = if arguments.first() == Some(&"s3api") {
            "s3api"
        } else {
            service
        };
        let rest = if command == "s3api" {
            &arguments[1..]
        } else {
            arguments
        };
        let mut all = vec!["--endpoint-url", &endpoint, command];
        all.extend(rest);
        let variables = [
            ("AWS_ACCESS_KEY_ID", key),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_MAX_ATTEMPTS", "1"),
        ];
        let (code, out, err) = world.run(&aws, &all, &variables);
        (code, format!("{out}{err}"))
    };
    let key = r#"{"id":{"S":"7"}}"#;
    let rows: Vec<Row<'_>> = vec![
        (
            "ana",
            "s3",
            vec!["mb", "s3://photos"],
            true,
            "make_bucket: photos",
        ),
        (
            "ana",
            "s3",
            vec!["cp", &photo, "s3://photos/public/1"],
            true,
            "upload:",
        ),
        (
            "ana",
            "s3",
            vec!["cp", &photo, "s3://photos/private/1"],
            true,
            "upload:",
        ),
        (
            "ana",
            "s3",
            vec!["cp", &large, "s3://photos/public/large"],
            true,
            "upload:",
        ),
        (
            "ben",
            "s3",
            vec!["cp", "s3://photos/public/large", &back],
            true,
            "download:",
        ),
        (
            "ben",
            "s3",
            vec!["ls", "s3://photos/public/"],
            true,
            "large",
        ),
        (
            "ben",
            "s3",
            vec!["ls", "s3://photos/"],
            false,
            "An error occurred (AccessDenied) when calling the ListObjectsV2 operation: User: arn:aws:iam::210000000001:user/ben is not authorized",
        ),
        (
            "ben",
            "s3",
            vec![
                "s3api",
                "get-object",
                "--bucket",
                "photos",
                "--key",
                "private/1",
                &back,
            ],
            false,
            "s3:GetObject on resource: arn:aws:s3:::photos/private/1",
        ),
        (
            "ben",
            "s3",
            vec!["rm", "s3://photos/public/1"],
            false,
            "s3:DeleteObject",
        ),
        (
            "nobody",
            "s3",
            vec!["ls", "s3://photos/public/"],
            false,
            "(SignatureDoesNotMatch)",
        ),
        (
            "ana",
            "s3",
            vec!["rm", "--recursive", "s3://photos/private/"],
            true,
            "delete:",
        ),
        (
            "ana",
            "dynamodb",
            vec![
                "create-table",
                "--table-name",
                "orders",
                "--attribute-definitions",
                "AttributeName=id,AttributeType=S",
                "--key-schema",
                "AttributeName=id,KeyType=HASH",
                "--billing-mode",
                "PAY_PER_REQUEST",
            ],
            true,
            "\"TableName\": \"orders\"",
        ),
        (
            "ana",
            "dynamodb",
            vec!["put-item", "--table-name", "orders", "--item", key],
            true,
            "",
        ),
        (
            "ben",
            "dynamodb",
            vec!["get-item", "--table-name", "orders", "--key", key],
            true,
            "\"S\": \"7\"",
        ),
        (
            "ben",
            "dynamodb",
            vec!["put-item", "--table-name", "orders", "--item", key],
            false,
            "An error occurred (AccessDeniedException) when calling the PutItem operation: User: ",
        ),
        (
            "ben",
            "sns",
            vec!["list-topics"],
            false,
            "An error occurred (AccessDenied) when calling the ListTopics operation: User: ",
        ),
    ];
    for (who, service, arguments, works, says) in rows {
        let (code, said) = run(who, service, &arguments);
        assert_eq!(code == 0, works, "{who} {service} {arguments:?}: {said}");
        assert!(said.contains(says), "{who} {service} {arguments:?}: {said}");
    }
    assert_eq!(std::fs::read(&back).unwrap(), vec![7; 9 << 20]);
}

#[test]
fn an_access_key_that_is_withdrawn_is_nobody_s() {
    // K2.6 for the credentials directory: it is followed like the bundle.
    let test = "an_access_key_that_is_withdrawn_is_nobody_s";
    let Some(world) = World::start(test) else {
        return;
    };
    let list = || {
        let code = format!(
            "import sys; sys.argv = ['', '{}', '{ANA}', '{BEN}']\n\
             exec(open('{}/tests/aws/clients.py').read().split('object_store()\\npresigned()')[0])\n\
             step('list', lambda: [b['Name'] for b in client('ana').list_buckets()['Buckets']])",
            world.port(),
            env!("CARGO_MANIFEST_DIR")
        );
        let (_, out, err) = world.run(&world.python, &["-c", &code], &[]);
        serde_json::from_str::<Value>(&out).unwrap_or_else(|_| panic!("{err}"))
    };
    assert_eq!(list()["result"], json!([]));
    let secret = world.sidegate.credentials().join("ana");
    std::fs::remove_file(&secret).unwrap();
    eventually("the withdrawal", || {
        (list()["error"] == "ServiceUnavailable").then_some(())
    });
    std::fs::write(&secret, BEN).unwrap();
    eventually("another secret", || {
        (list()["error"] == "SignatureDoesNotMatch").then_some(())
    });
    std::fs::write(&secret, ANA).unwrap();
    eventually("the old secret", || {
        (list()["result"] == json!([])).then_some(())
    });
}
