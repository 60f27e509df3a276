//! Events, as Flux's recorder writes them: core/v1, source = the controller's name.
//!
//! An event that repeats within [`REPEAT_WITHIN_MS`] is counted up on the one that is there, not
//! written again.
//!
//! Limit: [`REMEMBERED_MAX`] events are remembered for that; the oldest are forgotten.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;

use serde_json::Value;
use serde_json::json;

use super::PatchKind;
use super::Writer;
use crate::cluster::ClusterError;
use crate::cluster::Resource;
use crate::model::Digest;
use crate::model::ObjectRef;
use crate::model::Timestamp;

/// Events with the same words within this time are counted, not repeated.
const REPEAT_WITHIN_MS: i64 = 600_000;
/// Events that are remembered for counting.
const REMEMBERED_MAX: usize = 4096;

/// Whether an event reports a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// All is well.
    Normal,
    /// A problem.
    Warning,
}

/// One event about one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectEvent {
    /// The object.
    pub about: ObjectRef,
    /// Its API version, `group/version`.
    pub api_version: String,
    /// Its uid.
    pub uid: String,
    /// Its version when the event was decided; may be empty.
    pub resource_version: String,
    /// Whether it reports a problem.
    pub type_: EventType,
    /// Why, as one word for programs.
    pub reason: String,
    /// Why, for people.
    pub message: String,
    /// Annotations of the event: revisions and the like.
    pub annotations: BTreeMap<String, String>,
    /// The controller's name, such as `kustomize-controller`.
    pub controller: String,
    /// When it was decided.
    pub at: Timestamp,
}

/// Writes events and counts repetitions.
#[derive(Debug, Default)]
pub struct EventRecorder {
    /// What was written, by the digest of its words.
    written: HashMap<Digest, Written>,
    /// Keeps the names of events of one millisecond apart.
    serial: usize,
}

#[derive(Clone, Debug)]
struct Written {
    name: String,
    count: i64,
    at: Timestamp,
}

impl EventType {
    /// `Normal` or `Warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

impl ObjectEvent {
    /// The digest of all that makes two events the same.
    fn identity(&self) -> Digest {
        let annotations: String =
            self.annotations.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
        let parts = [
            annotations.as_str(),
            self.controller.as_str(),
            &self.api_version,
            &self.about.kind,
            &self.about.namespace,
            &self.about.name,
            &self.uid,
            self.type_.as_str(),
            &self.reason,
            &self.message,
        ];
        Digest::of_parts(parts.into_iter().map(str::as_bytes))
    }

    /// The namespace that it is stored in: that of the object, `default` for cluster-scoped ones.
    fn namespace(&self) -> &str {
        match self.about.namespace.as_str() {
            "" => "default",
            namespace => namespace,
        }
    }

    /// The event as an object. `serial` keeps the names of events of one millisecond apart.
    fn to_object(&self, serial: usize) -> Value {
        let nanos = self.at.millis().wrapping_mul(1_000_000).wrapping_add(serial as i64);
        let at = self.at.to_string();
        let mut object = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": format!("{}.{nanos:x}", self.about.name),
                "namespace": self.namespace(),
            },
            "involvedObject": {
                "kind": self.about.kind,
                "namespace": self.about.namespace,
                "name": self.about.name,
                "uid": self.uid,
                "apiVersion": self.api_version,
                "resourceVersion": self.resource_version,
            },
            "reason": self.reason,
            "message": self.message,
            "source": {"component": self.controller},
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
            "type": self.type_.as_str(),
            "reportingComponent": self.controller,
            "reportingInstance": "",
        });
        if !self.annotations.is_empty() {
            object["metadata"]["annotations"] = json!(self.annotations);
        }
        object
    }
}

fn events() -> Resource {
    Resource::known("", "v1", "Event", "events", true)
}

impl EventRecorder {
    /// Writes `event`, or counts it up when the same was written a short while ago.
    ///
    /// The recorder is not held while the server answers: events of many objects are under way at
    /// once. Of two equal events at the same time both may be written.
    pub async fn record(
        shared: &Mutex<Self>,
        writer: &Writer,
        event: &ObjectEvent,
    ) -> Result<(), ClusterError> {
        let identity = event.identity();
        let recorder = || shared.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = recorder().recent(&identity, event.at).cloned();
        if let Some(written) = recent {
            let (name, count) = (written.name, written.count + 1);
            let patch = json!({"count": count, "lastTimestamp": event.at.to_string()});
            let target = (event.namespace(), name.as_str(), "");
            let manager = event.controller.as_str();
            let patched = writer.patch(&events(), target, PatchKind::Merge, &patch, manager).await;
            match patched {
                Ok(_) => {
                    recorder().remember(identity, Written { name, count, at: event.at });
                    return Ok(());
                }
                // It expired or was deleted: write it anew.
                Err(ClusterError::Refused { status, .. }) if status.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        let serial = recorder().next_serial();
        let object = event.to_object(serial);
        let created = writer.create(&events(), event.namespace(), &object).await?;
        let written = Written { name: created.object.name, count: 1, at: event.at };
        recorder().remember(identity, written);
        Ok(())
    }

    fn next_serial(&mut self) -> usize {
        self.serial = (self.serial + 1) % 1_000_000;
        self.serial
    }

    fn recent(&self, identity: &Digest, now: Timestamp) -> Option<&Written> {
        let written = self.written.get(identity)?;
        (now.millis().saturating_sub(written.at.millis()) < REPEAT_WITHIN_MS).then_some(written)
    }

    fn remember(&mut self, identity: Digest, written: Written) {
        if self.written.len() >= REMEMBERED_MAX {
            let mut times: Vec<i64> = self.written.values().map(|w| w.at.millis()).collect();
            times.sort_unstable();
            let middle = times[times.len() / 2];
            self.written.retain(|_, old| old.at.millis() > middle);
        }
        self.written.insert(identity, written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(message: &str, at: i64) -> ObjectEvent {
        ObjectEvent {
            about: ObjectRef::new("kustomize.toolkit.fluxcd.io", "Kustomization", "shop", "web"),
            api_version: "kustomize.toolkit.fluxcd.io/v1".to_owned(),
            uid: "u1".to_owned(),
            resource_version: "7".to_owned(),
            type_: EventType::Normal,
            reason: "ReconciliationSucceeded".to_owned(),
            message: message.to_owned(),
            annotations: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            controller: "kustomize-controller".to_owned(),
            at: Timestamp(at),
        }
    }

    #[test]
    fn written_as_the_recorder_of_client_go_does() {
        let object = event("done", 1_764_000_000_000).to_object(3);
        assert_eq!(object["metadata"]["name"], "web.187afca767ca0003");
        assert_eq!(object["metadata"]["annotations"], json!({"a": "b"}));
        assert_eq!(object["source"], json!({"component": "kustomize-controller"}));
        assert_eq!(object["firstTimestamp"], "2025-11-24T16:00:00Z");
        assert_eq!(object["count"], 1);
    }

    #[test]
    fn only_the_same_words_count_as_one() {
        assert_eq!(event("a", 1).identity(), event("a", 2).identity());
        assert_ne!(event("a", 1).identity(), event("b", 1).identity());
        let mut recorder = EventRecorder::default();
        let written = Written { name: "web.1".to_owned(), count: 1, at: Timestamp(0) };
        recorder.remember(event("a", 0).identity(), written);
        let recent = |at| recorder.recent(&event("a", 0).identity(), Timestamp(at)).is_some();
        assert!(recent(REPEAT_WITHIN_MS - 1));
        assert!(!recent(REPEAT_WITHIN_MS));
    }

    #[test]
    fn memory_is_bounded() {
        let mut recorder = EventRecorder::default();
        for i in 0..3 * REMEMBERED_MAX as i64 {
            let written = Written { name: String::new(), count: 1, at: Timestamp(i) };
            recorder.remember(event(&i.to_string(), i).identity(), written);
        }
        assert!(recorder.written.len() <= REMEMBERED_MAX);
        let last = event(&(3 * REMEMBERED_MAX as i64 - 1).to_string(), 0).identity();
        assert!(recorder.written.contains_key(&last), "the newest are kept");
    }
}
