//! The only writer of the world: one file per kind of action. It has nothing left to decide.
//!
//! In: a planned action with the id of its intent, already durable. Out: effects. Each mutating
//! request carries the intent's id in its `User-Agent`; none is sent once the lease's deadline has
//! passed.
//!
//! ```text
//! Order ──▶ Lanes (one queue per unit) ──▶ apply / delete / claim / status / … ──▶ Effect
//! ```
//!
//! Not here: what to do and in which order (`actions`), what an effect means (`ingest`).

mod apply;
mod claim;
mod compare;
mod delete;
mod dry_run;
mod event;
mod finalizer;
mod lanes;
mod record;
mod status;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::RwLock;

use serde_json::Value as Json;

use crate::actions::Action;
use crate::cluster::Cluster;
use crate::cluster::ClusterError;
use crate::cluster::Kinds;
use crate::cluster::Purpose;
use crate::cluster::Resource;
use crate::cluster::Writer;
use crate::cluster::discovery::Known;
use crate::cluster::write::EventRecorder;
use crate::cluster::write::WriteGate;
use crate::model::Clock;
use crate::model::Effect;
use crate::model::EffectResult;
use crate::model::GroupKind;
use crate::model::Manifests;
use crate::model::ObjectRef;
use crate::model::UnitName;

pub use lanes::Lanes;
pub use lanes::Urgency;

/// Custom resources as last seen: what a status patch starts from.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<BTreeMap<ObjectRef, Arc<Json>>>>);

impl Seen {
    /// Remembers the custom resource, unless a newer state of it is known: the answer to a write
    /// and the watch are two ways, and either may be late.
    pub fn put(&self, object: ObjectRef, json: Arc<Json>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newer =
            |seen: &Arc<Json>| version(seen).zip(version(&json)).is_some_and(|(a, b)| a > b);
        if !known.get(&object).is_some_and(newer) {
            known.insert(object, json);
        }
    }

    /// Remembers the custom resource as a list shows it: the truth, whatever was seen before.
    pub fn put_listed(&self, object: ObjectRef, json: Arc<Json>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(object, json);
    }

    /// Forgets it.
    pub fn remove(&self, object: &ObjectRef) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(object);
    }

    /// The custom resource as last seen.
    pub fn get(&self, object: &ObjectRef) -> Option<Arc<Json>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(object).cloned()
    }
}

/// The resourceVersion, when it is a number as API servers count.
fn version(object: &Json) -> Option<u64> {
    object.pointer("/metadata/resourceVersion")?.as_str()?.parse().ok()
}

/// What the executor needs to carry out actions.
#[derive(Clone)]
pub struct Executor {
    /// The cluster.
    pub cluster: Cluster,
    /// Until when writes may be sent.
    pub gate: WriteGate,
    /// Manifests by digest.
    pub manifests: Manifests,
    /// Custom resources as last seen.
    pub seen: Seen,
    /// The kinds that the server serves.
    pub kinds: Arc<RwLock<Arc<Kinds>>>,
    /// Managers whose fields are taken over.
    pub overridden: Arc<[String]>,
    /// Events that were written, so that repetitions are counted.
    pub events: Arc<Mutex<EventRecorder>>,
    /// The time for conditions and events.
    pub clock: Arc<dyn Clock>,
}

impl Executor {
    /// Carries out one action under the intent with this id.
    pub async fn carry_out(&self, action: &Action, intent: &str) -> Vec<Effect> {
        let cluster = match action.user() {
            "" => self.cluster.clone(),
            user => self.cluster.as_user(user),
        };
        let writer = cluster.writer(Purpose::Intent(intent.to_owned()), self.gate.clone());
        let act = Act { executor: self, cluster, writer };
        match action {
            Action::Apply { unit, object, manifest, uid, .. } => {
                act.apply(unit, object, manifest, uid).await
            }
            Action::Compare { unit, object, manifest, .. } => {
                vec![effect(unit, object, act.compare(object, manifest).await)]
            }
            Action::DryRun { unit, object, manifest, .. } => {
                vec![effect(unit, object, act.dry_run(object, manifest).await)]
            }
            Action::Claim { unit, object, uid, resource_version, .. } => {
                act.claim(unit, object, uid, resource_version).await
            }
            Action::Delete { unit, object, uid, resource_version, .. } => {
                act.delete(unit, object, uid, resource_version).await
            }
            Action::Observe { object } => act.observe(object).await,
            Action::Adopt { unit, object, uid } => record::adopt(unit, object, uid),
            Action::Forget { unit, object, word, .. } => record::forget(unit, object, word),
            Action::Finalizer { object, set } => act.finalizer(object, *set).await,
            Action::Status { object, fields } => act.status(object, fields).await,
            Action::Event { .. } => act.event(action).await,
            // Fetches, builds, searches and packing observe; `ingest` and `sources` do them.
            Action::Fetch { .. }
            | Action::Render { .. }
            | Action::Search { .. }
            | Action::Pack { .. } => Vec::new(),
        }
    }
}

/// One action being carried out.
struct Act<'a> {
    executor: &'a Executor,
    /// The cluster as the action's user sees it.
    cluster: Cluster,
    writer: Writer,
}

impl Act<'_> {
    /// The resource of a kind at an API version; asks the server again when the kind is unknown.
    async fn resource(&self, api_version: &str, kind: &str) -> Result<Resource, String> {
        if let Some(resource) = self.known(|kinds| kinds.find_version(api_version, kind)) {
            return Ok(resource);
        }
        self.discover().await?;
        let found = self.known(|kinds| kinds.find_version(api_version, kind));
        found.ok_or_else(|| format!("no matches for kind \"{kind}\" in version \"{api_version}\""))
    }

    /// The preferred resource of a kind; asks the server again when the kind is unknown.
    async fn preferred(&self, kind: &GroupKind) -> Result<Resource, String> {
        if let Some(resource) = self.known(|kinds| kinds.find(kind)) {
            return Ok(resource);
        }
        self.discover().await?;
        let found = self.known(|kinds| kinds.find(kind));
        found.ok_or_else(|| format!("the server does not serve {kind}"))
    }

    fn known(&self, find: impl Fn(&Kinds) -> Known<'_>) -> Option<Resource> {
        let kinds = self.executor.kinds.read().unwrap_or_else(PoisonError::into_inner).clone();
        match find(&kinds) {
            Known::Served(resource) => Some(resource.clone()),
            _ => None,
        }
    }

    async fn discover(&self) -> Result<(), String> {
        let kinds = self.executor.cluster.discover().await.map_err(|error| error.to_string())?;
        let mut known = self.executor.kinds.write().unwrap_or_else(PoisonError::into_inner);
        *known = Arc::new(kinds.or_before(&known));
        Ok(())
    }
}

/// The effect on an object of a unit.
fn effect(unit: &UnitName, object: &ObjectRef, result: EffectResult) -> Effect {
    Effect { unit: Some(unit.clone()), object: object.clone(), result }
}

/// The effect on a custom resource itself, or an observation.
fn plain_effect(object: &ObjectRef, result: EffectResult) -> Effect {
    Effect { unit: None, object: object.clone(), result }
}

/// What to say of a request that did not end with an answer of the server.
fn unanswered(error: &ClusterError) -> EffectResult {
    let message = error.to_string();
    match error {
        ClusterError::LeaseExpired { .. } => EffectResult::Withheld { message },
        _ => EffectResult::Unknown { message },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_late_answer_does_not_hide_what_the_watch_said() {
        let seen = Seen::default();
        let object = ObjectRef::new("", "ConfigMap", "a", "b");
        let at = |version: &str| Arc::new(json!({"metadata": {"resourceVersion": version}}));
        #[rustfmt::skip]
        let cases: &[(&str, &str)] = &[
            // put  known then
            ("10",  "10"),
            ("9",   "10"),
            ("11",  "11"),
            ("odd", "odd"),
            ("3",   "3"),
        ];
        for (put, want) in cases {
            seen.put(object.clone(), at(put));
            assert_eq!(seen.get(&object), Some(at(want)), "after {put}");
        }
        seen.put_listed(object.clone(), at("1"));
        assert_eq!(seen.get(&object), Some(at("1")), "a restored server counts anew");
    }
}
