//! The journal's files: locks, modes, and reading beside a writer.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hence::audit::AuditError;
use hence::audit::Body;
use hence::audit::DiskStorage;
use hence::audit::Journal;
use hence::audit::JournalOptions;
use hence::audit::JournalReader;
use hence::audit::Note;
use hence::audit::NoteKind;
use hence::audit::Problem;
use hence::audit::verify;
use hence::model::Timestamp;

fn note(text: &str) -> Body {
    let text = text.to_owned();
    Body::Note(Note { about: NoteKind::Start, text, fields: Default::default() })
}

fn open(dir: &Path) -> (Journal<DiskStorage>, Vec<Problem>) {
    let storage = DiskStorage::for_writing(dir).unwrap();
    Journal::open(storage, &JournalOptions { segment_bytes: 600, expected: None }).unwrap()
}

#[test]
fn a_second_writer_is_refused_and_a_reader_is_not() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("journal");
    let (mut journal, problems) = open(&dir);
    assert_eq!(problems, []);
    let second = DiskStorage::for_writing(&dir);
    assert!(matches!(second, Err(AuditError::Locked { dir: locked }) if locked == dir));

    let mut reader = JournalReader::open(DiskStorage::for_reading(&dir)).unwrap();
    for number in 0..20 {
        journal.append(Timestamp(number), note("x")).unwrap();
        let head = journal.sync().unwrap();
        reader.refresh().unwrap();
        assert_eq!((reader.head(), reader.problems().len()), (head, 0));
    }
    assert!(journal.segment_count().unwrap() > 3);
    drop(journal);
    let (journal, problems) = open(&dir);
    assert_eq!((journal.head(), problems), (reader.head(), Vec::new()));
}

#[test]
fn only_the_owner_may_read() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("journal");
    drop(open(&dir));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for entry in fs::read_dir(&dir).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[test]
fn tails_cut_zeroed_and_garbled_on_disk() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("journal");
    let (mut journal, _) = open(&dir);
    let ids: Vec<_> = (0..3).map(|n| journal.append(Timestamp(n), note("x")).unwrap()).collect();
    let head = journal.sync().unwrap();
    drop(journal);
    let segment = dir.join("000001.seg");
    let whole = fs::read(&segment).unwrap();
    let record = (whole.len() - 60) / 3;
    for cut in [1, 30, record - 1] {
        for (why, fill) in [("cut", None), ("zeroed", Some(0)), ("garbled", Some(0xa5))] {
            let mut bytes = whole[..whole.len() - cut].to_vec();
            bytes.extend(fill.into_iter().flat_map(|byte| vec![byte; cut]));
            fs::write(&segment, bytes).unwrap();
            let (mut journal, problems) = open(&dir);
            assert!(matches!(problems[..], [Problem::TornTail { .. }]), "{why}: {problems:?}");
            assert_eq!(journal.head().seq, 2, "{why}");
            assert_eq!(journal.append(Timestamp(2), note("x")).unwrap(), ids[2], "{why}");
            assert_eq!(journal.sync().unwrap(), head, "{why}: the same chain again");
            assert!(verify(journal.storage(), Some(head)).unwrap().is_sound(), "{why}");
        }
    }
}

#[test]
fn a_directory_that_is_not_there_reads_as_empty() {
    let root = tempfile::tempdir().unwrap();
    let reader = JournalReader::open(DiskStorage::for_reading(&root.path().join("none"))).unwrap();
    assert_eq!(reader.head().seq, 0);
}

#[test]
fn a_journal_that_is_removed_under_its_writer_takes_no_more() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("journal");
    let (mut journal, _) = open(&dir);
    journal.append(Timestamp(1), note("a")).unwrap();
    journal.sync().unwrap();
    fs::remove_dir_all(&dir).unwrap();
    journal.append(Timestamp(2), note("b")).unwrap();
    let refused = journal.sync().unwrap_err();
    assert!(matches!(refused, AuditError::Io { .. }), "{refused:?}");
}
