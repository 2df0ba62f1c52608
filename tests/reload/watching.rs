//! When a change is told.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use sidegate::loader::source::Limits;
use sidegate::loader::watch::{Change, Mode, Settings, Watcher};

use super::{Contents, DEADLINE, Volume, by_path, expected, plain, publish, read_now, write_all};

/// Quick, and with polls so rare that only events can tell of a change. (Or a hangup: the test
/// that sends one sends it to the whole process.)
fn by_events() -> Settings {
    Settings {
        poll: Duration::from_hours(24),
        quiet: Duration::from_millis(20),
        longest: Duration::from_millis(500),
        mode: Mode::Watch,
    }
}

async fn start(directory: &Path, settings: Settings) -> Watcher {
    let watcher = Watcher::start(directory, &Limits::default(), settings).await;
    assert_eq!(watcher.mode(), settings.mode);
    watcher
}

/// Waits for changes until the directory holds `contents`; what told of the last one.
async fn follow(watcher: &mut Watcher, directory: &Path, contents: Contents<'_>) -> Change {
    let wanted = expected(contents);
    let arrival = async {
        loop {
            let change = watcher.changed().await;
            if read_now(directory).is_ok_and(|files| by_path(files) == wanted) {
                return change;
            }
        }
    };
    tokio::time::timeout(DEADLINE, arrival)
        .await
        .unwrap_or_else(|_| panic!("no change was told that led to {:?}", wanted.keys()))
}

/// A watch on the file, or on `..data`, passes the first update and never sees the second.
#[tokio::test]
async fn updates_in_a_row_are_all_told() {
    let volume = Volume::new(&[("a.yaml", b"0")]);
    let mut watcher = start(&volume.path(), by_events()).await;
    let steps: [Contents<'_>; 5] = [
        &[("a.yaml", b"1")],
        &[("a.yaml", b"2")],
        &[("a.yaml", b"2"), ("b.yaml", b"3")],
        &[],
        &[("a.yaml", b"4")],
    ];
    for contents in steps {
        volume.publish(contents);
        let change = follow(&mut watcher, &volume.path(), contents).await;
        assert_ne!(change, Change::Poll);
    }
}

#[tokio::test]
async fn a_plain_tree_is_watched_into_directories_that_are_new() {
    let tree = plain(&[("a.yaml", b"0")]);
    let mut watcher = start(tree.path(), by_events()).await;
    let steps: [Contents<'_>; 4] = [
        &[("a.yaml", b"1")],
        &[("a.yaml", b"1"), ("d/e/f/b.yaml", b"2")],
        &[("a.yaml", b"1"), ("d/e/f/b.yaml", b"3")],
        &[
            ("a.yaml", b"1"),
            ("d/e/c.yaml", b"4"),
            ("d/e/f/b.yaml", b"3"),
        ],
    ];
    for contents in steps {
        write_all(tree.path(), contents);
        let change = follow(&mut watcher, tree.path(), contents).await;
        assert_ne!(change, Change::Poll);
    }
    fs::rename(tree.path().join("d/e"), tree.path().join("g")).unwrap();
    let moved: Contents<'_> = &[("a.yaml", b"1"), ("g/c.yaml", b"4"), ("g/f/b.yaml", b"3")];
    follow(&mut watcher, tree.path(), moved).await;
    fs::write(tree.path().join("g/f/b.yaml"), "5").unwrap();
    let written: Contents<'_> = &[("a.yaml", b"1"), ("g/c.yaml", b"4"), ("g/f/b.yaml", b"5")];
    follow(&mut watcher, tree.path(), written).await;
    assert_eq!(watcher.mode(), Mode::Watch);
}

#[tokio::test]
async fn a_directory_that_is_replaced_is_watched_again() {
    let volume = Volume::new(&[("a.yaml", b"0")]);
    let path = volume.path();
    let mut watcher = start(&path, by_events()).await;
    for round in ["1", "2"] {
        let before = volume.around.path().join(format!("before-{round}"));
        let fresh = volume.around.path().join("fresh");
        fs::create_dir(&fresh).unwrap();
        publish(&fresh, 1_000, &[("a.yaml", round.as_bytes())]);
        fs::rename(&path, before).unwrap();
        fs::rename(fresh, &path).unwrap();
        follow(&mut watcher, &path, &[("a.yaml", round.as_bytes())]).await;
        for bytes in [b"later", b"still", b"more ", b"later"] {
            volume.publish(&[("a.yaml", bytes)]);
            follow(&mut watcher, &path, &[("a.yaml", bytes)]).await;
        }
    }
    // Away and back again: nothing differs but the watch, which must not be lost.
    let aside = volume.around.path().join("aside");
    fs::rename(&path, &aside).unwrap();
    fs::rename(&aside, &path).unwrap();
    follow(&mut watcher, &path, &[("a.yaml", b"later")]).await;
    // Several, for the first may be found by way of an event from before.
    for bytes in [b"1", b"2", b"3", b"4"] {
        volume.publish(&[("a.yaml", bytes)]);
        follow(&mut watcher, &path, &[("a.yaml", bytes)]).await;
    }
    // Removed for some time.
    fs::remove_dir_all(&path).unwrap();
    tokio::time::timeout(DEADLINE, watcher.changed())
        .await
        .unwrap();
    fs::create_dir(&path).unwrap();
    volume.publish(&[("a.yaml", b"new")]);
    follow(&mut watcher, &path, &[("a.yaml", b"new")]).await;
    volume.publish(&[("a.yaml", b"newer")]);
    follow(&mut watcher, &path, &[("a.yaml", b"newer")]).await;
    assert_eq!(watcher.mode(), Mode::Watch);
}

#[tokio::test]
async fn a_link_to_the_directory_may_be_moved() {
    let around = tempfile::tempdir().unwrap();
    for version in ["1", "2"] {
        write_all(&around.path().join(version), &[("a", version.as_bytes())]);
    }
    let path = around.path().join("current");
    symlink("1", &path).unwrap();
    let mut watcher = start(&path, by_events()).await;
    symlink("2", around.path().join("fresh")).unwrap();
    fs::rename(around.path().join("fresh"), &path).unwrap();
    follow(&mut watcher, &path, &[("a", b"2")]).await;
    for bytes in [b"3", b"4", b"5"] {
        fs::write(around.path().join("2/a"), bytes).unwrap();
        follow(&mut watcher, &path, &[("a", bytes)]).await;
    }
}

#[tokio::test]
async fn volumes_below_a_plain_directory_are_watched() {
    let tree = plain(&[]);
    let inner = tree.path().join("team");
    fs::create_dir(&inner).unwrap();
    publish(&inner, 0, &[("a.yaml", b"0")]);
    let mut watcher = start(tree.path(), by_events()).await;
    for generation in 1..4 {
        let bytes = generation.to_string().into_bytes();
        publish(&inner, generation, &[("a.yaml", &bytes)]);
        follow(&mut watcher, tree.path(), &[("team/a.yaml", &bytes)]).await;
    }
}

#[tokio::test]
async fn without_events_a_poll_tells() {
    let volume = Volume::new(&[("a.yaml", b"0")]);
    let settings = Settings {
        poll: Duration::from_millis(20),
        mode: Mode::Poll,
        ..by_events()
    };
    let mut watcher = start(&volume.path(), settings).await;
    // Of one size, so that it takes more than a look at the sizes.
    let steps: [Contents<'_>; 3] = [&[("a.yaml", b"1")], &[("a.yaml", b"2")], &[]];
    for contents in steps {
        volume.publish(contents);
        follow(&mut watcher, &volume.path(), contents).await;
        assert_eq!(watcher.mode(), Mode::Poll);
    }
}

#[tokio::test]
async fn a_hangup_is_told() {
    let volume = Volume::new(&[("a.yaml", b"0")]);
    let mut watcher = start(&volume.path(), by_events()).await;
    let this = rustix::process::getpid();
    rustix::process::kill_process(this, rustix::process::Signal::HUP).unwrap();
    let change = tokio::time::timeout(DEADLINE, watcher.changed()).await;
    assert_eq!(change, Ok(Change::Hangup));
}
