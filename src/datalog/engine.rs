//! The engine: transactions in, deltas out, one generation per transaction.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::datalog::builtins::Builtins;
use crate::datalog::builtins::Calls;
use crate::datalog::compile::Compiled;
use crate::datalog::compile::compile;
use crate::datalog::expr;
use crate::datalog::fact::Fact;
use crate::datalog::fact::Transaction;
use crate::datalog::fault::Fault;
use crate::datalog::fault::Refused;
use crate::datalog::fault::RefusedReason;
use crate::datalog::load::Batches;
use crate::datalog::maintain;
use crate::datalog::maintain::Effort;
use crate::datalog::maintain::Outcome;
use crate::datalog::maintain::Stated;
use crate::datalog::maintain::Work;
use crate::datalog::program::Program;
use crate::datalog::program::RelationInfo;
use crate::datalog::program::RelationKind;
use crate::datalog::reader::Reader;
use crate::datalog::store::Interner;
use crate::datalog::store::Store;
use crate::datalog::store::Uses;
use crate::datalog::value::Row;
use crate::datalog::world::World;

/// How an engine runs. Each default is the safe choice.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The generation that the empty engine starts from; the first commit is the next one.
    pub generation: u64,
    /// Work that the clauses of one user file may do in one transaction: rows looked at, 8 for each
    /// match in a join, 32 for each row derived. The default holds core rules up for less than a
    /// second.
    pub user_work_max: u64,
    /// A transaction with more than this share of all input rows, in percent, is evaluated in full.
    pub elastic_percent: u64,
}

impl Default for EngineOptions {
    fn default() -> Self {
        let user_work_max = 10_000_000;
        Self { generation: 0, user_work_max, elastic_percent: 20 }
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
    world: World,
    effort: Effort,
    /// Who uses which word; a fork, which does not live long, keeps no account.
    uses: Option<Uses>,
    /// Words that the program itself uses.
    constants: Arc<[u32]>,
}

impl Engine {
    /// An engine that holds the facts stated in the rule files and what follows from them.
    pub fn new(program: Program, builtins: Builtins, options: EngineOptions) -> Self {
        let compiled = compile(&program);
        let calls = Calls::new(program.functions(), &builtins);
        let tables = compiled.relations.iter().map(|relation| Arc::new(relation.table()));
        let mut store = Store { interner: compiled.interner.clone(), tables: tables.collect() };
        let mut uses = Uses::default();
        let stated = stated(&program, &calls, &mut store.interner);
        stated.values().flatten().for_each(|row| uses.add(row));
        let constants: Arc<[u32]> = store.interner.take_fresh().into();
        uses.add(&constants);
        let generation = options.generation;
        let world = World {
            compiled: Arc::new(compiled),
            calls,
            options,
            store,
            stated: Arc::new(stated),
            faults: BTreeMap::new(),
            generation,
        };
        let mut engine = Self { world, effort: Effort::default(), uses: Some(uses), constants };
        let outcome = engine.derive(true, |work| {
            for (relation, rows) in work.stated {
                rows.iter().for_each(|row| work.state(*relation, row));
            }
        });
        engine.commit(&outcome);
        engine
    }

    /// The last commit.
    pub fn generation(&self) -> u64 {
        self.world.generation
    }

    /// The program in force.
    pub fn program(&self) -> &Program {
        self.world.program()
    }

    /// What the last transaction cost, in counted work.
    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// Commits `transaction` as the next generation: deletes first, then inserts. A fact that does
    /// not fit the program is refused and the others commit. An insert into an input with a key
    /// replaces the row of that key.
    pub fn transact(&mut self, transaction: Transaction) -> Delta {
        self.transact_telling(transaction, |_| true)
    }

    /// The same; the delta has rows of those relations only that are `told`.
    pub fn transact_telling(
        &mut self,
        transaction: Transaction,
        told: impl Fn(&RelationInfo) -> bool,
    ) -> Delta {
        self.transact_within(transaction, u64::MAX, told)
    }

    /// The same, looking at no more than `work_max` rows; what takes more is faulted.
    pub(crate) fn transact_within(
        &mut self,
        transaction: Transaction,
        work_max: u64,
        told: impl Fn(&RelationInfo) -> bool,
    ) -> Delta {
        let mut refused = Vec::new();
        let deletes = self.accept(transaction.deletes, &mut refused);
        let inserts = self.accept(transaction.inserts, &mut refused);
        self.world.generation += 1;
        let full = self.is_large(deletes.len() + inserts.len());
        let outcome = self.derive(full, |work| {
            work.work_max = work_max;
            for (relation, row) in deletes {
                let words: Option<Vec<u32>> =
                    row.iter().map(|value| work.store.interner.find(value)).collect();
                if let Some(words) = words {
                    work.retract(relation, &words);
                }
            }
            if full {
                let mut batches = Batches::default();
                for (relation, row) in inserts {
                    batches.add(&mut work.store.interner, relation, row, None);
                }
                batches.settle(&mut work.store.interner);
                batches.assert(work);
                return;
            }
            let mut words = Vec::new();
            let values = inserts.iter().flat_map(|(_, row)| row);
            work.store.interner.intern_many(values, &mut words);
            let mut rest = &*words;
            for rows in inserts.chunk_by(|(a, _), (b, _)| a == b) {
                let (words, others) = rest.split_at(rows.iter().map(|(_, row)| row.len()).sum());
                work.assert_many(rows[0].0, words, rows.len());
                rest = others;
            }
        });
        let delta = self.delta(&outcome, told);
        self.commit(&outcome);
        Delta { refused, ..delta }
    }

    /// Makes `generation` the one that is committed next, if it is later than that.
    pub(crate) fn resume_before(&mut self, generation: u64) {
        self.world.generation = self.world.generation.max(generation.saturating_sub(1));
    }

    pub(crate) fn interner(&mut self) -> &mut Interner {
        &mut self.world.store.interner
    }

    /// Values that have a slot in the interner.
    #[cfg(test)]
    pub(crate) fn values(&self) -> usize {
        self.world.store.interner.len()
    }

    /// Slots of the interner, vacant ones included.
    #[cfg(test)]
    pub(crate) fn value_slots(&self) -> usize {
        self.world.store.interner.slots()
    }

    /// True when no reader or fork holds a table of this generation.
    #[cfg(test)]
    pub(crate) fn is_unshared(&self) -> bool {
        self.world.store.tables.iter().all(|table| Arc::strong_count(table) == 1)
    }

    pub(crate) fn is_input(&self, relation: usize) -> bool {
        self.program().info(relation).kind == RelationKind::Input
    }

    pub(crate) fn accept_one(&self, fact: Fact) -> Result<(usize, Row), Refused> {
        accept(&self.world.compiled, fact)
    }

    /// Commits rows that stand ready; the delta has rows of `.output` relations only.
    pub(crate) fn commit_batches(&mut self, batches: &Batches) -> Delta {
        self.world.generation += 1;
        let full = self.is_large(batches.count());
        let outcome = self.derive(full, |work| batches.assert(work));
        let delta = self.delta(&outcome, |info| info.output);
        self.commit(&outcome);
        for (relation, row, since) in batches.since() {
            let table = self.world.store.table_mut(relation);
            if let Some(id) = table.find(row) {
                table.set_since(id, since);
            }
        }
        delta
    }

    /// Notes since when some rows hold.
    pub(crate) fn hold_since(&mut self, rows: &[(usize, Row, u64)]) {
        for (relation, row, since) in rows {
            let words = self.world.words(row);
            let table = self.world.store.table_mut(*relation);
            if let Some(id) = words.and_then(|words| table.find(&words)) {
                table.set_since(id, *since);
            }
        }
    }

    /// The facts that fit the program, by relation.
    fn accept(&self, facts: Vec<Fact>, refused: &mut Vec<Refused>) -> Vec<(usize, Row)> {
        let mut rows = Vec::with_capacity(facts.len());
        for fact in facts {
            match accept(&self.world.compiled, fact) {
                Ok(row) => rows.push(row),
                Err(error) => refused.push(error),
            }
        }
        rows
    }

    fn is_large(&self, operations: usize) -> bool {
        let relations = self.program().relations().enumerate();
        let inputs = relations.filter(|(_, info)| info.kind == RelationKind::Input);
        let is_most = |rows: usize| {
            operations as u64 * 100 > (rows as u64 + 100) * self.world.options.elastic_percent
        };
        let mut rows = 0;
        for (at, _) in inputs {
            rows += self.world.len(at);
            if !is_most(rows) {
                return false; // More rows change nothing.
            }
        }
        is_most(rows)
    }

    /// Brings everything up to date with `change`, without committing it.
    fn derive(&mut self, full: bool, change: impl FnOnce(&mut Work<'_>)) -> Outcome {
        let World { compiled, calls, options, store, stated, faults, .. } = &mut self.world;
        let mut work = Work::new(compiled, calls, store, faults, stated);
        work.full = full;
        work.user_work_max = options.user_work_max;
        change(&mut work);
        let outcome = work.finish();
        self.effort = outcome.effort;
        outcome
    }

    /// Commits, and frees the values that no row holds any more.
    fn commit(&mut self, outcome: &Outcome) {
        let World { store, generation, .. } = &mut self.world;
        maintain::commit(store, outcome, *generation, self.uses.as_mut());
        if let Some(uses) = &mut self.uses {
            uses.settle(&mut store.interner);
        }
    }

    /// What the outcome changes in those relations that are `told`.
    fn delta(&self, outcome: &Outcome, told: impl Fn(&RelationInfo) -> bool) -> Delta {
        let mut delta = Delta { generation: self.generation(), ..Delta::default() };
        for at in outcome.touched.iter().map(|(at, _)| *at) {
            if self.world.compiled.relations[at].hidden {
                continue;
            }
            let info = self.program().info(at);
            if !told(info) {
                continue;
            }
            let (table, change) = (self.world.store.table(at), outcome.changes.of(at));
            let sides = [(&change.added, &mut delta.added), (&change.removed, &mut delta.removed)];
            for (ids, side) in sides {
                if ids.is_empty() {
                    continue;
                }
                let rows = ids.iter().map(|id| self.world.decode(table.row(*id)));
                let mut rows: Vec<Row> = rows.collect();
                rows.sort();
                side.insert(Arc::clone(&info.name), rows);
            }
        }
        delta.faults = self.faults();
        delta
    }

    fn faults(&self) -> Vec<Fault> {
        let visible =
            self.world.faults.iter().filter(|(at, _)| !self.world.compiled.relations[**at].hidden);
        visible.map(|(_, fault)| fault.clone()).collect()
    }

    /// Puts another program in force as the next generation. Asserted facts of inputs that both
    /// have with the same types stay; the delta says what changed, relations that only one has
    /// included.
    pub fn replace_program(&mut self, program: Program, builtins: Builtins) -> Delta {
        let mut options = self.world.options.clone();
        options.generation = self.generation();
        let mut next = Self::new(program, builtins, options);
        let refused = next.load(self.inputs().map(|fact| (fact, None))).refused;
        let delta = compare(&self.world, &mut next.world);
        *self = next;
        Delta { refused, faults: self.faults(), ..delta }
    }

    /// A view of this generation that stays as it is while the engine commits on.
    pub fn reader(&self) -> Reader {
        Reader::new(self.world.clone())
    }

    /// The facts that transactions asserted and did not delete, for snapshots.
    pub fn inputs(&self) -> impl Iterator<Item = Fact> {
        self.inputs_since().map(|(fact, _)| fact)
    }

    /// The same, each with the generation since which it holds.
    pub fn inputs_since(&self) -> impl Iterator<Item = (Fact, u64)> {
        self.world.inputs_since()
    }

    /// The rows of one relation, sorted by value.
    pub fn rows(&self, relation: &str) -> Vec<Row> {
        let at = self.program().position(relation);
        at.map(|at| self.world.sorted_rows(at)).unwrap_or_default()
    }

    pub(crate) fn of_world(world: World) -> Self {
        Self { world, effort: Effort::default(), uses: None, constants: Arc::new([]) }
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// All of this generation, to be put back by [`Engine::put_in_place`].
    pub(crate) fn set_aside(&self) -> (World, Option<Uses>) {
        (self.world.clone(), self.uses.clone())
    }

    pub(crate) fn put_in_place(&mut self, world: World, uses: Option<Uses>) {
        (self.world, self.uses) = (world, uses);
    }

    pub(crate) fn constants(&self) -> &[u32] {
        &self.constants
    }

    /// All that holds in `.output` relations, as if it had come just now.
    pub(crate) fn all_outputs(&self) -> Delta {
        let mut delta = Delta { generation: self.generation(), ..Delta::default() };
        let relations = self.program().relations().enumerate();
        for (at, info) in relations.filter(|(_, info)| info.output) {
            let rows = self.world.sorted_rows(at);
            if !rows.is_empty() {
                delta.added.insert(Arc::clone(&info.name), rows);
            }
        }
        delta.faults = self.faults();
        delta
    }
}

/// Facts that rule files state for inputs.
fn stated(program: &Program, calls: &Calls, interner: &mut Interner) -> Stated {
    let mut stated = Stated::new();
    for clause in program.clauses() {
        if program.info(clause.head).kind != RelationKind::Input {
            continue;
        }
        let values: Result<Row, _> =
            clause.head_args.iter().map(|arg| expr::value(arg, &[], calls)).collect();
        if let Ok(values) = values {
            let words = values.iter().map(|value| interner.intern(value)).collect();
            stated.entry(clause.head).or_default().push(words);
        }
    }
    stated
}

fn accept(compiled: &Compiled, fact: Fact) -> Result<(usize, Row), Refused> {
    let program = &compiled.program;
    let refuse = |reason| Refused { fact: fact.clone(), reason };
    let Some(relation) = compiled.positions.get(&fact.relation).copied() else {
        return Err(refuse(RefusedReason::UnknownRelation));
    };
    let info = program.info(relation);
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

/// The difference of two worlds with different programs, relations matched by name. Rows that stay
/// keep since when they hold.
fn compare(old: &World, new: &mut World) -> Delta {
    let mut delta = Delta { generation: new.generation, ..Delta::default() };
    let (old_names, new_names) = (&old.program().inner.names, &new.program().inner.names);
    let names: BTreeSet<Arc<str>> = old_names.keys().chain(new_names.keys()).cloned().collect();
    for name in names {
        let rows = |world: &World| -> BTreeSet<Row> {
            let at = world.program().position(&name);
            at.map(|at| world.sorted_rows(at).into_iter().collect()).unwrap_or_default()
        };
        let (before, after) = (rows(old), rows(new));
        let added: Vec<Row> = after.difference(&before).cloned().collect();
        let removed: Vec<Row> = before.difference(&after).cloned().collect();
        if let (Some(was), Some(is)) =
            (old.program().position(&name), new.program().position(&name))
        {
            for row in before.intersection(&after) {
                let since = old.note(was, row).map(|note| note.since);
                let id = new.words(row).and_then(|words| new.store.table(is).find(&words));
                if let (Some(since), Some(id)) = (since, id) {
                    new.store.table_mut(is).set_since(id, since);
                }
            }
        }
        if !added.is_empty() {
            delta.added.insert(Arc::clone(&name), added);
        }
        if !removed.is_empty() {
            delta.removed.insert(name, removed);
        }
    }
    delta
}
