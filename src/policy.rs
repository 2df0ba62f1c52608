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

mod diagnostic;
mod provider;
mod service;

pub use diagnostic::{Diagnostic, Place, Severity};
pub use provider::{AuthorizedParty, OidcProvider, RoleRule, SigningAlgorithm};
pub use service::{ConditionKeyType, PathMode, PolicyOwner, ResourceType, Route, Service};
