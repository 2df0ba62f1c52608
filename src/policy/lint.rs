//! What a careful reader says of policies that are well-formed: doubts, never errors.
//!
//! | rule | what is doubtful |
//! |---|---|
//! | `ACT-4` | `Allow` with `NotAction`: every other action of every service |
//! | `ACT-5` | actions that can never be done to the resources of the statement |
//! | `ACT-7` | an action that its service does not have |
//! | `EV-35` | a service is let in whoever it works for |
//! | `K8S-05` | a pattern of service accounts that reaches other namespaces |
//! | `LIM-3` | a document or a list of attachments that AWS would not store |
//! | `LNT-1` | everyone is let in, without a condition |
//! | `LNT-2` | any role may be passed or assumed |
//! | `LNT-3` | conditions that contradict each other |
//! | `LNT-4` | a statement that another one makes superfluous |
//! | `LNT-5` | a resource that no type of its service has |
//! | `LNT-6` | a record that takes a resource out of the policy of a wider one |
//! | `PRI-10` | a principal of another partition |
//! | `VAR-10` | a variable that most callers do not have, where it cannot be told |

mod records;
mod services;
mod size;
mod statements;

use crate::policy::bundle::Bundle;
use crate::policy::{Diagnostic, Policy};
use services::Actions;

/// Reads every document of a bundle.
pub(super) fn check(bundle: &Bundle, diagnostics: &mut Vec<Diagnostic>) {
    let actions = Actions::of(&bundle.services);
    for policy in documents(bundle) {
        statements::check(policy, diagnostics);
        actions.check(policy, diagnostics);
    }
    for record in &bundle.resources {
        if let Some(policy) = &record.policy {
            statements::check_partition(record, policy, diagnostics);
        }
    }
    records::check(&bundle.resources, diagnostics);
    size::check(bundle, diagnostics);
}

/// Every document once, in whatever it stands.
fn documents(bundle: &Bundle) -> impl Iterator<Item = &Policy> {
    let directory = &bundle.directory;
    let identities = directory
        .users
        .iter()
        .map(|user| &user.identity)
        .chain(directory.groups.iter().map(|group| &group.identity))
        .chain(directory.roles.iter().map(|role| &role.identity));
    let inline = identities.flat_map(|identity| identity.inline.iter().map(|(_, policy)| policy));
    // What the vendor publishes is not the user's to mend.
    let managed = directory
        .policies
        .iter()
        .filter(|policy| policy.account.is_some())
        .map(|policy| &policy.policy);
    let trust = directory.roles.iter().map(|role| &role.trust);
    let records = bundle.resources.iter();
    let of_resources = records.clone().filter_map(|record| record.policy.as_ref());
    let of_endpoints = records
        .filter_map(|record| record.endpoint.as_ref())
        .filter_map(|endpoint| endpoint.policy.as_ref());
    inline
        .chain(managed)
        .chain(trust)
        .chain(of_resources)
        .chain(of_endpoints)
        .map(AsRef::as_ref)
}
