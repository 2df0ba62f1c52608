//! The admin door, and how a server ends.

use crate::support::eventually;
use crate::support::http::{send, try_send};
use crate::support::sidegate::Sidegate;
use rustix::process::Signal;
use std::process::Command;

#[test]
fn the_state_is_told_and_no_policy_text() {
    let sidegate = Sidegate::start();
    let snapshot = sidegate.admin("/snapshot");
    let told = snapshot.json();
    // (what, how many)
    let cases = [
        ("users", 2),
        ("roles", 2),
        ("services", 2),
        ("issuers", 1),
        ("statements", 7),
    ];
    for (what, count) in cases {
        assert_eq!(told[what], count, "{what}: {told}");
    }
    assert_eq!(told["revision"].as_str().unwrap().len(), 64);
    for path in ["/livez", "/readyz", "/metrics", "/snapshot"] {
        let reply = sidegate.admin(path);
        assert_eq!(reply.status, 200, "{path}");
        // Incident rule 12.
        for secret in [
            "NoRush",
            "sealed",
            "eyJ",
            "orders:GetOrder",
            "login.shop.test",
        ] {
            assert!(!reply.body.contains(secret), "`{secret}` in {path}");
        }
    }
    for path in ["/", "/debug/pprof", "/config", "/authorize"] {
        assert_eq!(sidegate.admin(path).status, 404, "{path}");
    }
}

#[test]
fn the_names_of_metrics_are_stable() {
    let sidegate = Sidegate::start();
    let text = sidegate.admin("/metrics").body;
    let mut names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .collect();
    names.sort_unstable();
    let expected = [
        "sidegate_decision_duration_seconds histogram",
        "sidegate_decisions_total counter",
        "sidegate_fetches_total counter",
        "sidegate_policy_reload_failed gauge",
        "sidegate_reloads_total counter",
        "sidegate_requests_in_flight gauge",
        "sidegate_snapshot_revision gauge",
        "sidegate_snapshot_source_bytes gauge",
        "sidegate_snapshot_timestamp_seconds gauge",
        "sidegate_source_watch_mode gauge",
        "sidegate_stage_duration_seconds histogram",
    ];
    assert_eq!(names, expected);
    let readme = include_str!("../../README.md");
    for name in expected.iter().filter_map(|line| line.split(' ').next()) {
        assert!(
            readme.contains(&format!("`{name}`")),
            "the README has no `{name}`"
        );
    }
}

#[test]
fn a_server_that_is_told_to_end_finishes_first() {
    let mut sidegate = Sidegate::start_with(&[("SIDEGATE_DRAIN_DELAY", "1s")]);
    let (admin, http) = (sidegate.admin, sidegate.http);
    sidegate.signal(Signal::TERM);
    eventually("not being ready", || {
        (send(admin, "GET", "/readyz", &[]).status == 503).then_some(())
    });
    assert_eq!(send(admin, "GET", "/livez", &[]).status, 200);
    // Whoever has not heard of it yet is answered as before.
    let bearer = sidegate.bearer("ben");
    let headers = [("authorization", bearer.as_str())];
    let reply = send(http, "GET", "/authorize/envoy/v1/orders/7", &headers);
    assert_eq!(reply.status, 200);
    assert_eq!(sidegate.wait(), Some(0));
    assert!(try_send(http, "GET", "/authorize", &[]).is_none());
    assert!(
        !sidegate.socket().exists(),
        "the socket goes with the server"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_does_not_wait_for_who_watches_health() {
    let mut sidegate = Sidegate::start_with(&[("SIDEGATE_DRAIN_MAX", "20s")]);
    let endpoint = format!("http://{}", sidegate.decisions);
    let channel = tonic::transport::Endpoint::from_shared(endpoint)
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel);
    let request = tonic_health::pb::HealthCheckRequest {
        service: "ready".into(),
    };
    let mut watch = health.watch(request).await.unwrap().into_inner();
    assert!(watch.message().await.unwrap().is_some());
    sidegate.signal(Signal::TERM);
    // The stream ends by itself, and so does the server.
    let ended = async { while watch.message().await.is_ok_and(|message| message.is_some()) {} };
    let in_time = tokio::time::timeout(std::time::Duration::from_secs(10), ended).await;
    assert!(in_time.is_ok(), "the stream goes on");
    drop(health);
    assert_eq!(sidegate.wait(), Some(0));
}

#[test]
fn health_is_asked_without_a_shell() {
    let mut sidegate = Sidegate::start();
    let address = sidegate.admin.to_string();
    let check = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
        command
            .arg("healthcheck")
            .args(["--address", &address])
            .args(arguments);
        command.output().unwrap()
    };
    for arguments in [&[][..], &["--live"]] {
        let output = check(arguments);
        assert!(output.status.success(), "{output:?}");
    }
    sidegate.signal(Signal::INT);
    assert_eq!(sidegate.wait(), Some(0));
    let output = check(&[]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("nobody answers at 127.0.0.1:"), "{told}");
}
