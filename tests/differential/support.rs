//! The tools of the integration tests that this program needs, by their one source.

#![allow(dead_code, reason = "one tool box for all suites: it offers more than this one uses")]

#[path = "../it/support/artifacts.rs"]
pub(crate) mod artifacts;
#[path = "../it/support/audit.rs"]
pub(crate) mod audit;
#[path = "../it/support/cluster.rs"]
pub(crate) mod cluster;
#[path = "../it/support/flux.rs"]
pub(crate) mod flux;
#[path = "../it/support/serve.rs"]
pub(crate) mod serve;
#[path = "../it/support/tools.rs"]
pub(crate) mod tools;
#[path = "../it/support/wait.rs"]
pub(crate) mod wait;
#[path = "../it/support/watched.rs"]
pub(crate) mod watched;
#[path = "../it/support/workplace.rs"]
pub(crate) mod workplace;
