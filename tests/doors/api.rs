//! `sidegate.v1.Authorization`, health and reflection.

use crate::support::sidegate::Sidegate;
use sidegate::proto::sidegate::v1::authorization_client::AuthorizationClient;
use sidegate::proto::sidegate::v1::is_authorized_request::Caller;
use sidegate::proto::sidegate::v1::{
    BatchIsAuthorizedRequest, Decision, IsAuthorizedRequest, IsAuthorizedResponse, StringList,
    Truth,
};
use std::net::SocketAddr;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

async fn channel(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect().await.unwrap()
}

fn question(caller: Option<Caller>, action: &str, resource: &str) -> IsAuthorizedRequest {
    IsAuthorizedRequest {
        caller,
        action: action.into(),
        resource: resource.into(),
        ..IsAuthorizedRequest::default()
    }
}

fn named(name: &str) -> Caller {
    Caller::Principal(format!("arn:aws:iam::210000000001:user/{name}"))
}

const ORDER: &str = "arn:aws:orders:eu-1:210000000001:order/7";
const SEALED: &str = "arn:aws:orders:eu-1:210000000001:order/sealed-1";

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn questions_are_answered_with_reasons() {
    let sidegate = Sidegate::start();
    let mut client = AuthorizationClient::new(channel(sidegate.decisions).await);
    let token = |who: &str| {
        let bearer = sidegate.bearer(who);
        Some(Caller::BearerToken(
            bearer.trim_start_matches("Bearer ").to_owned(),
        ))
    };
    let session = Some(Caller::Principal(
        "arn:aws:sts::210000000001:assumed-role/order-clerk/job".into(),
    ));
    // (caller, action, resource, reason, layer)
    let cases = [
        (
            Some(named("ana")),
            "orders:GetOrder",
            ORDER,
            "allowed",
            "identity",
        ),
        (
            Some(named("ana")),
            "ORDERS:getorder",
            ORDER,
            "allowed",
            "identity",
        ),
        (
            Some(named("ana")),
            "orders:GetOrder",
            SEALED,
            "explicit_deny",
            "identity",
        ),
        (
            Some(named("ben")),
            "orders:GetOrder",
            ORDER,
            "implicit_deny",
            "identity",
        ),
        (
            Some(named("ana")),
            "orders:ListOrders",
            "*",
            "allowed",
            "identity",
        ),
        (
            session.clone(),
            "orders:DeleteOrder",
            ORDER,
            "allowed",
            "identity",
        ),
        (
            token("ben"),
            "orders:GetOrder",
            ORDER,
            "allowed",
            "identity",
        ),
        (
            token("mallory"),
            "orders:GetOrder",
            ORDER,
            "unauthenticated",
            "",
        ),
        (None, "orders:GetOrder", ORDER, "implicit_deny", "resource"),
        (Some(named("nobody")), "orders:GetOrder", ORDER, "error", ""),
        (Some(named("ana")), "orders:Get*", ORDER, "bad_action", ""),
        (Some(named("ana")), "", ORDER, "bad_action", ""),
        (
            Some(named("ana")),
            "orders:GetOrder",
            "",
            "bad_resource",
            "",
        ),
        (
            Some(named("ana")),
            "orders:GetOrder",
            "order/7",
            "bad_resource",
            "",
        ),
        (
            Some(Caller::Principal("ana".into())),
            "orders:GetOrder",
            ORDER,
            "bad_principal",
            "",
        ),
        (
            Some(Caller::Principal(String::new())),
            "orders:GetOrder",
            ORDER,
            "bad_principal",
            "",
        ),
        (
            Some(Caller::BearerToken(String::new())),
            "orders:GetOrder",
            ORDER,
            "unauthenticated",
            "",
        ),
    ];
    let mut questions = Vec::new();
    let mut expected = Vec::new();
    for (caller, action, resource, reason, layer) in cases {
        let question = question(caller, action, resource);
        let answer = client
            .is_authorized(question.clone())
            .await
            .unwrap()
            .into_inner();
        assert_eq!(
            (answer.reason.as_str(), answer.layer.as_str()),
            (reason, layer),
            "{question:?}"
        );
        let allowed = reason == "allowed";
        assert_eq!(answer.decision() == Decision::Allow, allowed);
        assert_eq!(answer.decision() == Decision::Deny, !allowed);
        assert_eq!(
            answer.statements.is_empty(),
            !matches!(reason, "allowed" | "explicit_deny")
        );
        questions.push(question);
        expected.push(answer);
    }

    // Incident rule 11: each answer is that of its own question.
    let requests: Vec<_> = questions.iter().cycle().take(1_000).cloned().collect();
    let batch = BatchIsAuthorizedRequest { requests };
    let answers = client
        .batch_is_authorized(batch)
        .await
        .unwrap()
        .into_inner()
        .responses;
    assert_eq!(answers.len(), 1_000);
    let without_id = |answer: &IsAuthorizedResponse| IsAuthorizedResponse {
        decision_id: String::new(),
        ..answer.clone()
    };
    for (answer, expected) in answers.iter().zip(expected.iter().cycle()) {
        assert_eq!(without_id(answer), without_id(expected));
    }
    let ids: std::collections::HashSet<_> =
        answers.iter().map(|answer| &answer.decision_id).collect();
    assert_eq!(ids.len(), 1_000);

    let requests = vec![question(Some(named("ana")), "orders:GetOrder", ORDER); 1_001];
    let refused = client
        .batch_is_authorized(BatchIsAuthorizedRequest { requests })
        .await;
    assert_eq!(refused.unwrap_err().code(), tonic::Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_tells_what_it_knows_and_nothing_that_is_derived() {
    // CTX-5
    let sidegate = Sidegate::start();
    let mut client = AuthorizationClient::new(channel(sidegate.decisions).await);
    let session = Some(Caller::Principal(
        "arn:aws:sts::210000000001:assumed-role/order-clerk/job".into(),
    ));
    // (keys, reason)
    let cases = [
        (vec![("orders:Priority", "low")], "allowed"),
        (vec![("orders:Priority", "high")], "explicit_deny"),
        (vec![("ORDERS:priority", "high")], "explicit_deny"),
        (
            vec![("orders:Priority", "low"), ("ORDERS:priority", "high")],
            "bad_context",
        ),
        (
            vec![("aws:PrincipalArn", "arn:aws:iam::210000000001:root")],
            "bad_context",
        ),
        (vec![("AWS:principaltag/team", "x")], "bad_context"),
        (
            vec![("aws:CurrentTime", "2001-01-01T00:00:00Z")],
            "bad_context",
        ),
    ];
    for (keys, reason) in cases {
        let mut question = question(session.clone(), "orders:CreateOrder", "*");
        for (key, value) in &keys {
            let values = vec![(*value).to_owned()];
            question.context.insert(
                (*key).to_owned(),
                StringList {
                    values,
                    unknown: false,
                },
            );
        }
        let answer = client.is_authorized(question).await.unwrap().into_inner();
        assert_eq!(answer.reason, reason, "{keys:?}: {}", answer.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_explained_statement_by_statement() {
    // RSN-1, RSN-2, RSN-3, RSN-7
    let sidegate = Sidegate::start();
    let mut client = AuthorizationClient::new(channel(sidegate.decisions).await);
    let asked = question(Some(named("ana")), "orders:GetOrder", SEALED);
    let alone = client.is_authorized(asked.clone()).await.unwrap();
    let alone = alone.into_inner();
    let explained = client.explain(asked).await.unwrap().into_inner();
    let answer = explained.answer.unwrap();
    assert_eq!(answer.decision(), Decision::Deny);
    assert_eq!(
        (&answer.reason, &answer.layer, &answer.statements),
        (&alone.reason, &alone.layer, &alone.statements)
    );
    assert_eq!(
        answer.message,
        format!(
            "User: arn:aws:iam::210000000001:user/ana is not authorized to perform: orders:GetOrder on \
             resource: {SEALED} with an explicit deny in an identity-based policy"
        )
    );
    let [pair] = explained.explanations.as_slice() else {
        panic!("one pair is asked about: {:?}", explained.explanations);
    };
    assert_eq!(pair.layers, ["identity"]);
    let denying: Vec<String> = pair
        .statements
        .iter()
        .filter(|said| said.effect == "Deny" && said.result() == Truth::True)
        .map(|said| format!("{}.Statement[{}]", said.document, said.index))
        .collect();
    assert_eq!(denying, answer.statements);
    // What does not match is told too, with what it is about.
    let others = pair
        .statements
        .iter()
        .filter(|said| said.result() == Truth::False);
    for said in others {
        let mut tests = said.elements.iter().chain(&said.conditions);
        assert!(tests.any(|test| test.result() == Truth::False), "{said:?}");
    }
    assert!(
        explained
            .text
            .contains("! [1] NotTheSealedOnes Deny: denies"),
        "{}",
        explained.text
    );
    // A caller that nobody knows has no statements, and is denied all the same.
    let stranger = question(Some(named("nobody")), "orders:GetOrder", ORDER);
    let explained = client.explain(stranger).await.unwrap().into_inner();
    assert_eq!(explained.answer.unwrap().decision(), Decision::Deny);
    assert!(
        explained
            .explanations
            .iter()
            .all(|pair| pair.statements.is_empty())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_reflection_are_served() {
    let sidegate = Sidegate::start();
    let channel = channel(sidegate.decisions).await;
    let mut health = HealthClient::new(channel.clone());
    for service in [
        "",
        "live",
        "ready",
        "startup",
        "envoy.service.auth.v3.Authorization",
    ] {
        let request = HealthCheckRequest {
            service: service.into(),
        };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let unknown = HealthCheckRequest {
        service: "nothing".into(),
    };
    let refused = health.check(unknown).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound);

    let ask = || {
        tokio_stream::once(ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        })
    };
    let mut reflection = ServerReflectionClient::new(channel);
    let mut answers = reflection
        .server_reflection_info(ask())
        .await
        .unwrap()
        .into_inner();
    let services = format!("{:?}", answers.message().await.unwrap().unwrap());
    for service in [
        "envoy.service.auth.v3.Authorization",
        "sidegate.v1.Authorization",
        "grpc.health.v1.Health",
    ] {
        assert!(services.contains(service), "{services}");
    }
    // It tells what there is, so it is off unless asked for.
    let quiet = Sidegate::start_with(&[("SIDEGATE_DECISIONS_REFLECTION", "false")]);
    let mut reflection = ServerReflectionClient::new(self::channel(quiet.decisions).await);
    let refused = reflection.server_reflection_info(ask()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unimplemented);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unix_socket_answers_as_well() {
    use std::os::unix::fs::PermissionsExt as _;
    let sidegate = Sidegate::start();
    let path = sidegate.socket();
    let mode = std::fs::symlink_metadata(&path)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
    let channel = Endpoint::from_shared(format!("unix://{}", path.display()))
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut client = AuthorizationClient::new(channel);
    let answer = client
        .is_authorized(question(Some(named("ana")), "orders:GetOrder", ORDER))
        .await;
    assert_eq!(answer.unwrap().into_inner().decision(), Decision::Allow);
}
