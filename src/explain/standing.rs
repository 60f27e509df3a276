//! Whether the live object still is as its unit applied it last, and what it is instead.

use crate::datalog::Reader;
use crate::datalog::Row;
use crate::explain::Answer;
use crate::explain::ask::holds;
use crate::explain::ask::row;
use crate::explain::ask::rows;
use crate::explain::ask::text;
use crate::explain::object::in_namespace;
use crate::explain::object::unsure;
use crate::model::ObjectRef;

/// How the live object stands to what was applied.
pub(super) enum Standing {
    /// As far as is known nobody changed it.
    AsApplied,
    /// It is another than what was applied, in these ways.
    Astray(Vec<String>),
    /// Whether it is there is not known.
    Unknown(String),
}

/// How `object` stands to its last apply for the unit, of which `applied` is the record.
pub(super) fn standing(reader: &Reader, object: &ObjectRef, applied: &Row) -> Standing {
    let name = object.fact_text();
    let kind = object.group_kind().to_string();
    let live = row(reader, "live", &[Some(&name)]);
    let is_listed = holds(reader, "listed", &[Some(&kind)]);
    let Some(live) = live else {
        if holds(reader, "rests", &[Some(&text(applied, 0)), Some(&name)]) {
            return Standing::AsApplied;
        }
        return match is_listed || holds(reader, "absent", &[Some(&name)]) {
            true => Standing::Astray(vec!["it is gone from the cluster".to_owned()]),
            false => Standing::Unknown(
                "its live state is not known: its kind is not completely listed".to_owned(),
            ),
        };
    };
    let mut ways = Vec::new();
    if text(&live, 1) != text(applied, 2) {
        ways.push(format!("another object took its place (uid {})", text(&live, 1)));
    }
    if holds(reader, "live_deleting", &[Some(&name)]) {
        ways.push("it is being deleted".to_owned());
    }
    ways.extend(rows(reader, "drifted", &[Some(&name)]).iter().map(|drift| {
        let (path, manager, at) = (text(drift, 1), text(drift, 2), text(drift, 3));
        format!("{path} was changed by {manager} at {at}")
    }));
    match ways.is_empty() {
        true => Standing::AsApplied,
        false => Standing::Astray(ways),
    }
}

/// Adds why an object that is astray is not set right at once, and what helps.
pub(super) fn uncorrected(
    reader: &Reader,
    unit: &str,
    object: &ObjectRef,
    mut answer: Answer,
) -> Answer {
    let name = object.fact_text();
    if holds(reader, "unit_flag", &[Some(unit), Some("suspend")]) {
        return answer
            .line("but", format!("{unit} is suspended, so that nothing corrects it"))
            .next(format!("hence resume kustomization {}", in_namespace(unit)));
    }
    for toggle in rows(reader, "skipped", &[Some(unit), Some(&name)]) {
        answer = answer.line("left alone", text(&toggle, 2));
    }
    for contest in contests(reader, &name) {
        answer = answer.line("waits", contest);
    }
    answer = answer.line_if("unsure", unsure(reader, unit));
    match holds(reader, "ready", &[Some(unit)]) {
        true => answer.next("hence pending"),
        false => answer.next(format!("hence why-not ready ks/{}", in_namespace(unit))),
    }
}

/// The fights over fields of the object that are damped now: who changes what, and until when it
/// is let be.
pub(super) fn contests(reader: &Reader, object: &str) -> Vec<String> {
    let is_open = |row: &&Row| holds(reader, "drifted", &[Some(object), Some(&text(row, 1))]);
    let ends = row(reader, "contest_ends", &[Some(object)]).map(|ends| text(&ends, 1));
    let until = ends.map(|at| format!(" at {at}")).unwrap_or_default();
    let contests = rows(reader, "contested", &[Some(object)]);
    let told = |row: &Row| {
        let (path, manager) = (text(row, 1), text(row, 2));
        format!("{manager} keeps changing {path}; it is set back again{until}")
    };
    contests.iter().filter(is_open).map(told).collect()
}
