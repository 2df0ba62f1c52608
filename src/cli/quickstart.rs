//! `sidegate serve --quickstart`: an example that needs nothing but the binary.

mod guide;
mod issuer;

use crate::config::Values;
use crate::loader::source::{File, Files};
use crate::model::Timestamp;
use crate::server::Addresses;
use issuer::Issuer;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The example bundle, as it stands in `deploy/example/bundle`.
const BUNDLE: &[(&str, &str)] = &[
    (
        "account.yaml",
        include_str!("../../deploy/example/bundle/account.yaml"),
    ),
    (
        "issuer.yaml",
        include_str!("../../deploy/example/bundle/issuer.yaml"),
    ),
    (
        "identities/read-orders.json",
        include_str!("../../deploy/example/bundle/identities/read-orders.json"),
    ),
    (
        "identities/read-orders.yaml",
        include_str!("../../deploy/example/bundle/identities/read-orders.yaml"),
    ),
    (
        "identities/roles.yaml",
        include_str!("../../deploy/example/bundle/identities/roles.yaml"),
    ),
    (
        "identities/users.yaml",
        include_str!("../../deploy/example/bundle/identities/users.yaml"),
    ),
    (
        "orders_test.yaml",
        include_str!("../../deploy/example/bundle/orders_test.yaml"),
    ),
    (
        "services/invoices.yaml",
        include_str!("../../deploy/example/bundle/services/invoices.yaml"),
    ),
    (
        "services/orders.yaml",
        include_str!("../../deploy/example/bundle/services/orders.yaml"),
    ),
];

const ENVOY: &str = include_str!("../../deploy/envoy/envoy.yaml");

/// The key set of the issuer, which is made anew for each run.
const KEY_SET: &str = "jwks.json";

/// Beside the bundle, where the loader does not look: tokens, Envoy's configuration, the socket.
const BESIDE: &str = ".sidegate";

/// Why the example cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(super) enum QuickstartError {
    /// The directory holds something else.
    #[error(
        "`{}` holds something else than the example: name a new directory, or leave out `--quickstart`",
        .0.display()
    )]
    NotEmpty(PathBuf),
    /// A file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The system gives no random bytes to make a key from.
    #[error("cannot make a key")]
    Key,
}

/// An example that is set up.
#[derive(Debug)]
pub(super) struct Quickstart {
    directory: Option<PathBuf>,
    files: Files,
    tokens: Vec<Token>,
}

/// A token to try.
#[derive(Debug)]
struct Token {
    name: &'static str,
    about: &'static str,
    text: String,
}

impl Quickstart {
    /// Opens the doors that the example uses, unless the settings say otherwise.
    pub(super) fn settings(values: &mut Values, directory: Option<&Path>) {
        let mut addresses = "127.0.0.1:9191".to_owned();
        if let Some(directory) = directory {
            addresses.push_str(", unix:");
            addresses.push_str(&socket(directory).display().to_string());
        }
        values.set_unless_given("decisions.address", addresses, "--quickstart");
        values.set_unless_given("http.address", "127.0.0.1:9192", "--quickstart");
        values.set_unless_given("decisions.reflection", "true", "--quickstart");
    }

    /// Makes keys and tokens, and writes the example if a directory is given.
    pub(super) fn prepare(
        directory: Option<&Path>,
        now: Timestamp,
    ) -> Result<Self, QuickstartError> {
        let issuer = Issuer::new().ok_or(QuickstartError::Key)?;
        let stranger = Issuer::new().ok_or(QuickstartError::Key)?;
        let token = |name, about, issuer: &Issuer, groups: &[&str]| {
            let text = issuer
                .token(name, groups, now)
                .ok_or(QuickstartError::Key)?;
            Ok(Token { name, about, text })
        };
        let tokens = vec![
            token(
                "ana",
                "a clerk: reads and writes orders",
                &issuer,
                &["clerks"],
            )?,
            token("ben", "no clerk: reads orders", &issuer, &[])?,
            token(
                "mallory",
                "says he is a clerk, and nobody vouches for it",
                &stranger,
                &["clerks"],
            )?,
        ];
        let mut entries: Vec<File> = BUNDLE.iter().map(|(path, text)| file(path, text)).collect();
        entries.push(file(KEY_SET, &issuer.key_set()));
        let example = Self {
            directory: directory.map(Path::to_owned),
            files: Files::new(entries),
            tokens,
        };
        if let Some(directory) = directory {
            example.write(directory)?;
        }
        Ok(example)
    }

    /// The bundle.
    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    /// What to try, for a server at these addresses.
    pub(super) fn guide(&self, addresses: &Addresses) -> String {
        guide::text(self, addresses)
    }

    /// Writes what is not there yet, and keys and tokens anew.
    fn write(&self, directory: &Path) -> Result<(), QuickstartError> {
        let beside = directory.join(BESIDE);
        let foreign = !beside.is_dir()
            && directory
                .read_dir()
                .is_ok_and(|mut entries| entries.next().is_some());
        if foreign {
            return Err(QuickstartError::NotEmpty(directory.to_owned()));
        }
        for File { path, bytes } in &self.files.entries {
            let target = directory.join(path);
            if path == KEY_SET || !target.exists() {
                write(&target, bytes)?;
            }
        }
        for Token { name, text, .. } in &self.tokens {
            let path = beside.join(format!("{name}.jwt"));
            write(&path, text.as_bytes())?;
            let owner_only = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&path, owner_only)
                .map_err(|cause| QuickstartError::Write { path, cause })?;
        }
        let socket = std::path::absolute(socket(directory)).unwrap_or_else(|_| socket(directory));
        let envoy = ENVOY.replace("/run/sidegate/sidegate.sock", &socket.display().to_string());
        write(&beside.join("envoy.yaml"), envoy.as_bytes())
    }
}

fn socket(directory: &Path) -> PathBuf {
    directory.join(BESIDE).join("sidegate.sock")
}

fn file(path: &str, text: &str) -> File {
    File {
        path: path.to_owned(),
        bytes: text.as_bytes().to_vec(),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the example is written by this command"
)]
fn write(path: &Path, bytes: &[u8]) -> Result<(), QuickstartError> {
    let failed = |cause| QuickstartError::Write {
        path: path.to_owned(),
        cause,
    };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    // Whole or not at all: a server may be reading the directory.
    let temporary = path.with_file_name(".writing");
    std::fs::write(&temporary, bytes).map_err(failed)?;
    std::fs::rename(&temporary, path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loader::reload::compile;
    use crate::loader::source::{Limits, read_once};

    #[test]
    fn the_example_loads_without_a_finding_and_its_tokens_are_good() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let example = Quickstart::prepare(None, now).unwrap();
        let loaded = compile(example.files(), "test", now).unwrap();
        assert_eq!(loaded.warnings, []);
        for Token { name, text, .. } in &example.tokens {
            let verified = loaded.snapshot.tokens.verify(text, now);
            assert_eq!(verified.is_ok(), *name != "mallory", "{name}: {verified:?}");
        }
    }

    #[test]
    fn what_is_in_the_binary_is_what_stands_in_deploy() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/example/bundle");
        let files = read_once(&directory, &Limits::default()).unwrap();
        let mut names: Vec<&str> = files
            .entries
            .iter()
            .map(|file| file.path.as_str())
            .filter(|path| *path != KEY_SET)
            .collect();
        names.sort_unstable();
        let mut embedded: Vec<&str> = BUNDLE.iter().map(|(path, _)| *path).collect();
        embedded.sort_unstable();
        assert_eq!(names, embedded);
        let loaded = compile(&files, "test", Timestamp::from_seconds(0)).unwrap();
        assert_eq!(loaded.warnings, []);
    }

    #[test]
    fn edits_are_kept_and_foreign_directories_left_alone() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let around = tempfile::tempdir().unwrap();
        let directory = around.path().join("demo");
        Quickstart::prepare(Some(&directory), now).unwrap();
        let edited = directory.join("account.yaml");
        write(&edited, b"# mine\n").unwrap();
        let keys = read_once(&directory, &Limits::default()).unwrap();
        Quickstart::prepare(Some(&directory), now).unwrap();
        let again = read_once(&directory, &Limits::default()).unwrap();
        assert_eq!(again.bytes_of("account.yaml"), Some(&b"# mine\n"[..]));
        assert_ne!(again.bytes_of(KEY_SET), keys.bytes_of(KEY_SET));
        let foreign = Quickstart::prepare(Some(around.path()), now);
        assert!(matches!(foreign, Err(QuickstartError::NotEmpty(_))));
    }
}
