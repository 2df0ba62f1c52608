//! The context of a request: condition keys and their values.

use smallvec::SmallVec;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// The name of a condition key, folded to lower case (KEY-1).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContextKey(Box<str>);

impl ContextKey {
    /// Folds `name`: key names are case-insensitive, also behind the slash.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.to_ascii_lowercase().into())
    }

    /// The folded name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for ContextKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ContextKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for ContextKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What is known of one key. A key that is not in the context at all is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContextValue {
    /// The value could not be obtained: every test on it is undetermined (CTX-6).
    Unknown,
    /// One value or several; never an empty list, which means absent (CTX-7).
    Values(SmallVec<[Box<str>; 1]>),
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    entries: BTreeMap<ContextKey, ContextValue>,
    unknown_families: SmallVec<[Cow<'static, str>; 1]>,
    fault: Option<OverLimit>,
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

    /// Sets a key to one value, in place of what it had.
    pub fn set(&mut self, key: &str, value: impl Into<Box<str>>) {
        self.set_all(key, [value.into()]);
    }

    /// Sets a key to a list of values; an empty list makes it absent (CTX-7).
    pub fn set_all(&mut self, key: &str, values: impl IntoIterator<Item = Box<str>>) {
        let key = ContextKey::new(key);
        let values: SmallVec<[Box<str>; 1]> = values.into_iter().collect();
        if values.is_empty() {
            self.entries.remove(&key);
            return;
        }
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
        self.insert(key, ContextValue::Values(values));
    }

    /// Marks a key as unknown: its value exists or not, and nobody could tell (CTX-6).
    pub fn set_unknown(&mut self, key: &str) {
        self.insert(ContextKey::new(key), ContextValue::Unknown);
    }

    /// Marks every key that begins with `family` (with its slash or colon, in any letter case) as unknown,
    /// unless it is set: a whole source of values could not be asked (CTX-6).
    pub fn set_unknown_family(&mut self, family: impl Into<Cow<'static, str>>) {
        self.unknown_families.push(family.into());
    }

    /// Makes a key absent.
    pub fn remove(&mut self, key: &str) {
        self.entries.remove(&ContextKey::new(key));
    }

    /// Sets a key unless it is there already.
    pub fn set_if_absent(&mut self, key: &str, value: impl Into<Box<str>>) {
        if !self.entries.contains_key(&ContextKey::new(key)) {
            self.set(key, value);
        }
    }

    /// What is known of the key with this folded name; `None` is absent.
    #[must_use]
    pub fn lookup(&self, folded: &str) -> Option<&ContextValue> {
        let unknown = || {
            let of_family = |family: &Cow<'static, str>| {
                let start = folded.get(..family.len());
                start.is_some_and(|start| start.eq_ignore_ascii_case(family.as_ref()))
            };
            self.unknown_families
                .iter()
                .any(of_family)
                .then_some(&ContextValue::Unknown)
        };
        self.entries.get(folded).or_else(unknown)
    }

    /// The limit that the context broke, if it broke one.
    #[must_use]
    pub fn fault(&self) -> Option<&OverLimit> {
        self.fault.as_ref()
    }

    /// All keys in order of their folded names.
    pub fn iter(&self) -> impl Iterator<Item = (&ContextKey, &ContextValue)> {
        self.entries.iter()
    }

    fn insert(&mut self, key: ContextKey, value: ContextValue) {
        self.entries.insert(key, value);
        if self.entries.len() > Self::MAX_KEYS {
            self.fault = Some(OverLimit::Keys);
        }
    }
}

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
