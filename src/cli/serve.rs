//! `sidegate serve`.

use crate::cli::quickstart::{Quickstart, QuickstartError};
use crate::cli::report::{Texts, human, summary};
use crate::cli::{Exit, complain, print, say};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Values};
use crate::loader::reload::{Loader, compile};
use crate::oidc::Fetcher;
use crate::policy::Diagnostic;
use crate::server::{Server, Source};
use crate::snapshot::Store;
use crate::telemetry::{Logging, Metrics, Reload};
use clap::Args;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    settings: Settings,
    /// The directory of the bundle
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// The directory of the secrets that access keys name
    #[arg(long, value_name = "DIR")]
    credentials: Option<PathBuf>,
    /// Run on an example bundle, with keys made for this run, and print commands to try. With
    /// `--bundle` the example is written there first, and can be edited while it runs
    #[arg(long)]
    quickstart: bool,
    /// Print the settings in force, and do nothing else
    #[arg(long)]
    print_config: bool,
}

/// Where settings come from; shared by every command that needs them.
#[derive(Debug, Args)]
pub(super) struct Settings {
    /// The file of settings (YAML); `SIDEGATE_*` variables go over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Settings {
    /// What file and environment say.
    pub(super) fn values(&self) -> Result<Values, Exit> {
        let mut values = Values::default();
        let mut faults = Vec::new();
        let text = self.text()?;
        if let (Some(path), Some(text)) = (&self.config, &text) {
            values.read_file(&path.display().to_string(), text, &mut faults);
        }
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        values.read_environment(variables, &mut faults);
        self.tell(&faults)?;
        Ok(values)
    }

    /// The settings as values.
    pub(super) fn config(&self, values: &Values) -> Result<Config, Exit> {
        Config::read(values).map_err(|faults| match self.tell(&faults) {
            Err(exit) => exit,
            Ok(()) => Exit::Usage,
        })
    }

    fn text(&self) -> Result<Option<String>, Exit> {
        let Some(path) = &self.config else {
            return Ok(None);
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the file of settings is read here"
        )]
        let text = std::fs::read_to_string(path);
        text.map(Some).map_err(|error| {
            say(format!("error: cannot read `{}`: {error}", path.display()));
            Exit::Usage
        })
    }

    /// Shows faults of the settings, if there are any.
    fn tell(&self, faults: &[Diagnostic]) -> Result<(), Exit> {
        if faults.is_empty() {
            return Ok(());
        }
        let text = self.text()?.unwrap_or_default();
        let name = self.config.as_ref().map(|path| path.display().to_string());
        let texts: Texts<'_> = name
            .iter()
            .map(|name| (name.as_str(), text.as_str()))
            .collect();
        say(human(faults, &texts, std::io::stderr().is_terminal()));
        say(format!("the settings are refused: {}", summary(faults)));
        Err(Exit::Usage)
    }
}

impl Serve {
    pub(super) fn run(self) -> Exit {
        self.start().unwrap_or_else(|exit| exit)
    }

    fn start(self) -> Result<Exit, Exit> {
        let mut values = self.settings.values()?;
        if let Some(directory) = &self.bundle {
            values.set(
                "bundle.directory",
                directory.display().to_string(),
                "--bundle",
            );
        }
        if let Some(directory) = &self.credentials {
            let text = directory.display().to_string();
            values.set("credentials.directory", text, "--credentials");
        }
        if self.quickstart {
            Quickstart::settings(&mut values, self.bundle.as_deref());
        }
        let config = self.settings.config(&values)?;
        if self.print_config {
            print(values.to_yaml()).map_err(failed)?;
            return Ok(Exit::Done);
        }
        if config.bundle.directory.is_none() && !self.quickstart {
            say(
                "error: no bundle is given: use `--bundle DIR`, `bundle.directory` in the settings, \
                 or `--quickstart` to try it out",
            );
            return Err(Exit::Usage);
        }
        config.log.format.install(&config.log.filter);
        let quickstart = if self.quickstart {
            let made = Quickstart::prepare(self.bundle.as_deref(), SystemClock.now());
            Some(made.map_err(|error: QuickstartError| failed(error))?)
        } else {
            None
        };
        // Connections have threads of their own; this one accepts them, and reloads.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let level = Level {
            settings: self.settings,
            in_force: config.log.filter.clone(),
            poll: config.bundle.watch.poll,
        };
        let ended = runtime.block_on(async {
            tokio::spawn(level.follow());
            serve(config, quickstart).await
        });
        // A reading of the bundle that hangs must not hold up the end.
        runtime.shutdown_timeout(Duration::from_millis(100));
        ended
    }
}

/// The one setting that is followed while the server runs.
struct Level {
    settings: Settings,
    in_force: String,
    poll: Duration,
}

impl Level {
    /// Looks at the file of settings again and again, and on SIGHUP at once.
    async fn follow(mut self) {
        let Ok(mut text) = self.settings.text() else {
            return;
        };
        if self.settings.config.is_none() {
            return;
        }
        let Ok(mut hangup) = signal(SignalKind::hangup()) else {
            return;
        };
        loop {
            tokio::select! {
                _ = hangup.recv() => {}
                () = tokio::time::sleep(self.poll) => {}
            }
            // A file that is just being exchanged is looked at again.
            let Ok(now) = self.settings.text() else {
                continue;
            };
            if now == text {
                continue;
            }
            text = now;
            let read = self.settings.values();
            let Ok(config) = read.and_then(|values| self.settings.config(&values)) else {
                continue;
            };
            tracing::info!("the settings were read again; all but `log.level` want a restart");
            if config.log.filter != self.in_force {
                // Told before, for the new level may not let it through.
                tracing::warn!(
                    from = self.in_force,
                    to = config.log.filter,
                    "the log level is changed"
                );
                Logging::change(&config.log.filter);
                self.in_force = config.log.filter;
            }
        }
    }
}

fn failed(error: impl std::error::Error) -> Exit {
    complain(&error);
    Exit::Failed
}

async fn serve(config: Config, quickstart: Option<Quickstart>) -> Result<Exit, Exit> {
    let store = Arc::new(Store::empty());
    let metrics = Arc::new(Metrics::new().map_err(failed)?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let source = if let Some(directory) = &config.bundle.directory {
        let loader = Loader::new(
            directory,
            config.bundle.watch,
            Arc::clone(&store),
            Arc::clone(&metrics),
            Arc::clone(&clock),
        )
        .with_credentials(config.bundle.credentials.clone())
        .with_remotes(Arc::new(Fetcher::new(
            Arc::clone(&clock),
            Arc::clone(&metrics),
            config.kubernetes.clone(),
        )));
        Source::Directory(loader)
    } else {
        publish(quickstart.as_ref(), &store, &metrics, clock.as_ref())?;
        Source::Published
    };
    tracing::info!(
        threads = config.threads,
        version = env!("CARGO_PKG_VERSION"),
        "starting"
    );
    let server = Server::bind(config, store, metrics, clock, source)
        .await
        .map_err(failed)?;
    let addresses = server.addresses();
    for address in &addresses.decisions {
        tracing::info!(%address, "decisions are served");
    }
    for (door, address) in [
        ("http", &addresses.http),
        ("admin", &addresses.admin),
        ("pods", &addresses.pods),
    ] {
        if let Some(address) = address {
            tracing::info!(door, %address, "a door is open");
        }
    }
    if let Some(quickstart) = quickstart {
        print(quickstart.guide(&addresses)).map_err(failed)?;
    }
    server.run().await.map_err(failed)?;
    Ok(Exit::Done)
}

/// Puts the example of the binary in force.
fn publish(
    quickstart: Option<&Quickstart>,
    store: &Store,
    metrics: &Metrics,
    clock: &dyn Clock,
) -> Result<(), Exit> {
    let Some(quickstart) = quickstart else {
        return Ok(());
    };
    let now = clock.now();
    match compile(quickstart.files(), "the example inside the binary", now) {
        Ok(loaded) => {
            metrics.published(now.seconds(), loaded.snapshot.source_bytes);
            metrics.reloaded(Reload::Success, now.seconds());
            store.publish(Arc::new(loaded.snapshot));
            Ok(())
        }
        Err(findings) => {
            let texts = super::validate::texts(quickstart.files());
            say(human(&findings, &texts, std::io::stderr().is_terminal()));
            Err(Exit::Refused)
        }
    }
}
