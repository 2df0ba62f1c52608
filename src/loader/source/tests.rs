//! What only the inside can show: a change at a chosen moment of a reading.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests write what is looked at"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

/// Points `..data` to the version directory `version`.
fn point(directory: &Path, version: &str) {
    let fresh = directory.join("..data_tmp");
    symlink(version, &fresh).unwrap();
    fs::rename(&fresh, directory.join("..data")).unwrap();
}

/// A volume with the versions `..1` and `..2`, each with the files `a` and `b`; `..1` is live.
fn volume() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for version in ["1", "2"] {
        let hidden = directory.path().join(format!("..{version}"));
        fs::create_dir(&hidden).unwrap();
        for name in ["a", "b"] {
            fs::write(hidden.join(name), version).unwrap();
        }
    }
    point(directory.path(), "..1");
    directory
}

/// Walks once and calls `meddle` when the first file comes by; the paths seen, or the label.
fn walk(directory: &Path, meddle: impl FnOnce()) -> Result<Vec<String>, &'static str> {
    let limits = Limits::default();
    let mut tree = Tree::open(directory, &limits).unwrap();
    let mut meddle = Some(meddle);
    let mut paths = Vec::new();
    let outcome = tree.walk(&mut |found: &Found<'_>| {
        if let Some(meddle) = meddle.take() {
            meddle();
        }
        content(found, &limits, 0)?;
        paths.push(found.path.to_owned());
        Ok(())
    });
    match outcome {
        Ok(()) => Ok(paths),
        Err(Fault::Again(error)) => Err(error.label()),
        Err(Fault::Final(error)) => panic!("{error}"),
    }
}

#[test]
fn a_walk_without_a_change_sees_all_files() {
    let volume = volume();
    let paths = walk(volume.path(), || {});
    assert_eq!(paths, Ok(vec!["a".to_owned(), "b".to_owned()]));
}

#[test]
fn a_walk_over_a_version_that_was_replaced_is_dropped() {
    let volume = volume();
    let directory = volume.path();
    assert_eq!(
        walk(directory, || point(directory, "..2")),
        Err("unsettled")
    );
}

#[test]
fn a_version_that_is_deleted_under_the_walk_is_no_final_fault() {
    let volume = volume();
    let directory = volume.path();
    let update = || {
        point(directory, "..2");
        fs::remove_dir_all(directory.join("..1")).unwrap();
    };
    assert_eq!(walk(directory, update), Err("unsettled"));
    let files = read_once(directory, &Limits::default()).unwrap();
    assert_eq!(files.bytes_of("a"), Some(b"2".as_slice()));
}

#[test]
fn what_is_wrong_with_a_replaced_version_is_not_held_against_the_new_one() {
    let volume = volume();
    let directory = volume.path();
    symlink("/etc/passwd", directory.join("..1/c")).unwrap();
    assert_eq!(
        walk(directory, || point(directory, "..2")),
        Err("unsettled")
    );
}

#[test]
fn a_walk_over_a_directory_that_was_exchanged_is_dropped() {
    let around = tempfile::tempdir().unwrap();
    let directory = around.path().join("bundle");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("a"), "old").unwrap();
    let exchange = || {
        fs::rename(&directory, around.path().join("before")).unwrap();
        fs::create_dir(&directory).unwrap();
    };
    assert_eq!(walk(&directory, exchange), Err("unsettled"));
}

#[test]
fn a_file_that_becomes_a_link_or_a_pipe_after_the_look_is_not_opened() {
    for special in [false, true] {
        let around = tempfile::tempdir().unwrap();
        let directory = around.path();
        fs::write(directory.join("a"), "a").unwrap();
        let swap = || {
            let path = directory.join("a");
            fs::remove_file(&path).unwrap();
            if special {
                let mode = Mode::from_raw_mode(0o600);
                rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, mode, 0).unwrap();
            } else {
                symlink("/etc/passwd", &path).unwrap();
            }
        };
        assert_eq!(walk(directory, swap), Err("unreadable"));
    }
}

#[test]
fn a_file_that_grows_over_the_limit_while_it_is_read_is_refused() {
    let around = tempfile::tempdir().unwrap();
    let path = around.path().join("a");
    fs::write(&path, "12345678").unwrap();
    let limits = Limits {
        file_bytes: 8,
        ..Limits::default()
    };
    let mut tree = Tree::open(around.path(), &limits).unwrap();
    let outcome = tree.walk(&mut |found: &Found<'_>| {
        fs::write(&path, "123456789").unwrap();
        content(found, &limits, 0).map(drop)
    });
    let error = outcome.unwrap_err().into_error();
    assert_eq!(error.label(), "file_too_large");
}

#[test]
fn a_survey_differs_after_each_kind_of_change() {
    let around = tempfile::tempdir().unwrap();
    let directory = around.path().join("bundle");
    let steps: [(&str, &dyn Fn()); 9] = [
        ("nothing there", &|| {}),
        ("created", &|| fs::create_dir(&directory).unwrap()),
        ("file added", &|| {
            fs::write(directory.join("a"), "1").unwrap();
        }),
        ("file grown", &|| {
            fs::write(directory.join("a"), "12").unwrap();
        }),
        ("file replaced by one of the same size and time", &|| {
            let fresh = directory.join(".fresh");
            fs::write(&fresh, "34").unwrap();
            let time = fs::metadata(directory.join("a")).unwrap();
            let file = fs::File::options().write(true).open(&fresh).unwrap();
            file.set_modified(time.modified().unwrap()).unwrap();
            fs::rename(fresh, directory.join("a")).unwrap();
        }),
        ("file added below", &|| {
            fs::create_dir(directory.join("d")).unwrap();
            fs::write(directory.join("d/b"), "").unwrap();
        }),
        ("file renamed", &|| {
            fs::rename(directory.join("a"), directory.join("c")).unwrap();
        }),
        ("link out of the directory", &|| {
            symlink("/etc", directory.join("d/e")).unwrap();
        }),
        ("file removed", &|| {
            fs::remove_file(directory.join("c")).unwrap();
        }),
    ];
    let take = || Survey::take(&directory, &Limits::default()).fingerprint;
    let mut seen = Vec::new();
    for (name, step) in steps {
        step();
        let fingerprint = take();
        assert_eq!(take(), fingerprint, "looking changed something: {name}");
        assert!(!seen.contains(&fingerprint), "not noticed: {name}");
        seen.push(fingerprint);
    }
}

#[test]
fn a_survey_differs_after_a_swap_between_equal_versions() {
    let volume = volume();
    let take = || Survey::take(volume.path(), &Limits::default()).fingerprint;
    let first = take();
    point(volume.path(), "..2");
    let second = take();
    point(volume.path(), "..1");
    assert_ne!(first, second);
    assert_eq!(first, take());
}

#[test]
fn a_survey_names_the_directories_that_may_change() {
    let around = tempfile::tempdir().unwrap();
    let directory = around.path();
    for path in [
        "team/..1/deep",
        "plain/deeper",
        ".git/objects",
        "lost+found",
    ] {
        fs::create_dir_all(directory.join(path)).unwrap();
    }
    symlink("..1", directory.join("team/..data")).unwrap();
    symlink("plain", directory.join("again")).unwrap();
    let survey = Survey::take(directory, &Limits::default());
    let places: Vec<_> = survey.places.into_iter().map(|(path, _)| path).collect();
    let expected: Vec<_> = ["", "plain", "plain/deeper", "team"]
        .iter()
        .map(|path| directory.join(path))
        .collect();
    assert_eq!(places, expected);
}
