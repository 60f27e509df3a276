//! The engine: facts in, conclusions kept, one generation per transaction.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::datalog::builtins::Builtins;
use crate::datalog::builtins::Calls;
use crate::datalog::fact::Fact;
use crate::datalog::fact::Transaction;
use crate::datalog::fault::Fault;
use crate::datalog::fault::Refused;
use crate::datalog::fault::RefusedReason;
use crate::datalog::program::Program;
use crate::datalog::program::RelationKind;
use crate::datalog::reader::Reader;
use crate::datalog::scratch;
use crate::datalog::scratch::Note;
use crate::datalog::scratch::Rows;
use crate::datalog::value::Row;

/// How an engine runs. Each default is the safe choice.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The generation that the empty engine starts from; the first commit is the next one.
    pub generation: u64,
    /// Rows that the clauses of one user file may look at in one transaction.
    pub user_work_max: u64,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { generation: 0, user_work_max: 50_000_000 }
    }
}

/// What one transaction changed: `old + delta = new`, nothing in it twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// The generation that the transaction made.
    pub generation: u64,
    /// Rows that hold now and did not before, inputs included, sorted by value.
    pub added: BTreeMap<Arc<str>, Vec<Row>>,
    /// Rows that held before and do not now.
    pub removed: BTreeMap<Arc<str>, Vec<Row>>,
    /// All relations that are faulted now.
    pub faults: Vec<Fault>,
    /// Facts that the transaction could not take.
    pub refused: Vec<Refused>,
}

impl Delta {
    /// True when no row came or went.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

/// Keeps the conclusions of a program up to date.
pub struct Engine {
    program: Program,
    calls: Calls,
    options: EngineOptions,
    /// Facts that transactions asserted.
    asserted: Rows,
    /// What holds: asserted facts, those stated in rule files, and all that follows.
    rows: Rows,
    faults: BTreeMap<usize, Fault>,
    generation: u64,
}

impl Engine {
    /// An engine that holds the facts stated in the rule files and what follows from them.
    pub fn new(program: Program, builtins: Builtins, options: EngineOptions) -> Self {
        let count = program.inner.relations.len();
        let empty = Rows(vec![Arc::default(); count]);
        let calls = Calls::new(program.functions(), &builtins);
        let generation = options.generation;
        let (asserted, rows) = (empty.clone(), empty);
        let faults = BTreeMap::new();
        let mut engine = Self { program, calls, options, asserted, rows, faults, generation };
        engine.derive();
        engine
    }

    /// The last commit.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The program in force.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Commits `transaction` as the next generation: deletes first, then inserts. A fact that does not
    /// fit the program is refused and the others commit. An insert into an input with a key replaces
    /// the row of that key.
    pub fn transact(&mut self, transaction: Transaction) -> Delta {
        self.generation += 1;
        let before = self.rows.clone();
        let mut refused = Vec::new();
        for fact in transaction.deletes {
            match self.accept(fact) {
                Ok((relation, row)) => {
                    Arc::make_mut(&mut self.asserted.0[relation]).remove(&row);
                }
                Err(error) => refused.push(error),
            }
        }
        for fact in transaction.inserts {
            match self.accept(fact) {
                Ok((relation, row)) => self.assert(relation, row),
                Err(error) => refused.push(error),
            }
        }
        self.derive();
        self.delta(&before, refused)
    }

    fn accept(&self, fact: Fact) -> Result<(usize, Row), Refused> {
        let refuse = |reason| Refused { fact: fact.clone(), reason };
        let Some(relation) = self.program.position(&fact.relation) else {
            return Err(refuse(RefusedReason::UnknownRelation));
        };
        let info = self.program.info(relation);
        if info.kind != RelationKind::Input {
            return Err(refuse(RefusedReason::NotAnInput));
        }
        let (have, want) = (fact.row.len(), info.columns.len());
        if have != want {
            return Err(refuse(RefusedReason::Arity { have, want }));
        }
        for (value, column) in fact.row.iter().zip(&info.columns) {
            if value.base() != column.base {
                return Err(refuse(RefusedReason::Type {
                    column: Arc::clone(&column.name),
                    have: value.base(),
                    want: column.base,
                }));
            }
        }
        Ok((relation, fact.row))
    }

    fn assert(&mut self, relation: usize, row: Row) {
        let rows = Arc::make_mut(&mut self.asserted.0[relation]);
        if let Some(key) = &self.program.info(relation).key {
            let same = |other: &Row| key.iter().all(|column| other[*column] == row[*column]);
            rows.retain(|other, _| *other == row || !same(other));
        }
        rows.entry(row).or_insert(Note { since: self.generation, rank: 0 });
    }

    /// Recomputes everything; keeps `since` of the rows that stay.
    fn derive(&mut self) {
        let before = std::mem::take(&mut self.rows);
        self.rows = self.asserted.clone();
        let program = self.program.clone();
        for clause in &program.inner.clauses {
            if self.program.info(clause.head).kind == RelationKind::Input {
                let binding = vec![None; clause.variables.len()];
                if let Ok(Some(row)) = scratch::head_row(clause, &binding, &self.calls) {
                    self.state(clause.head, row);
                }
            }
        }
        self.faults =
            scratch::evaluate(&self.program, &self.calls, &mut self.rows, self.generation);
        for (rows, old) in self.rows.0.iter_mut().zip(&before.0) {
            for (row, note) in Arc::make_mut(rows) {
                if let Some(was) = old.get(row) {
                    note.since = was.since;
                }
            }
        }
    }

    /// Adds a fact stated in a rule file, unless a transaction asserted another with its key.
    fn state(&mut self, relation: usize, row: Row) {
        let since = self.generation;
        if let Some(key) = &self.program.info(relation).key {
            let same = |other: &Row| key.iter().all(|column| other[*column] == row[*column]);
            if self.rows.0[relation].keys().any(same) {
                return;
            }
        }
        Arc::make_mut(&mut self.rows.0[relation]).entry(row).or_insert(Note { since, rank: 0 });
    }

    fn delta(&self, before: &Rows, refused: Vec<Refused>) -> Delta {
        let mut delta = Delta { generation: self.generation, refused, ..Delta::default() };
        for (at, info) in self.program.relations().enumerate() {
            let (old, new) = (&before.0[at], &self.rows.0[at]);
            let missing = |from: &BTreeMap<Row, Note>, other: &BTreeMap<Row, Note>| -> Vec<Row> {
                from.keys().filter(|row| !other.contains_key(*row)).cloned().collect()
            };
            let (added, removed) = (missing(new, old), missing(old, new));
            if !added.is_empty() {
                delta.added.insert(Arc::clone(&info.name), added);
            }
            if !removed.is_empty() {
                delta.removed.insert(Arc::clone(&info.name), removed);
            }
        }
        delta.faults = self.faults.values().cloned().collect();
        delta
    }

    /// Puts another program in force as the next generation. Asserted facts of inputs that both have
    /// with the same types stay; the delta says what changed, relations that only one has included.
    pub fn replace_program(&mut self, program: Program, builtins: Builtins) -> Delta {
        let mut next = Self::new(program, builtins, self.options.clone());
        next.generation = self.generation + 1;
        let mut refused = Vec::new();
        for fact in self.inputs() {
            match next.accept(fact) {
                Ok((relation, row)) => next.assert(relation, row),
                Err(error) => refused.push(error),
            }
        }
        next.derive();
        let delta = compare(self, &mut next, refused);
        *self = next;
        delta
    }

    /// A view of this generation that stays as it is while the engine commits on.
    pub fn reader(&self) -> Reader {
        Reader::new(
            self.program.clone(),
            self.calls.clone(),
            self.options.clone(),
            self.asserted.clone(),
            self.rows.clone(),
            self.faults.clone(),
            self.generation,
        )
    }

    /// The facts that transactions asserted and did not delete, for snapshots.
    pub fn inputs(&self) -> impl Iterator<Item = Fact> {
        self.program.relations().zip(&self.asserted.0).flat_map(|(info, rows)| {
            rows.keys().map(|row| Fact::new(Arc::clone(&info.name), row.clone()))
        })
    }

    /// The rows of one relation, sorted by value.
    pub fn rows(&self, relation: &str) -> Vec<Row> {
        let at = self.program.position(relation);
        at.map(|at| self.rows.0[at].keys().cloned().collect()).unwrap_or_default()
    }

    pub(crate) fn from_reader(reader: &Reader) -> Self {
        let parts = reader.parts();
        Self {
            program: parts.program.clone(),
            calls: parts.calls.clone(),
            options: parts.options.clone(),
            asserted: parts.asserted.clone(),
            rows: parts.rows.clone(),
            faults: parts.faults.clone(),
            generation: parts.generation,
        }
    }
}

/// The difference of two engines with different programs, relations matched by name.
fn compare(old: &Engine, new: &mut Engine, refused: Vec<Refused>) -> Delta {
    let mut delta = Delta { generation: new.generation, refused, ..Delta::default() };
    let names: BTreeSet<&Arc<str>> =
        old.program.inner.names.keys().chain(new.program.inner.names.keys()).collect();
    let names: Vec<Arc<str>> = names.into_iter().cloned().collect();
    for name in names {
        let before =
            old.program.position(&name).map(|at| Arc::clone(&old.rows.0[at])).unwrap_or_default();
        let after = new.program.position(&name).map(|at| &mut new.rows.0[at]);
        let mut none = Arc::default();
        let after = after.unwrap_or(&mut none);
        for (row, note) in Arc::make_mut(after) {
            if let Some(was) = before.get(row) {
                note.since = was.since;
            }
        }
        let added: Vec<Row> =
            after.keys().filter(|row| !before.contains_key(*row)).cloned().collect();
        let removed: Vec<Row> =
            before.keys().filter(|row| !after.contains_key(*row)).cloned().collect();
        if !added.is_empty() {
            delta.added.insert(Arc::clone(&name), added);
        }
        if !removed.is_empty() {
            delta.removed.insert(name, removed);
        }
    }
    delta.faults = new.faults.values().cloned().collect();
    delta
}
