//! The canonical request: what a signature is over, byte for byte (section 1.3 of the signing
//! rules).

use crate::authn::sigv4::error::SigV4Error;
use crate::authn::sigv4::presented::{MAX_QUERY, SignedCall};
use crate::model::percent;
use crate::model::{Headers, HttpCall};
use std::borrow::Cow;

const SIGNATURE: &str = "X-Amz-Signature";
const TOKEN: &str = "X-Amz-Security-Token";

/// The most parameters of a query.
const MAX_PAIRS: usize = 256;

/// A call in canonical form, all but its host: the parts that are computed once.
pub(super) struct Canonical<'c> {
    method: &'c str,
    path: String,
    query: String,
    payload: &'c str,
}

impl<'c> Canonical<'c> {
    /// Computes path and query. `raw_path` is S3's way to sign a path; `payload` the last line.
    ///
    /// # Errors
    ///
    /// [`SigV4Error::Address`] for what cannot be decoded, or decodes to a control character
    /// (SIG-20).
    pub(super) fn of(
        call: &'c HttpCall,
        raw_path: bool,
        payload: &'c str,
    ) -> Result<Self, SigV4Error> {
        let (path, query) = split(&call.target);
        Ok(Self {
            method: &call.method,
            path: if raw_path {
                single_encoded(path)?
            } else {
                double_encoded(path)
            },
            query: canonical_query(query, &[SIGNATURE])?,
            payload,
        })
    }

    /// Leaves the token of the session out of the query.
    pub(super) fn forget_token(&mut self, call: &HttpCall) -> Result<(), SigV4Error> {
        let (_, query) = split(&call.target);
        self.query = canonical_query(query, &[SIGNATURE, TOKEN])?;
        Ok(())
    }

    /// Writes the canonical request with this host (SIG-12).
    ///
    /// # Errors
    ///
    /// [`SigV4Error::MissingHeader`] when a signed header is not there (SIG-23).
    pub(super) fn write(
        &self,
        signed: &SignedCall<'_>,
        headers: &Headers,
        host: &str,
        mut out: impl FnMut(&[u8]),
    ) -> Result<(), SigV4Error> {
        for part in [self.method, "\n", &self.path, "\n", &self.query, "\n"] {
            out(part.as_bytes());
        }
        for name in signed.signed_headers() {
            out(name.as_bytes());
            out(b":");
            // SIG-24: what the PEP calls the authority, whatever a field may say.
            if name == "host" {
                out(host.as_bytes());
            } else {
                write_values(headers, name, &mut out)?;
            }
            out(b"\n");
        }
        for part in ["\n", &signed.signed_headers, "\n", self.payload] {
            out(part.as_bytes());
        }
        Ok(())
    }
}

/// Path and query of a target (SIG-15).
pub(super) fn split(target: &str) -> (&str, &str) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    (if path.is_empty() { "/" } else { path }, query)
}

/// SIG-22.
fn write_values(
    headers: &Headers,
    name: &str,
    out: &mut impl FnMut(&[u8]),
) -> Result<(), SigV4Error> {
    let mut is_first = true;
    for value in headers.all(name) {
        if !is_first {
            out(b",");
        }
        is_first = false;
        let words = value
            .split(|byte| matches!(byte, b' ' | b'\t'))
            .filter(|word| !word.is_empty());
        for (at, word) in words.enumerate() {
            if at > 0 {
                out(b" ");
            }
            out(word);
        }
    }
    if is_first {
        Err(SigV4Error::MissingHeader)
    } else {
        Ok(())
    }
}

/// SIG-17.
fn single_encoded(path: &str) -> Result<String, SigV4Error> {
    let mut text = String::with_capacity(path.len());
    for (at, segment) in path.split('/').enumerate() {
        if at > 0 {
            text.push('/');
        }
        percent::push_encoded(&mut text, &decoded(segment)?, false);
    }
    Ok(text)
}

/// SIG-16.
fn double_encoded(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let mut text = String::with_capacity(path.len());
    for segment in &segments {
        text.push('/');
        percent::push_encoded(&mut text, segment.as_bytes(), false);
    }
    if segments.is_empty() || path.ends_with('/') {
        text.push('/');
    }
    text
}

/// SIG-18, SIG-21: everything but the signature itself.
fn canonical_query(query: &str, without: &[&str]) -> Result<String, SigV4Error> {
    if query.len() > MAX_QUERY {
        return Err(SigV4Error::Address);
    }
    let mut pairs: Vec<(String, String)> = Vec::new();
    for piece in query.split('&').filter(|piece| !piece.is_empty()) {
        if pairs.len() == MAX_PAIRS {
            return Err(SigV4Error::Address);
        }
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        let (name, value) = (encoded(name)?, encoded(value)?);
        if !without.contains(&name.as_str()) {
            pairs.push((name, value));
        }
    }
    pairs.sort_unstable();
    let mut text = String::with_capacity(query.len());
    for (name, value) in &pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(value);
    }
    Ok(text)
}

fn encoded(text: &str) -> Result<String, SigV4Error> {
    let mut encoded = String::with_capacity(text.len());
    percent::push_encoded(&mut encoded, &decoded(text)?, false);
    Ok(encoded)
}

/// SIG-20.
fn decoded(text: &str) -> Result<Cow<'_, [u8]>, SigV4Error> {
    let bytes = percent::decode(text).map_err(|_| SigV4Error::Address)?;
    if bytes.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
        return Err(SigV4Error::Address);
    }
    Ok(bytes)
}

/// The hosts that a client may have signed, in the order in which they are tried (SIG-24).
///
/// # Errors
///
/// [`SigV4Error::Authority`] for one that names no single host (SIG-25).
pub(super) fn hosts(call: &HttpCall) -> Result<Vec<Cow<'_, str>>, SigV4Error> {
    let authority = call.authority.as_str();
    let is_foreign = |character: char| {
        matches!(character, ',' | '@' | '/') || character.is_whitespace() || character.is_control()
    };
    if authority.is_empty() || authority.contains(is_foreign) {
        return Err(SigV4Error::Authority);
    }
    let folded = authority.to_ascii_lowercase();
    let port = match call.scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    let bare = folded.strip_suffix(port).unwrap_or(&folded).to_owned();
    let mut hosts = vec![Cow::Borrowed(authority)];
    for candidate in [folded, bare] {
        if hosts.iter().all(|host| *host != candidate) {
            hosts.push(Cow::Owned(candidate));
        }
    }
    Ok(hosts)
}

/// Whether two readers could read a path differently under one signature (SIG-45).
pub(super) fn is_ambiguous(path: &str) -> bool {
    let body = path.strip_prefix('/').unwrap_or(path);
    let mut segments = body.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        let folded = segment.to_ascii_lowercase();
        let dots = folded.replace("%2e", ".");
        if dots == "." || dots == ".." || folded.contains('\\') || folded.contains("%5c") {
            return true;
        }
        if segment.is_empty() && !is_last {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_signed_in_one_of_two_ways() {
        // (path, raw+single, normalize+double)
        let cases = [
            ("/", "/", "/"),
            ("/a/b", "/a/b", "/a/b"),
            ("/a%20b", "/a%20b", "/a%2520b"),
            ("/a%2Fb", "/a%2Fb", "/a%252Fb"),
            ("/a%252Fb", "/a%252Fb", "/a%25252Fb"),
            ("/a%c3%bc", "/a%C3%BC", "/a%25c3%25bc"),
            ("/%41", "/A", "/%2541"),
            ("/a:b", "/a%3Ab", "/a%3Ab"),
            ("/a+b", "/a%2Bb", "/a%2Bb"),
            ("//a//b/", "//a//b/", "/a/b/"),
            ("/a/../b/./c", "/a/../b/./c", "/b/c"),
            ("/a/..", "/a/..", "/"),
            ("/../a", "/../a", "/a"),
        ];
        for (path, raw, normalised) in cases {
            assert_eq!(single_encoded(path).unwrap(), raw, "SIG-17: {path}");
            assert_eq!(double_encoded(path), normalised, "SIG-16: {path}");
        }
    }

    #[test]
    fn a_query_is_decoded_encoded_and_sorted() {
        let cases = [
            ("", ""),
            ("b=2&a=1", "a=1&b=2"),
            ("a=2&a=1", "a=1&a=2"),
            ("a&b=", "a=&b="),
            ("&&a=1&", "a=1"),
            ("x=a+b", "x=a%2Bb"),
            ("x=a%20b", "x=a%20b"),
            ("x=a=b", "x=a%3Db"),
            ("%61=%7e", "a=~"),
            ("A=1&a=1", "A=1&a=1"),
            ("a=1&X-Amz-Signature=x", "a=1"),
            ("a=1&X-Amz-Signatur%65=x", "a=1"),
            ("a=1&x-amz-signature=x", "a=1&x-amz-signature=x"),
        ];
        for (query, expected) in cases {
            assert_eq!(
                canonical_query(query, &[SIGNATURE]).unwrap(),
                expected,
                "SIG-18, SIG-19, SIG-21: {query}"
            );
        }
        for query in ["a=%", "a=%2", "%zz=1", "a=%00", "a=%0a", "%0D=1"] {
            assert_eq!(
                canonical_query(query, &[SIGNATURE]),
                Err(SigV4Error::Address),
                "SIG-20: {query}"
            );
        }
    }

    #[test]
    fn a_path_that_two_readers_read_differently_is_told() {
        let cases = [
            ("/", false),
            ("/a/", false),
            ("/a/b", false),
            ("/a..b", false),
            ("/a/./b", true),
            ("/a/../b", true),
            ("/a/%2e%2E/b", true),
            ("/a/.%2e", true),
            ("//a", true),
            ("/a//b", true),
            ("/a//", true),
            ("/a\\b", true),
            ("/a%5Cb", true),
        ];
        for (path, expected) in cases {
            assert_eq!(is_ambiguous(path), expected, "SIG-45: {path}");
        }
    }
}
