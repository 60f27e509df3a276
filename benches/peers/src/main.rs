//! The engine beside ascent and differential-dataflow, on the same program and the same facts.
//!
//! The program is the shipped `rules/*.dl` with `benches/eval/cases.dl`, as `hence rules export
//! --to souffle` writes it: built-ins, texts, arithmetic and `join` stand in tables of the calls
//! used, orders that are not those of numbers in tables of ranks, and every value is a number. So
//! the peers are spared computing and interning texts, and ours is measured twice: on the same
//! tables, and on the shipped rules as they are, texts included.
//!
//! ```text
//! cd benches/peers && cargo run --release -- [UNITS [ROUNDS]]
//! ```
//! Before a time is printed, every derived relation of all four is compared row for row, after
//! loading and after the change.

#![allow(clippy::print_stdout, reason = "a bench prints its table")]

/// The allocator of the program itself, for all of them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod ascent_text;
mod compare;
mod differential;
mod measure;
mod order;
mod ours;
mod peer;
mod program;
mod reader;
mod shipped;
#[path = "../../eval/world.rs"]
mod world;

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

use hence::datalog::Engine;
use hence::datalog::Fact;
use hence::datalog::Transaction;

use crate::program::Facts;
use crate::program::Program;
use crate::shipped::Derived;
use crate::world::fact;

/// Rows that came and went, by relation.
type Change = Vec<(usize, Vec<i32>, bool)>;

/// What all of them start from.
struct Case {
    program: Program,
    /// Facts and tables before the change, and after it.
    facts: [Facts; 2],
    change: Change,
    /// What the shipped rules derive before and after.
    derived: [Derived; 2],
}

fn main() {
    let number = |at: usize, other: usize| {
        std::env::args().nth(at).and_then(|arg| arg.parse().ok()).unwrap_or(other)
    };
    let (units, rounds) = (number(1, 100), number(2, 5));
    let program = shipped::program();
    assert!(ascent_text::ascent_text(&program) == peer::TEXT, "built from other rules");
    let facts = world::facts(units);
    println!("{} facts, {units} units, {rounds} rounds", facts.len());
    let case = Arc::new(case(program, &facts, units));
    let sum = |rows: &mut dyn Iterator<Item = usize>| rows.sum::<usize>();
    println!(
        "{} rules over {} relations; {} facts with tables; {} derived rows in {} relations",
        case.program.rules.len(),
        case.program.relations.len(),
        sum(&mut case.facts[0].iter().map(Vec::len)),
        sum(&mut case.derived[0].values().map(Vec::len)),
        case.derived[0].len()
    );
    println!("the change: {} rows of inputs and tables", case.change.len());
    compare::all(&case);
    println!("equal: hence on tables, ascent, differential-dataflow; before and after the change");
    measure::all(&case, &facts, units, rounds);
}

fn case(program: Program, facts: &[Fact], units: usize) -> Case {
    let mut places = program.places.clone();
    let mut engine = shipped::engine();
    engine.load(facts.iter().cloned().map(|fact| (fact, None)));
    let mut told = |engine: &Engine| {
        let text = shipped::exported(engine);
        let facts = reader::read_facts(&text, &program, &mut places);
        (facts, shipped::derived(engine, &program, &places))
    };
    let (mut before, derived_before) = told(&engine);
    engine.transact(push(units / 2));
    let (mut after, derived_after) = told(&engine);
    for (at, (name, _)) in program.relations.iter().enumerate() {
        if name.starts_with("order__") {
            rank_together(&mut before[at], &mut after[at]);
        }
    }
    let mut change = Change::new();
    for at in 0..program.relations.len() {
        let old: HashSet<&Vec<i32>> = before[at].iter().collect();
        let new: HashSet<&Vec<i32>> = after[at].iter().collect();
        change.extend(old.difference(&new).map(|row| (at, (*row).clone(), false)));
        change.extend(new.difference(&old).map(|row| (at, (*row).clone(), true)));
    }
    Case { program, facts: [before, after], change, derived: [derived_before, derived_after] }
}

/// Fifty manifests of a unit replaced by new ones.
fn push(unit: usize) -> Transaction {
    let name = world::unit(unit);
    let change = |at: usize| {
        let digest = format!("new-{}", world::manifest(unit, at));
        fact!("renders", &name, world::object(unit, at), digest, "v1", 4, format!("{at:03}"))
    };
    Transaction { inserts: (0..world::OBJECTS).map(change).collect(), deletes: Vec::new() }
}

/// One rank for each value of two tables: what one of them has more would move all later ranks.
fn rank_together(before: &mut [Vec<i32>], after: &mut [Vec<i32>]) {
    let ranked = |rows: &[Vec<i32>]| {
        let mut rows = rows.to_vec();
        rows.sort_by_key(|row| row[1]);
        rows.into_iter().map(|row| row[0]).collect::<Vec<i32>>()
    };
    let (old, new) = (ranked(before), ranked(after));
    let (in_old, in_new): (HashSet<i32>, HashSet<i32>) =
        (old.iter().copied().collect(), new.iter().copied().collect());
    let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
    let mut ranks: HashMap<i32, i32> = HashMap::new();
    loop {
        // What both have stands in the same order in both: own values of either go before it.
        let own = old.next_if(|value| !in_new.contains(value));
        let own = own.or_else(|| new.next_if(|value| !in_old.contains(value)));
        let both = |old: Option<i32>, new: Option<i32>| {
            assert_eq!(old, new, "both tables have one order");
            old
        };
        let Some(value) = own.or_else(|| both(old.next(), new.next())) else { break };
        let rank = i32::try_from(ranks.len()).expect("fewer values than that");
        ranks.insert(value, rank);
    }
    for row in before.iter_mut().chain(after) {
        row[1] = ranks[&row[0]];
    }
}

/// A row of inputs as facts of the engine on tables; those of derived relations are its rules.
fn table_facts(program: &Program, facts: &Facts) -> Vec<Fact> {
    let inputs = (0..program.relations.len()).filter(|at| program.is_input(*at));
    let rows = inputs.flat_map(|at| facts[at].iter().map(move |row| (at, row)));
    rows.map(|(at, row)| ours::fact(program, at, row)).collect()
}

/// The change, or what takes it back.
fn transaction(program: &Program, change: &Change, back: bool) -> Transaction {
    let of = |comes: bool| {
        let rows = change.iter().filter(move |(_, _, came)| (*came != back) == comes);
        rows.map(|(at, row, _)| ours::fact(program, *at, row)).collect()
    };
    Transaction { inserts: of(true), deletes: of(false) }
}
