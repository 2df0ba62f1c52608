//! Why a session token proves nobody.

use crate::authn::Failure;

/// A session token that is refused (TOK-15). What is wrong with one is not told apart, for it would
/// tell a forger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was not made here, or not for this.
    #[error("The security token included in the request is invalid.")]
    Invalid,
    /// It is of a key that is not known here, or not any more.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// It is authentic and past its end.
    #[error("The security token included in the request is expired")]
    Expired,
    /// Somebody ended the session, or it is of somebody who is gone.
    #[error("The security token included in the request is invalid.")]
    Revoked,
}

impl TokenError {
    /// The kind of fault, for metrics and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Invalid => "invalid_token",
            Self::UnknownKey => "unknown_token_key",
            Self::Expired => "expired_token",
            Self::Revoked => "revoked_token",
        }
    }

    /// The rule that refuses it.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Invalid | Self::UnknownKey | Self::Expired => "TOK-15",
            Self::Revoked => "REV-03",
        }
    }

    /// What a client is told.
    #[must_use]
    pub const fn failure(self) -> Failure {
        match self {
            Self::Invalid | Self::UnknownKey | Self::Revoked => Failure::InvalidToken,
            Self::Expired => Failure::ExpiredToken,
        }
    }
}
