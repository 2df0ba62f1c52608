//! `sidegate healthcheck`: asks the admin door of a running server, for probes without a shell.

use crate::cli::ask::ask;
use crate::cli::serve::Settings;
use crate::cli::{Exit, complain, say};
use clap::Args;
use http::StatusCode;

#[derive(Debug, Args)]
pub(super) struct Healthcheck {
    #[command(flatten)]
    settings: Settings,
    /// The admin door, in place of the one in the settings
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// Ask whether it is alive, and not whether it is ready
    #[arg(long)]
    live: bool,
}

impl Healthcheck {
    pub(super) fn run(self) -> Exit {
        let mut values = match self.settings.values() {
            Ok(values) => values,
            Err(exit) => return exit,
        };
        if let Some(address) = &self.address {
            values.set("admin.address", address, "--address");
        }
        let config = match self.settings.config(&values) {
            Ok(config) => config,
            Err(exit) => return exit,
        };
        let Some(address) = config.admin else {
            say("error: the admin door is off, so there is nobody to ask");
            return Exit::Usage;
        };
        let path = if self.live { "/livez" } else { "/readyz" };
        match ask(&address, path) {
            Ok((StatusCode::OK, _)) => Exit::Done,
            Ok((status, _)) => {
                say(format!("error: {address} answers {status}"));
                Exit::Failed
            }
            Err(error) => {
                complain(&error);
                Exit::Failed
            }
        }
    }
}
