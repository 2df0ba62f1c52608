//! Follows a symbolic link without ever leaving the directory that it stands in.
//!
//! The kernel could do this by `openat2` with `RESOLVE_BENEATH`, but not every kernel and not
//! under every sandbox; step by step it is the same everywhere.

use std::ffi::{CString, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, FileType, Stat};
use rustix::io::Errno;

use super::fault::{Fault, special};
use super::tree::{Base, open_directory};
use crate::loader::error::SourceError;

/// The most links on the way from one name to a file: as many as Linux follows in one path.
const LINKS: usize = 40;

/// What stands under a name, links followed.
pub(super) enum Node {
    /// A regular file, not opened.
    File {
        parent: Rc<OwnedFd>,
        name: OsString,
        stat: Stat,
    },
    /// A directory.
    Directory {
        handle: Rc<OwnedFd>,
        /// Its names below the base, none of them a link.
        real: Vec<OsString>,
    },
}

/// One step of a path.
enum Step {
    Up,
    Down(OsString),
}

/// The way from the base to a directory.
struct Trail<'a> {
    base: &'a Base,
    steps: Vec<(OsString, Rc<OwnedFd>)>,
}

impl Trail<'_> {
    fn handle(&self) -> &Rc<OwnedFd> {
        self.steps
            .last()
            .map_or(&self.base.handle, |(_, handle)| handle)
    }

    fn into_node(self) -> Node {
        let handle = Rc::clone(self.handle());
        let real = self.steps.into_iter().map(|(name, _)| name).collect();
        Node::Directory { handle, real }
    }
}

/// Follows `path` from the base to a file or directory; `shown` is what errors call it.
pub(super) fn resolve(base: &Base, path: Vec<OsString>, shown: &str) -> Result<Node, Fault> {
    let fault = |cause| Fault::of(shown, cause);
    let mut trail = Trail {
        base,
        steps: Vec::new(),
    };
    // The last step is the next to take.
    let mut ahead: Vec<Step> = path.into_iter().rev().map(Step::Down).collect();
    let mut links = 0;
    let mut target = PathBuf::new();
    while let Some(step) = ahead.pop() {
        let name = match step {
            Step::Down(name) => name,
            Step::Up if trail.steps.pop().is_some() => continue,
            Step::Up => return Err(escapes(shown, &target)),
        };
        let handle = trail.handle();
        let stat = rustix::fs::statat(handle, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(fault)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let below = open_directory(handle, &name).map_err(fault)?;
                trail.steps.push((name, Rc::new(below)));
            }
            FileType::Symlink => {
                links += 1;
                if links > LINKS {
                    return Err(Fault::Final(SourceError::TooManyLinks {
                        path: shown.to_owned(),
                        limit: LINKS,
                    }));
                }
                target = rustix::fs::readlinkat(handle, &name, Vec::new())
                    .map(read_path)
                    .map_err(fault)?;
                if target.is_absolute() {
                    trail.steps.clear();
                    ahead.extend(steps(&below_base(base, &target, shown)?));
                } else {
                    ahead.extend(steps(&target));
                }
            }
            FileType::RegularFile if ahead.is_empty() => {
                let parent = Rc::clone(handle);
                return Ok(Node::File { parent, name, stat });
            }
            FileType::RegularFile => return Err(fault(Errno::NOTDIR)),
            other => return Err(special(shown, other)),
        }
    }
    Ok(trail.into_node())
}

/// The steps of a path, the last one first.
fn steps(path: &Path) -> impl Iterator<Item = Step> {
    path.components()
        .rev()
        .filter_map(|component| match component {
            Component::ParentDir => Some(Step::Up),
            Component::Normal(name) => Some(Step::Down(name.to_owned())),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
        })
}

/// The path below the base that an absolute path means.
///
/// This only turns one path into another: the outcome is walked from the base's handle like any
/// other, so a directory that is exchanged meanwhile leads nowhere else.
fn below_base(base: &Base, target: &Path, shown: &str) -> Result<PathBuf, Fault> {
    let canonical = |path: &Path| {
        path.canonicalize()
            .map_err(|error| Fault::of(shown, Errno::from_io_error(&error).unwrap_or(Errno::IO)))
    };
    let base_path = canonical(&base.path)?;
    // By the text first: what is inside may be missing for a moment, and is then worth a retry.
    let outside = || escapes(shown, target);
    if let Ok(rest) = target.strip_prefix(&base_path) {
        return Ok(rest.to_owned());
    }
    let target_path = canonical(target).map_err(|_| outside())?;
    target_path
        .strip_prefix(&base_path)
        .map(Path::to_owned)
        .map_err(|_| outside())
}

fn escapes(shown: &str, target: &Path) -> Fault {
    Fault::Final(SourceError::Escapes {
        path: shown.to_owned(),
        target: target.to_string_lossy().escape_debug().to_string(),
    })
}

fn read_path(text: CString) -> PathBuf {
    PathBuf::from(OsString::from_vec(text.into_bytes()))
}
