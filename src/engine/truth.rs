//! Three-valued logic (GEN-3).

use std::ops::Not;

/// True, false, or undetermined, combined as Kleene does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be determined.
    Undetermined,
}

impl Truth {
    /// False if either is; else undetermined if either is.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::Undetermined, _) | (_, Self::Undetermined) => Self::Undetermined,
            (Self::True, Self::True) => Self::True,
        }
    }

    /// True if either is; else undetermined if either is.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::True, _) | (_, Self::True) => Self::True,
            (Self::Undetermined, _) | (_, Self::Undetermined) => Self::Undetermined,
            (Self::False, Self::False) => Self::False,
        }
    }

    /// The disjunction of all; false of none. Stops at the first that is true.
    pub fn any(items: impl IntoIterator<Item = Self>) -> Self {
        let mut result = Self::False;
        for item in items {
            result = result.or(item);
            if result == Self::True {
                break;
            }
        }
        result
    }

    /// The conjunction of all; true of none. Stops at the first that is false.
    pub fn all(items: impl IntoIterator<Item = Self>) -> Self {
        let mut result = Self::True;
        for item in items {
            result = result.and(item);
            if result == Self::False {
                break;
            }
        }
        result
    }

    /// Negates if `negated`.
    #[must_use]
    pub fn negated_if(self, negated: bool) -> Self {
        if negated { !self } else { self }
    }

    /// The name in explanations.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::False => "false",
            Self::Undetermined => "undetermined",
        }
    }
}

impl Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Undetermined => Self::Undetermined,
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

#[cfg(test)]
mod tests {
    use super::Truth::{False, True, Undetermined};
    use super::*;

    #[test]
    fn kleene_tables_hold() {
        // (left, right, and, or)
        let cases = [
            (True, True, True, True),
            (True, False, False, True),
            (True, Undetermined, Undetermined, True),
            (False, False, False, False),
            (False, Undetermined, False, Undetermined),
            (Undetermined, Undetermined, Undetermined, Undetermined),
        ];
        for (left, right, and, or) in cases {
            assert_eq!((left.and(right), right.and(left)), (and, and), "GEN-3");
            assert_eq!((left.or(right), right.or(left)), (or, or), "GEN-3");
        }
        assert_eq!(!Undetermined, Undetermined, "GEN-3");
        assert_eq!((Truth::any([]), Truth::all([])), (False, True));
    }
}
