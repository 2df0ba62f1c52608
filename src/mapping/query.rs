//! The query of a call: names and values, decoded once.

use crate::model::percent::{Unit, Units};
use crate::policy::PathMode;
use std::borrow::Cow;

/// The pairs of a query in order; a name that comes again keeps all its values (rule 18).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query<'t> {
    pairs: Vec<Pair<'t>>,
    separator: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pair<'t> {
    name: Cow<'t, str>,
    value: Cow<'t, str>,
    plus: bool,
}

/// Why a query is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum QueryFault {
    /// A `%` without two hexadecimal digits.
    #[error("the query holds an invalid escape")]
    Escape,
    /// The escapes yield no UTF-8.
    #[error("the query is not text once decoded")]
    NotText,
    /// More pairs than accepted.
    #[error("the query has too many pairs")]
    TooManyPairs,
    /// A `;` in a query that the route reads: some readers split there.
    #[error("the query holds a `;`, at which some readers split it")]
    Separator,
    /// A `+` in a value that the route reads: a space to some readers.
    #[error("a value of the query holds a `+`, which is a space to some readers")]
    Plus,
    /// A control character in a value that the route reads.
    #[error("a value of the query holds a control character")]
    Control,
    /// A name that differs from the one that the route reads in letter case alone.
    #[error("a name in the query differs from a known one in letter case alone")]
    NearName,
    /// A name comes twice where once is right.
    #[error("a name comes more than once")]
    Repeated,
    /// Two things are said of which one can be meant.
    #[error("the query says two things of which one can be meant")]
    Ambiguous,
    /// A name that the operation does not have.
    #[error("a name in the query is not known")]
    UnknownName,
}

impl QueryFault {
    /// One word of a closed set, for metrics and the decision log.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Escape => "escape",
            Self::NotText => "not_text",
            Self::TooManyPairs => "too_many_pairs",
            Self::Separator => "separator",
            Self::Plus => "plus",
            Self::Control => "control",
            Self::NearName => "near_name",
            Self::Repeated => "repeated",
            Self::Ambiguous => "ambiguous",
            Self::UnknownName => "unknown_name",
        }
    }
}

impl<'t> Query<'t> {
    /// The most pairs of a query.
    pub const MAX_PAIRS: usize = 256;
    /// The most pairs of a form.
    const MAX_FORM_PAIRS: usize = 10_000;

    /// Reads what stands behind the `?` of a target.
    ///
    /// Pairs are split at `&`, names from values at the first `=`, and both are percent-decoded
    /// exactly once; `+` is decoded to a space, and remembered.
    ///
    /// # Errors
    ///
    /// - [`QueryFault::Escape`], [`QueryFault::NotText`] when a name or value cannot be decoded.
    /// - [`QueryFault::TooManyPairs`] above [`Query::MAX_PAIRS`].
    pub fn read(text: &'t str) -> Result<Self, QueryFault> {
        Self::read_at_most(text, Self::MAX_PAIRS)
    }

    /// As [`read`](Self::read), for the pairs of a form in a body, which may be more.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), and [`QueryFault::Control`] for a control character in a name.
    pub fn read_form(text: &'t str) -> Result<Self, QueryFault> {
        let form = Self::read_at_most(text, Self::MAX_FORM_PAIRS)?;
        // Read by another charset these would be other names.
        if form
            .iter()
            .any(|(name, _)| name.chars().any(char::is_control))
        {
            return Err(QueryFault::Control);
        }
        Ok(form)
    }

    fn read_at_most(text: &'t str, most: usize) -> Result<Self, QueryFault> {
        let mut pairs = Vec::new();
        for written in text.split('&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == most {
                return Err(QueryFault::TooManyPairs);
            }
            let (name, value) = written.split_once('=').unwrap_or((written, ""));
            pairs.push(Pair {
                name: decode(name)?,
                value: decode(value)?,
                plus: value.contains('+'),
            });
        }
        Ok(Self {
            pairs,
            separator: text.contains(';'),
        })
    }

    /// All values of `name`, in order; none when it is absent.
    ///
    /// # Errors
    ///
    /// - [`QueryFault::Separator`] when a `;` stands anywhere in the query as itself.
    /// - [`QueryFault::NearName`] when another spelling of `name` is in the query.
    /// - [`QueryFault::Control`] when a value holds a control character.
    /// - [`QueryFault::Plus`] when a value holds a `+` as itself, and `mode` is strict.
    pub fn values(&self, name: &str, mode: PathMode) -> Result<Vec<Box<str>>, QueryFault> {
        if self.separator {
            return Err(QueryFault::Separator);
        }
        let mut values = Vec::new();
        for pair in &self.pairs {
            if pair.name == name {
                pair.check(mode)?;
                values.push(pair.value.as_ref().into());
            } else if pair.name.eq_ignore_ascii_case(name) {
                return Err(QueryFault::NearName);
            }
        }
        Ok(values)
    }

    /// Every name with its value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs
            .iter()
            .map(|pair| (pair.name.as_ref(), pair.value.as_ref()))
    }
}

impl Pair<'_> {
    fn check(&self, mode: PathMode) -> Result<(), QueryFault> {
        if self.value.chars().any(char::is_control) {
            return Err(QueryFault::Control);
        }
        match mode {
            PathMode::Strict if self.plus => Err(QueryFault::Plus),
            PathMode::Strict | PathMode::Normalise | PathMode::Raw => Ok(()),
        }
    }
}

fn decode(written: &str) -> Result<Cow<'_, str>, QueryFault> {
    if !written.contains(['%', '+']) {
        return Ok(Cow::Borrowed(written));
    }
    let mut bytes = Vec::with_capacity(written.len());
    for unit in Units::of(written) {
        bytes.push(match unit.map_err(|_| QueryFault::Escape)? {
            Unit::Plain(b'+') => b' ',
            Unit::Plain(byte) | Unit::Escaped(byte) => byte,
        });
    }
    let text = String::from_utf8(bytes).map_err(|_| QueryFault::NotText)?;
    Ok(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(query: &str, name: &str, mode: PathMode) -> Result<Vec<String>, QueryFault> {
        let values = Query::read(query)?.values(name, mode)?;
        Ok(values.into_iter().map(String::from).collect())
    }

    #[test]
    fn values_are_decoded_once_and_repeats_are_kept() {
        let cases: [(&str, &[&str]); 9] = [
            ("", &[]),
            ("b=1", &[]),
            ("a=1&b=2&a=3", &["1", "3"]),
            ("a=%252F", &["%2F"]),
            ("%61=1", &["1"]),
            ("a", &[""]),
            ("a=1=2", &["1=2"]),
            ("&&a=/../b&", &["/../b"]),
            ("a=%C3%A9?", &["é?"]),
        ];
        for (query, expected) in cases {
            assert_eq!(
                values(query, "a", PathMode::Strict).unwrap(),
                expected,
                "rule 18: {query}"
            );
        }
    }

    #[test]
    fn a_doubtful_query_is_refused() {
        use QueryFault as F;
        let many = "a=1&".repeat(Query::MAX_PAIRS + 1);
        let cases = [
            ("a=%", F::Escape),
            ("b=%zz", F::Escape),
            ("%4=1", F::Escape),
            ("a=%ff", F::NotText),
            ("b=%C0%AF", F::NotText),
            ("a=1;b=2", F::Separator),
            ("a=1+2", F::Plus),
            ("a=1%0a", F::Control),
            ("A=1", F::NearName),
            (many.as_str(), F::TooManyPairs),
        ];
        for (query, expected) in cases {
            assert_eq!(
                values(query, "a", PathMode::Strict),
                Err(expected),
                "rule 18: {query}"
            );
        }
    }

    #[test]
    fn what_the_route_does_not_read_may_be_anything_that_decodes() {
        let query = Query::read("b=1+2&c=%0a").unwrap();
        assert_eq!(query.values("a", PathMode::Strict), Ok(vec![]));
        let pairs: Vec<_> = query.iter().collect();
        assert_eq!(pairs, [("b", "1 2"), ("c", "\n")]);
    }

    #[test]
    fn a_plus_is_a_space_where_the_mode_is_lenient() {
        let cases = [PathMode::Normalise, PathMode::Raw];
        for mode in cases {
            assert_eq!(values("a=1+2%2B", "a", mode).unwrap(), ["1 2+"], "{mode:?}");
        }
    }
}
