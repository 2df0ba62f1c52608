//! Entries by a piece of text that stands anywhere.

use super::build::flat;
use super::{Entry, slice};
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use smallvec::{SmallVec, smallvec};
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
        // Who asks chooses the text, and a piece may stand in it a thousand times: it is visited once.
        let words = self.starts.len().div_ceil(64);
        let mut seen: SmallVec<[u64; 16]> = smallvec![0; words];
        for found in self.automaton.find_overlapping_iter(text) {
            let piece = found.pattern().as_u32();
            let bit = 1_u64 << (piece % 64);
            let word = usize::try_from(piece / 64)
                .ok()
                .and_then(|at| seen.get_mut(at));
            // A piece without a place among the others is visited each time, and never left out.
            let is_new = word.is_none_or(|word| {
                let is_new = *word & bit == 0;
                *word |= bit;
                is_new
            });
            if is_new {
                visit(slice(&self.entries, &self.starts, piece));
            }
        }
    }

    /// How much memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.automaton.memory_usage() + size_of_val(&*self.entries)
    }
}
