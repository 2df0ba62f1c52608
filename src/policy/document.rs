//! Policy documents: the parsed form, exactly as written.

mod action;
mod condition;
mod parse;
mod principal;
mod resource;

pub use action::ActionPattern;
pub use condition::{Base, Comparison, Condition, ConditionValue, Qualifier};
pub use principal::PrincipalEntry;
pub use resource::ResourcePattern;

use crate::policy::Place;

/// The grammar that a document must keep (TYP-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// Attached to a user, group or role; also a permissions boundary or a session policy.
    Identity,
    /// A service control policy.
    ServiceControl,
    /// A resource control policy.
    ResourceControl,
    /// Attached to a resource.
    Resource,
    /// Who may assume a role.
    Trust,
    /// A gate on an endpoint.
    Endpoint,
}

/// A policy document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Where it begins.
    pub place: Place,
    /// Whose grammar it keeps.
    pub kind: PolicyKind,
    /// Whether it declares 2012-10-17, in which variables exist (DOC-12).
    pub variables: bool,
    /// How long it is without insignificant white space, in characters (LIM-1).
    pub characters: usize,
    /// Its `Id`.
    pub id: Option<String>,
    /// Its statements in the order of the text.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Where it begins.
    pub place: Place,
    /// Its `Sid`, unless absent or empty (DOC-16).
    pub sid: Option<String>,
    /// What it does when it matches.
    pub effect: Effect,
    /// Whom it is about, in the kinds of document that say so.
    pub principal: Option<Element<PrincipalEntry>>,
    /// Which actions it is about.
    pub action: Element<ActionPattern>,
    /// Which resources it is about; absent where the document's own resource is meant.
    pub resource: Option<Element<ResourcePattern>>,
    /// Under which conditions; all must hold (COND-1).
    pub conditions: Vec<Condition>,
}

/// What a statement does when it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It allows.
    Allow,
    /// It denies.
    Deny,
}

impl Effect {
    /// The word that a document has for it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
        }
    }
}

/// `Action` or `NotAction`, and so for principals and resources.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Element<T> {
    /// Whether it is the `Not` form.
    pub negated: bool,
    /// The entries; any of them is enough.
    pub entries: Vec<T>,
}

impl PolicyKind {
    /// The name in messages.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Identity => "an identity-based policy",
            Self::ServiceControl => "a service control policy",
            Self::ResourceControl => "a resource control policy",
            Self::Resource => "a resource-based policy",
            Self::Trust => "a trust policy",
            Self::Endpoint => "an endpoint policy",
        }
    }

    pub(crate) const fn has_principal(self) -> bool {
        matches!(
            self,
            Self::ResourceControl | Self::Resource | Self::Trust | Self::Endpoint
        )
    }

    pub(crate) const fn has_id(self) -> bool {
        matches!(self, Self::Resource | Self::Trust | Self::Endpoint)
    }
}
