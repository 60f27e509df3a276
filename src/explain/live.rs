//! Why a revision is not live on an object (question 3).

use crate::datalog::Reader;
use crate::explain::Answer;
use crate::explain::Verdict;
use crate::explain::ask::row;
use crate::explain::ask::rows;
use crate::explain::ask::text;
use crate::explain::object::asked;
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
    if !names(&current, wanted) {
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
        .line("because", format!("Kustomization {unit} applied it at {}", text(&applied, 4))),
        _ => {
            let mut answer = unit_blocks(reader, &unit);
            answer.headline = format!("NOT LIVE: {current} is fetched; {object} is not applied");
            answer.verdict = Verdict::False;
            answer
        }
    }
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
