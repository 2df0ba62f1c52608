//! Traces of decisions: a span for the check, and one for each of its stages.
//!
//! Spans are made when a decision is over, of times that are measured anyway, so that what is not
//! traced costs nothing. Nothing that a caller sends is in one but the ids of its trace.

use crate::model::{SpanId, TraceId, TraceParent};
use crate::telemetry::otlp::{Otlp, OtlpError, runtime, scope};
use crate::telemetry::share::Share;
use crate::telemetry::{Metrics, Stage};
use opentelemetry::trace::{
    SpanContext, SpanId as OtelSpan, SpanKind, Status, TraceFlags, TraceId as OtelTrace, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

/// How many checks wait at most for their spans to be sent.
const QUEUE: usize = 4_096;
/// The most checks that are sent at once.
const BATCH: usize = 256;
/// How long the first of a batch waits for others.
const LINGER: Duration = Duration::from_millis(200);

/// When the stages of a decision were over, after the first began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// How long each stage took that was reached.
    pub stages: [Option<Duration>; 3],
}

impl Timing {
    /// Notes a stage.
    pub fn note(&mut self, stage: Stage, took: Duration) {
        let [authenticate, map, decide] = &mut self.stages;
        *match stage {
            Stage::Authenticate => authenticate,
            Stage::Map => map,
            Stage::Decide => decide,
        } = Some(took);
    }
}

/// One decision that is traced.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The trace.
    pub trace: TraceId,
    /// The span of the check.
    pub span: SpanId,
    /// The span in which it was asked.
    pub parent: Option<SpanId>,
    /// When it began, since 1970.
    pub begun: Duration,
    /// How long it took.
    pub took: Duration,
    /// How long it took until the first stage began.
    pub before: Duration,
    /// Its stages.
    pub timing: Timing,
    /// What is told of it.
    pub attributes: Vec<(&'static str, String)>,
    /// Whether Sidegate failed, and not the caller.
    pub is_error: bool,
}

#[derive(Debug)]
enum Message {
    Checked(Box<Checked>),
    /// Everything before this was sent when the sender is dropped.
    End(SyncSender<()>),
}

/// Sends traces to a collector.
#[derive(Debug)]
pub struct Tracer {
    queue: SyncSender<Message>,
    share: Share,
    metrics: Arc<Metrics>,
}

impl Tracer {
    /// Starts to send to a collector; `share` of what has no traced parent is traced.
    ///
    /// # Errors
    ///
    /// [`OtlpError`] when nothing could ever be sent.
    pub fn start(otlp: &Otlp, share: f64, metrics: &Arc<Metrics>) -> Result<Arc<Self>, OtlpError> {
        let (queue, checks) = sync_channel(QUEUE);
        let runtime = runtime()?;
        let made = {
            let _entered = runtime.enter();
            otlp.spans()
        };
        let exporter = match made {
            Ok(exporter) => exporter,
            Err(error) => {
                // Whoever starts this waits for nothing, and a runtime waits for what it runs.
                runtime.shutdown_background();
                return Err(error);
            }
        };
        let counted = Arc::clone(metrics);
        let scope = scope();
        thread::Builder::new()
            .name("traces".to_owned())
            .spawn(move || {
                let mut has_failed = false;
                while let Some((batch, end)) = next_batch(&checks) {
                    let spans: Vec<SpanData> = batch
                        .iter()
                        .flat_map(|check| spans(check, &scope))
                        .collect();
                    let count = spans.len();
                    if spans.is_empty() {
                        drop(end);
                        continue;
                    }
                    let sent = runtime.block_on(exporter.export(spans));
                    counted.exported(sent.is_ok(), count);
                    if let Err(error) = &sent
                        && !has_failed
                    {
                        tracing::warn!(%error, "traces cannot be sent to the collector; what is lost is counted");
                    }
                    has_failed = sent.is_err();
                    drop(end);
                }
            })?;
        Ok(Arc::new(Self {
            queue,
            share: Share::new(share),
            metrics: Arc::clone(metrics),
        }))
    }

    /// The trace and the span of a decision, if it is traced: whoever asks within a trace has decided
    /// that, else the share does.
    #[must_use]
    pub fn begin(&self, parent: Option<TraceParent>) -> Option<(TraceId, SpanId)> {
        let trace = if let Some(parent) = parent {
            parent.is_sampled.then_some(parent.trace)
        } else {
            let is_chosen = self.share.next();
            is_chosen.then(|| TraceId(uuid::Uuid::new_v4().into_bytes()))
        };
        trace.map(|trace| (trace, random_span()))
    }

    /// Hands a decision over, or drops it. Never waits.
    pub fn send(&self, check: Checked) {
        let spans = 1 + check.timing.stages.iter().flatten().count();
        let message = Message::Checked(Box::new(check));
        if self.queue.try_send(message).is_err() {
            self.metrics.exported(false, spans);
        }
    }

    /// Waits until what was handed over is sent, at most for `longest`.
    pub fn close(&self, longest: Duration) {
        let (done, waiting) = sync_channel(0);
        if self.queue.try_send(Message::End(done)).is_ok() {
            // An error is either the end of the waiting or that of the thread.
            let _ = waiting.recv_timeout(longest);
        }
    }
}

fn random_span() -> SpanId {
    // The version of the id is in the upper half, so that it is never zero.
    SpanId(uuid::Uuid::new_v4().as_u64_pair().0.to_be_bytes())
}

/// What is there to be sent, and whom to tell when it is; `None` when nobody traces any more.
fn next_batch(checks: &Receiver<Message>) -> Option<(Vec<Checked>, Option<SyncSender<()>>)> {
    let mut next = Some(checks.recv().ok()?);
    let mut batch = Vec::new();
    let mut has_waited = false;
    while let Some(message) = next {
        match message {
            Message::Checked(check) => batch.push(*check),
            Message::End(done) => return Some((batch, Some(done))),
        }
        if batch.len() == BATCH {
            break;
        }
        next = checks.try_recv().ok();
        if next.is_none() && !has_waited {
            has_waited = true;
            thread::sleep(LINGER);
            next = checks.try_recv().ok();
        }
    }
    Some((batch, None))
}

fn spans(check: &Checked, scope: &InstrumentationScope) -> Vec<SpanData> {
    let make = |span: SpanId, parent: Option<SpanId>, name, begun: Duration, took: Duration| {
        let parent = parent.map_or(OtelSpan::INVALID, |parent| OtelSpan::from_bytes(parent.0));
        let trace = OtelTrace::from_bytes(check.trace.0);
        let id = OtelSpan::from_bytes(span.0);
        let sampled = TraceFlags::SAMPLED;
        SpanData {
            span_context: SpanContext::new(trace, id, sampled, false, TraceState::NONE),
            parent_span_id: parent,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: std::borrow::Cow::Borrowed(name),
            start_time: UNIX_EPOCH + begun,
            end_time: UNIX_EPOCH + begun + took,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: scope.clone(),
        }
    };
    let mut whole = make(check.span, check.parent, "check", check.begun, check.took);
    whole.span_kind = SpanKind::Server;
    whole.parent_span_is_remote = check.parent.is_some();
    whole.attributes = check
        .attributes
        .iter()
        .map(|(key, value)| KeyValue::new(*key, value.clone()))
        .collect();
    if check.is_error {
        whole.status = Status::error("no decision could be made");
    }
    let mut spans = vec![whole];
    let mut at = check.begun + check.before;
    for (name, took) in [Stage::Authenticate, Stage::Map, Stage::Decide]
        .map(Stage::label)
        .into_iter()
        .zip(check.timing.stages)
    {
        if let Some(took) = took {
            spans.push(make(random_span(), Some(check.span), name, at, took));
            at += took;
        }
    }
    spans
}
