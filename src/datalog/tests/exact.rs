//! Counted work to the row, and limits to the row: what a change costs is part of what it means.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use crate::datalog::Builtins;
use crate::datalog::Engine;
use crate::datalog::EngineOptions;
use crate::datalog::Fact;
use crate::datalog::FaultKind;
use crate::datalog::FileOrigin;
use crate::datalog::Transaction;
use crate::datalog::Type;
use crate::datalog::Value;
use crate::datalog::check;
use crate::datalog::tests::builtins;
use crate::datalog::tests::engine;
use crate::datalog::tests::file;
use crate::datalog::tests::rows;

/// Facts of two numbers.
fn pairs(relation: &str, rows: impl IntoIterator<Item = (i64, i64)>) -> Vec<Fact> {
    let fact = |(a, b): (i64, i64)| Fact::new(relation, vec![a.into(), b.into()]);
    rows.into_iter().map(fact).collect()
}

fn come(engine: &mut Engine, inserts: Vec<Fact>) -> String {
    engine.transact(Transaction { inserts, deletes: Vec::new() });
    effort(engine)
}

fn go(engine: &mut Engine, deletes: Vec<Fact>) -> String {
    engine.transact(Transaction { inserts: Vec::new(), deletes });
    effort(engine)
}

/// Rows probed, emitted, and written; then overdeleted, rederived, and units in full, if any.
fn effort(engine: &Engine) -> String {
    let effort = engine.effort();
    let mut text = format!("{} {} {}", effort.probed, effort.emitted, effort.written);
    for (count, letter) in
        [(effort.overdeleted, 'o'), (effort.rederived, 'r'), (effort.full_units, 'f')]
    {
        if count > 0 {
            text += &format!(" {letter}{count}");
        }
    }
    text
}

const INPUTS: &str = "
    .input big(a: number, b: number)
    .input few(b: number, c: number)
    .input none(a: number, b: number)
    .output h(a: number, b: number)
";

#[test]
fn from_nothing_a_clause_begins_with_the_fewest_rows() {
    #[rustfmt::skip]
    let cases: &[(&str, &str, i64)] = &[
        // why                             clause                                         few
        ("fewer than half as many",        "h(A, C) :- big(A, B), few(B, C).",            19),
        ("half as many",                   "h(A, C) :- big(A, B), few(B, C).",            20),
        ("none at all",                    "h(A, B) :- big(A, B), none(B, _).",           5),
        ("absence is no place to begin",   "h(A, B) :- big(A, B), !few(B, _).",           5),
        ("few behind a key",               "h(A, B) :- big(7, B), few(B, A).",            5),
        ("nothing behind a key",           "h(A, B) :- big(7, B), none(B, A).",           5),
        ("all with all",                   "h(A, C) :- big(A, _), few(C, _), C > A.",     5),
        ("a count has no rows of its own", "h(A, N) :- big(A, _), N = count : { few(A, _) }.", 5),
        ("nor has what is derived along",  "h(A, B) :- few(A, B).\nh(A, C) :- h(A, B), big(B, C).", 5),
    ];
    let mut text = String::new();
    for (why, clause, few) in cases {
        let mut engine = engine(&format!("{INPUTS}{clause}"));
        let mut facts = pairs("big", (0..40).map(|at| (at, at)));
        facts.extend(pairs("few", (0..*few).map(|at| (at, 100 + at))));
        text += &format!("{}: {why}\n", come(&mut engine, facts));
    }
    insta::assert_snapshot!(text, @r#"
    19 19 78 f1: fewer than half as many
    60 20 80 f1: half as many
    0 0 45 f1: none at all
    50 40 85 f2: absence is no place to begin
    1 0 45 f1: few behind a key
    0 0 45 f1: nothing behind a key
    240 10 55 f1: all with all
    50 45 95 f3: a count has no rows of its own
    5 5 50 f1: nor has what is derived along
    "#);
}

#[test]
fn what_each_kind_of_change_costs() {
    let mut engine = engine(
        ".input p(a: number, b: number)\n.input f(a: number, b: number)\n\
         .input e(a: number, b: number)\n\
         .output joined(a: number, b: number)\n.output alone(a: number)\n\
         .output halves(a: number, b: number)\n.output size(a: number, n: number)\n\
         .output sum(a: number, n: number)\n.output least(a: number, n: number)\n\
         .output winner(a: number, b: number)\n.output all(a: number, text: symbol)\n\
         .output reach(a: number, b: number)\n\
         joined(A, C) :- p(A, B), f(B, C), C != A.\nalone(A) :- p(A, B), !f(B, _).\n\
         halves(A, half(B)) :- p(A, B).\nsize(A, N) :- f(A, _), N = count : { p(A, _) }.\n\
         sum(A, N) :- f(A, _), N = sum B : { p(A, B) }.\n\
         least(A, N) :- N = min B : { p(A, B) }, f(A, _).\n\
         winner(A, N) :- f(A, _), N = best B by C desc, B : { p(A, B), f(B, C) }.\n\
         all(A, T) :- f(A, _), T = join(\",\", 2, B by B) : { p(A, B) }.\n\
         reach(A, B) :- e(A, B).\nreach(A, C) :- reach(A, B), e(B, C).",
    );
    let mut facts = pairs("p", (0..60).map(|at| (at % 6, at)));
    facts.extend(pairs("f", (0..30).map(|at| (at, at / 3))));
    facts.extend(pairs("e", (0..20).map(|at| (at, (at + 1) % 20))));
    let step = |text: &mut String, what: &str, cost: String| *text += &format!("{cost}: {what}\n");
    let mut text = String::new();
    step(&mut text, "everything", come(&mut engine, facts));
    let p = |rows: &[(i64, i64)]| pairs("p", rows.iter().copied());
    step(&mut text, "a row", come(&mut engine, p(&[(1, 100)])));
    step(&mut text, "the same again", come(&mut engine, p(&[(1, 100)])));
    step(&mut text, "it goes", go(&mut engine, p(&[(1, 100)])));
    step(&mut text, "one that was not there", go(&mut engine, p(&[(1, 100)])));
    step(&mut text, "a new least", come(&mut engine, p(&[(2, -8), (2, -6)])));
    step(&mut text, "it goes", go(&mut engine, p(&[(2, -8)])));
    step(
        &mut text,
        "a whole group goes",
        go(&mut engine, p(&(0..10).map(|at| (3, 3 + 6 * at)).collect::<Vec<_>>())),
    );
    step(&mut text, "some of it returns", come(&mut engine, p(&[(3, 3), (3, 9)])));
    step(&mut text, "absence", go(&mut engine, pairs("f", [(7, 2)])));
    step(&mut text, "presence", come(&mut engine, pairs("f", [(7, 2)])));
    step(&mut text, "a shortcut", come(&mut engine, pairs("e", [(3, 9)])));
    step(&mut text, "a way round is left", go(&mut engine, pairs("e", [(5, 6)])));
    step(&mut text, "no way is left", go(&mut engine, pairs("e", [(12, 13)])));
    step(&mut text, "the way returns", come(&mut engine, pairs("e", [(12, 13)])));
    step(&mut text, "another way", come(&mut engine, pairs("e", [(5, 6)])));
    step(&mut text, "the longer way is left", go(&mut engine, pairs("e", [(3, 9)])));
    step(&mut text, "a triangle", come(&mut engine, pairs("e", [(50, 51), (50, 52), (51, 52)])));
    step(&mut text, "a side that is no shortcut", go(&mut engine, pairs("e", [(50, 51)])));
    insta::assert_snapshot!(text, @r#"
    1146 908 950 f20: everything
    6 12 19: a row
    0 0 0: the same again
    6 12 19: it goes
    0 0 0: one that was not there
    8 20 28: a new least
    8 14 23: it goes
    23 62 64: a whole group goes
    14 19 25: some of it returns
    3 7 8: absence
    3 7 8: presence
    141 142 121: a shortcut
    441 113 91 o90: a way round is left
    826 187 168 o167: no way is left
    185 186 168: the way returns
    111 112 91: another way
    783 282 241 o120 r120: the longer way is left
    1 4 6: a triangle
    5 2 2 o1: a side that is no shortcut
    "#);
}

#[test]
fn a_limit_is_reached_before_it_is_passed() {
    let mut engine = engine(
        ".input n(a: number)\n.output m(a: number)\n.limitsize m(n=4)\n\
         .output next(a: number)\n.limitsize next(n=6)\n\
         m(A) :- n(A).\nnext(A) :- n(A).\nnext(A + 10) :- next(A), A < 10.",
    );
    let number = |at: i64| Fact::new("n", vec![at.into()]);
    let mut faulted = |come: &[i64], go: &[i64]| {
        let [inserts, deletes] = [come, go].map(|row| row.iter().copied().map(number).collect());
        let delta = engine.transact(Transaction { inserts, deletes });
        let limit = |kind: &FaultKind| match kind {
            FaultKind::Limit { have, limit } => (*have, *limit),
            other => panic!("{other:?}"),
        };
        delta.faults.iter().map(|fault| limit(&fault.kind)).collect::<Vec<_>>()
    };
    assert_eq!(faulted(&[1, 2, 3], &[]), [], "six follow");
    assert_eq!(faulted(&[11], &[]), [], "which follows anyway");
    assert_eq!(faulted(&[12], &[11]), [], "one for another");
    assert_eq!(faulted(&[11], &[]), [(5, 4)]);
    assert_eq!(faulted(&[], &[12]), []);
    assert_eq!(faulted(&[30], &[11]), [(7, 6)]);
    assert_eq!(faulted(&[], &[30]), []);
    assert_eq!(faulted(&[4], &[1]), [], "as many as before");
    assert_eq!(faulted(&[5, 6], &[4]), [(8, 6)]);
}

#[test]
fn what_is_put_in_place_and_undone_is_written_twice() {
    let mut engine = engine(
        ".input n(a: number, b: number)\n.output m(a: number, b: number)\n.limitsize m(n=4)\n\
         m(A, B) :- n(A, B).",
    );
    assert_eq!(come(&mut engine, pairs("n", (0..4).map(|at| (at, at)))), "0 4 8");
    assert_eq!(come(&mut engine, pairs("n", [(4, 4), (5, 5)])), "0 2 10");
    assert_eq!(engine.rows("m").len(), 0);
}

#[test]
fn what_a_user_pays_for_is_told_to_the_row() {
    #[rustfmt::skip]
    let clauses = [
        "u(A, B) :- e(A, B).",
        "u(A, C) :- e(A, B), e(B, C).",
        "u(A, C) :- e(A, _), e(_, C), C < 0.",
        "u(A, A) :- e(A, _), s(T), letters(T; L), L != \"x\".",
        "u(A, N) :- e(A, _), N = count : { e(_, A) }.",
        "u(A, C) :- e(A, B), e(B, C).\nu(A, C) :- e(A, C), C > 5.",
    ];
    let mut text = String::new();
    for clause in clauses {
        let core = ".input e(a: number, b: number)\n.input s(t: symbol)\n.output core(a: number)\n\
                    core(A) :- e(A, _).";
        let user = format!(".output u(a: number, b: number)\n{clause}");
        let files = [
            file("rules/core.dl", core, FileOrigin::BuiltIn),
            file("user/u.dl", &user, FileOrigin::User),
        ];
        let program = check(&files, &builtins()).unwrap();
        let mut told = Vec::new();
        // The least budget that is enough, and what is told of one that is one too small.
        let (mut low, mut high) = (0, 100_000);
        while low < high {
            let user_work_max = (low + high) / 2;
            let options = EngineOptions { user_work_max, ..EngineOptions::default() };
            let mut engine = Engine::new(program.clone(), builtins(), options);
            let mut inserts = pairs("e", (0..20).map(|at| (at, at + 1)));
            inserts.push(Fact::new("s", vec!["abcde".into()]));
            let delta = engine.transact(Transaction { inserts, deletes: Vec::new() });
            match delta.faults.first().map(|fault| &fault.kind) {
                Some(FaultKind::Work { have, limit }) => {
                    told.push((*limit, *have));
                    low = user_work_max + 1;
                }
                Some(other) => panic!("{other:?}"),
                None => high = user_work_max,
            }
        }
        let (limit, have) = told.into_iter().max().unwrap_or_default();
        text += &format!("{high} is enough, of {limit} it wants {have}: {clause}\n");
    }
    insta::assert_snapshot!(text, @r#"
    820 is enough, of 819 it wants 820: u(A, B) :- e(A, B).
    959 is enough, of 958 it wants 959: u(A, C) :- e(A, B), e(B, C).
    3780 is enough, of 3779 it wants 3780: u(A, C) :- e(A, _), e(_, C), C < 0.
    4460 is enough, of 4459 it wants 4460: u(A, A) :- e(A, _), s(T), letters(T; L), L != "x".
    1659 is enough, of 1658 it wants 1659: u(A, N) :- e(A, _), N = count : { e(_, A) }.
    1619 is enough, of 1618 it wants 1619: u(A, C) :- e(A, B), e(B, C).
    u(A, C) :- e(A, C), C > 5.
    "#);
}

#[test]
fn a_rank_has_a_place_beside_any_number_of_variables() {
    for more in [1, 2, 3, 4, 5, 8, 9, 19, 20, 24] {
        let names: Vec<String> = (0..more).map(|at| format!("V{at}")).collect();
        let columns: Vec<String> = (0..more).map(|at| format!("c{at}: number")).collect();
        let (names, columns) = (names.join(", "), columns.join(", "));
        let mut engine = engine(&format!(
            ".input e(a: number, b: number, {columns})\n.output r(a: number, b: number)\n\
             r(A, B) :- e(A, B, {names}), V0 > 0.\n\
             r(A, C) :- r(A, B), e(B, C, {names}), V{} > 0.",
            more - 1
        ));
        let edge = |a: i64, b: i64| {
            let row = [a, b].into_iter().chain((0..more).map(|at| 70 + at));
            Fact::new("e", row.map(Into::into).collect())
        };
        let inserts = (0..6).map(|at| edge(at, at + 1)).chain([edge(0, 4)]).collect();
        engine.transact(Transaction { inserts, deletes: Vec::new() });
        let ranks = |engine: &Engine| {
            let of = |b: i64| {
                let fact = Fact::new("r", vec![0.into(), b.into()]);
                engine.reader().rank(&fact).unwrap()
            };
            (1..=6).map(of).collect::<Vec<u32>>()
        };
        assert_eq!(ranks(&engine), [1, 2, 3, 1, 2, 3], "{more} more");
        engine.transact(Transaction { inserts: Vec::new(), deletes: vec![edge(0, 4)] });
        assert_eq!(ranks(&engine), [1, 2, 3, 4, 5, 6], "{more} more");
        engine.transact(Transaction { inserts: Vec::new(), deletes: vec![edge(2, 3)] });
        assert_eq!(rows(&engine, "r").matches("(0, ").count(), 2, "{more} more");
    }
}

#[test]
fn nobody_asks_how_many_there_are() {
    let mut engine = engine(
        ".input g(a: number, b: number)\n.input p(a: number, b: number)\n.output t(a: number)\n\
         t(A) :- g(A, _), _ = count : { p(A, _) }.",
    );
    let mut facts = pairs("g", [(1, 0), (2, 0), (3, 0)]);
    facts.extend(pairs("p", [(1, 1), (2, 1), (2, 2)]));
    come(&mut engine, facts);
    let moved = Transaction { inserts: pairs("p", [(3, 1)]), deletes: pairs("p", [(1, 1)]) };
    let delta = engine.transact(moved);
    assert!(!delta.added.contains_key("t") && !delta.removed.contains_key("t"), "{delta:?}");
    assert_eq!(rows(&engine, "t"), "(1) (2) (3)");
    go(&mut engine, pairs("p", [(2, 1), (2, 2), (3, 1)]));
    assert_eq!(rows(&engine, "t"), "(1) (2) (3)");
    go(&mut engine, pairs("g", [(2, 0)]));
    assert_eq!(rows(&engine, "t"), "(1) (3)");
}

#[test]
fn the_first_of_equals_is_the_smallest_whatever_the_keys() {
    let mut engine = engine(
        ".input p(a: number, b: number, x: number, y: number, z: number, v: number)\n\
         .output first(a: number, b: number, v: number)\n\
         first(A, B, V) :- p(A, B, _, _, _, _),\n    \
             V = best W by X desc, Y, Z : { p(A, B, X, Y, Z, W) }.",
    );
    let row = |row: [i64; 6]| Fact::new("p", row.into_iter().map(Into::into).collect());
    let facts = [
        [1, 1, 5, 2, 7, 30],
        [1, 1, 5, 2, 7, 10],
        [1, 1, 5, 2, 7, 20],
        [1, 2, 5, 3, 1, 1],
        [1, 2, 6, 4, 1, 3],
        [1, 2, 6, 4, 0, 2],
        [2, 1, 1, 1, 1, 1],
    ];
    come(&mut engine, facts.map(row).to_vec());
    assert_eq!(rows(&engine, "first"), "(1, 1, 10) (1, 2, 2) (2, 1, 1)");
    go(&mut engine, vec![row(facts[1]), row(facts[5])]);
    assert_eq!(rows(&engine, "first"), "(1, 1, 20) (1, 2, 3) (2, 1, 1)");
}

#[test]
fn a_built_in_is_asked_once_for_each_value() {
    let asked = Arc::new(AtomicUsize::new(0));
    let mut known = Builtins::new();
    for (name, step) in [("next", 1), ("second", 2)] {
        let asked = Arc::clone(&asked);
        known.function(name, &[Type::Number], Type::Number, move |args| {
            asked.fetch_add(1, Ordering::Relaxed);
            Ok(Value::Number(args[0].as_number().unwrap_or(0) + step))
        });
    }
    let text = ".input n(a: number, b: number)\n.output h(a: number, b: number)\n\
                h(A, next(A)) :- n(A, _).\nh(A, next(A)) :- n(_, A).\nh(A, second(A)) :- n(_, A).";
    let program = check(&[file("rules/t.dl", text, FileOrigin::BuiltIn)], &known).unwrap();
    let mut engine = Engine::new(program, known, EngineOptions::default());
    come(&mut engine, pairs("n", [(1, 1), (2, 1), (3, 2)]));
    assert_eq!(rows(&engine, "h"), "(1, 2) (1, 3) (2, 3) (2, 4) (3, 4)");
    assert_eq!(asked.load(Ordering::Relaxed), 3 + 2, "two functions of three and of two values");
}

#[test]
fn thousands_of_bindings_keep_apart() {
    let mut engine = engine(&format!("{INPUTS}h(A, C) :- big(A, B), few(B, C)."));
    let mut facts = pairs("big", (0..3_000).map(|at| (at, at * 7 % 3_000)));
    facts.extend(pairs("few", (0..3_000).map(|at| (at, at + 1))));
    assert_eq!(come(&mut engine, facts), "6000 3000 9000 f1");
    let want = (0..3_000).map(|at| vec![Value::from(at), Value::from(at * 7 % 3_000 + 1)]);
    assert!(engine.rows("h").into_iter().eq(want));
}
