//! Measures Sidegate beside other policy engines, and beside a server that decides nothing.

mod bundle;
mod cerbos;
mod engine;
#[cfg(feature = "engines")]
mod engines;
mod envoy;
mod floor;
mod load;
mod overload;
mod process;
mod report;
mod server;
mod swap;
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
    /// Checks while a large bundle is replaced again and again
    Swap(swap::Arguments),
    /// More checks than can be answered, and what comes afterwards
    Overload(overload::Arguments),
    /// Checks through Envoy, with and without its filter
    Envoy(envoy::Arguments),
    /// Serves as the server that decides nothing
    Floor(floor::Arguments),
}

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let ended = match command {
        Command::Engine(arguments) => engine::run(&arguments),
        Command::Server(arguments) => server::run(&arguments),
        Command::Swap(arguments) => swap::run(&arguments),
        Command::Overload(arguments) => overload::run(&arguments),
        Command::Envoy(arguments) => envoy::run(&arguments),
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
