//! Times of all of them, in turn, so that a busy minute meets each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use hence::datalog::Fact;

use crate::Case;
use crate::compare;
use crate::compare::feed;
use crate::compare::make;
use crate::compare::settle;
use crate::differential;
use crate::ours;
use crate::push;
use crate::shipped;
use crate::table_facts;
use crate::transaction;

/// Changes in a round, each taken back.
const CHANGES: u64 = 10;

/// What is measured, in the order of the table.
const ROWS: &[&str] = &[
    "scratch: hence, shipped rules and texts",
    "scratch: hence, tables",
    "scratch: ascent",
    "scratch: ascent, indexing",
    "scratch: differential-dataflow",
    "change: hence, shipped rules and texts",
    "change: hence, tables",
    "change: differential-dataflow",
];

/// Times by what was measured.
type Times = BTreeMap<&'static str, Vec<Duration>>;

/// Measures so many rounds and prints the table.
pub fn all(case: &Arc<Case>, facts: &[Fact], units: usize, rounds: usize) {
    let mut times = Times::new();
    for round in 0..rounds {
        shipped_round(&mut times, facts, units, round);
        tables_round(&mut times, case);
        let [all, indexing] = compare::ascent(&case.facts[0]).1;
        times.entry(ROWS[2]).or_default().push(all);
        times.entry(ROWS[3]).or_default().push(indexing);
        let [loaded, changed] = differential_round(case);
        times.entry(ROWS[4]).or_default().extend(loaded);
        times.entry(ROWS[7]).or_default().extend(changed);
        println!("round {} of {rounds} done", round + 1);
    }
    print(times);
}

fn shipped_round(times: &mut Times, facts: &[Fact], units: usize, round: usize) {
    let own: Vec<_> = facts.iter().cloned().map(|fact| (fact, None)).collect();
    let mut engine = shipped::engine();
    timed(times, ROWS[0], || {
        engine.load(own);
    });
    for at in 0..CHANGES as usize {
        let asked = push((units / 2 + round * 17 + at * 7) % units);
        timed(times, ROWS[5], || {
            engine.transact(asked);
        });
    }
}

fn tables_round(times: &mut Times, case: &Case) {
    let mut engine = ours::engine(&case.program);
    let own: Vec<_> =
        table_facts(&case.program, &case.facts[0]).into_iter().map(|fact| (fact, None)).collect();
    timed(times, ROWS[1], || {
        engine.load(own);
    });
    for _ in 0..CHANGES {
        let asked = transaction(&case.program, &case.change, false);
        timed(times, ROWS[6], || {
            engine.transact(asked);
        });
        engine.transact(transaction(&case.program, &case.change, true));
    }
}

/// Loads the facts, then changes them and back: how long loading and each change took.
fn differential_round(case: &Arc<Case>) -> [Vec<Duration>; 2] {
    let case = Arc::clone(case);
    differential::run(move |worker| {
        let mut flow = differential::build(worker, &case.program, &case.facts[0], None);
        let start = Instant::now();
        feed(&mut flow, &case.facts[0]);
        settle(worker, &mut flow, 1);
        let loaded = start.elapsed();
        let mut changed = Vec::new();
        for at in 1..=CHANGES {
            let start = Instant::now();
            make(&mut flow, &case.change, false);
            settle(worker, &mut flow, 2 * at);
            changed.push(start.elapsed());
            make(&mut flow, &case.change, true);
            settle(worker, &mut flow, 2 * at + 1);
        }
        [vec![loaded], changed]
    })
}

fn timed(times: &mut Times, name: &'static str, go: impl FnOnce()) {
    let start = Instant::now();
    go();
    times.entry(name).or_default().push(start.elapsed());
}

fn print(mut times: Times) {
    println!("\n{:<40} {:>10} {:>10} {:>10}", "", "median", "least", "most");
    let mut medians = BTreeMap::new();
    for name in ROWS {
        let times = times.get_mut(name).expect("each round measures all");
        times.sort();
        let median = times[times.len() / 2];
        medians.insert(*name, median.as_secs_f64());
        let (least, most) = (times[0], times[times.len() - 1]);
        println!("{name:<40} {median:>10.1?} {least:>10.1?} {most:>10.1?}");
    }
    let line = |text: &str, above: f64, below: f64| println!("{text:<40} {:>10.2}", above / below);
    println!();
    let [ours, ascent, indexing] = [ROWS[1], ROWS[2], ROWS[3]].map(|name| medians[name]);
    line("scratch: hence / ascent", ours, ascent);
    line("scratch: hence / ascent, indexing free", ours, ascent - indexing);
    line("scratch: hence / differential-dataflow", ours, medians[ROWS[4]]);
    line("change: hence / differential-dataflow", medians[ROWS[6]], medians[ROWS[7]]);
    line("hence: scratch / change", ours, medians[ROWS[6]]);
    line("differential-dataflow: scratch / change", medians[ROWS[4]], medians[ROWS[7]]);
}
