//! The fact log in sled on a real file system: locks, versions, copies, and damaged files.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hence::facts::store::Delta;
use hence::facts::store::FactSink;
use hence::facts::store::FactSource;
use hence::facts::store::FactStore;
use hence::facts::store::Loss;
use hence::facts::store::Recovered;
use hence::facts::store::Since;
use hence::facts::store::StateDir;
use hence::facts::store::StoreError;
use hence::facts::store::StoreOptions;
use hence::facts::store::ValueRef;
use hence::facts::store::copy_for_reading;
use hence::facts::store::open;
use hence::model::Digest;
use hence::model::Timestamp;

#[derive(Clone, Debug, Default, PartialEq)]
struct Facts(BTreeMap<(String, String), Since>);

impl FactSink for Facts {
    fn clear(&mut self) {
        self.0.clear();
    }

    fn insert(&mut self, relation: &str, row: &[ValueRef<'_>], since: Since) {
        let [ValueRef::Symbol(name)] = row else { panic!("{row:?}") };
        self.0.insert((relation.to_owned(), (*name).to_owned()), since);
    }

    fn delete(&mut self, relation: &str, row: &[ValueRef<'_>]) {
        let [ValueRef::Symbol(name)] = row else { panic!("{row:?}") };
        self.0.remove(&(relation.to_owned(), (*name).to_owned()));
    }
}

impl FactSource for Facts {
    fn each(&self, give: &mut dyn FnMut(&str, &[ValueRef<'_>], Since)) {
        for ((relation, name), since) in &self.0 {
            give(relation, &[ValueRef::Symbol(name)], *since);
        }
    }
}

/// Transaction `seq`: five rows come, one of the transaction before goes.
fn delta(seq: u64) -> (Delta, Since) {
    let since = Since { generation: seq, at: Timestamp(seq as i64) };
    let mut delta = Delta::new(since.generation, since.at);
    for number in 0..5 {
        delta.insert("live", &[ValueRef::Symbol(&format!("object-{seq}-{number}"))]);
    }
    delta.delete("live", &[ValueRef::Symbol(&format!("object-{}-0", seq - 1))]);
    (delta, since)
}

fn apply(facts: &mut Facts, seq: u64) {
    let (_, since) = delta(seq);
    for number in 0..5 {
        facts.insert("live", &[ValueRef::Symbol(&format!("object-{seq}-{number}"))], since);
    }
    facts.delete("live", &[ValueRef::Symbol(&format!("object-{}-0", seq - 1))]);
}

fn facts_at(seq: u64) -> Facts {
    let mut facts = Facts::default();
    (1..=seq).for_each(|seq| apply(&mut facts, seq));
    facts
}

fn options() -> StoreOptions {
    StoreOptions::new(Digest::of(b"schema"))
}

type Opened = (Box<dyn FactStore + Send>, Recovered, Facts, StateDir);

fn opened(dir: &Path) -> Result<Opened, StoreError> {
    opened_expecting(dir, 0)
}

fn opened_expecting(dir: &Path, expected_generation: u64) -> Result<Opened, StoreError> {
    let state = StateDir::open(dir)?;
    let mut facts = Facts::default();
    let options = StoreOptions { expected_generation, ..options() };
    let (store, recovered) = open(&state, &options, &mut facts)?;
    Ok((store, recovered, facts, state))
}

/// Runs transactions up to `last`, with a snapshot after `snapshot`, and stops cleanly.
fn fill(dir: &Path, last: u64, snapshot: u64) {
    let (mut store, recovered, mut facts, _state) = opened(dir).unwrap();
    for seq in recovered.head.seq + 1..=last {
        store.append(&delta(seq).0).unwrap();
        apply(&mut facts, seq);
        if seq == snapshot {
            store.snapshot(Box::new(facts.clone())).unwrap();
        }
        store.sync().unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    copy_for_reading(from, to).unwrap();
}

#[test]
fn facts_survive_a_restart_with_their_since() {
    let root = tempfile::tempdir().unwrap();
    fill(root.path(), 60, 40);
    let (store, recovered, facts, _state) = opened(root.path()).unwrap();
    assert_eq!(facts, facts_at(60));
    assert_eq!((recovered.head.seq, recovered.deltas, recovered.losses), (60, 20, vec![]));
    assert_eq!(store.head(), recovered.head);
}

#[test]
fn one_daemon_per_state_directory() {
    let root = tempfile::tempdir().unwrap();
    let first = opened(root.path()).unwrap();
    let error = StateDir::open(root.path()).unwrap_err();
    assert!(matches!(&error, StoreError::Locked { dir } if dir == root.path()));
    let to = root.path().join("copy");
    let error = copy_for_reading(root.path(), &to).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "a running daemon is asked instead");
    drop(first);
    opened(root.path()).unwrap();
}

#[test]
fn another_version_is_refused_untouched() {
    let root = tempfile::tempdir().unwrap();
    fill(root.path(), 3, 0);
    fs::write(root.path().join("VERSION"), "hence state 7\n").unwrap();
    let error = opened(root.path()).map(drop).unwrap_err();
    assert!(matches!(&error, StoreError::Version { found, .. } if found == "hence state 7"));
    let to = tempfile::tempdir().unwrap();
    assert!(matches!(copy_for_reading(root.path(), to.path()), Err(StoreError::Version { .. })));
    fs::remove_file(root.path().join("VERSION")).unwrap();
    let error = opened(root.path()).map(drop).unwrap_err();
    assert!(matches!(&error, StoreError::Version { found, .. } if found == "none"));
    fs::write(root.path().join("VERSION"), "hence state 1\n").unwrap();
    assert_eq!(opened(root.path()).unwrap().2, facts_at(3), "nothing was touched");
}

/// All files below `dir` with their bytes.
fn bytes_below(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(bytes_below(&path));
        } else {
            found.insert(path.display().to_string(), fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn reading_a_copy_leaves_the_original_alone() {
    let root = tempfile::tempdir().unwrap();
    fill(root.path(), 30, 20);
    let before = bytes_below(root.path());
    let to = tempfile::tempdir().unwrap();
    copy(root.path(), &to.path().join("state"));
    let (_, _, facts, _state) = opened(&to.path().join("state")).unwrap();
    assert_eq!(facts, facts_at(30));
    assert!(before == bytes_below(root.path()));
}

#[test]
fn no_page_goes_to_a_file_that_sled_never_syncs() {
    let root = tempfile::tempdir().unwrap();
    {
        let (mut store, _, mut facts, _state) = opened(root.path()).unwrap();
        let mut large = Delta::new(1, Timestamp(1));
        for number in 0..60_000 {
            let name = format!("an object with a rather long name {number}");
            large.insert("live", &[ValueRef::Symbol(&name)]);
            let since = Since { generation: 1, at: Timestamp(1) };
            facts.insert("live", &[ValueRef::Symbol(&name)], since);
        }
        store.append(&large).unwrap();
        store.sync().unwrap();
        store.snapshot(Box::new(facts.clone())).unwrap();
    }
    let blobs = fs::read_dir(root.path().join("facts/blobs")).unwrap().count();
    assert_eq!(blobs, 0);
    assert_eq!(opened(root.path()).unwrap().1.rows, 60_000);
}

/// Facts that are given only once somebody lets them go.
struct Slow(Facts, std::sync::Mutex<std::sync::mpsc::Receiver<()>>);

impl FactSource for Slow {
    fn each(&self, give: &mut dyn FnMut(&str, &[ValueRef<'_>], Since)) {
        self.1.lock().unwrap().recv().unwrap();
        self.0.each(give);
    }
}

#[test]
fn a_snapshot_holds_up_nobody() {
    let root = tempfile::tempdir().unwrap();
    let (mut store, _, mut facts, state) = opened(root.path()).unwrap();
    for seq in 1..=40 {
        store.append(&delta(seq).0).unwrap();
        apply(&mut facts, seq);
    }
    let (go, wait) = std::sync::mpsc::channel();
    store.snapshot(Box::new(Slow(facts.clone(), wait.into()))).unwrap();
    // As long as it is being written, all else goes on, and is durable.
    for seq in 41..=60 {
        store.append(&delta(seq).0).unwrap();
        assert_eq!(store.sync().unwrap().seq, seq);
    }
    assert!(!store.wants_snapshot(), "one at a time");
    go.send(()).unwrap();
    drop((store, state));
    let (_, recovered, facts, _state) = opened(root.path()).unwrap();
    assert_eq!((recovered.head.seq, recovered.deltas, recovered.losses), (60, 20, vec![]));
    assert_eq!(facts, facts_at(60));
}

/// Damages the fact log's files in `facts`, by `seed`. Returns what was done.
fn damage(facts: &Path, seed: u64) -> String {
    let db = facts.join("db");
    let mut bytes = fs::read(&db).unwrap();
    let cut = bytes.len() - (bytes.len() * (1 + seed as usize % 10) / 11).min(bytes.len());
    let index = || {
        let names = fs::read_dir(facts).unwrap().map(|entry| entry.unwrap().path());
        names.into_iter().find(|path| path.to_string_lossy().contains("snap."))
    };
    let done = match seed % 10 {
        0 => {
            bytes.truncate(cut);
            "log truncated"
        }
        1 => {
            bytes[cut..].fill(0);
            "log zeroed from some place on"
        }
        2 => {
            bytes[cut..].iter_mut().for_each(|byte| *byte ^= 0x3c);
            "log garbled from some place on"
        }
        3 => {
            let end = (cut + 64).min(bytes.len());
            bytes[cut..end].fill(0xff);
            "log garbled in one place"
        }
        4 => {
            fs::write(facts.join("snap.00000000000FFFFF.generating"), b"half").unwrap();
            "index half written"
        }
        5 => {
            let index = index().unwrap_or_else(|| facts.join("snap.0000000000000001"));
            fs::write(index, vec![seed as u8; 40]).unwrap();
            "index overwritten"
        }
        6 => {
            bytes.clear();
            "log emptied"
        }
        7 => {
            fs::write(facts.join("conf"), b"nonsense").unwrap();
            "configuration overwritten"
        }
        8 => {
            bytes[..40].fill(0x11);
            "start of the log overwritten"
        }
        _ => {
            bytes.iter_mut().step_by(997).for_each(|byte| *byte ^= 1);
            "bits flipped all over the log"
        }
    };
    fs::write(&db, bytes).unwrap();
    format!("{done} (seed {seed})")
}

#[test]
fn damaged_files_never_stop_it_and_never_mix_facts() {
    let root = tempfile::tempdir().unwrap();
    fill(&root.path().join("state"), 120, 80);
    let mut outcomes: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 0..100 {
        let state = root.path().join(format!("damaged-{seed}"));
        copy(&root.path().join("state"), &state);
        let why = damage(&state.join("facts"), seed);
        let (mut store, recovered, facts, held) =
            opened_expecting(&state, 120).unwrap_or_else(|error| panic!("{why}: {error}"));
        let seq = recovered.head.seq;
        assert!(facts == facts_at(seq), "{why}: not the facts of transaction {seq}");
        let aside = recovered.losses.iter().any(|loss| match loss {
            Loss::MovedAside { to, .. } => to.join("db").exists(),
            _ => false,
        });
        assert!(!aside || seq == 0, "{why}");
        let outcome = match seq {
            120 => "nothing lost",
            0 if aside => "moved aside",
            0 => "empty",
            _ => "a prefix",
        };
        *outcomes.entry(outcome).or_insert(0) += 1;
        let told = recovered.losses.contains(&Loss::Behind { found: seq, expected: 120 });
        assert_eq!(told, seq < 120, "{why}: {:?}", recovered.losses);
        if matches!(seed % 10, 4 | 5) {
            assert_eq!(seq, 120, "{why}: the index holds no facts");
        }
        store.append(&delta(seq + 1).0).unwrap();
        store.sync().unwrap();
        drop((store, held));
        let (_, again, facts, _state) =
            opened(&state).unwrap_or_else(|error| panic!("{why}, again: {error}"));
        assert_eq!((again.head.seq, &again.losses[..]), (seq + 1, &[][..]), "{why}");
        assert!(facts == facts_at(seq + 1) || seq == 0, "{why}");
    }
    for outcome in ["nothing lost", "a prefix", "empty"] {
        assert!(outcomes.contains_key(outcome), "{outcomes:?}");
    }
}

#[test]
fn facts_that_lead_nowhere_are_moved_aside() {
    let root = tempfile::tempdir().unwrap();
    fill(root.path(), 30, 20);
    {
        let db = sled::open(root.path().join("facts")).unwrap();
        let chunks = db.open_tree("snapshot").unwrap();
        let (key, _) = chunks.first().unwrap().unwrap();
        chunks.remove(key).unwrap();
        db.flush().unwrap();
    }
    let (mut store, recovered, facts, state) = opened(root.path()).unwrap();
    let [Loss::MovedAside { to, .. }] = &recovered.losses[..] else {
        panic!("{:?}", recovered.losses);
    };
    assert!(to.join("db").exists(), "what is left can be looked at");
    assert_eq!((recovered.head.seq, facts), (0, Facts::default()), "all or nothing");
    store.append(&delta(1).0).unwrap();
    store.sync().unwrap();
    drop((store, state));
    assert_eq!(opened(root.path()).unwrap().2, facts_at(1));
}
