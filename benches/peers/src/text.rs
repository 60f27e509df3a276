//! The exported program: what `hence rules export --to souffle` writes, read back.
//!
//! In: text. Out: relations, rules whose conditions stand in an order that joins well, and facts.
//! Every value is one `i32`: a number itself, a text by its place among all texts. Texts of rules
//! come first, so that code made from the rules alone knows their places.
//! Shared by the build script, which makes an ascent program, and by the bench.

#![allow(dead_code, reason = "the build script uses only a part")]

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;

/// A column of a condition or head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// A variable of the rule.
    Variable(String),
    /// A value.
    Value(i32),
    /// Any value.
    Wildcard,
}

/// A relation with its columns.
#[derive(Clone, Debug)]
pub struct Atom {
    /// The relation's place in [`Program::relations`].
    pub relation: usize,
    /// Its columns.
    pub terms: Vec<Term>,
}

/// A condition.
#[derive(Clone, Debug)]
pub enum Condition {
    /// There is such a row, or there is none.
    Atom(Atom, bool),
    /// A comparison: one of `=`, `!=`, `<`, `<=`, `>`, `>=`.
    Compare(Term, String, Term),
    /// How many rows the atom has; columns that nothing else binds are free.
    Count(Term, Atom),
    /// The sum of a column over the rows of the atom.
    Sum(Term, Term, Atom),
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What it concludes.
    pub head: Atom,
    /// From what.
    pub body: Vec<Condition>,
}

/// A program with its facts.
#[derive(Default)]
pub struct Program {
    /// Names and numbers of columns.
    pub relations: Vec<(String, usize)>,
    /// Which columns hold numbers.
    pub numbers: Vec<Vec<bool>>,
    /// Relations that are compared.
    pub outputs: BTreeSet<usize>,
    /// Relations that rules derive.
    pub derived: BTreeSet<usize>,
    /// Rules with conditions.
    pub rules: Vec<Rule>,
    /// Facts by relation, those that rules state included.
    pub facts: Vec<Vec<Vec<i32>>>,
    /// All texts, in order of their places.
    pub texts: Vec<String>,
    names: HashMap<String, usize>,
    places: HashMap<String, i32>,
}

impl Program {
    /// Reads an export.
    pub fn read(text: &str) -> Self {
        Self::read_like(text, None)
    }

    /// The same, with the places that texts have in another export of the same rules.
    pub fn read_like(text: &str, like: Option<&Self>) -> Self {
        let mut program = Self::default();
        if let Some(like) = like {
            program.texts.clone_from(&like.texts);
            program.places.clone_from(&like.places);
        }
        let is_rule = |line: &&str| line.contains(" :- ");
        for line in text.lines().filter(|line| line.starts_with(".decl ")) {
            program.declare(&line[6..]);
        }
        program.facts = vec![Vec::new(); program.relations.len()];
        for line in text.lines().filter(|line| line.starts_with(".output ")) {
            let at = program.names[line[8..].trim()];
            program.outputs.insert(at);
        }
        for line in text.lines().filter(is_rule) {
            let mut reader = Reader { rest: line, program: &mut program };
            let rule = reader.rule();
            program.derived.insert(rule.head.relation);
            program.rules.push(rule);
        }
        let facts = text.lines().filter(|line| !line.starts_with(['.', '/']) && !is_rule(line));
        for line in facts.filter(|line| !line.is_empty()) {
            let atom = Reader { rest: line, program: &mut program }.atom();
            let row = atom.terms.iter().map(|term| match term {
                Term::Value(value) => *value,
                other => panic!("a fact with {other:?}"),
            });
            let row = row.collect();
            program.facts[atom.relation].push(row);
        }
        program
    }

    fn declare(&mut self, line: &str) {
        let (name, columns) = line.split_once('(').expect("a declaration has columns");
        let columns = columns.trim_end_matches(')');
        let columns: Vec<bool> = columns
            .split(", ")
            .filter(|column| !column.is_empty())
            .map(|column| column.ends_with("number"))
            .collect();
        self.names.insert(name.to_owned(), self.relations.len());
        self.relations.push((name.to_owned(), columns.len()));
        self.numbers.push(columns);
    }

    /// True when no rule derives the relation.
    pub fn is_input(&self, relation: usize) -> bool {
        !self.derived.contains(&relation)
    }

    /// The place of a text.
    pub fn place(&mut self, text: &str) -> i32 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = i32::try_from(self.texts.len()).expect("fewer texts than that");
        self.texts.push(text.to_owned());
        self.places.insert(text.to_owned(), place);
        place
    }

    /// The place of a text that the export has.
    pub fn known(&self, text: &str) -> i32 {
        self.places[text]
    }

    /// True when both have the same relations and rules.
    pub fn same_rules(&self, other: &Self) -> bool {
        let rules = |program: &Self| format!("{:?}{:?}", program.relations, program.rules);
        rules(self) == rules(other)
    }

    /// Groups of relations that depend on each other, lower ones first; true when one is recursive.
    pub fn strata(&self) -> Vec<(Vec<usize>, bool)> {
        let count = self.relations.len();
        let mut reads: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); count];
        for rule in &self.rules {
            for condition in &rule.body {
                if let Some(atom) = condition.atom() {
                    reads[rule.head.relation].insert(atom.relation);
                }
            }
        }
        let (low, stack, found) = (BTreeMap::new(), Vec::new(), Vec::new());
        let index = vec![None; count];
        let mut search = Search { reads: &reads, index, low, stack, next: 0, found };
        for at in 0..count {
            search.visit(at);
        }
        search.found
    }
}

/// Tarjan's search for strongly connected components.
struct Search<'a> {
    reads: &'a [BTreeSet<usize>],
    index: Vec<Option<usize>>,
    low: BTreeMap<usize, usize>,
    stack: Vec<usize>,
    next: usize,
    found: Vec<(Vec<usize>, bool)>,
}

impl Search<'_> {
    fn visit(&mut self, at: usize) {
        if self.index[at].is_some() {
            return;
        }
        let own = self.next;
        self.next += 1;
        self.index[at] = Some(own);
        self.low.insert(at, own);
        self.stack.push(at);
        let reads = self.reads;
        for &other in &reads[at] {
            self.visit(other);
            if self.stack.contains(&other) {
                let low = self.low[&other].min(self.low[&at]);
                self.low.insert(at, low);
            }
        }
        if self.low[&at] == own {
            let start = self.stack.iter().position(|other| *other == at).expect("it is on it");
            let group = self.stack.split_off(start);
            let recursive = group.len() > 1 || reads[at].contains(&at);
            self.found.push((group, recursive));
        }
    }
}

impl Condition {
    /// The atom that it reads.
    pub fn atom(&self) -> Option<&Atom> {
        match self {
            Self::Atom(atom, _) | Self::Count(_, atom) | Self::Sum(_, _, atom) => Some(atom),
            Self::Compare(..) => None,
        }
    }

    /// Replaces a variable.
    fn replace(&mut self, name: &str, by: &Term) {
        let terms: Vec<&mut Term> = match self {
            Self::Atom(atom, _) => atom.terms.iter_mut().collect(),
            Self::Compare(left, _, right) => vec![left, right],
            Self::Count(target, atom) => atom.terms.iter_mut().chain([target]).collect(),
            Self::Sum(target, summand, atom) => {
                atom.terms.iter_mut().chain([target, summand]).collect()
            }
        };
        replace(terms, name, by);
    }
}

fn replace(terms: Vec<&mut Term>, name: &str, by: &Term) {
    for term in terms {
        if matches!(term, Term::Variable(known) if known == name) {
            *term = by.clone();
        }
    }
}

impl Rule {
    /// Equalities of a variable become that variable everywhere, where no aggregate gives it.
    fn unify(&mut self) {
        let mut at = 0;
        while at < self.body.len() {
            let pair = match &self.body[at] {
                Condition::Compare(Term::Variable(name), op, by) if op == "=" => {
                    Some((name.clone(), by.clone()))
                }
                Condition::Compare(by, op, Term::Variable(name)) if op == "=" => {
                    Some((name.clone(), by.clone()))
                }
                _ => None,
            };
            let given = |name: &str| {
                self.body.iter().any(|condition| match condition {
                    Condition::Count(target, _) | Condition::Sum(target, _, _) => {
                        matches!(target, Term::Variable(known) if known == name)
                    }
                    _ => false,
                })
            };
            let Some((name, by)) = pair.filter(|(name, by)| {
                !given(name) || matches!(by, Term::Variable(other) if !given(other))
            }) else {
                at += 1;
                continue;
            };
            // A name given by an aggregate stays; the other one takes its place.
            let (name, by) = match by {
                Term::Variable(other) if given(&name) => (other, Term::Variable(name)),
                by => (name, by),
            };
            self.body.remove(at);
            self.body.iter_mut().for_each(|condition| condition.replace(&name, &by));
            replace(self.head.terms.iter_mut().collect(), &name, &by);
        }
    }

    /// Filters as soon as they can be decided, then the atom with the most bound columns.
    fn order(&mut self) {
        let mut rest = std::mem::take(&mut self.body);
        let mut bound: BTreeSet<String> = BTreeSet::new();
        let names: Vec<BTreeSet<String>> = rest.iter().map(Condition::outer).collect();
        let mut names: Vec<(usize, BTreeSet<String>)> = names.into_iter().enumerate().collect();
        while !rest.is_empty() {
            let others = |at: usize| -> BTreeSet<String> {
                let others = names.iter().filter(|(other, _)| *other != names[at].0);
                others.flat_map(|(_, names)| names.iter().cloned()).collect()
            };
            let rank = |at: usize| -> (usize, usize) {
                let known = names[at].1.iter().filter(|name| bound.contains(*name)).count();
                match &rest[at] {
                    Condition::Compare(..) if known == names[at].1.len() => (5, 0),
                    Condition::Atom(_, false) if known == names[at].1.len() => (4, 0),
                    // Columns that occur elsewhere choose the group: they must be bound before.
                    Condition::Count(target, _) | Condition::Sum(target, _, _) => {
                        let elsewhere = others(at);
                        let free = names[at].1.iter().filter(|name| {
                            !bound.contains(*name)
                                && elsewhere.contains(*name)
                                && !matches!(target, Term::Variable(known) if known == *name)
                        });
                        if free.count() == 0 { (2, 0) } else { (0, 0) }
                    }
                    Condition::Atom(atom, true) => {
                        let values = atom.terms.iter().filter(|t| matches!(t, Term::Value(_)));
                        (3, 1 + known * 4 + values.count())
                    }
                    _ => (0, 0),
                }
            };
            let best = (0..rest.len()).rev().max_by_key(|at| rank(*at)).expect("some are left");
            assert!(rank(best).0 > 0 || rest.len() == 1, "no order for {rest:?}");
            let condition = rest.remove(best);
            bound.extend(names.remove(best).1);
            self.body.push(condition);
        }
    }
}

impl Condition {
    fn outer(&self) -> BTreeSet<String> {
        let terms: Vec<&Term> = match self {
            Self::Atom(atom, _) => atom.terms.iter().collect(),
            Self::Compare(left, _, right) => vec![left, right],
            Self::Count(target, atom) => atom.terms.iter().chain([target]).collect(),
            Self::Sum(target, _, atom) => atom.terms.iter().chain([target]).collect(),
        };
        let names = terms.into_iter().filter_map(|term| match term {
            Term::Variable(name) => Some(name.clone()),
            _ => None,
        });
        names.collect()
    }
}

/// Reads one line.
struct Reader<'a> {
    rest: &'a str,
    program: &'a mut Program,
}

impl Reader<'_> {
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

    fn rule(&mut self) -> Rule {
        let head = self.atom();
        assert!(self.skip(":-"), "a rule has conditions: {}", self.rest);
        let mut body = vec![self.condition()];
        while self.skip(",") {
            body.push(self.condition());
        }
        assert!(self.skip("."), "a rule ends: {}", self.rest);
        let mut rule = Rule { head, body };
        rule.unify();
        rule.order();
        rule
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
            let atom = self.atom();
            assert!(self.skip("}"), "a count ends: {}", self.rest);
            return Condition::Count(left, atom);
        }
        if self.skip("sum ") {
            let summand = self.term();
            assert!(self.skip(": {"), "a sum has an atom: {}", self.rest);
            let atom = self.atom();
            assert!(self.skip("}"), "a sum ends: {}", self.rest);
            return Condition::Sum(left, summand, atom);
        }
        Condition::Compare(left, op, self.term())
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
            let mut text = String::new();
            let mut chars = quoted.char_indices();
            while let Some((at, char)) = chars.next() {
                match char {
                    '"' => {
                        self.rest = &quoted[at + 1..];
                        return Term::Value(self.program.place(&text));
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
            panic!("a text without end: {rest}");
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '-');
        let end = end.unwrap_or(rest.len());
        let word = &rest[..end];
        self.rest = &rest[end..];
        match word.parse() {
            Ok(number) => Term::Value(number),
            Err(_) if word == "_" => Term::Wildcard,
            Err(_) => Term::Variable(word.to_owned()),
        }
    }
}
