//! `hence rules export`: a program and its facts for another engine.

use std::path::PathBuf;

use clap::Args;

use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Outcome;
use crate::cli::rules::files;
use crate::datalog::Dialect;
use crate::datalog::Engine;
use crate::datalog::EngineOptions;
use crate::datalog::check;
use crate::datalog::export;
use crate::datalog::parse_changes;
use crate::rules as rule_files;

/// What to export.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The other engine
    #[arg(long, value_enum)]
    to: To,
    /// A program of its own; without one the shipped rules
    dir: Option<PathBuf>,
    /// Add the shipped rules: DIR then holds rules of yours on top of them
    #[arg(long)]
    shipped: bool,
    /// Facts, such as `live("a", 1).`, one a line
    #[arg(long, value_name = "FILE")]
    facts: Vec<PathBuf>,
}

/// Another engine.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum To {
    /// clingo: the program has one answer set
    Clingo,
    /// Soufflé
    Souffle,
}

/// Prints the program for the other engine.
pub(super) fn export_to(args: &ExportArgs) -> Result<Outcome, Failure> {
    let alone = args.dir.is_some() && !args.shipped;
    let own = if alone { rule_files::own_file } else { rule_files::user_file };
    let mut program = if alone { Vec::new() } else { rule_files::built_in_files() };
    let texts = args.dir.as_deref().map(files::texts).transpose().map_err(Failure::input)?;
    program.extend(texts.iter().flatten().map(|file| own(&file.name, &file.text)));
    let builtins = rule_files::builtins();
    let program = check(&program, &builtins).map_err(super::fail)?;
    let mut engine = Engine::new(program, builtins.clone(), EngineOptions::default());
    for path in &args.facts {
        let text = files::read(path).map_err(Failure::input)?;
        let name = path.display().to_string();
        let changes = parse_changes(&name, &text, engine.program()).map_err(super::fail)?;
        engine.transact(changes.net(&engine.reader()));
    }
    let dialect = match args.to {
        To::Clingo => Dialect::Clingo,
        To::Souffle => Dialect::Souffle,
    };
    output::data(&export(&engine, &builtins, dialect).map_err(Failure::input)?);
    Ok(Outcome::Done)
}
