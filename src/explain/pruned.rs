//! Why an object was pruned (question 2), from the proof that was journaled before it was deleted.
//!
//! Nothing is derived again: the answer is what the rules concluded then, from the facts of then.

use std::collections::BTreeMap;

use crate::datalog::Fact;
use crate::datalog::Premise;
use crate::datalog::Proof;
use crate::explain::Answer;
use crate::explain::Verdict;
use crate::explain::circumstances::CHANGE;
use crate::explain::circumstances::DECLARED;
use crate::explain::circumstances::REVISION;
use crate::explain::deeds::not_pruned;
use crate::explain::phrase::phrase;
use crate::model::ObjectRef;

/// Relations whose facts are worth a line, in this order.
const TELLING: &[&str] =
    &["ours", "rendered", "current", "unit_deleting", "unit_flag", "live", "live_owner", "listed"];

/// A delete as the journal tells it.
pub struct Pruned {
    /// When the intent was written.
    pub at: String,
    /// The unit.
    pub unit: String,
    /// The short id of the proof.
    pub proof_id: String,
    /// The proof.
    pub proof: Proof,
    /// The outcome's word and detail; empty when none was recorded.
    pub outcome: String,
    /// Revision and commit as the journal has them; see [`circumstances`](super::circumstances).
    pub circumstances: BTreeMap<String, String>,
    /// The apply before it, by which the object last existed.
    pub applied: Option<Applied>,
}

/// An apply as the journal tells it.
pub struct Applied {
    /// When the intent was written.
    pub at: String,
    /// The short id of the proof.
    pub proof_id: String,
    /// File, revision and commit as the journal has them.
    pub circumstances: BTreeMap<String, String>,
}

impl Applied {
    /// From where the object was, when and why it was applied.
    fn story(&self) -> String {
        let told = |name: &str| self.circumstances.get(name).map(String::as_str);
        let place = told(DECLARED).map(|place| format!("{place} at ")).unwrap_or_default();
        let revision = told(REVISION).unwrap_or("a revision that was not recorded");
        format!("{place}{revision}, applied {} ({})", self.at, self.proof_id)
    }
}

/// Why `object` was pruned: the latest of these deletes.
pub fn why_pruned(object: &ObjectRef, deletes: &[Pruned]) -> Answer {
    let Some(last) = deletes.last() else { return not_pruned(object, &[]) };
    let headline =
        format!("{object}  PRUNED {} by Kustomization {}   {}", last.at, last.unit, last.proof_id);
    let mut answer = Answer::new(Verdict::True, headline, last.proof.generation);
    for relation in TELLING {
        for node in last.proof.nodes.iter().filter(|node| node.relation == *relation) {
            let fact = Fact::new(node.relation.as_str(), node.row.clone());
            answer = answer.line("because", phrase(&fact));
        }
    }
    for absent in absences(&last.proof, object) {
        answer = answer.line("and", absent);
    }
    answer = answer
        .line_if("change", change(&last.circumstances))
        .line_if("it was", last.applied.as_ref().map(Applied::story));
    if let Some(rule) =
        last.proof.nodes.iter().find(|node| node.relation == "orphan" || node.relation == "doomed")
    {
        answer = answer.line_if(
            "rule",
            rule.clause.as_ref().map(|c| format!("{} ({}:{})", c.label, c.file, c.line)),
        );
    }
    if !last.outcome.is_empty() {
        answer = answer.line("outcome", last.outcome.clone());
    }
    if deletes.len() > 1 {
        answer = answer.line("before", format!("pruned {} times in all", deletes.len()));
    }
    answer.next(format!("hence audit show {}", last.proof_id))
}

/// The revision at which it was pruned, and what its newest commit says of itself: which of the
/// commits since the last fetch dropped the object is not known.
fn change(circumstances: &BTreeMap<String, String>) -> Option<String> {
    let revision = circumstances.get(REVISION)?;
    let subject = circumstances.get(CHANGE).map(|subject| format!(", whose head is \"{subject}\""));
    Some(format!("{revision}{}", subject.unwrap_or_default()))
}

/// What was looked for and not found, as far as it tells something.
fn absences(proof: &Proof, object: &ObjectRef) -> Vec<String> {
    let mut said = Vec::new();
    for node in &proof.nodes {
        for premise in &node.premises {
            let Premise::Absent { pattern, searched, .. } = premise else { continue };
            match (&*pattern.relation, node.relation.as_str()) {
                ("renders", "orphan") => {
                    said.push(format!(
                        "no build of it contains {object} ({searched} rows searched)"
                    ));
                }
                ("prune_held", _) => said.push("nothing holds the deletion back".to_owned()),
                ("spared", _) => {
                    said.push("no other unit wants it, and no toggle spares it".to_owned())
                }
                _ => {}
            }
        }
    }
    said
}
