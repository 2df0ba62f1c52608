//! Questions that name principal, action and resource themselves.

use crate::engine::{Explanation, judge};
use crate::model::{
    AccountId, Action, Arn, Context, Credential, Delegation, Request, Resource, ResourceName,
    Timestamp,
};
use crate::pdp::caller::Caller;
use crate::pdp::outcome::{Outcome, Refusal, Subjects, Verdict};
use crate::pdp::{Pdp, authenticate, context, layers_of};
use crate::snapshot::Snapshot;

/// One question of a peer that is trusted to know what it asks about.
#[derive(Clone, Debug)]
pub struct Question {
    /// Who wants to do it.
    pub asker: Asker,
    /// What is to be done, as `prefix:Name`.
    pub action: String,
    /// To what: an ARN, or `*` for an action without resource.
    pub resource: String,
    /// The account that owns the resource, where its ARN does not say.
    pub resource_account: Option<String>,
    /// Condition keys that the peer knows.
    pub context: Vec<(String, Vec<String>)>,
}

/// Who a question is about.
#[derive(Clone, Debug)]
pub enum Asker {
    /// Nobody that is known.
    Anonymous,
    /// A principal by ARN, or a service by name.
    Named(String),
    /// Whoever a bearer token proves.
    Bearer(String),
}

/// A question whose parts were read.
struct Ready {
    caller: Caller,
    action: Action,
    resource: Resource,
    context: Context,
}

impl Pdp {
    /// Answers a question at the time `now`, by the snapshot given.
    #[must_use]
    pub fn answer(snapshot: &Snapshot, question: &Question, now: Timestamp) -> Outcome {
        let mut subjects = Subjects {
            revision: Some(snapshot.revision.clone()),
            ..Subjects::default()
        };
        subjects.action = Some(question.action.clone());
        subjects.resource = Some(question.resource.clone());
        let ready = match read(snapshot, question, now) {
            Ok(ready) => ready,
            Err(refusal) => {
                return Outcome {
                    verdict: Verdict::Refuse(refusal),
                    subjects,
                };
            }
        };
        subjects.caller(&ready.caller);
        let request = ready.request();
        let layers = layers_of(&ready.caller);
        Outcome::of_decision(&judge(&layers, &request), &layers, &request, subjects)
    }
}

/// Explains what every statement says to a question.
///
/// # Errors
///
/// The [`Refusal`] that ends the question before any statement is read.
pub fn explain(
    snapshot: &Snapshot,
    question: &Question,
    now: Timestamp,
) -> Result<Explanation, Refusal> {
    let ready = read(snapshot, question, now)?;
    Ok(crate::engine::explain(
        &layers_of(&ready.caller),
        &ready.request(),
    ))
}

impl Ready {
    fn request(&self) -> Request<'_> {
        Request {
            principal: &self.caller.principal,
            credential: Credential::Ordinary,
            forwarded: false,
            action: &self.action,
            resource: &self.resource,
            context: &self.context,
        }
    }
}

fn read(snapshot: &Snapshot, question: &Question, now: Timestamp) -> Result<Ready, Refusal> {
    let malformed = |label: &'static str, message: String| Refusal::Malformed { label, message };
    let caller = match &question.asker {
        Asker::Anonymous => Caller::anonymous(),
        Asker::Named(text) => authenticate::named(snapshot, text)?,
        Asker::Bearer(token) => authenticate::token_session(snapshot, token, now, |facts| {
            context::set_told_network(facts, &question.context);
        })?,
    };
    let action = Action::parse(&question.action)
        .map_err(|fault| malformed("bad_action", fault.to_string()))?;
    let name = ResourceName::parse(&question.resource)
        .map_err(|fault| malformed("bad_resource", fault.to_string()))?;
    let owner = match &question.resource_account {
        Some(account) => Some(
            AccountId::parse(account)
                .map_err(|fault| malformed("bad_resource_account", fault.to_string()))?,
        ),
        None => name.arn().and_then(Arn::account),
    };
    let context = context::of_question(&caller, &question.context, &name, owner, now)
        .map_err(|fault| malformed("bad_context", fault.to_string()))?;
    let resource = Resource {
        delegation: Delegation::of(&action, &name),
        name,
        owner,
    };
    Ok(Ready {
        caller,
        action,
        resource,
        context,
    })
}
