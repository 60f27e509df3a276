//! The watcher: keeps one watch per kind that the rules want watched, and turns what watches say
//! into observations. It decides nothing: which kinds and objects are watched is derived.
//!
//! Custom resources are watched whole; managed kinds by owner label; ConfigMaps and Secrets that
//! somebody reads by name. A change of a CRD makes the served kinds be read again.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use tokio::sync::mpsc;

use crate::api::Kustomization;
use crate::api::keys;
use crate::cluster::Cluster;
use crate::cluster::Kinds;
use crate::cluster::Observed;
use crate::cluster::Resource;
use crate::cluster::discovery::Known;
use crate::cluster::health;
use crate::cluster::read::ListOptions;
use crate::cluster::read::WatchEvent;
use crate::cluster::read::WatchHandle;
use crate::cluster::read::WatchMessage;
use crate::cluster::read::WatchSpec;
use crate::daemon::WatchScope;
use crate::daemon::step::Message;
use crate::executor::Seen;
use crate::ingest::AnySource;
use crate::ingest::Observation;
use crate::model::Effect;
use crate::model::EffectResult;
use crate::model::GroupKind;
use crate::model::KUSTOMIZE_GROUP;
use crate::model::ObjectRef;
use crate::model::SOURCE_GROUP;
use crate::model::SourceName;
use crate::model::UnitName;

/// How long to wait before the served kinds are read again because a wanted one is unknown.
const REDISCOVER: Duration = Duration::from_secs(10);
/// Source kinds that units may name.
pub(super) const SOURCE_KINDS: &[&str] =
    &["GitRepository", "OCIRepository", "Bucket", "ExternalArtifact"];

/// What is to be watched from now on, or no longer.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Kinds to watch by owner label.
    pub kinds_added: BTreeSet<GroupKind>,
    /// Kinds to watch no longer.
    pub kinds_removed: BTreeSet<GroupKind>,
    /// ConfigMaps and Secrets to watch by name.
    pub objects_added: BTreeSet<ObjectRef>,
    /// ConfigMaps and Secrets to watch no longer.
    pub objects_removed: BTreeSet<ObjectRef>,
    /// Objects to watch by name for their health.
    pub health_added: BTreeSet<ObjectRef>,
    /// Objects to watch for their health no longer.
    pub health_removed: BTreeSet<ObjectRef>,
    /// Objects without owner labels to watch by name.
    pub alone_added: BTreeSet<ObjectRef>,
    /// Objects without owner labels to watch no longer.
    pub alone_removed: BTreeSet<ObjectRef>,
    /// List all managed kinds again.
    pub again: bool,
}

impl Wanted {
    /// Whether nothing changes.
    pub(super) fn is_empty(&self) -> bool {
        self.kinds_added.is_empty()
            && self.kinds_removed.is_empty()
            && self.objects_added.is_empty()
            && self.objects_removed.is_empty()
            && self.health_added.is_empty()
            && self.health_removed.is_empty()
            && self.alone_added.is_empty()
            && self.alone_removed.is_empty()
    }
}

/// Why something is watched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    /// All custom resources of a kind that hence reads as such.
    Resources(GroupKind),
    /// Objects of a kind that carry owner labels.
    Managed(GroupKind),
    /// One ConfigMap or Secret.
    Values(ObjectRef),
    /// One object of which only the health counts.
    Health(ObjectRef),
    /// One object without owner labels.
    Alone(ObjectRef),
    /// CRDs: kinds come and go with them.
    Definitions,
}

/// Keeps the watches.
pub(super) struct Watcher {
    cluster: Cluster,
    kinds: Arc<RwLock<Arc<Kinds>>>,
    seen: Seen,
    inbox: mpsc::Sender<Message>,
    scope: WatchScope,
    running: BTreeMap<Subject, (Arc<WatchSpec>, WatchHandle)>,
    /// Wanted, but their kind is not served yet.
    waiting: BTreeSet<Subject>,
    messages: mpsc::Sender<WatchMessage<Observed>>,
}

/// The loop is gone.
struct Unheard;

impl Watcher {
    /// Starts the watches that are always there and then follows `wanted`.
    pub(super) async fn run(
        cluster: Cluster,
        kinds: Arc<RwLock<Arc<Kinds>>>,
        seen: Seen,
        inbox: mpsc::Sender<Message>,
        scope: WatchScope,
        mut wanted: mpsc::UnboundedReceiver<Wanted>,
    ) {
        let (messages, mut heard) = mpsc::channel(256);
        let (running, waiting) = (BTreeMap::new(), BTreeSet::new());
        let mut watcher = Self { cluster, kinds, seen, inbox, scope, running, waiting, messages };
        watcher.start(Subject::Definitions);
        for kind in SOURCE_KINDS {
            watcher.start(Subject::Resources(group_kind(SOURCE_GROUP, kind)));
        }
        watcher.start(Subject::Resources(group_kind(KUSTOMIZE_GROUP, "Kustomization")));
        let mut again = tokio::time::interval(REDISCOVER);
        loop {
            let go_on = tokio::select! {
                change = wanted.recv() => match change {
                    Some(change) => watcher.follow(change).await,
                    None => Err(Unheard),
                },
                message = heard.recv() => match message {
                    Some(message) => watcher.hear(message).await,
                    None => Err(Unheard),
                },
                _ = again.tick(), if !watcher.waiting.is_empty() => watcher.rediscover().await,
            };
            if go_on.is_err() {
                return;
            }
        }
    }

    async fn follow(&mut self, change: Wanted) -> Result<(), Unheard> {
        if change.again {
            let is_managed = |subject: &Subject| matches!(subject, Subject::Managed(_));
            let managed: Vec<Subject> =
                self.running.keys().filter(|subject| is_managed(subject)).cloned().collect();
            for subject in managed {
                self.running.remove(&subject);
                self.start(subject);
            }
        }
        for kind in change.kinds_removed {
            self.running.remove(&Subject::Managed(kind.clone()));
            self.waiting.remove(&Subject::Managed(kind.clone()));
            self.say(Observation::Unwatched(kind)).await?;
        }
        for object in change.objects_removed {
            self.running.remove(&Subject::Values(object));
        }
        for object in change.health_removed {
            self.running.remove(&Subject::Health(object.clone()));
            self.waiting.remove(&Subject::Health(object.clone()));
            self.say(Observation::Health(object, None)).await?;
        }
        for object in change.alone_removed {
            self.running.remove(&Subject::Alone(object.clone()));
            self.waiting.remove(&Subject::Alone(object));
        }
        for kind in change.kinds_added {
            self.start(Subject::Managed(kind));
        }
        for object in change.objects_added {
            self.start(Subject::Values(object));
        }
        for object in change.health_added {
            self.start(Subject::Health(object));
        }
        for object in change.alone_added {
            self.start(Subject::Alone(object));
        }
        Ok(())
    }

    fn start(&mut self, subject: Subject) {
        if self.running.contains_key(&subject) {
            return;
        }
        let Some(spec) = self.spec(&subject) else {
            self.waiting.insert(subject);
            return;
        };
        self.waiting.remove(&subject);
        let handle = self.cluster.watch(spec.clone(), |object| object, self.messages.clone());
        self.running.insert(subject, (Arc::new(spec), handle));
    }

    /// What to watch for a subject; `None` while its kind is not served.
    fn spec(&self, subject: &Subject) -> Option<WatchSpec> {
        let (kind, options) = match subject {
            Subject::Resources(kind) => {
                let WatchScope { namespace, labels } = self.scope.clone();
                (kind.clone(), ListOptions { namespace, labels, ..ListOptions::default() })
            }
            Subject::Managed(kind) => {
                let labels = keys::OWNER_NAME.to_owned();
                (kind.clone(), ListOptions { labels, ..ListOptions::default() })
            }
            // The fields, in their order, tell watches of one object apart.
            Subject::Values(object) => by_name(object, format!("metadata.name={}", object.name)),
            Subject::Health(object) => match (&*object.namespace, &*object.name) {
                ("", name) => by_name(object, format!("metadata.name={name}")),
                (namespace, name) => {
                    by_name(object, format!("metadata.namespace={namespace},metadata.name={name}"))
                }
            },
            Subject::Alone(object) => match (&*object.namespace, &*object.name) {
                ("", name) => by_name(object, format!("metadata.name={name},metadata.name={name}")),
                (namespace, name) => {
                    by_name(object, format!("metadata.name={name},metadata.namespace={namespace}"))
                }
            },
            Subject::Definitions => {
                let kind = group_kind("apiextensions.k8s.io", "CustomResourceDefinition");
                (kind, ListOptions::default())
            }
        };
        let resource = self.resource(&kind)?;
        Some(WatchSpec { resource, options })
    }

    fn resource(&self, kind: &GroupKind) -> Option<Resource> {
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner).clone();
        match kinds.find(kind) {
            Known::Served(resource) => Some(resource.clone()),
            _ => None,
        }
    }

    /// Reads the served kinds again, says so, and starts what had to wait.
    async fn rediscover(&mut self) -> Result<(), Unheard> {
        let Ok(kinds) = self.cluster.discover().await else { return Ok(()) };
        let kinds = {
            let mut known = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
            *known = Arc::new(kinds.or_before(&known));
            Arc::clone(&known)
        };
        let known = served(&kinds);
        for kind in self.withdraw_unserved() {
            self.say(Observation::Stale(kind)).await?;
        }
        for subject in std::mem::take(&mut self.waiting) {
            self.start(subject);
        }
        self.say(known).await
    }

    /// Ends the watches of managed kinds that the server does not serve any more; they wait.
    fn withdraw_unserved(&mut self) -> Vec<GroupKind> {
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner).clone();
        let managed = self.running.keys().filter_map(|subject| match subject {
            Subject::Managed(kind) => Some(kind.clone()),
            _ => None,
        });
        let gone: Vec<GroupKind> =
            managed.filter(|kind| kinds.find(kind) == Known::Absent).collect();
        for kind in &gone {
            self.running.remove(&Subject::Managed(kind.clone()));
            self.waiting.insert(Subject::Managed(kind.clone()));
        }
        gone
    }

    async fn say(&self, observation: Observation) -> Result<(), Unheard> {
        self.inbox.send(Message::Observed(observation)).await.map_err(|_| Unheard)
    }

    async fn hear(&mut self, message: WatchMessage<Observed>) -> Result<(), Unheard> {
        let found = self.running.iter().find(|(_, (spec, _))| **spec == *message.spec);
        let Some(subject) = found.map(|(subject, _)| subject.clone()) else { return Ok(()) };
        match &subject {
            Subject::Definitions => self.hear_definitions(message.event).await,
            Subject::Resources(kind) => self.hear_resource(kind, message.event).await,
            Subject::Managed(kind) => self.hear_managed(kind, message.event).await,
            Subject::Values(object) => self.hear_values(object, message.event).await,
            Subject::Health(object) => self.hear_health(object, message.event).await,
            Subject::Alone(object) => self.hear_alone(object, message.event).await,
        }
    }

    async fn hear_definitions(&mut self, event: WatchEvent<Observed>) -> Result<(), Unheard> {
        let one = |seen: Observed| (seen.object, Arc::new(seen.raw));
        let observation = match event {
            WatchEvent::Listed(list) => {
                Observation::Definitions(list.items.into_iter().map(one).collect())
            }
            WatchEvent::Changed(seen) => {
                let (object, live) = one(seen);
                Observation::Definition(object, Some(live))
            }
            WatchEvent::Gone(seen) => Observation::Definition(seen.object, None),
            WatchEvent::Stale | WatchEvent::Resumed | WatchEvent::Failed { .. } => return Ok(()),
        };
        self.say(observation).await?;
        self.rediscover().await
    }

    async fn hear_managed(
        &self,
        kind: &GroupKind,
        event: WatchEvent<Observed>,
    ) -> Result<(), Unheard> {
        let one = |seen: Observed| (seen.object, Arc::new(seen.raw));
        let observation = match event {
            WatchEvent::Listed(list) => {
                let objects = list.items.into_iter().map(one).collect();
                Observation::Objects(kind.clone(), objects, list.resource_version)
            }
            WatchEvent::Changed(seen) => {
                let (object, live) = one(seen);
                Observation::Object(object, live)
            }
            WatchEvent::Gone(seen) => {
                let (object, version) = (seen.object, seen.resource_version);
                Observation::ObjectUnseen { object, version }
            }
            WatchEvent::Stale => Observation::Stale(kind.clone()),
            WatchEvent::Resumed => return Ok(()),
            // The watch goes on from where it was, or says that it is stale: nothing is known less.
            WatchEvent::Failed { error, .. } => {
                tracing::warn!(%kind, %error, "watch failed");
                return Ok(());
            }
        };
        self.say(observation).await
    }

    async fn hear_values(
        &self,
        object: &ObjectRef,
        event: WatchEvent<Observed>,
    ) -> Result<(), Unheard> {
        let Some(seen) = only(object, event) else { return Ok(()) };
        let values = seen.map(|seen| values(&seen.raw));
        self.say(Observation::Values(object.clone(), values)).await
    }

    async fn hear_health(
        &self,
        object: &ObjectRef,
        event: WatchEvent<Observed>,
    ) -> Result<(), Unheard> {
        let seen = match event {
            // How it fares is not known any more.
            WatchEvent::Stale => None,
            event => match only(object, event) {
                Some(seen) => seen,
                None => return Ok(()),
            },
        };
        let health = seen.map(|seen| health::status(&seen.raw));
        self.say(Observation::Health(object.clone(), health)).await
    }

    async fn hear_alone(
        &self,
        object: &ObjectRef,
        event: WatchEvent<Observed>,
    ) -> Result<(), Unheard> {
        let Some(seen) = only(object, event) else { return Ok(()) };
        let result = EffectResult::Observed(seen.map(|seen| Arc::new(seen.raw)));
        let (unit, object) = (None, object.clone());
        self.say(Observation::Effect(Effect { unit, object, result })).await
    }

    async fn hear_resource(
        &self,
        kind: &GroupKind,
        event: WatchEvent<Observed>,
    ) -> Result<(), Unheard> {
        let remember = |seen: &Observed| {
            self.seen.put(seen.object.clone(), Arc::new(seen.raw.clone()));
        };
        match event {
            WatchEvent::Listed(list) => {
                for seen in &list.items {
                    self.seen.put_listed(seen.object.clone(), Arc::new(seen.raw.clone()));
                }
                for observation in listed(kind, &list.items) {
                    self.say(observation).await?;
                }
                self.say(Observation::Heard(kind.clone())).await
            }
            WatchEvent::Changed(seen) => {
                remember(&seen);
                self.say(changed(kind, &seen)).await
            }
            WatchEvent::Gone(seen) => {
                self.seen.remove(&seen.object);
                self.say(gone(kind, &seen.object)).await
            }
            WatchEvent::Stale => self.say(Observation::Unheard(kind.clone())).await,
            WatchEvent::Resumed => self.say(Observation::Heard(kind.clone())).await,
            WatchEvent::Failed { error, .. } => {
                tracing::warn!(%kind, %error, "watch failed");
                self.say(Observation::Unheard(kind.clone())).await
            }
        }
    }
}

/// How to watch one object by its name.
fn by_name(object: &ObjectRef, fields: String) -> (GroupKind, ListOptions) {
    let namespace = object.namespace.clone();
    (object.group_kind(), ListOptions { namespace, fields, ..ListOptions::default() })
}

/// What the watch of one object says: it, or that it does not exist; nothing while it fails.
fn only(object: &ObjectRef, event: WatchEvent<Observed>) -> Option<Option<Observed>> {
    match event {
        WatchEvent::Listed(list) => Some(list.items.into_iter().next()),
        WatchEvent::Changed(seen) => Some(Some(seen)),
        WatchEvent::Gone(_) => Some(None),
        WatchEvent::Stale | WatchEvent::Resumed => None,
        WatchEvent::Failed { error, .. } => {
            tracing::warn!(%object, %error, "watch failed");
            None
        }
    }
}

/// Which kinds the server serves, as an observation.
pub(super) fn served(kinds: &Kinds) -> Observation {
    let served = kinds.preferred().map(|r| (r.group_kind(), r.namespaced)).collect();
    let failed = kinds.failed().iter().map(|failed| failed.group.clone()).collect();
    Observation::Served(served, failed)
}

fn group_kind(group: &str, kind: &str) -> GroupKind {
    GroupKind { group: group.to_owned(), kind: kind.to_owned() }
}

fn is_unit(kind: &GroupKind) -> bool {
    kind.group == KUSTOMIZE_GROUP
}

/// A custom resource that cannot be read is an observation as well.
fn unreadable(seen: &Observed, error: &dyn std::fmt::Display) -> Observation {
    tracing::error!(object = %seen.object, %error, "cannot be read");
    let (object, raw) = (seen.object.clone(), Arc::new(seen.raw.clone()));
    Observation::Unreadable { object, raw, message: error.to_string() }
}

/// What a complete list says: the resources that can be read, and then each of the others.
fn listed(kind: &GroupKind, items: &[Observed]) -> Vec<Observation> {
    let mut others = Vec::new();
    let all = if is_unit(kind) {
        let read = |seen: &Observed| {
            let unit = Kustomization::read(&seen.raw);
            unit.map_err(|error| others.push(unreadable(seen, &error))).ok()
        };
        let units = items.iter().filter_map(read).collect();
        let name = |object: &ObjectRef| UnitName::new(&object.namespace, &object.name);
        Observation::Units(units, named(&others, name))
    } else {
        let read = |seen: &Observed| {
            let source = AnySource::read(&kind.kind, &seen.raw);
            source.map_err(|error| others.push(unreadable(seen, &error))).ok()
        };
        let sources = items.iter().filter_map(read).collect();
        let name =
            |object: &ObjectRef| SourceName::new(&object.kind, &object.namespace, &object.name);
        Observation::Sources(kind.kind.clone(), sources, named(&others, name))
    };
    std::iter::once(all).chain(others).collect()
}

fn named<T>(unreadable: &[Observation], name: impl Fn(&ObjectRef) -> T) -> Vec<T> {
    let object = |observation: &Observation| match observation {
        Observation::Unreadable { object, .. } => Some(name(object)),
        _ => None,
    };
    unreadable.iter().filter_map(object).collect()
}

fn changed(kind: &GroupKind, seen: &Observed) -> Observation {
    if is_unit(kind) {
        return match Kustomization::read(&seen.raw) {
            Ok(unit) => Observation::Unit(Box::new(unit)),
            Err(error) => unreadable(seen, &error),
        };
    }
    match AnySource::read(&kind.kind, &seen.raw) {
        Ok(source) => Observation::Source(Box::new(source)),
        Err(error) => unreadable(seen, &error),
    }
}

fn gone(kind: &GroupKind, object: &ObjectRef) -> Observation {
    let (namespace, name) = (&object.namespace, &object.name);
    if is_unit(kind) {
        return Observation::UnitGone(UnitName::new(namespace, name));
    }
    Observation::SourceGone(SourceName::new(&kind.kind, namespace, name))
}

/// The values of a ConfigMap (`data`, `binaryData`) or a Secret (`data`, decoded).
fn values(raw: &Json) -> BTreeMap<String, Vec<u8>> {
    let secret = raw["kind"] == "Secret";
    let mut found = BTreeMap::new();
    for (map, encoded) in [("data", secret), ("binaryData", true)] {
        for (key, value) in raw[map].as_object().into_iter().flatten() {
            let text = value.as_str().unwrap_or_default();
            let bytes = if encoded {
                STANDARD.decode(text).unwrap_or_default()
            } else {
                text.as_bytes().to_vec()
            };
            found.insert(key.clone(), bytes);
        }
    }
    found
}
