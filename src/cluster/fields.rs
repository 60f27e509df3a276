//! Who owns which field of an object, and what changed in the fields that we own.
//!
//! In: a live object with its `metadata.managedFields`. Out: who manages what ([`managers`]), the
//! record of our own fields after an apply ([`RecordedFields`]), the differences of a later state
//! from that record, and the managed fields that a takeover leaves ([`takeover`]).
//!
//! ```text
//! response of an apply ─▶ RecordedFields ──┐
//!                                          ├─▶ compare ─▶ differences: path, manager, time
//! every watch event ───────────────────────┘
//! ```
//!
//! The record is of *our* fields at the time of the apply: a change by somebody else takes the
//! field from us, so that what we own later would hide it. Values are kept as keyed digests only.
//!
//! Pure. Cost: linear in the managed fields and the object.

mod managers;
mod path;
mod record;
mod set;
mod takeover;

pub use managers::Manager;
pub use managers::applies;
pub use managers::managers;
pub use managers::overridden_managers;
pub use path::PathElement;
pub use path::path_text;
pub use record::Difference;
pub use record::RecordedFields;
pub use set::FieldSet;
pub use takeover::legacy_metadata;
pub use takeover::takeover;
