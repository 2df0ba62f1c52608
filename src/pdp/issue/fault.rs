//! Why no credentials are issued.

use crate::pdp::outcome::Refusal;

/// A failure of the token service, as its clients are told of it (section 2.4 of the signing rules).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssueFault {
    /// The call itself is refused.
    Refused(Refusal),
    /// The call names nothing that there is.
    Call {
        /// The code.
        code: &'static str,
        /// A sentence.
        message: String,
    },
    /// Policies do not allow it, or there is nothing of that name.
    Denied(String),
    /// A parameter is missing or not as it has to be.
    Validation(String),
    /// A session policy cannot be read.
    MalformedPolicy(String),
    /// Session policies and tags are too much together.
    PackedTooLarge(String),
    /// The token of an issuer is past its end.
    ExpiredWebToken(String),
    /// The token of an issuer proves nobody.
    InvalidWebToken(String),
    /// The issuer's keys are not to be had.
    IssuerUnreachable(String),
    /// There are no keys to issue with.
    NoKeys,
    /// Too many wrong codes of a second factor.
    Throttled,
}

impl From<Refusal> for IssueFault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl IssueFault {
    /// The code, the HTTP status and the message; `None` for a refusal, which has its own.
    #[must_use]
    pub fn code(&self) -> Option<(&'static str, u16, &str)> {
        Some(match self {
            Self::Refused(_) => return None,
            Self::Call { code, message } => (*code, 400, message),
            Self::Denied(message) => ("AccessDenied", 403, message),
            Self::Validation(message) => ("ValidationError", 400, message),
            Self::MalformedPolicy(message) => ("MalformedPolicyDocument", 400, message),
            Self::PackedTooLarge(message) => ("PackedPolicyTooLarge", 400, message),
            Self::ExpiredWebToken(message) => ("ExpiredTokenException", 400, message),
            Self::InvalidWebToken(message) => ("InvalidIdentityToken", 400, message),
            Self::IssuerUnreachable(message) => ("IDPCommunicationError", 400, message),
            Self::NoKeys => (
                "ServiceUnavailable",
                503,
                "no key that signs session tokens is in force on this server",
            ),
            Self::Throttled => ("Throttling", 400, "Rate exceeded"),
        })
    }
}
