//! What a relation means: its sentence, its columns, the clauses that derive and read it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::error::CliError;
use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Form;
use crate::cli::output::Outcome;
use crate::datalog::Program;
use crate::datalog::RelationInfo;
use crate::datalog::RelationKind;

/// A relation as JSON (`schemas/relation.v1.json`).
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Explained {
    /// Always `relation.v1`.
    version: &'static str,
    /// Its name.
    name: String,
    /// Who makes its rows: `input` (observations), `derived` (rules), `extension` (your rules too).
    kind: &'static str,
    /// What a row means.
    sentence: String,
    /// Its columns, in order.
    columns: Vec<Column>,
    /// The columns of which no two rows have the same values; empty when rows may be anything.
    key: Vec<String>,
    /// Where it is declared, as `file:line`.
    declared: String,
    /// The clauses that derive its rows.
    derived_by: Vec<Clause>,
    /// Labels of the clauses that read it.
    read_by: Vec<String>,
}

/// All relations as JSON (`schemas/relations.v1.json`).
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Relations {
    /// Always `relations.v1`.
    version: &'static str,
    /// The relations, by name.
    relations: Vec<Listed>,
}

/// One relation among all.
#[derive(Debug, Serialize, JsonSchema)]
struct Listed {
    /// Its name.
    name: String,
    /// Who makes its rows: `input` (observations), `derived` (rules), `extension` (your rules too).
    kind: &'static str,
    /// What a row means.
    sentence: String,
}

/// One column.
#[derive(Debug, Serialize, JsonSchema)]
struct Column {
    /// Its name.
    name: String,
    /// Its type, as declared.
    #[serde(rename = "type")]
    type_: String,
}

/// One clause.
#[derive(Debug, Serialize, JsonSchema)]
struct Clause {
    /// Its label, which `why` shows.
    label: String,
    /// Why it is so.
    sentence: String,
    /// Where it stands, as `file:line`.
    at: String,
    /// The clause itself.
    text: String,
}

/// Prints what a relation means.
pub(super) fn explain(program: &Program, name: &str, form: Form) -> Result<Outcome, Failure> {
    let Some(relation) = program.relation(name) else {
        let near = nearest(program, name);
        return Err(Failure::input(CliError::Relation { name: name.to_owned(), near }));
    };
    let explained = Explained::of(program, relation);
    match form {
        Form::Json => output::json(&serde_json::to_value(&explained).unwrap_or_default()),
        Form::Text => output::data(&explained.to_text()),
    }
    Ok(Outcome::Done)
}

/// Prints all relations by name, each with its sentence.
pub(super) fn list(program: &Program, form: Form) -> Outcome {
    let of = |info: &RelationInfo| Listed {
        name: info.name.to_string(),
        kind: kind(info),
        sentence: info.doc.to_string(),
    };
    let mut relations: Vec<Listed> = program.relations().map(of).collect();
    relations.sort_by(|a, b| a.name.cmp(&b.name));
    match form {
        Form::Json => {
            let listed = Relations { version: "relations.v1", relations };
            output::json(&serde_json::to_value(&listed).unwrap_or_default());
        }
        Form::Text => {
            let line = |one: &Listed| format!("{:<28} {}\n", one.name, one.sentence);
            output::data(&relations.iter().map(line).collect::<String>());
        }
    }
    Outcome::Done
}

fn kind(relation: &RelationInfo) -> &'static str {
    match relation.kind {
        RelationKind::Input => "input",
        RelationKind::Derived => "derived",
        RelationKind::Extension => "extension",
    }
}

impl Explained {
    fn of(program: &Program, relation: &RelationInfo) -> Self {
        let column = |column: &crate::datalog::Column| Column {
            name: column.name.to_string(),
            type_: column.type_name.to_string(),
        };
        let clause = |label: &std::sync::Arc<str>| {
            let clause = program.clause(label)?;
            Some(Clause {
                label: label.to_string(),
                sentence: clause.sentence().to_string(),
                at: format!("{}:{}", clause.file(), clause.line()),
                text: clause.text().to_string(),
            })
        };
        let key = relation.key.iter().flatten();
        Self {
            version: "relation.v1",
            name: relation.name.to_string(),
            kind: kind(relation),
            sentence: relation.doc.to_string(),
            columns: relation.columns.iter().map(column).collect(),
            key: key.map(|&at| relation.columns[at].name.to_string()).collect(),
            declared: format!("{}:{}", relation.file, relation.line),
            derived_by: relation.writers.iter().filter_map(clause).collect(),
            read_by: relation.readers.iter().map(ToString::to_string).collect(),
        }
    }

    fn to_text(&self) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|column| format!("{}: {}", column.name, column.type_))
            .collect();
        let mut text = format!("{}({})\n", self.name, columns.join(", "));
        let mut line = |label: &str, part: &str| {
            if !part.is_empty() {
                text.push_str(&format!("  {label:<8} {part}\n"));
            }
        };
        line("means", &self.sentence);
        line(
            "rows",
            match self.kind {
                "input" => "are observed",
                "extension" => "are derived; your rules may add to them",
                _ => "are derived",
            },
        );
        line("key", &self.key.join(", "));
        line("at", &self.declared);
        line("read by", &self.read_by.join(", "));
        for clause in &self.derived_by {
            text.push_str(&format!("\n  [{}]  {}\n", clause.label, clause.at));
            if !clause.sentence.is_empty() {
                text.push_str(&format!("  {}\n", clause.sentence));
            }
            for part in clause.text.lines() {
                text.push_str(&format!("      {}\n", part.trim_end()));
            }
        }
        text
    }
}

/// The declared name that is most like `name`, when one is near.
fn nearest(program: &Program, name: &str) -> Option<String> {
    let near = |info: &RelationInfo| (distance(&info.name, name), info.name.to_string());
    let (distance, found) = program.relations().map(near).min()?;
    (distance <= 2.max(name.len() / 3)).then_some(found)
}

/// How many letters have to be changed, added or taken away.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, letter) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in right.iter().enumerate() {
            let change = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program() -> Program {
        crate::rules::load(Vec::new()).expect("the shipped rules check")
    }

    #[test]
    fn every_relation_can_be_explained() {
        let program = program();
        for info in program.relations() {
            let explained = Explained::of(&program, info);
            assert_eq!(explained.derived_by.len(), info.writers.len(), "{}", info.name);
            assert!(explained.to_text().starts_with(&format!("{}(", info.name)));
        }
    }

    #[test]
    fn an_action_names_the_clauses_that_demand_it() {
        let program = program();
        let relation = program.relation("act_delete").expect("it is an action");
        let text = Explained::of(&program, relation).to_text();
        assert!(text.contains("rows     are derived\n"), "{text}");
        assert!(text.contains("rules/actions.dl:"), "{text}");
    }

    #[test]
    fn a_misspelt_name_gets_a_suggestion() {
        let program = program();
        assert_eq!(nearest(&program, "act_delte").as_deref(), Some("act_delete"));
        assert_eq!(nearest(&program, "something else altogether"), None);
        for (left, right, want) in [("", "ab", 2), ("wants", "wnats", 2), ("a", "a", 0)] {
            assert_eq!(distance(left, right), want, "{left} {right}");
        }
    }
}
