//! What no bundle may hold.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode};
use sidegate::loader::error::SourceError;
use sidegate::loader::source::{Digest, Limits, mount, read, read_once};

use super::{Contents, DEADLINE, Volume, assert_holds, plain};

/// The label of the error that both ways of reading end with.
#[track_caller]
fn refusal(directory: &Path, limits: &Limits) -> SourceError {
    let error = read(directory, limits, |_| {}).unwrap_err();
    assert_eq!(read_once(directory, limits), Err(error.clone()));
    error
}

fn fifo(path: &Path) {
    let mode = Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(CWD, path, FileType::Fifo, mode, 0).unwrap();
}

#[test]
fn what_is_over_a_limit_is_refused() {
    let tree = plain(&[("a", b"12345678"), ("d/b", b"1234"), ("d/e/c", b"")]);
    let exact = Limits {
        file_bytes: 8,
        total_bytes: 12,
        files: 5,
        depth: 2,
    };
    assert!(read(tree.path(), &exact, |_| {}).is_ok());
    // (limits, label)
    let cases = [
        (
            Limits {
                file_bytes: 7,
                ..exact
            },
            "file_too_large",
        ),
        (
            Limits {
                total_bytes: 11,
                ..exact
            },
            "bundle_too_large",
        ),
        (Limits { files: 4, ..exact }, "too_many_files"),
        (Limits { depth: 1, ..exact }, "too_deep"),
    ];
    for (limits, label) in cases {
        assert_eq!(refusal(tree.path(), &limits).label(), label);
    }
}

#[test]
fn a_name_that_cannot_be_shown_is_refused() {
    let cases: [(&[u8], &str); 2] = [(b"a\xff.yaml", "d/a\u{fffd}.yaml"), (b"a\nb", "d/a\\nb")];
    for (name, shown) in cases {
        let tree = plain(&[("d/ok.yaml", b"1")]);
        let name = std::ffi::OsStr::from_bytes(name);
        fs::write(tree.path().join("d").join(name), "x").unwrap();
        let path = shown.to_owned();
        let refused = refusal(tree.path(), &Limits::default());
        assert_eq!(refused, SourceError::Name { path });
    }
}

#[test]
fn a_single_file_is_refused_with_the_remedy() {
    let tree = plain(&[("a.yaml", b"1")]);
    let file = tree.path().join("a.yaml");
    let error = refusal(&file, &Limits::default());
    assert_eq!(error.label(), "single_file");
    assert!(error.to_string().contains("mount the whole volume"));
    assert_eq!(mount::inspect(&file), Err(error));
    assert_eq!(mount::inspect(tree.path()), Ok(Vec::new()));
}

/// A pipe would hold up whoever opens it for reading until somebody writes.
#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    for (name, shown) in [("pipe.yaml", "pipe.yaml"), ("d/pipe", "d/pipe")] {
        let tree = plain(&[("a.yaml", b"1"), ("d/b.yaml", b"2")]);
        fifo(&tree.path().join(name));
        let (sender, receiver) = std::sync::mpsc::channel();
        let directory = tree.path().to_owned();
        std::thread::spawn(move || sender.send(refusal(&directory, &Limits::default())));
        let error = receiver.recv_timeout(DEADLINE).unwrap();
        assert_eq!(error.label(), "special_file");
        assert_eq!(
            error.to_string(),
            format!(
                "`{shown}` is a named pipe, and a bundle holds regular files and directories only"
            )
        );
    }
}

#[test]
fn sockets_and_links_to_devices_are_refused() {
    let tree = plain(&[("a.yaml", b"1")]);
    let socket = tree.path().join("s");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let error = refusal(tree.path(), &Limits::default());
    assert_eq!(error.label(), "special_file");
    drop(listener);
    fs::remove_file(&socket).unwrap();
    symlink("/dev/null", &socket).unwrap();
    let error = refusal(tree.path(), &Limits::default());
    assert_eq!(error.label(), "link_escapes");
}

#[test]
fn a_link_that_leaves_the_bundle_is_refused() {
    let outside = plain(&[("secret", b"s")]);
    let outside_path = outside.path().to_str().unwrap();
    let secret = format!("{outside_path}/secret");
    let name = outside_path.rsplit('/').next().unwrap();
    let cases = [
        ("x", secret.clone()),
        ("x", outside_path.to_owned()),
        ("x", format!("../{name}/secret")),
        ("d/x", format!("../../{name}/secret")),
        ("d/x", format!("../d/../../{name}/secret")),
        ("x", "..".to_owned()),
        ("x", "/".to_owned()),
        ("x", "/no/such/file".to_owned()),
        ("x", "/proc/self/root/etc/passwd".to_owned()),
        ("x", ".hop".to_owned()),
    ];
    for (link, target) in cases {
        let tree = plain(&[("a.yaml", b"1"), ("d/b.yaml", b"2")]);
        symlink(&secret, tree.path().join(".hop")).unwrap();
        symlink(&target, tree.path().join(link)).unwrap();
        let error = refusal(tree.path(), &Limits::default());
        assert_eq!(error.label(), "link_escapes", "{link} -> {target}");
        assert!(error.to_string().contains(&format!("`{link}`")), "{error}");
    }
}

#[test]
fn a_version_of_a_volume_may_not_point_out_of_it() {
    let outside = plain(&[("secret", b"s")]);
    let volume = Volume::new(&[("a.yaml", b"1")]);
    let data = volume.path().join("..data");
    let version = volume.path().join(fs::read_link(&data).unwrap());
    // Into the volume, but out of the version: it could be of another time.
    symlink("../stray", version.join("b.yaml")).unwrap();
    fs::write(volume.path().join("stray"), "x").unwrap();
    let error = refusal(&volume.path(), &Limits::default());
    assert_eq!(error.label(), "link_escapes");
    // The link to the version itself.
    fs::remove_file(&data).unwrap();
    symlink(outside.path(), &data).unwrap();
    let error = refusal(&volume.path(), &Limits::default());
    assert_eq!(error.label(), "link_escapes");
    // No link, and no directory.
    fs::remove_file(&data).unwrap();
    fs::write(&data, "x").unwrap();
    let error = refusal(&volume.path(), &Limits::default());
    assert_eq!(error.label(), "not_a_directory");
}

#[test]
fn a_directory_that_never_comes_is_refused() {
    let around = tempfile::tempdir().unwrap();
    let error = refusal(&around.path().join("none"), &Limits::default());
    assert_eq!(error.label(), "unreadable");
}

#[test]
fn links_in_a_circle_and_to_nothing_are_refused() {
    // (target of `x`, label)
    let cases = [
        ("x", "too_many_links"),
        (".", "too_deep"),
        ("none", "unreadable"),
        ("a.yaml/b", "unreadable"),
    ];
    for (target, label) in cases {
        let tree = plain(&[("a.yaml", b"1")]);
        symlink(target, tree.path().join("x")).unwrap();
        let error = refusal(tree.path(), &Limits::default());
        assert_eq!(error.label(), label, "x -> {target}");
    }
    // Many circles at once end at a limit, too.
    let tree = plain(&[("a.yaml", b"1")]);
    for number in 0..8 {
        symlink(".", tree.path().join(format!("a{number}"))).unwrap();
        symlink(".", tree.path().join(format!("{number}"))).unwrap();
    }
    refusal(tree.path(), &Limits::default());
}

#[test]
fn a_bundle_is_held_against_its_manifest() {
    let (a, b) = (Digest::of(b"1"), Digest::of(b"2"));
    let manifest = format!(r#"{{"files":{{"a.yaml":"{a}","d/b.yaml":"{b}"}}}}"#);
    let manifest = manifest.as_bytes();
    let volume = Volume::new(&[
        ("a.yaml", b"1"),
        ("d/b.yaml", b"2"),
        ("manifest.json", manifest),
    ]);
    assert_holds(&volume.path(), &[("a.yaml", b"1"), ("d/b.yaml", b"2")]);
    let steps: [Contents<'_>; 3] = [
        &[("a.yaml", b"1"), ("manifest.json", manifest)],
        &[
            ("a.yaml", b"0"),
            ("d/b.yaml", b"2"),
            ("manifest.json", manifest),
        ],
        &[
            ("a.yaml", b"1"),
            ("c.yaml", b""),
            ("d/b.yaml", b"2"),
            ("manifest.json", manifest),
        ],
    ];
    for contents in steps {
        volume.publish(contents);
        let error = refusal(&volume.path(), &Limits::default());
        assert_eq!(error.label(), "manifest");
    }
}
