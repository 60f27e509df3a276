//! Reads: one object, whole lists, changes.
//!
//! Absence needs proof: [`Cluster::get`] says `None` only when the server said that this very
//! object is absent; [`Cluster::list`] gives all pages of one version or an error, never a part.
//!
//! Nothing is kept: each object is handed to a reducing function as soon as it is read.

mod get;
mod list;
mod proxy;
mod watch;

pub use list::ListOptions;
pub use list::Listed;
pub use proxy::ServicePort;
pub use watch::WatchEvent;
pub use watch::WatchHandle;
pub use watch::WatchMessage;
pub use watch::WatchSpec;
