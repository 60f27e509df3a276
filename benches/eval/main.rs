//! What the engine costs on the shipped rules: loading, changes, forks, proofs, restart.
//!
//! `cargo bench --bench eval -- 1150` for about a million facts (the number is the count of units).
//! Counted work stands beside every time, because a busy machine changes times and never counts.
//! One reader and one fork are open while changes are measured.

#![allow(missing_docs, reason = "a bench")]
#![allow(clippy::print_stdout, reason = "a bench prints its table")]

/// The allocator of the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod durable;
mod measure;
mod small;
mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use hence::datalog::Delta;
use hence::datalog::Engine;
use hence::datalog::EngineOptions;
use hence::datalog::Fact;
use hence::datalog::FileOrigin;
use hence::datalog::Fork;
use hence::datalog::Pattern;
use hence::datalog::QueryOptions;
use hence::datalog::Reader;
use hence::datalog::RelationInfo;
use hence::datalog::RelationKind;
use hence::datalog::Row;
use hence::datalog::Transaction;
use hence::rules;

use crate::measure::Times;
use crate::measure::line;
use crate::measure::resident;
use crate::world::Dice;
use crate::world::OBJECTS;
use crate::world::fact;

/// Units of the small world beside the large one.
const FEW: usize = 80;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [word, folder] = &*args
        && word == durable::MEMORY
    {
        return durable::memory(Path::new(folder));
    }
    let units = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(FEW);
    println!("load of the machine: {}", measure::load());
    let few = loaded(FEW.min(units));
    let changed_few = changes(few, FEW.min(units));
    if units > FEW {
        let many = loaded(units);
        let changed = changes(many, units);
        let growth =
            |at: usize| changed[at].at(500).as_secs_f64() / changed_few[at].at(500).as_secs_f64();
        let text = format!("push50 {:.2}x, health50 {:.2}x", growth(0), growth(1));
        line("p50 among many beside among few", &text);
    }
    durable::restart(world::facts(units), units);
    small::extrema();
    small::deletion();
    small::proofs();
    small::costly_user();
    println!("load of the machine: {}", measure::load());
}

/// The shipped rules and the cases of the bench.
pub(crate) fn engine() -> Engine {
    let cases = rules::user_file("cases.dl", include_str!("cases.dl"));
    let program = rules::load(vec![cases]).expect("the rules check");
    let options = EngineOptions { user_work_max: u64::MAX, ..EngineOptions::default() };
    Engine::new(program, rules::builtins(), options)
}

fn loaded(units: usize) -> Engine {
    let facts = world::facts(units);
    let given = facts.len();
    println!("\n{given} facts, {units} units");
    let mut engine = engine();
    let start = Instant::now();
    let delta = engine.load(facts.into_iter().map(|fact| (fact, None)));
    let took = start.elapsed();
    assert!(delta.faults.is_empty() && delta.refused.is_empty(), "{:?}", delta.faults);
    line("scratch: load, index, evaluate", &format!("{took:>9.1?}  {:?}", engine.effort()));
    engine
}

/// Fifty manifests of a unit replaced by new ones.
pub(crate) fn push(unit: usize, name: &str) -> Transaction {
    let owner = world::unit(unit);
    let change = |at: usize| {
        let digest = format!("{name}-{}", world::manifest(unit, at));
        fact!("renders", &owner, world::object(unit, at), digest, "v1", 4, format!("{at:03}"))
    };
    Transaction { inserts: (0..OBJECTS).map(change).collect(), deletes: Vec::new() }
}

/// Fifty objects of a unit have this health.
fn health(unit: usize, status: &str) -> Transaction {
    let change = |at| fact!("live_health", world::object(unit, at), status, "");
    Transaction { inserts: (0..OBJECTS).map(change).collect(), deletes: Vec::new() }
}

/// Commits as the fact base does: the delta has what it writes down and what others act on.
fn commit(engine: &mut Engine, transaction: Transaction) -> Delta {
    engine.transact_telling(transaction, RelationInfo::is_at_the_edge)
}

/// A reader and a fork that stay open.
fn open(engine: &Engine) -> (Reader, Fork) {
    let reader = engine.reader();
    let fork = reader.what_if(push(0, "open"), &QueryOptions::default()).value;
    (reader, fork)
}

/// What changes cost; the times of the two kinds are given back.
fn changes(mut engine: Engine, units: usize) -> [Times; 2] {
    let mut dice = Dice::new(2_463_534_242);
    let opened = open(&engine);
    let (mut pushes, mut flips) = (Times::default(), Times::default());
    let (mut cold, mut probed) = (Times::default(), [0, 0]);
    for round in 0..300 {
        let (unit, name) = (dice.roll(units), format!("new-{round}"));
        let times = if round < 10 { &mut cold } else { &mut pushes };
        let (change, flip) = (push(unit, &name), health(unit, "InProgress"));
        times.time(|| commit(&mut engine, change));
        probed[0] = probed[0].max(engine.effort().probed);
        flips.time(|| commit(&mut engine, flip));
        probed[1] = probed[1].max(engine.effort().probed);
        engine.transact(health(unit, "Current"));
    }
    line("push50: 50 manifests, the first ten", &cold.text());
    line("push50: 50 manifests", &format!("{}  at most {} probed", pushes.text(), probed[0]));
    line(
        "health50: 50 objects unhealthy",
        &format!("{}  at most {} probed", flips.text(), probed[1]),
    );
    same_unit(&mut engine);
    forks(&mut engine, units, &mut dice);
    replica(&mut engine, units, &mut dice);
    drop(opened);
    questions(&engine);
    long_run(&mut engine, units, &mut dice);
    [pushes, flips]
}

/// The same change in worlds of any size: what it counts is printed to be compared.
fn same_unit(engine: &mut Engine) {
    engine.transact(push(7, "same"));
    line("push50 of unit 7, counted", &format!("{:?}", engine.effort()));
}

/// The same kind of change as a commit and as a fork, in turn; what pinning and dropping cost.
fn forks(engine: &mut Engine, units: usize, dice: &mut Dice) {
    let [mut commits, mut pins, mut forks, mut drops] = std::array::from_fn(|_| Times::default());
    for round in 0..200 {
        let unit = dice.roll(units);
        let (own, asked) =
            (push(unit, &format!("own-{round}")), push(unit, &format!("asked-{round}")));
        commits.time(|| commit(engine, own));
        let reader = pins.time(|| engine.reader());
        let fork = forks.time(|| reader.what_if(asked, &QueryOptions::default()));
        drops.time(|| drop((fork, reader)));
    }
    for (name, times) in
        [("commit", commits), ("pin", pins), ("what_if of the same", forks), ("drop", drops)]
    {
        line(name, &times.text());
    }
}

/// The other way to let readers see one generation: a second engine, fed by deltas.
fn replica(engine: &mut Engine, units: usize, dice: &mut Dice) {
    let before = resident();
    let mut other = self::engine();
    other.load(engine.inputs().map(|fact| (fact, None)));
    let grown = resident().saturating_sub(before) / (1 << 20);
    let [mut commits, mut feeds, mut follows] = std::array::from_fn(|_| Times::default());
    for round in 0..200 {
        let change = push(dice.roll(units), &format!("replica-{round}"));
        let delta = commits.time(|| engine.transact(change));
        let fed = feeds.time(|| inputs_of(engine, &delta));
        follows.time(|| other.transact(fed));
    }
    assert_eq!(other.rows("act_apply"), engine.rows("act_apply"), "the replica is one");
    line("replica: memory more, in MiB", &grown.to_string());
    line("replica: commit", &commits.text());
    line("replica: change to send", &feeds.text());
    line("replica: follows", &follows.text());
}

/// What a delta says about inputs, as a transaction.
fn inputs_of(engine: &Engine, delta: &Delta) -> Transaction {
    let facts = |rows: &BTreeMap<Arc<str>, Vec<Row>>| {
        let is_input = |name: &str| {
            let info = engine.program().relation(name);
            info.is_some_and(|info| info.kind == RelationKind::Input)
        };
        let own = rows.iter().filter(|(name, _)| is_input(name));
        own.flat_map(|(name, rows)| rows.iter().map(|row| Fact::new(name.clone(), row.clone())))
            .collect()
    };
    Transaction { inserts: facts(&delta.added), deletes: facts(&delta.removed) }
}

fn questions(engine: &Engine) {
    let shipped = |info: &&RelationInfo| info.origin == FileOrigin::BuiltIn;
    let outputs = || engine.program().relations().filter(|info| info.output);
    let of_cases = outputs().filter(|info| !shipped(info));
    why("why, rendered", engine, outputs().filter(shipped));
    why("why of the cases of this bench, rendered", engine, of_cases);
    let (reader, options) = (engine.reader(), QueryOptions::default());
    for text in ["act_delete(_, _, _, _, _)", "act_fetch(_, _, _)"] {
        let pattern = Pattern::parse(text).expect("a pattern");
        let (mut times, mut said) = (Times::default(), String::new());
        for _ in 0..20 {
            let answer = times.time(|| reader.why_not(&pattern, &options));
            said = format!("{} rules, complete: {}", answer.value.len(), answer.complete);
        }
        line(&format!("why_not {text}"), &format!("{}  {said}", times.text()));
    }
}

/// The proofs of up to a hundred facts of each of some relations.
fn why<'a>(title: &str, engine: &Engine, relations: impl Iterator<Item = &'a RelationInfo>) {
    let (reader, options) = (engine.reader(), QueryOptions::default());
    let mut times = Times::default();
    let names: Vec<String> = relations.map(|info| info.name.to_string()).collect();
    let mut asked = 0;
    for name in &names {
        for row in engine.rows(name).into_iter().take(100) {
            let fact = Fact::new(name.as_str(), row);
            let text = times.time(|| {
                let proof = reader.why(&fact, &options).value.expect("what holds has a proof");
                serde_json::to_string(&proof).expect("a proof is JSON")
            });
            asked += usize::from(!text.is_empty());
        }
    }
    let text = format!("{}  {asked} facts of {} relations", times.text(), names.len());
    line(title, &text);
}

/// Ten thousand changes, every value new.
fn long_run(engine: &mut Engine, units: usize, dice: &mut Dice) {
    let (mut times, before) = (Times::default(), resident());
    for round in 0..10_000 {
        let (unit, at) = (dice.roll(units), dice.roll(OBJECTS));
        let name = world::unit(unit);
        let rows = (0..4).map(|step| {
            let at = (at + step) % OBJECTS;
            let digest = format!("long-{round}-{step}");
            fact!("renders", &name, world::object(unit, at), digest, "v1", 4, format!("{at:03}"))
        });
        let change = Transaction { inserts: rows.collect(), deletes: Vec::new() };
        times.time(|| commit(engine, change));
    }
    let (first, last) = (times.tenth(0).at(500), times.tenth(9).at(500));
    let ratio = last.as_secs_f64() / first.as_secs_f64();
    let growth = 100.0 * (resident() as f64 / before as f64 - 1.0);
    let text = format!(
        "p99.9 {:.1?}; last tenth / first {ratio:.2}; memory {growth:+.1} %",
        times.at(999)
    );
    line("10,000 fresh changes of 4 manifests", &text);
}
