//! hence: GitOps that can prove every action.
//!
//! Git contents and cluster observations become *facts*; *rules* derive what to do; an *executor*
//! does it; a *journal* keeps each intent with its proof and each outcome. The loop closes through
//! data:
//!
//! ```text
//!  world ──▶ ingest ──▶ facts ──▶ rules ──▶ actions ──▶ executor ──▶ world
//!              ▲                    │           │           │
//!              │                    └─ explain ─┘           │
//!              └──────────────── journal ◀──────────────────┘
//! ```
//!
//! Modules stand lowest first; `tests/tidy.rs` holds the table of who may import whom.
//!
//! # Words
//!
//! One word per thing, in code, rules, command line, status and docs:
//!
//! | word | meaning |
//! | --- | --- |
//! | unit | one Kustomization: a set of objects rendered from one path of one source |
//! | source | a GitRepository or other custom resource that offers files |
//! | object | anything the Kubernetes API stores, named by group, kind, namespace and name |
//! | manifest | the desired text of one object |
//! | render | to turn a unit's files into manifests |
//! | fact | a row of an input relation: something observed |
//! | rule, clause | text in `rules/*.dl` that derives rows from rows |
//! | action | a row of an `act_*` relation: something to be done |
//! | plan | the actions of one generation: ordered, checked, immutable |
//! | intent, outcome | what the journal keeps before and after an action |
//! | proof | the rules and facts from which an action follows |
//! | generation | one commit of the fact store |
//! | prune | to delete an object that we own and Git no longer declares |
//! | drift | a difference between what we applied and what is live |

pub mod model;

pub mod api;
pub mod datalog;
pub mod kustomize;

pub mod facts;
pub mod rules;

pub mod actions;
pub mod audit;
pub mod explain;

pub mod cluster;
pub mod sources;

pub mod executor;
pub mod ingest;
pub mod sandbox;

pub mod cli;
pub mod daemon;
