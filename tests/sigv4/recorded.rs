//! Checks as Envoy sent them while the stock `aws` command line called through it.

use super::{Refused, Verifier, json, lenient};
use crate::support::shared::data;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use serde_json::Value;
use sidegate::authn::{SigV4Error, SignedCall};
use sidegate::ext_authz::read;
use sidegate::proto::envoy::config::core::v3::{HeaderMap, HeaderValue};
use sidegate::proto::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use sidegate::proto::envoy::service::auth::v3::{AttributeContext, CheckRequest};

fn check(recorded: &Value) -> CheckRequest {
    let http = &recorded["attributes"]["request"]["http"];
    let text = |name: &str| http[name].as_str().unwrap_or_default().to_owned();
    let headers = http["headers"].as_object().into_iter().flatten();
    let headers = headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
    let bytes = |value: &Value| STANDARD.decode(value.as_str().unwrap_or_default()).unwrap();
    let list = http["header_map"]["headers"].as_array();
    let header_map = list.map(|list| HeaderMap {
        headers: list
            .iter()
            .map(|field| HeaderValue {
                key: field["key"].as_str().unwrap().to_owned(),
                value: field["value"].as_str().unwrap_or_default().to_owned(),
                raw_value: bytes(&field["raw_value"]).into(),
            })
            .collect(),
    });
    let http = HttpRequest {
        method: text("method"),
        path: text("path"),
        host: text("host"),
        scheme: text("scheme"),
        headers: headers.collect(),
        header_map,
        raw_body: bytes(&http["raw_body"]).into(),
        ..HttpRequest::default()
    };
    CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(Request { http: Some(http) }),
            ..AttributeContext::default()
        }),
    }
}

#[test]
fn recorded_checks_verify_as_marked() {
    // ACC-01, ENV-01, ENV-06, ENV-07.
    let name = "sigv4/envoy-checkrequests.json";
    let Some(path) = data("recorded_checks_verify_as_marked", name) else {
        return;
    };
    let file = json(&path);
    let mut count = 0;
    for case in file["cases"].as_array().unwrap() {
        let name = format!("{} through {}", case["name"], case["listener"]);
        let message = check(&case["check_request"]).encode_to_vec().into();
        let call = read(&message, 0).unwrap();
        let signed = SignedCall::of_header(&call).unwrap();
        let verifier = Verifier {
            signing: lenient(signed.service(), signed.region()),
            key: (
                signed.access_key_id().to_owned(),
                file["secret_access_key"].as_str().unwrap().to_owned(),
            ),
            token: signed.token().map(str::to_owned),
            now: signed.signed_at(),
        };
        let got = verifier.verify(&call);
        if case["signature_verifies"].as_bool().unwrap() {
            assert!(got.is_ok(), "{name}: {got:?}");
        } else {
            let mismatch = matches!(got, Err(Refused::Signature(SigV4Error::Mismatch)));
            assert!(mismatch, "{name}: {got:?}");
        }
        count += 1;
    }
    assert_eq!(count, 9);
}
