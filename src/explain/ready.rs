//! Why a unit is not ready, down to the root cause (question 4).

use std::collections::BTreeSet;

use crate::datalog::QueryOptions;
use crate::datalog::Reader;
use crate::explain::Answer;
use crate::explain::Verdict;
use crate::explain::ask::fact;
use crate::explain::ask::holds;
use crate::explain::ask::row;
use crate::explain::ask::rows;
use crate::explain::ask::show;
use crate::explain::ask::text;
use crate::explain::live::advised;
use crate::explain::live::fetch_again;
use crate::explain::live::resume_source;
use crate::explain::object::asked;
use crate::explain::object::declared_place;
use crate::explain::object::in_namespace;
use crate::explain::object::unsure;
use crate::explain::phrase::phrase;
use crate::explain::refusal::Remedy;
use crate::explain::refusal::remedy;
use crate::explain::source::failing;
use crate::explain::source::failure;
use crate::model::ObjectRef;
use crate::model::UnitName;

/// Most root causes and paths that are listed.
const LISTED_MAX: usize = 5;

/// Why `unit` is not ready, or that it is.
pub fn why_not_ready(reader: &Reader, unit: &UnitName) -> Answer {
    let name = unit.to_string();
    let generation = reader.generation();
    if !holds(reader, "unit", &[Some(&name)]) {
        return unknown_unit(reader, unit);
    }
    if let Some(ready) = row(reader, "ready", &[Some(&name)]) {
        let headline = format!("Kustomization {name}  READY at {}", text(&ready, 1));
        let answer = Answer::new(Verdict::True, headline, generation);
        return reserved(reader, &name, of_its_source(reader, &name, answer));
    }
    if holds(reader, "unit_flag", &[Some(&name), Some("suspend")]) {
        let headline = format!("Kustomization {name}  SUSPENDED: nothing is reconciled");
        return Answer::new(Verdict::False, headline, generation)
            .line("because", "spec.suspend of the Kustomization is true")
            .next(format!("hence resume kustomization {}", in_namespace(&name)));
    }
    if holds(reader, "unit_deleting", &[Some(&name)]) {
        return departing(reader, &name);
    }
    let causes = rows(reader, "root_cause", &[Some(&name)]);
    let roots: BTreeSet<String> = causes.iter().map(|cause| text(cause, 1)).collect();
    let mut answer = Answer::new(Verdict::False, headline(reader, &name, &roots), generation);
    for (at, cause) in causes.iter().take(LISTED_MAX).enumerate() {
        let (root, reason, message) = (text(cause, 1), text(cause, 2), text(cause, 3));
        if root != name {
            answer = answer.line("path", path(reader, &name, &root).join(" waits for "));
        }
        answer = answer.line("because", format!("{root}: {reason}: {message}"));
        // Behind the last of a unit's causes stands what tells of all of them.
        let mut others = causes.iter().take(LISTED_MAX).skip(at + 1);
        if !others.any(|other| text(other, 1) == root) {
            answer = evidence(reader, &root, answer);
        }
    }
    if causes.len() > LISTED_MAX {
        answer = answer.line("more", format!("{} other causes", causes.len() - LISTED_MAX));
    }
    for root in &roots {
        let waiting = rows(reader, "root_cause", &[None, Some(root)]);
        let others: BTreeSet<String> = waiting
            .iter()
            .map(|row| text(row, 0))
            .filter(|unit| *unit != name && unit != root)
            .collect();
        if !others.is_empty() {
            answer = answer.line("also", format!("{} {}", listed(&others), waits(&others, root)));
        }
    }
    answer = reserved(reader, &name, answer);
    let next = roots.first().map_or_else(|| "hence pending".to_owned(), |root| next(reader, root));
    answer.next(next)
}

/// Adds that the source of a ready unit fails or is suspended: the unit gets nothing new.
fn of_its_source(reader: &Reader, unit: &str, answer: Answer) -> Answer {
    let source = row(reader, "unit_source", &[Some(unit)]).map(|source| text(&source, 1));
    let Some(source) = source else { return answer };
    if holds(reader, "source_suspended", &[Some(&source)]) {
        return answer.line("but", format!("{source} is suspended")).next(resume_source(&source));
    }
    match failure(reader, &source) {
        Some(_) => failing(reader, &source, answer, "source").next(fetch_again(&source)),
        None => answer,
    }
}

/// What stays undone for the unit, ready or not: prunes that are held, and all writes when what it
/// is, or is to be, is not known.
fn reserved(reader: &Reader, unit: &str, answer: Answer) -> Answer {
    let mut answer = answer.line_if("unsure", unsure(reader, unit));
    let held = rows(reader, "prune_held", &[Some(unit)]);
    for held in held.iter().take(LISTED_MAX) {
        let (object, why) = (show(&text(held, 1)), text(held, 2));
        answer = answer.line("held", format!("{object} is not deleted: {why}"));
    }
    match held.len().saturating_sub(LISTED_MAX) {
        0 => answer,
        more => answer.line("held", format!("{more} other objects: hence pending")),
    }
}

/// The unit is being deleted: what it waits for.
fn departing(reader: &Reader, unit: &str) -> Answer {
    let headline = format!("Kustomization {unit}  IS BEING DELETED");
    let mut answer = Answer::new(Verdict::False, headline, reader.generation());
    let owned = rows(reader, "ours", &[Some(unit)]);
    for object in owned.iter().map(|row| text(row, 1)).take(LISTED_MAX) {
        let refused = row(reader, "delete_refused", &[Some(unit), Some(&object)]);
        let held = row(reader, "prune_held", &[Some(unit), Some(&object)]);
        let why = match (refused, held) {
            (Some(refused), _) => format!("its deletion was refused: {}", text(&refused, 3)),
            (None, Some(held)) => text(&held, 2),
            (None, None) => "it is on its way".to_owned(),
        };
        answer = answer.line("waits for", format!("{}: {why}", show(&object)));
    }
    if owned.len() > LISTED_MAX {
        answer = answer.line("more", format!("{} other objects", owned.len() - LISTED_MAX));
    }
    answer.next("hence pending")
}

/// There is no such unit; perhaps one of that name is in another namespace.
fn unknown_unit(reader: &Reader, unit: &UnitName) -> Answer {
    let headline = format!("no unit {unit} is known");
    let answer = Answer::new(Verdict::Unknown, headline, reader.generation());
    let units = rows(reader, "unit", &[]);
    let elsewhere = units.iter().filter_map(|row| UnitName::parse(&text(row, 0)));
    let elsewhere: Vec<UnitName> = elsewhere.filter(|other| other.name == unit.name).collect();
    match elsewhere.as_slice() {
        [] => answer.next("hence get kustomizations -A"),
        [first, ..] => {
            let names: BTreeSet<String> = elsewhere.iter().map(UnitName::to_string).collect();
            answer
                .line("but", format!("there is {}", listed(&names)))
                .next(format!("hence why-not ready ks/{}", in_namespace(&first.to_string())))
        }
    }
}

/// The verdict, and how far away its cause is.
fn headline(reader: &Reader, unit: &str, roots: &BTreeSet<String>) -> String {
    let head = format!("Kustomization {unit}  NOT READY");
    let far: Vec<&String> = roots.iter().filter(|root| *root != unit).collect();
    match (roots.len(), far.as_slice()) {
        (0, _) => format!("{head}: it has only just been seen"),
        (_, []) => head,
        (1, [root]) => match path(reader, unit, root).len() - 1 {
            1 => format!("{head}: the cause is {root}, a dependency"),
            hops => format!("{head}: the cause is {root}, {hops} dependencies away"),
        },
        _ => format!("{head}: {} causes, {} of them elsewhere", roots.len(), far.len()),
    }
}

/// The first few names, and how many more.
fn listed(names: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = names.iter().take(LISTED_MAX).map(String::as_str).collect();
    match names.len().saturating_sub(LISTED_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn waits(names: &BTreeSet<String>, root: &str) -> String {
    let verb = if names.len() == 1 { "waits" } else { "wait" };
    format!("{verb} for {root}")
}

/// What helps: fetch again where the source fails, look at the objects where they are unhealthy.
fn next(reader: &Reader, root: &str) -> String {
    let source = row(reader, "unit_source", &[Some(root)]).map(|source| text(&source, 1));
    if let Some(source) = &source {
        let is_doubted = holds(reader, "doubted", &[Some(source)]);
        if is_doubted && holds(reader, "source_suspended", &[Some(source)]) {
            return resume_source(source);
        }
        if is_doubted || holds(reader, "fetch_failed", &[Some(source)]) {
            return fetch_again(source);
        }
        if !holds(reader, "source", &[Some(source)]) {
            return format!("create {source}, or correct spec.sourceRef of Kustomization {root}");
        }
    }
    if let Some(refused) = row(reader, "unit_refused", &[Some(root)]) {
        return format!("drop {} from Kustomization {root}", text(&refused, 1));
    }
    if holds(reader, "reaches", &[Some(root), Some(root)]) {
        let ring = rows(reader, "reaches", &[Some(root)]);
        let ring = ring.iter().map(|row| text(row, 1));
        let is_in = |unit: &String| holds(reader, "reaches", &[Some(unit), Some(root)]);
        let ring: BTreeSet<String> = ring.filter(is_in).collect();
        return format!("drop one spec.dependsOn among {}", listed(&ring));
    }
    if let Some(conflict) = row(reader, "conflict", &[Some(root)])
        && let Some(object) = ObjectRef::parse_fact_text(&text(&conflict, 1))
    {
        return format!("hence owners {}", asked(&object));
    }
    if let Some(object) = row(reader, "unhealthy", &[Some(root)])
        && let Some(object) = ObjectRef::parse_fact_text(&text(&object, 1))
    {
        return format!("kubectl describe {}", asked(&object));
    }
    if !holds(reader, "unit", &[Some(root)]) {
        return format!("create Kustomization {root}, or drop it from spec.dependsOn");
    }
    if holds(reader, "unit_flag", &[Some(root), Some("suspend")]) {
        return format!("hence resume kustomization {}", in_namespace(root));
    }
    if !holds(reader, "ailing", &[Some(root)]) {
        return "hence pending".to_owned();
    }
    format!(
        "mend it and push, then: hence reconcile kustomization {} --with-source",
        in_namespace(root)
    )
}

/// Facts behind a unit's own cause: build failures with their place, refusals, unhealthy objects.
fn evidence(reader: &Reader, unit: &str, mut answer: Answer) -> Answer {
    for failed in rows(reader, "build_failed", &[Some(unit)]) {
        let retry = row(reader, "unit_timing", &[Some(unit)]).map(|timing| text(&timing, 2));
        let again = retry.map(|retry| format!(", tried again every {retry}")).unwrap_or_default();
        answer = answer.line("failed", format!("at {}{again}", text(&failed, 3)));
        answer = advised(reader, unit, answer);
    }
    if let Some(source) = row(reader, "unit_source", &[Some(unit)]).map(|source| text(&source, 1)) {
        for failed in rows(reader, "fetch_failed", &[Some(&source)]) {
            answer = answer.line("source", format!("{source}: {}", text(&failed, 3)));
            answer = advised(reader, &source, answer);
        }
    }
    answer = refusals(reader, unit, answer);
    answer = rulings(reader, unit, answer);
    for object in rows(reader, "unhealthy", &[Some(unit)]).iter().take(LISTED_MAX) {
        answer =
            answer.line("object", format!("{} is {}", show(&text(object, 1)), text(object, 2)));
    }
    answer
}

/// The objects that the server refused: where each is written, what the refusal means, what helps.
fn refusals(reader: &Reader, unit: &str, mut answer: Answer) -> Answer {
    let retry = row(reader, "unit_timing", &[Some(unit)]).map(|timing| text(&timing, 2));
    for refused in rows(reader, "refused", &[Some(unit)]).iter().take(LISTED_MAX) {
        let (object, manifest) = (text(refused, 1), text(refused, 2));
        if !holds(reader, "wants", &[Some(unit), Some(&object), Some(&manifest)]) {
            continue;
        }
        let again = retry.as_ref().map(|retry| format!(", tried again every {retry}"));
        let at = format!("at {}{}", text(refused, 5), again.unwrap_or_default());
        let place = declared_place(reader, unit, &object);
        let Remedy { code, help } = remedy(&text(refused, 3), &text(refused, 4));
        answer = answer
            .line("object", format!("{} was refused {at}", show(&object)))
            .line_if("from", place)
            .line("code", code.to_owned())
            .line("help", help.to_owned());
    }
    answer
}

/// What user rules forbid the unit, and the rules that do.
fn rulings(reader: &Reader, unit: &str, mut answer: Answer) -> Answer {
    let due: BTreeSet<String> =
        rows(reader, "to_apply", &[Some(unit)]).iter().map(|row| text(row, 1)).collect();
    let denied = rows(reader, "deny", &[Some(unit)]).into_iter();
    let denied = denied.filter(|row| due.contains(&text(row, 1)));
    let frozen = rows(reader, "freeze", &[Some(unit)]).into_iter();
    let both = denied.map(|row| ("deny", row)).chain(frozen.map(|row| ("freeze", row)));
    for (relation, row) in both.take(LISTED_MAX) {
        let fact = fact(relation, row);
        let proof = reader.why(&fact, &QueryOptions::default()).value;
        let clause = proof.and_then(|proof| proof.nodes.first()?.clause.clone());
        let rule = clause.map(|c| format!("{} ({}:{})", c.label, c.file, c.line));
        answer = answer
            .line("ruling", phrase(&fact))
            .line_if("rule", rule)
            .line("code", format!("rules::{relation}"))
            .line("help", "change what the rule objects to, or the rule");
    }
    answer
}

/// The shortest chain of units from `from` to `to` along unready dependencies.
fn path(reader: &Reader, from: &str, to: &str) -> Vec<String> {
    let mut frontier = vec![vec![from.to_owned()]];
    let mut seen = BTreeSet::from([from.to_owned()]);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::given::given;

    fn told(facts: &str) -> String {
        why_not_ready(&given(facts), &UnitName::new("n", "a")).to_text()
    }

    #[test]
    fn the_next_step_helps() {
        let unit = r#"
            reconciles("Kustomization")
            reconciles("GitRepository")
            unit("n/a", "u")
            unit_source("n/a", "GitRepository/n/repo")
        "#;
        let source = r#"
            source("GitRepository/n/repo", "s")
            source_spec("GitRepository/n/repo", "spec")
        "#;
        let ready = r#"
            fetched("GitRepository/n/repo", "old", "main@sha1:1", "tree")
            unit_build("n/a", "b")
            unit_timing("n/a", 10m, 2m, 5m)
            variables("n/a", "v")
            reads("n/a", "tree", "part")
            rendered("n/a", "part", "b", "v", "text", 0)
        "#;
        let failed = r#"
            fetch_failed("GitRepository/n/repo", "spec", "GitOperationFailed", "no such branch", t"2026-01-01T00:00:00Z", 3)
            advice("GitRepository/n/repo", "git::no_branch", "name a branch that exists")
        "#;
        let refused =
            r#"unit_refused("n/a", "spec.kubeConfig", "spec.kubeConfig is not supported")"#;
        let ring = r#"
            unit("n/b", "w")
            depends_on("n/a", "n/b")
            depends_on("n/b", "n/a")
            depends_place("n/a", "n/b", 0)
        "#;
        let cases = [
            ("no source", unit.to_owned()),
            ("a refused field", format!("{unit}{source}{refused}")),
            ("a ring", format!("{unit}{source}{ring}")),
            (
                "a build underway",
                format!("{unit}{source}{ready}")
                    .replace(", \"text\", 0)", ", \"text\", 0)\nunit_build(\"n/a\", \"c\")")
                    .replace("unit_build(\"n/a\", \"b\")", ""),
            ),
            ("ready, and its source fails", format!("{unit}{source}{ready}{failed}")),
            (
                "ready, and its source is suspended",
                format!("{unit}{source}{ready}source_suspended(\"GitRepository/n/repo\")"),
            ),
        ];
        let told: Vec<String> =
            cases.iter().map(|(why, facts)| format!("# {why}\n{}", told(facts))).collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn a_unit_that_is_being_deleted_says_what_it_waits_for() {
        let facts = r#"
            reconciles("Kustomization")
            unit("n/a", "u")
            unit_flag("n/a", "prune")
            unit_policy("n/a", "MirrorPrune")
            unit_deleting("n/a")
            ours("n/a", "ConfigMap/n/x", "1", "applied")
            live("ConfigMap/n/x", "1", "7")
            live_owner("ConfigMap/n/x", "n/a")
            ours("n/a", "ConfigMap/n/y", "2", "applied")
            delete_refused("n/a", "ConfigMap/n/y", "Forbidden", "no", t"2026-01-01T00:00:00Z")
        "#;
        insta::assert_snapshot!(told(facts));
    }

    #[test]
    fn of_what_goes_on_only_the_failure_is_told() {
        let facts = r#"
            reconciles("Kustomization")
            reconciles("GitRepository")
            source("GitRepository/n/repo", "s")
            source_spec("GitRepository/n/repo", "spec")
            fetched("GitRepository/n/repo", "spec", "main@sha1:1", "tree")
            unit("n/a", "u")
            unit_source("n/a", "GitRepository/n/repo")
            unit_build("n/a", "b")
            unit_timing("n/a", 10m, 2m, 5m)
            variables("n/a", "v")
            reads("n/a", "tree", "part")
            rendered("n/a", "part", "b", "v", "text", 1)
            renders("n/a", "ConfigMap/far/x", "m", "v1", 4, "015x")
            declared_at("n/a", "ConfigMap/far/x", "apps/x.yaml", 3)
            served("ConfigMap", "yes")
            listed("ConfigMap")
            refused("n/a", "ConfigMap/far/x", "m", "NotFound", "namespaces \"far\" not found", t"2026-01-01T00:00:00Z")
        "#;
        insta::assert_snapshot!(told(facts));
    }

    #[test]
    fn what_stays_undone_is_told_of_a_ready_unit_too() {
        let facts = r#"
            reconciles("Kustomization")
            reconciles("GitRepository")
            source("GitRepository/n/repo", "s")
            source_spec("GitRepository/n/repo", "spec")
            fetched("GitRepository/n/repo", "spec", "main@sha1:1", "tree")
            unit("n/a", "u")
            unit_flag("n/a", "prune")
            unit_source("n/a", "GitRepository/n/repo")
            unit_build("n/a", "b")
            unit_timing("n/a", 10m, 2m, 5m)
            unit_policy("n/a", "MirrorPrune")
            variables("n/a", "v")
            reads("n/a", "tree", "part")
            rendered("n/a", "part", "b", "v", "text", 0)
            ours("n/a", "Namespace/x", "1", "applied")
            live("Namespace/x", "1", "7")
            live_owner("Namespace/x", "n/a")
            unit("n/b", "w")
            unit_policy("n/b", "MirrorPrune")
            ours("n/b", "ConfigMap/x/c", "2", "applied")
            live("ConfigMap/x/c", "2", "8")
            live_owner("ConfigMap/x/c", "n/b")
            kinds_known("1")
            served("Namespace", "no")
            listed("Namespace")
            served("ConfigMap", "yes")
            listed("ConfigMap")
            unheard("GitRepository.source.toolkit.fluxcd.io")
        "#;
        insta::assert_snapshot!(told(facts));
    }

    #[test]
    fn a_source_in_doubt_that_is_suspended_has_to_be_resumed() {
        let facts = r#"
            reconciles("Kustomization")
            reconciles("GitRepository")
            source("GitRepository/n/repo", "s")
            source_spec("GitRepository/n/repo", "spec")
            source_suspended("GitRepository/n/repo")
            fetched("GitRepository/n/repo", "spec", "main@sha1:1", "tree")
            recalled("GitRepository/n/repo")
            offered_anew("GitRepository/n/repo", "main@sha1:2")
            unit("n/a", "u")
            unit_source("n/a", "GitRepository/n/repo")
            unit_build("n/a", "b")
            unit_timing("n/a", 10m, 2m, 5m)
        "#;
        insta::assert_snapshot!(told(facts));
    }
}
