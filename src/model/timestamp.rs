//! Instants.

use std::fmt;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// An instant in UTC with nanosecond resolution.
///
/// Decisions read the clock once and truncate it to whole seconds (GEN-7); policy values keep
/// their fraction (OP-8).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timestamp {
    seconds: i64,
    nanoseconds: u32,
}

/// Why a text is not an instant that a policy or a request may write (OP-8, OP-9).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTimestamp {
    /// Four digits are a year to one reader and an epoch second to another (OP-9).
    #[error("`{0}` could be a year or seconds since 1970; write `{0}-01-01T00:00:00Z`")]
    YearOrEpoch(String),
    /// Not one of the date forms.
    #[error(
        "`{0}` is not a date: `YYYY-MM-DD`, `YYYY-MM-DDThh:mm:ssZ` or seconds since 1970 are read"
    )]
    Form(String),
}

impl Timestamp {
    /// The instant `seconds` after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self {
            seconds,
            nanoseconds: 0,
        }
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, fraction dropped.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// What is beyond the whole second.
    #[must_use]
    pub const fn nanoseconds(self) -> u32 {
        self.nanoseconds
    }

    /// Reads the forms that a policy or a request may use: a date, a date and time with zone, or
    /// digits that are seconds since 1970 (OP-8, OP-9).
    ///
    /// # Errors
    ///
    /// [`InvalidTimestamp`] for any other text.
    pub fn parse(text: &str) -> Result<Self, InvalidTimestamp> {
        let form = || InvalidTimestamp::Form(text.chars().take(64).collect());
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            if text.len() == 4 {
                return Err(InvalidTimestamp::YearOrEpoch(text.to_owned()));
            }
            return text.parse().map(Self::from_seconds).map_err(|_| form());
        }
        Reader {
            rest: text.as_bytes(),
        }
        .date_time()
        .ok_or_else(form)
    }

    /// The instant as `YYYY-MM-DDThh:mm:ssZ`, or as epoch seconds when no calendar holds it.
    #[must_use]
    pub fn to_iso(self) -> String {
        match OffsetDateTime::from_unix_timestamp(self.seconds) {
            Ok(at) => format!(
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
                at.year(),
                u8::from(at.month()),
                at.day(),
                at.hour(),
                at.minute(),
                at.second()
            ),
            Err(_) => self.seconds.to_string(),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_iso())
    }
}

/// Reads a date text from the front, a fixed number of digits at a time.
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn date_time(mut self) -> Option<Timestamp> {
        let year = self.digits(4)?;
        self.expect(b'-')?;
        let month = self.digits(2)?;
        let day = if self.rest.is_empty() {
            1
        } else {
            self.expect(b'-')?;
            self.digits(2)?
        };
        let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
        let date =
            Date::from_calendar_date(i32::try_from(year).ok()?, month, u8::try_from(day).ok()?)
                .ok()?;
        if self.rest.is_empty() {
            return Some(instant(
                PrimitiveDateTime::new(date, Time::MIDNIGHT).assume_utc(),
            ));
        }
        self.expect(b'T')?;
        let time = self.time()?;
        let offset = self.zone()?;
        if !self.rest.is_empty() {
            return None;
        }
        Some(instant(
            PrimitiveDateTime::new(date, time).assume_offset(offset),
        ))
    }

    fn time(&mut self) -> Option<Time> {
        let hour = u8::try_from(self.digits(2)?).ok()?;
        self.expect(b':')?;
        let minute = u8::try_from(self.digits(2)?).ok()?;
        let mut second = 0;
        let mut nanosecond = 0;
        if self.rest.first() == Some(&b':') {
            self.expect(b':')?;
            second = u8::try_from(self.digits(2)?).ok()?;
            if self.rest.first() == Some(&b'.') {
                self.expect(b'.')?;
                nanosecond = self.fraction()?;
            }
        }
        Time::from_hms_nano(hour, minute, second, nanosecond).ok()
    }

    fn fraction(&mut self) -> Option<u32> {
        let length = self
            .rest
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if !(1..=9).contains(&length) {
            return None;
        }
        let value = self.digits(length)?;
        Some(value * 10_u32.pow(u32::try_from(9 - length).ok()?))
    }

    fn zone(&mut self) -> Option<UtcOffset> {
        let (sign, rest) = self.rest.split_first()?;
        self.rest = rest;
        let sign: i8 = match sign {
            b'Z' => return Some(UtcOffset::UTC),
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let hours = i8::try_from(self.digits(2)?)
            .ok()
            .filter(|hours| *hours <= 23)?;
        self.expect(b':')?;
        let minutes = i8::try_from(self.digits(2)?)
            .ok()
            .filter(|minutes| *minutes <= 59)?;
        UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()
    }

    fn digits(&mut self, count: usize) -> Option<u32> {
        let (head, tail) = self.rest.split_at_checked(count)?;
        self.rest = tail;
        if !head.iter().all(u8::is_ascii_digit) {
            return None;
        }
        std::str::from_utf8(head).ok()?.parse().ok()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        (*first == byte).then_some(())
    }
}

fn instant(at: OffsetDateTime) -> Timestamp {
    Timestamp {
        seconds: at.unix_timestamp(),
        nanoseconds: at.nanosecond(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_instants() {
        // (text, epoch seconds and nanoseconds)
        let cases = [
            ("2030-01", Some((1_893_456_000, 0))),
            ("2030-01-01", Some((1_893_456_000, 0))),
            ("2030-01-01T00:00Z", Some((1_893_456_000, 0))),
            ("2030-01-01T00:00:00Z", Some((1_893_456_000, 0))),
            ("2030-01-01T01:00:00+01:00", Some((1_893_456_000, 0))),
            (
                "2029-12-31T23:30:00.5-00:30",
                Some((1_893_456_000, 500_000_000)),
            ),
            ("1893456000", Some((1_893_456_000, 0))),
            ("0", Some((0, 0))),
            ("2031", None),
            ("2030-02-30", None),
            ("2030-13-01", None),
            ("2030-01-01T24:00:00Z", None),
            ("2030-01-01T00:00:60Z", None),
            ("2030-01-01T00:00:00", None),
            ("2030-01-01t00:00:00z", None),
            ("2030-01-01T00:00:00.Z", None),
            ("2030-01-01T00:00:00.1234567890Z", None),
            ("2030-01-01T00:00:00Zx", None),
            ("2030-1-1", None),
            ("-5", None),
            ("", None),
            ("99999999999999999999999", None),
        ];
        for (text, expected) in cases {
            let got = Timestamp::parse(text)
                .ok()
                .map(|at| (at.seconds, at.nanoseconds));
            assert_eq!(got, expected, "OP-8, OP-9: `{text}`");
        }
    }

    #[test]
    fn an_instant_prints_as_iso() {
        assert_eq!(
            Timestamp::from_seconds(1_893_456_000).to_iso(),
            "2030-01-01T00:00:00Z"
        );
    }
}
