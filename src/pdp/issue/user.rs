//! Sessions of users: their own, and those that they obtain for somebody outside.

use crate::authn::{Claims, SessionKind};
use crate::engine::Subject;
use crate::model::{Arn, Issuance, Principal, ResourceName, Timestamp};
use crate::pdp::caller::Caller;
use crate::pdp::issue::assume::too_short;
use crate::pdp::issue::fault::IssueFault;
use crate::pdp::issue::packing::SessionPolicies;
use crate::pdp::issue::second_factor::Proof;
use crate::pdp::issue::{Desk, Issued, lineage};
use crate::pdp::outcome::Refusal;

/// What GetSessionToken is asked with.
#[derive(Clone, Debug, Default)]
pub struct SessionToken {
    /// How long it is to live, in seconds.
    pub duration_s: Option<u32>,
    /// A second factor.
    pub proof: Option<Proof>,
    /// The least length of the token, in characters.
    pub min_chars: usize,
}

/// What `GetFederationToken` is asked with.
#[derive(Clone, Debug, Default)]
pub struct FederationToken {
    /// The name of the federated user.
    pub name: String,
    /// How long it is to live, in seconds.
    pub duration_s: Option<u32>,
    /// Its policies.
    pub policies: SessionPolicies,
    /// Its tags.
    pub tags: Vec<(String, String)>,
    /// The least length of the token, in characters.
    pub min_chars: usize,
}

impl Desk<'_> {
    /// GetSessionToken (GST): no permission is asked for, and none denies it.
    ///
    /// # Errors
    ///
    /// [`IssueFault`].
    pub fn session_token(&self, caller: &Caller, ask: &SessionToken) -> Result<Issued, IssueFault> {
        self.keys()?;
        let user = long_term_user(caller, "GetSessionToken")?;
        let mfa_at = match &ask.proof {
            Some(proof) => {
                self.used.accept(self.snapshot, caller, proof, self.now)?;
                Some(Timestamp::from_seconds(self.now.seconds()))
            }
            None => None,
        };
        let life = self.user_life(ask.duration_s)?;
        let claims = Claims {
            unique_id: user.unique_id.clone(),
            mfa_at,
            lineage: lineage(caller),
            ..Claims::new(SessionKind::User, user.account, user.arn.as_str(), life)
        };
        self.issue(claims, ask.min_chars, None)
    }

    /// `GetFederationToken` (GFT).
    ///
    /// # Errors
    ///
    /// [`IssueFault`].
    pub fn federation_token(
        &self,
        caller: &Caller,
        ask: &FederationToken,
    ) -> Result<Issued, IssueFault> {
        self.keys()?;
        let user = long_term_user(caller, "GetFederationToken")?;
        let resource = format!("federated-user/{}", ask.name);
        let arn = Arn::of_identity(user.arn.partition(), "sts", user.account, &resource);
        let arn = arn.map_err(|_| Refusal::Internal)?;
        let mut context = self.context(caller);
        super::set_tags(&mut context, &ask.tags);
        let mut actions = vec!["sts:GetFederationToken"];
        if !ask.tags.is_empty() {
            actions.push("sts:TagSession");
        }
        for action in actions {
            let resource = ResourceName::Arn(arn.clone());
            self.decide(caller, action, resource, context.clone())?;
        }
        let life = self.user_life(ask.duration_s)?;
        let tags = ask.tags.clone();
        let packed = ask
            .policies
            .pack(self.snapshot, user.account, tags, Vec::new())?;
        let claims = Claims {
            unique_id: user.unique_id.clone(),
            lineage: lineage(caller),
            packed: packed.0,
            ..Claims::new(SessionKind::Federated, user.account, arn.as_str(), life)
        };
        let issued = self.issue(claims, ask.min_chars, packed.1)?;
        Ok(Issued {
            session_id: Some(format!("{}:{}", user.account, ask.name)),
            session_arn: Some(arn.as_str().to_owned()),
            ..issued
        })
    }

    fn user_life(&self, asked_s: Option<u32>) -> Result<(Timestamp, Timestamp), IssueFault> {
        let duration_s = Issuance::Token { root: false }.duration_s(asked_s);
        let duration_s = duration_s.map_err(|refused| {
            IssueFault::Validation(if refused.asked_s < refused.min_s {
                too_short(refused.asked_s)
            } else {
                format!(
                    "1 validation error detected: Value '{}' at 'durationSeconds' failed to satisfy constraint: Member must have value less than or equal to {}",
                    refused.asked_s, refused.max_s
                )
            })
        })?;
        let start = self.now.seconds();
        let end = start + i64::from(duration_s);
        Ok((Timestamp::from_seconds(start), Timestamp::from_seconds(end)))
    }
}

/// The user whose own long-term key signed the call.
fn long_term_user<'c>(caller: &'c Caller, action: &str) -> Result<&'c Subject, IssueFault> {
    let refused = || IssueFault::Denied(format!("Cannot call {action} with session credentials"));
    match (&caller.principal, &caller.token, &caller.subject) {
        (Principal::User { .. }, None, Some(user)) => Ok(user),
        _ => Err(refused()),
    }
}
