//! What is asked: one action of one principal on one resource.

use crate::model::{AccountId, Action, Arn, Context, Principal};

/// One question for the engine (CTX-1).
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// By which credentials.
    pub credential: Credential,
    /// Whether a service repeats a call of this principal with the principal's authority (CTX-8).
    pub forwarded: bool,
    /// What is to be done.
    pub action: &'a Action,
    /// To what.
    pub resource: &'a Resource,
    /// Under which circumstances.
    pub context: &'a Context,
}

/// The kind of credentials behind a request, where a rule asks for it (ROLE-17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Whatever the kind of principal implies: long-term keys of a user, a session of a role.
    Ordinary,
    /// A session token of an IAM user's or the root user's own.
    SessionToken {
        /// Whether a second factor was used to obtain it.
        mfa: bool,
    },
}

/// What an action is done to (CTX-4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its name.
    pub name: ResourceName,
    /// The account that owns it, from the resource record and not from the ARN (ARN-9); `None`
    /// when the action has no resource of its own.
    pub owner: Option<AccountId>,
    /// How far identity policies of the owner's account reach it (DEL-1).
    pub delegation: Delegation,
}

/// The name of a resource: a full ARN, or the token `*` of an action without resource (RES-12).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ResourceName {
    /// The action has no resource type.
    Wildcard,
    /// One resource.
    Arn(Arn),
}

/// Whether a resource's own policy must let the account's identity policies in (DEL-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delegation {
    /// Identity policies of the owner's account count by themselves.
    Default,
    /// A role as the target of assuming it: its trust policy must allow (DEL-4).
    Trust,
    /// A key and the like: its policy must allow.
    Key,
}

impl ResourceName {
    /// Reads the name of a request's resource (RES-13).
    ///
    /// # Errors
    ///
    /// [`InvalidArn`](crate::model::InvalidArn) unless `text` is `*` or a full ARN.
    pub fn parse(text: &str) -> Result<Self, crate::model::InvalidArn> {
        if text == "*" {
            Ok(Self::Wildcard)
        } else {
            Arn::parse(text).map(Self::Arn)
        }
    }

    /// The text: `*` or the ARN.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Wildcard => "*",
            Self::Arn(arn) => arn.as_str(),
        }
    }

    /// The ARN, unless this is the token `*`.
    #[must_use]
    pub fn arn(&self) -> Option<&Arn> {
        match self {
            Self::Wildcard => None,
            Self::Arn(arn) => Some(arn),
        }
    }
}

impl Delegation {
    /// The mode of a resource for an action, from what both are called: roles are targets of
    /// `sts:` actions, keys are resources of `kms:` ones; their aliases and all else are default
    /// (DEL-1, DEL-6).
    #[must_use]
    pub fn of(action: &Action, name: &ResourceName) -> Self {
        let Some(arn) = name.arn() else {
            return Self::Default;
        };
        match action.prefix() {
            "sts" if arn.is_role() => Self::Trust,
            "kms" if arn.service() == "kms" && arn.resource_after("key").is_some() => Self::Key,
            _ => Self::Default,
        }
    }
}
