//! What the decision point answers.

use crate::authn::Failure;
use crate::clock::Stopwatch;
use crate::engine::{Layers, View};
use crate::model::{
    AccountId, Action, Context, Decision, EvaluationFault, Grant, HttpCall, Layer, Reason, Request,
    ResourceName, StatementRef,
};
use crate::pdp::caller::Caller;
use crate::pdp::dialect::Dialect;
use crate::snapshot::Revision;
use crate::telemetry::Timing;
use std::sync::Arc;

/// A verdict, and what it is about.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Whether the request may pass.
    pub verdict: Verdict,
    /// Who asked for what, as far as that was found out.
    pub subjects: Subjects,
    /// How a denial is written.
    pub dialect: Dialect,
    /// When the first stage began, and how long each took.
    pub timing: Option<(Stopwatch, Timing)>,
}

/// Whether a request may pass.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It may.
    Allow(Permit),
    /// It may not.
    Refuse(Refusal),
}

/// The proof that the engine allowed. Its field is private, so that nothing else can make one.
#[derive(Clone, Debug)]
pub struct Permit {
    grant: Grant,
    statements: Vec<String>,
}

/// Who asked for what.
#[derive(Clone, Debug, Default)]
pub struct Subjects {
    /// The principal: its ARN, the name of a service, or `anonymous`.
    pub principal: Option<String>,
    /// The account of the principal.
    pub account: Option<AccountId>,
    /// The name of the session.
    pub session: Option<String>,
    /// The action.
    pub action: Option<String>,
    /// The resource.
    pub resource: Option<String>,
    /// The resources of the same call that were judged before it.
    pub others: Vec<String>,
    /// The account that owns the resource.
    pub owner: Option<AccountId>,
    /// What else is known of the caller.
    pub caller: Option<Arc<Caller>>,
    /// What the decision could read, where it is written down: of a refusal always.
    pub context: Option<Box<Context>>,
    /// The snapshot that decided.
    pub revision: Option<Revision>,
}

/// Why a request may not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The policies do not allow it.
    Denied {
        /// `explicit_deny` or `implicit_deny`.
        reason: &'static str,
        /// The layer that decided first.
        layer: Option<Layer>,
        /// Every layer that stands in the way.
        layers: Vec<Layer>,
        /// The statements that deny.
        statements: Vec<String>,
        /// A sentence in the style of AWS (RSN-7).
        message: String,
    },
    /// What was presented proves nobody.
    Unauthenticated {
        /// The kind of fault; one of a closed set.
        label: &'static str,
        /// What a client is told of it.
        failure: Failure,
        /// The region that a signature should have been for.
        region: Option<String>,
        /// Whether it may turn out otherwise, once something was fetched.
        unsettled: bool,
        /// The rule that refuses it.
        rule: &'static str,
        /// A sentence.
        message: String,
    },
    /// No service maps the call.
    Unmapped {
        /// A sentence.
        message: String,
    },
    /// The call cannot be read in one way.
    Malformed {
        /// The kind of fault; one of a closed set.
        label: &'static str,
        /// A sentence.
        message: String,
    },
    /// The request could not be judged.
    Fault {
        /// Why.
        fault: EvaluationFault,
        /// A sentence.
        message: String,
    },
    /// No policies are in force yet.
    NoSnapshot,
    /// Too much is asked at once.
    Overload,
    /// The asker's deadline has passed.
    Deadline,
    /// The evaluation itself failed.
    Internal,
}

impl Outcome {
    /// A refusal about which nothing more is known.
    #[must_use]
    pub fn refused(refusal: Refusal) -> Self {
        Self {
            verdict: Verdict::Refuse(refusal),
            subjects: Subjects::default(),
            dialect: Dialect::default(),
            timing: None,
        }
    }

    /// A refusal of a call that no service was looked up for, in the protocol that it seems to
    /// speak.
    #[must_use]
    pub fn refused_call(refusal: Refusal, call: &HttpCall) -> Self {
        Self {
            dialect: Dialect::of(None, call),
            ..Self::refused(refusal)
        }
    }

    /// The outcome of a decision of the engine.
    pub(super) fn of_decision(
        decision: &Decision,
        layers: &Layers<'_>,
        request: &Request<'_>,
        subjects: Subjects,
    ) -> Self {
        let verdict = match decision {
            Decision::Allow(grant) => {
                let statements = grant.statements.iter().map(|s| name(layers, s)).collect();
                Verdict::Allow(Permit {
                    grant: grant.clone(),
                    statements,
                })
            }
            Decision::Deny(reasons) => Verdict::Refuse(refusal(reasons, layers, request)),
        };
        Self {
            verdict,
            subjects,
            dialect: Dialect::default(),
            timing: None,
        }
    }

    /// Adds what grants another part of the same request.
    pub(super) fn also(&mut self, other: &Permit) {
        if let Verdict::Allow(permit) = &mut self.verdict {
            for statement in &other.statements {
                if !permit.statements.contains(statement) {
                    permit.statements.push(statement.clone());
                }
            }
        }
    }

    /// Every layer that stands in the way.
    pub fn layers(&self) -> impl Iterator<Item = Layer> {
        let layers: &[Layer] = match &self.verdict {
            Verdict::Refuse(Refusal::Denied { layers, .. }) => layers,
            Verdict::Allow(_) | Verdict::Refuse(_) => &[],
        };
        layers.iter().copied()
    }

    /// The value of the metric label `outcome`.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match &self.verdict {
            Verdict::Allow(_) => "allow",
            Verdict::Refuse(refusal) => refusal.label(),
        }
    }

    /// The reason in answers, metrics and logs; one of a closed set.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match &self.verdict {
            Verdict::Allow(_) => "allowed",
            Verdict::Refuse(refusal) => refusal.reason(),
        }
    }
}

impl Permit {
    /// The first layer that grants.
    #[must_use]
    pub fn layer(&self) -> &'static str {
        let grant = &self.grant;
        if grant.identity || grant.root || grant.none_needed {
            "identity"
        } else {
            "resource"
        }
    }

    /// The statements that grant.
    #[must_use]
    pub fn statements(&self) -> &[String] {
        &self.statements
    }
}

impl Subjects {
    pub(super) fn caller(&mut self, caller: &Arc<Caller>) {
        self.principal = Some(caller.principal.display_name().to_owned());
        self.account = caller.principal.account();
        self.session = caller.principal.session_name().map(str::to_owned);
        self.caller = Some(Arc::clone(caller));
    }

    pub(super) fn asked(&mut self, action: &Action, resource: &str) {
        self.action = Some(action.as_str().to_owned());
        self.others
            .extend(self.resource.replace(resource.to_owned()));
    }
}

impl Refusal {
    /// Adds to the sentence of a denial.
    pub(super) fn add(&mut self, text: &str) {
        if let Self::Denied { message, .. } = self {
            message.push_str(text);
        }
    }

    /// The value of the metric label `outcome`.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Denied { .. } | Self::Unmapped { .. } | Self::Malformed { .. } => "deny",
            Self::Unauthenticated { .. } => "unauthenticated",
            Self::Fault { .. }
            | Self::NoSnapshot
            | Self::Overload
            | Self::Deadline
            | Self::Internal => "error",
        }
    }

    /// The reason in answers and logs; one of a closed set.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Denied { reason, .. } => reason,
            Self::Unauthenticated { .. } => "unauthenticated",
            Self::Unmapped { .. } => "unmapped",
            Self::Malformed { label, .. } => label,
            Self::Fault { .. } => "error",
            Self::NoSnapshot => "no_snapshot",
            Self::Overload => "overload",
            Self::Deadline => "deadline",
            Self::Internal => "internal",
        }
    }

    /// The layer that decided first, in words of a closed set; empty when none did.
    #[must_use]
    pub fn layer_label(&self) -> &'static str {
        match self {
            Self::Denied { layer, .. } => layer.map_or("", Layer::label),
            Self::Unauthenticated { .. }
            | Self::Unmapped { .. }
            | Self::Malformed { .. }
            | Self::Fault { .. }
            | Self::NoSnapshot
            | Self::Overload
            | Self::Deadline
            | Self::Internal => "",
        }
    }

    /// The statements that deny.
    #[must_use]
    pub fn statements(&self) -> &[String] {
        match self {
            Self::Denied { statements, .. } => statements,
            Self::Unauthenticated { .. }
            | Self::Unmapped { .. }
            | Self::Malformed { .. }
            | Self::Fault { .. }
            | Self::NoSnapshot
            | Self::Overload
            | Self::Deadline
            | Self::Internal => &[],
        }
    }

    /// A sentence for the caller.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Denied { message, .. }
            | Self::Unauthenticated { message, .. }
            | Self::Malformed { message, .. }
            | Self::Fault { message, .. }
            | Self::Unmapped { message } => message,
            Self::NoSnapshot => "no policies are in force yet",
            Self::Overload => "too many requests at once",
            Self::Deadline => "the deadline has passed",
            Self::Internal => "the request could not be judged",
        }
    }

    /// The HTTP status for the client.
    #[must_use]
    pub const fn http_status(&self) -> u16 {
        match self {
            Self::Denied { .. } | Self::Unmapped { .. } => 403,
            Self::Unauthenticated { failure, .. } => Dialect::RestJson.code(*failure).1,
            Self::Malformed { .. } => 400,
            Self::NoSnapshot | Self::Overload | Self::Deadline => 503,
            Self::Fault { .. } | Self::Internal => 500,
        }
    }

    /// The gRPC code inside `CheckResponse.status`; never zero.
    #[must_use]
    pub const fn grpc_code(&self) -> i32 {
        match self {
            Self::Denied { .. } | Self::Unmapped { .. } => 7,
            Self::Unauthenticated {
                failure: Failure::Unavailable,
                ..
            }
            | Self::NoSnapshot => 14,
            Self::Unauthenticated { .. } => 16,
            Self::Malformed { .. } => 3,
            Self::Overload => 8,
            Self::Deadline => 4,
            Self::Fault { .. } | Self::Internal => 13,
        }
    }
}

fn refusal(reasons: &[Reason], layers: &Layers<'_>, request: &Request<'_>) -> Refusal {
    if let Some(Reason::Fault(EvaluationFault::ContextOverLimit)) = reasons.first() {
        // The caller said too much: no fault of ours, and nothing to try again.
        return Refusal::Malformed {
            label: "context_over_limit",
            message: EvaluationFault::ContextOverLimit.to_string(),
        };
    }
    if let Some(Reason::Fault(fault)) = reasons.first() {
        return Refusal::Fault {
            fault: fault.clone(),
            message: fault.to_string(),
        };
    }
    let Some(primary) = reasons.first() else {
        return Refusal::Internal;
    };
    let mut in_the_way: Vec<Layer> = Vec::new();
    for layer in reasons.iter().filter_map(Reason::layer) {
        if !in_the_way.contains(&layer) {
            in_the_way.push(layer);
        }
    }
    let statements = reasons.iter().filter_map(|reason| match reason {
        Reason::Explicit { statement, .. } => Some(name(layers, statement)),
        Reason::Implicit { .. } | Reason::Fault(_) => None,
    });
    Refusal::Denied {
        reason: primary.label(),
        layer: primary.layer(),
        layers: in_the_way,
        statements: statements.collect(),
        message: message(primary, request),
    }
}

/// RSN-7, ERR-23, ERR-24: the style of AWS, without names of policies.
fn message(primary: &Reason, request: &Request<'_>) -> String {
    let caller = request.principal.display_name();
    let action = request.action;
    let on = match &request.resource.name {
        ResourceName::Wildcard => String::new(),
        ResourceName::Arn(arn) => format!(" on resource: {arn}"),
    };
    let head = format!("User: {caller} is not authorized to perform: {action}{on}");
    match primary {
        Reason::Explicit { statement, .. } => {
            format!(
                "{head} with an explicit deny in {}",
                statement.layer.with_article()
            )
        }
        Reason::Implicit { layer, .. } => {
            format!(
                "{head} because no {} allows the {action} action",
                layer.in_words()
            )
        }
        Reason::Fault(fault) => format!("{head}: {fault}"),
    }
}

/// What a statement is called: its document and its position.
pub(super) fn name(layers: &Layers<'_>, statement: &StatementRef) -> String {
    let at = |view: &View| {
        let document = view.document(statement.document)?;
        Some(Arc::clone(&document.name))
    };
    let level = |levels: Option<&[crate::engine::Level]>| {
        levels?
            .get(usize::from(statement.level?))
            .and_then(|level| at(&level.view))
    };
    let document = match statement.layer {
        Layer::Scp => level(layers.scp),
        Layer::Rcp => level(layers.rcp),
        Layer::Endpoint => layers.endpoint.and_then(at),
        Layer::Resource | Layer::Trust => layers.resource.and_then(at),
        Layer::Identity => layers.identity.and_then(at),
        Layer::Boundary => layers.boundary.and_then(at),
        Layer::Session => layers.session.and_then(at),
        Layer::Partition => None,
    };
    format!(
        "{}.Statement[{}]",
        document.unwrap_or_default(),
        statement.statement
    )
}
