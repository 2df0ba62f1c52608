//! The action element of a statement (ACT-1 to ACT-7).

use crate::engine::pattern::Pattern;
use crate::model::{Action, fingerprint};
use crate::policy::{ActionPattern, Element};

/// A compiled action element; statements that say the same share one.
#[derive(Debug)]
pub(super) struct Actions {
    pub(super) negated: bool,
    pub(super) entries: Box<[ActionTest]>,
}

/// What may be an action of an element, in one bit for each of two fingerprints. Most statements that
/// are not about an action are passed over by it, and nothing else of them is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sieve {
    services: u32,
    actions: u32,
}

impl Sieve {
    const EVERYTHING: Self = Self {
        services: u32::MAX,
        actions: u32::MAX,
    };

    /// Whether an action may be meant; what is not is certainly not.
    pub(super) fn lets_through(self, action: Sieve) -> bool {
        self.services & action.services != 0 && self.actions & action.actions != 0
    }

    /// The bits of one action.
    pub(super) fn of_action(action: &Action) -> Self {
        Self {
            services: bit(action.prefix_fingerprint()),
            actions: bit(action.fingerprint()),
        }
    }
}

fn bit(fingerprint: u32) -> u32 {
    // Tables of names use the lower bits; these are as good as any.
    1 << (fingerprint >> 27)
}

/// One entry of it.
#[derive(Debug)]
pub(super) enum ActionTest {
    /// Every action.
    All,
    /// One action, in lower case.
    Literal {
        fingerprint: u32,
        prefix_length: u32,
        folded: Box<str>,
    },
    /// The actions of a service whose names match.
    Named { prefix: Box<str>, name: Pattern },
}

impl Actions {
    pub(super) fn compile(element: &Element<ActionPattern>) -> Self {
        Self {
            negated: element.negated,
            entries: element.entries.iter().map(ActionTest::compile).collect(),
        }
    }

    /// What may be an action of the element.
    pub(super) fn sieve(&self) -> Sieve {
        if self.negated {
            return Sieve::EVERYTHING;
        }
        let mut sieve = Sieve {
            services: 0,
            actions: 0,
        };
        for entry in &self.entries {
            match entry {
                ActionTest::All => return Sieve::EVERYTHING,
                ActionTest::Literal { fingerprint, .. } => sieve.actions |= bit(*fingerprint),
                ActionTest::Named { .. } => sieve.actions = u32::MAX,
            }
            sieve.services |= entry
                .prefix()
                .map_or(u32::MAX, |prefix| bit(fingerprint(prefix)));
        }
        sieve
    }

    pub(super) fn of_everything() -> Self {
        Self {
            negated: false,
            entries: Box::new([ActionTest::All]),
        }
    }

    /// ACT-4: whether the element is about an action.
    pub(super) fn cover(&self, action: &Action) -> bool {
        self.entries.iter().any(|entry| entry.covers(action)) != self.negated
    }
}

impl ActionTest {
    fn compile(pattern: &ActionPattern) -> Self {
        let ActionPattern::Named { prefix, name } = pattern else {
            return Self::All;
        };
        match Pattern::compile_glob(name) {
            Pattern::Literal(name) => {
                let folded = format!("{prefix}:{name}");
                Self::Literal {
                    fingerprint: fingerprint(&folded),
                    prefix_length: u32::try_from(prefix.len()).unwrap_or(u32::MAX),
                    folded: folded.into(),
                }
            }
            name => Self::Named {
                prefix: prefix.as_str().into(),
                name,
            },
        }
    }

    fn covers(&self, action: &Action) -> bool {
        match self {
            Self::All => true,
            Self::Literal {
                fingerprint,
                folded,
                ..
            } => *fingerprint == action.fingerprint() && **folded == *action.folded(),
            Self::Named { prefix, name } => {
                **prefix == *action.prefix() && name.matches_plain(action.name())
            }
        }
    }

    /// The service that the entry is about; `None` for all of them.
    pub(super) fn prefix(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Literal {
                prefix_length,
                folded,
                ..
            } => folded.get(..usize::try_from(*prefix_length).ok()?),
            Self::Named { prefix, .. } => Some(prefix),
        }
    }
}
