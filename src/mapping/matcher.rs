//! What a route matches: the grammar, and how two matchers relate.

use super::path::may_stand_plain;
use std::fmt;

/// A route's matcher.
///
/// - `METHOD /path/{Variable}/literal/{Rest...}`: the method is in upper case, or `*` for any.
///   `{Name}` is one whole segment that is not empty; `{Name...}` is the rest, one segment at least,
///   and stands last. A slash at the end is part of the matcher: `/a` does not match `/a/`.
/// - `grpc package.Service/Method`, or `grpc package.Service/*` for all methods.
///
/// `GET` does not cover `HEAD`: a route says `HEAD` or `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Matcher {
    Http(HttpMatcher),
    Grpc(GrpcMatcher),
}

/// The matcher of an HTTP route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HttpMatcher {
    /// `None` is any method.
    pub(super) method: Option<Box<str>>,
    pub(super) pieces: Vec<Piece>,
    pub(super) trailing_slash: bool,
}

/// The matcher of a gRPC route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GrpcMatcher {
    pub(super) service: Box<str>,
    /// `None` is any method.
    pub(super) method: Option<Box<str>>,
}

/// What stands between two slashes of a matcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(Box<str>),
    Variable(Box<str>),
    Rest(Box<str>),
}

/// Why a matcher cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum MatcherFault {
    #[error("`{0}` is not a matcher: `METHOD /path` or `grpc package.Service/Method` is needed")]
    Shape(String),
    #[error("`{0}` is not a method: upper-case letters or `*` are needed")]
    Method(String),
    #[error("CONNECT has no path and cannot be routed")]
    Connect,
    #[error("the path holds an empty segment")]
    EmptySegment,
    #[error("the path has more than {limit} segments", limit = Matcher::MAX_PIECES)]
    TooManySegments,
    #[error("`{0}` is not a literal segment")]
    Literal(String),
    #[error("`{0}` is not a variable: `{{Name}}` or `{{Name...}}` as a whole segment is needed")]
    Variable(String),
    #[error("`{{{0}...}}` is not the last segment")]
    RestNotLast(Box<str>),
    #[error("the variable `{0}` stands twice")]
    Twice(Box<str>),
    #[error("the variable `{0}` is filled from the service")]
    Reserved(Box<str>),
    #[error("`{0}` is not `package.Service/Method`")]
    Grpc(String),
}

impl Matcher {
    /// The most segments of a matcher, which bounds how deep the index is.
    pub(super) const MAX_PIECES: usize = 64;

    pub(super) fn parse(text: &str) -> Result<Self, MatcherFault> {
        let shape = || MatcherFault::Shape(text.to_owned());
        let (verb, target) = text.split_once(' ').ok_or_else(shape)?;
        if verb == "grpc" {
            return GrpcMatcher::parse(target).map(Self::Grpc);
        }
        let method = match verb {
            "*" => None,
            "CONNECT" => return Err(MatcherFault::Connect),
            verb if is_method(verb) => Some(verb.into()),
            verb => return Err(MatcherFault::Method(verb.to_owned())),
        };
        let body = target.strip_prefix('/').ok_or_else(shape)?;
        HttpMatcher::parse(method, body).map(Self::Http)
    }

    /// The names of the variables in order.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        let pieces = match self {
            Self::Http(matcher) => matcher.pieces.as_slice(),
            Self::Grpc(_) => &[],
        };
        pieces.iter().filter_map(Piece::name)
    }
}

impl MatcherFault {
    /// Whether it is the naming of variables that is wrong.
    pub(super) const fn is_naming(&self) -> bool {
        matches!(self, Self::Twice(_) | Self::Reserved(_))
    }
}

impl HttpMatcher {
    fn parse(method: Option<Box<str>>, body: &str) -> Result<Self, MatcherFault> {
        let (body, trailing_slash) = match body.strip_suffix('/') {
            Some("") => return Err(MatcherFault::EmptySegment),
            Some(inner) => (inner, true),
            None => (body, body.is_empty()),
        };
        let mut pieces: Vec<Piece> = Vec::new();
        let texts = body.split('/').filter(|_| !body.is_empty());
        for text in texts {
            if let Some(Piece::Rest(name)) = pieces.last() {
                return Err(MatcherFault::RestNotLast(name.clone()));
            }
            if pieces.len() == Matcher::MAX_PIECES {
                return Err(MatcherFault::TooManySegments);
            }
            let piece = Piece::parse(text)?;
            check_name(&piece, &pieces)?;
            pieces.push(piece);
        }
        Ok(Self {
            method,
            pieces,
            trailing_slash,
        })
    }
}

impl fmt::Display for HttpMatcher {
    /// The shape: variables without their names, so that two matchers of one shape print alike.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.method.as_deref().unwrap_or("*"))?;
        formatter.write_str(" ")?;
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => write!(formatter, "/{text}")?,
                Piece::Variable(_) => formatter.write_str("/{}")?,
                Piece::Rest(_) => formatter.write_str("/{...}")?,
            }
        }
        formatter.write_str(if self.trailing_slash { "/" } else { "" })
    }
}

impl GrpcMatcher {
    fn parse(target: &str) -> Result<Self, MatcherFault> {
        let invalid = || MatcherFault::Grpc(target.to_owned());
        let (service, method) = target.split_once('/').ok_or_else(invalid)?;
        let method = match method {
            "*" => None,
            method if is_identifier(method) => Some(method.into()),
            _ => return Err(invalid()),
        };
        if !is_grpc_service(service) {
            return Err(invalid());
        }
        Ok(Self {
            service: service.into(),
            method,
        })
    }
}

impl Piece {
    fn parse(text: &str) -> Result<Self, MatcherFault> {
        let variable = || MatcherFault::Variable(text.to_owned());
        let Some(inner) = text.strip_prefix('{') else {
            return literal(text);
        };
        let name = inner.strip_suffix('}').ok_or_else(variable)?;
        let (name, rest) = match name.strip_suffix("...") {
            Some(name) => (name, true),
            None => (name, false),
        };
        if !is_variable(name) {
            return Err(variable());
        }
        Ok(if rest {
            Self::Rest(name.into())
        } else {
            Self::Variable(name.into())
        })
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Variable(name) | Self::Rest(name) => Some(name),
        }
    }
}

/// The names that ARN templates fill from the service.
pub(super) const RESERVED: [&str; 3] = ["Partition", "Region", "Account"];

fn check_name(piece: &Piece, before: &[Piece]) -> Result<(), MatcherFault> {
    let Some(name) = piece.name() else {
        return Ok(());
    };
    if RESERVED.contains(&name) {
        return Err(MatcherFault::Reserved(name.into()));
    }
    if before.iter().any(|other| other.name() == Some(name)) {
        return Err(MatcherFault::Twice(name.into()));
    }
    Ok(())
}

/// A literal needs no escapes, so that it is the same text to every path mode.
fn literal(text: &str) -> Result<Piece, MatcherFault> {
    if text.is_empty() {
        return Err(MatcherFault::EmptySegment);
    }
    if text.ends_with('.') || !text.bytes().all(may_stand_plain) {
        return Err(MatcherFault::Literal(text.to_owned()));
    }
    Ok(Piece::Literal(text.into()))
}

/// Whether `text` is a method that a call may have: upper-case letters, with digits, `-` and `_`.
pub(super) fn is_method(text: &str) -> bool {
    let fits = |byte: u8| {
        byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
    };
    text.len() <= 32
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().all(fits)
}

/// Whether `text` can be the name of a variable: a letter, then letters, digits and `_`.
pub(super) fn is_variable(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && is_identifier(text)
}

/// Whether `text` is a service's full name in protobuf: identifiers with dots between.
pub(super) fn is_grpc_service(text: &str) -> bool {
    text.split('.').all(is_identifier)
}

/// Whether `text` is an identifier of protobuf.
pub(super) fn is_identifier(text: &str) -> bool {
    !text.starts_with(|first: char| first.is_ascii_digit())
        && !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_of_one_shape_print_alike() {
        let cases = [
            ("GET /v1/orders/{OrderId}", "GET /v1/orders/{}"),
            ("* /{Rest...}", "* /{...}"),
            ("PUT /a/{R...}/", "PUT /a/{...}/"),
            ("M-SEARCH /a:b@c/", "M-SEARCH /a:b@c/"),
            ("GET /", "GET /"),
        ];
        for (text, shape) in cases {
            let Matcher::Http(matcher) = Matcher::parse(text).unwrap() else {
                panic!("{text}");
            };
            assert_eq!(matcher.to_string(), shape, "{text}");
        }
    }

    #[test]
    fn a_grpc_matcher_names_a_service_and_a_method() {
        let cases = [
            ("grpc shop.v1.Orders/GetOrder", Some("GetOrder")),
            ("grpc shop.v1.Orders/*", None),
        ];
        for (text, method) in cases {
            let Matcher::Grpc(matcher) = Matcher::parse(text).unwrap() else {
                panic!("{text}");
            };
            assert_eq!(&*matcher.service, "shop.v1.Orders", "{text}");
            assert_eq!(matcher.method.as_deref(), method, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_matcher_is_refused() {
        let cases = [
            "",
            "GET",
            "GET/a",
            "GET a",
            "GET  /a",
            "GET /a b",
            "get /a",
            "CONNECT /a",
            "GET //",
            "GET //a",
            "GET /a//b",
            "GET /a//",
            "GET /./a",
            "GET /a/..",
            "GET /a.",
            "GET /a;b",
            "GET /a*",
            "GET /*",
            "GET /a?b=1",
            "GET /a#b",
            "GET /a%20b",
            "GET /caf\u{e9}",
            "GET /x-{Id}",
            "GET /{Id}:cancel",
            "GET /{Id",
            "GET /{}",
            "GET /{...}",
            "GET /{1d}",
            "GET /{_d}",
            "GET /{Rest...}/a",
            "GET /{Id}/{Id}",
            "GET /{Account}/{Id}",
            "grpc shop.Orders",
            "grpc /shop.Orders/Get",
            "grpc shop..Orders/Get",
            "grpc shop.Orders/Get/",
            "grpc shop.Orders/",
            "grpc */Get",
            "grpc 1shop.Orders/Get",
        ];
        for text in cases {
            assert!(Matcher::parse(text).is_err(), "{text}");
        }
        let long = format!("GET {}", "/a".repeat(Matcher::MAX_PIECES + 1));
        assert_eq!(Matcher::parse(&long), Err(MatcherFault::TooManySegments));
    }
}
