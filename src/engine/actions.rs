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
