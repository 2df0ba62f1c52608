//! Tokens that were opened a moment ago.

use crate::authn::token::Session;
use crate::cache::{CountedCache, Usage};
use moka::sync::Cache;
use std::sync::Arc;
use std::time::Duration;

/// How much is kept, in bytes of tokens.
const MAX_BYTES: u64 = 32 << 20;
/// What an entry takes beside its token, about.
const OVERHEAD: usize = 1024;
/// The longest that an entry is kept.
const LIFE: Duration = Duration::from_hours(1);

/// Sessions by the digest of the whole token (TOK-16). What a seal proves does not change; times,
/// revocations and whether its principal is still there are looked at on each use. Refusals are not
/// kept.
#[derive(Clone, Debug)]
pub(super) struct Opened(CountedCache<[u8; 32], (Arc<Session>, u32)>);

impl Default for Opened {
    fn default() -> Self {
        let weigh = |_: &[u8; 32], entry: &(Arc<Session>, u32)| entry.1;
        let builder = Cache::builder()
            .max_capacity(MAX_BYTES)
            .weigher(weigh)
            .time_to_live(LIFE);
        Self(CountedCache::of(builder))
    }
}

impl Opened {
    pub(super) fn usage(&self) -> Usage {
        self.0.usage()
    }

    pub(super) fn get(&self, name: &[u8; 32]) -> Option<Arc<Session>> {
        self.0.get(name).map(|(session, _)| session)
    }

    pub(super) fn put(&self, name: [u8; 32], session: &Arc<Session>, chars: usize) {
        let bytes = u32::try_from(chars + OVERHEAD).unwrap_or(u32::MAX);
        self.0.insert(name, (Arc::clone(session), bytes));
    }
}
