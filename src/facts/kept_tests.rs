//! Starts from a fact log with and without what was derived before: the same, whatever is damaged.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::datalog::Builtins;
use crate::datalog::Delta;
use crate::datalog::Engine;
use crate::datalog::EngineOptions;
use crate::datalog::Fact;
use crate::datalog::FileOrigin;
use crate::datalog::RuleFile;
use crate::datalog::Value;
use crate::datalog::check;
use crate::facts::FactBase;
use crate::facts::Recalled;
use crate::facts::Statement;
use crate::facts::store;
use crate::facts::store::StateDir;
use crate::facts::store::StoreOptions;
use crate::model::Digest;
use crate::model::Timestamp;

const RULES: &str = ".input e(a: symbol, b: symbol)\n.input size(a: symbol, n: number) key(a)\n\
     .output r(a: symbol, b: symbol)\n.output total(n: number)\n\
     r(A, B) :- e(A, B).\nr(A, C) :- r(A, B), e(B, C).\ntotal(N) :- N = sum S : { size(_, S) }.";

fn engine(rules: &str) -> Engine {
    let file = RuleFile { name: "t.dl".into(), text: rules.into(), origin: FileOrigin::BuiltIn };
    let program = check(&[file], &Builtins::new()).unwrap();
    Engine::new(program, Builtins::new(), EngineOptions::default())
}

/// Opens the facts, with a snapshot after every few deltas; the delta tells all outputs.
fn open(path: &Path, rules: &str) -> (StateDir, FactBase, Delta) {
    let dir = StateDir::open(path).unwrap();
    let options = StoreOptions { deltas_max: 8, ..StoreOptions::new(Digest::of(b"t")) };
    let mut engine = engine(rules);
    let mut recalled = Recalled::new(&mut engine);
    let (log, recovered) = store::open(&dir, &options, &mut recalled).unwrap();
    assert!(recovered.losses.is_empty(), "{:?}", recovered.losses);
    let delta = recalled.finish(recovered.head.generation + 1);
    (dir, FactBase::new(engine, Some(log)), delta)
}

fn fact(text: &str) -> Fact {
    Fact::parse(text).unwrap()
}

fn write(path: &Path, generations: usize) {
    let (_dir, mut base, _) = open(path, RULES);
    for at in 0..generations {
        let said = vec![
            Statement::Holds(fact(&format!(r#"e("n{}", "n{}")"#, at % 7, at % 5))),
            Statement::Holds(fact(&format!(r#"size("n{}", {at})"#, at % 3))),
            Statement::Fails(fact(&format!(r#"e("n{}", "n{}")"#, (at + 3) % 7, (at + 3) % 5))),
        ];
        base.commit(said, Timestamp(at as i64)).unwrap();
        base.sync().unwrap();
    }
}

/// All inputs with since when they hold, and all outputs.
fn told(base: &FactBase, delta: &Delta) -> (Vec<(Fact, u64)>, Delta) {
    let mut inputs: Vec<(Fact, u64)> = base.reader().inputs_since().collect();
    inputs.sort();
    // What an empty engine concluded went when the facts came: no news to anybody.
    (inputs, Delta { removed: BTreeMap::new(), ..delta.clone() })
}

/// What a start from a copy of the folder tells, after the file of what was derived is changed.
fn start(from: &Path, change: impl FnOnce(&Path)) -> (Vec<(Fact, u64)>, Delta) {
    let copy = tempfile::tempdir().unwrap();
    store::copy_for_reading(from, copy.path()).unwrap();
    change(&copy.path().join("facts/derived"));
    let (_dir, base, delta) = open(copy.path(), RULES);
    told(&base, &delta)
}

#[test]
fn a_start_is_the_same_with_what_was_derived_and_without() {
    for generations in [9, 10, 14, 40] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), generations);
        let file = folder.path().join("facts/derived");
        assert!(file.exists(), "a snapshot was written after {generations}");
        let without = start(folder.path(), |file| fs::remove_file(file).unwrap());
        assert!(!without.1.added["r"].is_empty() && !without.1.added["total"].is_empty());
        assert_eq!(start(folder.path(), |_| ()), without, "{generations}");
        for damage in 0..40 {
            let damaged = start(folder.path(), |file| {
                let mut bytes = fs::read(file).unwrap();
                let at = damage * (bytes.len() - 1) / 39;
                if damage % 4 == 0 {
                    bytes.truncate(at)
                } else {
                    bytes[at] ^= 1 << (damage % 8)
                }
                fs::write(file, bytes).unwrap();
            });
            assert_eq!(damaged, without, "{generations}, damage {damage}");
        }
    }
}

#[test]
fn what_was_derived_before_an_older_snapshot_or_by_other_rules_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 9);
    let old = fs::read(folder.path().join("facts/derived")).unwrap();
    write(folder.path(), 30);
    let without = start(folder.path(), |file| fs::remove_file(file).unwrap());
    assert_eq!(start(folder.path(), |file| fs::write(file, &old).unwrap()), without);
    let rules = RULES.replace("sum S : { size(_, S) }", "count : { size(_, _) }");
    let dir = StateDir::open(folder.path()).unwrap();
    let mut other = engine(&rules);
    let mut recalled = Recalled::new(&mut other);
    let options = StoreOptions::new(Digest::of(b"t"));
    let (log, recovered) = store::open(&dir, &options, &mut recalled).unwrap();
    let (_, reversals) = recalled.finish_and_compare(recovered.head.generation + 1);
    let [total] = &*reversals else { panic!("only the total: {reversals:?}") };
    assert_eq!((&*total.relation, total.came, total.went), ("total", 1, 1));
    assert_eq!(total.first_come, Some(fact("total(3)")));
    drop((log, dir));
    let (_dir, base, delta) = open(folder.path(), &rules);
    let changed = told(&base, &delta);
    assert_eq!(changed.0, without.0, "the facts are the same");
    assert_eq!(changed.1.added["total"], [[Value::from(3)]], "what follows is derived anew");
}

#[test]
fn what_was_derived_is_used_when_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 12);
    let dir = StateDir::open(folder.path()).unwrap();
    let mut engine = engine(RULES);
    let mut recalled = Recalled::new(&mut engine);
    let options = StoreOptions::new(Digest::of(b"t"));
    let (_log, recovered) = store::open(&dir, &options, &mut recalled).unwrap();
    recalled.finish(recovered.head.generation + 1);
    assert_eq!(engine.effort().full_units, 0, "nothing was evaluated in full");
    assert!(recovered.rows > 0);
}
