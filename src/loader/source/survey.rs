//! A cheap look at a bundle directory: has anything changed, and what should be watched?
//!
//! Reads no file. What it looks at is the sizes, the times and the inode numbers, and for a volume
//! that the kubelet writes also where `..data` points (K2.7).

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::Stat;
use rustix::io::Errno;

use super::digest::Hasher;
use super::tree::{Found, Tree};
use super::{Digest, Limits};
use crate::loader::error::SourceError;

/// Which file or directory something is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::loader) struct Identity {
    // Wide enough for every system's own types, signed or not.
    device: i128,
    inode: i128,
}

impl Identity {
    /// What is open under a handle.
    pub(super) fn of(handle: impl AsFd) -> Result<Self, Errno> {
        rustix::fs::fstat(handle).map(|stat| Self::from(&stat))
    }
}

impl From<&Stat> for Identity {
    fn from(stat: &Stat) -> Self {
        Self {
            device: i128::from(stat.st_dev),
            inode: i128::from(stat.st_ino),
        }
    }
}

/// What one look at a directory gave.
pub(in crate::loader) struct Survey {
    /// Differs from an earlier one whenever the bundle may have changed. Two that are equal mean
    /// that it most probably has not: file times are only as fine as the kernel's tick.
    pub(in crate::loader) fingerprint: Digest,
    /// The directories that may change, in order: what a watch has to be on.
    pub(in crate::loader) places: BTreeSet<(PathBuf, Identity)>,
    /// Why the directory could not be opened at all.
    pub(in crate::loader) missing: Option<SourceError>,
}

impl Survey {
    /// Looks at `directory`. Cannot fail: what goes wrong is part of what was seen, since the end
    /// of an error is a change too.
    pub(in crate::loader) fn take(directory: &Path, limits: &Limits) -> Self {
        let mut hasher = Hasher::new();
        let mut tree = match Tree::open(directory, limits) {
            Ok(tree) => tree,
            Err(fault) => {
                let error = fault.into_error();
                hasher.add(error.to_string().as_bytes());
                return Self {
                    fingerprint: hasher.finish(),
                    places: BTreeSet::new(),
                    missing: Some(error),
                };
            }
        };
        let outcome = tree.walk(&mut |found: &Found<'_>| {
            hasher.add(found.path.as_bytes());
            hasher.add(facts(found.stat).as_bytes());
            Ok(())
        });
        if let Err(fault) = outcome {
            hasher.add(fault.into_error().to_string().as_bytes());
        }
        hasher.add(format!("{:?}", tree.identity()).as_bytes());
        for pin in tree.pins() {
            hasher.add(&pin.text());
            hasher.add(format!("{:?}", pin.identity()).as_bytes());
        }
        Self {
            fingerprint: hasher.finish(),
            places: tree.into_places(),
            missing: None,
        }
    }
}

/// What tells one state of a file from another. The time of the last change of the inode is among
/// it, for a copy may keep size and modification time, and a change of mode may end an error.
fn facts(stat: &Stat) -> String {
    format!(
        "{} {} {}.{} {}.{} {:o}",
        stat.st_ino,
        stat.st_size,
        stat.st_mtime,
        stat.st_mtime_nsec,
        stat.st_ctime,
        stat.st_ctime_nsec,
        stat.st_mode
    )
}
