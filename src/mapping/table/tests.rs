use super::*;
use crate::model::{Body, Headers, Peer};
use crate::policy::{Bundle, BundleFile};

/// The services of a bundle file.
fn services(text: &str) -> Vec<Service> {
    let file = BundleFile {
        path: "services.yaml",
        bytes: text.as_bytes(),
    };
    let (bundle, _) = Bundle::parse(&[file]).unwrap_or_else(|refused| {
        panic!("{:?}", refused.diagnostics);
    });
    bundle.services
}

/// A service `orders` with these lines in its specification.
fn orders(lines: &str) -> Vec<Service> {
    let lines = lines.replace('\n', "\n  ");
    services(&format!(
        "apiVersion: sidegate.dev/v1alpha1\nkind: IamService\nmetadata: {{name: orders}}\n\
         spec:\n  prefix: orders\n  account: \"210000000001\"\n  region: eu-1\n  {lines}\n"
    ))
}

fn routes(routes: &[(&str, &str)]) -> Vec<Service> {
    let lines: Vec<String> = routes
        .iter()
        .map(|(matcher, action)| format!("  - {{match: \"{matcher}\", action: orders:{action}}}"))
        .collect();
    orders(&format!("routes:\n{}", lines.join("\n")))
}

fn call(method: &str, target: &str) -> HttpCall {
    HttpCall {
        method: method.into(),
        scheme: "https".into(),
        authority: "shop.test".into(),
        target: target.into(),
        headers: Headers::new(),
        body: Body::none(),
        peer: Peer::default(),
        protocol: Protocol::Http,
    }
}

/// The action that a call is, without prefix, or the label of the fault.
fn meaning(table: &Table, call: &HttpCall) -> String {
    match table.resolve(call) {
        Ok(mapped) => mapped.targets[0]
            .action
            .as_str()
            .trim_start_matches("orders:")
            .into(),
        Err(fault) => fault.label().into(),
    }
}

#[test]
fn the_narrowest_route_decides_whatever_the_order_is() {
    let list = [
        ("GET /v1/orders", "List"),
        ("GET /v1/orders/", "Index"),
        ("GET /v1/orders/{Id}", "Get"),
        ("GET /v1/orders/export", "Export"),
        ("* /v1/orders/{Id}", "Touch"),
        ("GET /v1/orders/{Id}/lines/{Line}", "GetLine"),
        ("GET /v1/{Path...}", "Browse"),
        ("OPTIONS /v1/orders", "Preflight"),
    ];
    // (method, target, meaning)
    let cases = [
        ("GET", "/v1/orders", "List"),
        ("GET", "/v1/orders?page=2", "List"),
        ("GET", "/v1/orders/", "Index"),
        ("GET", "/v1/orders/7", "Get"),
        ("GET", "/v1/orders/export", "Export"),
        ("PUT", "/v1/orders/export", "Touch"),
        ("DELETE", "/v1/orders/7", "Touch"),
        ("GET", "/v1/orders/7/lines/1", "GetLine"),
        ("GET", "/v1/orders/7/lines", "Browse"),
        ("GET", "/v1/x", "Browse"),
        ("OPTIONS", "/v1/orders", "Preflight"),
        ("POST", "/v1/orders", "unmapped"),
        ("GET", "/v2/orders", "unmapped"),
        ("GET", "/v1", "unmapped"),
        ("CONNECT", "", "unmapped"),
        ("OPTIONS", "*", "unmapped"),
        ("get", "/v1/orders", "bad_method"),
        ("GE T", "/v1/orders", "bad_method"),
        ("", "/v1/orders", "bad_method"),
        // A server that folds case, or takes the slash for nothing, would serve another route.
        ("GET", "/v1/orders/EXPORT", "ambiguous_path"),
        ("GET", "/v1/orders/export/", "unmapped"),
        ("GET", "/v1/orders/7/", "unmapped"),
        ("GET", "/v1/Orders/7", "ambiguous_path"),
        // Many servers answer HEAD as GET, and that would be another action.
        ("HEAD", "/v1/orders/export", "ambiguous_path"),
        ("HEAD", "/v1/orders/7", "ambiguous_path"),
        ("HEAD", "/v1/orders", "unmapped"),
    ];
    for reversed in [false, true] {
        let mut list = list;
        if reversed {
            list.reverse();
        }
        let table = Table::compile(&routes(&list)).unwrap();
        for (method, target, expected) in cases {
            let got = meaning(&table, &call(method, target));
            assert_eq!(got, expected, "{method} {target}, reversed: {reversed}");
        }
    }
    let cases = [
        ("GET /V1/Orders/admin", "Purge"),
        ("GET /v1/orders/{Id}", "Get"),
    ];
    let table = Table::compile(&routes(&cases)).unwrap();
    for (target, expected) in [
        ("/V1/Orders/admin", "Purge"),
        ("/v1/orders/admin", "ambiguous_path"),
        ("/v1/orders/Admin", "ambiguous_path"),
        ("/v1/orders/7", "Get"),
    ] {
        assert_eq!(meaning(&table, &call("GET", target)), expected, "{target}");
    }
    let heads = [
        ("* /v1/orders/{Id}", "Touch"),
        ("HEAD /v1/orders/{Id}", "Peek"),
    ];
    let table = Table::compile(&routes(&heads)).unwrap();
    assert_eq!(meaning(&table, &call("HEAD", "/v1/orders/7")), "Peek");
}

#[test]
fn a_resource_is_named_by_the_path() {
    let table = Table::compile(&orders(
        r#"resources:
  order: {arn: "arn:${Partition}:orders:${Region}:${Account}:order/${Id}"}
  file: {arn: "arn:aws:orders:::file/${Key}"}
routes:
  - {match: "GET /v1/orders/{Id}", action: orders:Get, resource: order}
  - {match: "GET /v1/files/{Key...}", action: orders:GetFile, resource: file}
  - {match: "GET /v1/fixed", action: orders:Fixed, resource: "arn:aws:orders:::fixed"}
  - {match: "GET /v1/orders", action: orders:List}"#,
    ))
    .unwrap();
    // (target, resource)
    let cases = [
        ("/v1/orders/7", "arn:aws:orders:eu-1:210000000001:order/7"),
        (
            "/v1/orders/a:b",
            "arn:aws:orders:eu-1:210000000001:order/a:b",
        ),
        (
            "/v1/orders/%C3%A9",
            "arn:aws:orders:eu-1:210000000001:order/é",
        ),
        (
            "/v1/orders/a%20b",
            "arn:aws:orders:eu-1:210000000001:order/a b",
        ),
        ("/v1/files/a/b/c", "arn:aws:orders:::file/a/b/c"),
        ("/v1/fixed", "arn:aws:orders:::fixed"),
        ("/v1/orders", "*"),
    ];
    for (target, expected) in cases {
        let call = call("GET", target);
        let mapped = table.resolve(&call).unwrap();
        assert_eq!(mapped.targets[0].resource.as_str(), expected, "{target}");
        let owner = mapped.targets[0].owner.unwrap();
        assert_eq!(owner.as_str(), "210000000001", "CTX-4: {target}");
    }
    let long = format!("/v1/orders/{}", "x".repeat(2_040));
    assert_eq!(meaning(&table, &call("GET", &long)), "bad_resource");
}

#[test]
fn a_grpc_call_is_one_by_its_path_whatever_its_content_type_says() {
    let table = Table::compile(&routes(&[
        ("grpc shop.v1.Orders/Get", "Get"),
        ("grpc shop.v1.Orders/*", "Other"),
        ("grpc shop.v1.Stock/Get", "Stock"),
        ("* /{Path...}", "Web"),
    ]))
    .unwrap();
    let grpc = |method: &str, target: &str| HttpCall {
        protocol: Protocol::Grpc,
        ..call(method, target)
    };
    // (call, meaning)
    let cases = [
        (grpc("POST", "/shop.v1.Orders/Get"), "Get"),
        (grpc("POST", "/shop.v1.Orders/Purge"), "Other"),
        (grpc("POST", "/shop.v1.Stock/Purge"), "unmapped"),
        (grpc("POST", "/other.v1.Orders/Get"), "unmapped"),
        (grpc("GET", "/shop.v1.Orders/Get"), "bad_grpc_call"),
        (grpc("POST", "/shop.v1.Orders/Get/"), "bad_grpc_call"),
        (grpc("POST", "/shop.v1.Orders/Get?x=1"), "bad_grpc_call"),
        (grpc("POST", "/shop.v1.Orders"), "bad_grpc_call"),
        (grpc("POST", "/a/b/c"), "bad_grpc_call"),
        (grpc("POST", "shop.v1.Orders/Get"), "ambiguous_path"),
        // The content type is the client's word, and a route for everything is no way around.
        (call("POST", "/shop.v1.Orders/Get"), "Get"),
        (call("POST", "/shop.v1.Stock/Purge"), "unmapped"),
        (call("GET", "/shop.v1.Orders/Get"), "bad_grpc_call"),
        (call("POST", "/shop.v1.Other/Get"), "Web"),
    ];
    for (call, expected) in cases {
        assert_eq!(meaning(&table, &call), expected, "{call:?}");
    }
}

#[test]
fn a_host_decides_before_the_path() {
    let table = Table::compile(&services(
        r#"apiVersion: sidegate.dev/v1alpha1
kind: IamService
metadata: {name: orders}
spec:
  prefix: orders
  account: "210000000001"
  hosts: [orders.shop.test]
  routes:
    - {match: "GET /{Path...}", action: orders:Browse}
---
apiVersion: sidegate.dev/v1alpha1
kind: IamService
metadata: {name: web}
spec:
  prefix: web
  account: "210000000001"
  routes:
    - {match: "GET /v1/x", action: web:Get}
"#,
    ))
    .unwrap();
    // (authority, target, meaning)
    let cases = [
        ("orders.shop.test", "/v1/x", "Browse"),
        ("Orders.Shop.Test:8443", "/v1/x", "Browse"),
        ("orders.shop.test.", "/v1/x", "Browse"),
        ("shop.test", "/v1/x", "web:Get"),
        ("shop.test", "/v1/y", "unmapped"),
        ("orders.shop.test,shop.test", "/v1/x", "bad_host"),
        ("user@orders.shop.test", "/v1/x", "bad_host"),
        ("orders.shop.test:", "/v1/x", "bad_host"),
        ("", "/v1/x", "bad_host"),
    ];
    for (authority, target, expected) in cases {
        let call = HttpCall {
            authority: authority.into(),
            ..call("GET", target)
        };
        assert_eq!(meaning(&table, &call), expected, "{authority} {target}");
    }
}

#[test]
fn what_does_not_compile_whole_does_not_compile() {
    let resources = r#"resources:
  order: {arn: "arn:aws:orders:${Region}:${Account}:order/${Id}"}
"#;
    // (lines of the service, rules)
    let cases: [(&str, &[&str]); 19] = [
        (
            "routes: [{match: \"get /x\", action: orders:A}]",
            &["MAP-1"],
        ),
        ("routes: [{match: \"GET x\", action: orders:A}]", &["MAP-1"]),
        (
            "routes: [{match: \"GET /a//b\", action: orders:A}]",
            &["MAP-1"],
        ),
        (
            "routes: [{match: \"GET /{A...}/b\", action: orders:A}]",
            &["MAP-1"],
        ),
        (
            "routes: [{match: \"GET /{A}/{A}\", action: orders:A}]",
            &["MAP-2"],
        ),
        (
            "routes: [{match: \"GET /{Account}\", action: orders:A}]",
            &["MAP-2"],
        ),
        (
            "routes: [{match: \"GET /{A}\", action: orders:A}, {match: \"GET /{B}\", action: orders:B}]",
            &["MAP-3"],
        ),
        (
            "routes: [{match: \"GET /{A}/b\", action: orders:A}, {match: \"GET /a/{B}\", action: orders:B}]",
            &["MAP-4"],
        ),
        (
            "routes: [{match: \"GET /a\", action: orders:A, resource: \"arn:aws:orders\"}]",
            &["MAP-5"],
        ),
        (
            "routes: [{match: \"GET /a\", action: orders:A, resource: order}]",
            &["MAP-6"],
        ),
        (
            "routes: [{match: \"GET /{A}\", action: orders:A, resource: \"arn:aws:${A}:::x\"}]",
            &["MAP-7"],
        ),
        (
            "routes: [{match: \"GET /{A}/{B}\", action: orders:A, resource: \"arn:aws:orders:::${A}${B}\"}]",
            &["MAP-8"],
        ),
        (
            "routes: [{match: \"GET /a\", action: orders:A, resource: other}]",
            &["MAP-9"],
        ),
        (
            "routes: [{match: \"GET /a\", action: orders:A, context: {other:X: \"value:x\"}}]",
            &["MAP-11"],
        ),
        (
            "routes: [{match: \"GET /a\", action: orders:A, context: {aws:PrincipalArn: \"header:x\"}}]",
            &["MAP-12"],
        ),
        (
            "routes: [{match: \"GET /a\", action: orders:A, context: {orders:X: \"body:x\"}}]",
            &["MAP-13"],
        ),
        (
            "routes: [{match: \"GET /a\", hosts: [\"A:80\"], action: orders:A}]",
            &["MAP-14"],
        ),
        (
            "hosts: [a.test]\nroutes: [{match: \"GET /a\", hosts: [b.test], action: orders:A}]",
            &["MAP-14"],
        ),
        (
            "routes: [{match: \"GET /a\", action: orders:A, context: {orders:X: \"value:x\", ORDERS:x: \"value:y\"}}]",
            &["MAP-16"],
        ),
    ];
    for (lines, rules) in cases {
        let services = orders(&format!("{resources}{lines}"));
        let faults = Table::compile(&services).expect_err(lines);
        let got: Vec<&str> = faults.iter().map(|fault| fault.rule).collect();
        assert_eq!(got, rules, "{lines}: {faults:?}");
    }
    let services = orders("routes: [{match: \"GET /a\", action: orders:A}]");
    let mut odd = services.clone();
    odd[0].region = Some("EU 1".into());
    assert_eq!(Table::compile(&odd).unwrap_err()[0].rule, "MAP-17");
    let mut ownerless = orders(&format!("{resources}routes: []"));
    ownerless[0].account = None;
    ownerless[0].resources.get_mut("order").unwrap().arn = "arn:aws:orders:::x".into();
    assert_eq!(Table::compile(&ownerless).unwrap_err()[0].rule, "MAP-10");
}
