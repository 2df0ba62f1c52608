//! The load: calls over HTTP/2, a fixed number at a time or at a fixed rate.

use bytes::Bytes;
use h2::client::SendRequest;
use hdrhistogram::Histogram;
use http::Request;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;

/// Where a server listens.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    Tcp(u16),
    Unix(PathBuf),
}

/// One call, again and again.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) path: &'static str,
    /// The message with its gRPC prefix.
    pub(crate) frame: Bytes,
    /// What the answer of an allow holds; without it, the answer is one of `ext_authz`.
    allow: Option<&'static [u8]>,
}

/// What was measured.
#[derive(Debug)]
pub(crate) struct Measured {
    /// In nanoseconds.
    pub(crate) latency: Histogram<u64>,
    pub(crate) calls: u64,
    pub(crate) seconds: f64,
    /// Answers that were no allow.
    pub(crate) wrong: u64,
}

impl Call {
    pub(crate) fn new(path: &'static str, message: &[u8]) -> Self {
        let length = u32::try_from(message.len()).expect("a short message");
        let mut frame = vec![0];
        frame.extend(length.to_be_bytes());
        frame.extend(message);
        Self {
            path,
            frame: frame.into(),
            allow: None,
        }
    }

    /// For a protocol that is not `ext_authz`: an allow is an answer that holds these bytes.
    pub(crate) fn allowed_by(self, allow: &'static [u8]) -> Self {
        let allow = Some(allow);
        Self { allow, ..self }
    }

    fn request(&self) -> Request<()> {
        Request::post(format!("http://bench{}", self.path))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .expect("a request")
    }
}

/// Opens a connection.
pub(crate) async fn connect(address: &Address) -> Result<SendRequest<Bytes>, h2::Error> {
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 24);
    macro_rules! shake {
        ($stream:expr) => {{
            let stream = $stream.map_err(|_| h2::Error::from(h2::Reason::CONNECT_ERROR))?;
            let (send, connection) = builder.handshake(stream).await?;
            tokio::spawn(async move {
                // The calls tell when it ends.
                let _ = connection.await;
            });
            Ok(send)
        }};
    }
    match address {
        Address::Tcp(port) => shake!(
            async {
                let stream = TcpStream::connect(("127.0.0.1", *port)).await?;
                stream.set_nodelay(true)?;
                Ok::<_, std::io::Error>(stream)
            }
            .await
        ),
        Address::Unix(path) => shake!(UnixStream::connect(path).await),
    }
}

/// Makes one call; gives whether its answer is an allow.
///
/// An allow of `ext_authz` has code zero, which is left out: its first field is a status without
/// code.
pub(crate) async fn call(send: &mut SendRequest<Bytes>, call: &Call) -> Result<bool, h2::Error> {
    std::future::poll_fn(|context| send.poll_ready(context)).await?;
    let (response, mut body) = send.send_request(call.request(), false)?;
    body.send_data(call.frame.clone(), true)?;
    let mut body = response.await?.into_body();
    let mut first = None;
    while let Some(data) = body.data().await {
        let data = data?;
        let _ = body.flow_control().release_capacity(data.len());
        first.get_or_insert(data);
    }
    let ended = body.trailers().await?;
    let succeeded = ended.is_none_or(|trailers| {
        trailers
            .get("grpc-status")
            .is_some_and(|status| status == "0")
    });
    let is_allow = match call.allow {
        // The prefix is five bytes; then comes field one, a status of no bytes, or nothing at all.
        None => {
            first.is_none_or(|data| !matches!(data.get(5..7), Some([0x0a, length]) if *length > 0))
        }
        Some(allow) => first.is_some_and(|data| data.windows(allow.len()).any(|at| at == allow)),
    };
    Ok(succeeded && is_allow)
}

/// Keeps `in_flight` calls going on `connections` connections.
pub(crate) async fn closed(
    address: &Address,
    what: &Call,
    connections: usize,
    in_flight: usize,
    length: Duration,
) -> Result<Measured, h2::Error> {
    let started = Instant::now();
    let end = started + length;
    let mut tasks = JoinSet::new();
    let mut sends = Vec::new();
    for _ in 0..connections.min(in_flight) {
        sends.push(connect(address).await?);
    }
    for number in 0..in_flight {
        let mut send = sends[number % sends.len()].clone();
        let what = what.clone();
        tasks.spawn(async move {
            let mut latency = histogram();
            let mut wrong = 0;
            while Instant::now() < end {
                let begun = Instant::now();
                wrong += u64::from(!call(&mut send, &what).await.unwrap_or(false));
                record(&mut latency, begun.elapsed());
            }
            (latency, wrong)
        });
    }
    Ok(gather(tasks, started).await)
}

/// Begins calls at a fixed rate, whether those before have ended or not. Latency counts from when a
/// call should have begun, so that a server that stalls cannot hide it.
pub(crate) async fn open(
    address: &Address,
    what: &Call,
    connections: usize,
    rate: f64,
    length: Duration,
) -> Result<Measured, h2::Error> {
    let mut sends = Vec::new();
    for _ in 0..connections {
        sends.push(connect(address).await?);
    }
    let total = (rate * length.as_secs_f64()) as u64;
    let started = Instant::now() + Duration::from_millis(20);
    let mut tasks = JoinSet::new();
    let mut measured = Gathered::default();
    for turn in 0..total {
        let due = started + Duration::from_secs_f64(turn as f64 / rate);
        wait_until(due).await;
        let mut send = sends[turn as usize % sends.len()].clone();
        let what = what.clone();
        tasks.spawn(async move {
            let is_allow = call(&mut send, &what).await.unwrap_or(false);
            (due.elapsed(), is_allow)
        });
        while let Some(ended) = tasks.try_join_next() {
            measured.note(ended.expect("no task fails"));
        }
    }
    while let Some(ended) = tasks.join_next().await {
        measured.note(ended.expect("no task fails"));
    }
    Ok(Measured {
        calls: measured.latency.len(),
        latency: measured.latency,
        seconds: started.elapsed().as_secs_f64(),
        wrong: measured.wrong,
    })
}

struct Gathered {
    latency: Histogram<u64>,
    wrong: u64,
}

impl Default for Gathered {
    fn default() -> Self {
        Self {
            latency: histogram(),
            wrong: 0,
        }
    }
}

impl Gathered {
    fn note(&mut self, (took, is_allow): (Duration, bool)) {
        record(&mut self.latency, took);
        self.wrong += u64::from(!is_allow);
    }
}

/// Timers of the runtime are as coarse as a millisecond: the rest is waited for by yielding.
async fn wait_until(due: Instant) {
    let now = Instant::now();
    if let Some(left) = due.checked_duration_since(now)
        && left > Duration::from_millis(2)
    {
        tokio::time::sleep(left - Duration::from_millis(2)).await;
    }
    while Instant::now() < due {
        tokio::task::yield_now().await;
    }
}

async fn gather(mut tasks: JoinSet<(Histogram<u64>, u64)>, started: Instant) -> Measured {
    let mut latency = histogram();
    let mut wrong = 0;
    while let Some(ended) = tasks.join_next().await {
        let (of_task, of_task_wrong) = ended.expect("no task fails");
        latency.add(of_task).expect("histograms of one kind");
        wrong += of_task_wrong;
    }
    Measured {
        calls: latency.len(),
        latency,
        seconds: started.elapsed().as_secs_f64(),
        wrong,
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(100, 60_000_000_000, 3).expect("good bounds")
}

fn record(latency: &mut Histogram<u64>, took: Duration) {
    let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    latency.saturating_record(nanoseconds);
}
