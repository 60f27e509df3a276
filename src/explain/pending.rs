//! What is still to be done, and what it waits for (question 11).

use std::collections::BTreeMap;

use crate::actions::RELATIONS;
use crate::datalog::Reader;
use crate::explain::Answer;
use crate::explain::Verdict;
use crate::explain::ask::fact;
use crate::explain::ask::rows;
use crate::explain::ask::show;
use crate::explain::ask::text;
use crate::explain::object::in_namespace;
use crate::explain::phrase::phrase;

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
    for row in rows(reader, "prune_held", &[]) {
        held.push(format!(
            "{}: {} is not deleted: {}",
            text(&row, 0),
            show(&text(&row, 1)),
            text(&row, 2)
        ));
    }
    for row in rows(reader, "freeze", &[]) {
        held.push(format!("{}: frozen: {}", text(&row, 0), text(&row, 1)));
    }
    let unsure = unsure(reader);
    held.extend(rows(reader, "paused", &[]).into_iter().map(|row| phrase(&fact("paused", row))));
    let mut waits: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows(reader, "waits_for", &[]) {
        waits.entry(text(&row, 0)).or_default().push(text(&row, 1));
    }
    let waiting: Vec<String> =
        waits.iter().map(|(unit, on)| format!("{unit} waits for {}", on.join(", "))).collect();
    let failing: Vec<String> = rows(reader, "ready_condition", &[None, Some("False")])
        .iter()
        .filter(|row| !waits.contains_key(&text(row, 0)))
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
    let first = failing.first().and_then(|line| line.split(':').next()).map(str::to_owned);
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
        Some(unit) => answer.next(format!("hence why-not ready ks/{}", in_namespace(&unit))),
        None => answer,
    }
}

/// The units that are suspended.
fn suspended(reader: &Reader) -> Vec<String> {
    let units = rows(reader, "unit_flag", &[None, Some("suspend")]);
    units.iter().map(|row| format!("{} is suspended", text(row, 0))).collect()
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
