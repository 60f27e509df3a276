//! Verification of proofs: does every step follow from its clause text? Shares no code with
//! evaluation.
//!
//! In: a [`Proof`] as it was kept, and what the recorded inputs say. Out: how many steps were
//! checked, or the first step that does not follow. The clause texts in the proof are parsed again
//! with the parser (the one shared part: the language itself), instantiated with the proof's
//! bindings and compared, condition by condition, with the premises. Comparisons and arithmetic are
//! computed anew.
//!
//! What cannot be checked without the engine is counted, not passed over: an absent fact needs the
//! recorded facts ([`Facts::is_absent`]), a built-in needs its implementation, an aggregate all
//! members.

use std::collections::BTreeMap;

use miette::Diagnostic;
use thiserror::Error;

use crate::datalog::arithmetic;
use crate::datalog::fact::Fact;
use crate::datalog::fact::Pattern;
use crate::datalog::parser::parse_clause;
use crate::datalog::proof::NodeKind;
use crate::datalog::proof::Premise;
use crate::datalog::proof::Proof;
use crate::datalog::proof::ProofNode;
use crate::datalog::syntax;
use crate::datalog::syntax::Expr;
use crate::datalog::syntax::ExprKind;
use crate::datalog::value::Value;

/// What is known of the facts of the proof's generation. `None`: not kept any more.
pub trait Facts {
    /// True when the input fact was asserted.
    fn is_asserted(&self, fact: &Fact) -> Option<bool>;
    /// True when no fact matched the pattern.
    fn is_absent(&self, pattern: &Pattern) -> Option<bool>;
}

/// What a verification looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Facts of the proof.
    pub nodes: usize,
    /// Conditions that were compared or computed.
    pub checked: usize,
    /// Conditions and facts that were taken as asserted, because what they need is not at hand.
    pub asserted: usize,
}

/// A step that does not follow.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[error("`{conclusion}` does not follow: {reason}")]
#[diagnostic(
    code(proof::unsound),
    help("the proof was changed, or the rules in it never gave this")
)]
pub struct Unsound {
    /// The fact whose step is wrong.
    pub conclusion: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Checks every step of `proof`.
pub fn verify(proof: &Proof, facts: &dyn Facts) -> Result<Verified, Unsound> {
    let mut verified = Verified { nodes: proof.nodes.len(), ..Verified::default() };
    for node in &proof.nodes {
        let check = Check { proof, node, facts };
        check
            .node(&mut verified)
            .map_err(|reason| Unsound { conclusion: node.conclusion.clone(), reason })?;
    }
    acyclic(proof)?;
    Ok(verified)
}

/// A fact may not rest on itself.
fn acyclic(proof: &Proof) -> Result<(), Unsound> {
    let premises = |node: &ProofNode| -> Vec<usize> {
        let below = node.premises.iter().flat_map(|premise| match premise {
            Premise::Fact { node } => vec![*node],
            Premise::Aggregate { contributors, .. } => contributors.clone(),
            _ => Vec::new(),
        });
        below.collect()
    };
    let mut waiting = vec![0_usize; proof.nodes.len()];
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); proof.nodes.len()];
    for (at, node) in proof.nodes.iter().enumerate() {
        for below in premises(node) {
            waiting[at] += 1;
            users[below].push(at);
        }
    }
    let mut ready: Vec<usize> = (0..waiting.len()).filter(|at| waiting[*at] == 0).collect();
    let mut done = 0;
    while let Some(at) = ready.pop() {
        done += 1;
        for user in &users[at] {
            waiting[*user] -= 1;
            if waiting[*user] == 0 {
                ready.push(*user);
            }
        }
    }
    match waiting.iter().position(|count| *count > 0) {
        Some(at) if done < proof.nodes.len() => Err(Unsound {
            conclusion: proof.nodes[at].conclusion.clone(),
            reason: "it rests on itself".to_owned(),
        }),
        _ => Ok(()),
    }
}

struct Check<'a> {
    proof: &'a Proof,
    node: &'a ProofNode,
    facts: &'a dyn Facts,
}

type Bindings<'a> = BTreeMap<&'a str, &'a Value>;

impl Check<'_> {
    fn node(&self, verified: &mut Verified) -> Result<(), String> {
        let node = self.node;
        let fact = Fact::new(node.relation.as_str(), node.row.clone());
        if fact.to_string() != node.conclusion {
            return Err("its text and its values differ".to_owned());
        }
        if node.cut.is_some() {
            verified.asserted += 1;
            return Ok(());
        }
        if node.kind == NodeKind::Input {
            return match self.facts.is_asserted(&fact) {
                Some(true) => {
                    verified.checked += 1;
                    Ok(())
                }
                Some(false) => Err("no such input was recorded".to_owned()),
                None => {
                    verified.asserted += 1;
                    Ok(())
                }
            };
        }
        let clause = node.clause.as_ref().ok_or("it names no clause")?;
        let clause = parse_clause(&clause.text).ok_or("its clause is no rule text")?;
        let bindings: Bindings<'_> =
            node.bindings.iter().map(|(name, value)| (name.as_str(), value)).collect();
        if *clause.head.name.text != *node.relation || clause.head.args.len() != node.row.len() {
            return Err("its clause derives another relation".to_owned());
        }
        for (arg, value) in clause.head.args.iter().zip(&node.row) {
            match compute(arg, &bindings) {
                Some(found) if found == *value => verified.checked += 1,
                Some(found) => return Err(format!("its head gives {found}, not {value}")),
                None => verified.asserted += 1,
            }
        }
        if clause.body.len() != node.premises.len() {
            return Err("its premises are not those of its clause".to_owned());
        }
        for (literal, premise) in clause.body.iter().zip(&node.premises) {
            self.premise(literal, premise, &bindings, verified)?;
        }
        Ok(())
    }

    fn premise(
        &self,
        literal: &syntax::Literal,
        premise: &Premise,
        bindings: &Bindings<'_>,
        verified: &mut Verified,
    ) -> Result<(), String> {
        match (&literal.kind, premise) {
            (syntax::LiteralKind::Atom { negated: false, atom }, Premise::Fact { node }) => {
                let found = self.proof.nodes.get(*node).ok_or("a premise is missing")?;
                let same = *atom.name.text == *found.relation && atom.args.len() == found.row.len();
                if !same || !self.fits(&atom.args, &found.row, bindings) {
                    return Err(format!("`{}` is not the premise it needs", found.conclusion));
                }
                verified.checked += 1;
            }
            (
                syntax::LiteralKind::Atom { negated: true, atom },
                Premise::Absent { pattern, .. },
            ) => {
                let wanted: Vec<Option<Value>> =
                    atom.args.iter().map(|arg| compute(arg, bindings)).collect();
                if pattern.relation != atom.name.text || pattern.columns != wanted {
                    return Err(format!("`!{pattern}` is not the absence it needs"));
                }
                match self.facts.is_absent(pattern) {
                    Some(true) => verified.checked += 1,
                    Some(false) => return Err(format!("`{pattern}` held")),
                    None => verified.asserted += 1,
                }
            }
            (syntax::LiteralKind::Compare { op, left, right }, Premise::Holds { .. }) => {
                match (compute(left, bindings), compute(right, bindings)) {
                    (Some(left), Some(right)) if op.holds(left.cmp(&right)) => {
                        verified.checked += 1
                    }
                    (Some(left), Some(right)) => {
                        return Err(format!("{left} {} {right} is false", op.sign()));
                    }
                    _ => verified.asserted += 1,
                }
            }
            (syntax::LiteralKind::Atom { .. }, Premise::Holds { .. }) => verified.asserted += 1,
            (
                syntax::LiteralKind::Aggregate(aggregate),
                Premise::Aggregate { values, group_size, .. },
            ) => {
                let targets = aggregate.targets.iter().filter(|arg| !is_wildcard(arg));
                if !self.fits_known(targets, values, bindings) {
                    return Err("an aggregate has another value than its targets".to_owned());
                }
                let is_count = aggregate.fold == syntax::Fold::Count;
                if is_count
                    && values.first().is_some_and(|v| v.as_number() != Some(*group_size as i64))
                {
                    return Err("a count differs from the size of its group".to_owned());
                }
                verified.asserted += 1;
            }
            _ => return Err("a premise is of another kind than its condition".to_owned()),
        }
        Ok(())
    }

    fn fits(&self, args: &[Expr], row: &[Value], bindings: &Bindings<'_>) -> bool {
        let mut pairs = args.iter().zip(row);
        pairs.all(|(arg, value)| is_wildcard(arg) || compute(arg, bindings).as_ref() == Some(value))
    }

    fn fits_known<'e>(
        &self,
        args: impl Iterator<Item = &'e Expr>,
        values: &[Value],
        bindings: &Bindings<'_>,
    ) -> bool {
        args.zip(values).all(|(arg, value)| compute(arg, bindings).as_ref() == Some(value))
    }
}

fn is_wildcard(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Wildcard)
}

/// The value of an expression; none when it calls a built-in or a variable has no value.
fn compute(expr: &Expr, bindings: &Bindings<'_>) -> Option<Value> {
    match &expr.kind {
        ExprKind::Variable(name) => bindings.get(&**name).map(|value| (*value).clone()),
        ExprKind::Constant(value) => Some(value.clone()),
        ExprKind::Wildcard => None,
        ExprKind::Arithmetic(op, left, right) => {
            arithmetic::apply(*op, &compute(left, bindings)?, &compute(right, bindings)?)
        }
        ExprKind::Call(name, args) if &*name.text == "cat" => {
            let parts: Option<Vec<String>> =
                args.iter().map(|arg| compute(arg, bindings).map(|value| value.plain())).collect();
            Some(Value::from(parts?.concat()))
        }
        ExprKind::Call(..) => None,
    }
}
