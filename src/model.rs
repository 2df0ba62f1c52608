//! The vocabulary that every other module speaks.
//!
//! Floor 0. Plain values with their invariants: a checked value has its own type, made in one
//! place, and nothing here does I/O, reads a clock or logs.

mod account;
mod action;
mod arn;
mod context;
mod decision;
mod fingerprint;
mod http_call;
pub mod percent;
mod principal;
mod request;
mod secret;
mod session_duration;
mod timestamp;
mod trace_parent;

pub use account::{AccountId, InvalidAccountId};
pub use action::{Action, InvalidAction};
pub use arn::{Arn, InvalidArn};
pub use context::{Context, ContextKey, ContextValue, KeySet, OverLimit};
pub use decision::{Decision, EvaluationFault, Grant, Layer, Reason, StatementRef};
pub use fingerprint::fingerprint;
pub use http_call::{Body, ClientAddress, HeaderFault, Headers, HttpCall, Peer, Protocol};
pub use principal::{FederationIssuer, InvalidPrincipal, Principal};
pub use request::{Credential, Delegation, Request, Resource, ResourceName};
pub use secret::Secret;
pub use session_duration::{DurationRefused, Issuance};
pub use timestamp::{InvalidTimestamp, Timestamp};
pub use trace_parent::{SpanId, TraceId, TraceParent};
