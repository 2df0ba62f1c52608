//! Refusals that may turn out otherwise, once a door has waited for what was not at hand.

use crate::authn::{Bearer, Presented, presented};
use crate::model::{HttpCall, Timestamp};
use crate::pdp::{Outcome, Pdp, Refusal, Verdict};
use crate::snapshot::Snapshot;
use std::sync::Arc;
use std::time::Duration;

/// The longest that a door waits.
const LONGEST: Duration = Duration::from_secs(2);

/// A token that nothing at hand could settle.
#[derive(Debug)]
pub struct Unsettled {
    snapshot: Arc<Snapshot>,
    token: String,
}

impl Pdp {
    /// What a refused call could be decided otherwise by; `None` when nothing would change it.
    #[must_use]
    pub fn unsettled_call(&self, outcome: &Outcome, call: &HttpCall) -> Option<Unsettled> {
        if !may_be_settled(outcome) {
            return None;
        }
        let query = call.target.split_once('?').map(|(_, query)| query);
        match presented(&call.headers, query) {
            Ok(Presented::Bearer(Bearer::WebIdentity(token))) => Some(Unsettled {
                snapshot: self.store.current()?,
                token: token.to_owned(),
            }),
            _ => None,
        }
    }

    /// As [`unsettled_call`](Self::unsettled_call), for a token that a question will hand over.
    #[must_use]
    pub fn unsettled_token(&self, token: &str, now: Timestamp) -> Option<Unsettled> {
        let snapshot = self.store.current()?;
        if !snapshot.tokens.is_unsettled(token, now) {
            return None;
        }
        let token = token.to_owned();
        Some(Unsettled { snapshot, token })
    }
}

impl Unsettled {
    /// Waits until it may be settled, `budget` at the most. The call is then decided anew, once.
    pub async fn settle(self, budget: Duration) {
        if let Some(wait) = self.snapshot.tokens.settle(&self.token) {
            // Whether it came or not, the next decision says.
            let _ = tokio::time::timeout(budget.min(LONGEST), wait).await;
        }
    }
}

fn may_be_settled(outcome: &Outcome) -> bool {
    matches!(
        &outcome.verdict,
        Verdict::Refuse(Refusal::Unauthenticated {
            unsettled: true,
            ..
        })
    )
}
