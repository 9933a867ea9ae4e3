//! The `vopr` command. Everything is in the library; this chooses the systems and the allocator.

use std::process::ExitCode;

// Worlds allocate small and short-lived things by the million, on one thread each.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    vopr::cli::main(&vopr::systems::all())
}
