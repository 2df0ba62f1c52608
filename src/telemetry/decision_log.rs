//! One line for each decision, written by a thread of its own.
//!
//! # Invariants
//!
//! - No decision waits for the log: what there is no room for in the queue is dropped and counted.
//! - Every refusal is handed to the log; of allows, as many as the settings say.
//! - What the settings redact does not leave the process.

mod file;
mod record;
mod redaction;

pub use record::{Record, SCHEMA};
pub use redaction::{MEMBERS, Redaction};

use crate::telemetry::otlp::{LogSink, Otlp};
use crate::telemetry::share::Share;
use crate::telemetry::{Logged, Metrics};
use file::RotatedFile;
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

/// How decisions are written down.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to.
    pub output: Output,
    /// In which form.
    pub format: Format,
    /// Which share of the allows.
    pub allows: f64,
    /// What is left out.
    pub redaction: Redaction,
    /// How many records may wait.
    pub queue: usize,
    /// How large a file may become, in bytes.
    pub largest_file: u64,
    /// How many files that were full are kept.
    pub kept_files: u32,
}

/// Where the log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Nowhere.
    Off,
    /// To the standard output.
    Stdout,
    /// To a file, and further ones beside it.
    File(PathBuf),
    /// To a collector of OpenTelemetry.
    Otlp,
}

/// The form of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// [`Record`] as JSON.
    Json,
    /// An event in the manner of `CloudTrail`.
    CloudTrail,
}

/// Why the log cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum DecisionLogError {
    /// The file cannot be opened.
    #[error("the decision log `{path}` cannot be opened")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The thread that writes cannot be started.
    #[error("the thread of the decision log cannot be started")]
    Thread(#[source] io::Error),
    /// Decisions are to go to a collector, and none is named.
    #[error("`decisionlog.output` says `otlp`, and `otlp.endpoint` names no collector")]
    NoCollector,
}

/// How much may wait to be written, in bytes.
const MAX_WAITING: usize = 16 << 20;

/// The log, for whoever decides.
#[derive(Debug)]
pub struct DecisionLog {
    queue: SyncSender<Message>,
    /// How much waits, in bytes.
    waiting: Arc<AtomicUsize>,
    allows: Share,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
enum Message {
    /// A record, and about how much memory it takes.
    Record(Box<Record>, usize),
    /// Everything before this was written when the sender is dropped.
    End(SyncSender<()>),
}

impl DecisionLog {
    /// Starts the log; `None` where none is wanted.
    ///
    /// # Errors
    ///
    /// [`DecisionLogError`] when nothing could ever be written.
    pub fn start(
        settings: &Settings,
        otlp: Option<&Otlp>,
        metrics: &Arc<Metrics>,
    ) -> Result<Option<Arc<Self>>, DecisionLogError> {
        let sink = match &settings.output {
            Output::Off => return Ok(None),
            Output::Stdout => Sink::Stdout,
            Output::File(path) => {
                let file = RotatedFile::open(path, settings.largest_file, settings.kept_files);
                Sink::File(Box::new(file.map_err(|cause| DecisionLogError::File {
                    path: path.clone(),
                    cause,
                })?))
            }
            Output::Otlp => {
                let otlp = otlp.ok_or(DecisionLogError::NoCollector)?;
                Sink::Otlp(Box::new(LogSink::new(otlp)))
            }
        };
        let (queue, records) = sync_channel(settings.queue);
        let waiting = Arc::new(AtomicUsize::new(0));
        let writer = Writer {
            waiting: Arc::clone(&waiting),
            sink,
            format: settings.format,
            redaction: settings.redaction.clone(),
            metrics: Arc::clone(metrics),
            has_failed: false,
        };
        thread::Builder::new()
            .name("decision-log".to_owned())
            .spawn(move || writer.run(&records))
            .map_err(DecisionLogError::Thread)?;
        Ok(Some(Arc::new(Self {
            queue,
            waiting,
            allows: Share::new(settings.allows),
            metrics: Arc::clone(metrics),
        })))
    }

    /// Whether the next allow is one of those that are written down.
    #[must_use]
    pub fn keeps_allow(&self) -> bool {
        let keeps = self.allows.next();
        if !keeps {
            self.metrics.logged(Logged::SampledOut, 1);
        }
        keeps
    }

    /// Hands a record to the log, or drops it. Never waits.
    pub fn write(&self, record: Record) {
        let bytes = record.bytes();
        // Counted before the writer can have it, so that neither is ever below zero.
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        self.metrics.log_queue(1);
        let message = Message::Record(Box::new(record), bytes);
        if before.saturating_add(bytes) > MAX_WAITING || self.queue.try_send(message).is_err() {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            self.metrics.log_queue(-1);
            self.metrics.logged(Logged::Dropped, 1);
        }
    }

    /// Waits until what was handed over is written, at most for `longest`: a sink that hangs must not
    /// hold up the end.
    pub fn close(&self, longest: Duration) {
        let (done, waiting) = sync_channel(0);
        let step = Duration::from_millis(5);
        let mut message = Message::End(done);
        let mut left = longest;
        loop {
            match self.queue.try_send(message) {
                Ok(()) => break,
                Err(TrySendError::Full(again)) if !left.is_zero() => {
                    message = again;
                    left = left.saturating_sub(step);
                    thread::sleep(step);
                }
                Err(_) => return,
            }
        }
        // An error is either the end of the waiting or that of the writer.
        let _ = waiting.recv_timeout(left);
    }
}

enum Sink {
    Stdout,
    File(Box<RotatedFile>),
    Otlp(Box<LogSink>),
}

struct Writer {
    waiting: Arc<AtomicUsize>,
    sink: Sink,
    format: Format,
    redaction: Redaction,
    metrics: Arc<Metrics>,
    /// Whether the last attempt failed, which is told once.
    has_failed: bool,
}

/// The most records that are written at once.
const BATCH: usize = 512;

impl Writer {
    fn run(mut self, records: &Receiver<Message>) {
        let mut batch = Vec::new();
        while let Ok(first) = records.recv() {
            let mut end = None;
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Record(record, bytes) => {
                        self.waiting.fetch_sub(bytes, Ordering::Relaxed);
                        batch.push(*record);
                    }
                    Message::End(done) => end = Some(done),
                }
                next = (batch.len() < BATCH && end.is_none())
                    .then(|| records.try_recv().ok())
                    .flatten();
            }
            let count = batch.len();
            // Whatever fails, the next batch is written.
            let written = catch_unwind(AssertUnwindSafe(|| self.write(&mut batch)));
            if written.is_err() {
                batch.clear();
                self.metrics.logged(Logged::Dropped, count);
            }
            drop(end);
        }
    }

    /// Writes a batch, and empties it.
    fn write(&mut self, batch: &mut Vec<Record>) {
        let count = batch.len();
        self.metrics
            .log_queue(-i64::try_from(count).unwrap_or(i64::MAX));
        for record in batch.iter_mut() {
            self.redaction.apply(record);
        }
        let records = std::mem::take(batch);
        let written = match &mut self.sink {
            Sink::Stdout => to_stdout(&records, self.format),
            Sink::File(file) => to_file(file, &records, self.format),
            Sink::Otlp(sink) => {
                let lines = records
                    .iter()
                    .map(|record| (record, text(record, self.format)));
                sink.export(&lines.collect::<Vec<_>>())
            }
        };
        match written {
            Ok(()) => {
                self.metrics.logged(Logged::Written, count);
                self.has_failed = false;
            }
            Err(error) => {
                self.metrics.logged(Logged::Dropped, count);
                if !self.has_failed {
                    tracing::error!(%error, "the decision log cannot be written; decisions go on, and what is lost is counted");
                }
                self.has_failed = true;
            }
        }
    }
}

fn text(record: &Record, format: Format) -> String {
    let text = match format {
        Format::Json => serde_json::to_string(record),
        Format::CloudTrail => serde_json::to_string(&record.to_cloudtrail()),
    };
    // Maps with text keys can always be written.
    text.unwrap_or_default()
}

fn to_stdout(records: &[Record], format: Format) -> io::Result<()> {
    let mut lines = String::new();
    for record in records {
        lines.push_str(&text(record, format));
        lines.push('\n');
    }
    let mut stdout = io::stdout().lock();
    stdout.write_all(lines.as_bytes())?;
    stdout.flush()
}

fn to_file(file: &mut RotatedFile, records: &[Record], format: Format) -> io::Result<()> {
    for record in records {
        file.write_line(text(record, format).as_bytes())?;
    }
    file.flush()
}
