//! Reads a bundle directory as one set of files, never as a mixture of two.
//!
//! Floor 4. Knows files and bytes, and nothing of what they say. Everything here blocks: call it
//! from a thread that may. Nothing here waits of its own accord: the caller hands in the waiting.
//!
//! # Invariants
//!
//! - A volume that the kubelet writes (it has `..data`) is read through one handle on one version,
//!   and what was read is dropped when `..data` has moved on meanwhile (K2.4).
//! - A plain directory is accepted once two readings in a row agree (K2.5).
//! - No file outside the directory is read, whatever its links say, and nothing but a regular file.
//! - Names that begin with `.`, end in `~` or `.swp`, stand between `#` and `#`, or are
//!   `lost+found`, are not part of a bundle. Any other name is read, or the whole is refused.

mod digest;
mod fault;
mod link;
mod manifest;
pub mod mount;
mod name;
mod survey;
mod tree;

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::loader::error::SourceError;
use crate::policy::BundleFile;

pub use digest::Digest;
pub(super) use survey::{Identity, Survey};

use fault::Fault;
use tree::{Found, Layout, Tree};

/// How often a directory is read before it counts as restless: once, and five times more (K2.14).
const READS: usize = 6;

/// The most that a bundle may hold. Crossing any of these refuses the bundle as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest file, in bytes; 16 MiB by default.
    pub file_bytes: u64,
    /// The largest sum of all files, in bytes; 256 MiB by default.
    pub total_bytes: u64,
    /// The most files and directories together, ignored names aside; 20 000 by default.
    pub files: usize,
    /// The most levels of directories below the bundle directory; 16 by default.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 16 << 20,
            total_bytes: 256 << 20,
            files: 20_000,
            depth: 16,
        }
    }
}

/// One regular file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it stands, relative to the bundle directory, with `/` between the names.
    pub path: String,
    /// What it holds, as it is: nothing says that this is text.
    pub bytes: Vec<u8>,
}

/// All files of a bundle, read at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The files, sorted by path. `manifest.json` is not among them where it is a manifest.
    pub entries: Vec<File>,
    /// SHA-256 over the paths and contents of all entries.
    pub digest: Digest,
}

impl Files {
    /// Makes a set of files that come from elsewhere than a directory, such as the binary itself.
    ///
    /// The paths have to differ from one another.
    #[must_use]
    pub fn new(mut entries: Vec<File>) -> Self {
        entries.sort_by(|left, right| left.path.cmp(&right.path));
        let digest = Digest::of_files(&entries);
        Self { entries, digest }
    }

    /// The files as parts of a bundle.
    #[must_use]
    pub fn parts(&self) -> Vec<BundleFile<'_>> {
        let entries = self.entries.iter();
        entries
            .map(|file| BundleFile {
                path: &file.path,
                bytes: &file.bytes,
            })
            .collect()
    }

    /// The content of the file at `path`, which is written as in [`File::path`].
    #[must_use]
    pub fn bytes_of(&self, path: &str) -> Option<&[u8]> {
        let position = self
            .entries
            .binary_search_by(|entry| entry.path.as_str().cmp(path))
            .ok()?;
        self.entries
            .get(position)
            .map(|entry| entry.bytes.as_slice())
    }
}

/// What [`read`] asks its caller to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The directory changed under the reader, and is about to be read again.
    Retry,
    /// A plain directory was read, and is about to be read once more for comparison.
    Debounce,
}

impl Wait {
    /// How long to wait: 20 ms before a retry (K2.14), and `debounce` between two readings that
    /// are compared (K2.5).
    #[must_use]
    pub fn length(self, debounce: Duration) -> Duration {
        match self {
            Self::Retry => Duration::from_millis(20),
            Self::Debounce => debounce,
        }
    }
}

/// Reads the bundle below `directory`, and makes sure that it is one version of it (K2.14).
///
/// A directory that has `..data`, at the top or anywhere below, is read through a handle on what
/// `..data` points to. Without it at the top, the tree is read until two readings in a row agree.
/// `settle` is called between two readings, and returns when the time it is given has passed; on
/// a thread of its own it is `|wait| std::thread::sleep(wait.length(debounce))`.
///
/// # Errors
///
/// Every [`SourceError`]. [`SourceError::Unsettled`], and [`SourceError::Unreadable`] of a file
/// that is named and not there, come after six readings; all others come at once.
pub fn read(
    directory: &Path,
    limits: &Limits,
    mut settle: impl FnMut(Wait),
) -> Result<Files, SourceError> {
    let mut earlier: Option<Digest> = None;
    let mut trouble = unsettled(directory);
    for round in 0..READS {
        let wait = match pass(directory, limits) {
            Ok((files, Layout::Pinned)) => return manifest::check(files),
            Ok((files, Layout::Plain)) if earlier == Some(files.digest) => {
                return manifest::check(files);
            }
            Ok((files, Layout::Plain)) => {
                earlier = Some(files.digest);
                trouble = unsettled(directory);
                Wait::Debounce
            }
            Err(Fault::Again(fault)) => {
                earlier = None;
                trouble = fault;
                Wait::Retry
            }
            Err(Fault::Final(fault)) => return Err(fault),
        };
        if round + 1 < READS {
            settle(wait);
        }
    }
    Err(trouble)
}

/// Reads the bundle below `directory` without waiting: for commands that run once, on a directory
/// that nobody is writing.
///
/// The same as [`read`], save that a plain directory is read a single time.
///
/// # Errors
///
/// As [`read`].
pub fn read_once(directory: &Path, limits: &Limits) -> Result<Files, SourceError> {
    let mut trouble = unsettled(directory);
    for _ in 0..READS {
        match pass(directory, limits) {
            Ok((files, Layout::Pinned | Layout::Plain)) => return manifest::check(files),
            Err(Fault::Again(fault)) => trouble = fault,
            Err(Fault::Final(fault)) => return Err(fault),
        }
    }
    Err(trouble)
}

/// One reading of the whole tree.
fn pass(directory: &Path, limits: &Limits) -> Result<(Files, Layout), Fault> {
    let mut tree = Tree::open(directory, limits)?;
    let mut entries = Vec::new();
    let mut total_bytes = 0_u64;
    tree.walk(&mut |found: &Found<'_>| {
        let bytes = content(found, limits, total_bytes)?;
        total_bytes = total_bytes.saturating_add(length(&bytes));
        entries.push(File {
            path: found.path.to_owned(),
            bytes,
        });
        Ok(())
    })?;
    Ok((Files::new(entries), tree.layout()))
}

/// The content of one file; `used_bytes` is what the files before it hold together.
fn content(found: &Found<'_>, limits: &Limits, used_bytes: u64) -> Result<Vec<u8>, Fault> {
    let file_too_large = || SourceError::FileTooLarge {
        path: found.path.to_owned(),
        limit_bytes: limits.file_bytes,
    };
    let bundle_too_large = || SourceError::BundleTooLarge {
        limit_bytes: limits.total_bytes,
    };
    let left_bytes = limits.total_bytes.saturating_sub(used_bytes);
    // Both the size that is stated and the size that is read have to keep the limits: the one so
    // that no memory is asked for in vain, the other because the file may be growing.
    let fits = |size: u64| {
        if size > limits.file_bytes {
            Err(Fault::Final(file_too_large()))
        } else if size > left_bytes {
            Err(Fault::Final(bundle_too_large()))
        } else {
            Ok(())
        }
    };
    let stated_bytes = u64::try_from(found.stat.st_size).unwrap_or(u64::MAX);
    fits(stated_bytes)?;
    let mut bytes = Vec::with_capacity(usize::try_from(stated_bytes).unwrap_or(0));
    let most_bytes = limits.file_bytes.min(left_bytes).saturating_add(1);
    open(found)?
        .take(most_bytes)
        .read_to_end(&mut bytes)
        .map_err(|error| {
            let cause = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            Fault::of(found.path, cause)
        })?;
    fits(length(&bytes))?;
    Ok(bytes)
}

/// Opens a file that was regular a moment ago, and makes sure that it still is.
fn open(found: &Found<'_>) -> Result<std::fs::File, Fault> {
    // Non-blocking, since a FIFO that was put in the file's place would hold up the open for ever.
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let handle = rustix::fs::openat(found.parent, found.name, flags, Mode::empty())
        .map_err(|cause| Fault::of(found.path, cause))?;
    let stat = rustix::fs::fstat(&handle).map_err(|cause| Fault::of(found.path, cause))?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
        Ok(std::fs::File::from(handle))
    } else {
        Err(Fault::of(found.path, Errno::STALE))
    }
}

fn unsettled(directory: &Path) -> SourceError {
    SourceError::Unsettled {
        path: directory.display().to_string(),
        reads: READS,
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
