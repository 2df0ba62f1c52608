//! Which method of authentication a call uses, before any of it is verified.

use crate::authn::Failure;
use crate::model::percent;
use crate::model::{HeaderFault, Headers};

/// The field that credentials come in.
const AUTHORIZATION: &str = "authorization";
/// The field, and the parameter without regard to case, of a session's token.
const SECURITY_TOKEN: &str = "x-amz-security-token";
/// The parameters that make a signed address; their names are case-sensitive (SIG-01).
const SIGNED_QUERY: [&[u8]; 3] = [b"X-Amz-Algorithm", b"X-Amz-Credential", b"X-Amz-Signature"];
/// How the tokens of Sidegate's own sessions begin (TOK-11).
const SESSION_PREFIX: &str = "sgt1_";

/// The one method of authentication that a call presents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Presented<'a> {
    /// None at all: the peer of the connection speaks for the call, or nobody (SIG-04, MTL-05).
    None,
    /// `Authorization: Bearer` (BRR-01, BRR-04).
    Bearer(Bearer<'a>),
    /// `Authorization: AWS4-HMAC-SHA256` (SIG-01).
    SigV4Header,
    /// A signed address (SIG-01).
    SigV4Query,
}

/// A bearer token by its kind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Bearer<'a> {
    /// A token of one of Sidegate's own sessions (BRR-01).
    Session(&'a str),
    /// Any other token, which a registered issuer may have made (BRR-04).
    WebIdentity(&'a str),
}

/// Why no single method of authentication could be told. Each is a denial, and never anonymous
/// (SIG-03).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// More than one method, or one more than once (SIG-02, BRR-05).
    #[error("more than one credential is presented")]
    Several,
    /// The `authorization` field is not text (rule 2 of the incident rules).
    #[error("the authorization header is not text")]
    NotText,
    /// The `authorization` field is empty, or has a scheme and nothing behind it.
    #[error("the authorization header holds no credential")]
    Empty,
    /// The scheme is one that Sidegate does not speak (SIG-05).
    #[error("the scheme of the authorization header is not supported")]
    UnsupportedScheme,
    /// A signature of version 2, by its parameters in the query (SIG-05).
    #[error(
        "signatures of version 2 are not accepted: sign with AWS4-HMAC-SHA256 (boto3: `signature_version=\"s3v4\"`)"
    )]
    OldSignature,
    /// A bearer token has characters that none may have.
    #[error("the bearer token has characters that no token has")]
    Malformed,
    /// A session's token without any signature, which is no credential by itself (BRR-01).
    #[error("a security token is presented without a signature")]
    TokenWithoutSignature,
}

impl CredentialError {
    /// The word for metrics: one of a closed set that never changes.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Several => "several_credentials",
            Self::NotText => "not_text",
            Self::Empty => "empty",
            Self::UnsupportedScheme | Self::OldSignature => "unsupported_scheme",
            Self::Malformed => "malformed",
            Self::TokenWithoutSignature => "token_without_signature",
        }
    }

    /// What a client is told of it; `is_signed` is whether a signature is among what it presents.
    #[must_use]
    pub const fn failure(self, is_signed: bool) -> Failure {
        match self {
            Self::TokenWithoutSignature => Failure::InvalidToken,
            Self::OldSignature => Failure::Malformed,
            // Clients that sign nothing know one failure alone.
            _ if !is_signed => Failure::Identity,
            Self::Several => Failure::Several,
            Self::NotText | Self::Empty | Self::UnsupportedScheme | Self::Malformed => {
                Failure::Malformed
            }
        }
    }

    /// The rule that refuses the call.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Several => "SIG-02",
            Self::NotText | Self::Empty => "SIG-03",
            Self::UnsupportedScheme | Self::OldSignature => "SIG-05",
            Self::Malformed => "BRR-05",
            Self::TokenWithoutSignature => "BRR-01",
        }
    }
}

/// Whether a call presents a signature, be it well-formed or not.
#[must_use]
pub fn presents_signature(headers: &Headers, query: Option<&str>) -> bool {
    let is_aws = |value: &[u8]| {
        let start = value.trim_ascii_start().get(..3);
        start.is_some_and(|start| start.eq_ignore_ascii_case(b"aws"))
    };
    headers.all(AUTHORIZATION).any(is_aws) || Query::read(query.unwrap_or_default()).signed
}

/// Tells which method of authentication a call presents; `query` is what stands behind the `?` of
/// its target, undecoded.
///
/// A `SigV4` method is recognised by its form alone: whether it is whole and right is for whoever
/// verifies it.
///
/// # Errors
///
/// Any [`CredentialError`]. What is presented and not understood is refused here, so that
/// [`Presented::None`] means that the call names nobody.
pub fn presented<'a>(
    headers: &'a Headers,
    query: Option<&str>,
) -> Result<Presented<'a>, CredentialError> {
    // Parts of a signature are separated by commas, by which a form that joins fields joins them,
    // too: whoever reads the value looks for a second one behind each.
    let header = match headers.joined(AUTHORIZATION) {
        Ok(None) => Presented::None,
        Ok(Some(value)) => authorization(value)?,
        Err(HeaderFault::Repeated) => return Err(CredentialError::Several),
        Err(HeaderFault::NotText) => return Err(CredentialError::NotText),
    };
    let query = Query::read(query.unwrap_or_default());
    if query.old && !query.signed {
        return Err(CredentialError::OldSignature);
    }
    let method = match (header, query.signed) {
        (header, false) => header,
        (Presented::None, true) => Presented::SigV4Query,
        (Presented::Bearer(_) | Presented::SigV4Header | Presented::SigV4Query, true) => {
            return Err(CredentialError::Several);
        }
    };
    let token_in_header = headers.all(SECURITY_TOKEN).next().is_some();
    match (method, token_in_header, query.token) {
        (method, false, false)
        | (method @ Presented::SigV4Header, true, false)
        | (method @ Presented::SigV4Query, false, true) => Ok(method),
        // Signed in one place with a token in the other: two readers could take different ones
        // (SIG-49).
        (Presented::SigV4Header, _, true) | (Presented::SigV4Query, true, _) => {
            Err(CredentialError::Several)
        }
        (Presented::None | Presented::Bearer(_), _, _) => {
            Err(CredentialError::TokenWithoutSignature)
        }
    }
}

/// Reads the one value of the `authorization` field. A scheme has any case, a token never (BRR-05).
fn authorization(value: &str) -> Result<Presented<'_>, CredentialError> {
    let blank = |character: char| character == ' ' || character == '\t';
    let value = value.trim_matches(blank);
    if value.is_empty() {
        return Err(CredentialError::Empty);
    }
    let (scheme, rest) = value.split_once(blank).unwrap_or((value, ""));
    let rest = rest.trim_start_matches(blank);
    if scheme.eq_ignore_ascii_case("bearer") {
        bearer(rest).map(Presented::Bearer)
    } else if scheme.eq_ignore_ascii_case("aws4-hmac-sha256") {
        signed(rest)
    } else {
        Err(CredentialError::UnsupportedScheme)
    }
}

fn bearer(token: &str) -> Result<Bearer<'_>, CredentialError> {
    if token.is_empty() {
        return Err(CredentialError::Empty);
    }
    // Envoy joins two fields by a comma, which is no character of a token.
    if token.contains(',') {
        return Err(CredentialError::Several);
    }
    // Without a branch on each byte a processor looks at many in one step.
    if !token
        .bytes()
        .fold(true, |all, byte| all & is_of_tokens(byte))
    {
        return Err(CredentialError::Malformed);
    }
    Ok(if token.starts_with(SESSION_PREFIX) {
        Bearer::Session(token)
    } else {
        Bearer::WebIdentity(token)
    })
}

/// Whether a bearer token may have this byte (RFC 6750).
const fn is_of_tokens(byte: u8) -> bool {
    // The range has two marks and the slash beside the digits.
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'-'..=b'9' | b'_' | b'~' | b'+' | b'=')
}

/// Looks for a second value behind a signature: its parts are separated by commas too, but each is
/// `name=value` without blanks.
fn signed(parts: &str) -> Result<Presented<'_>, CredentialError> {
    if parts.is_empty() {
        return Err(CredentialError::Empty);
    }
    let blank = |character: char| character == ' ' || character == '\t';
    let single = parts
        .split(',')
        .map(|part| part.trim_matches(blank))
        .all(|part| part.contains('=') && !part.contains(blank));
    if single {
        Ok(Presented::SigV4Header)
    } else {
        Err(CredentialError::Several)
    }
}

/// What the query says of credentials.
struct Query {
    signed: bool,
    /// Signed by version 2 (`AWSAccessKeyId`).
    old: bool,
    token: bool,
}

impl Query {
    fn read(query: &str) -> Self {
        let mut read = Self {
            signed: false,
            old: false,
            token: false,
        };
        if query.is_empty() {
            return read;
        }
        for parameter in query.split('&') {
            let name = parameter.split('=').next().unwrap_or_default();
            // A broken escape stays as it is: whoever reads the query refuses it.
            let name = percent::decode(name).unwrap_or_else(|_| name.as_bytes().into());
            read.signed |= SIGNED_QUERY.contains(&&*name);
            read.old |= &*name == b"AWSAccessKeyId";
            read.token |= name.eq_ignore_ascii_case(SECURITY_TOKEN.as_bytes());
        }
        read
    }
}

impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::None => "None",
            Self::Bearer(Bearer::Session(_)) => "Bearer(Session([redacted]))",
            Self::Bearer(Bearer::WebIdentity(_)) => "Bearer(WebIdentity([redacted]))",
            Self::SigV4Header => "SigV4Header",
            Self::SigV4Query => "SigV4Query",
        })
    }
}

impl std::fmt::Debug for Bearer<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Session(_) => "Session([redacted])",
            Self::WebIdentity(_) => "WebIdentity([redacted])",
        })
    }
}

#[cfg(test)]
mod tests;
