//! Damage by time and by other hands: told with its place; what is behind it is still read.

use super::at;
use super::filled;
use super::intent;
use super::open;
use super::outcome;
use super::rules;
use super::small;
use crate::audit::AuditError;
use crate::audit::Journal;
use crate::audit::JournalOptions;
use crate::audit::JournalReader;
use crate::audit::JournalStorage;
use crate::audit::OutcomeKind;
use crate::audit::Problem;
use crate::audit::Query;
use crate::audit::Record;
use crate::audit::SCHEMA;
use crate::audit::faulty::FaultyStorage;
use crate::audit::frame::FRAME_HEADER_BYTES;
use crate::audit::frame::Frame;
use crate::audit::frame::SEGMENT_HEADER_BYTES;
use crate::audit::frame::SegmentHeader;
use crate::audit::scan::Walk;
use crate::audit::scan::list_segments;
use crate::audit::verify;
use crate::model::Digest;

fn copy(storage: &FaultyStorage) -> FaultyStorage {
    storage.after(crate::audit::faulty::Crash::Kept, None)
}

#[test]
fn any_changed_byte_is_found() {
    let (storage, _) = filled(6);
    let head = verify(&storage, None).unwrap().head;
    let segments = list_segments(&storage).unwrap();
    assert!(segments.len() > 2, "the change is tried in first, middle and last segments");
    let mut tried = 0;
    for number in segments {
        let name = crate::audit::scan::segment_name(number);
        let bytes = storage.bytes(&name).unwrap();
        for offset in 0..bytes.len() {
            let changed = copy(&storage);
            let mut bytes = bytes.clone();
            bytes[offset] ^= 1 << (offset % 8);
            changed.tamper(&name, Some(bytes));
            let verified = verify(&changed, Some(head)).unwrap();
            assert!(!verified.is_sound(), "{name} at {offset}");
            tried += 1;
        }
    }
    assert!(tried > 4000, "{tried}");
}

#[test]
fn records_behind_damage_are_read_and_written_on() {
    let (storage, ids) = filled(6);
    let name = "000001.seg";
    let mut bytes = storage.bytes(name).unwrap();
    let rule_set = Frame::decode(&bytes[SEGMENT_HEADER_BYTES..]).unwrap().size();
    let first_intent = SEGMENT_HEADER_BYTES + rule_set;
    let size = Frame::decode(&bytes[first_intent..]).unwrap().size();
    bytes[first_intent + FRAME_HEADER_BYTES + 5] ^= 1;
    storage.tamper(name, Some(bytes.clone()));

    let (mut journal, problems) = open(&storage);
    let (segment, offset) = (name.to_owned(), first_intent as u64);
    let damaged = Problem::Damaged { segment, offset, bytes: size as u64 };
    let orphan = Problem::OutcomeWithoutIntent { seq: 3, intent: ids[0] };
    assert_eq!(problems, [damaged, orphan], "the outcome of the lost intent shows too");
    assert_eq!(storage.bytes(name).unwrap(), bytes, "nothing was cut");
    assert!(journal.view().find(&ids[1].to_string()).is_ok(), "behind the damage");
    let last = journal.append(at(999), outcome(ids[5], OutcomeKind::Done)).unwrap();
    journal.sync().unwrap();
    let head = verify(&storage, None).unwrap().head;
    assert_eq!((head, head.hash), (journal.head(), *last.hash()));
}

#[test]
fn missing_swapped_and_forged_segments_are_told() {
    let (storage, _) = filled(8);
    let second = storage.bytes("000002.seg").unwrap();
    let third = storage.bytes("000003.seg").unwrap();
    let before = |bytes: &[u8]| SegmentHeader::decode(bytes).unwrap().before.seq;

    let missing = copy(&storage);
    missing.tamper("000002.seg", None);
    let problems = verify(&missing, None).unwrap().problems;
    let (from, to) = (before(&second) + 1, before(&third));
    let segment = "000003.seg".to_owned();
    assert!(problems.contains(&Problem::Missing { segment, from, to }), "{problems:?}");

    let swapped = copy(&storage);
    swapped.tamper("000002.seg", Some(third));
    assert!(!verify(&swapped, None).unwrap().is_sound());

    // A forger who rewrites one record with a right checksum breaks the chain behind it.
    let forged = copy(&storage);
    let mut bytes = second.clone();
    let header = SegmentHeader::decode(&bytes).unwrap();
    let old = Frame::decode(&bytes[SEGMENT_HEADER_BYTES..]).unwrap();
    let body =
        String::from_utf8(old.body.to_vec()).unwrap().replace("\"at\":\"2025", "\"at\":\"2024");
    let new = Frame::encode(&header.before, body.as_bytes());
    bytes[SEGMENT_HEADER_BYTES..SEGMENT_HEADER_BYTES + new.len()].copy_from_slice(&new);
    forged.tamper("000002.seg", Some(bytes));
    let problems = verify(&forged, None).unwrap().problems;
    assert!(problems.iter().any(|p| matches!(p, Problem::ChainBroken { .. })), "{problems:?}");
}

#[test]
fn archived_segments_may_be_gone() {
    let (storage, _) = filled(12);
    let head = verify(&storage, None).unwrap().head;
    let mut reader = JournalReader::open(storage.clone()).unwrap();
    let segments = list_segments(&storage).unwrap();
    let (last, front) = segments.split_last().unwrap();
    assert!(front.len() > 3, "{front:?}");
    for number in front {
        storage.tamper(&crate::audit::scan::segment_name(*number), None);
        let verified = verify(&storage, Some(head)).unwrap();
        assert!(verified.start.seq > 0);
        assert_eq!((verified.head, verified.problems), (head, vec![]), "from {number} to {last}");
        assert_eq!(verified.earlier_rules, 0, "each segment states what its intents rest on");
        reader.refresh().unwrap();
        assert_eq!((reader.problems(), reader.starts_after()), (&[][..], verified.start.seq));
        let view = reader.view();
        assert!(!view.list(&Query::default()).unwrap().items.is_empty());
        assert!(view.rules(&rules(1).digest).unwrap().is_some());
    }
    // The daemon goes on behind it.
    let (mut journal, problems) = open(&storage);
    assert_eq!(problems, []);
    journal.append(at(900), intent("u", "later", 9)).unwrap();
    journal.sync().unwrap();
    assert!(verify(&storage, None).unwrap().is_sound());
}

/// A journal whose later segments rest on texts and intents of the first, as older versions wrote
/// it: that is told once. A second outcome is wrong all the same.
#[test]
fn what_rests_on_archived_records_is_counted() {
    let (whole, ids) = filled(1);
    let head = verify(&whole, None).unwrap().head;
    let of_intent = |body| {
        let record = Record { schema: SCHEMA.to_owned(), at: at(20), body };
        serde_json::to_vec(&record).unwrap()
    };
    let (mut bytes, mut last) = (SegmentHeader { number: 2, before: head }.encode(), head);
    let mut add = |bytes: &mut Vec<u8>, body| {
        let body = of_intent(body);
        bytes.extend(Frame::encode(&last, &body));
        last = last.then(&Digest::of(&body));
    };
    add(&mut bytes, outcome(ids[0], OutcomeKind::Done));
    add(&mut bytes, intent("u", "o", 1));
    add(&mut bytes, intent("u", "p", 1));
    let moved = FaultyStorage::with(None);
    moved.tamper("000002.seg", Some(bytes.clone()));
    let found = verify(&moved, None).unwrap();
    assert_eq!((found.problems, found.earlier_intents, found.earlier_rules), (vec![], 1, 1));

    add(&mut bytes, outcome(ids[0], OutcomeKind::Done));
    moved.tamper("000002.seg", Some(bytes));
    let problems = verify(&moved, None).unwrap().problems;
    assert_eq!(problems, [Problem::SecondOutcome { seq: head.seq + 4, intent: ids[0] }]);
}

/// Who goes back to rules that were in force before says so: the last set stated is in force.
#[test]
fn rules_that_come_back_are_stated_again() {
    let (storage, _) = filled(1);
    let (mut journal, _) = open(&storage);
    for version in [1, 1, 2, 2, 1] {
        let digest = journal.append_rules(at(50), rules(version)).unwrap();
        assert_eq!(journal.view().rules_in_force(), Some(digest));
    }
    journal.sync().unwrap();
    let found = verify(&storage, None).unwrap();
    assert_eq!((found.records, found.rule_sets, found.problems), (4, 2, vec![]));
}

#[test]
fn a_rollback_is_told() {
    let (storage, _) = filled(3);
    let (mut journal, _) = open(&storage);
    let old = copy(&storage);
    journal.append(at(500), intent("u", "later", 9)).unwrap();
    let head = journal.sync().unwrap();
    let options = JournalOptions { expected: Some(head), ..small() };
    let (_, problems) = Journal::open(storage, &options).unwrap();
    assert_eq!(problems, []);
    let (_, problems) = Journal::open(old.clone(), &options).unwrap();
    let ends_at = verify(&old, None).unwrap().head.seq;
    let told = Problem::RolledBack { seq: head.seq, hash: head.hash, ends_at };
    assert_eq!(problems, [told]);
    let (_, problems) = Journal::open(FaultyStorage::with(None), &options).unwrap();
    assert_eq!(problems, [Problem::RolledBack { seq: head.seq, hash: head.hash, ends_at: 0 }]);
}

#[test]
fn a_reader_follows_a_writer_through_partial_writes() {
    let (whole, _) = filled(7);
    let growing = FaultyStorage::with(None);
    let mut reader = JournalReader::open(growing.clone()).unwrap();
    let mut seen = 0;
    for number in list_segments(&whole).unwrap() {
        let name = crate::audit::scan::segment_name(number);
        let bytes = whole.bytes(&name).unwrap();
        for cut in (0..=bytes.len()).step_by(37).chain([bytes.len()]) {
            growing.tamper(&name, Some(bytes[..cut].to_vec()));
            reader.refresh().unwrap();
            assert_eq!(reader.problems(), [], "{name} cut at {cut}");
            assert!(reader.head().seq >= seen, "records do not go away");
            seen = reader.head().seq;
        }
    }
    assert_eq!(reader.head(), verify(&whole, None).unwrap().head);
}

#[test]
fn a_reader_notices_that_the_writer_cut_a_tail() {
    let (storage, _) = filled(2);
    let old = copy(&storage);
    let (mut journal, _) = open(&storage);
    journal.append(at(100), intent("u", "never acknowledged", 5)).unwrap();
    let mut reader = JournalReader::open(storage.clone()).unwrap();
    assert_eq!(reader.head().seq, 5);
    // Power is lost; the writer starts again on what was synced and writes something else.
    for name in old.list().unwrap() {
        storage.tamper(&name, old.bytes(&name));
    }
    let (mut journal, _) = open(&storage);
    journal.append(at(101), intent("u", "x", 6)).unwrap();
    journal.append(at(102), intent("u", "y", 6)).unwrap();
    reader.refresh().unwrap();
    assert_eq!(reader.problems(), []);
    assert_eq!(reader.head(), journal.sync().unwrap());
}

#[test]
fn another_version_is_left_alone() {
    let (storage, _) = filled(1);
    let mut bytes = storage.bytes("000001.seg").unwrap();
    bytes[6..8].copy_from_slice(&7_u16.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..SEGMENT_HEADER_BYTES - 4]);
    bytes[SEGMENT_HEADER_BYTES - 4..SEGMENT_HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    storage.tamper("000001.seg", Some(bytes.clone()));
    let error = Journal::open(storage.clone(), &small()).map(drop).unwrap_err();
    let want = "journal segment `000001.seg` is of version 7; this program reads 2";
    assert_eq!(error.to_string(), want);
    assert_eq!(storage.bytes("000001.seg"), Some(bytes));
}

#[test]
fn contradictions_are_refused_when_written_and_told_when_found() {
    let (storage, ids) = filled(2);
    let (mut journal, _) = open(&storage);
    let twice = journal.append(at(0), outcome(ids[0], OutcomeKind::Failed));
    assert!(matches!(twice, Err(AuditError::OutcomeTwice { intent }) if intent == ids[0]));
    let stranger = crate::audit::ProofId::new(Digest::of(b"no"));
    let none = journal.append(at(0), outcome(stranger, OutcomeKind::Done));
    assert!(matches!(none, Err(AuditError::NoIntent { .. })));

    // Written by other hands, past the checks.
    let mut walk = Walk::new();
    walk.advance(&storage, &mut |_, _, _, _| {}).unwrap();
    let text = format!(
        r#"{{"at":"2026-01-01T00:00:00Z","kind":"outcome","intent":"{}","result":"done"}}"#,
        ids[0]
    );
    let name = crate::audit::scan::segment_name(walk.segment);
    let mut bytes = storage.bytes(&name).unwrap();
    bytes.extend(Frame::encode(&walk.head, text.as_bytes()));
    storage.tamper(&name, Some(bytes));
    let verified = verify(&storage, None).unwrap();
    assert_eq!(verified.problems, [Problem::SecondOutcome { seq: 5, intent: ids[0] }]);
}

#[test]
fn an_intent_without_its_rules_is_told() {
    let storage = FaultyStorage::with(None);
    let (mut journal, _) = open(&storage);
    journal.append(at(0), intent("u", "o", 1)).unwrap();
    journal.sync().unwrap();
    let want = Problem::RulesUnknown { seq: 1, rules: rules(1).digest };
    assert_eq!(verify(&storage, None).unwrap().problems, [want]);
}
