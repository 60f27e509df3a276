//! Every derived relation of each peer is what the shipped rules derive, row for row.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use hence::datalog::Engine;
use hence::datalog::Value;

use crate::Case;
use crate::Change;
use crate::differential;
use crate::ours;
use crate::peer;
use crate::program::Facts;
use crate::program::Program;
use crate::shipped::Derived;
use crate::table_facts;
use crate::transaction;

/// Compares all of them, before and after the change.
pub fn all(case: &Arc<Case>) {
    let Case { program, facts, change, derived } = &**case;
    let mut engine = ours::engine(program);
    engine.load(table_facts(program, &facts[0]).into_iter().map(|fact| (fact, None)));
    same("hence on tables", program, &derived[0], &of_tables(&engine, program));
    engine.transact(transaction(program, change, false));
    same("hence on tables, changed", program, &derived[1], &of_tables(&engine, program));
    drop(engine);
    for (facts, want) in facts.iter().zip(derived) {
        let peer = ascent(facts).0;
        let rows = program.outputs.iter().map(|at| (*at, peer::rows(&peer, *at)));
        same("ascent", program, want, &rows.collect());
    }
    let [have, have_after] = differential_rows(case);
    same("differential-dataflow", program, &derived[0], &have);
    same("differential-dataflow, changed", program, &derived[1], &have_after);
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

fn of_tables(engine: &Engine, program: &Program) -> Derived {
    let number = |value: &Value| match value {
        Value::Number(number) => i32::try_from(*number).expect("tables have nothing larger"),
        other => panic!("{other} is no number"),
    };
    let rows = program.outputs.iter().map(|at| {
        let rows = engine.rows(&program.relations[*at].0);
        let mut rows: Vec<Vec<i32>> =
            rows.iter().map(|row| row.iter().map(number).collect()).collect();
        rows.sort();
        (*at, rows)
    });
    rows.collect()
}

/// Loads and evaluates: the rows, the time of it, and what indexing took of that.
pub fn ascent(facts: &Facts) -> (peer::Rows, [Duration; 2]) {
    let start = Instant::now();
    let mut rows = peer::Rows::default();
    peer::fill(&mut rows, facts);
    let indexing = peer::run(&mut rows);
    (rows, [start.elapsed(), indexing])
}

fn differential_rows(case: &Arc<Case>) -> [Derived; 2] {
    let case = Arc::clone(case);
    differential::run(move |worker| {
        let Case { program, facts, change, .. } = &*case;
        let empty = vec![HashMap::new(); program.relations.len()];
        let seen: differential::Seen = Rc::new(RefCell::new(empty));
        let mut flow = differential::build(worker, program, &facts[0], Some(&seen));
        feed(&mut flow, &facts[0]);
        settle(worker, &mut flow, 1);
        let before = seen_rows(&seen, program);
        make(&mut flow, change, false);
        settle(worker, &mut flow, 2);
        [before, seen_rows(&seen, program)]
    })
}

/// Facts in.
pub fn feed(flow: &mut differential::Dataflow, facts: &Facts) {
    for (at, input) in &mut flow.inputs {
        for row in &facts[*at] {
            input.insert(differential::wide(row));
        }
    }
}

/// The change, or what takes it back.
pub fn make(flow: &mut differential::Dataflow, change: &Change, back: bool) {
    for (at, row, came) in change {
        let input = flow.inputs.get_mut(at).expect("only inputs change");
        input.update(differential::wide(row), if *came != back { 1 } else { -1 });
    }
}

/// Works until everything before this time is done.
pub fn settle(worker: &mut timely::worker::Worker, flow: &mut differential::Dataflow, time: u64) {
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
