//! Who is calling: what was presented, and whom it proves.
//!
//! Floor 2. Reads [`model`](crate::model) and [`policy`](crate::policy). Pure: keys arrive as text
//! in a bundle and the time as an argument, and nothing named inside a token is ever fetched
//! (OID-01).
//!
//! [`presented`] says which method of authentication a call uses, [`Verifier`] judges the tokens of
//! registered issuers, and [`PeerTable`] says which role a client certificate stands for.
//!
//! # Invariants
//!
//! - What was presented and fails is a refusal: it is never taken for absent, nor retried by another
//!   method (SIG-03).
//! - A key verifies with the algorithms that its type fits and that the operator listed; a token
//!   chooses among those and can add none (JWT-02).
//! - A member or claim of the wrong JSON type is a refusal, never absent (JWT-04).
//! - No input makes anything in here panic.

mod access_key_id;
mod access_keys;
mod base64url;
mod certificate;
mod claim_path;
mod credential;
mod discovery;
mod failure;
mod json;
mod jwks;
mod jwt;
mod peer;
mod recent;
mod remote;
mod revocations;
mod session_name;
mod sha256;
mod sigv4;
mod spiffe;
#[cfg(test)]
mod test_keys;
mod token;
mod totp;

pub use access_key_id::AccessKeyBytes;
pub use access_keys::{AccessKeys, SecretFiles};
pub use certificate::certificates_end;
pub use credential::{Bearer, CredentialError, Presented, presented, presents_signature};
pub use discovery::{DiscoveryError, jwks_uri};
pub use failure::Failure;
pub use json::JsonError;
pub use jwks::{KeyFault, KeySet, KeySetError, SignatureFault};
pub use jwt::{JwtError, Part, TagFault, Verifier, WebIdentity};
pub use peer::{PeerIdentity, PeerTable};
pub use remote::{NoRemotes, RemoteKeys, Remotes, TokenReviews, Wait};
pub use revocations::Revocations;
pub use sha256::sha256;
pub use sigv4::{SigV4Error, SignatureForm, SignedCall, SigningKey};
pub use spiffe::PeerError;
pub use token::{
    Chance, Claims, Credentials, KeySetFile, Link, MAX_CHAIN, MAX_LIFE_S, MintError, PREFIX,
    Packed, ReadKeyFile, Session, SessionKind, SigningKeyFile, TokenError, TokenId, TokenKeys,
    TokenKeysError,
};
pub use totp::SecondFactors;
