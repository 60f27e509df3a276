//! What a journal record says: `audit.v1`, one JSON object per record (`schemas/audit.v1.json`).
//!
//! Every text here must be redacted already: names, digests, counts, messages. No type has a place
//! for a manifest or a secret's value.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use crate::audit::ProofId;
use crate::audit::Proven;
use crate::audit::text;
use crate::model::Digest;
use crate::model::ObjectRef;
use crate::model::Timestamp;

/// The version that each record carries.
pub const SCHEMA: &str = "audit.v1";

/// One record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// Always `audit.v1`.
    pub schema: String,
    /// When it was written, by the daemon's clock: RFC 3339 with milliseconds.
    #[serde(with = "text::time")]
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// What it says.
    #[serde(flatten)]
    pub body: Body,
}

/// The kinds of record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Body {
    /// Something is about to be done.
    Intent(Intent),
    /// What came of an intent. Exactly one per intent, never before it.
    Outcome(Outcome),
    /// An object became ours by evidence, without a write.
    Adoption(Adoption),
    /// Rules came into force.
    RuleSet(RuleSet),
    /// Anything else worth a place in the chain.
    Note(Note),
}

impl Body {
    /// Its kind.
    pub fn kind(&self) -> RecordKind {
        match self {
            Self::Intent(_) => RecordKind::Intent,
            Self::Outcome(_) => RecordKind::Outcome,
            Self::Adoption(_) => RecordKind::Adoption,
            Self::RuleSet(_) => RecordKind::RuleSet,
            Self::Note(_) => RecordKind::Note,
        }
    }
}

/// The kind of a record, without what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// [`Intent`].
    Intent,
    /// [`Outcome`].
    Outcome,
    /// [`Adoption`].
    Adoption,
    /// [`RuleSet`].
    RuleSet,
    /// [`Note`].
    Note,
}

/// Written before an action is carried out. Its id is the record's hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Intent {
    /// The commit of facts that the action follows from.
    pub generation: u64,
    /// The hash of the fact log's last record in that generation.
    #[serde(with = "text::digest")]
    #[schemars(with = "String")]
    pub fact_log: Digest,
    /// The rule set in force: a [`RuleSet`] with this digest stands earlier in the journal.
    #[serde(with = "text::digest")]
    #[schemars(with = "String")]
    pub rules: Digest,
    /// What is to be done.
    pub action: Action,
    /// What must still hold when it is done, or the action is refused.
    #[serde(default, skip_serializing_if = "Precondition::is_empty")]
    pub precondition: Precondition,
    /// Why: a proof that stands alone (premises as text, not as ids), redacted.
    #[schemars(with = "Value")]
    pub proof: Proven,
}

/// One action, as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Action {
    /// The relation without its `act_`: `apply`, `delete`, `commit`, ….
    pub kind: String,
    /// The unit that it is done for, such as `Kustomization/flux-system/shop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The object that it is done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Object>,
    /// The other columns of the action's row, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
}

/// The object of an action: an [`ObjectRef`] in JSON.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Object {
    /// The API group; left out for the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The kind, such as `Deployment`.
    pub kind: String,
    /// The namespace; left out for cluster-scoped objects.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl From<&ObjectRef> for Object {
    fn from(object: &ObjectRef) -> Self {
        let ObjectRef { group, kind, namespace, name } = object.clone();
        Self { group, kind, namespace, name }
    }
}

impl From<&Object> for ObjectRef {
    fn from(object: &Object) -> Self {
        let Object { group, kind, namespace, name } = object.clone();
        Self { group, kind, namespace, name }
    }
}

/// What the action relies on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Precondition {
    /// The object's uid in the observation that the proof used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The object's resourceVersion in that observation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// The branch head that a commit replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
}

impl Precondition {
    /// Whether nothing is required.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Written once what became of an intent is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// The intent.
    #[serde(with = "text::proof_id")]
    #[schemars(with = "String")]
    pub intent: ProofId,
    /// How it ended.
    pub result: OutcomeKind,
    /// One redacted sentence: the server's words, or what was seen instead.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What the answer, or a look after a crash, showed.
    #[serde(default, skip_serializing_if = "Observed::is_empty")]
    pub observed: Observed,
}

/// How an intent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// The world changed as intended.
    Done,
    /// The world was as intended already; nothing was written.
    Unchanged,
    /// The other side said no, or the precondition no longer held: nothing changed.
    Refused,
    /// It was tried and did not succeed; nothing is known to have changed.
    Failed,
    /// It was not tried: a newer generation, a lost lease or a stop came first.
    Superseded,
    /// It may or may not have happened and can no longer be told.
    Unknown,
}

impl fmt::Display for OutcomeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
            Self::Unknown => "unknown",
        })
    }
}

/// What was seen of an action's target afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Observed {
    /// The object's uid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The object's resourceVersion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// The branch head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
}

impl Observed {
    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// An object counts as ours from here on, though we did not write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Adoption {
    /// The commit of facts that showed the evidence.
    pub generation: u64,
    /// The unit that owns it now.
    pub unit: String,
    /// The object.
    pub object: Object,
    /// The uid that was seen: the adoption holds for no other.
    pub uid: String,
    /// The evidence, one sentence each.
    pub evidence: Vec<String>,
}

/// The rules in force from here on. A text that an earlier record of the segment holds is not
/// repeated; each segment in which an intent rests on them states them again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleSet {
    /// Digest of the names and digests of all files, in order.
    #[serde(with = "text::digest")]
    #[schemars(with = "String")]
    pub digest: Digest,
    /// The files, in load order.
    pub files: Vec<RuleFile>,
}

/// One rule file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleFile {
    /// Its name, such as `prune.dl`.
    pub name: String,
    /// The digest of its text.
    #[serde(with = "text::digest")]
    #[schemars(with = "String")]
    pub digest: Digest,
    /// Its text, in the first record of a segment that names this digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl RuleSet {
    /// The set of these files (name, text), all texts included.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let files: Vec<RuleFile> = files
            .iter()
            .map(|(name, text)| RuleFile {
                name: (*name).to_owned(),
                digest: Digest::of(text.as_bytes()),
                text: Some((*text).to_owned()),
            })
            .collect();
        Self { digest: Self::digest_of(&files), files }
    }

    /// The digest that a set of `files` has.
    pub fn digest_of(files: &[RuleFile]) -> Digest {
        let parts =
            files.iter().flat_map(|file| [file.name.as_bytes(), file.digest.as_bytes().as_slice()]);
        Digest::of_parts(parts)
    }
}

/// A remark in the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// What it is about.
    pub about: NoteKind,
    /// One redacted sentence.
    pub text: String,
    /// Details by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
}

impl Note {
    /// Records of this journal are lost, says `text`: whoever reads it later is told, too.
    pub fn lost_records(text: String) -> Self {
        let fields = BTreeMap::from([("lost".to_owned(), "records".to_owned())]);
        Self { about: NoteKind::Recovery, text, fields }
    }
}

/// What a note is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// The daemon started.
    Start,
    /// The daemon stopped on purpose.
    Stop,
    /// The lease was won or lost.
    Lease,
    /// Records were exported.
    Export,
    /// Opening found damage: a torn tail moved aside, facts lost, a rollback.
    Recovery,
}
