//! A real Envoy in front, the program beside it, an upstream of our own behind.

use crate::support::envoy::{Envoy, Neighbours, SHIPPED};
use crate::support::http::Reply;
use crate::support::sidegate::Sidegate;
use crate::support::upstream::{self, Upstream};
use crate::support::{eventually, parts};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tonic::Code;

mod mesh;
mod paths;

/// Envoy, Sidegate and an upstream, put together.
pub(crate) struct Scene {
    pub(crate) envoy: Envoy,
    pub(crate) sidegate: Sidegate,
    pub(crate) upstream: Upstream,
}

/// Envoy as careless as it can be: nothing normalised, nothing removed.
pub(crate) const CARELESS: &[(&str, &str)] = &[
    ("normalize_path: true", "normalize_path: false"),
    ("merge_slashes: true", "merge_slashes: false"),
    (
        "path_with_escaped_slashes_action: REJECT_REQUEST",
        "path_with_escaped_slashes_action: KEEP_UNCHANGED",
    ),
    (
        "headers_with_underscores_action: REJECT_REQUEST",
        "headers_with_underscores_action: ALLOW",
    ),
    ("- remove: x-sidegate-", "- remove: x-other-"),
];

impl Scene {
    pub(crate) fn set(envoy: &Path, changes: &[(&str, &str)]) -> Self {
        let sidegate = Sidegate::start();
        let upstream = Upstream::start();
        let neighbours = Neighbours {
            socket: &sidegate.socket(),
            upstream: upstream.address,
            grpc: None,
        };
        let envoy = Envoy::start(envoy, neighbours, changes);
        Self {
            envoy,
            sidegate,
            upstream,
        }
    }

    /// Sends a request as one of the example's people.
    #[track_caller]
    pub(crate) fn as_person(&self, who: &str, method: &str, target: &str) -> Reply {
        let bearer = self.sidegate.bearer(who);
        self.envoy
            .send(method, target, &[("authorization", &bearer)])
    }
}

#[test]
fn the_configuration_that_we_ship_is_valid() {
    let Some(envoy) = parts::envoy("the_configuration_that_we_ship_is_valid") else {
        return;
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/envoy/envoy.yaml");
    let output = Command::new(envoy)
        .args(["--mode", "validate", "-c"])
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    for word in ["deprecated", "Deprecated"] {
        assert!(!text.contains(word), "{text}");
    }
}

#[test]
fn a_request_passes_if_a_policy_allows_it() {
    let Some(envoy) = parts::envoy("a_request_passes_if_a_policy_allows_it") else {
        return;
    };
    let scene = Scene::set(&envoy, &[]);

    let allowed = scene.as_person("ben", "GET", "/v1/orders/7");
    assert_eq!(allowed.status, 200, "{allowed:?}");
    let seen = scene.upstream.take();
    let [seen] = seen.as_slice() else {
        panic!("one request: {seen:?}");
    };
    assert_eq!(seen.line, "GET /v1/orders/7 HTTP/1.1");
    assert_eq!(
        seen.all("x-sidegate-principal"),
        ["arn:aws:sts::210000000001:assumed-role/order-reader/ben"]
    );
    assert_eq!(seen.all("x-sidegate-account"), ["210000000001"]);
    assert_eq!(seen.all("x-sidegate-session"), ["ben"]);
    assert_eq!(seen.all("x-sidegate-decision-id").len(), 1);
    assert!(seen.all("authorization").is_empty(), "HDR-03");

    // (who, method, path, status, reason)
    let cases = [
        ("ben", "GET", "/v1/orders/sealed-1", 403, "explicit_deny"),
        ("ben", "DELETE", "/v1/orders/7", 403, "implicit_deny"),
        ("ben", "HEAD", "/v1/orders/7", 403, ""),
        ("ana", "GET", "/v1/nowhere", 403, "unmapped"),
        ("mallory", "GET", "/v1/orders/7", 401, "unauthenticated"),
    ];
    for (who, method, path, status, reason) in cases {
        let reply = scene.as_person(who, method, path);
        assert_eq!(reply.status, status, "{who} {method} {path}: {reply:?}");
        if !reason.is_empty() {
            let body = reply.json();
            assert_eq!(body["error"], reason, "{who} {method} {path}");
            assert_eq!(
                body["decisionId"].as_str(),
                reply.header("x-sidegate-decision-id"),
                "{who} {method} {path}"
            );
        }
    }
    let nobody = scene.envoy.send("GET", "/v1/orders/7", &[]);
    assert_eq!(
        nobody.status, 403,
        "anonymous, and nothing lets it in: {nobody:?}"
    );
    let allowed = scene.as_person("ana", "DELETE", "/v1/orders/7");
    assert_eq!(allowed.status, 200, "{allowed:?}");
    let bearer = scene.sidegate.bearer("ana");
    for (priority, status) in [("low", 200), ("high", 403)] {
        let headers = [("authorization", bearer.as_str()), ("x-priority", priority)];
        let reply = scene.envoy.send("POST", "/v1/orders", &headers);
        assert_eq!(
            reply.status, status,
            "a header as a condition key: {reply:?}"
        );
    }
    assert_eq!(scene.upstream.take().len(), 2, "no denied request arrives");
    let count = |outcome: &str| {
        let labels = format!("door=\"ext_authz\",outcome=\"{outcome}\"");
        scene
            .sidegate
            .count(&format!("sidegate_decisions_total{{{labels}}}"))
    };
    let counts = [
        count("allow"),
        count("deny"),
        count("unauthenticated"),
        count("error"),
    ];
    assert_eq!(counts, [3, 6, 1, 0]);
    eventually("an access log that names the decision", || {
        let line = "GET /v1/orders/sealed-1 403 ext_authz_denied decision=";
        scene.envoy.log().contains(line).then_some(())
    });
}

#[test]
fn identity_headers_of_a_client_never_arrive() {
    let Some(envoy) = parts::envoy("identity_headers_of_a_client_never_arrive") else {
        return;
    };
    for changes in [&[][..], CARELESS] {
        let scene = Scene::set(&envoy, changes);
        let bearer = scene.sidegate.bearer("ben");
        let spoofed = [
            ("authorization", bearer.as_str()),
            ("X-Sidegate-Principal", "arn:aws:iam::210000000001:root"),
            ("x-sidegate-principal", "arn:aws:iam::210000000001:user/ana"),
            ("x-sidegate-account", "999999999999"),
            ("x-sidegate-session", "admin"),
            ("x-sidegate-request-id", "7"),
            ("x-sidegate-decision-id", "7"),
            (
                "x-forwarded-client-cert",
                "URI=spiffe://shop.test/ns/shop/sa/admin",
            ),
        ];
        let reply = scene.envoy.send("GET", "/v1/orders/7", &spoofed);
        assert_eq!(reply.status, 200, "{reply:?}");
        let seen = scene.upstream.take().remove(0);
        assert_eq!(
            seen.all("x-sidegate-principal"),
            ["arn:aws:sts::210000000001:assumed-role/order-reader/ben"]
        );
        assert_eq!(seen.all("x-sidegate-account"), ["210000000001"]);
        assert_eq!(seen.all("x-sidegate-session"), ["ben"]);
        assert_ne!(seen.all("x-sidegate-decision-id"), ["7"]);
        assert!(seen.all("x-sidegate-request-id").is_empty());

        // The other spelling is refused by a careful Envoy, and removed where it gets through.
        let underscores = [
            ("authorization", bearer.as_str()),
            ("x_sidegate_principal", "arn:aws:iam::210000000001:root"),
            ("x-sidegate_principal", "arn:aws:iam::210000000001:root"),
        ];
        let reply = scene.envoy.send("GET", "/v1/orders/7", &underscores);
        if changes.is_empty() {
            assert_eq!(reply.status, 400, "{reply:?}");
        } else {
            assert_eq!(reply.status, 200, "{reply:?}");
            let seen = scene.upstream.take().remove(0);
            for name in ["x_sidegate_principal", "x-sidegate_principal"] {
                assert!(seen.all(name).is_empty(), "{seen:?}");
            }
        }
    }
}

#[test]
fn two_credentials_are_no_credentials() {
    let Some(envoy) = parts::envoy("two_credentials_are_no_credentials") else {
        return;
    };
    for form in ["encode_raw_headers: true", "encode_raw_headers: false"] {
        let scene = Scene::set(&envoy, &[("encode_raw_headers: true", form)]);
        let (ana, ben) = (scene.sidegate.bearer("ana"), scene.sidegate.bearer("ben"));
        let headers = [
            ("authorization", ben.as_str()),
            ("authorization", ana.as_str()),
        ];
        let reply = scene.envoy.send("GET", "/v1/orders/7", &headers);
        assert_eq!(reply.status, 401, "BRR-05, {form}: {reply:?}");
        // A condition key from a header that came twice is refused, not chosen.
        let headers = [
            ("authorization", ana.as_str()),
            ("x-priority", "low"),
            ("x-priority", "high"),
        ];
        let reply = scene.envoy.send("POST", "/v1/orders", &headers);
        assert_eq!(reply.status, 400, "rule 10, {form}: {reply:?}");
        assert!(scene.upstream.take().is_empty());
    }
}

#[test]
fn nobody_passes_while_nobody_decides() {
    let Some(envoy) = parts::envoy("nobody_passes_while_nobody_decides") else {
        return;
    };
    let Scene {
        envoy,
        sidegate,
        upstream,
    } = Scene::set(&envoy, &[]);
    let bearer = sidegate.bearer("ana");
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(envoy.send("GET", "/v1/orders/7", &headers).status, 200);
    upstream.take();
    let around = sidegate.kill();
    let reply = envoy.send("GET", "/v1/orders/7", &headers);
    assert_eq!(reply.status, 503, "{reply:?}");
    assert!(upstream.take().is_empty());
    let retries = envoy.stat("cluster.sidegate.upstream_rq_retry");
    // How many fit into the time-out depends on how busy the machine is.
    assert!(retries > 1, "rule 73: {retries}");
    // It comes back without anybody touching Envoy. Its keys are new, and so are the tokens.
    let sidegate = Sidegate::start_in(around, &[]);
    let bearer = sidegate.bearer("ana");
    let headers = [("authorization", bearer.as_str())];
    eventually("service", || {
        (envoy.send("GET", "/v1/orders/7", &headers).status == 200).then_some(())
    });
}

#[test]
fn a_policy_changes_under_load_and_no_request_fails() {
    // ROLE-27
    let Some(envoy) = parts::envoy("a_policy_changes_under_load_and_no_request_fails") else {
        return;
    };
    let scene = Scene::set(&envoy, &[]);
    let stop = AtomicBool::new(false);
    let sent = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    // Not what is being changed: this has to go on as it was.
                    let read = scene.as_person("ana", "GET", "/v1/orders/7");
                    assert_eq!(read.status, 200, "{read:?}");
                    // What is being changed has one of two answers.
                    let deleted = scene.as_person("ana", "DELETE", "/v1/orders/7");
                    assert!(matches!(deleted.status, 200 | 403), "{deleted:?}");
                    sent.fetch_add(2, Ordering::SeqCst);
                }
            });
        }
        let (write, read) = ("\"orders:DeleteOrder\"]", "\"orders:GetOrder\"]");
        for (from, to, status) in [(write, read, 403), (read, write, 200)].repeat(3) {
            scene.sidegate.edit("identities/roles.yaml", from, to);
            eventually("the new policy", || {
                let reply = scene.as_person("ana", "DELETE", "/v1/orders/7");
                (reply.status == status).then_some(())
            });
        }
        stop.store(true, Ordering::SeqCst);
    });
    assert!(sent.load(Ordering::SeqCst) > 20);
    assert_eq!(scene.sidegate.count("sidegate_snapshot_revision"), 7);
}

#[test]
fn a_broken_policy_changes_nothing_and_is_told() {
    let Some(envoy) = parts::envoy("a_broken_policy_changes_nothing_and_is_told") else {
        return;
    };
    let scene = Scene::set(&envoy, &[]);
    let before = scene.sidegate.admin("/snapshot").json();
    let good = "Action: [\"orders:CreateOrder\"";
    let broken = "Actoin: [\"orders:CreateOrder\"";
    scene.sidegate.edit("identities/roles.yaml", good, broken);
    eventually("the failure", || {
        (scene.sidegate.metric("sidegate_policy_reload_failed") > 0.0).then_some(())
    });
    assert_eq!(scene.as_person("ana", "DELETE", "/v1/orders/7").status, 200);
    let ready = scene.sidegate.admin("/readyz");
    assert_eq!(ready.status, 200, "K2.6: readiness is left alone");
    let told = ready.json();
    assert_eq!(told["reload"]["status"], "failed");
    assert_eq!(told["revision"], before["revision"]);
    let faults = told["reload"]["faults"].to_string();
    assert!(
        faults.contains("identities/roles.yaml:38:11 DOC-3"),
        "{faults}"
    );
    let log = scene.sidegate.log();
    assert!(log.contains("identities/roles.yaml:38:11"), "{log}");
    assert!(
        log.contains("the last good snapshot stays in force"),
        "{log}"
    );

    // The same content as before: nothing to load, and no failure any more.
    scene.sidegate.edit("identities/roles.yaml", broken, good);
    eventually("recovery", || {
        (scene.sidegate.metric("sidegate_policy_reload_failed") == 0.0).then_some(())
    });
    assert_eq!(scene.sidegate.count("sidegate_snapshot_revision"), 1);
    let told = scene.sidegate.admin("/readyz").json();
    assert_eq!(told["reload"]["status"], "current");
}

#[test]
fn calls_of_a_grpc_upstream_are_decided() {
    let Some(program) = parts::envoy("calls_of_a_grpc_upstream_are_decided") else {
        return;
    };
    let sidegate = Sidegate::start();
    let upstream = Upstream::start();
    let neighbours = Neighbours {
        socket: &sidegate.socket(),
        upstream: upstream.address,
        grpc: Some(upstream::grpc()),
    };
    let envoy = Envoy::start(&program, neighbours, &[]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let call = |who: Option<&str>, path: &'static str| {
        runtime.block_on(async {
            let channel =
                tonic::transport::Endpoint::from_shared(format!("http://{}", envoy.ingress))
                    .unwrap()
                    .connect()
                    .await
                    .unwrap();
            let mut client = tonic::client::Grpc::new(channel);
            client.ready().await.unwrap();
            let mut request = tonic::Request::new(());
            if let Some(who) = who {
                let bearer = sidegate.bearer(who).parse().unwrap();
                request.metadata_mut().insert("authorization", bearer);
            }
            let codec = tonic_prost::ProstCodec::<(), ()>::default();
            let path = http::uri::PathAndQuery::from_static(path);
            client
                .unary(request, path, codec)
                .await
                .map(|_| ())
                .map_err(|status| (status.code(), status.message().to_owned()))
        })
    };
    let get = "/shop.v1.Orders/GetOrder";
    assert_eq!(call(Some("ben"), get), Ok(()));
    // (who, path, code, message)
    let cases = [
        (Some("mallory"), get, Code::Unauthenticated, "not proven"),
        (
            None,
            get,
            Code::PermissionDenied,
            "not authorized to perform",
        ),
        (
            Some("ben"),
            "/shop.v1.Orders/Purge",
            Code::PermissionDenied,
            "no service maps",
        ),
    ];
    for (who, path, code, text) in cases {
        let (got, message) = call(who, path).unwrap_err();
        assert_eq!(got, code, "{who:?} {path}: {message}");
        assert!(message.contains(text), "{message}");
    }
    // The same path under another content type is no way around the gRPC route.
    let bearer = sidegate.bearer("ben");
    for kind in ["application/json", "application/grpc-web+proto"] {
        let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
        let reply = envoy.send("POST", "/shop.v1.Orders/Purge", &headers);
        assert_eq!(reply.status, 403, "{kind}: {reply:?}");
    }
    assert!(upstream.take().is_empty());
}

#[test]
fn envoy_may_ask_over_http_as_well() {
    let Some(program) = parts::envoy("envoy_may_ask_over_http_as_well") else {
        return;
    };
    let start = SHIPPED
        .find("                      grpc_service:\n")
        .unwrap();
    let end = SHIPPED
        .find("                      # Nobody answers")
        .unwrap();
    let sidegate = Sidegate::start();
    let upstream = Upstream::start();
    let service = "                      http_service:
                        server_uri: {uri: \"http://sidegate\", cluster: sidegate, timeout: 1s}
                        path_prefix: /authorize/envoy
                        authorization_request:
                          allowed_headers: {patterns: [{prefix: x-}]}
                        authorization_response:
                          allowed_upstream_headers: {patterns: [{prefix: x-sidegate-}]}
";
    let pipe = format!("{{pipe: {{path: {}}}}}", sidegate.socket().display());
    let tcp = format!(
        "{{socket_address: {{address: 127.0.0.1, port_value: {}}}}}",
        sidegate.http.port()
    );
    let changes = [
        (&SHIPPED[start..end], service),
        (pipe.as_str(), tcp.as_str()),
        (
            "explicit_http_config: {http2_protocol_options: {}}",
            "explicit_http_config: {http_protocol_options: {}}",
        ),
        ("- remove: x-sidegate-", "- remove: x-other-"),
        ("normalize_path: true", "normalize_path: false"),
        ("merge_slashes: true", "merge_slashes: false"),
    ];
    let neighbours = Neighbours {
        socket: &sidegate.socket(),
        upstream: upstream.address,
        grpc: None,
    };
    let envoy = Envoy::start(&program, neighbours, &changes);
    let bearer = sidegate.bearer("ben");
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-sidegate-principal", "arn:aws:iam::210000000001:root"),
    ];
    let reply = envoy.send("GET", "/v1/orders/7?page=2", &headers);
    assert_eq!(reply.status, 200, "{reply:?}");
    let seen = upstream.take().remove(0);
    assert_eq!(seen.line, "GET /v1/orders/7?page=2 HTTP/1.1");
    assert_eq!(
        seen.all("x-sidegate-principal"),
        ["arn:aws:sts::210000000001:assumed-role/order-reader/ben"]
    );
    assert!(seen.all("authorization").is_empty());
    // (method, path, status)
    let cases = [
        ("GET", "/v1/orders/sealed-1", 403),
        ("DELETE", "/v1/orders/7", 403),
        ("GET", "/v1/orders/../orders/7", 400),
        ("GET", "//v1/orders/7", 400),
        ("GET", "/../../authorize?x=", 400),
        ("GET", "/nginx", 403),
    ];
    for (method, path, status) in cases {
        let reply = envoy.send(method, path, &headers);
        assert_eq!(reply.status, status, "{method} {path}: {reply:?}");
    }
    assert!(upstream.take().is_empty());
}
