//! `hence rules test`: tests of rules that are written as prose (`rules/README.md`).

use std::path::PathBuf;

use clap::Args;

use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Outcome;
use crate::cli::rules::RulesError;
use crate::cli::rules::files;
use crate::rules::run_literate;

/// What to run.
#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// Markdown files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// A directory of rule files of your own
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
}

/// Runs each file and names what is not as expected.
pub(super) fn test(args: &TestArgs) -> Result<Outcome, Failure> {
    let own = super::user_files(args.rules.as_deref())?;
    let (mut checked, mut unmet) = (0, 0);
    for path in &args.files {
        let text = files::read(path).map_err(Failure::input)?;
        let name = path.display().to_string();
        let report = run_literate(&name, &text, &own).map_err(super::fail)?;
        checked += report.checked;
        unmet += report.unmet.len();
        for line in &report.unmet {
            output::data(&format!("{name}:{}: {}\n", line.line, line.message));
        }
        if report.unmet.is_empty() {
            output::data(&format!("{name}: {} expectations hold\n", report.checked));
        }
    }
    if unmet > 0 {
        return Err(Failure::input(RulesError::Unmet { unmet, checked }));
    }
    Ok(Outcome::Done)
}
