//! The `hence` program: everything is in the library, see `hence::cli`.

fn main() -> std::process::ExitCode {
    hence::cli::main()
}
