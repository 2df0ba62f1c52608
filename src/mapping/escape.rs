//! Percent-encoding: one pass over bytes, each plain or escaped.

/// One byte of a URI, as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Written as itself.
    Plain(u8),
    /// Written as `%` and two hexadecimal digits.
    Escaped(u8),
}

/// A `%` that two hexadecimal digits do not follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InvalidEscape;

/// The units of a text, decoded exactly once: what an escape yields is not read again.
#[derive(Clone, Debug)]
pub(super) struct Units<'t>(&'t [u8]);

impl<'t> Units<'t> {
    pub(super) fn of(text: &'t str) -> Self {
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
pub(super) const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Whether `text` holds a `%` and two hexadecimal digits.
pub(super) fn holds_escape(text: &str) -> bool {
    text.as_bytes().windows(3).any(|window| match window {
        [b'%', high, low] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit(),
        _ => false,
    })
}

/// Whether `byte` is an ASCII control character.
pub(super) const fn is_control(byte: u8) -> bool {
    byte.is_ascii_control()
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
