//! Every step of a journal's life × every crash, then every step of the recovery × every crash.

use super::at;
use super::intent;
use super::open;
use super::outcome;
use super::rules;
use super::small;
use crate::audit::AuditError;
use crate::audit::Body;
use crate::audit::Head;
use crate::audit::Journal;
use crate::audit::JournalStorage;
use crate::audit::OutcomeIs;
use crate::audit::OutcomeKind;
use crate::audit::Problem;
use crate::audit::ProofId;
use crate::audit::Query;
use crate::audit::RecordKind;
use crate::audit::faulty::CRASHES;
use crate::audit::faulty::Crash;
use crate::audit::faulty::Fault;
use crate::audit::faulty::FaultyStorage;
use crate::audit::verify;

/// Intents and outcomes that the script appends; rule sets come besides.
const STEPS: usize = 16;

/// Appends one record, and the rules again where it begins a segment: which one depends on the
/// records that are there, so that a script goes on where a crash left it.
fn append_next(journal: &mut Journal<FaultyStorage>) -> Result<(), AuditError> {
    let step = steps(journal);
    let (now, rules) = (at(step as i64), rules(1 + step as u32 / 8));
    let open = journal.view().open_intents()?;
    match (step % 4, open.first()) {
        _ if journal.view().rules_in_force() != Some(rules.digest) => {
            journal.append_rules(now, rules).map(drop)
        }
        (2 | 3, Some(first)) => journal.append(now, outcome(first.id, OutcomeKind::Done)).map(drop),
        _ => {
            let mut body = intent("Kustomization/a/b", &format!("o{step}"), step as u64);
            if let Body::Intent(intent) = &mut body {
                intent.rules = rules.digest;
            }
            journal.append(now, body).map(drop)
        }
    }
}

/// Intents and outcomes that are there.
fn steps(journal: &Journal<FaultyStorage>) -> usize {
    let of = |outcome| {
        let query = Query { kind: Some(RecordKind::Intent), outcome, ..Query::default() };
        journal.view().count(&query)
    };
    2 * of(None) - of(Some(OutcomeIs::Open))
}

fn count(journal: &Journal<FaultyStorage>) -> u64 {
    journal.appended().seq
}

/// Opens and runs until the fault, syncing after every second record. Returns what was
/// acknowledged.
fn run(storage: &FaultyStorage) -> Head {
    let mut acknowledged = Head::empty();
    let Ok((mut journal, _)) = Journal::open(storage.clone(), &small()) else {
        return acknowledged;
    };
    acknowledged = journal.head();
    while steps(&journal) < STEPS {
        if append_next(&mut journal).is_err() {
            return acknowledged;
        }
        if count(&journal).is_multiple_of(2) {
            match journal.sync() {
                Ok(head) => acknowledged = head,
                Err(_) => return acknowledged,
            }
        }
    }
    acknowledged
}

/// The ids that a run without faults gives.
fn expected() -> Vec<ProofId> {
    let storage = FaultyStorage::with(None);
    run(&storage);
    ids(&storage)
}

fn ids(storage: &FaultyStorage) -> Vec<ProofId> {
    let mut ids = Vec::new();
    let mut walk = crate::audit::scan::Walk::new();
    walk.advance(storage, &mut |_, _, head, _| ids.push(ProofId::new(head.hash))).expect("reads");
    ids
}

/// What must hold after any crash: a sound prefix with everything that was acknowledged.
fn check_recovered(
    storage: &FaultyStorage,
    acknowledged: Head,
    want: &[ProofId],
    why: &str,
) -> Journal<FaultyStorage> {
    let (journal, problems) = open(storage);
    let found = ids(storage);
    assert_eq!(found, want[..found.len()], "{why}: not a prefix");
    assert!(found.len() as u64 >= acknowledged.seq, "{why}: lost an acknowledged record");
    assert!(journal.view().holds(&acknowledged), "{why}");
    for problem in &problems {
        let Problem::TornTail { aside, bytes, .. } = problem else {
            panic!("{why}: a crash leaves torn tails, not {problem:?}");
        };
        let kept = storage.bytes(aside).expect("the tail is kept").len() as u64;
        assert_eq!(kept, *bytes, "{why}");
    }
    let verified = verify(storage, Some(acknowledged)).expect("reads");
    assert_eq!(verified.problems, [], "{why}");
    journal
}

/// A recovered journal is written on as if nothing had happened.
fn check_goes_on(mut journal: Journal<FaultyStorage>, want: &[ProofId], why: &str) {
    while steps(&journal) < STEPS {
        append_next(&mut journal).expect("goes on");
    }
    journal.sync().expect("goes on");
    assert_eq!(ids(journal.storage()), want, "{why}: other records");
    assert!(verify(journal.storage(), None).expect("reads").is_sound(), "{why}");
}

#[test]
fn every_step_and_every_crash() {
    let want = expected();
    assert!(want.len() > STEPS + 2, "later segments state the rules again");
    let mut tried = 0;
    for step in 0.. {
        let storage = FaultyStorage::with(Some(Fault::CrashAt(step)));
        let acknowledged = run(&storage);
        if !storage.has_crashed() {
            break;
        }
        for crash in CRASHES {
            let why = format!("step {step}, {crash:?}");
            let storage = storage.after(crash, None);
            let journal = check_recovered(&storage, acknowledged, &want, &why);
            check_goes_on(journal, &want, &why);
            tried += 1;
        }
    }
    assert!(tried > 200, "{tried} crashes tried");
}

#[test]
fn a_crash_while_recovering_from_a_crash() {
    let want = expected();
    let mut tried = 0;
    for step in 0.. {
        let first = FaultyStorage::with(Some(Fault::CrashAt(step)));
        let acknowledged = run(&first);
        if !first.has_crashed() {
            break;
        }
        for crash in CRASHES {
            let clean = first.after(crash, None);
            let (_, problems) = open(&clean);
            for again in 0.. {
                let second = first.after(crash, Some(Fault::CrashAt(again)));
                let opened = Journal::open(second.clone(), &small());
                if !second.has_crashed() {
                    break;
                }
                assert!(opened.is_err(), "step {step}, {crash:?}: the crash must be seen");
                for second_crash in [Crash::Lost, Crash::Torn, Crash::Zeroed] {
                    let why = format!("step {step} {crash:?}, then {again} {second_crash:?}");
                    let storage = second.after(second_crash, None);
                    check_recovered(&storage, acknowledged, &want, &why);
                    if let [Problem::TornTail { aside, .. }] = &problems[..] {
                        let want = clean.bytes(aside);
                        let names = storage.list().expect("lists");
                        let kept = names
                            .iter()
                            .any(|name| name.ends_with(".torn") && storage.bytes(name) == want);
                        assert!(kept, "{why}: the first tail is kept");
                    }
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 1000, "{tried} crashes tried");
}

#[test]
fn a_full_or_sick_disk_at_any_step() {
    let want = expected();
    let mut halted = 0;
    for step in 0.. {
        let storage = FaultyStorage::with(Some(Fault::FailAt(step)));
        let (mut acknowledged, mut failures) = (Head::empty(), 0);
        // A daemon: tries again, and starts again when the journal is halted.
        while acknowledged.seq < want.len() as u64 {
            let Ok((mut journal, problems)) = Journal::open(storage.clone(), &small()) else {
                failures += 1;
                continue;
            };
            assert!(problems.iter().all(|p| matches!(p, Problem::TornTail { .. })), "{problems:?}");
            assert!(journal.view().holds(&acknowledged), "step {step}");
            while steps(&journal) < STEPS {
                match append_next(&mut journal) {
                    Ok(()) => {}
                    Err(AuditError::Halted { .. }) => break,
                    Err(AuditError::Io { .. }) => failures += 1,
                    Err(error) => panic!("step {step}: {error}"),
                }
            }
            match journal.sync() {
                Ok(head) => acknowledged = head,
                Err(AuditError::Halted { .. }) => halted += 1,
                Err(_) => failures += 1,
            }
        }
        assert_eq!(ids(&storage), want, "step {step}");
        assert!(verify(&storage, Some(acknowledged)).expect("reads").is_sound(), "step {step}");
        if storage.steps() <= step {
            break;
        }
        assert_eq!(failures, 1, "step {step}: the failure was told once");
    }
    assert!(halted > 0, "a failed sync while a segment ends halts the journal");
}

#[test]
fn a_torn_tail_is_kept_and_told() {
    let storage = FaultyStorage::with(None);
    let (mut journal, _) = open(&storage);
    journal.append_rules(at(0), rules(1)).unwrap();
    journal.sync().unwrap();
    journal.append(at(1), intent("u", "o", 1)).unwrap();
    let (journal, problems) = open(&storage.after(Crash::Torn, None));
    let [Problem::TornTail { segment, offset, bytes, aside }] = problems.as_slice() else {
        panic!("{problems:?}");
    };
    assert_eq!((segment.as_str(), aside.as_str()), ("000001.seg", "000001-0000000529.torn"));
    let kept = journal.storage().bytes(aside).unwrap();
    assert_eq!(kept.len() as u64, *bytes);
    assert_eq!(kept[..], storage.bytes(segment).unwrap()[*offset as usize..][..kept.len()]);
    assert_eq!(journal.head().seq, 1);
}

#[test]
fn what_an_opened_journal_shows_is_durable() {
    let storage = FaultyStorage::with(None);
    let (mut journal, _) = open(&storage);
    journal.append_rules(at(0), rules(1)).unwrap();
    journal.append(at(1), intent("u", "o", 1)).unwrap();
    // Killed without a sync; the system lives on, and loses its power after the next start.
    drop(journal);
    let (journal, _) = open(&storage);
    let head = journal.head();
    assert_eq!(head.seq, 2);
    assert_eq!(open(&storage.after(Crash::Lost, None)).0.head(), head);
}
