//! What ingest remembers between observations: specs, trees, read sets, values, recorded fields.
//!
//! Everything here can be observed again after a restart, except recorded fields, whose durable
//! copy is the relation `recorded`.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::api::Kustomization;
use crate::api::KustomizationSpec;
use crate::cluster::fields::RecordedFields;
use crate::facts::Column as _;
use crate::facts::Statement;
use crate::facts::relation;
use crate::ingest::AnySource;
use crate::ingest::declared::Declared;
use crate::ingest::effect::Drift;
use crate::ingest::keep::Place;
use crate::ingest::keep::RecalledTree;
use crate::ingest::object;
use crate::ingest::object::Lens;
use crate::ingest::recipe::Recipes;
use crate::ingest::source;
use crate::ingest::unit;
use crate::kustomize::Cache;
use crate::kustomize::ReadSet;
use crate::model::DigestKey;
use crate::model::GroupKind;
use crate::model::KUSTOMIZE_GROUP;
use crate::model::Manifests;
use crate::model::ObjectRef;
use crate::model::SourceName;
use crate::model::Timestamp;
use crate::model::UnitName;
use crate::sources::tree::SourceTree;

/// What ingest needs to know from the daemon's flags.
#[derive(Clone, Debug)]
pub struct IngestOptions {
    /// Digests secret values.
    pub key: DigestKey,
    /// Field managers whose fields are taken over (Flux's list plus `--override-manager`).
    pub overridden: Vec<String>,
    /// Refuse variables that are not set (gate StrictPostBuildSubstitutions).
    pub strict_substitution: bool,
    /// Fetch bases and files that kustomizations name by URL (`--no-remote-bases`).
    pub remote_bases: bool,
    /// Where what builds are made of is put for questions.
    pub recipes: Recipes,
    /// How often a failed download of an artifact is tried again (`--http-retry`).
    pub http_retries: u32,
    /// Host key algorithms for ssh, most wanted first (`--ssh-hostkey-algos`).
    pub ssh_host_key_algorithms: Vec<String>,
    /// Key exchange algorithms for ssh, most wanted first (`--ssh-kex-algos`).
    pub ssh_kex_algorithms: Vec<String>,
    /// Kinds of the custom stage (`--custom-apply-stage-kinds`).
    pub custom_stage: Vec<GroupKind>,
}

/// The memory of the adapters.
pub struct Ingest {
    pub(super) options: IngestOptions,
    pub(super) manifests: Manifests,
    pub(super) units: BTreeMap<UnitName, UnitMemory>,
    pub(super) sources: BTreeMap<SourceName, SourceMemory>,
    pub(super) trees: BTreeMap<String, Arc<SourceTree>>,
    pub(super) values: BTreeMap<ObjectRef, Option<BTreeMap<String, Vec<u8>>>>,
    pub(super) recorded: BTreeMap<ObjectRef, RecordedFields>,
    pub(super) scopes: BTreeMap<GroupKind, bool>,
    pub(super) listed: BTreeMap<GroupKind, BTreeSet<ObjectRef>>,
    pub(super) drift: BTreeMap<ObjectRef, Drift>,
    /// Drift that was seen to be over before it was known who ended it, with the resourceVersion
    /// that showed no drift any more.
    pub(super) mended: BTreeMap<ObjectRef, (String, Drift)>,
    pub(super) corrected: BTreeMap<(ObjectRef, String, String), Vec<Timestamp>>,
    /// The time of the last change that was told.
    pub(super) last_change: Timestamp,
    /// The newest resourceVersion seen of each object since its kind was last listed.
    pub(super) newest: BTreeMap<ObjectRef, u64>,
    /// The resourceVersion of the last list of each kind.
    pub(super) list_versions: BTreeMap<GroupKind, u64>,
    /// Units and sources of an earlier run that no list has shown yet, with their uids.
    pub(super) recalled_units: BTreeMap<UnitName, String>,
    pub(super) recalled_sources: BTreeMap<SourceName, String>,
    /// The revisions that the last run left units at, until the first list.
    pub(super) recalled_revisions: BTreeMap<UnitName, (SourceName, String)>,
    /// The revision that a source offered when the last run ended.
    pub(super) recalled_offers: BTreeMap<SourceName, String>,
    /// What the inventories of units named when the last run ended, until the first list.
    pub(super) recalled_inventories: BTreeMap<UnitName, BTreeSet<ObjectRef>>,
    /// Trees of an earlier run whose source no list has shown yet.
    pub(super) recalled_trees: BTreeMap<SourceName, RecalledTree>,
    /// Paths of artifact files of an earlier run, likewise.
    pub(super) recalled_files: BTreeMap<SourceName, String>,
    /// Fields that rule files ask for.
    pub(super) declared: Declared,
}

/// What is remembered of one unit.
pub(super) struct UnitMemory {
    pub(super) uid: String,
    pub(super) spec: KustomizationSpec,
    pub(super) requested: Option<(String, Timestamp)>,
    pub(super) reads: Option<ReadSet>,
    pub(super) manifests: Vec<String>,
}

/// What is remembered of one source.
pub(super) struct SourceMemory {
    pub(super) source: AnySource,
    pub(super) requested: Option<(String, Timestamp)>,
    pub(super) spec: Option<String>,
    pub(super) tree: Option<String>,
    pub(super) revision: Option<String>,
    /// Where the tree's files lie.
    pub(super) place: Option<Place>,
    /// Where files lie that turned out to be damaged: not to be used by the next fetch.
    pub(super) damaged: Option<Place>,
    /// The path of the artifact file on offer.
    pub(super) packed: Option<String>,
    pub(super) failures: i64,
    /// What builds of the source's units share; content ids are the source's own.
    pub(super) cache: Arc<Cache>,
}

impl Ingest {
    /// An empty memory; manifests of builds are held in `manifests`.
    pub fn new(options: IngestOptions, manifests: Manifests) -> Self {
        Self {
            options,
            manifests,
            units: BTreeMap::new(),
            sources: BTreeMap::new(),
            trees: BTreeMap::new(),
            values: BTreeMap::new(),
            recorded: BTreeMap::new(),
            scopes: BTreeMap::new(),
            listed: BTreeMap::new(),
            drift: BTreeMap::new(),
            mended: BTreeMap::new(),
            corrected: BTreeMap::new(),
            last_change: Timestamp(0),
            newest: BTreeMap::new(),
            list_versions: BTreeMap::new(),
            recalled_units: BTreeMap::new(),
            recalled_sources: BTreeMap::new(),
            recalled_inventories: BTreeMap::new(),
            recalled_revisions: BTreeMap::new(),
            recalled_offers: BTreeMap::new(),
            recalled_trees: BTreeMap::new(),
            recalled_files: BTreeMap::new(),
            declared: Declared::default(),
        }
    }

    /// The units and sources of which facts were kept, with their uids: those that the first list
    /// does not show, or shows with another uid, are gone since.
    pub fn recall_names(
        &mut self,
        units: BTreeMap<UnitName, String>,
        sources: BTreeMap<SourceName, String>,
    ) {
        self.recalled_units = units;
        self.recalled_sources = sources;
    }

    /// What the inventories of units named when the last run ended.
    pub fn recall_inventories(&mut self, rows: impl Iterator<Item = (UnitName, ObjectRef)>) {
        for (unit, object) in rows {
            self.recalled_inventories.entry(unit).or_default().insert(object);
        }
    }

    /// The sources of units, and the revisions that they were last attempted at, when the last run
    /// ended.
    pub fn recall_revisions(&mut self, revisions: BTreeMap<UnitName, (SourceName, String)>) {
        self.recalled_revisions = revisions;
    }

    /// The revisions that sources offered when the last run ended.
    pub fn recall_offers(&mut self, revisions: BTreeMap<SourceName, String>) {
        self.recalled_offers = revisions;
    }

    /// The kinds that the server served when the last run ended, and whether they are namespaced.
    pub fn recall_kinds(&mut self, kinds: BTreeMap<GroupKind, bool>) {
        self.scopes = kinds;
    }

    /// The fields that were recorded for objects before this process started.
    pub fn recall_recorded(&mut self, rows: impl Iterator<Item = (ObjectRef, String, String)>) {
        for (object, uid, fields) in rows {
            if let Some(fields) = RecordedFields::parse(&uid, &fields) {
                self.recorded.insert(object, fields);
            }
        }
    }

    /// The corrections that were made before this process started.
    pub fn recall_corrections(
        &mut self,
        rows: impl Iterator<Item = (ObjectRef, String, String, Timestamp)>,
    ) {
        for (object, path, manager, at) in rows {
            self.corrected.entry((object, path, manager)).or_default().push(at);
        }
        self.corrected.values_mut().for_each(|times| times.sort_unstable());
    }

    /// Whether something newer was seen of the object already: the answer to a write and the watch
    /// are two ways, and what comes last by one may be older than what came by the other.
    pub(super) fn is_outdated(&mut self, object: &ObjectRef, resource_version: &str) -> bool {
        let Ok(version) = resource_version.parse::<u64>() else { return false };
        match self.newest.get_mut(object) {
            Some(newest) if version < *newest => true,
            Some(newest) => {
                *newest = version;
                false
            }
            None => {
                self.newest.insert(object.clone(), version);
                false
            }
        }
    }

    /// The object is gone: the answer to an earlier write that arrives late does not bring it back.
    pub(super) fn outdate(&mut self, object: &ObjectRef) {
        if let Some(newest) = self.newest.get_mut(object) {
            *newest += 1;
        }
    }

    /// A list is the truth about its kind as of its version: what was seen later stays. A restored
    /// server counts anew, and then nothing does.
    fn listed_at(&mut self, kind: &GroupKind, version: &str) {
        let Ok(version) = version.parse::<u64>() else {
            return self.listed_anew(&kind.group, &kind.kind);
        };
        let before = self.list_versions.insert(kind.clone(), version);
        if before.is_some_and(|before| version < before) {
            return self.listed_anew(&kind.group, &kind.kind);
        }
        self.newest.retain(|object, seen| object.group_kind() != *kind || *seen > version);
    }

    /// Nothing that was seen of a kind counts any more.
    fn listed_anew(&mut self, group: &str, kind: &str) {
        self.newest.retain(|object, _| object.group != group || object.kind != kind);
    }

    pub(super) fn units(
        &mut self,
        units: Vec<Kustomization>,
        others: &[UnitName],
        now: Timestamp,
    ) -> Vec<Statement> {
        self.listed_anew(KUSTOMIZE_GROUP, "Kustomization");
        let names: Vec<UnitName> =
            units.iter().map(unit::name).chain(others.iter().cloned()).collect();
        let recalled = std::mem::take(&mut self.recalled_units);
        let before = recalled.keys().cloned();
        let known: Vec<UnitName> = self.units.keys().cloned().chain(before).collect();
        let mut said = unit::exactly_these(&names, known.into_iter());
        self.units.retain(|name, _| names.contains(name));
        self.options.recipes.keep(|name| names.contains(name));
        for unit in &units {
            let name = unit::name(unit);
            if recalled.get(&name).is_some_and(|uid| *uid != unit.metadata.uid) {
                said.extend(self.unit_gone(&name));
            }
            let shown = unit.status.last_attempted_revision.as_deref().unwrap_or_default();
            let left = self.recalled_revisions.remove(&name);
            // What it was at of another source says nothing of this one.
            let source = unit::source(&name, &unit.spec);
            let has_moved = left.is_some_and(|left| left.0 == source && left.1 != shown);
            if has_moved && !shown.is_empty() {
                said.push(Statement::Holds(relation::moved(&name, shown)));
            }
            if let Some(before) = self.recalled_inventories.remove(&name) {
                let named = unit::inventory(unit);
                let gone = before.difference(&named);
                said.extend(gone.map(|o| Statement::Holds(relation::unlisted(&name, o))));
            }
            said.extend(self.unit(unit, now));
        }
        self.recalled_inventories.clear();
        said
    }

    pub(super) fn unit(&mut self, unit: &Kustomization, now: Timestamp) -> Vec<Statement> {
        let name = unit::name(unit);
        if self.is_outdated(&name.object(), &unit.metadata.resource_version) {
            return Vec::new();
        }
        // Another one of the same name inherits nothing: neither objects nor builds.
        let uid = &unit.metadata.uid;
        let mut said = match self.units.get(&name) {
            Some(before) if before.uid != *uid => self.unit_gone(&name),
            _ => Vec::new(),
        };
        let token = unit::requested_token(&unit.metadata).map(str::to_owned);
        let memory = self.units.entry(name.clone()).or_insert_with(|| UnitMemory {
            uid: uid.clone(),
            spec: unit.spec.clone(),
            requested: None,
            reads: None,
            manifests: Vec::new(),
        });
        memory.spec = unit.spec.clone();
        memory.requested = first_seen(memory.requested.take(), token, now);
        let requested = memory.requested.clone();
        let requested = requested.as_ref().map(|(token, seen)| (token.as_str(), *seen));
        said.extend(unit::statements(unit, requested));
        // Where it was found is where we know the source to be: nothing is in doubt by it any more.
        let source = self.sources.get(&unit::source(&name, &unit.spec));
        let known = source.and_then(|source| source.revision.as_ref());
        if known.is_some() && known == unit.status.last_attempted_revision.as_ref() {
            said.push(Statement::nothing("moved", vec![name.column()]));
        }
        said.extend(self.variables_of(&name));
        said
    }

    /// A custom resource that cannot be read is known to be there, and asks for nothing.
    pub(super) fn unreadable(
        &mut self,
        object: &ObjectRef,
        raw: &Json,
        message: &str,
    ) -> Vec<Statement> {
        let version = raw.pointer("/metadata/resourceVersion").and_then(Json::as_str);
        if self.is_outdated(object, version.unwrap_or_default()) {
            return Vec::new();
        }
        let (namespace, name) = (&object.namespace, &object.name);
        if object.group == KUSTOMIZE_GROUP {
            return unit::unreadable(&UnitName::new(namespace, name), raw, message);
        }
        source::unreadable(&SourceName::new(&object.kind, namespace, name), raw, message)
    }

    pub(super) fn unit_gone(&mut self, name: &UnitName) -> Vec<Statement> {
        self.outdate(&name.object());
        self.options.recipes.forget(name);
        let before = self.objects_of(name);
        if let Some(memory) = self.units.remove(name) {
            memory.manifests.iter().for_each(|digest| self.manifests.release(digest));
        }
        let mut said = unit::gone(name);
        said.extend(self.declared_of_unit(name, &before));
        said
    }

    pub(super) fn objects(
        &mut self,
        kind: &GroupKind,
        objects: Vec<(ObjectRef, Arc<Json>)>,
        version: &str,
        now: Timestamp,
    ) -> Vec<Statement> {
        self.listed_at(kind, version);
        let mut said = Vec::new();
        let mut present: BTreeSet<ObjectRef> = objects.iter().map(|(o, _)| o.clone()).collect();
        let before = self.listed.remove(kind).unwrap_or_default();
        // What was seen since the list began is newer than the list.
        present.extend(before.iter().filter(|o| self.newest.contains_key(*o)).cloned());
        self.listed.insert(kind.clone(), present.clone());
        for object in before.difference(&present) {
            said.extend(object::unseen(object));
            said.extend(self.declared_unseen(object));
        }
        for (object, live) in &objects {
            said.extend(self.object(object, live, now));
        }
        said.push(Statement::Holds(relation::listed(&kind.to_string())));
        said
    }

    /// What was seen of the kind is not known to hold any more.
    pub(super) fn unwatched(&mut self, kind: &GroupKind) -> Vec<Statement> {
        let mut said = vec![Statement::Fails(relation::listed(&kind.to_string()))];
        for object in self.listed.remove(kind).unwrap_or_default() {
            said.extend(object::unseen(&object));
            said.extend(self.declared_unseen(&object));
        }
        said
    }

    pub(super) fn object(
        &mut self,
        object: &ObjectRef,
        live: &Json,
        now: Timestamp,
    ) -> Vec<Statement> {
        let version = live.pointer("/metadata/resourceVersion").and_then(Json::as_str);
        if self.is_outdated(object, version.unwrap_or_default()) {
            return Vec::new();
        }
        self.listed.entry(object.group_kind()).or_default().insert(object.clone());
        let recorded = self.recorded.get(object);
        let differences =
            recorded.map(|recorded| recorded.compare(live, &self.options.key)).unwrap_or_default();
        let lens = Lens { overridden: &self.options.overridden, differences: &differences, now };
        let mut said = object::present(object, live, &lens);
        said.extend(self.declared_live(object, live));
        let drift: Drift = differences.into_iter().map(|d| (d.path, d.manager)).collect();
        if drift.is_empty() {
            if let Some(over) = self.drift.remove(object) {
                let version = version.unwrap_or_default().to_owned();
                self.mended.insert(object.clone(), (version, over));
            }
        } else {
            self.drift.insert(object.clone(), drift);
        }
        said
    }

    /// The object left the watch with this state.
    pub(super) fn object_unseen(&mut self, object: &ObjectRef, version: &str) -> Vec<Statement> {
        if self.is_outdated(object, version) {
            return Vec::new();
        }
        let mut said = object::unseen(object);
        said.extend(self.declared_unseen(object));
        said
    }

    pub(super) fn served(
        &mut self,
        kinds: BTreeMap<GroupKind, bool>,
        failed: &BTreeSet<String>,
    ) -> Vec<Statement> {
        let facts = kinds.iter().map(|(kind, namespaced)| {
            relation::served(&kind.to_string(), if *namespaced { "yes" } else { "no" })
        });
        let unknown = failed.iter().map(|group| relation::undiscovered(group)).collect();
        let said = vec![
            Statement::exactly("served", Vec::new(), facts.collect()),
            Statement::exactly("undiscovered", Vec::new(), unknown),
        ];
        self.scopes = kinds;
        said
    }
}

/// A request keeps the time at which its token was first seen.
pub(super) fn first_seen(
    before: Option<(String, Timestamp)>,
    token: Option<String>,
    now: Timestamp,
) -> Option<(String, Timestamp)> {
    let token = token?;
    match before {
        Some((known, seen)) if known == token => Some((known, seen)),
        _ => Some((token, now)),
    }
}
