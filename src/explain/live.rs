//! Why a revision is not live on an object (question 3).

use crate::datalog::Reader;
use crate::datalog::Row;
use crate::explain::Answer;
use crate::explain::Verdict;
use crate::explain::ask::row;
use crate::explain::ask::rows;
use crate::explain::ask::text;
use crate::explain::object::asked;
use crate::explain::object::last_applied;
use crate::explain::object::not_built;
use crate::explain::object::unbuilt;
use crate::explain::ready::why_not_ready;
use crate::model::ObjectRef;
use crate::model::UnitName;

/// Why the commit or revision `wanted` is not live on `object`, or that it is.
pub fn why_not_live(reader: &Reader, wanted: &str, object: &ObjectRef) -> Answer {
    let name = object.fact_text();
    let generation = reader.generation();
    let Some(declared) = row(reader, "renders", &[None, Some(&name)]) else {
        let headline = format!("NOT LIVE: no complete build of any unit contains {object}");
        let answer = unbuilt(reader, Answer::new(Verdict::Unknown, headline, generation));
        return match answer.next.is_empty() {
            true => answer.next(format!("hence why {}", asked(object))),
            false => answer,
        };
    };
    let unit = text(&declared, 0);
    let source =
        row(reader, "unit_source", &[Some(&unit)]).map(|s| text(&s, 1)).unwrap_or_default();
    let current = row(reader, "current", &[Some(&source)]).map(|c| text(&c, 1)).unwrap_or_default();
    if let Some(last) = stays_live(reader, &unit, wanted, &declared) {
        let headline = format!("LIVE: {object} is as {last} declares it");
        return Answer::new(Verdict::True, headline, generation)
            .line_if("but", not_built(reader, &unit));
    }
    if !names(&current, wanted) {
        if let Some(last) = was_live(reader, &unit, wanted) {
            let headline = format!("NOT LIVE: {wanted} was live and is superseded");
            return Answer::new(Verdict::False, headline, generation)
                .line("because", format!("{source} is at {current}"))
                .line("was live", format!("by Kustomization {unit}, last reconciled {last}"))
                .next(format!("hence why {}", asked(object)));
        }
        let mut answer = Answer::new(
            Verdict::False,
            format!("NOT LIVE: {wanted} is not what {source} is at"),
            generation,
        )
        .line("because", format!("{source} is at {current}"));
        for failed in rows(reader, "fetch_failed", &[Some(&source)]) {
            let said = format!("fetching failed at {}: {}", text(&failed, 4), text(&failed, 3));
            answer = answer.line("because", said);
        }
        let answer = advised(reader, &source, answer);
        let checked = row(reader, "checked", &[Some(&source)]).map(|c| text(&c, 1));
        return answer.line_if("checked", checked).next(fetch_again(&source));
    }
    let manifest = text(&declared, 2);
    let applied = row(reader, "applied", &[Some(&unit), Some(&name)]);
    let complete = row(reader, "complete", &[Some(&unit)]).is_some();
    match applied {
        Some(applied) if complete && text(&applied, 3) == manifest => Answer::new(
            Verdict::True,
            format!("LIVE: {object} is as {current} declares it"),
            generation,
        )
        .line("because", format!("Kustomization {unit} has it so since {}", text(&applied, 4))),
        _ => {
            let mut answer = unit_blocks(reader, &unit);
            answer.headline = format!("NOT LIVE: {current} is fetched; {object} is not applied");
            answer.verdict = Verdict::False;
            answer
        }
    }
}

/// The last applied revision, when it is the one meant, nothing later is built, and the object is
/// as the last complete build declares it.
fn stays_live(reader: &Reader, unit: &str, wanted: &str, declared: &Row) -> Option<String> {
    let last = last_applied(reader, unit).filter(|last| names(last, wanted))?;
    not_built(reader, unit)?;
    let (object, manifest) = (text(declared, 1), text(declared, 2));
    let applied = row(reader, "applied", &[Some(unit), Some(&object)])?;
    (text(&applied, 3) == manifest).then_some(last)
}

/// When the unit last reconciled a revision that it has left since, as its history tells.
fn was_live(reader: &Reader, unit: &str, wanted: &str) -> Option<String> {
    let history = row(reader, "unit_shown", &[Some(unit), Some("history")])?;
    let runs: serde_json::Value = serde_json::from_str(&text(&history, 2)).ok()?;
    let of = |run: &serde_json::Value, pointer: &str| {
        run.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
    };
    let is_wanted = |run: &&serde_json::Value| {
        names(&of(run, "/metadata/revision"), wanted)
            && of(run, "/lastReconciledStatus") == "ReconciliationSucceeded"
    };
    runs.as_array()?.iter().find(is_wanted).map(|run| of(run, "/lastReconciled"))
}

fn unit_blocks(reader: &Reader, unit: &str) -> Answer {
    match UnitName::parse(unit) {
        Some(unit) => why_not_ready(reader, &unit),
        None => Answer::new(Verdict::Unknown, "", reader.generation()),
    }
}

/// Whether a revision (`main@sha1:…`) is the one that a commit id, its beginning or the whole text
/// names.
fn names(revision: &str, wanted: &str) -> bool {
    let commit = revision.rsplit_once(':').map_or(revision, |(_, commit)| commit);
    revision == wanted || (wanted.len() >= 4 && commit.starts_with(wanted))
}

/// The stable code of the subject's last failure, and what helps.
pub(super) fn advised(reader: &Reader, subject: &str, mut answer: Answer) -> Answer {
    for advice in rows(reader, "advice", &[Some(subject)]) {
        answer = answer.line("code", text(&advice, 1));
        let helps = Some(text(&advice, 2)).filter(|helps| !helps.is_empty());
        answer = answer.line_if("help", helps);
    }
    answer
}

/// The command that asks for a fetch of the source.
pub(super) fn fetch_again(source: &str) -> String {
    format!("hence reconcile source git {}", tail(source))
}

fn tail(source: &str) -> String {
    let mut parts = source.splitn(3, '/').skip(1);
    match (parts.next(), parts.next()) {
        (Some(namespace), Some(name)) => format!("{name} -n {namespace}"),
        _ => source.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datalog::Engine;
    use crate::datalog::EngineOptions;
    use crate::datalog::Fact;
    use crate::datalog::Transaction;
    use crate::rules;

    #[test]
    fn what_was_live_is_superseded_and_not_fetched_again() {
        let program = rules::load(Vec::new()).expect("the shipped rules check");
        let mut engine = Engine::new(program, rules::builtins(), EngineOptions::default());
        let history = r#"[{"lastReconciled": "2026-01-01T00:00:00Z", "lastReconciledStatus":
            "ReconciliationSucceeded", "metadata": {"revision": "main@sha1:1111aaaa"}}]"#;
        let shown = vec!["n/a".into(), "history".into(), history.into()];
        let facts = r#"
            reconciles("GitRepository")
            source("GitRepository/n/repo", "s")
            source_spec("GitRepository/n/repo", "spec")
            fetched("GitRepository/n/repo", "spec", "main@sha1:2222bbbb", "tree")
            unit("n/a", "u")
            unit_source("n/a", "GitRepository/n/repo")
            renders("n/a", "ConfigMap/n/x", "m", "v1", 4, "015x")
        "#;
        let lines = facts.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut inserts: Vec<Fact> = lines.map(|line| Fact::parse(line).expect("a fact")).collect();
        inserts.push(Fact::new("unit_shown", shown));
        engine.transact(Transaction { inserts, deletes: Vec::new() });
        let object = ObjectRef::new("", "ConfigMap", "n", "x");
        let told = |wanted| why_not_live(&engine.reader(), wanted, &object).to_text();
        insta::assert_snapshot!(format!("{}\n{}", told("1111aa"), told("3333cc")));
    }
}
