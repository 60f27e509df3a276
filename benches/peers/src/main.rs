//! The engine beside ascent and differential-dataflow, on the same program and the same facts.
//!
//! The program is the shipped `rules/*.dl` with `benches/eval/cases.dl`, as `hence rules export
//! --to souffle` writes it: built-ins, texts, arithmetic and `join` stand in tables of the calls
//! used, orders that are not those of numbers in tables of ranks, and every value is a number. So
//! the peers are spared computing and interning texts, and ours is measured twice: on the same
//! tables, and on the shipped rules as they are, texts included.
//!
//! Before a time is printed, every derived relation of all four is compared row for row, after
//! loading and after the change.

#![allow(missing_docs, reason = "a bench")]
#![allow(clippy::print_stdout, reason = "a bench prints its table")]

mod ascent_text;
mod differential;
mod ours;
mod text;
#[path = "../../eval/world.rs"]
#[allow(dead_code, reason = "the bench of the engine alone uses more of it")]
mod world;

/// The ascent program, made by the build script.
mod peer {
    #![allow(warnings, reason = "it is generated")]
    use std::time::Duration;
    use std::time::Instant;

    include!(concat!(env!("OUT_DIR"), "/peer.rs"));

    trait Number {
        fn number(self) -> i32;
    }

    impl Number for &i32 {
        fn number(self) -> i32 {
            *self
        }
    }

    impl Number for &&i32 {
        fn number(self) -> i32 {
            **self
        }
    }

    /// The number, whether a clause bound it or an aggregate gave it.
    fn n(value: impl Number) -> i32 {
        value.number()
    }

    fn count32(rows: impl Iterator<Item = ()>) -> impl Iterator<Item = i32> {
        std::iter::once(i32::try_from(rows.count()).expect("fewer rows than that"))
    }

    fn sum32<'a>(rows: impl Iterator<Item = (&'a i32,)>) -> impl Iterator<Item = i32> {
        std::iter::once(rows.map(|(value,)| *value).sum())
    }
}

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use hence::datalog::Builtins;
use hence::datalog::Dialect;
use hence::datalog::Engine;
use hence::datalog::EngineOptions;
use hence::datalog::Fact;
use hence::datalog::RuleFile;
use hence::datalog::Transaction;
use hence::datalog::Value;
use hence::datalog::check;
use hence::datalog::export;
use hence::rules;

use crate::text::Program;
use crate::world::fact;

/// Rows that came and went, by relation.
type Change = Vec<(usize, Vec<i32>, bool)>;

/// Rows of each compared relation, sorted.
type Derived = BTreeMap<usize, Vec<Vec<i32>>>;

fn main() {
    let number = |at: usize, other: usize| {
        std::env::args().nth(at).and_then(|arg| arg.parse().ok()).unwrap_or(other)
    };
    let (units, rounds) = (number(1, 100), number(2, 5));
    let built = Program::read(include_str!("../program.dl"));
    let facts = world::facts(units);
    println!("{} facts, {units} units, {rounds} rounds", facts.len());
    let mut shipped = shipped_engine();
    shipped.load(facts.iter().cloned().map(|fact| (fact, None)));
    let before = exported(&shipped, None);
    assert!(before.same_rules(&built), "program.dl is older than the rules: start with ./run");
    let derived = derived_of(&shipped, &before);
    shipped.transact(push(units / 2));
    let after = exported(&shipped, Some(&before));
    let derived_after = derived_of(&shipped, &after);
    drop(shipped);
    let change = difference(&before, &after);
    let rows: usize = derived.values().map(Vec::len).sum();
    let loaded: usize = before.facts.iter().map(Vec::len).sum();
    println!(
        "{} rules, {} relations; {loaded} facts with tables; {rows} derived rows in {} relations",
        before.rules.len(),
        before.relations.len(),
        derived.len()
    );
    println!("the change: {} rows of inputs and tables", change.len());
    let (before, after) = (Arc::new(before), Arc::new(after));
    compare_all(&before, &after, &change, &derived, &derived_after);
    println!("equal: hence on tables, ascent, differential-dataflow; before and after the change");
    measure(&facts, units, rounds, &before, &change);
}

fn shipped_engine() -> Engine {
    let cases = rules::user_file("cases.dl", include_str!("../../eval/cases.dl"));
    let program = rules::load(vec![cases]).expect("the rules check");
    let options = EngineOptions { user_work_max: u64::MAX, ..EngineOptions::default() };
    Engine::new(program, rules::builtins(), options)
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

/// The engine's program and facts; texts keep the places that they have in `like`.
fn exported(engine: &Engine, like: Option<&Program>) -> Program {
    let text = export(engine, &rules::builtins(), Dialect::Souffle).expect("no fault");
    Program::read_like(&text, like)
}

/// Every derived relation of the shipped rules, by the places of its texts.
fn derived_of(engine: &Engine, program: &Program) -> Derived {
    let mut derived = Derived::new();
    for at in &program.outputs {
        let name = &program.relations[*at].0;
        let rows = engine.rows(name.strip_suffix("__").unwrap_or(name));
        let row = |row: Vec<Value>| {
            row.iter().map(|value| value_of(program, value)).collect::<Vec<i32>>()
        };
        let mut rows: Vec<Vec<i32>> = rows.into_iter().map(row).collect();
        rows.sort();
        derived.insert(*at, rows);
    }
    derived
}

fn value_of(program: &Program, value: &Value) -> i32 {
    match value {
        Value::Number(_) => number_of(value),
        other => program.known(&other.plain()),
    }
}

fn number_of(value: &Value) -> i32 {
    match value {
        Value::Number(number) => i32::try_from(*number).expect("the export saw to it"),
        other => panic!("{other} is no number"),
    }
}

fn difference(before: &Program, after: &Program) -> Change {
    let mut change = Change::new();
    for at in (0..before.relations.len()).filter(|at| before.is_input(*at)) {
        let old: HashSet<&Vec<i32>> = before.facts[at].iter().collect();
        let new: HashSet<&Vec<i32>> = after.facts[at].iter().collect();
        change.extend(old.difference(&new).map(|row| (at, (*row).clone(), false)));
        change.extend(new.difference(&old).map(|row| (at, (*row).clone(), true)));
    }
    change
}

fn same(who: &str, program: &Program, want: &Derived, have: &Derived) {
    for (at, want) in want {
        let have = &have[at];
        let name = &program.relations[*at].0;
        assert!(
            want == have,
            "{who}, {name}: {} rows wanted, {} found; first that differs: {:?}",
            want.len(),
            have.len(),
            want.iter().zip(have).find(|(want, have)| want != have)
        );
    }
}

fn compare_all(
    before: &Arc<Program>,
    after: &Arc<Program>,
    change: &Change,
    derived: &Derived,
    derived_after: &Derived,
) {
    let mut engine = tables_engine(before);
    engine.load(table_facts(before).into_iter().map(|fact| (fact, None)));
    same("hence on tables", before, derived, &derived_of_tables(&engine, before));
    engine.transact(transaction(before, change));
    same("hence on tables, changed", before, derived_after, &derived_of_tables(&engine, before));
    drop(engine);
    for (program, want) in [(before, derived), (after, derived_after)] {
        let peer = run_ascent(program).0;
        let rows = program.outputs.iter().map(|at| (*at, peer::rows(&peer, *at)));
        same("ascent", program, want, &rows.collect());
    }
    let [have, have_after] = differential_rows(before, change);
    same("differential-dataflow", before, derived, &have);
    same("differential-dataflow, changed", before, derived_after, &have_after);
}

fn tables_engine(program: &Program) -> Engine {
    let file = RuleFile {
        name: "tables.dl".to_owned(),
        text: ours::rule_text(program).into(),
        origin: hence::datalog::FileOrigin::BuiltIn,
    };
    let checked = check(&[file], &Builtins::new()).unwrap_or_else(|errors| {
        panic!("{:?}", miette_text(&errors));
    });
    Engine::new(checked, Builtins::new(), EngineOptions::default())
}

fn miette_text(errors: &[hence::datalog::CheckError]) -> Vec<String> {
    errors.iter().take(5).map(|error| format!("{error:?}")).collect()
}

fn table_facts(program: &Program) -> Vec<Fact> {
    let inputs = (0..program.relations.len()).filter(|at| program.is_input(*at));
    let rows = inputs.flat_map(|at| program.facts[at].iter().map(move |row| (at, row)));
    rows.map(|(at, row)| ours::fact(program, at, row)).collect()
}

fn transaction(program: &Program, change: &Change) -> Transaction {
    let of = |came: bool| {
        let rows = change.iter().filter(move |(_, _, other)| *other == came);
        rows.map(|(at, row, _)| ours::fact(program, *at, row)).collect()
    };
    Transaction { inserts: of(true), deletes: of(false) }
}

fn derived_of_tables(engine: &Engine, program: &Program) -> Derived {
    let rows = program.outputs.iter().map(|at| {
        let rows = engine.rows(&program.relations[*at].0).into_iter();
        let mut rows: Vec<Vec<i32>> =
            rows.map(|row| row.iter().map(|value| number_of(value)).collect()).collect();
        rows.sort();
        (*at, rows)
    });
    rows.collect()
}

/// Loads and evaluates: the rows, the time of it, and what indexing took of that.
fn run_ascent(program: &Program) -> (peer::Rows, [Duration; 2]) {
    let mut rows = peer::Rows::default();
    peer::fill(&mut rows, &program.facts);
    let times = peer::run(&mut rows);
    (rows, times)
}

/// Loads the facts, then makes the change: how long both took.
fn run_differential(program: &Arc<Program>, change: &Change) -> [Duration; 2] {
    let (program, change) = (Arc::clone(program), change.clone());
    differential::run(move |worker| {
        let mut flow = differential::build(worker, &program, None);
        let start = Instant::now();
        feed(&mut flow, &program);
        settle(worker, &mut flow, 1);
        let loaded = start.elapsed();
        let start = Instant::now();
        make(&mut flow, &change);
        settle(worker, &mut flow, 2);
        [loaded, start.elapsed()]
    })
}

fn differential_rows(program: &Arc<Program>, change: &Change) -> [Derived; 2] {
    let (program, change) = (Arc::clone(program), change.clone());
    differential::run(move |worker| {
        let empty = vec![HashMap::new(); program.relations.len()];
        let seen: differential::Seen = std::rc::Rc::new(std::cell::RefCell::new(empty));
        let mut flow = differential::build(worker, &program, Some(&seen));
        feed(&mut flow, &program);
        settle(worker, &mut flow, 1);
        let before = seen_rows(&seen, &program);
        make(&mut flow, &change);
        settle(worker, &mut flow, 2);
        [before, seen_rows(&seen, &program)]
    })
}

fn feed(flow: &mut differential::Dataflow, program: &Program) {
    for (at, input) in &mut flow.inputs {
        for row in &program.facts[*at] {
            input.insert(differential::wide(row));
        }
    }
}

fn make(flow: &mut differential::Dataflow, change: &Change) {
    for (at, row, came) in change {
        let input = flow.inputs.get_mut(at).expect("only inputs change");
        input.update(differential::wide(row), if *came { 1 } else { -1 });
    }
}

fn settle(worker: &mut timely::worker::Worker, flow: &mut differential::Dataflow, time: u64) {
    for input in flow.inputs.values_mut() {
        input.advance_to(time);
        input.flush();
    }
    let probe = flow.probe.clone();
    worker.step_while(|| probe.less_than(&time));
}

fn seen_rows(seen: &differential::Seen, program: &Program) -> Derived {
    let seen = seen.borrow();
    let rows = program.outputs.iter().map(|at| {
        let arity = program.relations[*at].1;
        let held = seen[*at].iter().filter(|(_, count)| **count > 0);
        let mut rows: Vec<Vec<i32>> = held.map(|(row, _)| row[..arity].to_vec()).collect();
        rows.sort();
        (*at, rows)
    });
    rows.collect()
}

/// Times of each engine, by what was measured.
type Times = BTreeMap<&'static str, Vec<Duration>>;

fn measure(facts: &[Fact], units: usize, rounds: usize, program: &Arc<Program>, change: &Change) {
    let mut times = Times::new();
    for round in 0..rounds {
        // In turn, so that a busy minute meets all of them.
        let own: Vec<_> = facts.iter().cloned().map(|fact| (fact, None)).collect();
        let mut engine = shipped_engine();
        timed(&mut times, "hence, shipped rules, texts", || {
            engine.load(own);
        });
        let asked = push(units / 2);
        timed(&mut times, "change: hence, shipped rules", || {
            engine.transact(asked);
        });
        drop(engine);
        let mut engine = tables_engine(program);
        let own: Vec<_> = table_facts(program).into_iter().map(|fact| (fact, None)).collect();
        timed(&mut times, "hence, tables", || {
            engine.load(own);
        });
        let asked = transaction(program, change);
        timed(&mut times, "change: hence, tables", || {
            engine.transact(asked);
        });
        drop(engine);
        let [all, indexing] = run_ascent(program).1;
        times.entry("ascent, tables").or_default().push(all);
        times.entry("ascent, tables, without indexing").or_default().push(all - indexing);
        let [loaded, changed] = run_differential(program, change);
        times.entry("differential-dataflow, tables").or_default().push(loaded);
        times.entry("change: differential-dataflow").or_default().push(changed);
        println!("round {} of {rounds} done", round + 1);
    }
    print(times);
}

fn timed(times: &mut Times, name: &'static str, go: impl FnOnce()) {
    let start = Instant::now();
    go();
    times.entry(name).or_default().push(start.elapsed());
}

fn print(times: Times) {
    println!("\n{:<34} {:>10} {:>10} {:>10}", "", "median", "least", "most");
    let mut medians = BTreeMap::new();
    for (name, mut times) in times {
        times.sort();
        let median = times[times.len() / 2];
        medians.insert(name, median.as_secs_f64());
        let (least, most) = (times[0], times[times.len() - 1]);
        println!("{name:<34} {median:>10.1?} {least:>10.1?} {most:>10.1?}");
    }
    let ratio = |a: &str, b: &str| medians[a] / medians[b];
    let tables = "hence, tables";
    println!("\nhence / ascent                     {:.2}", ratio(tables, "ascent, tables"));
    println!(
        "hence / ascent without indexing    {:.2}",
        ratio(tables, "ascent, tables, without indexing")
    );
    println!(
        "hence / differential-dataflow      {:.2}",
        ratio(tables, "differential-dataflow, tables")
    );
    println!("scratch / change, tables           {:.0}", ratio(tables, "change: hence, tables"));
    println!(
        "change: hence / differential       {:.3}",
        ratio("change: hence, tables", "change: differential-dataflow")
    );
}
