//! The admin door, and how a server ends.

use crate::support::eventually;
use crate::support::http::{send, try_send};
use crate::support::sidegate::Sidegate;
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};
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

/// Names with their labels, from lines such as `name{label="value"} 1`; what a histogram adds is left
/// out.
fn names_and_labels(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut histograms = BTreeSet::new();
    for line in text.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').unwrap();
            found.entry(name.to_owned()).or_default();
            if kind == "histogram" {
                histograms.insert(name.to_owned());
            }
        } else if !line.starts_with('#') {
            let (name, labels) = line.split_once('{').unwrap_or((line, ""));
            let name = name.split(' ').next().unwrap();
            let of_histogram = ["_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|end| name.strip_suffix(end))
                .find(|name| histograms.contains(*name));
            let name = of_histogram.unwrap_or(name);
            let labels = labels.split("=\"").map(|part| {
                part.rsplit(['"', ',', '{'])
                    .next()
                    .unwrap()
                    .trim()
                    .to_owned()
            });
            let labels = labels.filter(|label| label != "le" && !label.contains([' ', '}']));
            let known = found.get_mut(name).expect("declared before");
            known.extend(labels.filter(|label| !label.is_empty()));
        }
    }
    found
}

#[test]
fn the_readme_lists_every_metric_with_its_labels() {
    let sidegate = Sidegate::start();
    let text = sidegate.admin("/metrics").body;
    let readme = include_str!("../../README.md");
    let (_, section) = readme.split_once("\n## Metrics\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut listed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').collect();
        let codes = |cell: &str| -> BTreeSet<String> {
            let codes = cell.split('`').skip(1).step_by(2);
            codes.map(str::to_owned).collect()
        };
        for name in codes(cells[1]) {
            listed.insert(name, codes(cells[2]));
        }
    }
    let mut there = names_and_labels(&text);
    // The bundle of the example has no keys that end.
    there.insert(
        "sidegate_key_expiry_timestamp_seconds".to_owned(),
        BTreeSet::from(["kind".to_owned()]),
    );
    assert_eq!(there, listed);
}

#[test]
fn whoever_understands_it_gets_a_trace_with_a_latency() {
    let sidegate = Sidegate::start();
    let bearer = sidegate.bearer("ben");
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    let headers = [
        ("authorization", bearer.as_str()),
        ("traceparent", parent.as_str()),
    ];
    let reply = send(
        sidegate.http,
        "GET",
        "/authorize/envoy/v1/orders/7",
        &headers,
    );
    assert_eq!(reply.status, 200);
    let accept = [("accept", "application/openmetrics-text; version=1.0.0")];
    let open = send(sidegate.admin, "GET", "/metrics", &accept);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(open.header("content-type"), Some(kind));
    assert!(open.body.ends_with("# EOF\n"));
    assert!(open.body.contains("# TYPE sidegate_decisions counter\n"));
    let examples: Vec<&str> = open
        .body
        .lines()
        .filter(|line| line.contains(&format!(" # {{trace_id=\"{trace}\"}} ")))
        .collect();
    let [line] = examples.as_slice() else {
        panic!("one bucket has it: {examples:?}");
    };
    let of_door = "sidegate_decision_duration_seconds_bucket{door=\"forward_auth\",le=\"";
    assert!(line.starts_with(of_door), "{line}");
    let plain = sidegate.admin("/metrics");
    assert!(!plain.body.contains("trace_id"));
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
