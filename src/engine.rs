//! The policy engine: compiles policy documents and judges requests by them.
//!
//! Floor 2. Reads [`model`](crate::model) and [`policy`](crate::policy). Knows nothing of Envoy,
//! tokio, files, clocks or metrics: the same layers and the same request give the same decision, on
//! any thread and at any hour. A time that a condition compares with arrives in the context.
//!
//! # Invariants
//!
//! - An explicit deny wins over any number of allows.
//! - Nothing that goes wrong in here grants: an uncertain Allow does not apply, an uncertain Deny
//!   does (GEN-3), and what cannot be judged at all is denied (GEN-5).
//! - A compiled document never changes; a new policy is a new document.

mod actions;
mod compiler;
mod condition;
mod decision_cache;
mod document;
mod explain;
mod index;
mod judge;
mod organization;
mod pattern;
mod policy_set;
mod principal;
mod resource_set;
mod truth;
mod view;

pub use compiler::Unchanged;
pub use decision_cache::{DecisionCache, WORTH};
pub use document::{Document, Interner};
pub use explain::{ConditionReport, ElementReport, Explanation, StatementReport, explain};
pub use index::Thresholds;
pub use judge::{Layers, judge};
pub use organization::Membership;
pub use policy_set::{PolicySet, Subject};
pub use resource_set::{EndpointFacts, ResourceFacts, ResourceSet};
pub use truth::Truth;
pub use view::{Level, View};
