//! What the journal keeps of an action: intent with proof before, outcome after.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;

use crate::actions::Action;
use crate::actions::Planned;
use crate::audit;
use crate::audit::AuditError;
use crate::audit::Body;
use crate::audit::DiskStorage;
use crate::audit::Journal;
use crate::audit::Note;
use crate::audit::NoteKind;
use crate::audit::OutcomeKind;
use crate::audit::Precondition;
use crate::audit::ProofId;
use crate::audit::Proven;
use crate::datalog::Proof;
use crate::datalog::QueryOptions;
use crate::datalog::Reader;
use crate::explain;
use crate::model::Digest;
use crate::model::Effect;
use crate::model::EffectResult;
use crate::model::Timestamp;

/// How an action ended, in the journal's words.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    /// The word.
    pub result: OutcomeKind,
    /// What there is to say; no secret values.
    pub detail: String,
    /// The object's uid, when the server told it.
    pub uid: Option<String>,
    /// The object's resourceVersion, when the server told it.
    pub resource_version: Option<String>,
}

impl Ended {
    /// How an action with these effects ended.
    pub(super) fn from_effects(effects: &[Effect]) -> Self {
        let Some(effect) = effects.last() else {
            return Self::plain(OutcomeKind::Unchanged, "nothing was to be done");
        };
        let text = |pointer: &str| {
            let live = effect.result.live()?;
            live.pointer(pointer).and_then(Json::as_str).map(str::to_owned)
        };
        let word = effect.result.word();
        let message = effect.result.message();
        let result = kind(&effect.result);
        let detail = match (message.is_empty(), result.to_string() == word) {
            (true, _) => word.to_owned(),
            // The result stands before it, in the same word.
            (false, true) => message.to_owned(),
            (false, false) => format!("{word}: {message}"),
        };
        Self {
            result,
            detail,
            uid: text("/metadata/uid"),
            resource_version: text("/metadata/resourceVersion"),
        }
    }

    /// An outcome without an object.
    pub(super) fn plain(result: OutcomeKind, detail: &str) -> Self {
        Self { result, detail: detail.to_owned(), uid: None, resource_version: None }
    }

    /// One line of the log, which leads to the proof. What changed nothing is for debugging.
    pub(super) fn log(&self, action: &str, intent: &ProofId) {
        let (proof, result, detail) = (intent.short(), self.result.to_string(), &self.detail);
        match self.result {
            OutcomeKind::Unchanged | OutcomeKind::Superseded => {
                tracing::debug!(proof, action, result, detail, "action ended");
            }
            OutcomeKind::Refused | OutcomeKind::Failed => {
                tracing::warn!(proof, action, result, detail, "action ended");
            }
            _ => tracing::info!(proof, action, result, detail, "action ended"),
        }
    }

    /// The journal's record.
    pub(super) fn record(self, intent: ProofId) -> audit::Outcome {
        let observed =
            audit::Observed { uid: self.uid, resource_version: self.resource_version, head: None };
        audit::Outcome { intent, result: self.result, detail: self.detail, observed }
    }
}

fn kind(result: &EffectResult) -> OutcomeKind {
    match result {
        EffectResult::Same { .. } | EffectResult::Observed(_) => OutcomeKind::Unchanged,
        EffectResult::ApplyRefused { .. } | EffectResult::DeleteRefused { .. } => {
            OutcomeKind::Refused
        }
        EffectResult::Superseded { .. } | EffectResult::Withheld { .. } => OutcomeKind::Superseded,
        EffectResult::Unknown { .. } => OutcomeKind::Unknown,
        _ => OutcomeKind::Done,
    }
}

/// The proofs of the rows from which the action follows.
fn proof_of(reader: &Reader, planned: &Planned) -> Proven {
    #[derive(Serialize)]
    struct Several {
        proofs: Vec<Proof>,
    }
    let options = QueryOptions::default();
    let proofs = planned.because.iter().filter_map(|fact| reader.why(fact, &options).value);
    let proofs: Vec<Proof> = proofs.collect();
    match proofs.as_slice() {
        [one] => Proven::write(one),
        _ => Proven::write(&Several { proofs }),
    }
}

/// The intent of a planned action, as the facts that `reader` sees call for it.
pub(super) fn intent(
    reader: &Reader,
    planned: &Planned,
    fact_log: Digest,
    rules: Digest,
) -> audit::Intent {
    let action = &planned.action;
    let mut fields = fields(planned);
    if let Action::Apply { unit, object, .. } | Action::Delete { unit, object, .. } = action {
        fields.extend(explain::circumstances(reader, unit, object));
    }
    audit::Intent {
        generation: reader.generation(),
        fact_log,
        rules,
        action: audit::Action {
            kind: action.verb().to_owned(),
            unit: action.unit().map(ToString::to_string),
            object: action.object().map(audit::Object::from),
            fields,
        },
        precondition: precondition(action),
        proof: proof_of(reader, planned),
    }
}

fn fields(planned: &Planned) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    fields.insert("key".to_owned(), planned.action.key());
    let mut put = |name: &str, value: &str| {
        fields.insert(name.to_owned(), value.to_owned());
    };
    if !planned.action.user().is_empty() {
        put("user", planned.action.user());
    }
    match &planned.action {
        Action::Apply { manifest, reason, .. } => {
            put("manifest", manifest);
            put("reason", reason);
        }
        Action::Fetch { reason, .. } | Action::Forget { reason, .. } => put("reason", reason),
        Action::Render { revision, .. } | Action::Pack { revision, .. } => {
            put("revision", revision);
        }
        Action::Status { fields: changed, .. } => {
            for (field, value) in changed.iter().filter(|(field, _)| field != "inventory") {
                put(field, value);
            }
        }
        Action::Event { reason, message, .. } => {
            put("reason", reason);
            put("message", message);
        }
        _ => {}
    }
    fields
}

fn precondition(action: &Action) -> Precondition {
    match action {
        Action::Apply { uid, .. } if !uid.is_empty() => {
            Precondition { uid: Some(uid.clone()), resource_version: None, head: None }
        }
        Action::Delete { uid, resource_version, .. }
        | Action::Claim { uid, resource_version, .. } => Precondition {
            uid: Some(uid.clone()),
            resource_version: Some(resource_version.clone()),
            head: None,
        },
        Action::Adopt { uid, .. } => {
            Precondition { uid: Some(uid.clone()), resource_version: None, head: None }
        }
        _ => Precondition::default(),
    }
}

/// Notes that the daemon stopped: in order, or with some actions `underway` that did not end in
/// time. The next start settles those, as after a crash.
///
/// # Errors
/// The journal could not be written.
pub(super) fn note_stop(
    journal: &mut Journal<DiskStorage>,
    underway: usize,
    now: Timestamp,
) -> Result<(), AuditError> {
    let text = match underway {
        0 => "stopped in order: nothing is underway".to_owned(),
        count => format!("stopped with {count} underway that did not end in time"),
    };
    if underway > 0 {
        tracing::warn!(underway, "{text}");
    }
    let note = Note { about: NoteKind::Stop, text, fields: BTreeMap::new() };
    journal.append(now, Body::Note(note))?;
    journal.sync()?;
    Ok(())
}
