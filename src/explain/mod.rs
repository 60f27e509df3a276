//! Why, why-not and what-if: proofs become short answers.
//!
//! In: a reader of one generation, or a proof from the journal. Out: an [`Answer`]: verdict first,
//! then the cause, the evidence, one next step, and how complete it is.
//!
//! Pure and read-only. Cost: a few indexed look-ups; nothing is enumerated. Not here: how a proof
//! is found (`datalog`), where the journal is (`audit`), who may ask (`daemon`).

mod answer;
mod ask;
mod circumstances;
mod custom;
mod deeds;
mod field;
#[cfg(test)]
mod given;
mod live;
mod object;
mod object_query;
mod owners;
mod pending;
mod phrase;
mod phrases;
mod pruned;
mod ready;
mod refusal;
mod revision;
mod source;
mod standing;

pub use answer::Answer;
pub use answer::Verdict;
pub use ask::is_cluster_scoped;
pub use ask::known_kinds;
pub use circumstances::circumstances;
pub use deeds::Deed;
pub use deeds::Done;
pub use deeds::last_apply;
pub use deeds::not_pruned;
pub use deeds::there_again;
pub use field::FieldStory;
pub use field::REDACTED;
pub use field::declaring_unit;
pub use field::field_unknown;
pub use field::short;
pub use field::tells_of_secret;
pub use field::why_field;
pub use live::Once;
pub use live::why_not_live;
pub use object::why_object;
pub use object_query::ObjectError;
pub use object_query::ObjectQuery;
pub use owners::owners;
pub use pending::pending;
pub use phrase::sentence;
pub use pruned::Applied;
pub use pruned::Pruned;
pub use pruned::why_pruned;
pub use ready::why_not_ready;
pub use revision::names_revision;
pub use source::why_source_not_ready;
