//! An organization: its tree of accounts and the control policies at its nodes.

use crate::model::AccountId;
use crate::policy::Place;
use crate::policy::directory::Reference;

/// An organization (SCP-1, RCP-1).
#[derive(Clone, Debug)]
pub struct Organization {
    /// Where it is written.
    pub place: Place,
    /// The id, such as `o-acme12345`.
    pub id: String,
    /// The account that manages it, which control policies do not bind.
    pub management: AccountId,
    /// Whether service control policies are in force at all.
    pub service_control: bool,
    /// Whether resource control policies are in force at all.
    pub resource_control: bool,
    /// The top of the tree.
    pub root: Node,
}

/// The root or a unit, with what hangs below it.
#[derive(Clone, Debug)]
pub struct Node {
    /// The id, such as `r-acme` or `ou-acme-shop`.
    pub id: String,
    /// The control policies attached here.
    pub policies: ControlPolicies,
    /// The units below.
    pub units: Vec<Node>,
    /// The accounts below.
    pub accounts: Vec<Member>,
}

/// An account in the tree.
#[derive(Clone, Debug)]
pub struct Member {
    /// Where it is written.
    pub place: Place,
    /// Its id.
    pub id: AccountId,
    /// The control policies attached to the account itself.
    pub policies: ControlPolicies,
}

/// The control policies attached at one node.
#[derive(Clone, Debug, Default)]
pub struct ControlPolicies {
    /// Service control policies. `None` is what a new node has: `FullAWSAccess`; an empty list denies
    /// everything below (SCP-2).
    pub service: Option<Vec<Reference>>,
    /// Resource control policies, beside the built-in one that allows all (RCP-4).
    pub resource: Vec<Reference>,
}

/// The service control policy that every organization has, by name and by ARN.
pub const FULL_ACCESS: [&str; 2] = [
    "FullAWSAccess",
    "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess",
];

/// The deepest that units are nested below the root (LIM-4).
pub const MAX_DEPTH: usize = 5;
