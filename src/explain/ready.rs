//! Why a unit is not ready, down to the root cause (question 4).

use crate::datalog::Reader;
use crate::explain::Answer;
use crate::explain::Verdict;
use crate::explain::ask::holds;
use crate::explain::ask::row;
use crate::explain::ask::rows;
use crate::explain::ask::show;
use crate::explain::ask::text;
use crate::explain::object::in_namespace;
use crate::model::UnitName;

/// Most root causes and paths that are listed.
const LISTED_MAX: usize = 5;

/// Why `unit` is not ready, or that it is.
pub fn why_not_ready(reader: &Reader, unit: &UnitName) -> Answer {
    let name = unit.to_string();
    let generation = reader.generation();
    if !holds(reader, "unit", &[Some(&name)]) {
        return Answer::new(Verdict::Unknown, format!("no unit {name} is known"), generation)
            .next("hence get kustomizations -A");
    }
    if let Some(ready) = row(reader, "ready", &[Some(&name)]) {
        let headline = format!("Kustomization {name}  READY at {}", text(&ready, 1));
        return Answer::new(Verdict::True, headline, generation);
    }
    if holds(reader, "unit_flag", &[Some(&name), Some("suspend")]) {
        let headline = format!("Kustomization {name}  SUSPENDED: nothing is reconciled");
        return Answer::new(Verdict::False, headline, generation)
            .next(format!("hence resume kustomization {}", in_namespace(&name)));
    }
    let causes = rows(reader, "root_cause", &[Some(&name)]);
    let far = causes.iter().filter(|cause| text(cause, 1) != name).count();
    let headline = match (causes.len(), far) {
        (0, _) => format!("Kustomization {name}  NOT READY: it has only just been seen"),
        (_, 0) => format!("Kustomization {name}  NOT READY"),
        _ => format!("Kustomization {name}  NOT READY, the root cause is elsewhere"),
    };
    let mut answer = Answer::new(Verdict::False, headline, generation);
    for cause in causes.iter().take(LISTED_MAX) {
        let (root, reason, message) = (text(cause, 1), text(cause, 2), text(cause, 3));
        if root != name {
            answer = answer.line("path", path(reader, &name, &root).join(" ← "));
        }
        answer = answer.line("because", format!("{root}: {reason}: {message}"));
        answer = evidence(reader, &root, answer);
    }
    if causes.len() > LISTED_MAX {
        answer = answer.line("more", format!("{} other causes", causes.len() - LISTED_MAX));
    }
    let blocked = rows(reader, "unready", &[]).len().saturating_sub(1);
    if far > 0 && blocked > 1 {
        answer = answer.line("also", format!("{blocked} other units are not ready"));
    }
    answer.next("hence pending")
}

/// Facts behind a unit's own cause: build failures with their place, refusals, unhealthy objects.
fn evidence(reader: &Reader, unit: &str, mut answer: Answer) -> Answer {
    for failed in rows(reader, "build_failed", &[Some(unit)]) {
        answer = answer.line("since", text(&failed, 3));
    }
    if let Some(source) = row(reader, "unit_source", &[Some(unit)]).map(|source| text(&source, 1)) {
        for failed in rows(reader, "fetch_failed", &[Some(&source)]) {
            answer = answer.line("source", format!("{source}: {}", text(&failed, 3)));
        }
    }
    for object in rows(reader, "unhealthy", &[Some(unit)]).iter().take(LISTED_MAX) {
        answer =
            answer.line("object", format!("{} is {}", show(&text(object, 1)), text(object, 2)));
    }
    answer
}

/// The shortest chain of units from `from` to `to` along unready dependencies.
fn path(reader: &Reader, from: &str, to: &str) -> Vec<String> {
    let mut frontier = vec![vec![from.to_owned()]];
    let mut seen = std::collections::BTreeSet::from([from.to_owned()]);
    while !frontier.is_empty() {
        let mut next = Vec::new();
        for path in frontier {
            let last = path.last().expect("a path has its start").clone();
            if last == to {
                return path;
            }
            for step in rows(reader, "waits_for", &[Some(&last)]) {
                let unit = text(&step, 1);
                if seen.insert(unit.clone()) {
                    let mut longer = path.clone();
                    longer.push(unit);
                    next.push(longer);
                }
            }
        }
        frontier = next;
    }
    vec![from.to_owned(), to.to_owned()]
}
