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

/// What the engine says to a case: the line, and whether the case could be judged. It has to say the
/// same when the statements are found by indexes of every shape.
pub(crate) fn judge_case(case: &serde_json::Value) -> (String, bool) {
    use ::sidegate::engine::Thresholds;
    use ::sidegate::policy::json;
    use ::sidegate::simulate::{Case, judge_line};
    let text = case.to_string();
    let (line, judged) = judge_line(&text, false);
    if judged {
        let least = Thresholds {
            listed: 0,
            keyed: 1,
        };
        for thresholds in [least, Thresholds::default()] {
            let node = json::parse(&text).unwrap_or_else(|_| panic!("{text}"));
            let indexed = Case::read(&node).unwrap().indexed(thresholds);
            assert_eq!(indexed.judge().to_line(), line, "{thresholds:?}: {text}");
        }
    }
    (line, judged)
}
