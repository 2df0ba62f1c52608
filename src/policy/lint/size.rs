//! LIM-3: what AWS would not store. A bundle may hold it; it is only not portable (LIM-2).

use crate::policy::bundle::Bundle;
use crate::policy::directory::Identity;
use crate::policy::{Diagnostic, Place, PolicyKind};

/// The most characters of a managed policy, white space aside.
const MANAGED: usize = 6_144;
/// The most characters of all inline policies of a user, a role and a group.
const INLINE: [(&str, usize); 3] = [("user", 2_048), ("role", 10_240), ("group", 5_120)];
/// The most characters of a trust policy without asking AWS.
const TRUST: usize = 2_048;
/// The most characters of a control policy.
const CONTROL: usize = 5_120;
/// The most managed policies of an identity without asking AWS.
const ATTACHED: usize = 10;
/// The most groups of a user.
const GROUPS: usize = 10;

pub(super) fn check(bundle: &Bundle, diagnostics: &mut Vec<Diagnostic>) {
    let mut tell = |place: &Place, what: &str, count: usize, limit: usize| {
        if count > limit {
            let message = format!("{what}: {count}, and AWS stores at most {limit}");
            diagnostics.push(Diagnostic::warning("LIM-3", place.clone(), message));
        }
    };
    let directory = &bundle.directory;
    for policy in directory
        .policies
        .iter()
        .filter(|policy| policy.account.is_some())
    {
        let limit = match policy.policy.kind {
            PolicyKind::ServiceControl | PolicyKind::ResourceControl => CONTROL,
            _ => MANAGED,
        };
        tell(
            &policy.place,
            "characters of the policy",
            policy.policy.characters,
            limit,
        );
    }
    let [users, roles, groups] = INLINE;
    let mut identity = |identity: &Identity, (kind, limit): (&str, usize)| {
        let inline = identity.inline.iter().map(|(_, policy)| policy.characters);
        tell(
            &identity.place,
            "characters of all inline policies",
            inline.sum(),
            limit,
        );
        let what = format!("managed policies of the {kind}");
        tell(&identity.place, &what, identity.attached.len(), ATTACHED);
    };
    for user in &directory.users {
        identity(&user.identity, users);
    }
    for role in &directory.roles {
        identity(&role.identity, roles);
    }
    for group in &directory.groups {
        identity(&group.identity, groups);
    }
    for user in &directory.users {
        tell(
            &user.identity.place,
            "groups of the user",
            user.groups.len(),
            GROUPS,
        );
    }
    for role in &directory.roles {
        let characters = role.trust.characters;
        tell(
            &role.trust.place,
            "characters of the trust policy",
            characters,
            TRUST,
        );
    }
}
