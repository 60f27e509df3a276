//! kill -9: a child process writes facts, intents and outcomes until it is killed; whatever it
//! acknowledged must be there afterwards, as one whole prefix, and it goes on where it was.
//!
//! The child is this program itself. It prints what it has acknowledged; the parent reads that,
//! kills it after a number of lines drawn from a seed, and looks. `SEED=n` repeats a run,
//! `ROUNDS=n` makes it longer; the seed is printed. Nothing here sleeps.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]
#![allow(clippy::print_stdout, reason = "and print the seed that repeats it")]

use std::collections::BTreeMap;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use hence::audit::Action;
use hence::audit::Body;
use hence::audit::DiskStorage;
use hence::audit::Intent;
use hence::audit::Journal;
use hence::audit::JournalOptions;
use hence::audit::Outcome;
use hence::audit::OutcomeKind;
use hence::audit::Precondition;
use hence::audit::Problem;
use hence::audit::RuleSet;
use hence::audit::verify;
use hence::datalog::Builtins;
use hence::datalog::Engine;
use hence::datalog::EngineOptions;
use hence::datalog::Fact;
use hence::datalog::FileOrigin;
use hence::datalog::Pattern;
use hence::datalog::QueryOptions;
use hence::datalog::RuleFile;
use hence::datalog::Value;
use hence::facts::FactBase;
use hence::facts::Recalled;
use hence::facts::Statement;
use hence::facts::store::Delta;
use hence::facts::store::FactSink;
use hence::facts::store::FactSource;
use hence::facts::store::Loss;
use hence::facts::store::Since;
use hence::facts::store::StateDir;
use hence::facts::store::StoreOptions;
use hence::facts::store::ValueRef;
use hence::facts::store::copy_for_reading;
use hence::facts::store::open;
use hence::model::Digest;
use hence::model::Timestamp;

const CHILD_DIR: &str = "HENCE_CRASH_TEST_DIR";
/// Set for a child that keeps what it derives.
const CHILD_DERIVES: &str = "HENCE_CRASH_TEST_DERIVES";

#[derive(Clone, Debug, Default, PartialEq)]
struct Facts(BTreeMap<i64, u64>);

impl FactSink for Facts {
    fn clear(&mut self) {
        self.0.clear();
    }

    fn insert(&mut self, _: &str, row: &[ValueRef<'_>], since: Since) {
        let [ValueRef::Number(number), ..] = row else { panic!("{row:?}") };
        self.0.insert(*number, since.generation);
    }

    fn delete(&mut self, _: &str, row: &[ValueRef<'_>]) {
        let [ValueRef::Number(number), ..] = row else { panic!("{row:?}") };
        self.0.remove(number);
    }
}

impl FactSource for Facts {
    fn each(&self, give: &mut dyn FnMut(&str, &[ValueRef<'_>], Since)) {
        for (number, generation) in &self.0 {
            let since = Since { generation: *generation, at: Timestamp(0) };
            give("held", &row(*number), since);
        }
    }
}

const FILL: &str = "some text that makes rows longer, so that writes cross pages and segments";

fn row(number: i64) -> [ValueRef<'static>; 2] {
    [ValueRef::Number(number), ValueRef::Symbol(FILL)]
}

/// The facts after `generation` transactions: each inserts its own multiples and takes back one.
fn change(generation: u64, facts: &mut Facts) -> Delta {
    let mut delta = Delta::new(generation, Timestamp(0));
    for step in 0..generation % 40 {
        let number = (generation * 7 + step * 13) as i64 % 1000;
        delta.insert("held", &row(number));
        facts.0.insert(number, generation);
    }
    let gone = (generation * 3) as i64 % 1000;
    delta.delete("held", &row(gone));
    facts.0.remove(&gone);
    delta
}

fn facts_at(generation: u64) -> Facts {
    let mut facts = Facts::default();
    (1..=generation).for_each(|generation| drop(change(generation, &mut facts)));
    facts
}

fn options() -> StoreOptions {
    StoreOptions { deltas_max: 25, ..StoreOptions::new(Digest::of(b"schema")) }
}

fn journal(dir: &Path) -> (Journal<DiskStorage>, Vec<Problem>) {
    let storage = DiskStorage::for_writing(dir).unwrap();
    let options = JournalOptions { segment_bytes: 20_000, expected: None };
    Journal::open(storage, &options).unwrap()
}

fn intent(generation: u64, fact_log: Digest, rules: Digest) -> Body {
    let action = Action {
        kind: "apply".to_owned(),
        unit: Some("Kustomization/a/b".to_owned()),
        object: None,
        fields: BTreeMap::new(),
    };
    let proof = serde_json::json!({ "generation": generation, "because": FILL }).into();
    let precondition = Precondition::default();
    Body::Intent(Intent { generation, fact_log, rules, action, precondition, proof })
}

fn outcome(intent: hence::audit::ProofId, result: OutcomeKind) -> Body {
    let observed = Default::default();
    Body::Outcome(Outcome { intent, result, detail: String::new(), observed })
}

/// The life of a daemon: facts, synced; intent, synced; outcome; for ever. Prints what is durable.
fn live(dir: &Path) {
    let state = StateDir::open(dir).unwrap();
    let (mut journal, _) = journal(&state.journal());
    let mut facts = Facts::default();
    let (mut store, recovered) = open(&state, &options(), &mut facts).unwrap();
    let rules = journal.append_rules(Timestamp(0), RuleSet::of(&[("a.dl", "% a")])).unwrap();
    for item in journal.view().open_intents().unwrap() {
        journal.append(Timestamp(0), outcome(item.id, OutcomeKind::Unknown)).unwrap();
    }
    let mut out = std::io::stdout().lock();
    for generation in recovered.head.seq + 1.. {
        let delta = change(generation, &mut facts);
        store.append(&delta).unwrap();
        if store.wants_snapshot() {
            store.snapshot(Box::new(facts.clone())).unwrap();
        }
        let head = store.sync().unwrap();
        let id = journal.append(Timestamp(0), intent(generation, head.hash, rules)).unwrap();
        let synced = journal.sync().unwrap();
        // A parent that is gone has seen enough.
        if writeln!(out, "ack {} {}", head.seq, synced.seq).and_then(|()| out.flush()).is_err() {
            return;
        }
        journal.append(Timestamp(0), outcome(id, OutcomeKind::Done)).unwrap();
    }
}

const RULES: &str = ".input held(number: number, text: symbol)\n\
     .output sum(number: number)\n.output follows(a: number, b: number)\n\
     sum(S) :- S = sum N : { held(N, _) }.\n\
     follows(A, B) :- held(A, _), held(B, _), B = A + 300.\n\
     follows(A, C) :- follows(A, B), held(C, _), C = B + 300.";

/// An engine with the facts of a folder, after what was derived was read, if that could be.
fn deriving(dir: &StateDir) -> (FactBase, u64, bool) {
    let file = RuleFile { name: "a.dl".into(), text: RULES.into(), origin: FileOrigin::BuiltIn };
    let program = hence::datalog::check(&[file], &Builtins::new()).unwrap();
    let mut engine = Engine::new(program, Builtins::new(), EngineOptions::default());
    let mut recalled = Recalled::new(&mut engine);
    let options = StoreOptions { deltas_max: 5, ..options() };
    let (log, recovered) = open(dir, &options, &mut recalled).unwrap();
    only_ends_are_cut(&recovered.losses, "a start");
    recalled.finish(recovered.head.generation + 1);
    let was_kept = engine.effort().full_units == 0;
    (FactBase::new(engine, Some(log)), recovered.head.seq, was_kept)
}

/// The life of a daemon whose conclusions are kept beside each snapshot.
fn live_deriving(dir: &Path) {
    let (mut base, seq, _) = deriving(&StateDir::open(dir).unwrap());
    let mut out = std::io::stdout().lock();
    let mut facts = facts_at(seq);
    for seq in seq + 1.. {
        let known = facts.0.clone();
        change(seq, &mut facts);
        let fact = |number: i64| Fact::new("held", vec![number.into(), Value::from(FILL)]);
        let gone = known.keys().filter(|number| !facts.0.contains_key(number));
        let gone = gone.map(|number| Statement::Fails(fact(*number)));
        let come = facts.0.keys().filter(|number| !known.contains_key(number));
        let come = come.map(|number| Statement::Holds(fact(*number)));
        base.commit(gone.chain(come).collect(), Timestamp(0)).unwrap();
        base.sync().unwrap();
        if writeln!(out, "ack {seq} 0").and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

/// Opens what a killed child left, with and without what it derived; says whether that was used.
fn check_deriving(dir: &Path, transaction: u64, why: &str) -> bool {
    let (kept, seq, was_kept) = deriving(&StateDir::open(dir).unwrap());
    assert!(seq >= transaction, "{why}: transaction {transaction} was acknowledged, {seq} found");
    let held: Vec<i64> = facts_at(seq).0.into_keys().collect();
    let numbers = |base: &FactBase, relation: &str| -> Vec<Vec<i64>> {
        let pattern = Pattern::parse(relation).unwrap();
        let options = QueryOptions { limit: usize::MAX, ..QueryOptions::default() };
        let rows = base.reader().query(&pattern, &options).value;
        rows.iter().map(|row| row.iter().filter_map(Value::as_number).collect()).collect()
    };
    let found: Vec<i64> = numbers(&kept, "held(_, _)").into_iter().flatten().collect();
    assert_eq!(found, held, "{why}: the facts of transaction {seq}");
    let copy = tempfile::tempdir().unwrap();
    copy_for_reading(dir, copy.path()).unwrap();
    std::fs::remove_file(copy.path().join("facts/derived")).ok();
    let (anew, _, _) = deriving(&StateDir::open(copy.path()).unwrap());
    for relation in ["sum(_)", "follows(_, _)"] {
        assert_eq!(numbers(&kept, relation), numbers(&anew, relation), "{why}: {relation}");
    }
    was_kept
}

/// The child's part: does nothing unless the parent named a directory.
#[test]
fn child() {
    if let Some(dir) = std::env::var_os(CHILD_DIR) {
        match std::env::var_os(CHILD_DERIVES) {
            Some(_) => live_deriving(Path::new(&dir)),
            None => live(Path::new(&dir)),
        }
    }
}

/// Starts a child on `dir`, kills it after `lines` acknowledgements, and returns the last one that
/// it made: transaction and record.
fn kill_after(dir: &Path, lines: u64, settings: &[&str]) -> (u64, u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(CHILD_DIR, dir)
        .envs(settings.iter().map(|name| (name, "1")))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = (0, 0);
    let mut seen = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let mut words = line.split(' ').skip_while(|word| *word != "ack").skip(1);
        let (Some(seq), Some(record)) = (words.next(), words.next()) else { continue };
        acknowledged = (seq.parse().unwrap(), record.parse().unwrap());
        seen += 1;
        if seen == lines {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(seen >= lines, "the child stopped by itself after {seen} acknowledgements");
    acknowledged
}

/// What was written last may be torn, and nothing else.
#[track_caller]
fn only_ends_are_cut(losses: &[Loss], why: &str) {
    let known = |loss: &Loss| matches!(loss, Loss::Cut { .. } | Loss::IndexRebuilt { .. });
    assert!(losses.iter().all(known), "{why}: {losses:?}");
}

/// Opens what a killed child left and checks everything that was promised.
fn check(dir: &Path, (transaction, record): (u64, u64), why: &str) {
    let state = StateDir::open(dir).unwrap();
    let (journal, problems) = journal(&state.journal());
    let torn = |problem: &Problem| matches!(problem, Problem::TornTail { .. });
    assert!(problems.iter().all(torn), "{why}: {problems:?}");
    assert!(journal.head().seq >= record, "{why}: record {record} was acknowledged");
    let verified = verify(journal.storage(), Some(journal.head())).unwrap();
    assert!(verified.is_sound(), "{why}: {:?}", verified.problems);
    assert!(verified.open.len() <= 1, "{why}: one at a time");

    let mut facts = Facts::default();
    let expected_generation = journal.view().last_generation().unwrap_or(0);
    let options = StoreOptions { expected_generation, ..options() };
    let (_, recovered) = open(&state, &options, &mut facts).unwrap();
    let seq = recovered.head.seq;
    assert!(seq >= transaction, "{why}: transaction {transaction} was acknowledged, {seq} found");
    assert!(facts == facts_at(seq), "{why}: not the facts of transaction {seq}");
    only_ends_are_cut(&recovered.losses, why);
    for item in journal.view().open_intents().unwrap() {
        let Body::Intent(intent) = item.record.body else { panic!("{why}") };
        assert!(intent.generation <= seq, "{why}: an intent rests on facts that are there");
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Kills a child again and again after a number of lines drawn from `SEED`, and looks each time;
/// returns the number of kills and the last transaction.
fn kill_again(dir: &Path, settings: &[&str], mut look: impl FnMut((u64, u64), &str)) -> (u64, u64) {
    let seed = number("SEED").unwrap_or(20_261_122);
    let rounds = number("ROUNDS").unwrap_or(60);
    println!("SEED={seed} ROUNDS={rounds}");
    let mut random = seed;
    let mut last = 0;
    for round in 0..rounds {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let lines = 1 + (random >> 33) % 40;
        let acknowledged = kill_after(dir, lines, settings);
        assert!(acknowledged.0 > last, "it goes on where it was");
        last = acknowledged.0;
        look(acknowledged, &format!("SEED={seed}, round {round}"));
    }
    (rounds, last)
}

#[test]
fn nothing_acknowledged_is_lost_to_kill_9() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("state");
    let (rounds, last) = kill_again(&dir, &[], |acknowledged, why| check(&dir, acknowledged, why));
    println!("{rounds} kills, {last} transactions");
}

#[test]
fn what_was_derived_is_right_after_kill_9() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("state");
    let mut kept = 0;
    let (rounds, last) = kill_again(&dir, &[CHILD_DERIVES], |(transaction, _), why| {
        kept += u64::from(check_deriving(&dir, transaction, why));
    });
    println!("{rounds} kills, {last} transactions; {kept} starts from what was derived before");
    // Where the last changes were many beside what there is, all is evaluated anew on top of it.
    assert!(kept * 4 > rounds, "many starts go on from it");
}
