//! Why a revision is not live on an object (question 3).

use crate::datalog::Reader;
use crate::datalog::Row;
use crate::explain::Answer;
use crate::explain::Verdict;
use crate::explain::ask::holds;
use crate::explain::ask::row;
use crate::explain::ask::rows;
use crate::explain::ask::text;
use crate::explain::object::asked;
use crate::explain::object::declared_place;
use crate::explain::object::declared_too;
use crate::explain::object::declarer;
use crate::explain::object::last_applied;
use crate::explain::object::not_built;
use crate::explain::object::unbuilt;
use crate::explain::ready::why_not_ready;
use crate::explain::revision::is_checksum;
use crate::explain::revision::names_revision;
use crate::explain::standing::Standing;
use crate::explain::standing::standing;
use crate::explain::standing::uncorrected;
use crate::model::ObjectRef;
use crate::model::UnitName;

/// The last time at which a unit had a revision, as the journal tells it.
pub struct Once {
    /// The revision.
    pub revision: String,
    /// When.
    pub at: String,
    /// The digest of the object's manifest that was applied by then; `None` when no apply of it is
    /// in the journal.
    pub manifest: Option<String>,
}

/// The object that is asked about, and what its unit declares.
struct Asked<'a> {
    reader: &'a Reader,
    object: &'a ObjectRef,
    wanted: &'a str,
    unit: String,
    source: String,
    /// The revision of the source that counts; empty when there is none.
    current: String,
    /// The digest of the manifest in the unit's last complete build.
    manifest: String,
    /// The record of the last apply.
    applied: Option<Row>,
}

/// Why the commit or revision `wanted` is not live on `object`, or that it is; `once` tells what
/// the journal has of that revision.
pub fn why_not_live(
    reader: &Reader,
    wanted: &str,
    object: &ObjectRef,
    once: impl FnOnce(&str) -> Option<Once>,
) -> Answer {
    let name = object.fact_text();
    let Some(declared) = declarer(reader, &name) else {
        let headline = format!("NOT LIVE: no complete build of any unit contains {object}");
        let answer = Answer::new(Verdict::Unknown, headline, reader.generation());
        let answer = unbuilt(reader, answer);
        return match answer.next.is_empty() {
            true => answer.next(format!("hence why {}", asked(object))),
            false => answer,
        };
    };
    let unit = text(&declared, 0);
    let source = row(reader, "unit_source", &[Some(&unit)]).map(|s| text(&s, 1));
    let source = source.unwrap_or_default();
    let current = row(reader, "current", &[Some(&source)]).map(|c| text(&c, 1)).unwrap_or_default();
    let applied = row(reader, "applied", &[Some(&unit), Some(&name)]);
    let manifest = text(&declared, 2);
    let asked = Asked { reader, object, wanted, unit, source, current, manifest, applied };
    let answer = asked.answer(once);
    let others = declared_too(reader, &name, &asked.unit);
    others.into_iter().fold(answer, |answer, other| answer.line("also", other))
}

impl Asked<'_> {
    fn answer(&self, once: impl FnOnce(&str) -> Option<Once>) -> Answer {
        let is_head = self.wanted == "HEAD" && !self.current.is_empty();
        if let Some(last) = self.stays_live() {
            let answer = self.as_declared_by(&last);
            let but = not_built(self.reader, &self.unit);
            return answer.clone().line_if("but", but.filter(|_| answer.verdict == Verdict::True));
        }
        if is_head || names_revision(&self.current, self.wanted) {
            return self.of_current();
        }
        if let Some(once) = once(&self.unit) {
            return self.superseded(&once);
        }
        if let Some((revision, at)) = self.was_live() {
            let since = self.applied.as_ref().map(|applied| text(applied, 4));
            return self
                .told(Verdict::Unknown, format!("{revision} was live and is superseded"))
                .line("because", format!("{} is at {}", self.source, self.current))
                .line("was live", format!("by Kustomization {}, last reconciled {at}", self.unit))
                .line("unknown", "whether the object changed since: the journal has no apply of it")
                .line_if("applied", since.map(|at| format!("at {at}")))
                .next(format!("hence why {}", asked(self.object)));
        }
        self.unseen()
    }

    fn told(&self, verdict: Verdict, headline: String) -> Answer {
        Answer::new(verdict, headline, self.reader.generation())
    }

    /// The object is as this revision declares it, unless somebody changed it since.
    fn as_declared_by(&self, revision: &str) -> Answer {
        let object = self.object;
        let standing = self.applied.as_ref().map(|applied| standing(self.reader, object, applied));
        match standing {
            Some(Standing::Astray(ways)) => {
                let headline = format!(
                    "NOT LIVE: {object} was applied as {revision} declares it, and changed"
                );
                let answer = self.told(Verdict::False, headline);
                let answer = ways.into_iter().fold(answer, |told, way| told.line("because", way));
                uncorrected(self.reader, &self.unit, object, answer)
            }
            Some(Standing::Unknown(why)) => {
                let headline = format!("whether {object} is live is not known");
                self.told(Verdict::Unknown, headline)
                    .line("because", why)
                    .line("applied", format!("as {revision} declares it"))
                    .next("hence pending")
            }
            _ => self.told(Verdict::True, format!("LIVE: {object} is as {revision} declares it")),
        }
    }

    /// The revision that was asked for is that of the source.
    fn of_current(&self) -> Answer {
        let (reader, unit, current) = (self.reader, self.unit.as_str(), &self.current);
        let is_complete = holds(reader, "complete", &[Some(unit)]);
        let is_applied = |applied: &&Row| text(applied, 3) == self.manifest;
        if let Some(applied) = self.applied.as_ref().filter(is_applied).filter(|_| is_complete) {
            let answer = self.as_declared_by(current);
            return match answer.verdict {
                Verdict::True => answer.line(
                    "because",
                    format!("Kustomization {unit} has it so since {}", text(applied, 4)),
                ),
                _ => answer,
            };
        }
        if let Some(answer) = self.left_alone() {
            return answer;
        }
        let mut answer = match UnitName::parse(unit) {
            Some(unit) => why_not_ready(reader, &unit),
            None => self.told(Verdict::Unknown, String::new()),
        };
        let why = match holds(reader, "build_failed", &[Some(unit)]) {
            true => format!("the build of {unit} failed"),
            false => format!("{} is not applied", self.object),
        };
        answer.headline = format!("NOT LIVE: {current} is fetched; {why}");
        answer.verdict = Verdict::False;
        answer
    }

    /// The object carries what keeps hence away from it.
    fn left_alone(&self) -> Option<Answer> {
        let (unit, name) = (self.unit.as_str(), self.object.fact_text());
        let toggle = text(&row(self.reader, "skipped", &[Some(unit), Some(&name)])?, 2);
        let headline =
            format!("NOT LIVE: {} is fetched; {} is left alone", self.current, self.object);
        let next = match toggle.as_str() {
            "ssa: IfNotPresent" => {
                "drop the annotation, or delete the object: it is made anew as declared".to_owned()
            }
            "scaled down for the takeover" => format!("hence why {}", asked(self.object)),
            _ => format!(
                "drop the annotation from the manifest and from the live object: kubectl describe {}",
                asked(self.object)
            ),
        };
        Some(
            self.told(Verdict::False, headline)
                .line("because", toggle)
                .line_if("from", declared_place(self.reader, unit, &name))
                .next(next),
        )
    }

    /// The unit had the revision and has another one now.
    fn superseded(&self, once: &Once) -> Answer {
        let (unit, source, current) = (&self.unit, &self.source, &self.current);
        let (revision, at) = (&once.revision, &once.at);
        let had = format!("Kustomization {unit} had it at {at}");
        let applied = self.applied.as_ref().map(|applied| text(applied, 3));
        let (verdict, headline) = match (&once.manifest, applied) {
            (Some(then), Some(now)) if *then == now => {
                let answer = self.as_declared_by(revision);
                let then = match not_built(self.reader, unit) {
                    Some(why) => why,
                    None if now == self.manifest => "that changed nothing of it".to_owned(),
                    None => "that is not applied yet".to_owned(),
                };
                let since = format!("{source} is at {current} since; {then}");
                return match answer.verdict {
                    Verdict::True => answer.line("because", since).line("was", had),
                    _ => answer.line("was", had),
                };
            }
            (Some(_), Some(_)) => (
                Verdict::False,
                format!("NOT LIVE: {revision} is superseded: {} changed since", self.object),
            ),
            _ => (
                Verdict::Unknown,
                format!(
                    "{revision} is superseded; whether {} changed since is not known",
                    self.object
                ),
            ),
        };
        self.told(verdict, headline)
            .line("because", format!("{source} is at {current}"))
            .line("was", had)
            .next(format!("hence why {}", asked(self.object)))
    }

    /// Nothing is known of the revision: it may be one that is not fetched.
    fn unseen(&self) -> Answer {
        let (reader, source, wanted) = (self.reader, self.source.as_str(), self.wanted);
        let is_failing = holds(reader, "fetch_failed", &[Some(source)]);
        let mut answer = match (is_checksum(wanted), is_failing) {
            (true, true) => {
                self.told(Verdict::False, format!("NOT LIVE: {wanted} is not what {source} is at"))
            }
            // It may be older than what is fetched, and part of that.
            (true, false) => {
                let headline =
                    format!("NOT LIVE as far as is known: {source} was never seen at {wanted}");
                self.told(Verdict::Unknown, headline)
                    .line("unless", "it is older, and a part of what is there")
            }
            (false, _) => {
                self.told(Verdict::Unknown, format!("`{wanted}` names nothing that is known"))
            }
        };
        answer = match self.current.is_empty() {
            true => answer.line("because", format!("nothing of {source} is loaded")),
            false => answer.line("because", format!("{source} is at {}", self.current)),
        };
        for failed in rows(reader, "fetch_failed", &[Some(source)]) {
            let said = format!("fetching failed at {}: {}", text(&failed, 4), text(&failed, 3));
            answer = answer.line("because", said);
        }
        answer = advised(reader, source, answer);
        let checked = row(reader, "checked", &[Some(source)]).map(|c| text(&c, 1));
        answer = answer.line_if("checked", checked);
        if !is_checksum(wanted) {
            let forms = "a commit or 4 digits of it, a tag, a branch, or main@sha1:…";
            answer = answer.line("help", format!("write {forms}"));
        }
        if holds(reader, "source_suspended", &[Some(source)]) {
            let next = resume_source(source);
            return answer.line("but", format!("{source} is suspended")).next(next);
        }
        answer.next(fetch_again(source))
    }

    /// The last applied revision, when it is the one meant, nothing later is built, and the object
    /// was applied as the last complete build declares it.
    fn stays_live(&self) -> Option<String> {
        let last = last_applied(self.reader, &self.unit);
        let last = last.filter(|last| names_revision(last, self.wanted))?;
        let is_current = names_revision(&self.current, self.wanted);
        not_built(self.reader, &self.unit)
            .filter(|_| !is_current || last == self.current)
            .filter(|_| self.applied.as_ref().is_some_and(|a| text(a, 3) == self.manifest))?;
        Some(last)
    }

    /// What the unit last reconciled of this name and has left since, and when, as its history
    /// tells.
    fn was_live(&self) -> Option<(String, String)> {
        let history = row(self.reader, "unit_shown", &[Some(&self.unit), Some("history")])?;
        let runs: serde_json::Value = serde_json::from_str(&text(&history, 2)).ok()?;
        let of = |run: &serde_json::Value, pointer: &str| {
            run.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
        };
        let is_wanted = |run: &&serde_json::Value| {
            names_revision(&of(run, "/metadata/revision"), self.wanted)
                && of(run, "/lastReconciledStatus") == "ReconciliationSucceeded"
        };
        let run = runs.as_array()?.iter().find(is_wanted)?;
        Some((of(run, "/metadata/revision"), of(run, "/lastReconciled")))
    }
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
    match kind_word(source) {
        Some(word) => format!("hence reconcile source {word} {}", tail(source)),
        None => format!("kubectl describe {}/{}", kind_of(source).to_lowercase(), tail(source)),
    }
}

/// The command that ends the suspension of the source.
pub(super) fn resume_source(source: &str) -> String {
    match kind_word(source) {
        Some(word) => format!("hence resume source {word} {}", tail(source)),
        None => format!("kubectl edit {}/{}", kind_of(source).to_lowercase(), tail(source)),
    }
}

/// How commands call the kind of the source; `None` when none acts on it.
fn kind_word(source: &str) -> Option<&'static str> {
    Some(match kind_of(source) {
        "GitRepository" => "git",
        "OCIRepository" => "oci",
        "Bucket" => "bucket",
        "HelmChart" => "chart",
        "HelmRepository" => "helm",
        _ => return None,
    })
}

fn kind_of(source: &str) -> &str {
    source.split('/').next().unwrap_or(source)
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
    use crate::datalog::Fact;
    use crate::explain::given::given;
    use crate::explain::given::with_facts;

    /// A unit at `main@sha1:2222bbbb` with an object that is applied as it declares it.
    const LIVE: &str = r#"
        reconciles("Kustomization")
        reconciles("GitRepository")
        source("GitRepository/n/repo", "s")
        source_spec("GitRepository/n/repo", "spec")
        fetched("GitRepository/n/repo", "spec", "main@sha1:2222bbbb", "tree")
        unit("n/a", "u")
        unit_source("n/a", "GitRepository/n/repo")
        unit_build("n/a", "b")
        unit_timing("n/a", 10m, 2m, 5m)
        variables("n/a", "v")
        reads("n/a", "tree", "part")
        rendered("n/a", "part", "b", "v", "text", 1)
        renders("n/a", "ConfigMap/n/x", "m", "v1", 4, "015x")
        declared_at("n/a", "ConfigMap/n/x", "apps/x.yaml", 3)
        kinds_known("served")
        served("ConfigMap", "yes")
        listed("ConfigMap")
        applied("n/a", "ConfigMap/n/x", "1", "m", t"2026-01-01T00:00:00Z")
        ours("n/a", "ConfigMap/n/x", "1", "applied")
    "#;

    fn told_of(facts: &str, wanted: &str, once: Option<Once>) -> String {
        let object = ObjectRef::new("", "ConfigMap", "n", "x");
        let answer = why_not_live(&given(facts), wanted, &object, |_| once);
        format!("{}exit {}\n", answer.to_text(), answer.exit_code())
    }

    fn told(more: &str, wanted: &str) -> String {
        told_of(&format!("{LIVE}{more}"), wanted, None)
    }

    #[test]
    fn what_is_live_is_looked_at() {
        let here = "live(\"ConfigMap/n/x\", \"1\", \"7\")\n";
        let drift = format!(
            "{here}drifted(\"ConfigMap/n/x\", \"data.key\", \"kubectl-patch\", \
             t\"2026-01-01T01:00:00Z\")\n"
        );
        let asleep = format!(
            "{drift}unit_flag(\"n/a\", \"suspend\")\n\
            unit_shown(\"n/a\", \"lastAppliedRevision\", \"main@sha1:2222bbbb\")\n"
        );
        let cases = [
            ("live", told(here, "2222")),
            ("gone", told("", "2222")),
            ("drifted", told(&drift, "main")),
            ("drifted and suspended", told(&asleep, "2222")),
            ("replaced", told("live(\"ConfigMap/n/x\", \"2\", \"7\")", "HEAD")),
            ("not listed", told_of(&LIVE.replace("listed(\"ConfigMap\")", ""), "2222", None)),
        ];
        let told: Vec<String> =
            cases.iter().map(|(why, told)| format!("# {why}\n{told}")).collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn what_was_superseded_may_be_live() {
        let here = format!("{LIVE}live(\"ConfigMap/n/x\", \"1\", \"7\")\n");
        let once = |manifest: Option<&str>| {
            Some(Once {
                revision: "main@sha1:1111aaaa".to_owned(),
                at: "2026-01-01T00:00:01Z".to_owned(),
                manifest: manifest.map(str::to_owned),
            })
        };
        let told: Vec<String> = [Some("m"), Some("old"), None]
            .into_iter()
            .map(|manifest| told_of(&here, "1111", once(manifest)))
            .chain([told_of(&here, "3333cc", None), told_of(&here, "zzzz", None)])
            .collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn sources_and_toggles_are_causes() {
        let here = "live(\"ConfigMap/n/x\", \"1\", \"7\")\n";
        let unlike = LIVE.replace("\"1\", \"m\", t", "\"1\", \"old\", t");
        let disabled = format!(
            "{unlike}{here}toggle(\"n/a\", \"ConfigMap/n/x\", \"reconcile\", \"disabled\")\n"
        );
        let once = format!(
            "{unlike}{here}toggle(\"n/a\", \"ConfigMap/n/x\", \"ssa\", \"ifnotpresent\")\n"
        );
        let oci = LIVE.replace("GitRepository/n/repo", "OCIRepository/n/repo");
        let failed = LIVE.replace("rendered(\"n/a\", \"part\"", "rendered(\"n/a\", \"before\"")
            + "render_failed(\"n/a\", \"part\", \"b\", \"v\", \"BuildFailed\", \
               \"apps/x.yaml:3: no\", t\"2026-01-01T01:00:00Z\")\n";
        let cases = [
            ("suspended source", told("source_suspended(\"GitRepository/n/repo\")\n", "3333cc")),
            ("reconcile: disabled", told_of(&disabled, "2222", None)),
            ("ssa: IfNotPresent", told_of(&once, "2222", None)),
            ("another kind of source", told_of(&oci, "3333cc", None)),
            ("a build that failed", told_of(&failed, "2222", None)),
        ];
        let told: Vec<String> =
            cases.iter().map(|(why, told)| format!("# {why}\n{told}")).collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn the_owner_is_asked_and_others_are_named() {
        let other = r#"
            live("ConfigMap/n/x", "1", "7")
            unit("n/A", "w")
            unit_source("n/A", "GitRepository/n/other")
            renders("n/A", "ConfigMap/n/x", "other", "v1", 4, "015x")
        "#;
        insta::assert_snapshot!(told(other, "2222"), @r"
        LIVE: ConfigMap/n/x is as main@sha1:2222bbbb declares it
          because  Kustomization n/a has it so since 2026-01-01T00:00:00Z
          also     the last complete build of n/A contains it too
        exit 0
        ");
    }

    #[test]
    fn what_was_live_by_the_history_alone_is_not_decided() {
        let history = r#"[{"lastReconciled": "2026-01-01T00:00:00Z", "lastReconciledStatus":
            "ReconciliationSucceeded", "metadata": {"revision": "main@sha1:1111aaaa"}}]"#;
        let lines = LIVE.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut facts: Vec<Fact> = lines.map(|line| Fact::parse(line).expect("a fact")).collect();
        let shown = vec!["n/a".into(), "history".into(), history.into()];
        facts.push(Fact::new("unit_shown", shown));
        let object = ObjectRef::new("", "ConfigMap", "n", "x");
        let answer = why_not_live(&with_facts(facts), "1111aa", &object, |_| None);
        insta::assert_snapshot!(answer.to_text(), @r"
        main@sha1:1111aaaa was live and is superseded
          because  GitRepository/n/repo is at main@sha1:2222bbbb
          was live by Kustomization n/a, last reconciled 2026-01-01T00:00:00Z
          unknown  whether the object changed since: the journal has no apply of it
          applied  at 2026-01-01T00:00:00Z
          next     hence why configmap/x -n n
        ");
    }
}
