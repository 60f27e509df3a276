//! The shipped rules in clingo: over generated facts, it concludes what hence concludes.

use crate::rules::facts::Dice;
use crate::rules::facts::make;
use crate::support::tools;
use hence::datalog::Dialect;
use hence::datalog::Engine;
use hence::datalog::EngineOptions;
use hence::datalog::Program;
use hence::datalog::RelationKind;
use hence::datalog::Transaction;
use hence::datalog::Value;
use hence::datalog::check;
use hence::datalog::export;
use hence::rules;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Command;
use std::process::Stdio;

/// How many sets of facts are compared.
const WORLDS: usize = 24;

/// Rows of relations, each value as its plain text.
type Rows = BTreeMap<String, BTreeSet<Vec<String>>>;

#[test]
fn another_engine_concludes_the_same() {
    let program = rules::load(Vec::new()).expect("the shipped rules check");
    let derived = program.relations().filter(|info| info.kind != RelationKind::Input).count();
    let (alive, said) = compare(&program, WORLDS);
    println!("{said}, {} of {derived} relations had rows", alive.len());
    assert!(alive.len() * 3 >= derived * 2, "too few relations had rows: {alive:?}");
}

/// What the shipped rules use little or not at all.
const LANGUAGE: &str = r#"
.type Unit <: symbol
.input size(u: Unit, n: number)
.input seen(u: Unit, at: time)
.input took(u: Unit, d: duration)
.input next(u: Unit, v: Unit)
.output total(u: Unit, n: number)
.output spent(u: Unit, d: duration)
.output all(n: number)
.output least(u: Unit, n: number, at: time)
.output most(n: number)
.output podium(u: Unit, n: number)
.output champion(v: Unit, n: number)
.output shown(text: symbol)
.output later(u: Unit, at: time)
.output reach(u: Unit, v: Unit)
.output lonely(u: Unit)
.output quotient(n: number)
.output odd(u: Unit, why: symbol)
.output even_days(day: symbol)
.output as(u: Unit)
total(U, N) :- next(U, _), N = sum X : { next(U, V), size(V, X) }.
spent(U, D) :- next(U, _), D = sum X : { took(U, X) }.
all(N) :- N = count : { next(_, _), size(_, _) }.
least(U, N, At) :- size(U, _), N = min X : { size(U, X), !next(U, U) }, At = max T : { seen(U, T) }.
most(N) :- N = max X * 2 : { size(_, X) }.
podium(U, N) :- next(U, _), N = top 2 X by T desc, X : { seen(U, T), size(_, X), X < 4 }.
champion(V, N) :- (V, N) = best U, X by X desc, U asc : { size(U, X), next(_, U) }.
shown(T) :- T = join("; ", 2, cat(U, " ", X) by X desc) : { size(U, X) }.
later(U, T + D) :- seen(U, T), took(_, D), T + D > t"2026-01-01T00:02:00Z".
reach(U, V) :- next(U, V).
reach(U, W) :- reach(U, V), next(V, W).
lonely(U) :- size(U, _), !next(U, _), !reach(_, U).
quotient(N / 2 - N % 3) :- size(_, N), N >= 2.
odd(U, E) :- next(U, _), E = error(namespace_of(cat(U, "/", U, "/", U))).
even_days(W) :- seen(_, T), W = weekday("Europe/Berlin", T).
as(U) :- size(U, _), !matches(U, "n/*").
"#;

#[test]
fn another_engine_reads_the_whole_language() {
    let file = rules::own_file("language.dl", LANGUAGE);
    let program = check(&[file], &rules::builtins()).expect("the program checks");
    let derived = program.relations().filter(|info| info.kind != RelationKind::Input).count();
    let (alive, said) = compare(&program, 12);
    println!("{said}");
    assert_eq!(alive.len(), derived, "no rows in some: {alive:?}");
}

/// Compares so many worlds; says which derived relations had rows, and the figures.
fn compare(program: &Program, worlds: usize) -> (BTreeSet<String>, String) {
    let clingo = tools::find("clingo");
    let (mut compared, mut seed, mut rows) = (0, 0, 0);
    let mut alive: BTreeSet<String> = BTreeSet::new();
    while compared < worlds {
        seed += 1;
        assert!(seed < 40 * worlds as u64, "facts without a fault are too rare");
        let mut engine = Engine::new(program.clone(), rules::builtins(), EngineOptions::default());
        let inserts = make(program, &mut Dice::new(seed));
        let delta = engine.transact(Transaction { inserts, deletes: Vec::new() });
        assert!(delta.refused.is_empty(), "{:?}", delta.refused);
        // Facts at random may break what a derived key promises; such a world is not compared.
        if !delta.faults.is_empty() {
            continue;
        }
        let text = export(&engine, &rules::builtins(), Dialect::Clingo).expect("no fault");
        let theirs = solve(&clingo, &text);
        let ours = derived(&engine);
        for (relation, want) in &ours {
            let name = if relation == "as" { "as__" } else { relation };
            let have = theirs.get(name).cloned().unwrap_or_default();
            let only = |a: &BTreeSet<_>, b: &BTreeSet<_>| -> Vec<Vec<String>> {
                a.difference(b).take(3).cloned().collect()
            };
            let (we, they) = (only(want, &have), only(&have, want));
            assert!(
                we.is_empty() && they.is_empty(),
                "seed {seed}, {relation}: only ours {we:?}, only theirs {they:?}"
            );
            rows += want.len();
        }
        alive.extend(ours.into_iter().filter(|(_, rows)| !rows.is_empty()).map(|(name, _)| name));
        compared += 1;
    }
    (alive, format!("{compared} worlds of {seed}, {rows} rows equal"))
}

/// Every derived relation, as clingo would print it.
fn derived(engine: &Engine) -> Rows {
    let relations = engine.program().relations().filter(|info| info.kind != RelationKind::Input);
    let rows = |name: &str| {
        let rows = engine.rows(name);
        rows.iter().map(|row| row.iter().map(Value::plain).collect()).collect()
    };
    relations.map(|info| (info.name.to_string(), rows(&info.name))).collect()
}

/// The one answer set of a program, by relation.
fn solve(clingo: &std::path::Path, program: &str) -> Rows {
    let mut child = Command::new(clingo)
        .args(["--outf=2", "--warn=none", "2", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("clingo starts");
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(program.as_bytes()).expect("clingo reads its program");
    drop(input);
    let output = child.wait_with_output().expect("clingo ends");
    let said = String::from_utf8_lossy(&output.stderr);
    let answer: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    let models = answer["Call"][0]["Witnesses"].as_array().cloned().unwrap_or_default();
    assert_eq!(models.len(), 1, "stratified rules have one model: {said}");
    let mut rows = Rows::new();
    for atom in models[0]["Value"].as_array().into_iter().flatten() {
        let (name, row) = parse(atom.as_str().expect("atoms are texts"));
        rows.entry(name).or_default().insert(row);
    }
    rows
}

/// Reads `name("a\"b",3)`.
fn parse(atom: &str) -> (String, Vec<String>) {
    let Some((name, rest)) = atom.split_once('(') else { return (atom.to_owned(), Vec::new()) };
    let mut row = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for char in rest[..rest.len() - 1].chars() {
        let value = row.last_mut().expect("there is always one");
        match char {
            'n' if escaped => value.push('\n'),
            _ if escaped => value.push(char),
            '\\' => {}
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(String::new()),
            _ => value.push(char),
        }
        escaped = char == '\\' && !escaped;
    }
    (name.to_owned(), row)
}

#[test]
fn atoms_are_read_as_they_are_printed() {
    let cases = [
        (r#"p"#, "p", vec![]),
        (r#"p(1,-2)"#, "p", vec!["1", "-2"]),
        (r#"p("a, b","c\"d\\","e\nf")"#, "p", vec!["a, b", "c\"d\\", "e\nf"]),
        (r#"p("")"#, "p", vec![""]),
    ];
    for (text, name, row) in cases {
        let row = row.into_iter().map(str::to_owned).collect();
        assert_eq!(parse(text), (name.to_owned(), row), "{text}");
    }
}
