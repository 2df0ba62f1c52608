//! Whatever stands in a request's target and authority.
//!
//! What the strict mode takes has one reading: no dot segments, no empty ones, no slash that was
//! escaped, and the same path again when it is normalised.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidegate::mapping::{Host, Path, Query};
use sidegate::policy::PathMode;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let _ = Host::read(text);
    let _ = Query::read(text);
    let _ = Path::read(text, PathMode::Raw);
    let normalised = Path::read(text, PathMode::Normalise);
    let Ok(strict) = Path::read(text, PathMode::Strict) else {
        return;
    };
    for segment in strict.segments() {
        let name = segment.decoded();
        assert!(!name.is_empty() && name != "." && name != "..", "{text}");
        assert!(!name.contains(['/', '\\', '\0']), "{text}");
    }
    let normalised = normalised.expect("what is strict is normal");
    assert_eq!(strict.as_str(), normalised.as_str(), "{text}");
    let raw = text.split('?').next().unwrap_or_default();
    // The digits of an escape may be in either case: every reader takes them for the same.
    let same = strict.as_str().eq_ignore_ascii_case(raw);
    assert!(same, "what is judged is what was sent: {text}");
});
