//! Questions and their answers: the same function serves the local socket, and the command line
//! when it reads a stopped daemon's state.

use std::collections::BTreeSet;

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
use crate::audit::Query;
use crate::audit::RecordKind;
use crate::datalog::Pattern;
use crate::datalog::Proof;
use crate::datalog::QueryOptions;
use crate::datalog::Reader;
use crate::explain;
use crate::explain::Answer;
use crate::explain::ObjectError;
use crate::explain::ObjectQuery;
use crate::explain::Pruned;
use crate::explain::Verdict;
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
}

/// What comes back.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To any question but that for the plan.
    Answer(Answer),
    /// To the question for the plan.
    Plan(PlanReport),
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

/// The reply of a daemon.
pub fn reply(question: &Question, reader: &Reader, journal: &JournalReader<DiskStorage>) -> Reply {
    match question {
        Question::Plan => match plan(reader) {
            Ok(plan) => Reply::Plan(plan),
            Err(error) => Reply::Error(error.to_string()),
        },
        other => match answer(other, Some(reader), journal) {
            Ok(answer) => Reply::Answer(answer),
            Err(error) => Reply::Error(error.to_string()),
        },
    }
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

/// Answers `question`. Without a `reader` (its fact log cannot be read) the journal alone answers.
///
/// # Errors
/// The object cannot be named; its text says what to do.
pub fn answer(
    question: &Question,
    reader: Option<&Reader>,
    journal: &JournalReader<DiskStorage>,
) -> Result<Answer, ObjectError> {
    let Some(reader) = reader else { return from_journal(question, journal) };
    let known = explain::known_kinds(reader);
    Ok(match question {
        Question::Why(asked) => explain::why_object(reader, &resolve(asked, &known, Some(reader))?),
        Question::WhyPruned(asked) => pruned(&resolve(asked, &known, None)?, journal),
        Question::WhyNotReady(asked) => explain::why_not_ready(reader, &unit(asked, &known)?),
        Question::WhyNotLive { revision, object } => {
            let object = resolve(object, &known, Some(reader))?;
            explain::why_not_live(reader, revision, &object)
        }
        Question::Owners(asked) => explain::owners(reader, &resolve(asked, &known, Some(reader))?),
        Question::Pending => explain::pending(reader),
        Question::Plan => no_plan(reader.generation()),
    })
}

/// A plan is no answer: whoever wants one asks for a [`reply`].
fn no_plan(generation: u64) -> Answer {
    Answer::new(Verdict::Unknown, "a plan is not a yes or no", generation).next("hence plan")
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
    let mut found: Vec<Pruned> =
        page.items.iter().filter_map(|item| pruned_item(item, &view.short_id(&item.id))).collect();
    found.reverse();
    Ok(found)
}

fn pruned_item(item: &Item, short: &str) -> Option<Pruned> {
    let Body::Intent(intent) = &item.record.body else { return None };
    if intent.action.kind != "delete" {
        return None;
    }
    let proof: Proof = serde_json::from_value(intent.proof.clone()).ok()?;
    let outcome = item.outcome.as_ref();
    Some(Pruned {
        at: item.record.at.to_string(),
        unit: intent.action.unit.clone().unwrap_or_default(),
        proof_id: short.to_owned(),
        proof,
        outcome: outcome.map(|(at, o)| format!("{} at {at}", o.result)).unwrap_or_default(),
    })
}
