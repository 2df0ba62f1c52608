//! `sidegate keys`: makes and rotates the keys of session tokens (TOK-10, TOK-21).

use crate::authn::{KeySetFile, MAX_LIFE_S, ReadKeyFile, SigningKeyFile, TokenKeys};
use crate::cli::{Exit, complain, print, say};
use crate::clock::{Clock, SystemClock};
use crate::model::Timestamp;
use crate::policy::Keys as ConditionKeys;
use crate::snapshot::TOKEN_KEYS;
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// How long a new key is known before it is used, in seconds: until every sidecar has it.
const PROPAGATION_S: i64 = 600;
/// How far clocks may be off, in seconds.
const SKEW_S: i64 = 600;

#[derive(Debug, Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key set: `DIR/issuer` for servers that issue tokens, `DIR/sidecar` for those that only
    /// verify them
    Generate {
        /// The directory to write to
        directory: PathBuf,
        /// The name of the trust domain: no other one takes its tokens
        #[arg(long, value_name = "NAME")]
        trust_domain: String,
    },
    /// Add new keys, which come into use in ten minutes, and let the old ones end when the last of
    /// their tokens has
    Rotate {
        /// The directory of `generate`
        directory: PathBuf,
        /// Exchange the keys that read tokens, and no others
        #[arg(long)]
        read: bool,
        /// Exchange the keys that sign tokens, and no others
        #[arg(long)]
        signing: bool,
        /// Use the new keys at once; sidecars that have not got them yet refuse their tokens
        #[arg(long)]
        now: bool,
        /// Take away the key with this id at once, with all of its tokens; may be repeated
        #[arg(long, value_name = "ID")]
        drop: Vec<u32>,
    },
    /// Print the keys of a set without their secrets
    List {
        /// The directory of `generate`, or one with a key set
        directory: PathBuf,
    },
}

#[derive(Debug, thiserror::Error)]
enum KeysError {
    #[error("`{0}` is there already: `sidegate keys rotate` exchanges its keys")]
    Exists(String),
    #[error("cannot read `{0}`")]
    Read(String, #[source] io::Error),
    #[error("cannot write `{0}`")]
    Write(String, #[source] io::Error),
    #[error("`{0}` is refused")]
    Refused(String, #[source] crate::authn::TokenKeysError),
    #[error("there is no key with the id {0}")]
    NoSuchKey(u32),
    #[error("the system has no random bytes")]
    Chance,
}

impl Keys {
    pub(super) fn run(self) -> Exit {
        let now = Timestamp::from_seconds(SystemClock.now().seconds());
        let done = match self.command {
            Command::Generate {
                directory,
                trust_domain,
            } => generate(&directory, trust_domain, now),
            Command::Rotate {
                directory,
                read,
                signing,
                now: at_once,
                drop,
            } => {
                // Without a word it is both; a key that is taken away needs a successor of its kind.
                let both = !read && !signing;
                let delay_s = if at_once { 0 } else { PROPAGATION_S };
                rotate(
                    &directory,
                    (read || both, signing || both),
                    &drop,
                    delay_s,
                    now,
                )
            }
            Command::List { directory } => list(&directory, now),
        };
        match done {
            Ok(()) => Exit::Done,
            Err(error) => {
                complain(&error);
                Exit::Failed
            }
        }
    }
}

fn issuer(directory: &Path) -> PathBuf {
    directory.join("issuer").join(TOKEN_KEYS)
}

fn sidecar(directory: &Path) -> PathBuf {
    directory.join("sidecar").join(TOKEN_KEYS)
}

fn generate(directory: &Path, trust_domain: String, now: Timestamp) -> Result<(), KeysError> {
    for path in [issuer(directory), sidecar(directory)] {
        if path.exists() {
            return Err(KeysError::Exists(path.display().to_string()));
        }
    }
    let set = KeySetFile {
        trust_domain,
        read_keys: vec![read_key(&[], now)?],
        signing_keys: vec![signing_key(&[], now)?],
    };
    write_both(directory, &set)
}

fn rotate(
    directory: &Path,
    (read, signing): (bool, bool),
    drop: &[u32],
    delay_s: i64,
    now: Timestamp,
) -> Result<(), KeysError> {
    let mut set = read_set(&issuer(directory))?;
    let from = Timestamp::from_seconds(now.seconds() + delay_s);
    let end = Timestamp::from_seconds(from.seconds() + MAX_LIFE_S + SKEW_S).to_iso();
    let is_over = |end: Option<&String>| {
        end.is_some_and(|end| Timestamp::parse(end).is_ok_and(|end| end <= now))
    };
    for id in drop {
        let before = set.read_keys.len() + set.signing_keys.len();
        set.read_keys.retain(|key| key.id != *id);
        set.signing_keys.retain(|key| key.id != *id);
        if before == set.read_keys.len() + set.signing_keys.len() {
            return Err(KeysError::NoSuchKey(*id));
        }
    }
    set.read_keys.retain(|key| !is_over(key.not_after.as_ref()));
    set.signing_keys
        .retain(|key| !is_over(key.not_after.as_ref()));
    // Where nothing is left that issues, the new key does at once.
    let starts = |active: bool| if active { from } else { now };
    let is_active = |from: &str, end: Option<&String>| {
        end.is_none() && Timestamp::parse(from).is_ok_and(|from| from <= now)
    };
    let mut keys = set.read_keys.iter();
    let reading_from = starts(keys.any(|key| is_active(&key.active_from, key.not_after.as_ref())));
    let mut keys = set.signing_keys.iter();
    let signing_from = starts(keys.any(|key| is_active(&key.active_from, key.not_after.as_ref())));
    let read = read || set.read_keys.is_empty();
    let signing = signing || set.signing_keys.is_empty();
    if read {
        for key in &mut set.read_keys {
            key.not_after.get_or_insert_with(|| end.clone());
        }
        let ids: Vec<u32> = set.read_keys.iter().map(|key| key.id).collect();
        set.read_keys.push(read_key(&ids, reading_from)?);
    }
    if signing {
        for key in &mut set.signing_keys {
            key.not_after.get_or_insert_with(|| end.clone());
        }
        let ids: Vec<u32> = set.signing_keys.iter().map(|key| key.id).collect();
        set.signing_keys.push(signing_key(&ids, signing_from)?);
    }
    write_both(directory, &set)
}

fn list(directory: &Path, now: Timestamp) -> Result<(), KeysError> {
    let of_issuer = issuer(directory);
    let path = if of_issuer.exists() {
        of_issuer
    } else {
        directory.join(TOKEN_KEYS)
    };
    let set = read_set(&path)?;
    let mut text = format!("trust domain {}\n", set.trust_domain);
    let state = |from: &str, end: Option<&String>| {
        let at = |text: &str| Timestamp::parse(text).unwrap_or(now);
        match end {
            Some(end) if at(end) <= now => format!("over since {end}"),
            Some(end) => format!("verifies until {end}"),
            None if at(from) > now => format!("in use from {from}"),
            None => format!("in use since {from}"),
        }
    };
    for key in &set.read_keys {
        let state = state(&key.active_from, key.not_after.as_ref());
        let _ = writeln!(text, "read     {:>10}  {state}", key.id);
    }
    for key in &set.signing_keys {
        let state = state(&key.active_from, key.not_after.as_ref());
        let half = if key.private_key.is_some() {
            "signs, "
        } else {
            ""
        };
        let _ = writeln!(text, "signing  {:>10}  {half}{state}", key.id);
    }
    print(text).map_err(|error| KeysError::Write("stdout".to_owned(), error))
}

fn chance<const N: usize>() -> Result<Zeroizing<[u8; N]>, KeysError> {
    let mut bytes = Zeroizing::new([0; N]);
    rand::fill(bytes.as_mut_slice()).map_err(|_| KeysError::Chance)?;
    Ok(bytes)
}

/// An id that no other key of the kind has.
fn id(taken: &[u32]) -> Result<u32, KeysError> {
    loop {
        let id = u32::from_be_bytes(*chance()?);
        if id != 0 && !taken.contains(&id) {
            return Ok(id);
        }
    }
}

fn read_key(taken: &[u32], from: Timestamp) -> Result<ReadKeyFile, KeysError> {
    Ok(ReadKeyFile {
        id: id(taken)?,
        key: STANDARD.encode(*chance::<32>()?),
        active_from: from.to_iso(),
        not_after: None,
    })
}

fn signing_key(taken: &[u32], from: Timestamp) -> Result<SigningKeyFile, KeysError> {
    let seed = chance::<32>()?;
    let public = TokenKeys::public_key(&seed).ok_or(KeysError::Chance)?;
    Ok(SigningKeyFile {
        id: id(taken)?,
        public_key: STANDARD.encode(public),
        private_key: Some(STANDARD.encode(*seed)),
        active_from: from.to_iso(),
        not_after: None,
    })
}

#[expect(clippy::disallowed_methods, reason = "key sets are read here")]
fn read_set(path: &Path) -> Result<KeySetFile, KeysError> {
    let shown = || path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| KeysError::Read(shown(), error))?;
    let bytes = Zeroizing::new(bytes);
    let set = KeySetFile::parse(&bytes).map_err(|error| KeysError::Refused(shown(), error))?;
    check(&set, &shown())?;
    Ok(set)
}

fn check(set: &KeySetFile, shown: &str) -> Result<(), KeysError> {
    let compiled = TokenKeys::compile(set, ConditionKeys::default());
    compiled
        .map(|_| ())
        .map_err(|error| KeysError::Refused(shown.to_owned(), error))
}

/// Sidecars first: a token that nobody can read yet must not be made.
fn write_both(directory: &Path, set: &KeySetFile) -> Result<(), KeysError> {
    check(set, &set.trust_domain)?;
    for (path, set) in [
        (sidecar(directory), &set.without_private_keys()),
        (issuer(directory), set),
    ] {
        let shown = path.display().to_string();
        let text = Zeroizing::new(set.to_json());
        write(&path, &text).map_err(|error| KeysError::Write(shown.clone(), error))?;
        say(format!("wrote {shown}"));
    }
    Ok(())
}

/// Writes beside, and puts it in place in one step.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let beside = path.with_extension("json.new");
    let _ = std::fs::remove_file(&beside);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}
