//! Why a source is not ready (question 4, for what units are built from).

use crate::datalog::Reader;
use crate::explain::Answer;
use crate::explain::Verdict;
use crate::explain::ask::holds;
use crate::explain::ask::row;
use crate::explain::ask::text;
use crate::explain::custom::condition;
use crate::explain::live::advised;
use crate::explain::live::fetch_again;
use crate::explain::live::resume_source;
use crate::explain::object::asked;
use crate::model::ObjectRef;

/// Why the source is not ready, or that it is.
pub fn why_source_not_ready(reader: &Reader, object: &ObjectRef) -> Answer {
    let source = format!("{}/{}/{}", object.kind, object.namespace, object.name);
    let told = |verdict, word: &str| {
        Answer::new(verdict, format!("{source}  {word}"), reader.generation())
    };
    if !holds(reader, "source", &[Some(&source)]) {
        let headline = format!("no source {source} is known");
        return Answer::new(Verdict::Unknown, headline, reader.generation())
            .next("hence get sources all -A");
    }
    if holds(reader, "source_suspended", &[Some(&source)]) {
        return told(Verdict::False, "SUSPENDED: it is not fetched")
            .line("because", "spec.suspend of the source is true")
            .next(resume_source(&source));
    }
    if holds(reader, "source_deleting", &[Some(&source)]) {
        return told(Verdict::False, "IS BEING DELETED")
            .next(format!("kubectl describe {}", asked(object)));
    }
    if failure(reader, &source).is_some() {
        return failing(reader, &source, told(Verdict::False, "NOT READY"), "because")
            .next(fetch_again(&source));
    }
    if let Some(stored) = row(reader, "stored", &[Some(&source)]) {
        return told(Verdict::True, &format!("READY at {}", text(&stored, 1)));
    }
    if let Some(due) = row(reader, "fetch_due", &[Some(&source)]) {
        return told(Verdict::False, "NOT READY: it is being fetched")
            .line("because", text(&due, 2))
            .next("hence pending");
    }
    by_its_status(reader, &source, told, object)
}

/// What its status says: another controller keeps it, or hence has not come to it yet.
fn by_its_status(
    reader: &Reader,
    source: &str,
    told: impl Fn(Verdict, &str) -> Answer,
    object: &ObjectRef,
) -> Answer {
    let ours = holds(reader, "fetches", &[Some(source)]);
    let by = if ours { "it has only just been seen" } else { "another controller reconciles it" };
    let shown = row(reader, "source_shown", &[Some(source), Some("Ready")]);
    let shown = shown.map(|row| text(&row, 2)).unwrap_or_default();
    let (verdict, word) = match shown.split(' ').next() {
        Some("True") if !ours => (Verdict::True, "READY, its status says"),
        Some("False") => (Verdict::False, "NOT READY, its status says"),
        _ => (Verdict::Unknown, "whether it is ready is not known"),
    };
    let answer =
        told(verdict, word).line("because", by).line_if("shows", condition("Ready", &shown));
    match verdict {
        Verdict::True => answer,
        _ => answer.next(format!("kubectl describe {}", asked(object))),
    }
}

/// Why the source fails for its present spec: reason and message.
pub(super) fn failure(reader: &Reader, source: &str) -> Option<(String, String)> {
    if let Some(cause) = row(reader, "source_cause", &[Some(source)]) {
        return Some((text(&cause, 2), text(&cause, 3)));
    }
    // What another controller offers fails here when it cannot be loaded.
    let offered = row(reader, "offered", &[Some(source)]).map(|offered| text(&offered, 2))?;
    let failed = row(reader, "fetch_failed", &[Some(source), Some(&offered)])?;
    (!holds(reader, "fetches", &[Some(source)])).then(|| (text(&failed, 2), text(&failed, 3)))
}

/// Adds what the source fails with, its code and what helps; nothing when it does not fail.
pub(super) fn failing(reader: &Reader, source: &str, answer: Answer, label: &str) -> Answer {
    let Some((reason, message)) = failure(reader, source) else { return answer };
    let failed = row(reader, "fetch_failed", &[Some(source)]);
    let failed = failed.filter(|failed| text(failed, 3) == message);
    let answer = answer
        .line(label, format!("{source}: {reason}: {message}"))
        .line_if("failed", failed.map(|failed| format!("at {}", text(&failed, 4))));
    advised(reader, source, answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::given::given;

    #[test]
    fn sources_tell_what_ails_them() {
        let here = r#"
            reconciles("GitRepository")
            source("GitRepository/n/repo", "s")
            source_spec("GitRepository/n/repo", "spec")
        "#;
        let failed = r#"
            fetch_failed("GitRepository/n/repo", "spec", "GitOperationFailed", "no such branch", t"2026-01-01T00:00:00Z", 3)
            advice("GitRepository/n/repo", "git::no_branch", "name a branch that exists")
        "#;
        let fetched = r#"fetched("GitRepository/n/repo", "spec", "main@sha1:1", "tree")"#;
        let asleep = r#"source_suspended("GitRepository/n/repo")"#;
        let object = ObjectRef::new("source.toolkit.fluxcd.io", "GitRepository", "n", "repo");
        let told: Vec<String> = ["", failed, fetched, asleep]
            .into_iter()
            .map(|more| why_source_not_ready(&given(&format!("{here}{more}")), &object).to_text())
            .collect();
        let bucket = ObjectRef::new("source.toolkit.fluxcd.io", "Bucket", "n", "b");
        let facts = r#"
            source("Bucket/n/b", "s")
            source_shown("Bucket/n/b", "Ready", "False AuthenticationFailed 1: denied")
        "#;
        let other = why_source_not_ready(&given(facts), &bucket).to_text();
        let none = why_source_not_ready(&given(""), &bucket).to_text();
        insta::assert_snapshot!([told.join("\n"), other, none].join("\n"));
    }
}
