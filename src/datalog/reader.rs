//! Readers: one generation, fixed, while the engine commits on. Questions are asked here.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::datalog::engine::Delta;
use crate::datalog::engine::Engine;
use crate::datalog::fact::Fact;
use crate::datalog::fact::Pattern;
use crate::datalog::fact::Transaction;
use crate::datalog::fault::Fault;
use crate::datalog::fault::FaultKind;
use crate::datalog::program::Program;
use crate::datalog::proof::Answer;
use crate::datalog::proof::FailedRule;
use crate::datalog::proof::Failure;
use crate::datalog::proof::Proof;
use crate::datalog::proof::QueryOptions;
use crate::datalog::solve::View;
use crate::datalog::value::Row;
use crate::datalog::value::Value;
use crate::datalog::why::Prover;
use crate::datalog::why_not::Search;
use crate::datalog::world::World;

/// A view of one generation. Cloning shares it; it may travel to any thread.
#[derive(Clone)]
pub struct Reader {
    world: Arc<World>,
}

impl Reader {
    pub(crate) fn new(world: World) -> Self {
        Self { world: Arc::new(world) }
    }

    /// All that it sees.
    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// The generation that this reader sees.
    pub fn generation(&self) -> u64 {
        self.world.generation
    }

    /// The program in force in that generation.
    pub fn program(&self) -> &Program {
        self.world.program()
    }

    /// The relations that are faulted in that generation.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        let relations = &self.world.compiled.relations;
        let visible = self.world.faults.iter().filter(|(at, _)| !relations[**at].hidden);
        visible.map(|(_, fault)| fault)
    }

    /// The facts that transactions asserted and did not delete, each with the generation since
    /// which it holds.
    pub fn inputs_since(&self) -> impl Iterator<Item = (Fact, u64)> {
        self.world.inputs_since()
    }

    fn answer<T>(&self, value: T, complete: bool, work: u64) -> Answer<T> {
        Answer { value, generation: self.world.generation, complete, work }
    }

    /// The relation of a pattern, when number and types of its columns fit too.
    fn relation(&self, name: &str, columns: &[Option<Value>]) -> Option<usize> {
        let at = self.program().position(name)?;
        let info = self.program().info(at);
        let fits = |(want, column): (&Option<Value>, &crate::datalog::program::Column)| {
            want.as_ref().is_none_or(|value| value.base() == column.base)
        };
        let same = info.columns.len() == columns.len();
        (same && columns.iter().zip(&info.columns).all(fits)).then_some(at)
    }

    /// The rows that match, sorted by value. Empty for an unknown relation.
    pub fn query(&self, pattern: &Pattern, options: &QueryOptions) -> Answer<Vec<Row>> {
        let Some(at) = self.relation(&pattern.relation, &pattern.columns) else {
            return self.answer(Vec::new(), true, 0);
        };
        let (mut found, mut work) = (Vec::new(), 0);
        let flow = self.world.each(at, &pattern.columns, &mut |row, _| {
            if found.len() == options.limit || work == options.work {
                return ControlFlow::Break(());
            }
            work += 1;
            found.push(row.to_vec());
            ControlFlow::Continue(())
        });
        found.sort();
        self.answer(found, flow.is_continue(), work)
    }

    /// How many rows a relation has; none when it is not known.
    pub fn count(&self, relation: &str) -> usize {
        self.program().position(relation).map_or(0, |at| self.world.len(at))
    }

    /// The generation since which a fact holds; none when it does not.
    pub fn since(&self, fact: &Fact) -> Option<u64> {
        let at = self.program().position(&fact.relation)?;
        self.world.note(at, &fact.row).map(|note| note.since)
    }

    /// The height of a fact's lowest proof within its recursive stratum; 0 outside of one.
    pub fn rank(&self, fact: &Fact) -> Option<u32> {
        let at = self.program().position(&fact.relation)?;
        self.world.note(at, &fact.row).map(|note| note.rank)
    }

    /// The canonical proof of a fact; none when it does not hold.
    pub fn why(&self, fact: &Fact, options: &QueryOptions) -> Answer<Option<Proof>> {
        let Some(at) = self.relation(&fact.relation, &fact.pattern().columns) else {
            return self.answer(None, true, 0);
        };
        let mut prover = self.prover(options);
        let proof = prover.prove(at, &fact.row);
        self.answer(proof, prover.complete, prover.work)
    }

    fn prover<'a>(&'a self, options: &'a QueryOptions) -> Prover<'a> {
        Prover {
            program: self.program(),
            calls: &self.world.calls,
            rows: &self.world,
            generation: self.world.generation,
            options,
            work: 0,
            complete: true,
        }
    }

    /// The proofs of both rows of a key fault: what would follow, were it not for the other. In a
    /// recursive stratum, whose rows are all gone, a proof may end in a cut.
    pub fn why_faulted(&self, fault: &Fault, options: &QueryOptions) -> Answer<Vec<Proof>> {
        let (Some(at), FaultKind::Key { rows }) =
            (self.program().position(&fault.cause), &fault.kind)
        else {
            return self.answer(Vec::new(), true, 0);
        };
        let mut prover = self.prover(options);
        let proofs = rows.iter().map(|row| prover.graph(at, row)).collect();
        self.answer(proofs, prover.complete, prover.work)
    }

    /// How far each clause got that could derive a match of `pattern`, nearest first. Empty when a
    /// fact matches: then there is nothing to explain.
    pub fn why_not(&self, pattern: &Pattern, options: &QueryOptions) -> Answer<Vec<FailedRule>> {
        let Some(at) = self.relation(&pattern.relation, &pattern.columns) else {
            return self.answer(Vec::new(), true, 0);
        };
        let holds = self.world.each(at, &pattern.columns, &mut |_, _| ControlFlow::Break(()));
        if holds.is_break() {
            return self.answer(Vec::new(), true, 1);
        }
        if let Some(fault) = self.world.faults.get(&at) {
            let rule = FailedRule {
                clause: None,
                sentence: self.program().info(at).doc.to_string(),
                matched: Vec::new(),
                bindings: Vec::new(),
                failing: pattern.to_string(),
                failure: Failure::Faulted { message: self.fault_message(fault) },
                distance: 1,
            };
            return self.answer(vec![rule], true, 0);
        }
        let mut search = Search {
            program: self.program(),
            calls: &self.world.calls,
            rows: &self.world,
            work: 0,
            work_max: options.work,
            complete: true,
        };
        let mut rules = search.rules(at, pattern);
        let complete = search.complete && rules.len() <= options.limit;
        rules.truncate(options.limit);
        self.answer(rules, complete, search.work)
    }

    /// The fault in words; for a key, also which clauses give its two rows.
    pub fn fault_message(&self, fault: &Fault) -> String {
        let proofs = self.why_faulted(fault, &QueryOptions::default()).value;
        let clauses = proofs.iter().filter_map(|proof| proof.nodes[0].clause.as_ref());
        let by: Vec<String> = clauses
            .map(|clause| format!("{} ({}:{})", clause.label, clause.file, clause.line))
            .collect();
        if by.is_empty() { fault.to_string() } else { format!("{fault}, by {}", by.join(" and ")) }
    }

    /// What a transaction would change: a fork that derives on its own while the engine goes on.
    ///
    /// Of the options, `work` bounds it: beyond that the answer is not complete, and the relations
    /// that could not be derived are faulted in the fork. The delta is always whole.
    pub fn what_if(&self, transaction: Transaction, options: &QueryOptions) -> Answer<Fork> {
        let mut engine = Engine::of_world(World::clone(&self.world));
        let delta = engine.transact_within(transaction, options.work, |_| true);
        let work = engine.effort().probed;
        let fork = Fork { delta, reader: engine.reader() };
        self.answer(fork, work <= options.work, work)
    }
}

/// A world that differs from a generation by one transaction.
#[derive(Clone)]
pub struct Fork {
    delta: Delta,
    reader: Reader,
}

impl Fork {
    /// What the transaction changes.
    pub fn delta(&self) -> &Delta {
        &self.delta
    }

    /// The world after it.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }
}
