//! `sidegate test`, and the explanations that help when one fails.

use crate::cli::{EXAMPLE, bundle, run, text_of, told};

const POLICIES: (&str, &str) = (
    "bundle.yaml",
    r#"
apiVersion: sidegate.dev/v1alpha1
kind: IamUser
metadata: {name: ana}
spec:
  account: "210000000001"
  inlinePolicies:
    files:
      Version: "2012-10-17"
      Statement:
        - {Sid: Read, Effect: Allow, Action: "files:Get*", Resource: "*"}
        - {Sid: Small, Effect: Allow, Action: "files:Put", Resource: "*", Condition: {NumericLessThan: {"files:Size": "10"}}}
        - {Sid: NotSealed, Effect: Deny, Action: "*", Resource: "arn:aws:files:::sealed/*"}
"#,
);

const FAILING: (&str, &str) = (
    "files_test.yaml",
    r#"
apiVersion: sidegate.dev/v1alpha1
kind: PolicyTest
metadata: {name: files}
spec:
  time: "2030-01-01T12:00:00Z"
  cases:
    - name: reading
      principal: arn:aws:iam::210000000001:user/ana
      actions: [files:GetBook, files:GetShelf]
      resource: arn:aws:files:::a/b
      resourceAccount: "210000000001"
      expect: {decision: Allow, statement: Read}
    - name: writing <& more>
      principals: [arn:aws:iam::210000000001:user/ana, anonymous]
      action: files:Put
      resources: [arn:aws:files:::a/b, arn:aws:files:::sealed/b]
      resourceAccount: "210000000001"
      context: {files:Size: "7"}
      expect: {decision: Allow, statement: Small}
    - name: what nobody could find out
      principal: arn:aws:iam::210000000001:user/ana
      action: files:Put
      resource: arn:aws:files:::a/b
      resourceAccount: "210000000001"
      unknown: [files:Size]
      expect: {decision: Deny, reason: explicit_deny}
"#,
);

#[test]
fn the_tests_of_the_example_pass() {
    let (out, err) = told(&run(&["test", EXAMPLE, "--coverage"]), 0);
    insta::assert_snapshot!("test_example", out);
    assert_eq!(err, "");
    let (out, _) = told(&run(&["test", EXAMPLE, "--filter", "invoices"]), 0);
    assert!(out.contains("1 passed, 0 failed"), "{out}");
}

#[test]
fn a_test_that_fails_says_how() {
    let directory = bundle(&[POLICIES, FAILING]);
    let (out, _) = told(&run(&["test", text_of(directory.path())]), 4);
    insta::assert_snapshot!("test_failing", out);
    let junit = run(&["test", text_of(directory.path()), "--format", "junit"]);
    let (out, _) = told(&junit, 4);
    insta::assert_snapshot!("test_junit", out);
}

#[test]
fn tests_that_test_nothing_fail() {
    let directory = bundle(&[POLICIES]);
    let (_, err) = told(&run(&["test", text_of(directory.path())]), 1);
    assert!(err.contains("no case was run"), "{err}");
    let directory = bundle(&[POLICIES, FAILING]);
    let path = text_of(directory.path());
    told(&run(&["test", path, "--filter", "no such case"]), 1);
    // A file that cannot be read is no test that passes.
    let faults = [
        (
            "expect: {decision: Deny, reason: explicit_deny}",
            "expect: {decision: deny}",
        ),
        (
            "      unknown: [files:Size]\n",
            "      unknwon: [files:Size]\n",
        ),
        ("kind: PolicyTest", "kind: PolicyTests"),
        (
            "      action: files:Put\n      resource: arn:aws:files:::a/b\n",
            "",
        ),
    ];
    for (from, to) in faults {
        let text = FAILING.1.replace(from, to);
        assert_ne!(text, FAILING.1, "{from}");
        let directory = bundle(&[POLICIES, ("files_test.yaml", &text)]);
        let (_, err) = told(&run(&["test", text_of(directory.path())]), 3);
        assert!(err.contains("files_test.yaml:"), "{to}: {err}");
    }
}

#[test]
fn enough_statements_have_to_be_reached() {
    for (percent, exit) in [("71", 0), ("72", 4)] {
        let arguments = ["test", EXAMPLE, "--require-coverage", percent];
        told(&run(&arguments), exit);
    }
    told(&run(&["test", EXAMPLE, "--require-coverage", "101"]), 2);
}

#[test]
fn an_answer_is_explained() {
    let directory = bundle(&[POLICIES]);
    let ask = |context: &str, exit| {
        let arguments = [
            "simulate",
            "--bundle",
            text_of(directory.path()),
            "--principal",
            "arn:aws:iam::210000000001:user/ana",
            "--action",
            "files:Put",
            "--resource",
            "arn:aws:files:eu-1:210000000001:a/b",
            "--context",
            context,
            "--explain",
        ];
        told(&run(&arguments), exit).0
    };
    insta::assert_snapshot!("explain_allowed", ask("files:Size=7", 0));
    insta::assert_snapshot!("explain_denied", ask("files:Size=many", 4));
}
