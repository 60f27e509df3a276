//! Maintenance: one transaction through all units, lowest first.
//!
//! ```text
//! inputs ─▶ unit ─▶ unit ─▶ … ─▶ commit        each unit reads the changes of those below it
//!            │ counted: derivations added and taken away     (`counting`)
//!            │ recursive: rank-guided delete and rederive     (`recursive`)
//!            └ fold: touched groups only                      (`folding`)
//! ```
//!
//! A unit whose relations were faulted, and every unit of a large transaction, is evaluated in full
//! instead; the difference to the old version comes out the same way. Cost: the changes, times the
//! fan-out of the clauses that read them; counted in [`Effort`].
//! Not here: joins (`exec`), storage (`store`).

mod counting;
mod folding;
pub(crate) mod input;
mod recursive;
pub(crate) mod walks;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::datalog::builtins::Calls;
use crate::datalog::compile::Compiled;
use crate::datalog::compile::CoreClause;
use crate::datalog::compile::Stored;
use crate::datalog::compile::Unit;
use crate::datalog::exec::Ages;
use crate::datalog::exec::Answers;
use crate::datalog::exec::Exec;
use crate::datalog::exec::Heads;
use crate::datalog::exec::NOWHERE;
use crate::datalog::exec::Start;
use crate::datalog::expr::Stop;
use crate::datalog::fault::Fault;
use crate::datalog::fault::FaultKind;
use crate::datalog::plan::Access;
use crate::datalog::plan::Plan;
use crate::datalog::plan::Step;
use crate::datalog::store::Age;
use crate::datalog::store::Sorted;
use crate::datalog::store::Store;
use crate::datalog::store::Table;
use crate::datalog::store::Uses;

/// Work of one transaction, counted: exact, and the same on every machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Rows looked at by joins.
    pub probed: u64,
    /// Heads that joins gave, the same one several times included.
    pub emitted: u64,
    /// Recursive rows that lost their support and had to find another or leave.
    pub overdeleted: u64,
    /// Of those, rows that found another support.
    pub rederived: u64,
    /// Units evaluated in full.
    pub full_units: u64,
    /// Rows whose presence, count or rank was set, undone ones included.
    pub written: u64,
}

/// What one derived row costs the file of a user's clause, in rows looked at: it is stored, put
/// into indexes, and maybe taken out of all of them again, which takes about so many times as long.
const HEAD_COST: u64 = 32;
/// And what one step towards it costs, which is memory that is filled.
const BINDING_COST: u64 = 8;

/// Facts of inputs that rule files state, as words, in text order.
pub(crate) type Stated = BTreeMap<usize, Vec<Box<[u32]>>>;

/// Result rows of a fold that came (true) or went, the value of the empty group included.
type FoldChanges = Vec<(Box<[u32]>, bool)>;

/// Rows of one relation that came and went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    pub(crate) added: Vec<u32>,
    pub(crate) removed: Vec<u32>,
    /// All of them, with whether they came: those that begin alike side by side.
    both: Vec<(u32, bool)>,
}

impl Change {
    /// A change of rows of `table`.
    fn new(table: &Table, added: Vec<u32>, removed: Vec<u32>) -> Self {
        let came = added.iter().map(|id| (*id, true));
        let mut both: Vec<(u32, bool)> =
            came.chain(removed.iter().map(|id| (*id, false))).collect();
        if !added.is_empty() && !removed.is_empty() {
            both.sort_by_cached_key(|(id, _)| {
                let row = table.row(*id);
                [0, 1, 2].map(|column| row.get(column).copied().unwrap_or_default())
            });
        }
        Self { added, removed, both }
    }
}

/// The changes of all relations, most of which have none.
pub(crate) struct Changes(Vec<Option<Box<Change>>>);

impl Changes {
    fn of_none(relations: usize) -> Self {
        Self(std::iter::repeat_with(|| None).take(relations).collect())
    }

    pub(crate) fn of(&self, relation: usize) -> &Change {
        static NONE: Change = Change { added: Vec::new(), removed: Vec::new(), both: Vec::new() };
        self.0[relation].as_deref().unwrap_or(&NONE)
    }

    fn of_mut(&mut self, relation: usize) -> &mut Change {
        self.0[relation].get_or_insert_default()
    }
}

/// From which rows a plan starts.
#[derive(Clone, Copy)]
enum Starts<'a> {
    Nowhere,
    /// Rows of a relation; results carry the position in the list.
    Ids(usize, &'a [u32]),
    /// Rows of a relation and their signs; results carry [`CAME`] or [`WENT`].
    Signed(usize, &'a [(u32, bool)]),
    /// The same for rows that are in no table.
    SignedWords(&'a [(Box<[u32]>, bool)]),
}

/// What results carry whose start is a row that came.
const CAME: u32 = 0;
/// And whose start is one that went.
const WENT: u32 = 1;

impl<'a> Starts<'a> {
    fn is_empty(self) -> bool {
        match self {
            Self::Nowhere => false,
            Self::Ids(_, ids) => ids.is_empty(),
            Self::Signed(_, ids) => ids.is_empty(),
            Self::SignedWords(rows) => rows.is_empty(),
        }
    }

    /// How many rows the relation has whose rows these are.
    fn start_rows(self, tables: &[Arc<Table>]) -> usize {
        match self {
            Self::Ids(relation, _) | Self::Signed(relation, _) => tables[relation].rows(),
            Self::Nowhere | Self::SignedWords(_) => 0,
        }
    }

    fn rows(self, tables: &'a [Arc<Table>]) -> Vec<Start<'a>> {
        let start = |relation: usize, id: u32, tag: u32| {
            let (words, meta) = tables[relation].row_and_meta(id);
            Start { words, id, rank: meta.support, tag }
        };
        let tag = |came: bool| if came { CAME } else { WENT };
        match self {
            Self::Nowhere => vec![NOWHERE],
            Self::Ids(relation, ids) => {
                (0..).zip(ids).map(|(at, id)| start(relation, *id, at)).collect()
            }
            Self::Signed(relation, ids) => {
                ids.iter().map(|(id, came)| start(relation, *id, tag(*came))).collect()
            }
            Self::SignedWords(rows) => {
                let rows = rows.iter();
                rows.map(|(words, came)| Start { words, tag: tag(*came), ..NOWHERE }).collect()
            }
        }
    }
}

/// What a transaction did, before its commit.
pub(crate) struct Outcome {
    pub(crate) changes: Changes,
    pub(crate) effort: Effort,
    /// Rows to commit, per relation, each once.
    pub(crate) touched: Vec<(usize, Vec<u32>)>,
}

/// One transaction under work.
pub(crate) struct Work<'a> {
    pub(crate) compiled: &'a Compiled,
    pub(crate) calls: &'a Calls,
    pub(crate) store: &'a mut Store,
    pub(crate) faults: &'a mut BTreeMap<usize, Fault>,
    /// Stated facts of inputs, as words.
    pub(crate) stated: &'a Stated,
    pub(crate) user_work_max: u64,
    /// Most rows that all clauses together may look at; a fork's budget.
    pub(crate) work_max: u64,
    /// Evaluate every unit in full.
    pub(crate) full: bool,
    pub(crate) changes: Changes,
    /// The relations with changes of any kind in this transaction, undone ones included.
    moved: Vec<bool>,
    touched: Vec<Vec<u32>>,
    /// How many of these are in the effort.
    counted: Vec<usize>,
    /// Counted derivations that came or went, for group relations.
    counts: BTreeMap<usize, Vec<(u32, i64)>>,
    /// Only for folds whose empty group has a value.
    fold_changes: BTreeMap<usize, FoldChanges>,
    /// Changed rows by relation and the columns that a condition looks at (`counting`).
    told_apart: Vec<(usize, Vec<usize>, Rc<Change>)>,
    user_work: BTreeMap<Arc<str>, u64>,
    answers: Answers,
    /// A count went below zero.
    inconsistent: bool,
    pub(crate) effort: Effort,
}

impl<'a> Work<'a> {
    pub(crate) fn new(
        compiled: &'a Compiled,
        calls: &'a Calls,
        store: &'a mut Store,
        faults: &'a mut BTreeMap<usize, Fault>,
        stated: &'a Stated,
    ) -> Self {
        let count = compiled.relations.len();
        Self {
            compiled,
            calls,
            store,
            faults,
            stated,
            user_work_max: u64::MAX,
            work_max: u64::MAX,
            full: false,
            changes: Changes::of_none(count),
            moved: vec![false; count],
            touched: vec![Vec::new(); count],
            counted: vec![0; count],
            counts: BTreeMap::new(),
            fold_changes: BTreeMap::new(),
            told_apart: Vec::new(),
            user_work: BTreeMap::new(),
            answers: Answers::default(),
            inconsistent: false,
            effort: Effort::default(),
        }
    }

    /// Brings everything up to date with the inputs that were touched, and commits.
    pub(crate) fn finish(mut self) -> Outcome {
        for relation in 0..self.touched.len() {
            self.settle(relation);
        }
        let compiled = self.compiled;
        let units = || compiled.units.iter().zip(compiled.reads.iter());
        units().for_each(|(unit, reads)| self.unit(unit, reads));
        if self.inconsistent {
            // Only a built-in that answers differently can cause this: believe its latest answers.
            self.full = true;
            self.counts.clear();
            self.fold_changes.clear();
            self.answers.clear();
            units().for_each(|(unit, reads)| self.unit(unit, reads));
        }
        (0..compiled.relations.len()).for_each(|relation| self.rewalk(relation));
        // Whatever touched a row settled its relation afterwards, which sorts them.
        debug_assert!(self.touched.iter().all(|ids| ids.is_sorted_by(|a, b| a < b)));
        let touched = std::mem::take(&mut self.touched).into_iter().enumerate();
        let touched = touched.filter(|(_, ids)| !ids.is_empty()).collect();
        Outcome { changes: self.changes, effort: self.effort, touched }
    }

    fn unit(&mut self, unit: &Unit, reads: &[u32]) {
        let changed = reads.iter().any(|relation| self.moved[*relation as usize]);
        if !changed && !self.full && self.faults.is_empty() {
            return;
        }
        let own = unit.own();
        let mut reads = reads.iter().map(|relation| *relation as usize);
        let below = reads.find_map(|relation| self.faults.get(&relation)).cloned();
        if let Some(fault) = below {
            self.fail(own, &fault);
            return;
        }
        let standing = own.iter().find_map(|relation| self.faults.get(relation));
        if standing.is_some_and(|fault| matches!(fault.kind, FaultKind::Work { .. })) {
            return; // Only another program can change what it costs.
        }
        let full = self.full || standing.is_some();
        own.iter().for_each(|relation| drop(self.faults.remove(relation)));
        if !full && !changed {
            return;
        }
        self.effort.full_units += u64::from(full);
        let outcome = match unit {
            Unit::Fold(fold) => self.fold(fold, full),
            Unit::Rules { relations, clauses, recursive: true, .. } if full => {
                self.recursive_in_full(relations, clauses)
            }
            Unit::Rules { relations, clauses, recursive: true, .. } => {
                self.recursive_changes(relations, clauses)
            }
            Unit::Rules { relations, clauses, .. } if full => {
                self.count_in_full(relations, clauses)
            }
            Unit::Rules { clauses, triggers, .. } => self.count_changes(clauses, triggers),
        };
        own.iter().for_each(|relation| self.settle(*relation));
        if let Err(fault) = outcome.and_then(|()| own.iter().try_for_each(|at| self.check(*at))) {
            self.fail(own, &fault);
        }
    }

    /// Empties the relations of a unit and notes why.
    fn fail(&mut self, relations: &[usize], fault: &Fault) {
        for &relation in relations {
            let source = self.compiled.relations[relation].source;
            let name = Arc::clone(&self.compiled.program.info(source).name);
            self.faults.insert(relation, Fault { relation: name, ..fault.clone() });
            self.fold_changes.remove(&relation);
            self.counts.remove(&relation);
            self.reset(relation);
            self.store.table_mut(relation).ordered = Sorted::default();
            self.settle(relation);
        }
    }

    /// Reads the changes of a relation off the rows that were touched.
    fn settle(&mut self, relation: usize) {
        let touched = &mut self.touched[relation];
        if touched.is_empty() {
            return;
        }
        self.effort.written += (touched.len() - self.counted[relation]) as u64;
        if !touched.is_sorted_by(|a, b| a < b) {
            touched.sort_unstable();
            touched.dedup();
        }
        self.counted[relation] = touched.len();
        self.store.table_mut(relation).index();
        self.told_apart.retain(|(other, ..)| *other != relation);
        let table = self.store.table(relation);
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        for &id in touched.iter() {
            let meta = table.meta(id);
            match (meta.is_in(Age::Old), meta.is_in(Age::New)) {
                (false, true) => added.push(id),
                (true, false) => removed.push(id),
                _ => {}
            }
        }
        self.moved[relation] |= !added.is_empty() || !removed.is_empty();
        *self.changes.of_mut(relation) = Change::new(table, added, removed);
    }

    /// Limits and keys of a relation that was just brought up to date.
    fn check(&self, relation: usize) -> Result<(), Fault> {
        let core = &self.compiled.relations[relation];
        if core.hidden {
            return Ok(());
        }
        let info = self.compiled.program.info(relation);
        let (table, change) = (self.store.table(relation), self.changes.of(relation));
        let have = (table.live() + change.added.len() - change.removed.len()) as u64;
        if let Some(limit) = info.limit
            && have > limit
        {
            let kind = FaultKind::Limit { have, limit };
            return Err(Fault::new(&self.compiled.program, relation, kind));
        }
        let Some(key) = &info.key else { return Ok(()) };
        for &id in &change.added {
            let row = table.row(id);
            let others = self.with_same_key(relation, key, row);
            if let Some(other) = others.into_iter().find(|other| *other != id) {
                let decode = |id: u32| -> Vec<_> {
                    table.row(id).iter().map(|word| self.store.interner.value(*word)).collect()
                };
                let mut rows = [decode(id), decode(other)];
                rows.sort();
                let kind = FaultKind::Key { rows };
                return Err(Fault::new(&self.compiled.program, relation, kind));
            }
        }
        Ok(())
    }

    /// Rows of the new version that share the key columns of `row`.
    fn with_same_key(&self, relation: usize, key: &[usize], row: &[u32]) -> Vec<u32> {
        let table = self.store.table(relation);
        let words = key.iter().map(|column| row[*column]);
        let entries: Vec<u64> = match self.compiled.key_indexes[relation] {
            Some(at) => table.probe(at, crate::datalog::store::key_of(words)).copied().collect(),
            None => table.entries().copied().collect(),
        };
        let same = |id: &u32| {
            let other = table.row(*id);
            table.meta(*id).is_in(Age::New) && key.iter().all(|at| other[*at] == row[*at])
        };
        entries.into_iter().map(|entry| entry as u32).filter(same).collect()
    }

    /// Runs a delta plan from the changed rows of its condition: those that came, or those that
    /// went, when `side` says so.
    fn run_changed(
        &mut self,
        clause: &CoreClause,
        stored: &Stored,
        plan: &Plan,
        side: Option<bool>,
        ages: Ages,
    ) -> Result<Heads, Fault> {
        let relation = stored.relation;
        let is_wanted = |came: bool| side.is_none_or(|side| side == came);
        if stored.default.is_some() {
            let changes = self.fold_changes.get(&relation).into_iter().flatten();
            let rows: Vec<_> = changes.filter(|(_, came)| is_wanted(*came)).cloned().collect();
            return self.run(clause, plan, Starts::SignedWords(&rows), ages, u32::MAX);
        }
        let apart = self.told_apart(stored);
        let both = match &apart {
            Some(apart) => &apart.both,
            None => &self.changes.of(relation).both,
        };
        let ids: Vec<_> = both.iter().copied().filter(|(_, came)| is_wanted(*came)).collect();
        self.run(clause, plan, Starts::Signed(relation, &ids), ages, u32::MAX)
    }

    /// Runs a clause from nothing: from the rows of its smallest relation, when that is much
    /// smaller than the one which its plan begins with.
    fn run_in_full(&mut self, clause: &CoreClause) -> Result<Heads, Fault> {
        let (nowhere, ages) = (Starts::Nowhere, Ages::All(Age::New));
        let Some(Step::Probe(first)) = clause.full.steps.first() else {
            return self.run(clause, &clause.full, nowhere, ages, u32::MAX);
        };
        let rows = |relation: usize| self.store.table(relation).rows();
        let scans =
            |step: &Step| matches!(step, Step::Probe(probe) if probe.access == Access::Scan);
        let positive = clause.deltas.iter().filter(|(_, stored, plan)| {
            let is_positive = !stored.negated && !stored.recursive && stored.default.is_none();
            is_positive && !plan.steps.iter().any(scans)
        });
        // Behind a key there are few rows: only nothing is less.
        let worth = if first.access == Access::Scan { rows(first.relation) / 2 } else { 1 };
        let smallest = positive.min_by_key(|(_, stored, _)| rows(stored.relation));
        match smallest {
            Some((_, stored, plan)) if rows(stored.relation) < worth => {
                let table = self.store.table(stored.relation);
                let ids = table.ids().filter(|id| table.meta(*id).is_in(Age::New));
                let ids: Vec<u32> = ids.collect();
                let starts = Starts::Ids(stored.relation, &ids);
                self.run(clause, plan, starts, ages, u32::MAX)
            }
            _ => self.run(clause, &clause.full, nowhere, ages, u32::MAX),
        }
    }

    /// Runs one plan of a clause and pays for it.
    fn run(
        &mut self,
        clause: &CoreClause,
        plan: &Plan,
        starts: Starts<'_>,
        ages: Ages,
        rank_limit: u32,
    ) -> Result<Heads, Fault> {
        if starts.is_empty() {
            return Ok(Heads::default());
        }
        let file = clause.user_file.as_ref();
        let spent = file.and_then(|file| self.user_work.get(file)).copied().unwrap_or(0);
        let own_left = file.map_or(u64::MAX, |_| self.user_work_max.saturating_sub(spent));
        let (binding_cost, head_cost) = file.map_or((0, 0), |_| (BINDING_COST, HEAD_COST));
        let work_max = own_left.min(self.work_max.saturating_sub(self.effort.probed));
        let mut probed = 0;
        let Store { interner, tables } = &mut *self.store;
        let tables: &[_] = tables;
        let (starts, start_rows) = (starts.rows(tables), starts.start_rows(tables));
        let mut exec = Exec {
            tables,
            interner,
            calls: self.calls,
            ages,
            start_rows,
            rank_limit,
            probed: &mut probed,
            paid: 0,
            work_max,
            binding_cost,
            head_cost,
            answers: &mut self.answers,
        };
        let outcome = exec.run(plan, &starts);
        let paid = exec.paid;
        self.effort.probed += probed;
        self.effort.emitted += outcome.as_ref().map_or(0, |found| found.len() as u64);
        if let Some(file) = file {
            self.user_work.insert(Arc::clone(file), spent + probed + paid);
        }
        outcome.map_err(|stop| match stop {
            Stop::Work { have, limit } => {
                let (have, limit) = (spent.saturating_add(have), spent.saturating_add(limit));
                self.stopped(clause.source, &Stop::Work { have, limit })
            }
            other => self.stopped(clause.source, &other),
        })
    }

    fn stopped(&self, source: usize, stop: &Stop) -> Fault {
        let program = &self.compiled.program;
        Fault::stopped(program, &program.inner.clauses[source], stop)
    }

    /// Takes every row of a relation out of the new version.
    fn reset(&mut self, relation: usize) {
        if self.store.table(relation).is_untouched() {
            return;
        }
        let table = self.store.table_mut(relation);
        let ids: Vec<u32> = table.ids().collect();
        ids.iter().for_each(|id| table.set_new(*id, 0, false));
        self.touched[relation].extend(ids);
    }
}

/// Makes the new version of all touched rows the old one, and counts who uses which word.
pub(crate) fn commit(
    store: &mut Store,
    outcome: &Outcome,
    generation: u64,
    uses: Option<&mut Uses>,
) {
    let uses = std::cell::RefCell::new(uses);
    let came = |row: &[u32]| uses.borrow_mut().iter_mut().for_each(|uses| uses.add(row));
    let went = |row: &[u32]| uses.borrow_mut().iter_mut().for_each(|uses| uses.remove(row));
    for (relation, ids) in &outcome.touched {
        store.table_mut(*relation).commit(ids, generation, came, went);
    }
}
