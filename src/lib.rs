//! Sidegate: an authorization sidecar that speaks the AWS IAM policy language.
//!
//! The library behind the `sidegate` binary. Modules stand on floors and import only from floors
//! below their own; `tests/architecture.rs` holds them to it. Floors 0 to 2 are pure: no I/O, no
//! clock, no randomness. Start reading at [`model`], then follow a request.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::print_stdout,
        clippy::print_stderr
    )
)]

pub mod admin;
pub mod api;
pub mod authn;
pub mod cache;
pub mod cli;
pub mod clock;
pub mod config;
pub mod engine;
pub mod ext_authz;
pub mod forward_auth;
pub mod loader;
pub mod mapping;
pub mod model;
pub mod oidc;
pub mod pdp;
pub mod pod_credentials;
pub mod policy;
pub mod proto;
pub mod server;
pub mod simulate;
pub mod snapshot;
pub mod sts;
pub mod sts_client;
pub mod telemetry;
