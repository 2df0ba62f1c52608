//! The image: the same twice, with nothing in it but what it needs, and it runs on an empty root.

use super::{ROOT, script, shown};
use crate::support::parts;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program, linked statically. What costs time and is not looked at is left out.
fn static_program() -> PathBuf {
    let told = Command::new("rustc").arg("-vV").output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("static");
    let output = Command::new("cargo")
        .args([
            "build", "--locked", "--quiet", "--bin", "sidegate", "--target", host,
        ])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(ROOT)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env("CARGO_PROFILE_DEV_DEBUG", "none")
        .env("CARGO_PROFILE_DEV_STRIP", "symbols")
        .env("CARGO_INCREMENTAL", "0")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", super::text(&output.stderr));
    target.join(host).join("debug/sidegate")
}

#[test]
fn the_image_is_the_same_twice_and_runs_on_an_empty_root() {
    let test = "the_image_is_the_same_twice_and_runs_on_an_empty_root";
    let (Some(python), Some(umoci), Some(bubblewrap)) = (
        parts::python(test),
        parts::umoci(test),
        parts::bubblewrap(test),
    ) else {
        return;
    };
    let binary = static_program();
    let out = tempfile::tempdir().unwrap();
    let told = script(
        &python,
        "tests/image/check.py",
        &[
            "--binary",
            &shown(&binary),
            "--out",
            &shown(&out.path().join("image")),
            "--umoci",
            &shown(&umoci),
            "--bwrap",
            &shown(&bubblewrap),
        ],
    );
    assert!(told.contains("the image is well"), "{told}");
}
