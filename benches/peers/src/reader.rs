//! Reads the text of an export.
//!
//! In: text. Out: a program, or the rows of its facts. What the exporter never writes is a panic.

use crate::program::Atom;
use crate::program::Condition;
use crate::program::Facts;
use crate::program::Fold;
use crate::program::Places;
use crate::program::Program;
use crate::program::Rule;
use crate::program::Term;

fn is_rule(line: &str) -> bool {
    line.contains(" :- ")
}

/// Reads rules and declarations; conditions stand as they are written.
pub fn read(text: &str) -> Program {
    let mut program = Program::default();
    for line in text.lines() {
        if let Some(line) = line.strip_prefix(".decl ") {
            let (name, columns) = line.split_once('(').expect("a declaration has columns");
            let columns = columns.trim_end_matches(')').split(", ");
            let arity = columns.filter(|column| !column.is_empty()).count();
            program.names.insert(name.to_owned(), program.relations.len());
            program.relations.push((name.to_owned(), arity));
        }
    }
    for line in text.lines() {
        if let Some(name) = line.strip_prefix(".output ") {
            program.outputs.insert(program.names[name.trim()]);
        }
    }
    let mut places = Places::default();
    for line in text.lines().filter(|line| is_rule(line)) {
        let rule = Reader { rest: line, program: &program, places: &mut places }.rule();
        program.derived.insert(rule.head.relation);
        program.rules.push(rule);
    }
    program.places = places;
    program.take_apart();
    program
}

/// Reads the facts of an export of the same program; new texts get new places.
pub fn read_facts(text: &str, program: &Program, places: &mut Places) -> Facts {
    let mut facts = vec![Vec::new(); program.relations.len()];
    let is_fact = |line: &&str| !line.is_empty() && !line.starts_with(['.', '/']) && !is_rule(line);
    for line in text.lines().filter(is_fact) {
        let atom = Reader { rest: line, program, places }.atom();
        let row = atom.terms.iter().map(|term| match term {
            Term::Value(value) => *value,
            other => panic!("a fact with {other:?}"),
        });
        facts[atom.relation].push(row.collect());
    }
    program.fill_parts(&mut facts);
    facts
}

/// Reads one line.
struct Reader<'a> {
    rest: &'a str,
    program: &'a Program,
    places: &'a mut Places,
}

impl<'a> Reader<'a> {
    fn skip(&mut self, text: &str) -> bool {
        let rest = self.rest.trim_start();
        match rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn must(&mut self, text: &str) {
        assert!(self.skip(text), "`{text}` is missing before {}", self.rest);
    }

    fn rule(&mut self) -> Rule {
        let head = self.atom();
        self.must(":-");
        let mut body = vec![self.condition()];
        while self.skip(",") {
            body.push(self.condition());
        }
        self.must(".");
        Rule { head, body }
    }

    fn condition(&mut self) -> Condition {
        if self.skip("!") {
            return Condition::Atom(self.atom(), false);
        }
        let rest = self.rest.trim_start();
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if rest[word..].starts_with('(') {
            return Condition::Atom(self.atom(), true);
        }
        let left = self.term();
        let rest = self.rest.trim_start();
        let end = rest.find(' ').expect("a sign stands between blanks");
        let op = rest[..end].to_owned();
        self.rest = &rest[end..];
        if self.skip("count : {") {
            return self.fold(left, Fold::Count, Term::Wildcard);
        }
        let folds = [("sum ", Fold::Sum), ("min ", Fold::Min), ("max ", Fold::Max)];
        for (word, fold) in folds {
            if self.skip(word) {
                let column = self.term();
                self.must(": {");
                return self.fold(left, fold, column);
            }
        }
        Condition::Compare(left, op, self.term())
    }

    fn fold(&mut self, target: Term, fold: Fold, column: Term) -> Condition {
        let atom = self.atom();
        self.must("}");
        Condition::Fold(target, fold, column, atom)
    }

    fn atom(&mut self) -> Atom {
        let rest = self.rest.trim_start();
        let (name, rest) = rest.split_once('(').expect("an atom has columns");
        self.rest = rest;
        let relation = self.program.names[name];
        let mut terms = Vec::new();
        while !self.skip(")") {
            terms.push(self.term());
            self.skip(",");
        }
        Atom { relation, terms }
    }

    fn term(&mut self) -> Term {
        let rest = self.rest.trim_start();
        if let Some(quoted) = rest.strip_prefix('"') {
            return self.text(quoted);
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '-');
        let word = &rest[..end.unwrap_or(rest.len())];
        self.rest = &rest[word.len()..];
        match word.parse() {
            Ok(number) => Term::Value(number),
            Err(_) if word == "_" => Term::Wildcard,
            Err(_) => Term::Variable(word.to_owned()),
        }
    }

    fn text(&mut self, quoted: &'a str) -> Term {
        let mut text = String::new();
        let mut chars = quoted.char_indices();
        while let Some((at, char)) = chars.next() {
            match char {
                '"' => {
                    self.rest = &quoted[at + 1..];
                    return Term::Value(self.places.place(&text));
                }
                '\\' => match chars.next().map(|(_, char)| char) {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some(other) => text.push(other),
                    None => break,
                },
                other => text.push(other),
            }
        }
        panic!("a text without end: {quoted}");
    }
}
