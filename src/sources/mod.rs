//! Git, artifacts and ignore rules: fetch, verify, authenticate; content-addressed storage.
//!
//! In: what a source's spec and its Secret say. Out: a revision, and a [`tree::SourceTree`] whose
//! content never changes. Nothing here decides when to fetch or what a failure means.
//!
//! ```text
//! git::fetch ───────▶ object store ──┐
//! artifact::fetch ──▶ file store ────┼──▶ SourceTree ──ignore──▶ SourceTree ──▶ artifact::pack
//! tree::local ──────▶ a directory ───┘
//! ```
//!
//! All public functions block and take a cancellation token and limits in time: call them on a
//! thread that may block. Secrets stay in `model::Secret` and in no message.
//! Not here: image registries, Helm indexes, signatures, pushing.

pub mod artifact;
mod disk;
pub mod elsewhere;
pub mod git;
mod http;
pub mod ignore;
mod net;
pub mod secrets;
pub mod tls;
pub mod tree;

pub use http::HttpAuth;
pub use http::Proxy;
pub use http::Tls;
pub use net::Fault;
pub use net::Timeouts;
