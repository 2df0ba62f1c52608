//! To a collector of OpenTelemetry: spans, and records of the decision log.
//!
//! Each has a thread of its own with a runtime of its own, so that a collector that is slow or gone is
//! nobody else's trouble.

use crate::telemetry::decision_log::Record;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry::trace::{SpanId, TraceFlags, TraceId};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, Protocol as Encoding, SpanExporter, WithExportConfig as _,
    WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{LogBatch, LogExporter as _, SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::trace::SpanExporter as _;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Runtime;

/// The longest that one export may take; what is not taken by then is lost.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How a collector is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC, without TLS.
    Grpc,
    /// Protobuf over HTTP.
    Http,
}

/// A collector.
#[derive(Clone, Debug)]
pub struct Otlp {
    /// Its address, without the path of a signal.
    pub endpoint: String,
    /// What it speaks.
    pub protocol: Protocol,
}

/// Why nothing can be sent to a collector.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// The exporter cannot be made.
    #[error("`otlp.endpoint` cannot be used")]
    Exporter(#[from] ExporterBuildError),
    /// The client for HTTP cannot be made.
    #[error("`otlp.endpoint` cannot be asked over HTTP")]
    Client(#[from] reqwest::Error),
    /// There is no runtime or thread for it.
    #[error("the thread that sends to the collector cannot be started")]
    Thread(#[from] io::Error),
}

impl Otlp {
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.endpoint.trim_end_matches('/'))
    }

    /// An exporter of spans; to be called within the runtime that will drive it.
    pub(super) fn spans(&self) -> Result<SpanExporter, OtlpError> {
        let mut exporter = match self.protocol {
            Protocol::Grpc => SpanExporter::builder()
                .with_tonic()
                .with_endpoint(&self.endpoint)
                .with_timeout(TIMEOUT)
                .build()?,
            Protocol::Http => SpanExporter::builder()
                .with_http()
                .with_http_client(Client::new()?)
                .with_endpoint(self.url("/v1/traces"))
                .with_protocol(Encoding::HttpBinary)
                .with_timeout(TIMEOUT)
                .build()?,
        };
        exporter.set_resource(&resource());
        Ok(exporter)
    }

    fn logs(&self) -> Result<LogExporter, OtlpError> {
        let mut exporter = match self.protocol {
            Protocol::Grpc => LogExporter::builder()
                .with_tonic()
                .with_endpoint(&self.endpoint)
                .with_timeout(TIMEOUT)
                .build()?,
            Protocol::Http => LogExporter::builder()
                .with_http()
                .with_http_client(Client::new()?)
                .with_endpoint(self.url("/v1/logs"))
                .with_protocol(Encoding::HttpBinary)
                .with_timeout(TIMEOUT)
                .build()?,
        };
        exporter.set_resource(&resource());
        Ok(exporter)
    }
}

/// Who says it. `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` add to it, as everywhere.
fn resource() -> Resource {
    Resource::builder()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build()
}

pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("sidegate")
        .with_version(env!("CARGO_PKG_VERSION"))
        .build()
}

/// A runtime for one thread that exports.
pub(super) fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// Our client for HTTP.
#[derive(Debug)]
struct Client(reqwest::Client);

impl Client {
    fn new() -> Result<Self, reqwest::Error> {
        reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map(Self)
    }
}

#[tonic::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.0.execute(request.try_into()?).await?;
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        *response.body_mut() = answer.bytes().await?;
        Ok(response)
    }
}

/// Where records of the decision log go, on the thread of the log.
pub(super) struct LogSink {
    otlp: Otlp,
    logger: SdkLogger,
    scope: InstrumentationScope,
    /// Made when it is first needed: on the thread of the log.
    open: Option<(Runtime, LogExporter)>,
}

impl LogSink {
    pub(super) fn new(otlp: &Otlp) -> Self {
        // Makes records; what is done with them is done here.
        let provider = SdkLoggerProvider::builder().build();
        Self {
            otlp: otlp.clone(),
            logger: provider.logger("sidegate"),
            scope: scope(),
            open: None,
        }
    }

    /// Sends records, each with its text.
    pub(super) fn export(&mut self, records: &[(&Record, String)]) -> io::Result<()> {
        if self.open.is_none() {
            let runtime = runtime()?;
            let exporter = {
                let _entered = runtime.enter();
                self.otlp.logs().map_err(io::Error::other)?
            };
            self.open = Some((runtime, exporter));
        }
        let Some((runtime, exporter)) = &self.open else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let made: Vec<_> = records
            .iter()
            .map(|(record, text)| self.record(record, text))
            .collect();
        let batch: Vec<_> = made.iter().map(|record| (record, &self.scope)).collect();
        let sending = exporter.export(LogBatch::new(&batch));
        runtime.block_on(sending).map_err(io::Error::other)
    }

    fn record(&self, record: &Record, text: &str) -> opentelemetry_sdk::logs::SdkLogRecord {
        let mut made = self.logger.create_log_record();
        made.set_event_name("sidegate.decision");
        let (severity, name) = match record.outcome.as_str() {
            "allow" => (Severity::Info, "INFO"),
            "error" => (Severity::Error, "ERROR"),
            _ => (Severity::Warn, "WARN"),
        };
        made.set_severity_number(severity);
        made.set_severity_text(name);
        if let Some(at) = instant(&record.time) {
            made.set_timestamp(at);
            made.set_observed_timestamp(at);
        }
        made.set_body(AnyValue::String(text.to_owned().into()));
        for (key, value) in [
            ("sidegate.decision_id", Some(&record.id)),
            ("sidegate.outcome", Some(&record.outcome)),
            ("sidegate.reason", Some(&record.reason)),
        ] {
            if let Some(value) = value {
                made.add_attribute(key, value.clone());
            }
        }
        let trace = record.trace_id.as_deref();
        let trace = trace.and_then(|text| TraceId::from_hex(text).ok());
        let span = record.span_id.as_deref();
        let span = span.and_then(|text| SpanId::from_hex(text).ok());
        if let (Some(trace), Some(span)) = (trace, span) {
            made.set_trace_context(trace, span, Some(TraceFlags::SAMPLED));
        }
        made
    }
}

/// The time of a record, whose microseconds stand behind a dot.
fn instant(text: &str) -> Option<SystemTime> {
    let (_, fraction) = text.strip_suffix('Z')?.split_once('.')?;
    let seconds = crate::model::Timestamp::parse(text).ok()?.seconds();
    let micros: u64 = fraction.parse().ok()?;
    let since = Duration::from_secs(u64::try_from(seconds).ok()?) + Duration::from_micros(micros);
    UNIX_EPOCH.checked_add(since)
}
