//! The credentials that were asked for last.

use arc_swap::ArcSwapOption;
use foldhash::fast::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::Arc;

/// How many are kept; a new one takes the place of whichever has the same.
const SLOTS: usize = 256;

/// A credential, and what is remembered of it.
type Slot<T> = ArcSwapOption<(Box<str>, Arc<T>)>;

/// A small memory in front of a large cache. Most calls come with a credential that came a moment ago,
/// and finding it here costs a tenth of what it costs there. Whatever is found is compared whole.
pub(super) struct Recent<T> {
    slots: Box<[Slot<T>]>,
    /// Seeded by chance: callers choose what is looked up.
    hasher: RandomState,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self {
            slots: (0..SLOTS).map(|_| ArcSwapOption::empty()).collect(),
            hasher: RandomState::default(),
        }
    }
}

impl<T> Recent<T> {
    /// What is remembered of a credential.
    pub(super) fn get(&self, credential: &str) -> Option<Arc<T>> {
        let slot = self.slot(credential)?.load();
        let (known, value) = slot.as_deref()?;
        (**known == *credential).then(|| Arc::clone(value))
    }

    /// Remembers something of a credential.
    pub(super) fn put(&self, credential: &str, value: &Arc<T>) {
        if let Some(slot) = self.slot(credential) {
            slot.store(Some(Arc::new((credential.into(), Arc::clone(value)))));
        }
    }

    fn slot(&self, credential: &str) -> Option<&Slot<T>> {
        let hash = self.hasher.hash_one(credential.as_bytes());
        let slots = u64::try_from(self.slots.len()).ok()?;
        self.slots
            .get(usize::try_from(hash.checked_rem(slots)?).ok()?)
    }
}

impl<T> fmt::Debug for Recent<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Credentials are secret.
        formatter.debug_struct("Recent").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_found_but_what_was_put() {
        let recent = Recent::default();
        // More than there is room for, so that many share a place.
        let texts: Vec<String> = (0..4 * SLOTS).map(|n| format!("token {n}")).collect();
        for (number, text) in texts.iter().enumerate() {
            assert_eq!(recent.get(text), None);
            recent.put(text, &Arc::new(number));
            assert_eq!(recent.get(text).as_deref(), Some(&number));
        }
        for (number, text) in texts.iter().enumerate() {
            let found = recent.get(text);
            assert!(found.is_none_or(|found| *found == number), "{text}");
        }
    }
}
