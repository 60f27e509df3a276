//! Laws that hold whatever the program is: undo, split, order of files, and `why_not` that leads
//! on.

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::Config;
use proptest::test_runner::TestRunner;

use crate::datalog::Builtins;
use crate::datalog::Engine;
use crate::datalog::EngineOptions;
use crate::datalog::Fact;
use crate::datalog::FailedRule;
use crate::datalog::FileOrigin;
use crate::datalog::Program;
use crate::datalog::QueryOptions;
use crate::datalog::Reader;
use crate::datalog::RuleFile;
use crate::datalog::Transaction;
use crate::datalog::Value;
use crate::datalog::check;
use crate::datalog::program::RelationKind;
use crate::datalog::proof::Failure;
use crate::datalog::tests::random::Dice;
use crate::datalog::tests::random::change;
use crate::datalog::tests::random::program;
use crate::datalog::tests::random::random_fact;
use crate::datalog::tests::random::transaction;
use crate::datalog::value::Row;

fn options() -> EngineOptions {
    EngineOptions { elastic_percent: 100_000, ..EngineOptions::default() }
}

fn engine(program: &Program) -> Engine {
    Engine::new(program.clone(), Builtins::new(), options())
}

/// Every row of every relation with its rank.
fn state(engine: &Engine) -> Vec<(String, Row, u32)> {
    let reader = engine.reader();
    let mut all = Vec::new();
    for info in engine.program().relations() {
        for row in engine.rows(&info.name) {
            let rank = reader.rank(&Fact::new(info.name.clone(), row.clone())).unwrap();
            all.push((info.name.to_string(), row, rank));
        }
    }
    all
}

fn check_laws(test: impl Fn(&[u64], &[Vec<u32>])) {
    let config = Config { cases: 40, failure_persistence: None, ..Config::default() };
    let strategy = (vec(any::<u64>(), 8..20), vec(vec(any::<u32>(), 1..10), 2..8));
    let outcome = TestRunner::new(config).run(&strategy, |(seeds, transactions)| {
        test(&seeds, &transactions);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn a_change_and_its_undo_leave_no_trace() {
    check_laws(|seeds, transactions| {
        let mut engine = engine(&program(seeds).1);
        engine.transact(transaction(&transactions[0], 6));
        for codes in &transactions[1..] {
            let before = state(&engine);
            let asserted: Vec<Fact> = engine.inputs().collect();
            let there = transaction(codes, 1);
            engine.transact(there);
            let now: Vec<Fact> = engine.inputs().collect();
            let gone = asserted.iter().filter(|fact| !now.contains(fact)).cloned().collect();
            let come = now.iter().filter(|fact| !asserted.contains(fact)).cloned().collect();
            engine.transact(Transaction { inserts: gone, deletes: come });
            assert_eq!(state(&engine), before);
        }
    });
}

#[test]
fn the_way_there_does_not_matter() {
    check_laws(|seeds, transactions| {
        let (_, program) = program(seeds);
        let (mut whole, mut split) = (engine(&program), engine(&program));
        for codes in transactions {
            whole.transact(transaction(codes, 3));
            let parts = transaction(codes, 3);
            for fact in parts.deletes.into_iter().rev() {
                split.transact(Transaction { deletes: vec![fact], inserts: Vec::new() });
            }
            for fact in parts.inserts {
                split.transact(Transaction { deletes: Vec::new(), inserts: vec![fact] });
            }
        }
        assert_eq!(state(&whole), state(&split));
        let mut last = engine(&program);
        let mut inserts: Vec<Fact> = whole.inputs().collect();
        inserts.reverse();
        last.transact(Transaction { inserts, deletes: Vec::new() });
        assert_eq!(state(&whole), state(&last));
    });
}

#[test]
fn repeating_a_clause_changes_nothing() {
    check_laws(|seeds, transactions| {
        let doubled: Vec<u64> = seeds.iter().chain(seeds.iter().rev()).copied().collect();
        let (mut once, mut twice) = (engine(&program(seeds).1), engine(&program(&doubled).1));
        for codes in transactions {
            let (a, b) =
                (once.transact(transaction(codes, 2)), twice.transact(transaction(codes, 2)));
            assert_eq!(a, b);
        }
        assert_eq!(state(&once), state(&twice));
    });
}

/// The same facts under other names: only what compares names may differ, and nothing here does.
#[test]
fn names_do_not_matter() {
    let text = "
        .input e(a: symbol, b: symbol)
        .input u(a: symbol)
        .output reach(a: symbol, b: symbol)
        .output out(a: symbol)
        .output degree(a: symbol, n: number)
        reach(A, B) :- e(A, B).
        reach(A, C) :- reach(A, B), e(B, C).
        out(A) :- u(A), !reach(A, A).
        degree(A, N) :- u(A), N = count : { reach(A, _) }.";
    let turned = |value: &Value| match value.as_symbol() {
        Some(name) => Value::from(name.chars().rev().collect::<String>()),
        None => value.clone(),
    };
    let rename = |fact: &Fact| {
        Fact::new(fact.relation.clone(), fact.row.iter().map(turned).collect::<Row>())
    };
    let mut dice = Dice(0x1234_5678_9abc_def1);
    let (mut plain, mut other) =
        (crate::datalog::tests::engine(text), crate::datalog::tests::engine(text));
    for _ in 0..300 {
        let node = |dice: &mut Dice| Value::from(format!("n{}", dice.roll(6)));
        let fact = match dice.roll(3) {
            0 => Fact::new("u", vec![node(&mut dice)]),
            _ => Fact::new("e", vec![node(&mut dice), node(&mut dice)]),
        };
        let change = |fact: Fact, comes: bool| match comes {
            true => Transaction { inserts: vec![fact], deletes: Vec::new() },
            false => Transaction { inserts: Vec::new(), deletes: vec![fact] },
        };
        let comes = dice.chance(55);
        plain.transact(change(fact.clone(), comes));
        other.transact(change(rename(&fact), comes));
        let named = |(relation, row, rank): (String, Row, u32)| {
            (relation, row.iter().map(turned).collect::<Row>(), rank)
        };
        let mut want: Vec<_> = state(&plain).into_iter().map(named).collect();
        let mut have = state(&other);
        want.sort();
        have.sort();
        assert_eq!(have, want);
    }
}

/// Facts that a relation is not reached from leave it as it is, and cost it nothing.
#[test]
fn what_is_not_read_does_not_matter() {
    check_laws(|seeds, transactions| {
        let (text, _) = program(seeds);
        let file = RuleFile {
            name: "r.dl".into(),
            text: format!(
                "{text}.input far(a: symbol)\n.output away(a: symbol)\naway(A) :- far(A)."
            )
            .into(),
            origin: FileOrigin::BuiltIn,
        };
        let mut engine = engine(&check(&[file], &Builtins::new()).unwrap());
        for codes in transactions {
            engine.transact(transaction(codes, 2));
            let far = |name: &str| Fact::new("far", vec![name.into()]);
            let inserts = vec![far("x"), far("s1")];
            let delta = engine.transact(Transaction { inserts, deletes: Vec::new() });
            let touched = delta.added.keys().chain(delta.removed.keys());
            assert!(touched.clone().all(|name| ["far", "away"].contains(&&**name)), "{delta:?}");
            engine.transact(Transaction { inserts: Vec::new(), deletes: vec![far("x")] });
        }
    });
}

/// A long look for text that the parser cannot bear: shipped rules, broken in random places.
#[test]
#[ignore = "long: a hundred thousand broken texts"]
fn broken_rules_are_read_without_a_panic() {
    let shipped: Vec<String> =
        ["schema", "prune", "status", "shows", "ownership", "drift", "sources"]
            .iter()
            .map(|name| {
                let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
                std::fs::read_to_string(root.join(format!("rules/{name}.dl"))).unwrap()
            })
            .collect();
    let mut dice = Dice(0x5eed_0000_0000_0001);
    for _ in 0..100_000 {
        let whole = &shipped[dice.roll(shipped.len())];
        let start = floor(whole, dice.roll(whole.len()));
        let mut text = whole[start..floor(whole, start + dice.roll(400))].to_owned();
        for _ in 0..1 + dice.roll(6) {
            let at = floor(&text, dice.roll(text.len() + 1));
            let to = floor(&text, (at + dice.roll(12)).min(text.len()));
            match dice.roll(4) {
                0 => text.replace_range(at..to, ""),
                1 => text.insert_str(
                    at,
                    ["\"", "(", "}", ".", ":-", "≤", "\\", "//", "[", "\0"][dice.roll(10)],
                ),
                2 => {
                    let again = text[at..to].to_owned();
                    text.insert_str(at, &again);
                }
                _ => text.truncate(to),
            }
        }
        read_in_every_way(&text);
    }
}

/// The next boundary of a character at or below `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn why_not(reader: &Reader, fact: &Fact) -> Vec<FailedRule> {
    let answer = reader.why_not(&fact.pattern(), &QueryOptions::default());
    assert!(answer.complete);
    answer.value
}

#[test]
fn why_not_names_what_is_missing() {
    check_laws(|seeds, transactions| {
        let (_, program) = program(seeds);
        let mut engine = engine(&program);
        engine.transact(transaction(&transactions[0], 6));
        let reader = engine.reader();
        let mut dice = Dice(seeds[0] | 1);
        for info in program.relations().filter(|info| info.kind != RelationKind::Input) {
            let fact = random_fact(&mut dice, &info.name);
            let rules = why_not(&reader, &fact);
            let holds = reader.why(&fact, &QueryOptions::default()).value.is_some();
            assert_eq!(rules.len(), if holds { 0 } else { info.writers.len() }, "{fact}");
            for rule in rules {
                advance(&reader, &fact, &rule);
            }
        }
    });
}

/// Doing what a failed rule asks for makes it get further, or fire.
fn advance(reader: &Reader, fact: &Fact, rule: &FailedRule) {
    let is_input = |name: &str| {
        reader.program().relation(name).is_some_and(|info| info.kind == RelationKind::Input)
    };
    let mut remedy = Transaction::default();
    match &rule.failure {
        Failure::Missing { pattern, .. } if is_input(&pattern.relation) => {
            let Some(missing) = pattern.as_fact() else { return };
            remedy.inserts.push(missing);
        }
        Failure::Blocked { fact, .. } if is_input(&fact.relation) => {
            let Some(at) = rule.failing.find('_') else {
                remedy.deletes.push(fact.clone());
                return step(reader, remedy, fact, rule);
            };
            let _ = at; // Other facts may match the pattern too: one deletion need not be enough.
            return;
        }
        _ => return,
    }
    step(reader, remedy, fact, rule);
}

fn step(reader: &Reader, remedy: Transaction, fact: &Fact, rule: &FailedRule) {
    let keyed = remedy.inserts.iter().any(|fact| &*fact.relation == "k");
    let stated = remedy.deletes.iter().any(|fact| matches!(&*fact.relation, "k" | "u"));
    if keyed
        || stated
        || reader.program().relation(&fact.relation).unwrap().kind == RelationKind::Input
    {
        return; // A key takes another fact away, a stated fact does not go.
    }
    let fork = reader.what_if(remedy, &QueryOptions::default()).value;
    let after = why_not(fork.reader(), fact);
    let label = &rule.clause.as_ref().unwrap().label;
    let same = after.iter().find(|other| other.clause.as_ref().unwrap().label == *label);
    if let Some(same) = same {
        let further = same.matched.len() > rule.matched.len();
        assert!(
            further || same.failing != rule.failing,
            "{fact}: still {} after it was given",
            same.failing
        );
    }
}

#[test]
fn changes_are_what_they_were() {
    // The seeds of failures mean something only while a code stands for the same change.
    assert_eq!(change(1).1.to_string(), "e(\"s4\", \"s0\")");
}

#[test]
fn any_text_is_read_without_a_panic() {
    const PIECES: &[&str] = &[
        ".decl p(a: symbol)",
        ".input q(a: number, b: T) key(a)",
        "p(X)",
        " :- ",
        "q(X, _)",
        "!",
        ".",
        ",",
        "N = count : { p(_) }",
        "(A, B) = best X, Y by Z desc : {",
        "}",
        "\"",
        "\\",
        "v\"1.2\"",
        "t\"x\"",
        "5m1h",
        "[a/b]",
        "///",
        "//",
        "1.5.",
        "-",
        "+",
        "*",
        "(",
        ")",
        ";",
        "<:",
        "≤",
        "\u{0}",
        ".type T <: symbol",
        "error(f(X))",
        "cat(",
        "X",
        "_",
        "join(\", \", 3, X)",
        ".limitsize p(n=1)",
        "99999999999999999999",
        "\n",
    ];
    let mut dice = Dice(0x5eed_1234_5678_9abd);
    for _ in 0..3_000 {
        let mut text = String::new();
        for _ in 0..dice.roll(40) {
            text.push_str(PIECES[dice.roll(PIECES.len())]);
            text.push_str(if dice.chance(30) { " " } else { "" });
        }
        read_in_every_way(&text);
    }
    let deep = format!("p({}1{}).", "(".repeat(5_000), ")".repeat(5_000));
    let long = format!("p(1{}).", " + 1".repeat(50_000));
    for text in [deep, long] {
        assert!(Fact::parse(&text).is_err());
    }
}

/// Reads a text as everything that it could be; complaints point into it, and what is printed from
/// it reads back as the same.
fn read_in_every_way(text: &str) {
    let file = RuleFile { name: "x.dl".into(), text: text.into(), origin: FileOrigin::User };
    if let Err(complaints) = check(&[file], &Builtins::new()) {
        for complaint in complaints {
            assert!(complaint.span().end as usize <= text.len(), "{text:?}");
            assert!(complaint.span().start <= complaint.span().end, "{text:?}");
            assert!(complaint.places().iter().all(|place| place.line > 0 && place.column > 0));
            let _ = format!("{:?}", miette::Report::new(complaint));
        }
    }
    let _ = crate::datalog::parse_transaction("x", text);
    if let Ok(fact) = Fact::parse(text) {
        assert_eq!(Fact::parse(&fact.to_string()).unwrap(), fact);
    }
    if let Ok(once) = crate::datalog::format("x", text) {
        assert_eq!(crate::datalog::format("x", &once).unwrap(), once, "{text:?}");
    }
}
