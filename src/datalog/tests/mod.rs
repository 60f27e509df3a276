//! Whole programs in a few lines: text in, rows out.

mod coverage;
mod effort;
mod exact;
mod faults;
mod keep;
mod keyed;
mod laws;
mod naive;
mod oracle;
mod proofs;
mod random;
mod reference;
mod sharing;
mod walks;

use crate::datalog::Builtins;
use crate::datalog::CheckError;
use crate::datalog::Engine;
use crate::datalog::EngineOptions;
use crate::datalog::Fact;
use crate::datalog::FileOrigin;
use crate::datalog::Pattern;
use crate::datalog::Program;
use crate::datalog::QueryOptions;
use crate::datalog::RuleFile;
use crate::datalog::Transaction;
use crate::datalog::Type;
use crate::datalog::Value;
use crate::datalog::check;

fn file(name: &str, text: &str, origin: FileOrigin) -> RuleFile {
    RuleFile { name: name.to_owned(), text: text.into(), origin }
}

fn builtins() -> Builtins {
    let mut builtins = Builtins::new();
    builtins.test("starts", &[Type::Symbol, Type::Symbol], |v| {
        Ok(v[0].as_symbol().unwrap().starts_with(v[1].as_symbol().unwrap()))
    });
    builtins.function("half", &[Type::Number], Type::Number, |v| match v[0].as_number().unwrap() {
        odd if odd % 2 != 0 => Err(format!("{odd} is odd")),
        even => Ok(Value::Number(even / 2)),
    });
    builtins.relation("letters", &[Type::Symbol], &[Type::Symbol], |v| {
        Ok(v[0].as_symbol().unwrap().chars().map(|c| vec![c.to_string().into()]).collect())
    });
    builtins
}

fn checked(text: &str) -> Result<Program, Vec<CheckError>> {
    check(&[file("rules/t.dl", text, FileOrigin::BuiltIn)], &builtins())
}

pub(super) fn engine(text: &str) -> Engine {
    Engine::new(checked(text).unwrap(), builtins(), EngineOptions::default())
}

pub(super) fn change(inserts: &[&str], deletes: &[&str]) -> Transaction {
    let parse = |texts: &[&str]| texts.iter().map(|text| Fact::parse(text).unwrap()).collect();
    Transaction { inserts: parse(inserts), deletes: parse(deletes) }
}

/// All rows of `relation` as text, one a line.
fn rows(engine: &Engine, relation: &str) -> String {
    let texts: Vec<String> =
        engine.rows(relation).into_iter().map(|row| Fact::new("", row).to_string()).collect();
    texts.join(" ")
}

#[test]
fn rules_recursion_negation_and_aggregates() {
    let mut engine = engine(
        r#"
        .type Unit <: symbol
        .input depends(a: Unit, b: Unit)
        .input broken(u: Unit)
        .decl unready(u: Unit)
        .decl reach(a: Unit, b: Unit)
        .decl ready(u: Unit)
        .decl total(u: Unit, n: number)
        .decl first(u: Unit, b: Unit)
        .decl list(text: symbol)
        .output unready, ready, total, first, list
        [t/cause] unready(U) :- broken(U).
        [t/spread] unready(U) :- depends(U, V), unready(V).
        reach(A, B) :- depends(A, B).
        reach(A, C) :- reach(A, B), depends(B, C).
        ready(U) :- depends(U, _), !unready(U).
        total(U, N) :- depends(U, _), N = count : { reach(U, _) }.
        first(U, B) :- depends(U, _), B = min X : { reach(U, X) }.
        list(T) :- T = join(", ", 2, X by X desc) : { reach(_, X) }.
        "#,
    );
    engine.transact(change(
        &[r#"depends("a", "b")"#, r#"depends("b", "c")"#, r#"depends("c", "d")"#, r#"broken("c")"#],
        &[],
    ));
    assert_eq!(rows(&engine, "unready"), r#"("a") ("b") ("c")"#);
    assert_eq!(rows(&engine, "ready"), "");
    assert_eq!(rows(&engine, "total"), r#"("a", 3) ("b", 2) ("c", 1)"#);
    assert_eq!(rows(&engine, "first"), r#"("a", "b") ("b", "c") ("c", "d")"#);
    assert_eq!(rows(&engine, "list"), r#"("d, c, +1 more")"#);
    let delta = engine.transact(change(&[], &[r#"broken("c")"#]));
    assert_eq!(delta.removed["unready"].len(), 3);
    assert_eq!(delta.added["ready"].len(), 3);
    let empty = engine.transact(change(&[r#"broken("z")"#], &[r#"broken("y")"#]));
    assert_eq!(empty.added["unready"].len(), 1);
}

#[test]
fn empty_groups_best_top_and_errors_of_builtins() {
    let mut engine = engine(
        r#"
        .input item(g: symbol, name: symbol, score: number)
        .input groups(g: symbol)
        .output n(g: symbol, n: number)
        .output m(g: symbol, n: number)
        .output champion(g: symbol, name: symbol, score: number)
        .output podium(g: symbol, name: symbol)
        .output halves(name: symbol, h: number)
        .output odd(name: symbol, why: symbol)
        .output text(t: symbol)
        .output letter(l: symbol)
        n(G, N) :- groups(G), N = count : { item(G, _, _) }.
        m(G, N) :- groups(G), N = max S : { item(G, _, S) }.
        champion(G, X, S) :- groups(G), (X, S) = best N, T by T desc : { item(G, N, T) }.
        podium(G, X) :- groups(G), X = top 2 N by T desc, N : { item(G, N, T) }.
        halves(N, half(S)) :- item(_, N, S).
        odd(N, E) :- item(_, N, S), E = error(half(S)).
        text(cat(N, "=", S)) :- item(_, N, S), starts(N, "a"), S + 1 > 3 * 1.
        letter(L) :- item(_, N, _), letters(N; L).
        "#,
    );
    engine.transact(change(
        &[
            r#"groups("g")"#,
            r#"groups("empty")"#,
            r#"item("g", "ab", 3)"#,
            r#"item("g", "b", 7)"#,
            r#"item("g", "c", 7)"#,
            r#"item("g", "a", 2)"#,
        ],
        &[],
    ));
    assert_eq!(rows(&engine, "n"), r#"("empty", 0) ("g", 4)"#);
    assert_eq!(rows(&engine, "m"), r#"("g", 7)"#);
    assert_eq!(rows(&engine, "champion"), r#"("g", "b", 7)"#);
    assert_eq!(rows(&engine, "podium"), r#"("g", "b") ("g", "c")"#);
    assert_eq!(rows(&engine, "halves"), r#"("a", 1)"#);
    assert_eq!(rows(&engine, "odd"), r#"("ab", "3 is odd") ("b", "7 is odd") ("c", "7 is odd")"#);
    assert_eq!(rows(&engine, "text"), r#"("ab=3")"#);
    assert_eq!(rows(&engine, "letter"), r#"("a") ("b") ("c")"#);
}

#[test]
fn keys_defaults_and_refused_facts() {
    let mut engine = engine(
        r#"
        .input live(o: symbol, d: symbol) key(o)
        .output gone(o: symbol)
        live("default", "x").
        gone(O) :- live(O, "dead").
        "#,
    );
    engine.transact(change(&[r#"live("a", "1")"#], &[]));
    let delta = engine.transact(change(
        &[r#"live("a", "2")"#, r#"gone("a")"#, r#"live("a", 2)"#, r#"lvie("a")"#],
        &[],
    ));
    assert_eq!(rows(&engine, "live"), r#"("a", "2") ("default", "x")"#);
    assert_eq!(delta.refused.len(), 3);
    assert_eq!(delta.removed["live"].len(), 1);
    engine.transact(change(&[r#"live("default", "y")"#], &[]));
    assert_eq!(rows(&engine, "live"), r#"("a", "2") ("default", "y")"#);
    engine.transact(change(&[], &[r#"live("default", "y")"#]));
    assert_eq!(rows(&engine, "live"), r#"("a", "2") ("default", "x")"#);
    assert_eq!(engine.inputs().count(), 1);
}

#[test]
fn why_and_why_not_and_what_if() {
    let mut engine = engine(
        r#"
        .input depends(a: symbol, b: symbol)
        .input broken(u: symbol)
        /// The unit U cannot be ready.
        .decl unready(u: symbol)
        .output apply(u: symbol)
        .output frozen(u: symbol)
        [t/cause] unready(U) :- broken(U).
        [t/spread] unready(U) :- depends(U, V), unready(V).
        [t/apply] apply(U) :- depends(U, _), !unready(U), !frozen(U).
        frozen("x").
        "#,
    );
    engine.transact(change(
        &[r#"depends("a", "b")"#, r#"depends("b", "a")"#, r#"depends("b", "c")"#, r#"broken("c")"#],
        &[],
    ));
    let reader = engine.reader();
    let options = QueryOptions::default();
    let proof = reader.why(&Fact::parse(r#"unready("a")"#).unwrap(), &options);
    let proof = proof.value.unwrap();
    assert_eq!(proof.nodes.len(), 6, "{proof:#?}");
    assert_eq!(proof.nodes[0].clause.as_ref().unwrap().label, "t/spread");
    let text = serde_json::to_string(&proof).unwrap();
    assert_eq!(serde_json::from_str::<crate::datalog::Proof>(&text).unwrap(), proof);
    let rules = reader.why_not(&Pattern::parse(r#"apply("a")"#).unwrap(), &options).value;
    assert_eq!(rules.len(), 1);
    assert_eq!(rules[0].failing, r#"!unready("a")"#);
    assert_eq!(rules[0].matched, [r#"depends("a", _)"#]);
    assert_eq!(rules[0].distance, 1);
    let fork = reader.what_if(change(&[], &[r#"broken("c")"#]), &options).value;
    assert_eq!(fork.delta().added["apply"].len(), 2);
    assert_eq!(rows(&engine, "apply"), "");
    let proof = fork.reader().why(&Fact::parse(r#"apply("a")"#).unwrap(), &options).value;
    assert!(proof.is_some());
}
