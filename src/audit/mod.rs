//! The journal: what was about to be done and why, and what came of it, in a chain of hashes.
//!
//! In: intents with their proofs, outcomes, adoptions, rule texts and notes. Out: durable records
//! that anybody may read without a lock, query, verify years later, and export into one file.
//!
//! ```text
//! Journal::append ─▶ frame (length, checksum, number, hash before) ─▶ 000001.seg 000002.seg …
//!         │ sync                                                            │
//!         ▼                                                                 ▼ no lock
//!       Head (kept in the Lease, so that a rollback shows)   JournalReader ─▶ View, verify, export
//! ```
//!
//! An acknowledged record (appended, then [`Journal::sync`] returned) survives the death of process
//! and machine. A tail that a crash left torn, zeroed or garbled is moved aside, never thrown away.
//! Damage in the middle stays where it is; what follows it is still read.
//!
//! **Secrets never enter.** The types here take names, digests and text that is already redacted;
//! nothing in this module can tell a secret from any other text, so its callers must not hold one.
//!
//! Files are touched in `disk.rs` alone. Limits: [`RECORD_BYTES_MAX`], [`SEGMENT_BYTES`].
//! Not here: the fact log (`facts::store`), deriving again what a proof says (`explain`),
//! retention: segments are never deleted.

mod commit;
mod disk;
mod error;
mod export;
#[cfg(test)]
mod faulty;
mod frame;
mod id;
mod index;
mod journal;
mod proven;
mod query;
mod reader;
mod record;
mod scan;
mod storage;
#[cfg(test)]
mod tests;
mod text;
mod verify;

pub use commit::GroupCommit;
pub use disk::DiskStorage;
pub use error::AuditError;
pub use error::Problem;
pub use export::ExportOptions;
pub use export::Exported;
pub use export::export;
pub use export::verify_export;
pub use frame::Head;
pub use frame::RECORD_BYTES_MAX;
pub use id::ProofId;
pub use journal::Journal;
pub use journal::JournalOptions;
pub use journal::SEGMENT_BYTES;
pub use proven::Proven;
pub use query::Item;
pub use query::Order;
pub use query::OutcomeIs;
pub use query::Page;
pub use query::Query;
pub use query::View;
pub use reader::JournalReader;
pub use record::Action;
pub use record::Adoption;
pub use record::Body;
pub use record::Intent;
pub use record::Note;
pub use record::NoteKind;
pub use record::Object;
pub use record::Observed;
pub use record::Outcome;
pub use record::OutcomeKind;
pub use record::Precondition;
pub use record::Record;
pub use record::RecordKind;
pub use record::RuleFile;
pub use record::RuleSet;
pub use record::SCHEMA;
pub use storage::JournalStorage;
pub use verify::Verification;
pub use verify::verify;
