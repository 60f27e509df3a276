//! Native kustomize build, equal to kustomize 5.8.1: a lazy file tree in; objects and what was
//! read, or the remote references that are needed first, out.
//!
//! ```text
//! tree ─▶ loader ─▶ kustomization ─▶ accumulate ──▶ hash ─▶ names ─▶ vars ─▶ sort ─▶ objects
//!                        │              ▲  │
//!                        └── bases ─────┘  └─ steps: generators, components, transformers
//! ```
//!
//! Pure: never does I/O beyond the tree it is given, never runs a plugin, never reads a clock.
//! Memory is bounded by [`Limits`] and by those of [`yaml`]. Orders that upstream fixes stand as
//! literal lists (`steps.rs`, `gvk.rs`). What upstream knows of Kubernetes comes from
//! `schemas/kustomize/`. Not here: fetching (`sources`), applying, variables of Flux (`flux`).

pub mod flux;
pub mod yaml;

mod accumulator;
mod bases;
mod build;
mod builtins;
mod cache;
mod config;
mod config_file;
mod crds;
mod custom_schema;
mod decode;
mod emit;
mod error;
mod fieldspec;
mod finish;
mod generated;
mod gvk;
mod json;
mod json_patch;
mod kustomization;
mod kustomization_file;
mod label_selector;
mod loader;
mod merge;
mod metadata;
mod origin_annotation;
mod origins;
mod output;
mod path;
mod path_matcher;
mod pen;
mod plugin;
mod remote;
mod resmap;
mod resource;
mod schema;
mod schemas;
mod selector;
mod steps;
mod target;
mod unique_json;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::model::FileTree;
use crate::model::limits;

pub use cache::Cache;
pub use cache::CacheCounts;
pub use error::BuildError;
pub use error::ErrorKind;
pub use finish::build;
pub use loader::Load;
pub use loader::ReadSet;
pub use origins::FieldOrigin;
pub use origins::Step;
pub use output::Built;
pub use output::Origin;
pub use output::Resource;
pub use remote::REMOTE_FILE;
pub use remote::RemoteRef;

/// In which order objects come out when the kustomization does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By kind, as `kustomize build` prints.
    #[default]
    Legacy,
    /// As they were read, as Flux applies.
    AsRead,
}

/// What a build may take up at most. More is an error, never cut.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most objects.
    pub objects_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { objects_max: limits::OBJECTS_MAX }
    }
}

/// What a build may do. Each default is the safe choice.
#[derive(Clone, Default)]
pub struct BuildOptions {
    /// Where kustomizations may read from.
    pub load: Load,
    /// In which order objects come out.
    pub order: Order,
    /// What was fetched already, by what names it.
    pub remote: BTreeMap<RemoteRef, Arc<dyn FileTree>>,
    /// Let kustomizations name bases and files elsewhere. Off: such a name is an error.
    pub allow_remote: bool,
    /// Note where every field comes from.
    pub origins: bool,
    /// What a build may take up.
    pub limits: Limits,
    /// The tree's root as users know it, for messages; an absolute path lets kustomizations name
    /// files of the tree absolutely.
    pub shown_root: String,
    /// What builds of one source share; `None` shares nothing.
    pub cache: Option<Arc<Cache>>,
}

impl fmt::Debug for BuildOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuildOptions")
            .field("load", &self.load)
            .field("order", &self.order)
            .field("remote", &self.remote.keys())
            .field("allow_remote", &self.allow_remote)
            .field("origins", &self.origins)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What a build comes to.
#[derive(Debug)]
pub enum Outcome {
    /// All objects.
    Built(Built),
    /// What must be fetched before it can be built; then build again with it.
    Needs(Vec<RemoteRef>),
}
