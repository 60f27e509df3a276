//! `hence rules`: tools for people who write rules. Every mistake in a directory at once, what a
//! relation means, one shape of text, tests in prose, and any program on any facts.

pub(super) mod diagnostics;
mod eval;
mod export;
mod files;
mod fmt;
mod literate;

use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use clap::Subcommand;
use miette::Diagnostic;
use miette::Report;
use thiserror::Error;

use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Form;
use crate::cli::output::Outcome;
use crate::cli::relation;
use crate::cli::rules::diagnostics::Complaint;
use crate::cli::rules::diagnostics::RulesCheck;
use crate::daemon::rule_files;
use crate::daemon::rule_files::RuleFilesError;
use crate::datalog::CheckError;
use crate::datalog::Program;
use crate::datalog::RuleFile;
use crate::rules;

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
        /// Text for people, or JSON
        #[arg(short, long, value_enum, default_value_t)]
        output: Form,
    },
    /// Say what a relation means, who derives it and who reads it
    Explain {
        /// Its name
        relation: String,
        /// A directory of rule files of your own
        #[arg(long, value_name = "DIR")]
        rules: Option<PathBuf>,
        /// Text for people, or JSON
        #[arg(short, long, value_enum, default_value_t)]
        output: Form,
    },
    /// Evaluate a program on facts given as text, without cluster or daemon
    Eval(eval::EvalArgs),
    /// Give rule files one shape
    Fmt(fmt::FmtArgs),
    /// Run tests of rules that are written as prose
    Test(literate::TestArgs),
    /// Print a program and facts for another engine, to compare conclusions
    Export(export::ExportArgs),
    /// Name all relations with what they mean
    List {
        /// A directory of rule files of your own
        #[arg(long, value_name = "DIR")]
        rules: Option<PathBuf>,
        /// Text for people, or JSON
        #[arg(short, long, value_enum, default_value_t)]
        output: Form,
    },
}

#[derive(Debug, Error, Diagnostic)]
enum RulesError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Read(#[from] RuleFilesError),
    #[error("cannot write {}", path.display())]
    #[diagnostic(code(rules::write), help("is it writable, and is there space?"))]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{count} mistakes")]
    #[diagnostic(code(rules::check), help("nothing was loaded; mend them and check again"))]
    Mistakes { count: usize },
    #[error("{count} files are not in shape")]
    #[diagnostic(code(rules::fmt), help("`hence rules fmt` without --check puts them in shape"))]
    Shape { count: usize },
    #[error("{unmet} of {checked} expectations are not met")]
    #[diagnostic(code(rules::test), help("each is named above, with its line"))]
    Unmet { unmet: usize, checked: usize },
}

/// Checks rules, or says what they mean.
pub(super) fn rules(args: &RulesArgs) -> Result<Outcome, Failure> {
    match &args.verb {
        RulesVerb::Check { dir, output } => check(dir.as_deref(), *output),
        RulesVerb::Explain { relation, rules, output } => {
            relation::explain(&load(rules.as_deref())?, relation, *output)
        }
        RulesVerb::Eval(args) => eval::eval(args),
        RulesVerb::Export(args) => export::export_to(args),
        RulesVerb::Fmt(args) => fmt::fmt(args),
        RulesVerb::Test(args) => literate::test(args),
        RulesVerb::List { rules, output } => Ok(relation::list(&load(rules.as_deref())?, *output)),
    }
}

/// The files of a user's directory, when there is one.
fn user_files(dir: Option<&Path>) -> Result<Vec<RuleFile>, Failure> {
    let directories: Vec<PathBuf> = dir.map(Path::to_owned).into_iter().collect();
    rule_files::read(&directories).map_err(Failure::input)
}

/// The rules that would be in force.
fn load(dir: Option<&Path>) -> Result<Program, Failure> {
    rules::load(user_files(dir)?).map_err(fail)
}

/// Shows every mistake.
fn fail(errors: Vec<CheckError>) -> Failure {
    let count = errors.iter().filter(|error| !error.is_warning()).count();
    errors.into_iter().filter(is_for_author).for_each(show);
    Failure::input(RulesError::Mistakes { count })
}

fn check(dir: Option<&Path>, form: Form) -> Result<Outcome, Failure> {
    let user = user_files(dir)?;
    let count = user.len();
    if form == Form::Json {
        return Ok(check_in_json(count, rules::load(user)));
    }
    match rules::load(user) {
        Ok(program) => {
            program.warnings().iter().filter(|error| is_for_author(error)).cloned().for_each(show);
            let strata = program.strata();
            output::data(&format!(
                "{count} files of yours fit the shipped rules; {strata} strata\n"
            ));
            Ok(Outcome::Done)
        }
        Err(errors) => Err(fail(errors)),
    }
}

fn check_in_json(files: usize, checked: Result<Program, Vec<CheckError>>) -> Outcome {
    let (strata, complaints, outcome) = match checked {
        Ok(program) => (Some(program.strata()), program.warnings().to_vec(), Outcome::Done),
        Err(errors) => (None, errors, Outcome::Code(1)),
    };
    let shown = complaints.iter().filter(|error| is_for_author(error));
    let diagnostics = shown.map(Complaint::of).collect();
    let found = RulesCheck { version: "rules-check.v1", files, strata, diagnostics };
    output::json(&serde_json::to_value(found).unwrap_or_default());
    outcome
}

/// Warnings about shipped rules are no business of who writes rules of his own.
fn is_for_author(error: &CheckError) -> bool {
    let shipped = rules::built_in_files();
    let places = error.places();
    let first = places.first().map(|place| place.file.as_str());
    !error.is_warning() || !shipped.iter().any(|file| Some(file.name.as_str()) == first)
}

fn show(error: CheckError) {
    output::error(&Report::new(error));
}
