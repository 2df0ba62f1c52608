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

    /// Whether a session is revoked: itself, or any credentials that it was obtained with, down to the
    /// key that it began with.
    #[must_use]
    pub fn has(&self, session: &Session) -> bool {
        if self.is_empty() {
            return false;
        }
        let claims = &session.claims;
        let arn = session.arn();
        let own = Credential {
            token: Some(&session.id),
            key: &session.access_key_id,
            principal: &claims.principal,
            session: arn.as_deref(),
            issued_at: claims.issued_at,
        };
        let source = claims.source_identity.as_deref();
        if self.is_revoked(&own) || is_before(&self.sources, source, claims.issued_at) {
            return true;
        }
        // What began with a long-term key began when the first session of it was issued.
        let mut next = claims.issued_at;
        claims.lineage.iter().rev().any(|link| {
            next = link.issued_at.unwrap_or(next);
            self.is_revoked(&Credential {
                token: link.token.as_ref(),
                key: &link.access_key,
                principal: &link.principal,
                session: link.session.as_deref(),
                issued_at: next,
            })
        })
    }

    /// Whether a long-term key is revoked.
    #[must_use]
    pub fn has_key(&self, id: &str) -> bool {
        self.parents.contains(id)
    }

    fn is_revoked(&self, credential: &Credential<'_>) -> bool {
        let Credential {
            token,
            key,
            principal,
            session,
            issued_at,
        } = *credential;
        let temporary = AccessKeyBytes::parse_temporary(key);
        token.is_some_and(|id| self.tokens.binary_search(id).is_ok())
            || temporary.is_some_and(|key| self.access_keys.binary_search(&key).is_ok())
            || self.parents.contains(key)
            || is_before(&self.principals, Some(principal), issued_at)
            || is_before(&self.sessions, session, issued_at)
    }
}

/// Credentials, as entries name them.
struct Credential<'c> {
    token: Option<&'c TokenId>,
    key: &'c str,
    principal: &'c str,
    session: Option<&'c str>,
    issued_at: Timestamp,
}

fn is_before(known: &Until, name: Option<&str>, issued_at: Timestamp) -> bool {
    let found = name.and_then(|name| known.get(name));
    found.is_some_and(|before| before.is_none_or(|before| issued_at < before))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::token::test_keys;
    use crate::authn::{Chance, Claims, Link};
    use crate::model::AccountId;

    const NOW: i64 = 1_795_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(NOW + seconds)
    }

    /// The third of a chain: a user's key, then sessions of the roles `a` and `b`, then this one of
    /// `c`.
    fn session() -> std::sync::Arc<Session> {
        let keys = test_keys();
        let link = |token, key: &str, principal: &str, session: Option<&str>, issued_at| Link {
            token,
            access_key: key.to_owned(),
            principal: format!("arn:aws:iam::210000000001:{principal}"),
            session: session.map(|name| format!("arn:aws:sts::210000000001:assumed-role/{name}")),
            issued_at,
        };
        let account = AccountId::parse("210000000001").unwrap();
        let role = "arn:aws:iam::210000000001:role/c";
        let claims = Claims {
            session_name: Some("job".to_owned()),
            source_identity: Some("ana".to_owned()),
            lineage: vec![
                link(None, "AKIAEXAMPLEANA000001", "user/ana", None, None),
                link(
                    Some([1; 16]),
                    "ASIAAAAAAAAAAAAAAAAA",
                    "role/a",
                    Some("a/job"),
                    Some(at(0)),
                ),
                link(
                    Some([2; 16]),
                    "ASIABBBBBBBBBBBBBBBB",
                    "role/b",
                    Some("b/job"),
                    Some(at(10)),
                ),
            ],
            ..Claims::new(SessionKind::Role, account, role, (at(20), at(920)))
        };
        let chance = Chance {
            id: [3; 16],
            access_key: [0; 5],
        };
        let made = keys.mint(claims, 0, chance, at(20)).unwrap();
        keys.open(&made.token, None, at(20)).unwrap()
    }

    #[test]
    fn a_session_ends_with_whatever_it_was_obtained_with() {
        let session = session();
        let iam = |rest: &str| format!("arn:aws:iam::210000000001:{rest}");
        let sts = |rest: &str| format!("arn:aws:sts::210000000001:assumed-role/{rest}");
        // (what, before, whether the session is revoked)
        let cases = [
            (Revoked::Token([1; 16]), None, true),
            (Revoked::Token([2; 16]), None, true),
            (Revoked::Token([3; 16]), None, true),
            (Revoked::Token([4; 16]), None, false),
            (
                Revoked::AccessKey("AKIAEXAMPLEANA000001".to_owned()),
                None,
                true,
            ),
            (
                Revoked::AccessKey("ASIAAAAAAAAAAAAAAAAA".to_owned()),
                None,
                true,
            ),
            (
                Revoked::AccessKey("ASIABBBBBBBBBBBBBBBB".to_owned()),
                None,
                true,
            ),
            (
                Revoked::AccessKey(session.access_key_id.clone()),
                None,
                true,
            ),
            (
                Revoked::AccessKey("AKIAEXAMPLEBEN000001".to_owned()),
                None,
                false,
            ),
            (Revoked::Session(sts("a/job")), None, true),
            (Revoked::Session(sts("b/job")), Some(at(11)), true),
            (Revoked::Session(sts("b/job")), Some(at(10)), false),
            (Revoked::Session(sts("c/job")), None, true),
            (Revoked::Session(sts("a/other")), None, false),
            (Revoked::Principal(iam("role/a")), Some(at(1)), true),
            (Revoked::Principal(iam("role/a")), Some(at(0)), false),
            (Revoked::Principal(iam("role/c")), Some(at(21)), true),
            (Revoked::Principal(iam("role/c")), Some(at(20)), false),
            // A key's sessions began with the first of them.
            (Revoked::Principal(iam("user/ana")), Some(at(1)), true),
            (Revoked::Principal(iam("user/ana")), Some(at(0)), false),
            (Revoked::Principal(iam("user/ben")), None, false),
            (Revoked::SourceIdentity("ana".to_owned()), None, true),
            (
                Revoked::SourceIdentity("ana".to_owned()),
                Some(at(20)),
                false,
            ),
            (Revoked::SourceIdentity("ben".to_owned()), None, false),
        ];
        for (what, before, expected) in cases {
            let entry = Revocation {
                what,
                before,
                until: None,
            };
            let all = Revocations::compile(std::slice::from_ref(&entry), at(20));
            assert_eq!(all.has(&session), expected, "REV-03: {entry:?}");
        }
        // What is over is forgotten, and of two entries the wider one counts.
        let entry = |before, until| Revocation {
            what: Revoked::Principal(iam("role/c")),
            before,
            until,
        };
        let all = Revocations::compile(&[entry(None, Some(at(20)))], at(20));
        assert!(all.is_empty() && !all.has(&session), "REV-05");
        let both = [entry(Some(at(1)), None), entry(Some(at(21)), None)];
        assert!(Revocations::compile(&both, at(20)).has(&session));
    }

    #[test]
    fn a_million_entries_take_sixteen_bytes_each() {
        let entries: Vec<Revocation> = (0..1_000_000_u128)
            .map(|number| Revocation {
                what: Revoked::Token(number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()),
                before: None,
                until: None,
            })
            .collect();
        let all = Revocations::compile(&entries, at(0));
        assert_eq!(all.len(), 1_000_000);
        assert_eq!(size_of_val(&*all.tokens), 16_000_000, "REV-05");
        assert!(!all.has(&session()));
    }
}
