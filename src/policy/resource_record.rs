//! What is recorded of resources: owner, tags, resource policy, access control list.

use crate::model::AccountId;
use crate::policy::{ActionPattern, Place, Policy, ResourcePattern};
use std::sync::Arc;

/// The record of one resource, or of all whose ARN fits a pattern (CTX-4).
#[derive(Clone, Debug)]
pub struct ResourceRecord {
    /// Where it is written.
    pub place: Place,
    /// The ARN or the pattern, as written.
    pub arn: String,
    /// The pattern; one without wildcards is one resource.
    pub pattern: ResourcePattern,
    /// Whether the pattern has a wildcard.
    pub wild: bool,
    /// The account that owns it.
    pub owner: AccountId,
    /// Its resource policy.
    pub policy: Option<Arc<Policy>>,
    /// Its tags; `None` when they are not recorded, and so not known.
    pub tags: Option<Vec<(String, String)>>,
    /// Its access control list.
    pub acl: Vec<AclGrant>,
    /// Whether access control lists are switched off for it (ACL-6).
    pub acl_disabled: bool,
    /// The endpoint that it is, if it is one.
    pub endpoint: Option<Endpoint>,
}

/// A network endpoint with its policy (EV-14).
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The id that calls through it carry in `aws:SourceVpce`.
    pub id: String,
    /// The id of the network that it stands in.
    pub vpc: Option<String>,
    /// Its policy; without one it restricts nothing.
    pub policy: Option<Arc<Policy>>,
}

/// One grant of an access control list (ACL-1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclGrant {
    /// To whom.
    pub grantee: Grantee,
    /// What.
    pub permission: Permission,
}

/// To whom an access control list grants (ACL-2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grantee {
    /// A whole account.
    Account(AccountId),
    /// Everyone, anonymous callers included.
    AllUsers,
    /// Any signed caller of any account.
    AuthenticatedUsers,
    /// The service that delivers logs.
    LogDelivery,
}

/// What an access control list grants (ACL-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Permission {
    /// To list or read.
    Read,
    /// To create, overwrite and delete.
    Write,
    /// To read the list itself.
    ReadAcp,
    /// To write the list itself.
    WriteAcp,
    /// All of the others.
    FullControl,
}

impl Permission {
    /// Every permission with its name.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Read, "READ"),
        (Self::Write, "WRITE"),
        (Self::ReadAcp, "READ_ACP"),
        (Self::WriteAcp, "WRITE_ACP"),
        (Self::FullControl, "FULL_CONTROL"),
    ];

    /// Reads a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(permission, _)| *permission)
    }
}

/// Which actions the permissions of an access control list stand for (ACL-4).
pub type AclActions = std::collections::BTreeMap<Permission, Vec<ActionPattern>>;
