//! By what the resource of an entry is found, and which of several ways finds least beside it.

use crate::policy::template::Token;
use std::collections::HashMap;

/// By what the resource of an entry can be found.
#[derive(Clone, Copy)]
pub(super) enum Key<'d> {
    /// The whole resource part.
    Exact(&'d str),
    /// Its beginning.
    Prefix(&'d str),
    /// Its beginning and its end, which may be empty, and what stands between them.
    Glob(&'d str, &'d str, &'d [Token]),
    /// A piece in its middle.
    Inside(&'d str),
    /// Nothing.
    Broad,
}

/// The literal beginning and end of a pattern with wildcards, and what stands between them.
pub(super) fn literals(tokens: &[Token]) -> Key<'_> {
    let Some((first, behind)) = tokens.split_first() else {
        return Key::Broad;
    };
    let Some((last, middle)) = behind.split_last() else {
        return Key::Glob(literal(first), "", &[]);
    };
    Key::Glob(literal(first), literal(last), middle)
}

fn literal(token: &Token) -> &str {
    match token {
        Token::Literal(text) => text,
        Token::One | Token::Many | Token::Variable { .. } => "",
    }
}

/// How many entries share each literal of a pattern: one that many share finds little.
#[derive(Default)]
pub(super) struct Counts<'d> {
    starts: HashMap<&'d str, usize>,
    ends: HashMap<&'d str, usize>,
    middles: HashMap<&'d str, usize>,
}

impl<'d> Counts<'d> {
    pub(super) fn add(&mut self, key: Key<'d>) {
        if let Key::Glob(start, end, middle) = key {
            *self.starts.entry(start).or_default() += 1;
            *self.ends.entry(end).or_default() += 1;
            for text in middle.iter().map(literal) {
                *self.middles.entry(text).or_default() += 1;
            }
        }
    }

    /// A key with its rarest literal alone; none of another kind is changed.
    pub(super) fn rarest(&self, key: Key<'d>) -> Key<'d> {
        let Key::Glob(start, end, middle) = key else {
            return key;
        };
        let count = |counts: &HashMap<&str, usize>, text: &str| {
            if text.is_empty() {
                usize::MAX
            } else {
                counts.get(text).copied().unwrap_or_default()
            }
        };
        // A middle is looked for at every place of a text, and has to be longer to tell anything.
        let middle = middle
            .iter()
            .map(literal)
            .filter(|text| text.len() >= MIDDLE);
        let middle = middle.min_by_key(|text| count(&self.middles, text));
        let by_start = count(&self.starts, start);
        let by_end = count(&self.ends, end);
        let by_middle = middle.map_or(usize::MAX, |text| count(&self.middles, text));
        let least = by_start.min(by_end).min(by_middle);
        match middle {
            _ if least == usize::MAX => Key::Broad,
            _ if by_start == least => Key::Glob(start, "", &[]),
            _ if by_end == least => Key::Glob("", end, &[]),
            Some(text) => Key::Inside(text),
            None => Key::Broad,
        }
    }
}

/// The shortest literal in the middle of a pattern by which it is found, in bytes.
const MIDDLE: usize = 4;
