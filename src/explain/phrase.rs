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
