//! `sidegate log`: what can be done with a decision log.

use crate::cli::replay::{NotAsked, Records, case, question};
use crate::cli::{Exit, complain, print, say};
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Log {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Turn records into cases, which `sidegate simulate --cases - --bundle DIR` decides anew
    Cases {
        /// The log; `-` is stdin
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

impl Log {
    pub(super) fn run(self) -> Exit {
        match self.command {
            Command::Cases { file } => Records::open(&file)
                .and_then(convert)
                .unwrap_or_else(|exit| exit),
        }
    }
}

fn convert(mut records: Records) -> Result<Exit, Exit> {
    let mut left_out = 0_usize;
    while let Some(record) = records.next()? {
        match question(&record) {
            Ok((question, time)) => {
                let line = case(&record.id, &question, time);
                print(format!("{line}\n")).map_err(|error| {
                    complain(&error);
                    Exit::Failed
                })?;
            }
            Err(NotAsked::NoQuestion) => left_out += 1,
            Err(reason) => {
                say(format!("{}: left out: {reason}", record.id));
                left_out += 1;
            }
        }
    }
    if left_out > 0 {
        say(format!(
            "{left_out} records hold no question that can be asked again"
        ));
    }
    if records.passed_over > 0 {
        say(format!("{} lines are no records", records.passed_over));
    }
    Ok(Exit::Done)
}
