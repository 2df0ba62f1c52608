//! The integration tests, as one binary: one link, not one for each file.

mod envoy;
mod proto;
mod reload;
mod support;
