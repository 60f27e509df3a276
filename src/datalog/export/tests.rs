//! What the text looks like. That it means the same is checked with the other engine itself.

use crate::datalog::Builtins;
use crate::datalog::Dialect;
use crate::datalog::ExportError;
use crate::datalog::export;
use crate::datalog::tests::change;
use crate::datalog::tests::engine;

const TEXT: &str = r#"
.input tag(s: symbol, v: version)
.output newest(s: symbol, v: version)
.output many(s: symbol, n: number)
[t/newest] newest(S, V) :- tag(S, _), V = max W : { tag(S, W) }.
[t/many] many(cat("a ", S), N) :- tag(S, _), N = count : { tag(S, _) }, N > 1.
"#;

const FACTS: &[&str] = &[r#"tag("a", v"1.9.0")"#, r#"tag("a", v"1.10.0")"#];

#[test]
fn clingo() {
    let mut engine = engine(TEXT);
    engine.transact(change(FACTS, &[]));
    let text = export(&engine, &Builtins::new(), Dialect::Clingo).unwrap();
    insta::assert_snapshot!(text, @r#"
    % Made by `hence rules export`.
    #show newest/2.
    #show many/2.
    % t/newest
    group__0_1(S, W, W1) :- tag(S, W), W1 = W.
    place__0_1(S, W2, W1) :- group__0_1(S, W, W1), order__version(W1, W2).
    best_0__0_1(S) :- place__0_1(S, _, _).
    best_1__0_1(S, W3) :- best_0__0_1(S), W3 = #max { W2 : place__0_1(S, W2, _) }.
    kept__0_1(S, W1) :- best_1__0_1(S, W3), place__0_1(S, W3, W1).
    newest(S, V) :- tag(S, _), kept__0_1(S, V).
    % t/many
    group__1_1(S, W4) :- tag(S, W4).
    many(W6, N) :- tag(S, _), W5 = #count { W4 : group__1_1(S, W4) }, N = W5, N > 1, cat__symbol_symbol("a ", S, W6).
    tag("a", "1.9.0").
    tag("a", "1.10.0").
    cat__symbol_symbol("a ", "a", "a a").
    order__version("1.9.0", 0).
    order__version("1.10.0", 1).
    "#);
}

#[test]
fn souffle() {
    let mut engine = engine(TEXT);
    engine.transact(change(FACTS, &[]));
    let text = export(&engine, &Builtins::new(), Dialect::Souffle).unwrap();
    insta::assert_snapshot!(text, @r#"
    // Made by `hence rules export`.
    .decl best_0__0_1(c0: symbol)
    .decl best_1__0_1(c0: symbol, c1: number)
    .decl cat__symbol_symbol(c0: symbol, c1: symbol, c2: symbol)
    .decl group__0_1(c0: symbol, c1: symbol, c2: symbol)
    .decl group__1_1(c0: symbol, c1: symbol)
    .decl kept__0_1(c0: symbol, c1: symbol)
    .decl many(c0: symbol, c1: number)
    .decl newest(c0: symbol, c1: symbol)
    .decl order__version(c0: symbol, c1: number)
    .decl place__0_1(c0: symbol, c1: number, c2: symbol)
    .decl tag(c0: symbol, c1: symbol)
    .output newest
    .output many
    // t/newest
    group__0_1(S, W, W1) :- tag(S, W), W1 = W.
    place__0_1(S, W2, W1) :- group__0_1(S, W, W1), order__version(W1, W2).
    best_0__0_1(S) :- place__0_1(S, _, _).
    best_1__0_1(S, W3) :- best_0__0_1(S), W3 = max W2 : { place__0_1(S, W2, _) }.
    kept__0_1(S, W1) :- best_1__0_1(S, W3), place__0_1(S, W3, W1).
    newest(S, V) :- tag(S, _), kept__0_1(S, V).
    // t/many
    group__1_1(S, W4) :- tag(S, W4).
    many(W6, N) :- tag(S, _), W5 = count : { group__1_1(S, W4) }, N = W5, N > 1, cat__symbol_symbol("a ", S, W6).
    tag("a", "1.9.0").
    tag("a", "1.10.0").
    cat__symbol_symbol("a ", "a", "a a").
    order__version("1.9.0", 0).
    order__version("1.10.0", 1).
    "#);
}

#[test]
fn what_another_engine_cannot_hold_is_refused() {
    let mut large = engine(".input n(i: number)\n.output m(i: number)\nm(I) :- n(I).");
    large.transact(change(&["n(3000000000)"], &[]));
    let refused = export(&large, &Builtins::new(), Dialect::Clingo);
    assert_eq!(refused, Err(ExportError::Number { number: 3_000_000_000 }));

    let mut faulted = engine(".input n(i: number)\n.output m(i: number)\nm(1 / I) :- n(I).");
    faulted.transact(change(&["n(0)"], &[]));
    let refused = export(&faulted, &Builtins::new(), Dialect::Souffle);
    assert_eq!(refused, Err(ExportError::Faulted { relation: "m".to_owned() }));
}
