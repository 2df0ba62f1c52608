//! An HTTP call as a door saw it, before anybody decided what it means.

use bytes::Bytes;
use compact_str::CompactString;
use std::net::IpAddr;

/// One HTTP call, with every field as the PEP sent it: nothing decoded, folded or repaired.
///
/// [`mapping`](crate::mapping) makes the canonical form of host and path, once for all doors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCall {
    /// The method as sent; compared case-sensitively.
    pub method: String,
    /// `http` or `https`, as the PEP tells.
    pub scheme: String,
    /// The authority or `Host`, which may carry a port.
    pub authority: String,
    /// Path and query as they will be forwarded.
    pub target: String,
    /// The header fields, pseudo-headers left out.
    pub headers: Headers,
    /// The body, as far as the PEP showed it.
    pub body: Body,
    /// Who is at the other end of the connection.
    pub peer: Peer,
    /// The protocol that the client spoke.
    pub protocol: Protocol,
}

/// The address at the other end of a connection, as an extension of its requests.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

/// The body of a call, as far as the PEP showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// All of it; empty when there is none.
    Known(Bytes),
    /// There is one, or may be, and not all of it was shown (ENV-04).
    Unknown,
}

impl Body {
    /// That of a call without body.
    #[must_use]
    pub const fn none() -> Self {
        Self::Known(Bytes::new())
    }

    /// That of a call of which no body was shown: calls by some methods have none, unless a header
    /// tells of one.
    #[must_use]
    pub fn unseen(method: &str, headers: &Headers) -> Self {
        let is_told = match headers.single("content-length") {
            Ok(length) => length.is_some_and(|length| length != "0"),
            Err(_) => true,
        };
        if is_told || headers.has("transfer-encoding") {
            Self::Unknown
        } else if matches!(method, "GET" | "HEAD" | "DELETE" | "OPTIONS") {
            Self::none()
        } else {
            Self::Unknown
        }
    }
}

/// The protocol family that a client spoke, which decides the form of a denial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Ordinary HTTP.
    Http,
    /// gRPC: `content-type: application/grpc` or a suffix of it.
    Grpc,
}

impl Protocol {
    /// The protocol that the content type tells.
    ///
    /// # Errors
    ///
    /// [`HeaderFault`] when there are several content types, or one that is not text.
    pub fn of(headers: &Headers) -> Result<Self, HeaderFault> {
        let is_grpc = |text: &str| {
            let text = text.trim().to_ascii_lowercase();
            text.strip_prefix("application/grpc")
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', ';', ' ']))
        };
        let content_type = headers.single("content-type")?;
        Ok(if content_type.is_some_and(is_grpc) {
            Self::Grpc
        } else {
            Self::Http
        })
    }
}

/// The other end of the connection on which a call came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// The address of the caller, when it is one and the PEP is trusted to know it.
    pub ip: Option<IpAddr>,
    /// The identity of a verified client certificate: first URI SAN, else DNS SAN, else subject
    /// (MTL-01). Empty means that there was no certificate (MTL-03).
    pub principal: String,
    /// The id of the network endpoint that the call came through, as the PEP's operator tells it.
    pub endpoint: Option<String>,
    /// Whether the connection to the PEP was encrypted; `None` when the PEP does not tell.
    pub secure: Option<bool>,
}

/// Header fields in the order in which they came, names in lower case, values as bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    fields: Vec<(CompactString, Bytes)>,
    /// What tells most names apart, side by side: a look-up reads these first.
    marks: Vec<u32>,
    /// Whether fields of one name came joined by commas, so that nobody can tell how many.
    are_joined: bool,
}

/// The length and the last two bytes of a name, by which few names are alike.
fn mark(name: &str) -> u32 {
    let last = name.bytes().rev().take(2);
    let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
    last.fold(length, |mark, byte| mark << 8 | u32::from(byte))
}

/// Why a header that should have one readable value has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// The field came more than once.
    #[error("the header came more than once")]
    Repeated,
    /// The value is not visible ASCII or UTF-8 text.
    #[error("the header is not text")]
    NotText,
}

impl Headers {
    /// No header fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No header fields, to be filled from a form that joins fields of one name by commas.
    #[must_use]
    pub fn of_joined() -> Self {
        Self {
            are_joined: true,
            ..Self::default()
        }
    }

    /// Makes room for so many fields.
    pub fn reserve(&mut self, count: usize) {
        self.fields.reserve(count);
        self.marks.reserve(count);
    }

    /// Adds a field; the name is folded to lower case.
    pub fn push(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.push_shared(name, value.into().into());
    }

    /// As [`push`](Self::push) for a value that stands in something larger, which is kept for it.
    pub fn push_shared(&mut self, name: &str, value: Bytes) {
        let mut name = CompactString::from(name);
        name.make_ascii_lowercase();
        self.marks.push(mark(&name));
        self.fields.push((name, value));
    }

    /// All values of the field `name` (lower case), in order.
    pub fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let wanted = mark(name);
        let alike = self.marks.iter().zip(&self.fields);
        alike
            .filter(move |(mark, (field, _))| **mark == wanted && field == name)
            .map(|(_, (_, value))| &**value)
    }

    /// The one value of the field `name` (lower case), or `None` when it is absent.
    ///
    /// # Errors
    ///
    /// - [`HeaderFault::Repeated`] when the field came more than once, or may have: a comma in a
    ///   form that joins fields by commas (rule 10 of the Envoy contract).
    /// - [`HeaderFault::NotText`] when the value is not UTF-8 or holds control characters: such a
    ///   value is refused, never taken for absent.
    pub fn single<'a>(&'a self, name: &str) -> Result<Option<&'a str>, HeaderFault> {
        let value = self.joined(name)?;
        if self.are_joined && value.is_some_and(|value| value.contains(',')) {
            return Err(HeaderFault::Repeated);
        }
        Ok(value)
    }

    /// As [`single`](Self::single) for a header whose value may well hold commas and on which no
    /// decision should rest, such as `user-agent`.
    ///
    /// # Errors
    ///
    /// As [`single`](Self::single), save that commas are text.
    pub fn joined<'a>(&'a self, name: &str) -> Result<Option<&'a str>, HeaderFault> {
        let mut values = self.all(name);
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(HeaderFault::Repeated);
        }
        let text = std::str::from_utf8(value).map_err(|_| HeaderFault::NotText)?;
        // Of ASCII, which nearly every value is, bytes tell; without a branch on each of them, a
        // processor looks at many in one step.
        let is_control = if text.is_ascii() {
            let is_control = |byte: u8| matches!(byte, 0..=8 | 10..=31 | 127);
            text.bytes()
                .fold(false, |found, byte| found | is_control(byte))
        } else {
            text.chars().any(|c| c.is_control() && c != '\t')
        };
        if is_control {
            return Err(HeaderFault::NotText);
        }
        Ok(Some(text))
    }

    /// Every field in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_str(), &**value))
    }

    /// Whether a field `name` (lower case) is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no field at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Told<'c> = (&'c str, &'c [(&'c str, &'c str)], bool);

    #[test]
    fn a_body_that_a_header_tells_of_is_not_absent() {
        // (method, headers, whether there is known to be none)
        const CASES: [Told<'_>; 7] = [
            ("GET", &[], true),
            ("GET", &[("content-length", "0")], true),
            ("GET", &[("content-length", "5")], false),
            (
                "DELETE",
                &[("content-length", "0"), ("content-length", "5")],
                false,
            ),
            ("GET", &[("transfer-encoding", "chunked")], false),
            ("POST", &[], false),
            ("POST", &[("content-length", "0")], false),
        ];
        for (method, fields, is_none) in CASES {
            let mut headers = Headers::new();
            for (name, value) in fields {
                headers.push(name, *value);
            }
            let body = Body::unseen(method, &headers);
            assert_eq!(body == Body::none(), is_none, "ENV-03: {method} {fields:?}");
        }
    }

    #[test]
    fn a_doubtful_header_is_never_absent() {
        let mut headers = Headers::new();
        headers.push("Authorization", "Bearer a");
        headers.push("x-twice", "1");
        headers.push("X-Twice", "2");
        headers.push("x-bytes", vec![0xff, 0xfe]);
        headers.push("x-control", "a\u{1}b");
        // (name, what is read)
        let cases = [
            ("authorization", Ok(Some("Bearer a"))),
            ("x-absent", Ok(None)),
            ("x-twice", Err(HeaderFault::Repeated)),
            ("x-bytes", Err(HeaderFault::NotText)),
            ("x-control", Err(HeaderFault::NotText)),
        ];
        for (name, expected) in cases {
            assert_eq!(headers.single(name), expected, "{name}");
        }
        let mut joined = Headers::of_joined();
        joined.push("x-priority", "low,high");
        joined.push("x-plain", "low");
        assert_eq!(joined.single("x-priority"), Err(HeaderFault::Repeated));
        assert_eq!(joined.joined("x-priority"), Ok(Some("low,high")));
        assert_eq!(joined.single("x-plain"), Ok(Some("low")));
    }
}
