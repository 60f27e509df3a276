//! Questions and their answers: the same function serves the local socket, and the command line
//! when it reads a stopped daemon's state.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use serde::Serialize;

use crate::actions;
use crate::actions::ActionError;
use crate::actions::Plan;
use crate::actions::PlanReport;
use crate::audit::AuditError;
use crate::audit::Body;
use crate::audit::DiskStorage;
use crate::audit::Item;
use crate::audit::JournalReader;
use crate::audit::Object;
use crate::audit::Order;
use crate::audit::OutcomeKind;
use crate::audit::Query;
use crate::audit::RecordKind;
use crate::daemon::field;
use crate::daemon::journal_view;
use crate::daemon::journal_view::AuditCheck;
use crate::daemon::journal_view::AuditList;
use crate::daemon::journal_view::AuditRecord;
use crate::daemon::journal_view::ListOptions;
use crate::datalog::Pattern;
use crate::datalog::Proof;
use crate::datalog::QueryOptions;
use crate::datalog::Reader;
use crate::explain;
use crate::explain::Answer;
use crate::explain::Applied;
use crate::explain::ObjectError;
use crate::explain::ObjectQuery;
use crate::explain::Pruned;
use crate::explain::Verdict;
use crate::ingest::Recipes;
use crate::model::GroupKind;
use crate::model::ObjectRef;
use crate::model::UnitName;

/// Deletes of one object that are looked at, newest first.
const DELETES_MAX: usize = 50;

/// What can be asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Question {
    /// Why does the object exist?
    Why(Asked),
    /// Where does a field of the object come from?
    WhyField {
        /// The object.
        object: Asked,
        /// The field, such as `spec.replicas` or `spec.containers[name=main].image`.
        field: String,
    },
    /// Why was it pruned?
    WhyPruned(Asked),
    /// Why is the unit not ready?
    WhyNotReady(Asked),
    /// Why is the revision not live on the object?
    WhyNotLive {
        /// A commit id, its beginning, or a revision.
        revision: String,
        /// The object.
        object: Asked,
    },
    /// Who owns the object?
    Owners(Asked),
    /// What is pending?
    Pending,
    /// What is to be done now?
    Plan,
    /// Which actions are in the journal?
    AuditList(ListOptions),
    /// What is recorded of this action?
    AuditShow {
        /// The id of its proof.
        id: String,
    },
    /// Is the journal whole?
    AuditVerify,
}

/// What comes back.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To any question but that for the plan.
    Answer(Answer),
    /// To the question for the plan.
    Plan(PlanReport),
    /// Actions of the journal.
    AuditList(AuditList),
    /// One action with its proof.
    AuditRecord(Box<AuditRecord>),
    /// Whether the journal is whole.
    AuditCheck(AuditCheck),
    /// The question cannot be answered; the text says what to do.
    Error(String),
}

/// An object as it was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asked {
    /// `kind/name`.
    pub object: String,
    /// The namespace.
    pub namespace: String,
}

/// The reply to a question, from this generation and the journal in this directory.
pub fn reply(question: &Question, reader: &Reader, journal: &Path, recipes: &Recipes) -> Reply {
    match reply_or_error(question, Some(reader), journal, Some(recipes)) {
        Ok(reply) => reply,
        Err(error) => Reply::Error(error),
    }
}

/// The reply; without a `reader` (its fact log cannot be read) the journal alone answers.
///
/// # Errors
/// The question cannot be answered; the text says what to do.
pub fn reply_or_error(
    question: &Question,
    reader: Option<&Reader>,
    journal: &Path,
    recipes: Option<&Recipes>,
) -> Result<Reply, String> {
    let storage = DiskStorage::for_reading(journal);
    if let Question::AuditVerify = question {
        return journal_view::check(&storage).map(Reply::AuditCheck).map_err(|e| e.to_string());
    }
    let journal = JournalReader::open(storage).map_err(|error| error.to_string())?;
    match (question, reader) {
        (Question::Plan, Some(reader)) => {
            plan(reader).map(Reply::Plan).map_err(|error| error.to_string())
        }
        (Question::AuditList(options), _) => {
            let listed = journal_view::list(&journal, options);
            listed.map(Reply::AuditList).map_err(|error| error.to_string())
        }
        (Question::AuditShow { id }, _) => {
            let shown = journal_view::show(&journal, id).map(Box::new);
            shown.map(Reply::AuditRecord).map_err(|error| error.to_string())
        }
        _ => {
            let answered = answer(question, reader, &journal, recipes);
            answered.map(Reply::Answer).map_err(|e| e.to_string())
        }
    }
}

/// How many rows a relation has.
pub(super) fn count(reader: &Reader, relation: &str) -> usize {
    let columns = reader.program().relation(relation).map_or(0, |info| info.columns.len());
    let pattern = Pattern { relation: relation.into(), columns: vec![None; columns] };
    reader.query(&pattern, &QueryOptions::default()).value.len()
}

/// The plan that follows from the facts of this generation, actions that are underway included.
///
/// # Errors
/// The rules derived something that is no action.
pub fn plan(reader: &Reader) -> Result<PlanReport, ActionError> {
    let options = QueryOptions { limit: usize::MAX, work: u64::MAX, ..QueryOptions::default() };
    let mut rows = Vec::new();
    for name in actions::RELATIONS {
        let Some(relation) = reader.program().relation(name) else { continue };
        let columns = vec![None; relation.columns.len()];
        let pattern = Pattern { relation: (*name).into(), columns };
        let found = reader.query(&pattern, &options).value;
        rows.extend(found.into_iter().map(|row| ((*name).to_owned(), row)));
    }
    Ok(Plan::build(reader.generation(), rows, &BTreeSet::new())?.report())
}

/// Answers `question`. Without a `reader` (its fact log cannot be read) the journal alone answers;
/// only a running daemon has `recipes`.
///
/// # Errors
/// The object cannot be named; its text says what to do.
pub fn answer(
    question: &Question,
    reader: Option<&Reader>,
    journal: &JournalReader<DiskStorage>,
    recipes: Option<&Recipes>,
) -> Result<Answer, ObjectError> {
    let Some(reader) = reader else { return from_journal(question, journal) };
    let known = explain::known_kinds(reader);
    Ok(match question {
        Question::Why(asked) => {
            let object = resolve(asked, &known, Some(reader))?;
            with_proof(explain::why_object(reader, &object), &object, journal)
        }
        Question::WhyField { object, field } => {
            let object = resolve(object, &known, Some(reader))?;
            field::why_field(reader, &object, field, recipes)
        }
        Question::WhyPruned(asked) => pruned(&resolve(asked, &known, None)?, journal),
        Question::WhyNotReady(asked) => explain::why_not_ready(reader, &unit(asked, &known)?),
        Question::WhyNotLive { revision, object } => {
            let object = resolve(object, &known, Some(reader))?;
            explain::why_not_live(reader, revision, &object)
        }
        Question::Owners(asked) => explain::owners(reader, &resolve(asked, &known, Some(reader))?),
        Question::Pending => explain::pending(reader),
        Question::Plan
        | Question::AuditList(_)
        | Question::AuditShow { .. }
        | Question::AuditVerify => no_answer(reader.generation()),
    })
}

/// Names the proof under which the object was last applied: it leads to all the rest.
fn with_proof(answer: Answer, object: &ObjectRef, journal: &JournalReader<DiskStorage>) -> Answer {
    let view = journal.view();
    let query = Query {
        object: Some(Object::from(object)),
        kind: Some(RecordKind::Intent),
        order: Order::NewestFirst,
        limit: DELETES_MAX,
        ..Query::default()
    };
    let Ok(page) = view.list(&query) else { return answer };
    let is_apply = |item: &&Item| match &item.record.body {
        Body::Intent(intent) => intent.action.kind == "apply",
        _ => false,
    };
    let Some(last) = page.items.iter().find(is_apply) else { return answer };
    let id = view.short_id(&last.id);
    let answer = answer.line("proof", format!("{id} of {}", last.record.at));
    if answer.next.is_empty() { answer.next(format!("hence audit show {id}")) } else { answer }
}

/// Plans and records are no answers: whoever wants one asks for a [`reply`].
fn no_answer(generation: u64) -> Answer {
    Answer::new(Verdict::Unknown, "this is not a yes or no", generation).next("hence --help")
}

fn from_journal(
    question: &Question,
    journal: &JournalReader<DiskStorage>,
) -> Result<Answer, ObjectError> {
    match question {
        Question::WhyPruned(asked) => Ok(pruned(&resolve(asked, &[], None)?, journal)),
        _ => {
            let headline = "the facts cannot be read now; only the journal can";
            let mut answer = Answer::new(Verdict::Unknown, headline, 0).next("hence audit list");
            answer.complete = false;
            Ok(answer)
        }
    }
}

/// The object that is meant: namespaced, or cluster-scoped when only that one is known.
fn resolve(
    asked: &Asked,
    known: &[GroupKind],
    reader: Option<&Reader>,
) -> Result<ObjectRef, ObjectError> {
    let query = ObjectQuery::parse(&asked.object, &asked.namespace)?;
    let kind = query.kind(known)?;
    let [namespaced, cluster] = query.candidates(&kind);
    let is_cluster = reader.is_some_and(|reader| explain::is_cluster_scoped(reader, &kind));
    Ok(if is_cluster || ObjectQuery::is_cluster_kind(&kind) { cluster } else { namespaced })
}

fn unit(asked: &Asked, known: &[GroupKind]) -> Result<UnitName, ObjectError> {
    let object = resolve(asked, known, None)?;
    Ok(UnitName::new(&object.namespace, &object.name))
}

fn pruned(object: &ObjectRef, journal: &JournalReader<DiskStorage>) -> Answer {
    match deletes(object, journal) {
        Ok(deletes) => explain::why_pruned(object, &deletes),
        Err(error) => {
            let headline = format!("the journal cannot be read: {error}");
            let mut answer = Answer::new(Verdict::Unknown, headline, 0).next("hence audit verify");
            answer.complete = false;
            answer
        }
    }
}

/// The deletes of an object, oldest first.
fn deletes(
    object: &ObjectRef,
    journal: &JournalReader<DiskStorage>,
) -> Result<Vec<Pruned>, AuditError> {
    let view = journal.view();
    let query = Query {
        object: Some(Object::from(object)),
        kind: Some(RecordKind::Intent),
        order: Order::NewestFirst,
        limit: DELETES_MAX,
        ..Query::default()
    };
    let page = view.list(&query)?;
    let mut found = Vec::new();
    for (at, item) in page.items.iter().enumerate() {
        let Some(mut pruned) = pruned_item(item, &view.short_id(&item.id)) else { continue };
        let mut before = page.items.iter().skip(at + 1);
        pruned.applied = before.find_map(applied_item).map(|(item, circumstances)| {
            let (at, proof_id) = (item.record.at.to_string(), view.short_id(&item.id));
            Applied { at, proof_id, circumstances }
        });
        found.push(pruned);
    }
    found.reverse();
    Ok(found)
}

fn pruned_item(item: &Item, short: &str) -> Option<Pruned> {
    let Body::Intent(intent) = &item.record.body else { return None };
    if intent.action.kind != "delete" {
        return None;
    }
    let proof: Proof = serde_json::from_value(intent.proof.json().into_owned()).ok()?;
    let outcome = item.outcome.as_ref();
    Some(Pruned {
        at: item.record.at.to_string(),
        unit: intent.action.unit.clone().unwrap_or_default(),
        proof_id: short.to_owned(),
        proof,
        outcome: outcome.map(|(at, o)| format!("{} at {at}", o.result)).unwrap_or_default(),
        circumstances: intent.action.fields.clone(),
        applied: None,
    })
}

/// The item, when it is an apply that was carried out, with what the journal has beside its proof.
fn applied_item(item: &Item) -> Option<(&Item, BTreeMap<String, String>)> {
    let Body::Intent(intent) = &item.record.body else { return None };
    let was_done = item.outcome.as_ref().is_some_and(|(_, o)| o.result == OutcomeKind::Done);
    (intent.action.kind == "apply" && was_done).then(|| (item, intent.action.fields.clone()))
}
