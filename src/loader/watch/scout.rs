//! Looks at the directory, and keeps the watches on the places that matter. Blocks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::kernel::{Kernel, KernelError, Opener};
use crate::loader::error::SourceError;
use crate::loader::source::{Digest, Identity, Limits, Survey};

/// How often the directory is looked at again while new directories come up.
const ROUNDS: usize = 4;

/// Why some place is not watched.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// There is no directory to watch.
    #[error("the directory cannot be opened")]
    Missing(#[source] SourceError),
    /// No source of events, as when `fs.inotify.max_user_instances` is used up.
    #[error("no file events from the system")]
    NoEvents(#[source] KernelError),
    /// No watch on a directory, as when `fs.inotify.max_user_watches` is used up.
    #[error("no watch on `{}`", path.display())]
    NoWatch {
        path: PathBuf,
        #[source]
        cause: KernelError,
    },
    /// New directories came up faster than they could be watched.
    #[error("new directories came up in each of {ROUNDS} rounds")]
    Restless,
}

/// What the scout found.
pub(super) struct Report {
    /// What the directory looks like.
    pub(super) fingerprint: Digest,
    /// Why not all of it is watched; always none when no watches are wanted.
    pub(super) trouble: Option<Trouble>,
}

/// Goes and looks.
pub(super) struct Scout {
    directory: PathBuf,
    limits: Limits,
    /// None when no watches are wanted.
    opener: Option<Opener>,
    kernel: Option<Kernel>,
    watched: BTreeMap<PathBuf, Identity>,
}

impl Scout {
    pub(super) fn new(directory: PathBuf, limits: Limits, opener: Option<Opener>) -> Self {
        Self {
            directory,
            limits,
            opener,
            kernel: None,
            watched: BTreeMap::new(),
        }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Looks at the directory and puts a watch on each place that may change.
    ///
    /// When there is no trouble, whatever changes after this gives an event, and whatever changed
    /// before it is there to be read.
    pub(super) fn report(&mut self) -> Report {
        let mut survey = Survey::take(&self.directory, &self.limits);
        let mut trouble = None;
        if self.opener.is_some() {
            trouble = Some(Trouble::Restless);
            for _ in 0..ROUNDS {
                match self.watch_all(&survey) {
                    Ok(Progress::Done) => {
                        trouble = None;
                        break;
                    }
                    // A directory is watched that was not: there may be others in it by now.
                    Ok(Progress::Added) => survey = Survey::take(&self.directory, &self.limits),
                    Err(error) => {
                        trouble = Some(error);
                        break;
                    }
                }
            }
        }
        let trouble = match survey.missing {
            Some(error) if self.opener.is_some() => Some(Trouble::Missing(error)),
            _ => trouble,
        };
        Report {
            fingerprint: survey.fingerprint,
            trouble,
        }
    }

    fn watch_all(&mut self, survey: &Survey) -> Result<Progress, Trouble> {
        let outcome = self.try_watch_all(survey);
        if let Err(
            Trouble::NoEvents(_)
            | Trouble::NoWatch {
                cause: KernelError::Gone,
                ..
            },
        ) = outcome
        {
            self.kernel = None;
            self.watched.clear();
        }
        outcome
    }

    fn try_watch_all(&mut self, survey: &Survey) -> Result<Progress, Trouble> {
        let Some(opener) = &mut self.opener else {
            return Ok(Progress::Done);
        };
        let kernel = match &mut self.kernel {
            Some(kernel) => kernel,
            none => none.insert(Kernel::open(opener).map_err(Trouble::NoEvents)?),
        };
        let gone: Vec<PathBuf> = self
            .watched
            .iter()
            .filter(|(path, identity)| {
                // Not there any more, or another directory under the same name.
                !survey.places.contains(&((*path).clone(), **identity))
            })
            .map(|(path, _)| path.clone())
            .collect();
        for path in gone {
            kernel.unwatch(&path).map_err(Trouble::NoEvents)?;
            self.watched.remove(&path);
        }
        // The directory around it tells when the bundle directory itself is exchanged. Some may
        // not be read, and then the next poll sees it.
        if let Some(parent) = self.directory.parent()
            && let Err(KernelError::Gone) = kernel.watch(parent)
        {
            return Err(Trouble::NoEvents(KernelError::Gone));
        }
        let mut progress = Progress::Done;
        for (path, identity) in &survey.places {
            // Again each time, even where a watch should be: when a directory is replaced, an
            // event about the old one may take down the watch on the new.
            match kernel.watch(path) {
                Ok(()) => {
                    if self.watched.insert(path.clone(), *identity) != Some(*identity) {
                        progress = Progress::Added;
                    }
                }
                Err(KernelError::Refused(error))
                    if matches!(error.kind, notify::ErrorKind::PathNotFound) =>
                {
                    self.watched.remove(path);
                    progress = Progress::Added;
                }
                Err(cause) => {
                    self.watched.remove(path);
                    let path = path.clone();
                    return Err(Trouble::NoWatch { path, cause });
                }
            }
        }
        Ok(progress)
    }
}

/// Whether the watches are complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// Every place was watched before.
    Done,
    /// At least one was not.
    Added,
}
