//! What the journal has of an object: the last thing that was done to it, when the facts tell of it
//! no more.

use crate::datalog::Reader;
use crate::explain::Answer;
use crate::explain::Verdict;
use crate::explain::ask::holds;
use crate::explain::ask::row;
use crate::explain::ask::text;
use crate::explain::object::asked;
use crate::explain::object::declarer;
use crate::model::ObjectRef;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// It was applied.
    Applied,
    /// It was deleted.
    Pruned,
    /// The unit gave up its claim and left it in place, and why.
    LetGo(String),
}

/// Something that was done to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// What.
    pub done: Done,
    /// For which unit.
    pub unit: String,
    /// When.
    pub at: String,
    /// The short id of the proof.
    pub proof_id: String,
}

/// The deed that tells how things are, of those from newest to oldest: when an object that was
/// deleted is let go of at last, its deletion tells more.
pub(super) fn telling(deeds: &[Deed]) -> Option<&Deed> {
    match deeds {
        [last, before, ..]
            if matches!(last.done, Done::LetGo(_)) && before.done == Done::Pruned =>
        {
            Some(before)
        }
        _ => deeds.first(),
    }
}

/// The apply by which the object is as it is: none where it was deleted, or let go of, since.
pub fn last_apply<'a>(reader: &Reader, object: &ObjectRef, deeds: &'a [Deed]) -> Option<&'a Deed> {
    // Of a declared object another unit may have let go.
    let is_declared = declarer(reader, &object.fact_text()).is_some();
    let is_past = |deed: &&Deed| match deed.done {
        Done::Applied => false,
        Done::Pruned => true,
        Done::LetGo(_) => !is_declared,
    };
    deeds.iter().take_while(|deed| !is_past(deed)).find(|deed| deed.done == Done::Applied)
}

/// The answer about an object that is neither declared nor live, when the journal tells why.
pub(super) fn gone(reader: &Reader, object: &ObjectRef, deeds: &[Deed]) -> Option<Answer> {
    let deed = telling(deeds)?;
    let Deed { unit, at, proof_id, .. } = deed;
    let kind = object.group_kind().to_string();
    let is_absent = holds(reader, "absent", &[Some(&object.fact_text())])
        || holds(reader, "listed", &[Some(&kind)]);
    let verdict = if is_absent { Verdict::False } else { Verdict::Unknown };
    let unknown = "whether it exists now: nobody declares it, and its kind is not watched";
    let unknown = (!is_absent).then(|| unknown.to_owned());
    let told = |word: &str| {
        let headline = format!("{object}  {word} {at} by Kustomization {unit}   {proof_id}");
        Answer::new(verdict, headline, reader.generation())
    };
    match &deed.done {
        Done::Pruned => Some(
            told("WAS PRUNED")
                .line("because", "no complete build of any unit contains it")
                .line_if("unknown", unknown)
                .next(format!("hence why pruned {}", asked(object))),
        ),
        Done::LetGo(reason) => Some(
            told("WAS LET GO")
                .line("because", reason.clone())
                .line_if("unknown", unknown)
                .next(format!("hence audit show {proof_id}")),
        ),
        Done::Applied => None,
    }
}

/// Adds to the answer about an object that is live and that nobody declares what the journal has of
/// it; nothing when it has nothing that tells.
pub(super) fn left(object: &ObjectRef, deeds: &[Deed], answer: Answer) -> Answer {
    let bare = |answer: Answer| {
        answer
            .line("because", "its owner labels are set, but no record of ours names it")
            .next(format!("hence owners {}", asked(object)))
    };
    let Some(deed) = telling(deeds) else { return bare(answer) };
    let Deed { unit, at, proof_id, .. } = deed;
    match &deed.done {
        Done::LetGo(reason) => answer
            .line("because", format!("Kustomization {unit} let go of it at {at}: {reason}"))
            .line("proof", proof_id.clone())
            .next(format!("hence audit show {proof_id}")),
        Done::Pruned => answer
            .line("because", format!("Kustomization {unit} pruned it at {at}; it was made anew"))
            .line("proof", proof_id.clone())
            .next(format!("hence why pruned {}", asked(object))),
        Done::Applied => bare(answer),
    }
}

/// The answer about an object of which the journal has no delete.
pub fn not_pruned(object: &ObjectRef, deeds: &[Deed]) -> Answer {
    if let Some(Deed { done: Done::LetGo(reason), unit, at, proof_id }) = telling(deeds) {
        let headline = format!("{object}  NOT PRUNED: it was left in place");
        return Answer::new(Verdict::False, headline, 0)
            .line("because", format!("Kustomization {unit} let go of it at {at}: {reason}"))
            .line("proof", proof_id.clone())
            .next(format!("hence audit show {proof_id}"));
    }
    let headline = format!("{object}  NOT PRUNED: the journal has no delete of it");
    Answer::new(Verdict::False, headline, 0)
        .line("because", "hence deletes nothing without a journaled proof")
        .next(format!("hence why {}", asked(object)))
}

/// Adds that an object that was pruned is there again.
pub fn there_again(reader: &Reader, object: &ObjectRef, answer: Answer) -> Answer {
    let name = object.fact_text();
    let Some(live) = row(reader, "live", &[Some(&name)]) else { return answer };
    if holds(reader, "live_deleting", &[Some(&name)]) {
        return answer.line("but", "it is still there: its finalizers keep it");
    }
    let by = declarer(reader, &name).map(|declared| text(&declared, 0));
    let by = by.map(|unit| format!("; Kustomization {unit} declares it")).unwrap_or_default();
    answer.line("but", format!("it exists again (uid {}){by}", text(&live, 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::given::given;
    use crate::explain::why_object;

    fn deed(done: Done) -> Deed {
        Deed {
            done,
            unit: "n/a".to_owned(),
            at: "2026-01-01T00:00:00Z".to_owned(),
            proof_id: "P-1234".to_owned(),
        }
    }

    #[test]
    fn the_journal_tells_of_what_is_gone_and_of_what_is_left() {
        let object = ObjectRef::new("", "ConfigMap", "n", "x");
        let let_go = || deed(Done::LetGo("prune: disabled".to_owned()));
        let pruned = [deed(Done::LetGo("it is gone already".to_owned())), deed(Done::Pruned)];
        let live = "live(\"ConfigMap/n/x\", \"1\", \"7\")\nunit(\"n/other\", \"u\")";
        let gone =
            "served(\"ConfigMap\", \"yes\")\nlisted(\"ConfigMap\")\nunit(\"n/other\", \"u\")";
        let cases = [
            ("left", why_object(&given(live), &object, &[let_go()])),
            ("made anew", why_object(&given(live), &object, &pruned)),
            ("unrecorded", why_object(&given(live), &object, &[])),
            ("pruned", why_object(&given(gone), &object, &pruned)),
            ("left and not watched", why_object(&given(""), &object, &[let_go()])),
            ("why pruned, of what was left", not_pruned(&object, &[let_go()])),
            ("why pruned, of nothing", not_pruned(&object, &[])),
            (
                "why pruned, of what is there again",
                there_again(&given(live), &object, Answer::new(Verdict::True, "PRUNED", 0)),
            ),
        ];
        let told: Vec<String> =
            cases.iter().map(|(why, answer)| format!("# {why}\n{}", answer.to_text())).collect();
        insta::assert_snapshot!(told.join("\n"));
    }
}
