//! State on disk: opened by the daemon, copied and read by the command line.

use std::path::Path;

use crate::audit::JournalReader;
use crate::daemon::DaemonError;
use crate::daemon::rule_files;
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

/// The last generation of a stopped daemon, read from a copy of its fact log.
///
/// # Errors
/// There is no state of this version, the log is in use or cannot be read, or it lost facts that
/// actions were taken on.
pub fn read_state(state: &Path) -> Result<Reader, DaemonError> {
    let copy = std::env::temp_dir().join(format!("hence-read-{}", std::process::id()));
    std::fs::remove_dir_all(&copy).ok();
    let reader = read_copy(state, &copy);
    std::fs::remove_dir_all(&copy).ok();
    reader
}

fn read_copy(state: &Path, copy: &Path) -> Result<Reader, DaemonError> {
    store::copy_for_reading(state, copy).map_err(|error| match error {
        StoreError::Locked { dir } => DaemonError::Silent { dir },
        error => DaemonError::Facts(error),
    })?;
    let dir = StateDir::open(copy)?;
    let journal = JournalReader::at(&state.join("journal"));
    let acted_on = journal.ok().and_then(|journal| journal.view().last_generation()).unwrap_or(0);
    let (facts, recovered, _) = open_facts(&dir, rule_files::load(&[])?.program, acted_on)?;
    match recovered.losses.into_iter().find(|loss| !matches!(loss, Loss::Cut { .. })) {
        Some(loss @ (Loss::MovedAside { .. } | Loss::Behind { .. })) => Err(loss.into()),
        _ if recovered.head.generation == 0 => {
            let why = "it holds no facts";
            Err(StoreError::NoState { dir: state.to_owned(), why }.into())
        }
        _ => Ok(facts.reader()),
    }
}
