//! Which principal entries match a caller, and how strongly (PM-1 to PM-8).

use crate::model::{AccountId, FederationIssuer, Principal};
use crate::policy::{Effect, Element, PrincipalEntry};

/// To whom a grant goes (PM-2), from the weakest to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum MatchKind {
    /// To an account, which must still authorise the identity on its own side.
    Delegating,
    /// To the entity behind a session, under its boundary and session policy.
    Limited,
    /// To the caller itself.
    Direct,
}

/// What matching needs to know beside the caller.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller<'a> {
    pub(super) principal: &'a Principal,
    /// Whether a permissions boundary is attached (PM-8).
    pub(super) bounded: bool,
}

impl Caller<'_> {
    /// Whether and how a statement's principal element matches. A statement without one is about
    /// whoever it is attached to.
    ///
    /// Whom an entry means cannot always be told: such an entry matches in a Deny, and in nothing
    /// else (GEN-3).
    pub(super) fn matched_by(
        self,
        effect: Effect,
        element: Option<&Element<PrincipalEntry>>,
    ) -> Option<MatchKind> {
        let Some(element) = element else {
            return Some(MatchKind::Direct);
        };
        if element.negated {
            // `NotPrincipal` stands in Deny statements alone, so the kind has no meaning there.
            return (!self.is_exempt(&element.entries)).then_some(MatchKind::Direct);
        }
        let doubtful = || {
            let in_doubt = |entry| is_doubtful(entry, self.principal);
            let hits = effect == Effect::Deny && element.entries.iter().any(in_doubt);
            hits.then_some(MatchKind::Delegating)
        };
        element
            .entries
            .iter()
            .filter_map(|entry| kind(entry, self.principal))
            .max()
            .or_else(doubtful)
    }

    /// PM-7: exempt only when every identity on the caller's chain is listed.
    fn is_exempt(self, entries: &[PrincipalEntry]) -> bool {
        if self.bounded {
            return false;
        }
        let account = |id: AccountId, partition: &str| {
            entries.iter().any(|entry| is_account(entry, id, partition))
        };
        match self.principal {
            Principal::Anonymous => false,
            Principal::Root {
                account: id, arn, ..
            } => account(*id, arn.partition()),
            Principal::User { arn, account: id } => {
                account(*id, arn.partition())
                    && entries
                        .iter()
                        .any(|e| matches!(e, PrincipalEntry::User(a) if a == arn))
            }
            Principal::RoleSession {
                role,
                session,
                account: id,
                ..
            } => {
                account(*id, role.partition())
                    && entries
                        .iter()
                        .any(|e| matches!(e, PrincipalEntry::Role(a) if a == role))
                    && entries
                        .iter()
                        .any(|e| matches!(e, PrincipalEntry::RoleSession(a) if a == session))
            }
            Principal::FederatedUser {
                arn,
                account: id,
                issuer,
            } => {
                let issuer_listed = match issuer {
                    FederationIssuer::Root => true,
                    FederationIssuer::User(user) => entries
                        .iter()
                        .any(|e| matches!(e, PrincipalEntry::User(a) if a == user)),
                    FederationIssuer::Unknown => false,
                };
                account(*id, arn.partition())
                    && issuer_listed
                    && entries
                        .iter()
                        .any(|e| matches!(e, PrincipalEntry::FederatedUser(a) if a == arn))
            }
            Principal::Service { .. } | Principal::IdentityProvider { .. } => entries
                .iter()
                .any(|entry| kind(entry, self.principal).is_some()),
        }
    }
}

fn is_account(entry: &PrincipalEntry, id: AccountId, partition: &str) -> bool {
    match entry {
        PrincipalEntry::Account {
            partition: written,
            account,
        } => {
            *account == id
                && written
                    .as_deref()
                    .is_none_or(|written| written == partition)
        }
        _ => false,
    }
}

/// Whether nobody can tell if an entry means the caller.
fn is_doubtful(entry: &PrincipalEntry, principal: &Principal) -> bool {
    match (entry, principal) {
        // Which account has a canonical id is known where the bundle says so, and then the entry
        // is that account's.
        (PrincipalEntry::CanonicalUser(_), _) => principal.account().is_some(),
        (
            PrincipalEntry::User(user),
            Principal::FederatedUser {
                account,
                issuer: FederationIssuer::Unknown,
                ..
            },
        ) => user.account() == Some(*account),
        _ => false,
    }
}

/// The table of PM-1.
fn kind(entry: &PrincipalEntry, principal: &Principal) -> Option<MatchKind> {
    use MatchKind::{Delegating, Direct, Limited};
    let when = |matches: bool, kind| matches.then_some(kind);
    match entry {
        PrincipalEntry::Everyone => Some(Direct),
        PrincipalEntry::CanonicalUser(_) | PrincipalEntry::UniqueId(_) => None,
        PrincipalEntry::Account { .. } => {
            let id = principal.account()?;
            let partition = principal.arn()?.partition();
            let strength = if matches!(principal, Principal::Root { .. }) {
                Direct
            } else {
                Delegating
            };
            when(is_account(entry, id, partition), strength)
        }
        PrincipalEntry::User(entry) => match principal {
            Principal::User { arn, .. } => when(arn == entry, Direct),
            Principal::FederatedUser {
                issuer: FederationIssuer::User(arn),
                ..
            } => when(arn == entry, Limited),
            _ => None,
        },
        PrincipalEntry::Role(entry) => match principal {
            // PM-4: compared with the recorded role, never derived from the session's ARN.
            Principal::RoleSession { role, .. } => when(role == entry, Limited),
            _ => None,
        },
        PrincipalEntry::RoleSession(entry) => match principal {
            Principal::RoleSession { session, .. } => when(session == entry, Direct),
            _ => None,
        },
        PrincipalEntry::FederatedUser(entry) => match principal {
            Principal::FederatedUser { arn, .. } => when(arn == entry, Direct),
            _ => None,
        },
        PrincipalEntry::Service(entry) => match principal {
            Principal::Service { name } => when(name == entry, Direct),
            _ => None,
        },
        PrincipalEntry::Federated(entry) => match principal {
            Principal::IdentityProvider { provider, .. } => when(provider == entry, Direct),
            _ => None,
        },
    }
}
