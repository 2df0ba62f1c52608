//! Where a route takes condition keys from.

use super::body::{BodyFault, BodyPath, Document};
use super::error::MappingError;
use super::query::Query;
use super::rule;
use crate::model::{ContextKey, HttpCall};
use crate::policy::{PathMode, Service};
use std::borrow::Cow;

/// One condition key that a route sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    key: ContextKey,
    source: Source,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// A header's one value; the key is absent when the header is.
    Header(Box<str>),
    /// All values of a name in the query; the key is absent when there are none.
    Query(Box<str>),
    /// The capture with this number.
    Path(usize),
    /// This text.
    Value(Box<str>),
    /// What stands there in the body.
    Body(BodyPath),
}

/// What a call offers to the sources of a route.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer<'c> {
    pub(super) call: &'c HttpCall,
    pub(super) query: &'c Query<'c>,
    pub(super) captures: &'c [Cow<'c, str>],
    pub(super) mode: PathMode,
    /// The body, where a protocol has it read.
    pub(super) document: Option<&'c Document<'c>>,
}

/// What a route has for its sources to name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scope<'r> {
    /// The captures of an HTTP route, in order.
    Http(&'r [&'r str]),
    /// A gRPC route: no captures and no query.
    Grpc,
    /// An operation that has parameters in its body.
    Body {
        /// Whether they are those of a form.
        is_form: bool,
    },
}

/// Why a route cannot set a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AttributeFault {
    #[error("the context key `{0}` is set from facts that Sidegate knows, not by a route")]
    Derived(String),
    #[error("the context key `{key}` is neither of the prefix `{prefix}` nor declared")]
    Foreign { key: String, prefix: String },
    #[error(
        "`{0}` is not a source: `header:NAME`, `query:NAME`, `path:NAME`, `body:NAME` or `value:TEXT` is needed"
    )]
    Source(String),
    #[error("`{0}` is not the name of a header")]
    HeaderName(String),
    #[error("the header `{0}` carries credentials, which must not become condition keys")]
    Credentials(String),
    #[error("the header `{0}` is one that Sidegate itself sends to services")]
    OwnHeader(String),
    #[error("the header `{0}` is one by which proxies tell things, and clients send it as well")]
    ProxyHeader(String),
    #[error("`{0}` is not the name of a query parameter")]
    QueryName(String),
    #[error("such a call has no query that is read")]
    QueryInGrpc,
    #[error("the path of the route has no variable `{0}`")]
    Variable(String),
    #[error("`{0}` is no place in a body that is read")]
    Body(String),
}

impl AttributeFault {
    /// The rule that the key or its source breaks.
    pub(super) const fn rule(&self) -> &'static str {
        match self {
            Self::Derived(_) => rule::DERIVED_KEY,
            Self::Foreign { .. } => rule::FOREIGN_KEY,
            Self::Source(_)
            | Self::HeaderName(_)
            | Self::Credentials(_)
            | Self::OwnHeader(_)
            | Self::ProxyHeader(_)
            | Self::QueryName(_)
            | Self::QueryInGrpc
            | Self::Variable(_)
            | Self::Body(_) => rule::SOURCE,
        }
    }

    /// What to do about it.
    pub(super) const fn hint(&self) -> &'static str {
        match self {
            Self::Derived(_) => {
                "of the global keys a route may set `aws:RequestTag/NAME` and `aws:TagKeys`"
            }
            Self::Foreign { .. } => {
                "declare it in `conditionKeys`, or use the service's own prefix"
            }
            Self::Source(_) => "for example `header:x-priority`",
            Self::HeaderName(_) => "letters, digits and `-`, as in `header:x-priority`",
            Self::Credentials(_) | Self::OwnHeader(_) => {
                "use the keys of the principal, such as `aws:PrincipalArn`"
            }
            Self::ProxyHeader(_) => {
                "use the keys of the connection, such as `aws:SourceIp`, or bind the route to a host"
            }
            Self::QueryName(_) => "a name without spaces and `+`, not escaped",
            Self::QueryInGrpc => "send it as metadata and read it with `header:NAME`",
            Self::Body(_) => {
                "such as `body:Name`, in services with `protocol: aws-json` or `aws-query`"
            }
            Self::Variable(_) => "name it in the path of the route, as `{Name}`",
        }
    }
}

impl Attribute {
    /// Reads a key and its source.
    pub(super) fn compile(
        key: &str,
        source: &str,
        service: &Service,
        scope: Scope<'_>,
    ) -> Result<Self, AttributeFault> {
        let key = check_key(key, service)?;
        let invalid = || AttributeFault::Source(source.to_owned());
        let (kind, name) = source.split_once(':').ok_or_else(invalid)?;
        let source = match kind {
            "header" => Source::Header(header(name)?),
            "query" => Source::Query(query(name, scope)?),
            "path" => Source::Path(capture(name, scope)?),
            "value" => Source::Value(name.into()),
            "body" => Source::Body(body(name, scope)?),
            _ => return Err(invalid()),
        };
        Ok(Self { key, source })
    }

    /// The key, folded.
    pub(super) const fn key(&self) -> &ContextKey {
        &self.key
    }

    /// The header that the key comes from, if it does.
    pub(super) fn header(&self) -> Option<&str> {
        match &self.source {
            Source::Header(name) => Some(name),
            Source::Query(_) | Source::Path(_) | Source::Value(_) | Source::Body(_) => None,
        }
    }

    /// Whether the query must be read for this key.
    pub(super) const fn reads_query(&self) -> bool {
        matches!(self.source, Source::Query(_))
    }

    /// The values of the key in one call; none when it is absent.
    pub(super) fn values(&self, offer: Offer<'_>) -> Result<Vec<Box<str>>, MappingError> {
        match &self.source {
            Source::Header(name) => Ok(single(name, offer.call)?.into_iter().collect()),
            Source::Query(name) => offer
                .query
                .values(name, offer.mode)
                .map_err(MappingError::BadQuery),
            Source::Path(number) => Ok(offer
                .captures
                .get(*number)
                .map(|value| Box::from(value.as_ref()))
                .into_iter()
                .collect()),
            Source::Value(text) => Ok(vec![text.clone()]),
            Source::Body(path) => {
                let document = offer
                    .document
                    .ok_or(MappingError::BadBody(BodyFault::Missing))?;
                let values = path.values(document).map_err(MappingError::BadBody)?;
                Ok(values
                    .into_iter()
                    .map(|value| value.as_ref().into())
                    .collect())
            }
        }
    }
}

/// The value of a header, which must be one and text, and have no twin with underscores: a CGI-like
/// server takes `x_y` for `x-y`, and might read the other (rule 15).
fn single(name: &str, call: &HttpCall) -> Result<Option<Box<str>>, MappingError> {
    let is_twin = |field: &str| {
        field.len() == name.len()
            && field != name
            && field
                .bytes()
                .map(|byte| if byte == b'_' { b'-' } else { byte })
                .eq(name
                    .bytes()
                    .map(|byte| if byte == b'_' { b'-' } else { byte }))
    };
    if call.headers.iter().any(|(field, _)| is_twin(field)) {
        return Err(MappingError::TwinHeader { name: name.into() });
    }
    match call.headers.single(name) {
        Ok(value) => Ok(value.map(Box::from)),
        Err(fault) => Err(MappingError::BadHeader {
            name: name.into(),
            fault,
        }),
    }
}

/// Whether a route of `service` may set `key`.
///
/// Keys of `aws:` come from records and the connection, but for those that tell what the request
/// passes; the names of `sts:`, `iam:`, `saml:` and of identity providers (which hold a dot or a
/// slash) come from sessions. A client must not be able to set any of them through a header.
fn check_key(key: &str, service: &Service) -> Result<ContextKey, AttributeFault> {
    let folded = ContextKey::new(key);
    let foreign = || AttributeFault::Foreign {
        key: key.to_owned(),
        prefix: service.prefix.clone(),
    };
    let (prefix, name) = folded.as_str().split_once(':').ok_or_else(foreign)?;
    let is_prefix = !prefix.is_empty()
        && prefix
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match prefix {
        "aws" if name == "tagkeys" => return Ok(folded),
        "aws" if name.strip_prefix("requesttag/").is_some_and(is_tag) => return Ok(folded),
        "aws" | "sts" | "iam" | "saml" | "sidegate" => {
            return Err(AttributeFault::Derived(key.to_owned()));
        }
        _ if !is_prefix => return Err(AttributeFault::Derived(key.to_owned())),
        _ => {}
    }
    let is_own = prefix == service.prefix.to_ascii_lowercase() && !name.is_empty();
    if is_own || service.condition_keys.contains_key(&folded) {
        Ok(folded)
    } else {
        Err(foreign())
    }
}

fn is_tag(name: &str) -> bool {
    !name.is_empty() && name.chars().count() <= 128
}

fn header(name: &str) -> Result<Box<str>, AttributeFault> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || !name.bytes().all(fits) {
        return Err(AttributeFault::HeaderName(name.to_owned()));
    }
    let folded = name.to_ascii_lowercase();
    match folded.as_str() {
        "authorization" | "proxy-authorization" | "cookie" | "x-amz-security-token" => {
            Err(AttributeFault::Credentials(folded))
        }
        name if is_of("x-sidegate-", name) => Err(AttributeFault::OwnHeader(folded)),
        name if PROXY.iter().any(|prefix| is_of(prefix, name)) => {
            Err(AttributeFault::ProxyHeader(folded))
        }
        _ => Ok(folded.into()),
    }
}

/// Headers by which proxies tell things, and which a client can send as well (rule 8).
const PROXY: [&str; 6] = [
    "forwarded",
    "host",
    "x-envoy-",
    "x-forwarded-",
    "x-original-",
    "x-real-ip",
];

/// Whether a name is `wanted`, or begins with it where it ends in a hyphen, in any spelling that a
/// server could fold to it.
fn is_of(wanted: &str, name: &str) -> bool {
    let folded = name.replace(['_', '.'], "-");
    if wanted.ends_with('-') {
        folded.starts_with(wanted)
    } else {
        folded == wanted
    }
}

fn query(name: &str, scope: Scope<'_>) -> Result<Box<str>, AttributeFault> {
    if !matches!(scope, Scope::Http(_)) {
        return Err(AttributeFault::QueryInGrpc);
    }
    if name.is_empty() || name.contains([' ', '+']) || name.chars().any(char::is_control) {
        return Err(AttributeFault::QueryName(name.to_owned()));
    }
    Ok(name.into())
}

fn body(name: &str, scope: Scope<'_>) -> Result<BodyPath, AttributeFault> {
    let fault = || AttributeFault::Body(name.to_owned());
    match scope {
        Scope::Body { is_form } => BodyPath::parse(name, is_form).ok_or_else(fault),
        Scope::Http(_) | Scope::Grpc => Err(fault()),
    }
}

fn capture(name: &str, scope: Scope<'_>) -> Result<usize, AttributeFault> {
    let captures = match scope {
        Scope::Http(captures) => captures,
        Scope::Grpc | Scope::Body { .. } => &[],
    };
    captures
        .iter()
        .position(|capture| *capture == name)
        .ok_or_else(|| AttributeFault::Variable(name.to_owned()))
}

#[cfg(test)]
mod tests;
