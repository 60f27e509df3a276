//! A Git host: smart HTTP for clone, fetch and push, and commits without a Git program.
//!
//! In: requests of Git clients; files to commit. Out: packs, reports, commit ids.
//!
//! ```text
//! info/refs, git-upload-pack ─▶ upload ─▶ pack ─┐
//! git-receive-pack ─▶ receive ─▶ unpack ────────┴▶ repository ◀─ commit
//! ```
//!
//! Repositories are in memory. Limits: [`PACK_BYTES_MAX`] for one push. Absent: protocol versions
//! before 2 for fetch, filters, bundles, hooks, authentication.

mod host;
mod pack;
mod packet;
mod receive;
mod repository;
mod unpack;
mod upload;

pub use host::GitError;
pub use host::GitHost;
pub(crate) use host::router;

/// Largest push.
pub(crate) const PACK_BYTES_MAX: usize = 256 << 20;
