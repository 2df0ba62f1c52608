use super::*;
use crate::model::HttpCall;

fn call(target: &str, headers: &[(&str, &str)]) -> Result<HttpCall, Refusal> {
    let mut request = Request::builder().method("GET").uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let (profile, target) = Profile::of_target(&parts.uri).unwrap();
    profile.read(&parts, target)
}

const TRAEFIK: [(&str, &str); 5] = [
    ("x-forwarded-method", "DELETE"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "shop.test"),
    ("x-forwarded-uri", "/v1/orders/7?x=1"),
    ("x-forwarded-for", "203.0.113.9, 192.0.2.7"),
];

const NGINX: [(&str, &str); 3] = [
    ("x-original-method", "DELETE"),
    ("x-original-url", "https://shop.test/v1/orders/7?x=1"),
    ("x-real-ip", "192.0.2.7"),
];

#[test]
fn each_proxy_tells_the_call_in_its_own_headers() {
    for (path, headers) in [
        ("/authorize", &TRAEFIK[..]),
        ("/authorize/nginx", &NGINX[..]),
    ] {
        let call = call(path, headers).unwrap();
        assert_eq!(call.method, "DELETE", "{path}");
        assert_eq!(call.authority, "shop.test", "{path}");
        assert_eq!(call.target, "/v1/orders/7?x=1", "{path}");
        assert_eq!(call.peer.ip, Some("192.0.2.7".parse().unwrap()), "{path}");
        assert_eq!(call.peer.secure, Some(true), "{path}");
        // A DELETE may have one, which the proxy keeps to itself.
        assert_eq!(call.body, crate::model::Body::Unknown, "ENV-04: {path}");
    }
    let call = call("/authorize/envoy/v1//orders?x=1", &[("host", "shop.test")]).unwrap();
    assert_eq!(call.target, "/v1//orders?x=1");
    assert_eq!(call.authority, "shop.test");
    assert_eq!(call.peer.secure, None, "nobody told");
}

#[test]
fn what_the_proxy_has_to_tell_is_neither_missing_nor_told_twice() {
    for (path, headers) in [
        ("/authorize", &TRAEFIK[..]),
        ("/authorize/nginx", &NGINX[..]),
    ] {
        for (left_out, (name, _)) in headers.iter().enumerate() {
            let mut fewer = headers.to_vec();
            fewer.remove(left_out);
            assert!(call(path, &fewer).is_err(), "{path} without {name}");
            let mut more = headers.to_vec();
            more.push((name, "x"));
            assert!(call(path, &more).is_err(), "{path} with two {name}");
        }
    }
    assert!(call("/authorize/envoy/x", &[]).is_err(), "no host");
}

#[test]
fn a_host_cannot_move_the_beginning_of_the_path() {
    for url in [
        "https://shop.test?x=/v1/orders/7",
        "https://shop.test#/v1",
        "https://shop.test",
        "shop.test/v1",
        "https://shop.test\\v1/x",
    ] {
        let headers = [
            ("x-original-method", "GET"),
            ("x-original-url", url),
            ("x-real-ip", "192.0.2.7"),
        ];
        assert!(call("/authorize/nginx", &headers).is_err(), "{url}");
    }
}

#[test]
fn a_denial_has_a_status_that_the_proxy_takes_for_one() {
    // (profile, status, what is sent)
    let cases = [
        (Profile::ForwardAuth, 400, 400),
        (Profile::ForwardAuth, 503, 503),
        (Profile::Nginx, 400, 403),
        (Profile::Nginx, 401, 401),
        (Profile::Nginx, 503, 503),
        (Profile::Envoy, 400, 400),
        (Profile::Envoy, 401, 401),
        (Profile::Envoy, 500, 403),
        (Profile::Envoy, 503, 403),
    ];
    for (profile, status, sent) in cases {
        assert_eq!(
            profile.status(status).as_u16(),
            sent,
            "{profile:?} {status}"
        );
    }
}

#[test]
fn only_known_paths_are_asked_at() {
    for path in [
        "/",
        "/authorize/",
        "/authorizex",
        "/authorize/envoyx",
        "/authorize/nginx/x",
    ] {
        let uri = path.parse().unwrap();
        assert!(Profile::of_target(&uri).is_none(), "{path}");
    }
}
