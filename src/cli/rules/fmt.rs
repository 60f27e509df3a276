//! `hence rules fmt`: one shape for rule files; comments, order and meaning stay.

use std::fs;
use std::path::PathBuf;

use clap::Args;

use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Outcome;
use crate::cli::rules::RulesError;
use crate::cli::rules::files;
use crate::datalog;

/// What to format.
#[derive(Debug, Args)]
pub(super) struct FmtArgs {
    /// Files, or directories of *.dl files
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Write nothing; name the files that are not in shape, and end with 1 if there are any
    #[arg(long)]
    check: bool,
}

/// Formats files in place, all or none: nothing is written when one of them does not parse.
pub(super) fn fmt(args: &FmtArgs) -> Result<Outcome, Failure> {
    let mut changed = Vec::new();
    let mut wrong = Vec::new();
    for path in &args.paths {
        for path in files::paths(path).map_err(Failure::input)? {
            let text = files::read(&path).map_err(Failure::input)?;
            match datalog::format(&path.display().to_string(), &text) {
                Ok(shaped) if shaped != text => changed.push((path, shaped)),
                Ok(_) => {}
                Err(complaints) => wrong.extend(complaints),
            }
        }
    }
    if !wrong.is_empty() {
        return Err(super::fail(wrong));
    }
    for (path, shaped) in &changed {
        output::data(&format!("{}\n", path.display()));
        if !args.check {
            let failed = |source| RulesError::Write { path: path.clone(), source };
            fs::write(path, shaped).map_err(failed).map_err(Failure::input)?;
        }
    }
    if args.check && !changed.is_empty() {
        return Err(Failure::input(RulesError::Shape { count: changed.len() }));
    }
    Ok(Outcome::Done)
}
