//! Data that is not part of the project: `SIDEGATE_SHARED` names the directory that holds `data/`.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests read data that is not part of the project"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Where something below `data/` is; `None` when it is not there, which is told by the name of the
/// test.
pub(crate) fn data(test: &str, name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = std::env::var("SIDEGATE_SHARED").unwrap_or_else(|_| "../shared".to_owned());
    let path = root.join(shared).join("data").join(name);
    if path.exists() {
        return Some(path);
    }
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED {test}: {} is not there",
        path.display()
    );
    None
}
