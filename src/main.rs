//! The `sidegate` program; see [`sidegate::cli`].

use std::process::ExitCode;

/// Quick, and gives back what a reload leaves behind: a sidecar is small.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    sidegate::cli::main()
}
