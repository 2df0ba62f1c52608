//! Forward-auth as Traefik, Caddy, nginx and Envoy ask it.

use crate::support::http::{send, send_bytes};
use crate::support::sidegate::Sidegate;

#[test]
fn each_proxy_gets_the_answer_that_it_understands() {
    let sidegate = Sidegate::start();
    let tokens = ["ana", "ben", "mallory"].map(|who| (who, sidegate.bearer(who)));
    let token = |who: &str| {
        let found = tokens.iter().find(|(name, _)| *name == who);
        found.map(|(_, bearer)| bearer.as_str())
    };
    // (who, method, path, status for Traefik, for nginx, for Envoy)
    let cases = [
        ("ben", "GET", "/v1/orders/7", 200, 200, 200),
        ("ben", "GET", "/v1/orders/7?page=2", 200, 200, 200),
        ("ben", "GET", "/v1/orders/sealed-1", 403, 403, 403),
        ("ben", "DELETE", "/v1/orders/7", 403, 403, 403),
        ("ana", "DELETE", "/v1/orders/7", 200, 200, 200),
        ("mallory", "GET", "/v1/orders/7", 401, 401, 401),
        ("nobody", "GET", "/v1/orders/7", 403, 403, 403),
        ("ana", "GET", "/v1/orders/../orders/7", 400, 403, 400),
        ("ana", "GET", "//v1/orders/7", 400, 403, 400),
        ("ana", "GET", "/v1/orders/a%2Fb", 400, 403, 400),
        ("ana", "get", "/v1/orders/7", 400, 403, 400),
    ];
    for (who, method, path, traefik, nginx, envoy) in cases {
        let url = format!("https://shop.test{path}");
        let of_traefik = [
            ("x-forwarded-method", method),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "shop.test"),
            ("x-forwarded-uri", path),
            ("x-forwarded-for", "192.0.2.7"),
        ];
        let of_nginx = [
            ("x-original-method", method),
            ("x-original-url", url.as_str()),
            ("x-real-ip", "192.0.2.7"),
        ];
        let target = format!("/authorize/envoy{path}");
        let asked = [
            ("Traefik", "GET", "/authorize", &of_traefik[..], traefik),
            ("nginx", "GET", "/authorize/nginx", &of_nginx[..], nginx),
            ("Envoy", method, target.as_str(), &[][..], envoy),
        ];
        for (proxy, method, target, told, expected) in asked {
            let mut headers = told.to_vec();
            headers.extend(token(who).map(|bearer| ("authorization", bearer)));
            let reply = send(sidegate.http, method, target, &headers);
            assert_eq!(
                reply.status, expected,
                "{proxy}: {who} {method} {path}: {reply:?}"
            );
            let principal = reply.header("x-sidegate-principal");
            assert_eq!(principal.is_some(), expected == 200, "{proxy} {path}");
            assert!(reply.header("x-sidegate-decision-id").is_some());
        }
    }
}

#[test]
fn bad_input_is_refused() {
    let sidegate = Sidegate::start();
    let bearer = sidegate.bearer("ana");
    let ask = |extra: &str| {
        let text = format!(
            "GET /authorize HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: {bearer}\r\n\
             x-forwarded-method: GET\r\nx-forwarded-proto: https\r\nx-forwarded-host: shop.test\r\n\
             x-forwarded-for: 192.0.2.7\r\nx-forwarded-uri: /v1/orders/7\r\n{extra}\r\n"
        );
        send_bytes(sidegate.http, text.as_bytes())
            .expect("an answer")
            .status
    };
    assert_eq!(ask(""), 200);
    let many = "x-a: b\r\n".repeat(2_000);
    let large = format!("x-a: {}\r\n", "b".repeat(200_000));
    // (what, header lines, status)
    let cases = [
        ("the path twice", "x-forwarded-uri: /v1/orders/8\r\n", 400),
        ("the method twice", "x-forwarded-method: GET\r\n", 400),
        ("two tokens", "authorization: Bearer x\r\n", 401),
        (
            "two content types",
            "content-type: a/b\r\ncontent-type: c/d\r\n",
            400,
        ),
        ("many headers", many.as_str(), 431),
        ("large headers", large.as_str(), 431),
    ];
    for (what, extra, status) in cases {
        assert_eq!(ask(extra), status, "{what}");
    }
    // (what, bytes)
    let broken: [(&str, &[u8]); 4] = [
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"),
        ("bytes for a path", b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n"),
        ("another door's path", b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"),
        ("bytes for a header", b"GET /authorize HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-forwarded-uri: /\xff\r\n\r\n"),
    ];
    for (what, bytes) in broken {
        let status = send_bytes(sidegate.http, bytes).map(|reply| reply.status);
        assert!(
            status.is_none_or(|status| (400..500).contains(&status)),
            "{what}: {status:?}"
        );
    }
    assert_eq!(ask(""), 200, "it is as well as before");
}
