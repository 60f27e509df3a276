//! The Datalog engine: text rules over typed facts, kept up to date, every conclusion with a proof.
//!
//! ```text
//! text ─▶ parser ─▶ check ─▶ Program ─▶ compile, plan
//!                                             │
//! Transaction ─▶ Engine ─▶ maintain ─▶ exec ──┤ joins (datafrog)
//!                  │                          └ store: shared blocks, sorted runs
//!                  ├─▶ Delta: rows that came and went
//!                  └─▶ Reader: query, why, why_not, what_if over one generation
//! ```
//!
//! Read it in this order: `value`, `fact`, `syntax`, `check`, `program` (the language); `store`,
//! `plan`, `exec`, `leaper`, `maintain` (keeping up to date); `world`, `reader`, `why`, `why_not`,
//! `proof`, `verify` (answers); `load`, `keep` (starts). `rules/README.md` is the language for
//! people who write rules.
//!
//! Promises:
//! - a transaction costs what it changes, not what there is; [`Effort`] counts it exactly;
//! - `old + delta = new`, nothing twice; a large transaction is evaluated in full, with the same
//!   delta;
//! - a reader sees one generation for as long as it is held, and no reader or fork delays a commit;
//! - a proof is the same after any history that leads to the same facts, and stands alone;
//! - inputs always commit: what cannot be concluded is a [`Fault`], and everything above it is
//!   empty.
//!
//! # Decision: one generation for readers while the engine commits on
//!
//! Rows stand in blocks of 256 and runs in leaves of 128, behind directories of two levels, all
//! shared and copied on write. A reader is a clone of the table list (one counter per relation), a
//! fork is a clone with an engine of its own. Against the other candidates: rows stamped with birth
//! and death need a lock or `unsafe` between reader and writer, and a vacuum behind the oldest
//! reader; a replica fed by deltas doubles memory and work for each pinned generation.
//!
//! Measured at a million facts, on two cores that others kept busy (load 7): a 50-object change
//! takes 1.8 ms as a commit that nobody watches and 2.0 ms as a fork, in turn (medians; evaluation
//! in full takes 2.9 s); pinning takes 3.4 µs, dropping fork and reader 0.17 ms. A replica takes
//! as long to follow as the engine to commit, and 224 MiB. A commit beside a reader that is pinned
//! anew each time pays a third more: the directories' counters are what it copies. `benches/eval`
//! measures it again. Directories of one level and pieces of 512 were given up: the writer copied
//! whole directories beside a reader.
//!
//! Pure: no clock, no files, no threads of its own. Nothing here knows what the facts are about.

mod arithmetic;
mod builtins;
mod check;
mod compile;
mod decimal;
mod diagnostic;
mod engine;
mod exec;
mod export;
mod expr;
mod fact;
mod fault;
mod fold;
mod format;
mod instance;
mod keep;
mod leaper;
mod lexer;
mod literal;
pub mod literate;
mod load;
mod maintain;
mod moment;
mod parser;
mod plan;
mod program;
mod proof;
mod reader;
mod solve;
mod store;
mod syntax;
mod text;
mod value;
mod verify;
mod why;
mod why_not;
mod world;

pub use builtins::Builtins;
pub use check::check;
pub use check::check_inputs;
pub use decimal::Decimal;
pub use diagnostic::CheckError;
pub use diagnostic::Code;
pub use diagnostic::Place;
pub use diagnostic::Span;
pub use engine::Delta;
pub use engine::Engine;
pub use engine::EngineOptions;
pub use export::Dialect;
pub use export::ExportError;
pub use export::export;
pub use fact::Fact;
pub use fact::Pattern;
pub use fact::Transaction;
pub use fault::Fault;
pub use fault::FaultKind;
pub use fault::Refused;
pub use fault::RefusedReason;
pub use format::format;
pub use load::Loader;
pub use load::Reversal;
pub use load::Word;
pub use maintain::Effort;
pub use program::Clause;
pub use program::Column;
pub use program::FileOrigin;
pub use program::Program;
pub use program::RelationInfo;
pub use program::RelationKind;
pub use program::RuleFile;
pub use proof::Answer;
pub use proof::ClauseText;
pub use proof::Cut;
pub use proof::FailedRule;
pub use proof::Failure;
pub use proof::NodeKind;
pub use proof::Premise;
pub use proof::Proof;
pub use proof::ProofNode;
pub use proof::QueryOptions;
pub use reader::Fork;
pub use reader::Reader;
pub use text::Changes;
pub use text::parse_changes;
pub use text::parse_pattern;
pub use text::parse_transaction;
pub use value::Row;
pub use value::Type;
pub use value::Value;
pub use value::Version;
pub use verify::Facts;
pub use verify::Unsound;
pub use verify::Verified;
pub use verify::verify;

#[cfg(test)]
mod tests;
