//! Tokens that were verified a moment ago.

use crate::authn::jwt::WebIdentity;
use crate::authn::jwt::claims::Registered;
use crate::authn::recent::Recent;
use crate::authn::{KeySet, sha256};
use crate::cache::{CountedCache, Usage};
use moka::sync::Cache;
use std::sync::Arc;
use std::time::Duration;

/// How much is kept, in bytes of tokens.
const MAX_BYTES: u64 = 16 << 20;
/// What an entry takes beside its token, about.
const OVERHEAD: usize = 512;
/// The longest that an entry is kept.
const LIFE: Duration = Duration::from_hours(1);

/// Verified tokens by the digest of the whole token: another token is never taken for it.
///
/// What a signature proves does not change, so it is proven once. Times are held against the clock
/// at each use, and an entry is no good any more once the keys of its issuer are others; a snapshot
/// starts with none. Refusals are not kept.
#[derive(Debug)]
pub(super) struct VerifiedTokens {
    recent: Recent<Verified>,
    all: CountedCache<[u8; 32], Arc<Verified>>,
}

/// What was proven of a token.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) issuer: String,
    /// The keys that proved it, where they are fetched.
    pub(super) keys: Option<Arc<KeySet>>,
    pub(super) registered: Registered,
    pub(super) identity: Arc<WebIdentity>,
    bytes: usize,
}

impl Verified {
    pub(super) fn new(
        token: &str,
        issuer: &str,
        keys: Option<Arc<KeySet>>,
        registered: Registered,
        identity: Arc<WebIdentity>,
    ) -> Self {
        Self {
            issuer: issuer.to_owned(),
            keys,
            registered,
            identity,
            bytes: token.len() + OVERHEAD,
        }
    }
}

impl Default for VerifiedTokens {
    fn default() -> Self {
        let weigh =
            |_: &[u8; 32], entry: &Arc<Verified>| u32::try_from(entry.bytes).unwrap_or(u32::MAX);
        let builder = Cache::builder()
            .max_capacity(MAX_BYTES)
            .weigher(weigh)
            .time_to_live(LIFE);
        Self {
            recent: Recent::default(),
            all: CountedCache::of(builder),
        }
    }
}

impl VerifiedTokens {
    pub(super) fn get(&self, token: &str) -> Option<Arc<Verified>> {
        let look_up = || {
            let found = self.all.get(&sha256(token))?;
            self.recent.put(token, &found);
            Some(found)
        };
        let recent = self.recent.get(token);
        recent.inspect(|_| self.all.hit()).or_else(look_up)
    }

    pub(super) fn usage(&self) -> Usage {
        self.all.usage()
    }

    pub(super) fn put(&self, token: &str, verified: &Arc<Verified>) {
        self.recent.put(token, verified);
        self.all.insert(sha256(token), Arc::clone(verified));
    }
}
