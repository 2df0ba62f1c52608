//! Entries by a piece of text that stands anywhere.

use super::build::flat;
use super::{Entry, slice};
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use std::collections::BTreeMap;

/// An automaton over the pieces, and the entries of each.
#[derive(Debug)]
pub(super) struct Fragments {
    automaton: AhoCorasick,
    /// Where the entries of a piece begin.
    starts: Box<[u32]>,
    entries: Box<[Entry]>,
}

impl Fragments {
    /// Builds it from pieces that are not empty. `None` when there are more of them than it can
    /// hold.
    pub(super) fn build<'t>(pieces: impl Iterator<Item = (&'t str, Entry)>) -> Option<Self> {
        let mut by_piece: BTreeMap<&str, Vec<Entry>> = BTreeMap::new();
        for (piece, entry) in pieces {
            by_piece.entry(piece).or_default().push(entry);
        }
        let automaton = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(by_piece.keys())
            .ok()?;
        let (starts, entries) = flat(by_piece.into_values());
        Some(Self {
            automaton,
            starts,
            entries,
        })
    }

    /// Visits the entries of every piece that stands in `text`.
    pub(super) fn find(&self, text: &[u8], visit: &mut impl FnMut(&[Entry])) {
        for found in self.automaton.find_overlapping_iter(text) {
            visit(slice(&self.entries, &self.starts, found.pattern().as_u32()));
        }
    }

    /// How much memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.automaton.memory_usage() + size_of_val(&*self.entries)
    }
}
