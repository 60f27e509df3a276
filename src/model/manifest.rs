//! Manifests as data, held in memory by digest: facts and plans name them, only writes read them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use serde_json::Value as Json;

use crate::model::Digest;
use crate::model::DigestKey;
use crate::model::ObjectRef;

/// The desired state of one object. It may hold secret values, so it has no `Debug` of its content.
#[derive(Clone)]
pub struct Manifest {
    /// The object.
    pub object: ObjectRef,
    /// Its `apiVersion`.
    pub api_version: String,
    /// The manifest as it is sent.
    pub json: Arc<Json>,
    /// JSON pointers of fields whose value a Secret gave, by substitution.
    pub secret_fields: Arc<[String]>,
}

impl Manifest {
    /// The keyed digest by which facts name it: keyed because manifests hold secrets.
    pub fn digest(&self, key: &DigestKey) -> Digest {
        key.digest(self.json.to_string().as_bytes())
    }
}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Manifest({} {})", self.api_version, self.object)
    }
}

/// Manifests in memory, shared between builds, which add, and writes, which read.
#[derive(Clone, Default)]
pub struct Manifests {
    held: Arc<Mutex<BTreeMap<String, Held>>>,
}

struct Held {
    manifest: Manifest,
    holders: usize,
}

impl Manifests {
    /// Holds `manifest` under `digest` once more.
    pub fn hold(&self, digest: &str, manifest: &Manifest) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = held.entry(digest.to_owned());
        entry.or_insert_with(|| Held { manifest: manifest.clone(), holders: 0 }).holders += 1;
    }

    /// Lets go of `digest` once; the last one to let go frees it.
    pub fn release(&self, digest: &str) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = held.get_mut(digest) {
            entry.holders = entry.holders.saturating_sub(1);
            if entry.holders == 0 {
                held.remove(digest);
            }
        }
    }

    /// The manifest with this digest, if it is held.
    pub fn get(&self, digest: &str) -> Option<Manifest> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(digest).map(|entry| entry.manifest.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_holder_frees_a_manifest() {
        let manifests = Manifests::default();
        let manifest = Manifest {
            object: ObjectRef::new("", "Secret", "a", "b"),
            api_version: "v1".to_owned(),
            json: Arc::new(serde_json::json!({"data": {"password": "aHVudGVyMg=="}})),
            secret_fields: Arc::default(),
        };
        assert!(!format!("{manifest:?}").contains("aHVudGVyMg"));
        manifests.hold("d", &manifest);
        manifests.hold("d", &manifest);
        manifests.release("d");
        assert!(manifests.get("d").is_some());
        manifests.release("d");
        assert!(manifests.get("d").is_none());
        manifests.release("d");
    }
}
