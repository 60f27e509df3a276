//! Negated conditions that look at all of a relation's key: they ask the relation itself, whose
//! rows of one key are replaced within a transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::datalog::Builtins;
use crate::datalog::Engine;
use crate::datalog::EngineOptions;
use crate::datalog::Fact;
use crate::datalog::Transaction;
use crate::datalog::Value;
use crate::datalog::builtins::Calls;
use crate::datalog::program::RelationKind;
use crate::datalog::solve::Note;
use crate::datalog::tests::change;
use crate::datalog::tests::engine;
use crate::datalog::tests::naive;
use crate::datalog::tests::random::Dice;
use crate::datalog::tests::rows;
use crate::datalog::value::Row;

const RULES: &str = "
    .input n(a: symbol)
    .input e(a: symbol, b: symbol)
    .input k(a: symbol, b: symbol, c: number) key(a)
    .input w(b: number, a: symbol, c: symbol) key(c, a)
    .decl d(a: symbol, c: number) key(a)
    .output none(a: symbol)
    .output other(a: symbol, b: symbol)
    .output three(a: symbol)
    .output pair(a: symbol, b: symbol)
    .output twin(a: symbol)
    .output both(a: symbol)
    .output free(a: symbol)
    .output counted(a: symbol, n: number)
    .output least(a: symbol, b: symbol)
    .output reached(a: symbol)
    .output back(a: symbol)
    none(A) :- n(A), !k(A, _, _).
    other(A, B) :- e(A, B), !k(A, B, _).
    three(A) :- n(A), !k(A, _, 3).
    pair(A, B) :- e(A, B), !w(_, A, B).
    twin(A) :- e(A, _), !w(_, A, A).
    both(A) :- k(_, A, _), !k(A, _, _), !w(_, A, A).
    d(A, C) :- k(A, _, C), C > 1.
    free(A) :- n(A), !d(A, _).
    counted(A, N) :- n(A), N = count : { e(A, B), !k(B, _, _) }.
    least(A, B) :- n(A), B = min X : { e(A, X), !d(X, _) }.
    reached(A) :- n(A), !w(_, A, A).
    reached(B) :- reached(A), e(A, B), !k(B, _, _).
    back(A) :- k(_, A, _), !reached(A), !d(A, 3).
    back(A) :- back(B), back(C), e(A, B), e(A, C), !k(A, C, _).
";

/// Here a key breaks now and then: two numbers of one symbol.
const FAULTY: &str = "
    .output f(a: symbol, c: number) key(a)
    .output unseen(a: symbol)
    .output spread(a: symbol)
    f(A, C) :- k(A, _, C), C > 1.
    f(A, C) :- w(C, A, A).
    unseen(A) :- n(A), !f(A, _).
    spread(A) :- unseen(A).
    spread(B) :- spread(A), e(A, B), !f(B, _).
";

fn random_fact(dice: &mut Dice) -> Fact {
    let symbol = |dice: &mut Dice| Value::from(format!("s{}", dice.roll(4)));
    let number = |dice: &mut Dice| Value::from(dice.roll(4) as i64);
    match dice.roll(6) {
        0 => Fact::new("n", vec![symbol(dice)]),
        1 | 2 => Fact::new("e", vec![symbol(dice), symbol(dice)]),
        3 | 4 => Fact::new("k", vec![symbol(dice), symbol(dice), number(dice)]),
        _ => Fact::new("w", vec![number(dice), symbol(dice), symbol(dice)]),
    }
}

/// What follows from the inputs of an engine, by the naive evaluator.
fn derived(engine: &Engine) -> naive::Rows {
    let (program, calls) = (engine.program(), Calls::new(&[], &Builtins::new()));
    let mut inputs: BTreeMap<usize, BTreeMap<Row, Note>> = BTreeMap::new();
    for fact in engine.inputs() {
        let at = program.position(&fact.relation).unwrap();
        let note = Note { since: 0, rank: 0, asserted: true };
        inputs.entry(at).or_default().insert(fact.row, note);
    }
    let count = program.relations().count();
    let tables = (0..count).map(|at| Arc::new(inputs.remove(&at).unwrap_or_default()));
    let mut rows = naive::Rows(tables.collect());
    naive::evaluate(program, &calls, &mut rows, 0);
    rows
}

/// Random transactions; after each the engine holds what one without history holds, and what the
/// naive evaluator says when that is asked.
fn run(text: &str, seed: u64, transactions: usize, ask_naive: bool) -> usize {
    let (mut dice, mut engine, mut faulted) = (Dice(seed), engine(text), 0);
    for _ in 0..transactions {
        let mut transaction = Transaction::default();
        for _ in 0..=dice.roll(5) {
            let fact = random_fact(&mut dice);
            let kept = dice.chance(65);
            if kept { &mut transaction.inserts } else { &mut transaction.deletes }.push(fact);
        }
        engine.transact(transaction.clone());
        let options = EngineOptions::default();
        let mut fresh = Engine::new(engine.program().clone(), Builtins::new(), options);
        let delta = fresh
            .transact(Transaction { inserts: engine.inputs().collect(), ..Transaction::default() });
        faulted += usize::from(!delta.faults.is_empty());
        let naive = ask_naive.then(|| derived(&engine));
        for (at, info) in engine.program().relations().enumerate() {
            let have = engine.rows(&info.name);
            assert_eq!(have, fresh.rows(&info.name), "{} after {transaction:?}", info.name);
            if let (Some(naive), true) = (&naive, info.kind != RelationKind::Input) {
                assert!(have.iter().eq(naive.0[at].keys()), "{} after {transaction:?}", info.name);
            }
        }
    }
    faulted
}

#[test]
fn rows_that_replace_each_other_change_no_more_than_their_keys() {
    for seed in 1..=4 {
        assert_eq!(run(RULES, seed * 0x9e37_79b9, 250, true), 0);
        let faulted = run(&format!("{RULES}{FAULTY}"), seed * 0x51_7cc1, 250, false);
        assert!((5..245).contains(&faulted), "keys break and heal: {faulted}");
    }
}

#[test]
fn a_row_that_replaces_another_of_its_key_costs_one_condition_nothing() {
    let mut engine = engine(RULES);
    engine.transact(change(&[r#"n("a")"#, r#"n("b")"#, r#"k("a", "x", 0)"#], &[]));
    assert_eq!(rows(&engine, "none"), r#"("b")"#);
    let delta = engine.transact(change(&[r#"k("a", "y", 1)"#, r#"k("a", "z", 0)"#], &[]));
    let changed: Vec<&str> = delta.added.keys().map(|name| &**name).collect();
    assert_eq!((changed, delta.removed.len()), (vec!["back", "both", "k"], 3), "{delta:?}");
    // One row leaves and one of another key comes: both are seen.
    engine.transact(change(&[r#"k("b", "x", 0)"#], &[r#"k("a", "z", 0)"#]));
    assert_eq!(rows(&engine, "none"), r#"("a")"#);
}

#[test]
fn a_row_replaces_one_of_its_key_that_came_before_it_in_its_transaction() {
    let text = ".input live(o: symbol, uid: symbol) key(o)\n.input base(n: number)\n\
                got(O, U) :- live(O, U), base(_).\n.output got(o: symbol, uid: symbol)";
    for many in [1, 40, 400] {
        let mut engine = engine(text);
        let base: Vec<String> = (0..5_000).map(|n| format!("base({n})")).collect();
        engine.transact(change(&base.iter().map(String::as_str).collect::<Vec<_>>(), &[]));
        let mut facts: Vec<String> = (0..many).map(|o| format!(r#"live("o{o}", "a")"#)).collect();
        facts.extend(["base(-1)".to_owned(), r#"live("o0", "b")"#.to_owned()]);
        engine.transact(change(&facts.iter().map(String::as_str).collect::<Vec<_>>(), &[]));
        assert_eq!(engine.effort().full_units, 0, "a small transaction");
        assert_eq!((engine.rows("live").len(), engine.rows("got").len()), (many, many));
        assert!(rows(&engine, "got").contains(r#"("o0", "b")"#));
    }
}
