//! The state directory, looked at without changing it: its version, its disk, its journal, and
//! whether the journal is the one that the leases tell of.

use std::os::unix::net::UnixStream;
use std::path::Path;

use super::Findings;
use super::NotedHead;
use crate::audit;
use crate::audit::AuditError;
use crate::audit::Body;
use crate::audit::DiskStorage;
use crate::audit::JournalReader;
use crate::audit::Note;
use crate::audit::NoteKind;
use crate::audit::Order;
use crate::audit::Problem;
use crate::audit::Query;
use crate::audit::RecordKind;
use crate::daemon::socket;
use crate::facts::store;

/// Less free space than this is a failure: fetches and facts need room to be written whole.
const FREE_BYTES_MIN: u64 = 256 << 20;
/// Less free space than this is worth a warning.
const FREE_BYTES_GOOD: u64 = 2 << 30;
/// Most losses that are told, newest first.
const LOSSES_MAX: usize = 5;

/// Looks at a state directory; false when it cannot be told how it is.
pub(super) fn check(state: &Path, noted: &[NotedHead], findings: &mut Findings) -> bool {
    findings.section("checking state");
    if let Err(error) = store::expect_state(state) {
        findings.wrong("", &error);
        return false;
    }
    check_space(state, findings);
    match UnixStream::connect(socket::path(state)) {
        Ok(_) => findings.good("a daemon answers at its socket"),
        Err(_) => findings.warn("no daemon answers at its socket"),
    }
    let checked = check_journal(&state.join("journal"), noted, findings);
    checked.map_err(|error| findings.wrong("journal: ", &error)).is_ok()
}

fn check_space(state: &Path, findings: &mut Findings) {
    let shown = state.display();
    match fs2::available_space(state) {
        Ok(free) if free < FREE_BYTES_MIN => {
            findings.bad(&format!("{shown}: {} free, too little", mebibytes(free)));
        }
        Ok(free) if free < FREE_BYTES_GOOD => {
            findings.warn(&format!("{shown}: {} free", mebibytes(free)));
        }
        Ok(free) => findings.good(&format!("{shown}: {} free", mebibytes(free))),
        Err(error) => findings.bad(&format!("{shown}: {error}")),
    }
}

fn check_journal(
    dir: &Path,
    noted: &[NotedHead],
    findings: &mut Findings,
) -> Result<(), AuditError> {
    let storage = DiskStorage::of_existing(dir)?;
    let found = audit::verify(&storage, None)?;
    // Read after the leases were: whatever they tell is there by now.
    let journal = JournalReader::open(storage)?;
    let mut problems = found.problems.clone();
    for NotedHead { lease, head } in noted {
        if journal.view().holds(head) {
            findings.good(&format!("journal: holds record {}, which {lease} tells of", head.seq));
        } else {
            let ends_at = journal.head().seq;
            problems.push(Problem::RolledBack { seq: head.seq, hash: head.hash, ends_at });
        }
    }
    if found.records == 0 && problems.is_empty() {
        return Err(AuditError::Empty { path: dir.to_owned() });
    }
    if problems.is_empty() {
        findings.good(&format!(
            "journal: {} records, {} actions, chain whole",
            found.records, found.intents
        ));
    }
    problems.iter().for_each(|problem| findings.wrong("journal: ", problem));
    for loss in losses(&journal)? {
        findings.warn(&format!("journal: {loss}"));
    }
    Ok(())
}

/// What the last start found to be lost, as the journal notes it, newest first.
fn losses(journal: &JournalReader<DiskStorage>) -> Result<Vec<String>, AuditError> {
    let view = journal.view();
    let query =
        Query { kind: Some(RecordKind::Note), order: Order::NewestFirst, ..Query::default() };
    let mut starts = 0;
    let mut told = Vec::new();
    for item in view.list(&query)?.items {
        let Body::Note(Note { about, text, .. }) = &item.record.body else { continue };
        match about {
            NoteKind::Recovery => told.push(format!("noted at {}: {text}", item.record.at)),
            NoteKind::Start => starts += 1,
            // The run that is over ended in order: its losses were told while it lasted.
            NoteKind::Stop if starts > 0 => break,
            NoteKind::Stop | NoteKind::Lease | NoteKind::Export => {}
        }
        if starts > 1 || told.len() == LOSSES_MAX {
            break;
        }
    }
    Ok(told)
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
