//! Where a request stands in a distributed trace: `traceparent` of W3C Trace Context.

use crate::model::Headers;
use std::fmt;

/// The span that a request was made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace; never zero.
    pub trace: TraceId,
    /// The span of whoever asks; never zero.
    pub span: SpanId,
    /// Whether whoever asks records the trace.
    pub is_sampled: bool,
}

/// The id of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(pub [u8; 16]);

/// The id of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId(pub [u8; 8]);

/// How long the field is in version zero, in bytes.
const LENGTH: usize = 55;

impl TraceParent {
    /// What the headers of a call say. Whatever is doubtful says nothing: a trace proves nothing, and
    /// no decision reads it.
    #[must_use]
    pub fn of(headers: &Headers) -> Option<Self> {
        Self::parse(headers.single("traceparent").ok()??)
    }

    /// Reads the value of the field.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (known, rest) = text.split_at_checked(LENGTH)?;
        let mut parts = known.split('-');
        let [version] = hex(parts.next()?)?;
        let trace: [u8; 16] = hex(parts.next()?)?;
        let span: [u8; 8] = hex(parts.next()?)?;
        let [flags] = hex(parts.next()?)?;
        // Later versions may have more behind a dash; version 255 is none.
        let is_whole = match version {
            0 => rest.is_empty(),
            255 => false,
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        let is_valid = is_whole && parts.next().is_none() && trace != [0; 16] && span != [0; 8];
        is_valid.then_some(Self {
            trace: TraceId(trace),
            span: SpanId(span),
            is_sampled: flags & 1 == 1,
        })
    }
}

/// As many bytes as are wanted, in lower case.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    data_encoding::HEXLOWER
        .decode_mut(text.as_bytes(), &mut bytes)
        .ok()?;
    Some(bytes)
}

impl fmt::Display for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_whole_is_a_parent() {
        const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
        let good = format!("00-{TRACE}-b7ad6b7169203331-01");
        let parent = TraceParent::parse(&good).unwrap();
        assert!(parent.is_sampled);
        assert_eq!(parent.trace.to_string(), TRACE);
        assert_eq!(parent.span.to_string(), "b7ad6b7169203331");
        // (field, whether it says something)
        let cases = [
            (format!("00-{TRACE}-b7ad6b7169203331-00"), true),
            (format!("00-{TRACE}-b7ad6b7169203331-01-more"), false),
            (format!("01-{TRACE}-b7ad6b7169203331-01-more"), true),
            (format!("01-{TRACE}-b7ad6b7169203331-01more"), false),
            (format!("ff-{TRACE}-b7ad6b7169203331-01"), false),
            (format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)), false),
            (format!("00-{TRACE}-0000000000000000-01"), false),
            (good.to_uppercase(), false),
            (good.replace('-', "_"), false),
            (good.replacen('a', "é", 1), false),
            (String::new(), false),
        ];
        for (field, expected) in cases {
            assert_eq!(TraceParent::parse(&field).is_some(), expected, "{field}");
        }
    }
}
