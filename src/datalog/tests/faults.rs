//! Faults: what the engine refuses to conclude, what it does with the rest, and how it recovers.

use crate::datalog::Engine;
use crate::datalog::EngineOptions;
use crate::datalog::Fact;
use crate::datalog::FaultKind;
use crate::datalog::FileOrigin;
use crate::datalog::Pattern;
use crate::datalog::QueryOptions;
use crate::datalog::Transaction;
use crate::datalog::Type;
use crate::datalog::Value;
use crate::datalog::check;
use crate::datalog::proof::Failure;
use crate::datalog::tests::builtins;
use crate::datalog::tests::change;
use crate::datalog::tests::engine;
use crate::datalog::tests::file;
use crate::datalog::tests::rows;

#[test]
fn a_second_row_per_key_faults_the_relation_and_all_above() {
    let mut engine = engine(
        r#"
        .input votes(a: symbol, b: symbol)
        .decl leader(g: symbol, a: symbol) key(g)
        .output act(a: symbol)
        .output calm(a: symbol)
        leader("g", A) :- votes(_, A).
        act(A) :- leader(_, A).
        calm(A) :- votes(A, _).
        "#,
    );
    let delta = engine.transact(change(&[r#"votes("x", "y")"#], &[]));
    assert!(delta.faults.is_empty());
    let delta = engine.transact(change(&[r#"votes("z", "w")"#], &[]));
    let names: Vec<&str> = delta.faults.iter().map(|fault| &*fault.relation).collect();
    assert_eq!(names, ["leader", "act"]);
    assert!(matches!(&delta.faults[1].kind, FaultKind::Key { rows } if rows.len() == 2));
    assert_eq!(&*delta.faults[1].cause, "leader");
    assert_eq!(
        (rows(&engine, "act"), rows(&engine, "calm")),
        (String::new(), r#"("x") ("z")"#.into())
    );
    assert_eq!(delta.removed["act"].len(), 1, "what was concluded is taken back");
    let pattern = Pattern::parse(r#"act("y")"#).unwrap();
    let rules = engine.reader().why_not(&pattern, &QueryOptions::default()).value;
    let Failure::Faulted { message } = &rules[0].failure else { panic!("{rules:?}") };
    assert!(message.contains("two rows with one key: "), "{message}");
    assert!(
        message.contains(", by t/leader#1 (rules/t.dl:6) and t/leader#1 (rules/t.dl:6)"),
        "{message}"
    );
    let proofs = engine.reader().why_faulted(&delta.faults[1], &QueryOptions::default()).value;
    let said: Vec<[&str; 2]> =
        proofs.iter().map(|p| [0, 1].map(|at| p.nodes[at].conclusion.as_str())).collect();
    assert_eq!(
        said,
        [
            [r#"leader("g", "w")"#, r#"votes("z", "w")"#],
            [r#"leader("g", "y")"#, r#"votes("x", "y")"#]
        ],
    );
    let delta = engine.transact(change(&[], &[r#"votes("x", "y")"#]));
    assert!(delta.faults.is_empty());
    assert_eq!(rows(&engine, "act"), r#"("w")"#);
}

#[test]
fn limits_and_overflow_are_faults_and_heal() {
    let mut engine = engine(
        r#"
        .input n(i: number)
        .output many(i: number, j: number)
        .limitsize many(n=4)
        .output big(i: number)
        .output total(i: number)
        many(I, J) :- n(I), n(J).
        big(I * 4000000000000000000) :- n(I).
        total(I) :- I = sum X : { n(X) }.
        "#,
    );
    let delta = engine.transact(change(&["n(1)", "n(2)"], &[]));
    assert_eq!(delta.faults.len(), 0, "{:?}", delta.faults);
    let delta = engine.transact(change(&["n(3)"], &[]));
    assert!(matches!(delta.faults[0].kind, FaultKind::Limit { have: 9, limit: 4 }));
    assert!(matches!(delta.faults[1].kind, FaultKind::Overflow { .. }), "{:?}", delta.faults);
    assert_eq!(rows(&engine, "total"), "(6)");
    let delta = engine.transact(change(&["n(9223372036854775807)"], &["n(3)"]));
    assert_eq!(delta.faults.len(), 3);
    let delta = engine.transact(change(&[], &["n(9223372036854775807)"]));
    assert!(delta.faults.is_empty());
    assert_eq!(rows(&engine, "total"), "(3)");
    assert_eq!(rows(&engine, "many"), "(1, 1) (1, 2) (2, 1) (2, 2)");
}

#[test]
fn a_recursive_relation_stops_at_its_limit() {
    let mut engine = engine(
        ".input start(i: number)\n.output n(i: number)\n.limitsize n(n=100)\n\
         n(I) :- start(I).\nn(I + 1) :- n(I), I < 1000000.",
    );
    let delta = engine.transact(change(&["start(0)"], &[]));
    assert!(matches!(delta.faults[0].kind, FaultKind::Limit { limit: 100, .. }));
    assert!(engine.effort().emitted < 200, "{:?}", engine.effort());
    let delta = engine.transact(change(&["start(999950)"], &["start(0)"]));
    assert!(delta.faults.is_empty(), "{:?}", delta.faults);
    assert_eq!(engine.rows("n").len(), 51);
}

#[test]
fn a_costly_user_file_is_stopped_and_stays_stopped() {
    let core = ".input e(a: number, b: number)\n.output core(a: number)\ncore(A) :- e(A, _).";
    let user = ".output pairs(a: number, b: number)\npairs(A, D) :- e(A, _), e(_, D), A < D.";
    let files = [
        file("rules/core.dl", core, FileOrigin::BuiltIn),
        file("user/u.dl", user, FileOrigin::User),
    ];
    let program = check(&files, &builtins()).unwrap();
    let options = EngineOptions { user_work_max: 10_000, ..EngineOptions::default() };
    let mut engine = Engine::new(program, builtins(), options);
    let facts: Vec<String> = (0..500).map(|i| format!("e({i}, {i})")).collect();
    let facts: Vec<&str> = facts.iter().map(String::as_str).collect();
    let delta = engine.transact(change(&facts, &[]));
    assert_eq!(delta.faults.len(), 1);
    assert!(matches!(delta.faults[0].kind, FaultKind::Work { limit: 10_000, .. }));
    assert_eq!(delta.faults[0].origin, FileOrigin::User);
    assert_eq!(&*delta.faults[0].file, "user/u.dl");
    assert_eq!(engine.rows("core").len(), 500);
    let delta = engine.transact(change(&["e(1000, 1)"], &[]));
    assert_eq!(delta.faults.len(), 1);
    assert!(engine.effort().probed < 100, "not paid again: {:?}", engine.effort());
    let core_only = check(&files[..1], &builtins()).unwrap();
    let delta = engine.replace_program(core_only, builtins());
    assert!(delta.faults.is_empty() && delta.is_empty(), "{delta:?}");
}

/// The counted work of a transaction that a user's rules make too large.
fn stopped(user: &str, edges: usize) -> (Engine, u64) {
    let core = ".input e(a: number, b: number)\n.output core(a: number)\ncore(A) :- e(A, _).";
    let files = [
        file("rules/core.dl", core, FileOrigin::BuiltIn),
        file("user/u.dl", user, FileOrigin::User),
    ];
    let program = check(&files, &builtins()).unwrap();
    let options = EngineOptions { user_work_max: 50_000, ..EngineOptions::default() };
    let mut engine = Engine::new(program, builtins(), options);
    let row = |at: usize| vec![Value::from(at as i64), Value::from(at as i64 + 1)];
    let inserts = (0..edges).map(|at| Fact::new("e", row(at))).collect();
    let delta = engine.transact(Transaction { inserts, deletes: Vec::new() });
    let [fault] = &*delta.faults else { panic!("{:?}", delta.faults) };
    let FaultKind::Work { have, limit: 50_000 } = fault.kind else { panic!("{fault}") };
    (engine, have)
}

#[test]
fn what_a_user_file_derives_is_work_too() {
    let closure = ".output closure(a: number, b: number)\nclosure(A, B) :- e(A, B).\n\
                   closure(A, C) :- closure(A, B), e(B, C).";
    // The closure of a chain of n has n²/2 rows and reads hardly more: rows read alone would let
    // it store tens of thousands.
    for edges in [400, 800, 1_400] {
        let (mut engine, have) = stopped(closure, edges);
        let effort = engine.effort();
        assert!(have < 2 * 50_000, "{edges}: stopped within one round: {have}");
        assert!(effort.emitted < 5_000, "{edges}: {effort:?}");
        assert!(effort.written < 6 * 5_000, "{edges}: put in place and undone: {effort:?}");
        assert_eq!(engine.rows("core").len(), edges);
        assert!(engine.rows("closure").is_empty());
        let before = engine.values();
        engine.transact(change(&["e(5000, 1)"], &[]));
        assert_eq!(engine.effort().written, 2, "nothing is left to undo: e and core");
        assert_eq!(engine.values(), before);
    }
    // One round that would give a million rows ends before it gives the first.
    let pairs = ".output pair(a: number, b: number)\npair(A, B) :- e(A, _), e(_, B).";
    let (engine, _) = stopped(pairs, 1_000);
    assert!(engine.effort().emitted < 5_000, "{:?}", engine.effort());
}

#[test]
fn a_new_program_keeps_facts_and_says_what_changed() {
    let mut engine = engine(".input e(a: number)\n.output p(a: number)\np(A) :- e(A), A > 1.");
    engine.transact(change(&["e(1)", "e(2)"], &[]));
    let before = engine.reader();
    let since = before.since(&Fact::parse("p(2)").unwrap());
    let text = ".input e(a: number)\n.output p(a: number)\n.output q(a: number)\n\
                p(A) :- e(A), A > 0.\nq(A) :- p(A).";
    let program = check(&[file("rules/t.dl", text, FileOrigin::BuiltIn)], &builtins()).unwrap();
    let delta = engine.replace_program(program, builtins());
    assert_eq!(delta.generation, 2);
    assert_eq!(delta.added["p"].len(), 1);
    assert_eq!(delta.added["q"].len(), 2);
    assert!(delta.removed.is_empty());
    assert_eq!(engine.reader().since(&Fact::parse("p(2)").unwrap()), since);
    assert_eq!(engine.reader().since(&Fact::parse("p(1)").unwrap()), Some(2));
    assert_eq!(before.generation(), 1);
    assert_eq!(
        before.query(&Pattern::parse("p(_)").unwrap(), &QueryOptions::default()).value.len(),
        1
    );
}

#[test]
fn readers_and_forks_keep_their_generation() {
    let mut engine = engine(
        ".input e(a: number, b: number)\n.output r(a: number, b: number)\n\
         r(A, B) :- e(A, B).\nr(A, C) :- r(A, B), e(B, C).",
    );
    let all = Pattern::parse("r(_, _)").unwrap();
    let options = QueryOptions::default();
    let mut pinned = Vec::new();
    for i in 0..30 {
        engine.transact(change(&[&format!("e({i}, {})", i + 1)], &[]));
        pinned.push(engine.reader());
    }
    let fork = pinned[9].what_if(change(&[], &["e(5, 6)"]), &options).value;
    for i in 0..30 {
        engine.transact(change(&[], &[&format!("e({i}, {})", i + 1)]));
    }
    assert!(engine.rows("r").is_empty());
    for (i, reader) in pinned.iter().enumerate() {
        assert_eq!(reader.query(&all, &options).value.len(), (i + 1) * (i + 2) / 2);
    }
    assert_eq!(fork.delta().removed["r"].len(), 6 * 5);
    assert_eq!(fork.reader().query(&all, &options).value.len(), 55 - 30);
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(pinned[3].query(&all, &options).value.len(), 10));
    });
}

#[test]
fn a_fork_keeps_to_its_budget() {
    let mut engine = engine(
        ".input p(a: number)\n.output pairs(a: number, b: number)\n.output all(a: number)\n\
         pairs(A, B) :- p(A), p(B).\nall(A) :- p(A).",
    );
    engine.transact(change(&["p(0)"], &[]));
    let facts: Vec<String> = (1..40).map(|at| format!("p({at})")).collect();
    let facts: Vec<&str> = facts.iter().map(String::as_str).collect();
    let ask = |work| {
        let options = QueryOptions { work, ..QueryOptions::default() };
        engine.reader().what_if(change(&facts, &[]), &options)
    };
    let whole = ask(100_000);
    assert!(whole.complete && whole.value.delta().faults.is_empty());
    assert_eq!(whole.value.delta().added["pairs"].len(), 1_599);
    let enough = ask(whole.work);
    assert!(enough.complete && enough.value.delta() == whole.value.delta(), "to the row");
    assert!(!ask(whole.work - 1).complete);
    let short = ask(200);
    assert!(!short.complete && short.work < 400, "{} rows", short.work);
    let faults = &short.value.delta().faults;
    assert!(faults.iter().any(|fault| matches!(fault.kind, FaultKind::Work { .. })), "{faults:?}");
    assert_eq!(engine.rows("pairs").len(), 1, "the engine is as it was");
}

#[test]
fn a_function_that_answers_differently_is_believed_as_it_answers_now() {
    use std::sync::atomic::AtomicI64;
    use std::sync::atomic::Ordering;
    let mut builtins = builtins();
    let asked = AtomicI64::new(0);
    builtins.function("moody", &[Type::Number], Type::Number, move |_| {
        Ok(Value::Number(asked.fetch_add(1, Ordering::Relaxed)))
    });
    let text = ".input a(x: number)\n.output b(x: number)\nb(Y) :- a(X), Y = moody(X).";
    let program = check(&[file("rules/t.dl", text, FileOrigin::BuiltIn)], &builtins).unwrap();
    let mut engine = Engine::new(program, builtins, EngineOptions::default());
    engine.transact(change(&["a(1)"], &[]));
    assert_eq!(rows(&engine, "b"), "(0)");
    let delta = engine.transact(change(&[], &["a(1)"]));
    assert_eq!((engine.rows("b").len(), delta.removed["b"].len()), (0, 1));
    engine.transact(change(&["a(2)", "a(3)"], &[]));
    assert_eq!(engine.rows("b").len(), 2);
}
