//! What is still to be done, and what it waits for (question 11).

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::actions::RELATIONS;
use crate::datalog::Reader;
use crate::datalog::Row;
use crate::explain::Answer;
use crate::explain::Verdict;
use crate::explain::ask::fact;
use crate::explain::ask::holds;
use crate::explain::ask::rows;
use crate::explain::ask::show;
use crate::explain::ask::text;
use crate::explain::object::in_namespace;
use crate::explain::phrase::phrase;
use crate::explain::standing::contests;

/// Most lines of one kind.
const LISTED_MAX: usize = 20;

/// What is due, held or waited for. True when there is nothing.
pub fn pending(reader: &Reader) -> Answer {
    let telling = ["act_status", "act_source_status", "act_event"];
    let mut due = Vec::new();
    for relation in RELATIONS.iter().filter(|relation| !telling.contains(relation)) {
        for row in rows(reader, relation, &[]) {
            due.push(phrase(&fact(relation, row)));
        }
    }
    let mut held = Vec::new();
    held.extend(kept_back(reader));
    for row in rows(reader, "freeze", &[]) {
        held.push(format!("{}: frozen: {}", text(&row, 0), text(&row, 1)));
    }
    held.extend(contested(reader));
    let unsure = unsure(reader);
    held.extend(rows(reader, "paused", &[]).into_iter().map(|row| phrase(&fact("paused", row))));
    let mut waits: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows(reader, "waits_for", &[]) {
        waits.entry(text(&row, 0)).or_default().push(text(&row, 1));
    }
    let waiting: Vec<String> =
        waits.iter().map(|(unit, on)| format!("{unit} waits for {}", on.join(", "))).collect();
    let units = rows(reader, "ready_condition", &[None, Some("False")]);
    let units = units.iter().filter(|row| !waits.contains_key(&text(row, 0)));
    let first = units.clone().next().map(|unit| format!("ks/{}", in_namespace(&text(unit, 0))));
    let sources = rows(reader, "source_cause", &[]);
    let sources =
        sources.iter().filter(|row| !holds(reader, "source_suspended", &[Some(&text(row, 0))]));
    let first = sources.clone().next().map(|source| ask_of_source(&text(source, 0))).or(first);
    let failing: Vec<String> = sources
        .chain(units)
        .map(|row| format!("{}: {}: {}", text(row, 0), text(row, 2), text(row, 3)))
        .collect();
    let suspended = suspended(reader);
    let quiet = [&due, &held, &waiting, &failing].iter().all(|list| list.is_empty());
    let verdict = if quiet { Verdict::True } else { Verdict::False };
    let headline = match quiet {
        true => "nothing is pending".to_owned(),
        false => format!(
            "{} due, {} held, {} waiting, {} failing",
            due.len(),
            held.len(),
            waiting.len(),
            failing.len()
        ),
    };
    let mut answer = Answer::new(verdict, headline, reader.generation());
    for (label, list) in [
        ("due", due),
        ("held", held),
        ("fails", failing),
        ("waits", waiting),
        ("suspended", suspended),
        ("unsure", unsure),
    ] {
        let more = list.len().saturating_sub(LISTED_MAX);
        for text in list.into_iter().take(LISTED_MAX) {
            answer = answer.line(label, text);
        }
        if more > 0 {
            answer = answer.line(label, format!("… {more} more"));
        }
    }
    match first {
        Some(subject) => answer.next(format!("hence why-not ready {subject}")),
        None => answer,
    }
}

/// `GitRepository/n/repo` as it is written on the command line.
fn ask_of_source(source: &str) -> String {
    let (kind, name) = source.split_once('/').unwrap_or(("", source));
    format!("{}/{}", kind.to_lowercase(), in_namespace(name))
}

/// The units and sources that are suspended.
fn suspended(reader: &Reader) -> Vec<String> {
    let units = rows(reader, "unit_flag", &[None, Some("suspend")]);
    let sources = rows(reader, "source_suspended", &[]);
    let told = |row: &Row| format!("{} is suspended", text(row, 0));
    units.iter().chain(&sources).map(told).collect()
}

/// The objects that are not deleted, each with the first thing that stands against it.
fn kept_back(reader: &Reader) -> Vec<String> {
    let mut reasons: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for row in rows(reader, "prune_held", &[]) {
        reasons.entry((text(&row, 0), text(&row, 1))).or_default().push(text(&row, 2));
    }
    let told = reasons.into_iter().map(|((unit, object), reasons)| {
        let first = reasons.first().map(String::as_str).unwrap_or_default();
        let more = match reasons.len() {
            0 | 1 => String::new(),
            count => format!(", and {} more", count - 1),
        };
        format!("{unit}: {} is not deleted: {first}{more}", show(&object))
    });
    told.collect()
}

/// Fields that somebody keeps changing, and that are let be for a while.
fn contested(reader: &Reader) -> Vec<String> {
    let objects: BTreeSet<String> =
        rows(reader, "contested", &[]).iter().map(|row| text(row, 0)).collect();
    let told = |object: &String| {
        let of = show(object);
        contests(reader, object).into_iter().map(move |told| format!("{of}: {told}"))
    };
    objects.iter().flat_map(told).collect()
}

/// For how many units nothing is written now, by reason.
fn unsure(reader: &Reader) -> Vec<String> {
    let mut unsure: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows(reader, "unsure", &[]) {
        unsure.entry(text(&row, 1)).or_default().push(text(&row, 0));
    }
    let lines = unsure.into_iter().map(|(why, units)| match units.as_slice() {
        [unit] => format!("nothing is written for {unit} yet: {why}"),
        units => format!("nothing is written for {} units yet: {why}", units.len()),
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::given::given;

    #[test]
    fn sources_fights_and_held_objects_are_listed() {
        let facts = r#"
            reconciles("Kustomization")
            reconciles("GitRepository")
            source("GitRepository/n/asleep", "s1")
            source_suspended("GitRepository/n/asleep")
            source("GitRepository/n/broken", "s2")
            source_spec("GitRepository/n/broken", "spec")
            fetch_failed("GitRepository/n/broken", "spec", "GitOperationFailed", "no such branch", t"2026-01-01T00:00:00Z", 3)
            source("GitRepository/n/repo", "s3")
            source_spec("GitRepository/n/repo", "spec")
            fetched("GitRepository/n/repo", "spec", "main@sha1:1", "tree")
            unit("n/a", "u")
            unit_flag("n/a", "prune")
            unit_source("n/a", "GitRepository/n/repo")
            unit_build("n/a", "b")
            unit_timing("n/a", 10m, 2m, 5m)
            variables("n/a", "v")
            reads("n/a", "tree", "part")
            rendered("n/a", "part", "b", "v", "text", 1)
            renders("n/a", "ConfigMap/n/x", "m", "v1", 4, "015x")
            kinds_known("served")
            served("ConfigMap", "yes")
            listed("ConfigMap")
            ours("n/a", "ConfigMap/n/x", "1", "applied")
            applied("n/a", "ConfigMap/n/x", "1", "m", t"2026-01-01T00:00:00Z")
            live("ConfigMap/n/x", "1", "7")
            live_owner("ConfigMap/n/x", "n/a")
            drifted("ConfigMap/n/x", "data.key", "kubectl-edit", t"2026-01-01T00:04:00Z")
            corrected("ConfigMap/n/x", "data.key", "kubectl-edit", t"2026-01-01T00:00:00Z")
            corrected("ConfigMap/n/x", "data.key", "kubectl-edit", t"2026-01-01T00:01:00Z")
            corrected("ConfigMap/n/x", "data.key", "kubectl-edit", t"2026-01-01T00:02:00Z")
            corrected("ConfigMap/n/x", "data.key", "kubectl-edit", t"2026-01-01T00:03:00Z")
            ours("n/a", "Secret/n/old", "2", "applied")
            served("Secret", "yes")
        "#;
        insta::assert_snapshot!(pending(&given(facts)).to_text());
    }
}
