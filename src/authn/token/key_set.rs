//! The keys of session tokens, as files have them (TOK-10, TOK-21).

use crate::authn::token::envelope::{ReadKey, SignKey, VerifyKey};
use crate::model::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroize;

/// The most keys of one kind.
const MAX_KEYS: usize = 64;
/// The longest name of a trust domain, in bytes.
const MAX_DOMAIN: usize = 128;

/// A key set as it stands in a file: what reads tokens, what verifies who issued them, and, with
/// issuers alone, what signs them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeySetFile {
    /// Within which the tokens count; another domain knows nothing of them.
    pub trust_domain: String,
    /// The keys that read tokens and derive their secrets. They cannot mint.
    pub read_keys: Vec<ReadKeyFile>,
    /// The keys that sign tokens.
    pub signing_keys: Vec<SigningKeyFile>,
}

/// A key that reads tokens.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadKeyFile {
    /// What tokens name it by.
    pub id: u32,
    /// 32 bytes, in base64.
    pub key: String,
    /// From when issuers use it: late enough that every sidecar has it by then.
    pub active_from: String,
    /// From when its tokens are refused: late enough that the last of them has died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<String>,
}

/// A key that signs tokens.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SigningKeyFile {
    /// What tokens name it by.
    pub id: u32,
    /// The Ed25519 key that verifies: 32 bytes, in base64.
    pub public_key: String,
    /// The Ed25519 seed that signs: 32 bytes, in base64. Only an issuer has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key: Option<String>,
    /// As of [`ReadKeyFile`].
    pub active_from: String,
    /// As of [`ReadKeyFile`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<String>,
}

/// Why a key set is refused. No text of it is repeated: it is secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenKeysError {
    /// Not a key set.
    #[error("this is no key set: line {line}, column {column}: {kind}")]
    Form {
        /// Where it is at fault.
        line: usize,
        /// Where it is at fault.
        column: usize,
        /// What is wrong, without a value.
        kind: &'static str,
    },
    /// The name of the trust domain is empty or too long.
    #[error("`trustDomain` is 1 to 128 visible characters")]
    Domain,
    /// There are too many keys, or none.
    #[error("`{0}` has 1 to 64 keys")]
    Count(&'static str),
    /// Two keys of one kind have one id.
    #[error("`{kind}` has two keys with the id {id}")]
    Twice {
        /// The list.
        kind: &'static str,
        /// The id.
        id: u32,
    },
    /// A key is not one.
    #[error("the key {id} of `{kind}` is not 32 bytes in base64")]
    Key {
        /// The list.
        kind: &'static str,
        /// The id.
        id: u32,
    },
    /// A private key is not that of its public key.
    #[error("the private key {0} is another one's than its public key")]
    Pair(u32),
    /// A time cannot be read.
    #[error("the key {id} of `{kind}` has a time that is not like `2026-01-31T12:00:00Z`")]
    Time {
        /// The list.
        kind: &'static str,
        /// The id.
        id: u32,
    },
}

/// A key with the time within which it counts.
#[derive(Debug)]
pub(super) struct Dated<K> {
    pub(super) id: u32,
    pub(super) key: K,
    pub(super) active_from: Timestamp,
    pub(super) not_after: Option<Timestamp>,
}

impl<K> Dated<K> {
    /// Whether tokens of this key are read at `now`. A key is good as soon as it is known, so that
    /// no clock that is a little behind refuses the first tokens.
    pub(super) fn reads_at(&self, now: Timestamp) -> bool {
        self.not_after.is_none_or(|end| now < end)
    }

    /// Whether tokens are made with it at `now`.
    pub(super) fn issues_at(&self, now: Timestamp) -> bool {
        self.active_from <= now && self.reads_at(now)
    }
}

/// A key set, read.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) trust_domain: String,
    pub(super) reading: Vec<Dated<ReadKey>>,
    pub(super) verifying: Vec<Dated<VerifyKey>>,
    pub(super) signing: Vec<Dated<SignKey>>,
}

const READ: &str = "readKeys";
const SIGN: &str = "signingKeys";

impl KeySetFile {
    /// Reads the text of a file.
    ///
    /// # Errors
    ///
    /// [`TokenKeysError::Form`].
    pub fn parse(text: &[u8]) -> Result<Self, TokenKeysError> {
        serde_json::from_slice(text).map_err(|fault| TokenKeysError::Form {
            line: fault.line(),
            column: fault.column(),
            kind: match fault.classify() {
                serde_json::error::Category::Data => {
                    "a member is missing, unknown or of another type"
                }
                _ => "not JSON",
            },
        })
    }

    /// The text of a file.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Texts and numbers always serialise.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The part that a sidecar needs: it verifies, and cannot sign.
    #[must_use]
    pub fn without_private_keys(&self) -> Self {
        let mut set = self.clone();
        for key in &mut set.signing_keys {
            key.private_key = None;
        }
        set
    }

    pub(super) fn read(&self) -> Result<Keys, TokenKeysError> {
        let visible = |byte: u8| byte.is_ascii_graphic();
        let domain = &self.trust_domain;
        if domain.is_empty() || domain.len() > MAX_DOMAIN || !domain.bytes().all(visible) {
            return Err(TokenKeysError::Domain);
        }
        count(READ, self.read_keys.iter().map(|key| key.id))?;
        count(SIGN, self.signing_keys.iter().map(|key| key.id))?;
        let mut keys = Keys {
            trust_domain: domain.clone(),
            reading: Vec::new(),
            verifying: Vec::new(),
            signing: Vec::new(),
        };
        for key in &self.read_keys {
            let bytes = bytes(READ, key.id, &key.key)?;
            let (from, to) = times(READ, key.id, &key.active_from, key.not_after.as_deref())?;
            keys.reading.push(Dated {
                id: key.id,
                key: ReadKey::new(&bytes.0),
                active_from: from,
                not_after: to,
            });
        }
        for key in &self.signing_keys {
            let public = bytes(SIGN, key.id, &key.public_key)?;
            let (from, to) = times(SIGN, key.id, &key.active_from, key.not_after.as_deref())?;
            if let Some(private) = &key.private_key {
                let seed = bytes(SIGN, key.id, private)?;
                let pair = SignKey::new(&seed.0, &public.0).ok_or(TokenKeysError::Pair(key.id))?;
                keys.signing.push(Dated {
                    id: key.id,
                    key: pair,
                    active_from: from,
                    not_after: to,
                });
            }
            keys.verifying.push(Dated {
                id: key.id,
                key: VerifyKey(public.0),
                active_from: from,
                not_after: to,
            });
        }
        Ok(keys)
    }
}

fn count(kind: &'static str, ids: impl Iterator<Item = u32>) -> Result<(), TokenKeysError> {
    let mut ids: Vec<u32> = ids.collect();
    if ids.is_empty() || ids.len() > MAX_KEYS {
        return Err(TokenKeysError::Count(kind));
    }
    ids.sort_unstable();
    let twice = ids.windows(2).find(|pair| pair.first() == pair.last());
    match twice.and_then(|pair| pair.first()) {
        Some(id) => Err(TokenKeysError::Twice { kind, id: *id }),
        None => Ok(()),
    }
}

/// 32 bytes that are wiped.
struct Bytes([u8; 32]);

impl Drop for Bytes {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

fn bytes(kind: &'static str, id: u32, text: &str) -> Result<Bytes, TokenKeysError> {
    let fault = || TokenKeysError::Key { kind, id };
    let mut decoded = STANDARD.decode(text).map_err(|_| fault())?;
    let bytes = <[u8; 32]>::try_from(decoded.as_slice()).map(Bytes);
    decoded.zeroize();
    bytes.map_err(|_| fault())
}

fn times(
    kind: &'static str,
    id: u32,
    from: &str,
    to: Option<&str>,
) -> Result<(Timestamp, Option<Timestamp>), TokenKeysError> {
    let parse = |text| Timestamp::parse(text).map_err(|_| TokenKeysError::Time { kind, id });
    Ok((parse(from)?, to.map(parse).transpose()?))
}

impl Drop for ReadKeyFile {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl Drop for SigningKeyFile {
    fn drop(&mut self) {
        self.private_key.zeroize();
    }
}

impl fmt::Debug for KeySetFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<u32> = self.read_keys.iter().map(|key| key.id).collect();
        let signing: Vec<u32> = self.signing_keys.iter().map(|key| key.id).collect();
        formatter
            .debug_struct("KeySetFile")
            .field("trust_domain", &self.trust_domain)
            .field("read_keys", &ids)
            .field("signing_keys", &signing)
            .finish()
    }
}
