//! The debounce, the poll and the fallback, by a clock that stands still until it is waited for.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests write what is looked at"
)]

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use notify::{RecursiveMode, WatcherKind};
use tokio::time::{advance, timeout};

use super::kernel::Opener;
use super::*;

const HOUR: Duration = Duration::from_hours(1);

/// A source of events that grants watches, or panics as one does whose thread is gone.
struct Stand {
    dead: bool,
}

impl notify::Watcher for Stand {
    fn new<F: notify::EventHandler>(_: F, _: notify::Config) -> notify::Result<Self> {
        Ok(Self { dead: false })
    }

    fn watch(&mut self, _: &Path, _: RecursiveMode) -> notify::Result<()> {
        assert!(!self.dead, "the thread is gone");
        Ok(())
    }

    fn unwatch(&mut self, _: &Path) -> notify::Result<()> {
        Ok(())
    }

    fn kind() -> WatcherKind {
        WatcherKind::NullWatcher
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        assert!(!self.dead, "the thread is gone");
    }
}

fn granting() -> Opener {
    Box::new(|| Ok(Box::new(Stand { dead: false })))
}

async fn watcher(directory: &Path, poll: Duration, opener: Option<Opener>) -> Watcher {
    let mode = if opener.is_some() {
        Mode::Watch
    } else {
        Mode::Poll
    };
    let settings = Settings {
        poll,
        mode,
        ..Settings::default()
    };
    let scout = Scout::new(directory.to_owned(), Limits::default(), opener);
    Watcher::with_scout(scout, settings, Arc::new(Notify::new())).await
}

/// How long `changed` takes by the standing clock, in milliseconds.
async fn wait(watcher: &mut Watcher) -> (Change, u128) {
    let start = Instant::now();
    let change = watcher.changed().await;
    (change, start.elapsed().as_millis())
}

#[tokio::test(start_paused = true)]
async fn an_event_is_told_once_it_is_quiet() {
    let directory = tempfile::tempdir().unwrap();
    let mut watcher = watcher(directory.path(), HOUR, Some(granting())).await;
    watcher.wake.notify_one();
    assert_eq!(wait(&mut watcher).await, (Change::Event, 200));
    let again = timeout(Duration::from_mins(1), watcher.changed()).await;
    assert!(again.is_err(), "told twice");
}

#[tokio::test(start_paused = true)]
async fn events_without_end_are_told_after_the_longest_time() {
    let directory = tempfile::tempdir().unwrap();
    let mut watcher = watcher(directory.path(), HOUR, Some(granting())).await;
    let wake = Arc::clone(&watcher.wake);
    let flood = tokio::spawn(async move {
        loop {
            wake.notify_one();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    for _ in 0..2 {
        let (change, elapsed) = wait(&mut watcher).await;
        assert_eq!(change, Change::Event);
        assert!((1_950..=2_060).contains(&elapsed), "{elapsed} ms");
    }
    flood.abort();
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_wait_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut watcher = watcher(directory.path(), HOUR, Some(granting())).await;
    watcher.wake.notify_one();
    for _ in 0..3 {
        let early = timeout(Duration::from_millis(50), watcher.changed()).await;
        assert!(early.is_err());
    }
    assert_eq!(wait(&mut watcher).await, (Change::Event, 50));
}

#[tokio::test(start_paused = true)]
async fn an_event_between_two_waits_is_told_by_the_second() {
    let directory = tempfile::tempdir().unwrap();
    let mut watcher = watcher(directory.path(), HOUR, Some(granting())).await;
    watcher.wake.notify_one();
    watcher.changed().await;
    watcher.wake.notify_one();
    advance(Duration::from_secs(5)).await;
    assert_eq!(wait(&mut watcher).await.0, Change::Event);
}

#[tokio::test(start_paused = true)]
async fn a_poll_tells_of_a_change_and_of_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let poll = Duration::from_secs(30);
    // With a source of events that stays silent, and without one.
    for opener in [Some(granting()), None] {
        let mut watcher = watcher(directory.path(), poll, opener).await;
        let idle = timeout(HOUR, watcher.changed()).await;
        assert!(idle.is_err(), "told without a change");
        fs::write(directory.path().join("a.yaml"), "a").unwrap();
        let (change, elapsed) = wait(&mut watcher).await;
        assert_eq!(change, Change::Poll);
        assert!(elapsed <= 33_200, "{elapsed} ms");
        let idle = timeout(HOUR, watcher.changed()).await;
        assert!(idle.is_err(), "told twice");
        fs::remove_file(directory.path().join("a.yaml")).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_watch_is_asked_for_again_at_each_poll() {
    let directory = tempfile::tempdir().unwrap();
    let (asked, granted) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let (count, grant) = (Arc::clone(&asked), Arc::clone(&granted));
    let opener: Opener = Box::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
        if grant.load(Ordering::SeqCst) {
            return Ok(Box::new(Stand { dead: false }));
        }
        let cause = std::io::Error::from_raw_os_error(24);
        Err(notify::Error::io(cause))
    });
    let mut watcher = watcher(directory.path(), Duration::from_secs(30), Some(opener)).await;
    assert_eq!(watcher.mode(), Mode::Poll);
    assert_eq!(asked.load(Ordering::SeqCst), 1);

    fs::write(directory.path().join("a.yaml"), "a").unwrap();
    assert_eq!(watcher.changed().await, Change::Poll);
    assert_eq!(watcher.mode(), Mode::Poll);

    granted.store(true, Ordering::SeqCst);
    let idle = timeout(HOUR, watcher.changed()).await;
    assert!(idle.is_err());
    assert_eq!(watcher.mode(), Mode::Watch);
    let once_granted = asked.load(Ordering::SeqCst);
    assert!(timeout(HOUR, watcher.changed()).await.is_err());
    assert_eq!(asked.load(Ordering::SeqCst), once_granted);
}

#[tokio::test(start_paused = true)]
async fn a_source_whose_thread_is_gone_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let mut openings = 0;
    let opener: Opener = Box::new(move || {
        openings += 1;
        Ok(Box::new(Stand {
            dead: openings == 1,
        }))
    });
    let mut watcher = watcher(directory.path(), Duration::from_secs(30), Some(opener)).await;
    assert_eq!(watcher.mode(), Mode::Poll);
    assert!(timeout(HOUR, watcher.changed()).await.is_err());
    assert_eq!(watcher.mode(), Mode::Watch);
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_is_not_there_is_polled_for() {
    let around = tempfile::tempdir().unwrap();
    let directory = around.path().join("bundle");
    let mut watcher = watcher(&directory, Duration::from_secs(30), Some(granting())).await;
    assert_eq!(watcher.mode(), Mode::Poll);
    fs::create_dir(&directory).unwrap();
    assert_eq!(watcher.changed().await, Change::Poll);
    assert_eq!(watcher.mode(), Mode::Watch);
}

#[test]
fn a_poll_comes_a_tenth_early_or_late_at_most() {
    // (poll in ms, random number, least ms, most ms)
    let cases = [
        (30_000, 0, 27_000, 27_000),
        (30_000, 512, 29_900, 30_100),
        (30_000, 1023, 32_900, 33_000),
        (30_000, u64::MAX, 27_000, 33_000),
        (10, 1023, 9, 11),
    ];
    for (poll, random, least, most) in cases {
        let got = jittered(Duration::from_millis(poll), random);
        assert!(got >= Duration::from_millis(least), "{got:?}");
        assert!(got <= Duration::from_millis(most), "{got:?}");
    }
    assert!(jittered(Duration::MAX, u64::MAX) > HOUR);
}

#[tokio::test(start_paused = true)]
async fn no_setting_is_too_long_or_too_short() {
    let directory = tempfile::tempdir().unwrap();
    for length in [Duration::ZERO, Duration::MAX] {
        let settings = Settings {
            poll: length,
            quiet: length,
            longest: length,
            mode: Mode::Poll,
        };
        let mut watcher = Watcher::start(directory.path(), &Limits::default(), settings).await;
        let idle = timeout(Duration::from_secs(1), watcher.changed()).await;
        assert!(idle.is_err());
    }
}
