//! The index of HTTP routes: a tree by segments.

use super::matcher::{HttpMatcher, Piece};
use super::meaning::Meaning;
use super::path::{Path, Segment};
use crate::policy::PathMode;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// A node of the index: what stands below one run of segments.
///
/// A walk tries the literal first, then the variable, then the rest. Each node is at one depth and
/// has one parent, so a walk visits each node once at most, however routes overlap. The table has
/// made sure that the first route found is the narrowest of all that match.
#[derive(Debug, Default)]
pub(super) struct Trie {
    literals: HashMap<Box<str>, Trie>,
    /// The literals by their lower-case form.
    folded: HashMap<Box<str>, Vec<Box<str>>>,
    variable: Option<Box<Trie>>,
    plain: Ends,
    slashed: Ends,
    rest: Ends,
    rest_slashed: Ends,
}

/// The routes that end at one place, by method.
#[derive(Debug, Default)]
struct Ends {
    methods: Vec<(Box<str>, Arc<Meaning>)>,
    any: Option<Arc<Meaning>>,
}

/// How a walk compares literals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// As the path's mode says.
    Exact,
    /// As a server might that folds letter case or escapes, or drops a slash at the end.
    Folded,
}

/// What is looked for.
#[derive(Clone, Copy, Debug)]
struct Sought<'c> {
    method: &'c str,
    path: &'c Path<'c>,
    reading: Reading,
}

/// The route of a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'n> {
    /// No route matches.
    Nothing,
    /// This one.
    Route(&'n Meaning),
    /// One matches by its variables, yet a server that folds case or escapes would take another.
    Doubtful,
}

/// The route of a call with this method and path, in the first of these indexes that has one.
pub(super) fn find<'n>(
    tries: &(impl Iterator<Item = &'n Trie> + Clone),
    method: &str,
    path: &Path<'_>,
) -> Found<'n> {
    let walk = |reading| {
        let sought = Sought {
            method,
            path,
            reading,
        };
        let mut tries = tries.clone();
        tries.find_map(|trie| trie.descend(path.segments(), sought))
    };
    let Some(exact) = walk(Reading::Exact) else {
        return Found::Nothing;
    };
    // Many servers answer HEAD as they answer GET.
    if method == "HEAD" {
        let sought = Sought {
            method: "GET",
            path,
            reading: Reading::Exact,
        };
        let get = tries
            .clone()
            .find_map(|trie| trie.descend(path.segments(), sought));
        if get.is_some_and(|get| !Arc::ptr_eq(exact, get) && !exact.is_for_head()) {
            return Found::Doubtful;
        }
    }
    // A path of literals alone names its route whatever else a server folds it to.
    if !exact.has_captures() {
        return Found::Route(exact);
    }
    match walk(Reading::Folded) {
        Some(folded) if Arc::ptr_eq(exact, folded) => Found::Route(exact),
        Some(_) | None => Found::Doubtful,
    }
}

impl Trie {
    /// Adds a route; one of the same method and shape must not be there.
    pub(super) fn insert(&mut self, matcher: &HttpMatcher, meaning: Arc<Meaning>) {
        let mut node = self;
        for piece in &matcher.pieces {
            node = match piece {
                Piece::Literal(text) => node.literal(text),
                Piece::Variable(_) => node.variable.get_or_insert_default(),
                // The last one, as its parser makes sure.
                Piece::Rest(_) => break,
            };
        }
        let has_rest = matches!(matcher.pieces.last(), Some(Piece::Rest(_)));
        let ends = match (has_rest, matcher.trailing_slash) {
            (false, false) => &mut node.plain,
            (false, true) => &mut node.slashed,
            (true, false) => &mut node.rest,
            (true, true) => &mut node.rest_slashed,
        };
        match &matcher.method {
            Some(method) => ends.methods.push((method.clone(), meaning)),
            None => ends.any = Some(meaning),
        }
    }

    fn literal(&mut self, text: &str) -> &mut Self {
        if !self.literals.contains_key(text) {
            let folded = self.folded.entry(text.to_ascii_lowercase().into());
            folded.or_default().push(text.into());
        }
        self.literals.entry(text.into()).or_default()
    }

    fn descend<'n>(
        &'n self,
        segments: &[Segment<'_>],
        sought: Sought<'_>,
    ) -> Option<&'n Arc<Meaning>> {
        let Some((first, others)) = segments.split_first() else {
            return sought.pick(&self.plain, &self.slashed, Slash::Refused);
        };
        let text = sought.path.matched(first);
        let exact = || self.literals.get(text)?.descend(others, sought);
        // Folded, the siblings come first: what a folding server could take instead must be seen.
        self.descend_near(first, others, sought)
            .or_else(exact)
            .or_else(|| {
                let node = self.variable.as_ref().filter(|_| !text.is_empty())?;
                node.descend(others, sought)
            })
            .or_else(|| {
                let takes_slash = match sought.path.mode() {
                    PathMode::Strict | PathMode::Normalise => Slash::Refused,
                    PathMode::Raw => Slash::Taken,
                };
                sought.pick(&self.rest, &self.rest_slashed, takes_slash)
            })
    }

    /// Walks on through the literals that a folding server would take `segment` for.
    fn descend_near<'n>(
        &'n self,
        segment: &Segment<'_>,
        others: &[Segment<'_>],
        sought: Sought<'_>,
    ) -> Option<&'n Arc<Meaning>> {
        if sought.reading == Reading::Exact || self.folded.is_empty() {
            return None;
        }
        let text = sought.path.matched(segment);
        let near = self.folded.get(fold(segment.decoded()).as_ref())?;
        let near = near.iter().filter(|literal| &***literal != text);
        near.filter_map(|literal| self.literals.get(literal))
            .find_map(|node| node.descend(others, sought))
    }
}

/// Whether a route without a slash at the end takes a path that has one.
#[derive(Clone, Copy)]
enum Slash {
    Refused,
    Taken,
}

impl Sought<'_> {
    /// The route among those that end here, without or with a slash.
    fn pick<'n>(
        &self,
        plain: &'n Ends,
        slashed: &'n Ends,
        plain_takes_slash: Slash,
    ) -> Option<&'n Arc<Meaning>> {
        let (fitting, other) = if self.path.has_trailing_slash() {
            (slashed, plain)
        } else {
            (plain, slashed)
        };
        let found = fitting.pick(self.method);
        let second = match (self.reading, plain_takes_slash) {
            (Reading::Folded, _) => true,
            (Reading::Exact, Slash::Taken) => self.path.has_trailing_slash(),
            (Reading::Exact, Slash::Refused) => false,
        };
        found.or_else(|| other.pick(self.method).filter(|_| second))
    }
}

impl Ends {
    fn pick(&self, method: &str) -> Option<&Arc<Meaning>> {
        let own = self.methods.iter().find(|(name, _)| &**name == method);
        own.map(|(_, meaning)| meaning).or(self.any.as_ref())
    }
}

fn fold(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}
