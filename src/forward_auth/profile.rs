//! Which proxy asks, and how it tells what the client wanted.

use crate::model::{Body, Headers, HttpCall, Peer, Protocol};
use crate::pdp::Refusal;
use http::request::Parts;
use http::{StatusCode, Uri, header};
use std::net::IpAddr;

/// The family of the proxy that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Traefik's `forwardAuth` and Caddy's `forward_auth`: any 2xx allows, all else is relayed.
    ForwardAuth,
    /// nginx's `auth_request`: 2xx allows, 401 and 403 deny, all else is an error (500).
    Nginx,
    /// Envoy's HTTP `ext_authz`: 200 alone allows, and a server error may let the call pass.
    Envoy,
}

impl Profile {
    /// The profile of a subrequest by its path, and for Envoy what the client asked for.
    pub(super) fn of_target(uri: &Uri) -> Option<(Self, String)> {
        match uri.path() {
            "/authorize" => Some((Self::ForwardAuth, String::new())),
            "/authorize/nginx" => Some((Self::Nginx, String::new())),
            path => {
                let rest = path.strip_prefix("/authorize/envoy")?;
                if !(rest.is_empty() || rest.starts_with('/')) {
                    return None;
                }
                let query = uri.query().map(|query| format!("?{query}"));
                Some((Self::Envoy, format!("{rest}{}", query.unwrap_or_default())))
            }
        }
    }

    /// The headers by which the proxy tells what the client wanted; they are none of the client's.
    const fn told(self) -> &'static [&'static str] {
        match self {
            Self::ForwardAuth => &[
                "x-forwarded-for",
                "x-forwarded-host",
                "x-forwarded-method",
                "x-forwarded-proto",
                "x-forwarded-uri",
            ],
            Self::Nginx => &["x-original-method", "x-original-url", "x-real-ip"],
            Self::Envoy => &[],
        }
    }

    /// Reads the client's call from the subrequest.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`] when a header that has to tell something is missing, came twice or
    /// cannot be read.
    pub(super) fn read(self, parts: &Parts, target: String) -> Result<HttpCall, Refusal> {
        // `host` names this server, unless the subrequest itself is the call.
        let all = parts.headers.iter();
        let all = all.filter(|(name, _)| *name != header::HOST);
        let (mut of_proxy, mut headers) = (Headers::new(), Headers::new());
        for (name, value) in all {
            let is_told = self.told().contains(&name.as_str());
            let list = if is_told { &mut of_proxy } else { &mut headers };
            list.push(name.as_str(), value.as_bytes());
        }
        let told = |name: &'static str| required(&of_proxy, name);
        let (method, scheme, authority, target, peer) = match self {
            Self::ForwardAuth => {
                let scheme = told("x-forwarded-proto")?;
                let peer = Peer {
                    ip: Some(last_address(told("x-forwarded-for")?)?),
                    secure: Some(is_secure(scheme)?),
                    ..Peer::default()
                };
                let host = told("x-forwarded-host")?;
                let (method, uri) = (told("x-forwarded-method")?, told("x-forwarded-uri")?);
                (method, scheme, host.to_owned(), uri.to_owned(), peer)
            }
            Self::Nginx => {
                let (scheme, host, uri) = split_url(told("x-original-url")?)?;
                let peer = Peer {
                    ip: Some(last_address(told("x-real-ip")?)?),
                    secure: Some(is_secure(scheme)?),
                    ..Peer::default()
                };
                let method = told("x-original-method")?;
                (method, scheme, host.to_owned(), uri.to_owned(), peer)
            }
            Self::Envoy => {
                let authority = authority(parts)?;
                (
                    parts.method.as_str(),
                    "",
                    authority,
                    target,
                    Peer::default(),
                )
            }
        };
        Ok(HttpCall {
            method: method.to_owned(),
            scheme: scheme.to_owned(),
            authority,
            target,
            protocol: Protocol::of(&headers)
                .map_err(|fault| malformed(format!("content-type: {fault}")))?,
            // A subrequest has none and does not say whether the call of the client had one, which goes
            // on to the upstream: whatever the method, nobody knows it here (ENV-04).
            body: Body::Unknown,
            peer,
            headers,
        })
    }

    /// The status of a denial, in the range that the proxy takes for one.
    pub(super) fn status(self, status: u16) -> StatusCode {
        let status = match (self, status) {
            // nginx would answer 500 to any other; a fault of ours is to be one (rule 67).
            (Self::Nginx, 400..=499) if status != 401 => 403,
            // Rule 66: a server error is an error, and `failure_mode_allow` lets errors pass.
            (Self::Envoy, 500..) => 403,
            (_, status) => status,
        };
        StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN)
    }
}

fn malformed(message: impl Into<String>) -> Refusal {
    Refusal::Malformed {
        label: "bad_subrequest",
        message: message.into(),
    }
}

fn required<'h>(headers: &'h Headers, name: &'static str) -> Result<&'h str, Refusal> {
    let value = headers
        .single(name)
        .map_err(|fault| malformed(format!("{name}: {fault}")))?;
    value.ok_or_else(|| malformed(format!("the proxy did not send `{name}`")))
}

/// The address that the proxy itself appended: the last one.
fn last_address(list: &str) -> Result<IpAddr, Refusal> {
    let (_, address) = list.rsplit_once(',').unwrap_or(("", list));
    address
        .trim()
        .parse()
        .map_err(|_| malformed("the proxy told no address of the client"))
}

fn is_secure(scheme: &str) -> Result<bool, Refusal> {
    match scheme {
        "https" | "wss" => Ok(true),
        "http" | "ws" => Ok(false),
        _ => Err(malformed("the proxy told no scheme")),
    }
}

/// `scheme://host/path?query` in its three parts, the last with its slash.
fn split_url(url: &str) -> Result<(&str, &str, &str), Refusal> {
    let broken = || malformed("`x-original-url` is not `scheme://host/path`");
    let (scheme, rest) = url.split_once("://").ok_or_else(broken)?;
    let slash = rest.find('/').ok_or_else(broken)?;
    let (host, target) = rest.split_at_checked(slash).ok_or_else(broken)?;
    // The host is the client's text: one that holds a `?` could move the beginning of the path.
    if host.contains(['?', '#', '\\', '%']) {
        return Err(broken());
    }
    Ok((scheme, host, target))
}

fn authority(parts: &Parts) -> Result<String, Refusal> {
    if let Some(authority) = parts.uri.authority() {
        return Ok(authority.as_str().to_owned());
    }
    let mut values = parts.headers.get_all(header::HOST).iter();
    match (values.next(), values.next()) {
        (Some(host), None) => host
            .to_str()
            .map(str::to_owned)
            .map_err(|_| malformed("the host is not text")),
        (None, _) => Err(malformed("there is no host")),
        (Some(_), Some(_)) => Err(malformed("the host came more than once")),
    }
}
