//! Server-side apply: a configuration is laid over the live object, and owned by who applied it.
//!
//! In: a configuration and its manager. Out: the object, or the conflicts with other managers.
//!
//! Facts: Kubernetes `apiserver/pkg/endpoints/handlers` and `apimachinery/pkg/util/managedfields`.
//! Not here: the algebra of ownership (`managed.rs`), what every write goes through (`write.rs`).

use serde_json::Value;
use serde_json::json;

use super::fields::FieldSet;
use super::managed::Conflict;
use super::managed::Managed;
use super::managed::Manager;
use super::managed::conflict_text;
use super::prepare;
use super::refusal::Refusal;
use super::store::meta;
use super::typed::issues_text;
use super::world::Decoded;
use super::world::Strictness;
use super::world::Target;
use super::world::World;
use super::world::decode;
use super::world::empty;
use super::write::WriteOptions;
use super::write::Written;
use super::write::check_namespace;
use super::write::check_preconditions;
use super::write::context;
use super::write::strip_managed;
use super::write::updater;

impl World {
    /// Applies a configuration; an object that is not there is created.
    pub(crate) fn apply(
        &mut self,
        target: &Target,
        config: &Value,
        options: &WriteOptions,
    ) -> Result<Written, Refusal> {
        let kind = &target.kind;
        self.check_config(target, config)?;
        let live = self.live(target);
        let missing = live.is_none();
        if missing && !target.subresource.is_empty() {
            return Err(target.missing());
        }
        if missing && !meta(config, "uid").is_empty() {
            return Err(uid_conflict(target, meta(config, "uid")));
        }
        let mut config = config.clone();
        if kind.namespaced {
            config["metadata"]["namespace"] = json!(target.namespace);
        } else if let Some(metadata) = config["metadata"].as_object_mut() {
            metadata.remove("namespace");
        }
        let base = live.unwrap_or_else(|| empty(kind));
        let mut managed = Managed::parse(&base);
        managed.retain_versions(|version| self.kinds.serves(&kind.id, version));
        let merged = lay_over(target, &base, &config, &mut managed, options)?;
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

    /// What an applied configuration may not say.
    fn check_config(&self, target: &Target, config: &Value) -> Result<(), Refusal> {
        // Without metadata at all, name and namespace are those of the URL.
        if config.get("metadata").is_some_and(|metadata| !metadata.is_object()) {
            return Err(Refusal::bad_request("error decoding patch: metadata is not an object"));
        }
        let version = config["apiVersion"].as_str().unwrap_or_default();
        let wanted = target.kind.api_version();
        let kind = config["kind"].as_str().unwrap_or_default();
        if self.kinds.named(version, kind).is_none() && version != wanted {
            let version = gvk_version(version);
            return Err(Refusal::bad_request(format!(
                "invalid object type: {version}, Kind={kind}"
            )));
        }
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
        check_namespace(target, &mut config.clone())?;
        let issues = target.kind.typed().validate(config, false);
        if issues.is_empty() {
            return Ok(());
        }
        Err(Refusal::internal(format!(
            "failed to create typed patch object ({}/{name}; {}, Kind={kind}): {}",
            meta(config, "namespace"),
            gvk_version(&wanted),
            issues_text(&issues)
        )))
    }
}

/// The configuration over `base`; `managed` becomes what holds afterwards.
fn lay_over(
    target: &Target,
    base: &Value,
    config: &Value,
    managed: &mut Managed,
    options: &WriteOptions,
) -> Result<Value, Refusal> {
    let mut before = base.clone();
    strip_managed(&mut before);
    let cx = context(target);
    if managed.is_empty() && !meta(base, "uid").is_empty() {
        let who = Manager { name: "before-first-apply".to_owned(), ..updater(target, options) };
        managed.update(&cx, &empty(&target.kind), &before, &who);
    }
    let who = Manager { apply: true, version: String::new(), ..updater(target, options) };
    // Tried on a copy, so that a refused apply leaves no trace.
    let mut tried = managed.clone();
    let mut outcome = tried.apply(&cx, &before, config, &who, options.force);
    if let Err(conflicts) = &outcome
        && options.manager == "kubectl"
        && are_of_kubectl(target, base, conflicts)
    {
        tried = managed.clone();
        outcome = tried.apply(&cx, &before, config, &who, true);
    }
    let applied = outcome.map_err(|conflicts| {
        let causes: Vec<(String, String)> = conflicts
            .iter()
            .map(|one| (format!("conflict with {}", one.manager), one.path.clone()))
            .collect();
        Refusal::apply_conflict(conflict_text(&conflicts), &causes)
    })?;
    *managed = tried;
    Ok(applied.unwrap_or(before))
}

/// `group/version` as Go prints it: the core group leaves its slash.
fn gvk_version(api_version: &str) -> String {
    if api_version.contains('/') { api_version.to_owned() } else { format!("/{api_version}") }
}

fn uid_conflict(target: &Target, uid: &str) -> Refusal {
    let id = &target.kind.id;
    let why = format!(
        "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
    );
    Refusal::conflict(&id.group, &id.resource, &target.name, &why)
}

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// kubectl's server-side apply keeps the annotation of its client-side apply up to date.
fn renew_last_applied(object: &mut Value, config: &Value) {
    // Not by indexing, which would leave a null where there are no annotations.
    let annotations = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
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
fn are_of_kubectl(target: &Target, live: &Value, conflicts: &[Conflict]) -> bool {
    let last = live["metadata"]["annotations"][LAST_APPLIED].as_str().unwrap_or_default();
    let Ok(last) = serde_json::from_str::<Value>(last) else { return false };
    if last["apiVersion"] != json!(target.kind.api_version()) {
        return false;
    }
    let typed = target.kind.typed();
    let change = typed.compare(&last, live);
    let changed: FieldSet = change.modified.union(&change.added).union(&change.removed);
    let own = typed.field_set(&last).difference(&changed).paths();
    conflicts.iter().all(|conflict| own.contains(&conflict.path))
}
