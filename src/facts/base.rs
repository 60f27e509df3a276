//! The fact base: engine and fact log behind one commit.

use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::sync::Arc;

use crate::datalog::Builtins;
use crate::datalog::Delta;
use crate::datalog::Engine;
use crate::datalog::Fact;
use crate::datalog::Program;
use crate::datalog::QueryOptions;
use crate::datalog::Reader;
use crate::datalog::RelationInfo;
use crate::datalog::RelationKind;
use crate::datalog::Row;
use crate::datalog::Transaction;
use crate::datalog::Value;
use crate::facts::Statement;
use crate::facts::convert::row_refs;
use crate::facts::store;
use crate::facts::store::FactSource;
use crate::facts::store::FactStore;
use crate::facts::store::LogHead;
use crate::facts::store::Since;
use crate::facts::store::StoreError;
use crate::facts::store::ValueRef;
use crate::model::Digest;
use crate::model::Timestamp;

/// Relations that describe the moment of observation: they do not survive a restart, because nobody
/// watched while the daemon was down. Builds are listed too, since manifests live in memory only;
/// fetches are not: their trees are read again from our stores.
pub const VOLATILE: &[&str] = &[
    "elapsed",
    "lasting",
    "vain",
    "reconciles",
    "switch",
    "setting",
    "amount",
    "rules_rejected",
    "state_lost",
    "artifact_host",
    "default_account",
    "listed",
    "unheard",
    "recalled",
    "defines",
    "served",
    "undiscovered",
    "live",
    "absent",
    "live_owner",
    "live_toggle",
    "live_health",
    "named_health",
    "live_deleting",
    "applier_manages",
    "overridden",
    "legacy",
    "drifted",
    "rendered",
    "reads",
    "variables",
    "variables_missing",
    "differs",
    "accepted",
];

/// The engine with its fact log.
pub struct FactBase {
    engine: Engine,
    log: Option<Box<dyn FactStore + Send>>,
    /// When recent generations were committed, for the snapshot's `since`.
    times: Times,
}

/// How many generations keep their time; older rows are dated by the oldest of them.
const TIMES_KEPT: usize = 100_000;

impl FactBase {
    /// A fact base over `engine`; without a log nothing survives the process.
    pub fn new(engine: Engine, log: Option<Box<dyn FactStore + Send>>) -> Self {
        Self { engine, log, times: Times::default() }
    }

    /// Commits the statements as one generation.
    ///
    /// Inputs always commit (an observation cannot be refused); the delta says what changed.
    ///
    /// # Errors
    /// The fact log failed: nothing may be done that follows from this commit.
    pub fn commit(
        &mut self,
        statements: Vec<Statement>,
        now: Timestamp,
    ) -> Result<Delta, StoreError> {
        let transaction = self.resolve(statements);
        let delta = self.engine.transact_telling(transaction, RelationInfo::is_at_the_edge);
        self.times.add(delta.generation, now);
        if let Some(log) = &mut self.log {
            log.append(&logged(&self.engine, &delta, now))?;
        }
        Ok(delta)
    }

    /// Makes everything committed so far durable, and begins a snapshot when that pays.
    ///
    /// # Errors
    /// The fact log failed.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        let Some(log) = &mut self.log else { return Ok(()) };
        log.sync()?;
        if log.wants_snapshot() {
            // A view that later commits do not change: it is written beside them.
            let times = self.times.clone();
            log.snapshot(Box::new(Everything { reader: self.engine.reader(), times }))?;
        }
        Ok(())
    }

    /// Digest of the fact log's last durable record; all zeros without a log.
    pub fn log_head(&self) -> Digest {
        self.log.as_ref().map_or_else(|| LogHead::empty().hash, |log| log.head().hash)
    }

    /// A view of the present generation that later commits do not change.
    pub fn reader(&self) -> Reader {
        self.engine.reader()
    }

    /// Puts other rules in force as one generation.
    ///
    /// # Errors
    /// The fact log failed: nothing may be done that follows from these rules.
    pub fn replace_program(
        &mut self,
        program: Program,
        builtins: Builtins,
        now: Timestamp,
    ) -> Result<Delta, StoreError> {
        let delta = self.engine.replace_program(program, builtins);
        self.times.add(delta.generation, now);
        if let Some(log) = &mut self.log {
            log.append(&logged(&self.engine, &delta, now))?;
        }
        Ok(delta)
    }

    /// Turns statements into the rows that come and go, in order, so that the last word counts.
    fn resolve(&self, statements: Vec<Statement>) -> Transaction {
        let reader = self.engine.reader();
        let mut change = Change::default();
        for statement in statements {
            match statement {
                Statement::Holds(fact) => change.insert(fact),
                Statement::Fails(fact) => change.delete(fact),
                Statement::Exactly { relation, prefix, rows } => {
                    change.replace(&reader, &relation, &prefix, rows);
                }
            }
        }
        Transaction {
            inserts: change.inserts.into_iter().collect(),
            deletes: change.deletes.into_iter().collect(),
        }
    }
}

/// The input rows that a commit changed, as the fact log takes them.
fn logged(engine: &Engine, delta: &Delta, now: Timestamp) -> store::Delta {
    let mut logged = store::Delta::new(delta.generation, now);
    let is_input = |name: &str| {
        let info = engine.program().relation(name);
        info.is_some_and(|info| info.kind == RelationKind::Input)
    };
    for (relation, rows) in delta.removed.iter().filter(|(name, _)| is_input(name)) {
        rows.iter().for_each(|row| logged.delete(relation, &row_refs(row)));
    }
    for (relation, rows) in delta.added.iter().filter(|(name, _)| is_input(name)) {
        rows.iter().for_each(|row| logged.insert(relation, &row_refs(row)));
    }
    logged
}

/// All input rows of one generation, for a snapshot.
struct Everything {
    reader: Reader,
    times: Times,
}

impl FactSource for Everything {
    fn each(&self, give: &mut dyn FnMut(&str, &[ValueRef<'_>], Since)) {
        for (fact, generation) in self.reader.inputs_since() {
            let at = self.times.of(generation);
            give(&fact.relation, &row_refs(&fact.row), Since { generation, at });
        }
    }

    fn state(&self, out: &mut dyn std::io::Write) -> std::io::Result<bool> {
        self.reader.save(out)
    }
}

/// When recent generations were committed, oldest first. Cheap to copy, for a snapshot.
#[derive(Clone, Default)]
struct Times(VecDeque<(u64, Timestamp)>);

impl Times {
    fn add(&mut self, generation: u64, at: Timestamp) {
        self.0.push_back((generation, at));
        if self.0.len() > TIMES_KEPT {
            self.0.pop_front();
        }
    }

    /// The time of a generation; of one that is not kept, the oldest that is.
    fn of(&self, generation: u64) -> Timestamp {
        let oldest = self.0.front().map_or(Timestamp(0), |(_, at)| *at);
        let found = self.0.binary_search_by_key(&generation, |(number, _)| *number);
        found.map_or(oldest, |index| self.0[index].1)
    }
}

/// The net effect of the statements so far. No fact is in both sets.
#[derive(Default)]
struct Change {
    inserts: BTreeSet<Fact>,
    deletes: BTreeSet<Fact>,
}

impl Change {
    fn insert(&mut self, fact: Fact) {
        self.deletes.remove(&fact);
        self.inserts.insert(fact);
    }

    fn delete(&mut self, fact: Fact) {
        self.inserts.remove(&fact);
        self.deletes.insert(fact);
    }

    fn replace(&mut self, reader: &Reader, relation: &Arc<str>, prefix: &[Value], rows: Vec<Row>) {
        let columns = reader.program().relation(relation).map_or(0, |info| info.columns.len());
        let pattern = Statement::pattern(relation, prefix, columns);
        let known = reader
            .query(
                &pattern,
                &QueryOptions { limit: usize::MAX, work: u64::MAX, ..QueryOptions::default() },
            )
            .value;
        let wanted: BTreeSet<Row> = rows.into_iter().collect();
        let from = Fact { relation: relation.clone(), row: prefix.to_vec() };
        let said = self.inserts.range(from..);
        let said: Vec<Row> = said
            .take_while(|fact| fact.relation == *relation && fact.row.starts_with(prefix))
            .map(|fact| fact.row.clone())
            .collect();
        for row in known.into_iter().chain(said) {
            if !wanted.contains(&row) {
                self.delete(Fact { relation: relation.clone(), row });
            }
        }
        for row in wanted {
            self.insert(Fact { relation: relation.clone(), row });
        }
    }
}
