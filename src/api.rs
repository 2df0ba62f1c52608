//! The door for everybody else: `sidegate.v1.Authorization`.
//!
//! Floor 5. Reads a question, asks the [`pdp`](crate::pdp), writes the answer; decides nothing.
//!
//! # Invariants
//!
//! - A response says `ALLOW` only for a [`Permit`](crate::pdp::Permit); an enumeration that was not
//!   set reads as no decision at all.
//! - Answers of a batch stand in the order of the questions, and one snapshot gives all of them.

use crate::clock::{Clock, Stopwatch};
use crate::engine::{StatementReport, Truth};
use crate::model::Timestamp;
use crate::pdp::{
    Asker, Closed, DecisionId, Explained, Outcome, Pair, Pdp, Question, Refusal, Told, Verdict,
};
use crate::proto::sidegate::v1::authorization_server::Authorization;
use crate::proto::sidegate::v1::{self as proto, ExplainResponse};
use crate::proto::sidegate::v1::{
    BatchIsAuthorizedRequest, BatchIsAuthorizedResponse, Decision, IsAuthorizedRequest,
    IsAuthorizedResponse, StringList, is_authorized_request,
};
use crate::snapshot::Snapshot;
use crate::telemetry::{Door, Metrics};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tonic::{Request, Response, Status};

/// The most questions of one batch.
pub const MAX_BATCH: usize = 1_000;

/// The largest message that is read: a whole batch with tokens fits.
pub const MAX_MESSAGE: usize = 16 << 20;

/// The service that answers questions.
#[derive(Clone, Debug)]
pub struct AuthorizationService {
    pdp: Pdp,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

impl AuthorizationService {
    /// A service that asks `pdp`.
    #[must_use]
    pub fn new(pdp: Pdp, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        Self {
            pdp,
            clock,
            metrics,
        }
    }

    /// Answers one question by one snapshot.
    fn answer(
        &self,
        snapshot: Option<&Snapshot>,
        request: IsAuthorizedRequest,
        now: Timestamp,
    ) -> IsAuthorizedResponse {
        let stopwatch = Stopwatch::start();
        let id = DecisionId::random();
        // A panic must become a denial, whatever it was that failed.
        let outcome = catch_unwind(AssertUnwindSafe(|| match snapshot {
            Some(snapshot) => Pdp::answer(snapshot, &question(request), now),
            None => Outcome::refused(Refusal::NoSnapshot),
        }));
        let mut outcome = outcome.unwrap_or_else(|_| Outcome::refused(Refusal::Internal));
        let response = response(&outcome, &id);
        if matches!(outcome.verdict, Verdict::Allow(_)) && !self.pdp.keeps_allow() {
            outcome.subjects.context = None;
        }
        let told = Told {
            door: Door::Api,
            id: &id,
            call: None,
            arrived: stopwatch,
            clock: &*self.clock,
        };
        self.pdp.tell(&told, &outcome);
        response
    }

    /// Waits for what a token needs that is not at hand.
    async fn settle(&self, request: &IsAuthorizedRequest) {
        let Some(is_authorized_request::Caller::BearerToken(token)) = &request.caller else {
            return;
        };
        if let Some(unsettled) = self.pdp.unsettled_token(token, self.clock.now()) {
            unsettled.settle(LONGEST).await;
        }
    }
}

/// The longest that an answer waits for what is not at hand: keys of an issuer, or a review.
const LONGEST: Duration = Duration::from_secs(1);

#[tonic::async_trait]
impl Authorization for AuthorizationService {
    async fn is_authorized(
        &self,
        request: Request<IsAuthorizedRequest>,
    ) -> Result<Response<IsAuthorizedResponse>, Status> {
        let _in_flight = self.metrics.enter(Door::Api);
        let request = request.into_inner();
        self.settle(&request).await;
        let snapshot = self.pdp.snapshot();
        let answer = self.answer(snapshot.as_deref(), request, self.clock.now());
        Ok(Response::new(answer))
    }

    async fn batch_is_authorized(
        &self,
        request: Request<BatchIsAuthorizedRequest>,
    ) -> Result<Response<BatchIsAuthorizedResponse>, Status> {
        let _in_flight = self.metrics.enter(Door::Api);
        let BatchIsAuthorizedRequest { requests } = request.into_inner();
        if requests.len() > MAX_BATCH {
            let message = format!("{} questions, and {MAX_BATCH} is the most", requests.len());
            return Err(Status::invalid_argument(message));
        }
        let stopwatch = Stopwatch::start();
        for request in &requests {
            if stopwatch.elapsed() >= LONGEST {
                break;
            }
            self.settle(request).await;
        }
        let snapshot = self.pdp.snapshot();
        let now = self.clock.now();
        let mut responses = Vec::with_capacity(requests.len());
        for (index, request) in requests.into_iter().enumerate() {
            responses.push(self.answer(snapshot.as_deref(), request, now));
            // A long batch must not keep other calls of its thread waiting.
            if index % 64 == 63 {
                tokio::task::yield_now().await;
            }
        }
        Ok(Response::new(BatchIsAuthorizedResponse { responses }))
    }

    async fn explain(
        &self,
        request: Request<IsAuthorizedRequest>,
    ) -> Result<Response<ExplainResponse>, Status> {
        let _in_flight = self.metrics.enter(Door::Api);
        let request = request.into_inner();
        self.settle(&request).await;
        let snapshot = self.pdp.snapshot();
        let now = self.clock.now();
        let answer = self.answer(snapshot.as_deref(), request.clone(), now);
        let explained = match snapshot {
            Some(snapshot) => Pdp::explain(&snapshot, &question(request), now).unwrap_or_default(),
            None => Vec::new(),
        };
        Ok(Response::new(ExplainResponse {
            answer: Some(answer),
            explanations: explained.iter().map(explanation).collect(),
            text: explained.iter().map(ToString::to_string).collect(),
        }))
    }
}

fn question(request: IsAuthorizedRequest) -> Question {
    let IsAuthorizedRequest {
        caller,
        action,
        resource,
        resource_account,
        context,
        also,
        called_via,
    } = request;
    let mut known = Vec::new();
    let mut not_known = Vec::new();
    for (key, StringList { values, unknown }) in context {
        if unknown {
            not_known.push(key);
        } else {
            known.push((key, values));
        }
    }
    Question {
        asker: match caller {
            None => Asker::Anonymous,
            Some(is_authorized_request::Caller::Principal(text)) => Asker::Named(text),
            Some(is_authorized_request::Caller::BearerToken(token)) => Asker::Bearer(token),
        },
        pair: pair(proto::Pair {
            action,
            resource,
            resource_account,
        }),
        also: also.into_iter().map(pair).collect(),
        context: known,
        unknown: not_known,
        called_via,
        closed: Closed::Open,
    }
}

fn pair(pair: proto::Pair) -> Pair {
    let proto::Pair {
        action,
        resource,
        resource_account,
    } = pair;
    Pair {
        action,
        resource,
        resource_account: (!resource_account.is_empty()).then_some(resource_account),
    }
}

/// What a verdict says, in the words of a response.
struct Said<'o> {
    decision: Decision,
    reason: &'static str,
    layer: &'static str,
    statements: &'o [String],
    message: &'o str,
}

fn said(verdict: &Verdict) -> Said<'_> {
    match verdict {
        Verdict::Allow(permit) => Said {
            decision: Decision::Allow,
            reason: "allowed",
            layer: permit.layer(),
            statements: permit.statements(),
            message: "",
        },
        Verdict::Refuse(refusal) => Said {
            decision: Decision::Deny,
            reason: refusal.reason(),
            layer: refusal.layer_label(),
            statements: refusal.statements(),
            message: refusal.message(),
        },
    }
}

fn response(outcome: &Outcome, id: &DecisionId) -> IsAuthorizedResponse {
    let Said {
        decision,
        reason,
        layer,
        statements,
        message,
    } = said(&outcome.verdict);
    let revision = outcome.subjects.revision.as_ref();
    IsAuthorizedResponse {
        decision: decision.into(),
        reason: reason.to_owned(),
        layer: layer.to_owned(),
        statements: statements.to_vec(),
        message: message.to_owned(),
        decision_id: id.as_str().to_owned(),
        revision: revision.map(ToString::to_string).unwrap_or_default(),
    }
}

fn explanation(explained: &Explained) -> proto::Explanation {
    let Said {
        decision, reason, ..
    } = said(&explained.outcome.verdict);
    let Pair {
        action,
        resource,
        resource_account,
    } = explained.pair.clone();
    proto::Explanation {
        pair: Some(proto::Pair {
            action,
            resource,
            resource_account: resource_account.unwrap_or_default(),
        }),
        decision: decision.into(),
        reason: reason.to_owned(),
        layers: explained
            .outcome
            .layers()
            .map(|layer| layer.label().to_owned())
            .collect(),
        statements: explained
            .explanation
            .statements
            .iter()
            .map(statement)
            .collect(),
    }
}

fn statement(report: &StatementReport) -> proto::StatementReport {
    let elements = report.elements.iter().map(|element| proto::TestReport {
        test: element.name.to_owned(),
        result: truth(element.result).into(),
        value: String::new(),
    });
    let conditions = report.conditions.iter().map(|condition| proto::TestReport {
        test: condition.test.clone(),
        result: truth(condition.result).into(),
        value: condition.value.clone(),
    });
    proto::StatementReport {
        layer: report.reference.layer.label().to_owned(),
        level: report.level.as_deref().unwrap_or_default().to_owned(),
        document: report.document.to_string(),
        index: report.reference.statement,
        sid: report.sid.clone().unwrap_or_default(),
        effect: report.effect.label().to_owned(),
        result: truth(report.result).into(),
        elements: elements.collect(),
        conditions: conditions.collect(),
        place: report.place.to_string(),
    }
}

const fn truth(truth: Truth) -> proto::Truth {
    match truth {
        Truth::True => proto::Truth::True,
        Truth::False => proto::Truth::False,
        Truth::Undetermined => proto::Truth::Undetermined,
    }
}
