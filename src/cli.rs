//! The command line.
//!
//! Floor 8. Data goes to stdout, everything else to stderr. Exit status: 0 done or allowed, 1
//! failed, 2 wrong usage, 3 bundle refused, 4 denied.

mod ask;
mod doctor;
mod explain;
mod healthcheck;
mod keys;
mod log;
mod quickstart;
mod replay;
mod report;
mod selftest;
mod serve;
mod simulate;
mod test;
mod token;
mod validate;

use clap::{Parser, Subcommand};
use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

/// Decides who may do what, in the AWS IAM policy language, for your own services.
#[derive(Debug, Parser)]
#[command(name = "sidegate", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer Envoy, other proxies and services
    Serve(serve::Serve),
    /// Read a bundle and print everything there is to say about it
    Validate(validate::Validate),
    /// Decide offline: one question against a bundle, or many cases from a file
    Simulate(simulate::Simulate),
    /// Tell why one decision of a log was made, by the bundle that made it
    Explain(explain::Explain),
    /// Turn a decision log into cases
    Log(log::Log),
    /// Run the tests that stand beside the policies of a bundle
    Test(test::Test),
    /// Make and rotate the keys of session tokens
    Keys(keys::Keys),
    /// Mint, inspect, verify and revoke session tokens
    Token(token::Token),
    /// Ask a running server whether it is ready
    Healthcheck(healthcheck::Healthcheck),
    /// Ask a running server for a decision, and see that it denies
    Selftest(selftest::Selftest),
    /// Look at everything that a server depends on, and tell what is wrong; nothing secret is shown
    Doctor(doctor::Doctor),
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Done,
    Failed,
    Usage,
    Refused,
    Denied,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Refused => 3,
            Exit::Denied => 4,
        })
    }
}

/// Runs the command that the process was called with.
#[must_use]
pub fn main() -> ExitCode {
    let exit = match Cli::parse().command {
        Command::Serve(command) => command.run(),
        Command::Validate(command) => command.run(),
        Command::Simulate(command) => command.run(),
        Command::Explain(command) => command.run(),
        Command::Log(command) => command.run(),
        Command::Test(command) => command.run(),
        Command::Keys(command) => command.run(),
        Command::Token(command) => command.run(),
        Command::Healthcheck(command) => command.run(),
        Command::Selftest(command) => command.run(),
        Command::Doctor(command) => command.run(),
    };
    exit.into()
}

/// Says what went wrong, with its causes.
fn complain(error: &dyn std::error::Error) {
    let mut message = format!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        message.push_str(": ");
        message.push_str(&error.to_string());
        cause = error.source();
    }
    say(message);
}

/// A line on stderr.
fn say(line: impl fmt::Display) {
    // There is nobody else to tell when stderr is gone.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Text on stdout. Fails when the reader is gone, as at the head of a pipe that ended.
fn print(text: impl fmt::Display) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    write!(out, "{text}")?;
    out.flush()
}
