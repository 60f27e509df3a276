//! Questions and their answers: the same function serves the local socket, and the command line
//! when it reads a stopped daemon's state.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

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
use crate::daemon::Unanswered;
use crate::daemon::field;
use crate::daemon::journal_view;
use crate::daemon::journal_view::AuditCheck;
use crate::daemon::journal_view::AuditList;
use crate::daemon::journal_view::AuditRecord;
use crate::daemon::journal_view::ListOptions;
use crate::daemon::past;
use crate::daemon::paths;
use crate::daemon::state::Published;
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
use crate::model::KUSTOMIZE_GROUP;
use crate::model::ObjectRef;
use crate::model::SOURCE_GROUP;
use crate::model::UnitName;

/// Deletes of one object that are looked at, newest first.
const DELETES_MAX: usize = 50;
/// How long a daemon may take to write one record.
const WRITING: Duration = Duration::from_millis(200);

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
    /// Why is the unit or source not ready?
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
    /// The question cannot be answered.
    Unanswered(Unanswered),
}

/// An object as it was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asked {
    /// `kind/name`.
    pub object: String,
    /// The namespace.
    pub namespace: String,
}

/// What answers are made from.
pub struct Knowledge<'a> {
    /// One generation of facts, or why there is none.
    pub facts: Result<&'a Reader, Unanswered>,
    /// The journal, or why it cannot be read.
    pub journal: Result<&'a JournalReader<DiskStorage>, Unanswered>,
    /// What builds were made of; only a running daemon knows.
    pub recipes: Option<&'a Recipes>,
    /// What is awaited before the facts are those of the present.
    pub lacks: Option<String>,
    /// Until when anything was known, where no daemon answers.
    pub as_of: Option<String>,
    /// Why conclusions are not those of the rules that were in force, where no daemon answers.
    pub other_rules: Option<String>,
}

impl<'a> Knowledge<'a> {
    /// These facts, and this journal.
    pub fn new(
        facts: Result<&'a Reader, Unanswered>,
        journal: Result<&'a JournalReader<DiskStorage>, Unanswered>,
    ) -> Self {
        Self { facts, journal, recipes: None, lacks: None, as_of: None, other_rules: None }
    }

    /// What a stopped daemon left: it knew nothing after the last record of its journal.
    #[must_use]
    pub fn left_behind(mut self) -> Self {
        let span = self.journal.as_ref().ok().and_then(|journal| journal.view().span());
        let until = span.map_or_else(|| "an unknown time".to_owned(), |(_, last)| last.to_string());
        self.as_of = Some(until);
        self
    }

    fn journal(&self) -> Result<&'a JournalReader<DiskStorage>, Unanswered> {
        self.journal.clone()
    }
}

/// The reply of a running daemon, from its present generation and the journal in this directory.
pub fn reply(question: &Question, published: &Published, journal: &Path) -> Reply {
    // Before the generation is taken: what came in between is then in it.
    let lacks = published.lacks();
    let reader = published.reader();
    let replied = match question {
        Question::AuditVerify => check(journal).map(Reply::AuditCheck),
        _ => published.with_journal(journal, |journal| {
            let journal = journal.map_err(|error| Unanswered::of(&error));
            let known = Knowledge {
                recipes: Some(&published.recipes),
                lacks,
                ..Knowledge::new(Ok(&reader), journal)
            };
            reply_or_reason(question, &known)
        }),
    };
    replied.unwrap_or_else(Reply::Unanswered)
}

/// The reply to a question about the journal alone; `is_left` says that no daemon writes it.
///
/// # Errors
/// The question cannot be answered.
pub fn reply_of_journal(
    question: &Question,
    journal: &Path,
    is_left: bool,
) -> Result<Reply, Unanswered> {
    if let Question::AuditVerify = question {
        let mut check = check(journal)?;
        // A record that is being written now is whole in a moment.
        if check.tail_bytes > 0 {
            std::thread::sleep(WRITING);
            check = self::check(journal)?;
        }
        if is_left {
            let span = open_journal(journal).ok().and_then(|journal| journal.view().span());
            check.as_of = span.map(|(_, last)| last.to_string());
        }
        return Ok(Reply::AuditCheck(check));
    }
    let none = Unanswered {
        text: "this is no question about the journal".to_owned(),
        code: "ask::question".to_owned(),
        help: "use the `hence` of the daemon's version".to_owned(),
    };
    let journal = open_journal(journal);
    let journal = journal.as_ref().map_err(Unanswered::clone);
    let known = Knowledge::new(Err(none), journal);
    reply_or_reason(question, &if is_left { known.left_behind() } else { known })
}

/// The journal in this directory, read once.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn open_journal(directory: &Path) -> Result<JournalReader<DiskStorage>, Unanswered> {
    JournalReader::at(directory).map_err(|error| Unanswered::of(&error))
}

fn check(journal: &Path) -> Result<AuditCheck, Unanswered> {
    let checked = DiskStorage::of_existing(journal).and_then(|found| journal_view::check(&found));
    checked.map_err(|error| Unanswered::of(&error))
}

/// The reply as far as anything is known.
///
/// # Errors
/// The question cannot be answered.
pub fn reply_or_reason(question: &Question, known: &Knowledge<'_>) -> Result<Reply, Unanswered> {
    match question {
        Question::Plan => {
            let mut planned = plan(known.facts.clone()?).map_err(|error| Unanswered::of(&error))?;
            if let Some(what) = &known.lacks {
                planned.complete = false;
                planned.partial = Some(awaits(what));
            }
            if let Some(why) = &known.other_rules {
                planned.complete = false;
                planned.partial = Some(why.clone());
            }
            planned.as_of.clone_from(&known.as_of);
            Ok(Reply::Plan(planned))
        }
        Question::AuditList(options) => {
            let listed = journal_view::list(known.journal()?, options);
            let mut listed = listed.map_err(|error| Unanswered::of(&error))?;
            listed.as_of.clone_from(&known.as_of);
            Ok(Reply::AuditList(listed))
        }
        Question::AuditShow { id } => {
            let shown = journal_view::show(known.journal()?, id);
            let mut shown = shown.map_err(|error| Unanswered::of(&error))?;
            shown.as_of.clone_from(&known.as_of);
            Ok(Reply::AuditRecord(Box::new(shown)))
        }
        _ => answer(question, known).map(Reply::Answer),
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

/// Answers `question` as far as anything is known.
///
/// # Errors
/// The object cannot be named.
pub fn answer(question: &Question, known: &Knowledge<'_>) -> Result<Answer, Unanswered> {
    let answered = match (&known.facts, &known.lacks) {
        (Ok(reader), None) if known.as_of.is_some() => from_facts(question, reader, known)
            .map(|answer| known.other_rules.iter().cloned().fold(answer, Answer::partial))
            .map(|answer| answer.known_until(known.as_of.clone())),
        (Ok(reader), None) => from_facts(question, reader, known),
        (Ok(reader), Some(what)) => match from_facts(question, reader, known) {
            Err(ObjectError::UnknownKind { kind, .. }) => {
                let headline = format!("no kind `{kind}` is known");
                let answer = Answer::new(Verdict::Unknown, headline, reader.generation());
                Ok(answer.provisional(awaits(what)))
            }
            // What was deleted is told by the journal, and that is whole.
            Ok(answer) if matches!(question, Question::WhyPruned(_)) => Ok(answer),
            answered => answered.map(|answer| answer.provisional(awaits(what))),
        },
        (Err(reason), _) => without_facts(question, reason, known),
    };
    answered.map_err(|error| Unanswered::of(&error))
}

/// Why answers are not about the present.
fn awaits(what: &str) -> String {
    format!("this daemon still waits for {what}")
}

fn from_facts(
    question: &Question,
    reader: &Reader,
    known: &Knowledge<'_>,
) -> Result<Answer, ObjectError> {
    let kinds = explain::known_kinds(reader);
    Ok(match question {
        Question::Why(asked) => {
            let object = resolve(asked, &kinds, Some(reader))?;
            why(reader, &object, known)
        }
        Question::WhyField { object, field } => {
            paths::check(field)?;
            let object = resolve(object, &kinds, Some(reader))?;
            field::why_field(reader, &object, field, known.recipes)
        }
        Question::WhyPruned(asked) => pruned(&recorded(asked, kinds, known)?, known),
        Question::WhyNotReady(asked) => why_not_ready(reader, &resolve(asked, &kinds, None)?)?,
        Question::WhyNotLive { revision, object } => {
            let object = resolve(object, &kinds, Some(reader))?;
            let once = |unit: &str| past::once(known.journal().ok()?, unit, &object, revision);
            explain::why_not_live(reader, revision, &object, once)
        }
        Question::Owners(asked) => explain::owners(reader, &resolve(asked, &kinds, Some(reader))?),
        Question::Pending => explain::pending(reader),
        Question::Plan
        | Question::AuditList(_)
        | Question::AuditShow { .. }
        | Question::AuditVerify => no_answer(reader.generation()),
    })
}

/// Why the object is there; the proof of its last apply leads to all the rest.
fn why(reader: &Reader, object: &ObjectRef, known: &Knowledge<'_>) -> Answer {
    let journal = match &known.journal {
        Ok(journal) => journal,
        Err(reason) => {
            let told = explain::why_object(reader, object, &[]);
            return told.partial(format!("the proof is not known: {reason}"));
        }
    };
    let deeds = past::deeds(journal, object);
    let answer = explain::why_object(reader, object, &deeds);
    let Some(last) = explain::last_apply(reader, object, &deeds) else { return answer };
    let answer = answer.line("proof", format!("{} of {}", last.proof_id, last.at));
    match answer.next.is_empty() {
        true => answer.next(format!("hence audit show {}", last.proof_id)),
        false => answer,
    }
}

/// Plans and records are no answers: whoever wants one asks for a [`reply`].
fn no_answer(generation: u64) -> Answer {
    Answer::new(Verdict::Unknown, "this is not a yes or no", generation).next("hence --help")
}

/// What the journal alone tells, and why there are no facts.
fn without_facts(
    question: &Question,
    reason: &Unanswered,
    known: &Knowledge<'_>,
) -> Result<Answer, ObjectError> {
    if let (Question::WhyPruned(asked), Ok(_)) = (question, &known.journal) {
        return Ok(pruned(&recorded(asked, Vec::new(), known)?, known));
    }
    Ok(match &known.journal {
        Ok(_) => unreadable("the facts cannot be read now; only the journal can", reason)
            .next("hence audit list"),
        Err(_) => unreadable("neither facts nor journal can be read", reason),
    })
}

/// An answer that only tells why there is none.
fn unreadable(headline: &str, reason: &Unanswered) -> Answer {
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let mut answer = Answer::new(Verdict::Unknown, headline, 0)
        .line("because", &reason.text)
        .line_if("code", given(&reason.code))
        .line_if("help", given(&reason.help));
    answer.complete = false;
    answer
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

/// The object of the journal that is meant: its kind need not be known any more.
fn recorded(
    asked: &Asked,
    mut kinds: Vec<GroupKind>,
    known: &Knowledge<'_>,
) -> Result<ObjectRef, ObjectError> {
    let journal = known.journal().map(JournalReader::view);
    let objects = journal.iter().flat_map(|view| view.objects()).map(ObjectRef::from);
    let objects: Vec<ObjectRef> = objects.collect();
    kinds.extend(objects.iter().map(ObjectRef::group_kind));
    let query = ObjectQuery::parse(&asked.object, &asked.namespace)?;
    let kind = query.kind(&kinds)?;
    let [namespaced, cluster] = query.candidates(&kind);
    let is_cluster = !objects.contains(&namespaced)
        && (objects.contains(&cluster) || ObjectQuery::is_cluster_kind(&kind));
    Ok(if is_cluster { cluster } else { namespaced })
}

fn why_not_ready(reader: &Reader, object: &ObjectRef) -> Result<Answer, ObjectError> {
    match (object.group.as_str(), object.kind.as_str()) {
        (KUSTOMIZE_GROUP, "Kustomization") => {
            let unit = UnitName::new(&object.namespace, &object.name);
            Ok(explain::why_not_ready(reader, &unit))
        }
        (SOURCE_GROUP, _) => Ok(explain::why_source_not_ready(reader, object)),
        _ => Err(ObjectError::NoUnit { object: object.clone() }),
    }
}

fn pruned(object: &ObjectRef, known: &Knowledge<'_>) -> Answer {
    let found = known
        .journal()
        .and_then(|journal| deletes(object, journal).map_err(|error| Unanswered::of(&error)));
    match found {
        Ok(deletes) if deletes.is_empty() => not_pruned(object, known),
        Ok(deletes) => {
            let told = explain::why_pruned(object, &deletes);
            match &known.facts {
                Ok(reader) => explain::there_again(reader, object, told),
                Err(_) => told,
            }
        }
        Err(reason) => unreadable("the journal cannot be read", &reason).next("hence audit verify"),
    }
}

/// The journal has no delete of the object: says how far back it reaches, and what it lacks.
fn not_pruned(object: &ObjectRef, known: &Knowledge<'_>) -> Answer {
    let Ok(journal) = known.journal() else { return explain::not_pruned(object, &[]) };
    let span = journal.view().span();
    let reach = span.map(|(first, last)| format!("from {first} to {last}"));
    let gaps = journal_view::gaps(journal);
    let answer = match gaps.is_empty() {
        true => explain::not_pruned(object, &past::deeds(journal, object)),
        false => {
            let headline =
                format!("whether {object} was pruned is not known: no delete of it is left");
            Answer::new(Verdict::Unknown, headline, 0).next("hence audit verify")
        }
    };
    gaps.into_iter().fold(answer.line_if("journal", reach), Answer::partial)
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
