//! Organizations, records of resources, access control lists and endpoints, as a bundle has them:
//! from the files to the answer.

use sidegate::loader::reload::compile;
use sidegate::loader::source::{File, Files};
use sidegate::model::{Body, Headers, HttpCall, Peer, Protocol, Timestamp};
use sidegate::pdp::{Asker, Pair, Pdp, Question, Verdict};
use sidegate::snapshot::{Snapshot, Store};
use sidegate::telemetry::Metrics;
use std::sync::Arc;

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_893_456_000);

fn files(texts: &[(&str, &str)]) -> Files {
    let entries = texts.iter().map(|(path, text)| File {
        path: (*path).to_owned(),
        bytes: text.as_bytes().to_vec(),
    });
    Files::new(entries.collect())
}

#[track_caller]
pub(crate) fn snapshot(text: &str) -> Snapshot {
    let loaded = compile(&files(&[("bundle.yaml", text)]), "test", NOW);
    let loaded = loaded.unwrap_or_else(|findings| {
        let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
        panic!("{}", texts.join("\n"));
    });
    loaded.snapshot
}

/// The rules of all findings.
pub(crate) fn rules(text: &str) -> Vec<String> {
    let findings = match compile(&files(&[("bundle.yaml", text)]), "test", NOW) {
        Ok(loaded) => loaded.warnings,
        Err(findings) => findings,
    };
    findings
        .iter()
        .map(|finding| format!("{} {}", finding.severity.label(), finding.rule))
        .collect()
}

pub(crate) fn question(who: &str, action: &str, resource: &str) -> Question {
    let asker = match who {
        "anonymous" => Asker::Anonymous,
        name if name.starts_with("2100") => Asker::Named(format!("arn:aws:iam::{name}")),
        name => Asker::Named(name.to_owned()),
    };
    Question::of(asker, action, resource)
}

/// Decision or reason, with the layer.
pub(crate) fn answer(snapshot: &Snapshot, question: &Question) -> String {
    let outcome = Pdp::answer(snapshot, question, NOW);
    match outcome.verdict {
        Verdict::Allow(permit) => format!("allowed {}", permit.layer()),
        Verdict::Refuse(refusal) => format!("{} {}", refusal.reason(), refusal.layer_label()),
    }
}

#[track_caller]
pub(crate) fn check(snapshot: &Snapshot, cases: &[(&str, &str, &str, &str)]) {
    for (who, action, resource, expected) in cases {
        let got = answer(snapshot, &question(who, action, resource));
        assert_eq!(got, *expected, "{who} {action} on {resource}");
    }
}

/// Users of three accounts that may do everything as far as their own policies go.
const PEOPLE: &str = r#"
apiVersion: sidegate.dev/v1alpha1
kind: IamUser
metadata: {name: ana}
spec:
  account: "210000000001"
  inlinePolicies:
    all: {Version: "2012-10-17", Statement: {Effect: Allow, Action: "*", Resource: "*"}}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamUser
metadata: {name: ben}
spec:
  account: "210000000002"
  inlinePolicies:
    all: {Version: "2012-10-17", Statement: {Effect: Allow, Action: "*", Resource: "*"}}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamUser
metadata: {name: boss}
spec:
  account: "210000000009"
  inlinePolicies:
    all: {Version: "2012-10-17", Statement: {Effect: Allow, Action: "*", Resource: "*"}}
---
"#;

/// A service with shelves and books, where a shelf speaks for its books.
const FILES: &str = r#"
apiVersion: sidegate.dev/v1alpha1
kind: IamService
metadata: {name: files}
spec:
  prefix: files
  account: "210000000002"
  logDelivery: logs.example.com
  noPermission: [WhoAmI]
  actions: [Get, Put, List, GetAcl]
  resources:
    shelf:
      arn: "arn:aws:files:::${Shelf}"
      policy: own
      acl: {READ: ["files:List"], WRITE: ["files:Put"], READ_ACP: ["files:GetAcl"]}
    book:
      arn: "arn:aws:files:::${Shelf}/${Book}"
      policy: shelf
      acl: {READ: ["files:Get"]}
    key: {arn: "arn:aws:files:::key:${Id}", policy: own, delegation: explicit}
    memo: {arn: "arn:aws:files:::memo:${Id}", resourceControlPolicies: ignore}
---
"#;

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one organization, tried from every account"
)]
fn an_organization_limits_its_members_and_not_its_management() {
    // TRAP-60, RCP-3
    let organization = r#"
apiVersion: sidegate.dev/v1alpha1
kind: IamOrganization
metadata: {name: acme}
spec:
  id: o-acme
  managementAccount: "210000000009"
  root:
    id: r-1
    serviceControlPolicies: [FullAWSAccess]
    accounts: [{id: "210000000009"}]
    units:
      - id: ou-1-shop
        serviceControlPolicies: [FullAWSAccess, no-jobs]
        resourceControlPolicies: [own-callers]
        accounts:
          - {id: "210000000001", serviceControlPolicies: [only-files]}
          - {id: "210000000002"}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamPolicy
metadata: {name: no-jobs}
spec:
  account: "210000000009"
  type: ServiceControl
  document: {Version: "2012-10-17", Statement: {Effect: Deny, Action: "jobs:*", Resource: "*"}}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamPolicy
metadata: {name: only-files}
spec:
  account: "210000000009"
  type: ServiceControl
  document: {Version: "2012-10-17", Statement: {Effect: Allow, Action: "files:*", Resource: "*"}}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamPolicy
metadata: {name: own-callers}
spec:
  account: "210000000009"
  type: ResourceControl
  document:
    Version: "2012-10-17"
    Statement:
      Effect: Deny
      Principal: "*"
      Action: "files:*"
      Resource: "*"
      Condition: {StringNotEquals: {"aws:PrincipalOrgID": o-acme}}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamResource
metadata: {name: open}
spec:
  arn: "arn:aws:files:::open"
  account: "210000000002"
  policy:
    Version: "2012-10-17"
    Statement: {Effect: Allow, Principal: "*", Action: "files:*"}
"#;
    let snapshot = snapshot(&format!("{PEOPLE}{FILES}{organization}"));
    let (ana, ben, boss) = (
        "210000000001:user/ana",
        "210000000002:user/ben",
        "210000000009:user/boss",
    );
    check(
        &snapshot,
        &[
            (
                ana,
                "files:List",
                "arn:aws:files:::open",
                "allowed identity",
            ),
            (
                ana,
                "ledger:Read",
                "arn:aws:ledger::210000000001:book",
                "implicit_deny scp",
            ),
            (
                ben,
                "ledger:Read",
                "arn:aws:ledger::210000000002:book",
                "allowed identity",
            ),
            (
                ben,
                "jobs:Start",
                "arn:aws:jobs::210000000002:run",
                "explicit_deny scp",
            ),
            (
                boss,
                "jobs:Start",
                "arn:aws:jobs::210000000009:run",
                "allowed identity",
            ),
            (
                "210000000002:root",
                "jobs:Start",
                "arn:aws:jobs::210000000002:run",
                "explicit_deny scp",
            ),
            (
                "anonymous",
                "files:List",
                "arn:aws:files:::open",
                "explicit_deny rcp",
            ),
            (
                "jobs.example.com",
                "files:List",
                "arn:aws:files:::open",
                "explicit_deny rcp",
            ),
        ],
    );
    let place = snapshot
        .policies
        .membership("210000000001".parse_account())
        .unwrap();
    assert_eq!(&*place.path, "o-acme/r-1/ou-1-shop/", "KEY-9");
    let ids: Vec<&str> = place.scp.iter().flatten().map(|level| &*level.id).collect();
    assert_eq!(ids, ["r-1", "ou-1-shop", "210000000001"], "SCP-1");
}

trait ParseAccount {
    fn parse_account(&self) -> sidegate::model::AccountId;
}

impl ParseAccount for str {
    fn parse_account(&self) -> sidegate::model::AccountId {
        sidegate::model::AccountId::parse(self).unwrap()
    }
}

#[test]
fn a_limit_that_leads_nowhere_denies() {
    let organization = |node: &str| {
        format!(
            "{PEOPLE}\napiVersion: sidegate.dev/v1alpha1\nkind: IamOrganization\nmetadata: {{name: acme}}\n\
             spec:\n  id: o-acme\n  managementAccount: \"210000000009\"\n  root: {{id: r-1, accounts: [{{id: \"210000000001\", {node}}}]}}\n"
        )
    };
    // (the account's node, answer, finding)
    let cases = [
        ("", "allowed identity", None),
        ("serviceControlPolicies: []", "implicit_deny scp", None),
        (
            "serviceControlPolicies: [FullAWSAccess]",
            "allowed identity",
            None,
        ),
        (
            "serviceControlPolicies: [FullAWSAccess, nothing]",
            "explicit_deny scp",
            Some("warning BND-7"),
        ),
        (
            "resourceControlPolicies: [nothing]",
            "explicit_deny rcp",
            Some("warning BND-7"),
        ),
    ];
    for (node, expected, finding) in cases {
        let text = organization(node).replace(", }", "}");
        let asked = question("210000000001:user/ana", "x:Y", "arn:aws:x::210000000001:z");
        assert_eq!(answer(&snapshot(&text), &asked), expected, "{node}");
        assert_eq!(
            rules(&text),
            finding.into_iter().collect::<Vec<_>>(),
            "{node}"
        );
    }
    let disabled = organization("serviceControlPolicies: []")
        .replace("  root:", "  serviceControlPolicies: disabled\n  root:");
    let asked = question("210000000001:user/ana", "x:Y", "arn:aws:x::210000000001:z");
    assert_eq!(
        answer(&snapshot(&disabled), &asked),
        "allowed identity",
        "SCP-4"
    );
}

#[test]
fn a_shelf_speaks_for_its_books() {
    // GEN-8
    let records = r#"
apiVersion: sidegate.dev/v1alpha1
kind: IamResource
metadata: {name: shelf}
spec:
  arn: "arn:aws:files:::novels"
  account: "210000000002"
  tags: {team: red}
  policy:
    Version: "2012-10-17"
    Statement:
      - {Effect: Allow, Principal: {AWS: "210000000001"}, Action: "files:Get", Resource: "arn:aws:files:::novels/*"}
      - {Effect: Allow, Principal: "*", Action: "files:List", Resource: "arn:aws:files:::novels"}
      - {Effect: Deny, Principal: "*", Action: "files:*", Resource: "arn:aws:files:::novels/secret*"}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamResource
metadata: {name: book}
spec:
  arn: "arn:aws:files:::novels/tagged"
  account: "210000000002"
  tags: {owner: ana}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamResource
metadata: {name: shelves}
spec:
  arn: "arn:aws:files:::pub-*"
  account: "210000000002"
  policy: {Version: "2012-10-17", Statement: {Effect: Allow, Principal: "*", Action: "files:*"}}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamResource
metadata: {name: one-shelf}
spec:
  arn: "arn:aws:files:::pub-private"
  account: "210000000002"
---
apiVersion: sidegate.dev/v1alpha1
kind: IamUser
metadata: {name: cia}
spec:
  account: "210000000002"
  inlinePolicies:
    own:
      Version: "2012-10-17"
      Statement:
        Effect: Allow
        Action: "files:Put"
        Resource: "*"
        Condition: {StringEquals: {"aws:ResourceTag/owner": ana}}
    untagged:
      Version: "2012-10-17"
      Statement:
        Effect: Allow
        Action: "files:Burn"
        Resource: "*"
        Condition: {"Null": {"aws:ResourceTag/owner": "true"}}
"#;
    let snapshot = snapshot(&format!("{PEOPLE}{FILES}{records}"));
    let (ana, ben, cia) = (
        "210000000001:user/ana",
        "210000000002:user/ben",
        "210000000002:user/cia",
    );
    check(
        &snapshot,
        &[
            (
                ana,
                "files:Get",
                "arn:aws:files:::novels/emma",
                "allowed identity",
            ),
            (
                ana,
                "files:Get",
                "arn:aws:files:::other/emma",
                "implicit_deny resource",
            ),
            (
                ana,
                "files:Put",
                "arn:aws:files:::novels/emma",
                "implicit_deny resource",
            ),
            (
                "anonymous",
                "files:List",
                "arn:aws:files:::novels",
                "allowed resource",
            ),
            (
                "anonymous",
                "files:Get",
                "arn:aws:files:::novels/emma",
                "implicit_deny resource",
            ),
            (
                ben,
                "files:Get",
                "arn:aws:files:::novels/secret-1",
                "explicit_deny resource",
            ),
            (
                "anonymous",
                "files:List",
                "arn:aws:files:::pub-1",
                "allowed resource",
            ),
            (
                "anonymous",
                "files:Get",
                "arn:aws:files:::pub-1/x",
                "allowed resource",
            ),
            (
                "anonymous",
                "files:List",
                "arn:aws:files:::pub-private",
                "implicit_deny resource",
            ),
            // Tags are those of the resource itself, and where nobody recorded any they are unknown.
            (
                cia,
                "files:Put",
                "arn:aws:files:::novels/tagged",
                "allowed identity",
            ),
            (
                cia,
                "files:Put",
                "arn:aws:files:::novels/emma",
                "implicit_deny identity",
            ),
            (
                cia,
                "files:Burn",
                "arn:aws:files:::novels/emma",
                "implicit_deny identity",
            ),
            (
                cia,
                "files:Burn",
                "arn:aws:files:::novels",
                "allowed identity",
            ),
            // EV-6, and an action without resource is the caller's own.
            (cia, "files:WhoAmI", "*", "allowed identity"),
            ("anonymous", "files:WhoAmI", "*", "implicit_deny resource"),
        ],
    );
    // ARN-9: the record says who owns it.
    let mut asked = question(ana, "files:Get", "arn:aws:files:::novels/tagged");
    asked.pair.resource_account = Some("210000000001".into());
    assert_eq!(answer(&snapshot, &asked), "error ");
}

#[test]
fn a_resource_that_says_so_has_to_let_its_account_in() {
    let records = r#"
apiVersion: sidegate.dev/v1alpha1
kind: IamResource
metadata: {name: open-key}
spec:
  arn: "arn:aws:files:::key:1"
  account: "210000000002"
  policy: {Version: "2012-10-17", Statement: {Effect: Allow, Principal: {AWS: "210000000002"}, Action: "*"}}
"#;
    let snapshot = snapshot(&format!("{PEOPLE}{FILES}{records}"));
    check(
        &snapshot,
        &[
            (
                "210000000002:user/ben",
                "files:Use",
                "arn:aws:files:::key:1",
                "allowed identity",
            ),
            (
                "210000000002:user/ben",
                "files:Use",
                "arn:aws:files:::key:2",
                "implicit_deny resource",
            ),
            (
                "210000000002:root",
                "files:Use",
                "arn:aws:files:::key:2",
                "implicit_deny resource",
            ),
            (
                "210000000002:user/ben",
                "files:Use",
                "arn:aws:files:::memo:2",
                "allowed identity",
            ),
        ],
    );
}

#[test]
fn an_access_control_list_grants_to_other_accounts_alone() {
    // TRAP-66; rows 26 and 27 of EV-39.
    let records = r#"
apiVersion: sidegate.dev/v1alpha1
kind: IamUser
metadata: {name: dan}
spec: {account: "210000000002"}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamResource
metadata: {name: shelf}
spec:
  arn: "arn:aws:files:::novels"
  account: "210000000002"
  acl:
    grants:
      - {group: AllUsers, permission: READ}
      - {account: "210000000001", permission: FULL_CONTROL}
      - {group: AuthenticatedUsers, permission: READ_ACP}
      - {group: LogDelivery, permission: WRITE}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamResource
metadata: {name: off}
spec:
  arn: "arn:aws:files:::off"
  account: "210000000002"
  acl: {disabled: true, grants: [{group: AllUsers, permission: READ}]}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamResource
metadata: {name: denied}
spec:
  arn: "arn:aws:files:::denied"
  account: "210000000002"
  acl: {grants: [{group: AllUsers, permission: READ}]}
  policy: {Version: "2012-10-17", Statement: {Effect: Deny, Principal: "*", Action: "*"}}
"#;
    let snapshot = snapshot(&format!("{PEOPLE}{FILES}{records}"));
    let shelf = "arn:aws:files:::novels";
    let (ana, boss) = ("210000000001:user/ana", "210000000009:user/boss");
    check(
        &snapshot,
        &[
            ("anonymous", "files:List", shelf, "allowed resource"),
            ("anonymous", "files:Put", shelf, "implicit_deny resource"),
            ("anonymous", "files:GetAcl", shelf, "implicit_deny resource"),
            (ana, "files:Put", shelf, "allowed identity"),
            (boss, "files:Put", shelf, "implicit_deny resource"),
            (boss, "files:GetAcl", shelf, "allowed identity"),
            ("logs.example.com", "files:Put", shelf, "allowed resource"),
            (
                "jobs.example.com",
                "files:Put",
                shelf,
                "implicit_deny resource",
            ),
            // EV-35: everyone is not every service.
            (
                "jobs.example.com",
                "files:List",
                shelf,
                "implicit_deny resource",
            ),
            // ACL-3.
            (
                "210000000002:user/dan",
                "files:List",
                shelf,
                "implicit_deny identity",
            ),
            // ACL-6, ACL-5.
            (
                "anonymous",
                "files:List",
                "arn:aws:files:::off",
                "implicit_deny resource",
            ),
            (
                "anonymous",
                "files:List",
                "arn:aws:files:::denied",
                "explicit_deny resource",
            ),
        ],
    );
}

#[test]
fn an_endpoint_is_a_gate_for_whoever_comes_through_it() {
    // EV-14, EV-36
    let records = r#"
apiVersion: sidegate.dev/v1alpha1
kind: IamResource
metadata: {name: endpoint}
spec:
  arn: "arn:aws:ec2:eu-1:210000000001:vpc-endpoint/vpce-1"
  account: "210000000001"
  endpoint:
    id: vpce-1
    vpc: vpc-1
    policy: {Version: "2012-10-17", Statement: {Effect: Allow, Principal: "*", Action: "files:Get", Resource: "*"}}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamUser
metadata: {name: eve}
spec:
  account: "210000000001"
  inlinePolicies:
    inside:
      Version: "2012-10-17"
      Statement:
        Effect: Allow
        Action: "files:*"
        Resource: "*"
        Condition: {StringEquals: {"aws:SourceVpc": vpc-1, "aws:VpceAccount": "210000000001"}}
"#;
    let snapshot = snapshot(&format!("{PEOPLE}{records}"));
    let ask = |who: &str, action: &str, endpoint: Option<&str>, via: &[&str]| {
        let mut asked = question(who, action, "arn:aws:files::210000000001:x");
        if let Some(endpoint) = endpoint {
            asked.context = vec![("aws:SourceVpce".into(), vec![endpoint.into()])];
        }
        asked.called_via = via.iter().map(|name| (*name).to_owned()).collect();
        answer(&snapshot, &asked)
    };
    let (ana, eve) = ("210000000001:user/ana", "210000000001:user/eve");
    assert_eq!(ask(ana, "files:Put", None, &[]), "allowed identity");
    assert_eq!(
        ask(ana, "files:Put", Some("vpce-1"), &[]),
        "implicit_deny endpoint",
        "EV-14"
    );
    assert_eq!(
        ask(ana, "files:Get", Some("vpce-1"), &[]),
        "allowed identity"
    );
    assert_eq!(
        ask(eve, "files:Get", Some("vpce-1"), &[]),
        "allowed identity",
        "KEY-9"
    );
    assert_eq!(ask(eve, "files:Get", None, &[]), "implicit_deny identity");
    // CTX-6, KEY-4: through some endpoint, and nobody can tell which.
    let mut several = question(ana, "files:Get", "arn:aws:files::210000000001:x");
    let ids = ["vpce-2", "vpce-1"].map(str::to_owned);
    several.context = vec![("aws:SourceVpce".into(), ids.to_vec())];
    assert_eq!(answer(&snapshot, &several), "implicit_deny endpoint");
    several.context.clear();
    several.unknown = vec!["aws:SourceVpce".into()];
    assert_eq!(answer(&snapshot, &several), "implicit_deny endpoint");
    let nothing_recorded = crate::records::snapshot(PEOPLE);
    assert_eq!(answer(&nothing_recorded, &several), "allowed identity");
    // CTX-8: a service that repeats the call does not come through the caller's endpoint.
    let via = ["jobs.example.com"];
    assert_eq!(
        ask(ana, "files:Put", Some("vpce-1"), &via),
        "allowed identity"
    );
    assert_eq!(
        ask(eve, "files:Get", Some("vpce-1"), &via),
        "implicit_deny identity"
    );
}

#[test]
fn a_request_is_allowed_if_all_of_it_is() {
    // EV-13, TRAP-67
    let text = r#"
apiVersion: sidegate.dev/v1alpha1
kind: IamUser
metadata: {name: ana}
spec:
  account: "210000000001"
  inlinePolicies:
    some: {Version: "2012-10-17", Statement: {Effect: Allow, Action: "files:*", Resource: "arn:aws:files::210000000001:a*"}}
"#;
    let snapshot = snapshot(text);
    let pair = |resource: &str| Pair {
        action: "files:Get".into(),
        resource: format!("arn:aws:files::210000000001:{resource}"),
        resource_account: None,
    };
    let mut asked = question(
        "210000000001:user/ana",
        "files:Put",
        "arn:aws:files::210000000001:a1",
    );
    asked.also = vec![pair("a2")];
    assert_eq!(answer(&snapshot, &asked), "allowed identity");
    asked.also.push(pair("b1"));
    asked.also.push(pair("a3"));
    let outcome = Pdp::answer(&snapshot, &asked, NOW);
    let Verdict::Refuse(refusal) = &outcome.verdict else {
        panic!("TRAP-67: {outcome:?}");
    };
    assert!(
        refusal
            .message()
            .contains("files:Get on resource: arn:aws:files::210000000001:b1"),
        "{}",
        refusal.message()
    );
    let explained = Pdp::explain(&snapshot, &asked, NOW).unwrap();
    let allowed: Vec<bool> = explained
        .iter()
        .map(|pair| matches!(pair.outcome.verdict, Verdict::Allow(_)))
        .collect();
    assert_eq!(allowed, [true, true, false, true]);
}

#[test]
fn who_may_assume_a_role_stands_in_its_trust_policy() {
    let text = r#"
apiVersion: sidegate.dev/v1alpha1
kind: IamRole
metadata: {name: Deploy}
spec:
  account: "210000000002"
  tags: {stage: prod}
  trustPolicy:
    Version: "2012-10-17"
    Statement:
      - {Effect: Allow, Principal: {AWS: "210000000001"}, Action: "sts:AssumeRole", Condition: {StringEquals: {"sts:ExternalId": x-7}}}
      - {Effect: Allow, Principal: {Service: jobs.example.com}, Action: "sts:AssumeRole"}
      - {Effect: Allow, Principal: {Federated: "arn:aws:iam::210000000002:oidc-provider/login.example.com"}, Action: "sts:AssumeRoleWithWebIdentity", Condition: {StringEquals: {"login.example.com:aud": shop}}}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamUser
metadata: {name: pat}
spec:
  account: "210000000002"
  inlinePolicies:
    pass: {Version: "2012-10-17", Statement: {Effect: Allow, Action: ["iam:PassRole", "iam:GetRole"], Resource: "*", Condition: {StringEquals: {"iam:ResourceTag/stage": prod}}}}
"#;
    let snapshot = snapshot(&format!("{PEOPLE}{text}"));
    let role = "arn:aws:iam::210000000002:role/Deploy";
    let with = |who: &str, action: &str, keys: &[(&str, &str)]| {
        let mut asked = question(who, action, role);
        let keys = keys
            .iter()
            .map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()]));
        asked.context = keys.collect();
        answer(&snapshot, &asked)
    };
    let ana = "210000000001:user/ana";
    let login = "arn:aws:iam::210000000002:oidc-provider/login.example.com";
    assert_eq!(
        with(ana, "sts:AssumeRole", &[("sts:ExternalId", "x-7")]),
        "allowed identity",
        "ROLE-10"
    );
    assert_eq!(
        with(ana, "sts:AssumeRole", &[]),
        "implicit_deny trust",
        "ROLE-2"
    );
    assert_eq!(
        with("210000000001:root", "sts:AssumeRole", &[]),
        "implicit_deny session",
        "ROLE-7"
    );
    assert_eq!(
        with("jobs.example.com", "sts:AssumeRole", &[]),
        "allowed resource",
        "ROLE-5"
    );
    assert_eq!(
        with("other.example.com", "sts:AssumeRole", &[]),
        "implicit_deny trust"
    );
    let web = "sts:AssumeRoleWithWebIdentity";
    assert_eq!(
        with(login, web, &[("login.example.com:aud", "shop")]),
        "allowed resource",
        "ROLE-4"
    );
    assert_eq!(
        with(login, web, &[("login.example.com:aud", "x")]),
        "implicit_deny trust"
    );
    // Its tags are known, save while it is passed (ROLE-31); across accounts it cannot be passed.
    let pat = "210000000002:user/pat";
    assert_eq!(with(pat, "iam:GetRole", &[]), "allowed identity");
    assert_eq!(
        with(pat, "iam:PassRole", &[]),
        "implicit_deny identity",
        "ROLE-31"
    );
    assert_eq!(
        with(ana, "iam:PassRole", &[]),
        "implicit_deny trust",
        "ROLE-31"
    );
}

#[test]
fn what_would_silently_say_nothing_is_refused() {
    let record = |spec: &str| {
        format!(
            "{FILES}\napiVersion: sidegate.dev/v1alpha1\nkind: IamResource\nmetadata: {{name: r}}\nspec: {{{spec}}}\n"
        )
    };
    let policy = "policy: {Version: \"2012-10-17\", Statement: {Effect: Deny, Principal: \"*\", Action: \"*\"}}";
    // (record, findings)
    let cases = [
        (format!("arn: \"arn:aws:files:::memo:1\", account: \"210000000002\", {policy}"), "error BND-7"),
        (format!("arn: \"arn:aws:files:::a/b\", account: \"210000000002\", {policy}"), "error BND-7"),
        ("arn: \"*\", account: \"210000000002\"".to_owned(), "error BND-5"),
        ("arn: \"arn:aws:files:::a\", account: \"210000000002\", acl: {grants: [{group: Everyone, permission: READ}]}".to_owned(), "error ACL-2"),
        ("arn: \"arn:aws:files:::a\", account: \"210000000002\", acl: {grants: [{group: AllUsers, permission: ALL}]}".to_owned(), "error ACL-4"),
        ("arn: \"arn:aws:files:::memo:1\", account: \"210000000002\", acl: {grants: [{group: AllUsers, permission: READ}]}".to_owned(), "error ACL-1"),
    ];
    for (spec, expected) in cases {
        assert!(
            rules(&record(&spec)).contains(&expected.to_owned()),
            "{spec}: {:?}",
            rules(&record(&spec))
        );
    }
    let of_a_role = record(&format!(
        "arn: \"arn:aws:iam::210000000002:role/r\", account: \"210000000002\", {policy}"
    ));
    assert!(rules(&of_a_role).contains(&"error BND-7".to_owned()));
    let untyped = record(&format!(
        "arn: \"arn:aws:files:::key:\", account: \"210000000002\", {policy}"
    ));
    assert!(rules(&untyped).contains(&"error BND-7".to_owned()));
    let attached = "apiVersion: sidegate.dev/v1alpha1\nkind: IamUser\nmetadata: {name: u}\nspec: {account: \"210000000001\", attachedPolicies: [scp]}\n---\n\
         apiVersion: sidegate.dev/v1alpha1\nkind: IamPolicy\nmetadata: {name: scp}\nspec:\n  account: \"210000000001\"\n  type: ServiceControl\n  \
         document: {Version: \"2012-10-17\", Statement: {Effect: Allow, Action: \"*\", Resource: \"*\"}}\n";
    assert_eq!(rules(attached), ["error BND-7"]);
}

#[test]
fn what_stands_in_a_container_is_its_owner_s() {
    // The service is of one account and keeps shelves of others: their books are not its own.
    let records = r#"
apiVersion: sidegate.dev/v1alpha1
kind: IamResource
metadata: {name: shelf}
spec: {arn: "arn:aws:files:::of-one", account: "210000000001"}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamResource
metadata: {name: book}
spec: {arn: "arn:aws:files:::of-one/lent", account: "210000000002"}
"#;
    let snapshot = snapshot(&format!("{PEOPLE}{FILES}{records}"));
    let (ana, ben) = ("210000000001:user/ana", "210000000002:user/ben");
    let (own, lent) = ("arn:aws:files:::of-one/b", "arn:aws:files:::of-one/lent");
    check(
        &snapshot,
        &[
            (ana, "files:Get", own, "allowed identity"),
            (ben, "files:Get", own, "implicit_deny resource"),
            (ana, "files:Get", lent, "implicit_deny resource"),
            (ben, "files:Get", lent, "allowed identity"),
            (
                ben,
                "files:Get",
                "arn:aws:files:::other/b",
                "allowed identity",
            ),
        ],
    );
}

/// A mapped call by nobody, as the decision point sees it.
fn call(snapshot: Snapshot, target: &str) -> String {
    let store = Arc::new(Store::empty());
    store.publish(Arc::new(snapshot));
    let pdp = Pdp::new(store, Arc::new(Metrics::new().unwrap()));
    let call = HttpCall {
        method: "GET".into(),
        scheme: "http".into(),
        authority: "docs.test".into(),
        target: target.into(),
        headers: Headers::new(),
        body: Body::none(),
        peer: Peer {
            ip: None,
            principal: String::new(),
            endpoint: None,
            secure: None,
        },
        protocol: Protocol::Http,
    };
    match pdp.decide(&call, NOW).verdict {
        Verdict::Allow(permit) => format!("allowed {}", permit.layer()),
        Verdict::Refuse(refusal) => format!("{} {}", refusal.reason(), refusal.layer_label()),
    }
}

#[test]
fn a_name_makes_no_resource_of_another_kind_than_its_route_says() {
    let text = r#"
apiVersion: sidegate.dev/v1alpha1
kind: IamService
metadata: {name: docs}
spec:
  prefix: docs
  account: "210000000002"
  resources:
    file: {arn: "arn:aws:docs:::file/${Key}", policy: own}
    part: {arn: "arn:aws:docs:::file/${Key}/part/${N}", policy: file}
  routes:
    - {match: "GET /files/{Key...}", action: "docs:Get", resource: file}
    - {match: "GET /parts/{Key}/{N}", action: "docs:Get", resource: part}
    - {match: "GET /raw/{Key...}", action: "docs:Get", resource: "arn:aws:docs:::file/${Key}"}
    - {match: "GET /other/{Key...}", action: "docs:Get", resource: "arn:aws:docs:::other/${Key}"}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamResource
metadata: {name: all}
spec:
  arn: "arn:aws:docs:::file/*"
  account: "210000000002"
  policy: {Version: "2012-10-17", Statement: {Effect: Deny, Principal: "*", Action: "*"}}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamResource
metadata: {name: public}
spec:
  arn: "arn:aws:docs:::file/public"
  account: "210000000002"
  policy: {Version: "2012-10-17", Statement: {Effect: Allow, Principal: "*", Action: "docs:Get", Resource: "arn:aws:docs:::file/public*"}}
"#;
    for (target, expected) in [
        ("/files/public", "allowed resource"),
        ("/files/secret", "explicit_deny resource"),
        ("/files/public/secret", "explicit_deny resource"),
        ("/parts/public/7", "allowed resource"),
        ("/parts/secret/7", "explicit_deny resource"),
        ("/raw/public", "allowed resource"),
        ("/raw/secret", "explicit_deny resource"),
        // A part of `public` by its name, and a file by its route: nobody can tell.
        ("/files/public/part/secret", "bad_resource "),
        ("/raw/public/part/secret", "bad_resource "),
        // What a route writes out need be of no type.
        ("/other/x", "implicit_deny resource"),
    ] {
        assert_eq!(call(snapshot(text), target), expected, "{target}");
    }
}

#[test]
fn a_name_that_is_like_no_other_is_nobody_s() {
    // Whose policy speaks for a resource must not hang on what a caller writes into its name.
    let text = r#"
apiVersion: sidegate.dev/v1alpha1
kind: IamService
metadata: {name: docs}
spec:
  prefix: docs
  account: "210000000002"
  region: eu-1
  resources:
    folder: {arn: "arn:aws:docs:::${Folder}", policy: own}
    doc: {arn: "arn:aws:docs:::${Folder}/${Doc}.json", policy: folder}
    key: {arn: "arn:aws:docs:${Region}:${Account}:key/${Id}", policy: own, delegation: explicit}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamResource
metadata: {name: secret}
spec:
  arn: "arn:aws:docs:::secret"
  account: "210000000002"
  policy: {Version: "2012-10-17", Statement: {Effect: Deny, Principal: "*", Action: "*"}}
"#;
    let snapshot = snapshot(&format!("{PEOPLE}{text}"));
    let ben = "210000000002:user/ben";
    let denied = "explicit_deny resource";
    let closed = "implicit_deny resource";
    let unknown = "bad_resource ";
    for (resource, expected) in [
        ("arn:aws:docs:::open/a.json", "allowed identity"),
        ("arn:aws:docs:::secret/a.json", denied),
        ("arn:aws:docs:::secret/a.json.b.json", denied),
        ("arn:aws:docs:::secret/.json.json", denied),
        ("arn:aws:docs:::secret/.json", unknown),
        ("arn:aws:docs:eu-1:210000000002:key/1", closed),
        ("arn:aws:docs:eu-2:210000000002:key/1", closed),
        ("arn:aws:docs:eu-2:210000000002:kay/1", unknown),
        ("arn:aws:docs:eu-1:210000000002:key/", unknown),
    ] {
        let got = answer(&snapshot, &question(ben, "docs:Get", resource));
        assert_eq!(got, expected, "{resource}");
    }
    // Another account's keys ask for its consent all the same.
    let ana = "210000000001:user/ana";
    let key = question(ana, "docs:Get", "arn:aws:docs:eu-1:210000000001:key/1");
    assert_eq!(answer(&snapshot, &key), closed);
}
