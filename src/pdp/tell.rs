//! What every door does once it has answered: measure the decision, write it down, trace it.

use crate::authn::SignedCall;
use crate::clock::{Clock, Stopwatch};
use crate::model::{Action, ContextValue, Credential, HttpCall, Timestamp, TraceId, TraceParent};
use crate::pdp::{DecisionId, Outcome, Pdp, Refusal, Verdict};
use crate::snapshot::Revision;
use crate::telemetry::decision_log::{Record, SCHEMA};
use crate::telemetry::{Checked, Door, Method};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// The longest text of a caller that is written down, in characters.
const MAX_CHARS: usize = 256;
/// The most resources, and condition keys, of one call that are written down.
const MAX_ITEMS: usize = 100;
/// The longest ARN, action or value of a condition key that is written down, in bytes; what is longer is
/// left out, for half of it would be another.
const MAX_TEXT: usize = 2_048;

/// A decision that was told to its asker.
#[derive(Clone, Copy, Debug)]
pub struct Told<'t> {
    /// Where it was asked.
    pub door: Door,
    /// The id in its answer.
    pub id: &'t DecisionId,
    /// The call that it is about, where it is about one that could be read.
    pub call: Option<&'t HttpCall>,
    /// Started when the call was there.
    pub arrived: Stopwatch,
    /// The time of day.
    pub clock: &'t dyn Clock,
}

impl Pdp {
    /// Measures a decision, writes it down and traces it, as the settings say. Whatever fails in that, the
    /// answer stands.
    pub fn tell(&self, told: &Told<'_>, outcome: &Outcome) {
        if catch_unwind(AssertUnwindSafe(|| self.tell_all(told, outcome))).is_err() {
            tracing::error!(
                decision_id = told.id.as_str(),
                "a decision could not be told of"
            );
        }
    }

    fn tell_all(&self, told: &Told<'_>, outcome: &Outcome) {
        let took = told.arrived.elapsed();
        let parent = || TraceParent::of(&told.call?.headers);
        let traced = self.tracer.as_ref().and_then(|tracer| {
            let span = tracer.begin(parent())?;
            Some((tracer, span))
        });
        let trace = || -> Option<TraceId> {
            traced.map(|(_, (trace, _))| trace).or_else(|| {
                let sampled = parent().filter(|parent| parent.is_sampled);
                sampled.map(|parent| parent.trace)
            })
        };
        let (label, reason) = (outcome.label(), outcome.reason());
        self.metrics
            .decided(told.door, label, reason, took.as_secs_f64(), trace);
        let is_refused = matches!(outcome.verdict, Verdict::Refuse(_));
        if let Some(log) = &self.log
            && (is_refused || outcome.subjects.context.is_some())
        {
            let mut record = record(told, outcome, took);
            if let Some((_, (trace, span))) = traced {
                record.trace_id = Some(trace.to_string());
                record.span_id = Some(span.to_string());
            }
            log.write(record);
        }
        if let Some((tracer, (trace, span))) = traced {
            let (before, timing) = match outcome.timing {
                Some((begun, timing)) => (begun.since(told.arrived), timing),
                None => Default::default(),
            };
            tracer.send(Checked {
                trace,
                span,
                parent: parent().map(|parent| parent.span),
                begun: told.clock.since_epoch().saturating_sub(took),
                took,
                before,
                timing,
                attributes: attributes(told, outcome),
                is_error: label == "error",
            });
        }
    }

    /// Writes down what is no decision of the engine alone, such as the issuing of a session.
    pub fn write_down(&self, record: Record) {
        if let Some(log) = &self.log {
            log.write(record);
        }
    }

    /// Whether the next allow is written down.
    #[must_use]
    pub fn keeps_allow(&self) -> bool {
        self.log.as_ref().is_some_and(|log| log.keeps_allow())
    }

    /// Counts how a caller was authenticated. What may turn out otherwise is counted when it has.
    pub(super) fn count(&self, method: Method, refused: Option<&Refusal>) {
        match refused {
            None => self.metrics.authenticated(method, None),
            Some(Refusal::Unauthenticated {
                rule,
                unsettled: false,
                ..
            }) => self.metrics.authenticated(method, Some(rule)),
            Some(_) => {}
        }
    }
}

/// What a span says: words of closed sets, and names that the bundle gave.
fn attributes(told: &Told<'_>, outcome: &Outcome) -> Vec<(&'static str, String)> {
    let subjects = &outcome.subjects;
    let mut attributes = vec![
        ("sidegate.door", told.door.label().to_owned()),
        ("sidegate.decision_id", told.id.to_string()),
        ("sidegate.outcome", outcome.label().to_owned()),
        ("sidegate.reason", outcome.reason().to_owned()),
    ];
    let revision = subjects.revision.as_ref().map(Revision::as_str);
    // A peer may have said anything; what is no action is not told.
    let action = subjects.action.as_deref();
    let action = action.filter(|action| Action::parse(action).is_ok());
    for (name, value) in [("sidegate.action", action), ("sidegate.revision", revision)] {
        attributes.extend(value.map(|value| (name, value.to_owned())));
    }
    if let Verdict::Refuse(Refusal::Unauthenticated { rule, .. }) = &outcome.verdict {
        attributes.push(("sidegate.rule", (*rule).to_owned()));
    }
    attributes
}

impl Told<'_> {
    /// The beginning of a record: which decision it is, when, where, how it ended, and the call. Outcome
    /// and reason are of closed sets.
    #[must_use]
    pub fn record(&self, outcome: &'static str, reason: &'static str, took: Duration) -> Record {
        let mut record = Record {
            schema: SCHEMA.to_owned(),
            time: time(self.clock.since_epoch()),
            id: self.id.to_string(),
            door: self.door.label().to_owned(),
            outcome: outcome.to_owned(),
            reason: reason.to_owned(),
            latency_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            ..Record::default()
        };
        if let Some(call) = self.call {
            of_call(&mut record, call);
            if let Some(parent) = TraceParent::of(&call.headers) {
                record.trace_id = Some(parent.trace.to_string());
                record.span_id = Some(parent.span.to_string());
            }
        }
        record
    }
}

fn record(told: &Told<'_>, outcome: &Outcome, took: Duration) -> Record {
    let subjects = &outcome.subjects;
    let caller = subjects.caller.as_deref();
    let begun = told.record(outcome.label(), outcome.reason(), took);
    let proven = caller.and_then(|caller| caller.access_key_id.clone());
    let mut record = Record {
        principal: subjects.principal.clone(),
        account: subjects.account.map(|account| account.to_string()),
        session: subjects.session.clone(),
        source_identity: caller.and_then(|caller| caller.source_identity.clone()),
        authentication: caller
            .and_then(|caller| caller.authentication.label())
            .map(str::to_owned),
        access_key: proven.or_else(|| begun.access_key.clone()),
        has_session_policies: caller.is_some_and(|caller| caller.session_policies.is_some()),
        credential: caller.and_then(|caller| match caller.credential {
            Credential::Ordinary => None,
            Credential::SessionToken { .. } => Some("sessionToken".to_owned()),
        }),
        action: subjects.action.clone(),
        resource_account: subjects.owner.map(|owner| owner.to_string()),
        revision: subjects.revision.as_ref().map(ToString::to_string),
        ..begun
    };
    if let Some(action) = &mut record.action
        && action.len() > MAX_TEXT
    {
        *action = action.chars().take(MAX_CHARS).collect();
        record.left_out += 1;
    }
    for resource in subjects.others.iter().chain(&subjects.resource) {
        if record.resources.len() < MAX_ITEMS && resource.len() <= MAX_TEXT {
            record.resources.push(resource.clone());
        } else {
            record.left_out += 1;
        }
    }
    match &outcome.verdict {
        Verdict::Allow(permit) => {
            record.layer = Some(permit.layer().to_owned());
            record.statements = permit.statements().to_vec();
        }
        Verdict::Refuse(refusal) => {
            let layer = Some(refusal.layer_label()).filter(|layer| !layer.is_empty());
            record.layer = layer.map(str::to_owned);
            record.statements = refusal.statements().to_vec();
            // Sealed reasons are for whoever may open them, and as long as a page.
            let message = refusal.message();
            let message = message.split(" Encoded authorization").next();
            record.message = message.map(|text| text.chars().take(1_024).collect());
            if let Refusal::Unauthenticated { label, rule, .. } = refusal {
                record.rule = Some((*rule).to_owned());
                record.cause = Some((*label).to_owned());
            }
        }
    }
    if let Some(context) = &subjects.context {
        for (key, value) in context.iter() {
            let key = key.as_str().to_owned();
            match value {
                ContextValue::Values(values) => {
                    let bytes: usize = values.iter().map(compact_str::CompactString::len).sum();
                    if record.context.len() < MAX_ITEMS && key.len() + bytes <= MAX_TEXT {
                        let values = values.iter().map(ToString::to_string).collect();
                        record.context.insert(key, values);
                    } else {
                        record.left_out += 1;
                    }
                }
                ContextValue::Unknown => record.unknown.push(key),
            }
        }
        let families = context.unknown_families().map(str::to_owned);
        record.unknown.extend(families);
    }
    record
}

/// What a call says of itself, much of which nobody vouches for.
fn of_call(record: &mut Record, call: &HttpCall) {
    let cut = |text: &str| -> String { text.chars().take(MAX_CHARS).collect() };
    let (path, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
    record.method = Some(cut(&call.method));
    // What stands before an `@` is a name and a password.
    let host = call.authority.rsplit('@').next().unwrap_or_default();
    record.host = Some(cut(host));
    record.path = Some(cut(path));
    record.source_ip = call.peer.ip.map(|ip| ip.to_string());
    let header = |name: &str| call.headers.joined(name).ok().flatten().map(cut);
    record.user_agent = header("user-agent");
    record.request_id = header("x-request-id");
    let signed = SignedCall::of_header(call).or_else(|_| SignedCall::of_query(query));
    record.access_key = signed.ok().map(|signed| cut(signed.access_key_id()));
}

/// RFC 3339, with microseconds.
fn time(since_epoch: Duration) -> String {
    let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
    let whole = Timestamp::from_seconds(seconds).to_iso();
    let whole = whole.trim_end_matches('Z');
    format!("{whole}.{:06}Z", since_epoch.subsec_micros())
}
