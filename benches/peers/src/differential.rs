//! The program as one differential dataflow, made from the rules at run time.
//!
//! Every row, key and binding is one array of [`WIDTH`] words, so that each operator is compiled
//! once. An arrangement of a relation by some columns is made once and shared by all rules.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::rc::Rc;

use differential_dataflow::VecCollection;
use differential_dataflow::input::Input as _;
use differential_dataflow::input::InputSession;
use differential_dataflow::lattice::Lattice;
use differential_dataflow::operators::arrange::Arranged;
use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::operators::iterate::Variable;
use differential_dataflow::trace::implementations::ValSpine;
use timely::dataflow::operators::probe::Handle as Probe;
use timely::order::Product;
use timely::progress::Timestamp;

use crate::program::Atom;
use crate::program::Condition;
use crate::program::Facts;
use crate::program::Fold;
use crate::program::Program;
use crate::program::Rule;
use crate::program::Term;

/// The most columns and live variables.
pub const WIDTH: usize = 12;

/// A row, a key or a binding; what is not used is 0.
pub type Row = [i32; WIDTH];

type Rows<'s, T> = VecCollection<'s, T, Row, isize>;
type ByKey<'s, T> = Arranged<'s, TraceAgent<ValSpine<Row, Row, T, isize>>>;

/// What a probe of a relation looks like: relation, columns with their values, twins, key columns,
/// and whether only the keys matter.
type Shape = (usize, Vec<(usize, i32)>, Vec<(usize, usize)>, Vec<usize>, bool);

/// One scope with the relations known in it.
struct Known<'s, T: Timestamp + Lattice + Ord> {
    relations: BTreeMap<usize, Rows<'s, T>>,
    arranged: HashMap<Shape, ByKey<'s, T>>,
    /// One empty row, for rules that begin with absence or a group.
    one: Rows<'s, T>,
}

fn row(values: impl IntoIterator<Item = i32>) -> Row {
    let mut row = [0; WIDTH];
    for (at, value) in values.into_iter().enumerate() {
        row[at] = value;
    }
    row
}

/// Variables that are bound, by their place in the binding.
type Slots = Vec<String>;

/// Where a column's value comes from.
#[derive(Clone, Copy)]
enum From {
    Slot(usize),
    Value(i32),
}

impl From {
    fn of(self, row: &Row) -> i32 {
        match self {
            Self::Slot(slot) => row[slot],
            Self::Value(value) => value,
        }
    }
}

fn from(term: &Term, slots: &Slots) -> From {
    match term {
        Term::Value(value) => From::Value(*value),
        Term::Variable(name) => {
            From::Slot(slots.iter().position(|known| known == name).expect("it is bound"))
        }
        Term::Wildcard => From::Value(0),
    }
}

impl<'s, T: Timestamp + Lattice + Ord> Known<'s, T> {
    /// The relation, filtered by the atom's values and twins, by the columns in `key`.
    fn by_key(&mut self, atom: &Atom, key: &[usize], keys_only: bool) -> ByKey<'s, T> {
        let mut values = Vec::new();
        let mut twins = Vec::new();
        for (at, term) in atom.terms.iter().enumerate() {
            match term {
                Term::Value(value) => values.push((at, *value)),
                Term::Variable(_) => {
                    let first = atom.terms.iter().position(|other| other == term);
                    twins.extend(first.filter(|first| *first < at).map(|first| (first, at)));
                }
                Term::Wildcard => {}
            }
        }
        let shape = (atom.relation, values, twins, key.to_vec(), keys_only);
        let (relations, arranged) = (&self.relations, &mut self.arranged);
        let made = arranged.entry(shape.clone()).or_insert_with(|| {
            let (relation, values, twins, key, keys_only) = shape;
            let mut rows = relations[&relation].clone();
            if !values.is_empty() || !twins.is_empty() {
                rows = rows.filter(move |row| {
                    values.iter().all(|(at, value)| row[*at] == *value)
                        && twins.iter().all(|(a, b)| row[*a] == row[*b])
                });
            }
            let keyed = move |found: &Row| row(key.iter().map(|at| found[*at]));
            if keys_only {
                let keys = rows.map(move |found| keyed(&found)).distinct();
                keys.map(|key| (key, [0; WIDTH])).arrange_by_key()
            } else {
                rows.map(move |found| (keyed(&found), found)).arrange_by_key()
            }
        });
        made.clone()
    }

    fn rule(&mut self, rule: &Rule) -> Rows<'s, T> {
        let mut slots: Slots = Vec::new();
        let mut bindings: Option<Rows<'s, T>> = None;
        for (at, condition) in rule.body.iter().enumerate() {
            let needed = needed(rule, at + 1);
            bindings = Some(match condition {
                Condition::Atom(atom, true) => self.join(bindings, &mut slots, atom, &needed),
                Condition::Atom(atom, false) => {
                    self.without(bindings.unwrap_or(self.one.clone()), &slots, atom)
                }
                Condition::Compare(left, op, right) => {
                    let (left, right) = (from(left, &slots), from(right, &slots));
                    let op = op.clone();
                    bindings.expect("an atom stands before").filter(move |row| {
                        let (left, right) = (left.of(row), right.of(row));
                        match &*op {
                            "=" => left == right,
                            "!=" => left != right,
                            "<" => left < right,
                            "<=" => left <= right,
                            ">" => left > right,
                            _ => left >= right,
                        }
                    })
                }
                Condition::Fold(..) => self.fold(bindings, &mut slots, condition),
            });
        }
        let columns: Vec<From> = rule.head.terms.iter().map(|term| from(term, &slots)).collect();
        let bindings = bindings.expect("a rule has conditions");
        bindings.map(move |found| row(columns.iter().map(|column| column.of(&found))))
    }

    fn join(
        &mut self,
        bindings: Option<Rows<'s, T>>,
        slots: &mut Slots,
        atom: &Atom,
        needed: &BTreeSet<String>,
    ) -> Rows<'s, T> {
        let bound = |term: &Term| matches!(term, Term::Variable(name) if slots.contains(name));
        let key: Vec<usize> = (0..atom.terms.len()).filter(|at| bound(&atom.terms[*at])).collect();
        // Left: slots that stay; right: columns that bind new variables.
        let mut next: Slots = Vec::new();
        let mut parts: Vec<(bool, usize)> = Vec::new();
        for (at, name) in slots.iter().enumerate() {
            if needed.contains(name) {
                next.push(name.clone());
                parts.push((true, at));
            }
        }
        for (at, term) in atom.terms.iter().enumerate() {
            if let Term::Variable(name) = term
                && !slots.contains(name)
                && !next.contains(name)
                && needed.contains(name)
            {
                next.push(name.clone());
                parts.push((false, at));
            }
        }
        assert!(next.len() <= WIDTH, "a rule keeps {} variables alive", next.len());
        let merged = move |left: &Row, right: &Row| {
            row(parts.iter().map(|(is_left, at)| if *is_left { left[*at] } else { right[*at] }))
        };
        let right = self.by_key(atom, &key, false);
        let result = match bindings {
            None => right.as_collection(move |_, right| merged(&[0; WIDTH], right)),
            Some(left) => {
                let columns: Vec<From> =
                    key.iter().map(|at| from(&atom.terms[*at], slots)).collect();
                let keyed = left
                    .map(move |found| (row(columns.iter().map(|column| column.of(&found))), found));
                let left: ByKey<'s, T> = keyed.arrange_by_key();
                left.join_core(right, move |_, left, right| Some(merged(left, right)))
            }
        };
        *slots = next;
        result
    }

    fn without(&mut self, bindings: Rows<'s, T>, slots: &Slots, atom: &Atom) -> Rows<'s, T> {
        let is_key = |term: &Term| matches!(term, Term::Variable(_));
        let key: Vec<usize> = (0..atom.terms.len()).filter(|at| is_key(&atom.terms[*at])).collect();
        let columns: Vec<From> = key.iter().map(|at| from(&atom.terms[*at], slots)).collect();
        let right = self.by_key(atom, &key, true);
        let keyed = bindings
            .clone()
            .map(move |found| (row(columns.iter().map(|column| column.of(&found))), found));
        let left: ByKey<'s, T> = keyed.arrange_by_key();
        let those = left.join_core(right, |_, left, _| Some(*left));
        bindings.concat(those.negate())
    }

    /// Adds the value of a group to each binding; an empty group has a count and a sum of 0.
    fn fold(
        &mut self,
        bindings: Option<Rows<'s, T>>,
        slots: &mut Slots,
        condition: &Condition,
    ) -> Rows<'s, T> {
        let Condition::Fold(target, fold, column, atom) = condition else {
            unreachable!("only folds come here")
        };
        let bindings = bindings.unwrap_or(self.one.clone());
        let bound = |term: &Term| match term {
            Term::Variable(name) => slots.contains(name),
            _ => false,
        };
        let key: Vec<usize> = (0..atom.terms.len()).filter(|at| bound(&atom.terms[*at])).collect();
        let folded = atom.terms.iter().position(|other| other == column).unwrap_or(0);
        let rows = self.by_key(atom, &key, false);
        let values = rows.as_collection(|key, row| (*key, *row));
        let fold = *fold;
        let values = values.reduce(move |_, rows, out| {
            let values = rows.iter().map(|(row, _)| row[folded]);
            let value = match fold {
                Fold::Count => Some(i32::try_from(rows.len()).expect("fewer rows than that")),
                Fold::Sum => Some(values.sum()),
                Fold::Min => values.min(),
                Fold::Max => values.max(),
            };
            out.push((row(value), 1));
        });
        let columns: Vec<From> = key.iter().map(|at| from(&atom.terms[*at], slots)).collect();
        let keyed =
            bindings.map(move |found| (row(columns.iter().map(|column| column.of(&found))), found));
        let place = slots.len();
        let known = match target {
            Term::Variable(name) if !slots.contains(name) => {
                slots.push(name.clone());
                None
            }
            Term::Wildcard => Some(None),
            other => Some(Some(from(other, slots))),
        };
        assert!(slots.len() <= WIDTH, "a rule keeps {} variables alive", slots.len());
        let with = move |mut binding: Row, value: i32| match known {
            None => {
                binding[place] = value;
                Some(binding)
            }
            Some(None) => Some(binding),
            Some(Some(want)) => (want.of(&binding) == value).then_some(binding),
        };
        let with_zero = with;
        let left: ByKey<'s, T> = keyed.clone().arrange_by_key();
        let right: ByKey<'s, T> = values.clone().arrange_by_key();
        let full =
            left.clone().join_core(right.clone(), move |_, left, value| with(*left, value[0]));
        if matches!(fold, Fold::Min | Fold::Max) {
            return full;
        }
        let those = left.join_core(right, |_, left, _| Some(*left));
        let empty = keyed.map(|(_, binding)| binding).concat(those.negate());
        full.concat(empty.flat_map(move |binding| with_zero(binding, 0)))
    }
}

/// Variables that conditions from `at` on and the head read.
fn needed(rule: &Rule, at: usize) -> BTreeSet<String> {
    let terms = rule.body[at..].iter().flat_map(Condition::terms).chain(&rule.head.terms);
    terms.filter_map(Term::name).map(str::to_owned).collect()
}

/// The rows of each compared relation, kept up to date while the dataflow runs.
pub type Seen = Rc<RefCell<Vec<HashMap<Row, isize>>>>;

/// A running dataflow.
pub struct Dataflow {
    /// Inputs by relation.
    pub inputs: BTreeMap<usize, InputSession<u64, Row, isize>>,
    /// Tells when a time is done.
    pub probe: Probe<u64>,
}

/// Builds the dataflow; `seen` is filled when it is given.
pub fn build(
    worker: &mut timely::worker::Worker,
    program: &Program,
    facts: &Facts,
    seen: Option<&Seen>,
) -> Dataflow {
    let strata = program.strata();
    worker.dataflow::<u64, _, _>(|scope| {
        let probe = Probe::new();
        let mut inputs = BTreeMap::new();
        let (mut start, one) = scope.new_collection();
        start.insert([0; WIDTH]);
        let mut known = Known { relations: BTreeMap::new(), arranged: HashMap::new(), one };
        for (relations, recursive) in &strata {
            for at in relations {
                if !facts[*at].is_empty() || program.is_input(*at) {
                    let (input, rows) = scope.new_collection();
                    inputs.insert(*at, input);
                    known.relations.insert(*at, rows);
                }
            }
            if *recursive {
                recursion(scope, program, relations, &mut known);
            } else if !program.is_input(relations[0]) {
                let at = relations[0];
                let own = program.rules.iter().filter(|rule| rule.head.relation == at);
                let mut parts: Vec<Rows<'_, u64>> = own.map(|rule| known.rule(rule)).collect();
                parts.extend(known.relations.remove(&at));
                let rows = concatenate(parts).distinct();
                known.relations.insert(at, rows);
            }
        }
        for (at, rows) in &known.relations {
            let rows = rows.clone();
            let rows = match seen {
                Some(seen) if program.outputs.contains(at) => {
                    let (seen, at) = (Rc::clone(seen), *at);
                    rows.inspect(move |(row, _, diff)| {
                        *seen.borrow_mut()[at].entry(*row).or_default() += diff;
                    })
                }
                _ => rows,
            };
            rows.probe_with(&probe);
        }
        Dataflow { inputs, probe }
    })
}

fn concatenate<'s, T: Timestamp + Lattice + Ord>(parts: Vec<Rows<'s, T>>) -> Rows<'s, T> {
    let mut parts = parts.into_iter();
    let first = parts.next().expect("there is a rule");
    first.concatenate(parts)
}

/// One stratum whose relations depend on each other.
fn recursion<'s>(
    scope: timely::dataflow::Scope<'s, u64>,
    program: &Program,
    relations: &[usize],
    known: &mut Known<'s, u64>,
) {
    let rules: Vec<&Rule> =
        program.rules.iter().filter(|rule| relations.contains(&rule.head.relation)).collect();
    let conditions = rules.iter().flat_map(|rule| &rule.body).filter_map(Condition::atom);
    let mut read: BTreeSet<usize> = conditions.map(|atom| atom.relation).collect();
    read.extend(relations);
    let left = scope.iterative::<u64, _, _>(|inner| {
        let summary = Product::new(Default::default(), 1);
        let one = known.one.clone().enter(inner);
        let mut nested = Known { relations: BTreeMap::new(), arranged: HashMap::new(), one };
        let mut variables = Vec::new();
        let mut stated = BTreeMap::new();
        for &at in &read {
            let outer = known.relations.get(&at).cloned().map(|rows| rows.enter(inner));
            if relations.contains(&at) {
                let (variable, rows) = Variable::new(inner, summary);
                variables.push((at, variable));
                nested.relations.insert(at, rows);
                stated.extend(outer.map(|rows| (at, rows)));
            } else {
                nested.relations.insert(at, outer.expect("it stands below"));
            }
        }
        let mut left = Vec::new();
        for (at, variable) in variables {
            let own = rules.iter().filter(|rule| rule.head.relation == at);
            let mut parts: Vec<_> = own.map(|rule| nested.rule(rule)).collect();
            parts.extend(stated.remove(&at));
            let rows = concatenate(parts).distinct();
            variable.set(rows.clone());
            left.push((at, rows.leave(scope)));
        }
        left
    });
    known.relations.extend(left);
}

/// Runs `go` with the only worker.
pub fn run<R: Send + 'static>(
    go: impl Fn(&mut timely::worker::Worker) -> R + Send + Sync + 'static,
) -> R {
    let guards = timely::execute(timely::Config::thread(), go).expect("a worker starts");
    let mut results = guards.join().into_iter();
    results.next().expect("there is one worker").expect("it ends well")
}

/// The row of a relation.
pub fn wide(values: &[i32]) -> Row {
    row(values.iter().copied())
}
