//! Derived rows become one ordered, checked plan.
//!
//! In: the rows of the `act_*` relations of one generation. Out: a [`Plan`]: immutable, in the
//! order in which it is carried out, linted as a value before anybody may run it, printed as text
//! or JSON.
//!
//! ```text
//! act_* rows ──▶ Action ──▶ Plan::build (order) ──▶ Plan::lint ──▶ executor
//! ```
//!
//! Pure. Cost: sorting the actions. Not here: what is due (`rules/`), how it is done (`executor`).

mod action;
mod lint;
mod plan;
mod render;

pub use action::Action;
pub use action::ActionError;
pub use action::RELATIONS;
pub use lint::LintError;
pub use plan::Plan;
pub use plan::Planned;
pub use render::PlanEntry;
pub use render::PlanReport;
