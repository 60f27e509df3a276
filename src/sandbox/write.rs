//! Creates, updates, patches and applies: one path from a request's body to the store.
//!
//! ```text
//! body ─▶ patch or apply over the live object ─▶ decode ─▶ reset ─▶ ownership ─▶ prepare
//!      ─▶ validate ─▶ store, unless nothing changed or it is a dry run ─▶ settle
//! ```
//!
//! Facts: Kubernetes `apiserver/pkg/endpoints/handlers` and `registry/generic`.
//! Not here: deletes (`delete.rs`).

use serde_json::Value;
use serde_json::json;

use super::fields::FieldSet;
use super::kinds;
use super::managed::Context;
use super::managed::Managed;
use super::managed::Manager;
use super::managed::conflict_text;
use super::patch;
use super::prepare;
use super::prepare::Birth;
use super::refusal::FieldError;
use super::refusal::Refusal;
use super::store::meta;
use super::strategic;
use super::typed::issues_text;
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
        target.name = self.chosen_name(&body)?;
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

    fn chosen_name(&mut self, body: &Value) -> Result<String, Refusal> {
        let (name, prefix) = (meta(body, "name"), meta(body, "generateName"));
        match (name.is_empty(), prefix.is_empty()) {
            (false, _) => Ok(name.to_owned()),
            (true, false) => Ok(format!("{prefix}{}", self.suffix())),
            (true, true) => {
                let error =
                    FieldError::required("metadata.name", "name or generateName is required");
                let kind = body["kind"].as_str().unwrap_or_default();
                Err(Refusal::invalid("", kind, "", &[error]))
            }
        }
    }

    fn finish_create(
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
        let birth = Birth { uid: self.uid(), now: now(), serial: self.next_serial() };
        prepare::create(kind, &mut object, &birth);
        managed.write(&mut object);
        refuse_broken(target, &object, None)?;
        let object = match options.dry_run {
            true => object,
            false => {
                let stored = self.store.put(&kind.id, &target.place(), object);
                self.settle(&kind.id, &target.place());
                in_version(kind, &stored)
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
            PatchKind::Json => patch::apply(&mut patched, body).map_err(|text| {
                let id = (&kind.id.group, &kind.kind);
                Refusal::invalid(id.0, id.1, &target.name, &[FieldError::forbidden("patch", &text)])
            })?,
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
        let Decoded { object, warnings } = decode(kind, patched, options.strictness)?;
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
        if !managed.is_empty() {
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

    fn finish_update(
        &mut self,
        target: &Target,
        live: &Value,
        mut object: Value,
        managed: &Managed,
        options: &WriteOptions,
        warnings: Vec<String>,
    ) -> Result<Written, Refusal> {
        let kind = &target.kind;
        prepare::update(kind, live, &mut object, &now());
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

    /// Server-side apply.
    fn apply(
        &mut self,
        target: &Target,
        config: &Value,
        options: &WriteOptions,
    ) -> Result<Written, Refusal> {
        let kind = &target.kind;
        check_config(target, config)?;
        let mut config = config.clone();
        if kind.namespaced && meta(&config, "namespace").is_empty() {
            config["metadata"]["namespace"] = json!(target.namespace);
        }
        let live = self.live(target);
        let issues = kind.typed().validate(&config, false);
        if !issues.is_empty() {
            let name = format!("{}/{}", target.namespace, target.name);
            let name = name.trim_start_matches('/');
            return Err(Refusal::internal(format!(
                "failed to create typed patch object ({name}; {}, Kind={}): {}",
                kind.api_version(),
                kind.kind,
                issues_text(&issues)
            )));
        }
        let missing = live.is_none();
        if missing && !target.subresource.is_empty() {
            return Err(target.missing());
        }
        if missing && !meta(&config, "uid").is_empty() {
            return Err(uid_conflict(target, meta(&config, "uid")));
        }
        let base = live.clone().unwrap_or_else(|| empty(kind));
        let mut managed = Managed::parse(&base);
        managed.retain_versions(|version| self.kinds.serves(&kind.id, version));
        let mut before = base.clone();
        strip_managed(&mut before);
        let cx = context(target);
        if managed.is_empty() && !missing {
            let who = Manager { name: "before-first-apply".to_owned(), ..updater(target, options) };
            managed.update(&cx, &empty(kind), &before, &who);
        }
        let who = Manager { apply: true, version: String::new(), ..updater(target, options) };
        let mut outcome = managed.clone().apply(&cx, &before, &config, &who, options.force);
        let mut force = options.force;
        if let Err(conflicts) = &outcome
            && options.manager == "kubectl"
            && conflicts_of_kubectl(target, &base, conflicts)
        {
            force = true;
            outcome = managed.clone().apply(&cx, &before, &config, &who, true);
        }
        let applied = outcome.map_err(|conflicts| {
            let causes: Vec<(String, String)> = conflicts
                .iter()
                .map(|one| (format!("conflict with {}", one.manager), one.path.clone()))
                .collect();
            Refusal::apply_conflict(conflict_text(&conflicts), &causes)
        })?;
        // The outcome above was tried on a copy, so that a refused apply leaves no trace.
        let _ = managed.apply(&cx, &before, &config, &who, force);
        let merged = applied.unwrap_or_else(|| before.clone());
        let Decoded { mut object, warnings } = decode(kind, merged, Strictness::Ignore)?;
        strip_managed(&mut object);
        if options.manager == "kubectl" {
            renew_last_applied(&mut object, &config);
        }
        if missing {
            prepare::reset_for_create(kind, &mut object, &empty(kind));
            object["metadata"]["name"] = json!(target.name);
            return self.finish_create(target, object, &managed, options, warnings);
        }
        check_preconditions(target, &base, &object)?;
        prepare::reset_for_update(kind, &target.subresource, &base, &mut object);
        self.finish_update(target, &base, object, &managed, options, warnings)
    }
}

/// Whether nothing holds a deleted object any more.
pub(crate) fn is_released(object: &Value) -> bool {
    let empty = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    let namespace = object["kind"] == "Namespace" && object["apiVersion"] == "v1";
    empty(&object["metadata"]["finalizers"]) && (!namespace || empty(&object["spec"]["finalizers"]))
}

fn check_config(target: &Target, config: &Value) -> Result<(), Refusal> {
    let version = config["apiVersion"].as_str().unwrap_or_default();
    let wanted = target.kind.api_version();
    if version != wanted {
        return Err(Refusal::bad_request(format!(
            "Incorrect version specified in apply patch. Specified patch version: {version}, \
             expected: {wanted}"
        )));
    }
    if !config["metadata"]["managedFields"].is_null() {
        return Err(Refusal::bad_request("metadata.managedFields must be nil"));
    }
    let name = meta(config, "name");
    if !name.is_empty() && name != target.name {
        return Err(Refusal::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            target.name
        )));
    }
    check_namespace(target, &mut config.clone())
}

/// The namespace of the object, when it says one, is that of the request.
fn check_namespace(target: &Target, object: &mut Value) -> Result<(), Refusal> {
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

fn uid_conflict(target: &Target, uid: &str) -> Refusal {
    let id = &target.kind.id;
    let why = format!(
        "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
    );
    Refusal::conflict(&id.group, &id.resource, &target.name, &why)
}

/// A resource version or uid in the new object has to be the live one.
fn check_preconditions(target: &Target, live: &Value, new: &Value) -> Result<(), Refusal> {
    let id = &target.kind.id;
    let conflict = |why: &str| Refusal::conflict(&id.group, &id.resource, &target.name, why);
    let (wanted, found) = (meta(new, "uid"), meta(live, "uid"));
    if !wanted.is_empty() && wanted != found {
        return Err(conflict(&format!(
            "Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
        )));
    }
    let wanted = meta(new, "resourceVersion");
    if !wanted.is_empty() && wanted != "0" && wanted != meta(live, "resourceVersion") {
        return Err(conflict(
            "the object has been modified; please apply your changes to the latest version and \
             try again",
        ));
    }
    Ok(())
}

fn refuse_broken(target: &Target, object: &Value, live: Option<&Value>) -> Result<(), Refusal> {
    let kind = &target.kind;
    let mut errors = validate::metadata(kind, object);
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

fn updater(target: &Target, options: &WriteOptions) -> Manager {
    Manager {
        name: options.manager.clone(),
        apply: false,
        version: target.kind.api_version(),
        subresource: target.subresource.clone(),
    }
}

fn context(target: &Target) -> Context<'_> {
    let kind = &target.kind;
    let ignored = kind.reset_fields(&target.subresource);
    Context { typed: kind.typed(), ignored, now: now() }
}

fn strip_managed(object: &mut Value) {
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

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// kubectl's server-side apply keeps the annotation of its client-side apply up to date.
fn renew_last_applied(object: &mut Value, config: &Value) {
    let annotations = object["metadata"]["annotations"].as_object_mut();
    let Some(slot) = annotations.and_then(|all| all.get_mut(LAST_APPLIED)) else { return };
    if slot.as_str().is_none_or(str::is_empty) {
        return;
    }
    let mut last = config.clone();
    if let Some(annotations) = last["metadata"]["annotations"].as_object_mut() {
        annotations.remove(LAST_APPLIED);
        if annotations.is_empty()
            && let Some(metadata) = last["metadata"].as_object_mut()
        {
            metadata.remove("annotations");
        }
    }
    *slot = json!(format!("{last}\n"));
}

/// Whether all conflicts are fields that `kubectl apply` set before and that are as it set them:
/// these go over to kubectl's server-side apply without force.
fn conflicts_of_kubectl(
    target: &Target,
    live: &Value,
    conflicts: &[super::managed::Conflict],
) -> bool {
    let last = live["metadata"]["annotations"][LAST_APPLIED].as_str().unwrap_or_default();
    let Ok(last) = serde_json::from_str::<Value>(last) else { return false };
    if last["apiVersion"] != json!(kinds::api_version(&target.kind.id.group, &target.kind.version))
    {
        return false;
    }
    let typed = target.kind.typed();
    let change = typed.compare(&last, live);
    let changed: FieldSet = change.modified.union(&change.added).union(&change.removed);
    let own = typed.field_set(&last).difference(&changed).paths();
    conflicts.iter().all(|conflict| own.contains(&conflict.path))
}
