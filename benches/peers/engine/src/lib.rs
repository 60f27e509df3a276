//! The engine and the shipped rules, from the sources of the main crate, and nothing else of it.
//!
//! `datalog`, `model`, `rules` and a part of `facts` name no other module, so they compile alone:
//! the bench need not wait for everything that talks to a cluster.

#![allow(warnings, reason = "the main build looks at these sources")]

#[path = "../../../../src/datalog/mod.rs"]
pub mod datalog;
pub mod facts;
#[path = "../../../../src/model/mod.rs"]
pub mod model;
#[path = "../../../../src/rules/mod.rs"]
pub mod rules;
