//! Why a signature is refused.

use crate::authn::Failure;
use crate::authn::sigv4::time::to_basic as basic;
use crate::model::Timestamp;

/// Why a signed call proves nobody. The texts are those of AWS where clients know them (section 1.9
/// of the signing rules).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigV4Error {
    /// A part of the `authorization` header is missing, repeated, unknown or malformed (SIG-06 to
    /// SIG-09).
    #[error("Authorization header requires a well-formed '{0}' parameter, exactly once.")]
    Part(&'static str),
    /// The algorithm is another one (SIG-05).
    #[error("The algorithm of the request signature is not AWS4-HMAC-SHA256.")]
    Algorithm,
    /// The header is longer than one may be (SIG-06).
    #[error("The authorization header is too long.")]
    TooLong,
    /// Neither `x-amz-date` nor `date` says when the request was signed, or not in one way (SIG-10).
    #[error("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")]
    Date,
    /// A parameter of a signed address is missing, repeated or malformed (SIG-11).
    #[error("The query parameter '{0}' has to be given exactly once, and well-formed.")]
    QueryParameter(&'static str),
    /// The address lives longer than this service allows (SIG-34).
    #[error("X-Amz-Expires must be less than {0} seconds")]
    PresignTooLong(u32),
    /// Path or query has an escape that is none, or holds a control character (SIG-20).
    #[error("The address of the request cannot be read.")]
    Address,
    /// The scope does not end as it has to (SIG-31).
    #[error("Credential should be scoped with a valid terminator: 'aws4_request'.")]
    Terminator,
    /// The scope names a region that is not served (SIG-31, SIG-32).
    #[error("Credential should be scoped to a valid Region, not '{given}'.")]
    Region {
        /// What it names.
        given: String,
        /// What it should name.
        expected: String,
    },
    /// The scope names another service (SIG-31).
    #[error("Credential should be scoped to correct service: '{0}'.")]
    Service(String),
    /// The day of the scope is not that of the signature (SIG-31).
    #[error(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{scope}' != '{day}', from '{time}'."
    )]
    ScopeDate {
        /// The day of the scope.
        scope: String,
        /// The day of the signature.
        day: String,
        /// The time of the signature.
        time: String,
    },
    /// The clock of the caller is behind, or the request is old (SIG-33).
    #[error("Signature expired: {} is now earlier than {} ({} - {} min.)",
        basic(*.at), basic(shifted(*.now, -i64::from(*.skew_s))), basic(*.now), .skew_s / 60)]
    TooOld {
        /// When it was signed.
        at: Timestamp,
        /// The time.
        now: Timestamp,
        /// How far they may differ.
        skew_s: u32,
    },
    /// The clock of the caller is ahead (SIG-33, SIG-34).
    #[error("Signature not yet current: {} is still later than {} ({} + {} min.)",
        basic(*.at), basic(shifted(*.now, i64::from(*.skew_s))), basic(*.now), .skew_s / 60)]
    TooNew {
        /// When it was signed.
        at: Timestamp,
        /// The time.
        now: Timestamp,
        /// How far they may differ.
        skew_s: u32,
    },
    /// A signed address is past its end (SIG-34).
    #[error("Request has expired")]
    Expired,
    /// A token beside a long-term key, or a temporary key without token (SIG-48).
    #[error("The security token included in the request is invalid.")]
    TokenMisplaced,
    /// Nobody has this access key.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// The access key was switched off.
    #[error("The security token included in the request is invalid.")]
    InactiveKey,
    /// The secret of the access key is not at hand, or no signing key for this scope (KEY-01).
    #[error("No key to verify this request with is at hand.")]
    NoKeyAtHand,
    /// The token of a session is not accepted.
    #[error("The security token included in the request is invalid.")]
    InvalidToken,
    /// A signed header is not there (SIG-23).
    #[error("{MISMATCH}")]
    MissingHeader,
    /// The authority names no one host (SIG-25).
    #[error("{MISMATCH}")]
    Authority,
    /// The signature is not that of this request.
    #[error("{MISMATCH}")]
    Mismatch,
    /// The body is needed to verify the signature, and was not shown (T10).
    #[error(
        "The signature covers the body, which is not at hand: the proxy has to send whole bodies along, as bytes."
    )]
    BodyUnknown,
    /// The body is not the one that was signed (ENV-05).
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    PayloadDiffers,
    /// `x-amz-content-sha256` says something that nobody knows (STR-01).
    #[error(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value."
    )]
    PayloadMode,
    /// What is signed of the body is less than this service asks for (SIG-44, STR-04, STR-05).
    #[error(
        "The request signature covers too little of the payload for this request: sign its hash (boto3: `s3={{\"payload_signing_enabled\": True}}`)."
    )]
    PayloadRefused,
    /// A header on which a decision may rest is not signed (SIG-40 to SIG-43, SIG-46).
    #[error("{MISMATCH}")]
    Unsigned {
        /// The rule.
        rule: &'static str,
        /// The header.
        header: String,
    },
    /// Two readers could read the path differently, and the signature holds for both (SIG-45).
    #[error("{MISMATCH}")]
    AmbiguousPath,
}

const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";

impl SigV4Error {
    /// The word for metrics and logs: one of a closed set that never changes.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Part(_) | Self::TooLong | Self::Date => "malformed_signature",
            Self::Algorithm => "unsupported_algorithm",
            Self::QueryParameter(_) | Self::PresignTooLong(_) => "malformed_presign",
            Self::Address => "malformed_address",
            Self::Terminator | Self::Region { .. } | Self::Service(_) | Self::ScopeDate { .. } => {
                "wrong_scope"
            }
            Self::TooOld { .. } => "signature_too_old",
            Self::TooNew { .. } => "signature_too_new",
            Self::Expired => "presign_expired",
            Self::TokenMisplaced => "token_misplaced",
            Self::UnknownKey => "unknown_access_key",
            Self::InactiveKey => "inactive_access_key",
            Self::NoKeyAtHand => "no_key_at_hand",
            Self::InvalidToken => "invalid_token",
            Self::MissingHeader => "signed_header_missing",
            Self::Authority => "bad_authority",
            Self::Mismatch => "signature_mismatch",
            Self::BodyUnknown => "body_unknown",
            Self::PayloadDiffers => "payload_differs",
            Self::PayloadMode => "payload_mode",
            Self::PayloadRefused => "payload_refused",
            Self::Unsigned { .. } => "header_not_signed",
            Self::AmbiguousPath => "ambiguous_path",
        }
    }

    /// The rule that refuses the call.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Part("Credential") => "SIG-07",
            Self::Part("SignedHeaders") => "SIG-08",
            Self::Part("Signature") => "SIG-09",
            Self::Part(_) | Self::TooLong => "SIG-06",
            Self::Algorithm => "SIG-05",
            Self::Date => "SIG-10",
            Self::QueryParameter(_) => "SIG-11",
            Self::PresignTooLong(_) | Self::Expired => "SIG-34",
            Self::Address => "SIG-20",
            Self::Terminator | Self::Region { .. } | Self::Service(_) | Self::ScopeDate { .. } => {
                "SIG-31"
            }
            Self::TooOld { .. } | Self::TooNew { .. } => "SIG-33",
            Self::TokenMisplaced => "SIG-48",
            Self::UnknownKey | Self::InactiveKey => "ERR-03",
            Self::NoKeyAtHand => "KEY-01",
            Self::InvalidToken => "TOK-15",
            Self::MissingHeader => "SIG-23",
            Self::Authority => "SIG-25",
            Self::Mismatch => "SIG-30",
            Self::BodyUnknown => "ENV-04",
            Self::PayloadDiffers => "ENV-05",
            Self::PayloadMode => "STR-01",
            Self::PayloadRefused => "SIG-44",
            Self::Unsigned { rule, .. } => rule,
            Self::AmbiguousPath => "SIG-45",
        }
    }

    /// As what a client is told of it.
    #[must_use]
    pub const fn failure(&self) -> Failure {
        match self {
            Self::Part(_) | Self::Algorithm | Self::TooLong => Failure::Malformed,
            Self::Date => Failure::NoDate,
            Self::QueryParameter(_) | Self::PresignTooLong(_) => Failure::QueryParameters,
            Self::Address => Failure::Address,
            Self::Terminator | Self::Region { .. } | Self::Service(_) | Self::ScopeDate { .. } => {
                Failure::Scope
            }
            Self::TooOld { .. } | Self::TooNew { .. } => Failure::Skewed,
            Self::Expired => Failure::Expired,
            Self::TokenMisplaced | Self::UnknownKey | Self::InactiveKey => Failure::UnknownKey,
            Self::NoKeyAtHand => Failure::Unavailable,
            Self::InvalidToken => Failure::InvalidToken,
            Self::MissingHeader
            | Self::Authority
            | Self::Mismatch
            | Self::BodyUnknown
            | Self::PayloadRefused
            | Self::Unsigned { .. }
            | Self::AmbiguousPath => Failure::Mismatch,
            Self::PayloadDiffers => Failure::Payload,
            Self::PayloadMode => Failure::PayloadMode,
        }
    }
}

fn shifted(at: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_seconds(at.seconds().saturating_add(seconds))
}
