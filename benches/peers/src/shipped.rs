//! The shipped rules with the cases of the bench, on the engine as it is, and what it exports.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use hence::datalog::Dialect;
use hence::datalog::Engine;
use hence::datalog::EngineOptions;
use hence::datalog::Value;
use hence::datalog::export;
use hence::rules;

use crate::order;
use crate::order::Size;
use crate::ours;
use crate::program::Facts;
use crate::program::Places;
use crate::program::Program;
use crate::reader;
use crate::world;

/// Rows of each compared relation, sorted.
pub type Derived = BTreeMap<usize, Vec<Vec<i32>>>;

/// Units of the world from which the sizes of relations are known.
const FEW: usize = 20;

/// The engine, without facts.
pub fn engine() -> Engine {
    let cases = rules::user_file("cases.dl", include_str!("../../eval/cases.dl"));
    let program = rules::load(vec![cases]).expect("the rules check");
    let options = EngineOptions { user_work_max: u64::MAX, ..EngineOptions::default() };
    Engine::new(program, rules::builtins(), options)
}

/// Program and facts as text.
pub fn exported(engine: &Engine) -> String {
    export(engine, &rules::builtins(), Dialect::Souffle).expect("no fault")
}

/// The exported program, its conditions in the order of both peers.
pub fn program() -> Program {
    let mut shipped = engine();
    shipped.load(world::facts(FEW).into_iter().map(|fact| (fact, None)));
    let text = exported(&shipped);
    let mut program = reader::read(&text);
    let facts = reader::read_facts(&text, &program, &mut program.places.clone());
    let derived = program.derived.clone();
    program.stated = facts.clone();
    for (at, rows) in program.stated.iter_mut().enumerate() {
        if !derived.contains(&at) {
            rows.clear();
        }
    }
    let sizes = sizes(&program, &facts);
    order::order(&mut program, &sizes);
    program
}

/// What a small world has in each relation.
fn sizes(program: &Program, facts: &Facts) -> Vec<Size> {
    let mut engine = ours::engine(program);
    let inputs = (0..program.relations.len()).filter(|at| program.is_input(*at));
    let rows = inputs.flat_map(|at| facts[at].iter().map(move |row| (at, row)));
    engine.load(rows.map(|(at, row)| (ours::fact(program, at, row), None)));
    let size = |(name, arity): &(String, usize)| {
        let rows = engine.rows(name);
        let different = |at| rows.iter().map(|row| &row[at]).collect::<BTreeSet<&Value>>().len();
        Size { rows: rows.len(), values: (0..*arity).map(different).collect() }
    };
    program.relations.iter().map(size).collect()
}

/// Every derived relation, by the places of its texts.
pub fn derived(engine: &Engine, program: &Program, places: &Places) -> Derived {
    let mut derived = Derived::new();
    for at in &program.outputs {
        let name = &program.relations[*at].0;
        let rows = engine.rows(name.strip_suffix("__").unwrap_or(name));
        let value = |value: &Value| match value {
            Value::Number(number) => i32::try_from(*number).expect("the export saw to it"),
            other => places.known(&other.plain()),
        };
        let row = |row: Vec<Value>| row.iter().map(value).collect();
        let mut rows: Vec<Vec<i32>> = rows.into_iter().map(row).collect();
        rows.sort();
        derived.insert(*at, rows);
    }
    derived
}
