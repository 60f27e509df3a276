//! State on disk: opened by the daemon, copied and read by the command line.

use std::path::Path;

use crate::daemon::DaemonError;
use crate::datalog::Delta;
use crate::datalog::Engine;
use crate::datalog::EngineOptions;
use crate::datalog::FileOrigin;
use crate::datalog::Program;
use crate::datalog::Reader;
use crate::datalog::RelationInfo;
use crate::datalog::RelationKind;
use crate::datalog::Transaction;
use crate::facts::FactBase;
use crate::facts::Recalled;
use crate::facts::store;
use crate::facts::store::Recovered;
use crate::facts::store::StateDir;
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

/// Opens the fact log and derives everything anew from it; the delta is all that holds now.
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
    let mut recalled = Recalled::default();
    let (log, recovered) = store::open(dir, &options, &mut recalled)?;
    let generation = recovered.head.generation.max(expected_generation);
    let options = EngineOptions { generation, ..EngineOptions::default() };
    let mut engine = Engine::new(program, rules::builtins(), options);
    let inserts = recalled.into_facts();
    let delta = engine.transact(Transaction { inserts, deletes: Vec::new() });
    Ok((FactBase::new(engine, Some(log)), recovered, delta))
}

/// The last generation of a stopped daemon, read from a copy of its fact log; `None` when the log
/// is in use or cannot be read.
pub fn read_state(state: &Path) -> Option<Reader> {
    let copy = std::env::temp_dir().join(format!("hence-read-{}", std::process::id()));
    std::fs::remove_dir_all(&copy).ok();
    let reader = read_copy(state, &copy);
    std::fs::remove_dir_all(&copy).ok();
    reader
}

fn read_copy(state: &Path, copy: &Path) -> Option<Reader> {
    store::copy_for_reading(state, copy).ok()?;
    let dir = StateDir::open(copy).ok()?;
    let program = rules::load(Vec::new()).ok()?;
    let (facts, _, _) = open_facts(&dir, program, 0).ok()?;
    Some(facts.reader())
}
