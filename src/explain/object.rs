//! Why an object exists and is as it is (question 1).

use crate::datalog::Reader;
use crate::datalog::Row;
use crate::explain::Answer;
use crate::explain::Verdict;
use crate::explain::ask::holds;
use crate::explain::ask::row;
use crate::explain::ask::rows;
use crate::explain::ask::text;
use crate::explain::custom::fares;
use crate::explain::custom::why_custom;
use crate::explain::deeds::Deed;
use crate::explain::deeds::gone;
use crate::explain::deeds::left;
use crate::model::ObjectRef;

/// Groups whose kinds are meant when a kind is named alone; elsewhere the name may be ambiguous.
const PLAIN_GROUPS: &[&str] = &[
    "",
    "apps",
    "batch",
    "autoscaling",
    "policy",
    "apiextensions.k8s.io",
    "networking.k8s.io",
    "rbac.authorization.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "kustomize.toolkit.fluxcd.io",
    "source.toolkit.fluxcd.io",
    "helm.toolkit.fluxcd.io",
];
/// Most units without a build that are listed.
const UNBUILT_MAX: usize = 5;

/// The row of `renders` that answers are about, of several: that of the unit that owns the object,
/// else of the one that may write it, else the first.
pub(super) fn declarer(reader: &Reader, name: &str) -> Option<Row> {
    let declared = rows(reader, "renders", &[None, Some(name)]);
    let owns = |row: &&Row| holds(reader, "ours", &[Some(&text(row, 0)), Some(name)]);
    let writes = |row: &&Row| holds(reader, "writer", &[Some(name), Some(&text(row, 0))]);
    let both = declared.iter().find(|row| owns(row) && writes(row));
    let one = both.or_else(|| declared.iter().find(owns)).or_else(|| declared.iter().find(writes));
    one.or(declared.first()).cloned()
}

/// The other units that declare the object, each with what it has of it.
pub(super) fn declared_too(reader: &Reader, name: &str, unit: &str) -> Vec<String> {
    let declared = rows(reader, "renders", &[None, Some(name)]);
    let others = declared.iter().map(|row| text(row, 0)).filter(|other| other != unit);
    let told = others.map(|other| match holds(reader, "wants", &[Some(&other), Some(name)]) {
        true => format!("{other} wants it too"),
        false => format!("the last complete build of {other} contains it too"),
    });
    told.collect()
}

/// Why `object` exists: who declares it, from which file of which revision, who applied it. The
/// journal's `deeds`, newest first, tell of what the facts do not.
pub fn why_object(reader: &Reader, object: &ObjectRef, deeds: &[Deed]) -> Answer {
    let name = object.fact_text();
    let declared = declarer(reader, &name);
    let owner = row(reader, "ours", &[None, Some(&name)]);
    let live = row(reader, "live", &[Some(&name)]);
    match (&declared, &live) {
        (Some(declared), _) => {
            let unit = text(declared, 0);
            fares(reader, object, declared_object(reader, object, &unit, live.is_some()))
        }
        (None, Some(_)) => {
            let owner = owner.map(|owner| text(&owner, 0));
            fares(reader, object, undeclared(reader, object, owner, deeds))
        }
        (None, None) => why_custom(reader, object).unwrap_or_else(|| {
            if let Some(told) = gone(reader, object, deeds) {
                return told;
            }
            let headline = format!("{object} is neither declared by a unit nor known to be live");
            let verdict = if holds(reader, "absent", &[Some(&name)]) {
                Verdict::False
            } else {
                Verdict::Unknown
            };
            let answer = Answer::new(verdict, headline, reader.generation())
                .line("because", "no complete build of any unit contains it");
            let answer = unbuilt(reader, answer);
            match answer.next.is_empty() {
                true => answer.next(format!("hence why pruned {}", asked(object))),
                false => answer,
            }
        }),
    }
}

/// Adds the units without a complete build: any of them may contain what no other does.
pub(super) fn unbuilt(reader: &Reader, mut answer: Answer) -> Answer {
    let units = rows(reader, "unit", &[]);
    let unbuilt: Vec<String> = units
        .iter()
        .map(|unit| text(unit, 0))
        .filter(|unit| !holds(reader, "complete", &[Some(unit)]))
        .collect();
    for unit in unbuilt.iter().take(UNBUILT_MAX) {
        let why = row(reader, "build_failed", &[Some(unit)]).map(|failed| text(&failed, 2));
        let why = why.or_else(|| {
            holds(reader, "unit_flag", &[Some(unit), Some("suspend")])
                .then(|| "it is suspended".to_owned())
        });
        let why = why.unwrap_or_else(|| "it has not been built yet".to_owned());
        answer = answer.line("unknown", format!("whether {unit} would: {why}"));
    }
    match (unbuilt.len().saturating_sub(UNBUILT_MAX), unbuilt.first()) {
        (0, None) => answer,
        (more, first) => {
            if more > 0 {
                answer = answer.line("unknown", format!("whether {more} other units would"));
            }
            let unit = first.map(|unit| in_namespace(unit)).unwrap_or_default();
            answer.next(format!("hence why-not ready ks/{unit}"))
        }
    }
}

/// The object as it is written on the command line.
pub(super) fn asked(object: &ObjectRef) -> String {
    let kind = object.kind.to_lowercase();
    let kind = match object.group.as_str() {
        group if PLAIN_GROUPS.contains(&group) => kind,
        group => format!("{kind}.{group}"),
    };
    match object.namespace.as_str() {
        "" => format!("{kind}/{}", object.name),
        namespace => format!("{kind}/{} -n {namespace}", object.name),
    }
}

fn declared_object(reader: &Reader, object: &ObjectRef, unit: &str, live: bool) -> Answer {
    let name = object.fact_text();
    let owner = row(reader, "ours", &[Some(unit), Some(&name)]);
    let applied = row(reader, "applied", &[Some(unit), Some(&name)]);
    let (verdict, word) = match (&applied, live) {
        (Some(_), true) => (Verdict::True, "EXISTS"),
        (Some(_), false) => (Verdict::Unknown, "WAS APPLIED, its live state is not known"),
        (None, _) => (Verdict::False, "NOT APPLIED YET"),
    };
    let place = declared_place(reader, unit, &name);
    let mut answer = Answer::new(verdict, format!("{object}  {word}"), reader.generation())
        .line("because", declared_since(reader, unit))
        .line_if("from", place)
        .line_if("but", not_built(reader, unit))
        .line_if("unsure", unsure(reader, unit));
    if let Some(applied) = applied {
        let (at, uid) = (text(&applied, 4), text(&applied, 2));
        answer = match owner.is_some_and(|owner| text(&owner, 3) == "adopted") {
            true => answer.line("adopted", format!("and found as declared at {at} (uid {uid})")),
            false => answer.line("applied", format!("at {at} (uid {uid})")),
        };
    }
    for drift in rows(reader, "drifted", &[Some(&name)]) {
        let said = format!("{} by {} at {}", text(&drift, 1), text(&drift, 2), text(&drift, 3));
        answer = answer.line("drift", said);
    }
    for contest in rows(reader, "contested", &[Some(&name)]) {
        let said =
            format!("{} and {} keep changing {}", unit, text(&contest, 2), text(&contest, 1));
        answer = answer.line("fight", said);
    }
    for conflict in rows(reader, "conflict", &[Some(unit), Some(&name)]) {
        answer = answer.line("conflict", format!("{} has it", text(&conflict, 2)));
    }
    for other in declared_too(reader, &name, unit) {
        answer = answer.line("conflict", other);
    }
    for refusal in rows(reader, "refused", &[Some(unit), Some(&name)]) {
        answer = answer.line("refused", text(&refusal, 4));
    }
    let skipped = rows(reader, "skipped", &[Some(unit), Some(&name)]);
    for toggle in &skipped {
        answer = answer.line("left alone", text(toggle, 2));
    }
    let awaited = rows(reader, "waits_for", &[Some(unit)]);
    let due = rows(reader, "to_apply", &[Some(unit), Some(&name)]);
    for due in due.iter().filter(|_| skipped.is_empty()) {
        answer = match awaited.is_empty() {
            true => answer.line("due", text(due, 2)),
            false => {
                let on: Vec<String> = awaited.iter().map(|row| text(row, 1)).collect();
                answer.line("waits", format!("for {}: {}", on.join(", "), text(due, 2)))
            }
        };
    }
    match verdict {
        Verdict::True => answer,
        _ => answer.next(format!("hence why-not ready ks/{}", in_namespace(unit))),
    }
}

/// Who declares the objects of the unit's last complete build, at which revision as far as known.
pub(super) fn declared_since(reader: &Reader, unit: &str) -> String {
    let target = row(reader, "target", &[Some(unit)]).map(|target| text(&target, 1));
    match target.filter(|_| holds(reader, "complete", &[Some(unit)])) {
        Some(revision) => format!("Kustomization {unit} declares it at {revision}"),
        None => match last_applied(reader, unit) {
            Some(last) => format!(
                "Kustomization {unit} declares it in its last complete build; {last} was the last \
                 that it applied"
            ),
            None => format!("Kustomization {unit} declares it in its last complete build"),
        },
    }
}

/// The revision that the unit's status calls applied.
pub(super) fn last_applied(reader: &Reader, unit: &str) -> Option<String> {
    let shown = row(reader, "unit_shown", &[Some(unit), Some("lastAppliedRevision")])?;
    Some(text(&shown, 2)).filter(|revision| !revision.is_empty())
}

/// Why the unit's last complete build is not of what its source has now.
pub(super) fn not_built(reader: &Reader, unit: &str) -> Option<String> {
    if holds(reader, "complete", &[Some(unit)]) {
        return None;
    }
    if holds(reader, "unit_flag", &[Some(unit), Some("suspend")]) {
        return Some("the unit is suspended".to_owned());
    }
    let target = row(reader, "target", &[Some(unit)]).map(|target| text(&target, 1))?;
    let failed = row(reader, "build_failed", &[Some(unit)]).map(|failed| text(&failed, 2));
    Some(match failed {
        Some(why) => format!("{target} is not built: {why}"),
        None => format!("{target} is not built yet"),
    })
}

/// Why nothing is written for the unit now: what it is, or is to be, is not known.
pub(super) fn unsure(reader: &Reader, unit: &str) -> Option<String> {
    let why = text(&row(reader, "unsure", &[Some(unit)])?, 1);
    Some(format!("nothing is written for {unit} yet: {why}"))
}

/// The file and line in which the unit declares the object, and its source.
pub(super) fn declared_place(reader: &Reader, unit: &str, object: &str) -> Option<String> {
    let place = row(reader, "declared_at", &[Some(unit), Some(object)])?;
    let source = row(reader, "unit_source", &[Some(unit)]).map(|source| text(&source, 1));
    Some(format!("{}:{} of {}", text(&place, 2), text(&place, 3), source.unwrap_or_default()))
}

/// `namespace/name` as `name -n namespace`.
pub(super) fn in_namespace(unit: &str) -> String {
    match unit.split_once('/') {
        Some((namespace, name)) => format!("{name} -n {namespace}"),
        None => unit.to_owned(),
    }
}

fn undeclared(
    reader: &Reader,
    object: &ObjectRef,
    owner: Option<String>,
    deeds: &[Deed],
) -> Answer {
    let name = object.fact_text();
    let answer = Answer::new(
        Verdict::True,
        format!("{object}  EXISTS, no unit declares it"),
        reader.generation(),
    );
    match owner {
        Some(unit) => {
            let mut answer =
                answer.line("because", format!("Kustomization {unit} applied it before"));
            for held in rows(reader, "prune_held", &[Some(&unit), Some(&name)]) {
                answer = answer.line("held", text(&held, 2));
            }
            answer.next("hence pending")
        }
        None => left(object, deeds, answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::given::given;

    #[test]
    fn of_several_units_the_owner_is_told_of() {
        let facts = r#"
            reconciles("Kustomization")
            reconciles("GitRepository")
            source("GitRepository/n/repo", "s")
            source_spec("GitRepository/n/repo", "spec")
            fetched("GitRepository/n/repo", "spec", "main@sha1:1", "tree")
            kinds_known("served")
            served("ConfigMap", "yes")
            listed("ConfigMap")
            live("ConfigMap/n/x", "1", "7")
            ours("n/b", "ConfigMap/n/x", "1", "applied")
            applied("n/b", "ConfigMap/n/x", "1", "m", t"2026-01-01T00:00:00Z")
        "#;
        let unit = r#"
            unit("n/a", "u")
            unit_source("n/a", "GitRepository/n/repo")
            unit_build("n/a", "b")
            unit_timing("n/a", 10m, 2m, 5m)
            variables("n/a", "v")
            reads("n/a", "tree", "part")
            rendered("n/a", "part", "b", "v", "text", 1)
            renders("n/a", "ConfigMap/n/x", "m", "v1", 4, "015x")
            declared_at("n/a", "ConfigMap/n/x", "a/x.yaml", 3)
        "#;
        let waiting = r#"
            renders("n/a", "ConfigMap/n/y", "m", "v1", 4, "015y")
            depends_on("n/a", "n/none")
        "#;
        let other = unit.replace("n/a", "n/b").replace("a/x.yaml", "b/x.yaml");
        let facts = format!("{facts}{unit}{other}{waiting}");
        let told: Vec<String> = ["x", "y"]
            .into_iter()
            .map(|name| ObjectRef::new("", "ConfigMap", "n", name))
            .map(|object| why_object(&given(&facts), &object, &[]).to_text())
            .collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn kinds_are_named_with_their_group_where_they_may_be_ambiguous() {
        let cases = [
            (ObjectRef::new("apps", "Deployment", "n", "a"), "deployment/a -n n"),
            (
                ObjectRef::new("serving.knative.dev", "Service", "n", "a"),
                "service.serving.knative.dev/a -n n",
            ),
            (ObjectRef::new("", "Namespace", "", "a"), "namespace/a"),
        ];
        for (object, want) in cases {
            assert_eq!(asked(&object), want);
        }
    }
}
