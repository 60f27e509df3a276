//! An ascent program of an exported one.

use std::collections::BTreeSet;

use crate::text::Atom;
use crate::text::Condition;
use crate::text::Program;
use crate::text::Rule;
use crate::text::Term;

/// The text of the macro call, and of a function that fills it and one that reads it.
pub fn ascent_text(program: &Program) -> String {
    let mut text = String::from("ascent::ascent! {\n    pub struct Peer;\n");
    for (at, (_, arity)) in program.relations.iter().enumerate() {
        text += &format!("    relation r{at}({});\n", vec!["i32"; *arity].join(", "));
    }
    for rule in &program.rules {
        text += &format!("    {}\n", self::rule(rule));
    }
    text += "}\n\n/// Facts in.\npub fn fill(peer: &mut Peer, facts: &[Vec<Vec<i32>>]) {\n";
    for (at, (_, arity)) in program.relations.iter().enumerate() {
        let columns: Vec<String> = (0..*arity).map(|column| format!("row[{column}]")).collect();
        let tuple = tuple(&columns);
        text += &format!(
            "    peer.r{at} = facts[{at}].iter().map(|row| {{ let _ = row; {tuple} }}).collect();\n"
        );
    }
    text += "}\n\n/// Rows out, sorted.\n";
    text += "pub fn rows(peer: &Peer, relation: usize) -> Vec<Vec<i32>> {\n";
    text += "    let mut rows: Vec<Vec<i32>> = match relation {\n";
    for (at, (_, arity)) in program.relations.iter().enumerate() {
        let columns: Vec<String> = (0..*arity).map(|column| format!("row.{column}")).collect();
        text += &format!(
            "        {at} => peer.r{at}.iter().map(|row| {{ let _ = row; vec![{}] }}).collect(),\n",
            columns.join(", ")
        );
    }
    text += "        _ => Vec::new(),\n    };\n    rows.sort();\n    rows\n}\n";
    text
}

fn tuple(columns: &[String]) -> String {
    match columns {
        [one] => format!("({one},)"),
        _ => format!("({})", columns.join(", ")),
    }
}

fn term(term: &Term) -> String {
    match term {
        Term::Variable(name) => format!("v_{name}"),
        Term::Value(value) => value.to_string(),
        Term::Wildcard => "_".to_owned(),
    }
}

fn atom(atom: &Atom) -> String {
    let terms: Vec<String> = atom.terms.iter().map(term).collect();
    format!("r{}({})", atom.relation, terms.join(", "))
}

fn rule(rule: &Rule) -> String {
    let mut bound: BTreeSet<String> = BTreeSet::new();
    let mut parts = Vec::new();
    for condition in &rule.body {
        match condition {
            Condition::Atom(rows, true) => {
                let (rows, same) = apart(rows, &bound);
                parts.push(atom(&rows));
                parts.extend(same);
                note(&rows.terms, &mut bound);
            }
            Condition::Atom(rows, false) => parts.push(format!("!{}", atom(rows))),
            Condition::Compare(left, op, right) => {
                let op = if op == "=" { "==" } else { op };
                parts.push(format!("if n({}) {op} n({})", as_value(left), as_value(right)));
            }
            Condition::Count(target, rows) => {
                let free = free(rows, &bound, None);
                parts.push(aggregate(target, &format!("count32() in {}", atom(&free)), &mut bound));
            }
            Condition::Sum(target, summand, rows) => {
                let free = free(rows, &bound, Some(summand));
                let call = format!("sum32({}) in {}", term(summand), atom(&free));
                parts.push(aggregate(target, &call, &mut bound));
            }
        }
    }
    let head: Vec<String> = rule.head.terms.iter().map(|t| format!("n({})", as_value(t))).collect();
    format!("r{}({}) <-- {};", rule.head.relation, head.join(", "), parts.join(", "))
}

fn as_value(t: &Term) -> String {
    format!("&{}", term(t))
}

/// The atom with a name of its own for a variable that it binds twice, and what that has to equal.
fn apart(rows: &Atom, bound: &BTreeSet<String>) -> (Atom, Vec<String>) {
    let (mut terms, mut same) = (Vec::new(), Vec::new());
    for (at, term) in rows.terms.iter().enumerate() {
        match term {
            Term::Variable(name) if !bound.contains(name) && terms.contains(term) => {
                let twin = Term::Variable(format!("{name}_{at}"));
                same.push(format!("if n({}) == n({})", as_value(term), as_value(&twin)));
                terms.push(twin);
            }
            term => terms.push(term.clone()),
        }
    }
    (Atom { relation: rows.relation, terms }, same)
}

fn note(terms: &[Term], bound: &mut BTreeSet<String>) {
    for term in terms {
        if let Term::Variable(name) = term {
            bound.insert(name.clone());
        }
    }
}

/// The atom with its free columns as wildcards, the summand excepted.
fn free(rows: &Atom, bound: &BTreeSet<String>, summand: Option<&Term>) -> Atom {
    let terms = rows.terms.iter().map(|term| match term {
        Term::Variable(name) if !bound.contains(name) && Some(term) != summand => Term::Wildcard,
        other => other.clone(),
    });
    Atom { relation: rows.relation, terms: terms.collect() }
}

fn aggregate(target: &Term, call: &str, bound: &mut BTreeSet<String>) -> String {
    match target {
        Term::Variable(name) if bound.insert(name.clone()) => {
            format!("agg {} = {call}", term(target))
        }
        Term::Wildcard => format!("agg _ = {call}"),
        other => format!("agg vfound = {call}, if n(&vfound) == n({})", as_value(other)),
    }
}
