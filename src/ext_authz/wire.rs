//! The unary gRPC call around a check, framed by hand so that whatever is wrong with the message
//! can still be answered by a denial (rules 7, 42 and 75).

use crate::clock::{Clock, Stopwatch};
use crate::ext_authz::message::Writer;
use crate::ext_authz::read;
use crate::ext_authz::response::write;
use crate::model::HttpCall;
use crate::pdp::{DecisionId, Forwarding, Outcome, Pdp, Refusal, Told};
use crate::telemetry::{Door, Metrics};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The path of the method.
pub const CHECK_PATH: &str = "/envoy.service.auth.v3.Authorization/Check";

/// The largest message that is read: what Envoy buffers at most by default, and room for headers.
const MAX_MESSAGE: usize = 4 * 1024 * 1024 + 64 * 1024;

/// The service that answers checks.
#[derive(Clone, Debug)]
pub struct CheckService {
    pdp: Pdp,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    settings: Settings,
    places: Arc<Semaphore>,
}

/// A call that was taken in.
#[derive(Debug)]
pub struct Admission {
    arrived: Stopwatch,
    /// Held until the call is answered; none where there are too many.
    place: Option<OwnedSemaphorePermit>,
}

/// How checks are read and answered.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Whether the credentials of an allowed call go on to the upstream.
    pub forwarding: Forwarding,
    /// How many proxies of the operator's own stand in front of Envoy.
    pub trusted_hops: usize,
    /// How many checks may be in progress at once.
    pub concurrency: usize,
}

impl CheckService {
    /// A service that asks `pdp`.
    #[must_use]
    pub fn new(pdp: Pdp, clock: Arc<dyn Clock>, metrics: Arc<Metrics>, settings: Settings) -> Self {
        Self {
            pdp,
            clock,
            metrics,
            settings,
            places: Arc::new(Semaphore::new(settings.concurrency)),
        }
    }

    /// Answers the bytes of one check by those of a response.
    #[must_use]
    pub fn answer(&self, message: Result<Bytes, Refusal>) -> Bytes {
        let stopwatch = Stopwatch::start();
        let (outcome, call) = self.judge(message);
        self.tell(&outcome, call.as_ref(), stopwatch).into_message()
    }

    /// As [`answer`](Self::answer), for whoever can wait `left` for what is not at hand.
    async fn answer_in_time(
        &self,
        message: Result<Bytes, Refusal>,
        left: Duration,
        stopwatch: Stopwatch,
    ) -> Writer {
        let (mut outcome, call) = self.judge(message);
        if let Some(call) = &call
            && let Some(unsettled) = self.pdp.unsettled_call(&outcome, call)
        {
            unsettled.settle(left).await;
            outcome = guard(|| (self.pdp.decide(call, self.clock.now()), None)).0;
        }
        self.tell(&outcome, call.as_ref(), stopwatch)
    }

    fn judge(&self, message: Result<Bytes, Refusal>) -> (Outcome, Option<HttpCall>) {
        guard(|| self.decide(message))
    }

    /// Writes the answer, and notes it.
    fn tell(&self, outcome: &Outcome, call: Option<&HttpCall>, stopwatch: Stopwatch) -> Writer {
        let told = catch_unwind(AssertUnwindSafe(|| {
            let id = DecisionId::random();
            let response = write(outcome, &id, call, self.settings.forwarding);
            let told = Told {
                door: Door::ExtAuthz,
                id: &id,
                call,
                arrived: stopwatch,
                clock: &*self.clock,
            };
            self.pdp.tell(&told, outcome);
            response
        }));
        // What could not be told is denied, whatever was decided.
        told.unwrap_or_else(|_| {
            let outcome = Outcome::refused(Refusal::Internal);
            write(
                &outcome,
                &DecisionId::random(),
                None,
                self.settings.forwarding,
            )
        })
    }

    fn decide(&self, message: Result<Bytes, Refusal>) -> (Outcome, Option<HttpCall>) {
        match message.and_then(|bytes| read(&bytes, self.settings.trusted_hops)) {
            Ok(call) => (self.pdp.decide(&call, self.clock.now()), Some(call)),
            Err(refusal) => (Outcome::refused(refusal), None),
        }
    }

    /// Refuses a check without a decision, in the protocol of its client.
    fn shed(&self, message: Result<Bytes, Refusal>, refusal: Refusal) -> Writer {
        let stopwatch = Stopwatch::start();
        let (outcome, call) =
            guard(
                || match message.and_then(|bytes| read(&bytes, self.settings.trusted_hops)) {
                    Ok(call) => (Outcome::refused_call(refusal, &call), Some(call)),
                    Err(_) => (Outcome::refused(refusal), None),
                },
            );
        self.tell(&outcome, call.as_ref(), stopwatch)
    }

    /// Takes a call in, before anything of it is read: from here on its time runs, and it has a place or
    /// has none (rule 61).
    #[must_use]
    pub fn admit(&self) -> Admission {
        Admission {
            arrived: Stopwatch::start(),
            place: Arc::clone(&self.places).try_acquire_owned().ok(),
        }
    }

    /// Answers one call of the method [`CHECK_PATH`].
    pub async fn respond<B>(self, admission: Admission, request: Request<B>) -> Response<Answer>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let Admission { arrived, place } = admission;
        let _in_flight = self.metrics.enter(Door::ExtAuthz);
        let budget = budget(request.headers());
        let mut message = std::pin::pin!(message(request.into_body()));
        // Most messages have arrived with the call, and then no timer is needed.
        let at_hand = std::future::poll_fn(|context| Poll::Ready(message.as_mut().poll(context)));
        let message = match at_hand.await {
            Poll::Ready(message) => message,
            Poll::Pending => match tokio::time::timeout(budget, message).await {
                Ok(message) => message,
                Err(_) => Err(Refusal::Deadline),
            },
        };
        // What there is no place for is denied, and costs no decision.
        let Some(_place) = place else {
            return framed(self.shed(message, Refusal::Overload));
        };
        // Rule 74: nobody waits any more for what is late.
        let stopwatch = Stopwatch::start();
        let spent = stopwatch.since(arrived);
        if spent >= budget {
            return framed(self.shed(message, Refusal::Deadline));
        }
        framed(
            self.answer_in_time(message, budget.saturating_sub(spent), stopwatch)
                .await,
        )
    }
}

/// A panic must become a denial, whatever it was that failed.
fn guard(decide: impl FnOnce() -> (Outcome, Option<HttpCall>)) -> (Outcome, Option<HttpCall>) {
    catch_unwind(AssertUnwindSafe(decide))
        .unwrap_or_else(|_| (Outcome::refused(Refusal::Internal), None))
}

/// The longest that a check may take to arrive.
const LONGEST: Duration = Duration::from_secs(10);

/// How long a check may take here: what the asker gives, less what the answer needs on its way.
fn budget(headers: &HeaderMap) -> Duration {
    let given = timeout(headers).min(LONGEST);
    given.saturating_sub((given / 10).min(Duration::from_millis(5)))
}

/// The time that the asker gives, by `grpc-timeout`; without one it is [`LONGEST`].
fn timeout(headers: &HeaderMap) -> Duration {
    let default = LONGEST;
    let Some(text) = headers
        .get("grpc-timeout")
        .and_then(|value| value.to_str().ok())
    else {
        return default;
    };
    let Some((digits, unit)) = text.split_at_checked(text.len().saturating_sub(1)) else {
        return default;
    };
    if digits.len() > 8 {
        return default;
    }
    let Ok(amount) = digits.parse::<u64>() else {
        return default;
    };
    match unit {
        "H" => Duration::from_secs(amount.saturating_mul(3600)),
        "M" => Duration::from_secs(amount.saturating_mul(60)),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => default,
    }
}

/// Reads the one message of a unary call.
async fn message<B>(mut body: B) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    let malformed = |label: &'static str, message: &str| Refusal::Malformed {
        label,
        message: message.to_owned(),
    };
    let too_large = || malformed("message_too_large", "the check is too large");
    let mut first = Bytes::new();
    let mut buffer = BytesMut::new();
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else {
            break;
        };
        let frame = frame.map_err(|_| malformed("bad_message", "the check was cut off"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        // Most checks come in one piece, which need not be copied.
        if first.is_empty() && buffer.is_empty() {
            first = data;
        } else {
            buffer.extend_from_slice(&std::mem::take(&mut first));
            buffer.extend_from_slice(&data);
        }
        let got = if buffer.is_empty() { &*first } else { &*buffer };
        if got.len() > MAX_MESSAGE + 5
            || prefix(got).is_some_and(|(_, length)| length > MAX_MESSAGE)
        {
            return Err(too_large());
        }
    }
    let buffer = if buffer.is_empty() {
        first
    } else {
        buffer.freeze()
    };
    match prefix(&buffer) {
        Some((0, length)) if buffer.len() == length + 5 => Ok(buffer.slice(5..)),
        Some((1, _)) => Err(malformed("compressed", "compression was not agreed on")),
        _ => Err(malformed(
            "bad_message",
            "the check is not one whole message",
        )),
    }
}

/// The compression flag and the length in front of a gRPC message.
fn prefix(buffer: &[u8]) -> Option<(u8, usize)> {
    let (head, _) = buffer.split_first_chunk::<5>()?;
    let [flag, length @ ..] = *head;
    Some((flag, usize::try_from(u32::from_be_bytes(length)).ok()?))
}

/// The longest piece of an answer, in bytes: frames that are shorter than a kilobyte are sent together
/// with those of other answers.
const PIECE: usize = 1_000;

/// The body of an answer: one message, and the trailers that say that the call succeeded.
#[derive(Debug)]
pub struct Answer {
    message: Bytes,
    is_ended: bool,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !self.message.is_empty() {
            let length = self.message.len().min(PIECE);
            let piece = self.message.split_to(length);
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if self.is_ended {
            return Poll::Ready(None);
        }
        self.is_ended = true;
        let mut trailers = HeaderMap::with_capacity(1);
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_ended
    }
}

fn framed(answer: Writer) -> Response<Answer> {
    let mut response = Response::new(Answer {
        message: answer.into_frame(),
        is_ended: false,
    });
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::envoy::service::auth::v3::CheckResponse;
    use http_body_util::Full;
    use prost::Message as _;

    #[test]
    fn timeouts_have_units() {
        let cases = [
            ("200m", Duration::from_millis(200)),
            ("1S", Duration::from_secs(1)),
            ("5u", Duration::from_micros(5)),
            ("123456789S", Duration::from_secs(10)),
            ("S", Duration::from_secs(10)),
            ("1é", Duration::from_secs(10)),
            ("", Duration::from_secs(10)),
        ];
        for (text, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(
                "grpc-timeout",
                HeaderValue::from_bytes(text.as_bytes()).unwrap(),
            );
            assert_eq!(timeout(&headers), expected, "{text}");
        }
    }

    #[tokio::test]
    async fn what_there_is_no_place_for_is_denied_at_once() {
        use crate::clock::FixedClock;
        use crate::model::Timestamp;
        use crate::snapshot::Store;
        let metrics = Arc::new(Metrics::new().unwrap());
        let settings = Settings {
            forwarding: Forwarding::Strip,
            trusted_hops: 0,
            concurrency: 1,
        };
        let service = CheckService::new(
            Pdp::new(Arc::new(Store::empty()), Arc::clone(&metrics)),
            Arc::new(FixedClock(Timestamp::from_seconds(0))),
            metrics,
            settings,
        );
        let ask = || {
            let body = Full::new(Bytes::from_static(&[0; 5]));
            let request = Request::post(CHECK_PATH).body(body).unwrap();
            let answer = service.clone().respond(service.admit(), request);
            async move {
                let bytes = answer.await.into_body().collect().await.unwrap().to_bytes();
                CheckResponse::decode(bytes.slice(5..))
                    .unwrap()
                    .status
                    .unwrap()
                    .code
            }
        };
        let held = service.admit();
        assert!(held.place.is_some());
        assert_eq!(ask().await, 8, "rule 61");
        drop(held);
        assert_eq!(ask().await, 3, "and is looked at when there is");
    }

    #[tokio::test]
    async fn a_message_is_whole_or_refused() {
        let frame = |flag: u8, length: u32, data: &[u8]| {
            let mut bytes = vec![flag];
            bytes.extend(length.to_be_bytes());
            bytes.extend(data);
            Full::new(Bytes::from(bytes))
        };
        let cases = [
            (frame(0, 2, b"ab"), None),
            (frame(0, 0, b""), None),
            (frame(0, 3, b"ab"), Some("bad_message")),
            (frame(0, 1, b"ab"), Some("bad_message")),
            (frame(1, 2, b"ab"), Some("compressed")),
            (frame(0, u32::MAX, b"ab"), Some("message_too_large")),
            (Full::default(), Some("bad_message")),
        ];
        for (body, expected) in cases {
            let refused = message(body).await.err().map(|refusal| refusal.reason());
            assert_eq!(refused, expected);
        }
    }
}
