//! The kernel's events, at arm's length.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::RecursiveMode;
use tokio::sync::Notify;

/// What gives watches: the system's own, or a stand-in.
pub(super) type Source = Box<dyn notify::Watcher + Send>;

/// Asks for a new source of events.
pub(super) type Opener = Box<dyn FnMut() -> notify::Result<Source> + Send>;

/// The system's watches on `directory`; each event that means a change wakes `wake`.
pub(super) fn opener(directory: PathBuf, wake: Arc<Notify>) -> Opener {
    Box::new(move || {
        let directory = directory.clone();
        let wake = Arc::clone(&wake);
        let handler = move |event: notify::Result<notify::Event>| {
            if is_change(&event, &directory) {
                // Holds one waking at most, so a flood of events takes no memory.
                wake.notify_one();
            }
        };
        let watcher: Source = Box::new(notify::recommended_watcher(handler)?);
        Ok(watcher)
    })
}

/// Whether an event means that `directory` may have changed.
///
/// Reading raises accesses, so reloading upon those would never end (K2.3). The directory that
/// `directory` stands in is watched too, and what happens to others in there is none of ours.
/// Everything else is a change, above all an overflow or an error.
fn is_change(event: &notify::Result<notify::Event>, directory: &Path) -> bool {
    let Ok(event) = event else {
        return true;
    };
    if event.need_rescan() {
        return true;
    }
    let is_elsewhere = |path: &PathBuf| {
        path != directory
            && directory.parent().is_some_and(|parent| {
                path == parent || path.parent().is_some_and(|other| other == parent)
            })
    };
    let elsewhere = !event.paths.is_empty() && event.paths.iter().all(is_elsewhere);
    !event.kind.is_access() && !elsewhere
}

/// Why there is no watch on a path.
#[derive(Debug, thiserror::Error)]
pub(super) enum KernelError {
    /// The system refused.
    #[error("the system refused a watch")]
    Refused(#[source] notify::Error),
    /// The thread that receives the events is gone.
    #[error("the thread that receives file events is gone")]
    Gone,
}

/// A source of events that cannot take the process with it: `notify` panics when its thread is
/// gone, as after a refused thread, and does so even when it is dropped.
pub(super) struct Kernel(Option<Source>);

impl Kernel {
    /// Asks for a source.
    pub(super) fn open(opener: &mut Opener) -> Result<Self, KernelError> {
        match catch_unwind(AssertUnwindSafe(opener)) {
            Ok(Ok(source)) => Ok(Self(Some(source))),
            Ok(Err(error)) => Err(KernelError::Refused(error)),
            Err(_) => Err(KernelError::Gone),
        }
    }

    /// Puts a watch on a directory alone, or makes sure of the one that is there.
    pub(super) fn watch(&mut self, directory: &Path) -> Result<(), KernelError> {
        self.call(|source| source.watch(directory, RecursiveMode::NonRecursive))
    }

    /// Takes the watch from a directory, if it has one.
    pub(super) fn unwatch(&mut self, directory: &Path) -> Result<(), KernelError> {
        match self.call(|source| source.unwatch(directory)) {
            Ok(()) | Err(KernelError::Refused(_)) => Ok(()),
            Err(KernelError::Gone) => Err(KernelError::Gone),
        }
    }

    fn call(
        &mut self,
        work: impl FnOnce(&mut Source) -> notify::Result<()>,
    ) -> Result<(), KernelError> {
        let source = self.0.as_mut().ok_or(KernelError::Gone)?;
        if let Ok(outcome) = catch_unwind(AssertUnwindSafe(|| work(source))) {
            return outcome.map_err(KernelError::Refused);
        }
        // To drop it would panic again.
        std::mem::forget(self.0.take());
        Err(KernelError::Gone)
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        let source = self.0.take();
        // The outcome is a panic's message at most, and the panic hook has shown that already.
        drop(catch_unwind(AssertUnwindSafe(|| drop(source))));
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, AccessMode, CreateKind, Flag, ModifyKind, RenameMode};
    use notify::{Event, EventKind};

    use super::*;

    #[test]
    fn all_but_accesses_and_the_neighbours_is_a_change() {
        let rename = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        let open = EventKind::Access(AccessKind::Open(AccessMode::Any));
        let close = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let create = EventKind::Create(CreateKind::File);
        // (kind, paths, changed)
        let cases: [(EventKind, &[&str], bool); 12] = [
            (rename, &["/srv/bundle/..data"], true),
            (create, &["/srv/bundle/a/b.yaml"], true),
            (create, &["/srv/bundle"], true),
            (EventKind::Other, &["/srv/bundle"], true),
            (EventKind::Any, &[], true),
            (create, &["/srv/other"], false),
            (create, &["/srv/other", "/srv/bundle"], true),
            (EventKind::Any, &["/srv"], false),
            (create, &["/private/srv/bundle/a.yaml"], true),
            (open, &["/srv/bundle/a.yaml"], false),
            (close, &["/srv/bundle/a.yaml"], false),
            (open, &[], false),
        ];
        for (kind, paths, changed) in cases {
            let event = paths
                .iter()
                .fold(Event::new(kind), |event, path| event.add_path(path.into()));
            let got = is_change(&Ok(event), Path::new("/srv/bundle"));
            assert_eq!(got, changed, "{kind:?} on {paths:?}");
        }
    }

    #[test]
    fn an_overflow_and_an_error_are_changes() {
        let directory = Path::new("/srv/bundle");
        let overflow = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert!(is_change(&Ok(overflow), directory));
        assert!(is_change(&Err(notify::Error::generic("lost")), directory));
    }
}
