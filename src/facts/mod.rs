//! The fact base: what is known, one generation after the other, durable.
//!
//! In: [`Statement`]s, made by `ingest` alone. Out: generations, deltas, readers. A statement says
//! what is so now; the fact base works out which rows come and go, commits them to the engine as
//! one transaction and appends the transaction to the fact log.
//!
//! ```text
//! statements ──▶ FactBase::commit ──▶ engine (derives) ──▶ Delta
//!                        └──────────▶ fact log (inputs only)
//! ```
//!
//! Pure but for the storage trait: `store.rs` is the one file here that touches files.
//! Not here: what observations mean (`ingest`), what follows from them (`rules/`).

mod base;
mod catalogue;
mod convert;
mod declared;
#[cfg(test)]
mod kept_tests;
mod statement;
pub mod store;

pub use base::FactBase;
pub use base::VOLATILE;
pub use catalogue::Column;
pub use catalogue::relation;
pub use convert::Recalled;
pub use declared::DeclaredInput;
pub use declared::DeclaredInputError;
pub use declared::Side;
pub use statement::Statement;
