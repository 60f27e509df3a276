//! A restart from a record of all facts, and what a durable transaction costs.

use std::path::Path;
use std::time::Duration;

use hence::datalog::Engine;
use hence::datalog::Fact;
use hence::datalog::Pattern;
use hence::datalog::QueryOptions;
use hence::datalog::RelationInfo;
use hence::facts::FactBase;
use hence::facts::Recalled;
use hence::facts::Statement;
use hence::facts::store;
use hence::facts::store::StateDir;
use hence::facts::store::StoreOptions;
use hence::model::Digest;
use hence::model::Timestamp;

use crate::engine;
use crate::measure::Times;
use crate::measure::line;
use crate::measure::resident;
use crate::push;

fn open(path: &Path) -> (StateDir, FactBase) {
    let dir = StateDir::open(path).expect("the folder is ours");
    let options = StoreOptions::new(Digest::of(b"bench"));
    let mut engine: Engine = engine();
    let mut recalled = Recalled::new(&mut engine);
    let (log, recovered) = store::open(&dir, &options, &mut recalled).expect("the log opens");
    recalled.finish(recovered.head.generation + 1);
    (dir, FactBase::new(engine, Some(log)))
}

/// Writes all facts, reads them back with and without what was derived, and appends to them.
pub(crate) fn restart(facts: Vec<Fact>, units: usize) {
    let folder = std::env::temp_dir().join(format!("hence-bench-{}", std::process::id()));
    std::fs::remove_dir_all(&folder).ok();
    let now = Timestamp(1);
    let (dir, mut base) = open(&folder);
    base.commit(facts.into_iter().map(Statement::Holds).collect(), now).expect("it is taken");
    base.sync().expect("the disk takes it");
    let told = outputs(&base);
    drop((dir, base));
    memory_of_its_own(&folder);
    let derived = folder.join("facts/derived");
    let size = std::fs::metadata(&derived).expect("it was kept with the snapshot").len();
    let mut kept = None;
    for name in ["restart: what was kept is read", "restart: all is derived anew"] {
        let mut times = Times::default();
        for _ in 0..5 {
            drop(kept.take());
            kept = Some(times.time(|| open(&folder)));
        }
        let same = kept.as_ref().is_some_and(|(_, base)| outputs(base) == told);
        assert!(same, "a restart changes nothing");
        line(name, &format!("least {:.1?}  {}", times.at(0), times.text()));
        std::fs::remove_file(&derived).ok();
    }
    line("  the file of what was kept, in MiB", &(size >> 20).to_string());
    let (_dir, mut base) = kept.expect("it was opened");
    let (mut commits, mut syncs) = (Times::default(), Times::default());
    for round in 0..300 {
        let facts = push(round * 7 % units, &format!("durable-{round}")).inserts;
        let said = facts.into_iter().map(Statement::Holds).collect();
        commits.time(|| base.commit(said, now).expect("it is taken"));
        syncs.time(|| base.sync().expect("the disk takes it"));
    }
    line("a push of 50: commit with its record", &commits.text());
    line("  made durable (fsync)", &syncs.text());
    drop(base);
    std::fs::remove_dir_all(&folder).ok();
}

/// How many rows each output has.
fn outputs(base: &FactBase) -> Vec<(String, usize)> {
    let reader = base.reader();
    let all = QueryOptions { limit: usize::MAX, work: u64::MAX, ..QueryOptions::default() };
    let outputs = reader.program().relations().filter(|info| info.output);
    let count = |info: &RelationInfo| {
        let columns = vec![None; info.columns.len()];
        let pattern = Pattern { relation: info.name.clone(), columns };
        (info.name.to_string(), reader.query(&pattern, &all).value.len())
    };
    outputs.map(count).collect()
}

/// The word that makes this program measure its memory with the facts of a folder.
pub(crate) const MEMORY: &str = "memory";

/// Measures in a process that never had the facts in any other form.
fn memory_of_its_own(folder: &Path) {
    let this = std::env::current_exe().expect("this program has a name");
    let other = std::process::Command::new(this).arg(MEMORY).arg(folder).status();
    assert!(other.is_ok_and(|status| status.success()), "the other process measured");
}

/// What the other process does.
pub(crate) fn memory(folder: &Path) {
    let before = resident();
    let (dir, base) = open(folder);
    // The allocator gives back what was needed to start after a while, when it is asked for more.
    std::thread::sleep(Duration::from_millis(1_500));
    let asked = outputs(&base).len();
    let reader = base.reader();
    let rows: usize = reader.program().relations().map(|info| reader.count(&info.name)).sum();
    let grown = resident().saturating_sub(before) as f64;
    let text = format!("{rows} rows; {:.0} a row with texts and the log", grown / rows as f64);
    assert!(asked > 0, "it has outputs");
    line("bytes in memory, in a process of its own", &text);
    drop((dir, base));
}
