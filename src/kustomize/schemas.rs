//! Which schema and scopes hold in one build: the built-in table, or what a tree brought.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use super::custom_schema::BuiltIn;
use super::custom_schema::CustomSchema;
use super::schema;
use super::schema::Schema;

/// The schemas of one build. The first kustomization that sets one wins, from the root inwards.
#[derive(Debug, Default)]
pub(crate) struct Schemas {
    custom: OnceLock<Arc<CustomSchema>>,
    set: AtomicBool,
    /// Some unknown type was met before a custom schema was set: upstream then reads the built-in
    /// schema after it.
    unknown_met: AtomicBool,
    /// The built-in schema was read before a custom one was set.
    was_read: AtomicBool,
}

/// What was looked up in a schema so far, and decides which definitions a custom one is put beside.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LookedUp {
    unknown_met: bool,
    was_read: bool,
}

impl Schemas {
    /// Whether a kustomization has set a schema or a version.
    pub(crate) fn is_set(&self) -> bool {
        self.set.load(Ordering::Relaxed)
    }

    /// Takes the definitions that a kustomization names; `None` keeps the built-in ones.
    pub(crate) fn set(&self, definitions: Option<&serde_json::Value>) {
        self.set.store(true, Ordering::Relaxed);
        if let Some(definitions) = definitions {
            let built_in = match self.looked_up() {
                LookedUp { was_read: true, .. } => BuiltIn::Yields,
                LookedUp { unknown_met: true, .. } => BuiltIn::Wins,
                _ => BuiltIn::Absent,
            };
            self.custom.get_or_init(|| Arc::new(CustomSchema::new(definitions, built_in)));
        }
    }

    /// What was looked up so far.
    pub(crate) fn looked_up(&self) -> LookedUp {
        LookedUp {
            unknown_met: self.unknown_met.load(Ordering::Relaxed),
            was_read: self.was_read.load(Ordering::Relaxed),
        }
    }

    /// Takes what an earlier build looked up for looked up now.
    pub(crate) fn repeat(&self, earlier: LookedUp) {
        self.unknown_met.fetch_or(earlier.unknown_met, Ordering::Relaxed);
        self.was_read.fetch_or(earlier.was_read, Ordering::Relaxed);
    }

    /// Known to be cluster-scoped.
    pub(crate) fn is_cluster_scoped(&self, api_version: &str, kind: &str) -> bool {
        if let Some(namespaced) = schema::built_in_scope(api_version, kind) {
            return !namespaced;
        }
        match self.custom.get() {
            Some(custom) => custom.scope(api_version, kind) == Some(false),
            None => {
                self.unknown_met.store(true, Ordering::Relaxed);
                false
            }
        }
    }

    /// The schema of a type.
    pub(crate) fn of_type(&self, api_version: &str, kind: &str) -> Option<Schema> {
        match self.custom.get() {
            Some(custom) => CustomSchema::of_type(custom, api_version, kind),
            None => {
                self.was_read.store(true, Ordering::Relaxed);
                schema::built_in_type(api_version, kind)
            }
        }
    }
}
