//! A cache that counts how it is used.
//!
//! Floor 0.

use moka::sync::{Cache, CacheBuilder};
use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A bounded cache of many readers, with counters.
#[derive(Clone)]
pub struct CountedCache<K, V> {
    entries: Cache<K, V>,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    evictions: AtomicU64,
}

/// How a cache is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// How often something was there, since somebody last wanted to know.
    pub hits: u64,
    /// How often it was not.
    pub misses: u64,
    /// How many entries had to go, for want of room or because their time was over.
    pub evictions: u64,
    /// How many entries there are, about.
    pub entries: u64,
    /// Their weight, about: bytes, where the cache is bounded in bytes.
    pub bytes: u64,
}

impl<K, V> CountedCache<K, V>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// The cache of a builder that has no listener of its own.
    #[must_use]
    pub fn of(builder: CacheBuilder<K, V, Cache<K, V>>) -> Self {
        let counters = Arc::new(Counters::default());
        let listener = Arc::clone(&counters);
        let builder = builder.eviction_listener(move |_, _, cause| {
            if cause.was_evicted() {
                listener.evictions.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self {
            entries: builder.build(),
            counters,
        }
    }

    /// Looks for an entry.
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.get_if(key, |_| true)
    }

    /// Looks for an entry that is still good; another one is a miss.
    pub fn get_if<Q>(&self, key: &Q, is_good: impl Fn(&V) -> bool) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let found = self.entries.get(key).filter(is_good);
        let counter = match found {
            Some(_) => &self.counters.hits,
            None => &self.counters.misses,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Counts something that was found in front of the cache.
    pub fn hit(&self) {
        self.counters.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// Puts an entry in.
    pub fn insert(&self, key: K, value: V) {
        self.entries.insert(key, value);
    }

    /// How many entries there are, about.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.entries.entry_count()
    }

    /// Whether there are none, about.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Does at once what is put off, so that the numbers are exact.
    pub fn settle(&self) {
        self.entries.run_pending_tasks();
    }

    /// How it is used; each event is told once.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        Usage {
            hits: take(&self.counters.hits),
            misses: take(&self.counters.misses),
            evictions: take(&self.counters.evictions),
            entries: self.entries.entry_count(),
            bytes: self.entries.weighted_size(),
        }
    }
}

impl<K, V> fmt::Debug for CountedCache<K, V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is cached may be secret.
        formatter
            .debug_struct("CountedCache")
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_is_told_once() {
        let cache = CountedCache::of(Cache::builder().max_capacity(2));
        assert_eq!(cache.get(&1), None);
        cache.insert(1, "one");
        assert_eq!(cache.get(&1), Some("one"));
        assert_eq!(cache.get_if(&1, |_| false), None);
        cache.hit();
        let usage = cache.usage();
        assert_eq!((usage.hits, usage.misses), (2, 2));
        assert_eq!(cache.usage().hits, 0);
        for number in 2..50 {
            cache.insert(number, "more");
        }
        cache.settle();
        let usage = cache.usage();
        assert_eq!(usage.entries + usage.evictions, 49);
        assert!(usage.entries <= 2);
    }
}
