//! The `hence` program: everything is in the library, see `hence::cli`.

/// Facts and proofs are very many small values: the system's allocator would take a third of the
/// time of a busy daemon.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    hence::cli::main()
}
