//! Why a token is refused.

use crate::authn::Failure;
use crate::authn::json::JsonError;
use crate::authn::jwks::SignatureFault;
use crate::authn::jwt::TagFault;
use crate::model::Timestamp;

/// Why a web identity token is refused: for the operator, while [`label`](Self::label) is for the
/// metrics. No variant holds the token or any part of it that could be replayed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Longer than a token may be (JWT-01).
    #[error("a token of {length} bytes is over the limit of {limit}", limit = super::Verifier::MAX_CHARS)]
    TooLong {
        /// Bytes in the text.
        length: usize,
    },
    /// Five parts: encrypted, which is not supported (JWT-01).
    #[error("the token is encrypted (JWE), and only signed tokens are accepted")]
    Encrypted,
    /// Not three parts separated by dots (JWT-01).
    #[error("the token is not a compact JWS of three parts")]
    Form,
    /// A part is not strict base64url (JWT-01).
    #[error("the {} is not base64url without padding", part.name())]
    Encoding {
        /// Which part.
        part: Part,
    },
    /// A part is not one strict JSON object (JWT-01).
    #[error("the {} is not one strict JSON object", part.name())]
    Json {
        /// Which part.
        part: Part,
        /// What is wrong with it.
        #[source]
        fault: JsonError,
    },
    /// A parameter of the header has the wrong JSON type, or `alg` is missing (JWT-01).
    #[error("the header's `{0}` is missing or has the wrong JSON type")]
    Header(&'static str),
    /// The header lists extensions that must be understood, and none is (JWT-01).
    #[error("the header has `crit`, and no extension is understood")]
    CriticalExtension,
    /// The header changes how the payload is encoded (JWT-01).
    #[error("the header has `b64`, and unencoded payloads are not accepted")]
    UnencodedPayload,
    /// The token is explicitly typed as something else than an identity (RFC 8725, section 3.11).
    #[error("the header's `typ` says that the token was issued for another purpose")]
    OtherPurpose,
    /// No provider has this issuer (JWT-07, OID-01).
    #[error("no provider is registered for the issuer `{}`", issuer.escape_debug())]
    UnknownIssuer {
        /// The token's `iss`, cut to 256 characters.
        issuer: String,
    },
    /// The algorithm is unknown, never acceptable, or not listed for the issuer (JWT-02).
    #[error("the token's `alg` is not accepted from its issuer")]
    Algorithm,
    /// The signature does not prove that the issuer made the token (JWT-02, JWT-03).
    #[error("the token is not proven to be its issuer's")]
    Signature(#[from] SignatureFault),
    /// The keys of the issuer are not at hand, or too old to be believed (OID-04).
    #[error("the keys of the token's issuer could not be fetched")]
    KeysUnavailable,
    /// The API server was not asked yet, or did not answer (OID-03).
    #[error("the token was not reviewed by the API server")]
    NotReviewed,
    /// The API server does not vouch for the token, or for another user (K8S-03).
    #[error("the API server does not vouch for the token")]
    ReviewDenied,
    /// A required claim is not there (JWT-04).
    #[error("missing a required claim: `{0}`")]
    MissingClaim(String),
    /// A claim has another JSON type than it should, or a number that cannot be relied on (JWT-04).
    #[error("the claim `{0}` has the wrong JSON type")]
    ClaimType(String),
    /// The `sub` claim is empty or over 255 characters (JWT-04).
    #[error("the subject is empty or longer than 255 characters")]
    Subject,
    /// A time is before 1970 or after the year 9999 (JWT-04).
    #[error("the claim `{0}` is not a time between 1970 and 9999")]
    TimeRange(&'static str),
    /// The token has expired (JWT-05).
    #[error("current time {now} must be before the expiration time {expires_at}")]
    Expired {
        /// When it was judged.
        now: Timestamp,
        /// The token's `exp`, without leeway.
        expires_at: Timestamp,
    },
    /// The token is not valid yet: its `nbf` or `iat` is ahead (JWT-05).
    #[error("the token's `{claim}` is {ahead_s} s ahead of the current time")]
    NotYetValid {
        /// Which claim.
        claim: &'static str,
        /// How far ahead, in seconds and without leeway.
        ahead_s: i64,
    },
    /// The token lives longer than the issuer's tokens may, or ends before it begins (JWT-05).
    #[error("the token's life is not from 1 to {max_s} s")]
    Life {
        /// The longest accepted life, in seconds.
        max_s: u32,
    },
    /// No audience of the token is registered (JWT-06).
    #[error("incorrect token audience")]
    Audience,
    /// The token is for several audiences and does not say which party it was issued to (JWT-06).
    #[error("the token has several audiences and no `azp`")]
    AuthorizedPartyMissing,
    /// The party that the token was issued to is not registered (JWT-07).
    #[error("the token's `azp` is not a registered audience")]
    AuthorizedParty,
    /// The token asks for a role that its issuer may not give (BRR-04).
    #[error("the token names a role that is not allowed for its issuer")]
    Role,
    /// No session name can be made of the claim that should give it (BRR-04).
    #[error("the claim that gives the session name is empty")]
    SessionName,
    /// The session tags are malformed or over a limit (CLM-04).
    #[error("the token's session tags are refused")]
    SessionTags(#[from] TagFault),
    /// The source identity is malformed (CLM-04).
    #[error("the source identity is not 2 to 64 characters that one may have")]
    SourceIdentity,
}

/// A part of a compact token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The first: how the token is signed.
    Header,
    /// The second: the claims.
    Payload,
    /// The third.
    Signature,
}

impl Part {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        }
    }
}

impl JwtError {
    /// The word for metrics: one of a closed set that never changes.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::TooLong { .. }
            | Self::Encrypted
            | Self::Form
            | Self::Encoding { .. }
            | Self::Json { .. }
            | Self::Header(_)
            | Self::CriticalExtension
            | Self::UnencodedPayload
            | Self::OtherPurpose => "malformed",
            Self::UnknownIssuer { .. } => "unknown_issuer",
            Self::Algorithm => "algorithm",
            Self::Signature(SignatureFault::Mismatch) => "signature",
            Self::Signature(
                SignatureFault::UnknownKey
                | SignatureFault::KeyMismatch
                | SignatureFault::AmbiguousKey,
            ) => "key",
            Self::KeysUnavailable => "keys_unavailable",
            Self::NotReviewed => "not_reviewed",
            Self::ReviewDenied => "review_denied",
            Self::MissingClaim(_) | Self::ClaimType(_) | Self::Subject | Self::TimeRange(_) => {
                "claims"
            }
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::Life { .. } => "life",
            Self::Audience | Self::AuthorizedPartyMissing | Self::AuthorizedParty => "audience",
            Self::Role => "role",
            Self::SessionName => "session_name",
            Self::SessionTags(_) => "session_tags",
            Self::SourceIdentity => "source_identity",
        }
    }

    /// The rule that refuses the token.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        match self {
            Self::TooLong { .. }
            | Self::Encrypted
            | Self::Form
            | Self::Encoding { .. }
            | Self::Json { .. }
            | Self::Header(_)
            | Self::CriticalExtension
            | Self::UnencodedPayload
            | Self::OtherPurpose => "JWT-01",
            Self::Algorithm
            | Self::Signature(SignatureFault::KeyMismatch | SignatureFault::Mismatch) => "JWT-02",
            Self::Signature(SignatureFault::UnknownKey | SignatureFault::AmbiguousKey) => "JWT-03",
            Self::KeysUnavailable => "OID-04",
            Self::NotReviewed => "OID-03",
            Self::ReviewDenied => "K8S-03",
            Self::MissingClaim(claim) if claim == "aud" => "JWT-06",
            Self::MissingClaim(_) | Self::ClaimType(_) | Self::Subject | Self::TimeRange(_) => {
                "JWT-04"
            }
            Self::Expired { .. } | Self::NotYetValid { .. } | Self::Life { .. } => "JWT-05",
            Self::Audience | Self::AuthorizedPartyMissing => "JWT-06",
            Self::UnknownIssuer { .. } | Self::AuthorizedParty => "JWT-07",
            Self::Role | Self::SessionName => "BRR-04",
            Self::SessionTags(_) | Self::SourceIdentity => "CLM-04",
        }
    }

    /// What a client is told of it.
    #[must_use]
    pub const fn failure(&self) -> Failure {
        match self {
            Self::KeysUnavailable | Self::NotReviewed => Failure::Unavailable,
            _ => Failure::Identity,
        }
    }

    /// Whether it may turn out otherwise once something was fetched.
    #[must_use]
    pub const fn may_be_settled(&self) -> bool {
        matches!(
            self,
            Self::KeysUnavailable | Self::NotReviewed | Self::Signature(SignatureFault::UnknownKey)
        )
    }

    /// Whether the token was good and is only too old, which clients are told apart (JWT-05).
    #[must_use]
    pub const fn is_expiry(&self) -> bool {
        matches!(self, Self::Expired { .. })
    }

    pub(super) fn unknown_issuer(issuer: &str) -> Self {
        Self::UnknownIssuer {
            issuer: issuer.chars().take(256).collect(),
        }
    }
}
