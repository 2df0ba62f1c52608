//! Questions that name principal, action and resource themselves.

use crate::engine::{Explanation, judge};
use crate::model::{AccountId, Action, Context, Request, ResourceName, Timestamp};
use crate::pdp::caller::Caller;
use crate::pdp::dialect::Dialect;
use crate::pdp::outcome::{Outcome, Refusal, Subjects, Verdict};
use crate::pdp::target::Target;
use crate::pdp::{Pdp, authenticate, context, layers_of};
use crate::snapshot::Snapshot;
use std::fmt;
use std::sync::Arc;

/// One question of a peer that is trusted to know what it asks about.
#[derive(Clone, Debug)]
pub struct Question {
    /// Who wants to do it.
    pub asker: Asker,
    /// What is to be done, and to what.
    pub pair: Pair,
    /// What else the same request does: it is allowed only if all of it is (EV-13).
    pub also: Vec<Pair>,
    /// Condition keys that the peer knows.
    pub context: Vec<(String, Vec<String>)>,
    /// Condition keys whose values the peer could not find out (CTX-6).
    pub unknown: Vec<String>,
    /// Services that repeat the caller's request with the caller's authority, in the order of the
    /// calls (CTX-8); none when the caller itself asks.
    pub called_via: Vec<String>,
    /// Whether the context is all there is.
    pub closed: Closed,
}

/// Whether the context of a question is all there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Closed {
    /// No: what follows from the caller, the time and the records of the bundle is added.
    #[default]
    Open,
    /// It is what a decision by the snapshot of this revision could read, as somebody wrote it down.
    /// Nothing is added; to another snapshot, keys that it reads and that are not there are unknown.
    By(String),
}

/// An action and what it is done to.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    /// The action, as `prefix:Name`.
    pub action: String,
    /// An ARN, or `*` for an action without resource.
    pub resource: String,
    /// The account that owns the resource, where its ARN does not say.
    pub resource_account: Option<String>,
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

/// What every statement says to one pair of a question.
#[derive(Debug)]
pub struct Explained {
    /// The pair.
    pub pair: Pair,
    /// How it is decided alone.
    pub outcome: Outcome,
    /// The statements; empty when the pair could not be read.
    pub explanation: Explanation,
}

impl fmt::Display for Explained {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pair {
            action, resource, ..
        } = &self.pair;
        let caller = self.outcome.subjects.principal.as_deref();
        let caller = caller.unwrap_or("anonymous");
        match &self.outcome.verdict {
            Verdict::Allow(permit) => {
                let statements = permit.statements().join(", ");
                writeln!(
                    formatter,
                    "{caller} may {action} on {resource} ({}: {statements})",
                    permit.layer()
                )?;
            }
            Verdict::Refuse(refusal) => writeln!(formatter, "{}", refusal.message())?,
        }
        formatter.write_str(&self.explanation.to_text())
    }
}

impl Question {
    /// A question about one action on one resource, with nothing else known.
    #[must_use]
    pub fn of(asker: Asker, action: &str, resource: &str) -> Self {
        Self {
            asker,
            pair: Pair {
                action: action.to_owned(),
                resource: resource.to_owned(),
                resource_account: None,
            },
            also: Vec::new(),
            context: Vec::new(),
            unknown: Vec::new(),
            called_via: Vec::new(),
            closed: Closed::Open,
        }
    }

    fn pairs(&self) -> impl Iterator<Item = &Pair> {
        std::iter::once(&self.pair).chain(&self.also)
    }
}

/// What one pair is judged by.
struct Ready<'s> {
    action: Action,
    target: Target<'s>,
    context: Context,
}

impl Pdp {
    /// Answers a question at the time `now`, by the snapshot given: by the first pair that is
    /// refused, else by the first.
    #[must_use]
    pub fn answer(snapshot: &Snapshot, question: &Question, now: Timestamp) -> Outcome {
        let caller = match asker(snapshot, question, now) {
            Ok(caller) => caller,
            Err(refusal) => return refused(snapshot, &question.pair, None, refusal),
        };
        let mut first = None;
        for pair in question.pairs() {
            let outcome = decide(snapshot, question, &caller, pair, now);
            if matches!(outcome.verdict, Verdict::Refuse(_)) {
                return outcome;
            }
            first.get_or_insert(outcome);
        }
        let mut first = first.unwrap_or_else(|| Outcome::refused(Refusal::Internal));
        // What is told of an allow is told of the first, and names the others.
        let others = question.also.iter().map(|pair| pair.resource.clone());
        first.subjects.others = others.collect();
        first
    }

    /// Explains what every statement says to each pair of a question.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] that ends the question before any statement is read.
    pub fn explain(
        snapshot: &Snapshot,
        question: &Question,
        now: Timestamp,
    ) -> Result<Vec<Explained>, Refusal> {
        let caller = asker(snapshot, question, now)?;
        let explain = |pair: &Pair| {
            let explanation = match read(snapshot, question, &caller, pair, now) {
                Ok(ready) => {
                    let layers = layers_of(snapshot, &caller, &ready.target, &ready.context);
                    crate::engine::explain(&layers, &ready.request(question, &caller))
                }
                Err(_) => Explanation::default(),
            };
            Explained {
                pair: pair.clone(),
                outcome: decide(snapshot, question, &caller, pair, now),
                explanation,
            }
        };
        Ok(question.pairs().map(explain).collect())
    }
}

fn asker(snapshot: &Snapshot, question: &Question, now: Timestamp) -> Result<Arc<Caller>, Refusal> {
    match &question.asker {
        Asker::Anonymous => Ok(Arc::new(Caller::anonymous())),
        Asker::Named(text) => authenticate::named(snapshot, text).map(Arc::new),
        Asker::Bearer(token) => authenticate::token_session(snapshot, token, now, |facts| {
            context::set_told_network(facts, &question.context);
        }),
    }
}

fn decide(
    snapshot: &Snapshot,
    question: &Question,
    caller: &Arc<Caller>,
    pair: &Pair,
    now: Timestamp,
) -> Outcome {
    let ready = match read(snapshot, question, caller, pair, now) {
        Ok(ready) => ready,
        Err(refusal) => return refused(snapshot, pair, Some(caller), refusal),
    };
    let request = ready.request(question, caller);
    let layers = layers_of(snapshot, caller, &ready.target, &ready.context);
    let mut subjects = subjects(snapshot, pair, Some(caller));
    subjects.owner = ready.target.resource.owner;
    let mut outcome = Outcome::of_decision(&judge(&layers, &request), &layers, &request, subjects);
    outcome.subjects.context = Some(Box::new(ready.context));
    outcome
}

fn refused(
    snapshot: &Snapshot,
    pair: &Pair,
    caller: Option<&Arc<Caller>>,
    refusal: Refusal,
) -> Outcome {
    Outcome {
        verdict: Verdict::Refuse(refusal),
        subjects: subjects(snapshot, pair, caller),
        dialect: Dialect::default(),
        timing: None,
    }
}

fn subjects(snapshot: &Snapshot, pair: &Pair, caller: Option<&Arc<Caller>>) -> Subjects {
    let mut subjects = Subjects {
        revision: Some(snapshot.revision.clone()),
        action: Some(pair.action.clone()),
        resource: Some(pair.resource.clone()),
        ..Subjects::default()
    };
    if let Some(caller) = caller {
        subjects.caller(caller);
    }
    subjects
}

impl Ready<'_> {
    fn request<'r>(&'r self, question: &Question, caller: &'r Caller) -> Request<'r> {
        Request {
            principal: &caller.principal,
            credential: caller.credential,
            forwarded: !question.called_via.is_empty(),
            action: &self.action,
            resource: &self.target.resource,
            context: &self.context,
        }
    }
}

fn read<'s>(
    snapshot: &'s Snapshot,
    question: &Question,
    caller: &Caller,
    pair: &Pair,
    now: Timestamp,
) -> Result<Ready<'s>, Refusal> {
    let malformed = |label: &'static str, message: String| Refusal::Malformed { label, message };
    let action =
        Action::parse(&pair.action).map_err(|fault| malformed("bad_action", fault.to_string()))?;
    let name = ResourceName::parse(&pair.resource)
        .map_err(|fault| malformed("bad_resource", fault.to_string()))?;
    let stated = match &pair.resource_account {
        Some(account) => Some(
            AccountId::parse(account)
                .map_err(|fault| malformed("bad_resource_account", fault.to_string()))?,
        ),
        None => None,
    };
    let mut context = context::of_question(caller, question, now)
        .map_err(|fault| malformed("bad_context", fault.to_string()))?;
    let target = Target::look_up(
        snapshot,
        &caller.principal,
        &action,
        name,
        stated,
        None,
        None,
    )?;
    match &question.closed {
        Closed::Open => context::set_records(&mut context, snapshot, caller, &target),
        Closed::By(revision) if *revision == snapshot.revision.as_str() => {}
        Closed::By(_) => {
            for key in snapshot.policies.reads().iter() {
                if context.get(key).is_none() {
                    context.set_unknown(key.as_str());
                }
            }
        }
    }
    Ok(Ready {
        action,
        target,
        context,
    })
}
