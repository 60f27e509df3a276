//! `hence rules eval`: any program on facts given as text, with proofs, misses and what-ifs.

use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value as Json;

use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Form;
use crate::cli::output::Outcome;
use crate::cli::rules::RulesError;
use crate::cli::rules::diagnostics::Complaint;
use crate::cli::rules::diagnostics::Refused;
use crate::cli::rules::files;
use crate::rules::Evaluated;
use crate::rules::Inquiry;
use crate::rules::Moved;
use crate::rules::NamedText;
use crate::rules::built_in_files;
use crate::rules::builtins;
use crate::rules::evaluate;
use crate::rules::own_file;
use crate::rules::user_file;

/// What to evaluate, and what to ask of it.
#[derive(Debug, Args)]
pub(super) struct EvalArgs {
    /// The program: a directory of *.dl files, or one file
    dir: PathBuf,
    /// Facts to begin with, such as `live("a", 1).`, one a line; only inputs take facts
    #[arg(long, value_name = "FILE")]
    facts: Vec<PathBuf>,
    /// One further transaction each: lines `+fact.` and `-fact.`, which apply in order
    #[arg(long, value_name = "FILE")]
    then: Vec<PathBuf>,
    /// Prove this fact, in the end
    #[arg(long, value_name = "FACT")]
    why: Option<String>,
    /// Say what each rule lacks for a fact of this pattern, in the end
    #[arg(long, value_name = "PATTERN")]
    why_not: Option<String>,
    /// Say what these further changes would do, in the end
    #[arg(long, value_name = "FILE")]
    what_if: Option<PathBuf>,
    /// Add the shipped rules: DIR then holds rules of yours on top of them
    #[arg(long)]
    shipped: bool,
    /// Text for people, or JSON
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

/// Evaluates the program; a program or facts that are refused end with code 1.
pub(super) fn eval(args: &EvalArgs) -> Result<Outcome, Failure> {
    let inquiry = match inquiry(args) {
        Ok(inquiry) => inquiry,
        Err(error) if args.output == Form::Json => {
            return Ok(refused(vec![Complaint::unreadable(&error)]));
        }
        Err(error) => return Err(Failure::input(error)),
    };
    match evaluate(&inquiry, &builtins()) {
        Ok(evaluated) => {
            match args.output {
                Form::Json => output::json(&serde_json::to_value(&evaluated).unwrap_or_default()),
                Form::Text => output::data(&text(&evaluated)),
            }
            Ok(Outcome::Done)
        }
        Err(wrong) if args.output == Form::Json => {
            Ok(refused(wrong.iter().map(Complaint::of).collect()))
        }
        Err(wrong) => Err(super::fail(wrong)),
    }
}

fn inquiry(args: &EvalArgs) -> Result<Inquiry, RulesError> {
    let texts = |paths: &[PathBuf]| -> Result<Vec<NamedText>, RulesError> {
        paths.iter().map(|path| named(path)).collect()
    };
    let own = if args.shipped { user_file } else { own_file };
    let mut files = if args.shipped { built_in_files() } else { Vec::new() };
    files.extend(files::texts(&args.dir)?.iter().map(|file| own(&file.name, &file.text)));
    Ok(Inquiry {
        files,
        facts: texts(&args.facts)?,
        then: texts(&args.then)?,
        why: args.why.clone(),
        why_not: args.why_not.clone(),
        what_if: args.what_if.as_deref().map(named).transpose()?,
    })
}

fn named(path: &Path) -> Result<NamedText, RulesError> {
    let text = files::read(path)?;
    Ok(NamedText { name: path.display().to_string(), text })
}

fn refused(diagnostics: Vec<Complaint>) -> Outcome {
    output::json(&serde_json::to_value(Refused { diagnostics }).unwrap_or_default());
    Outcome::Code(1)
}

fn text(evaluated: &Evaluated) -> String {
    let mut lines = Vec::new();
    for (name, rows) in &evaluated.relations {
        lines.extend(rows.iter().map(|row| fact(name, row)));
    }
    for (at, delta) in evaluated.deltas.iter().enumerate() {
        lines.push(format!("\n// transaction {}", at + 1));
        changes(delta, &mut lines);
    }
    for fault in &evaluated.faults {
        lines.push(format!("\n// fault: {fault}"));
    }
    if let Some(proof) = &evaluated.why {
        lines.push("\n// why".to_owned());
        proof_lines(proof, &mut lines);
    }
    if let Some(answer) = &evaluated.why_not {
        lines.push(format!("\n// why not {}", word(&answer["pattern"])));
        for rule in answer["rules"].as_array().into_iter().flatten() {
            let label = rule["clause"]["label"].as_str().unwrap_or("input");
            lines.push(format!("[{label}] stops at {}", word(&rule["failing"])));
        }
        if answer["complete"] == false {
            lines.push("// the search was cut short".to_owned());
        }
    }
    if let Some(answer) = &evaluated.what_if {
        lines.push("\n// what if".to_owned());
        if let Ok(moved) = serde_json::from_value::<Moved>(answer.clone()) {
            changes(&moved, &mut lines);
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

fn changes(delta: &Moved, lines: &mut Vec<String>) {
    for (sign, side) in [('-', &delta.removed), ('+', &delta.added)] {
        for (name, rows) in side {
            lines.extend(rows.iter().map(|row| format!("{sign}{}", fact(name, row))));
        }
    }
}

fn fact(name: &str, row: &[Json]) -> String {
    let values: Vec<String> = row.iter().map(ToString::to_string).collect();
    format!("{name}({}).", values.join(", "))
}

/// Each fact of a proof once, with its clause and the numbers of the facts that it rests on.
fn proof_lines(proof: &Json, lines: &mut Vec<String>) {
    for (at, node) in proof["nodes"].as_array().into_iter().flatten().enumerate() {
        let from = node["clause"]["label"].as_str().map_or_else(
            || node["kind"].as_str().unwrap_or_default().to_owned(),
            |label| format!("[{label}]"),
        );
        let below = node["premises"].as_array().into_iter().flatten().map(premise);
        let below: Vec<String> = below.collect();
        let because = if below.is_empty() { "" } else { ": " };
        let conclusion = word(&node["conclusion"]);
        lines.push(format!("{at}  {conclusion}  {from}{because}{}", below.join(", ")));
    }
}

fn premise(premise: &Json) -> String {
    if let Some(node) = premise["fact"]["node"].as_u64() {
        return format!("{node}");
    }
    if let Some(pattern) = premise["absent"]["pattern"].as_object() {
        let columns = pattern["columns"].as_array().into_iter().flatten();
        let columns: Vec<String> = columns
            .map(|column| if column.is_null() { "_".to_owned() } else { column.to_string() })
            .collect();
        return format!("no {}({})", word(&pattern["relation"]), columns.join(", "));
    }
    let text = [&premise["holds"]["text"], &premise["aggregate"]["text"]];
    text.into_iter().find_map(Json::as_str).unwrap_or_default().to_owned()
}

fn word(text: &Json) -> &str {
    text.as_str().unwrap_or_default()
}
