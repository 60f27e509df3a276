//! What a run that ended without order may have done: opens the journal and settles its accounts.
//!
//! An intent without outcome gets the outcome `unknown`. Its apply, and any other of the last
//! minutes whose outcome may not have become a fact, is an *attempt*: if the object is there and
//! proves to be ours, it is adopted, so that an object which Git drops meanwhile is still pruned.
//!
//! What the directory lost is told too: in the log, in the journal, and as facts.
//!
//! Not here: what follows from an attempt (`rules/ownership.dl`).

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use miette::Diagnostic;

use crate::audit::AuditError;
use crate::audit::Body;
use crate::audit::DiskStorage;
use crate::audit::Item;
use crate::audit::Journal;
use crate::audit::JournalOptions;
use crate::audit::Note;
use crate::audit::NoteKind;
use crate::audit::Order;
use crate::audit::Outcome;
use crate::audit::OutcomeKind;
use crate::audit::Problem;
use crate::audit::Query;
use crate::audit::View;
use crate::daemon::DaemonError;
use crate::facts::Statement;
use crate::facts::relation;
use crate::facts::store::StateDir;
use crate::model::ObjectRef;
use crate::model::Timestamp;
use crate::model::UnitName;

/// Older outcomes than this, counted from the last record, have become facts long ago.
const RECENT_MS: i64 = 5 * 60 * 1000;

/// Applies that may have made an object, by object.
type Attempts = BTreeMap<ObjectRef, UnitName>;

/// What the last run left behind.
pub(super) struct Left {
    problems: Vec<Problem>,
    open: Vec<Item>,
    attempts: Attempts,
}

impl Left {
    /// What is wrong with the journal.
    pub(super) fn problems(&self) -> impl Iterator<Item = &dyn Diagnostic> {
        self.problems.iter().map(|problem| problem as &dyn Diagnostic)
    }

    /// The attempts as facts.
    pub(super) fn statements(&self) -> Vec<Statement> {
        let attempts = self.attempts.iter();
        attempts.map(|(object, unit)| Statement::Holds(relation::attempted(object, unit))).collect()
    }
}

/// Opens the journal for writing; tells what is wrong with it and what may have been done.
///
/// # Errors
/// The disk failed, or the journal is of another version.
pub(super) fn open_journal(state: &StateDir) -> Result<(Journal<DiskStorage>, Left), DaemonError> {
    let storage = DiskStorage::for_writing(&state.journal())?;
    let (journal, problems) = Journal::open(storage, &JournalOptions::default())?;
    let open = journal.view().open_intents()?;
    let attempts = attempts(&journal.view(), &open)?;
    Ok((journal, Left { problems, open, attempts }))
}

/// Writes an outcome for every intent that has none, and that the daemon started. Call it once the
/// attempts are durable facts: then nothing hangs on those intents any more.
///
/// # Errors
/// The journal could not be written.
pub(super) fn settle(
    journal: &mut Journal<DiskStorage>,
    left: Left,
    now: Timestamp,
) -> Result<(), AuditError> {
    for problem in left.problems {
        let text = problem.to_string();
        let note = Note { about: NoteKind::Recovery, text, fields: BTreeMap::new() };
        journal.append(now, Body::Note(note))?;
    }
    // An intent without outcome: nobody knows whether it took effect. The world is observed anew,
    // and whatever is still due is derived again from what is seen.
    for intent in left.open.into_iter().map(|item| item.id) {
        let outcome = Outcome {
            intent,
            result: OutcomeKind::Unknown,
            detail: "the daemon ended before the outcome was recorded; observed again".to_owned(),
            observed: Default::default(),
        };
        journal.append(now, Body::Outcome(outcome))?;
    }
    let text = format!("hence {} started", env!("CARGO_PKG_VERSION"));
    let note = Note { about: NoteKind::Start, text, fields: BTreeMap::new() };
    journal.append(now, Body::Note(note))?;
    journal.sync()?;
    Ok(())
}

/// Something that the state directory lost: code, what, where, and what next.
pub(super) fn told(loss: &dyn Diagnostic) -> String {
    let code = loss.code().map(|code| format!(" [{code}]")).unwrap_or_default();
    let advice = loss.help().map(|advice| format!("; {advice}")).unwrap_or_default();
    format!("{loss}{code}{advice}")
}

/// The applies among the open intents, and those of the last minutes of a run that was cut off.
fn attempts(view: &View<'_>, open: &[Item]) -> Result<Attempts, AuditError> {
    let mut found: Attempts = open.iter().filter_map(attempt).collect();
    let mut query = Query { order: Order::NewestFirst, ..Query::default() };
    let mut last = None;
    let mut settled: BTreeSet<ObjectRef> = BTreeSet::new();
    loop {
        let page = view.list(&query)?;
        for item in &page.items {
            let last = *last.get_or_insert(item.record.at.millis());
            let ended = matches!(&item.record.body, Body::Note(note)
                if matches!(note.about, NoteKind::Start | NoteKind::Stop));
            if ended || last - item.record.at.millis() > RECENT_MS {
                return Ok(found);
            }
            if let Some(object) = gone_or_let_go(item) {
                settled.insert(object);
            }
            if let Some((object, unit)) = attempt(item).filter(|(o, _)| !settled.contains(o)) {
                found.entry(object).or_insert(unit);
            }
        }
        query.after = page.next;
        if page.next.is_none() {
            return Ok(found);
        }
    }
}

/// The object and unit of an apply that may have taken effect.
fn attempt(item: &Item) -> Option<(ObjectRef, UnitName)> {
    let Body::Intent(intent) = &item.record.body else { return None };
    let may_have = item.outcome.as_ref().is_none_or(|(_, outcome)| {
        matches!(outcome.result, OutcomeKind::Done | OutcomeKind::Unknown)
    });
    if intent.action.kind != "apply" || !may_have {
        return None;
    }
    let unit = UnitName::parse(intent.action.unit.as_deref()?)?;
    Some((ObjectRef::from(intent.action.object.as_ref()?), unit))
}

/// The object of a delete or a release that is known to have been done.
fn gone_or_let_go(item: &Item) -> Option<ObjectRef> {
    let Body::Intent(intent) = &item.record.body else { return None };
    let done = matches!(&item.outcome, Some((_, outcome)) if outcome.result == OutcomeKind::Done);
    let ends = ["delete", "forget"].contains(&intent.action.kind.as_str());
    (done && ends).then(|| intent.action.object.as_ref().map(ObjectRef::from)).flatten()
}
