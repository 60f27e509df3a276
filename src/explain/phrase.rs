//! Facts as phrases: what a row says, in the words that a person would use.
//!
//! Columns are written `{0}`; `{0:show}` prints an object as Flux does. A relation without a phrase
//! is shown as rule text, so that nothing is hidden.

use crate::datalog::Fact;
use crate::datalog::Value;
use crate::explain::ask::show;

#[rustfmt::skip]
const PHRASES: &[(&str, &str)] = &[
    ("ours",            "{1:show} belongs to {0} ({3}, uid {2})"),
    ("applied",         "{0} applied {1:show} at {4} (uid {2})"),
    ("renders",         "the build of {0} contains {1:show}"),
    ("rendered",        "the build of {0} is complete: {5} objects"),
    ("render_failed",   "the build of {0} failed at {6}: {5}"),
    ("declared_at",     "{1:show} stands in {2}:{3}"),
    ("complete",        "the build of {0} is complete for its current inputs"),
    ("current",         "{0} is at {1}"),
    ("target",          "{0} is to be at {1}"),
    ("fetched",         "{0} was fetched at {2}"),
    ("advice",          "{0} failed with {1}: {2}"),
    ("fetch_failed",    "fetching {0} failed at {4}: {3}"),
    ("checked",         "{0} was last checked at {1}"),
    ("live",            "{0:show} is live (uid {1}, resourceVersion {2})"),
    ("absent",          "the server says that {0:show} does not exist"),
    ("live_owner",      "the owner labels of {0:show} name {1}"),
    ("listed",          "all {0} objects that somebody owns are listed"),
    ("drifted",         "{1} of {0:show} was changed by {2} at {3}"),
    ("unit_flag",       "{0} has {1} set"),
    ("unit_source",     "{0} is built from {1}"),
    ("depends_on",      "{0} depends on {1}"),
    ("depends_place",   "{1} is dependency {2} in the list of {0}"),
    ("waits_for",       "{0} waits for {1}"),
    ("unready",         "{0} is not ready"),
    ("cause",           "{0}: {3}"),
    ("conflict",        "{0} wants {1:show}, but {2} has it"),
    ("orphan",          "{0} owns {1:show} and no longer declares it"),
    ("condemned",       "{0} would delete {1:show}"),
    ("prunable",        "nothing stands against deleting {1:show}"),
    ("delete_due",      "{1:show} is to be deleted for {0}"),
    ("act_delete",      "delete {1:show} for {0}"),
    ("act_apply",       "apply {1:show} for {0}: {5}"),
    ("to_apply",        "{1:show}: {3}"),
    ("refused",         "the server refused {1:show} at {5}: {4}"),
    ("prune_held",      "{1:show} is not deleted: {2}"),
    ("reconciles",      "hence reconciles {0}"),
    ("fetches",         "hence fetches {0} itself"),
    ("source",          "{0} exists (uid {1})"),
    ("unit",            "Kustomization {0} exists (uid {1})"),
    ("active",          "{0} is reconciled: neither suspended nor being deleted"),
    ("acts_as",         "{0} is written with the rights of `{1}` (empty: of hence)"),
    ("part",            "the build of {0} depends on content {1}"),
    ("reads",           "of tree {1} the build of {0} reads content {2}"),
    ("build_key",       "the build of {0} follows from content {1}, spec {2}, variables {3}"),
    ("unit_build",      "the spec fields that the build of {0} reads have digest {1}"),
    ("variables",       "the variables of {0} have keyed digest {1}"),
    ("wants",           "{0} wants {1:show}"),
    ("claim",           "{0} wants {1:show} and may have it (rank {2}: 0 owns it, 1 does not)"),
    ("writer",          "{0:show} is written by {1}, and by no other unit"),
    ("may_want",        "{0} may want {1:show}: its present build is not known"),
    ("kept",            "{0} has {1:show}, and may want it: its present build is not known"),
    ("noted",           "of {0} it was noted at {3}: {1} {2}"),
    ("mentions",        "the files of {0}, which is not built, name {1:show}"),
    ("searched",        "the files of {0} were searched for the names of objects"),
    ("elsewhere",       "the last build of {0} took bases from elsewhere, and ended at {1}"),
    ("own_part",        "{0:show} carries the label of what hence installed"),
    ("scaled_down",     "{0:show} is a controller of Flux with no replicas"),
    ("displaced",       "another object stands in the place of {1:show} that {0} made"),
    ("held_down",       "{0:show} stays scaled down: hence does its work"),
    ("definition_ending", "{0:show} is being deleted"),
    ("definition_stood", "the server said at {1} that {0:show} exists and stays"),
    ("end_proven",      "{0} is deleted by itself, and not with all Kustomizations"),
    ("meant_for",       "the apply of {0:show} is meant for uid `{1}` (empty: for a new object)"),
    ("apply_due",       "{1:show} is to be applied for {0}: {3}"),
    ("apply_open",      "nothing but a dry-run stands before the apply of {1:show} for {0}: {3}"),
    ("accepted",        "a dry-run for {0} showed that the server takes {1:show}"),
    ("dry_run_due",     "the server is asked first whether it takes {1:show} of {0}"),
    ("stage_untried",   "stage {1} of {0} waits until the server would take {2:show}"),
    ("differs",         "a dry-run for {0} differs from the live {1:show}"),
    ("inventory",       "the inventory of {0} lists {1:show}"),
    ("toggle",          "{1:show} carries {2}: {3}, as {0} declares it"),
    ("live_toggle",     "the live {0:show} carries {1}: {2}"),
    ("correctable",     "{0} may set {2} of {1:show} back now"),
    ("corrected",       "{1} of {0:show} was set back against {2} at {3}"),
    ("latest_correction", "{1} of {0:show} was last set back against {2} at {3}"),
    ("again",           "{1} of {0:show} was set back against {2} at {3}, not for the first time"),
    ("recent",          "{1} of {0:show} was set back against {2} at {3}, not long before"),
    ("contested",       "{2} keeps changing {1} of {0:show}; it was last set back at {3}"),
    ("immutable",       "the server refused {1:show} because of what cannot change on an object"),
    ("forced",          "{0} may delete and recreate {1:show} to change it"),
    ("obstacle",        "{1:show} has to go before {0} can apply its manifest"),
    ("recreate_due",    "{1:show} is to be deleted for {0}, so that it can be made anew"),
    ("renewed",         "a new {1:show} stands where the one was that had to go"),
    ("recreated",       "the {1:show} that the server refused to change is gone"),
    ("expires",         "{1:show} of {0} goes by itself some time after it is done"),
    ("rests",           "{1:show} of {0} is done and gone; the next run makes it anew"),
    ("unit_deleting",   "{0} is being deleted"),
    ("unit_policy",     "the deletion policy of {0} is {1}"),
    ("departs",         "{0} is being deleted and may still delete"),
    ("takes_along",     "{0} is being deleted and takes its objects with it"),
    ("meant_to_take",   "{0} is being deleted, and its spec says that its objects go with it"),
    ("doomed",          "{0} is being deleted and takes {1:show} with it"),
    ("unit_account",    "{0} names the ServiceAccount {1}"),
    ("default_account", "units without a ServiceAccount act as {0}"),
    ("account",         "{0} acts as the ServiceAccount {1}"),
    ("unit_timing",     "{0} has interval {1}, retry interval {2}, timeout {3}"),
    ("offered",         "the status of {0} offers {1} ({2})"),
    ("elapsed",         "{1} has passed, for which `{0}` waited"),
    ("kept_at",         "the files of {0} are kept"),
    ("packed",          "the artifact of {0} at {2} is {3}, {5} bytes"),
];

/// What a row of the relation says, as a person would say it.
pub fn sentence(relation: &str, row: &[Value]) -> String {
    phrase(&Fact::new(relation, row.to_vec()))
}

/// What the fact says.
pub(super) fn phrase(fact: &Fact) -> String {
    let template = PHRASES.iter().find(|(relation, _)| *relation == &*fact.relation);
    match template {
        Some((_, template)) => fill(template, &fact.row),
        None => fact.to_string(),
    }
}

fn fill(template: &str, row: &[Value]) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, tail)) = rest.split_once('{') {
        let (hole, after) = tail.split_once('}').unwrap_or((tail, ""));
        text.push_str(before);
        let (index, form) = hole.split_once(':').unwrap_or((hole, ""));
        let value = index.parse::<usize>().ok().and_then(|at| row.get(at));
        let value = value.map(Value::plain).unwrap_or_default();
        text.push_str(&if form == "show" { show(&value) } else { value });
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datalog::Program;
    use crate::rules;

    /// The relations from whose rows rows of `from` follow.
    fn premises(program: &Program, from: &[&str]) -> Vec<String> {
        let mut found: Vec<String> = from.iter().map(|&name| name.to_owned()).collect();
        let mut at = 0;
        while let Some(head) = found.get(at).cloned() {
            at += 1;
            let writers = program.relation(&head).map_or(&[][..], |info| &info.writers);
            for info in program.relations() {
                let name = info.name.to_string();
                let mut shared = info.readers.iter().filter(|label| writers.contains(label));
                let denied = format!("!{name}(");
                let is_premise = shared.any(|label| {
                    program.clause(label).is_some_and(|clause| !clause.text().contains(&denied))
                });
                if is_premise && !found.contains(&name) {
                    found.push(name);
                }
            }
        }
        found
    }

    #[test]
    fn whatever_stands_in_the_proof_of_a_write_has_a_phrase() {
        let program = rules::load(Vec::new()).expect("the shipped rules check");
        let found = premises(&program, &["act_apply", "act_delete"]);
        assert!(found.len() > 60, "only {found:?}");
        let has_phrase = |name: &String| PHRASES.iter().any(|(relation, _)| relation == name);
        let without: Vec<&String> = found.iter().filter(|name| !has_phrase(name)).collect();
        assert!(without.is_empty(), "no phrase for {without:?}");
    }

    #[test]
    fn facts_read_as_sentences() {
        #[rustfmt::skip]
        let cases = [
            (r#"ours("shop/web", "ConfigMap/shop/a", "u1", "applied")"#,
             "ConfigMap/shop/a belongs to shop/web (applied, uid u1)"),
            (r#"listed("Deployment.apps")"#,
             "all Deployment.apps objects that somebody owns are listed"),
            (r#"strange("a", 1)"#, r#"strange("a", 1)"#),
        ];
        for (fact, want) in cases {
            assert_eq!(phrase(&Fact::parse(fact).expect("a fact")), want);
        }
    }
}
