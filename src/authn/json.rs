//! JSON as tokens and key sets write it: read strictly, so that two readers cannot differ.

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The deepest nesting that is read; real tokens have three or four levels.
const MAX_DEPTH: u8 = 32;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Json>),
    Object(Object),
}

/// The members of an object; no name occurs twice.
pub(super) type Object = BTreeMap<String, Json>;

/// A JSON number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    /// Written as an integer of at most 64 bits.
    Integer(i128),
    /// Written with a fraction or an exponent, or too large for an integer.
    Fraction(f64),
}

/// Why a text is not JSON that may be relied on (JWT-01).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not UTF-8.
    #[error("the text is not UTF-8")]
    NotText,
    /// Not JSON.
    #[error("the text is not JSON")]
    Syntax,
    /// An object has two members of one name, of which two readers could take different ones.
    #[error("a member name occurs twice in one object")]
    Duplicate,
    /// Nested deeper than anything meant in earnest.
    #[error("more than {MAX_DEPTH} levels of nesting")]
    TooDeep,
    /// Something stands behind the value.
    #[error("there is something behind the JSON value")]
    TrailingData,
    /// JSON, and not an object.
    #[error("the JSON value is not an object")]
    NotAnObject,
}

/// Reads one JSON object and nothing behind it.
pub(super) fn object(bytes: &[u8]) -> Result<Object, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|_| JsonError::NotText)?;
    let fault = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_str(text);
    let root = Node {
        depth: 0,
        fault: &fault,
    };
    let value = root
        .deserialize(&mut reader)
        .map_err(|_| fault.take().unwrap_or(JsonError::Syntax))?;
    reader.end().map_err(|_| JsonError::TrailingData)?;
    match value {
        Json::Object(members) => Ok(members),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::List(_) => {
            Err(JsonError::NotAnObject)
        }
    }
}

impl Number {
    /// Above this a binary fraction skips integers, and two numbers would have one text.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    /// The last second of the year 9999.
    const LATEST: Duration = Duration::from_secs(253_402_300_799);

    /// The number in decimal, unless precision was lost in reading it.
    pub(super) fn text(self) -> Option<String> {
        match self {
            Self::Integer(integer) => Some(integer.to_string()),
            Self::Fraction(fraction) => {
                (fraction.abs() < Self::EXACT).then(|| fraction.to_string())
            }
        }
    }

    /// The number as seconds since 1970, when it is from 1970 to the year 9999.
    pub(super) fn since_epoch(self) -> Option<Duration> {
        let duration = match self {
            Self::Integer(seconds) => Duration::from_secs(u64::try_from(seconds).ok()?),
            Self::Fraction(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        };
        (duration <= Self::LATEST).then_some(duration)
    }
}

/// The place of one value. Serde's errors hold text alone, so the kind of fault is told beside them.
#[derive(Clone, Copy)]
struct Node<'a> {
    depth: u8,
    fault: &'a Cell<Option<JsonError>>,
}

impl Node<'_> {
    fn fail<E: Error>(self, fault: JsonError) -> E {
        self.fault.set(Some(fault));
        E::custom(fault)
    }

    fn inner<E: Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(self.fail(JsonError::TooDeep));
        }
        Ok(Self {
            depth: self.depth.saturating_add(1),
            fault: self.fault,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Json;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Json, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(Number::Integer(value.into())))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(Number::Integer(value.into())))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(Number::Fraction(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(value) = entries.next_element_seed(inner)? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let inner = self.inner()?;
        let mut members = Object::new();
        while let Some(name) = entries.next_key::<String>()? {
            // Names are compared unescaped: `"\u0061lg"` is `"alg"`.
            if members.contains_key(&name) {
                return Err(self.fail(JsonError::Duplicate));
            }
            members.insert(name, entries.next_value_seed(inner)?);
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_strict_object_is_read() {
        let deep = |levels: usize| {
            format!(
                "{{\"a\":{}{}}}",
                "[".repeat(levels - 1),
                "]".repeat(levels - 1)
            )
        };
        // (text, fault)
        let cases = [
            (r#"{"a":1}"#.to_owned(), None),
            (" {\"a\" : [true, null, \"x\"] }\n".to_owned(), None),
            ("{}".to_owned(), None),
            (deep(32), None),
            (deep(33), Some(JsonError::TooDeep)),
            (deep(9000), Some(JsonError::TooDeep)),
            (r#"{"a":1,"a":1}"#.to_owned(), Some(JsonError::Duplicate)),
            (
                r#"{"a":1,"\u0061":2}"#.to_owned(),
                Some(JsonError::Duplicate),
            ),
            (
                r#"{"b":[{"c":{"a":1,"a":2}}]}"#.to_owned(),
                Some(JsonError::Duplicate),
            ),
            (r#"{"a":1,"A":2}"#.to_owned(), None),
            (
                r#"{"a":1}{"a":1}"#.to_owned(),
                Some(JsonError::TrailingData),
            ),
            (r#"{"a":1} x"#.to_owned(), Some(JsonError::TrailingData)),
            ("{\"a\":1}\0".to_owned(), Some(JsonError::TrailingData)),
            ("[]".to_owned(), Some(JsonError::NotAnObject)),
            ("\"x\"".to_owned(), Some(JsonError::NotAnObject)),
            ("null".to_owned(), Some(JsonError::NotAnObject)),
            (String::new(), Some(JsonError::Syntax)),
            ("\u{feff}{}".to_owned(), Some(JsonError::Syntax)),
            (r#"{"a":1,}"#.to_owned(), Some(JsonError::Syntax)),
            (r"{a:1}".to_owned(), Some(JsonError::Syntax)),
            (r#"{"a":01}"#.to_owned(), Some(JsonError::Syntax)),
            (r#"{"a":NaN}"#.to_owned(), Some(JsonError::Syntax)),
            (r#"{"a":1e999}"#.to_owned(), Some(JsonError::Syntax)),
            (r#"{"a":"\ud800"}"#.to_owned(), Some(JsonError::Syntax)),
            ("{\"a\":\"\n\"}".to_owned(), Some(JsonError::Syntax)),
            (r#"{"a":1 /* b */}"#.to_owned(), Some(JsonError::Syntax)),
        ];
        for (text, fault) in cases {
            assert_eq!(object(text.as_bytes()).err(), fault, "JWT-01: `{text}`");
        }
        assert_eq!(
            object(b"{\"a\":\"\xff\"}"),
            Err(JsonError::NotText),
            "JWT-01"
        );
    }

    #[test]
    fn numbers_keep_their_value_or_have_no_text() {
        // (text, as text, as seconds and nanoseconds)
        let cases = [
            ("0", Some("0"), Some((0, 0))),
            ("1893456000", Some("1893456000"), Some((1_893_456_000, 0))),
            ("1.5", Some("1.5"), Some((1, 500_000_000))),
            ("1e3", Some("1000"), Some((1000, 0))),
            ("-1", Some("-1"), None),
            ("-0.5", Some("-0.5"), None),
            ("18446744073709551615", Some("18446744073709551615"), None),
            ("18446744073709551616", None, None),
            ("1e300", None, None),
            (
                "253402300799",
                Some("253402300799"),
                Some((253_402_300_799, 0)),
            ),
            ("253402300800", Some("253402300800"), None),
        ];
        for (text, decimal, instant) in cases {
            let members = object(format!("{{\"n\":{text}}}").as_bytes()).unwrap();
            let Some(Json::Number(number)) = members.get("n") else {
                panic!("`{text}` is a number");
            };
            assert_eq!(number.text().as_deref(), decimal, "CLM-02: {text}");
            let since = number.since_epoch();
            let since = since.map(|since| (since.as_secs(), since.subsec_nanos()));
            assert_eq!(since, instant, "JWT-04: {text}");
        }
    }
}
