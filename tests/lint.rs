//! What is said of policies that are well-formed and doubtful all the same.

use sidegate::loader::reload::compile;
use sidegate::loader::source::{File, Files};
use sidegate::model::Timestamp;

const NOW: Timestamp = Timestamp::from_seconds(1_893_456_000);

const SERVICE: &str = r#"
apiVersion: sidegate.dev/v1alpha1
kind: IamService
metadata: {name: files}
spec:
  prefix: files
  account: "210000000001"
  actions: [GetBook, PutBook, ListShelves]
  resources:
    shelf: {arn: "arn:aws:files:::${Shelf}", policy: own}
    book: {arn: "arn:aws:files:::${Shelf}/${Book}", policy: shelf}
  routes:
    - {match: "GET /all", action: "files:ListAll"}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamService
metadata: {name: jobs}
spec:
  prefix: jobs
  account: "210000000001"
  actions: [Start]
  resources:
    run: {arn: "arn:aws:jobs:eu-1:210000000001:run/${Run}"}
"#;

/// The warnings about a bundle, as `RULE`, and the whole text of each.
#[track_caller]
fn warnings(text: &str) -> Vec<(String, String)> {
    let files = Files::new(vec![File {
        path: "bundle.yaml".to_owned(),
        bytes: text.as_bytes().to_vec(),
    }]);
    let loaded = compile(&files, "test", NOW).unwrap_or_else(|findings| {
        let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
        panic!("{}\n{text}", texts.join("\n"));
    });
    let found = loaded.warnings.iter();
    found
        .map(|finding| (finding.rule.to_owned(), finding.to_string()))
        .collect()
}

fn identity(statements: &str) -> String {
    format!(
        "{SERVICE}---\napiVersion: sidegate.dev/v1alpha1\nkind: IamUser\nmetadata: {{name: ana}}\nspec:\n  \
         account: \"210000000001\"\n  inlinePolicies:\n    p: {{Version: \"2012-10-17\", Statement: [{statements}]}}\n"
    )
}

fn record(statement: &str) -> String {
    format!(
        "{SERVICE}---\napiVersion: sidegate.dev/v1alpha1\nkind: IamResource\nmetadata: {{name: r}}\nspec:\n  \
         arn: \"arn:aws:files:::a\"\n  account: \"210000000001\"\n  policy: {{Version: \"2012-10-17\", Statement: {statement}}}\n"
    )
}

#[track_caller]
fn check(cases: &[(&str, &str)], wrap: fn(&str) -> String) {
    for (statements, expected) in cases {
        let found = warnings(&wrap(statements));
        let rules: Vec<&str> = found.iter().map(|(rule, _)| rule.as_str()).collect();
        assert_eq!(rules.join(" "), *expected, "{statements}: {found:#?}");
    }
}

#[test]
fn identity_policies() {
    const GET: &str =
        r#"{Effect: Allow, Action: "files:GetBook", Resource: "arn:aws:files:::a/b"}"#;
    let twice = format!("{GET}, {GET}");
    let within = format!(r#"{GET}, {{Effect: Allow, Action: "files:Get*", Resource: "*"}}"#);
    let apart = format!(
        r#"{GET}, {{Effect: Allow, Action: "files:Get*", Resource: "*", Condition: {{Bool: {{"aws:SecureTransport": true}}}}}}"#
    );
    let opposed = format!(r#"{GET}, {{Effect: Deny, Action: "files:*", Resource: "*"}}"#);
    check(
        &[
            (GET, ""),
            // ACT-4
            (
                r#"{Effect: Allow, NotAction: "files:PutBook", Resource: "*"}"#,
                "ACT-4",
            ),
            (
                r#"{Effect: Deny, NotAction: "files:PutBook", Resource: "*"}"#,
                "",
            ),
            // ACT-5: an action without resource on a resource; another service's resource.
            (
                r#"{Effect: Allow, Action: "files:ListAll", Resource: "arn:aws:files:::a/b"}"#,
                "ACT-5",
            ),
            (
                r#"{Effect: Allow, Action: "files:ListAll", Resource: "*"}"#,
                "",
            ),
            (
                r#"{Effect: Allow, Action: "files:GetBook", Resource: "arn:aws:shelves:::a/b"}"#,
                "ACT-5",
            ),
            (
                r#"{Effect: Allow, Action: ["files:GetBook", "other:Get"], Resource: "arn:aws:shelves:::a/b"}"#,
                "",
            ),
            // ACT-7
            (
                r#"{Effect: Allow, Action: "files:GetBok", Resource: "*"}"#,
                "ACT-7",
            ),
            (
                r#"{Effect: Allow, Action: "files:Delete*", Resource: "*"}"#,
                "ACT-7",
            ),
            (
                r#"{Effect: Allow, Action: "files:getbook", Resource: "*"}"#,
                "",
            ),
            (
                r#"{Effect: Allow, Action: "unheard:Of", Resource: "*"}"#,
                "",
            ),
            // LNT-5
            (
                r#"{Effect: Allow, Action: "jobs:Start", Resource: "arn:aws:jobs:*:*:rum/*"}"#,
                "LNT-5",
            ),
            (
                r#"{Effect: Deny, Action: "jobs:Start", NotResource: "arn:aws:jobs:*:*:rum/1"}"#,
                "LNT-5",
            ),
            (
                r#"{Effect: Allow, Action: "jobs:Start", Resource: "arn:aws:jobs:*:*:run/*"}"#,
                "",
            ),
            (
                r#"{Effect: Allow, Action: "jobs:Start", Resource: "arn:aws:jobs:*:*:*/7"}"#,
                "RES-5",
            ),
            (
                r#"{Effect: Allow, Action: "jobs:Start", Resource: "arn:aws:jobs:*:*:run/1/step"}"#,
                "",
            ),
            (
                r#"{Effect: Allow, Action: "jobs:Start", Resource: "arn:aws:jobs:*:*:ru${aws:username, 'x'}/?"}"#,
                "",
            ),
            (
                r#"{Effect: Allow, Action: "jobs:Start", Resource: "arn:aws:jobs:*:*:run"}"#,
                "LNT-5",
            ),
            // LNT-2: whoever may pass or assume any role.
            (
                r#"{Effect: Allow, Action: "iam:PassRole", Resource: "*"}"#,
                "LNT-2",
            ),
            (
                r#"{Effect: Allow, Action: "sts:*", Resource: "arn:aws:iam::210000000001:role/*"}"#,
                "LNT-2",
            ),
            (
                r#"{Effect: Allow, Action: "iam:PassRole", Resource: "*", Condition: {StringEquals: {"iam:PassedToService": x.example.com}}}"#,
                "",
            ),
            (
                r#"{Effect: Allow, Action: "iam:PassRole", Resource: "arn:aws:iam::210000000001:role/jobs"}"#,
                "",
            ),
            (
                r#"{Effect: Deny, Action: "iam:PassRole", Resource: "*"}"#,
                "",
            ),
            // LNT-3: absent and equal to something.
            (
                r#"{Effect: Allow, Action: "files:GetBook", Resource: "*", Condition: {"Null": {"aws:PrincipalTag/t": true}, StringEquals: {"aws:PrincipalTag/t": x}}}"#,
                "LNT-3",
            ),
            (
                r#"{Effect: Allow, Action: "files:GetBook", Resource: "*", Condition: {"Null": {"aws:PrincipalTag/t": true}, StringEqualsIfExists: {"aws:PrincipalTag/t": x}}}"#,
                "",
            ),
            (
                r#"{Effect: Allow, Action: "files:GetBook", Resource: "*", Condition: {"Null": {"aws:PrincipalTag/t": true}, StringNotEquals: {"aws:PrincipalTag/t": x}}}"#,
                "",
            ),
            // LNT-4: said already.
            (&twice, "LNT-4"),
            (&within, "LNT-4"),
            (&apart, ""),
            (&opposed, ""),
            // VAR-10
            (
                r#"{Effect: Deny, Action: "files:GetBook", NotResource: "arn:aws:files:::home/${aws:username}"}"#,
                "VAR-10",
            ),
            (
                r#"{Effect: Deny, Action: "files:GetBook", NotResource: "arn:aws:files:::home/${aws:username, 'none'}"}"#,
                "",
            ),
            (
                r#"{Effect: Deny, Action: "files:GetBook", Resource: "*", Condition: {StringNotEquals: {"aws:PrincipalTag/t": "${aws:username}"}}}"#,
                "VAR-10",
            ),
            (
                r#"{Effect: Allow, Action: "files:GetBook", Resource: "arn:aws:files:::home/${aws:username}"}"#,
                "",
            ),
        ],
        identity,
    );
}

#[test]
fn resource_policies() {
    check(
        &[
            (
                r#"{Effect: Allow, Principal: {AWS: "210000000001"}, Action: "files:GetBook"}"#,
                "",
            ),
            // LNT-1
            (
                r#"{Effect: Allow, Principal: "*", Action: "files:GetBook"}"#,
                "LNT-1",
            ),
            (
                r#"{Effect: Allow, Principal: {AWS: "*"}, Action: "files:GetBook"}"#,
                "LNT-1",
            ),
            (
                r#"{Effect: Deny, Principal: "*", Action: "files:GetBook"}"#,
                "",
            ),
            (
                r#"{Effect: Allow, Principal: "*", Action: "files:GetBook", Condition: {StringEquals: {"aws:PrincipalOrgID": o-1}}}"#,
                "",
            ),
            // EV-35
            (
                r#"{Effect: Allow, Principal: {Service: jobs.example.com}, Action: "files:GetBook"}"#,
                "EV-35",
            ),
            (
                r#"{Effect: Allow, Principal: {Service: jobs.example.com}, Action: "files:GetBook", Condition: {StringEquals: {"aws:SourceAccount": "210000000001"}}}"#,
                "",
            ),
            (
                r#"{Effect: Deny, Principal: {Service: jobs.example.com}, Action: "files:GetBook"}"#,
                "",
            ),
            // PRI-10
            (
                r#"{Effect: Allow, Principal: {AWS: "arn:aws-cn:iam::210000000001:user/ana"}, Action: "files:GetBook"}"#,
                "PRI-10",
            ),
            (
                r#"{Effect: Allow, Principal: {AWS: "arn:aws-cn:iam::210000000001:root"}, Action: "files:GetBook"}"#,
                "PRI-10",
            ),
        ],
        record,
    );
}

#[test]
fn a_record_that_says_little_may_hide_one_that_says_more() {
    // LNT-6
    let wide = record(r#"{Effect: Deny, Principal: "*", Action: "files:*"}"#)
        .replace("arn:aws:files:::a", "arn:aws:files:::a*");
    let narrow = |arn: &str| {
        let text = format!(
            "{wide}---\napiVersion: sidegate.dev/v1alpha1\nkind: IamResource\nmetadata: {{name: n}}\nspec: {{arn: \"{arn}\", account: \"210000000001\", tags: {{team: x}}}}\n"
        );
        let found = warnings(&text);
        found.into_iter().map(|(rule, _)| rule).collect::<Vec<_>>()
    };
    assert_eq!(narrow("arn:aws:files:::ab"), ["RES-5", "LNT-6"]);
    assert_eq!(narrow("arn:aws:files:::ab*"), ["RES-5", "LNT-6", "RES-5"]);
    assert_eq!(narrow("arn:aws:files:::b"), ["RES-5"]);
    assert_eq!(narrow("arn:aws:jobs:eu-1:210000000001:run/ab"), ["RES-5"]);
}

#[test]
fn what_is_near_is_offered() {
    let found = warnings(&identity(
        r#"{Effect: Allow, Action: "files:GetBok", Resource: "*"}"#,
    ));
    let [(_, text)] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert!(text.contains("is `files:getbook` meant?"), "{text}");
}

#[test]
fn what_aws_would_not_store_is_told_and_taken() {
    // LIM-1, LIM-2 and LIM-3: white space does not count.
    let long = |count: usize| {
        let names: Vec<String> = (0..count)
            .map(|at| format!(r#""arn:aws:files:::s/{at:04}""#))
            .collect();
        identity(&format!(
            r#"{{Effect: Allow, Action: "files:GetBook", Resource: [{}]}}"#,
            names.join(",      ")
        ))
    };
    assert_eq!(warnings(&long(60)), []);
    let found = warnings(&long(90));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].1.contains("LIM-3"), "{found:?}");
}

#[test]
fn a_pattern_of_service_accounts_ends_within_its_namespace() {
    // K8S-05
    let trust = |sub: &str| {
        let text = format!(
            "apiVersion: sidegate.dev/v1alpha1\nkind: IamRole\nmetadata: {{name: r}}\nspec:\n  \
             account: \"210000000001\"\n  trustPolicy:\n    Version: \"2012-10-17\"\n    Statement:\n      \
             - {{Effect: Allow, Principal: {{Federated: \"arn:aws:iam::210000000001:oidc-provider/c.test\"}}, \
             Action: \"sts:AssumeRoleWithWebIdentity\", Condition: {{StringLike: {{\"c.test:sub\": \"{sub}\"}}}}}}\n"
        );
        let found = warnings(&text);
        found.iter().any(|(rule, _)| rule == "K8S-05")
    };
    let cases = [
        ("system:serviceaccount:shop:*", false),
        ("system:serviceaccount:shop:cart-?", false),
        ("repo:acme/*", false),
        ("system:serviceaccount:shop*", true),
        ("system:serviceaccount:*:cart", true),
        ("system:serviceaccount:?:cart", true),
        ("system:*", true),
    ];
    for (sub, doubtful) in cases {
        assert_eq!(trust(sub), doubtful, "{sub}");
    }
}
