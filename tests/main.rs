//! The integration tests, as one binary: one link, not one for each file.

mod architecture;
mod aws;
mod cli;
mod conformance;
mod doors;
mod envoy;
mod fleet;
mod identities;
mod licences;
mod lint;
mod managed;
mod oidc;
mod operators;
mod oracle;
mod policy_tests;
mod printer;
mod properties;
mod proto;
mod readme;
mod records;
mod reload;
mod rules;
mod sessions;
mod sigv4;
mod snapshots;
mod support;
