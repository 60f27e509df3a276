//! Why a unit or a source is there and how it fares: the resources that hence itself reconciles.

use crate::datalog::Reader;
use crate::datalog::Row;
use crate::explain::Answer;
use crate::explain::Verdict;
use crate::explain::ask::fact;
use crate::explain::ask::holds;
use crate::explain::ask::row;
use crate::explain::ask::rows;
use crate::explain::ask::text;
use crate::explain::live::fetch_again;
use crate::explain::live::resume_source;
use crate::explain::object::asked;
use crate::explain::object::in_namespace;
use crate::explain::source::failing;
use crate::explain::source::failure;
use crate::model::ObjectRef;

/// Conditions in the order in which they are shown.
const CONDITIONS: &[&str] = &[
    "Ready",
    "Healthy",
    "Reconciling",
    "Stalled",
    "FetchFailed",
    "StorageOperationFailed",
    "ArtifactInStorage",
];

/// The relations that tell of one kind of resource.
struct Telling<'a> {
    reader: &'a Reader,
    relation: &'static str,
    shown: &'static str,
    name: String,
    /// Whether hence reconciles it.
    ours: bool,
}

/// Why the unit or source exists, as far as the facts tell; `None` when it is neither.
pub(super) fn why_custom(reader: &Reader, object: &ObjectRef) -> Option<Answer> {
    let telling = Telling::of(reader, object)?;
    let known = row(reader, telling.relation, &[Some(&telling.name)])?;
    let since = reader.since(&fact(telling.relation, known.clone()));
    let since = since.map(|at| format!(", known since generation {at}")).unwrap_or_default();
    let by = if telling.ours { "hence reconciles it" } else { "hence does not reconcile it" };
    let headline = format!("{object}  EXISTS");
    let answer = Answer::new(Verdict::True, headline, reader.generation()).line(
        "because",
        format!("{by}; no complete build declares it (uid {}{since})", text(&known, 1)),
    );
    let answer = telling.fares(answer);
    Some(match answer.next.is_empty() {
        true => answer.next(format!("kubectl describe {}", asked(object))),
        false => answer,
    })
}

/// Adds how a unit or source fares; nothing to the answer about any other object.
pub(super) fn fares(reader: &Reader, object: &ObjectRef, answer: Answer) -> Answer {
    match Telling::of(reader, object) {
        Some(telling) if holds(reader, telling.relation, &[Some(&telling.name)]) => {
            telling.fares(answer)
        }
        _ => answer,
    }
}

impl<'a> Telling<'a> {
    fn of(reader: &'a Reader, object: &ObjectRef) -> Option<Self> {
        let (relation, shown, name) = match object.group.as_str() {
            "kustomize.toolkit.fluxcd.io" if object.kind == "Kustomization" => {
                ("unit", "unit_shown", format!("{}/{}", object.namespace, object.name))
            }
            "source.toolkit.fluxcd.io" => {
                let name = format!("{}/{}/{}", object.kind, object.namespace, object.name);
                ("source", "source_shown", name)
            }
            _ => return None,
        };
        let ours = holds(reader, "reconciles", &[Some(&object.kind)]);
        Some(Self { reader, relation, shown, name, ours })
    }

    fn fares(&self, answer: Answer) -> Answer {
        let answer = match self.relation {
            "unit" => self.unit(answer),
            _ => self.source(answer),
        };
        CONDITIONS.iter().fold(answer, |answer, name| {
            let value = row(self.reader, self.shown, &[Some(&self.name), Some(name)]);
            answer.line_if("shows", value.and_then(|value| condition(name, &text(&value, 2))))
        })
    }

    fn unit(&self, answer: Answer) -> Answer {
        let (reader, name) = (self.reader, self.name.as_str());
        let revision = row(reader, "target", &[Some(name)]).map(|target| text(&target, 1));
        let revision = revision.map(|at| format!(", to be at {at}")).unwrap_or_default();
        let source = row(reader, "unit_source", &[Some(name)]);
        let ran =
            |took: &Row| format!("{}: its last run ended, after {}", text(took, 2), text(took, 3));
        let since = row(reader, "took", &[Some(name)]).map(|took| ran(&took)).or_else(|| {
            let began = row(reader, "noted", &[Some(name), Some("run")])?;
            Some(format!("{}: its run began", text(&began, 3)))
        });
        let mut answer = answer
            .line_if("source", source.map(|source| format!("{}{revision}", text(&source, 1))))
            .line_if("since", since);
        if holds(reader, "unit_flag", &[Some(name), Some("suspend")]) {
            let resume = format!("hence resume kustomization {}", in_namespace(name));
            return answer.line("but", "it is suspended").next(resume);
        }
        if holds(reader, "unit_deleting", &[Some(name)]) {
            answer = answer.line("but", "it is being deleted");
        }
        match self.ours && !holds(reader, "ready", &[Some(name)]) {
            true => answer.next(format!("hence why-not ready ks/{}", in_namespace(name))),
            false => answer,
        }
    }

    fn source(&self, answer: Answer) -> Answer {
        let (reader, name) = (self.reader, self.name.as_str());
        let revision = row(reader, "current", &[Some(name)]).map(|current| text(&current, 1));
        let checked = row(reader, "checked", &[Some(name)]);
        let users = rows(reader, "unit_source", &[None, Some(name)]).len();
        let answer = answer
            .line_if("at", revision)
            .line("used", format!("by {users} Kustomizations"))
            .line_if(
                "since",
                checked.map(|at| format!("{}: its remote was last asked", text(&at, 1))),
            );
        if holds(reader, "source_suspended", &[Some(name)]) {
            return answer.line("but", "it is suspended").next(resume_source(name));
        }
        match failure(reader, name) {
            Some(_) => failing(reader, name, answer, "fails").next(fetch_again(name)),
            None => answer,
        }
    }
}

/// `Ready=True, Succeeded: stored artifact` from the text of a condition; `None` when it is unset.
pub(super) fn condition(name: &str, shown: &str) -> Option<String> {
    let (head, message) = shown.split_once(": ")?;
    let mut words = head.split(' ');
    let (status, reason) = (words.next()?, words.next()?);
    Some(format!("{name}={status}, {reason}: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_read_as_kubectl_users_know_them() {
        let shown = "False BuildFailed 3: kustomize build failed: no file";
        let want = "Ready=False, BuildFailed: kustomize build failed: no file";
        assert_eq!(condition("Ready", shown).as_deref(), Some(want));
        assert_eq!(condition("Ready", ""), None);
    }
}
