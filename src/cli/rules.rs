//! `hence rules check`: every mistake in a directory of rule files, at once.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use clap::Subcommand;
use miette::Diagnostic;
use miette::Report;
use thiserror::Error;

use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Outcome;
use crate::datalog::CheckError;
use crate::datalog::RuleFile;
use crate::rules as rule_files;

/// What to do with rule files.
#[derive(Debug, Args)]
pub(super) struct RulesArgs {
    #[command(subcommand)]
    verb: RulesVerb,
}

#[derive(Debug, Subcommand)]
enum RulesVerb {
    /// Check the rule files of a directory together with the shipped ones
    Check {
        /// The directory; without one the shipped rules are checked alone
        dir: Option<PathBuf>,
    },
}

#[derive(Debug, Error, Diagnostic)]
enum RulesError {
    #[error("cannot read {}", path.display())]
    #[diagnostic(code(rules::read), help("name a directory that holds *.dl files"))]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{count} mistakes")]
    #[diagnostic(code(rules::check), help("nothing was loaded; mend them and check again"))]
    Mistakes { count: usize },
}

/// Checks rules.
pub(super) fn rules(args: &RulesArgs) -> Result<Outcome, Failure> {
    let RulesVerb::Check { dir } = &args.verb;
    let user = match dir {
        Some(dir) => read(dir).map_err(Failure::input)?,
        None => Vec::new(),
    };
    let count = user.len();
    match rule_files::load(user) {
        Ok(program) => {
            program.warnings().iter().cloned().for_each(show);
            let strata = program.strata();
            output::data(&format!(
                "{count} files of yours fit the shipped rules; {strata} strata\n"
            ));
            Ok(Outcome::Done)
        }
        Err(errors) => {
            let count = errors.iter().filter(|error| !error.is_warning()).count();
            errors.into_iter().for_each(show);
            Err(Failure::input(RulesError::Mistakes { count }))
        }
    }
}

fn show(error: CheckError) {
    output::error(&Report::new(error));
}

fn read(dir: &Path) -> Result<Vec<RuleFile>, RulesError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| RulesError::Read { path, source }
    };
    let mut paths: Vec<PathBuf> = fs::read_dir(dir)
        .and_then(|entries| entries.map(|entry| entry.map(|e| e.path())).collect())
        .map_err(failed(dir))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "dl"));
    paths.sort();
    let file = |path: &PathBuf| {
        let text = fs::read_to_string(path).map_err(failed(path))?;
        Ok(rule_files::user_file(&path.display().to_string(), &text))
    };
    paths.iter().map(file).collect()
}
