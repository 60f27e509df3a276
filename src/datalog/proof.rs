//! Proofs and failed rules: values that stand alone.
//!
//! A proof is a graph, root first, each fact once: a tree would be exponential on diamonds. All
//! values are decoded and all clause texts are in it, so it can be kept, sent and checked years
//! later by somebody who has neither the engine nor the rules. What is left out is said: a [`Cut`]
//! names the fact to ask for next.
//!
//! The canonical form of a proof depends on the facts and the program alone, not on the history
//! that led there; only `since` and `generation` tell of history.

use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;

use crate::datalog::fact::Fact;
use crate::datalog::fact::Pattern;
use crate::datalog::value::Row;
use crate::datalog::value::Value;

/// Why a fact holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Hash of the rule text that derives it.
    pub rules_hash: String,
    /// The generation that was asked.
    pub generation: u64,
    /// Facts, the proven one first; a premise always stands behind a node that uses it first.
    pub nodes: Vec<ProofNode>,
}

impl Proof {
    /// The proof without what depends on history: equal for equal facts and rules.
    pub fn canonical(&self) -> Self {
        let mut plain = self.clone();
        plain.generation = 0;
        for node in &mut plain.nodes {
            node.since = None;
            if let Some(cut) = &mut node.cut {
                cut.generation = 0;
            }
        }
        plain
    }
}

/// One fact of a proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofNode {
    /// The fact as rule text.
    pub conclusion: String,
    /// Its relation.
    pub relation: String,
    /// Its values.
    pub row: Row,
    /// What a row of the relation means.
    pub sentence: String,
    /// Where it comes from.
    pub kind: NodeKind,
    /// The clause that derives or states it; none for a fact of a transaction.
    pub clause: Option<ClauseText>,
    /// The clause's variables, in order of appearance.
    pub bindings: Vec<(String, Value)>,
    /// The clause's conditions, in text order.
    pub premises: Vec<Premise>,
    /// The generation since which the fact holds; unknown after a rebuild.
    pub since: Option<u64>,
    /// Set when the premises are left out.
    pub cut: Option<Cut>,
}

/// Where a fact comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// A transaction asserted it.
    Input,
    /// A rule file states it.
    Stated,
    /// A clause derives it.
    Derived,
}

/// A clause as it stood when the proof was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClauseText {
    /// Its stable name.
    pub label: String,
    /// The clause as written.
    pub text: String,
    /// The sentence before it.
    pub sentence: String,
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

/// Premises that were left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Which bound was reached: `depth`, `work` or `size`.
    pub reason: String,
    /// The generation in which to ask again.
    pub generation: u64,
    /// What to ask for: the fact, as rule text.
    pub handle: String,
}

/// One condition of a clause, as it held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Premise {
    /// A fact that holds.
    Fact {
        /// Its position in [`Proof::nodes`].
        node: usize,
    },
    /// A pattern that no fact matches. `why_not` of the pattern says why.
    Absent {
        /// The pattern, with `_` for columns that do not matter.
        pattern: Pattern,
        /// How many facts the relation had: all were searched.
        searched: u64,
        /// True when `why_not` of the pattern has rules to show; false for inputs.
        expandable: bool,
    },
    /// A comparison or built-in that held, values filled in.
    Holds {
        /// The condition with values for variables.
        text: String,
    },
    /// The value of an aggregate.
    Aggregate {
        /// The condition as written.
        text: String,
        /// What its targets got.
        values: Row,
        /// How many solutions the group has.
        group_size: u64,
        /// The first contributing facts, best first; each is a position in [`Proof::nodes`].
        contributors: Vec<usize>,
        /// Contributing solutions that are not listed.
        more: u64,
        /// For `best` and `top`: the first tuple that did not win.
        runner_up: Option<Row>,
    },
}

/// A rule that could have derived what was asked for, and where it stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRule {
    /// The clause; none for an input relation, whose facts no clause derives.
    pub clause: Option<ClauseText>,
    /// What a row of the asked relation means.
    pub sentence: String,
    /// Conditions that held, in the order of evaluation, with values filled in.
    pub matched: Vec<String>,
    /// Variables bound so far.
    pub bindings: Vec<(String, Value)>,
    /// The first condition that did not hold, with values filled in.
    pub failing: String,
    /// In what way it failed.
    pub failure: Failure,
    /// How many conditions are unmet under these bindings: small is near.
    pub distance: usize,
}

/// In what way a condition failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// No fact matches the pattern. `why_not` of it says why.
    Missing {
        /// The wanted pattern.
        pattern: Pattern,
        /// True when clauses could derive it.
        expandable: bool,
    },
    /// A fact stands in the way. `why` of it says why.
    Blocked {
        /// The fact.
        fact: Fact,
        /// True when clauses derived it.
        expandable: bool,
    },
    /// A comparison or test is false.
    False,
    /// A built-in or arithmetic gave an error.
    Error {
        /// Its text.
        message: String,
    },
    /// An aggregate has another value, or none.
    Aggregate {
        /// What the condition wants, when that is known.
        need: Option<Row>,
        /// What the group gives.
        have: Option<Row>,
        /// How many solutions the group has.
        group_size: u64,
    },
    /// The head can never be what was asked for.
    Head,
    /// The relation is faulted and holds nothing.
    Faulted {
        /// What is wrong.
        message: String,
    },
}

/// An answer, and how far it can be relied on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer<T> {
    /// The answer.
    pub value: T,
    /// The generation that it is about.
    pub generation: u64,
    /// False when a bound of the options cut it short.
    pub complete: bool,
    /// Rows looked at.
    pub work: u64,
}

/// How much a question may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryOptions {
    /// Most steps from the asked fact to a premise.
    pub depth: usize,
    /// Most rows to look at.
    pub work: u64,
    /// Most rows, nodes or rules in the answer.
    pub limit: usize,
    /// Most contributors to list per aggregate.
    pub contributors: usize,
}

impl Default for QueryOptions {
    fn default() -> Self {
        Self { depth: 256, work: 500_000, limit: 10_000, contributors: 5 }
    }
}

pub(crate) fn clause_text(clause: &crate::datalog::program::Clause) -> ClauseText {
    let owned = |text: &Arc<str>| text.to_string();
    ClauseText {
        label: owned(&clause.label),
        text: owned(&clause.text),
        sentence: owned(&clause.sentence),
        file: owned(&clause.file),
        line: clause.line,
    }
}
