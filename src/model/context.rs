//! The context of a request: condition keys and their values.

use crate::model::fingerprint;
use compact_str::CompactString;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The name of a condition key, folded to lower case (KEY-1).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ContextKey {
    fingerprint: u32,
    text: CompactString,
}

impl ContextKey {
    /// Folds `name`: key names are case-insensitive, also behind the slash.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut text = CompactString::from(name);
        text.make_ascii_lowercase();
        let fingerprint = fingerprint(&text);
        Self { fingerprint, text }
    }

    /// The folded name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialOrd for ContextKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ContextKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl fmt::Debug for ContextKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Display for ContextKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// What is known of one key. A key that is not in the context at all is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContextValue {
    /// The value could not be obtained: every test on it is undetermined (CTX-6).
    Unknown,
    /// One value or several; never an empty list, which means absent (CTX-7).
    Values(SmallVec<[CompactString; 1]>),
}

/// A context that is larger than the engine accepts (LIM-5).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverLimit {
    /// Too many keys.
    #[error("more than {limit} context keys", limit = Context::MAX_KEYS)]
    Keys,
    /// Too many values for one key.
    #[error("the context key `{0}` has more than {limit} values", limit = Context::MAX_VALUES)]
    Values(ContextKey),
    /// A value that is too long.
    #[error("a value of the context key `{0}` has more than {limit} characters", limit = Context::MAX_CHARS)]
    Length(ContextKey),
}

/// The condition keys of one request.
///
/// Over-long input is remembered as a fault and makes the decision an evaluation error; it is never
/// cut (LIM-5).
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The fingerprints of the keys of `entries`, side by side: a look-up reads these first.
    fingerprints: SmallVec<[u32; 32]>,
    /// In no order.
    entries: Vec<(ContextKey, ContextValue)>,
    unknown_families: SmallVec<[Cow<'static, str>; 1]>,
    fault: Option<OverLimit>,
    /// The only keys that are kept, where it is known what will be read.
    read: Option<Arc<KeySet>>,
    /// How many others there were.
    dropped: usize,
}

/// The keys that some policies read (CACHE-2). What is not among them decides nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet {
    /// In order, folded.
    keys: Box<[ContextKey]>,
    fingerprints: Box<[u32]>,
}

/// Up to how many keys are compared one after the other.
const FEW: usize = 12;

impl KeySet {
    /// Some keys.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = ContextKey>) -> Self {
        let mut keys: Vec<ContextKey> = keys.into_iter().collect();
        keys.sort_unstable();
        keys.dedup();
        let mut fingerprints: Vec<u32> = keys.iter().map(|key| key.fingerprint).collect();
        fingerprints.sort_unstable();
        Self {
            keys: keys.into(),
            fingerprints: fingerprints.into(),
        }
    }

    /// Whether a key, in any letter case, is among them; or, by chance and rarely, is not.
    #[must_use]
    pub fn may_have(&self, name: &str) -> bool {
        if self.keys.len() <= FEW {
            let mut keys = self.keys.iter();
            return keys.any(|key| key.text.eq_ignore_ascii_case(name));
        }
        let key = ContextKey::new(name);
        self.fingerprints.binary_search(&key.fingerprint).is_ok()
    }

    /// Whether any key begins so; `family` is folded.
    #[must_use]
    pub fn has_family(&self, family: &str) -> bool {
        self.keys.iter().any(|key| key.text.starts_with(family))
    }

    /// The keys in order.
    pub fn iter(&self) -> impl Iterator<Item = &ContextKey> {
        self.keys.iter()
    }
}

impl Context {
    /// The most keys of one request (LIM-5).
    pub const MAX_KEYS: usize = 256;
    /// The most values of one key (LIM-5).
    pub const MAX_VALUES: usize = 1024;
    /// The most characters of one value (LIM-5).
    pub const MAX_CHARS: usize = 4096;

    /// A context without keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A context that keeps what `keys` has, and forgets everything else at once.
    #[must_use]
    pub fn reading(keys: Arc<KeySet>) -> Self {
        Self {
            read: Some(keys),
            ..Self::default()
        }
    }

    /// Whether a key may be read, so that it is worth finding out its value.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.read.as_ref().is_none_or(|read| read.may_have(name))
    }

    /// Whether a key that begins so may be read; `family` is folded.
    #[must_use]
    pub fn wants_family(&self, family: &str) -> bool {
        self.read
            .as_ref()
            .is_none_or(|read| read.has_family(family))
    }

    /// Sets a key to one value, in place of what it had. A value of a key that nobody reads is not even
    /// looked at: whoever hands on what a caller wrote uses [`set_all`](Self::set_all).
    pub fn set(&mut self, key: &str, value: impl Into<CompactString>) {
        if self.wants(key) {
            self.set_all(key, [value.into()]);
        }
    }

    /// Sets a key to a list of values; an empty list makes it absent (CTX-7).
    pub fn set_all(&mut self, key: &str, values: impl IntoIterator<Item = CompactString>) {
        let is_wanted = self.wants(key);
        let key = ContextKey::new(key);
        let values: SmallVec<[CompactString; 1]> = values.into_iter().collect();
        if values.is_empty() {
            self.take(&key);
            return;
        }
        // LIM-5: what is over a limit is a fault, whether anybody reads it or not.
        if values.len() > Self::MAX_VALUES {
            self.fault = Some(OverLimit::Values(key));
            return;
        }
        // Characters are never more than bytes, so counting is needed for long values only.
        let too_long =
            |value: &str| value.len() > Self::MAX_CHARS && value.chars().count() > Self::MAX_CHARS;
        if values.iter().any(|value| too_long(value)) {
            self.fault = Some(OverLimit::Length(key));
            return;
        }
        if !is_wanted {
            self.dropped += 1;
            self.check_count();
            return;
        }
        self.insert(key, ContextValue::Values(values));
    }

    /// Marks a key as unknown: its value exists or not, and nobody could tell (CTX-6).
    pub fn set_unknown(&mut self, key: &str) {
        if !self.wants(key) {
            return;
        }
        self.insert(ContextKey::new(key), ContextValue::Unknown);
    }

    /// Marks every key that begins with `family` (with its slash or colon, in any letter case) as unknown,
    /// unless it is set: a whole source of values could not be asked (CTX-6).
    pub fn set_unknown_family(&mut self, family: impl Into<Cow<'static, str>>) {
        self.unknown_families.push(family.into());
    }

    /// Makes a key absent.
    pub fn remove(&mut self, key: &str) {
        self.take(&ContextKey::new(key));
    }

    /// Sets a key unless it is there already.
    pub fn set_if_absent(&mut self, key: &str, value: impl Into<CompactString>) {
        if self.position(&ContextKey::new(key)).is_none() {
            self.set(key, value);
        }
    }

    /// What is known of the key with this folded name; `None` is absent.
    #[must_use]
    pub fn lookup(&self, folded: &str) -> Option<&ContextValue> {
        self.at(self.find(fingerprint(folded), folded), folded)
    }

    /// What is known of a key; `None` is absent.
    #[must_use]
    pub fn get(&self, key: &ContextKey) -> Option<&ContextValue> {
        self.at(self.position(key), &key.text)
    }

    /// The limit that the context broke, if it broke one.
    #[must_use]
    pub fn fault(&self) -> Option<&OverLimit> {
        self.fault.as_ref()
    }

    /// All keys in order of their folded names.
    pub fn iter(&self) -> impl Iterator<Item = (&ContextKey, &ContextValue)> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| key);
        entries.into_iter().map(|(key, value)| (key, value))
    }

    /// The families of keys that are unknown as a whole.
    pub fn unknown_families(&self) -> impl Iterator<Item = &str> {
        self.unknown_families.iter().map(AsRef::as_ref)
    }

    fn position(&self, key: &ContextKey) -> Option<usize> {
        self.find(key.fingerprint, &key.text)
    }

    fn find(&self, fingerprint: u32, folded: &str) -> Option<usize> {
        let alike = self.fingerprints.iter().enumerate();
        let mut alike = alike.filter(|(_, known)| **known == fingerprint);
        alike
            .find(|(at, _)| {
                let entry = self.entries.get(*at);
                entry.is_some_and(|(key, _)| key.text == folded)
            })
            .map(|(at, _)| at)
    }

    fn at(&self, position: Option<usize>, folded: &str) -> Option<&ContextValue> {
        if let Some((_, value)) = position.and_then(|at| self.entries.get(at)) {
            return Some(value);
        }
        let of_family = |family: &Cow<'static, str>| {
            let start = folded.get(..family.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(family.as_ref()))
        };
        let is_unknown = self.unknown_families.iter().any(of_family);
        is_unknown.then_some(&ContextValue::Unknown)
    }

    fn take(&mut self, key: &ContextKey) {
        if let Some(at) = self.position(key) {
            self.fingerprints.swap_remove(at);
            self.entries.swap_remove(at);
        }
    }

    fn insert(&mut self, key: ContextKey, value: ContextValue) {
        let known = self.position(&key);
        if let Some((_, known)) = known.and_then(|at| self.entries.get_mut(at)) {
            *known = value;
        } else {
            self.fingerprints.push(key.fingerprint);
            self.entries.push((key, value));
        }
        self.check_count();
    }

    fn check_count(&mut self) {
        if self.entries.len() + self.dropped > Self::MAX_KEYS {
            self.fault = Some(OverLimit::Keys);
        }
    }
}

impl PartialEq for Context {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
            && self.unknown_families == other.unknown_families
            && self.fault == other.fault
    }
}

impl Eq for Context {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_names_fold_and_values_do_not() {
        let mut context = Context::new();
        context.set("AWS:PrincipalTag/Team", "Red");
        let value = context.lookup("aws:principaltag/team").unwrap();
        assert_eq!(
            value,
            &ContextValue::Values(SmallVec::from_iter(["Red".into()])),
            "KEY-1"
        );
    }

    #[test]
    fn a_family_that_nobody_could_ask_is_unknown() {
        let mut context = Context::new();
        context.set("aws:ResourceTag/known", "x");
        context.set_unknown_family("aws:ResourceTag/");
        assert_eq!(
            context.lookup("aws:resourcetag/team"),
            Some(&ContextValue::Unknown),
            "CTX-6"
        );
        assert_ne!(
            context.lookup("aws:resourcetag/known"),
            Some(&ContextValue::Unknown)
        );
        assert_eq!(context.lookup("aws:principaltag/team"), None);
    }

    #[test]
    fn an_empty_list_is_absent() {
        let mut context = Context::new();
        context.set("a:b", "x");
        context.set_all("a:b", []);
        assert_eq!(context.lookup("a:b"), None, "CTX-7");
    }

    #[test]
    fn what_nobody_reads_is_forgotten_and_its_limits_are_not() {
        let keys = Arc::new(KeySet::new([ContextKey::new("a:read")]));
        let mut context = Context::reading(Arc::clone(&keys));
        context.set("A:Read", "x");
        context.set("a:other", "x");
        assert!(context.lookup("a:read").is_some() && context.lookup("a:other").is_none());
        context.set_all("a:other", ["x".repeat(Context::MAX_CHARS + 1).into()]);
        assert!(
            matches!(context.fault(), Some(OverLimit::Length(_))),
            "LIM-5"
        );
        let mut many = Context::reading(keys);
        for n in 0..=Context::MAX_KEYS {
            many.set_all(&format!("a:{n}"), ["x".into()]);
        }
        assert_eq!(many.fault(), Some(&OverLimit::Keys), "LIM-5");
    }

    #[test]
    fn what_is_over_a_limit_is_a_fault_and_never_cut() {
        let mut long = Context::new();
        long.set("a:b", "x".repeat(Context::MAX_CHARS + 1));
        assert!(matches!(long.fault(), Some(OverLimit::Length(_))), "LIM-5");
        let mut many = Context::new();
        many.set_all(
            "a:b",
            (0..=Context::MAX_VALUES).map(|n| n.to_string().into()),
        );
        assert!(matches!(many.fault(), Some(OverLimit::Values(_))), "LIM-5");
        let mut keys = Context::new();
        for n in 0..=Context::MAX_KEYS {
            keys.set(&format!("a:{n}"), "x");
        }
        assert_eq!(keys.fault(), Some(&OverLimit::Keys), "LIM-5");
    }
}
