//! How long temporary credentials may live.

/// How credentials are asked for, as far as it bears on how long they live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issuance {
    /// A session of a role.
    Role {
        /// The role's own maximum, in seconds.
        max_session_s: u32,
        /// Where a session of a role asks for it, the longest that role chaining gives, in seconds
        /// (ROLE-14, DUR-04).
        chained_max_s: Option<u32>,
    },
    /// A session of a user or a federated user (ROLE-15).
    Token {
        /// Whether the root user asks for it.
        root: bool,
    },
}

/// A duration that is refused; it is never cut to what would be allowed (ROLE-13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a session of {asked_s} s is asked for; from {min_s} s to {max_s} s are allowed")]
pub struct DurationRefused {
    /// What was asked for, in seconds.
    pub asked_s: u32,
    /// The shortest that is allowed, in seconds.
    pub min_s: u32,
    /// The longest that is allowed, in seconds.
    pub max_s: u32,
}

impl Issuance {
    /// The shortest session of any kind, in seconds.
    pub const MIN_S: u32 = 900;
    /// The longest session of a chained role, whatever the maximum of the role; also the longest
    /// session of the root user, and what a role session lives unless more is asked for.
    pub const HOUR_S: u32 = 3_600;
    /// The longest session of a user, in seconds.
    pub const MAX_TOKEN_S: u32 = 129_600;
    /// What a session of a user lives unless more is asked for, in seconds.
    pub const DEFAULT_TOKEN_S: u32 = 43_200;

    /// The longest that may be asked for, in seconds.
    #[must_use]
    pub const fn max_s(self) -> u32 {
        match self {
            Self::Role {
                max_session_s,
                chained_max_s: Some(chained_max_s),
            } if chained_max_s < max_session_s => chained_max_s,
            Self::Role { max_session_s, .. } => max_session_s,
            Self::Token { root: true } => Self::HOUR_S,
            Self::Token { root: false } => Self::MAX_TOKEN_S,
        }
    }

    /// How long the credentials live, in seconds.
    ///
    /// # Errors
    ///
    /// [`DurationRefused`] when more or less is asked for than is allowed.
    pub const fn duration_s(self, asked_s: Option<u32>) -> Result<u32, DurationRefused> {
        let max_s = self.max_s();
        let Some(asked_s) = asked_s else {
            return Ok(match self {
                Self::Role { .. } | Self::Token { root: true } => Self::HOUR_S,
                Self::Token { root: false } => Self::DEFAULT_TOKEN_S,
            });
        };
        if asked_s < Self::MIN_S || asked_s > max_s {
            return Err(DurationRefused {
                asked_s,
                min_s: Self::MIN_S,
                max_s,
            });
        }
        Ok(asked_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_given_or_refused() {
        let role = |max_session_s, chained: bool| Issuance::Role {
            max_session_s,
            chained_max_s: chained.then_some(Issuance::HOUR_S),
        };
        // DUR-04: what the operator of the account raised.
        let raised = Issuance::Role {
            max_session_s: 259_200,
            chained_max_s: Some(43_200),
        };
        let hours = |hours: u32| Some(hours * 3_600);
        // (issuance, asked, given)
        let cases = [
            // ROLE-13
            (role(3_600, false), None, hours(1)),
            (role(43_200, false), None, hours(1)),
            (role(43_200, false), hours(12), hours(12)),
            (role(43_200, false), Some(43_201), None),
            (role(3_600, false), hours(2), None),
            (role(3_600, false), Some(900), Some(900)),
            (role(3_600, false), Some(899), None),
            (role(3_600, false), Some(0), None),
            (role(43_200, false), hours(72), None),
            // ROLE-14, TRAP-71
            (role(43_200, true), hours(2), None),
            (role(43_200, true), hours(1), hours(1)),
            (role(43_200, true), None, hours(1)),
            (raised, hours(12), hours(12)),
            (raised, Some(43_201), None),
            // ROLE-15
            (Issuance::Token { root: false }, None, hours(12)),
            (Issuance::Token { root: false }, hours(36), hours(36)),
            (Issuance::Token { root: false }, Some(129_601), None),
            (Issuance::Token { root: true }, None, hours(1)),
            (Issuance::Token { root: true }, Some(3_601), None),
        ];
        for (issuance, asked, given) in cases {
            let found = issuance.duration_s(asked).ok();
            assert_eq!(found, given, "{issuance:?} {asked:?}");
        }
    }
}
