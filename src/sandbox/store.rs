//! Objects and their history, in memory.
//!
//! In: writes, each of which gets the next resource version. Out: objects, lists and the events
//! since a version, or "gone" when the history no longer reaches back so far.
//!
//! Limits: [`HISTORY_MAX`] events for each resource. Data is lost with the process, on purpose.
//! Not here: what may be written (`write.rs`), how events are served (`watch.rs`).

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;
use serde_json::json;

/// Most events that are kept for each resource; a watch that is further behind gets 410.
pub(crate) const HISTORY_MAX: usize = 4096;

/// A group and a plural name: what is stored together, whatever the version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ResourceId {
    pub(crate) group: String,
    pub(crate) resource: String,
}

/// Where an object is: its namespace (empty for cluster-scoped ones) and name.
pub(crate) type Name = (String, String);

/// One change.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) revision: u64,
    /// The object as it is now, or as it last was.
    pub(crate) object: Arc<Value>,
    /// What it was before, unless it is new.
    pub(crate) before: Option<Arc<Value>>,
    pub(crate) deleted: bool,
}

#[derive(Debug, Default)]
struct Shelf {
    objects: BTreeMap<Name, Arc<Value>>,
    history: VecDeque<Event>,
    /// The version of the last event that was dropped.
    dropped: u64,
}

/// All objects of the server.
#[derive(Debug, Default)]
pub(crate) struct Store {
    revision: u64,
    shelves: BTreeMap<ResourceId, Shelf>,
    /// Uid of each live object to where it is.
    uids: BTreeMap<String, (ResourceId, Name)>,
    /// Uid of an owner to the objects that name it.
    dependents: BTreeMap<String, BTreeSet<(ResourceId, Name)>>,
    /// Objects that went since somebody asked.
    removed: Vec<(ResourceId, Arc<Value>)>,
}

/// A text field of an object's metadata; empty when it is missing.
pub(crate) fn meta<'v>(object: &'v Value, field: &str) -> &'v str {
    object["metadata"][field].as_str().unwrap_or_default()
}

/// The owner references of an object.
pub(crate) fn owners(object: &Value) -> impl Iterator<Item = &Value> {
    object["metadata"]["ownerReferences"].as_array().into_iter().flatten()
}

impl Store {
    /// The version of the last write.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// One object.
    pub(crate) fn get(&self, id: &ResourceId, name: &Name) -> Option<&Arc<Value>> {
        self.shelves.get(id)?.objects.get(name)
    }

    /// Objects of one resource in the order of their names, optionally of one namespace.
    pub(crate) fn list<'s>(
        &'s self,
        id: &ResourceId,
        namespace: Option<&'s str>,
    ) -> impl Iterator<Item = (&'s Name, &'s Arc<Value>)> {
        let objects = self.shelves.get(id).map(|shelf| &shelf.objects);
        let all = objects.into_iter().flatten();
        all.filter(move |(name, _)| namespace.is_none_or(|namespace| name.0 == namespace))
    }

    /// Every resource that holds or held objects.
    pub(crate) fn resources(&self) -> Vec<ResourceId> {
        self.shelves.keys().cloned().collect()
    }

    /// The live object with this uid.
    pub(crate) fn by_uid(&self, uid: &str) -> Option<(&ResourceId, &Name, &Arc<Value>)> {
        let (id, name) = self.uids.get(uid)?;
        Some((id, name, self.get(id, name)?))
    }

    /// Objects that name `uid` as an owner.
    pub(crate) fn dependents(&self, uid: &str) -> Vec<(ResourceId, Name)> {
        self.dependents.get(uid).into_iter().flatten().cloned().collect()
    }

    /// Stores an object under the next version and gives it back with that version in it.
    pub(crate) fn put(&mut self, id: &ResourceId, name: &Name, mut object: Value) -> Arc<Value> {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let object = Arc::new(object);
        let shelf = self.shelves.entry(id.clone()).or_default();
        let before = shelf.objects.insert(name.clone(), Arc::clone(&object));
        if let Some(before) = &before {
            self.forget(id, name, before);
        }
        self.uids.insert(meta(&object, "uid").to_owned(), (id.clone(), name.clone()));
        for owner in owners(&object) {
            let uid = owner["uid"].as_str().unwrap_or_default().to_owned();
            self.dependents.entry(uid).or_default().insert((id.clone(), name.clone()));
        }
        let event =
            Event { revision: self.revision, object: Arc::clone(&object), before, deleted: false };
        self.record(id, event);
        object
    }

    /// Removes an object; what is left of it carries the version of its removal.
    pub(crate) fn remove(&mut self, id: &ResourceId, name: &Name) -> Option<Arc<Value>> {
        let before = self.shelves.get_mut(id)?.objects.remove(name)?;
        self.revision += 1;
        self.forget(id, name, &before);
        let mut last = (*before).clone();
        last["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let object = Arc::new(last);
        self.removed.push((id.clone(), Arc::clone(&object)));
        let event = Event {
            revision: self.revision,
            object: Arc::clone(&object),
            before: Some(before),
            deleted: true,
        };
        self.record(id, event);
        Some(object)
    }

    /// Objects that were removed since the last call.
    pub(crate) fn take_removed(&mut self) -> Vec<(ResourceId, Arc<Value>)> {
        std::mem::take(&mut self.removed)
    }

    fn forget(&mut self, id: &ResourceId, name: &Name, object: &Value) {
        self.uids.remove(meta(object, "uid"));
        let place = (id.clone(), name.clone());
        for owner in owners(object) {
            let uid = owner["uid"].as_str().unwrap_or_default();
            if let Some(found) = self.dependents.get_mut(uid) {
                found.remove(&place);
                if found.is_empty() {
                    self.dependents.remove(uid);
                }
            }
        }
    }

    fn record(&mut self, id: &ResourceId, event: Event) {
        let shelf = self.shelves.entry(id.clone()).or_default();
        shelf.history.push_back(event);
        if shelf.history.len() > HISTORY_MAX
            && let Some(dropped) = shelf.history.pop_front()
        {
            shelf.dropped = dropped.revision;
        }
    }

    /// Events after `revision`, or `None` when some of them were dropped.
    pub(crate) fn since(&self, id: &ResourceId, revision: u64) -> Option<Vec<Event>> {
        let Some(shelf) = self.shelves.get(id) else { return Some(Vec::new()) };
        if revision < shelf.dropped {
            return None;
        }
        let first = shelf.history.partition_point(|event| event.revision <= revision);
        Some(shelf.history.range(first..).cloned().collect())
    }

    /// Drops the whole history, as a compaction does: every older watch gets 410.
    pub(crate) fn compact(&mut self) {
        for shelf in self.shelves.values_mut() {
            shelf.history.clear();
            shelf.dropped = self.revision;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods() -> ResourceId {
        ResourceId { group: String::new(), resource: "pods".to_owned() }
    }

    fn name(name: &str) -> Name {
        ("default".to_owned(), name.to_owned())
    }

    fn object(uid: &str, owner: &str) -> Value {
        json!({"metadata": {"uid": uid, "ownerReferences": [{"uid": owner}]}})
    }

    #[test]
    fn versions_grow_and_events_tell_what_was_before() {
        let mut store = Store::default();
        store.put(&pods(), &name("a"), object("1", "o"));
        store.put(&pods(), &name("a"), object("1", "o"));
        store.remove(&pods(), &name("a"));
        let events = store.since(&pods(), 0).expect("nothing was dropped");
        let told: Vec<_> =
            events.iter().map(|e| (e.revision, e.before.is_some(), e.deleted)).collect();
        assert_eq!(told, [(1, false, false), (2, true, false), (3, true, true)]);
        assert_eq!(meta(&events[2].object, "resourceVersion"), "3");
        assert_eq!(store.since(&pods(), 2).expect("kept").len(), 1);
    }

    #[test]
    fn a_dropped_history_is_gone() {
        let mut store = Store::default();
        for _ in 0..=HISTORY_MAX {
            store.put(&pods(), &name("a"), object("1", "o"));
        }
        assert!(store.since(&pods(), 0).is_none());
        assert!(store.since(&pods(), 1).is_some());
        store.compact();
        assert!(store.since(&pods(), 10).is_none());
    }

    #[test]
    fn dependents_follow_their_references() {
        let mut store = Store::default();
        store.put(&pods(), &name("a"), object("1", "o"));
        assert_eq!(store.dependents("o"), [(pods(), name("a"))]);
        store.put(&pods(), &name("a"), object("1", "other"));
        assert!(store.dependents("o").is_empty());
        store.remove(&pods(), &name("a"));
        assert!(store.dependents("other").is_empty());
        assert!(store.by_uid("1").is_none());
    }
}
