//! The loop on the sandbox: the same tests as on a real API server, and the same sentences.
//!
//! Each file below is compiled twice, and says `shared` for whichever server is meant. What stays
//! with the real server needs something that the sandbox does not have, and says so:
//!
//! | tests | why on the real server only |
//! | --- | --- |
//! | `crash`, `fights`, `idle`, `takeover*`, `accounts` | count requests in the audit log |
//! | `recreate` | the same, for the second of its tests |
//! | `faults` | a proxy that breaks TLS connections stands before the server |
//! | `tenancy` | rights: the sandbox allows everything |
//! | `answers` | the server is stopped half-way and its state outlives that |
//! | `operated` | leases, tokens and their reviews are checked by the server |
//! | `canary` | looks for values in the server's audit log and errors too |
//! | `guards` | the first of its tests deletes a definition that other tests need |
//! | `waits` | a controller gives Deployments their status |
//! | `sources` | kustomize-controller takes part, which speaks protobuf |

#![allow(clippy::duplicate_mod, reason = "the same tests on another server: that is the point")]

use super::world::World;

#[path = "basics.rs"]
mod basics;
#[path = "matrix.rs"]
mod matrix;
#[path = "refusals.rs"]
mod refusals;
#[path = "units.rs"]
mod units;

/// A namespace and a repository before the sandbox, which other tests share.
async fn shared(purpose: &str) -> World {
    World::on_sandbox(purpose).await
}
