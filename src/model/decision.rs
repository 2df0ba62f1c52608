//! The answer to a request, and why.

use smallvec::SmallVec;

/// The answer to one request.
///
/// There is no default and no conversion from a boolean: an allow holds the grant that it rests on,
/// and only the engine makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The action may be done.
    Allow(Grant),
    /// The action may not be done; the first reason is the primary one (RSN-4, RSN-5).
    Deny(SmallVec<[Reason; 4]>),
}

/// What an allow rests on (RSN-2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a set of five independent facts (RSN-2)"
)]
pub struct Grant {
    /// An identity policy of the caller grants.
    pub identity: bool,
    /// The policy of the resource grants or delegates.
    pub resource: bool,
    /// The access control list of the resource grants.
    pub acl: bool,
    /// The caller is the root user in its own account.
    pub root: bool,
    /// The action needs no permission (EV-6).
    pub none_needed: bool,
    /// The statements that grant, in the order of the layers.
    pub statements: SmallVec<[StatementRef; 8]>,
}

/// A kind of policy that stands between a caller and a resource (EV-5).
///
/// The order is that of reasons (RSN-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// Service control policies of the caller's account.
    Scp,
    /// Resource control policies of the owner's account.
    Rcp,
    /// The policy of the endpoint through which the call came.
    Endpoint,
    /// The policy of the resource.
    Resource,
    /// The trust policy of a role.
    Trust,
    /// The policies of the caller and its groups.
    Identity,
    /// The caller's permissions boundary.
    Boundary,
    /// The policies passed when the caller's session was made.
    Session,
    /// The separation of partitions (ARN-8).
    Partition,
}

/// Where a statement stands: layer, level of the organization tree, document, statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatementRef {
    /// The layer whose document holds it.
    pub layer: Layer,
    /// Position of the organization node from the root, for SCPs and RCPs.
    pub level: Option<u16>,
    /// Position of the document in the layer (or level).
    pub document: u32,
    /// Zero-based position in the document's `Statement` array (RSN-3).
    pub statement: u32,
}

/// One reason for a denial (RSN-2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A statement denies.
    Explicit {
        /// The statement.
        statement: StatementRef,
        /// Whether it matched only because something could not be determined (GEN-3).
        undetermined: bool,
    },
    /// A layer that must allow does not.
    Implicit {
        /// The layer.
        layer: Layer,
        /// Position of the organization node from the root, for SCPs and RCPs.
        level: Option<u16>,
    },
    /// The request could not be judged (GEN-5).
    Fault(EvaluationFault),
}

/// Why a request could not be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationFault {
    /// The context breaks a limit (LIM-5).
    #[error("the context is over a limit")]
    ContextOverLimit,
    /// The account in the ARN contradicts the resource record (ARN-9).
    #[error("the account in the resource's ARN is not the account that owns the resource")]
    OwnerMismatch,
    /// The owner of the resource is not known.
    #[error("the account that owns the resource is not known")]
    OwnerUnknown,
    /// The action is not one concrete action (ACT-7).
    #[error("the action is malformed")]
    MalformedAction,
    /// The resource is neither `*` nor a full ARN (RES-13).
    #[error("the resource is malformed")]
    MalformedResource,
    /// The principal is not in the directory, so its policies are not known.
    #[error("the principal is not known")]
    UnknownPrincipal,
    /// The evaluation itself failed.
    #[error("the evaluation failed")]
    Internal,
}

impl Decision {
    /// Whether the action may be done.
    #[must_use]
    pub fn is_allow(&self) -> bool {
        matches!(self, Self::Allow(_))
    }

    /// A denial because the request could not be judged.
    #[must_use]
    pub fn fault(fault: EvaluationFault) -> Self {
        Self::denial(Reason::Fault(fault))
    }

    /// A denial because one layer does not allow.
    #[must_use]
    pub fn implicit(layer: Layer, level: Option<u16>) -> Self {
        Self::denial(Reason::Implicit { layer, level })
    }

    fn denial(reason: Reason) -> Self {
        let mut reasons = SmallVec::new();
        reasons.push(reason);
        Self::Deny(reasons)
    }

    /// The primary reason of a denial.
    #[must_use]
    pub fn primary(&self) -> Option<&Reason> {
        match self {
            Self::Allow(_) => None,
            Self::Deny(reasons) => reasons.first(),
        }
    }
}

impl Layer {
    /// The name in answers, logs and metrics; one of a closed set.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Scp => "scp",
            Self::Rcp => "rcp",
            Self::Endpoint => "endpoint",
            Self::Resource => "resource",
            Self::Trust => "trust",
            Self::Identity => "identity",
            Self::Boundary => "boundary",
            Self::Session => "session",
            Self::Partition => "partition",
        }
    }

    /// The name in a message to a person, as AWS words it (RSN-7).
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Scp => "service control policy",
            Self::Rcp => "resource control policy",
            Self::Endpoint => "endpoint policy",
            Self::Resource => "resource-based policy",
            Self::Trust => "role trust policy",
            Self::Identity => "identity-based policy",
            Self::Boundary => "permissions boundary",
            Self::Session => "session policy",
            Self::Partition => "partition rule",
        }
    }
}

impl Layer {
    /// The name in a message to a person, with its article.
    #[must_use]
    pub fn with_article(self) -> String {
        let words = self.in_words();
        let article = if words.starts_with(['e', 'i']) {
            "an"
        } else {
            "a"
        };
        format!("{article} {words}")
    }
}

impl Reason {
    /// The layer that the reason speaks of, if it speaks of one.
    #[must_use]
    pub fn layer(&self) -> Option<Layer> {
        match self {
            Self::Explicit { statement, .. } => Some(statement.layer),
            Self::Implicit { layer, .. } => Some(*layer),
            Self::Fault(_) => None,
        }
    }

    /// The kind of reason in answers, logs and metrics; one of a closed set.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Explicit { .. } => "explicit_deny",
            Self::Implicit { .. } => "implicit_deny",
            Self::Fault(_) => "error",
        }
    }
}
