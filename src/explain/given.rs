//! What tests ask: a reader of facts that are written as text, one a line.

use crate::datalog::Engine;
use crate::datalog::EngineOptions;
use crate::datalog::Fact;
use crate::datalog::Reader;
use crate::datalog::Transaction;
use crate::rules;

/// Everything that follows from these facts by the shipped rules.
pub(super) fn given(facts: &str) -> Reader {
    let lines = facts.lines().map(str::trim).filter(|line| !line.is_empty());
    with_facts(lines.map(|line| Fact::parse(line).expect("a fact")).collect())
}

/// The same from facts that do not fit in a line.
pub(super) fn with_facts(inserts: Vec<Fact>) -> Reader {
    let program = rules::load(Vec::new()).expect("the shipped rules check");
    let mut engine = Engine::new(program, rules::builtins(), EngineOptions::default());
    engine.transact(Transaction { inserts, deletes: Vec::new() });
    engine.reader()
}
