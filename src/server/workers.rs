//! The threads that serve connections.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

/// Threads that each have a runtime of their own, among which connections are dealt.
///
/// A connection stays with its thread: what it does then needs no lock and wakes nobody else, which
/// costs less for each call than threads that take work from one another. Envoy opens a connection
/// for each of its own threads, so that the work is shared out as evenly as there.
#[derive(Clone, Debug)]
pub(super) struct Workers {
    handles: Arc<[Handle]>,
    next: Arc<AtomicUsize>,
    /// The threads end when nobody holds this any more.
    _alive: Option<watch::Sender<()>>,
}

impl Workers {
    /// Starts this many threads.
    ///
    /// # Errors
    ///
    /// When the system has no thread or no event queue to give.
    pub(super) fn start(count: usize) -> io::Result<Self> {
        let (alive, ended) = watch::channel(());
        let mut handles = Vec::with_capacity(count);
        for number in 0..count.max(1) {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            handles.push(runtime.handle().clone());
            let mut ended = ended.clone();
            std::thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || {
                    // An error means that whoever holds the workers is gone.
                    let _ = runtime.block_on(ended.changed());
                })?;
        }
        Ok(Self {
            handles: handles.into(),
            next: Arc::default(),
            _alive: Some(alive),
        })
    }

    /// The runtime of whoever asks, for doors that must answer when the workers are busy.
    pub(super) fn here() -> Self {
        Self {
            handles: [Handle::current()].into(),
            next: Arc::default(),
            _alive: None,
        }
    }

    /// The thread whose turn it is.
    pub(super) fn next(&self) -> Option<&Handle> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.handles.get(turn.checked_rem(self.handles.len())?)
    }
}
