//! The cluster: reads and writes of the Kubernetes API, and pure functions that read its answers.
//!
//! In: which object, which list, which write. Out: what the server said, as raw JSON objects with
//! typed errors. It decides nothing: what to write is a plan's business, what a reading means is
//! the rules'.
//!
//! ```text
//! ingest ──▶ read/  ─┐                          fields.rs  who owns which field, what drifted
//!                    ├─▶ transport ─▶ server    health.rs  is it Current
//! executor ▶ write/ ─┘                          normalise.rs  a manifest as Flux would send it
//! ```
//!
//! I/O in `read`, `write`, `discovery`, `transport`; the three modules on the right are pure. Reads
//! keep nothing: no cache of objects. One HTTP/2 connection carries all requests, others carry up
//! to `transport::WATCHES_PER_CONNECTION` watches each.
//!
//! Not here: custom resource types (`api`), who may write when (`executor`).

mod config;
pub mod discovery;
mod error;
pub mod fields;
pub mod health;
pub mod normalise;
mod observed;
pub mod read;
mod redact;
mod transport;
pub mod write;

pub use config::ConnectOptions;
pub use discovery::Kinds;
pub use discovery::Resource;
pub use error::Cause;
pub use error::ClusterError;
pub use error::Status;
pub use observed::Observed;
pub use redact::SecretTexts;
pub use transport::Cluster;
pub use write::Purpose;
pub use write::Writer;
