//! Entries by the beginning of a text, or by its end.

use crate::engine::index::Entry;

/// A radix tree over bytes.
///
/// Children of a node stand side by side, and so do the bytes by which they differ: a step down
/// reads few lines of memory, and that is what a large set costs.
#[derive(Debug, Default)]
pub(super) struct Trie {
    /// The first is the root; none where there are no entries.
    nodes: Box<[Node]>,
    /// The first byte of the way to each node.
    firsts: Box<[u8]>,
    /// The further bytes of all ways.
    labels: Box<[u8]>,
    entries: Box<[Entry]>,
    /// Whether texts are read from their end.
    backward: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    label: u32,
    label_length: u16,
    children: u16,
    /// Where its children begin.
    first_child: u32,
    /// Where its entries begin: those for every text that goes on from here, then those for the text
    /// that ends here.
    entries: u32,
    open: u32,
    closed: u32,
}

/// An entry with the text that leads to it.
#[derive(Clone, Debug)]
pub(super) struct Keyed<'k> {
    /// The text; its end stands first in a tree that is read backward.
    pub(super) key: &'k [u8],
    /// Whether texts that go on are meant too.
    pub(super) open: bool,
    pub(super) entry: Entry,
}

impl Trie {
    pub(super) fn build(mut keyed: Vec<Keyed<'_>>, backward: bool) -> Self {
        if keyed.is_empty() {
            return Self::default();
        }
        // Stable: entries of one key keep the order of the statements.
        keyed.sort_by(|a, b| a.key.cmp(b.key).then(b.open.cmp(&a.open)));
        let mut trie = Building {
            keyed: &keyed,
            nodes: vec![Node::default()],
            firsts: vec![0],
            labels: Vec::new(),
            entries: Vec::with_capacity(keyed.len()),
            pending: Vec::new(),
        };
        trie.pending.push((0, 0, keyed.len(), 0));
        let mut at = 0;
        while let Some(pending) = trie.pending.get(at).copied() {
            trie.node(pending);
            at += 1;
        }
        Self {
            nodes: trie.nodes.into(),
            firsts: trie.firsts.into(),
            labels: trie.labels.into(),
            entries: trie.entries.into(),
            backward,
        }
    }

    /// How much memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.nodes)
            + size_of_val(&*self.entries)
            + self.firsts.len()
            + self.labels.len()
    }

    /// Visits the entries of every beginning of `text`.
    #[inline]
    pub(super) fn walk(&self, text: &[u8], visit: &mut impl FnMut(&[Entry])) {
        let byte = |at: usize| -> Option<u8> {
            let at = if self.backward {
                text.len().checked_sub(at + 1)?
            } else {
                at
            };
            text.get(at).copied()
        };
        let mut depth = 0;
        let mut next = self.nodes.first();
        while let Some(node) = next {
            let length = usize::from(node.label_length);
            if length > 0 {
                let label = range(&self.labels, node.label, length);
                let same = if self.backward {
                    (0..)
                        .zip(label)
                        .all(|(at, known)| byte(depth + at) == Some(*known))
                } else {
                    text.get(depth..depth + length) == Some(label)
                };
                if !same {
                    return;
                }
                depth += length;
            }
            if node.open > 0 {
                visit(range(&self.entries, node.entries, size(node.open)));
            }
            let Some(step) = byte(depth) else {
                if node.closed > 0 {
                    let start = node.entries.saturating_add(node.open);
                    visit(range(&self.entries, start, size(node.closed)));
                }
                return;
            };
            let firsts = range(&self.firsts, node.first_child, usize::from(node.children));
            let child = firsts.iter().position(|first| *first == step);
            next = child.and_then(|child| self.nodes.get(size(node.first_child) + child));
            depth += 1;
        }
    }
}

struct Building<'b, 'k> {
    keyed: &'b [Keyed<'k>],
    nodes: Vec<Node>,
    firsts: Vec<u8>,
    labels: Vec<u8>,
    entries: Vec<Entry>,
    /// Nodes to be filled: which, the keys that lead through it, and how many bytes led here.
    pending: Vec<(usize, usize, usize, usize)>,
}

impl Building<'_, '_> {
    fn node(&mut self, (at, from, to, depth): (usize, usize, usize, usize)) {
        let keyed = self.keyed.get(from..to).unwrap_or_default();
        let rest = |key: &Keyed<'_>| key.key.get(depth..).unwrap_or_default().to_vec();
        let (first, last) = match (keyed.first(), keyed.last()) {
            (Some(first), Some(last)) => (rest(first), rest(last)),
            _ => return,
        };
        // Sorted: what the first and the last share, all share.
        let shared = first.iter().zip(&last).take_while(|(a, b)| a == b).count();
        let label = number(self.labels.len());
        self.labels.extend(first.iter().take(shared));
        let end = depth + shared;
        let own = keyed.iter().take_while(|key| key.key.len() == end);
        let entries = number(self.entries.len());
        let (mut open, mut closed) = (0, 0);
        for key in own {
            self.entries.push(key.entry);
            if key.open {
                open += 1;
            } else {
                closed += 1;
            }
        }
        let first_child = self.nodes.len();
        let mut start = from + open + closed;
        while start < to {
            let step = |at: usize| self.keyed.get(at).and_then(|key| key.key.get(end).copied());
            let first = step(start);
            let mut behind = start + 1;
            while behind < to && step(behind) == first {
                behind += 1;
            }
            self.firsts.push(first.unwrap_or_default());
            self.pending
                .push((self.nodes.len(), start, behind, end + 1));
            self.nodes.push(Node::default());
            start = behind;
        }
        let children = self.nodes.len() - first_child;
        if let Some(node) = self.nodes.get_mut(at) {
            *node = Node {
                label,
                // No pattern is longer (LIM-5): 2,048 characters of four bytes.
                label_length: u16::try_from(shared).unwrap_or(u16::MAX),
                // One for each byte at most.
                children: u16::try_from(children).unwrap_or(u16::MAX),
                first_child: number(first_child),
                entries,
                open: number(open),
                closed: number(closed),
            };
        }
    }
}

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn range<T>(items: &[T], start: u32, length: usize) -> &[T] {
    let start = size(start);
    items
        .get(start..start.saturating_add(length))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::index::ANY_HEAD;
    use crate::engine::index::selector::Selector;

    fn found(keys: &[(&str, bool)], backward: bool, text: &str) -> Vec<u32> {
        let reversed: Vec<Vec<u8>> = keys
            .iter()
            .map(|(key, _)| key.bytes().rev().collect())
            .collect();
        let keyed = (0..)
            .zip(keys)
            .zip(&reversed)
            .map(|((number, (key, open)), reversed)| Keyed {
                key: if backward { reversed } else { key.as_bytes() },
                open: *open,
                entry: Entry {
                    document: 0,
                    statement: number,
                    actions: Selector::ALL,
                    head: ANY_HEAD,
                    flags: 0,
                },
            });
        let trie = Trie::build(keyed.collect(), backward);
        let mut found = Vec::new();
        trie.walk(text.as_bytes(), &mut |entries| {
            found.extend(entries.iter().map(|entry| entry.statement));
        });
        found.sort_unstable();
        found
    }

    #[test]
    fn a_tree_finds_what_reading_all_keys_finds() {
        let keys = [
            ("", true),
            ("", false),
            ("a", true),
            ("a", false),
            ("ab", true),
            ("abc", false),
            ("abd", true),
            ("b", true),
            ("bab", false),
            ("é", true),
            ("éa", false),
            ("abc", false),
        ];
        let texts = [
            "", "a", "ab", "abc", "abd", "abdx", "b", "ba", "bab", "babx", "é", "éa", "x", "cab",
            "ac",
        ];
        for upto in 0..=keys.len() {
            let keys = &keys[..upto];
            for text in texts {
                for backward in [false, true] {
                    let meets = |(key, open): &(&str, bool)| match (open, backward) {
                        (true, false) => text.starts_with(key),
                        (true, true) => text.ends_with(key),
                        (false, _) => text == *key,
                    };
                    let expected: Vec<u32> = (0..)
                        .zip(keys)
                        .filter(|(_, key)| meets(key))
                        .map(|(n, _)| n)
                        .collect();
                    assert_eq!(
                        found(keys, backward, text),
                        expected,
                        "{keys:?} {text} {backward}"
                    );
                }
            }
        }
    }
}
