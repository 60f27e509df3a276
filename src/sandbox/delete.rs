//! Deletes: preconditions, finalizers, propagation policies, collections.
//!
//! In: a target and delete options. Out: the object as it was last, or as it waits for its
//! finalizers.
//!
//! Facts: Kubernetes `apiserver/pkg/registry/generic/registry`. Grace periods are not waited for:
//! no kubelet would end them. Not here: what goes with a deleted object (`settle.rs`).

use serde_json::Value;
use serde_json::json;

use super::crd;
use super::refusal::FieldError;
use super::refusal::Refusal;
use super::selectors::Selector;
use super::settle::hold_definition;
use super::store::meta;
use super::world::Target;
use super::world::World;
use super::world::in_version;
use super::world::now;
use super::write::is_released;

/// The finalizers that the garbage collector takes away.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// See [`FOREGROUND`].
pub(crate) const ORPHAN: &str = "orphan";

/// What was deleted: the object, and whether it is gone already.
#[derive(Clone, Debug)]
pub(crate) struct Deleted {
    pub(crate) object: Value,
    pub(crate) gone: bool,
}

impl World {
    /// Deletes one object.
    pub(crate) fn delete(
        &mut self,
        target: &Target,
        options: &Value,
        dry_run: bool,
    ) -> Result<Deleted, Refusal> {
        let kind = &target.kind;
        let live = self.live(target).ok_or_else(|| target.missing())?;
        check(target, &live, &options["preconditions"])?;
        if kind.id.group.is_empty()
            && kind.kind == "Namespace"
            && ["default", "kube-system", "kube-public"].contains(&target.name.as_str())
        {
            let why = "this namespace may not be deleted";
            return Err(Refusal::forbidden("", "namespaces", &target.name, why));
        }
        let mut object = live.clone();
        hold(&mut object, options)?;
        hold_definition(target, &mut object);
        let already = !live["metadata"]["deletionTimestamp"].is_null();
        if is_released(&object) {
            if !dry_run {
                self.store.remove(&kind.id, &target.place());
                self.settle(&kind.id, &target.place());
            }
            return Ok(Deleted { object: live, gone: true });
        }
        let definition = kind.kind == "CustomResourceDefinition";
        if !already && definition {
            object["metadata"]["deletionTimestamp"] = json!(now());
            crd::terminate(&mut object, &now());
        } else if !already {
            object["metadata"]["deletionTimestamp"] = json!(now());
            object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
            if let Some(generation) = object["metadata"]["generation"].as_i64() {
                object["metadata"]["generation"] = json!(generation + 1);
            }
            if kind.id.group.is_empty() && kind.kind == "Namespace" {
                object["status"]["phase"] = json!("Terminating");
                if let Some(metadata) = object["metadata"].as_object_mut() {
                    metadata.remove("deletionGracePeriodSeconds");
                }
            }
        }
        if dry_run || object == live {
            return Ok(Deleted { object, gone: false });
        }
        let stored = self.store.put(&kind.id, &target.place(), object);
        let shown = in_version(kind, &stored);
        self.settle(&kind.id, &target.place());
        Ok(Deleted { object: shown, gone: false })
    }

    /// Deletes what a selector matches; gives what was there.
    pub(crate) fn delete_collection(
        &mut self,
        target: &Target,
        selector: &Selector,
        options: &Value,
        dry_run: bool,
    ) -> Result<Vec<Value>, Refusal> {
        let within = Some(target.namespace.as_str()).filter(|namespace| !namespace.is_empty());
        let listed = self.store.list(&target.kind.id, within);
        let names: Vec<_> = listed
            .filter(|(_, object)| selector.matches(object))
            .map(|(name, object)| (name.clone(), in_version(&target.kind, object)))
            .collect();
        let mut deleted = Vec::new();
        for ((namespace, name), object) in names {
            let one = Target { namespace, name, ..target.clone() };
            // Another delete of this collection may have taken it along.
            if self.live(&one).is_some() {
                self.delete(&one, options, dry_run)?;
            }
            deleted.push(object);
        }
        Ok(deleted)
    }
}

fn check(target: &Target, live: &Value, wanted: &Value) -> Result<(), Refusal> {
    let kind = &target.kind;
    for (field, shown, hint) in [
        ("uid", "UID", "deleted and then recreated"),
        ("resourceVersion", "ResourceVersion", "modified"),
    ] {
        let Some(wanted) = wanted[field].as_str() else { continue };
        let found = meta(live, field);
        if wanted != found {
            let why = format!(
                "the {shown} in the precondition ({wanted}) does not match the {shown} in record \
                 ({found}). The object might have been {hint}"
            );
            return Err(Refusal::conflict(&kind.id.group, &kind.kind, &target.name, &why));
        }
    }
    Ok(())
}

/// Adds or removes the garbage collector's finalizers as the options ask.
fn hold(object: &mut Value, options: &Value) -> Result<(), Refusal> {
    let policy = options["propagationPolicy"].as_str();
    let orphan = match options["orphanDependents"].as_bool() {
        Some(_) if policy.is_some() => {
            let detail = "orphanDependents and deletionPropagation cannot be both set";
            let error =
                FieldError::invalid("propagationPolicy", &options["propagationPolicy"], detail);
            return Err(Refusal::invalid("meta.k8s.io", "DeleteOptions", "", &[error]));
        }
        Some(orphan) => orphan,
        None => policy == Some("Orphan"),
    };
    let wanted = match (policy, orphan) {
        (_, true) => Some(ORPHAN),
        (Some("Foreground"), false) => Some(FOREGROUND),
        (None | Some(_), false) => None,
    };
    let before = object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    let chosen = policy.is_some() || options["orphanDependents"].is_boolean();
    let own = |name: &Value| name == FOREGROUND || name == ORPHAN;
    let mut finalizers: Vec<Value> =
        before.iter().filter(|name| !(chosen && own(name))).cloned().collect();
    if let Some(wanted) = wanted {
        finalizers.push(json!(wanted));
    }
    if finalizers != before {
        object["metadata"]["finalizers"] = json!(finalizers);
    }
    Ok(())
}
