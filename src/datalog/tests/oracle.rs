//! The naive evaluator with inputs: what an engine should hold after each transaction.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::datalog::Builtins;
use crate::datalog::Fact;
use crate::datalog::Facts;
use crate::datalog::Pattern;
use crate::datalog::Program;
use crate::datalog::Transaction;
use crate::datalog::Value;
use crate::datalog::builtins::Calls;
use crate::datalog::solve::Note;
use crate::datalog::tests::naive;
use crate::datalog::value::Row;

/// What the oracle holds: asserted facts, and everything that follows.
pub(super) struct Oracle {
    pub(super) program: Program,
    calls: Calls,
    asserted: BTreeSet<Fact>,
    pub(super) rows: naive::Rows,
}

impl Oracle {
    pub(super) fn new(program: Program) -> Self {
        let calls = Calls::new(&[], &Builtins::new());
        let rows = naive::Rows(vec![Arc::default(); program.relations().count()]);
        let mut oracle = Self { program, calls, asserted: BTreeSet::new(), rows };
        oracle.derive();
        oracle
    }

    pub(super) fn transact(&mut self, transaction: &Transaction) {
        for fact in &transaction.deletes {
            self.asserted.remove(fact);
        }
        for fact in &transaction.inserts {
            if &*fact.relation == "k" {
                self.asserted
                    .retain(|other| other.relation != fact.relation || other.row[0] != fact.row[0]);
            }
            self.asserted.insert(fact.clone());
        }
        self.derive();
    }

    fn derive(&mut self) {
        let mut inputs: BTreeMap<usize, BTreeMap<Row, Note>> = BTreeMap::new();
        let note = Note { since: 0, rank: 0, asserted: true };
        for fact in &self.asserted {
            let at = self.program.position(&fact.relation).unwrap();
            inputs.entry(at).or_default().insert(fact.row.clone(), note);
        }
        let at = |name: &str| self.program.position(name).unwrap();
        let keyed = inputs.entry(at("k")).or_default();
        if !keyed.keys().any(|row| row[0] == Value::from("s0")) {
            keyed.insert(vec!["s0".into(), 3.into()], note);
        }
        inputs.entry(at("u")).or_default().insert(vec!["s4".into()], note);
        for (at, rows) in self.rows.0.iter_mut().enumerate() {
            *rows = Arc::new(inputs.remove(&at).unwrap_or_default());
        }
        naive::evaluate(&self.program, &self.calls, &mut self.rows, 0);
    }
}

impl Facts for Oracle {
    fn is_asserted(&self, fact: &Fact) -> Option<bool> {
        Some(self.asserted.contains(fact))
    }

    fn is_absent(&self, pattern: &Pattern) -> Option<bool> {
        let at = self.program.position(&pattern.relation)?;
        Some(!self.rows.0[at].keys().any(|row| pattern.matches(row)))
    }
}
