//! From a directory to a published snapshot, and what is told on the way (K2.6, K2.15).

use super::{DEADLINE, Volume, plain, publish, write_all};
use sidegate::clock::FixedClock;
use sidegate::loader::reload::{Loader, Status};
use sidegate::loader::watch::{Mode, Settings};
use sidegate::model::Timestamp;
use sidegate::snapshot::Store;
use sidegate::telemetry::{Exposition, Metrics};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A loader at work.
struct Scene {
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    status: watch::Receiver<Status>,
    running: JoinHandle<()>,
}

impl Scene {
    async fn set(directory: &Path, mode: Mode) -> Self {
        let store = Arc::new(Store::empty());
        let metrics = Arc::new(Metrics::new().unwrap());
        let settings = Settings {
            poll: Duration::from_millis(50),
            quiet: Duration::from_millis(10),
            mode,
            ..Settings::default()
        };
        let loader = Loader::new(
            directory,
            settings,
            Arc::clone(&store),
            Arc::clone(&metrics),
            Arc::new(FixedClock(Timestamp::from_seconds(1_800_000_000))),
        );
        let status = loader.status();
        let (first, began) = tokio::sync::oneshot::channel();
        let running = tokio::spawn(async move { loader.run(first).await });
        began.await.unwrap();
        Self {
            store,
            metrics,
            status,
            running,
        }
    }

    fn metric(&self, line: &str) -> bool {
        self.metrics
            .render(Exposition::Prometheus)
            .lines()
            .any(|found| found == line)
    }

    /// Waits until the status is so and the snapshot has this many users.
    async fn until(&mut self, failed: bool, users: Option<usize>) {
        let store = Arc::clone(&self.store);
        let wanted = self.status.wait_for(|status| {
            let users_now = store.current().map(|snapshot| snapshot.policies.users());
            matches!(status, Status::Failed { .. }) == failed && users_now == users
        });
        tokio::time::timeout(DEADLINE, wanted)
            .await
            .unwrap_or_else(|_| panic!("failed: {failed}, users: {users:?}"))
            .unwrap();
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.running.abort();
    }
}

fn user(name: &str) -> Vec<u8> {
    format!(
        "apiVersion: sidegate.dev/v1alpha1\nkind: IamUser\nmetadata: {{name: {name}}}\nspec: {{account: \"210000000001\"}}\n"
    )
    .into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_version_of_a_volume_is_put_in_force_and_faults_are_not() {
    // GEN-4
    for mode in [Mode::Watch, Mode::Poll] {
        let (ana, ben, cia) = (user("ana"), user("ben"), user("cia"));
        let volume = Volume::new(&[("ana.yaml", &ana)]);
        let mut scene = Scene::set(&volume.path(), mode).await;
        scene.until(false, Some(1)).await;
        // Two in a row: a watch on the file would see the first and not the second.
        volume.publish(&[("ana.yaml", &ana), ("ben.yaml", &ben)]);
        scene.until(false, Some(2)).await;
        volume.publish(&[("ana.yaml", &ana), ("ben.yaml", &ben), ("cia.yaml", &cia)]);
        scene.until(false, Some(3)).await;
        volume.publish(&[("cia.yaml", &cia)]);
        scene.until(false, Some(1)).await;
        // (what, content)
        let broken: [(&str, &[u8]); 4] = [
            ("a user without account", b"apiVersion: sidegate.dev/v1alpha1\nkind: IamUser\nmetadata: {name: x}\nspec: {}\n"),
            ("no YAML", b"a: [b\n"),
            ("no text", b"\xff\xfe\x00"),
            ("nothing known", b"kind: ConfigMap\n"),
        ];
        for (what, content) in broken {
            volume.publish(&[("cia.yaml", &cia), ("x.yaml", content)]);
            scene.until(true, Some(1)).await;
            assert!(scene.metric("sidegate_policy_reload_failed 1"), "{what}");
            let Status::Failed { label, places, .. } = scene.status.borrow().clone() else {
                panic!("{what}");
            };
            assert_eq!(label, "refused", "{what}");
            assert!(
                places.iter().all(|(place, _)| &*place.file == "x.yaml"),
                "{what}"
            );
            assert!(!places.is_empty(), "{what}");
            // The same as before the fault: nothing to do, and the fault is over.
            volume.publish(&[("cia.yaml", &cia)]);
            scene.until(false, Some(1)).await;
            assert!(scene.metric("sidegate_policy_reload_failed 0"), "{what}");
        }
        assert!(scene.metric("sidegate_snapshot_revision 4"));
        assert!(scene.metric(&format!(
            "sidegate_source_watch_mode{{mode=\"{}\"}} 1",
            mode.label()
        )));
        volume.publish(&[]);
        scene.until(false, Some(0)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_cannot_be_read_is_read_again() {
    let around = plain(&[]);
    let directory = around.path().join("bundle");
    let mut scene = Scene::set(&directory, Mode::Watch).await;
    scene.until(true, None).await;
    write_all(&directory, &[("ana.yaml", &user("ana"))]);
    scene.until(false, Some(1)).await;
    // Replaced as a whole.
    let other = around.path().join("other");
    write_all(
        &other,
        &[("ana.yaml", &user("ana")), ("ben.yaml", &user("ben"))],
    );
    std::fs::rename(&directory, around.path().join("old")).unwrap();
    std::fs::rename(&other, &directory).unwrap();
    scene.until(false, Some(2)).await;
    // A fault of the directory itself changes nothing.
    std::os::unix::fs::symlink("/etc/hostname", directory.join("x.yaml")).unwrap();
    scene.until(true, Some(2)).await;
    let Status::Failed { label, .. } = scene.status.borrow().clone() else {
        panic!("a link that leaves the bundle");
    };
    assert_eq!(label, "link_escapes");
    std::fs::remove_file(directory.join("x.yaml")).unwrap();
    scene.until(false, Some(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_set_is_put_in_force_whole() {
    let users: Vec<(String, Vec<u8>)> = (0..200)
        .map(|file| {
            let documents: Vec<String> = (0..25)
                .map(|number| {
                    let text = String::from_utf8(user(&format!("u{file}-{number}"))).unwrap();
                    format!("# {}\n{text}", "x".repeat(900))
                })
                .collect();
            (
                format!("u{file}.yaml"),
                documents.join("---\n").into_bytes(),
            )
        })
        .collect();
    let contents: Vec<(&str, &[u8])> = users
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    assert!(contents.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > 5_000_000);
    let volume = Volume::new(&contents);
    let mut scene = Scene::set(&volume.path(), Mode::Watch).await;
    scene.until(false, Some(5_000)).await;
    // Whoever reads while versions are exchanged sees one of them whole.
    let half = &contents[..100];
    for round in 0..4 {
        let (set, users) = if round % 2 == 0 {
            (half, 2_500)
        } else {
            (&contents[..], 5_000)
        };
        publish(&volume.path(), 100 + round, set);
        let store = Arc::clone(&scene.store);
        let reader = std::thread::spawn(move || {
            (0..10_000).all(|_| {
                let users = store.current().unwrap().policies.users();
                users == 2_500 || users == 5_000
            })
        });
        scene.until(false, Some(users)).await;
        assert!(reader.join().unwrap());
    }
}
