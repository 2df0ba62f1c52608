//! What several integration tests need: real parts, processes, clients and an upstream.

pub(crate) mod envoy;
pub(crate) mod grpc;
pub(crate) mod http;
pub(crate) mod parts;
pub(crate) mod shared;
pub(crate) mod sidegate;
pub(crate) mod signer;
pub(crate) mod upstream;

use std::time::{Duration, Instant};

/// What waiting is given up after.
const DEADLINE: Duration = Duration::from_secs(30);

/// Asks again and again until `probe` has an answer.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "other processes are waited for")]
pub(crate) fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        assert!(start.elapsed() < DEADLINE, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}
