//! What a reading gives.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sidegate::loader::error::SourceError;
use sidegate::loader::source::{Limits, Wait, read, read_once};

use super::{
    Contents, DEADLINE, Volume, assert_holds, by_path, expected, plain, publish, read_now,
};

#[test]
fn a_volume_is_read_below_its_data_link_alone() {
    let contents: Contents<'_> = &[
        ("a.yaml", b"a"),
        ("deep/er/b.json", b"b"),
        ("deep/read.json", b"{}"),
    ];
    let volume = Volume::new(contents);
    fs::write(volume.path().join("stray.yaml"), "not of this version").unwrap();
    assert_holds(&volume.path(), contents);
}

#[test]
fn a_key_is_added_and_removed_and_all_are_removed() {
    let volume = Volume::new(&[("a.yaml", b"1")]);
    let steps: [Contents<'_>; 4] = [
        &[("a.yaml", b"1"), ("b.yaml", b"2")],
        &[("b.yaml", b"2")],
        &[],
        &[("a.yaml", b"1")],
    ];
    for contents in steps {
        volume.publish(contents);
        assert_holds(&volume.path(), contents);
    }
}

#[test]
fn the_same_set_has_the_same_digest_again() {
    let volume = Volume::new(&[("a.yaml", b"good"), ("b.yaml", b"good")]);
    let good = read_now(&volume.path()).unwrap().digest;
    volume.publish(&[("a.yaml", b"bad"), ("b.yaml", b"good")]);
    let bad = read_now(&volume.path()).unwrap().digest;
    volume.publish(&[("a.yaml", b"good"), ("b.yaml", b"good")]);
    assert_ne!(good, bad);
    assert_eq!(read_now(&volume.path()).unwrap().digest, good);
    // The layout is no part of the content.
    let tree = plain(&[("a.yaml", b"good"), ("b.yaml", b"good")]);
    assert_eq!(read_now(tree.path()).unwrap().digest, good);
    assert_eq!(good.to_string().len(), 64);
}

/// A thousand updates, while a reader looks at two files that belong together.
#[test]
fn two_files_are_never_of_two_versions() {
    const SWAPS: usize = 1_000;
    const READS: usize = 50;
    let volume = Volume::new(&[("a", b"0"), ("b", b"0")]);
    let (done, reads) = (AtomicBool::new(false), AtomicUsize::new(0));
    let start = Instant::now();
    let version = |number: usize| number.to_string().into_bytes();
    let last = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                match read_now(&volume.path()) {
                    Ok(files) => {
                        assert_eq!(files.entries.len(), 2);
                        assert_eq!(files.bytes_of("a"), files.bytes_of("b"));
                        reads.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(SourceError::Unsettled { .. } | SourceError::Unreadable { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        });
        let mut number = 0;
        while number < SWAPS || reads.load(Ordering::SeqCst) < READS {
            number += 1;
            let bytes = version(number);
            volume.publish(&[("a", &bytes), ("b", &bytes)]);
            if start.elapsed() > DEADLINE {
                break;
            }
        }
        done.store(true, Ordering::SeqCst);
        number
    });
    assert!(last >= SWAPS, "{last} updates within the deadline");
    assert!(reads.load(Ordering::SeqCst) >= READS);
    assert_holds(
        &volume.path(),
        &[("a", &version(last)), ("b", &version(last))],
    );
}

#[test]
fn a_plain_tree_is_taken_when_two_readings_agree() {
    let tree = plain(&[("a.yaml", b"0")]);
    // (how many waits write something, outcome, waits)
    for (writes, settles, waits) in [(0, true, 1), (1, true, 2), (4, true, 5), (5, false, 5)] {
        let mut waited = 0;
        let outcome = read(tree.path(), &Limits::default(), |wait| {
            assert_eq!(wait, Wait::Debounce);
            if waited < writes {
                fs::write(tree.path().join("a.yaml"), format!("{writes} {waited}")).unwrap();
            }
            waited += 1;
        });
        assert_eq!(waited, waits, "{writes} writes");
        match outcome {
            Ok(files) => {
                assert!(settles);
                let now = fs::read(tree.path().join("a.yaml")).unwrap();
                assert_eq!(files.bytes_of("a.yaml"), Some(now.as_slice()));
            }
            Err(error) => {
                assert!(!settles);
                assert_eq!(error.label(), "unsettled");
            }
        }
    }
}

#[test]
fn a_directory_that_comes_while_it_is_read_is_waited_for() {
    let around = tempfile::tempdir().unwrap();
    let directory = around.path().join("bundle");
    let mut waits = Vec::new();
    let files = read(&directory, &Limits::default(), |wait| {
        waits.push(wait);
        if waits.len() == 2 {
            fs::create_dir(&directory).unwrap();
            publish(&directory, 0, &[("a", b"1")]);
        }
    });
    assert_eq!(by_path(files.unwrap()), expected(&[("a", b"1")]));
    assert_eq!(waits, [Wait::Retry, Wait::Retry]);
    let debounce = Duration::from_millis(200);
    assert_eq!(Wait::Retry.length(debounce), Duration::from_millis(20));
    assert_eq!(Wait::Debounce.length(debounce), debounce);
}

#[test]
fn a_plain_tree_is_read_without_what_editors_and_systems_leave() {
    let tree = plain(&[
        ("a..b.yaml", b"1"),
        ("deep/b.yaml", b"2"),
        ("read.json", b"3"),
        (".hidden.yaml", b"x"),
        (".git/config", b"x"),
        ("..key.yaml", b"x"),
        ("a.yaml~", b"x"),
        ("#a.yaml#", b"x"),
        (".a.yaml.swp", b"x"),
        ("a.swp", b"x"),
        ("lost+found/a.yaml", b"x"),
    ]);
    symlink("user@host.1", tree.path().join(".#a.yaml")).unwrap();
    let contents: Contents<'_> = &[
        ("a..b.yaml", b"1"),
        ("deep/b.yaml", b"2"),
        ("read.json", b"3"),
    ];
    assert_holds(tree.path(), contents);
    let once = read_once(tree.path(), &Limits::default()).unwrap();
    assert_eq!(by_path(once), expected(contents));
}

#[test]
fn a_key_whose_name_begins_with_two_dots_is_not_read() {
    let volume = Volume::new(&[("..key.yaml", b"x"), ("a..b.yaml", b"1")]);
    assert_holds(&volume.path(), &[("a..b.yaml", b"1")]);
}

#[test]
fn volumes_below_a_plain_directory_are_each_read_in_one_version() {
    let tree = plain(&[("c.yaml", b"3")]);
    for name in ["left", "right"] {
        fs::create_dir(tree.path().join(name)).unwrap();
        publish(&tree.path().join(name), 0, &[("a.yaml", name.as_bytes())]);
        fs::write(tree.path().join(name).join("stray.yaml"), "x").unwrap();
    }
    assert_holds(
        tree.path(),
        &[
            ("c.yaml", b"3"),
            ("left/a.yaml", b"left"),
            ("right/a.yaml", b"right"),
        ],
    );
}

#[test]
fn content_that_is_no_text_is_kept_as_it_is() {
    let bytes = b"\xff\xfe\0kind: \xc3\x28\r\n";
    let volume = Volume::new(&[("a.yaml", bytes)]);
    assert_holds(&volume.path(), &[("a.yaml", bytes)]);
}

#[test]
fn a_set_of_five_megabytes_is_read_whole() {
    let large: Vec<u8> = (0..=u8::MAX).cycle().take(1_048_576).collect();
    let contents: Vec<(String, &[u8])> = (0..5)
        .map(|number| (format!("{number}.yaml"), large.as_slice()))
        .collect();
    let contents: Vec<(&str, &[u8])> = contents
        .iter()
        .map(|(path, bytes)| (path.as_str(), *bytes))
        .collect();
    let volume = Volume::new(&contents);
    assert_holds(&volume.path(), &contents);
}

#[test]
fn a_link_that_stays_inside_is_followed() {
    let tree = plain(&[("a.yaml", b"1"), ("d/b.yaml", b"2"), (".store/c", b"3")]);
    let path = tree.path();
    symlink("a.yaml", path.join("1")).unwrap();
    symlink("../a.yaml", path.join("d/2")).unwrap();
    symlink("d/../d/./2", path.join("3")).unwrap();
    symlink(path.join("d/b.yaml"), path.join("4")).unwrap();
    symlink(".store/c", path.join("5")).unwrap();
    symlink("d", path.join("e")).unwrap();
    symlink("../d/b.yaml", path.join(".store/6")).unwrap();
    symlink(".store", path.join("f")).unwrap();
    assert_holds(
        path,
        &[
            ("1", b"1"),
            ("3", b"1"),
            ("4", b"2"),
            ("5", b"3"),
            ("a.yaml", b"1"),
            ("d/2", b"1"),
            ("d/b.yaml", b"2"),
            ("e/2", b"1"),
            ("e/b.yaml", b"2"),
            ("f/6", b"2"),
            ("f/c", b"3"),
        ],
    );
}
