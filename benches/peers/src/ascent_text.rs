//! Ascent programs of an exported one.
//!
//! One macro call for the whole program takes the compiler longer than anybody waits, so there is
//! one for each run of strata with some fifty rules; rows are moved from one to the next. What
//! several of them read is indexed by each: ascent's time for indexing is measured apart.

use std::collections::BTreeSet;

use crate::program::Atom;
use crate::program::Condition;
use crate::program::Fold;
use crate::program::Program;
use crate::program::Rule;
use crate::program::Term;

/// From how many rules on a part is closed.
const RULES: usize = 50;

/// Rules of one macro call, and the relations that they name.
struct Part<'a> {
    rules: Vec<&'a Rule>,
    relations: BTreeSet<usize>,
}

/// The strata in their order, some at a time.
fn parts(program: &Program) -> Vec<Part<'_>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    for (relations, _) in program.strata() {
        let own = program.rules.iter().filter(|rule| relations.contains(&rule.head.relation));
        let own: Vec<&Rule> = own.collect();
        if own.is_empty() {
            continue;
        }
        if parts.last().is_none_or(|part| part.rules.len() >= RULES) {
            parts.push(Part { rules: Vec::new(), relations: BTreeSet::new() });
        }
        let part = parts.last_mut().expect("one was pushed");
        for rule in own {
            part.rules.push(rule);
            part.relations.insert(rule.head.relation);
            let read = rule.body.iter().filter_map(Condition::atom);
            part.relations.extend(read.map(|atom| atom.relation));
        }
    }
    parts
}

/// The text of the macro calls, of a store of rows, and of a function that runs them all.
pub fn ascent_text(program: &Program) -> String {
    let parts = parts(program);
    let mut text = String::new();
    for (number, part) in parts.iter().enumerate() {
        text += &format!("mod part{number} {{\n    use super::*;\n");
        text += "    ascent::ascent! {\n        pub struct Peer;\n";
        for at in &part.relations {
            let columns = vec!["i32"; program.relations[*at].1].join(", ");
            text += &format!("        relation r{at}({columns});\n");
        }
        for rule in &part.rules {
            text += &format!("        {}\n", self::rule(rule));
        }
        text += "    }\n\n    pub fn indexing(peer: &Peer) -> Duration {\n";
        text += "        peer.update_indices_duration\n    }\n}\n\n";
    }
    text += &store_text(program);
    text += "/// Runs all parts, and says what indexing took.\n";
    text += "pub fn run(rows: &mut Rows) -> Duration {\n";
    text += "    let mut indexing = Duration::ZERO;\n";
    for (number, part) in parts.iter().enumerate() {
        text += &format!("    let mut part{number} = part{number}::Peer::default();\n");
        for at in &part.relations {
            text += &format!("    part{number}.r{at} = std::mem::take(&mut rows.r{at});\n");
        }
        text += &format!("    part{number}.run();\n");
        text += &format!("    indexing += part{number}::indexing(&part{number});\n");
        for at in &part.relations {
            text += &format!("    rows.r{at} = std::mem::take(&mut part{number}.r{at});\n");
        }
    }
    text += "    indexing\n}\n";
    text
}

/// All rows, with a function that fills them and one that reads them.
fn store_text(program: &Program) -> String {
    let mut text = String::from("/// Rows by relation.\n#[derive(Default)]\npub struct Rows {\n");
    for (at, (_, arity)) in program.relations.iter().enumerate() {
        let columns = tuple(&vec!["i32".to_owned(); *arity]);
        text += &format!("    r{at}: Vec<{columns}>,\n");
    }
    text += "}\n\n/// Facts in.\npub fn fill(rows: &mut Rows, facts: &[Vec<Vec<i32>>]) {\n";
    for (at, (_, arity)) in program.relations.iter().enumerate() {
        let columns: Vec<String> = (0..*arity).map(|column| format!("row[{column}]")).collect();
        let tuple = tuple(&columns);
        text += &format!("    rows.r{at} = facts[{at}].iter().map(|row| {tuple}).collect();\n");
    }
    text += "}\n\n/// Rows out, sorted.\n";
    text += "pub fn rows(rows: &Rows, relation: usize) -> Vec<Vec<i32>> {\n";
    text += "    let mut rows: Vec<Vec<i32>> = match relation {\n";
    for (at, (_, arity)) in program.relations.iter().enumerate() {
        let columns: Vec<String> = (0..*arity).map(|column| format!("row.{column}")).collect();
        let columns = columns.join(", ");
        text +=
            &format!("        {at} => rows.r{at}.iter().map(|row| vec![{columns}]).collect(),\n");
    }
    text += "        _ => Vec::new(),\n    };\n    rows.sort();\n    rows\n}\n\n";
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
            Condition::Fold(target, fold, column, rows) => {
                let free = free(rows, &bound, column);
                let (word, column) = match fold {
                    Fold::Count => ("count32", String::new()),
                    Fold::Sum => ("sum32", term(column)),
                    Fold::Min => ("min32", term(column)),
                    Fold::Max => ("max32", term(column)),
                };
                let call = format!("{word}({column}) in {}", atom(&free));
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

/// The atom with its free columns as wildcards, the folded one excepted.
fn free(rows: &Atom, bound: &BTreeSet<String>, column: &Term) -> Atom {
    let terms = rows.terms.iter().map(|term| match term {
        Term::Variable(name) if !bound.contains(name) && term != column => Term::Wildcard,
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
