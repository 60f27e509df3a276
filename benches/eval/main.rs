//! What the engine costs: load, updates with and without a pinned reader, deletion, proofs, forks.
//!
//! `cargo bench --bench eval -- 1000` for about a million facts (the number is the count of units).
//! Counted work stands beside every time, because a busy machine changes times and never counts.

#![allow(clippy::print_stdout, reason = "a bench prints its table")]

use std::time::Duration;
use std::time::Instant;

use hence::datalog::Builtins;
use hence::datalog::Engine;
use hence::datalog::EngineOptions;
use hence::datalog::Fact;
use hence::datalog::FileOrigin;
use hence::datalog::Pattern;
use hence::datalog::QueryOptions;
use hence::datalog::RuleFile;
use hence::datalog::Transaction;
use hence::datalog::Value;
use hence::datalog::check;

const RULES: &str = r#"
.type Unit <: symbol
.type Object <: symbol
.type Digest <: symbol
.input wants(u: Unit, o: Object, d: Digest)
.input live(o: Object, d: Digest) key(o)
.input inventory(u: Unit, o: Object)
.input ready(o: Object)
.input owner(o: Object, p: Object)
.input field(o: Object, f: symbol, v: symbol)
.input depends(u: Unit, v: Unit)
.input suspended(u: Unit)
.output missing(u: Unit, o: Object)
.output drift(u: Unit, o: Object)
.output orphan(u: Unit, o: Object)
.output unready(u: Unit)
.output apply(u: Unit, o: Object)
.output size(u: Unit, n: number)
.output unready_count(u: Unit, n: number)
.output root(o: Object, r: Object)
.output team(o: Object, v: symbol)
missing(U, O) :- wants(U, O, _), !live(O, _).
drift(U, O) :- wants(U, O, D), live(O, L), D != L.
orphan(U, O) :- inventory(U, O), !wants(_, O, _).
unready(U) :- inventory(U, O), !ready(O).
unready(U) :- depends(U, V), unready(V).
apply(U, O) :- drift(U, O), !suspended(U), !unready(U).
apply(U, O) :- missing(U, O), !suspended(U).
size(U, N) :- depends(U, _), N = count : { inventory(U, _) }.
unready_count(U, N) :- depends(U, _), N = count : { inventory(U, O), !ready(O) }.
root(O, P) :- owner(O, P), !owner(P, _).
root(O, R) :- owner(O, P), root(P, R).
team(O, V) :- wants(_, O, _), field(O, "team", V).
"#;

/// A small generator: the same facts on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }
}

fn fact(relation: &str, row: &[&str]) -> Fact {
    Fact::new(relation, row.iter().map(|text| Value::from(*text)).collect())
}

fn object(unit: usize, at: usize) -> String {
    format!("Deployment/ns-{unit}/object-{at}")
}

/// Fifty objects per unit, twenty facts per object, in random order.
fn facts(units: usize, dice: &mut Dice) -> Vec<Fact> {
    let mut facts = Vec::new();
    for unit in 0..units {
        let name = format!("unit-{unit:05}");
        if unit > 0 {
            facts.push(fact("depends", &[&name, &format!("unit-{:05}", dice.roll(unit))]));
        }
        for at in 0..50 {
            let (object, digest) = (object(unit, at), format!("sha256:{:016x}", unit * 1000 + at));
            let live = if dice.roll(100) == 0 { "sha256:other" } else { &digest };
            facts.push(fact("wants", &[&name, &object, &digest]));
            facts.push(fact("live", &[&object, live]));
            facts.push(fact("inventory", &[&name, &object]));
            if dice.roll(200) != 0 {
                facts.push(fact("ready", &[&object]));
            }
            for pod in 0..2 {
                facts.push(fact("owner", &[&format!("{object}/pod-{pod}"), &object]));
            }
            for field in 0..14 {
                let name = if field == 0 { "team".to_owned() } else { format!("field-{field}") };
                let value = format!("value-{}", dice.roll(50));
                facts.push(fact("field", &[&object, &name, &value]));
            }
        }
    }
    for at in (1..facts.len()).rev() {
        let other = dice.roll(at + 1);
        facts.swap(at, other);
    }
    facts
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    format!("p50 {:>9.1?}  p99 {:>9.1?}", at(50), at(99))
}

fn main() {
    let units = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(50);
    let file =
        RuleFile { name: "bench.dl".into(), text: RULES.into(), origin: FileOrigin::BuiltIn };
    let program = check(&[file], &Builtins::new()).expect("the bench program is sound");
    let mut engine = Engine::new(program, Builtins::new(), EngineOptions::default());
    let mut dice = Dice(88_172_645_463_325_252);
    let inserts = facts(units, &mut dice);
    println!("{} facts", inserts.len());
    let start = Instant::now();
    engine.load(inserts.into_iter().map(|fact| (fact, None)));
    println!("scratch            {:>9.1?}  {:?}", start.elapsed(), engine.effort());
    for pinned in [false, true] {
        live50(&mut engine, units, pinned, &mut dice);
    }
    ready50(&mut engine, units, &mut dice);
    forks(&mut engine, units, &mut dice);
    questions(&engine);
}

/// Fifty digests of `unit` replaced by new ones.
fn change(unit: usize, name: &str) -> Transaction {
    let digest = |at: usize| format!("sha256:{name}-{at}");
    let inserts = (0..50).map(|at| fact("live", &[&object(unit, at), &digest(at)])).collect();
    Transaction { inserts, deletes: Vec::new() }
}

/// The same kind of change as a commit and as a fork, in turn; what pinning and dropping cost.
fn forks(engine: &mut Engine, units: usize, dice: &mut Dice) {
    let [mut commits, mut pins, mut forks, mut drops] = [const { Vec::new() }; 4];
    for round in 0..300 {
        let unit = dice.roll(units);
        let (own, asked) =
            (change(unit, &format!("own-{round}")), change(unit, &format!("asked-{round}")));
        let start = Instant::now();
        engine.transact(own);
        commits.push(start.elapsed());
        let start = Instant::now();
        let reader = engine.reader();
        pins.push(start.elapsed());
        let start = Instant::now();
        let fork = reader.what_if(asked, &QueryOptions::default());
        forks.push(start.elapsed());
        let start = Instant::now();
        drop(fork);
        drop(reader);
        drops.push(start.elapsed());
    }
    let named = [("commit", commits), ("pin", pins), ("what_if", forks), ("drop", drops)];
    for (name, times) in named {
        println!("{name:<18} {}", percentiles(times));
    }
}

/// Fifty live digests replaced, every value new, with and without a reader on the generation
/// before.
fn live50(engine: &mut Engine, units: usize, pinned: bool, dice: &mut Dice) {
    let mut times = Vec::new();
    for round in 0..200 {
        let unit = dice.roll(units);
        let digest = |at: usize| format!("sha256:new-{round}-{at}-{pinned}");
        let inserts = (0..50).map(|at| fact("live", &[&object(unit, at), &digest(at)])).collect();
        let reader = pinned.then(|| engine.reader());
        let start = Instant::now();
        engine.transact(Transaction { inserts, deletes: Vec::new() });
        times.push(start.elapsed());
        drop(reader);
    }
    let name = if pinned { "live50, pinned" } else { "live50" };
    println!("{name:<18} {}  {:?}", percentiles(times), engine.effort());
}

/// Fifty objects turn unready, which recursion spreads, and ready again.
fn ready50(engine: &mut Engine, units: usize, dice: &mut Dice) {
    let mut times = Vec::new();
    for _ in 0..200 {
        let unit = dice.roll(units);
        let facts: Vec<Fact> = (0..50).map(|at| fact("ready", &[&object(unit, at)])).collect();
        let start = Instant::now();
        engine.transact(Transaction { inserts: Vec::new(), deletes: facts.clone() });
        times.push(start.elapsed());
        engine.transact(Transaction { inserts: facts, deletes: Vec::new() });
    }
    println!("{:<18} {}  {:?}", "ready50", percentiles(times), engine.effort());
}

fn questions(engine: &Engine) {
    let (reader, options) = (engine.reader(), QueryOptions::default());
    let mut times = Vec::new();
    for row in engine.rows("root").into_iter().take(1_000) {
        let asked = Fact::new("root", row);
        let start = Instant::now();
        let proof = reader.why(&asked, &options);
        times.push(start.elapsed());
        assert!(proof.value.is_some(), "what holds has a proof");
    }
    println!("{:<18} {}", "why", percentiles(times));
    let pattern = Pattern::parse("apply(_, _)").expect("a pattern");
    let start = Instant::now();
    let rules = reader.why_not(&pattern, &options);
    println!("{:<18} {:>9.1?}  {} rules", "why_not", start.elapsed(), rules.value.len());
    let deletes = vec![fact("ready", &[&object(1, 1)])];
    let start = Instant::now();
    let fork = reader.what_if(Transaction { inserts: Vec::new(), deletes }, &options);
    println!("{:<18} {:>9.1?}  {} rows looked at", "what_if", start.elapsed(), fork.work);
}
