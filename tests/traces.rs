//! Traces and records of decisions at a collector of OpenTelemetry's own protocol.

use crate::support::eventually;
use crate::support::http::send;
use crate::support::sidegate::Sidegate;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// What a collector got.
#[derive(Clone, Debug, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    records: Arc<Mutex<Vec<LogRecord>>>,
}

impl Collector {
    fn take_traces(&self, request: ExportTraceServiceRequest) {
        let scopes = request.resource_spans.into_iter().flat_map(|of| {
            let named = of.resource.unwrap().attributes;
            assert!(
                named
                    .iter()
                    .any(|attribute| attribute.key == "service.name")
            );
            of.scope_spans
        });
        let mut spans = self.spans.lock().unwrap();
        spans.extend(scopes.flat_map(|scope| scope.spans));
    }

    fn take_logs(&self, request: ExportLogsServiceRequest) {
        let scopes = request
            .resource_logs
            .into_iter()
            .flat_map(|of| of.scope_logs);
        let mut records = self.records.lock().unwrap();
        records.extend(scopes.flat_map(|scope| scope.log_records));
    }

    fn spans(&self, count: usize) -> Vec<Span> {
        eventually("spans", || {
            let spans = self.spans.lock().unwrap().clone();
            (spans.len() >= count).then_some(spans)
        })
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.take_traces(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Collector {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.take_logs(request.into_inner());
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

/// A collector on a thread of its own, that speaks gRPC and HTTP.
fn collector() -> (Collector, SocketAddr, SocketAddr) {
    let collector = Collector::default();
    let (tell, told) = std::sync::mpsc::channel();
    let serving = collector.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async move {
            let grpc = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let http = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send((grpc.local_addr().unwrap(), http.local_addr().unwrap()))
                .unwrap();
            let traces = |State(collector): State<Collector>, body: Bytes| async move {
                collector.take_traces(ExportTraceServiceRequest::decode(body).unwrap());
            };
            let logs = |State(collector): State<Collector>, body: Bytes| async move {
                collector.take_logs(ExportLogsServiceRequest::decode(body).unwrap());
            };
            let router = Router::new()
                .route("/v1/traces", post(traces))
                .route("/v1/logs", post(logs))
                .with_state(serving.clone());
            tokio::spawn(async move { axum::serve(http, router).await });
            tonic::transport::Server::builder()
                .add_service(TraceServiceServer::new(serving.clone()))
                .add_service(LogsServiceServer::new(serving))
                .serve_with_incoming(TcpListenerStream::new(grpc))
                .await
                .unwrap();
        });
    });
    let (grpc, http) = told.recv().unwrap();
    (collector, grpc, http)
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span
        .attributes
        .iter()
        .find(|attribute| attribute.key == key);
    match found?.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn ask(sidegate: &Sidegate, method: &str, parent: &str) -> u16 {
    let bearer = sidegate.bearer("ben");
    let headers = [("authorization", bearer.as_str()), ("traceparent", parent)];
    let headers = if parent.is_empty() {
        &headers[..1]
    } else {
        &headers
    };
    send(
        sidegate.http,
        method,
        "/authorize/envoy/v1/orders/7",
        headers,
    )
    .status
}

#[test]
fn a_collector_gets_the_spans_and_the_records_of_a_trace() {
    for protocol in ["grpc", "http"] {
        let (collector, grpc, http) = collector();
        let endpoint = match protocol {
            "grpc" => format!("http://{grpc}"),
            _ => format!("http://{http}/"),
        };
        let sidegate = Sidegate::start_with(&[
            ("SIDEGATE_OTLP_ENDPOINT", &endpoint),
            ("SIDEGATE_OTLP_PROTOCOL", protocol),
            ("SIDEGATE_DECISIONLOG_OUTPUT", "otlp"),
        ]);
        // Without a trace, and in one that nobody records: neither is one of ours.
        assert_eq!(ask(&sidegate, "GET", ""), 200);
        assert_eq!(
            ask(&sidegate, "GET", &format!("00-{TRACE}-{PARENT}-00")),
            200
        );
        assert_eq!(
            ask(&sidegate, "DELETE", &format!("00-{TRACE}-{PARENT}-01")),
            403
        );
        let spans = collector.spans(4);
        assert_eq!(spans.len(), 4, "{protocol}: {spans:?}");
        assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE));
        let check = spans.iter().find(|span| span.name == "check").unwrap();
        assert_eq!(hex(&check.parent_span_id), PARENT);
        assert_eq!(
            attribute(check, "sidegate.outcome").as_deref(),
            Some("deny")
        );
        assert_eq!(
            attribute(check, "sidegate.action").as_deref(),
            Some("orders:DeleteOrder")
        );
        let mut end = check.start_time_unix_nano;
        for name in ["authenticate", "map", "decide"] {
            let span = spans.iter().find(|span| span.name == name).unwrap();
            assert_eq!(span.parent_span_id, check.span_id, "{name}");
            assert!(
                span.start_time_unix_nano >= end,
                "{name} begins after the one before"
            );
            end = span.end_time_unix_nano;
        }
        assert!(end <= check.end_time_unix_nano);
        let record = eventually("a record", || {
            collector.records.lock().unwrap().first().cloned()
        });
        assert_eq!(hex(&record.trace_id), TRACE);
        assert_eq!(record.span_id, check.span_id, "of the span of the check");
        let Some(Value::StringValue(body)) = record.body.unwrap().value else {
            panic!("a text");
        };
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["reason"], "implicit_deny");
        assert_eq!(body["spanId"], hex(&check.span_id));
        let id = attribute(check, "sidegate.decision_id");
        assert_eq!(body["id"].as_str(), id.as_deref());
        // Nothing that the caller sent.
        let all = format!("{spans:?}");
        assert!(!all.contains("eyJ") && !all.contains("orders/7"), "{all}");
        eventually("the count", || {
            let exported = sidegate.count("sidegate_spans_total{result=\"exported\"}");
            (exported == 4).then_some(())
        });
    }
}

#[test]
fn a_share_of_what_is_in_no_trace_begins_one() {
    let (collector, grpc, _) = collector();
    let endpoint = format!("http://{grpc}");
    let sidegate = Sidegate::start_with(&[
        ("SIDEGATE_OTLP_ENDPOINT", &endpoint),
        ("SIDEGATE_TRACES_SAMPLE", "0.5"),
    ]);
    for _ in 0..6 {
        assert_eq!(ask(&sidegate, "GET", ""), 200);
    }
    let spans = collector.spans(12);
    let checks: Vec<&Span> = spans.iter().filter(|span| span.name == "check").collect();
    assert_eq!(checks.len(), 3);
    assert!(checks.iter().all(|span| span.parent_span_id.is_empty()));
}

#[test]
fn without_authorities_a_server_says_why_it_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    let none = directory.path().join("none.pem");
    std::fs::File::create(&none).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_sidegate"))
        .args(["serve", "--quickstart"])
        .env("SIDEGATE_OTLP_ENDPOINT", "http://127.0.0.1:1")
        .env("SIDEGATE_OTLP_PROTOCOL", "http")
        .env("SIDEGATE_DECISIONS_ADDRESS", "127.0.0.1:0")
        .env("SIDEGATE_HTTP_ADDRESS", "127.0.0.1:0")
        .env("SIDEGATE_ADMIN_ADDRESS", "127.0.0.1:0")
        .env("SSL_CERT_FILE", &none)
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("otlp.endpoint") && !said.contains("panicked"),
        "{said}"
    );
}

#[test]
fn a_collector_that_is_gone_is_nobodys_trouble() {
    let sidegate = Sidegate::start_with(&[
        ("SIDEGATE_OTLP_ENDPOINT", "http://127.0.0.1:1"),
        ("SIDEGATE_TRACES_SAMPLE", "1"),
        ("SIDEGATE_DECISIONLOG_OUTPUT", "otlp"),
    ]);
    for _ in 0..20 {
        assert_eq!(ask(&sidegate, "DELETE", ""), 403);
    }
    eventually("the count of what was lost", || {
        let spans = sidegate.count("sidegate_spans_total{result=\"dropped\"}");
        let records = sidegate.count("sidegate_decision_log_records_total{result=\"dropped\"}");
        (spans == 80 && records == 20).then_some(())
    });
    assert_eq!(ask(&sidegate, "GET", ""), 200);
}
