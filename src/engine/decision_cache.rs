//! Decisions that were made a moment ago (CACHE-1 to CACHE-13).
//!
//! Finding a decision here costs as much as making one of an indexed set, so that only dear ones
//! are looked for: see [`WORTH`]. The key holds everything that the decision depends on, whole and
//! each with its length before it, so that no two different questions share one.

use crate::cache::{CountedCache, Usage};
use crate::engine::judge::{Layers, judge};
use crate::engine::view::View;
use crate::model::{
    AccountId, Context, ContextKey, ContextValue, Credential, Decision, Delegation,
    FederationIssuer, Principal, Reason, Request, Timestamp,
};
use moka::sync::Cache;
use std::fmt;
use std::sync::Arc;

/// From how many statements on that no index tells apart a decision is looked for here before it is
/// made. Measured: a hit costs 0.4 µs, and testing a statement 10 to 50 ns.
pub const WORTH: usize = 32;

/// How much is kept, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// What an entry takes beside its key, about.
const OVERHEAD: usize = size_of::<Entry>() + 128;

/// The keys that tell the time. Their values are not part of a key: an entry says for which times it
/// holds instead (CACHE-7).
const CLOCK: [&str; 2] = ["aws:currenttime", "aws:epochtime"];

/// How the time enters into the decisions of a view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Clock {
    /// Not at all.
    #[default]
    Unread,
    /// By comparison with these seconds, in order.
    Compared(Box<[i64]>),
    /// In some other way: what is decided may be another thing with each second.
    Read,
}

impl Clock {
    /// How it enters into the decisions of several documents.
    pub(super) fn of_all<'c>(clocks: impl Iterator<Item = &'c Self>) -> Self {
        let mut instants = Vec::new();
        let mut is_read = false;
        for clock in clocks {
            match clock {
                Self::Unread => {}
                Self::Read => return Self::Read,
                Self::Compared(of_one) => {
                    is_read = true;
                    instants.extend_from_slice(of_one);
                }
            }
        }
        instants.sort_unstable();
        instants.dedup();
        if is_read {
            Self::Compared(instants.into())
        } else {
            Self::Unread
        }
    }
}

/// Decisions by everything that they depend on. One cache is for the documents of one snapshot;
/// views are told apart by their numbers, which no two views of a process share.
pub struct DecisionCache {
    entries: CountedCache<Arc<[u8]>, Arc<Entry>>,
    worth: usize,
}

struct Entry {
    decision: Decision,
    /// The first second for which it holds, and the first for which it does not any more.
    holds: (i64, i64),
}

impl Default for DecisionCache {
    fn default() -> Self {
        Self::new(WORTH)
    }
}

impl fmt::Debug for DecisionCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was asked is nobody's business.
        formatter
            .debug_struct("DecisionCache")
            .finish_non_exhaustive()
    }
}

impl DecisionCache {
    /// A cache for decisions that test `worth` statements or more.
    #[must_use]
    pub fn new(worth: usize) -> Self {
        let builder =
            Cache::builder()
                .max_capacity(MAX_BYTES)
                .weigher(|key: &Arc<[u8]>, _: &Arc<Entry>| {
                    u32::try_from(key.len() + OVERHEAD).unwrap_or(u32::MAX)
                });
        Self {
            entries: CountedCache::of(builder),
            worth,
        }
    }

    /// How it is used.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.entries.usage()
    }

    /// Judges a request by its layers at the time `now`, or finds what was judged. The credentials
    /// of the caller have been looked at before: nothing here knows when they end (CACHE-8).
    #[must_use]
    pub fn judge(&self, layers: &Layers<'_>, request: &Request<'_>, now: Timestamp) -> Decision {
        let views = || layers.views().map(|(_, view)| view);
        let cost: usize = views().map(View::cost).sum();
        if cost < self.worth {
            return judge(layers, request);
        }
        let Some(key) = Key::of(layers, request) else {
            return judge(layers, request);
        };
        let second = now.seconds();
        let holds_now = |entry: &Arc<Entry>| (entry.holds.0..entry.holds.1).contains(&second);
        if let Some(found) = self.entries.get_if(&*key, holds_now) {
            return found.decision.clone();
        }
        let decision = judge(layers, request);
        // CACHE-10.
        let is_fault = matches!(decision.primary(), Some(Reason::Fault(_)));
        if !is_fault && let Some(holds) = holds(views().map(View::clock), second) {
            let entry = Entry {
                decision: decision.clone(),
                holds,
            };
            self.entries.insert(key, Arc::new(entry));
        }
        decision
    }

    /// How many decisions are kept, about.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.entries.len()
    }

    /// Whether none is kept, about.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// For which seconds around `second` every comparison with the time has the result that it has then
/// (CACHE-7). `None` when that cannot be told.
fn holds<'c>(clocks: impl Iterator<Item = &'c Clock>, second: i64) -> Option<(i64, i64)> {
    let (mut from, mut until) = (i64::MIN, i64::MAX);
    for clock in clocks {
        match clock {
            Clock::Unread => {}
            Clock::Read => return None,
            Clock::Compared(instants) => {
                // An instant may be before, at or after a second: results change there and with the
                // second behind it.
                for point in instants.iter().flat_map(|at| [*at, at.saturating_add(1)]) {
                    if point <= second {
                        from = from.max(point);
                    } else {
                        until = until.min(point);
                    }
                }
            }
        }
    }
    Some((from, until))
}

/// Everything that a decision depends on, one behind the other.
struct Key(Vec<u8>);

impl Key {
    /// The key of a question; `None` where one of its inputs is unknown, for what rests on that is
    /// not kept (CACHE-10).
    fn of(layers: &Layers<'_>, request: &Request<'_>) -> Option<Arc<[u8]>> {
        if request.context.fault().is_some() {
            return None;
        }
        let mut key = Self(Vec::with_capacity(512));
        key.number(u64::from(layers.acl));
        key.number(u64::from(layers.no_permission_needed));
        key.principal(request.principal);
        key.number(match request.credential {
            Credential::Ordinary => 0,
            Credential::SessionToken { mfa } => 1 + u64::from(mfa),
        });
        key.number(u64::from(request.forwarded));
        key.text(request.action.folded());
        let resource = request.resource;
        key.text(resource.name.as_str());
        key.optional(resource.owner.as_ref().map(AccountId::as_str));
        key.number(match resource.delegation {
            Delegation::Default => 0,
            Delegation::Trust => 1,
            Delegation::Key => 2,
        });
        for (layer, view) in layers.views() {
            key.number(layer);
            key.number(view.number());
            for name in view.reads() {
                key.value(request.context, name)?;
            }
        }
        Some(key.0.into())
    }

    fn number(&mut self, number: u64) {
        self.0.extend(number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend(text.as_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        self.number(u64::from(text.is_some()));
        self.text(text.unwrap_or_default());
    }

    /// CACHE-3: absent, unknown and empty are three things.
    fn value(&mut self, context: &Context, key: &ContextKey) -> Option<()> {
        let value = context.get(key);
        if let Some(ContextValue::Unknown) = value {
            return None;
        }
        if CLOCK.contains(&key.as_str()) {
            self.number(u64::from(value.is_some()));
            return Some(());
        }
        match value {
            None => self.number(0),
            Some(ContextValue::Unknown) => return None,
            Some(ContextValue::Values(values)) => {
                self.number(values.len() as u64 + 1);
                for value in values {
                    self.text(value);
                }
            }
        }
        Some(())
    }

    fn principal(&mut self, principal: &Principal) {
        match principal {
            Principal::Anonymous => self.number(0),
            Principal::Service { name } => {
                self.number(1);
                self.text(name);
            }
            Principal::IdentityProvider {
                provider,
                partition,
            } => {
                self.number(2);
                self.text(provider);
                self.text(partition);
            }
            Principal::Root {
                arn,
                account,
                assumed,
            } => {
                self.number(3 + u64::from(*assumed));
                self.text(arn.as_str());
                self.text(account.as_str());
            }
            Principal::User { arn, account } => {
                self.number(5);
                self.text(arn.as_str());
                self.text(account.as_str());
            }
            Principal::RoleSession {
                role,
                session,
                account,
                service_linked,
            } => {
                self.number(6 + u64::from(*service_linked));
                self.text(role.as_str());
                self.text(session.as_str());
                self.text(account.as_str());
            }
            Principal::FederatedUser {
                arn,
                account,
                issuer,
            } => {
                self.number(8);
                self.text(arn.as_str());
                self.text(account.as_str());
                match issuer {
                    FederationIssuer::Root => self.number(0),
                    FederationIssuer::User(user) => {
                        self.number(1);
                        self.text(user.as_str());
                    }
                    FederationIssuer::Unknown => self.number(2),
                }
            }
        }
    }
}

/// How the time enters into a decision by some keys, from what each test says of it.
pub(super) fn clock<'t>(
    reads: &[ContextKey],
    tests: impl Iterator<Item = (&'t ContextKey, Option<Vec<i64>>)>,
    variables: &[ContextKey],
) -> Clock {
    let is_clock = |key: &ContextKey| CLOCK.contains(&key.as_str());
    if !reads.iter().any(is_clock) {
        return Clock::Unread;
    }
    if variables.iter().any(is_clock) {
        return Clock::Read;
    }
    let mut instants = Vec::new();
    for (_, compared) in tests.filter(|(key, _)| is_clock(key)) {
        match compared {
            Some(compared) => instants.extend(compared),
            None => return Clock::Read,
        }
    }
    instants.sort_unstable();
    instants.dedup();
    Clock::Compared(instants.into())
}

#[cfg(test)]
mod tests;
