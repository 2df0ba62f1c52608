//! Keeps the published snapshot up to date with a bundle directory.
//!
//! Floor 4. A reload is a transaction (K2.6): read, parse, compile, and only then publish. Whatever
//! goes wrong leaves the snapshot in force where it is, and tells so in the log, the metrics and the
//! [`Status`].

use crate::authn::{NoRemotes, Remotes};
use crate::clock::Clock;
use crate::loader::error::SourceError;
use crate::loader::source::{Digest, Files, Limits, mount, read};
use crate::loader::watch::{Settings, Watcher};
use crate::model::Timestamp;
use crate::policy::{Bundle, Diagnostic, Place, Severity};
use crate::snapshot::{BUDGET, Before, Origin, Revision, Snapshot, Store, Surroundings};
use crate::telemetry::{Metrics, Reload};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use zeroize::Zeroize as _;

/// How many findings of a refused bundle are logged one by one.
const LOGGED: usize = 50;

/// The shortest and the longest wait before an unreadable directory is read again.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Why a bundle is not in force.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LoadError {
    /// Its files cannot be read as one set.
    #[error("the bundle cannot be read")]
    Unreadable(#[from] SourceError),
    /// It was read and says something that cannot be accepted; all findings are here.
    #[error("the bundle is refused")]
    Refused(Vec<Diagnostic>),
}

/// How the last attempt to load the bundle ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing was attempted yet.
    Pending,
    /// What is in force is what the directory holds.
    Current,
    /// The directory holds something that is not in force.
    Failed {
        /// The kind of failure; one of a closed set.
        label: &'static str,
        /// Where the bundle is at fault and by which rule. No text of the bundle: this is shown to
        /// whoever can reach the admin door.
        places: Vec<(Place, &'static str)>,
        /// When it was found.
        at: Timestamp,
    },
}

/// A compiled bundle with what there was to say about it.
#[derive(Debug)]
pub struct Loaded {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// The warnings.
    pub warnings: Vec<Diagnostic>,
}

/// Compiles the files of a bundle.
///
/// # Errors
///
/// All findings, warnings included, when one of them is an error.
pub fn compile(files: &Files, source: &str, now: Timestamp) -> Result<Loaded, Vec<Diagnostic>> {
    compile_with(files, None, &NoRemotes, source, now, None)
}

/// As [`compile`], with the files of the credentials directory, with somebody who fetches keys, and
/// with the snapshot before, of which what has not changed is taken over.
///
/// # Errors
///
/// As [`compile`].
pub fn compile_with(
    files: &Files,
    credentials: Option<&Files>,
    remotes: &dyn Remotes,
    source: &str,
    now: Timestamp,
    before: Option<&Known>,
) -> Result<Loaded, Vec<Diagnostic>> {
    let (bundle, warnings) =
        Bundle::parse(&files.parts()).map_err(|refused| refused.diagnostics)?;
    let bytes = files.entries.iter().map(|file| file.bytes.len() as u64);
    let origin = Origin {
        revision: Revision::new(files.digest),
        source: source.to_owned(),
        bytes: bytes.sum(),
        at: now,
    };
    let secret = |path: &str| credentials.and_then(|files| files.bytes_of(path));
    let same_files = before.map(|before| before.same_files(files));
    let is_same_file = |path: &str| same_files.as_ref().is_some_and(|same| same.contains(path));
    let surroundings = Surroundings {
        budget: BUDGET,
        before: before.map(|before| Before {
            snapshot: &before.snapshot,
            is_same_file: &is_same_file,
        }),
        remotes,
        secrets: credentials.is_some().then_some(&secret as _),
    };
    match Snapshot::compile(&bundle, surroundings, warnings.clone(), origin) {
        Ok((snapshot, warnings)) => Ok(Loaded { snapshot, warnings }),
        Err(mut faults) => {
            faults.extend(warnings);
            faults.sort_by(|a, b| a.place.cmp(&b.place));
            Err(faults)
        }
    }
}

/// What is in force, and which files it was made from.
#[derive(Debug)]
pub struct Known {
    snapshot: Arc<Snapshot>,
    files: BTreeMap<String, Digest>,
    /// The state of the credentials.
    secrets: Option<Digest>,
}

impl Known {
    /// A snapshot that was made from these files.
    #[must_use]
    pub fn new(snapshot: Arc<Snapshot>, files: &Files, secrets: Option<Digest>) -> Self {
        let digests = files.entries.iter();
        Self {
            snapshot,
            files: digests
                .map(|file| (file.path.clone(), Digest::of(&file.bytes)))
                .collect(),
            secrets,
        }
    }

    /// The paths of the files that are the same now.
    fn same_files<'f>(&self, now: &'f Files) -> HashSet<&'f str> {
        let files = now.entries.iter();
        let same =
            files.filter(|file| self.files.get(&file.path) == Some(&Digest::of(&file.bytes)));
        same.map(|file| file.path.as_str()).collect()
    }

    /// Frees the snapshot once nobody decides by it any more: whoever lets go last would have to do
    /// it, and a request must not.
    fn free(self) {
        let mut left = RELEASE.0;
        while Arc::strong_count(&self.snapshot) > 1 && left > 0 {
            std::thread::sleep(RELEASE.1);
            left -= 1;
        }
    }
}

/// How much a reload yields, in the system's measure from 0 to 19.
const NICE: i32 = 10;

/// How often it is looked whether a snapshot is still in use, and how long to wait in between.
const RELEASE: (u32, Duration) = (1_000, Duration::from_millis(5));

/// Loads one directory into a store, again and again.
#[derive(Clone, Debug)]
pub struct Loader {
    directory: PathBuf,
    /// Where the secrets are that the bundle names.
    credentials: Option<PathBuf>,
    remotes: Arc<dyn Remotes>,
    known: Arc<Mutex<Option<Known>>>,
    limits: Limits,
    settings: Settings,
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    status: Arc<watch::Sender<Status>>,
}

impl Loader {
    /// A loader of `directory` that has loaded nothing yet.
    #[must_use]
    pub fn new(
        directory: &Path,
        settings: Settings,
        store: Arc<Store>,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            directory: directory.to_owned(),
            credentials: None,
            remotes: Arc::new(NoRemotes),
            known: Arc::default(),
            limits: Limits::default(),
            settings,
            store,
            metrics,
            clock,
            status: Arc::new(watch::Sender::new(Status::Pending)),
        }
    }

    /// With a directory of secrets, which is followed like the bundle.
    #[must_use]
    pub fn with_credentials(mut self, directory: Option<PathBuf>) -> Self {
        self.credentials = directory;
        self
    }

    /// With somebody who fetches the keys that the bundle does not hold.
    #[must_use]
    pub fn with_remotes(mut self, remotes: Arc<dyn Remotes>) -> Self {
        self.remotes = remotes;
        self
    }

    /// Where the outcome of each attempt is told.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Loads the directory, and again after each change, until the future is dropped.
    ///
    /// `first` is told once the first attempt has ended, whether it succeeded or not.
    pub async fn run(self, first: oneshot::Sender<()>) {
        self.warn_of_frozen_mounts().await;
        // The watch is there before the first reading, so that no change falls between the two.
        let mut watchers = Watchers::start(&self).await;
        let mut first = Some(first);
        let mut told = None;
        let mut wait = RETRY.0;
        loop {
            self.metrics.watching(watchers.bundle.mode().label());
            let settled = self.attempt(&mut told).await;
            if let Some(first) = first.take() {
                // Nobody listens any more when the server is already going down.
                let _ = first.send(());
            }
            if settled {
                wait = RETRY.0;
                watchers.changed().await;
            } else {
                let _ = tokio::time::timeout(wait, watchers.changed()).await;
                wait = wait.saturating_mul(2).min(RETRY.1);
            }
        }
    }

    /// K2.8: what is mounted by itself never changes, and nothing else would tell.
    async fn warn_of_frozen_mounts(&self) {
        for directory in [Some(&self.directory), self.credentials.as_ref()] {
            let Some(directory) = directory.cloned() else {
                continue;
            };
            let looked = tokio::task::spawn_blocking(move || mount::inspect(&directory)).await;
            // A directory that cannot be opened is told of when it is read.
            for frozen in looked.into_iter().flatten().flatten() {
                tracing::warn!("{frozen}");
            }
        }
    }

    /// One attempt. False when it should be made again without waiting for a change.
    async fn attempt(&self, told: &mut Option<Told>) -> bool {
        let failure = match self.clone().load_apart().await {
            Some(Ok(())) => {
                *told = None;
                return true;
            }
            Some(Err(failure)) => failure,
            None => Failure {
                told: Told::Broken,
                error: None,
            },
        };
        let now = self.clock.now();
        self.metrics.reloaded(Reload::Failure, now.seconds());
        self.status.send_replace(failure.status(now));
        // K2.6: once for each state of the directory.
        if told.as_ref() != Some(&failure.told) {
            failure.log(&self.directory, self.store.current().is_some());
        }
        let settled = matches!(failure.told, Told::Refused(_));
        *told = Some(failure.told);
        settled
    }

    /// Loads on a thread of its own, which yields to those that decide: where there is not time for
    /// both, requests go first. `None` when the thread could not do its work.
    async fn load_apart(self) -> Option<Result<(), Failure>> {
        let (tell, told) = oneshot::channel();
        let runtime = Handle::current();
        let load = move || {
            // Whoever fetches keys begins to do so when a bundle names them.
            let _runtime = runtime.enter();
            // Where it may not be, it competes like any other.
            let _ = rustix::process::nice(NICE);
            // Nobody listens any more when the server is already going down.
            let (result, before) = match self.load() {
                Ok(before) => (Ok(()), before),
                Err(failure) => (Err(failure), None),
            };
            let _ = tell.send(result);
            // The next change does not wait for it.
            if let Some(before) = before {
                before.free();
            }
        };
        let thread = std::thread::Builder::new().name("reload".to_owned());
        let _thread = thread.spawn(load).ok()?;
        told.await.ok()
    }

    /// Reads, compiles and publishes, on a thread that may block. Gives what was in force before.
    fn load(&self) -> Result<Option<Known>, Failure> {
        let quiet = self.settings.quiet;
        let files = read(&self.directory, &self.limits, |wait| {
            std::thread::sleep(wait.length(quiet));
        })?;
        let secrets = match &self.credentials {
            None => None,
            Some(directory) => Some(read(directory, &self.limits, |wait| {
                std::thread::sleep(wait.length(quiet));
            })?),
        };
        let secrets = secrets.map(Wiped);
        let of_secrets = secrets.as_ref().map(|secrets| secrets.0.digest);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let revision = Revision::new(files.digest);
        let is_current = known.as_ref().is_some_and(|known| {
            known.snapshot.revision == revision && known.secrets == of_secrets
        });
        if is_current {
            let now = self.clock.now().seconds();
            self.metrics.reloaded(Reload::Unchanged, now);
            self.status.send_replace(Status::Current);
            return Ok(None);
        }
        let now = self.clock.now();
        let source = self.directory.display().to_string();
        let Loaded { snapshot, warnings } = compile_with(
            &files,
            secrets.as_ref().map(|secrets| &secrets.0),
            self.remotes.as_ref(),
            &source,
            now,
            known.as_ref(),
        )
        .map_err(|findings| Failure {
            told: Told::Refused(files.digest),
            error: Some(LoadError::Refused(findings)),
        })?;
        for finding in warnings.iter().take(LOGGED) {
            log_finding(finding);
        }
        if secrets.is_none() && !snapshot.access_keys.is_empty() {
            tracing::warn!(
                keys = snapshot.access_keys.len(),
                "the bundle has access keys, and there is no directory with their secrets: set `credentials.directory`"
            );
        }
        let bytes = snapshot.source_bytes;
        tracing::info!(
            revision = %snapshot.revision,
            files = snapshot.files,
            statements = snapshot.policies.statements(),
            warnings = warnings.len(),
            "a snapshot is in force"
        );
        self.metrics.published(now.seconds(), bytes);
        self.metrics.reloaded(Reload::Success, now.seconds());
        let snapshot = Arc::new(snapshot);
        drop(self.store.publish(Arc::clone(&snapshot)));
        let before = known.replace(Known::new(snapshot, &files, of_secrets));
        self.status.send_replace(Status::Current);
        Ok(before)
    }
}

/// What is watched: the bundle, and the credentials where there are any.
struct Watchers {
    bundle: Watcher,
    credentials: Option<Watcher>,
}

impl Watchers {
    async fn start(loader: &Loader) -> Self {
        let start = |directory| Watcher::start(directory, &loader.limits, loader.settings);
        Self {
            bundle: start(&loader.directory).await,
            credentials: match &loader.credentials {
                Some(directory) => Some(start(directory).await),
                None => None,
            },
        }
    }

    /// Waits until either may have changed; safe to cancel, as [`Watcher::changed`] is.
    async fn changed(&mut self) {
        match &mut self.credentials {
            None => {
                self.bundle.changed().await;
            }
            Some(credentials) => tokio::select! {
                _ = self.bundle.changed() => {}
                _ = credentials.changed() => {}
            },
        }
    }
}

/// Files of secrets, wiped when they are no longer needed.
struct Wiped(Files);

impl Drop for Wiped {
    fn drop(&mut self) {
        for file in &mut self.0.entries {
            file.bytes.zeroize();
        }
    }
}

/// What was last logged, so that it is not logged again.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Unreadable(SourceError),
    Refused(Digest),
    Broken,
}

struct Failure {
    told: Told,
    error: Option<LoadError>,
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self {
            told: Told::Unreadable(error.clone()),
            error: Some(LoadError::Unreadable(error)),
        }
    }
}

impl Failure {
    fn status(&self, at: Timestamp) -> Status {
        let (label, places) = match &self.error {
            None => ("broken", Vec::new()),
            Some(LoadError::Unreadable(error)) => (error.label(), Vec::new()),
            Some(LoadError::Refused(findings)) => {
                let errors = findings
                    .iter()
                    .filter(|finding| finding.severity == Severity::Error);
                let places = errors.map(|finding| (finding.place.clone(), finding.rule));
                ("refused", places.take(LOGGED).collect())
            }
        };
        Status::Failed { label, places, at }
    }

    fn log(&self, directory: &Path, has_snapshot: bool) {
        let consequence = if has_snapshot {
            "the last good snapshot stays in force"
        } else {
            "no policies are in force, and every request is denied"
        };
        let directory = directory.display();
        match &self.error {
            None => tracing::error!(%directory, "loading the bundle broke off: {consequence}"),
            Some(LoadError::Unreadable(error)) => {
                let cause = std::error::Error::source(error).map(ToString::to_string);
                tracing::error!(%directory, %error, cause, "the bundle cannot be read: {consequence}");
            }
            Some(LoadError::Refused(findings)) => {
                for finding in findings.iter().take(LOGGED) {
                    log_finding(finding);
                }
                let findings = findings.len();
                tracing::error!(%directory, findings, "the bundle is refused: {consequence}");
            }
        }
    }
}

fn log_finding(finding: &Diagnostic) {
    let Diagnostic {
        severity,
        rule,
        place,
        message,
        hint,
    } = finding;
    match severity {
        Severity::Error => tracing::error!(%place, rule, hint, "{message}"),
        Severity::Warning => tracing::warn!(%place, rule, hint, "{message}"),
    }
}
