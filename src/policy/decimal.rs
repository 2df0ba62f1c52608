//! Exact decimal numbers (OP-6).

use std::cmp::Ordering;
use std::fmt::{self, Write as _};

/// A decimal number as policies compare them: exactly, never as binary floating point.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    negative: bool,
    // The significant digits, without leading and trailing zeros; none for zero.
    digits: [u8; Self::MAX_CHARS],
    length: u8,
    // The value is 0.DIGITS times ten to the power of `exponent`.
    exponent: i32,
}

impl Decimal {
    /// The most characters of a number (OP-6).
    pub const MAX_CHARS: usize = 64;

    /// Reads `[+-]digits[.digits][(e|E)[+-]1-3 digits]`; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > Self::MAX_CHARS {
            return None;
        }
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, parse_power(power)?),
            None => (text, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (mantissa, ""),
        };
        if whole.is_empty()
            || !whole
                .bytes()
                .chain(fraction.bytes())
                .all(|b| b.is_ascii_digit())
        {
            return None;
        }
        let whole = whole.trim_start_matches('0');
        let leading = if whole.is_empty() {
            fraction.bytes().take_while(|byte| *byte == b'0').count()
        } else {
            0
        };
        let mut digits = [0; Self::MAX_CHARS];
        let mut length = 0_u8;
        let mut significant = 0_u8;
        let all = whole.bytes().chain(fraction.bytes().skip(leading));
        for (slot, digit) in digits.iter_mut().zip(all) {
            *slot = digit;
            length += 1;
            if digit != b'0' {
                significant = length;
            }
        }
        let exponent = i32::try_from(whole.len()).ok()? - i32::try_from(leading).ok()? + power;
        // A trailing zero adds nothing to the value.
        for slot in digits.iter_mut().skip(usize::from(significant)) {
            *slot = 0;
        }
        let zero = significant == 0;
        Some(Self {
            negative: negative && !zero,
            digits,
            length: significant,
            exponent: if zero { 0 } else { exponent },
        })
    }

    fn magnitude(&self, other: &Self) -> Ordering {
        match (self.length, other.length) {
            (0, 0) => Ordering::Equal,
            (0, _) => Ordering::Less,
            (_, 0) => Ordering::Greater,
            // INVARIANT: unused digits are zero bytes, below every digit, so slices compare.
            _ => self
                .exponent
                .cmp(&other.exponent)
                .then_with(|| self.digits.cmp(&other.digits)),
        }
    }
}

fn parse_power(text: &str) -> Option<i32> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if !(1..=3).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<i32>().ok().map(|power| sign * power)
}

impl fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits.get(..usize::from(self.length)).unwrap_or(&[]);
        if digits.is_empty() {
            return formatter.write_str("0");
        }
        if self.negative {
            formatter.write_str("-")?;
        }
        for digit in digits {
            formatter.write_char(char::from(*digit))?;
        }
        match self.exponent - i32::from(self.length) {
            0 => Ok(()),
            power => write!(formatter, "e{power}"),
        }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.magnitude(other),
            (true, true) => other.magnitude(self),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparison_is_exact() {
        // (left, right, order)
        let cases = [
            ("1.0", "1", Ordering::Equal),
            ("10e-1", "1", Ordering::Equal),
            ("0.00", "-0", Ordering::Equal),
            ("0.001e3", "1", Ordering::Equal),
            ("9.99999999999999999999", "10", Ordering::Less),
            ("100", "99.9", Ordering::Greater),
            ("-2", "-1", Ordering::Less),
            ("-1", "1", Ordering::Less),
            ("0.1", "0.09", Ordering::Greater),
            ("1e999", "9e998", Ordering::Greater),
            ("+5", "5", Ordering::Equal),
            ("12", "120", Ordering::Less),
            ("0", "0.0001", Ordering::Less),
            ("0", "-0.0001", Ordering::Greater),
        ];
        for (left, right, order) in cases {
            let got = Decimal::parse(left)
                .unwrap()
                .cmp(&Decimal::parse(right).unwrap());
            assert_eq!(got, order, "OP-6: {left} against {right}");
        }
    }

    #[test]
    fn other_texts_are_no_numbers() {
        let long = "1".repeat(65);
        for text in [
            "", "+", ".5", "5.", "1e", "1e1234", " 1", "1 ", "0x1", "1_0", "ten", "١", "1e+", &long,
        ] {
            assert!(Decimal::parse(text).is_none(), "OP-6: `{text}`");
        }
    }
}
