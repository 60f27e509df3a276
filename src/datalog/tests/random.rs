//! Random programs and transactions against the oracle.
//!
//! A program is a list of clause seeds and a run is a list of small transactions, so a failure
//! shrinks to few clauses and few changes. After every transaction: all relations equal, ranks
//! exact, the delta is the difference; at the end the proofs equal those of an engine that never
//! saw the history.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::Config;
use proptest::test_runner::TestRunner;

use crate::datalog::Builtins;
use crate::datalog::Delta;
use crate::datalog::Engine;
use crate::datalog::EngineOptions;
use crate::datalog::Fact;
use crate::datalog::FileOrigin;
use crate::datalog::Program;
use crate::datalog::QueryOptions;
use crate::datalog::Reader;
use crate::datalog::RuleFile;
use crate::datalog::Transaction;
use crate::datalog::Value;
use crate::datalog::builtins::Calls;
use crate::datalog::check;
use crate::datalog::format;
use crate::datalog::program::RelationKind;
use crate::datalog::solve::Note;
use crate::datalog::tests::coverage::Coverage;
use crate::datalog::tests::coverage::Watch;
use crate::datalog::tests::naive;
use crate::datalog::tests::oracle::Oracle;
use crate::datalog::value::Row;
use crate::datalog::verify;

/// A small generator of its own: the same seed gives the same clause for ever.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % sides
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.roll(100) < percent
    }
}

/// Name, columns (`s` symbol, `n` number), level. Same level may be mutually recursive.
const RELATIONS: &[(&str, &str, usize)] = &[
    ("e", "ss", 0),
    ("f", "ss", 0),
    ("g", "sn", 0),
    ("u", "s", 0),
    ("k", "sn", 0),
    ("a0", "s", 1),
    ("a1", "ss", 1),
    ("a2", "sn", 1),
    ("b0", "ss", 2),
    ("b1", "sss", 2),
    ("c0", "sn", 3),
    ("c1", "s", 3),
    ("c2", "ss", 4),
    ("d0", "ss", 4),
    ("d1", "s", 5),
    ("d2", "n", 5),
];

const SCHEMA: &str = r#"
.input e(a: symbol, b: symbol)
.input f(a: symbol, b: symbol)
.input g(a: symbol, n: number)
.input u(a: symbol)
.input k(a: symbol, n: number) key(a)
.output a0(a: symbol)
.output a1(a: symbol, b: symbol)
.output a2(a: symbol, n: number)
.output b0(a: symbol, b: symbol)
.output b1(a: symbol, b: symbol, c: symbol)
.output c0(a: symbol, n: number)
.output c1(a: symbol)
.output c2(a: symbol, b: symbol)
.output d0(a: symbol, b: symbol)
.output d1(a: symbol)
.output d2(n: number)
k("s0", 3).
u("s4").
"#;

const SYMBOLS: usize = 5;
const NUMBERS: usize = 4;

struct Writer {
    dice: Dice,
    bound: Vec<String>,
    body: Vec<String>,
    recursive: bool,
}

impl Writer {
    fn variable(&mut self, kind: char) -> String {
        let names = if kind == 's' { ["A", "B", "C", "D"] } else { ["I", "J", "K", "L"] };
        names[self.dice.roll(4)].to_owned()
    }

    fn constant(&mut self, kind: char) -> String {
        match kind {
            's' => format!("\"s{}\"", self.dice.roll(SYMBOLS)),
            _ => self.dice.roll(NUMBERS).to_string(),
        }
    }

    fn bound_of(&mut self, kind: char) -> Option<String> {
        let wanted = if kind == 's' { 'A'..='D' } else { 'I'..='L' };
        let fit = |name: &&String| wanted.contains(&name.chars().next().unwrap());
        let fits: Vec<String> = self.bound.iter().filter(fit).cloned().collect();
        if fits.is_empty() { None } else { Some(fits[self.dice.roll(fits.len())].clone()) }
    }

    /// A bound variable or a constant.
    fn known(&mut self, kind: char) -> String {
        match self.bound_of(kind) {
            Some(name) if !self.dice.chance(10) => name,
            _ => self.constant(kind),
        }
    }

    fn relation(&mut self, from: usize, to: usize) -> (&'static str, &'static str, usize) {
        let fits: Vec<_> = RELATIONS.iter().filter(|(_, _, at)| (from..=to).contains(at)).collect();
        *fits[self.dice.roll(fits.len())]
    }

    fn positive(&mut self, level: usize) {
        let (name, columns, at) = if self.dice.chance(30) {
            self.relation(level, level)
        } else if self.dice.chance(45) {
            self.relation(0, 0)
        } else {
            self.relation(0, level - 1)
        };
        self.recursive |= at == level;
        let mut args = Vec::new();
        for kind in columns.chars() {
            args.push(match self.dice.roll(20) {
                0..3 => "_".to_owned(),
                3..5 => self.constant(kind),
                _ => self.variable(kind),
            });
        }
        self.bound.extend(args.iter().filter(|arg| arg.starts_with(char::is_uppercase)).cloned());
        self.bound.sort();
        self.bound.dedup();
        self.body.push(format!("{name}({})", args.join(", ")));
    }

    fn negative(&mut self, level: usize) {
        let (name, columns, _) = self.relation(0, level - 1);
        let mut args = Vec::new();
        for kind in columns.chars() {
            args.push(if self.dice.chance(25) { "_".to_owned() } else { self.known(kind) });
        }
        self.body.push(format!("!{name}({})", args.join(", ")));
    }

    fn comparison(&mut self) {
        let kind = if self.dice.chance(50) { 's' } else { 'n' };
        let (left, right) = (self.known(kind), self.known(kind));
        let sign = ["<", "<=", "!=", ">", ">=", "="][self.dice.roll(6)];
        self.body.push(format!("{left} {sign} {right}"));
    }

    /// An aggregate over lower relations; its own variables have two letters.
    fn aggregate(&mut self, level: usize) {
        let fits: Vec<_> =
            RELATIONS.iter().filter(|(_, columns, at)| *at < level && columns.len() > 1).collect();
        let (name, columns, _) = *fits[self.dice.roll(fits.len())];
        let key = match self.bound_of('s') {
            Some(key) if self.dice.chance(75) => key,
            _ => "_".to_owned(),
        };
        let last = columns.chars().last().unwrap();
        let mut args = vec![key.clone()];
        for _ in 2..columns.len() {
            args.push("_".to_owned());
        }
        args.push("XX".to_owned());
        let mut body = format!("{name}({})", args.join(", "));
        match self.dice.roll(4) {
            0 => write!(body, ", XX != {}", self.constant(last)).unwrap(),
            1 if !self.recursive && last == 's' => write!(body, ", !u(XX)").unwrap(),
            2 if !self.recursive => {
                let other = self.known(last);
                write!(body, ", XX >= {other}").unwrap();
            }
            _ => {}
        }
        let number =
            ["I", "J", "K", "L"].into_iter().find(|name| !self.bound.iter().any(|b| b == name));
        let symbol =
            ["A", "B", "C", "D"].into_iter().find(|name| !self.bound.iter().any(|b| b == name));
        let same = if last == 's' { symbol } else { number };
        let direction = if self.dice.chance(50) { "desc" } else { "asc" };
        let (target, fold) = match self.dice.roll(7) {
            0 => (number, "count".to_owned()),
            1 if last == 'n' => (number, "sum XX".to_owned()),
            2 => (same, "min XX".to_owned()),
            3 => (same, "max XX".to_owned()),
            4 => (same, format!("best XX by XX {direction}")),
            5 => (same, format!("top 2 XX by XX {direction}")),
            _ => (symbol, format!("join(\"+\", 2, XX by XX {direction})")),
        };
        let Some(target) = target else { return };
        self.body.push(format!("{target} = {fold} : {{ {body} }}"));
        self.bound.push(target.to_owned());
    }

    fn compute(&mut self) {
        let (Some(left), Some(right)) = (self.bound_of('n'), self.bound_of('n')) else { return };
        let free =
            ["I", "J", "K", "L"].into_iter().find(|name| !self.bound.iter().any(|b| b == name));
        if let Some(free) = free {
            let sign = ["+", "-", "*"][self.dice.roll(3)];
            self.body.push(format!("{free} = {left} {sign} {right}"));
            self.bound.push(free.to_owned());
        }
    }
}

/// Clauses that make random ones worth something: they fill relations and recurse.
const GROUND: &[&str] = &[
    "a1(A, B) :- e(A, B).",
    "a1(A, C) :- a1(A, B), e(B, C).",
    "a1(A, C) :- a1(A, B), a1(B, C).",
    "a1(A, B) :- a1(B, A), u(A).",
    "a0(A) :- u(A), !f(A, _).",
    "a0(B) :- a0(A), e(A, B), !u(B).",
    "a0(B) :- a1(A, B), a0(A).",
    "a2(A, I) :- g(A, I).",
    "a2(B, I) :- a2(A, I), f(A, B).",
    "a2(A, I) :- k(A, I), a0(A).",
    "b0(A, B) :- f(A, B), !a1(A, B).",
    "b0(A, C) :- b0(A, B), a1(B, C).",
    "b0(A, B) :- b1(A, _, B).",
    "b1(A, B, C) :- e(A, B), b0(B, C).",
    "b1(A, A, A) :- a0(A).",
    "c0(A, I) :- u(A), I = count : { a1(A, _) }.",
    "c0(A, I) :- a0(A), I = sum XX : { a2(A, XX) }.",
    "c0(A, I) :- e(A, _), I = max XX : { g(A, XX) }.",
    "c1(A) :- a1(A, A), !b0(A, _).",
    "c1(B) :- c1(A), f(A, B).",
    "c2(A, B) :- e(A, _), B = best XX by YY desc : { a1(A, XX), g(XX, YY) }.",
    "c2(A, B) :- u(A), B = join(\"+\", 2, XX) : { b0(A, XX) }.",
    "d0(A, B) :- c2(A, B), !c1(A).",
    "d0(A, C) :- d0(A, B), e(B, C).",
    "d0(A, B) :- c2(B, A), d0(B, _).",
    "d1(A) :- d0(A, _), !c0(A, _).",
    "d2(I) :- I = count : { d0(_, _) }.",
    "d2(I) :- d1(A), I = min XX : { c0(A, XX) }.",
];

/// The text of one clause.
fn clause(seed: u64) -> String {
    if seed % 5 < 2 {
        return format!("{}\n", GROUND[(seed / 5) as usize % GROUND.len()]);
    }
    let dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut writer = Writer { dice, bound: Vec::new(), body: Vec::new(), recursive: false };
    let heads: Vec<_> = RELATIONS.iter().filter(|(_, _, level)| *level > 0).collect();
    let pick = writer.dice.roll(heads.len()).min(writer.dice.roll(heads.len()));
    let (head, columns, level) = *heads[pick];
    for _ in 0..1 + writer.dice.roll(3) {
        writer.positive(level);
    }
    if writer.dice.chance(30) {
        writer.negative(level);
    }
    if writer.dice.chance(25) {
        writer.aggregate(level);
    }
    if writer.dice.chance(25) {
        writer.comparison();
    }
    if writer.dice.chance(15) && !writer.recursive {
        writer.compute();
    }
    // A recursive clause must not make values: its head takes what positive conditions bind.
    if writer.recursive {
        let made: Vec<String> = writer
            .body
            .iter()
            .filter_map(|literal| Some(literal.split_once(" = ")?.0.to_owned()))
            .collect();
        writer.bound.retain(|name| !made.contains(name));
    }
    let args: Vec<String> = columns.chars().map(|kind| writer.known(kind)).collect();
    format!("{head}({}) :- {}.\n", args.join(", "), writer.body.join(", "))
}

pub(super) fn program(seeds: &[u64]) -> (String, Program) {
    let mut text = SCHEMA.to_owned();
    seeds.iter().for_each(|seed| text.push_str(&clause(*seed)));
    let file =
        RuleFile { name: "r.dl".into(), text: text.as_str().into(), origin: FileOrigin::BuiltIn };
    match check(&[file], &Builtins::new()) {
        Ok(program) => (text, program),
        Err(errors) => {
            let error = errors.iter().find(|error| !error.is_warning());
            panic!("{error:?}\n{text}")
        }
    }
}

/// One change: which input, which values, come or go.
pub(super) fn change(code: u32) -> (bool, Fact) {
    let mut dice = Dice(u64::from(code).wrapping_mul(0xd134_2543_de82_ef95) | 1);
    let inputs: Vec<_> = RELATIONS.iter().filter(|(_, _, level)| *level == 0).collect();
    let (name, columns, _) = inputs[dice.roll(inputs.len())];
    let mut row = Row::new();
    for kind in columns.chars() {
        row.push(match kind {
            // Some values are of no lasting use, so that there is something to collect.
            's' if dice.chance(9) => Value::from(format!("once{}", dice.roll(100_000))),
            's' => Value::from(format!("s{}", dice.roll(SYMBOLS))),
            _ => Value::from(dice.roll(NUMBERS) as i64),
        });
    }
    (dice.chance(65), Fact::new(*name, row))
}

/// The transaction of some codes, each of which stands for `more` changes.
pub(super) fn transaction(codes: &[u32], more: u32) -> Transaction {
    let mut transaction = Transaction::default();
    for code in codes.iter().flat_map(|code| (0..more).map(|step| code.wrapping_add(step))) {
        match change(code) {
            (true, fact) => transaction.inserts.push(fact),
            (false, fact) => transaction.deletes.push(fact),
        }
    }
    transaction
}

/// A fact of a relation that may or may not hold.
pub(super) fn random_fact(dice: &mut Dice, relation: &str) -> Fact {
    let (name, columns, _) = RELATIONS.iter().find(|(name, ..)| *name == relation).unwrap();
    let row = columns.chars().map(|kind| match kind {
        's' => Value::from(format!("s{}", dice.roll(SYMBOLS))),
        _ => Value::from(dice.roll(NUMBERS) as i64),
    });
    Fact::new(*name, row.collect())
}

fn compare(
    engine: &Engine,
    oracle: &Oracle,
    delta: &Delta,
    before: &naive::Rows,
    seen: &mut Coverage,
) {
    let reader = engine.reader();
    for (at, info) in oracle.program.relations().enumerate() {
        let want = &oracle.rows.0[at];
        let have = engine.rows(&info.name);
        assert!(
            have.iter().eq(want.keys()),
            "{}: have {have:?}, want {:?}",
            info.name,
            want.keys()
        );
        seen.facts += have.len() as u64;
        for (row, note) in want.iter() {
            let rank = reader.rank(&Fact::new(Arc::clone(&info.name), row.clone()));
            assert_eq!(rank, Some(note.rank), "rank of {}({row:?})", info.name);
        }
        let missing = |a: &BTreeMap<Row, Note>, b: &BTreeMap<Row, Note>| -> Vec<Row> {
            a.keys().filter(|row| !b.contains_key(*row)).cloned().collect()
        };
        let (added, removed) = (missing(want, &before.0[at]), missing(&before.0[at], want));
        assert_eq!(
            delta.added.get(&info.name).cloned().unwrap_or_default(),
            added,
            "{}",
            info.name
        );
        assert_eq!(
            delta.removed.get(&info.name).cloned().unwrap_or_default(),
            removed,
            "{}",
            info.name
        );
    }
}

/// `why` exists for every row, and is the same as in an engine without history.
fn compare_proofs(engine: &Engine, oracle: &Oracle, seen: &mut Coverage) {
    let mut fresh = Engine::new(oracle.program.clone(), Builtins::new(), EngineOptions::default());
    let inserts = engine.inputs().collect();
    fresh.transact(Transaction { inserts, deletes: Vec::new() });
    let (reader, other) = (engine.reader(), fresh.reader());
    let options = QueryOptions::default();
    for info in oracle.program.relations().filter(|info| info.kind != RelationKind::Input) {
        for row in engine.rows(&info.name) {
            let fact = Fact::new(Arc::clone(&info.name), row);
            let proof = reader.why(&fact, &options);
            let proof = proof.value.unwrap_or_else(|| panic!("{fact} holds without a proof"));
            assert!(proof.nodes.iter().all(|node| node.cut.is_none()), "{fact}");
            let again = other.why(&fact, &options).value.unwrap();
            assert!(proof.canonical() == again.canonical(), "{fact} has two proofs");
            let verified = verify(&proof, oracle).unwrap_or_else(|error| panic!("{error}"));
            assert!(verified.checked + verified.asserted >= proof.nodes.len());
            seen.steps_checked += verified.checked as u64;
            assert!(reader.why_not(&fact.pattern(), &options).value.is_empty());
            seen.proofs += 1;
        }
    }
}

/// A reader still sees all rows of its generation.
fn unchanged((reader, rows): &(Reader, naive::Rows)) {
    for (at, want) in rows.0.iter().enumerate() {
        assert!(reader.world().sorted_rows(at).iter().eq(want.keys()), "a pinned reader moved");
    }
}

fn run(seeds: &[u64], transactions: &[Vec<u32>], options: &EngineOptions, seen: &mut Coverage) {
    let (_, program) = program(seeds);
    let mut engine = Engine::new(program.clone(), Builtins::new(), options.clone());
    let mut oracle = Oracle::new(program.clone());
    let mut watch = Watch::new(&program, &oracle.rows, Calls::new(&[], &Builtins::new()), seen);
    // Each reader is looked at again three transactions later.
    let mut pinned: VecDeque<(Reader, naive::Rows)> = VecDeque::new();
    for (at, codes) in transactions.iter().enumerate() {
        // The first transaction fills the inputs: each code stands for six facts.
        let transaction = transaction(codes, if at == 0 { 6 } else { 1 });
        let before = oracle.rows.clone();
        let fork = engine.reader().what_if(transaction.clone(), &QueryOptions::default()).value;
        pinned.push_back((engine.reader(), before.clone()));
        let delta = engine.transact(transaction.clone());
        oracle.transact(&transaction);
        compare(&engine, &oracle, &delta, &before, seen);
        assert_eq!(fork.delta(), &delta, "a fork sees what the engine sees");
        seen.forks += 1;
        seen.pinned_readers += 1;
        let mut gone = delta.removed.values().flatten().flatten();
        let freed = gone.any(|value| engine.reader().world().store.interner.find(value).is_none());
        seen.freed_under_reader += u64::from(freed);
        let is_derived =
            |name: &Arc<str>| oracle.program.relation(name).unwrap().kind != RelationKind::Input;
        let moved = delta.added.keys().chain(delta.removed.keys()).any(is_derived);
        seen.with_derived_delta += u64::from(moved);
        watch.after(&program, &oracle.rows, &engine.effort(), seen);
        if pinned.len() > 3 {
            pinned.pop_front().iter().for_each(unchanged);
        }
    }
    pinned.iter().for_each(unchanged);
    compare_proofs(&engine, &oracle, seen);
}

fn property(cases: u32, options: &EngineOptions) -> Coverage {
    let seen = std::cell::RefCell::new(Coverage::default());
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    let strategy = (vec(any::<u64>(), 8..24), vec(vec(any::<u32>(), 1..14), 2..14));
    TestRunner::new(config)
        .run(&strategy, |(seeds, transactions)| {
            run(&seeds, &transactions, options, &mut seen.borrow_mut());
            Ok(())
        })
        .unwrap_or_else(|error| match error {
            proptest::test_runner::TestError::Fail(reason, (seeds, transactions)) => {
                let text: String = seeds.iter().map(|seed| clause(*seed)).collect();
                let list: Vec<_> = transactions
                    .iter()
                    .map(|codes| {
                        let lines = codes.iter().map(|code| change(*code));
                        lines
                            .map(|(come, fact)| format!("{}{fact}", if come { '+' } else { '-' }))
                            .collect::<Vec<_>>()
                    })
                    .collect();
                panic!("{reason}\n{text}{list:#?}")
            }
            other => panic!("{other}"),
        });
    seen.into_inner()
}

/// How many cases to run: `HENCE_CASES` for the long run.
fn cases() -> u32 {
    std::env::var("HENCE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(60)
}

fn incremental(cases: u32) -> Coverage {
    property(cases, &EngineOptions { elastic_percent: 100_000, ..EngineOptions::default() })
}

fn elastic(cases: u32) -> Coverage {
    property(cases, &EngineOptions { elastic_percent: 10, ..EngineOptions::default() })
}

#[test]
fn incremental_equals_scratch() {
    let seen = incremental(cases());
    println!("{seen}");
    assert!(seen.with_derived_delta * 10 >= seen.transactions * 6, "{seen}");
}

/// The counts that make the comparison worth its name; minutes, hence left out by default.
#[test]
#[ignore = "long: twenty thousand transactions against the oracle, each class counted"]
fn every_class_of_transaction_is_met_a_thousand_times() {
    let (seen, rebuilt) = (incremental(3_600), elastic(900));
    println!("incremental:\n{seen}\nelastic:\n{rebuilt}");
    assert!(seen.programs >= 2_000 && seen.transactions >= 20_000, "{seen}");
    assert!(seen.mutually_recursive >= 500 && seen.over_recursion >= 500, "{seen}");
    assert!(seen.with_derived_delta * 10 >= seen.transactions * 6, "{seen}");
    let classes = [
        seen.overdeleted_and_rederived,
        seen.extremum_changed,
        seen.group_emptied,
        seen.group_refilled,
        seen.negation_flipped,
        seen.forks,
        seen.pinned_readers,
        seen.freed_under_reader,
        rebuilt.in_full,
    ];
    assert!(classes.iter().all(|count| *count >= 1_000), "{seen}\n{rebuilt}");
}

#[test]
fn formatting_keeps_the_program() {
    for seed in 0..200_u64 {
        let seeds: Vec<u64> = (0..10).map(|step| seed * 7_919 + step * 104_729).collect();
        let (text, before) = program(&seeds);
        let once = format("r.dl", &text).unwrap();
        assert_eq!(format("r.dl", &once).unwrap(), once);
        let file = RuleFile { name: "r.dl".into(), text: once.into(), origin: FileOrigin::BuiltIn };
        let after = check(&[file], &Builtins::new()).unwrap();
        let mut a = Engine::new(before, Builtins::new(), EngineOptions::default());
        let mut b = Engine::new(after, Builtins::new(), EngineOptions::default());
        let codes: Vec<u32> = (0..20).map(|step| seed as u32 * 31 + step).collect();
        assert_eq!(a.transact(transaction(&codes, 2)), b.transact(transaction(&codes, 2)));
    }
}

#[test]
fn elastic_rebuild_equals_scratch() {
    let seen = elastic(cases() / 3);
    assert!(seen.in_full > 0, "{seen}");
}
