//! A generation that was kept is the generation: what it holds, and all that follows later.

use crate::datalog::Delta;
use crate::datalog::Engine;
use crate::datalog::EngineOptions;
use crate::datalog::Fact;
use crate::datalog::QueryOptions;
use crate::datalog::Row;
use crate::datalog::tests::builtins;
use crate::datalog::tests::change;
use crate::datalog::tests::checked;
use crate::datalog::tests::random::Dice;

const RULES: &str = r#"
    .input e(a: symbol, b: symbol)
    .input size(a: symbol, n: number) key(a)
    .input note(a: symbol, d: duration, v: version, at: time)
    .input mode(name: symbol, value: symbol) key(name)
    .output r(a: symbol, b: symbol)
    .output largest(a: symbol, b: symbol)
    .output reached(a: symbol, n: number)
    .output total(n: number)
    .output list(a: symbol, t: symbol)
    .output lonely(a: symbol)
    .output text(a: symbol, t: symbol)
    .output latest(v: version)
    mode("speed", "slow").
    r(A, B) :- e(A, B).
    r(A, C) :- r(A, B), e(B, C).
    largest(A, B) :- e(A, _), B = best X by N desc, X : { r(A, X), size(X, N) }.
    reached(A, N) :- e(A, _), N = count : { r(A, _) }.
    total(N) :- N = sum S : { size(_, S) }.
    list(A, T) :- e(A, _), T = join(", ", 3, X by X desc) : { r(A, X) }.
    lonely(A) :- size(A, _), !e(A, _), !e(_, A).
    text(A, cat(A, " is ", N, " and ", M)) :- size(A, N), N > 3, mode("speed", M).
    latest(V) :- V = max W : { note(_, _, W, _) }.
"#;

fn fresh(rules: &str) -> Engine {
    Engine::new(checked(rules).unwrap(), builtins(), EngineOptions::default())
}

/// Some facts come and go.
fn step(engine: &mut Engine, dice: &mut Dice) -> Delta {
    let (mut inserts, mut deletes) = (Vec::new(), Vec::new());
    for _ in 0..dice.roll(12) {
        let (a, b, n) = (dice.roll(9), dice.roll(9), dice.roll(7));
        let fact = match dice.roll(6) {
            0..=2 => format!(r#"e("n{a}", "n{b}")"#),
            3 => format!(r#"size("n{a}", {n})"#),
            4 => format!(r#"note("n{a}", {n}s, v"1.{b}.0", t"2026-01-0{}T00:00:00Z")"#, n + 1),
            _ => format!(r#"mode("speed", "sha256:{:064x}")"#, a),
        };
        if dice.chance(60) { inserts.push(fact) } else { deletes.push(fact) }
    }
    let inserts: Vec<&str> = inserts.iter().map(String::as_str).collect();
    let deletes: Vec<&str> = deletes.iter().map(String::as_str).collect();
    engine.transact(change(&inserts, &deletes))
}

fn saved(engine: &Engine) -> Vec<u8> {
    let mut bytes = Vec::new();
    assert!(engine.reader().save(&mut bytes).unwrap());
    bytes
}

/// Every row with since when it holds, its rank and its proof.
fn all(engine: &Engine) -> Vec<(String, Row, Option<u64>, Option<u32>, String)> {
    let (reader, mut all) = (engine.reader(), Vec::new());
    for info in engine.program().relations() {
        for row in engine.rows(&info.name) {
            let fact = Fact::new(info.name.clone(), row.clone());
            let proof = reader.why(&fact, &QueryOptions::default()).value.unwrap();
            let proof = serde_json::to_string(&proof).unwrap();
            all.push((info.name.to_string(), row, reader.since(&fact), reader.rank(&fact), proof));
        }
    }
    all
}

#[test]
fn a_kept_generation_goes_on_as_the_engine_does() {
    for seed in 1..30 {
        let (mut engine, mut dice) = (fresh(RULES), Dice(seed * 7_919));
        for _ in 0..1 + dice.roll(12) {
            step(&mut engine, &mut dice);
        }
        let mut other = fresh(RULES);
        assert!(other.restore(&saved(&engine)), "{seed}");
        assert_eq!(all(&engine), all(&other), "{seed}");
        assert_eq!(engine.generation(), other.generation());
        let mut again = Dice(dice.0);
        for _ in 0..12 {
            let (one, two) = (step(&mut engine, &mut dice), step(&mut other, &mut again));
            assert_eq!(one, two, "{seed}");
            assert_eq!(engine.effort(), other.effort(), "{seed}");
            assert_eq!(engine.values(), other.values(), "as many values are in use: {seed}");
        }
        assert_eq!(all(&engine), all(&other), "{seed}");
        assert!(saved(&engine).len().abs_diff(saved(&other).len()) < 1 << 12);
    }
}

#[test]
fn what_does_not_fit_is_not_taken() {
    let (mut engine, mut dice) = (fresh(RULES), Dice(99));
    (0..20).for_each(|_| drop(step(&mut engine, &mut dice)));
    let bytes = saved(&engine);
    let mut other = fresh(&RULES.replace("N > 3", "N > 4"));
    let before = all(&other);
    assert!(!other.restore(&bytes), "other rules");
    let mut same = fresh(RULES);
    for len in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
        assert!(!same.restore(&bytes[..len]), "cut at {len}");
    }
    assert!(!same.restore(&[&*bytes, b"more"].concat()));
    assert_eq!(all(&other), before);
    assert!(same.restore(&bytes));
    assert_eq!(all(&same), all(&engine));
}

#[test]
fn a_generation_with_a_fault_is_not_kept() {
    let mut engine =
        fresh(".input n(i: number)\n.output big(i: number)\nbig(I * 4000000000000000000) :- n(I).");
    let mut bytes = Vec::new();
    assert!(engine.reader().save(&mut bytes).unwrap());
    engine.transact(change(&["n(7)"], &[]));
    assert!(!engine.reader().save(&mut bytes).unwrap());
}
