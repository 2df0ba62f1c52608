//! The command line, as people and scripts see it.

#![expect(clippy::disallowed_methods, reason = "the tests write what is read")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

pub(crate) const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/example/bundle");

pub(crate) fn run(arguments: &[&str]) -> Output {
    run_with(arguments, &[], "")
}

fn run_with(arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sidegate"))
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

#[track_caller]
pub(crate) fn told(output: &Output, exit: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(
        output.status.code(),
        Some(exit),
        "stdout: {out}\nstderr: {err}"
    );
    (out, err)
}

pub(crate) fn bundle(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    directory
}

pub(crate) fn text_of(path: &Path) -> &str {
    path.to_str().unwrap()
}

const FAULTY: &[(&str, &str)] = &[
    (
        "role.yaml",
        r#"apiVersion: sidegate.dev/v1alpha1
kind: IamRole
metadata: {name: reader}
spec:
  account: "210000000001"
  maxSesionDuration: 1h
  trustPolicy:
    Version: "2012-10-17"
    Statement:
      - Effect: allow
        Principal: {AWS: "*"}
        Action: "sts:AssumeRole"
  inlinePolicies:
    read:
      Version: "2012-10-17"
      Statement:
        - {Effect: Allow, Action: "led*:Read", Resource: "arn:aws:ledger:*:book/7"}
"#,
    ),
    (
        "policy.yaml",
        "apiVersion: sidegate.dev/v1alpha1\nkind: IamPolicy\nmetadata: {name: p}\nspec: {account: \"210000000001\", documentFile: p.json}\n",
    ),
    (
        "p.json",
        "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [],\n  \"Statement\": []\n}\n",
    ),
];

#[test]
fn a_faulty_bundle_is_told_whole() {
    let directory = bundle(FAULTY);
    let output = run(&["validate", text_of(directory.path())]);
    let (out, err) = told(&output, 3);
    insta::assert_snapshot!("validate_human", format!("{out}{err}"));

    let output = run(&["validate", text_of(directory.path()), "--format", "json"]);
    let (out, _) = told(&output, 3);
    let findings: serde_json::Value = serde_json::from_str(&out).unwrap();
    let findings = findings["findings"].as_array().unwrap();
    let places: Vec<String> = findings
        .iter()
        .map(|f| {
            format!(
                "{}:{}:{} {}",
                f["file"].as_str().unwrap(),
                f["line"],
                f["column"],
                f["rule"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            "p.json:4:3 DOC-2",
            "role.yaml:6:3 BND-3",
            "role.yaml:10:17 DOC-17",
            "role.yaml:17:35 ACT-2",
            "role.yaml:17:58 RES-7",
        ]
    );
    let output = run(&["validate", text_of(directory.path()), "--format", "sarif"]);
    let (out, _) = told(&output, 3);
    let sarif: serde_json::Value = serde_json::from_str(&out).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), places.len());
    let region = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(region["artifactLocation"]["uri"], "p.json");
    assert_eq!(region["region"]["startLine"], 4);
}

#[test]
fn a_good_bundle_is_valid_and_strict_minds_doubts() {
    let (out, err) = told(&run(&["validate", EXAMPLE, "--strict"]), 0);
    assert_eq!(out, "");
    assert!(
        err.starts_with("valid: 0 errors, 0 warnings; 7 files, 2 users, 2 roles"),
        "{err}"
    );
    let doubtful = bundle(&[(
        "user.yaml",
        "apiVersion: sidegate.dev/v1alpha1\nkind: IamUser\nmetadata: {name: ana}\nspec: {account: \"210000000001\", attachedPolicies: [nothing]}\n",
    )]);
    let (out, _) = told(&run(&["validate", text_of(doubtful.path())]), 0);
    assert!(
        out.contains("warning[BND-7]") && out.contains("user.yaml:4:"),
        "{out}"
    );
    told(&run(&["validate", text_of(doubtful.path()), "--strict"]), 3);
    told(&run(&["validate", "/nonexistent"]), 1);
}

#[test]
fn an_account_export_of_aws_is_a_bundle() {
    let document = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22orders%3AGet%2A%22%2C%22Resource%22%3A%22%2A%22%7D%5D%7D";
    let export = format!(
        r#"{{"UserDetailList":[{{"Path":"/","UserName":"ana","UserId":"AIDAEXAMPLEEXAMPLEEX","Arn":"arn:aws:iam::210000000001:user/ana",
        "CreateDate":"2026-01-01T00:00:00+00:00","UserPolicyList":[{{"PolicyName":"read","PolicyDocument":"{document}"}}],
        "GroupList":[],"AttachedManagedPolicies":[],"Tags":[{{"Key":"team","Value":"sales"}}]}}],
        "GroupDetailList":[],"RoleDetailList":[],"Policies":[]}}"#
    );
    let directory = bundle(&[("export.json", &export)]);
    let ask = |action: &str| {
        run(&[
            "simulate",
            "--bundle",
            text_of(directory.path()),
            "--principal",
            "arn:aws:iam::210000000001:user/ana",
            "--action",
            action,
            "--resource",
            "arn:aws:orders:eu-1:210000000001:order/7",
        ])
    };
    let (out, _) = told(&ask("orders:GetOrder"), 0);
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        answer["statements"][0],
        "arn:aws:iam::210000000001:user/ana/read.Statement[0]"
    );
    told(&ask("orders:DeleteOrder"), 4);
}

#[test]
fn one_question_is_answered_by_exit_status() {
    let ask = |arguments: &[&str]| {
        let mut all = vec!["simulate", "--bundle", EXAMPLE];
        all.extend(arguments);
        run(&all)
    };
    let clerk = "arn:aws:sts::210000000001:assumed-role/order-clerk/job";
    let order = ["--action", "orders:CreateOrder", "--principal", clerk];
    let (out, _) = told(&ask(&order), 0);
    assert_eq!(
        out,
        "{\"decision\":\"Allow\",\"reason\":\"allowed\",\"layer\":\"identity\",\"statements\":\
         [\"arn:aws:iam::210000000001:role/order-clerk/write-orders.Statement[0]\"]}\n"
    );
    let mut rushed = order.to_vec();
    rushed.extend(["--context", "orders:Priority=high"]);
    let (out, _) = told(&ask(&rushed), 4);
    assert!(
        out.contains("\"reason\":\"explicit_deny\",\"layer\":\"identity\""),
        "{out}"
    );
    // (arguments, exit)
    let cases: [(&[&str], i32); 5] = [
        (
            &[
                "--action",
                "orders:GetOrder",
                "--principal",
                "arn:aws:iam::210000000001:user/ben",
            ],
            4,
        ),
        (&["--action", "orders:GetOrder"], 4),
        (&[], 2),
        (&["--action", "orders:GetOrder", "--context", "nothing"], 2),
        (&["--action", "orders:GetOrder", "--time", "yesterday"], 2),
    ];
    for (arguments, exit) in cases {
        told(&ask(arguments), exit);
    }
    let faulty = bundle(FAULTY);
    told(
        &run(&[
            "simulate",
            "--bundle",
            text_of(faulty.path()),
            "--action",
            "a:B",
        ]),
        3,
    );
}

#[test]
fn cases_are_judged_line_by_line() {
    let case = r#"{"id":"c1","request":{"principal":"arn:aws:iam::210000000001:user/ana","action":"orders:GetOrder","resource":"arn:aws:orders:eu-1:210000000001:order/7","resourceAccount":"210000000001","context":{"aws:SourceIp":["192.0.2.7"]},"time":"2026-11-23T12:00:00Z"},"identityPolicies":[{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"orders:*","Resource":"*"}]}],"permissionsBoundaries":[],"sessionPolicies":[],"resourcePolicy":null}"#;
    let expected = "{\"id\":\"c1\",\"decision\":\"Allow\",\"reason\":\"allowed\",\"layer\":\"identity\",\"statements\":[\"identityPolicies[0].Statement[0]\"]}\n";
    let (out, _) = told(
        &run_with(&["simulate", "--cases", "-"], &[], &format!("{case}\n")),
        0,
    );
    assert_eq!(out, expected);
    let input = format!("{case}\n{{\"id\":7}}\n{case}");
    let (out, _) = told(&run_with(&["simulate", "--cases", "-"], &[], &input), 1);
    assert_eq!(
        out,
        format!("{expected}{{\"id\":7,\"error\":\"`request` is missing\"}}\n{expected}")
    );
    told(&run(&["simulate", "--cases", "/nonexistent"]), 1);
}

#[test]
fn the_settings_in_force_are_printed() {
    let variables = [
        ("SIDEGATE_DRAIN_MAX", "7s"),
        ("SIDEGATE_PORT", "tcp://10.0.0.1:9191"),
    ];
    let output = run_with(
        &["serve", "--print-config", "--bundle", "/b"],
        &variables,
        "",
    );
    let (out, _) = told(&output, 0);
    insta::assert_snapshot!("print_config", out);
    let file = bundle(&[("sidegate.yaml", &out)]);
    let path = file.path().join("sidegate.yaml");
    let again = run(&["serve", "--print-config", "--config", text_of(&path)]);
    assert_eq!(told(&again, 0).0, out, "what is printed can be read");

    let faulty = bundle(&[("sidegate.yaml", "decisions:\n  adress: x\n  address: y\n")]);
    let path = faulty.path().join("sidegate.yaml");
    let (_, err) = told(
        &run(&["serve", "--config", text_of(&path), "--bundle", "/b"]),
        2,
    );
    assert!(
        err.contains("error[CFG-2]: there is no setting `decisions.adress`"),
        "{err}"
    );
    let (_, err) = told(&run(&["serve"]), 2);
    assert!(err.contains("no bundle is given"), "{err}");
}

#[test]
fn help_is_stable() {
    for command in ["", "serve", "validate", "simulate", "test", "healthcheck"] {
        let mut arguments: Vec<&str> = [command].into_iter().filter(|c| !c.is_empty()).collect();
        arguments.push("--help");
        let (out, _) = told(&run(&arguments), 0);
        insta::assert_snapshot!(format!("help_{command}"), out);
    }
    told(&run(&["serve", "--nonsense"]), 2);
    told(&run(&[]), 2);
}
