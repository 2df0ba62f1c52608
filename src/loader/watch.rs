//! Says when a bundle directory may have changed.
//!
//! Floor 4. Knows nothing of what is in the files. The kernel's events are one source of the news,
//! a look at the directory every so often is the other, for events get lost: on network and
//! overlay file systems, when the queue overflows, when the directory itself is exchanged, and
//! when the kernel grants no watch at all (K2.7). `SIGHUP` is the third.
//!
//! # Invariants
//!
//! - Whoever starts a [`Watcher`], then reads, then reads again after each [`Watcher::changed`],
//!   ends up with the last state of the directory. There may be changes told too many, but none
//!   too few, as far as the file system's own times tell two states apart.
//! - Watches are on directories, never on files or on `..data`: those would follow the old inode
//!   and fall silent after one update (K2.2).
//! - What happens is not judged by its event: anything but an access is a change (K2.3).

mod kernel;
mod scout;

use std::hash::BuildHasher as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::loader::source::{Digest, Limits};
use scout::{Report, Scout, Trouble};

/// The shortest time between two looks at the directory, whatever the settings say.
const SHORTEST_POLL: Duration = Duration::from_millis(10);

/// When no moment can be named: far away.
const FAR: Duration = Duration::from_hours(30 * 365 * 24);

/// How a bundle directory is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How often the directory is looked at whatever the kernel says, give or take a tenth; 30 s
    /// by default.
    pub poll: Duration,
    /// How long nothing must have happened before a change is told; 200 ms by default.
    pub quiet: Duration,
    /// The longest that a change is held back when it never gets quiet; 2 s by default.
    pub longest: Duration,
    /// [`Mode::Watch`], the default, asks the kernel for events; [`Mode::Poll`] does without.
    pub mode: Mode,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(30),
            quiet: Duration::from_millis(200),
            longest: Duration::from_secs(2),
            mode: Mode::Watch,
        }
    }
}

/// Where news of a change comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// From the kernel, and from looking every so often.
    Watch,
    /// From looking every so often alone.
    Poll,
}

impl Mode {
    /// The metric label: one of a closed set.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Poll => "poll",
        }
    }
}

/// What was first to say that the directory may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// An event of the kernel.
    Event,
    /// A look at the directory.
    Poll,
    /// `SIGHUP`.
    Hangup,
}

impl Change {
    /// The metric label: one of a closed set.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Poll => "poll",
            Self::Hangup => "hangup",
        }
    }
}

/// A change that has been seen and not yet told.
#[derive(Clone, Copy, Debug)]
struct Pending {
    cause: Change,
    first: Instant,
    last: Instant,
}

/// Watches one bundle directory.
pub struct Watcher {
    directory: PathBuf,
    settings: Settings,
    scout: Arc<Mutex<Scout>>,
    wake: Arc<Notify>,
    hangup: Option<Signal>,
    mode: Mode,
    /// What the directory looked like when a change was last told, if that is known.
    seen: Option<Digest>,
    pending: Option<Pending>,
    next_poll: Instant,
}

impl Watcher {
    /// Begins to watch `directory`, which need not be there yet.
    ///
    /// Start the watcher first and read the directory then, so that no change falls between the
    /// two. From here on `SIGHUP` no longer ends the process. Has to be called within a tokio
    /// runtime that has time and signals.
    pub async fn start(directory: &Path, limits: &Limits, settings: Settings) -> Self {
        let wake = Arc::new(Notify::new());
        // Events come with absolute paths, and the working directory may change.
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        let opener = (settings.mode == Mode::Watch)
            .then(|| kernel::opener(directory.clone(), Arc::clone(&wake)));
        let scout = Scout::new(directory, *limits, opener);
        Self::with_scout(scout, settings, wake).await
    }

    async fn with_scout(scout: Scout, settings: Settings, wake: Arc<Notify>) -> Self {
        let hangup = tokio::signal::unix::signal(SignalKind::hangup())
            .inspect_err(|error| tracing::warn!(%error, "cannot listen for SIGHUP"))
            .ok();
        let mut watcher = Self {
            directory: scout.directory().to_owned(),
            settings,
            scout: Arc::new(Mutex::new(scout)),
            wake,
            hangup,
            mode: settings.mode,
            seen: None,
            pending: None,
            next_poll: Instant::now(),
        };
        watcher.seen = watcher.look().await;
        watcher.next_poll = watcher.poll_time();
        watcher
    }

    /// Whether the kernel tells of changes at present, or only looking does.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Waits until the directory may have changed since this was last called, and has been quiet
    /// for a moment.
    ///
    /// Safe to cancel: a change that was seen before is told by the next call, and when it would
    /// have been. So `tokio::time::timeout(delay, watcher.changed())` waits for a change or for
    /// the time to read again after an error.
    pub async fn changed(&mut self) -> Change {
        loop {
            let due = self.due();
            tokio::select! {
                // In this order, so that a flood of events cannot hold up what is due.
                biased;
                () = tokio::time::sleep_until(due.unwrap_or(self.next_poll)), if due.is_some() => {
                    return self.tell().await;
                }
                () = hangup(&mut self.hangup) => self.note(Change::Hangup),
                () = tokio::time::sleep_until(self.next_poll) => self.poll().await,
                () = self.wake.notified() => self.note(Change::Event),
            }
        }
    }

    /// When the pending change is to be told.
    fn due(&self) -> Option<Instant> {
        let pending = self.pending?;
        let quiet = later(pending.last, self.settings.quiet);
        Some(quiet.min(later(pending.first, self.settings.longest)))
    }

    /// Takes note of a change, which puts off the telling.
    fn note(&mut self, cause: Change) {
        let now = Instant::now();
        let pending = self.pending.get_or_insert(Pending {
            cause,
            first: now,
            last: now,
        });
        pending.last = now;
    }

    /// Tells the pending change.
    async fn tell(&mut self) -> Change {
        // The watches are set to rights before the caller reads: what is written into a directory
        // before its watch is there is read, and what is written after gives an event.
        let seen = self.look().await;
        // Nothing awaits from here on, so a cancelled call has either told all or kept all.
        self.seen = seen;
        let pending = self.pending.take();
        pending.map_or(Change::Event, |pending| pending.cause)
    }

    /// Looks whether something changed that no event told of.
    async fn poll(&mut self) {
        let found = self.look().await;
        self.next_poll = self.poll_time();
        // What cannot be known counts as changed.
        if (found.is_none() || found != self.seen) && self.pending.is_none() {
            self.note(Change::Poll);
        }
    }

    /// Looks at the directory, and sets the watches to rights, on a thread that may block.
    async fn look(&mut self) -> Option<Digest> {
        let scout = Arc::clone(&self.scout);
        let outcome = tokio::task::spawn_blocking(move || {
            scout
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .report()
        });
        match outcome.await {
            Ok(Report {
                fingerprint,
                trouble,
            }) => {
                self.follow(trouble.as_ref());
                Some(fingerprint)
            }
            Err(error) => {
                tracing::error!(%error, "looking at the bundle directory broke off");
                None
            }
        }
    }

    /// Follows what the scout found about the watches, and logs when that changes.
    fn follow(&mut self, trouble: Option<&Trouble>) {
        if self.settings.mode == Mode::Poll {
            return;
        }
        let directory = self.directory.display();
        match (self.mode, trouble) {
            (Mode::Watch, Some(trouble)) => {
                self.mode = Mode::Poll;
                tracing::warn!(
                    %directory,
                    error = trouble as &dyn std::error::Error,
                    poll = ?self.settings.poll,
                    "no watch on the bundle directory, so changes are seen by polling alone"
                );
            }
            (Mode::Poll, None) => {
                self.mode = Mode::Watch;
                tracing::info!(%directory, "the bundle directory is watched again");
            }
            (Mode::Watch, None) | (Mode::Poll, Some(_)) => {}
        }
    }

    /// When to look next.
    fn poll_time(&self) -> Instant {
        let random = std::hash::RandomState::new().hash_one(0);
        let poll = self.settings.poll.max(SHORTEST_POLL);
        later(Instant::now(), jittered(poll, random))
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Watcher")
            .field("directory", &self.directory)
            .field("settings", &self.settings)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

async fn hangup(signal: &mut Option<Signal>) {
    let open = match signal {
        Some(signal) => signal.recv().await.is_some(),
        None => false,
    };
    if !open {
        std::future::pending::<()>().await;
    }
}

/// A moment after another one, or one far off where the clock has no such moment.
fn later(moment: Instant, by: Duration) -> Instant {
    moment
        .checked_add(by)
        .or_else(|| moment.checked_add(FAR))
        .unwrap_or(moment)
}

/// A time between nine and eleven tenths of `poll`, so that many instances do not look at once.
fn jittered(poll: Duration, random: u64) -> Duration {
    let parts = u32::try_from(random % 1024).unwrap_or(0);
    let spread = (poll / 5 / 1024).saturating_mul(parts);
    poll.saturating_sub(poll / 10).saturating_add(spread)
}

#[cfg(test)]
mod tests;
