//! Sessions that were ended before their time (section 4.4 of the signing rules).

use crate::authn::access_key_id::AccessKeyBytes;
use crate::authn::token::{Session, SessionKind, TokenId};
use crate::model::{Arn, Timestamp};
use crate::policy::{Revocation, Revoked};
use std::collections::{HashMap, HashSet};

/// What is revoked, ready to be asked about each session that is presented.
///
/// Ids are exact and stand sorted, 16 and 10 bytes each: a filter that errs now and then would turn
/// somebody away for nothing (REV-05).
#[derive(Clone, Debug, Default)]
pub struct Revocations {
    tokens: Box<[TokenId]>,
    access_keys: Box<[AccessKeyBytes]>,
    /// Long-term keys; their sessions end with them.
    parents: HashSet<Box<str>>,
    sessions: Until,
    sources: Until,
    principals: Until,
    count: usize,
}

/// By name, the time before which sessions are revoked; all are where there is none.
type Until = HashMap<Box<str>, Option<Timestamp>>;

impl Revocations {
    /// Compiles what a bundle revokes; entries that are over at `now` are left out.
    #[must_use]
    pub fn compile(entries: &[Revocation], now: Timestamp) -> Self {
        let mut all = Self::default();
        let (mut tokens, mut keys) = (Vec::new(), Vec::new());
        for entry in entries {
            if entry.until.is_some_and(|until| until <= now) {
                continue;
            }
            all.count += 1;
            match &entry.what {
                Revoked::Token(id) => tokens.push(*id),
                Revoked::AccessKey(id) => match AccessKeyBytes::parse_temporary(id) {
                    Some(bytes) => keys.push(bytes),
                    None => {
                        all.parents.insert(id.as_str().into());
                    }
                },
                Revoked::Session(arn) => add(&mut all.sessions, arn, entry.before),
                Revoked::SourceIdentity(text) => add(&mut all.sources, text, entry.before),
                Revoked::Principal(arn) => add(&mut all.principals, arn, entry.before),
            }
        }
        tokens.sort_unstable();
        tokens.dedup();
        keys.sort_unstable();
        keys.dedup();
        all.tokens = tokens.into();
        all.access_keys = keys.into();
        all
    }

    /// How many entries count.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether nothing is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether a session is revoked: itself, one that it was obtained with, its principal, or the
    /// key that it began with.
    #[must_use]
    pub fn has(&self, session: &Session) -> bool {
        if self.is_empty() {
            return false;
        }
        let claims = &session.claims;
        let is_token = |id: &TokenId| self.tokens.binary_search(id).is_ok();
        let is_key = |id: &AccessKeyBytes| self.access_keys.binary_search(id).is_ok();
        let parent = claims.parent_key.as_deref();
        let of_parent = parent.and_then(AccessKeyBytes::parse_temporary);
        let is_before = |known: Option<&Option<Timestamp>>| {
            known.is_some_and(|before| before.is_none_or(|before| claims.issued_at < before))
        };
        let arn = session.arn();
        is_token(&session.id)
            || claims.ancestors.iter().any(is_token)
            || is_key(&session.access_key())
            || of_parent.is_some_and(|key| is_key(&key))
            || parent.is_some_and(|key| self.parents.contains(key))
            || is_before(self.principals.get(claims.principal.as_str()))
            || is_before(
                claims
                    .parent
                    .as_deref()
                    .and_then(|arn| self.principals.get(arn)),
            )
            || is_before(arn.as_deref().and_then(|arn| self.sessions.get(arn)))
            || is_before(
                claims
                    .source_identity
                    .as_deref()
                    .and_then(|text| self.sources.get(text)),
            )
    }
}

/// Of two entries the wider one counts.
fn add(known: &mut Until, name: &str, before: Option<Timestamp>) {
    let entry = known.entry(name.into()).or_insert(before);
    *entry = match (*entry, before) {
        (Some(a), Some(b)) => Some(a.max(b)),
        _ => None,
    };
}

impl Session {
    /// The ARN of the session: of a role, or of a federated user (IDS-03).
    #[must_use]
    pub fn arn(&self) -> Option<String> {
        let claims = &self.claims;
        match (claims.kind, &claims.session_name) {
            (SessionKind::Role, Some(name)) => {
                let role = Arn::parse(&claims.principal).ok()?;
                let resource = format!("assumed-role/{}/{name}", role.name());
                let arn = Arn::of_identity(role.partition(), "sts", claims.account, &resource);
                arn.ok().map(|arn| arn.as_str().to_owned())
            }
            (SessionKind::Federated, _) => Some(claims.principal.clone()),
            (SessionKind::Role | SessionKind::User, _) => None,
        }
    }
}
