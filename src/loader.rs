//! From a bundle on disk to a published snapshot: read, watch, reload.
//!
//! Floor 4. The parts: [`source`] reads a directory as one set of files, [`watch`] says when it may
//! have changed, [`reload`] compiles what was read and publishes it.
//!
//! # Invariants
//!
//! - A failure at any step leaves the last good snapshot in force, and is told.
//! - Nothing is published that was not read, parsed and compiled whole.

pub mod error;
pub mod reload;
pub mod source;
pub mod watch;
