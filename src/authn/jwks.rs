//! Key sets: the public keys of an issuer.

mod key;

pub use key::KeyFault;

use crate::authn::json::{self, Json, JsonError};
use crate::policy::SigningAlgorithm;
use aws_lc_rs::signature::ParsedPublicKey;
use key::Key;

/// The public keys of one issuer, each ready for the algorithms that fit it (RFC 7517, JWT-02).
///
/// A key that is no use for verifying (of an unknown type or curve, meant for encryption, or bound
/// to an algorithm that is not accepted) is left out; a key that is wrong refuses the set.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Vec<Key>,
}

/// Why a key set is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Longer than a key set may be (OID-02).
    #[error("a key set of {length} bytes is over the limit of {limit}", limit = KeySet::MAX_BYTES)]
    TooLarge {
        /// Bytes in the text.
        length: usize,
    },
    /// Not strict JSON.
    #[error("the key set is not a strict JSON object")]
    Json(#[from] JsonError),
    /// No member `keys` that is a list.
    #[error("the key set has no list `keys`")]
    NoKeys,
    /// More keys than a set may have (OID-02).
    #[error("a key set of {count} keys is over the limit of {limit}", limit = KeySet::MAX_KEYS)]
    TooManyKeys {
        /// Keys in the set.
        count: usize,
    },
    /// A key is wrong.
    #[error("`keys[{index}]` cannot be used")]
    Key {
        /// Its place in the list, counted from zero.
        index: usize,
        /// What is wrong with it.
        #[source]
        fault: KeyFault,
    },
    /// Two keys have one id, so that a token would not say which it means (JWT-03).
    #[error("`keys[{index}]` has the `kid` of an earlier key")]
    DuplicateKeyId {
        /// The place of the second key, counted from zero.
        index: usize,
    },
    /// Nothing in the set can verify a token of the accepted algorithms.
    #[error("no key of the set fits an accepted algorithm")]
    NoUsableKey,
}

impl KeySetError {
    /// The rule that refuses the set.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::Json(_) | Self::NoKeys | Self::TooManyKeys { .. } => {
                "OID-02"
            }
            Self::Key { .. } | Self::NoUsableKey => "JWT-02",
            Self::DuplicateKeyId { .. } => "JWT-03",
        }
    }
}

/// Why a key set does not vouch for a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// No key has the token's `kid`, or none at all fits its algorithm (JWT-03).
    #[error("no key of the issuer fits the token's `kid` and `alg`")]
    UnknownKey,
    /// The key with the token's `kid` is not one for its algorithm (JWT-02).
    #[error("the key that the token names is not for the token's algorithm")]
    KeyMismatch,
    /// The token names no key and several fit its algorithm (JWT-03).
    #[error("the token names no key and several keys fit")]
    AmbiguousKey,
    /// The signature is not that key's over these bytes.
    #[error("the signature does not verify")]
    Mismatch,
}

impl KeySet {
    /// The most bytes of a key set (OID-02).
    pub const MAX_BYTES: usize = 1 << 20;
    /// The most keys of a key set (OID-02).
    pub const MAX_KEYS: usize = 100;

    /// Reads a JWKS document and makes its keys ready for `algorithms`.
    ///
    /// # Errors
    ///
    /// Any [`KeySetError`]: the document is no strict JSON, is too large, holds a private or
    /// symmetric key, a key of a known type that is malformed or of an unacceptable size, two keys
    /// of one id, or nothing that fits `algorithms`.
    ///
    /// # Source
    ///
    /// RFC 7517 (JSON Web Key), sections 4 and 5; RFC 7518 section 6; RFC 8037 section 2.
    pub fn parse(jwks_json: &str, algorithms: &[SigningAlgorithm]) -> Result<Self, KeySetError> {
        if jwks_json.len() > Self::MAX_BYTES {
            return Err(KeySetError::TooLarge {
                length: jwks_json.len(),
            });
        }
        let members = json::object(jwks_json.as_bytes())?;
        let Some(Json::List(entries)) = members.get("keys") else {
            return Err(KeySetError::NoKeys);
        };
        if entries.len() > Self::MAX_KEYS {
            return Err(KeySetError::TooManyKeys {
                count: entries.len(),
            });
        }
        let mut read: Vec<Key> = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let key =
                Key::read(entry, algorithms).map_err(|fault| KeySetError::Key { index, fault })?;
            if key.id().is_some() && read.iter().any(|earlier| earlier.id() == key.id()) {
                return Err(KeySetError::DuplicateKeyId { index });
            }
            read.push(key);
        }
        read.retain(Key::is_usable);
        if read.is_empty() {
            return Err(KeySetError::NoUsableKey);
        }
        Ok(Self { keys: read })
    }

    /// How many keys can verify something.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key can verify anything, which [`KeySet::parse`] does not let happen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Verifies `signature` over `message` by the one key that `key_id` names, or without it by
    /// the one key that fits `algorithm` (JWT-03).
    ///
    /// # Errors
    ///
    /// - [`SignatureFault::UnknownKey`] when no key has that id, or none fits.
    /// - [`SignatureFault::KeyMismatch`] when the named key is not for `algorithm`.
    /// - [`SignatureFault::AmbiguousKey`] without `key_id`, when several keys fit.
    /// - [`SignatureFault::Mismatch`] when the signature is not that key's.
    pub fn verify(
        &self,
        key_id: Option<&str>,
        algorithm: SigningAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureFault> {
        let verifier = match key_id {
            Some(key_id) => self.named(key_id, algorithm)?,
            None => self.only(algorithm)?,
        };
        verifier
            .verify_sig(message, signature)
            .map_err(|_| SignatureFault::Mismatch)
    }

    fn named(
        &self,
        key_id: &str,
        algorithm: SigningAlgorithm,
    ) -> Result<&ParsedPublicKey, SignatureFault> {
        self.keys
            .iter()
            .find(|key| key.id() == Some(key_id))
            .ok_or(SignatureFault::UnknownKey)?
            .verifier(algorithm)
            .ok_or(SignatureFault::KeyMismatch)
    }

    fn only(&self, algorithm: SigningAlgorithm) -> Result<&ParsedPublicKey, SignatureFault> {
        let mut fitting = self.keys.iter().filter_map(|key| key.verifier(algorithm));
        let only = fitting.next().ok_or(SignatureFault::UnknownKey)?;
        if fitting.next().is_some() {
            return Err(SignatureFault::AmbiguousKey);
        }
        Ok(only)
    }
}

#[cfg(test)]
mod tests;
