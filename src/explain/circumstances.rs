//! What is no premise of a write, for it would be done all the same, and yet is asked for later.

use std::collections::BTreeMap;

use crate::datalog::Reader;
use crate::explain::ask::row;
use crate::explain::ask::text;
use crate::model::ObjectRef;
use crate::model::UnitName;

/// The file and line that declare the object.
pub(super) const DECLARED: &str = "declared";
/// The revision that the unit is to be at.
pub(super) const REVISION: &str = "revision";
/// The subject of that revision's commit.
pub(super) const CHANGE: &str = "change";

/// The circumstances of a write to `object` for `unit`, by name: `declared` (a file and line),
/// `revision`, `change` (the subject of its commit); what is not known is left out.
pub fn circumstances(
    reader: &Reader,
    unit: &UnitName,
    object: &ObjectRef,
) -> BTreeMap<String, String> {
    let mut told = BTreeMap::new();
    let (unit, object) = (unit.to_string(), object.fact_text());
    if let Some(place) = row(reader, "declared_at", &[Some(&unit), Some(&object)]) {
        told.insert(DECLARED.to_owned(), format!("{}:{}", text(&place, 2), text(&place, 3)));
    }
    let Some(target) = row(reader, "target", &[Some(&unit)]) else { return told };
    let revision = text(&target, 1);
    if let Some(source) = row(reader, "unit_source", &[Some(&unit)])
        && let Some(commit) = row(reader, "commit_of", &[Some(&text(&source, 1)), Some(&revision)])
    {
        told.insert(CHANGE.to_owned(), text(&commit, 2));
    }
    told.insert(REVISION.to_owned(), revision);
    told
}
