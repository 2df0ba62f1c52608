//! Session policies that come with a request (PKD-01 to PKD-03).

use crate::authn::Packed;
use crate::model::AccountId;
use crate::pdp::issue::fault::IssueFault;
use crate::policy::{Policy, PolicyKind};
use crate::snapshot::Snapshot;

/// The most characters of a policy and the ARNs beside it.
const MAX_CHARS: usize = 2_048;
/// The most managed policies.
const MAX_ARNS: usize = 10;

/// The session policies of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionPolicies {
    /// The document, as JSON.
    pub inline: Option<String>,
    /// Managed policies, by ARN.
    pub arns: Vec<String>,
}

impl SessionPolicies {
    /// Reads and checks them, for a session of `account`.
    pub(super) fn pack(
        &self,
        snapshot: &Snapshot,
        account: AccountId,
        tags: Vec<(String, String)>,
        transitive: Vec<String>,
    ) -> Result<(Packed, Option<usize>), IssueFault> {
        let chars = self
            .inline
            .as_deref()
            .map_or(0, |text| text.chars().count())
            + self.arns.iter().map(String::len).sum::<usize>();
        if chars > MAX_CHARS || self.arns.len() > MAX_ARNS {
            let message = format!(
                "1 validation error detected: session policies have more than {MAX_CHARS} characters or {MAX_ARNS} ARNs"
            );
            return Err(IssueFault::Validation(message));
        }
        if let Some(text) = &self.inline {
            let read = Policy::parse_json(text, PolicyKind::Identity, snapshot.condition_keys());
            read.map_err(|findings| {
                let first = findings.first();
                let told = first.map(|finding| format!("{}: {}", finding.rule, finding.message));
                IssueFault::MalformedPolicy(told.unwrap_or_default())
            })?;
        }
        for arn in &self.arns {
            if snapshot.policies.managed(account, arn).is_none() {
                let message =
                    format!("The policy {arn} does not exist or cannot be a session policy.");
                return Err(IssueFault::Validation(message));
            }
        }
        let packed = Packed {
            policy: self.inline.clone(),
            policy_arns: self.arns.clone(),
            tags,
            transitive,
        };
        let percent = packed.percent();
        if percent > 100 {
            let what = if packed.has_policies() {
                format!(
                    "Packed policy consumes {percent}% of allotted space, please use smaller policy."
                )
            } else {
                format!("Packed size of session tags consumes {percent}% of allotted space.")
            };
            return Err(IssueFault::PackedTooLarge(what));
        }
        let is_told = !packed.is_empty();
        Ok((packed, is_told.then_some(percent)))
    }
}
