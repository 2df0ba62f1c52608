//! The door for Envoy: `envoy.service.auth.v3.Authorization/Check`.
//!
//! Floor 5. Reads a check, asks the [`pdp`](crate::pdp), writes the answer; decides nothing.
//!
//! # Invariants
//!
//! - The RPC succeeds whatever the verdict is: Envoy takes a failed RPC for an error, which
//!   `failure_mode_allow` turns into a pass. What cannot be read is answered by a denial.
//! - Every answer carries a status, and only a [`Permit`](crate::pdp::Permit) gives code zero.

mod message;
mod request;
mod response;
mod wire;

pub use request::read;
pub use wire::{Admission, Answer, CHECK_PATH, CheckService, Settings};
