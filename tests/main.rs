//! The integration tests, as one binary.
#[test]
fn t() {}
