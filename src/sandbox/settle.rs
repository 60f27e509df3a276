//! What follows from a write: definitions are served, namespaces empty, dependents go.
//!
//! In: the place that was written. Out: a store in which nothing is left to do. A real cluster
//! gets there a little later, by the garbage collector and the namespace controller; here it is
//! done before the next request, so that tests need not wait.
//!
//! ```text
//! definition ─▶ its kinds are served; gone ─▶ its objects go
//! namespace being deleted ─▶ its objects go ─▶ its finalizer goes ─▶ it goes
//! object gone ─▶ dependents whose owners are all gone go
//! ```
//!
//! Facts: Kubernetes `pkg/controller/garbagecollector` and `pkg/controller/namespace`.
//! Absent: every other controller.

use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;

use super::delete::FOREGROUND;
use super::delete::ORPHAN;
use super::kinds;
use super::store::Name;
use super::store::ResourceId;
use super::store::meta;
use super::store::owners;
use super::world::Target;
use super::world::World;
use super::world::namespaces;
use super::write::is_released;

/// The finalizer of definitions whose objects are still there.
const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

fn definitions() -> ResourceId {
    ResourceId {
        group: "apiextensions.k8s.io".to_owned(),
        resource: "customresourcedefinitions".to_owned(),
    }
}

/// Places that have to be looked at.
type Due = BTreeSet<(ResourceId, Name)>;

impl World {
    /// Carries out everything that follows from a write at `place`.
    pub(crate) fn settle(&mut self, id: &ResourceId, place: &Name) {
        let mut due = Due::new();
        due.insert((id.clone(), place.clone()));
        loop {
            for (id, object) in self.store.take_removed() {
                self.settle_removed(&id, &object, &mut due);
            }
            let Some((id, place)) = due.pop_first() else { return };
            if id == definitions() {
                self.settle_definition(&place, &mut due);
            } else if id == namespaces() {
                self.settle_namespace(&place, &mut due);
            }
            self.settle_object(&id, &place, &mut due);
        }
    }

    /// Dependents of an object that went may go; owners and namespaces that waited for it may too.
    fn settle_removed(&mut self, id: &ResourceId, object: &Value, due: &mut Due) {
        for dependent in self.store.dependents(meta(object, "uid")) {
            due.insert(dependent);
        }
        for owner in owners(object) {
            let uid = owner["uid"].as_str().unwrap_or_default();
            if let Some((id, name, _)) = self.store.by_uid(uid) {
                due.insert((id.clone(), name.clone()));
            }
        }
        let home = meta(object, "namespace");
        if !home.is_empty() {
            due.insert((namespaces(), (String::new(), home.to_owned())));
        }
        if id.group.contains('.') {
            let name = format!("{}.{}", id.resource, id.group);
            due.insert((definitions(), (String::new(), name)));
        }
    }

    fn settle_definition(&mut self, place: &Name, due: &mut Due) {
        let known = place.1.split_once('.');
        let Some((resource, group)) = known else { return };
        let id = ResourceId { group: group.to_owned(), resource: resource.to_owned() };
        let definition = self.store.get(&definitions(), place).cloned();
        let Some(definition) = definition else {
            let custom = self.kinds.preferred(&id).is_some_and(|kind| kind.custom.is_some());
            if custom {
                self.kinds.replace(id, Vec::new());
            }
            return;
        };
        if definition["metadata"]["deletionTimestamp"].is_null() {
            self.kinds.replace(id, kinds::of_definition(&definition));
            return;
        }
        let names: Vec<Name> = self.store.list(&id, None).map(|(name, _)| name.clone()).collect();
        for name in &names {
            self.drop_object(&id, name, due);
        }
        if self.store.list(&id, None).next().is_none() {
            self.take_finalizer(&definitions(), place, CLEANUP, due);
        }
    }

    fn settle_namespace(&mut self, place: &Name, due: &mut Due) {
        let Some(namespace) = self.store.get(&namespaces(), place).cloned() else { return };
        if namespace["metadata"]["deletionTimestamp"].is_null() {
            return;
        }
        let mut left = false;
        for id in self.store.resources() {
            if self.kinds.preferred(&id).is_none_or(|kind| !kind.namespaced) {
                continue;
            }
            let inside = self.store.list(&id, Some(&place.1));
            let names: Vec<Name> = inside.map(|(name, _)| name.clone()).collect();
            for name in names {
                self.drop_object(&id, &name, due);
                left |= self.store.get(&id, &name).is_some();
            }
        }
        if left {
            return;
        }
        let mut released = (*namespace).clone();
        released["spec"]["finalizers"] = json!([]);
        if let Some(spec) = released["spec"].as_object_mut() {
            spec.remove("finalizers");
        }
        if is_released(&released) {
            self.store.remove(&namespaces(), place);
        } else if *namespace != released {
            self.store.put(&namespaces(), place, released);
        }
    }

    /// Deletes an object whose owners are all gone, and does what a deleted owner waits for.
    fn settle_object(&mut self, id: &ResourceId, place: &Name, due: &mut Due) {
        let Some(object) = self.store.get(id, place).cloned() else { return };
        if owners(&object).next().is_some() && self.is_orphaned(&object) {
            self.drop_object(id, place, due);
        } else if !object["metadata"]["deletionTimestamp"].is_null() {
            if has_finalizer(&object, ORPHAN) {
                self.orphan(&object);
                self.take_finalizer(id, place, ORPHAN, due);
            } else if has_finalizer(&object, FOREGROUND) {
                self.foreground(id, place, &object, due);
            }
        }
    }

    /// Whether every owner is gone, or was replaced by another object of its name.
    fn is_orphaned(&self, object: &Value) -> bool {
        owners(object).all(|owner| {
            let uid = owner["uid"].as_str().unwrap_or_default();
            match self.store.by_uid(uid) {
                Some((id, (namespace, _), _)) => {
                    let home = object["metadata"]["namespace"].as_str().unwrap_or_default();
                    let kind = self.kinds.preferred(id);
                    // An owner in another namespace is none.
                    kind.is_some_and(|kind| kind.namespaced) && namespace != home
                }
                None => true,
            }
        })
    }

    /// Removes the references of dependents, so that they stay.
    fn orphan(&mut self, owner: &Value) {
        let uid = owner["metadata"]["uid"].as_str().unwrap_or_default();
        for (id, name) in self.store.dependents(uid) {
            let Some(dependent) = self.store.get(&id, &name) else { continue };
            let mut freed = (**dependent).clone();
            if let Some(list) = freed["metadata"]["ownerReferences"].as_array_mut() {
                list.retain(|owner| owner["uid"] != uid);
            }
            if freed["metadata"]["ownerReferences"].as_array().is_some_and(Vec::is_empty)
                && let Some(metadata) = freed["metadata"].as_object_mut()
            {
                metadata.remove("ownerReferences");
            }
            self.store.put(&id, &name, freed);
        }
    }

    /// Deletes dependents, and lets the owner go when none is left that blocks it.
    fn foreground(&mut self, id: &ResourceId, place: &Name, owner: &Value, due: &mut Due) {
        let uid = owner["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        for (id, name) in self.store.dependents(&uid) {
            self.drop_object(&id, &name, due);
        }
        let blocked = self.store.dependents(&uid).iter().any(|(id, name)| {
            let dependent = self.store.get(id, name);
            dependent.is_some_and(|object| {
                owners(object).any(|o| o["uid"] == json!(uid) && o["blockOwnerDeletion"] == true)
            })
        });
        if !blocked {
            self.take_finalizer(id, place, FOREGROUND, due);
        }
    }

    /// Deletes an object in the background.
    fn drop_object(&mut self, id: &ResourceId, name: &Name, due: &mut Due) {
        let Some(object) = self.store.get(id, name).cloned() else { return };
        if is_released(&object) {
            self.store.remove(id, name);
            return;
        } else if object["metadata"]["deletionTimestamp"].is_null() {
            let mut marked = (*object).clone();
            marked["metadata"]["deletionTimestamp"] = json!(super::world::now());
            marked["metadata"]["deletionGracePeriodSeconds"] = json!(0);
            self.store.put(id, name, marked);
        } else {
            return;
        }
        due.insert((id.clone(), name.clone()));
    }

    fn take_finalizer(&mut self, id: &ResourceId, place: &Name, finalizer: &str, due: &mut Due) {
        let Some(object) = self.store.get(id, place) else { return };
        let mut freed = (**object).clone();
        if let Some(list) = freed["metadata"]["finalizers"].as_array_mut() {
            list.retain(|name| name != finalizer);
        }
        if freed["metadata"]["finalizers"].as_array().is_some_and(Vec::is_empty)
            && let Some(metadata) = freed["metadata"].as_object_mut()
        {
            metadata.remove("finalizers");
        }
        let gone = is_released(&freed);
        if freed == **object && !gone {
            return;
        }
        if gone {
            self.store.remove(id, place);
        } else {
            self.store.put(id, place, freed);
        }
        due.insert((id.clone(), place.clone()));
    }
}

fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    let list = object["metadata"]["finalizers"].as_array();
    list.is_some_and(|list| list.iter().any(|name| name == finalizer))
}

/// The definition's own finalizer, which the server adds when it is deleted.
pub(crate) fn hold_definition(target: &Target, object: &mut Value) {
    if target.kind.id == definitions() && !has_finalizer(object, CLEANUP) {
        let list = &mut object["metadata"]["finalizers"];
        if !list.is_array() {
            *list = json!([]);
        }
        if let Some(list) = list.as_array_mut() {
            list.push(json!(CLEANUP));
        }
    }
}
