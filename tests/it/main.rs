//! Integration tests: one program, so that it links once and its tests can share servers.
//!
//! One module per part of hence; each test stands on `support`. `tests/tidy.rs` fails when a file
//! here is in no module.

mod cli;
mod cluster;
mod harness;
mod journal;
mod reconcile;
mod rules;
mod sandbox;
mod sources;
mod support;
