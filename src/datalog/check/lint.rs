//! Warnings: text that means something, but probably not what its author thinks.

use std::collections::BTreeSet;

use crate::datalog::check::File;
use crate::datalog::check::declare::Scope;
use crate::datalog::check::resolve::CheckedClause;
use crate::datalog::check::resolve::Resolved;
use crate::datalog::check::strata::each_read;
use crate::datalog::diagnostic::Code;
use crate::datalog::diagnostic::Complaint;
use crate::datalog::diagnostic::Complaints;
use crate::datalog::program::LiteralKind;
use crate::datalog::program::RelationKind;
use crate::datalog::program::Term;

/// Adds the warnings of a program to `complaints`.
pub(super) fn lint(
    files: &[File],
    resolved: &Resolved,
    scope: &Scope,
    complaints: &mut Complaints,
) {
    unused_relations(resolved, scope, complaints);
    for clause in resolved.clauses.iter().filter(|clause| clause.sound) {
        singletons(clause, complaints);
        never_fires(clause, scope, complaints);
        cross_product(clause, files, scope, complaints);
    }
}

fn unused_relations(resolved: &Resolved, scope: &Scope, complaints: &mut Complaints) {
    let mut read = vec![false; scope.relations.len()];
    for clause in &resolved.clauses {
        each_read(&clause.clause.body, &mut |relation, _, _| read[relation] = true);
    }
    for (at, info) in scope.relations.iter().enumerate() {
        let idle = info.kind == RelationKind::Derived && !info.output && !read[at];
        if idle {
            let message = format!("nothing reads relation `{}`", info.name);
            let complaint = Complaint::warning(Code::Unused, message);
            let help = format!("mark it: .output {}", info.name);
            complaints.push(complaint.at(scope.spans[at], "declared here").help(help));
        }
    }
}

fn singletons(clause: &CheckedClause, complaints: &mut Complaints) {
    for (variable, (span, count)) in clause.clause.variables.iter().zip(&clause.occurrences) {
        if *count == 1 && !variable.name.starts_with('_') {
            let message = format!("variable `{}` is used once", variable.name);
            let complaint = Complaint::warning(Code::Singleton, message).at(*span, "only here");
            complaints.push(complaint.help("write `_` when its value does not matter"));
        }
    }
}

fn never_fires(clause: &CheckedClause, scope: &Scope, complaints: &mut Complaints) {
    for (literal, span) in clause.clause.body.iter().zip(&clause.literal_spans) {
        let LiteralKind::Atom { relation, negated: false, .. } = &literal.kind else { continue };
        let info = &scope.relations[*relation];
        if info.kind == RelationKind::Derived && info.writers.is_empty() {
            let message = format!("this clause never fires: no clause derives `{}`", info.name);
            let complaint = Complaint::warning(Code::NeverFires, message).at(*span, "always empty");
            let help = "declare it as .input if facts come from outside, or write a clause for it";
            complaints.push(complaint.help(help));
        }
    }
}

/// A relation that may have no more rows than this multiplies nothing worth a warning.
const SMALL: u64 = 100;

/// Two groups of conditions that share no variable multiply.
fn cross_product(
    clause: &CheckedClause,
    files: &[File],
    scope: &Scope,
    complaints: &mut Complaints,
) {
    let mut bound: BTreeSet<usize> = BTreeSet::new();
    let mut atoms = 0;
    for &at in &clause.clause.order {
        let literal = &clause.clause.body[at];
        if let LiteralKind::Atom { relation, args, negated: false } = &literal.kind
            && scope.relations[*relation].limit.is_none_or(|limit| limit > SMALL)
        {
            let joins = args.iter().any(|arg| match arg {
                Term::Variable(variable) => bound.contains(variable),
                Term::Constant(_) => true,
                Term::Wildcard => false,
            });
            if atoms > 0 && !joins && !args.is_empty() {
                let span = clause.literal_spans[at];
                let text = files[span.file as usize].excerpt(span);
                let message = format!("`{text}` shares no variable with what stands before it");
                let complaint = Complaint::warning(Code::CrossProduct, message);
                let complaint = complaint.at(span, "every row of it meets every row before");
                let name = &scope.relations[*relation].name;
                complaints.push(complaint.help(format!(
                    "join on a shared variable, or bound one side: .limitsize {name}(n={SMALL})"
                )));
            }
            atoms += 1;
        }
        let one = std::slice::from_ref(literal);
        super::resolve::variables_of_body(one, &mut |variable| {
            bound.insert(variable);
        });
    }
}
