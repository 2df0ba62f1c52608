//! What is written down: policy documents, principals, services, and the bundle that holds them.
//!
//! Floor 1. Turns text into checked values and tells every fault with its place. It judges nothing
//! and reads no files: bytes come in with their name.
//!
//! # Invariants
//!
//! - A document that is not understood whole is refused whole; nothing is repaired (rule 10 of the
//!   incident rules: a malformed policy is a load error).
//! - Faults are all reported, not the first.

mod bundle;
pub mod decimal;
mod diagnostic;
pub mod directory;
mod document;
mod fields;
mod findings;
pub mod ip_range;
pub mod json;
mod keys;
mod lint;
pub mod node;
pub mod organization;
mod peer;
pub mod policy_test;
mod provider;
pub mod resource_record;
mod revocation;
pub mod s3;
mod service;
mod signing;
pub mod template;
pub mod yaml;

pub use bundle::{API_VERSION, Bundle, BundleFile, Refused, check_revocation};
pub use diagnostic::{Diagnostic, Place, Severity};
pub use directory::User;
pub use document::{
    ActionPattern, Base, Comparison, Condition, ConditionValue, Effect, Element, Policy,
    PolicyKind, PrincipalEntry, Qualifier, ResourcePattern, Statement,
};
pub use findings::Findings;
pub use keys::Keys;
pub use peer::{PeerMapping, PeerMatch};
pub use provider::{
    AuthorizedParty, Cluster, KeyRequest, KeySource, OidcProvider, RoleRule, SigningAlgorithm,
};
pub use revocation::{Revocation, Revoked};
pub use service::{
    Cardinality, ConditionKeyType, Operation, PathMode, PolicyOwner, ResourceType, Route, Service,
    ServiceProtocol, TypeDelegation,
};
pub use signing::{PayloadMode, Signing};
