//! Measures Sidegate beside other policy engines, and beside a server that decides nothing.

mod engine;
#[cfg(feature = "engines")]
mod engines;
mod floor;
mod load;
mod process;
mod report;
mod server;
mod workload;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
#[command(about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Decisions of the engine, beside those of other engines
    Engine(engine::Arguments),
    /// Checks of a server, beside those of one that decides nothing
    Server(server::Arguments),
    /// Serves as that one
    Floor(floor::Arguments),
}

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let ended = match command {
        Command::Engine(arguments) => engine::run(&arguments),
        Command::Server(arguments) => server::run(&arguments),
        Command::Floor(arguments) => floor::run(&arguments),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
