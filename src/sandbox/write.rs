//! Creates, updates and patches: one path from a request's body to the store.
//!
//! ```text
//! body ─▶ patch or apply over the live object ─▶ decode ─▶ reset ─▶ ownership ─▶ prepare
//!      ─▶ validate ─▶ store, unless nothing changed or it is a dry run ─▶ settle
//! ```
//!
//! Facts: Kubernetes `apiserver/pkg/endpoints/handlers` and `registry/generic`.
//! Not here: server-side apply (`apply.rs`), deletes (`delete.rs`).

use serde_json::Value;
use serde_json::json;

use super::crd_schema;
use super::kinds::Kind;
use super::managed::Context;
use super::managed::Managed;
use super::managed::Manager;
use super::patch;
use super::prepare;
use super::prepare::Birth;
use super::refusal::FieldError;
use super::refusal::Refusal;
use super::store::meta;
use super::strategic;
use super::typed::same;
use super::validate;
use super::world::Decoded;
use super::world::Strictness;
use super::world::Target;
use super::world::World;
use super::world::decode;
use super::world::empty;
use super::world::in_version;
use super::world::namespaces;
use super::world::now;

/// How a write is to be done.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteOptions {
    /// The field manager's name.
    pub(crate) manager: String,
    pub(crate) dry_run: bool,
    /// Take fields from other appliers.
    pub(crate) force: bool,
    pub(crate) strictness: Strictness,
}

/// A patch by its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PatchKind {
    Json,
    Merge,
    Strategic,
    Apply,
}

/// What a write did.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) object: Value,
    pub(crate) created: bool,
    pub(crate) warnings: Vec<String>,
}

impl World {
    /// Creates an object.
    pub(crate) fn create(
        &mut self,
        target: &Target,
        body: Value,
        options: &WriteOptions,
    ) -> Result<Written, Refusal> {
        let kind = &target.kind;
        let mut target = target.clone();
        target.name = self.chosen_name(kind, &body)?;
        let Decoded { mut object, warnings } = decode(kind, body, options.strictness)?;
        check_namespace(&target, &mut object)?;
        if !meta(&object, "resourceVersion").is_empty() {
            return Err(Refusal::bad_request(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        object["metadata"]["name"] = json!(target.name);
        let nothing = empty(kind);
        prepare::reset_for_create(kind, &mut object, &nothing);
        let mut managed = Managed::parse(&object);
        strip_managed(&mut object);
        let who = updater(&target, options);
        managed.update(&context(&target), &nothing, &object, &who);
        self.finish_create(&target, object, &managed, options, warnings)
    }

    fn chosen_name(&mut self, kind: &Kind, body: &Value) -> Result<String, Refusal> {
        let (name, prefix) = (meta(body, "name"), meta(body, "generateName"));
        match (name.is_empty(), prefix.is_empty()) {
            (false, _) => Ok(name.to_owned()),
            (true, false) => Ok(format!("{prefix}{}", self.suffix())),
            (true, true) => {
                let error =
                    FieldError::required("metadata.name", "name or generateName is required");
                Err(Refusal::invalid(&kind.id.group, &kind.kind, "", &[error]))
            }
        }
    }

    pub(crate) fn finish_create(
        &mut self,
        target: &Target,
        mut object: Value,
        managed: &Managed,
        options: &WriteOptions,
        warnings: Vec<String>,
    ) -> Result<Written, Refusal> {
        let kind = &target.kind;
        if target.kind.namespaced {
            self.check_home(target)?;
        }
        if self.store.get(&kind.id, &target.place()).is_some() {
            return Err(Refusal::exists(&kind.id.group, &kind.id.resource, &target.name));
        }
        if let Some(custom) = &kind.custom {
            // What the status defaults to is set although a status cannot be sent.
            crd_schema::fill(&custom.schema, &mut object);
        }
        let birth = Birth { uid: self.uid(), now: now(), serial: self.next_serial() };
        prepare::create(kind, &mut object, &birth);
        managed.write(&mut object);
        refuse_broken(target, &object, None)?;
        let object = match options.dry_run {
            true => object,
            false => {
                let stored = self.store.put(&kind.id, &target.place(), object);
                let shown = in_version(kind, &stored);
                self.settle(&kind.id, &target.place());
                shown
            }
        };
        Ok(Written { object, created: true, warnings })
    }

    /// The namespace has to be there, and to stay.
    fn check_home(&self, target: &Target) -> Result<(), Refusal> {
        let place = (String::new(), target.namespace.clone());
        let Some(home) = self.store.get(&namespaces(), &place) else {
            return Err(Refusal::not_found("", "namespaces", &target.namespace));
        };
        if home["metadata"]["deletionTimestamp"].is_null() {
            return Ok(());
        }
        let why = format!(
            "unable to create new content in namespace {} because it is being terminated",
            target.namespace
        );
        let id = &target.kind.id;
        let cause = format!("namespace {} is being terminated", target.namespace);
        Err(Refusal::forbidden(&id.group, &id.resource, &target.name, &why).with_cause(
            "NamespaceTerminating",
            &cause,
            "metadata.namespace",
        ))
    }

    /// Replaces an object.
    pub(crate) fn update(
        &mut self,
        target: &Target,
        body: Value,
        options: &WriteOptions,
    ) -> Result<Written, Refusal> {
        let name = meta(&body, "name");
        if !name.is_empty() && name != target.name {
            return Err(Refusal::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                target.name
            )));
        }
        let live = self.live(target).ok_or_else(|| target.missing())?;
        let Decoded { mut object, warnings } = decode(&target.kind, body, options.strictness)?;
        check_namespace(target, &mut object)?;
        check_uid(target, &live, &object)?;
        self.replace(target, &live, object, options, warnings)
    }

    /// Patches an object; an apply creates it when it is not there.
    pub(crate) fn patch(
        &mut self,
        target: &Target,
        patch_kind: PatchKind,
        body: &Value,
        options: &WriteOptions,
    ) -> Result<Written, Refusal> {
        if patch_kind == PatchKind::Apply {
            return self.apply(target, body, options);
        }
        let live = self.live(target).ok_or_else(|| target.missing())?;
        let mut patched = live.clone();
        let kind = &target.kind;
        match patch_kind {
            // The server keeps what is wrong to itself.
            PatchKind::Json => {
                patch::apply(&mut patched, body).map_err(|_| Refusal::unprocessable())?;
            }
            PatchKind::Merge => patch::merge(&mut patched, body),
            PatchKind::Strategic if kind.custom.is_some() => {
                return Err(Refusal::unsupported_media(
                    "the body of the request was in an unknown format - accepted media types \
                     include: application/json-patch+json, application/merge-patch+json, \
                     application/apply-patch+yaml",
                ));
            }
            PatchKind::Strategic | PatchKind::Apply => {
                strategic::merge(&kind.types, kind.ty, &mut patched, body);
            }
        }
        let sent = patched.to_string();
        let decoded = decode(kind, patched, options.strictness);
        let Decoded { object, warnings } = match kind.custom {
            Some(_) => decoded?,
            None => decoded.map_err(|refusal| refusal.of_patch(&sent))?,
        };
        if meta(&object, "name") != target.name {
            return Err(Refusal::bad_request("metadata.name may not be changed by a patch"));
        }
        self.replace(target, &live, object, options, warnings)
    }

    fn replace(
        &mut self,
        target: &Target,
        live: &Value,
        mut object: Value,
        options: &WriteOptions,
        warnings: Vec<String>,
    ) -> Result<Written, Refusal> {
        check_preconditions(target, live, &object)?;
        prepare::reset_for_update(&target.kind, &target.subresource, live, &mut object);
        let mut managed = self.managers_of(target, live, &object);
        strip_managed(&mut object);
        let mut before = live.clone();
        strip_managed(&mut before);
        // A scale carries the owners of its replicas; where there are none, nothing is tracked.
        let tracked = target.subresource != "scale" || managed.owns("spec.replicas");
        if tracked && !managed.is_empty() {
            let who = updater(target, options);
            managed.update(&context(target), &before, &object, &who);
        }
        self.finish_update(target, live, object, &managed, options, warnings)
    }

    /// The entries that a write starts from: those it sends, or those of the live object.
    fn managers_of(&self, target: &Target, live: &Value, object: &Value) -> Managed {
        let sent = object["metadata"]["managedFields"].as_array();
        let reset = sent.is_some_and(|list| {
            list.is_empty() || list.len() == 1 && list[0].as_object().is_some_and(|e| e.is_empty())
        });
        if reset && target.subresource.is_empty() {
            return Managed::default();
        }
        let sent = Managed::parse(object);
        let use_live = sent.is_empty() || !target.subresource.is_empty();
        let mut managed = if use_live { Managed::parse(live) } else { sent };
        managed.retain_versions(|version| self.kinds.serves(&target.kind.id, version));
        managed
    }

    pub(crate) fn finish_update(
        &mut self,
        target: &Target,
        live: &Value,
        mut object: Value,
        managed: &Managed,
        options: &WriteOptions,
        warnings: Vec<String>,
    ) -> Result<Written, Refusal> {
        let kind = &target.kind;
        prepare::update(kind, live, &mut object);
        object["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
        managed.write(&mut object);
        refuse_broken(target, &object, Some(live))?;
        if same(&without_times(live), &without_times(&object)) {
            return Ok(Written { object: live.clone(), created: false, warnings });
        }
        if options.dry_run {
            return Ok(Written { object, created: false, warnings });
        }
        let place = target.place();
        let finished = !live["metadata"]["deletionTimestamp"].is_null() && is_released(&object);
        let stored = self.store.put(&kind.id, &place, object);
        let shown = in_version(kind, &stored);
        if finished {
            self.store.remove(&kind.id, &place);
        }
        self.settle(&kind.id, &place);
        Ok(Written { object: shown, created: false, warnings })
    }
}

/// Gives the fields that the server itself changed in a status to `kube-apiserver`.
pub(crate) fn record_status(target: &Target, live: &Value, new: &mut Value) {
    let mut managed = Managed::parse(live);
    let (mut before, mut after) = (live.clone(), new.clone());
    strip_managed(&mut before);
    strip_managed(&mut after);
    let options = WriteOptions { manager: "kube-apiserver".to_owned(), ..WriteOptions::default() };
    managed.update(&context(target), &before, &after, &updater(target, &options));
    managed.write(new);
}

/// Whether nothing holds a deleted object any more.
pub(crate) fn is_released(object: &Value) -> bool {
    let empty = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    let namespace = object["kind"] == "Namespace" && object["apiVersion"] == "v1";
    empty(&object["metadata"]["finalizers"]) && (!namespace || empty(&object["spec"]["finalizers"]))
}

/// The namespace of the object, when it says one, is that of the request.
pub(crate) fn check_namespace(target: &Target, object: &mut Value) -> Result<(), Refusal> {
    let named = meta(object, "namespace").to_owned();
    if !target.kind.namespaced {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("namespace");
        }
        return Ok(());
    }
    if named.is_empty() {
        object["metadata"]["namespace"] = json!(target.namespace);
        return Ok(());
    }
    if named == target.namespace {
        return Ok(());
    }
    Err(Refusal::bad_request(
        "the namespace of the provided object does not match the namespace sent on the request",
    ))
}

/// A replacement that names a uid means that object and no other.
fn check_uid(target: &Target, live: &Value, new: &Value) -> Result<(), Refusal> {
    let (wanted, found) = (meta(new, "uid"), meta(live, "uid"));
    if wanted.is_empty() || wanted == found {
        return Ok(());
    }
    let id = &target.kind.id;
    let shelf = match target.kind.custom {
        Some(_) => format!("{}/{}", id.group, id.resource),
        None => id.resource.clone(),
    };
    let key = format!("/registry/{shelf}/{}/{}", target.namespace, target.name).replace("//", "/");
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, \
         AdditionalErrorMsg: Precondition failed: UID in precondition: {wanted}, UID in object \
         meta: {found}"
    );
    Err(Refusal::conflict(&id.group, &id.resource, &target.name, &why))
}

/// A resource version or uid in the new object has to be the live one.
pub(crate) fn check_preconditions(
    target: &Target,
    live: &Value,
    new: &Value,
) -> Result<(), Refusal> {
    let kind = &target.kind;
    let wanted = meta(new, "resourceVersion");
    if !wanted.is_empty() && wanted != "0" && wanted != meta(live, "resourceVersion") {
        let why = "the object has been modified; please apply your changes to the latest version \
            and try again";
        return Err(Refusal::conflict(&kind.id.group, &kind.id.resource, &target.name, why));
    }
    let uid = meta(new, "uid");
    if !uid.is_empty() && uid != meta(live, "uid") {
        let error = FieldError::invalid("metadata.uid", &json!(uid), "field is immutable");
        return Err(Refusal::invalid(&kind.id.group, &kind.kind, &target.name, &[error]));
    }
    Ok(())
}

fn refuse_broken(target: &Target, object: &Value, live: Option<&Value>) -> Result<(), Refusal> {
    let kind = &target.kind;
    let mut errors = validate::metadata(kind, object);
    errors.extend(live.map(|live| validate::finalizers(live, object)).unwrap_or_default());
    match &kind.custom {
        Some(custom) => errors.extend(super::crd_validate::validate(&custom.schema, object)),
        None => {
            errors.extend(validate::content(kind, object));
            errors
                .extend(live.map(|live| validate::change(kind, live, object)).unwrap_or_default());
        }
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(Refusal::invalid(&kind.id.group, &kind.kind, &target.name, &errors))
}

pub(crate) fn updater(target: &Target, options: &WriteOptions) -> Manager {
    Manager {
        name: options.manager.clone(),
        apply: false,
        version: target.kind.api_version(),
        subresource: target.subresource.clone(),
    }
}

pub(crate) fn context(target: &Target) -> Context<'_> {
    let kind = &target.kind;
    let ignored = kind.reset_fields(&target.subresource);
    Context { typed: kind.typed(), ignored, now: now() }
}

pub(crate) fn strip_managed(object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
}

/// Two objects that differ in the times of their managers only are one.
fn without_times(object: &Value) -> Value {
    let mut object = object.clone();
    let entries = object["metadata"]["managedFields"].as_array_mut();
    for entry in entries.into_iter().flatten().filter_map(Value::as_object_mut) {
        entry.remove("time");
    }
    object
}
