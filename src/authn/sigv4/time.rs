//! The two forms in which a signed request says when it was signed (SIG-10).

use crate::model::Timestamp;

/// Reads `YYYYMMDDTHHMMSSZ`, and nothing else.
pub(super) fn basic(text: &str) -> Option<Timestamp> {
    let digits = |range| {
        let part: &str = text.get(range)?;
        part.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then_some(part)
    };
    if text.len() != 16 || text.get(8..9) != Some("T") || text.get(15..) != Some("Z") {
        return None;
    }
    let (year, month, day) = (digits(0..4)?, digits(4..6)?, digits(6..8)?);
    let (hour, minute, second) = (digits(9..11)?, digits(11..13)?, digits(13..15)?);
    Timestamp::parse(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z")).ok()
}

/// Reads an IMF-fixdate, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7). A common client writes
/// `-0000` in the place of `GMT`.
pub(super) fn fixdate(text: &str) -> Option<Timestamp> {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (name, rest) = text.split_once(", ")?;
    let mut parts = rest.split(' ');
    let mut part = || parts.next();
    let (day, month, year, clock, zone) = (part()?, part()?, part()?, part()?, part()?);
    if !DAYS.contains(&name)
        || day.len() != 2
        || !["GMT", "-0000"].contains(&zone)
        || part().is_some()
    {
        return None;
    }
    let month = MONTHS.iter().position(|known| *known == month)? + 1;
    Timestamp::parse(&format!("{year}-{month:02}-{day}T{clock}Z")).ok()
}

/// Writes `YYYYMMDDTHHMMSSZ`.
pub(super) fn to_basic(at: Timestamp) -> String {
    at.to_iso().replace(['-', ':'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_one_of_two_forms() {
        // (text, basic, fixdate)
        let cases = [
            ("20261123T181510Z", Some("2026-11-23T18:15:10Z"), None),
            ("20261123T181510z", None, None),
            ("20261123T181510", None, None),
            ("2026-11-23T18:15:10Z", None, None),
            ("20261323T181510Z", None, None),
            ("20261123T251510Z", None, None),
            ("+0261123T181510Z", None, None),
            ("20261123T18151éZ", None, None),
            (
                "Mon, 23 Nov 2026 18:15:10 GMT",
                None,
                Some("2026-11-23T18:15:10Z"),
            ),
            (
                "Mon, 23 Nov 2026 18:15:10 -0000",
                None,
                Some("2026-11-23T18:15:10Z"),
            ),
            ("Mon, 23 Nov 2026 18:15:10 -0100", None, None),
            ("Mon, 23 Nov 2026 18:15:10 UTC", None, None),
            ("Mon, 3 Nov 2026 18:15:10 GMT", None, None),
            ("Mon, 23 nov 2026 18:15:10 GMT", None, None),
            ("Monday, 23-Nov-26 18:15:10 GMT", None, None),
            ("", None, None),
        ];
        for (text, expected, fixed) in cases {
            let iso = |at: Option<Timestamp>| at.map(Timestamp::to_iso);
            assert_eq!(iso(basic(text)).as_deref(), expected, "SIG-10: {text}");
            assert_eq!(iso(fixdate(text)).as_deref(), fixed, "SIG-10: {text}");
        }
        let at = basic("20261123T181510Z").unwrap();
        assert_eq!(to_basic(at), "20261123T181510Z");
    }
}
