//! What every door says in the same words: identity headers and the body of a denial.

use crate::model::HttpCall;
use crate::pdp::Outcome;
use smallvec::SmallVec;
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
    ACCOUNT_HEADER,
    DECISION_HEADER,
    PRINCIPAL_HEADER,
    "x-sidegate-request-id",
    SESSION_HEADER,
];

/// The same in the other spelling that upstreams fold.
const OWNED_OTHERWISE: [&str; 5] = [
    "x_sidegate_account",
    "x_sidegate_decision_id",
    "x_sidegate_principal",
    "x_sidegate_request_id",
    "x_sidegate_session",
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
    let start = name.as_bytes().get(..OWNED_PREFIX.len());
    start.is_some_and(|start| {
        let folded = start.iter().map(|byte| match byte {
            b'_' => b'-',
            byte => byte.to_ascii_lowercase(),
        });
        folded.eq(OWNED_PREFIX.bytes())
    })
}

const OWNED_PREFIX: &str = "x-sidegate-";

/// Header fields by name and value.
pub type HeaderFields<'o> = SmallVec<[(&'static str, &'o str); 4]>;

/// The identity headers of an allow, each with its value. `None` when a value cannot stand in a
/// header, which must not pass unnamed.
#[must_use]
pub fn identity_headers<'o>(outcome: &'o Outcome, id: &'o DecisionId) -> Option<HeaderFields<'o>> {
    let mut headers = HeaderFields::new();
    headers.push((DECISION_HEADER, id.as_str()));
    // An anonymous caller has no principal header at all: an upstream that looks for one must not
    // find any.
    let subjects = &outcome.subjects;
    if let Some(account) = &subjects.account {
        headers.push((ACCOUNT_HEADER, account.as_str()));
        headers.extend(
            subjects
                .principal
                .as_deref()
                .map(|arn| (PRINCIPAL_HEADER, arn)),
        );
        headers.extend(
            subjects
                .session
                .as_deref()
                .map(|name| (SESSION_HEADER, name)),
        );
    }
    headers
        .iter()
        .all(|(_, value)| is_visible(value))
        .then_some(headers)
}

/// Whether a text can stand in a header.
pub(super) fn is_visible(text: &str) -> bool {
    // Without a branch on each byte a processor looks at many in one step.
    text.bytes()
        .fold(true, |all, byte| all & matches!(byte, 0x20..=0x7e))
}

/// Names of header fields; there is room for all of our own.
pub(crate) type Names<'c> = SmallVec<[&'c str; 12]>;

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
pub fn headers_to_remove<'c>(
    set: &[(&'static str, &str)],
    call: Option<&'c HttpCall>,
    forwarding: Forwarding,
) -> Names<'c> {
    let of_client = call
        .into_iter()
        .flat_map(|call| call.headers.iter().map(|(name, _)| name));
    let credentials: &[&str] = match forwarding {
        Forwarding::Strip => &["authorization", "x-amz-security-token"],
        Forwarding::Keep => &[],
    };
    // Where the PEP does not show every header, the other spelling may be there unseen. All of them
    // are in order.
    let mut remove = Names::new();
    // HDR-02: removal happens last, so a name that is set must not be removed as well.
    let is_set = |name: &str| set.iter().any(|(set, _)| *set == name);
    remove.extend_from_slice(credentials);
    remove.extend(OWNED_HEADERS.into_iter().filter(|name| !is_set(name)));
    remove.extend_from_slice(&OWNED_OTHERWISE);
    let before = remove.len();
    remove.extend(of_client.filter(|name| is_owned(name) && !is_set(name)));
    if remove.len() > before {
        remove.sort_unstable();
        remove.dedup();
    }
    remove
}
