//! A restart from a record of all facts, and what a durable transaction costs.

use std::path::Path;

use hence::datalog::Engine;
use hence::datalog::Fact;
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

/// Writes all facts, reads them back, and appends to them.
pub(crate) fn restart(facts: Vec<Fact>, units: usize) {
    let folder = std::env::temp_dir().join(format!("hence-bench-{}", std::process::id()));
    std::fs::remove_dir_all(&folder).ok();
    let now = Timestamp(1);
    let (dir, mut base) = open(&folder);
    base.commit(facts.into_iter().map(Statement::Holds).collect(), now).expect("it is taken");
    base.sync().expect("the disk takes it");
    drop((dir, base));
    let mut times = Times::default();
    let mut kept = None;
    for _ in 0..3 {
        drop(kept.take());
        kept = Some(times.time(|| open(&folder)));
    }
    line("restart: read, load, derive", &format!("least {:.1?}  {}", times.at(0), times.text()));
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
