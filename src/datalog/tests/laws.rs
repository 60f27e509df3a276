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
    assert_eq!(change(1).1.to_string(), "e(\"s2\", \"s4\")");
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
        let file =
            RuleFile { name: "x.dl".into(), text: text.as_str().into(), origin: FileOrigin::User };
        if let Err(complaints) = check(&[file], &Builtins::new()) {
            for complaint in complaints {
                assert!(complaint.span().end as usize <= text.len(), "{text:?}");
                assert!(complaint.span().start <= complaint.span().end, "{text:?}");
                let _ = format!("{:?}", miette::Report::new(complaint));
            }
        }
        let _ = crate::datalog::parse_transaction("x", &text);
        let _ = (Fact::parse(&text), crate::datalog::format("x", &text));
    }
    let deep = format!("p({}1{}).", "(".repeat(5_000), ")".repeat(5_000));
    let long = format!("p(1{}).", " + 1".repeat(50_000));
    for text in [deep, long] {
        assert!(Fact::parse(&text).is_err());
    }
}
