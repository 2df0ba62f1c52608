//! Where in a token a claim stands.

use crate::authn::json::{Json, Object};
use std::fmt;

/// A claim by its name, or by a JSON pointer when the text begins with a slash (CLM-02).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ClaimPath {
    Name(String),
    Pointer(Vec<String>),
}

/// A value on the way to a claim, or the claim itself, has another type than it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WrongType;

impl ClaimPath {
    /// Reads a name or pointer; `None` when it is empty or an escape of the pointer is not `~0` or
    /// `~1` (RFC 6901).
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        match text.strip_prefix('/') {
            None => Some(Self::Name(text.to_owned())),
            Some(rest) => rest
                .split('/')
                .map(unescape)
                .collect::<Option<_>>()
                .map(Self::Pointer),
        }
    }

    /// The claim's value, or `None` when the token has none.
    ///
    /// # Errors
    ///
    /// [`WrongType`] when something on the way is neither object nor list, or a list is entered by
    /// something that is no index: such a claim is not taken for absent (JWT-04).
    pub(super) fn find<'a>(&self, claims: &'a Object) -> Result<Option<&'a Json>, WrongType> {
        let segments = match self {
            Self::Name(name) => return Ok(claims.get(name)),
            Self::Pointer(segments) => segments,
        };
        let mut segments = segments.iter();
        let mut found = segments.next().and_then(|first| claims.get(first));
        for segment in segments {
            found = match found {
                None => return Ok(None),
                Some(Json::Object(members)) => members.get(segment),
                Some(Json::List(entries)) => entries.get(index(segment).ok_or(WrongType)?),
                Some(Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_)) => {
                    return Err(WrongType);
                }
            };
        }
        Ok(found)
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => formatter.write_str(name),
            Self::Pointer(segments) => segments.iter().try_for_each(|segment| {
                let escaped = segment.replace('~', "~0").replace('/', "~1");
                write!(formatter, "/{escaped}")
            }),
        }
    }
}

/// Undoes the escapes of a pointer's segment.
fn unescape(segment: &str) -> Option<String> {
    let mut pieces = segment.split('~');
    let mut text = pieces.next()?.to_owned();
    for piece in pieces {
        let (character, rest) = match piece.strip_prefix('0') {
            Some(rest) => ('~', rest),
            None => ('/', piece.strip_prefix('1')?),
        };
        text.push(character);
        text.push_str(rest);
    }
    Some(text)
}

/// The index that a segment names: digits without a leading zero.
fn index(segment: &str) -> Option<usize> {
    let digits = segment.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = segment == "0" || !segment.starts_with('0');
    (digits && canonical)
        .then(|| segment.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::json;

    #[test]
    fn a_claim_is_found_by_name_or_by_pointer() {
        let claims = br#"{"sub":"a","https://acme.test/x":"b","k.io":{"ns":"c","list":["d","e"]},
            "a/b":{"c~d":"f"},"":{"":"g"},"n":null}"#;
        let claims = json::object(claims).unwrap();
        let text = |value: &str| Ok(Some(Json::Text(value.to_owned())));
        // (path, what is found)
        let cases = [
            ("sub", text("a")),
            ("https://acme.test/x", text("b")),
            ("/sub", text("a")),
            ("/k.io/ns", text("c")),
            ("/k.io/list/0", text("d")),
            ("/k.io/list/1", text("e")),
            ("/a~1b/c~0d", text("f")),
            ("//", text("g")),
            ("k.io/ns", Ok(None)),
            ("SUB", Ok(None)),
            ("/k.io/other", Ok(None)),
            ("/other/ns", Ok(None)),
            ("/k.io/list/2", Ok(None)),
            ("/k.io/list/01", Err(WrongType)),
            ("/k.io/list/-", Err(WrongType)),
            ("/k.io/list/99999999999999999999", Err(WrongType)),
            ("/sub/x", Err(WrongType)),
            ("/n/x", Err(WrongType)),
        ];
        for (path, expected) in cases {
            let found = ClaimPath::parse(path).unwrap().find(&claims);
            assert_eq!(
                found.map(Option::<&Json>::cloned),
                expected,
                "CLM-02: `{path}`"
            );
        }
        for path in ["", "/a~2", "/a~"] {
            assert_eq!(ClaimPath::parse(path), None, "CLM-02: `{path}`");
        }
    }
}
