//! Which actions of a group an entry is about.

use crate::engine::pattern::Pattern;
use crate::model::Action;

/// A short name of a set of actions: all, one by number, or one of the sets of [`Selectors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Selector(u32);

/// From here on a selector is the number of a set.
const SETS: u32 = 1 << 31;

impl Selector {
    /// Every action of the group.
    pub(super) const ALL: Self = Self(u32::MAX);
    /// The statement itself has to be asked.
    pub(super) const ASK: Self = Self(u32::MAX - 1);

    /// The action with this number.
    pub(super) fn one(name: u32) -> Self {
        if name < SETS { Self(name) } else { Self::ASK }
    }

    /// The set with this number.
    pub(super) fn set(number: usize) -> Self {
        match u32::try_from(number) {
            Ok(number) if number < SETS - 2 => Self(SETS + number),
            _ => Self::ASK,
        }
    }

    /// The number of its set, if it is one.
    pub(super) fn as_set(self) -> Option<usize> {
        if self == Self::ALL || self == Self::ASK {
            return None;
        }
        usize::try_from(self.0.checked_sub(SETS)?).ok()
    }

    /// The number of its one action, if it has one.
    pub(super) fn as_one(self) -> Option<u32> {
        (self.0 < SETS).then_some(self.0)
    }
}

/// The sets of actions of a group.
#[derive(Debug, Default)]
pub(super) struct Selectors {
    sets: Box<[Set]>,
}

/// Several actions.
#[derive(Debug)]
pub(super) struct Set {
    /// Which of the names of the group belong to it, one bit each.
    bits: Box<[u64]>,
    /// Patterns, for actions that are not among the names.
    patterns: Box<[Pattern]>,
}

impl Selectors {
    pub(super) fn new(sets: Vec<Set>) -> Self {
        Self { sets: sets.into() }
    }

    /// How much memory they take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let sets = self.sets.iter();
        let sets = sets.map(|set| {
            let patterns = set.patterns.iter();
            let texts: usize = patterns.map(Pattern::text_bytes).sum();
            size_of::<Set>() + size_of_val(&*set.bits) + size_of_val(&*set.patterns) + texts
        });
        sets.sum()
    }

    pub(super) fn get(&self, selector: Selector) -> Option<&Set> {
        self.sets.get(selector.as_set()?)
    }

    /// Whether an action is among those of a selector; `None` where the statement has to be asked.
    /// `name` is its number, if it is among the names of the group.
    pub(super) fn test(
        &self,
        selector: Selector,
        name: Option<u32>,
        action: &Action,
    ) -> Option<bool> {
        if selector == Selector::ALL {
            return Some(true);
        }
        if let Some(one) = selector.as_one() {
            return Some(Some(one) == name);
        }
        let set = self.get(selector)?;
        Some(match name {
            Some(name) => set.has(name),
            None => set
                .patterns
                .iter()
                .any(|pattern| pattern.matches_plain(action.name())),
        })
    }
}

impl Set {
    pub(super) fn new(
        count: usize,
        names: impl Iterator<Item = u32>,
        patterns: Vec<Pattern>,
    ) -> Self {
        let mut bits = vec![0_u64; count.div_ceil(64)].into_boxed_slice();
        for name in names {
            if let Some(word) = usize::try_from(name / 64)
                .ok()
                .and_then(|at| bits.get_mut(at))
            {
                *word |= 1 << (name % 64);
            }
        }
        Self {
            bits,
            patterns: patterns.into(),
        }
    }

    /// Whether the action with this number belongs to it.
    pub(super) fn has(&self, name: u32) -> bool {
        let word = usize::try_from(name / 64)
            .ok()
            .and_then(|at| self.bits.get(at));
        word.is_some_and(|word| word & (1 << (name % 64)) != 0)
    }

    /// Whether it is a list of names and nothing else.
    pub(super) fn is_of_names(&self) -> bool {
        self.patterns.is_empty()
    }
}
