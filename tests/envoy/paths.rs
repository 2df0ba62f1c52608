//! The path that is judged is the path that is served (incident rule 1).

use super::{CARELESS, Scene};
use crate::support::parts;

/// Paths that somebody could read as another than they are written: sent, and the status with a
/// careless and with a careful Envoy. The careful one makes some of them plain before it asks.
const TRICKS: &[(&str, u16, u16)] = &[
    ("/v1/orders/7", 200, 200),
    ("/v1/orders/x/../7", 400, 200),
    ("/v1/orders/x/../sealed-1", 400, 403),
    ("/v1/orders/./7", 400, 200),
    ("/v1/orders/%2e%2e/orders/7", 400, 200),
    ("/v1/orders/%2E/7", 400, 200),
    ("/v1/orders/..;/orders/7", 400, 200),
    ("/v1//orders/7", 400, 200),
    ("//v1/orders/7", 400, 200),
    ("/v1/orders//7", 400, 200),
    ("/v1/orders/a%2Fb", 400, 400),
    ("/v1/orders/a%2fb", 400, 400),
    ("/v1/orders/a%5Cb", 400, 400),
    ("/v1/orders/a%5cb", 400, 400),
    // A backslash becomes a slash, and the path is one that no service maps.
    ("/v1/orders/a\\b", 400, 403),
    ("/v1/orders/a%00b", 400, 400),
    ("/v1/orders/a%0ab", 400, 400),
    ("/v1/orders/a%7fb", 400, 400),
    ("/v1/orders/a%252fb", 400, 400),
    ("/v1/orders/a%25%32%66b", 400, 400),
    ("/v1/orders/%", 400, 400),
    ("/v1/orders/%zz", 400, 400),
    ("/v1/orders/%c0%af", 400, 400),
    ("/v1/orders/%73ealed-1", 400, 403),
    ("/v1/orders/sealed-1", 403, 403),
    ("/v1/orders/sealed-1;a=b", 400, 400),
    ("/v1/orders/sealed-1/", 403, 403),
    ("/v1/orders/sealed-1.", 400, 400),
    ("/v1/orders/7?x=/../sealed-1", 200, 200),
    ("/v1/orders/7?x=%", 400, 400),
    ("/v1/orders/7?", 200, 200),
    ("/V1/orders/7", 403, 403),
    ("/v1/ORDERS/7", 403, 403),
    ("/v1/orders/7#/../sealed-1", 400, 400),
    ("/v1/orders/*", 400, 400),
    ("*", 400, 400),
    ("http://shop.test/v1/orders/7", 200, 200),
    ("http://other.test/v1/orders/sealed-1", 403, 403),
];

#[test]
fn the_path_that_is_judged_is_the_path_that_is_served() {
    let Some(envoy) = parts::envoy("the_path_that_is_judged_is_the_path_that_is_served") else {
        return;
    };
    for (careful, changes) in [(false, CARELESS), (true, &[][..])] {
        let scene = Scene::set(&envoy, changes);
        let mut wrong = Vec::new();
        for (path, careless_status, careful_status) in TRICKS {
            let expected = if careful {
                careful_status
            } else {
                careless_status
            };
            let reply = scene.as_person("ben", "GET", path);
            let seen = scene.upstream.take();
            if reply.status != *expected {
                wrong.push(format!(
                    "{path}: {} for {expected}: {}",
                    reply.status, reply.body
                ));
            }
            assert_eq!(seen.len(), usize::from(reply.status == 200), "{path}");
            for seen in seen {
                assert!(
                    !seen.line.contains("sealed") || seen.line.contains('?'),
                    "{seen:?}"
                );
                assert!(
                    seen.line.starts_with("GET /v1/orders/7"),
                    "{path}: {seen:?}"
                );
            }
        }
        assert!(wrong.is_empty(), "careful: {careful}\n{}", wrong.join("\n"));
    }
}

#[test]
fn an_odd_host_is_refused() {
    let Some(envoy) = parts::envoy("an_odd_host_is_refused") else {
        return;
    };
    let scene = Scene::set(&envoy, &[]);
    let bearer = scene.sidegate.bearer("ben");
    // (host, status): the example's services answer at any host, but a host has to be one.
    let cases = [
        ("SHOP.test:8080", 200),
        ("shop.test.", 200),
        ("user@shop.test", 400),
        ("shop.test:", 400),
        ("[::1]:80", 200),
    ];
    for (host, status) in cases {
        let headers = [("host", host), ("authorization", bearer.as_str())];
        let reply = scene.envoy.send("GET", "/v1/orders/7", &headers);
        assert_eq!(reply.status, status, "{host}: {reply:?}");
    }
}
