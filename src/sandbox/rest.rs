//! The verbs on objects: get, list, watch, create, update, patch, delete, and the answers to them.
//!
//! In: a target, the query and the body. Out: a status and JSON, or a stream of events.
//!
//! ```text
//! GET name ─▶ one     GET ─▶ list or watch     POST ─▶ create     PUT, PATCH ─▶ write
//! DELETE name ─▶ delete                        DELETE ─▶ delete the collection
//! ```
//!
//! Not here: HTTP itself (`http.rs`), the rules of writes (`write.rs`).

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use serde_json::json;
use tokio::sync::watch;

use super::kinds::Kind;
use super::refusal::FieldError;
use super::refusal::Refusal;
use super::request::Query;
use super::selectors::Selector;
use super::store::Name;
use super::table;
use super::world::Target;
use super::world::World;
use super::world::in_version;
use super::write::PatchKind;
use super::write::Written;

/// Core kinds whose delete answers with the object; most answer with a `Status`.
const SHOWN_WHEN_DELETED: &[&str] = &[
    "Namespace",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Pod",
    "PodTemplate",
    "ResourceQuota",
    "Service",
    "ServiceAccount",
];

/// A running API server's shared state.
#[derive(Debug)]
pub(crate) struct Server {
    world: Mutex<World>,
    wake: watch::Sender<u64>,
    stopped: watch::Sender<bool>,
}

/// An answer in JSON.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) body: Value,
    pub(crate) warnings: Vec<String>,
}

impl Answer {
    /// 200 with this body.
    pub(crate) fn ok(body: Value) -> Self {
        Self { code: 200, body, warnings: Vec::new() }
    }
}

/// The form that a client wants objects in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Whole,
    Table { include: table::Include },
    Metadata,
}

impl Form {
    /// Reads the `Accept` header and `includeObject`.
    pub(crate) fn parse(accept: &str, query: &Query) -> Self {
        for wanted in accept.split(',') {
            let wanted = wanted.trim();
            if !wanted.starts_with("application/json") && wanted != "*/*" {
                continue;
            }
            if wanted.contains("as=Table") {
                return Self::Table { include: table::Include::parse(query.get("includeObject")) };
            }
            if wanted.contains("as=PartialObjectMetadata") {
                return Self::Metadata;
            }
            return Self::Whole;
        }
        Self::Whole
    }

    /// One object in this form; `bare` leaves out a table's columns.
    pub(crate) fn one(self, kind: &Kind, object: Value, bare: bool) -> Value {
        match self {
            Self::Whole => object,
            Self::Metadata => json!({"kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]}),
            Self::Table { include } => {
                let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                let mut shown = table::of(kind, &[object], metadata, include);
                if bare && let Some(entries) = shown.as_object_mut() {
                    entries.remove("columnDefinitions");
                }
                shown
            }
        }
    }

    fn many(self, kind: &Kind, objects: Vec<Value>, metadata: Value) -> Value {
        match self {
            Self::Whole => {
                let items: Vec<Value> = match kind.custom {
                    Some(_) => objects,
                    None => objects.into_iter().map(without_kind).collect(),
                };
                json!({"kind": kind.list_kind, "apiVersion": kind.api_version(),
                    "metadata": metadata, "items": items})
            }
            Self::Metadata => {
                let items: Vec<Value> =
                    objects.into_iter().map(|object| self.one(kind, object, false)).collect();
                json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                    "metadata": metadata, "items": items})
            }
            Self::Table { include } => table::of(kind, &objects, metadata, include),
        }
    }
}

/// Lists of built-in kinds name the kind once.
fn without_kind(mut object: Value) -> Value {
    if let Some(entries) = object.as_object_mut() {
        entries.remove("kind");
        entries.remove("apiVersion");
    }
    object
}

impl Server {
    /// An empty server.
    pub(crate) fn new() -> Self {
        let world = World::new();
        let (wake, _) = watch::channel(world.store.revision());
        let (stopped, _) = watch::channel(false);
        Self { world: Mutex::new(world), wake, stopped }
    }

    /// The state; a handler that panicked leaves it as it was.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells when something was written.
    pub(crate) fn wake(&self) -> watch::Receiver<u64> {
        self.wake.subscribe()
    }

    /// Ends every watch.
    pub(crate) fn stop(&self) {
        self.stopped.send_replace(true);
        self.wake.send_modify(|_| {});
    }

    /// Whether the server is ending.
    pub(crate) fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Runs `change` on the state and wakes the watches when it wrote something.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world();
        let before = world.store.revision();
        let result = change(&mut world);
        let after = world.store.revision();
        drop(world);
        if after != before {
            self.wake.send_replace(after);
        }
        result
    }

    /// One object.
    pub(crate) fn get(&self, target: &Target, form: Form) -> Result<Answer, Refusal> {
        let live = self.world().live(target).ok_or_else(|| target.missing())?;
        Ok(Answer::ok(form.one(&target.kind, live, false)))
    }

    /// A list, whole or in pages.
    pub(crate) fn list(
        &self,
        target: &Target,
        query: &Query,
        form: Form,
    ) -> Result<Answer, Refusal> {
        let selector = selector(&target.kind, query)?;
        let limit = query.get("limit").parse::<usize>().ok().filter(|limit| *limit > 0);
        let world = self.world();
        let (revision, after) = match query.get("continue") {
            "" => (world.store.revision(), None),
            token => {
                let (revision, after) = read_token(token)?;
                if world.store.since(&target.kind.id, revision).is_none() {
                    return Err(Refusal::expired(
                        "The provided continue parameter is too old to display a consistent list \
                         result. You must start a new list without the continue parameter.",
                    ));
                }
                (revision, Some(after))
            }
        };
        let within = Some(target.namespace.as_str()).filter(|name| !name.is_empty());
        let mut found: Vec<(Name, Value)> = world
            .store
            .list(&target.kind.id, within)
            .filter(|(name, _)| after.as_ref().is_none_or(|after| *name > after))
            .filter(|(_, object)| selector.matches(object))
            .map(|(name, object)| (name.clone(), in_version(&target.kind, object)))
            .collect();
        drop(world);
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if let Some(limit) = limit.filter(|limit| found.len() > *limit) {
            let left = found.len() - limit;
            found.truncate(limit);
            let last = &found[limit - 1].0;
            metadata["continue"] = json!(write_token(revision, last));
            if selector.is_empty() {
                metadata["remainingItemCount"] = json!(left);
            }
        }
        let objects = found.into_iter().map(|(_, object)| object).collect();
        Ok(Answer::ok(form.many(&target.kind, objects, metadata)))
    }

    /// Creates an object.
    pub(crate) fn create(
        &self,
        target: &Target,
        query: &Query,
        agent: &str,
        body: Value,
        form: Form,
    ) -> Result<Answer, Refusal> {
        let options = query.write_options(agent)?;
        let written = self.change(|world| world.create(target, body, &options))?;
        Ok(answer(target, written, form))
    }

    /// Replaces an object.
    pub(crate) fn update(
        &self,
        target: &Target,
        query: &Query,
        agent: &str,
        body: Value,
        form: Form,
    ) -> Result<Answer, Refusal> {
        let options = query.write_options(agent)?;
        let written = self.change(|world| world.update(target, body, &options))?;
        Ok(answer(target, written, form))
    }

    /// Patches or applies an object.
    pub(crate) fn patch(
        &self,
        target: &Target,
        query: &Query,
        agent: &str,
        patch_kind: PatchKind,
        body: &Value,
        form: Form,
    ) -> Result<Answer, Refusal> {
        let options = query.write_options(agent)?;
        let wrong = match (patch_kind, query.get("fieldManager"), options.force) {
            (PatchKind::Apply, "", _) => {
                Some(FieldError::required("fieldManager", "is required for apply patch"))
            }
            (PatchKind::Apply, _, _) | (_, _, false) => None,
            _ => Some(FieldError::forbidden("force", "may not be specified for non-apply patch")),
        };
        if let Some(wrong) = wrong {
            return Err(Refusal::invalid("meta.k8s.io", "PatchOptions", "", &[wrong]));
        }
        let written = self.change(|world| world.patch(target, patch_kind, body, &options))?;
        Ok(answer(target, written, form))
    }

    /// Deletes an object.
    pub(crate) fn delete(
        &self,
        target: &Target,
        query: &Query,
        body: &Value,
        form: Form,
    ) -> Result<Answer, Refusal> {
        let (options, dry_run) = delete_options(query, body);
        let deleted = self.change(|world| world.delete(target, &options, dry_run))?;
        let id = &target.kind.id;
        let shows_object = match id.group.as_str() {
            "" => SHOWN_WHEN_DELETED.contains(&target.kind.kind.as_str()),
            "resource.k8s.io" => true,
            "storage.k8s.io" => target.kind.kind != "CSIStorageCapacity",
            _ => false,
        };
        if !deleted.gone || shows_object {
            return Ok(Answer::ok(form.one(&target.kind, deleted.object, false)));
        }
        let mut details = json!({"name": target.name, "kind": id.resource,
            "uid": deleted.object["metadata"]["uid"]});
        if !id.group.is_empty() {
            details["group"] = json!(id.group);
        }
        Ok(Answer::ok(json!({"kind": "Status", "apiVersion": "v1", "metadata": {},
            "status": "Success", "details": details})))
    }

    /// Deletes a collection.
    pub(crate) fn delete_collection(
        &self,
        target: &Target,
        query: &Query,
        body: &Value,
    ) -> Result<Answer, Refusal> {
        let selector = selector(&target.kind, query)?;
        let (options, dry_run) = delete_options(query, body);
        let deleted =
            self.change(|world| world.delete_collection(target, &selector, &options, dry_run))?;
        let revision = self.world().store.revision();
        let metadata = json!({"resourceVersion": revision.to_string()});
        Ok(Answer::ok(Form::Whole.many(&target.kind, deleted, metadata)))
    }
}

fn answer(target: &Target, written: Written, form: Form) -> Answer {
    Answer {
        code: if written.created { 201 } else { 200 },
        body: form.one(&target.kind, written.object, false),
        warnings: written.warnings,
    }
}

/// The selectors of a query. Custom resources can be selected by name and namespace only.
pub(crate) fn selector(kind: &Kind, query: &Query) -> Result<Selector, Refusal> {
    let parsed = Selector::parse(query.get("labelSelector"), query.get("fieldSelector"));
    let parsed = parsed.map_err(Refusal::bad_request)?;
    let known = ["metadata.name", "metadata.namespace"];
    let unknown = parsed.field_names().find(|name| !known.contains(name)).map(str::to_owned);
    match unknown {
        Some(name) if kind.custom.is_some() => {
            Err(Refusal::bad_request(format!("field label not supported: {name}")))
        }
        _ => Ok(parsed),
    }
}

fn delete_options(query: &Query, body: &Value) -> (Value, bool) {
    let mut options = if body.is_object() { body.clone() } else { json!({}) };
    let policy = query.get("propagationPolicy");
    if !policy.is_empty() && options["propagationPolicy"].is_null() {
        options["propagationPolicy"] = json!(policy);
    }
    let in_body = options["dryRun"].as_array().is_some_and(|list| !list.is_empty());
    let dry_run = in_body || query.get("dryRun") == "All";
    (options, dry_run)
}

fn write_token(revision: u64, last: &Name) -> String {
    URL_SAFE_NO_PAD.encode(json!([revision, last.0, last.1]).to_string())
}

fn read_token(token: &str) -> Result<(u64, Name), Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
    match serde_json::from_slice::<(u64, String, String)>(&bytes) {
        Ok((revision, namespace, name)) => Ok((revision, (namespace, name))),
        Err(_) => Err(Refusal::bad_request("continue key is not valid: invalid continue token")),
    }
}

/// A shared server.
pub(crate) type Shared = Arc<Server>;
