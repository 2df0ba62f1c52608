//! From a check to an HTTP call.

use crate::model::{Body, Headers, HttpCall, Peer, Protocol};
use crate::pdp::Refusal;
use crate::proto::envoy::config::core::v3::address::Address as AddressKind;
use crate::proto::envoy::config::core::v3::{Address, HeaderValue};
use crate::proto::envoy::service::auth::v3::attribute_context::HttpRequest;
use crate::proto::envoy::service::auth::v3::{AttributeContext, CheckRequest, attribute_context};
use std::net::IpAddr;

/// The most header fields of a call.
const MAX_HEADERS: usize = 256;

/// What a route's `context_extensions` call the network endpoint that its calls come through.
const ENDPOINT: &str = "sidegate.endpoint";

/// The longest path with its query, in bytes; Envoy's own limit for all headers is 60 KiB.
const MAX_TARGET: usize = 64 * 1024;

/// Reads a check. `trusted_hops` is how many proxies of the operator's own stand in front of Envoy.
///
/// # Errors
///
/// [`Refusal::Malformed`] when the check is not about an HTTP request, contradicts itself, or is
/// over a limit (rules 6, 7 and 64 of the Envoy contract).
pub fn read(check: CheckRequest, trusted_hops: usize) -> Result<HttpCall, Refusal> {
    let CheckRequest { attributes } = check;
    let attributes = attributes.ok_or_else(|| malformed("no_attributes", "no attributes"))?;
    let AttributeContext {
        source,
        request,
        context_extensions,
        tls_session,
    } = attributes;
    let attribute_context::Request { http } =
        request.ok_or_else(|| malformed("no_http", "the check is not about an HTTP request"))?;
    let http =
        http.ok_or_else(|| malformed("no_http", "the check is not about an HTTP request"))?;
    let HttpRequest {
        id: _,
        method,
        headers,
        path,
        host,
        scheme,
        protocol: _,
        header_map,
        body: text,
        raw_body,
    } = http;
    if path.len() > MAX_TARGET {
        return Err(malformed("target_too_long", "the path is too long"));
    }
    let headers = match header_map {
        None => joined(headers)?,
        Some(_) if !headers.is_empty() => {
            return Err(malformed(
                "two_header_forms",
                "the headers came in two forms",
            ));
        }
        Some(map) => listed(map.headers)?,
    };
    let attribute_context::Peer { address, principal } = source.unwrap_or_default();
    // Envoy sends an empty session for a plain connection too; a server name is a client's in TLS.
    let certain = tls_session.is_some_and(|tls| !tls.sni.is_empty()) || !principal.is_empty();
    let secure = match scheme.as_str() {
        _ if certain => Some(true),
        "http" => Some(false),
        // Over HTTP/2 the scheme is the client's own word.
        _ => None,
    };
    let protocol = Protocol::of(&headers)
        .map_err(|fault| malformed("bad_header", &format!("content-type: {fault}")))?;
    let ip = match trusted_hops {
        0 => address.and_then(ip),
        hops => forwarded(&headers, hops),
    };
    let peer = Peer {
        ip,
        principal,
        endpoint: context_extensions.get(ENDPOINT).cloned(),
        secure,
    };
    Ok(HttpCall {
        body: body(&method, &headers, &text, raw_body),
        method,
        scheme,
        authority: host,
        target: path,
        headers,
        peer,
        protocol,
    })
}

/// ENV-03, ENV-04: the body, if Envoy showed all of it as it is.
///
/// Envoy says by a header of its own whether it buffered the body, and says nothing for a request
/// that ended with its header. A body whose length nobody tells may then have been passed by, save
/// for methods that have none.
fn body(method: &str, headers: &Headers, text: &str, raw: bytes::Bytes) -> Body {
    let length = headers.single("content-length");
    match headers.single("x-envoy-auth-partial-body") {
        Ok(Some("false")) if text.is_empty() => {
            // A length that promises another one: the body came as text, or not whole. And where none
            // is promised, whoever sends it chooses where Envoy's buffer is full: Envoy asks as soon
            // as it is, and calls it whole if nothing more has come by then.
            match length {
                Ok(None) if raw.is_empty() => Body::Known(raw),
                Ok(Some(length)) if length.parse() == Ok(raw.len()) => Body::Known(raw),
                Ok(_) | Err(_) => Body::Unknown,
            }
        }
        Ok(None) if text.is_empty() && raw.is_empty() => match length {
            Ok(Some("0")) => Body::none(),
            Ok(None) => Body::unseen(method, headers),
            Ok(Some(_)) | Err(_) => Body::Unknown,
        },
        Ok(_) | Err(_) => Body::Unknown,
    }
}

fn malformed(label: &'static str, message: &str) -> Refusal {
    Refusal::Malformed {
        label,
        message: message.to_owned(),
    }
}

/// The form in which duplicates are joined by commas.
fn joined(map: std::collections::HashMap<String, String>) -> Result<Headers, Refusal> {
    let mut headers = Headers::of_joined();
    if map.len() > MAX_HEADERS {
        return Err(malformed("too_many_headers", "too many headers"));
    }
    for (name, value) in map {
        // Pseudo-headers are read from their own fields (rule 14).
        if !name.starts_with(':') {
            headers.push(&name, value);
        }
    }
    Ok(headers)
}

/// The form in which order and duplicates are kept (rule 10).
fn listed(fields: Vec<HeaderValue>) -> Result<Headers, Refusal> {
    let mut headers = Headers::new();
    if fields.len() > MAX_HEADERS {
        return Err(malformed("too_many_headers", "too many headers"));
    }
    for HeaderValue {
        key,
        value,
        raw_value,
    } in fields
    {
        if key.starts_with(':') {
            continue;
        }
        if raw_value.is_empty() {
            headers.push(&key, value);
        } else if value.is_empty() || value.as_bytes() == raw_value {
            headers.push(&key, raw_value.to_vec());
        } else {
            return Err(malformed(
                "two_header_values",
                "a header has two different values",
            ));
        }
    }
    Ok(headers)
}

/// The address that the outermost trusted proxy saw: each hop, Envoy last, has added the one before
/// it to the end of `x-forwarded-for`.
fn forwarded(headers: &Headers, hops: usize) -> Option<IpAddr> {
    let fields = headers.all("x-forwarded-for");
    let texts: Option<Vec<&str>> = fields
        .map(|field| std::str::from_utf8(field).ok())
        .collect();
    let list = texts?.join(",");
    list.rsplit(',').nth(hops)?.trim().parse().ok()
}

fn ip(address: Address) -> Option<IpAddr> {
    let Address { address } = address;
    match address? {
        AddressKind::SocketAddress(socket) => socket.address.parse().ok(),
        AddressKind::Pipe(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::envoy::config::core::v3::HeaderMap;

    fn check(http: HttpRequest) -> CheckRequest {
        let request = attribute_context::Request { http: Some(http) };
        CheckRequest {
            attributes: Some(AttributeContext {
                request: Some(request),
                ..AttributeContext::default()
            }),
        }
    }

    fn field(key: &str, value: &str, raw: &[u8]) -> HeaderValue {
        HeaderValue {
            key: key.to_owned(),
            value: value.to_owned(),
            raw_value: bytes::Bytes::copy_from_slice(raw),
        }
    }

    #[test]
    fn what_is_missing_or_contradicts_itself_is_refused() {
        let map = |headers| Some(HeaderMap { headers });
        let two = HttpRequest {
            headers: [("a".to_owned(), "b".to_owned())].into(),
            header_map: map(vec![field("a", "", b"b")]),
            ..HttpRequest::default()
        };
        let differing = HttpRequest {
            header_map: map(vec![field("a", "x", b"y")]),
            ..HttpRequest::default()
        };
        let many = HttpRequest {
            header_map: map((0..300)
                .map(|n| field(&format!("h{n}"), "", b"y"))
                .collect()),
            ..HttpRequest::default()
        };
        let cases = [
            (CheckRequest { attributes: None }, "no_attributes"),
            (
                CheckRequest {
                    attributes: Some(AttributeContext::default()),
                },
                "no_http",
            ),
            (check(two), "two_header_forms"),
            (check(differing), "two_header_values"),
            (check(many), "too_many_headers"),
        ];
        for (check, label) in cases {
            let refusal = read(check, 0).unwrap_err();
            assert_eq!(refusal.reason(), label);
            assert_eq!(refusal.http_status(), 400);
        }
    }

    #[test]
    fn only_the_connection_tells_that_it_is_secure() {
        use crate::proto::envoy::service::auth::v3::attribute_context::{Peer, TlsSession};
        let secure = |scheme: &str, sni: &str, principal: &str| {
            let http = HttpRequest {
                scheme: scheme.to_owned(),
                ..HttpRequest::default()
            };
            let mut check = check(http);
            let attributes = check.attributes.as_mut().unwrap();
            attributes.tls_session = Some(TlsSession {
                sni: sni.to_owned(),
            });
            attributes.source = Some(Peer {
                address: None,
                principal: principal.to_owned(),
            });
            read(check, 0).unwrap().peer.secure
        };
        let cases = [
            ("https", "shop.test", "", Some(true)),
            ("http", "shop.test", "", Some(true)),
            ("http", "", "spiffe://shop.test/x", Some(true)),
            ("http", "", "", Some(false)),
            ("https", "", "", None),
            ("", "", "", None),
        ];
        for (scheme, sni, principal, expected) in cases {
            assert_eq!(secure(scheme, sni, principal), expected, "{scheme} {sni}");
        }
    }

    #[test]
    fn behind_proxies_the_outermost_trusted_one_tells_the_address() {
        let address = |fields: &[&str], hops| {
            let headers = fields
                .iter()
                .map(|value| field("x-forwarded-for", "", value.as_bytes()))
                .collect();
            let http = HttpRequest {
                header_map: Some(HeaderMap { headers }),
                ..HttpRequest::default()
            };
            let ip = read(check(http), hops).unwrap().peer.ip;
            ip.map(|ip| ip.to_string())
        };
        // (fields, hops, address): the client may have written the beginning.
        let cases: [(&[&str], usize, Option<&str>); 6] = [
            (&["6.6.6.6, 192.0.2.7, 10.0.0.1"], 1, Some("192.0.2.7")),
            (
                &["6.6.6.6, 192.0.2.7", "10.0.0.2, 10.0.0.1"],
                2,
                Some("192.0.2.7"),
            ),
            (&["10.0.0.1"], 1, None),
            (&["nonsense, 10.0.0.1"], 1, None),
            (&[], 1, None),
            (&["6.6.6.6"], 0, None),
        ];
        for (fields, hops, expected) in cases {
            assert_eq!(
                address(fields, hops).as_deref(),
                expected,
                "{fields:?} {hops}"
            );
        }
    }

    #[test]
    fn both_forms_of_headers_are_read() {
        let joined = HttpRequest {
            headers: [
                ("x-a".to_owned(), "1,2".to_owned()),
                (":path".to_owned(), "/".to_owned()),
            ]
            .into(),
            ..HttpRequest::default()
        };
        assert_eq!(
            read(check(joined), 0).unwrap().headers.joined("x-a"),
            Ok(Some("1,2"))
        );
        let listed = HttpRequest {
            header_map: Some(HeaderMap {
                headers: vec![
                    field(":method", "", b"GET"),
                    field("x-a", "", b"1"),
                    field("x-a", "", b"2"),
                    field("content-type", "", b"application/grpc+proto"),
                ],
            }),
            ..HttpRequest::default()
        };
        let call = read(check(listed), 0).unwrap();
        assert_eq!(call.headers.len(), 3);
        assert_eq!(call.headers.all("x-a").count(), 2);
        assert_eq!(call.protocol, Protocol::Grpc);
    }
}
