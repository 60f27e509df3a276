//! Sources: what the spec and status of a GitRepository or another source kind say.

use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::api;
use crate::api::GitRepositorySpec;
use crate::api::keys;
use crate::datalog::Fact;
use crate::facts::Column as _;
use crate::facts::Statement;
use crate::facts::relation;
use crate::ingest::Ingest;
use crate::ingest::keep::Place;
use crate::ingest::keep::RecalledTree;
use crate::ingest::memory::SourceMemory;
use crate::ingest::memory::first_seen;
use crate::ingest::unit;
use crate::model::Digest;
use crate::model::ObjectRef;
use crate::model::SOURCE_GROUP;
use crate::model::SourceName;
use crate::model::Timestamp;

/// Relations whose rows begin with a source and come from its custom resource.
const OBSERVED: &[&str] = &[
    "source",
    "source_generation",
    "source_spec",
    "source_timing",
    "source_ignore",
    "source_suspended",
    "source_deleting",
    "source_finalizer",
    "source_requested",
    "source_refused",
    "offered",
    "origin",
    "source_shown",
    "uses_secret",
];

/// Relations whose rows begin with a source and that end with it.
const RECORDED: &[&str] = &[
    "checked",
    "offered_anew",
    "fetched",
    "kept_at",
    "commit_of",
    "fetch_failed",
    "advice",
    "packed",
    "pack_failed",
    "artifact_lost",
    "event_sent",
];

/// Conditions that rules write.
const SHOWN_CONDITIONS: &[&str] = &[
    "Ready",
    "ArtifactInStorage",
    "FetchFailed",
    "StorageOperationFailed",
    "Reconciling",
    "Stalled",
];

/// A source of any kind, as far as units and fetches need it.
#[derive(Clone)]
pub struct AnySource {
    /// Its name.
    pub name: SourceName,
    /// Its metadata.
    pub metadata: api::Metadata,
    /// `spec.suspend`.
    pub suspended: bool,
    /// `spec.interval`.
    pub interval: Duration,
    /// `spec.timeout`, or 60 s.
    pub timeout: Duration,
    /// `status.artifact`.
    pub artifact: Option<api::Artifact>,
    /// `status.conditions`.
    pub conditions: Vec<api::Condition>,
    /// `status.observedIgnore`.
    pub observed_ignore: String,
    /// `status.observedGeneration`.
    pub observed_generation: i64,
    /// `status.lastHandledReconcileAt`.
    pub last_handled: String,
    /// The whole spec, when it is a GitRepository.
    pub git: Option<GitRepositorySpec>,
}

impl AnySource {
    /// Reads a source custom resource of any kind.
    ///
    /// # Errors
    /// A part has another type than its CRD says; the text names it.
    pub fn read(kind: &str, object: &Json) -> Result<Self, String> {
        let part = |pointer: &str| object.pointer(pointer).cloned().unwrap_or(Json::Null);
        let metadata: api::Metadata = read(part("/metadata"))?;
        let duration = |pointer: &str, default: u64| {
            let text = part(pointer);
            let parsed = text.as_str().and_then(|text| api::Duration::parse(text).ok());
            parsed.map_or(Duration::from_secs(default), |parsed| parsed.to_std())
        };
        let git = if kind == "GitRepository" { Some(read(part("/spec"))?) } else { None };
        Ok(Self {
            name: SourceName::new(kind, &metadata.namespace, &metadata.name),
            metadata,
            suspended: part("/spec/suspend").as_bool().unwrap_or(false),
            interval: duration("/spec/interval", 60),
            timeout: duration("/spec/timeout", 60),
            artifact: read(part("/status/artifact"))?,
            conditions: read::<Option<_>>(part("/status/conditions"))?.unwrap_or_default(),
            observed_ignore: read::<Option<_>>(part("/status/observedIgnore"))?.unwrap_or_default(),
            observed_generation: part("/status/observedGeneration")
                .as_i64()
                .unwrap_or(keys::NEVER_OBSERVED),
            last_handled: read::<Option<_>>(part("/status/lastHandledReconcileAt"))?
                .unwrap_or_default(),
            git,
        })
    }

    /// The Secrets that a fetch needs.
    pub fn secrets(&self) -> Vec<ObjectRef> {
        let Some(git) = &self.git else { return Vec::new() };
        let references = [&git.secret_ref, &git.proxy_secret_ref];
        let named = references.into_iter().flatten();
        named.map(|r| ObjectRef::new("", "Secret", &self.name.namespace, &r.name)).collect()
    }

    fn shown(&self) -> Vec<Fact> {
        let artifact = self.artifact.as_ref();
        let artifact = artifact.map(|a| {
            format!("{} {} {} {}", a.revision, a.digest, a.url, a.size.unwrap_or_default())
        });
        let mut shown = vec![
            ("observedGeneration", self.observed_generation.to_string()),
            ("artifact", artifact.unwrap_or_default()),
            ("lastHandledReconcileAt", self.last_handled.clone()),
            ("observedIgnore", self.observed_ignore.clone()),
        ];
        for kind in SHOWN_CONDITIONS {
            shown.push((kind, unit::condition_text(&self.conditions, kind)));
        }
        shown.iter().map(|(field, text)| relation::source_shown(&self.name, field, text)).collect()
    }
}

/// The custom resource cannot be read: what its metadata says, and why not the rest.
pub(super) fn unreadable(name: &SourceName, object: &Json, message: &str) -> Vec<Statement> {
    let part = |pointer: &str| object.pointer(pointer).cloned().unwrap_or_default();
    let metadata: api::Metadata = read(part("/metadata")).unwrap_or_default();
    let mut facts = vec![
        relation::source(name, &metadata.uid),
        relation::source_generation(name, &metadata.generation),
        relation::source_refused(name, "UnreadableSpec", message),
    ];
    if metadata.deletion_timestamp.is_some() {
        facts.push(relation::source_deleting(name));
    }
    if metadata.finalizers.iter().any(|finalizer| finalizer == keys::FINALIZER) {
        facts.push(relation::source_finalizer(name));
    }
    let conditions = read::<Option<Vec<_>>>(part("/status/conditions")).unwrap_or_default();
    for kind in SHOWN_CONDITIONS {
        let shown = unit::condition_text(&conditions.clone().unwrap_or_default(), kind);
        facts.push(relation::source_shown(name, kind, &shown));
    }
    Statement::about(OBSERVED, &name.column(), &facts)
}

fn read<T: serde::de::DeserializeOwned>(value: Json) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

impl Ingest {
    pub(super) fn sources(
        &mut self,
        kind: &str,
        sources: Vec<AnySource>,
        others: &[SourceName],
        now: Timestamp,
    ) -> Vec<Statement> {
        self.newest.retain(|object, _| object.group != SOURCE_GROUP || object.kind != kind);
        let of_kind = |name: &SourceName| name.kind == kind;
        let recalled: BTreeMap<SourceName, String> =
            self.recalled_sources.extract_if(.., |name, _| of_kind(name)).collect();
        let before = recalled.keys().cloned();
        let known = self.sources.keys().filter(|name| of_kind(name)).cloned().chain(before);
        let gone =
            known.filter(|name| !sources.iter().any(|s| s.name == *name) && !others.contains(name));
        let gone: Vec<SourceName> = gone.collect();
        let mut said: Vec<Statement> =
            gone.iter().flat_map(|name| self.source_gone(name)).collect();
        for source in sources {
            if recalled.get(&source.name).is_some_and(|uid| *uid != source.metadata.uid) {
                said.extend(self.source_gone(&source.name));
            }
            let offers = source.artifact.as_ref().map(|artifact| artifact.revision.clone());
            let before = self.recalled_offers.remove(&source.name);
            if let Some(offers) = offers.filter(|_| recalled.contains_key(&source.name))
                && before.as_ref() != Some(&offers)
            {
                said.push(Statement::Holds(relation::offered_anew(&source.name, &offers)));
            }
            said.extend(self.source(source, now));
        }
        said
    }

    pub(super) fn source(&mut self, source: AnySource, now: Timestamp) -> Vec<Statement> {
        let name = source.name.clone();
        if self.is_outdated(&name.object(), &source.metadata.resource_version) {
            return Vec::new();
        }
        // Another one of the same name inherits nothing.
        let mut said = match self.sources.get(&name) {
            Some(before) if before.source.metadata.uid != source.metadata.uid => {
                self.source_gone(&name)
            }
            _ => Vec::new(),
        };
        let token = unit::requested_token(&source.metadata).map(str::to_owned);
        let recalled = self.recalled_trees.remove(&name);
        let packed = self.recalled_files.remove(&name);
        let memory = self
            .sources
            .entry(name.clone())
            .or_insert_with(|| remembered(&source, recalled, packed));
        memory.source = source;
        memory.requested = first_seen(memory.requested.take(), token, now);
        said.extend(self.source_statements(&name));
        said
    }

    pub(super) fn source_gone(&mut self, name: &SourceName) -> Vec<Statement> {
        self.outdate(&name.object());
        let tree = self.sources.remove(name).and_then(|memory| memory.tree);
        let recalled = self.recalled_trees.remove(name).map(|recalled| recalled.tree);
        tree.into_iter().chain(recalled).for_each(|tree| self.drop_tree(&tree));
        let all = OBSERVED.iter().chain(RECORDED);
        all.map(|relation| Statement::nothing(relation, vec![name.column()])).collect()
    }

    /// Sources that use this Secret say again what decides their fetches.
    pub(super) fn sources_reading(&self, object: &ObjectRef) -> Vec<Statement> {
        let reading = self.sources.values().filter(|m| m.source.secrets().contains(object));
        reading.flat_map(|memory| self.source_statements(&memory.source.name)).collect()
    }

    fn source_statements(&self, name: &SourceName) -> Vec<Statement> {
        let Some(memory) = self.sources.get(name) else { return Vec::new() };
        let source = &memory.source;
        let metadata = &source.metadata;
        let mut facts = vec![
            relation::source(name, &metadata.uid),
            relation::source_generation(name, &metadata.generation),
            relation::source_timing(name, &source.interval, &source.timeout),
        ];
        if let Some(ignore) = source.git.as_ref().and_then(|git| git.ignore.as_ref()) {
            facts.push(relation::source_ignore(name, ignore));
        }
        if source.suspended {
            facts.push(relation::source_suspended(name));
        }
        if metadata.deletion_timestamp.is_some() {
            facts.push(relation::source_deleting(name));
        }
        if metadata.finalizers.iter().any(|finalizer| finalizer == keys::FINALIZER) {
            facts.push(relation::source_finalizer(name));
        }
        if let Some((token, seen)) = &memory.requested {
            facts.push(relation::source_requested(name, token, seen));
        }
        if let Some(artifact) = &source.artifact {
            let (digest, url) = (&artifact.digest, &artifact.url);
            facts.push(relation::offered(name, &artifact.revision, digest, url));
            let origin = artifact.metadata.get(keys::ORIGIN_REVISION);
            facts.extend(origin.map(|origin| relation::origin(name, origin)));
        }
        facts.extend(source.secrets().iter().map(|secret| relation::uses_secret(name, secret)));
        facts.extend(source.shown());
        facts.extend(self.fetch_inputs(source));
        Statement::about(OBSERVED, &name.column(), &facts)
    }

    /// `source_spec` when everything that a fetch needs is known, `source_refused` when something
    /// is known to be missing; neither while a Secret has not been read yet.
    fn fetch_inputs(&self, source: &AnySource) -> Vec<Fact> {
        let Some(git) = &source.git else { return Vec::new() };
        if let Some((reason, message)) = refused(git) {
            return vec![relation::source_refused(&source.name, reason, &message)];
        }
        let mut parts = vec![fetch_spec(git).into_bytes()];
        for secret in source.secrets() {
            match self.values.get(&secret) {
                None => return Vec::new(),
                Some(None) => {
                    let message = format!(
                        "failed to get secret '{}/{}': secrets \"{}\" not found",
                        secret.namespace, secret.name, secret.name
                    );
                    let reason = "AuthenticationFailed";
                    return vec![relation::source_refused(&source.name, reason, &message)];
                }
                Some(Some(values)) => {
                    for (key, value) in values {
                        parts.push(key.clone().into_bytes());
                        parts.push(self.options.key.digest(value).as_bytes().to_vec());
                    }
                }
            }
        }
        let digest = Digest::of_parts(parts.iter().map(Vec::as_slice));
        vec![relation::source_spec(&source.name, &digest.to_string())]
    }
}

/// What is remembered of a source that is seen for the first time in this run.
fn remembered(
    source: &AnySource,
    recalled: Option<RecalledTree>,
    packed: Option<String>,
) -> SourceMemory {
    let mut memory = SourceMemory {
        source: source.clone(),
        requested: None,
        spec: None,
        tree: None,
        revision: None,
        place: None,
        damaged: None,
        packed,
        failures: 0,
        cache: Arc::default(),
    };
    if let Some(RecalledTree { spec, revision, tree, place, .. }) = recalled {
        memory.place = Place::parse(&place);
        (memory.spec, memory.revision, memory.tree) = (Some(spec), Some(revision), Some(tree));
    }
    memory
}

/// The spec fields that decide what a fetch brings.
fn fetch_spec(git: &GitRepositorySpec) -> String {
    serde_json::json!({
        "url": git.url,
        "ref": git.reference,
        "ignore": git.ignore,
        "secretRef": git.secret_ref,
        "proxySecretRef": git.proxy_secret_ref,
    })
    .to_string()
}

/// The first field that asks for something that this version does not do.
fn refused(git: &GitRepositorySpec) -> Option<(&'static str, String)> {
    let generic = git.provider.unwrap_or_default() == api::GitProvider::Generic;
    let used = [
        ("spec.provider", !generic),
        ("spec.verify", git.verify.is_some()),
        ("spec.recurseSubmodules", git.recurse_submodules),
        ("spec.include", !git.include.is_empty()),
        ("spec.sparseCheckout", !git.sparse_checkout.is_empty()),
    ];
    let (field, _) = used.into_iter().find(|(_, used)| *used)?;
    let message = format!("{field} is not supported by this version of hence");
    Some(("UnsupportedField", message))
}
