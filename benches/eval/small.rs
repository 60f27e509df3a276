//! Programs of a few lines that bring one thing to its end: extrema, deletion in graphs, proofs.

use hence::datalog::Builtins;
use hence::datalog::Engine;
use hence::datalog::EngineOptions;
use hence::datalog::Fact;
use hence::datalog::FileOrigin;
use hence::datalog::QueryOptions;
use hence::datalog::RuleFile;
use hence::datalog::Transaction;
use hence::datalog::check;

use crate::measure::Times;
use crate::measure::line;
use crate::world::fact;

/// An engine with these rules; `user` rules are paid for by their file.
fn engine(rules: &str, user: &str) -> Engine {
    let file = |name: &str, text: &str, origin| RuleFile {
        name: name.to_owned(),
        text: text.into(),
        origin,
    };
    let files = [file("a.dl", rules, FileOrigin::BuiltIn), file("b.dl", user, FileOrigin::User)];
    let program = check(&files, &Builtins::new()).expect("the programs of the bench check");
    Engine::new(program, Builtins::new(), EngineOptions::default())
}

fn insert(facts: Vec<Fact>) -> Transaction {
    Transaction { inserts: facts, deletes: Vec::new() }
}

fn delete(facts: Vec<Fact>) -> Transaction {
    Transaction { inserts: Vec::new(), deletes: facts }
}

/// The extremum of a group of 10,000 is removed and restored; other groups stand beside it.
pub(crate) fn extrema() {
    let folds = [
        ("min", "V = min X : { m(G, _, X) }"),
        ("max", "V = max X : { m(G, _, X) }"),
        ("best", "V = best O by X desc, O : { m(G, O, X) }"),
        ("count", "V = count : { m(G, _, _) }"),
        ("sum", "V = sum X : { m(G, _, X) }"),
    ];
    for (name, fold) in folds {
        let rules = format!(
            ".input g(g: number)\n.input m(g: number, o: number, x: number)\n\
             .output r(g: number, v: number)\nr(G, V) :- g(G), {fold}.\n"
        );
        let mut engine = engine(&rules, "");
        let mut facts: Vec<Fact> = (0..3).map(|group| fact!("g", group)).collect();
        facts.extend((0..3).flat_map(|group| (1..=10_000).map(move |x| fact!("m", group, x, x))));
        engine.transact(insert(facts));
        let extremum: usize = if name == "min" { 1 } else { 10_000 };
        let row = || vec![fact!("m", 1, extremum, extremum)];
        let (mut away, mut back, mut probed) = (Times::default(), Times::default(), 0);
        for _ in 0..1_000 {
            let (gone, come) = (delete(row()), insert(row()));
            let delta = away.time(|| engine.transact(gone));
            assert_eq!(delta.added["r"].len(), 1, "the group has another value: {name}");
            probed = probed.max(engine.effort().probed);
            back.time(|| engine.transact(come));
            probed = probed.max(engine.effort().probed);
        }
        let text = format!("away {}  back {}  {probed} probed", away.text(), back.text());
        line(&format!("extremum of 10,000: {name}"), &text);
    }
}

const REACH: &str = ".input e(a: number, b: number)\n.output r(a: number, b: number)\n\
                     r(A, B) :- e(A, B).\nr(A, C) :- r(A, B), e(B, C).\n";

/// One edge of a graph is deleted and put back.
pub(crate) fn deletion() {
    let mut layered = Vec::new();
    for layer in 1..10_usize {
        for (at, step) in (0..100).flat_map(|at| (0..20).map(move |step| (at, step))) {
            let (a, b) = ((layer - 1) * 100 + at, layer * 100 + (at + step * 7) % 100);
            layered.push(fact!("e", a, b));
        }
    }
    let mut ring: Vec<Fact> = (0..200).map(|at| fact!("e", at, (at + 1) % 200)).collect();
    ring.extend((0..200).step_by(10).map(|at| fact!("e", at, (at + 37) % 200)));
    let cycle: Vec<Fact> = (0..200).map(|at| fact!("e", at, (at + 1) % 200)).collect();
    for (name, edges) in
        [("layered, out-degree 20", layered), ("ring with shortcuts", ring), ("one cycle", cycle)]
    {
        let mut engine = engine(REACH, "");
        engine.transact(insert(edges.clone()));
        let rows = engine.rows("r").len();
        let (mut times, mut most, mut gone) = (Times::default(), 0, 0);
        for at in 0..50 {
            let edge = edges[at * 31 % edges.len()].clone();
            let delta = times.time(|| engine.transact(delete(vec![edge.clone()])));
            most = engine.effort().overdeleted.max(most);
            gone = delta.removed.get("r").map_or(0, Vec::len).max(gone);
            engine.transact(insert(vec![edge]));
        }
        let counted = format!("{rows} rows; most taken out {most}, most gone {gone}");
        line(&format!("edge deletion: {name}"), &format!("{}  {counted}", times.text()));
    }
}

/// Proofs of facts that have much behind them, as text.
pub(crate) fn proofs() {
    let rules = ".input p(a: number, b: symbol)\n.output q(a: number)\n\
                 .output n(a: number, n: number)\n.output w(a: number, b: symbol)\n\
                 .input e(a: number, b: number)\n.input start(a: number)\n\
                 .output reach(a: number)\n\
                 q(A) :- p(A, _).\nn(A, N) :- q(A), N = count : { p(A, _) }.\n\
                 w(A, B) :- q(A), B = best X by X desc : { p(A, X) }.\n\
                 reach(A) :- start(A).\nreach(B) :- reach(A), e(A, B).\n";
    let mut engine = engine(rules, "");
    let mut facts = Vec::new();
    for at in 0..60_000 {
        facts.push(fact!("p", usize::from(at >= 50_000), format!("name-{at:05}")));
    }
    for at in 0..120 {
        let (level, from, to) = (at / 4, at % 2, at / 2 % 2);
        facts.push(fact!("e", level * 2 + from, level * 2 + 2 + to));
    }
    facts.extend((1_000..1_200).map(|at| fact!("e", at, at + 1)));
    facts.extend([fact!("start", 0), fact!("start", 1_000)]);
    engine.transact(insert(facts));
    let reader = engine.reader();
    let asked = [
        ("50,000 derivations", "q(0)"),
        ("a chain of 200", "reach(1200)"),
        ("a diamond of 30 levels", "reach(60)"),
        ("a count over 10,000", "n(1, 10000)"),
        ("a winner of 10,000", "w(1, \"name-59999\")"),
    ];
    for (name, text) in asked {
        let asked = Fact::parse(text).expect("a fact");
        let (mut times, mut work) = (Times::default(), 0);
        for _ in 0..200 {
            times.time(|| {
                let answer = reader.why(&asked, &QueryOptions::default());
                work = answer.work;
                serde_json::to_string(&answer.value.expect("it holds")).expect("JSON")
            });
        }
        line(&format!("why, rendered: {name}"), &format!("{}  {work} looked at", times.text()));
    }
}

/// User's files that ask for too much are stopped: a closure of 50,000 nodes, and all pairs of
/// them; what core rules lose by it.
pub(crate) fn costly_user() {
    let core = ".input e(a: number, b: number)\n.input s(a: number)\n.output core(a: number)\n\
                core(A) :- s(A).\n";
    let closure = ".output closure(a: number, b: number)\nclosure(A, B) :- e(A, B).\n\
                   closure(A, C) :- closure(A, B), e(B, C).\n";
    let pairs = ".output pair(a: number, b: number)\npair(A, B) :- e(A, _), e(_, B), A > B + 1.\n";
    for (name, user) in [("closure", closure), ("pairs", pairs)] {
        let mut engine = engine(core, user);
        let edges = (0..50_000).map(|at| fact!("e", at, at + 1)).collect();
        let mut times = Times::default();
        let delta = times.time(|| engine.transact(insert(edges)));
        let fault = delta.faults.first().map(ToString::to_string).unwrap_or_default();
        let text = format!("{:>9.1?}  {fault}", times.at(1_000));
        line(&format!("a user's {name} of 50,000 nodes"), &text);
        let mut times = Times::default();
        times.time(|| engine.transact(insert(vec![fact!("s", 1)])));
        line("  the next commit", &format!("{:>9.1?}", times.at(1_000)));
    }
}
