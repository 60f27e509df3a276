//! Counted work: it follows the change, not the size of what there is.

use std::collections::BTreeMap;

use crate::datalog::Effort;
use crate::datalog::Engine;
use crate::datalog::Fact;
use crate::datalog::Transaction;
use crate::datalog::Value;
use crate::datalog::tests::engine;
use crate::datalog::value::Row;

fn fact(relation: &str, row: &[&str]) -> Fact {
    Fact::new(relation, row.iter().map(|text| Value::from(*text)).collect())
}

fn insert(inserts: Vec<Fact>) -> Transaction {
    Transaction { inserts, deletes: Vec::new() }
}

fn delete(deletes: Vec<Fact>) -> Transaction {
    Transaction { inserts: Vec::new(), deletes }
}

const UNITS: &str = "
    .input wants(u: symbol, o: symbol, d: symbol)
    .input live(o: symbol, d: symbol) key(o)
    .input stopped(u: symbol)
    .output drift(u: symbol, o: symbol)
    .output act(u: symbol, o: symbol)
    .output drifts(u: symbol, n: number)
    .output worst(n: number)
    drift(U, O) :- wants(U, O, D), live(O, L), D != L.
    act(U, O) :- drift(U, O), !stopped(U).
    act(U, O) :- wants(U, O, _), !live(O, _), !stopped(U).
    drifts(U, N) :- wants(U, _, _), N = count : { drift(U, _) }.
    worst(N) :- N = max X : { drifts(_, X) }.
";

fn change_one_unit_of(units: usize) -> Effort {
    let mut engine = engine(UNITS);
    let mut facts = Vec::new();
    for unit in 0..units {
        for object in 0..20 {
            let (unit, name) = (format!("u{unit}"), format!("u{unit}/o{object}"));
            facts.push(fact("wants", &[&unit, &name, "d"]));
            facts.push(fact("live", &[&name, "d"]));
        }
    }
    engine.transact(insert(facts));
    let moved = (0..20).map(|object| fact("live", &[&format!("u7/o{object}"), "x"]));
    let delta = engine.transact(insert(moved.collect()));
    assert_eq!(delta.added["act"].len(), 20);
    assert_eq!(engine.rows("worst"), [[Value::from(20)]]);
    engine.effort()
}

#[test]
fn the_same_change_costs_the_same_among_many() {
    let (small, large) = (change_one_unit_of(10), change_one_unit_of(200));
    assert_eq!(small, large);
    assert!(small.probed < 400, "{small:?}");
}

#[test]
fn what_a_rule_leaves_open_may_change_for_nothing() {
    let mut engine = engine(
        ".input wants(u: symbol, o: symbol, m: symbol) key(u, o)\n.input flag(u: symbol)\n\
         .output marked(u: symbol, o: symbol)\n.output n(u: symbol, n: number)\n\
         .output text(o: symbol, m: symbol)\n\
         marked(U, O) :- wants(U, O, _), flag(U).\n\
         n(U, N) :- flag(U), N = count : { wants(U, _, _) }.\n\
         text(O, M) :- wants(U, O, M), flag(U).",
    );
    let wants = |o: usize, m: &str| fact("wants", &["u", &format!("o{o}"), m]);
    let mut facts: Vec<Fact> = (0..1_000).map(|o| wants(o, "a")).collect();
    facts.push(fact("flag", &["u"]));
    engine.transact(insert(facts));
    let delta = engine.transact(insert((0..50).map(|o| wants(o, "b")).collect()));
    assert_eq!(delta.added.keys().map(|name| &**name).collect::<Vec<_>>(), ["text", "wants"]);
    let effort = engine.effort();
    assert_eq!((effort.probed, effort.emitted), (100, 100), "only `text` looks at it");
    // One that leaves while another comes is told apart from one that changes.
    let [gone, come, kept] = [wants(0, "b"), wants(1_000, "c"), wants(1, "c")];
    let delta = engine.transact(Transaction { inserts: vec![come, kept], deletes: vec![gone] });
    assert_eq!((delta.added["marked"].len(), delta.removed["marked"].len()), (1, 1));
    assert_eq!(engine.rows("marked").len(), 1_000);
    assert_eq!(engine.rows("n"), [["u".into(), Value::from(1_000)]]);
}

#[test]
fn a_condition_that_few_meet_is_asked_first() {
    let mut engine = engine(
        ".input wants(o: symbol, m: symbol) key(o)\n.input on(o: symbol, n: symbol)\n\
         .input rare(o: symbol, why: symbol)\n.output found(o: symbol, n: symbol, m: symbol)\n\
         found(O, N, M) :- wants(O, M), on(O, N), rare(O, _).",
    );
    let object = |o: usize| format!("o{o}");
    let wants = |o: usize, m: &str| fact("wants", &[&object(o), m]);
    let mut facts: Vec<Fact> = (0..1_000).map(|o| wants(o, "a")).collect();
    facts.extend((0..1_000).map(|o| fact("on", &[&object(o), "node"])));
    facts.extend((0..5).map(|o| fact("rare", &[&object(o), "it is"])));
    engine.transact(insert(facts));
    let delta = engine.transact(insert((0..50).map(|o| wants(o, "b")).collect()));
    assert_eq!((delta.added["found"].len(), delta.removed["found"].len()), (5, 5));
    assert!(engine.effort().probed <= 30, "five objects alone are joined: {:?}", engine.effort());
}

#[test]
fn evaluation_in_full_begins_with_the_fewest_rows() {
    let mut engine = engine(
        ".input big(a: symbol, b: symbol)\n.input few(b: symbol)\n.input none(a: symbol)\n\
         .output found(a: symbol, b: symbol)\n.output nothing(a: symbol)\n\
         found(A, B) :- big(A, B), few(B).\nnothing(A) :- big(A, _), none(A).",
    );
    let mut facts: Vec<Fact> =
        (0..1_000).map(|at| fact("big", &[&format!("a{at}"), &format!("b{}", at % 500)])).collect();
    facts.push(fact("few", &["b7"]));
    let delta = engine.transact(insert(facts));
    assert!(engine.effort().full_units > 0 && engine.effort().probed < 10, "{:?}", engine.effort());
    assert_eq!(delta.added["found"].len(), 2);
}

#[test]
fn an_extremum_leaves_and_returns_without_a_rescan() {
    for fold in ["min X", "max X", "best X by X desc", "count", "sum X"] {
        let mut engine = engine(&format!(
            ".input size(g: symbol, n: number)\n.input groups(g: symbol)\n\
             .output v(g: symbol, n: number)\n\
             v(G, N) :- groups(G), N = {fold} : {{ size(G, X), X >= 0 }}.",
        ));
        let size = |n: i64| Fact::new("size", vec!["g".into(), n.into()]);
        engine.transact(insert(vec![fact("groups", &["g"])]));
        engine.transact(insert((0..10_000).map(size).collect()));
        let before = engine.rows("v");
        let edge = if fold == "min X" { 0 } else { 9_999 };
        for _ in 0..3 {
            let delta = engine.transact(delete(vec![size(edge)]));
            // Taking nothing from a sum leaves it: that edge is zero only for `min`.
            assert_eq!(delta.added["v"].len(), 1, "{fold}");
            assert!(engine.effort().probed < 20, "{fold}: {:?}", engine.effort());
            engine.transact(insert(vec![size(edge)]));
            assert!(engine.effort().probed < 20, "{fold}: {:?}", engine.effort());
            assert_eq!(engine.rows("v"), before, "{fold}");
        }
    }
}

/// All rows of `r` with their ranks.
fn ranks(engine: &Engine) -> BTreeMap<Row, u32> {
    let reader = engine.reader();
    let rows = engine.rows("r").into_iter();
    rows.map(|row| (row.clone(), reader.rank(&Fact::new("r", row)).unwrap())).collect()
}

/// Deletes some edges of a graph one by one and holds overdeletion to what it must be.
fn delete_edges(edges: &[(usize, usize)], victims: &[(usize, usize)]) {
    let mut engine = engine(
        ".input e(a: number, b: number)\n.output r(a: number, b: number)\n\
         r(A, B) :- e(A, B).\nr(A, C) :- e(A, B), r(B, C).",
    );
    let edge = |(a, b): &(usize, usize)| {
        Fact::new("e", vec![Value::from(*a as i64), Value::from(*b as i64)])
    };
    engine.transact(insert(edges.iter().map(edge).collect()));
    for victim in victims {
        let before = ranks(&engine);
        engine.transact(delete(vec![edge(victim)]));
        let after = ranks(&engine);
        let gone = before.keys().filter(|row| !after.contains_key(*row)).count();
        let risen = after.iter().filter(|(row, rank)| before[*row] < **rank).count();
        let effort = engine.effort();
        let allowed = 10 * (gone + risen) as u64 + 100;
        assert!(effort.overdeleted <= allowed, "{effort:?}: {gone} gone, {risen} risen");
        assert_eq!(effort.overdeleted, (gone + risen) as u64, "exactly what had to move");
        engine.transact(insert(vec![edge(victim)]));
        assert_eq!(ranks(&engine), before);
    }
}

#[test]
fn a_search_for_another_support_begins_below_the_stratum() {
    let mut engine = engine(
        ".input e(a: number, b: number)\n.output r(a: number, b: number)\n\
         r(A, B) :- e(A, B).\nr(A, C) :- r(A, B), e(B, C).",
    );
    let edge = |at: i64| Fact::new("e", vec![Value::from(at), Value::from((at + 1) % 100)]);
    engine.transact(insert((0..100).map(edge).collect()));
    engine.transact(delete(vec![edge(7)]));
    let effort = engine.effort();
    assert_eq!(effort.overdeleted, 5_050);
    // Of the hundred rows that begin alike, only the one before the last edge is looked at.
    assert!(effort.probed < 10 * effort.overdeleted, "{effort:?}");
}

#[test]
fn deletion_takes_out_only_what_must_move() {
    let mut layered = Vec::new();
    for layer in 0..6 {
        for node in 0..12 {
            for step in 0..8 {
                layered.push((layer * 12 + node, (layer + 1) * 12 + (node * 5 + step * 7) % 12));
            }
        }
    }
    layered.sort_unstable();
    layered.dedup();
    delete_edges(&layered, &layered[..6]);
    let mut ring: Vec<(usize, usize)> = (0..40).map(|node| (node, (node + 1) % 40)).collect();
    ring.extend((0..40).step_by(4).map(|node| (node, (node + 9) % 40)));
    delete_edges(&ring, &ring[5..9]);
    let cycle: Vec<(usize, usize)> = (0..40).map(|node| (node, (node + 1) % 40)).collect();
    delete_edges(&cycle, &cycle[..2]);
}
