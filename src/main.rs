//! The `sidegate` program; see [`sidegate::cli`].

use std::process::ExitCode;

/// What a decision leaves behind is freed on the thread that made it; this allocator is good at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sidegate::cli::main()
}
