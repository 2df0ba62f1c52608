//! `sidegate token`: session tokens for local trials, and what is to be known of one.

use crate::authn::NoRemotes;
use crate::authn::{
    Chance, Claims, Credentials, MAX_LIFE_S, Packed, Session, SessionKind, TokenError,
};
use crate::cli::{Exit, complain, print, say};
use crate::clock::{Clock, SystemClock};
use crate::engine::Subject;
use crate::loader::error::SourceError;
use crate::loader::reload::compile_with;
use crate::loader::source::{Limits, read_once};
use crate::model::{Arn, Timestamp};
use crate::snapshot::Snapshot;
use aws_lc_rs::rand;
use clap::{Args, Subcommand, ValueEnum};
use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, Args)]
pub(super) struct Token {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make temporary credentials of a role, for local trials: no trust policy is asked
    Mint(Mint),
    /// Print what a token says
    Inspect {
        #[command(flatten)]
        of: Of,
        /// Print the secret access key as well
        #[arg(long)]
        show_secret: bool,
    },
    /// Say whether a token would be accepted now
    Verify(Of),
    /// Append an entry to a file of revocations, which an `IamRevocation` of the bundle names
    Revoke(Revoke),
}

#[derive(Debug, Args)]
struct Sources {
    /// The directory of the bundle
    #[arg(long, value_name = "DIR")]
    bundle: PathBuf,
    /// The directory with `token-keys.json`
    #[arg(long, value_name = "DIR")]
    credentials: PathBuf,
}

#[derive(Debug, Args)]
struct Of {
    #[command(flatten)]
    sources: Sources,
    /// The token; `-` reads it from stdin, so that no list of processes shows it
    token: String,
}

#[derive(Debug, Args)]
struct Mint {
    #[command(flatten)]
    sources: Sources,
    /// The ARN of the role
    #[arg(long, value_name = "ARN")]
    role: String,
    /// The name of the session
    #[arg(long, value_name = "NAME", default_value = "trial")]
    session: String,
    /// How long it lives, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(i64).range(1..=MAX_LIFE_S))]
    duration: i64,
    /// A session tag, `KEY=VALUE`; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    tag: Vec<(String, String)>,
    /// The source identity
    #[arg(long, value_name = "NAME")]
    source_identity: Option<String>,
    /// A service that it may be used with, by its prefix; may be repeated. All, where none is given
    #[arg(long, value_name = "PREFIX")]
    audience: Vec<String>,
    /// May be used without signatures, where a service takes those (`bearerSessions`)
    #[arg(long, requires = "audience")]
    bearer: bool,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// As a `credential_process` prints it
    Json,
    /// As lines for a shell
    Env,
}

#[derive(Debug, Args)]
struct Revoke {
    /// The file; it is made where it is not there
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    what: What,
    /// Sessions that were issued from then on are not concerned
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// From when on nobody can have such a session any more: 72 hours from now, unless said otherwise
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// The id of a token, and all that were obtained with it
    #[arg(long, value_name = "ID")]
    token: Option<String>,
    /// An access key, and all that was obtained with it
    #[arg(long, value_name = "KEY")]
    access_key: Option<String>,
    /// The sessions of a role with this ARN
    #[arg(long, value_name = "ARN")]
    session: Option<String>,
    /// The sessions of this role or user
    #[arg(long, value_name = "ARN")]
    principal: Option<String>,
    /// The sessions with this source identity
    #[arg(long, value_name = "NAME")]
    source_identity: Option<String>,
}

#[derive(Debug, thiserror::Error)]
enum TokenCommandError {
    #[error("cannot be read")]
    Source(#[from] SourceError),
    #[error("the bundle is refused: `sidegate validate` says why")]
    Bundle,
    #[error("there is no `token-keys.json` in the directory of the credentials")]
    NoKeys,
    #[error("the bundle has no role `{0}`")]
    NoRole(String),
    #[error("no token was made")]
    Mint(#[from] crate::authn::MintError),
    #[error("the token is refused ({})", .0.label())]
    Token(TokenError),
    #[error("`{0}` is not a time, such as `2026-01-31T12:00:00Z`")]
    Time(String),
    #[error("the entry is refused: {0}")]
    Entry(String),
    #[error("cannot read or write")]
    Io(#[from] io::Error),
    #[error("the system has no random bytes")]
    Chance,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write `KEY=VALUE`")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Token {
    pub(super) fn run(self) -> Exit {
        let now = SystemClock.now();
        let done = match self.command {
            Command::Mint(mint) => mint.run(now),
            Command::Inspect { of, show_secret } => of.inspect(show_secret, now),
            Command::Verify(of) => of.verify(now),
            Command::Revoke(revoke) => revoke.run(now),
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

impl Sources {
    fn load(&self, now: Timestamp) -> Result<Snapshot, TokenCommandError> {
        let limits = Limits::default();
        let files = read_once(&self.bundle, &limits)?;
        let secrets = read_once(&self.credentials, &limits)?;
        let loaded = compile_with(&files, Some(&secrets), &NoRemotes, "", now, None);
        let snapshot = loaded.map_err(|_| TokenCommandError::Bundle)?.snapshot;
        if snapshot.token_keys.is_none() {
            return Err(TokenCommandError::NoKeys);
        }
        Ok(snapshot)
    }
}

impl Mint {
    fn run(self, now: Timestamp) -> Result<(), TokenCommandError> {
        let snapshot = self.sources.load(now)?;
        let role = Arn::parse(&self.role).ok().and_then(|arn| arn.account());
        let role = role.and_then(|account| snapshot.policies.role(account, &self.role));
        let role = role.ok_or_else(|| TokenCommandError::NoRole(self.role.clone()))?;
        let credentials = self.mint(&snapshot, role, now)?;
        let secret = String::from_utf8_lossy(credentials.secret.expose());
        let end = Timestamp::from_seconds(now.seconds() + self.duration).to_iso();
        let text = match self.format {
            Format::Json => {
                let told = json!({
                    "Version": 1,
                    "AccessKeyId": credentials.access_key_id,
                    "SecretAccessKey": secret,
                    "SessionToken": credentials.token,
                    "Expiration": end,
                });
                format!("{told}\n")
            }
            Format::Env => format!(
                "export AWS_ACCESS_KEY_ID={}\nexport AWS_SECRET_ACCESS_KEY={secret}\nexport AWS_SESSION_TOKEN={}\n",
                credentials.access_key_id, credentials.token
            ),
        };
        print(text)?;
        Ok(())
    }

    fn mint(
        &self,
        snapshot: &Snapshot,
        role: &Subject,
        now: Timestamp,
    ) -> Result<Credentials, TokenCommandError> {
        let start = Timestamp::from_seconds(now.seconds());
        let end = Timestamp::from_seconds(now.seconds() + self.duration);
        let claims = Claims {
            unique_id: role.unique_id.clone(),
            session_name: Some(self.session.clone()),
            source_identity: self.source_identity.clone(),
            bearer: self.bearer,
            audience: self.audience.clone(),
            packed: Packed {
                tags: self.tag.clone(),
                ..Packed::default()
            },
            ..Claims::new(
                SessionKind::Role,
                role.account,
                role.arn.as_str(),
                (start, end),
            )
        };
        let mut chance = Chance {
            id: [0; 16],
            access_key: [0; 5],
        };
        rand::fill(&mut chance.id).map_err(|_| TokenCommandError::Chance)?;
        rand::fill(&mut chance.access_key).map_err(|_| TokenCommandError::Chance)?;
        let keys = snapshot
            .token_keys
            .as_ref()
            .ok_or(TokenCommandError::NoKeys)?;
        Ok(keys.mint(claims, 0, chance, now)?)
    }
}

impl Of {
    fn open(&self, now: Timestamp) -> Result<(Snapshot, Arc<Session>), TokenCommandError> {
        let mut text = self.token.clone();
        if text == "-" {
            text.clear();
            io::stdin().read_to_string(&mut text)?;
        }
        let snapshot = self.sources.load(now)?;
        let keys = snapshot
            .token_keys
            .as_ref()
            .ok_or(TokenCommandError::NoKeys)?;
        let session = keys.open(text.trim(), None, now);
        let session = session.map_err(TokenCommandError::Token)?;
        Ok((snapshot, session))
    }

    fn inspect(&self, show_secret: bool, now: Timestamp) -> Result<(), TokenCommandError> {
        let (_, session) = self.open(now)?;
        let mut told = described(&session);
        if show_secret {
            let secret = String::from_utf8_lossy(session.secret().expose()).into_owned();
            told.insert("secretAccessKey".to_owned(), json!(secret));
        }
        print(format!("{:#}\n", Value::Object(told)))?;
        Ok(())
    }

    fn verify(&self, now: Timestamp) -> Result<(), TokenCommandError> {
        let (snapshot, session) = self.open(now)?;
        let accepted = crate::pdp::accepts(&snapshot, &session);
        accepted.map_err(TokenCommandError::Token)?;
        say(format!("accepted until {}", session.claims.expires_at));
        Ok(())
    }
}

/// What a token says, without its secret.
fn described(session: &Session) -> Map<String, Value> {
    let claims = &session.claims;
    let kind = match claims.kind {
        SessionKind::User => "user",
        SessionKind::Role => "role",
        SessionKind::Federated => "federated-user",
    };
    let lineage: Vec<Value> = claims
        .lineage
        .iter()
        .map(|link| {
            json!({
                "tokenId": link.token.map(|id| HEXLOWER.encode(&id)),
                "accessKeyId": link.access_key,
                "principal": link.principal,
                "session": link.session,
            })
        })
        .collect();
    let tags: Map<String, Value> = claims
        .packed
        .tags
        .iter()
        .map(|(key, value)| (key.clone(), json!(value)))
        .collect();
    let told = json!({
        "tokenId": HEXLOWER.encode(&session.id),
        "accessKeyId": session.access_key_id,
        "trustDomain": claims.trust_domain,
        "kind": kind,
        "account": claims.account.as_str(),
        "principal": claims.principal,
        "uniqueId": claims.unique_id,
        "session": session.arn(),
        "issuedAt": claims.issued_at.to_iso(),
        "expiresAt": claims.expires_at.to_iso(),
        "sourceIdentity": claims.source_identity,
        "mfaAt": claims.mfa_at.map(Timestamp::to_iso),
        "tags": tags,
        "transitiveTagKeys": claims.packed.transitive,
        "policy": claims.packed.policy,
        "policyArns": claims.packed.policy_arns,
        "lineage": lineage,
        "provider": claims.provider,
        "bearer": claims.bearer,
        "audience": claims.audience,
    });
    let Value::Object(mut members) = told else {
        return Map::new();
    };
    members.retain(|_, value| !value.is_null());
    members
}

impl Revoke {
    fn run(self, now: Timestamp) -> Result<(), TokenCommandError> {
        let What {
            token,
            access_key,
            session,
            principal,
            source_identity,
        } = self.what;
        let latest = Timestamp::from_seconds(now.seconds() + MAX_LIFE_S + 600).to_iso();
        let time = |text: String| match Timestamp::parse(&text) {
            Ok(at) => Ok(at.to_iso()),
            Err(_) => Err(TokenCommandError::Time(text)),
        };
        let mut entry = Map::new();
        for (name, value) in [
            ("token", token),
            ("accessKey", access_key),
            ("session", session),
            ("principal", principal),
            ("sourceIdentity", source_identity),
            ("before", self.before.map(time).transpose()?),
            ("until", Some(self.until.map_or(Ok(latest), time)?)),
        ] {
            if let Some(value) = value {
                entry.insert(name.to_owned(), json!(value));
            }
        }
        let line = format!("{}\n", Value::Object(entry));
        let faults = crate::policy::check_revocation(&line);
        if let Some(fault) = faults.first() {
            return Err(TokenCommandError::Entry(fault.message.clone()));
        }
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .read(true)
            .append(true)
            .create(true)
            .open(&self.file)?;
        let mut text = line;
        if file.metadata()?.len() > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            // A line that nobody ended is another entry's.
            if last != *b"\n" {
                text.insert(0, '\n');
            }
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(())
    }
}
