//! Session tokens: what temporary credentials are, made and read without asking anybody (section 4
//! of the signing rules).
//!
//! A token is sealed for whoever reads it, and signed by whoever issued it. Both keys are in a key
//! set; that of a sidecar lacks the half that signs, so a sidecar that was taken over mints nothing.
//! Nothing secret stands in a token: the secret of its access key is derived from all of it, so that
//! it is another one for every other token.
//!
//! # Invariants
//!
//! - A byte of a token that is changed, left out or added refuses it.
//! - A token of another trust domain is nothing here.
//! - What is not yet proven is not believed: only the ids of keys, the access key and the length are
//!   read before the seal is opened.

mod cache;
mod claims;
mod envelope;
mod error;
mod key_set;
mod packed;

pub use claims::{Claims, Link, MAX_CHAIN, SessionKind};
pub use envelope::TokenId;
pub use error::TokenError;
pub use key_set::{KeySetFile, ReadKeyFile, SigningKeyFile, TokenKeysError};
pub use packed::Packed;

use crate::authn::access_key_id::AccessKeyBytes;
use crate::authn::base64url;
use crate::authn::sigv4::SigningKey;
use crate::cache::Usage;
use crate::model::{Secret, Timestamp};
use crate::policy::{Policy, PolicyKind};
use cache::Opened;
use envelope::{Envelope, Header, SignKey};
use key_set::{Dated, Keys};
use std::fmt;
use std::sync::Arc;

/// What every token begins with, so that scanners for secrets find it.
pub const PREFIX: &str = "sgt1_";
/// The longest token, in characters (TOK-03).
const MAX_TEXT: usize = 8192;
/// The shortest token, in characters (TOK-15).
const MIN_TEXT: usize = 150;
/// How far ahead the clock of an issuer may be, in seconds (TOK-15).
const SKEW_S: i64 = 300;
/// The longest that any session lives, in seconds: 72 hours (DUR-04).
pub const MAX_LIFE_S: i64 = 259_200;

/// The keys of session tokens: those that read them, and with issuers those that make them.
#[derive(Debug)]
pub struct TokenKeys {
    keys: Keys,
    /// The condition keys that session policies are read by.
    names: crate::policy::Keys,
    opened: Opened,
}

/// A session that a token proves.
#[derive(Debug)]
pub struct Session {
    /// The id of the token.
    pub id: TokenId,
    /// The access key that goes with it.
    pub access_key_id: String,
    /// What it says.
    pub claims: Claims,
    /// The session policy.
    pub policy: Option<Arc<Policy>>,
    read_key: u32,
    signing_key: u32,
    access_key: AccessKeyBytes,
    secret: Secret,
}

/// Temporary credentials.
pub struct Credentials {
    /// The access key.
    pub access_key_id: String,
    /// What signs requests: 40 characters.
    pub secret: Secret,
    /// The session token.
    pub token: String,
    /// The id of the token.
    pub id: TokenId,
}

impl Credentials {
    /// The longest token that is made, in characters, unless a longer one is asked for (TOK-03,
    /// IDS-05).
    pub const MAX_CHARS: usize = 4096;
}

/// What is by chance in a token.
#[derive(Clone, Copy, Debug)]
pub struct Chance {
    /// Its id.
    pub id: TokenId,
    /// A part of its access key.
    pub access_key: [u8; 5],
}

/// Why no token was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// There is no key that signs, or none that counts by now.
    #[error("no key that signs session tokens is in force")]
    NoKey,
    /// What it says is longer than a token may be.
    #[error("the session is too long for a token")]
    TooLong,
    /// A primitive failed.
    #[error("the token could not be sealed")]
    Sealing,
}

impl TokenKeys {
    /// Reads a key set; session policies are read by the condition keys `names`.
    ///
    /// # Errors
    ///
    /// [`TokenKeysError`].
    pub fn compile(file: &KeySetFile, names: crate::policy::Keys) -> Result<Self, TokenKeysError> {
        Ok(Self {
            keys: file.read()?,
            names,
            opened: Opened::default(),
        })
    }

    /// How the tokens are used that were opened a moment ago.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.opened.usage()
    }

    /// From when on no key of some kind would be left; `None` where that never comes.
    #[must_use]
    pub fn end_of_use(&self) -> Option<Timestamp> {
        let keys = &self.keys;
        let ends = [
            last_end(&keys.reading),
            last_end(&keys.verifying),
            last_end(&keys.signing),
        ];
        ends.into_iter().flatten().min()
    }

    /// The trust domain.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.keys.trust_domain
    }

    /// Whether tokens can be made here.
    #[must_use]
    pub fn issues(&self) -> bool {
        !self.keys.signing.is_empty()
    }

    /// The public half of an Ed25519 seed, for whoever makes key sets.
    #[must_use]
    pub fn public_key(seed: &[u8; 32]) -> Option<[u8; 32]> {
        SignKey::public_key(seed)
    }

    /// The session that a token proves, in the order of TOK-15. `access_key_id` is the one that the
    /// call names beside the token; a token that is used alone has none.
    ///
    /// # Errors
    ///
    /// [`TokenError`].
    pub fn open(
        &self,
        token: &str,
        access_key_id: Option<&str>,
        now: Timestamp,
    ) -> Result<Arc<Session>, TokenError> {
        if !(MIN_TEXT..=MAX_TEXT).contains(&token.len()) {
            return Err(TokenError::Invalid);
        }
        let name = crate::authn::sha256(token);
        let known = self.opened.get(&name);
        let session = if let Some(session) = known {
            session
        } else {
            let session = Arc::new(self.unseal(token, access_key_id, now)?);
            self.opened.put(name, &session, token.len());
            session
        };
        let dated = find(&self.keys.reading, session.read_key, now).is_some()
            && find(&self.keys.verifying, session.signing_key, now).is_some();
        if !dated || !session.is_of_key(access_key_id) {
            return Err(TokenError::Invalid);
        }
        let claims = &session.claims;
        if now >= claims.expires_at {
            return Err(TokenError::Expired);
        }
        Ok(session)
    }

    fn unseal(
        &self,
        token: &str,
        access_key_id: Option<&str>,
        now: Timestamp,
    ) -> Result<Session, TokenError> {
        let text = token.strip_prefix(PREFIX).ok_or(TokenError::Invalid)?;
        let bytes = base64url::decode(text).ok_or(TokenError::Invalid)?;
        let envelope = Envelope::cut(&bytes).ok_or(TokenError::Invalid)?;
        let Header {
            read_key,
            signing_key,
            id,
            access_key,
        } = envelope.header;
        let reading = find(&self.keys.reading, read_key, now).ok_or(TokenError::UnknownKey)?;
        let verifying =
            find(&self.keys.verifying, signing_key, now).ok_or(TokenError::UnknownKey)?;
        let expected = access_key_id.map(AccessKeyBytes::parse_temporary);
        if expected.is_some_and(|expected| expected != Some(access_key)) {
            return Err(TokenError::Invalid);
        }
        let claims = envelope.open(reading, verifying);
        let claims = claims.and_then(|bytes| Claims::decode(&bytes));
        let claims = claims.ok_or(TokenError::Invalid)?;
        let (from, to) = (claims.issued_at.seconds(), claims.expires_at.seconds());
        let is_timely = from <= now.seconds() + SKEW_S && from < to && to - from <= MAX_LIFE_S;
        if !is_timely || claims.trust_domain != self.keys.trust_domain {
            return Err(TokenError::Invalid);
        }
        // What an issuer accepted, it parsed; whatever cannot be parsed is none of its making.
        let policy = claims.packed.policy.as_deref();
        let policy = policy.map(|text| Policy::parse_json(text, PolicyKind::Identity, &self.names));
        let policy = policy.transpose().map_err(|_| TokenError::Invalid)?;
        Ok(Session {
            id,
            access_key_id: access_key.temporary(),
            policy: policy.map(Arc::new),
            read_key,
            signing_key,
            access_key,
            secret: envelope.secret(reading).ok_or(TokenError::Invalid)?,
            claims,
        })
    }

    /// Makes a token of what `claims` say, at least `min_chars` long, and the credentials that go
    /// with it.
    ///
    /// # Errors
    ///
    /// [`MintError`].
    pub fn mint(
        &self,
        mut claims: Claims,
        min_chars: usize,
        chance: Chance,
        now: Timestamp,
    ) -> Result<Credentials, MintError> {
        // The newest that is active: keys are made before they are used (TOK-21).
        let reading = newest(&self.keys.reading, now).ok_or(MintError::NoKey)?;
        let signing = newest(&self.keys.signing, now).ok_or(MintError::NoKey)?;
        claims.trust_domain.clone_from(&self.keys.trust_domain);
        let access_key = AccessKeyBytes::new(claims.account, chance.access_key);
        let header = Header {
            read_key: reading.id,
            signing_key: signing.id,
            id: chance.id,
            access_key,
        };
        // A token is sealed once: its id is its nonce, too.
        let mut encoded = claims.encode(0);
        let mut padding = 0;
        while chars_of(encoded.len()) < min_chars {
            padding += ((min_chars - chars_of(encoded.len())) * 3)
                .div_ceil(4)
                .max(1);
            encoded = claims.encode(padding);
        }
        let sealed = envelope::seal(header, &encoded, &reading.key, &signing.key);
        let sealed = sealed.ok_or(MintError::Sealing)?;
        let token = format!("{PREFIX}{}", base64url::encode(&sealed));
        if token.len() > Credentials::MAX_CHARS.max(min_chars + 16) {
            return Err(MintError::TooLong);
        }
        Ok(Credentials {
            access_key_id: access_key.temporary(),
            secret: envelope::secret(&sealed, &reading.key).ok_or(MintError::Sealing)?,
            token,
            id: chance.id,
        })
    }

    /// Seals a message that only holders of the key set read (DAM-01); `None` without a key.
    #[must_use]
    pub fn seal_message(&self, message: &[u8], chance: TokenId, now: Timestamp) -> Option<Vec<u8>> {
        let reading = newest(&self.keys.reading, now)?;
        reading.key.seal_message(reading.id, &chance, message)
    }

    /// Opens what [`seal_message`](Self::seal_message) sealed.
    #[must_use]
    pub fn open_message(&self, sealed: &[u8], now: Timestamp) -> Option<Vec<u8>> {
        let (id, rest) = sealed.split_first_chunk::<4>()?;
        let (salt, body) = rest.split_first_chunk::<16>()?;
        let id = u32::from_be_bytes(*id);
        find(&self.keys.reading, id, now)?.open_message(id, salt, body)
    }
}

/// When the last of some keys ends; `None` where there is none, or one that does not end.
fn last_end<K>(keys: &[Dated<K>]) -> Option<Timestamp> {
    let ends: Option<Vec<Timestamp>> = keys.iter().map(|key| key.not_after).collect();
    ends?.into_iter().max()
}

/// How long the text of a token is whose claims have so many bytes.
fn chars_of(claims: usize) -> usize {
    PREFIX.len() + (4 * (claims + envelope::OVERHEAD)).div_ceil(3)
}

fn find<K>(keys: &[Dated<K>], id: u32, now: Timestamp) -> Option<&K> {
    let known = keys.iter().find(|key| key.id == id)?;
    known.reads_at(now).then_some(&known.key)
}

fn newest<K>(keys: &[Dated<K>], now: Timestamp) -> Option<&Dated<K>> {
    let active = keys.iter().filter(|key| key.issues_at(now));
    // One that is on its way out makes room for its successor, within a second as well.
    active.max_by_key(|key| (key.not_after.is_none(), key.active_from, key.id))
}

impl Session {
    fn is_of_key(&self, access_key_id: Option<&str>) -> bool {
        let read = |id| AccessKeyBytes::parse_temporary(id) == Some(self.access_key);
        access_key_id.is_none_or(read)
    }

    /// The secret access key.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// What signs the requests of one day to one service in one region.
    #[must_use]
    pub fn signing_key(&self, date: &str, region: &str, service: &str) -> SigningKey {
        SigningKey::derive(self.secret.expose(), date, region, service)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Credentials({}, [redacted])", self.access_key_id)
    }
}

/// Keys that issue, for tests beside this one.
#[cfg(test)]
pub(super) fn test_keys() -> TokenKeys {
    tests::compiled(&tests::key_set("prod", 1))
}

#[cfg(test)]
mod tests;
