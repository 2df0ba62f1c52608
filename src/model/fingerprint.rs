//! A short number for a text, by which look-ups tell most texts apart.

use foldhash::quality::FixedState;
use std::hash::{BuildHasher as _, Hasher as _};

/// A number that equal texts share.
///
/// Two texts may share one as well, so whoever finds it equal compares the texts. It is the same in
/// every process: nothing that an asker chooses is stored by it.
#[must_use]
pub fn fingerprint(text: &str) -> u32 {
    let mut hasher = FixedState::with_seed(0).build_hasher();
    hasher.write(text.as_bytes());
    let hash = hasher.finish();
    // The upper half is as good as the lower.
    u32::try_from(hash >> 32).unwrap_or_default()
}
