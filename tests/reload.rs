//! Reading and watching real directories: volumes as the kubelet writes them, and plain trees.
//!
//! The cases of K2.15 that concern files; what happens to their content is tested where it is
//! parsed and published. Nothing here sleeps: the tests wait for events, each with a deadline.

#![expect(clippy::disallowed_methods, reason = "the tests write what is read")]

mod publishing;
mod reading;
mod refusing;
mod watching;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sidegate::loader::error::SourceError;
use sidegate::loader::source::{Files, Limits, read};
use tempfile::TempDir;

/// What waiting is given up after; nothing here takes nearly as long.
const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) type Contents<'a> = &'a [(&'a str, &'a [u8])];

/// A volume that is written as the kubelet's atomic writer does it (K2.1).
struct Volume {
    around: TempDir,
    generation: AtomicUsize,
}

impl Volume {
    fn new(contents: Contents<'_>) -> Self {
        let around = tempfile::tempdir().unwrap();
        fs::create_dir(around.path().join("bundle")).unwrap();
        let volume = Self {
            around,
            generation: AtomicUsize::new(0),
        };
        volume.publish(contents);
        volume
    }

    fn path(&self) -> PathBuf {
        self.around.path().join("bundle")
    }

    fn publish(&self, contents: Contents<'_>) {
        let generation = self.generation.fetch_add(1, Ordering::SeqCst);
        publish(&self.path(), generation, contents);
    }
}

/// Writes one version of a volume: a hidden directory, one rename, then the tidying up.
pub(crate) fn publish(volume: &Path, generation: usize, contents: Contents<'_>) {
    let hidden = format!("..2024_11_05_10_00_00.{generation}");
    let before = fs::read_link(volume.join("..data")).ok();
    write_all(&volume.join(&hidden), contents);
    symlink(&hidden, volume.join("..data_tmp")).unwrap();
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    let mut visible: Vec<&str> = contents
        .iter()
        .filter_map(|(path, _)| path.split('/').next())
        .collect();
    visible.dedup();
    for name in &visible {
        if fs::symlink_metadata(volume.join(name)).is_err() {
            symlink(Path::new("..data").join(name), volume.join(name)).unwrap();
        }
    }
    for entry in fs::read_dir(volume).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.starts_with("..") && !visible.contains(&name.as_str()) {
            fs::remove_file(volume.join(name)).unwrap();
        }
    }
    if let Some(before) = before {
        fs::remove_dir_all(volume.join(before)).unwrap();
    }
}

fn write_all(directory: &Path, contents: Contents<'_>) {
    fs::create_dir_all(directory).unwrap();
    for (path, bytes) in contents {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

fn plain(contents: Contents<'_>) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    write_all(directory.path(), contents);
    directory
}

/// Reads without waiting between two readings.
fn read_now(directory: &Path) -> Result<Files, SourceError> {
    read(directory, &Limits::default(), |_| std::thread::yield_now())
}

fn by_path(files: Files) -> BTreeMap<String, Vec<u8>> {
    files
        .entries
        .into_iter()
        .map(|file| (file.path, file.bytes))
        .collect()
}

fn expected(contents: Contents<'_>) -> BTreeMap<String, Vec<u8>> {
    contents
        .iter()
        .map(|(path, bytes)| ((*path).to_owned(), (*bytes).to_owned()))
        .collect()
}

#[track_caller]
fn assert_holds(directory: &Path, contents: Contents<'_>) {
    assert_eq!(by_path(read_now(directory).unwrap()), expected(contents));
}
