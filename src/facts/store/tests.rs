//! Every step × every crash on the faulty shelf, random histories, and rows of any shape.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use proptest::prelude::*;

use crate::facts::store::Delta;
use crate::facts::store::FactSink;
use crate::facts::store::FactSource;
use crate::facts::store::Loss;
use crate::facts::store::Recovered;
use crate::facts::store::Since;
use crate::facts::store::StoreError;
use crate::facts::store::StoreOptions;
use crate::facts::store::ValueRef;
use crate::facts::store::faulty::Crash;
use crate::facts::store::faulty::Fault;
use crate::facts::store::faulty::FaultyShelf;
use crate::facts::store::faulty::Key;
use crate::facts::store::faulty::Random;
use crate::facts::store::log::FactLog;
use crate::facts::store::row::replay_chunk;
use crate::facts::store::row::replay_delta;
use crate::facts::store::shelf::Tree;
use crate::facts::store::snapshot::Snapshot;
use crate::model::Digest;
use crate::model::Timestamp;

const CRASHES: [Crash; 9] = [
    Crash::Lost,
    Crash::Kept,
    Crash::Half,
    Crash::Some(1),
    Crash::Some(2),
    Crash::Some(3),
    Crash::Mangled(4),
    Crash::Mangled(5),
    Crash::Mangled(6),
];
/// Transactions of the script.
const LAST: u64 = 19;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Symbol(String),
    Number(i64),
    Decimal(i128),
    Version(String),
    Time(i64),
    Duration(i64),
}

impl Value {
    fn of(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Symbol(text) => Self::Symbol(text.to_owned()),
            ValueRef::Number(number) => Self::Number(number),
            ValueRef::Decimal(units) => Self::Decimal(units),
            ValueRef::Version(text) => Self::Version(text.to_owned()),
            ValueRef::Time(ms) => Self::Time(ms),
            ValueRef::Duration(ms) => Self::Duration(ms),
        }
    }

    fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Symbol(text) => ValueRef::Symbol(text),
            Self::Number(number) => ValueRef::Number(*number),
            Self::Decimal(units) => ValueRef::Decimal(*units),
            Self::Version(text) => ValueRef::Version(text),
            Self::Time(ms) => ValueRef::Time(*ms),
            Self::Duration(ms) => ValueRef::Duration(*ms),
        }
    }
}

/// Facts as a plain map: the oracle, a sink and a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Facts(BTreeMap<(String, Vec<Value>), Since>);

impl FactSink for Facts {
    fn clear(&mut self) {
        self.0.clear();
    }

    fn insert(&mut self, relation: &str, row: &[ValueRef<'_>], since: Since) {
        let row = row.iter().map(|value| Value::of(*value)).collect();
        self.0.insert((relation.to_owned(), row), since);
    }

    fn delete(&mut self, relation: &str, row: &[ValueRef<'_>]) {
        let row = row.iter().map(|value| Value::of(*value)).collect();
        self.0.remove(&(relation.to_owned(), row));
    }
}

impl FactSource for Facts {
    fn each(&self, give: &mut dyn FnMut(&str, &[ValueRef<'_>], Since)) {
        for ((relation, row), since) in &self.0 {
            let row: Vec<ValueRef<'_>> = row.iter().map(Value::as_ref).collect();
            give(relation, &row, *since);
        }
    }
}

/// One operation: delete or insert, relation, row.
type Operation = (bool, String, Vec<Value>);

fn delta(seq: u64, operations: &[Operation]) -> Delta {
    let mut delta = Delta::new(seq * 3, Timestamp(1000 + seq as i64));
    for (is_delete, relation, row) in operations {
        let row: Vec<ValueRef<'_>> = row.iter().map(Value::as_ref).collect();
        match is_delete {
            true => delta.delete(relation, &row),
            false => delta.insert(relation, &row),
        }
    }
    delta
}

/// The script's transaction `seq`: small ones, and one that needs several values.
fn scripted(seq: u64) -> Delta {
    let mut random = Random(seq);
    let size = if seq == 5 { 900 } else { 6 };
    let operations: Vec<Operation> = (0..size)
        .map(|_| {
            let name = format!("object-{}", random.below(size * 2));
            let row = vec![Value::Symbol(name), Value::Number(random.below(3) as i64)];
            (random.below(3) == 0, format!("r{}", random.below(2)), row)
        })
        .collect();
    delta(seq, &operations)
}

/// The facts after the script's first `seq` transactions.
fn facts_at(seq: u64) -> &'static Facts {
    static AFTER: LazyLock<Vec<Facts>> = LazyLock::new(|| {
        let mut after = vec![Facts::default()];
        for seq in 1..=LAST {
            let mut facts = after[seq as usize - 1].clone();
            replay_delta(&scripted(seq).encode(), &mut facts).expect("a delta");
            after.push(facts);
        }
        after
    });
    &AFTER[seq as usize]
}

fn options() -> StoreOptions {
    StoreOptions::new(Digest::of(b"schema"))
}

fn open(shelf: &FaultyShelf) -> Result<(FactLog<FaultyShelf>, Recovered, Facts), StoreError> {
    let mut facts = Facts::default();
    let (log, recovered) = FactLog::open(shelf.clone(), options(), &mut facts)?;
    Ok((log, recovered, facts))
}

/// Begins a snapshot.
fn begun(log: &mut FactLog<FaultyShelf>, facts: &Facts) -> Result<Begun, StoreError> {
    log.begin_snapshot(Box::new(facts.clone()))
}

/// A snapshot that was begun, if one was.
type Begun = Option<Snapshot<FaultyShelf>>;

/// Writes a snapshot that was begun.
fn ended(log: &mut FactLog<FaultyShelf>, snapshot: Begun) -> Result<(), StoreError> {
    snapshot.map_or(Ok(()), |snapshot| log.end_snapshot(snapshot.write()))
}

/// Begins and writes a snapshot.
fn snapshot(log: &mut FactLog<FaultyShelf>, facts: &Facts) -> Result<(), StoreError> {
    let snapshot = begun(log, facts)?;
    ended(log, snapshot)
}

/// Opens and goes on with the script until the fault, with snapshots on the way: each is begun, and
/// written only after further transactions. Returns the last transaction acknowledged.
fn run(shelf: &FaultyShelf) -> u64 {
    let Ok((mut log, recovered, mut facts)) = open(shelf) else { return 0 };
    let mut acknowledged = recovered.head.seq;
    let mut writing = None;
    for seq in recovered.head.seq + 1..=LAST {
        if log.append(&scripted(seq)).is_err() {
            return acknowledged;
        }
        replay_delta(&scripted(seq).encode(), &mut facts).expect("a delta");
        let done = match seq % 5 {
            3 => begun(&mut log, &facts).map(|snapshot| writing = snapshot),
            0 => ended(&mut log, writing.take()),
            _ => log.sync().map(|head| acknowledged = head.seq),
        };
        if done.is_err() {
            return acknowledged;
        }
    }
    log.sync().map_or(acknowledged, |head| head.seq)
}

/// What must hold after any crash: the facts of one transaction, no earlier than acknowledged.
fn check(shelf: &FaultyShelf, acknowledged: u64, why: &str) {
    let (log, recovered, facts) = match open(shelf) {
        Ok(opened) => opened,
        Err(error) => panic!("{why}: {error}"),
    };
    let seq = recovered.head.seq;
    assert!(seq >= acknowledged, "{why}: {seq} found, {acknowledged} acknowledged");
    assert!(facts == *facts_at(seq), "{why}: not the facts of transaction {seq}");
    assert_eq!(log.head(), recovered.head, "{why}");
    assert_eq!(recovered.head.generation, seq * 3, "{why}");
    let known = |loss: &Loss| matches!(loss, Loss::Cut { .. });
    assert!(recovered.losses.iter().all(known), "{why}: {:?}", recovered.losses);
    drop(log);
    run(shelf);
    let (_, recovered, facts) = open(shelf).expect("opens again");
    assert_eq!((recovered.head.seq, recovered.losses.len()), (LAST, 0), "{why}");
    assert!(facts == *facts_at(LAST), "{why}: other facts after going on");
}

#[test]
fn every_step_and_every_crash() {
    let mut tried = 0;
    for step in 0.. {
        let shelf = FaultyShelf::with(Some(Fault::CrashAt(step)));
        let acknowledged = run(&shelf);
        if !shelf.has_crashed() {
            break;
        }
        for crash in CRASHES {
            check(&shelf.after(crash, None), acknowledged, &format!("step {step}, {crash:?}"));
            tried += 1;
        }
    }
    assert!(tried > 500, "{tried} crashes tried");
}

#[test]
fn a_crash_while_recovering_from_a_crash() {
    let mut tried = 0;
    for step in (0..).step_by(3) {
        let first = FaultyShelf::with(Some(Fault::CrashAt(step)));
        let acknowledged = run(&first);
        if !first.has_crashed() {
            break;
        }
        for crash in [Crash::Kept, Crash::Some(7), Crash::Mangled(8)] {
            for again in 0.. {
                let second = first.after(crash, Some(Fault::CrashAt(again)));
                let opened = open(&second).is_ok();
                if !second.has_crashed() {
                    break;
                }
                assert!(!opened, "the crash must be seen");
                for last in [Crash::Lost, Crash::Some(9)] {
                    let why = format!("step {step} {crash:?}, then {again} {last:?}");
                    check(&second.after(last, None), acknowledged, &why);
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 100, "{tried} crashes tried");
}

#[test]
fn a_full_disk_at_any_step_halts_and_opens_again() {
    for step in 0.. {
        let shelf = FaultyShelf::with(Some(Fault::FailAt(step)));
        let acknowledged = run(&shelf);
        if shelf.steps() <= step {
            break;
        }
        check(&shelf, acknowledged, &format!("step {step}"));
    }
    let shelf = FaultyShelf::with(Some(Fault::FailAt(3)));
    let (mut log, _, _) = open(&shelf).unwrap();
    let failed = (1..9).map(|seq| log.append(&scripted(seq))).find_map(Result::err);
    assert!(matches!(failed, Some(StoreError::Write { .. })));
    assert!(matches!(log.sync(), Err(StoreError::Halted { .. })), "no acknowledgement after that");
}

#[test]
fn damage_to_any_value_never_gives_mixed_facts() {
    let shelf = FaultyShelf::default();
    run(&shelf);
    let mut outcomes = BTreeMap::new();
    for (number, (key, value)) in shelf.values().into_iter().enumerate() {
        let mut changed = value.clone();
        let at = number * 7 % value.len();
        changed[at] ^= 0x10;
        for value in [None, Some(changed), Some(value[..value.len() / 2].to_vec())] {
            let damaged = shelf.after(Crash::Kept, None);
            damaged.tamper(&key, value);
            let outcome = match open(&damaged) {
                Err(StoreError::Damaged { .. }) => "refused whole",
                Err(error) => panic!("{key:?}: {error}"),
                Ok((_, recovered, facts)) => {
                    assert!(facts == *facts_at(recovered.head.seq), "{key:?}: mixed facts");
                    let cut = recovered.head.seq < LAST;
                    let last_delta_gone = recovered.head.seq == LAST - 1;
                    assert!(!cut || last_delta_gone || !recovered.losses.is_empty(), "{key:?}");
                    if cut { "a prefix" } else { "nothing lost" }
                }
            };
            *outcomes.entry(outcome).or_insert(0) += 1;
        }
    }
    assert!(outcomes.contains_key("refused whole") && outcomes.contains_key("a prefix"));
}

#[test]
fn a_snapshot_is_wanted_when_deltas_outgrow_it() {
    let shelf = FaultyShelf::default();
    let mut facts = Facts::default();
    let small = StoreOptions { deltas_max: 3, delta_bytes_min: 1 << 20, ..options() };
    let (mut log, _) = FactLog::open(shelf.clone(), small, &mut facts).unwrap();
    for seq in 1..=3 {
        log.append(&scripted(seq)).unwrap();
        replay_delta(&scripted(seq).encode(), &mut facts).unwrap();
        assert!(!log.wants_snapshot());
    }
    log.append(&scripted(4)).unwrap();
    replay_delta(&scripted(4).encode(), &mut facts).unwrap();
    assert!(log.wants_snapshot(), "by number");
    let writing = begun(&mut log, &facts).unwrap();
    assert!(writing.is_some() && !log.wants_snapshot(), "it is being written");
    assert!(begun(&mut log, &facts).unwrap().is_none(), "one at a time");
    log.append(&scripted(5)).unwrap();
    log.sync().unwrap();
    ended(&mut log, writing).unwrap();
    assert!(!log.wants_snapshot());
    let (_, recovered, _) = open(&shelf).unwrap();
    assert_eq!((recovered.deltas, recovered.rows), (1, facts.0.len() as u64));
    assert_eq!(recovered.schema, Some(Digest::of(b"schema")));

    let by_bytes = StoreOptions { delta_bytes_min: 10, ..options() };
    let (mut log, _) = FactLog::open(shelf, by_bytes, &mut facts).unwrap();
    log.append(&scripted(6)).unwrap();
    assert!(log.wants_snapshot(), "by bytes");
}

#[test]
fn the_schema_of_stored_rows_is_told() {
    let shelf = FaultyShelf::default();
    let other = StoreOptions::new(Digest::of(b"other"));
    let (mut log, recovered, _) = open(&shelf).unwrap();
    assert_eq!(recovered.schema, None);
    log.append(&scripted(1)).unwrap();
    log.sync().unwrap();
    let mut facts = Facts::default();
    let (mut log, recovered) = FactLog::open(shelf.clone(), other, &mut facts).unwrap();
    assert_eq!(recovered.schema, Some(Digest::of(b"schema")), "rows are still the old ones");
    snapshot(&mut log, &facts).unwrap();
    let (_, recovered, _) = open(&shelf).unwrap();
    assert_eq!(recovered.schema, Some(Digest::of(b"other")), "a snapshot follows the new ones");
}

/// The keys of transaction `seq` on `shelf`, with their values.
fn delta_values(shelf: &FaultyShelf, seq: u64) -> Vec<(Key, Vec<u8>)> {
    let of = |key: &Key| key.0 == Tree::Deltas && key.1.starts_with(&seq.to_be_bytes());
    shelf.values().into_iter().filter(|(key, _)| of(key)).collect()
}

/// A shelf with these transactions, synced.
fn with_deltas(deltas: &[u64]) -> FaultyShelf {
    let shelf = FaultyShelf::default();
    let (mut log, _, _) = open(&shelf).unwrap();
    for seq in deltas {
        log.append(&scripted(*seq)).unwrap();
    }
    log.sync().unwrap();
    shelf
}

#[test]
fn a_record_of_another_history_is_refused() {
    let (shelf, other) = (with_deltas(&[1, 2, 3]), with_deltas(&[2, 1, 3]));
    for (key, value) in delta_values(&other, 3) {
        shelf.tamper(&key, Some(value));
    }
    let (_, recovered, facts) = open(&shelf).unwrap();
    assert_eq!(recovered.losses, [Loss::Cut { last: 2, records: 1 }]);
    assert!(facts == *facts_at(2));
}

#[test]
fn leftovers_do_not_spoil_what_comes_after() {
    // A later record survives though one before it is lost; then a long one loses its beginning.
    for (deltas, lost) in [(&[1, 2, 3][..], 2), (&[1, 5], 2)] {
        let shelf = with_deltas(deltas);
        let (key, _) = delta_values(&shelf, lost).remove(0);
        shelf.tamper(&key, None);
        let (mut log, recovered, _) = open(&shelf).unwrap();
        assert_eq!(recovered.losses, [Loss::Cut { last: 1, records: 1 }]);
        log.append(&scripted(7)).unwrap();
        let head = log.sync().unwrap();
        let (_, recovered, _) = open(&shelf).unwrap();
        assert_eq!((recovered.head, recovered.losses), (head, vec![]));
    }
}

#[test]
fn what_an_opened_log_gave_is_durable() {
    let shelf = FaultyShelf::default();
    let (mut log, _, _) = open(&shelf).unwrap();
    log.append(&scripted(1)).unwrap();
    // Killed without a sync; the system lives on, and loses its power after the next start.
    drop(log);
    let (log, recovered, _) = open(&shelf).unwrap();
    assert_eq!((recovered.head.seq, log.head()), (1, recovered.head));
    assert_eq!(open(&shelf.after(Crash::Lost, None)).unwrap().1.head, recovered.head);
}

/// Counts rows given since it was last told to forget.
struct Count(u64);

impl FactSink for Count {
    fn clear(&mut self) {
        self.0 = 0;
    }

    fn insert(&mut self, _: &str, _: &[ValueRef<'_>], _: Since) {
        self.0 += 1;
    }

    fn delete(&mut self, _: &str, _: &[ValueRef<'_>]) {}
}

/// A log of one large transaction, stopped between writing its snapshot and removing the deltas.
fn between_snapshot_and_sweep() -> FaultyShelf {
    let shelf = FaultyShelf::default();
    let (mut log, _, mut facts) = open(&shelf).unwrap();
    let row = |number| (false, "r".to_owned(), vec![Value::Number(number)]);
    let large = delta(1, &(0..5000).map(row).collect::<Vec<_>>());
    replay_delta(&large.encode(), &mut facts).unwrap();
    log.append(&large).unwrap();
    log.append(&delta(2, &[])).unwrap();
    log.sync().unwrap();
    let deltas = [delta_values(&shelf, 1), delta_values(&shelf, 2)].concat();
    snapshot(&mut log, &facts).unwrap();
    deltas.into_iter().for_each(|(key, value)| shelf.tamper(&key, Some(value)));
    shelf
}

#[test]
fn a_broken_snapshot_leaves_nothing_in_the_sink() {
    let shelf = between_snapshot_and_sweep();
    let in_snapshot = |key: &Key| key.0 == Tree::Snapshot;
    let (last, _) = shelf.values().into_iter().rfind(|(key, _)| in_snapshot(key)).unwrap();
    shelf.tamper(&last, None);
    let mut count = Count(0);
    let (_, recovered) = FactLog::open(shelf, options(), &mut count).unwrap();
    assert_eq!((recovered.head.seq, recovered.rows, count.0), (2, 0, 5000));
}

#[test]
fn facts_older_than_a_snapshot_are_not_gone_back_to() {
    let shelf = between_snapshot_and_sweep();
    let in_snapshot = |key: &Key| key.0 == Tree::Snapshot;
    let (last, _) = shelf.values().into_iter().rfind(|(key, _)| in_snapshot(key)).unwrap();
    shelf.tamper(&last, None);
    let (second, _) = delta_values(&shelf, 2).remove(0);
    shelf.tamper(&second, None);
    assert!(matches!(open(&shelf).map(drop), Err(StoreError::Damaged { .. })));
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        ".{0,12}".prop_map(Value::Symbol),
        any::<i64>().prop_map(Value::Number),
        any::<i128>().prop_map(Value::Decimal),
        "[v0-9.]{0,8}".prop_map(Value::Version),
        any::<i64>().prop_map(Value::Time),
        any::<i64>().prop_map(Value::Duration),
    ]
}

/// Rows from a small pool, so that deletes meet inserts.
fn operations() -> impl Strategy<Value = Vec<Vec<Operation>>> {
    let pool = prop::collection::vec(prop::collection::vec(value(), 0..5), 1..8);
    pool.prop_flat_map(|pool| {
        let operation = (any::<bool>(), "[abc]", prop::sample::select(pool));
        prop::collection::vec(prop::collection::vec(operation, 0..10), 1..12)
    })
}

proptest! {
    /// Random histories with snapshots in random places: opening gives the facts, since included.
    #[test]
    fn opening_gives_what_was_committed(history in operations(), snapshots in any::<u16>()) {
        let shelf = FaultyShelf::default();
        let (mut log, _, mut facts) = open(&shelf).unwrap();
        for (number, operations) in history.iter().enumerate() {
            let seq = number as u64 + 1;
            let delta = delta(seq, operations);
            log.append(&delta).unwrap();
            for (is_delete, relation, row) in operations {
                let row: Vec<ValueRef<'_>> = row.iter().map(Value::as_ref).collect();
                let since = Since { generation: seq * 3, at: Timestamp(1000 + seq as i64) };
                match is_delete {
                    true => facts.delete(relation, &row),
                    false => facts.insert(relation, &row, since),
                }
            }
            if snapshots >> number & 1 == 1 {
                snapshot(&mut log, &facts).unwrap();
            }
            log.sync().unwrap();
        }
        let (_, recovered, found) = open(&shelf).unwrap();
        prop_assert_eq!(recovered.head, log.head());
        prop_assert_eq!(found, facts);
    }

    /// Bytes that are no rows are refused, never a panic.
    #[test]
    fn nonsense_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = replay_delta(&bytes, &mut Facts::default());
        let _ = replay_chunk(&bytes, &["a".into(), "b".into()], &mut Facts::default());
    }
}
