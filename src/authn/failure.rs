//! The kinds of failed authentication that clients tell apart.

/// What a client is told when a credential proves nobody: the rows of the table of errors (ERR-01
/// to ERR-10). Each has a code in every protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing was presented where something has to be (ERR-01).
    Missing,
    /// More than one method, or one more than once (SIG-02).
    Several,
    /// What was presented cannot be read (ERR-02).
    Malformed,
    /// Nothing says when the request was signed (SIG-10).
    NoDate,
    /// The parameters of a signed address cannot be read (SIG-11).
    QueryParameters,
    /// Path or query cannot be read (SIG-20).
    Address,
    /// The access key is nobody's (ERR-03).
    UnknownKey,
    /// The token is forged, foreign or revoked (ERR-04).
    InvalidToken,
    /// The token is authentic and past its end (ERR-05).
    ExpiredToken,
    /// The signature is not that of the request, or covers too little of it (ERR-06).
    Mismatch,
    /// The clocks differ too much (ERR-07).
    Skewed,
    /// A signed address is past its end (ERR-08).
    Expired,
    /// The credential is scoped to something else (ERR-09).
    Scope,
    /// The body is not the one that was signed (ERR-10).
    Payload,
    /// Nobody knows what the header says of the body (STR-01).
    PayloadMode,
    /// A bearer token or client certificate that proves nobody.
    Identity,
    /// What is needed to verify it is not at hand (ERR-13).
    Unavailable,
}
