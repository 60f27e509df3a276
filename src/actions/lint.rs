//! Checks a plan as a value, before anybody may run it.
//!
//! The rules should never derive such a plan; if they do, it is refused whole and reported, because
//! a contradiction in a plan means that nothing in it can be trusted.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use miette::Diagnostic;
use thiserror::Error;

use crate::actions::Action;
use crate::actions::Plan;
use crate::model::ObjectRef;

/// What no plan may contain.
#[derive(Debug, Error, Diagnostic, PartialEq, Eq)]
pub enum LintError {
    /// Two actions of the plan have the same key.
    #[error("`{key}` stands twice in the plan")]
    #[diagnostic(code(plan::twice), help("`hence rules check` names the clauses of an action"))]
    Twice {
        /// The key.
        key: String,
    },
    /// One object is both applied and deleted.
    #[error("`{object}` is both applied and deleted")]
    #[diagnostic(code(plan::apply_delete), help("see `hence why` on both actions"))]
    ApplyAndDelete {
        /// The object.
        object: ObjectRef,
    },
    /// Two units apply one object.
    #[error("`{object}` is applied by two units: {first} and {second}")]
    #[diagnostic(code(plan::two_writers), help("see `hence owners` on the object"))]
    TwoWriters {
        /// The object.
        object: ObjectRef,
        /// The first unit.
        first: String,
        /// The second unit.
        second: String,
    },
    /// A delete without the identity that was observed.
    #[error("the delete of `{object}` carries no uid or resourceVersion")]
    #[diagnostic(code(plan::blind_delete), help("a delete must name what was observed"))]
    BlindDelete {
        /// The object.
        object: ObjectRef,
    },
    /// A delete of something that hence and Flux stand on.
    #[error("the plan deletes `{object}`, which Flux and hence stand on")]
    #[diagnostic(code(plan::protected), help("remove it by hand with `hence uninstall`"))]
    Protected {
        /// The object.
        object: ObjectRef,
    },
}

pub(super) fn lint(plan: &Plan) -> Result<(), Vec<LintError>> {
    let mut errors = Vec::new();
    let mut keys = BTreeSet::new();
    let mut appliers: BTreeMap<&ObjectRef, String> = BTreeMap::new();
    let mut applied: BTreeSet<&str> = BTreeSet::new();
    let mut deleted: BTreeMap<&ObjectRef, &str> = BTreeMap::new();
    for planned in plan.actions() {
        let key = planned.action.key();
        if !keys.insert(key.clone()) {
            errors.push(LintError::Twice { key });
        }
        match &planned.action {
            Action::Apply { unit, object, uid, .. } => {
                if !uid.is_empty() {
                    applied.insert(uid);
                }
                if let Some(first) = appliers.insert(object, unit.to_string()) {
                    let (object, second) = (object.clone(), unit.to_string());
                    errors.push(LintError::TwoWriters { object, first, second });
                }
            }
            Action::Delete { object, uid, resource_version, .. } => {
                deleted.insert(object, uid);
                errors.extend(lint_delete(object, uid, resource_version));
            }
            _ => {}
        }
    }
    let both = deleted.into_iter().filter(|(object, uid)| {
        // One object may go by two names.
        appliers.contains_key(object) || applied.contains(uid)
    });
    errors.extend(both.map(|(object, _)| LintError::ApplyAndDelete { object: object.clone() }));
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn lint_delete(object: &ObjectRef, uid: &str, resource_version: &str) -> Option<LintError> {
    if uid.is_empty() || resource_version.is_empty() {
        return Some(LintError::BlindDelete { object: object.clone() });
    }
    let definition = object.group == "apiextensions.k8s.io"
        && object.kind == "CustomResourceDefinition"
        && object.name.ends_with(".toolkit.fluxcd.io");
    definition.then(|| LintError::Protected { object: object.clone() })
}
