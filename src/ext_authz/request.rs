//! From a check to an HTTP call.

use crate::ext_authz::message::{Fields, Malformed, Value};
use crate::model::{Body, Headers, HttpCall, Peer, Protocol};
use crate::pdp::Refusal;
use bytes::Bytes;
use std::net::IpAddr;

/// How many header fields most calls have at the most.
const MANY: usize = 32;

/// The most header fields of a call.
const MAX_HEADERS: usize = 256;

/// What a route's `context_extensions` call the network endpoint that its calls come through.
const ENDPOINT: &str = "sidegate.endpoint";

/// The longest path with its query, in bytes; Envoy's own limit for all headers is 60 KiB.
const MAX_TARGET: usize = 64 * 1024;

/// A check as it stands in its message.
#[derive(Default)]
struct Check<'m> {
    has_attributes: bool,
    has_request: bool,
    http: Option<Http<'m>>,
    /// The address of the caller, if it is not the path of a socket.
    address: Option<&'m str>,
    principal: &'m str,
    endpoint: Option<&'m str>,
    server_name: &'m str,
}

/// The HTTP request that a check is about.
#[derive(Default)]
struct Http<'m> {
    method: &'m str,
    path: &'m str,
    host: &'m str,
    scheme: &'m str,
    body: &'m str,
    raw_body: &'m [u8],
    /// The fields with duplicates joined, as name and value.
    joined: Vec<(&'m str, &'m str)>,
    has_list: bool,
    /// The fields with order and duplicates kept.
    listed: Vec<Listed<'m>>,
}

/// One field of the list: its name, and its value as text or as bytes.
#[derive(Clone, Copy, Default)]
struct Listed<'m> {
    key: &'m str,
    value: &'m str,
    raw_value: &'m [u8],
}

/// Reads the message of a check. `trusted_hops` is how many proxies of the operator's own stand in
/// front of Envoy.
///
/// # Errors
///
/// [`Refusal::Malformed`] when the bytes are no check, or one that is not about an HTTP request,
/// contradicts itself, or is over a limit (rules 6, 7 and 64 of the Envoy contract).
pub fn read(message: &Bytes, trusted_hops: usize) -> Result<HttpCall, Refusal> {
    let check = Check::read(message)
        .map_err(|Malformed| malformed("bad_message", "the check cannot be decoded"))?;
    if !check.has_attributes {
        return Err(malformed("no_attributes", "no attributes"));
    }
    let Some(http) = check.http.filter(|_| check.has_request) else {
        return Err(malformed(
            "no_http",
            "the check is not about an HTTP request",
        ));
    };
    if http.path.len() > MAX_TARGET {
        return Err(malformed("target_too_long", "the path is too long"));
    }
    if http.joined.len() > MAX_HEADERS || http.listed.len() > MAX_HEADERS {
        return Err(malformed("too_many_headers", "too many headers"));
    }
    let headers = if !http.has_list {
        joined(message, &http.joined)
    } else if http.joined.is_empty() {
        listed(message, &http.listed)?
    } else {
        return Err(malformed(
            "two_header_forms",
            "the headers came in two forms",
        ));
    };
    // Envoy sends an empty session for a plain connection too; a server name is a client's in TLS.
    let certain = !check.server_name.is_empty() || !check.principal.is_empty();
    let secure = match http.scheme {
        _ if certain => Some(true),
        "http" => Some(false),
        // Over HTTP/2 the scheme is the client's own word.
        _ => None,
    };
    let protocol = Protocol::of(&headers)
        .map_err(|fault| malformed("bad_header", &format!("content-type: {fault}")))?;
    let ip = match trusted_hops {
        0 => check.address.and_then(|address| address.parse().ok()),
        hops => forwarded(&headers, hops),
    };
    let peer = Peer {
        ip,
        principal: check.principal.to_owned(),
        endpoint: check.endpoint.map(str::to_owned),
        secure,
    };
    let raw_body = message.slice_ref(http.raw_body);
    Ok(HttpCall {
        body: body(http.method, &headers, http.body, raw_body),
        method: http.method.to_owned(),
        scheme: http.scheme.to_owned(),
        authority: http.host.to_owned(),
        target: http.path.to_owned(),
        headers,
        peer,
        protocol,
    })
}

impl<'m> Check<'m> {
    /// A message that comes in pieces is one message, so every piece adds to what is there.
    fn read(message: &'m [u8]) -> Result<Self, Malformed> {
        let mut check = Self::default();
        for field in Fields::of(message) {
            if let (1, value) = field? {
                check.has_attributes = true;
                check.read_attributes(value.bytes()?)?;
            }
        }
        Ok(check)
    }

    fn read_attributes(&mut self, message: &'m [u8]) -> Result<(), Malformed> {
        for field in Fields::of(message) {
            match field? {
                (1, value) => self.read_source(value.bytes()?)?,
                (4, value) => {
                    self.has_request = true;
                    for field in Fields::of(value.bytes()?) {
                        if let (2, value) = field? {
                            let http = self.http.get_or_insert_default();
                            http.read(value.bytes()?)?;
                        }
                    }
                }
                (10, value) => {
                    let (key, value) = pair(value.bytes()?)?;
                    if key == ENDPOINT {
                        self.endpoint = Some(value);
                    }
                }
                (12, value) => {
                    for field in Fields::of(value.bytes()?) {
                        if let (1, value) = field? {
                            self.server_name = value.text()?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn read_source(&mut self, message: &'m [u8]) -> Result<(), Malformed> {
        for field in Fields::of(message) {
            match field? {
                (1, value) => {
                    for field in Fields::of(value.bytes()?) {
                        match field? {
                            (1, socket) => {
                                self.address = Some(self.address.unwrap_or_default());
                                for field in Fields::of(socket.bytes()?) {
                                    if let (2, value) = field? {
                                        self.address = Some(value.text()?);
                                    }
                                }
                            }
                            (2, _) => self.address = None,
                            _ => {}
                        }
                    }
                }
                (4, value) => self.principal = value.text()?,
                _ => {}
            }
        }
        Ok(())
    }
}

impl<'m> Http<'m> {
    fn read(&mut self, message: &'m [u8]) -> Result<(), Malformed> {
        for field in Fields::of(message) {
            match field? {
                (2, value) => self.method = value.text()?,
                (3, value) => {
                    if self.joined.is_empty() {
                        self.joined.reserve(MANY);
                    }
                    self.joined.push(pair(value.bytes()?)?);
                }
                (4, value) => self.path = value.text()?,
                (5, value) => self.host = value.text()?,
                (6, value) => self.scheme = value.text()?,
                (11, value) => self.body = value.text()?,
                (12, value) => self.raw_body = value.bytes()?,
                (13, value) => {
                    self.has_list = true;
                    for field in Fields::of(value.bytes()?) {
                        if let (1, value) = field? {
                            if self.listed.is_empty() {
                                self.listed.reserve(MANY);
                            }
                            self.listed.push(Listed::read(value.bytes()?)?);
                        }
                    }
                }
                // The id and the protocol version say nothing here, but have to be texts.
                (1 | 10, value) => {
                    value.text()?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl<'m> Listed<'m> {
    fn read(message: &'m [u8]) -> Result<Self, Malformed> {
        let mut listed = Self::default();
        for field in Fields::of(message) {
            match field? {
                (1, value) => listed.key = value.text()?,
                (2, value) => listed.value = value.text()?,
                (3, value) => listed.raw_value = value.bytes()?,
                _ => {}
            }
        }
        Ok(listed)
    }
}

/// One entry of a map of texts.
fn pair(message: &[u8]) -> Result<(&str, &str), Malformed> {
    let (mut key, mut text) = ("", "");
    for field in Fields::of(message) {
        let (tag, value): (u32, Value<'_>) = field?;
        match tag {
            1 => key = value.text()?,
            2 => text = value.text()?,
            _ => {}
        }
    }
    Ok((key, text))
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
fn joined(message: &Bytes, fields: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::of_joined();
    headers.reserve(fields.len());
    for (name, value) in fields {
        // Pseudo-headers are read from their own fields (rule 14).
        if !name.starts_with(':') {
            headers.push_shared(name, message.slice_ref(value.as_bytes()));
        }
    }
    headers
}

/// The form in which order and duplicates are kept (rule 10).
fn listed(message: &Bytes, fields: &[Listed<'_>]) -> Result<Headers, Refusal> {
    let mut headers = Headers::new();
    headers.reserve(fields.len());
    for field in fields {
        let Listed {
            key,
            value,
            raw_value,
        } = *field;
        if key.starts_with(':') {
            continue;
        }
        let value = value.as_bytes();
        if !raw_value.is_empty() && !value.is_empty() && value != raw_value {
            return Err(malformed(
                "two_header_values",
                "a header has two different values",
            ));
        }
        let value = if raw_value.is_empty() {
            value
        } else {
            raw_value
        };
        headers.push_shared(key, message.slice_ref(value));
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

#[cfg(test)]
mod tests;
