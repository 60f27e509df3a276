//! Who owns an object, who wants it, and who fights over it (question 9).

use crate::datalog::Reader;
use crate::explain::Answer;
use crate::explain::Verdict;
use crate::explain::ask::row;
use crate::explain::ask::rows;
use crate::explain::ask::text;
use crate::model::ObjectRef;

/// Who owns `object`. False when units are in conflict over it, unknown when nobody is known to own
/// it.
pub fn owners(reader: &Reader, object: &ObjectRef) -> Answer {
    let name = object.fact_text();
    let generation = reader.generation();
    let owned = rows(reader, "ours", &[None, Some(&name)]);
    let wanted = rows(reader, "wants", &[None, Some(&name)]);
    let conflicts = rows(reader, "conflict", &[None, Some(&name)]);
    let (verdict, headline) = match (owned.len(), conflicts.len()) {
        (_, n) if n > 0 => {
            (Verdict::False, format!("{object}  CONFLICT: {} units want it", wanted.len()))
        }
        (0, _) => (Verdict::Unknown, format!("{object}  no unit is known to own it")),
        _ => (Verdict::True, format!("{object}  owned by {}", text(&owned[0], 0))),
    };
    let mut answer = Answer::new(verdict, headline, generation);
    for owner in &owned {
        let said = format!("{} ({}, uid {})", text(owner, 0), text(owner, 3), text(owner, 2));
        answer = answer.line("owner", said);
    }
    for want in &wanted {
        answer = answer.line("wanted", format!("by {}", text(want, 0)));
    }
    for claim in rows(reader, "unproven", &[None, Some(&name)]) {
        let said = format!("the inventory of {} names it, without proof", text(&claim, 0));
        answer = answer.line("unproven", said);
    }
    if let Some(labels) = row(reader, "live_owner", &[Some(&name)]) {
        answer = answer.line("labels", format!("name {}", text(&labels, 1)));
    }
    for contest in rows(reader, "contested", &[Some(&name)]) {
        let said = format!("{} keeps changing {}", text(&contest, 2), text(&contest, 1));
        answer = answer.line("fight", said);
    }
    if conflicts.is_empty() {
        return answer;
    }
    answer.next("remove the object from all but one of these units")
}
