//! What `hence audit` tells of the journal: lists, single records, checks, exports; as text and as
//! JSON (`schemas/audit-list.v1.json`, `audit-record.v1.json`, `audit-check.v1.json`).
//!
//! The same functions serve the local socket, remote queries, and the command line when it reads a
//! state directory. Read-only and without any lock.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use crate::audit;
use crate::audit::AuditError;
use crate::audit::Body;
use crate::audit::DiskStorage;
use crate::audit::Item;
use crate::audit::JournalReader;
use crate::audit::Note;
use crate::audit::NoteKind;
use crate::audit::Order;
use crate::audit::Query;
use crate::audit::RecordKind;
use crate::audit::Verification;
use crate::audit::View;
use crate::datalog::Proof;
use crate::explain;
use crate::model::ObjectRef;
use crate::model::Timestamp;

/// Most actions of one answer.
const LISTED_MAX: usize = 10_000;

/// The outcome of a fetch that brought nothing new.
const UNCHANGED: &str = "unchanged";

/// Which actions to list.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ListOptions {
    /// Only those of this unit (`namespace/name`).
    pub unit: Option<String>,
    /// Only applies and deletes.
    pub writes: bool,
    /// Polls that brought nothing new, too.
    pub all: bool,
    /// Only those begun then or later, in milliseconds since 1970.
    #[serde(default)]
    pub since_ms: Option<i64>,
    /// Only those begun before.
    #[serde(default)]
    pub until_ms: Option<i64>,
    /// How many.
    pub limit: usize,
}

/// Actions, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditList {
    /// Always `audit-list.v1`.
    pub version: String,
    /// The actions.
    pub actions: Vec<AuditAction>,
    /// Polls of sources among them that are left out, because they brought nothing new.
    pub polls_left_out: u64,
    /// Older actions of the unit and the time asked for that were not looked at: the list is full.
    #[serde(default)]
    pub left_out: u64,
    /// Whether all that was asked for is listed, and nothing is wrong with the journal.
    #[serde(default)]
    pub complete: bool,
    /// What is wrong with the journal: actions may be missing.
    pub problems: Vec<String>,
    /// Until when anything was known, where no daemon answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
}

/// One action with what came of it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditAction {
    /// The proof's short id.
    pub id: String,
    /// The record's number in the journal.
    pub seq: u64,
    /// When the intent was written.
    pub at: String,
    /// What was done: `apply`, `delete`, `fetch` …
    pub action: String,
    /// What tells the action from all others: its verb, unit and object.
    pub key: String,
    /// The unit for which it was done; absent when for none.
    pub unit: Option<String>,
    /// The object that it was done to; absent when to none.
    pub object: Option<String>,
    /// What the action carried besides: reason, revision, digest of a manifest …
    pub fields: BTreeMap<String, String>,
    /// What came of it; absent while nothing is known.
    pub outcome: Option<AuditOutcome>,
}

/// What came of an action.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditOutcome {
    /// When.
    pub at: String,
    /// `done`, `unchanged`, `refused`, `failed`, `superseded` or `unknown`.
    pub result: String,
    /// The outcome in a few words.
    pub detail: String,
}

/// One action with its proof.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditRecord {
    /// Always `audit-record.v1`.
    pub version: String,
    /// The action.
    pub action: AuditAction,
    /// The generation of facts from which it follows.
    pub generation: u64,
    /// Digest of the rules in force.
    pub rules: String,
    /// Digest of the fact log.
    pub fact_log: String,
    /// The proof, each step with its clause; conclusions first.
    pub proof: Vec<AuditStep>,
    /// Until when anything was known, where no daemon answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
}

/// One step of a proof.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditStep {
    /// What was concluded, as rule text.
    pub conclusion: String,
    /// The same as a sentence.
    pub text: String,
    /// The clause, as `label (file:line)`; absent for an observation.
    pub clause: Option<String>,
}

/// Whether the journal is whole.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditCheck {
    /// Always `audit-check.v1`.
    pub version: String,
    /// Nothing is missing and nothing was altered.
    pub sound: bool,
    /// Records in the chain.
    pub records: u64,
    /// Intents among them.
    pub actions: u64,
    /// Ids of intents without an outcome.
    pub open: Vec<String>,
    /// Intents that nothing vouches for, because an export was changed before them.
    pub unverifiable: u64,
    /// Number of the first record.
    pub first: u64,
    /// Number of the last record.
    pub last: u64,
    /// The hash of the last record: whoever keeps it elsewhere can tell a journal that was cut.
    pub head: String,
    /// Bytes at the very end that are no record: one that is being written, or what a crash or an
    /// accident left. Whether records stood there cannot be told from here.
    pub tail_bytes: u64,
    /// What is wrong.
    pub problems: Vec<String>,
    /// What was noted of records that are lost, though the chain goes on.
    #[serde(default)]
    pub losses: Vec<String>,
    /// What is not wrong and yet worth knowing, such as where the chain begins.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Until when anything was known, where no daemon answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
}

/// What the journal is known to lack or to have wrong: where it does, absence from it says nothing.
pub fn gaps(journal: &JournalReader<DiskStorage>) -> Vec<String> {
    let mut gaps: Vec<String> = journal.problems().iter().map(ToString::to_string).collect();
    if journal.head().seq == 0 {
        gaps.push("the journal is empty".to_owned());
    }
    if journal.starts_after() > 0 {
        gaps.push(format!("records up to number {} are not there", journal.starts_after()));
    }
    let query = Query { kind: Some(RecordKind::Note), limit: LISTED_MAX, ..Query::default() };
    let notes = journal.view().list(&query).map(|page| page.items).unwrap_or_default();
    gaps.extend(notes.iter().filter_map(|item| match &item.record.body {
        Body::Note(Note { about: NoteKind::Recovery, text, .. }) => {
            Some(format!("noted at {}: {text}", item.record.at))
        }
        _ => None,
    }));
    gaps
}

/// Lists actions.
///
/// # Errors
/// The journal cannot be read.
pub fn list(
    journal: &JournalReader<DiskStorage>,
    options: &ListOptions,
) -> Result<AuditList, AuditError> {
    not_empty(journal)?;
    let view = journal.view();
    let limit = options.limit.min(LISTED_MAX);
    let mut query = Query {
        unit: options.unit.clone(),
        since: options.since_ms.map(Timestamp),
        until: options.until_ms.map(Timestamp),
        kind: Some(RecordKind::Intent),
        order: Order::NewestFirst,
        ..Query::default()
    };
    let mut unseen = view.count(&query) as u64;
    let (mut actions, mut polls_left_out) = (Vec::new(), 0);
    'pages: loop {
        let page = view.list(&query)?;
        for item in &page.items {
            if actions.len() >= limit {
                break 'pages;
            }
            unseen -= 1;
            let action = action(&view, item);
            match action.filter(|action| !options.writes || action.is_write()) {
                Some(action) if !options.all && action.is_idle_poll() => polls_left_out += 1,
                Some(action) => actions.push(action),
                None => {}
            }
        }
        query.after = page.next;
        if page.next.is_none() {
            break;
        }
    }
    let mut problems: Vec<String> = journal.problems().iter().map(ToString::to_string).collect();
    problems.extend(journal.losses().iter().map(lost));
    let complete = unseen == 0 && problems.is_empty();
    let version = "audit-list.v1".to_owned();
    let (left_out, as_of) = (unseen, None);
    Ok(AuditList { version, actions, polls_left_out, left_out, complete, problems, as_of })
}

/// How far the knowledge of a stopped daemon goes.
fn ends_at(time: &str) -> String {
    format!("{time}: no daemon answers, and nothing later is known")
}

/// Records that were lost, as noted then.
fn lost((at, text): &(Timestamp, String)) -> String {
    format!("records from before {at} are lost: {text}")
}

/// The action with this id, with its proof.
///
/// # Errors
/// No action or several have that id, or the journal cannot be read.
pub fn show(journal: &JournalReader<DiskStorage>, id: &str) -> Result<AuditRecord, AuditError> {
    not_empty(journal)?;
    let view = journal.view();
    let item = view.find(id)?;
    let none = || AuditError::UnknownId { text: id.to_owned() };
    let Body::Intent(intent) = &item.record.body else { return Err(none()) };
    Ok(AuditRecord {
        version: "audit-record.v1".to_owned(),
        action: action(&view, &item).ok_or_else(none)?,
        generation: intent.generation,
        rules: intent.rules.to_string(),
        fact_log: intent.fact_log.to_string(),
        proof: proofs(&intent.proof.json()).iter().flat_map(steps).collect(),
        as_of: None,
    })
}

/// A journal without records is no journal of a daemon that did nothing.
fn not_empty(journal: &JournalReader<DiskStorage>) -> Result<(), AuditError> {
    match journal.head().seq {
        0 => Err(AuditError::Empty { path: journal.storage().dir().to_owned() }),
        _ => Ok(()),
    }
}

/// Checks the chain.
///
/// # Errors
/// The journal cannot be read, or holds nothing.
pub fn check(storage: &DiskStorage) -> Result<AuditCheck, AuditError> {
    checked(&audit::verify(storage, None)?, storage.dir())
}

/// What a verification found, of the journal or of an export that stands at `path`.
///
/// # Errors
/// Nothing was there: that is no proof of anything.
pub fn checked(found: &Verification, path: &Path) -> Result<AuditCheck, AuditError> {
    if found.records == 0 && found.is_sound() {
        return Err(AuditError::Empty { path: path.to_owned() });
    }
    Ok(AuditCheck {
        version: "audit-check.v1".to_owned(),
        sound: found.is_sound(),
        records: found.records,
        actions: found.intents,
        open: found.open.iter().map(|id| id.with_digits(16)).collect(),
        unverifiable: found.unverifiable,
        first: found.start.seq,
        last: found.head.seq,
        head: found.head.hash.to_string(),
        tail_bytes: found.tail_bytes,
        problems: found.problems.iter().map(ToString::to_string).collect(),
        losses: found.losses.iter().map(lost).collect(),
        notes: notes(found),
        as_of: None,
    })
}

/// Where the chain begins, when segments were moved away from the front.
fn notes(found: &Verification) -> Vec<String> {
    let start = found.start.seq;
    if start == 0 {
        return Vec::new();
    }
    let mut note = format!("records 1 to {start} are not here: the chain is checked from there on");
    if found.earlier_intents > 0 {
        note.push_str(&format!("; {} outcomes are of actions among them", found.earlier_intents));
    }
    if found.earlier_rules > 0 {
        let count = found.earlier_rules;
        note.push_str(&format!("; so are texts of {count} rule sets that proofs here rest on"));
    }
    vec![note]
}

fn action(view: &View<'_>, item: &Item) -> Option<AuditAction> {
    let Body::Intent(intent) = &item.record.body else { return None };
    let done = &intent.action;
    let mut fields = done.fields.clone();
    let key = fields.remove("key").unwrap_or_default();
    let outcome = item.outcome.as_ref().map(|(at, outcome)| AuditOutcome {
        at: at.to_string(),
        result: outcome.result.to_string(),
        detail: outcome.detail.clone(),
    });
    Some(AuditAction {
        id: view.short_id(&item.id),
        seq: item.seq,
        at: item.record.at.to_string(),
        action: done.kind.clone(),
        key,
        unit: done.unit.clone(),
        object: done.object.as_ref().map(object_text),
        fields,
        outcome,
    })
}

/// `Kind/namespace/name`, as people write it.
fn object_text(object: &audit::Object) -> String {
    ObjectRef::new(&object.group, &object.kind, &object.namespace, &object.name).to_string()
}

/// The proofs of an intent: one, or one per row that demanded the action.
fn proofs(json: &serde_json::Value) -> Vec<Proof> {
    let several = json["proofs"].as_array().cloned();
    let all = several.unwrap_or_else(|| vec![json.clone()]);
    all.into_iter().filter_map(|proof| serde_json::from_value(proof).ok()).collect()
}

fn steps(proof: &Proof) -> Vec<AuditStep> {
    let step = |node: &crate::datalog::ProofNode| AuditStep {
        conclusion: node.conclusion.clone(),
        text: explain::sentence(&node.relation, &node.row),
        clause: node.clause.as_ref().map(|c| format!("{} ({}:{})", c.label, c.file, c.line)),
    };
    proof.nodes.iter().map(step).collect()
}

impl AuditAction {
    /// A source was asked and still has what is known.
    fn is_idle_poll(&self) -> bool {
        let unchanged = |outcome: &AuditOutcome| outcome.detail == UNCHANGED;
        self.action == "fetch" && self.outcome.as_ref().is_some_and(unchanged)
    }

    fn is_write(&self) -> bool {
        matches!(self.action.as_str(), "apply" | "delete")
    }

    /// One line: when, which, what, and what came of it.
    fn line(&self) -> String {
        let whole = self.text();
        let parts = whole.lines().map(str::trim).filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join(" ")
    }

    /// The same in as many lines as the outcome has.
    fn text(&self) -> String {
        let outcome = match &self.outcome {
            Some(outcome) => format!("{}: {}", outcome.result, outcome.detail),
            None => "no outcome".to_owned(),
        };
        format!("{}  {}  {}  {outcome}", self.at, self.id, self.key)
    }
}

impl AuditList {
    /// One line an action.
    pub fn to_text(&self) -> String {
        let mut lines: Vec<String> = self.actions.iter().map(AuditAction::line).collect();
        if lines.is_empty() {
            lines.push("nothing in the journal fits".to_owned());
        }
        if self.polls_left_out > 0 {
            let count = self.polls_left_out;
            lines.push(format!(
                "{count} polls that brought nothing new are left out (--all lists them)"
            ));
        }
        if self.left_out > 0 {
            let count = self.left_out;
            lines.push(format!(
                "{count} older actions are not looked at (--limit, --since and --until say which are)"
            ));
        }
        for problem in &self.problems {
            lines.push(format!("partial: {problem} (hence audit verify)"));
        }
        lines.extend(self.as_of.iter().map(|time| format!("as of {}", ends_at(time))));
        lines.join("\n") + "\n"
    }
}

impl AuditRecord {
    /// The action, what came of it, and its proof: conclusions first, observations last.
    pub fn to_text(&self) -> String {
        let whole = self.action.text();
        let (first, rest) = whole.split_once('\n').unwrap_or((&whole, ""));
        let mut text = format!("{first}\n");
        let mut line = |label: &str, said: &str| {
            for (at, part) in said.lines().enumerate() {
                let label = if at == 0 { label } else { "" };
                text.push_str(format!("  {label:<8} {part}").trim_end());
                text.push('\n');
            }
        };
        line("", rest);
        for (name, value) in &self.action.fields {
            line(name, value);
        }
        let mut label = "because";
        for step in &self.proof {
            let by = step.clause.as_ref().map(|clause| format!("   {clause}"));
            line(label, &format!("{}{}", step.text, by.unwrap_or_default()));
            label = "";
        }
        line("facts", &format!("generation {}, log {}", self.generation, self.fact_log));
        line("rules", &self.rules);
        line("as of", &self.as_of.as_deref().map(ends_at).unwrap_or_default());
        line("next", "hence audit verify");
        text
    }
}

impl AuditCheck {
    /// The verdict first, then what is wrong.
    pub fn to_text(&self) -> String {
        let word = if self.sound { "OK" } else { "NOT SOUND" };
        let unverifiable = match self.unverifiable {
            0 => String::new(),
            count => format!(", {count} unverifiable"),
        };
        let mut text = format!(
            "{word}  {} records, {} actions, {} without outcome{unverifiable}; chain {}..{} {}\n",
            self.records,
            self.actions,
            self.open.len(),
            self.first,
            self.last,
            self.head
        );
        for problem in &self.problems {
            text.push_str(&format!("  problem  {problem}\n"));
        }
        for loss in &self.losses {
            text.push_str(&format!("  partial  {loss}\n"));
        }
        for note in &self.notes {
            text.push_str(&format!("  note     {note}\n"));
        }
        if self.tail_bytes > 0 {
            text.push_str(&format!(
                "  partial  [audit::torn_tail] {} bytes at the end are no record: one that is being \
                 written, or what a crash left; the next start sets them aside, and `hence check` \
                 compares the end with what the lease notes\n",
                self.tail_bytes
            ));
        }
        if let Some(time) = &self.as_of {
            text.push_str(&format!("  as of    {}\n", ends_at(time)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_several_lines_keeps_the_layout() {
        let fields = [("reason", "it has drifted"), ("paths", "data.a\ndata.b")];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let action = AuditAction {
            id: "P-7f3a12".to_owned(),
            seq: 9,
            at: "2026-01-02T03:04:05Z".to_owned(),
            action: "apply".to_owned(),
            key: "apply shop/app ConfigMap/shop/a".to_owned(),
            unit: None,
            object: None,
            fields: BTreeMap::from(fields),
            outcome: Some(AuditOutcome {
                at: "2026-01-02T03:04:06Z".to_owned(),
                result: "refused".to_owned(),
                detail: "admission webhook denied:\n\n  no owner".to_owned(),
            }),
        };
        let one = "2026-01-02T03:04:05Z  P-7f3a12  apply shop/app ConfigMap/shop/a  refused: ";
        assert_eq!(action.line(), format!("{one}admission webhook denied: no owner"));
        let record = AuditRecord {
            version: "audit-record.v1".to_owned(),
            action,
            generation: 4,
            rules: "sha256:1".to_owned(),
            fact_log: "sha256:2".to_owned(),
            proof: Vec::new(),
            as_of: None,
        };
        insta::assert_snapshot!(record.to_text(), @r"
        2026-01-02T03:04:05Z  P-7f3a12  apply shop/app ConfigMap/shop/a  refused: admission webhook denied:

                     no owner
          paths    data.a
                   data.b
          reason   it has drifted
          facts    generation 4, log sha256:2
          rules    sha256:1
          next     hence audit verify
        ");
    }
}
