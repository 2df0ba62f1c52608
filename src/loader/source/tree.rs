//! One walk through a bundle directory, from handle to handle.
//!
//! # Invariants
//!
//! - Below the directory itself nothing is opened by a path of several names, and no open follows
//!   a link: links are read, and followed by [`link`] with bounds.
//! - A directory that has `..data` is seen as what `..data` points to, and as nothing else.
//! - A walk that ends well saw every such directory in one version.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::fault::{Fault, special};
use super::link::{self, Node};
use super::name::{self, is_ignored};
use super::survey::Identity;
use super::{Limits, unsettled};
use crate::loader::error::SourceError;

/// The link that the kubelet moves from one version of a volume to the next (K2.1).
const PINNED_NAME: &str = "..data";

/// How a directory is opened.
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

/// Whether the bundle directory itself has `..data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// It has, and one walk sees one version.
    Pinned,
    /// It has not, and may be in the middle of being written.
    Plain,
}

/// A regular file that the walk came by.
pub(super) struct Found<'a> {
    /// Its path in the bundle.
    pub(super) path: &'a str,
    /// The directory in which it stands, links resolved.
    pub(super) parent: BorrowedFd<'a>,
    /// Its name in that directory.
    pub(super) name: &'a OsStr,
    /// What the walk knows of it; the file may have changed since.
    pub(super) stat: &'a Stat,
}

/// What is done with each file.
type Visit<'v> = dyn FnMut(&Found<'_>) -> Result<(), Fault> + 'v;

/// A directory that no link may leave.
pub(super) struct Base {
    pub(super) handle: Rc<OwnedFd>,
    pub(super) path: PathBuf,
    layout: Layout,
}

/// A `..data` that the walk went through.
pub(super) struct Pin {
    parent: Rc<OwnedFd>,
    target: Rc<OwnedFd>,
}

impl Pin {
    /// Where the link points, as it is written; empty where it is no link.
    pub(super) fn text(&self) -> Vec<u8> {
        rustix::fs::readlinkat(&self.parent, PINNED_NAME, Vec::new())
            .map(std::ffi::CString::into_bytes)
            .unwrap_or_default()
    }

    /// The directory that was walked in place of the one with the link.
    pub(super) fn identity(&self) -> Result<Identity, Errno> {
        Identity::of(&self.target)
    }

    fn holds(&self) -> bool {
        let now = rustix::fs::statat(&self.parent, PINNED_NAME, AtFlags::empty());
        // INVARIANT: `target` is still open, so its inode number is not given to another.
        now.is_ok_and(|stat| self.identity() == Ok(Identity::from(&stat)))
    }
}

/// A directory on the way.
struct Level {
    base: Rc<Base>,
    handle: Rc<OwnedFd>,
    /// Its names below the base, links resolved.
    real: Vec<OsString>,
    /// Its path in the bundle; empty for the root.
    shown: String,
    depth: usize,
}

impl Level {
    /// The path in the bundle of the entry called `name`.
    fn shown(&self, name: &OsStr) -> Result<String, Fault> {
        name::join(&self.shown, name).map_err(Fault::Final)
    }

    fn real(&self, name: impl Into<OsString>) -> Vec<OsString> {
        let mut real = self.real.clone();
        real.push(name.into());
        real
    }
}

/// A bundle directory that is being walked.
pub(super) struct Tree<'a> {
    directory: &'a Path,
    limits: &'a Limits,
    root: Rc<Base>,
    layout: Layout,
    pins: Vec<Pin>,
    places: BTreeSet<(PathBuf, Identity)>,
    entries: usize,
}

impl<'a> Tree<'a> {
    /// Opens the directory, following the links that lead to it.
    pub(super) fn open(directory: &'a Path, limits: &'a Limits) -> Result<Self, Fault> {
        let shown = || directory.display().to_string();
        let handle =
            rustix::fs::openat(CWD, directory, DIRECTORY, Mode::empty()).map_err(|cause| {
                match cause {
                    Errno::NOTDIR => Fault::Final(not_a_directory(directory)),
                    _ => Fault::of(&shown(), cause),
                }
            })?;
        Ok(Self {
            directory,
            limits,
            root: Rc::new(Base {
                handle: Rc::new(handle),
                path: directory.to_owned(),
                layout: Layout::Plain,
            }),
            layout: Layout::Plain,
            pins: Vec::new(),
            places: BTreeSet::new(),
            entries: 0,
        })
    }

    /// Calls `visit` for each regular file, by directory and name.
    ///
    /// What was visited counts only if the walk ends well.
    pub(super) fn walk(&mut self, visit: &mut Visit<'_>) -> Result<(), Fault> {
        let outcome = self.descend(
            &Level {
                base: Rc::clone(&self.root),
                handle: Rc::clone(&self.root.handle),
                real: Vec::new(),
                shown: String::new(),
                depth: 0,
            },
            visit,
        );
        if self.holds() {
            outcome
        } else {
            Err(Fault::Again(unsettled(self.directory)))
        }
    }

    /// Whether the walk went through a `..data` at the top.
    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    /// The root as it was opened.
    pub(super) fn identity(&self) -> Result<Identity, Errno> {
        Identity::of(&self.root.handle)
    }

    /// Each `..data` that the walk went through.
    pub(super) fn pins(&self) -> &[Pin] {
        &self.pins
    }

    /// The directories that were walked and may change: all save those behind a `..data`.
    pub(super) fn into_places(self) -> BTreeSet<(PathBuf, Identity)> {
        self.places
    }

    /// Whether the directory and each `..data` are still what they were when they were opened.
    fn holds(&self) -> bool {
        let now = rustix::fs::statat(CWD, self.directory, AtFlags::empty());
        now.is_ok_and(|stat| self.identity() == Ok(Identity::from(&stat)))
            && self.pins.iter().all(Pin::holds)
    }

    fn descend(&mut self, level: &Level, visit: &mut Visit<'_>) -> Result<(), Fault> {
        if level.depth > self.limits.depth {
            return Err(Fault::Final(SourceError::TooDeep {
                path: level.shown.clone(),
                limit: self.limits.depth,
            }));
        }
        if level.base.layout == Layout::Plain {
            let identity = Identity::of(&level.handle).map_err(|cause| self.fault(level, cause))?;
            let path = level.base.path.join(level.real.iter().collect::<PathBuf>());
            self.places.insert((path, identity));
            if let Some(pinned) = self.pin(level)? {
                return self.visit_entries(&pinned, visit);
            }
        }
        self.visit_entries(level, visit)
    }

    /// What `..data` in this directory points to, if the directory has one.
    fn pin(&mut self, level: &Level) -> Result<Option<Level>, Fault> {
        let shown = level.shown(OsStr::new(PINNED_NAME))?;
        match rustix::fs::statat(&level.handle, PINNED_NAME, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => {}
            Err(Errno::NOENT) => return Ok(None),
            Err(cause) => return Err(Fault::of(&shown, cause)),
        }
        match link::resolve(&level.base, level.real(PINNED_NAME), &shown)? {
            Node::Directory { handle, real } => {
                self.pins.push(Pin {
                    parent: Rc::clone(&level.handle),
                    target: Rc::clone(&handle),
                });
                if level.depth == 0 {
                    self.layout = Layout::Pinned;
                }
                let base = Base {
                    handle: Rc::clone(&handle),
                    path: level.base.path.join(real.iter().collect::<PathBuf>()),
                    layout: Layout::Pinned,
                };
                Ok(Some(Level {
                    base: Rc::new(base),
                    handle,
                    real: Vec::new(),
                    shown: level.shown.clone(),
                    depth: level.depth,
                }))
            }
            Node::File { .. } => Err(Fault::Final(SourceError::NotADirectory { path: shown })),
        }
    }

    fn visit_entries(&mut self, level: &Level, visit: &mut Visit<'_>) -> Result<(), Fault> {
        for name in self.names(level)? {
            let shown = level.shown(&name)?;
            match entry(level, &name, &shown)? {
                Node::File { parent, name, stat } => visit(&Found {
                    path: &shown,
                    parent: parent.as_fd(),
                    name: &name,
                    stat: &stat,
                })?,
                Node::Directory { handle, real } => {
                    let below = Level {
                        base: Rc::clone(&level.base),
                        handle,
                        real,
                        shown,
                        depth: level.depth + 1,
                    };
                    self.descend(&below, visit)?;
                }
            }
        }
        Ok(())
    }

    /// The names in a directory that belong to a bundle, sorted.
    fn names(&mut self, level: &Level) -> Result<Vec<OsString>, Fault> {
        let mut names = Vec::new();
        let entries = Dir::read_from(&level.handle).map_err(|cause| self.fault(level, cause))?;
        for entry in entries {
            let entry = entry.map_err(|cause| self.fault(level, cause))?;
            let name = entry.file_name().to_bytes();
            if is_ignored(name) {
                continue;
            }
            if self.entries >= self.limits.files {
                let limit = self.limits.files;
                return Err(Fault::Final(SourceError::TooManyFiles { limit }));
            }
            self.entries += 1;
            names.push(OsStr::from_bytes(name).to_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The fault that an error on a directory itself is.
    fn fault(&self, level: &Level, cause: Errno) -> Fault {
        if level.shown.is_empty() {
            Fault::of(&self.directory.display().to_string(), cause)
        } else {
            Fault::of(&level.shown, cause)
        }
    }
}

/// What stands under a name in a directory, with a link followed.
fn entry(level: &Level, name: &OsStr, shown: &str) -> Result<Node, Fault> {
    let fault = |cause| Fault::of(shown, cause);
    let stat = rustix::fs::statat(&level.handle, name, AtFlags::SYMLINK_NOFOLLOW).map_err(fault)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(Node::File {
            parent: Rc::clone(&level.handle),
            name: name.to_owned(),
            stat,
        }),
        FileType::Directory => Ok(Node::Directory {
            handle: Rc::new(open_directory(&level.handle, name).map_err(fault)?),
            real: level.real(name),
        }),
        FileType::Symlink => link::resolve(&level.base, level.real(name), shown),
        other => Err(special(shown, other)),
    }
}

/// Opens a directory in another one, and no link.
pub(super) fn open_directory(parent: &OwnedFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(
        parent,
        name,
        DIRECTORY.union(OFlags::NOFOLLOW),
        Mode::empty(),
    )
}

/// What is wrong with a bundle path that cannot be opened as a directory (K2.8).
fn not_a_directory(directory: &Path) -> SourceError {
    let path = directory.display().to_string();
    let is_file = rustix::fs::statat(CWD, directory, AtFlags::empty())
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
    if is_file {
        SourceError::SingleFile { path }
    } else {
        SourceError::NotADirectory { path }
    }
}
