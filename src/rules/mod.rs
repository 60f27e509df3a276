//! Loads rule files, built in and from user directories, and registers the built-in functions.
//!
//! In: rule texts. Out: a checked program, or every mistake in them at once. The built-in set is
//! embedded; user files come as texts from the caller and may add clauses only to extension points.
//!
//! Pure: who reads the directory and watches it is `daemon`. Not here: the language (`datalog`).

mod builtin;
mod calendar;
mod evaluate;
mod history;
#[cfg(test)]
mod literate_tests;
#[cfg(test)]
mod scenarios;

use std::sync::Arc;

use crate::datalog::CheckError;
use crate::datalog::FileOrigin;
use crate::datalog::Program;
use crate::datalog::RelationInfo;
use crate::datalog::RuleFile;
use crate::datalog::check_inputs;
use crate::datalog::literate;
use crate::facts::DeclaredInput;
use crate::facts::DeclaredInputError;

pub use builtin::builtins;
pub use evaluate::Evaluated;
pub use evaluate::Inquiry;
pub use evaluate::Moved;
pub use evaluate::NamedText;
pub use evaluate::evaluate;

/// The shipped rule files by name, in the order in which a reader meets them.
const BUILT_IN: &[(&str, &str)] = &[
    ("rules/schema.dl", include_str!("../../rules/schema.dl")),
    ("rules/schema_sources.dl", include_str!("../../rules/schema_sources.dl")),
    ("rules/schema_cluster.dl", include_str!("../../rules/schema_cluster.dl")),
    ("rules/sources.dl", include_str!("../../rules/sources.dl")),
    ("rules/doubts.dl", include_str!("../../rules/doubts.dl")),
    ("rules/builds.dl", include_str!("../../rules/builds.dl")),
    ("rules/depends.dl", include_str!("../../rules/depends.dl")),
    ("rules/ownership.dl", include_str!("../../rules/ownership.dl")),
    ("rules/tenancy.dl", include_str!("../../rules/tenancy.dl")),
    ("rules/guards.dl", include_str!("../../rules/guards.dl")),
    ("rules/apply.dl", include_str!("../../rules/apply.dl")),
    ("rules/expire.dl", include_str!("../../rules/expire.dl")),
    ("rules/dry_run.dl", include_str!("../../rules/dry_run.dl")),
    ("rules/depart.dl", include_str!("../../rules/depart.dl")),
    ("rules/recreate.dl", include_str!("../../rules/recreate.dl")),
    ("rules/drift.dl", include_str!("../../rules/drift.dl")),
    ("rules/prune.dl", include_str!("../../rules/prune.dl")),
    ("rules/cascade.dl", include_str!("../../rules/cascade.dl")),
    ("rules/health.dl", include_str!("../../rules/health.dl")),
    ("rules/status.dl", include_str!("../../rules/status.dl")),
    ("rules/attempts.dl", include_str!("../../rules/attempts.dl")),
    ("rules/pauses.dl", include_str!("../../rules/pauses.dl")),
    ("rules/shows.dl", include_str!("../../rules/shows.dl")),
    ("rules/source_status.dl", include_str!("../../rules/source_status.dl")),
    ("rules/events.dl", include_str!("../../rules/events.dl")),
    ("rules/source_events.dl", include_str!("../../rules/source_events.dl")),
    ("rules/actions.dl", include_str!("../../rules/actions.dl")),
];

/// The shipped rule files.
pub fn built_in_files() -> Vec<RuleFile> {
    let file = |&(name, text): &(&str, &str)| RuleFile {
        name: name.to_owned(),
        text: text.into(),
        origin: FileOrigin::BuiltIn,
    };
    BUILT_IN.iter().map(file).collect()
}

/// True for the text of a shipped rule file.
pub fn is_built_in(text: &str) -> bool {
    BUILT_IN.iter().any(|(_, built_in)| *built_in == text)
}

/// A user's rule file; `name` is what diagnostics call it.
pub fn user_file(name: &str, text: &str) -> RuleFile {
    RuleFile { name: name.to_owned(), text: Arc::from(text), origin: FileOrigin::User }
}

/// A rule file of a program that stands alone, without the shipped rules: its clauses may be about
/// any relation.
pub fn own_file(name: &str, text: &str) -> RuleFile {
    RuleFile { name: name.to_owned(), text: Arc::from(text), origin: FileOrigin::BuiltIn }
}

/// Checks the shipped rules together with the user's files.
///
/// # Errors
/// Every mistake found, in the order of files and positions.
pub fn load(user: Vec<RuleFile>) -> Result<Program, Vec<CheckError>> {
    let mut files = built_in_files();
    files.extend(user);
    check_inputs(&files, &builtins(), &unfillable)
}

/// Why nobody can fill an input from fields, and what would do.
fn unfillable(info: &RelationInfo) -> Option<(String, String)> {
    let error = DeclaredInput::of(info).err()?;
    let advice = match error {
        DeclaredInputError::Columns(_) => {
            "write (u: Unit, o: Object, x: …) for what units want, (o: Object, x: …) for live \
             objects"
        }
        DeclaredInputError::Type(_) => "make it a symbol, number, decimal or version",
        DeclaredInputError::Path { .. } => {
            "write it like \"spec.containers[*].image\" or \"metadata.labels['team/owner']\""
        }
    };
    Some((error.to_string(), advice.to_owned()))
}

/// Runs a literate test (`datalog::literate`) on the shipped rules and the user's files; a test
/// that brings a `program` of its own runs on that alone.
///
/// # Errors
/// Every mistake in the rules, and facts that cannot be read.
pub fn run_literate(
    name: &str,
    text: &str,
    user: &[RuleFile],
) -> Result<literate::Report, Vec<CheckError>> {
    let mut files = built_in_files();
    files.extend_from_slice(user);
    literate::run(name, text, &files, &builtins())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datalog;
    use crate::datalog::Code;
    use crate::datalog::RelationKind;
    use crate::facts::relation;

    fn texts(errors: impl IntoIterator<Item = CheckError>) -> String {
        let texts = errors.into_iter().map(|error| format!("{:?}", miette::Report::new(error)));
        texts.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_shipped_rules_check_without_a_warning() {
        let program = load(Vec::new()).unwrap_or_else(|errors| panic!("{}", texts(errors)));
        // Joins with the few rows of flags and settings are no cross products to worry about.
        let serious = program.warnings().iter().filter(|w| w.kind() != Code::CrossProduct);
        let warnings = texts(serious.cloned());
        assert!(warnings.is_empty(), "{warnings}");
    }

    #[test]
    fn the_shipped_rules_are_in_shape() {
        for file in built_in_files() {
            let shaped = datalog::format(&file.name, &file.text);
            let shaped = shaped.unwrap_or_else(|errors| panic!("{}", texts(errors)));
            assert!(shaped == *file.text, "hence rules fmt {}", file.name);
        }
    }

    #[test]
    fn the_catalogue_of_constructors_is_the_schema() {
        let program = load(Vec::new()).unwrap_or_else(|errors| panic!("{}", texts(errors)));
        let inputs = program.relations().filter(|info| info.kind == RelationKind::Input);
        let mut declared: Vec<(&str, usize)> =
            inputs.map(|info| (&*info.name, info.columns.len())).collect();
        let mut constructed = relation::ALL.to_vec();
        declared.sort();
        constructed.sort();
        assert_eq!(constructed, declared);
    }
}
