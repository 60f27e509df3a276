//! What a proof costs, counted: neither all derivations nor all members of a group are looked at.

use crate::datalog::Engine;
use crate::datalog::Fact;
use crate::datalog::Premise;
use crate::datalog::Proof;
use crate::datalog::QueryOptions;
use crate::datalog::Transaction;
use crate::datalog::Value;
use crate::datalog::tests::engine;

/// Rows that a proof may look at, whatever there is.
const LOOKS_MAX: u64 = 50;

fn fill(engine: &mut Engine, rows: i64, row: impl Fn(i64) -> Fact) {
    // Downwards, so that the smallest row is not the first one stored.
    let inserts = (0..rows).rev().map(row).collect();
    engine.transact(Transaction { inserts, deletes: Vec::new() });
}

fn proof(engine: &Engine, fact: &str) -> (Proof, u64) {
    let answer = engine.reader().why(&Fact::parse(fact).unwrap(), &QueryOptions::default());
    assert!(answer.complete);
    (answer.value.unwrap(), answer.work)
}

#[test]
fn one_of_many_derivations_is_the_smallest() {
    let mut engine = engine(
        ".input p(a: number, b: symbol)
        .output q(a: number)
        q(A) :- p(A, B), B != \"n00000\".",
    );
    fill(&mut engine, 5_000, |at| Fact::new("p", vec![1.into(), Value::from(format!("n{at:05}"))]));
    let (proof, work) = proof(&engine, "q(1)");
    assert_eq!(proof.nodes[1].conclusion, r#"p(1, "n00001")"#);
    assert!(work <= LOOKS_MAX, "{work} rows");
}

#[test]
fn a_count_is_proved_by_its_first_members() {
    let mut engine = engine(
        ".input p(a: number, b: symbol)
        .output n(a: number, n: number)
        n(A, N) :- p(A, _), N = count : { p(A, _) }.",
    );
    fill(&mut engine, 5_000, |at| Fact::new("p", vec![1.into(), Value::from(format!("n{at:05}"))]));
    let (proof, work) = proof(&engine, "n(1, 5000)");
    let Premise::Aggregate { group_size, contributors, more, .. } = &proof.nodes[0].premises[1]
    else {
        panic!("{proof:?}")
    };
    assert_eq!((*group_size, contributors.len(), *more), (5_000, 5, 4_995));
    assert_eq!(proof.nodes[contributors[4]].conclusion, r#"p(1, "n00004")"#);
    assert!(work <= LOOKS_MAX, "{work} rows");
}

#[test]
fn a_winner_is_proved_without_its_group() {
    let mut engine = engine(
        ".input p(g: number, a: symbol, n: number)
        .output best(g: number, a: symbol)
        .output top(g: number, a: symbol)
        .output least(g: number, n: number)
        .output most(g: number, n: number)
        best(G, A) :- p(G, _, _), A = best X by N desc, X : { p(G, X, N) }.
        top(G, A) :- p(G, _, _), A = top 3 X by N : { p(G, X, N) }.
        least(G, N) :- p(G, _, _), N = min M : { p(G, _, M) }.
        most(G, N) :- p(G, _, _), N = max M : { p(G, _, M) }.",
    );
    fill(&mut engine, 5_000, |at| {
        Fact::new("p", vec![1.into(), Value::from(format!("n{:05}", at % 2_500)), (at / 2).into()])
    });
    #[rustfmt::skip]
    let cases = [
        // fact                 first contributor           the first tuple that did not win
        (r#"best(1, "n02498")"#, r#"p(1, "n02498", 2499)"#,  Some("n02499")),
        (r#"top(1, "n00002")"#,  r#"p(1, "n00000", 0)"#,     Some("n00003")),
        ("least(1, 0)",          r#"p(1, "n00000", 0)"#,     None),
        ("most(1, 2499)",        r#"p(1, "n02498", 2499)"#,  None),
    ];
    for (fact, first, runner) in cases {
        let (proof, work) = proof(&engine, fact);
        let Premise::Aggregate { group_size, contributors, runner_up, .. } =
            &proof.nodes[0].premises[1]
        else {
            panic!("{proof:?}")
        };
        assert_eq!((*group_size, contributors.len()), (5_000, 5), "{fact}");
        assert_eq!(proof.nodes[contributors[0]].conclusion, first, "{fact}");
        let runner = runner.map(|name| vec![Value::from(name)]);
        assert_eq!(runner_up, &runner, "{fact}");
        assert!(work <= LOOKS_MAX, "{fact}: {work} rows");
    }
}

#[test]
fn a_diamond_and_a_long_chain_stay_small() {
    let mut engine = engine(
        ".input e(a: number, b: number)
        .input start(a: number)
        .output reach(a: number)
        reach(A) :- start(A).
        reach(B) :- reach(A), e(A, B).",
    );
    // Thirty levels of two nodes each, every node with both of the level below: 2^30 ways.
    fill(&mut engine, 120, |at| {
        let (level, from, to) = (at / 4, at % 2, at / 2 % 2);
        Fact::new("e", vec![(level * 2 + from).into(), (level * 2 + 2 + to).into()])
    });
    fill(&mut engine, 1, |_| Fact::new("start", vec![0.into()]));
    let (diamond, work) = proof(&engine, "reach(60)");
    assert_eq!(diamond.nodes.len(), 62);
    assert!(work <= 4 * 62, "{work} rows");
    fill(&mut engine, 200, |at| Fact::new("e", vec![(1_000 + at).into(), (1_001 + at).into()]));
    fill(&mut engine, 1, |_| Fact::new("start", vec![1_000.into()]));
    let (chain, work) = proof(&engine, "reach(1200)");
    assert_eq!(chain.nodes.len(), 402);
    assert!(work <= 4 * 402, "{work} rows");
}

#[test]
#[ignore = "long: times of proofs over large groups, printed"]
fn times_of_large_proofs() {
    let mut engine = engine(
        ".input p(a: number, b: symbol)
        .output q(a: number)
        .output n(a: number, n: number)
        q(A) :- p(A, _).
        n(A, N) :- q(A), N = count : { p(A, _) }.",
    );
    fill(&mut engine, 60_000, |at| {
        let group = i64::from(at >= 50_000);
        Fact::new("p", vec![group.into(), Value::from(format!("n{at:05}"))])
    });
    for fact in ["q(0)", "n(1, 10000)"] {
        let start = std::time::Instant::now();
        for _ in 0..100 {
            proof(&engine, fact);
        }
        println!("why {fact}: {:?}", start.elapsed() / 100);
    }
}
