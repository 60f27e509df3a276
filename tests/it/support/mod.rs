//! What the integration tests stand on: real servers, ways to break, watch and await them.
//!
//! In: programs that `tests/tools` built. Out: values that own what they started, so that nothing
//! outlives the test program, however it ends.
//!
//! ```text
//! Cluster ◀── FaultProxy ◀── hence (Workplace) ──▶ ArtifactServer
//!    │                                                  ▲
//!    └──▶ AuditLog          kustomize-controller (Peer) ┘
//! ```
//!
//! Loopback only. Nothing here sleeps for a fixed time: `wait::until` asks again until a deadline.

#![allow(
    dead_code,
    unused_imports,
    reason = "one tool box for all suites: it offers more than any one day uses"
)]

pub(crate) mod artifacts;
pub(crate) mod audit;
pub(crate) mod cluster;
pub(crate) mod flux;
pub(crate) mod git;
pub(crate) mod proxy;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod tools;
pub(crate) mod wait;
pub(crate) mod watched;
pub(crate) mod workplace;
