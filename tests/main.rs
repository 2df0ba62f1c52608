//! The integration tests, as one binary.

mod proto;
mod reload;
