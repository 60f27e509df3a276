//! The whole loop as a user sees it: a push to a real Git host, the built `hence`, a real server.

#![allow(clippy::print_stdout, reason = "a long test prints its seed and what it counted")]

mod accounts;
mod answers;
mod basics;
mod canary;
mod crash;
mod credentials;
mod damaged_state;
mod dry_run;
mod faults;
mod fights;
mod guards;
mod handover;
mod idle;
mod manifests;
mod matrix;
mod names;
mod on_sandbox;
mod operated;
mod origins;
mod policies;
mod proxied;
mod recreate;
mod refusals;
mod server;
mod sources;
mod standing;
mod takeover;
mod takeover_large;
mod tenancy;
mod units;
mod waits;
mod world;

use self::world::World;

/// A namespace and a repository before a real API server, which other tests share.
async fn shared(purpose: &str) -> World {
    World::shared(purpose).await
}
