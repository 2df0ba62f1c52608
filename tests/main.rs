//! The integration tests, as one binary: one link, not one for each file.

mod architecture;
mod cli;
mod conformance;
mod doors;
mod envoy;
mod licences;
mod oracle;
mod properties;
mod proto;
mod readme;
mod records;
mod reload;
mod support;
