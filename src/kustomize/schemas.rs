//! Which schema and scopes hold in one build: the built-in table, or what a tree brought.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use super::custom_schema::CustomSchema;
use super::schema;
use super::schema::Schema;

/// The schemas of one build. The first kustomization that sets one wins, from the root inwards.
#[derive(Debug, Default)]
pub(crate) struct Schemas {
    custom: OnceLock<Arc<CustomSchema>>,
    set: AtomicBool,
    /// Some unknown type was met before a custom schema was set; upstream then loads both.
    unknown_met: AtomicBool,
    both: AtomicBool,
}

impl Schemas {
    /// Whether a kustomization has set a schema or a version.
    pub(crate) fn is_set(&self) -> bool {
        self.set.load(Ordering::Relaxed)
    }

    /// Takes the schema that a kustomization names; `None` keeps the built-in one.
    pub(crate) fn set(&self, custom: Option<CustomSchema>) {
        self.set.store(true, Ordering::Relaxed);
        if let Some(custom) = custom {
            self.both.store(self.unknown_met.load(Ordering::Relaxed), Ordering::Relaxed);
            self.custom.get_or_init(|| Arc::new(custom));
        }
    }

    /// Whether a type was met that is not built in.
    pub(crate) fn has_met_unknown(&self) -> bool {
        self.unknown_met.load(Ordering::Relaxed)
    }

    /// Notes that a type was met that is not built in.
    pub(crate) fn meet_unknown(&self) {
        self.unknown_met.store(true, Ordering::Relaxed);
    }

    /// Known to be cluster-scoped.
    pub(crate) fn is_cluster_scoped(&self, api_version: &str, kind: &str) -> bool {
        if let Some(namespaced) = schema::built_in_scope(api_version, kind) {
            return !namespaced;
        }
        match self.custom.get() {
            Some(custom) => custom.scope(api_version, kind) == Some(false),
            None => {
                self.meet_unknown();
                false
            }
        }
    }

    /// The schema of a type.
    pub(crate) fn of_type(&self, api_version: &str, kind: &str) -> Option<Schema> {
        let Some(custom) = self.custom.get() else {
            return schema::built_in_type(api_version, kind);
        };
        if self.both.load(Ordering::Relaxed)
            && let Some(built_in) = schema::built_in_type(api_version, kind)
        {
            return Some(built_in);
        }
        custom.of_type(api_version, kind).map(|id| Schema::Custom(Arc::clone(custom), id))
    }
}
