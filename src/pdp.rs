//! The policy decision point: from a call or a question to an outcome.
//!
//! Floor 4. One function for each kind of asker, without waiting and without a lock: authenticate,
//! map, gather the context, judge. The time comes in as an argument.
//!
//! # Invariants
//!
//! - Credentials that are presented and fail end in a refusal, never in another method.
//! - A [`Permit`] is made here alone, from a decision of the engine that names its grant.
//! - Every road that is not an allow ends in a [`Refusal`].

mod answer;
mod authenticate;
mod caller;
mod context;
mod dialect;
pub mod issue;
mod outcome;
mod question;
mod reason;
mod session;
mod target;
mod tell;
mod unsettled;

pub use answer::{
    ACCOUNT_HEADER, DECISION_HEADER, DecisionId, Forwarding, HeaderFields, PRINCIPAL_HEADER,
    SESSION_HEADER, headers_to_remove, identity_headers,
};
pub use caller::{AuthenticationType, Caller, Signature};
pub use dialect::{Denial, Dialect, JsonVersion, escaped};
pub use outcome::{Outcome, Permit, Refusal, Subjects, Verdict};
pub use question::{Asker, Closed, Explained, Pair, Question};
pub use session::accepts;
pub use tell::Told;
pub use unsettled::Unsettled;

use crate::clock::Stopwatch;
use crate::engine::Layers;
use crate::mapping::{Mapped, MappingError, Target as MappedTarget};
use crate::model::{AccountId, Context, HttpCall, Request, Timestamp};
use crate::policy::ServiceProtocol;
use crate::snapshot::{Snapshot, Store};
use crate::telemetry::decision_log::DecisionLog;
use crate::telemetry::{Metrics, Stage, Timing, Tracer};
use std::sync::Arc;
use target::{Target, ThroughEndpoint};

/// Decides by the current snapshot of a store.
#[derive(Clone, Debug)]
pub struct Pdp {
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    log: Option<Arc<DecisionLog>>,
    tracer: Option<Arc<Tracer>>,
}

impl Pdp {
    /// A decision point on `store`.
    #[must_use]
    pub fn new(store: Arc<Store>, metrics: Arc<Metrics>) -> Self {
        Self {
            store,
            metrics,
            log: None,
            tracer: None,
        }
    }

    /// With somebody who writes decisions down, and somebody who traces them.
    #[must_use]
    pub fn with(self, log: Option<Arc<DecisionLog>>, tracer: Option<Arc<Tracer>>) -> Self {
        Self {
            log,
            tracer,
            ..self
        }
    }

    /// The snapshot that decides now; `None` before the first.
    #[must_use]
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.store.current()
    }

    /// Decides an HTTP call at the time `now`.
    #[must_use]
    pub fn decide(&self, call: &HttpCall, now: Timestamp) -> Outcome {
        let Some(snapshot) = self.store.current() else {
            return Outcome::refused_call(Refusal::NoSnapshot, call);
        };
        let mut subjects = Subjects {
            revision: Some(snapshot.revision.clone()),
            ..Subjects::default()
        };
        let begun = Stopwatch::start();
        let mut timing = Timing::default();
        let judged = self.judge_call(&snapshot, call, now, &mut subjects, (begun, &mut timing));
        let timing = Some((begun, timing));
        match judged {
            Ok(outcome) => Outcome { timing, ..outcome },
            Err(refusal) => {
                let service = snapshot.mapping.service(call);
                let service = service.or_else(|| snapshot.mapping.protocol_service(call));
                Outcome {
                    verdict: Verdict::Refuse(refusal),
                    subjects,
                    dialect: Dialect::of(service, call),
                    timing,
                }
            }
        }
    }

    fn judge_call(
        &self,
        snapshot: &Snapshot,
        call: &HttpCall,
        now: Timestamp,
        subjects: &mut Subjects,
        (mut stopwatch, timing): (Stopwatch, &mut Timing),
    ) -> Result<Outcome, Refusal> {
        let mut over = |stage| {
            let took = stopwatch.lap();
            self.metrics.stage(stage, took.as_secs_f64());
            timing.note(stage, took);
        };
        let (method, caller) = authenticate::call(snapshot, call, now);
        over(Stage::Authenticate);
        self.count(method, caller.as_ref().err());
        let caller = caller?;
        subjects.caller(&caller);
        // Whoever cannot be named to an upstream passes no door (`identity_headers`).
        let names = subjects.principal.iter().chain(&subjects.session);
        if !names.into_iter().all(|name| answer::is_visible(name)) {
            return Err(Refusal::Internal);
        }
        authenticate::check_anonymous(snapshot, &caller, call)?;
        let mapped = snapshot.mapping.resolve(call);
        over(Stage::Map);
        let mapped = mapped.map_err(|fault| unmapped(&fault))?;
        authenticate::check_coverage(&caller, call, &mapped)?;
        let mut context = Some(context::of_call(&caller, call, &mapped, now, snapshot));
        let mut allowed: Option<Outcome> = None;
        let mut first_asked = None;
        let last = mapped.targets.len().saturating_sub(1);
        for (number, target) in mapped.targets.iter().enumerate() {
            subjects.asked(&target.action, target.resource.as_str());
            let context = if number == last {
                context.take()
            } else {
                context.clone()
            };
            let context = context.unwrap_or_default();
            let judged = judge_target(snapshot, &caller, target, &mapped, context, now)?;
            subjects.owner = judged.owner;
            match (&judged.outcome.verdict, &mut allowed) {
                (Verdict::Refuse(refusal), _) => {
                    over(Stage::Decide);
                    subjects.context = self.log.as_ref().map(|_| Box::new(judged.context));
                    return Err(refusal.clone());
                }
                // EV-13: all of it, or nothing; what is told of an allow is told of the first.
                (Verdict::Allow(permit), Some(first)) => first.also(permit),
                (Verdict::Allow(_), None) => {
                    first_asked = (number != last).then(|| subjects.clone());
                    allowed = Some(judged.outcome);
                }
            }
            if number == last && self.keeps_allow() {
                subjects.context = Some(Box::new(judged.context));
            }
        }
        over(Stage::Decide);
        // INVARIANT: a mapped call has a target; without one there is nothing to allow.
        let mut allowed = allowed.ok_or(Refusal::Internal)?;
        allowed.subjects = match first_asked {
            None => std::mem::take(subjects),
            Some(first) => {
                let later = std::mem::take(&mut subjects.others).into_iter().skip(1);
                Subjects {
                    others: later.chain(subjects.resource.take()).collect(),
                    context: subjects.context.take(),
                    ..first
                }
            }
        };
        Ok(allowed)
    }
}

/// What became of one action on one resource.
struct Judged {
    outcome: Outcome,
    /// What it was judged by.
    context: Context,
    /// The account that owns the resource.
    owner: Option<AccountId>,
}

/// Judges one action on one resource of a call.
fn judge_target(
    snapshot: &Snapshot,
    caller: &Caller,
    mapped: &MappedTarget<'_>,
    of_call: &Mapped<'_>,
    mut context: Context,
    now: Timestamp,
) -> Result<Judged, Refusal> {
    let target = Target::look_up(
        snapshot,
        &caller.principal,
        &mapped.action,
        mapped.resource.clone(),
        None,
        mapped.owner,
        mapped.governed,
    )?;
    for (key, value) in &mapped.context {
        context.set_all(key, [(**value).into()]);
    }
    context::set_records(&mut context, snapshot, caller, &target);
    if of_call.service.protocol == ServiceProtocol::S3
        && let Some(owner) = target.resource.owner
    {
        context.set("s3:ResourceAccount", owner.as_str());
    }
    let request = Request {
        principal: &caller.principal,
        credential: caller.credential,
        forwarded: false,
        action: &mapped.action,
        resource: &target.resource,
        context: &context,
    };
    let layers = layers_of(snapshot, caller, &target, &context);
    let decision = snapshot.decisions.judge(&layers, &request, now);
    let mut outcome = Outcome::of_decision(&decision, &layers, &request, Subjects::default());
    if of_call.service.encoded_denials
        && let Verdict::Refuse(refusal) = &mut outcome.verdict
        && let Some(sealed) = reason::seal(snapshot, caller, &request, refusal, now)
    {
        refusal.add(&format!(" Encoded authorization failure message: {sealed}"));
    }
    let owner = target.resource.owner;
    Ok(Judged {
        outcome,
        context,
        owner,
    })
}

/// The policies that stand between a caller and a resource of the bundle.
fn layers_of<'a>(
    snapshot: &'a Snapshot,
    caller: &'a Caller,
    target: &Target<'a>,
    context: &Context,
) -> Layers<'a> {
    let subject = caller.subject.as_deref();
    let place = caller
        .principal
        .account()
        .and_then(|account| snapshot.policies.membership(account));
    let bound = place.filter(|place| !place.is_management);
    Layers {
        scp: bound.and_then(|place| place.scp.as_deref()),
        rcp: target.rcp,
        endpoint: ThroughEndpoint::of(snapshot, context).policy(),
        resource: target.policy.map(AsRef::as_ref),
        identity: subject.map(|subject| &*subject.identity),
        boundary: subject.and_then(|subject| subject.boundary.as_deref()),
        session: caller.session_policies.as_deref(),
        acl: target.acl,
        no_permission_needed: target.no_permission_needed,
    }
}

/// What becomes of a call that is for no service.
fn unmapped_call(fault: Option<MappingError>) -> Refusal {
    unmapped(&fault.unwrap_or(MappingError::Unmapped))
}

fn unmapped(fault: &MappingError) -> Refusal {
    if fault.is_malformed() {
        let cause = std::error::Error::source(fault).map(|cause| format!(": {cause}"));
        Refusal::Malformed {
            label: fault.label(),
            message: format!("{fault}{}", cause.unwrap_or_default()),
        }
    } else {
        Refusal::Unmapped {
            message: match fault {
                MappingError::Unlisted { .. } => fault.to_string(),
                _ => "no service maps this call to an action".to_owned(),
            },
        }
    }
}
