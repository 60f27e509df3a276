//! Generations side by side: readers and forks see theirs, and nothing of them stays behind.

use std::thread;

use crate::datalog::Engine;
use crate::datalog::EngineOptions;
use crate::datalog::Fact;
use crate::datalog::QueryOptions;
use crate::datalog::Transaction;
use crate::datalog::Value;
use crate::datalog::tests::builtins;
use crate::datalog::tests::checked;
use crate::datalog::tests::engine;

const RULES: &str = "
    .input wants(u: symbol, o: symbol, d: symbol)
    .input live(o: symbol, d: symbol) key(o)
    .input depends(u: symbol, v: symbol)
    .output drift(u: symbol, o: symbol)
    .output late(u: symbol)
    .output drifts(u: symbol, n: number)
    .output first(u: symbol, o: symbol)
    drift(U, O) :- wants(U, O, D), live(O, L), D != L.
    drift(U, O) :- wants(U, O, _), !live(O, _).
    late(U) :- drift(U, _).
    late(U) :- depends(U, V), late(V).
    drifts(U, N) :- wants(U, _, _), N = count : { drift(U, _) }.
    first(U, O) :- drift(U, _), O = best X by X asc : { drift(U, X) }.
";

fn fact(relation: &str, row: &[&str]) -> Fact {
    Fact::new(relation, row.iter().map(|text| Value::from(*text)).collect())
}

fn name(unit: usize, object: usize) -> String {
    format!("unit-{unit}/object-{object}")
}

fn facts(units: usize) -> Vec<Fact> {
    let mut facts = Vec::new();
    for unit in 0..units {
        let this = format!("unit-{unit}");
        facts.push(fact("depends", &[&this, &format!("unit-{}", unit * 7 % units)]));
        for object in 0..10 {
            facts
                .push(fact("wants", &[&this, &name(unit, object), &digest(0, unit * 10 + object)]));
            facts.push(fact("live", &[&name(unit, object), &digest(0, unit * 10 + object)]));
        }
    }
    facts
}

fn digest(version: usize, at: usize) -> String {
    format!("sha256:{:064x}", version << 32 | at)
}

fn loaded(facts: Vec<Fact>) -> Engine {
    let mut engine = engine(RULES);
    engine.load(facts.into_iter().map(|fact| (fact, None)));
    engine
}

/// Every second live digest replaced: a quarter of all facts come or go.
fn large_change(units: usize) -> Transaction {
    let all = (0..units * 10).step_by(2);
    let inserts = all.map(|at| fact("live", &[&name(at / 10, at % 10), &digest(1, at)]));
    Transaction { inserts: inserts.collect(), deletes: Vec::new() }
}

/// One object's digest replaced by one never seen before.
fn small_change(units: usize, step: usize) -> Transaction {
    let at = step * 31 % (units * 10);
    let inserts = vec![fact("live", &[&name(at / 10, at % 10), &digest(2 + step, at)])];
    Transaction { inserts, deletes: Vec::new() }
}

/// A fork that changes a quarter of the facts while the engine commits on.
fn fork_beside(units: usize, commits: usize) {
    let mut engine = loaded(facts(units));
    let kept = engine.values();
    let reader = engine.reader();
    let forked = {
        let reader = reader.clone();
        thread::spawn(move || {
            let options = QueryOptions { work: u64::MAX, ..QueryOptions::default() };
            reader.what_if(large_change(units), &options).value
        })
    };
    for step in 0..commits {
        engine.transact(small_change(units, step));
    }
    let fork = forked.join().expect("the fork answers");
    let mut scratch = loaded(facts(units));
    let want = scratch.transact(large_change(units));
    assert_eq!(fork.delta().added, want.added);
    assert_eq!(fork.delta().removed, want.removed);
    assert!(want.added["drift"].len() == units * 5);
    drop(fork);
    assert!(!engine.is_unshared(), "the reader still holds its generation");
    drop(reader);
    assert!(engine.is_unshared(), "a dropped fork and reader hold nothing");
    assert!(engine.values() <= kept + commits, "the fork's values are not the engine's");
}

#[test]
fn a_fork_changes_much_beside_the_engine_and_leaves_nothing() {
    fork_beside(40, 100);
}

#[test]
#[ignore = "long: a million facts, 1,000 commits beside a fork of a quarter of them"]
fn a_fork_of_a_million_facts() {
    fork_beside(48_000, 1_000);
}

#[test]
fn fresh_values_come_and_go_without_growth() {
    let units = 20;
    let mut engine = loaded(facts(units));
    let (values, slots) = (engine.values(), engine.value_slots());
    let mut pinned = Vec::new();
    for step in 0..3_000 {
        engine.transact(small_change(units, step));
        if step % 100 == 0 {
            pinned.push((engine.reader(), engine.rows("live"), engine.rows("drifts")));
        }
        if pinned.len() > 3 {
            pinned.remove(0);
        }
    }
    for (reader, live, drifts) in pinned {
        for (relation, rows) in [("live", live), ("drifts", drifts)] {
            for row in rows {
                assert!(reader.since(&Fact::new(relation, row)).is_some(), "as it was when pinned");
            }
        }
    }
    // Each object has at most one digest more than the one that is wanted.
    assert!(engine.values() <= values + units * 10 + 10, "{} of {values}", engine.values());
    assert!(engine.value_slots() <= slots + units * 10 + 10, "{slots}");
    let back = (0..units * 10).map(|at| fact("live", &[&name(at / 10, at % 10), &digest(0, at)]));
    engine.transact(Transaction { inserts: back.collect(), deletes: Vec::new() });
    assert_eq!(engine.values(), values, "nothing stays of what came and went");
}

#[test]
fn loading_is_the_same_as_inserting_and_keeps_since() {
    let all = facts(30);
    let mut inserted = engine(RULES);
    inserted.transact(Transaction { inserts: all.clone(), deletes: Vec::new() });
    let mut engine = Engine::new(checked(RULES).unwrap(), builtins(), EngineOptions::default());
    let since = all.iter().cloned().zip((0..).map(|at| Some(at % 7)));
    // Given twice, and once with another value for the same key before it.
    let twice =
        [(fact("live", &["unit-1/object-1", "old"]), None)].into_iter().chain(since.clone());
    let told = engine.load(twice.chain(since.clone().take(5)));
    assert!(told.refused.is_empty() && told.added.keys().all(|name| &**name != "live"));
    for relation in ["wants", "live", "depends", "drift", "late", "drifts", "first"] {
        assert_eq!(engine.rows(relation), inserted.rows(relation), "{relation}");
    }
    let reader = engine.reader();
    for (fact, since) in since {
        assert_eq!(reader.since(&fact), since, "{fact}");
    }
}
