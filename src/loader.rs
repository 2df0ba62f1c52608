//! From a bundle on disk to a published snapshot: read, watch, reload.
//!
//! Floor 4.

pub mod error;
pub mod source;
pub mod watch;
