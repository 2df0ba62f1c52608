//! The `sidegate` program; see [`sidegate::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    sidegate::cli::main()
}
