//! The only writer of facts: one adapter per kind of observation. It decides nothing.
//!
//! In: [`Observation`]s from watches, workers, the executor and the clock. Out: statements for the
//! fact base. What is needed between observations (specs, trees, read sets, recorded fields) is
//! remembered here and can always be observed again.
//!
//! ```text
//! watch events ─┐
//! effects ──────┼──▶ Ingest::statements ──▶ facts
//! fetches,      │
//! builds ───────┘
//! ```
//!
//! Not here: what follows from a fact (`rules/`), any write to the world (`executor`).

mod advice;
mod build;
mod declared;
mod effect;
pub mod elsewhere;
mod fetch;
mod keep;
mod memory;
mod mention;
mod object;
mod pack;
mod recipe;
mod source;
mod unit;
mod values;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::api::Kustomization;
use crate::cluster::health::Health;
use crate::facts::Statement;
use crate::facts::relation;
use crate::model::Effect;
use crate::model::GroupKind;
use crate::model::ObjectRef;
use crate::model::SourceName;
use crate::model::Timestamp;
use crate::model::UnitName;

pub use advice::Advice;
pub use build::BuildJob;
pub use build::Built;
pub use fetch::FetchJob;
pub use fetch::Fetched;
pub use fetch::Stores;
pub use keep::Holdings;
pub use keep::Place;
pub use keep::RecalledFile;
pub use keep::RecalledTree;
pub use keep::lost_files;
pub use memory::Ingest;
pub use memory::IngestOptions;
pub use mention::SearchJob;
pub use mention::Searched;
pub use pack::PackJob;
pub use pack::Packed;
pub use recipe::Recipe;
pub use recipe::Recipes;
pub use recipe::SetAfterwards;
pub use source::AnySource;

/// Something that was observed.
pub enum Observation {
    /// Flags of the daemon, as facts.
    Configured(Vec<Statement>),
    /// All Kustomizations that can be read, from a complete list; and the names of the others.
    Units(Vec<Kustomization>, Vec<UnitName>),
    /// One Kustomization was added or changed.
    Unit(Box<Kustomization>),
    /// A custom resource of ours that says something which this version cannot read.
    Unreadable {
        /// The custom resource.
        object: ObjectRef,
        /// All of it.
        raw: Arc<Json>,
        /// Which part, and why.
        message: String,
    },
    /// One Kustomization does not exist any more.
    UnitGone(UnitName),
    /// All sources of one kind that can be read, from a complete list; and the names of the others.
    Sources(String, Vec<AnySource>, Vec<SourceName>),
    /// One source was added or changed.
    Source(Box<AnySource>),
    /// One source does not exist any more.
    SourceGone(SourceName),
    /// All owned objects of one kind, from a complete list, as of this resourceVersion.
    Objects(GroupKind, Vec<(ObjectRef, Arc<Json>)>, String),
    /// One owned object was added or changed.
    Object(ObjectRef, Arc<Json>),
    /// One object left the watch: it was deleted, or lost its labels.
    ObjectUnseen {
        /// The object.
        object: ObjectRef,
        /// Its resourceVersion at that event.
        version: String,
    },
    /// The watch of a kind is not fresh any more.
    Stale(GroupKind),
    /// Objects of this kind are not watched any more.
    Unwatched(GroupKind),
    /// The watch of a kind of custom resources fails.
    Unheard(GroupKind),
    /// The watch of a kind of custom resources goes on, or begins with a list.
    Heard(GroupKind),
    /// Which kinds the server serves, and whether they are namespaced.
    /// Also the groups of which that could not be learned.
    Served(BTreeMap<GroupKind, bool>, BTreeSet<String>),
    /// A ConfigMap or Secret that some unit or source reads; `None` when it does not exist.
    Values(ObjectRef, Option<BTreeMap<String, Vec<u8>>>),
    /// All definitions of kinds, from a complete list.
    Definitions(Vec<(ObjectRef, Arc<Json>)>),
    /// One definition of a kind was added or changed, or does not exist any more.
    Definition(ObjectRef, Option<Arc<Json>>),
    /// How an object fares that is watched for its health alone; `None` when it does not exist.
    Health(ObjectRef, Option<Health>),
    /// A fetch ended.
    Fetched(Box<Fetched>),
    /// A build ended.
    Built(Box<Built>),
    /// Packing an artifact file ended.
    Packed(Box<Packed>),
    /// A search ended.
    Searched(Box<Searched>),
    /// An action of the executor had this effect.
    Effect(Effect),
}

impl Observation {
    /// The kind of custom resources of which this is a complete list.
    pub fn lists(&self) -> Option<&str> {
        match self {
            Self::Units(..) => Some("Kustomization"),
            Self::Sources(kind, ..) => Some(kind),
            _ => None,
        }
    }
}

impl Ingest {
    /// What the observation says, given what is remembered. `now` is the time of observation.
    pub fn statements(&mut self, observation: Observation, now: Timestamp) -> Vec<Statement> {
        match observation {
            Observation::Configured(statements) => statements,
            Observation::Units(units, others) => self.units(units, &others, now),
            Observation::Unit(unit) => self.unit(&unit, now),
            Observation::Unreadable { object, raw, message } => {
                self.unreadable(&object, &raw, &message)
            }
            Observation::UnitGone(name) => self.unit_gone(&name),
            Observation::Sources(kind, sources, others) => {
                self.sources(&kind, sources, &others, now)
            }
            Observation::Source(source) => self.source(*source, now),
            Observation::SourceGone(name) => self.source_gone(&name),
            Observation::Objects(kind, objects, version) => {
                self.objects(&kind, objects, &version, now)
            }
            Observation::Object(object, live) => self.object(&object, &live, now),
            Observation::ObjectUnseen { object, version } => self.object_unseen(&object, &version),
            Observation::Unheard(kind) => {
                vec![Statement::Holds(relation::unheard(&kind.to_string()))]
            }
            Observation::Heard(kind) => {
                vec![Statement::Fails(relation::unheard(&kind.to_string()))]
            }
            Observation::Stale(kind) => {
                vec![Statement::Fails(relation::listed(&kind.to_string()))]
            }
            Observation::Unwatched(kind) => self.unwatched(&kind),
            Observation::Served(kinds, failed) => self.served(kinds, &failed),
            Observation::Values(object, values) => self.values(object, values),
            Observation::Definitions(all) => object::definitions(&all),
            Observation::Definition(object, live) => object::definition(&object, live.as_deref()),
            Observation::Health(object, health) => object::health_of(&object, health.as_ref()),
            Observation::Fetched(fetched) => self.fetched(*fetched, now),
            Observation::Built(built) => self.built(*built, now),
            Observation::Packed(packed) => self.packed(*packed),
            Observation::Searched(searched) => self.searched(*searched),
            Observation::Effect(effect) => self.effect(effect, now),
        }
    }
}
