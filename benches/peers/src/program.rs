//! The exported program: what `hence rules export --to souffle` writes, as a value.
//!
//! Every value is one `i32`: a number itself, a text by its place among all texts. The texts of the
//! rules come first, so that code made from the rules alone knows their places.
//! Shared by the build script, which makes an ascent program, and by the bench.

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

/// What an aggregate makes of the rows of its atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// Their number; 0 where there are none.
    Count,
    /// The sum of a column; 0 where there are none.
    Sum,
    /// The least value of a column; nothing where there are none.
    Min,
    /// The largest one.
    Max,
}

/// A condition.
#[derive(Clone, Debug)]
pub enum Condition {
    /// There is such a row, or there is none.
    Atom(Atom, bool),
    /// A comparison: one of `=`, `!=`, `<`, `<=`, `>`, `>=`.
    Compare(Term, String, Term),
    /// Target, fold, column, and the rows; columns that nothing else binds are free.
    Fold(Term, Fold, Term, Atom),
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What it concludes.
    pub head: Atom,
    /// From what.
    pub body: Vec<Condition>,
}

/// Rows by relation.
pub type Facts = Vec<Vec<Vec<i32>>>;

/// Places of texts.
#[derive(Clone, Debug, Default)]
pub struct Places(HashMap<String, i32>);

/// The rules, and what they state outright.
#[derive(Default)]
pub struct Program {
    /// Names and numbers of columns.
    pub relations: Vec<(String, usize)>,
    /// Relations that are compared.
    pub outputs: BTreeSet<usize>,
    /// Relations that rules derive.
    pub derived: BTreeSet<usize>,
    /// Rules with conditions.
    pub rules: Vec<Rule>,
    /// Rules without.
    pub stated: Facts,
    /// The texts that occur in rules.
    pub places: Places,
    /// Tables by what some of their columns are: table, columns with their values, and the part.
    pub parts: Vec<(usize, Vec<(usize, i32)>, usize)>,
    /// Relations by name.
    pub names: HashMap<String, usize>,
}

impl Places {
    /// The place of a text, a new one where it has none.
    pub fn place(&mut self, text: &str) -> i32 {
        if let Some(place) = self.0.get(text) {
            return *place;
        }
        let place = i32::try_from(self.0.len()).expect("fewer texts than that");
        self.0.insert(text.to_owned(), place);
        place
    }

    /// The place of a text that has one.
    pub fn known(&self, text: &str) -> i32 {
        self.0[text]
    }
}

impl Program {
    /// True when no rule derives the relation.
    pub fn is_input(&self, relation: usize) -> bool {
        !self.derived.contains(&relation)
    }

    /// Makes each part of a table that rules name with the same values in some columns a relation
    /// of its own, without these columns: what an export folds into one table is many functions.
    pub fn take_apart(&mut self) {
        let mut rules = std::mem::take(&mut self.rules);
        for condition in rules.iter_mut().flat_map(|rule| &mut rule.body) {
            let Condition::Atom(atom, _) = condition else { continue };
            let (name, arity) = self.relations[atom.relation].clone();
            let values = atom.terms.iter().enumerate().filter_map(|(at, term)| match term {
                Term::Value(value) => Some((at, *value)),
                _ => None,
            });
            let values: Vec<(usize, i32)> = values.collect();
            let is_table = self.is_input(atom.relation) && name.contains("__");
            if values.is_empty() || !is_table || name.starts_with("order__") {
                continue;
            }
            let known =
                self.parts.iter().find(|(table, own, _)| (*table, own) == (atom.relation, &values));
            let part = match known {
                Some((_, _, part)) => *part,
                None => {
                    let part = self.relations.len();
                    self.relations.push((format!("{name}__{part}"), arity - values.len()));
                    self.parts.push((atom.relation, values, part));
                    part
                }
            };
            atom.relation = part;
            atom.terms.retain(|term| !matches!(term, Term::Value(_)));
        }
        self.rules = rules;
    }

    /// Fills the parts of tables, and empties tables that no rule names as a whole.
    pub fn fill_parts(&self, facts: &mut Facts) {
        facts.resize(self.relations.len(), Vec::new());
        for (table, values, part) in &self.parts {
            let fits = |row: &&Vec<i32>| values.iter().all(|(at, value)| row[*at] == *value);
            let rest = |row: &Vec<i32>| {
                let columns = (0..row.len()).filter(|at| values.iter().all(|(own, _)| own != at));
                columns.map(|at| row[at]).collect::<Vec<i32>>()
            };
            facts[*part] = facts[*table].iter().filter(fits).map(rest).collect();
        }
        let conditions = self.rules.iter().flat_map(|rule| &rule.body);
        let named: BTreeSet<usize> =
            conditions.filter_map(Condition::atom).map(|atom| atom.relation).collect();
        for (table, ..) in self.parts.iter().filter(|(table, ..)| !named.contains(table)) {
            facts[*table].clear();
        }
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
            Self::Atom(atom, _) | Self::Fold(_, _, _, atom) => Some(atom),
            Self::Compare(..) => None,
        }
    }

    /// All its terms.
    pub fn terms(&self) -> Vec<&Term> {
        match self {
            Self::Atom(atom, _) => atom.terms.iter().collect(),
            Self::Compare(left, _, right) => vec![left, right],
            Self::Fold(target, _, column, atom) => {
                atom.terms.iter().chain([target, column]).collect()
            }
        }
    }

    /// All its terms, to be replaced.
    pub fn terms_mut(&mut self) -> Vec<&mut Term> {
        match self {
            Self::Atom(atom, _) => atom.terms.iter_mut().collect(),
            Self::Compare(left, _, right) => vec![left, right],
            Self::Fold(target, _, column, atom) => {
                atom.terms.iter_mut().chain([target, column]).collect()
            }
        }
    }
}

impl Term {
    /// The name of a variable.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Variable(name) => Some(name),
            _ => None,
        }
    }
}
