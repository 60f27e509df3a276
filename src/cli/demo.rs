//! `hence demo`: the main job on the embedded sandbox.

use clap::Args;

use crate::cli::output::Failure;
use crate::cli::output::Outcome;

/// How to run the demo.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Leave everything running, to look around with kubectl, git and the command line
    #[arg(long)]
    keep: bool,
}

/// Runs the demo.
pub fn demo(args: &DemoArgs) -> Result<Outcome, Failure> {
    let _ = args.keep;
    Ok(Outcome::Done)
}
