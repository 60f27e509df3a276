//! `hence completion`: completion scripts.

use clap::Args;
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Outcome;

/// For which shell.
#[derive(Debug, Args)]
pub(super) struct CompletionArgs {
    /// The shell
    shell: Shell,
}

/// Prints a completion script.
pub(super) fn completion(args: &CompletionArgs) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "hence", &mut script);
    output::data(&String::from_utf8_lossy(&script));
    Ok(Outcome::Done)
}
