//! The whole loop as a user sees it: a push to a real Git host, the built `hence`, a real server.

#![allow(clippy::print_stdout, reason = "a long test prints its seed and what it counted")]

mod accounts;
mod answers;
mod basics;
mod canary;
mod crash;
mod credentials;
mod damaged_state;
mod faults;
mod fights;
mod idle;
mod manifests;
mod matrix;
mod operated;
mod origins;
mod policies;
mod recreate;
mod refusals;
mod sources;
mod takeover;
mod takeover_large;
mod tenancy;
mod units;
mod world;
