//! Effects of our own actions: the loop closes through data, so an effect becomes facts like any
//! other observation.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::cluster::fields::RecordedFields;
use crate::datalog::Value;
use crate::facts::Column as _;
use crate::facts::Statement;
use crate::facts::relation;
use crate::ingest::AnySource;
use crate::ingest::Ingest;
use crate::ingest::object;
use crate::model::Effect;
use crate::model::EffectResult;
use crate::model::KUSTOMIZE_GROUP;
use crate::model::ObjectRef;
use crate::model::SOURCE_GROUP;
use crate::model::Timestamp;
use crate::model::UnitName;

/// How many corrections of one path against one manager are remembered: as many as the rules count.
const CORRECTIONS_KEPT: usize = 3;

impl Ingest {
    pub(super) fn effect(&mut self, effect: Effect, now: Timestamp) -> Vec<Statement> {
        let Effect { unit, object, result } = effect;
        match (unit, result) {
            (Some(unit), EffectResult::Applied { manifest, live, created }) => {
                let (mut said, touched) = self.applied(&unit, &object, &manifest, &live, now);
                if created || touched {
                    let word = if created { "created" } else { "configured" };
                    said.push(self.changed(&unit, &object, word, now));
                }
                said
            }
            (Some(unit), EffectResult::Same { manifest, live }) => {
                // It was compared, not written: how it came to be ours stays as it was.
                let mut said = self.applied(&unit, &object, &manifest, &live, now).0;
                said.retain(|one| !matches!(one, Statement::Holds(f) if &*f.relation == "ours"));
                said
            }
            (Some(unit), EffectResult::ApplyRefused { manifest, reason, message }) => {
                let refused = relation::refused(&unit, &object, &manifest, &reason, &message, &now);
                let subject = vec![unit.column(), object.column()];
                vec![Statement::Holds(refused), Statement::nothing("accepted", subject)]
            }
            (Some(unit), EffectResult::Deleted) => self.deleted(&unit, &object, now),
            // Asked to go is told as gone, as Flux does; finalizers decide when it is.
            (Some(unit), EffectResult::Terminating(live)) => {
                let mut said = self.seen(&object, &live, now);
                said.push(self.changed(&unit, &object, "deleted", now));
                said
            }
            (Some(unit), EffectResult::DeleteRefused { reason, message }) => {
                vec![Statement::Holds(relation::delete_refused(
                    &unit, &object, &reason, &message, &now,
                ))]
            }
            (Some(unit), EffectResult::Adopted { uid }) => vec![
                Statement::Holds(relation::ours(&unit, &object, &uid, "adopted")),
                Statement::nothing("attempted", vec![object.column()]),
            ],
            (Some(unit), EffectResult::Forgotten { word }) => {
                let mut said = forget(&unit, &object);
                if !word.is_empty() {
                    said.push(self.changed(&unit, &object, &word, now));
                }
                said
            }
            (Some(unit), EffectResult::Differs { manifest }) => {
                vec![Statement::Holds(relation::differs(&unit, &object, &manifest))]
            }
            (Some(unit), EffectResult::Accepted { manifest }) => {
                vec![Statement::Holds(relation::accepted(&unit, &object, &manifest))]
            }
            (_, EffectResult::EventSent { topic, about }) => {
                vec![Statement::Holds(relation::event_sent(&subject(&object), &topic, &about))]
            }
            // Whether it took effect is not known: the object may be there, and be ours.
            (Some(unit), EffectResult::Unknown { .. }) => {
                vec![Statement::Holds(relation::attempted(&object, &unit))]
            }
            (_, EffectResult::Observed(None)) => self.gone(&object),
            (_, EffectResult::Observed(Some(live))) => {
                let mut said = self.seen(&object, &live, now);
                said.extend(object::asked(&object, &live, now));
                said
            }
            (_, EffectResult::Written(live) | EffectResult::Terminating(live)) => {
                self.seen(&object, &live, now)
            }
            _ => Vec::new(),
        }
    }

    /// Custom resources are read as such; everything else is a managed object.
    fn seen(&mut self, object: &ObjectRef, live: &Json, now: Timestamp) -> Vec<Statement> {
        if object.group == KUSTOMIZE_GROUP && object.kind == "Kustomization" {
            return match crate::api::Kustomization::read(live) {
                Ok(unit) => self.unit(&unit, now),
                Err(error) => self.unreadable(object, live, &error.to_string()),
            };
        }
        if object.group == SOURCE_GROUP {
            return match AnySource::read(&object.kind, live) {
                Ok(source) => self.source(source, now),
                Err(error) => self.unreadable(object, live, &error),
            };
        }
        self.object(object, live, now)
    }

    /// The object has the manifest now; and whether that changed it: a manifest in other words may
    /// say what the server has already.
    fn applied(
        &mut self,
        unit: &UnitName,
        object: &ObjectRef,
        manifest: &str,
        live: &Json,
        now: Timestamp,
    ) -> (Vec<Statement>, bool) {
        let uid = live.pointer("/metadata/uid").and_then(Json::as_str).unwrap_or_default();
        let fields = RecordedFields::of(live, &self.options.key);
        let mut said = self.corrections(object, live, now);
        let touched = !said.is_empty()
            || !self.recorded.get(object).is_some_and(|before| before.has_content_of(&fields));
        let subject = || vec![unit.column(), object.column()];
        said.extend([
            Statement::Holds(relation::ours(unit, object, uid, "applied")),
            Statement::Holds(relation::applied(unit, object, uid, manifest, &now)),
            Statement::Holds(relation::recorded(object, uid, &fields.to_text())),
            Statement::nothing("refused", subject()),
            Statement::nothing("differs", subject()),
            Statement::nothing("accepted", subject()),
            Statement::nothing("unlisted", subject()),
            Statement::nothing("attempted", vec![object.column()]),
        ]);
        self.recorded.insert(object.clone(), fields);
        said.extend(self.object(object, live, now));
        (said, touched)
    }

    /// The drift that this apply corrected, remembered per path and manager, the latest few only.
    fn corrections(&mut self, object: &ObjectRef, live: &Json, now: Timestamp) -> Vec<Statement> {
        let version = live.pointer("/metadata/resourceVersion").and_then(Json::as_str);
        // The watch may have shown what the apply made before the apply was known to have ended,
        // and new drift since.
        let drift = match self.mended.remove(object) {
            Some((shown, drift)) if Some(shown.as_str()) == version => Some(drift),
            _ => self.drift.remove(object),
        };
        let mut said = Vec::new();
        for (path, manager) in drift.into_iter().flatten() {
            let times = self.corrected.entry((object.clone(), path.clone(), manager.clone()));
            let times = times.or_default();
            times.push(now);
            let surplus = times.len().saturating_sub(CORRECTIONS_KEPT);
            for old in times.drain(..surplus) {
                said.push(Statement::Fails(relation::corrected(object, &path, &manager, &old)));
            }
            said.push(Statement::Holds(relation::corrected(object, &path, &manager, &now)));
        }
        said
    }

    /// The unit wrote the object. Times of changes rise, so that each can be told apart.
    fn changed(
        &mut self,
        unit: &UnitName,
        object: &ObjectRef,
        word: &str,
        now: Timestamp,
    ) -> Statement {
        self.last_change = now.max(self.last_change.plus_ms(1));
        Statement::Holds(relation::changed(unit, object, word, &self.last_change))
    }

    fn deleted(&mut self, unit: &UnitName, object: &ObjectRef, now: Timestamp) -> Vec<Statement> {
        let mut said = forget(unit, object);
        said.push(self.changed(unit, object, "deleted", now));
        said.push(Statement::nothing("delete_refused", vec![unit.column(), object.column()]));
        said.push(Statement::nothing("recorded", vec![object.column()]));
        said.push(Statement::nothing("attempted", vec![object.column()]));
        self.recorded.remove(object);
        said.extend(object::unseen(object));
        said.extend(self.declared_unseen(object));
        said
    }

    fn gone(&mut self, object: &ObjectRef) -> Vec<Statement> {
        self.recorded.remove(object);
        let mut said = object::absent(object);
        said.extend(self.declared_unseen(object));
        said.push(Statement::nothing("attempted", vec![object.column()]));
        said
    }
}

/// The unit has no record of the object any more.
fn forget(unit: &UnitName, object: &ObjectRef) -> Vec<Statement> {
    let subject: Vec<Value> = vec![unit.column(), object.column()];
    let records =
        ["ours", "unlisted", "applied", "refused", "differs", "accepted", "delete_refused"];
    let mut said: Vec<Statement> =
        records.map(|relation| Statement::nothing(relation, subject.clone())).into();
    // An attempt proves no claim that was given up since.
    said.push(Statement::nothing("attempted", vec![object.column()]));
    said
}

/// What facts call the custom resource that an event is about.
fn subject(object: &ObjectRef) -> String {
    match object.kind.as_str() {
        "Kustomization" => format!("{}/{}", object.namespace, object.name),
        "Namespace" => format!("object:{}", object.fact_text()),
        kind => format!("{kind}/{}/{}", object.namespace, object.name),
    }
}

/// Paths that have drifted, with the manager that changed them.
pub(super) type Drift = BTreeMap<String, String>;
