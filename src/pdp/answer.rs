//! What every door says in the same words: identity headers and the body of a denial.

use crate::model::HttpCall;
use crate::pdp::{Outcome, Refusal, Verdict};
use std::fmt;

/// The header that names the principal to the upstream.
pub const PRINCIPAL_HEADER: &str = "x-sidegate-principal";
/// The header that names the principal's account to the upstream.
pub const ACCOUNT_HEADER: &str = "x-sidegate-account";
/// The header that names the session to the upstream.
pub const SESSION_HEADER: &str = "x-sidegate-session";
/// The header that carries the id of the decision, to the upstream or back to the client.
pub const DECISION_HEADER: &str = "x-sidegate-decision-id";

/// Headers that only Sidegate may set: whatever a client sends under these names is removed on
/// every allow (rule 35, HDR-02).
const OWNED_HEADERS: [&str; 5] = [
    PRINCIPAL_HEADER,
    ACCOUNT_HEADER,
    SESSION_HEADER,
    DECISION_HEADER,
    "x-sidegate-request-id",
];

/// The id of one decision: in the answer, the log and the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionId(String);

impl DecisionId {
    /// A new id, by chance.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether a header name, in any spelling that an upstream could fold, is one of ours.
fn is_owned(name: &str) -> bool {
    let folded = name.to_ascii_lowercase().replace('_', "-");
    folded.starts_with("x-sidegate-")
}

/// The identity headers of an allow, each with its value. `None` when a value cannot stand in a
/// header, which must not pass unnamed.
#[must_use]
pub fn identity_headers(outcome: &Outcome, id: &DecisionId) -> Option<Vec<(&'static str, String)>> {
    let mut headers = vec![(DECISION_HEADER, id.as_str().to_owned())];
    // An anonymous caller has no principal header at all: an upstream that looks for one must not
    // find any.
    if let Some(account) = outcome.subjects.account {
        headers.push((ACCOUNT_HEADER, account.to_string()));
        headers.extend(
            outcome
                .subjects
                .principal
                .clone()
                .map(|arn| (PRINCIPAL_HEADER, arn)),
        );
        headers.extend(
            outcome
                .subjects
                .session
                .clone()
                .map(|name| (SESSION_HEADER, name)),
        );
    }
    let visible = |value: &str| value.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    headers
        .iter()
        .all(|(_, value)| visible(value))
        .then_some(headers)
}

/// Whether the credentials of an allowed request go on to the upstream (HDR-03).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Forwarding {
    /// They are removed.
    #[default]
    Strip,
    /// They are left, for an upstream that reads them itself.
    Keep,
}

/// The headers of the client that must not reach the upstream of an allow (rule 35, HDR-02, HDR-03):
/// every one of ours that is not `set`, in any spelling, and the credentials that were judged.
#[must_use]
pub fn headers_to_remove(
    set: &[(&'static str, String)],
    call: Option<&HttpCall>,
    forwarding: Forwarding,
) -> Vec<String> {
    let of_client = call
        .into_iter()
        .flat_map(|call| call.headers.iter().map(|(name, _)| name));
    let mut remove: Vec<String> = OWNED_HEADERS.map(str::to_owned).to_vec();
    // Where the PEP does not show every header, the other spelling may be there unseen.
    remove.extend(OWNED_HEADERS.map(|name| name.replace('-', "_")));
    remove.extend(of_client.filter(|name| is_owned(name)).map(str::to_owned));
    if forwarding == Forwarding::Strip {
        remove.push("authorization".to_owned());
        remove.push("x-amz-security-token".to_owned());
    }
    // HDR-02: removal happens last, so a name that is set must not be removed as well.
    remove.retain(|name| set.iter().all(|(set, _)| set != name));
    remove.sort_unstable();
    remove.dedup();
    remove
}

/// Writes one decision to the log: a refusal at the level `info`, an allow at `debug`.
pub fn log(door: &'static str, outcome: &Outcome, id: &DecisionId) {
    let subjects = &outcome.subjects;
    let (principal, action) = (subjects.principal.as_deref(), subjects.action.as_deref());
    let resource = subjects.resource.as_deref();
    let decision_id = id.as_str();
    match &outcome.verdict {
        Verdict::Allow(permit) => {
            let statements = permit.statements();
            tracing::debug!(
                door,
                decision_id,
                principal,
                action,
                resource,
                ?statements,
                "allowed"
            );
        }
        Verdict::Refuse(refusal) => {
            let (reason, rule) = match refusal {
                Refusal::Unauthenticated { label, rule, .. } => (*label, Some(*rule)),
                refusal => (refusal.reason(), None),
            };
            let (outcome, message) = (outcome.label(), refusal.message());
            let call = subjects.call.as_ref();
            let (method, host) = (call.map(|call| &*call.0), call.map(|call| &*call.1));
            let access_key = call.and_then(|call| call.2.as_deref());
            tracing::info!(
                door,
                decision_id,
                outcome,
                reason,
                rule,
                principal,
                action,
                resource,
                method,
                host,
                access_key,
                message,
                "refused"
            );
        }
    }
}
