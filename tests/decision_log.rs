//! The decision log: what is in a line, what is not, and that nobody waits for it.

#![expect(clippy::disallowed_methods, reason = "the tests read what was written")]

use crate::cli::{run, told};
use crate::support::eventually;
use crate::support::http::send;
use crate::support::sidegate::Sidegate;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// A server that writes its log to a file.
struct Logged {
    sidegate: Sidegate,
    path: PathBuf,
}

impl Logged {
    fn start(settings: &[(&str, &str)]) -> Self {
        let around = Arc::new(tempfile::tempdir().unwrap());
        let path = around.path().join("decisions.jsonl");
        let output = path.display().to_string();
        let mut variables = vec![("SIDEGATE_DECISIONLOG_OUTPUT", output.as_str())];
        variables.extend(settings);
        Self {
            sidegate: Sidegate::start_in(around, &variables),
            path,
        }
    }

    fn ask(&self, who: &str, method: &str, path: &str) -> u16 {
        let bearer = self.sidegate.bearer(who);
        let headers = [
            ("authorization", bearer.as_str()),
            ("x-request-id", "request-7"),
            ("user-agent", "agent of a person"),
            (
                "traceparent",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            ),
        ];
        let target = format!("/authorize/envoy{path}");
        send(self.sidegate.http, method, &target, &headers).status
    }

    /// The first `count` lines, once they are there.
    fn lines(&self, count: usize) -> Vec<Value> {
        eventually("lines of the log", || {
            let text = fs::read_to_string(&self.path).unwrap_or_default();
            let lines: Vec<Value> = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect();
            (lines.len() >= count).then_some(lines)
        })
    }
}

fn at<'v>(record: &'v Value, member: &str) -> &'v str {
    record[member].as_str().unwrap_or_default()
}

#[test]
fn every_refusal_is_a_line_and_allows_are_sampled() {
    let logged = Logged::start(&[("SIDEGATE_DECISIONLOG_ALLOWS", "0.25")]);
    for _ in 0..8 {
        assert_eq!(logged.ask("ben", "GET", "/v1/orders/7"), 200);
    }
    assert_eq!(
        logged.ask("ben", "DELETE", "/v1/orders/7?secret=in-the-query"),
        403
    );
    assert_eq!(logged.ask("ben", "GET", "/v1/orders/sealed-1"), 403);
    assert_eq!(logged.ask("mallory", "GET", "/v1/orders/7"), 401);
    assert_eq!(logged.ask("ben", "GET", "/v1/nothing"), 403);
    let lines = logged.lines(6);
    let kinds: Vec<(&str, &str)> = lines
        .iter()
        .map(|line| (at(line, "outcome"), at(line, "reason")))
        .collect();
    assert_eq!(
        kinds,
        [
            ("allow", "allowed"),
            ("allow", "allowed"),
            ("deny", "implicit_deny"),
            ("deny", "explicit_deny"),
            ("unauthenticated", "unauthenticated"),
            ("deny", "unmapped"),
        ]
    );
    let results = |result: &str| {
        let name = format!("sidegate_decision_log_records_total{{result=\"{result}\"}}");
        logged.sidegate.count(&name)
    };
    assert_eq!(
        (
            results("written"),
            results("sampled_out"),
            results("dropped")
        ),
        (6, 6, 0)
    );
    assert_eq!(
        logged.sidegate.count("sidegate_decision_log_queue_depth"),
        0
    );
    let allowed = &lines[0];
    assert!(
        allowed["statements"][0]
            .as_str()
            .unwrap()
            .contains("read-orders"),
        "{allowed}"
    );
    let denied = &lines[3];
    for (member, expected) in [
        ("schema", "sidegate.decision/1"),
        ("door", "forward_auth"),
        ("layer", "identity"),
        (
            "principal",
            "arn:aws:sts::210000000001:assumed-role/order-reader/ben",
        ),
        ("account", "210000000001"),
        ("session", "ben"),
        ("authentication", "OIDC"),
        ("action", "orders:GetOrder"),
        ("resourceAccount", "210000000001"),
        ("method", "GET"),
        ("requestId", "request-7"),
        ("traceId", "0af7651916cd43dd8448eb211c80319c"),
        ("spanId", "b7ad6b7169203331"),
    ] {
        assert_eq!(at(denied, member), expected, "{member}: {denied}");
    }
    assert!(
        denied["statements"][0]
            .as_str()
            .unwrap()
            .contains("read-orders"),
        "{denied}"
    );
    assert!(at(&lines[4], "rule").starts_with("JWT-"), "{}", lines[4]);
    let text = fs::read_to_string(&logged.path).unwrap();
    for secret in [
        "eyJ",
        "in-the-query",
        "agent of a person",
        "/v1/orders",
        "\"path\":",
    ] {
        assert!(!text.contains(secret), "`{secret}` is in the log");
    }
    let redacted = denied["redacted"].as_array().unwrap();
    assert!(redacted.contains(&Value::from("path")), "{denied}");
}

#[test]
fn a_line_is_explained_and_decided_again_as_it_was() {
    let logged = Logged::start(&[
        ("SIDEGATE_DECISIONLOG_ALLOWS", "1"),
        ("SIDEGATE_DECISIONLOG_REDACT", ""),
    ]);
    logged.ask("ben", "GET", "/v1/orders/7");
    logged.ask("ben", "DELETE", "/v1/orders/7");
    logged.ask("ben", "GET", "/v1/orders/sealed-1");
    logged.ask("mallory", "GET", "/v1/orders/7");
    let lines = logged.lines(4);
    let (log, bundle) = (logged.path.display().to_string(), logged.sidegate.bundle());
    let bundle = bundle.display().to_string();
    let explain = |record: &Value| {
        let id = at(record, "id");
        let output = run(&["explain", "--log", &log, "--id", id, "--bundle", &bundle]);
        told(&output, 0)
    };
    let (out, err) = explain(&lines[2]);
    assert!(
        out.contains("explicit_deny") && out.contains("NotTheSealedOnes"),
        "{out}"
    );
    assert!(out.contains("call           GET"), "{out}");
    assert!(!err.contains("note"), "{err}");
    let (out, err) = explain(&lines[3]);
    assert!(out.contains("JWT-"), "{out}");
    assert!(err.contains("not decided again"), "{err}");
    let missing = run(&[
        "explain", "--log", &log, "--id", "nobody", "--bundle", &bundle,
    ]);
    told(&missing, 1);
    // As cases, by the same bundle, by one that says otherwise, and by none.
    let cases = run(&["log", "cases", &log]);
    let (cases, err) = told(&cases, 0);
    assert!(err.contains("1 records hold no question"), "{err}");
    let file = logged.path.with_extension("cases");
    fs::write(&file, &cases).unwrap();
    let file = file.display().to_string();
    let decide = |arguments: &[&str]| -> Vec<String> {
        let (out, _) = told(&run(arguments), 0);
        let lines = out.lines().map(|line| {
            let answer: Value = serde_json::from_str(line).unwrap();
            at(&answer, "reason").to_owned()
        });
        lines.collect()
    };
    let again = ["simulate", "--cases", &file, "--bundle", &bundle];
    assert_eq!(
        decide(&again),
        ["allowed", "implicit_deny", "explicit_deny"]
    );
    logged
        .sidegate
        .edit("identities/read-orders.json", "\"orders:GetOrder\", ", "");
    assert_eq!(
        decide(&again),
        ["implicit_deny", "implicit_deny", "explicit_deny"]
    );
    let (_, err) = explain(&lines[0]);
    assert!(err.contains("another one decided"), "{err}");
    assert_eq!(
        decide(&["simulate", "--cases", &file]),
        ["implicit_deny"; 3]
    );
}

#[test]
fn what_was_redacted_is_unknown_and_never_an_allow() {
    let record = |context: &str| {
        format!(
            r#"{{"schema":"sidegate.decision/1","time":"2030-01-01T12:00:00.000001Z","id":"a","door":"ext_authz","outcome":"allow","reason":"allowed","principal":"arn:aws:iam::210000000001:user/ana","action":"orders:GetOrder","resources":["arn:aws:orders:eu-1:210000000001:order/7"],{context},"latencyUs":1}}"#
        )
    };
    let directory = bundle_with_condition();
    let bundle = directory.path().join("bundle").display().to_string();
    let log = directory.path().join("log");
    // Of the same snapshot, unless it is said otherwise.
    let revision = |directory: &Path| {
        let files = sidegate::loader::source::read_once(
            directory,
            &sidegate::loader::source::Limits::default(),
        )
        .unwrap();
        format!(r#""revision":"{}""#, files.digest)
    };
    let same = revision(&directory.path().join("bundle"));
    for (members, expected) in [
        (
            format!(r#"{same},"context":{{"aws:sourceip":["192.0.2.7"]}}"#),
            "allowed",
        ),
        (
            format!(r#"{same},"context":{{"aws:sourceip":["198.51.100.1"]}}"#),
            "implicit_deny",
        ),
        (
            format!(r#"{same},"redacted":["aws:sourceip"]"#),
            "implicit_deny",
        ),
        (
            format!(r#"{same},"context":{{"a:b":["x"]}},"unknown":["aws:"]"#),
            "explicit_deny",
        ),
        // By another snapshot nobody wrote down what this one reads: a denial on it holds.
        (
            r#""revision":"another","context":{"aws:sourceip":["192.0.2.7"]}"#.to_owned(),
            "explicit_deny",
        ),
    ] {
        fs::write(&log, record(&members)).unwrap();
        let (cases, _) = told(&run(&["log", "cases", log.to_str().unwrap()]), 0);
        let file = directory.path().join("cases");
        fs::write(&file, cases).unwrap();
        let file = file.display().to_string();
        let (out, _) = told(
            &run(&["simulate", "--cases", &file, "--bundle", &bundle]),
            0,
        );
        let answer: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(at(&answer, "reason"), expected, "{members}: {out}");
    }
    // What a record does not hold cannot be decided again.
    for (members, why) in [
        (
            r#""context":{"a:b":["x"]},"hasSessionPolicies":true"#,
            "policies of its own",
        ),
        (
            r#""context":{"a:b":["x"]},"credential":"sessionToken""#,
            "a session of a user's own",
        ),
        (r#""context":{"a:b":["x"]},"leftOut":1"#, "no room"),
    ] {
        fs::write(&log, record(members)).unwrap();
        let (cases, err) = told(&run(&["log", "cases", log.to_str().unwrap()]), 0);
        assert!(cases.is_empty() && err.contains(why), "{why}: {err}");
    }
    for (from, to, why) in [
        (
            r#"order/7"]"#,
            r#"order/7","arn:aws:orders:eu-1:210000000001:order/8"]"#,
            "several things",
        ),
        (
            r#""reason":"allowed""#,
            r#""reason":"bad_resource""#,
            "no question",
        ),
        (
            r#""resources":["arn:aws:orders:eu-1:210000000001:order/7"],"#,
            "",
            "resource was redacted",
        ),
        ("user/ana", "assumed-role/reader/*", "session was redacted"),
    ] {
        let text = record(r#""context":{"a:b":["x"]}"#);
        assert!(text.contains(from), "{from}");
        fs::write(&log, text.replace(from, to)).unwrap();
        let (cases, err) = told(&run(&["log", "cases", log.to_str().unwrap()]), 0);
        assert!(cases.is_empty() && err.contains(why), "{why}: {err}");
    }
    // A case that carries policies does not mean those of a bundle.
    let case = r#"{"id":1,"sessionPolicies":[],"request":{"principal":"arn:aws:iam::210000000001:user/ana","action":"orders:GetOrder","resource":"*","time":"2030-01-01T12:00:00Z"}}"#;
    let file = directory.path().join("cases");
    fs::write(&file, case).unwrap();
    let output = run(&[
        "simulate",
        "--cases",
        file.to_str().unwrap(),
        "--bundle",
        &bundle,
    ]);
    let (out, _) = told(&output, 1);
    assert!(out.contains("sessionPolicies"), "{out}");
    // One that somebody wrote gets what follows from its principal.
    let case = case.replace(r#""sessionPolicies":[],"#, "").replace(r#""resource":"*""#, r#""resource":"arn:aws:orders:eu-1:210000000001:order/7","context":{"aws:SourceIp":["192.0.2.7"],"aws:SecureTransport":["true"]}"#);
    fs::write(&file, case).unwrap();
    let output = run(&[
        "simulate",
        "--cases",
        file.to_str().unwrap(),
        "--bundle",
        &bundle,
    ]);
    let (out, _) = told(&output, 0);
    assert!(
        out.contains("explicit_deny"),
        "the user is called ana: {out}"
    );
}

fn bundle_with_condition() -> TempDir {
    crate::cli::bundle(&[(
        "bundle/ana.yaml",
        r#"apiVersion: sidegate.dev/v1alpha1
kind: IamAccount
metadata: {name: shop}
spec: {id: "210000000001"}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamUser
metadata: {name: ana}
spec:
  account: "210000000001"
  inlinePolicies:
    near:
      Version: "2012-10-17"
      Statement:
        - {Effect: Allow, Action: "orders:GetOrder", Resource: "*", Condition: {IpAddress: {"aws:SourceIp": "192.0.2.0/24"}}}
        - {Effect: Deny, Action: "*", Resource: "*", Condition: {Bool: {"aws:SecureTransport": "false"}}}
        - {Effect: Deny, Action: "*", Resource: "*", Condition: {StringEquals: {"aws:username": "ana"}}}
"#,
    )])
}

#[test]
fn events_in_the_manner_of_cloudtrail_say_the_same() {
    let logged = Logged::start(&[("SIDEGATE_DECISIONLOG_FORMAT", "cloudtrail")]);
    assert_eq!(logged.ask("ben", "DELETE", "/v1/orders/7"), 403);
    let event = logged.lines(1).remove(0);
    for (pointer, expected) in [
        ("/eventSource", "orders.amazonaws.com"),
        ("/eventName", "DeleteOrder"),
        ("/errorCode", "AccessDenied"),
        ("/userIdentity/type", "AssumedRole"),
        (
            "/userIdentity/arn",
            "arn:aws:sts::210000000001:assumed-role/order-reader/ben",
        ),
        (
            "/resources/0/ARN",
            "arn:aws:orders:eu-1:210000000001:order/7",
        ),
        ("/additionalEventData/reason", "implicit_deny"),
    ] {
        let found = event.pointer(pointer).and_then(Value::as_str);
        assert_eq!(found, Some(expected), "{pointer}: {event}");
    }
}

#[test]
fn calls_of_the_token_service_are_lines_too() {
    let around = tempfile::tempdir().unwrap();
    let path = around.path().join("decisions.jsonl");
    let output = path.display().to_string();
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/aws/bundle");
    let sidegate = Sidegate::start_on(
        &bundle,
        &[("ana", "x"), ("ben", "x")],
        &[("SIDEGATE_DECISIONLOG_OUTPUT", &output)],
    );
    let token = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.x";
    let role = "arn:aws:iam::210000000001:role/reader";
    let target = format!(
        "/?Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={role}\
         &RoleSessionName=tour&WebIdentityToken={token}"
    );
    let reply = send(sidegate.http, "GET", &target, &[]);
    assert_ne!(reply.status, 200);
    let logged = Logged { sidegate, path };
    let line = logged.lines(1).remove(0);
    for (member, expected) in [
        ("door", "sts"),
        ("action", "sts:AssumeRoleWithWebIdentity"),
        ("session", "tour"),
        ("method", "GET"),
    ] {
        assert_eq!(at(&line, member), expected, "{member}: {line}");
    }
    assert_eq!(line["resources"][0], role);
    assert_ne!(at(&line, "outcome"), "allow");
    let text = fs::read_to_string(&logged.path).unwrap();
    assert!(!text.contains("eyJ"), "{text}");
}

/// The memory of a process, in bytes.
fn resident(sidegate: &Sidegate) -> f64 {
    sidegate.metric("process_resident_memory_bytes")
}

#[test]
fn nobody_waits_for_a_log_that_nobody_reads() {
    let around = Arc::new(tempfile::tempdir().unwrap());
    let pipe = around.path().join("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0).unwrap();
    // Somebody has it open, and does not read: what fits into a pipe is 64 KiB.
    let _reader = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(0)
        .open(&pipe)
        .unwrap();
    let output = pipe.display().to_string();
    let sidegate = Sidegate::start_in(
        around,
        &[
            ("SIDEGATE_DECISIONLOG_OUTPUT", &output),
            ("SIDEGATE_DECISIONLOG_QUEUE", "100"),
        ],
    );
    let bearer = sidegate.bearer("ben");
    let headers = [("authorization", bearer.as_str())];
    let deny = || {
        send(
            sidegate.http,
            "DELETE",
            "/authorize/envoy/v1/orders/7",
            &headers,
        )
    };
    for _ in 0..1_000 {
        assert_eq!(deny().status, 403);
    }
    let before = resident(&sidegate);
    let dropped = "sidegate_decision_log_records_total{result=\"dropped\"}";
    let lost = sidegate.count(dropped);
    assert!(lost > 100, "{lost} were lost");
    for _ in 0..1_000 {
        assert_eq!(deny().status, 403);
    }
    assert_eq!(
        sidegate.count(dropped),
        lost + 1_000,
        "all that came later are counted"
    );
    assert!(sidegate.metric("sidegate_decision_log_queue_depth") <= 700.0);
    let grown = resident(&sidegate) - before;
    assert!(grown < 16e6, "{grown} bytes more");
    // The end does not wait either.
    let mut sidegate = sidegate;
    sidegate.signal(rustix::process::Signal::TERM);
    eventually_within(Duration::from_secs(10), || {
        sidegate.has_ended().then_some(())
    });
    assert_eq!(sidegate.wait(), Some(0));
}

fn eventually_within<T>(longest: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let step = Duration::from_millis(20);
    for _ in 0..longest.as_millis() / step.as_millis() {
        if let Some(found) = probe() {
            return found;
        }
        std::thread::sleep(step);
    }
    panic!("not within {longest:?}");
}

#[test]
fn the_level_of_the_log_is_followed() {
    let around = Arc::new(tempfile::tempdir().unwrap());
    let file = around.path().join("config.yaml");
    let write = |level: &str| fs::write(&file, format!("log:\n  level: {level}\n")).unwrap();
    write("warn,sidegate=info");
    let sidegate = Sidegate::start_configured(around.clone(), &file);
    let says = |text: &str| sidegate.log().contains(text);
    assert!(says("a door is open"));
    write("error");
    sidegate.signal(rustix::process::Signal::HUP);
    // What is said of the change is said at the old level.
    eventually("the change", || {
        let text = sidegate.log();
        let is_old = text.contains("\"from\":\"warn,sidegate=info\"");
        is_old.then_some(())
    });
    let before = sidegate.log().lines().count();
    sidegate.edit(
        "identities/read-orders.json",
        "\"Effect\": \"Deny\"",
        "\"Effect\": \"deny\"",
    );
    eventually("a refused bundle", || {
        (sidegate.metric("sidegate_policy_reload_failed") > 0.0).then_some(())
    });
    let after = sidegate.log();
    let later: Vec<&str> = after.lines().skip(before).collect();
    assert!(
        later.iter().all(|line| line.contains("\"ERROR\"")),
        "{later:?}"
    );
    // What cannot be read changes nothing.
    write("[nonsense");
    sidegate.signal(rustix::process::Signal::HUP);
    assert_eq!(sidegate.admin("/livez").status, 200);
}

#[test]
fn the_doctor_finds_what_is_wrong_and_shows_no_secret() {
    let logged = Logged::start(&[]);
    let sidegate = &logged.sidegate;
    let admin = sidegate.admin.to_string();
    let bundle = sidegate.bundle().display().to_string();
    let credentials = tempfile::tempdir().unwrap();
    let keys = credentials.path().join("keys");
    told(
        &run(&[
            "keys",
            "generate",
            keys.to_str().unwrap(),
            "--trust-domain",
            "test",
        ]),
        0,
    );
    let set = fs::read_to_string(keys.join("issuer/token-keys.json")).unwrap();
    let place = credentials.path().join("mounted");
    fs::create_dir(&place).unwrap();
    fs::write(place.join("token-keys.json"), &set).unwrap();
    fs::write(place.join("ana"), "a secret of forty characters or so").unwrap();
    let examine = |exit: i32| -> Vec<(String, String, String)> {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_sidegate"))
            .args(["doctor", "--format", "json"])
            .env("SIDEGATE_ADMIN_ADDRESS", &admin)
            .env("SIDEGATE_BUNDLE_DIRECTORY", &bundle)
            .env("SIDEGATE_CREDENTIALS_DIRECTORY", &place)
            .output()
            .unwrap();
        let (out, _) = told(&output, exit);
        for secret in [
            "a secret of forty",
            serde_json::from_str::<Value>(&set).unwrap()["readKeys"][0]["key"]
                .as_str()
                .unwrap(),
        ] {
            assert!(!out.contains(secret), "{out}");
        }
        let report: Value = serde_json::from_str(&out).unwrap();
        let findings = report["findings"].as_array().unwrap().iter();
        findings
            .map(|finding| {
                let text = |member| at(finding, member).to_owned();
                (text("level"), text("area"), text("text"))
            })
            .collect()
    };
    let well = examine(0);
    let has = |found: &[(String, String, String)], level: &str, area: &str, text: &str| {
        let is_it =
            |(l, a, t): &(String, String, String)| l == level && a == area && t.contains(text);
        assert!(found.iter().any(is_it), "{level} {area} {text}: {found:?}");
    };
    has(&well, "ok", "server", "ready at");
    has(&well, "ok", "reload", "in force");
    has(
        &well,
        "ok",
        "token keys",
        "trust domain test, issues and verifies",
    );
    has(
        &well,
        "warning",
        "credentials",
        "`ana` is open to everybody",
    );
    sidegate.edit(
        "identities/read-orders.json",
        "\"Effect\": \"Deny\"",
        "\"Effect\": \"deny\"",
    );
    eventually("a refused bundle", || {
        (sidegate.metric("sidegate_policy_reload_failed") > 0.0).then_some(())
    });
    let ill = examine(1);
    has(&ill, "fault", "reload", "identities/read-orders.json");
    has(&ill, "fault", "bundle", "identities/read-orders.json");
    // What is there and cannot be read is not taken for absent.
    fs::remove_file(place.join("token-keys.json")).unwrap();
    fs::create_dir(place.join("token-keys.json")).unwrap();
    has(&examine(1), "fault", "token keys", "token-keys.json");
}

#[test]
fn a_selftest_sees_that_there_is_somebody_who_denies() {
    let sidegate = Sidegate::start();
    let ask = |target: &str| run(&["selftest", "--target", target]);
    told(&ask(&sidegate.decisions.to_string()), 0);
    told(&ask(&format!("unix:{}", sidegate.socket().display())), 0);
    // Another door, nobody, and nonsense.
    let (_, err) = told(&ask(&sidegate.admin.to_string()), 1);
    assert!(err.contains("did not pass"), "{err}");
    told(&ask("127.0.0.1:1"), 1);
    told(&ask("nonsense"), 1);
    told(
        &ask(&format!("unix:{}", Path::new("/nowhere").display())),
        1,
    );
}
