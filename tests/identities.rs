//! Users, groups and roles, as a bundle has them: from the files to the answer.

use crate::records::{NOW, answer, check, question, rules, snapshot};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PublicKeyData};
use serde_json::json;
use sidegate::pdp::{Asker, Question};
use sidegate::snapshot::Snapshot;

const DOCUMENTS: &str = r#"
apiVersion: sidegate.dev/v1alpha1
kind: IamPolicy
metadata: {name: reader}
spec:
  account: "210000000001"
  document: {Version: "2012-10-17", Statement: {Effect: Allow, Action: "files:Get", Resource: "*"}}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamPolicy
metadata: {name: nothing}
spec:
  account: "210000000001"
  document: {Version: "2012-10-17", Statement: {Effect: Allow, Action: "jobs:Start", Resource: "*"}}
---
"#;

fn user(name: &str, rest: &str) -> String {
    format!(
        "apiVersion: sidegate.dev/v1alpha1\nkind: IamUser\nmetadata: {{name: {name}}}\nspec: {{account: \"210000000001\"{rest}}}\n---\n"
    )
}

fn role(name: &str, rest: &str) -> String {
    format!(
        "apiVersion: sidegate.dev/v1alpha1\nkind: IamRole\nmetadata: {{name: {name}}}\nspec:\n  account: \"210000000001\"\n  \
         trustPolicy: {{Version: \"2012-10-17\", Statement: {{Effect: Allow, Principal: {{Service: jobs.example.com}}, Action: \"sts:AssumeRole\"}}}}\n{rest}---\n"
    )
}

const BOOK: &str = "arn:aws:files:eu-1:210000000001:shelf/book";

#[test]
fn a_group_gives_its_policies_to_its_members_and_is_nobody_itself() {
    // EV-8, CTX-3
    let group = "apiVersion: sidegate.dev/v1alpha1\nkind: IamGroup\nmetadata: {name: readers}\nspec: {account: \"210000000001\", attachedPolicies: [reader]}\n---\n";
    let snapshot = snapshot(
        &[
            DOCUMENTS,
            group,
            &user("ana", ", groups: [readers]"),
            &user("ben", ""),
        ]
        .concat(),
    );
    check(
        &snapshot,
        &[
            (
                "210000000001:user/ana",
                "files:Get",
                BOOK,
                "allowed identity",
            ),
            (
                "210000000001:user/ana",
                "files:Put",
                BOOK,
                "implicit_deny identity",
            ),
            (
                "210000000001:user/ben",
                "files:Get",
                BOOK,
                "implicit_deny identity",
            ),
        ],
    );
    let as_group = question("210000000001:group/readers", "files:Get", BOOK);
    let refused = answer(&snapshot, &as_group);
    assert!(!refused.starts_with("allowed"), "{refused}");
}

#[test]
fn managed_or_inline_a_policy_says_the_same() {
    // TYP-4
    let inline = r#", inlinePolicies: {p: {Version: "2012-10-17", Statement: {Effect: Allow, Action: "files:Get", Resource: "*"}}}"#;
    let snapshot = snapshot(
        &[
            DOCUMENTS,
            &user("managed", ", attachedPolicies: [reader]"),
            &user("inline", inline),
        ]
        .concat(),
    );
    for who in ["210000000001:user/managed", "210000000001:user/inline"] {
        check(
            &snapshot,
            &[
                (who, "files:Get", BOOK, "allowed identity"),
                (who, "files:Put", BOOK, "implicit_deny identity"),
            ],
        );
    }
}

#[test]
fn a_role_has_one_trust_policy_and_sessions_have_its_policies() {
    // TYP-5, ROLE-1
    let bare = "apiVersion: sidegate.dev/v1alpha1\nkind: IamRole\nmetadata: {name: r}\nspec: {account: \"210000000001\"}\n";
    assert!(rules(bare).iter().any(|rule| rule.starts_with("error ")));
    let snapshot = snapshot(&[DOCUMENTS, &role("Ops", "  attachedPolicies: [reader]\n")].concat());
    check(
        &snapshot,
        &[
            (
                "arn:aws:sts::210000000001:assumed-role/Ops/jo",
                "files:Get",
                BOOK,
                "allowed identity",
            ),
            (
                "arn:aws:sts::210000000001:assumed-role/Ops/jo",
                "files:Put",
                BOOK,
                "implicit_deny identity",
            ),
            // The role itself signs nothing.
            (
                "arn:aws:iam::210000000001:role/Ops",
                "files:Get",
                BOOK,
                "bad_principal ",
            ),
        ],
    );
}

#[test]
fn a_role_of_a_service_is_exempt_by_its_flag_and_not_by_its_path() {
    // EV-38, RCP-2, RCP-3, ROLE-30
    let organization = r#"
apiVersion: sidegate.dev/v1alpha1
kind: IamPolicy
metadata: {name: no-files}
spec:
  account: "210000000009"
  type: ServiceControl
  document: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "*", Resource: "*"}, {Effect: Deny, Action: "files:*", Resource: "*"}]}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamPolicy
metadata: {name: no-files-here}
spec:
  account: "210000000009"
  type: ResourceControl
  document: {Version: "2012-10-17", Statement: {Effect: Deny, Principal: "*", Action: "files:*", Resource: "*"}}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamOrganization
metadata: {name: acme}
spec:
  id: o-acme000000
  managementAccount: "210000000009"
  root:
    id: r-acme
    accounts: [{id: "210000000001", LAYER}]
---
"#;
    let linked = role(
        "Linked",
        "  attachedPolicies: [reader]\n  serviceLinked: true\n",
    );
    let like = role(
        "Like",
        "  path: /aws-service-role/jobs.example.com/\n  attachedPolicies: [reader]\n",
    );
    for (policies, layer) in [
        ("serviceControlPolicies: [no-files]", "scp"),
        ("resourceControlPolicies: [no-files-here]", "rcp"),
    ] {
        let organization = organization.replace("LAYER", policies);
        let service = "apiVersion: sidegate.dev/v1alpha1\nkind: IamService\nmetadata: {name: files}\nspec: {prefix: files, account: \"210000000001\", actions: [Get], resources: {book: {arn: \"arn:aws:files:eu-1:210000000001:${Shelf}/${Book}\"}, memo: {arn: \"arn:aws:files:eu-1:210000000001:memo:${Id}\", resourceControlPolicies: ignore}}}\n---\n";
        let snapshot = snapshot(&[DOCUMENTS, &organization, service, &linked, &like].concat());
        let denied = format!("explicit_deny {layer}");
        check(
            &snapshot,
            &[
                (
                    "arn:aws:sts::210000000001:assumed-role/Linked/j",
                    "files:Get",
                    BOOK,
                    "allowed identity",
                ),
                (
                    "arn:aws:sts::210000000001:assumed-role/Like/j",
                    "files:Get",
                    BOOK,
                    &denied,
                ),
                (
                    "arn:aws:sts::210000000001:assumed-role/Like/j",
                    "files:Get",
                    "arn:aws:files:eu-1:210000000001:memo:1",
                    if layer == "rcp" {
                        "allowed identity"
                    } else {
                        &denied
                    },
                ),
            ],
        );
    }
    let bounded = role(
        "Linked",
        "  serviceLinked: true\n  permissionsBoundary: reader\n",
    );
    let found = rules(&[DOCUMENTS, &bounded].concat());
    assert!(found.contains(&"error EV-21".to_owned()), "{found:?}");
}

#[test]
fn tags_that_differ_by_case_alone_are_refused() {
    // KEY-2, LIM-4
    let cases = [
        (", tags: {team: a, Team: b}", "error KEY-2"),
        (", tags: {\"aws:team\": a}", "error LIM-4"),
    ];
    for (rest, expected) in cases {
        let found = rules(&user("ana", rest));
        assert!(found.contains(&expected.to_owned()), "{rest}: {found:?}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "two bundles in full")]
fn a_transitive_tag_goes_before_the_session() {
    // ROLE-21: tags of the session win over those of its role, which keeps the others.
    // ROLE-22, ROLE-23: of two tags of the session only one goes on, and only in a question about
    // the role that is assumed, and only where that role has a tag of that name.
    let key = KeyPair::generate().unwrap();
    let point = key.der_bytes();
    let (x, y) = (encode(&point[1..33]), encode(&point[33..65]));
    let text = format!(
        r#"
apiVersion: sidegate.dev/v1alpha1
kind: IamOidcProvider
metadata: {{name: login}}
spec:
  account: "210000000001"
  issuer: https://login.example.com
  audiences: [shop]
  algorithms: [ES256]
  jwks: {{inline: {{keys: [{{kty: EC, crv: P-256, use: sig, alg: ES256, kid: k, x: "{x}", y: "{y}"}}]}}}}
  defaultRole: First
  sessionName: sub
---
apiVersion: sidegate.dev/v1alpha1
kind: IamRole
metadata: {{name: First}}
spec:
  account: "210000000001"
  tags: {{stage: prod, Site: here}}
  trustPolicy:
    Version: "2012-10-17"
    Statement:
      Effect: Allow
      Principal: {{Federated: "arn:aws:iam::210000000001:oidc-provider/login.example.com"}}
      Action: ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"]
      Condition: {{StringEquals: {{"login.example.com:aud": shop}}}}
  inlinePolicies:
    all: {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "*", Resource: "*"}}}}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamRole
metadata: {{name: Second}}
spec:
  account: "210000000001"
  tags: {{Team: blue, Stage: prod}}
  trustPolicy:
    Version: "2012-10-17"
    Statement:
      Effect: Allow
      Principal: {{AWS: "210000000001"}}
      Action: "sts:AssumeRole"
      Condition:
        StringEquals: {{"aws:ResourceTag/Team": red, "aws:ResourceTag/Stage": prod, "aws:PrincipalTag/Stage": test, "aws:PrincipalTag/Site": here}}
        "Null": {{"aws:ResourceTag/Area": true}}
"#
    );
    let snapshot = snapshot(&text);
    let token = |tags: serde_json::Value| {
        let claims = json!({
            "iss": "https://login.example.com", "sub": "jo", "aud": "shop",
            "iat": NOW.seconds() - 10, "exp": NOW.seconds() + 600,
            "https://aws.amazon.com/tags": tags,
        });
        let header = Header {
            kid: Some("k".to_owned()),
            ..Header::new(Algorithm::ES256)
        };
        let pem = EncodingKey::from_ec_pem(key.serialize_pem().as_bytes()).unwrap();
        jsonwebtoken::encode(&header, &claims, &pem).unwrap()
    };
    let assume = |snapshot: &Snapshot, tags: serde_json::Value| {
        let asked = Question::of(
            Asker::Bearer(token(tags)),
            "sts:AssumeRole",
            "arn:aws:iam::210000000001:role/Second",
        );
        answer(snapshot, &asked)
    };
    let tags = json!({"team": ["red"], "stage": ["test"], "area": ["x"]});
    // (names that go on, answer)
    let cases = [
        (json!(["team", "area"]), "allowed identity"),
        (json!([]), "implicit_deny trust"),
        (json!(["stage"]), "implicit_deny trust"),
        (json!(["team", "stage"]), "implicit_deny trust"),
    ];
    for (names, expected) in cases {
        let claim = json!({"principal_tags": tags, "transitive_tag_keys": names});
        assert_eq!(assume(&snapshot, claim), expected, "{names}");
    }
    // ROLE-4, EV-14: an endpoint is a gate for the call and not for the token that it carries.
    let endpoint = r#"
---
apiVersion: sidegate.dev/v1alpha1
kind: IamResource
metadata: {name: endpoint}
spec:
  arn: "arn:aws:ec2:eu-1:210000000001:vpc-endpoint/vpce-1"
  account: "210000000001"
  endpoint: {id: vpce-1, policy: {Version: "2012-10-17", Statement: {Effect: Allow, Principal: "*", Action: "files:Get", Resource: "*"}}}
"#;
    let gated = crate::records::snapshot(&format!("{text}{endpoint}"));
    let through = |action: &str| {
        let token = token(json!({"principal_tags": {}}));
        let mut asked = Question::of(Asker::Bearer(token), action, BOOK);
        asked.context = vec![("aws:SourceVpce".into(), vec!["vpce-1".into()])];
        answer(&gated, &asked)
    };
    assert_eq!(through("files:Get"), "allowed identity");
    assert_eq!(through("files:Put"), "implicit_deny endpoint");
    // EV-5, RCP-1: what binds the role's account binds whoever a token stands for.
    let organization = r#"
---
apiVersion: sidegate.dev/v1alpha1
kind: IamPolicy
metadata: {name: no-tokens}
spec:
  account: "210000000009"
  type: ResourceControl
  document: {Version: "2012-10-17", Statement: {Effect: Deny, Principal: "*", Action: "sts:AssumeRoleWithWebIdentity", Resource: "*"}}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamOrganization
metadata: {name: acme}
spec:
  id: o-acme000000
  managementAccount: "210000000009"
  root: {id: r-acme, resourceControlPolicies: [no-tokens], accounts: [{id: "210000000001"}]}
"#;
    let bound = crate::records::snapshot(&format!("{text}{organization}"));
    let refused = assume(&bound, json!({"principal_tags": {}}));
    assert_eq!(refused, "explicit_deny rcp");
}

/// Base64 for URLs, without padding.
fn encode(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut word = [0; 3];
        word[..chunk.len()].copy_from_slice(chunk);
        let word = u32::from_be_bytes([0, word[0], word[1], word[2]]);
        for at in 0..=chunk.len() {
            let index = (word >> (18 - 6 * at)) & 63;
            text.push(char::from(ALPHABET[index as usize]));
        }
    }
    text
}
