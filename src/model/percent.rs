//! Percent-encoding: one pass over bytes, each plain or escaped.

use std::borrow::Cow;

/// One byte of a URI, as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Written as itself.
    Plain(u8),
    /// Written as `%` and two hexadecimal digits.
    Escaped(u8),
}

/// A `%` that two hexadecimal digits do not follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a `%` is not followed by two hexadecimal digits")]
pub struct InvalidEscape;

/// The units of a text, decoded exactly once: what an escape yields is not read again.
#[derive(Clone, Debug)]
pub struct Units<'t>(&'t [u8]);

impl<'t> Units<'t> {
    /// Reads `text` from its beginning.
    #[must_use]
    pub fn of(text: &'t str) -> Self {
        Self(text.as_bytes())
    }
}

impl Iterator for Units<'_> {
    type Item = Result<Unit, InvalidEscape>;

    fn next(&mut self) -> Option<Self::Item> {
        let (first, behind) = self.0.split_first()?;
        self.0 = behind;
        if *first != b'%' {
            return Some(Ok(Unit::Plain(*first)));
        }
        let Some(([high, low], behind)) = behind.split_first_chunk::<2>() else {
            return Some(Err(InvalidEscape));
        };
        self.0 = behind;
        let value = hex(*high).zip(hex(*low));
        Some(
            value
                .map(|(high, low)| Unit::Escaped((high << 4) | low))
                .ok_or(InvalidEscape),
        )
    }
}

/// Whether `byte` is unreserved: it means the same escaped and plain (RFC 3986, 2.3).
#[must_use]
pub const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Whether `text` holds a `%` and two hexadecimal digits.
#[must_use]
pub fn holds_escape(text: &str) -> bool {
    text.as_bytes().windows(3).any(|window| match window {
        [b'%', high, low] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit(),
        _ => false,
    })
}

/// Whether `byte` is an ASCII control character.
#[must_use]
pub const fn is_control(byte: u8) -> bool {
    byte.is_ascii_control()
}

/// Decodes a text exactly once; `+` is itself.
///
/// # Errors
///
/// [`InvalidEscape`] for a `%` that two hexadecimal digits do not follow.
pub fn decode(text: &str) -> Result<Cow<'_, [u8]>, InvalidEscape> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text.as_bytes()));
    }
    let mut bytes = Vec::with_capacity(text.len());
    for unit in Units::of(text) {
        let (Unit::Plain(byte) | Unit::Escaped(byte)) = unit?;
        bytes.push(byte);
    }
    Ok(Cow::Owned(bytes))
}

/// Adds `%` and two upper-case hexadecimal digits.
pub fn push_escape(text: &mut String, byte: u8) {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    text.push('%');
    for digit in [byte >> 4, byte & 0xf] {
        text.extend(DIGITS.get(usize::from(digit)));
    }
}

/// Adds bytes, each as itself where it is unreserved, or a `/` that is to be kept, and escaped
/// elsewhere.
pub fn push_encoded(text: &mut String, bytes: &[u8], keeps_slash: bool) {
    for byte in bytes {
        if is_unreserved(*byte) || (keeps_slash && *byte == b'/') {
            text.push(char::from(*byte));
        } else {
            push_escape(text, *byte);
        }
    }
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_exactly_once() {
        use Unit::{Escaped, Plain};
        let cases: [(&str, &[Result<Unit, InvalidEscape>]); 6] = [
            ("a", &[Ok(Plain(b'a'))]),
            ("%2f%2F", &[Ok(Escaped(b'/')), Ok(Escaped(b'/'))]),
            (
                "%252F",
                &[Ok(Escaped(b'%')), Ok(Plain(b'2')), Ok(Plain(b'F'))],
            ),
            ("%", &[Err(InvalidEscape)]),
            ("%4", &[Err(InvalidEscape), Ok(Plain(b'4'))]),
            ("%+1", &[Err(InvalidEscape)]),
        ];
        for (text, expected) in cases {
            let got: Vec<_> = Units::of(text).collect();
            assert_eq!(got, expected, "{text}");
        }
    }
}
