//! State on disk: opened by the daemon, copied and read by the command line.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::audit::JournalReader;
use crate::audit::View;
use crate::daemon::DaemonError;
use crate::daemon::rule_files;
use crate::daemon::rule_files::RuleFilesError;
use crate::datalog::Delta;
use crate::datalog::Engine;
use crate::datalog::EngineOptions;
use crate::datalog::Fact;
use crate::datalog::FileOrigin;
use crate::datalog::Program;
use crate::datalog::Reader;
use crate::datalog::RelationInfo;
use crate::datalog::RelationKind;
use crate::datalog::Reversal;
use crate::facts::FactBase;
use crate::facts::Recalled;
use crate::facts::store;
use crate::facts::store::Loss;
use crate::facts::store::Recovered;
use crate::facts::store::StateDir;
use crate::facts::store::StoreError;
use crate::facts::store::StoreOptions;
use crate::model::Digest;
use crate::rules;

/// Digest of the shipped input declarations: rows of other declarations are not mixed in. Those of
/// users come and go with their files, and take no other row with them.
fn schema_digest(program: &Program) -> Digest {
    let mut text = String::new();
    let is_shipped_input = |info: &&RelationInfo| {
        info.origin == FileOrigin::BuiltIn && info.kind == RelationKind::Input
    };
    for info in program.relations().filter(is_shipped_input) {
        let types: Vec<&str> = info.columns.iter().map(|column| &*column.type_name).collect();
        text.push_str(&format!("{}({})\n", info.name, types.join(",")));
    }
    Digest::of(text.as_bytes())
}

/// Opens the fact log and derives everything anew from it; the delta is what `.output` relations
/// hold now.
///
/// # Errors
/// The directory is in use, of another version, or the disk fails.
pub(super) fn open_facts(
    dir: &StateDir,
    program: Program,
    expected_generation: u64,
) -> Result<(FactBase, Recovered, Delta), DaemonError> {
    let mut options = StoreOptions::new(schema_digest(&program));
    options.expected_generation = expected_generation;
    let mut engine = Engine::new(program, rules::builtins(), EngineOptions::default());
    let mut recalled = Recalled::new(&mut engine);
    let (log, recovered) = store::open(dir, &options, &mut recalled)?;
    let generation = recovered.head.generation.max(expected_generation);
    let (delta, reversals) = recalled.finish_and_compare(generation + 1);
    reversals.iter().for_each(tell);
    Ok((FactBase::new(engine, Some(log)), recovered, delta))
}

/// Tells what other rules than those of the last run conclude otherwise, before anything is done.
/// Facts that came behind the last snapshot of that run are in it too.
fn tell(reversal: &Reversal) {
    let text = |fact: &Option<Fact>| fact.as_ref().map(ToString::to_string).unwrap_or_default();
    let Reversal { relation, came, went, .. } = reversal;
    let (first_come, first_gone) = (text(&reversal.first_come), text(&reversal.first_gone));
    tracing::warn!(%relation, came, went, first_come, first_gone, "the rules conclude otherwise");
}

/// What a stopped daemon left.
pub struct LeftState {
    /// Its last generation, derived with the rules that were in force.
    pub reader: Reader,
    /// Why it is derived with other rules than those.
    pub other_rules: Option<String>,
}

/// The last generation of a stopped daemon, read from a copy of its fact log, with the rules that
/// its journal says were in force.
///
/// # Errors
/// There is no state of this version, the log is in use or cannot be read, or it lost facts that
/// actions were taken on.
pub fn read_state(state: &Path) -> Result<LeftState, DaemonError> {
    let copy = std::env::temp_dir().join(format!("hence-read-{}", std::process::id()));
    fs::remove_dir_all(&copy).ok();
    let read = read_copy(state, &copy);
    fs::remove_dir_all(&copy).ok();
    read
}

fn read_copy(state: &Path, copy: &Path) -> Result<LeftState, DaemonError> {
    store::copy_for_reading(state, copy).map_err(|error| match error {
        StoreError::Locked { dir } => DaemonError::Silent { dir },
        error => DaemonError::Facts(error),
    })?;
    let dir = StateDir::open(copy)?;
    let journal = JournalReader::at(&state.join("journal")).ok();
    let view = journal.as_ref().map(JournalReader::view);
    let acted_on = view.and_then(|view| view.last_generation()).unwrap_or(0);
    let (program, other_rules) = rules_in_force(view)?;
    let has_file = fs::metadata(copy.join("facts/db")).is_ok_and(|file| file.len() > 0);
    let (facts, recovered, _) = open_facts(&dir, program, acted_on)?;
    let is_empty = recovered.head.generation == 0;
    if is_empty && recovered.schema.is_none() && has_file {
        // Whatever a daemon leaves has its declarations in it.
        let reason = "`facts/db` holds no fact log".to_owned();
        return Err(StoreError::Damaged { reason }.into());
    }
    for loss in recovered.losses {
        match loss {
            // The copy was damaged, which is why the original is; it stays where it is.
            Loss::MovedAside { reason, .. } => return Err(StoreError::Damaged { reason }.into()),
            Loss::IndexRebuilt { reason } if is_empty => {
                return Err(StoreError::Damaged { reason }.into());
            }
            Loss::Behind { .. } => return Err(loss.into()),
            Loss::Cut { .. } | Loss::IndexRebuilt { .. } => {}
        }
    }
    match is_empty {
        true => {
            let why = "it holds no facts";
            Err(StoreError::NoState { dir: state.to_owned(), why }.into())
        }
        false => Ok(LeftState { reader: facts.reader(), other_rules }),
    }
}

/// The rules that were in force last, and why these are others, where they are.
fn rules_in_force(view: Option<View<'_>>) -> Result<(Program, Option<String>), RuleFilesError> {
    let texts = view.and_then(|view| view.rules(&view.rules_in_force()?).ok().flatten());
    let Some(texts) = texts else {
        let why = "which rules were in force is not in the journal: the shipped rules are taken";
        return Ok((rule_files::load(&[])?.program, Some(why.to_owned())));
    };
    let mut shipped: BTreeMap<String, Arc<str>> =
        rules::built_in_files().into_iter().map(|file| (file.name, file.text)).collect();
    let (mut user, mut is_same) = (Vec::new(), true);
    for (name, text) in texts {
        match shipped.remove(&name) {
            Some(ours) => is_same &= *ours == *text,
            None => user.push(rules::user_file(&name, &text)),
        }
    }
    is_same &= shipped.is_empty();
    match rules::load(user) {
        Ok(program) if is_same => Ok((program, None)),
        Ok(program) => {
            let why = "the rules in force were those of another version of hence: its own differ";
            Ok((program, Some(why.to_owned())))
        }
        Err(_) => {
            let why = "the rules in force do not check with this version of hence: the shipped \
                       rules are taken";
            Ok((rule_files::load(&[])?.program, Some(why.to_owned())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::DiskStorage;
    use crate::audit::Journal;
    use crate::audit::JournalOptions;
    use crate::audit::RuleSet;
    use crate::daemon::ruling;
    use crate::model::Timestamp;

    /// The rules that are read back from a journal in which these sets were in force, in order.
    fn read_back(name: &str, sets: &[RuleSet]) -> (Program, Option<String>) {
        let dir = std::env::temp_dir().join(format!("hence-rules-{name}-{}", std::process::id()));
        fs::remove_dir_all(&dir).ok();
        let storage = DiskStorage::for_writing(&dir).expect("it is ours");
        let (mut journal, _) = Journal::open(storage, &JournalOptions::default()).expect("new");
        for set in sets {
            journal.append_rules(Timestamp(0), set.clone()).expect("it can be written");
        }
        let read = rules_in_force(Some(journal.view())).expect("the shipped rules check");
        fs::remove_dir_all(&dir).ok();
        read
    }

    fn with_user(text: &str) -> RuleSet {
        ruling::texts(&[rules::user_file("mine/freeze.dl", text)])
    }

    const FREEZE: &str = "[mine/freeze] freeze(\"shop/web\", \"always\").\n";

    #[test]
    fn the_rules_that_were_in_force_last_are_read_back() {
        let shipped = rules::load(Vec::new()).expect("the shipped rules check");
        let (program, other) = read_back("last", &[ruling::texts(&[]), with_user(FREEZE)]);
        assert_eq!(other, None);
        assert!(program.hash() != shipped.hash(), "with the user's file");
        let back = [ruling::texts(&[]), with_user(FREEZE), ruling::texts(&[])];
        let (program, other) = read_back("back", &back);
        assert_eq!((program.hash(), other), (shipped.hash(), None));
    }

    #[test]
    fn rules_that_cannot_be_had_are_told() {
        for (name, sets, why) in [
            ("none", vec![], "is not in the journal"),
            ("bad", vec![with_user("freeze(\n")], "do not check"),
            (
                "old",
                vec![RuleSet::of(&[("rules/prune.dl", "% of old\n")])],
                "another version of hence",
            ),
        ] {
            let (_, other) = read_back(name, &sets);
            assert!(other.as_ref().is_some_and(|other| other.contains(why)), "{name}: {other:?}");
        }
    }
}
