//! The kustomize build against the official program.
//!
//! `cases` holds stored trees with the official program's output: always run. `random` makes trees
//! from a seed and compares with the program itself, which `KUSTOMIZE_ORACLE` names (see
//! `oracle/main.go`); without it that part says so and passes. `yaml` and `flux` do the same for
//! the reader and emitter alone and for the layer of Flux, `fuzz` feeds broken input. `wild`
//! compares the directories below a folder that the caller names.
//!
//! ```text
//! KUSTOMIZE_ORACLE=… TREES=10000 SEED=1 \
//!   cargo test --release --test kustomize -- random --nocapture
//! ```

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs, unreachable_pub)]

mod canary;
mod cases;
mod coverage;
mod flux;
mod frames;
mod fuzz;
mod oracle;
mod origins;
mod random;
mod shared;
mod shrink;
mod tree;
mod verdict;
mod wild;
mod yaml;

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
