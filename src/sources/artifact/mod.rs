//! Artifacts: tarballs that other controllers offer and that we offer to them.
//!
//! In: a URL and a digest, or a tree of our own. Out: files by content on disk, or a tarball that
//! is built once and kept.
//!
//! ```text
//! URL ─ fetch ─▶ digest? ─▶ unpack ─▶ FileStore ─▶ SourceTree        (from others)
//! SourceTree ─ pack ─▶ Storage: gitrepository/<ns>/<name>/<commit>.tar.gz (for others)
//! ```
//!
//! Spec: fluxcd/pkg http/fetch, tar, artifact/storage.
//! Not here: serving files over HTTP, `status.artifact`.

mod error;
mod fetch;
mod files;
mod pack;
mod storage;
mod unpack;

pub use error::ArtifactError;
pub use fetch::FetchRequest;
pub use fetch::Fetched;
pub use fetch::fetch;
pub use files::FileStore;
pub use pack::pack;
pub use storage::ArtifactOwner;
pub use storage::Retention;
pub use storage::Storage;
pub use storage::Stored;
