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
use crate::model::Timestamp;
use crate::pdp::{Asker, DecisionId, Outcome, Pdp, Question, Refusal, Verdict, log};
use crate::proto::sidegate::v1::authorization_server::Authorization;
use crate::proto::sidegate::v1::{
    BatchIsAuthorizedRequest, BatchIsAuthorizedResponse, Decision, IsAuthorizedRequest,
    IsAuthorizedResponse, StringList, is_authorized_request,
};
use crate::snapshot::Snapshot;
use crate::telemetry::{Door, Metrics};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The most questions of one batch.
pub const MAX_BATCH: usize = 1_000;

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
        let outcome = outcome.unwrap_or_else(|_| Outcome::refused(Refusal::Internal));
        let response = response(&outcome, &id);
        self.metrics.decided(
            Door::Api,
            outcome.label(),
            stopwatch.elapsed().as_secs_f64(),
        );
        log(Door::Api.label(), &outcome, &id);
        response
    }
}

#[tonic::async_trait]
impl Authorization for AuthorizationService {
    async fn is_authorized(
        &self,
        request: Request<IsAuthorizedRequest>,
    ) -> Result<Response<IsAuthorizedResponse>, Status> {
        let _in_flight = self.metrics.enter(Door::Api);
        let snapshot = self.pdp.snapshot();
        let answer = self.answer(snapshot.as_deref(), request.into_inner(), self.clock.now());
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
}

fn question(request: IsAuthorizedRequest) -> Question {
    let IsAuthorizedRequest {
        caller,
        action,
        resource,
        resource_account,
        context,
    } = request;
    Question {
        asker: match caller {
            None => Asker::Anonymous,
            Some(is_authorized_request::Caller::Principal(text)) => Asker::Named(text),
            Some(is_authorized_request::Caller::BearerToken(token)) => Asker::Bearer(token),
        },
        action,
        resource,
        resource_account: (!resource_account.is_empty()).then_some(resource_account),
        context: context
            .into_iter()
            .map(|(key, StringList { values })| (key, values))
            .collect(),
    }
}

fn response(outcome: &Outcome, id: &DecisionId) -> IsAuthorizedResponse {
    let (decision, reason, layer, statements, message) = match &outcome.verdict {
        Verdict::Allow(permit) => (
            Decision::Allow,
            "allowed",
            permit.layer(),
            permit.statements(),
            "",
        ),
        Verdict::Refuse(refusal) => (
            Decision::Deny,
            refusal.reason(),
            refusal.layer_label(),
            refusal.statements(),
            refusal.message(),
        ),
    };
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
