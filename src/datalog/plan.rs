//! Join plans: in which order a clause's conditions are met, and which index each one probes.
//!
//! A plan starts from bindings (one empty one, a changed row, or a wanted head) and extends them
//! step by step. Filters come as soon as they can; then the condition with the most bound columns;
//! of equals one of a lower stratum, then text order: so the counted work depends on the program
//! alone. A binding has one word per variable, one per row id that keeps derivations apart where a
//! `_` would merge them, and two at its end: the highest rank so far, and which start it grew from.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::datalog::check;
use crate::datalog::compile::CoreLiteral;
use crate::datalog::compile::CoreRelation;
use crate::datalog::compile::Stored;
use crate::datalog::program::Call;
use crate::datalog::program::Expr;
use crate::datalog::program::LiteralKind;
use crate::datalog::program::Term;
use crate::datalog::store::Interner;
use crate::datalog::syntax::Comparison;

/// Where a word comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    Slot(usize),
    Word(u32),
}

/// What stands in a head, a comparison or an assignment.
#[derive(Clone, Debug)]
pub(crate) enum Operand {
    Known(Source),
    Computed(Expr),
}

/// Which entries of a table a probe looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// All rows.
    Scan,
    /// The index at this position, with the words of these sources.
    Index(usize),
    /// The whole row.
    Row,
}

/// One extension of a binding by rows of a relation.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    /// Text position of the condition: it decides which version is read in a counted delta.
    pub(crate) literal: usize,
    pub(crate) relation: usize,
    pub(crate) access: Access,
    /// Sources of the key, in the order of the index's columns.
    pub(crate) key: Vec<Source>,
    /// Columns that must have a word that is known before.
    pub(crate) checks: Vec<(usize, Source)>,
    /// Columns that must equal another column of the same row.
    pub(crate) twins: Vec<(usize, usize)>,
    /// Columns whose word goes to a slot.
    pub(crate) binds: Vec<(usize, usize)>,
    /// The slot that keeps the row's id.
    pub(crate) id_slot: Option<usize>,
    pub(crate) recursive: bool,
    /// It is not the first step, and all that it must have is known of the row from which the plan
    /// starts.
    pub(crate) early: bool,
    /// The word of the column behind the keys when no row is there.
    pub(crate) default: Option<(usize, u32)>,
}

/// One step of a plan.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Probe(Box<Probe>),
    /// No row may be there.
    Absent(Box<Probe>),
    Compare {
        op: Comparison,
        left: Operand,
        right: Operand,
    },
    Assign {
        slot: usize,
        from: Operand,
    },
    Test {
        call: Call,
        negated: bool,
    },
    Rows {
        call: Call,
        checks: Vec<(usize, Source)>,
        twins: Vec<(usize, usize)>,
        binds: Vec<(usize, usize)>,
        id_slot: Option<usize>,
    },
}

/// How a plan's first binding is made from a row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seed {
    pub(crate) checks: Vec<(usize, Source)>,
    pub(crate) twins: Vec<(usize, usize)>,
    pub(crate) binds: Vec<(usize, usize)>,
    pub(crate) id_slot: Option<usize>,
    pub(crate) recursive: bool,
}

/// A plan for one clause.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: Seed,
    pub(crate) steps: Vec<Step>,
    pub(crate) head: Vec<Operand>,
    /// Words of a binding before the two at its end.
    pub(crate) slots: usize,
}

/// Makes plans and collects the indexes and the words of constants that they need.
pub(crate) struct Planner<'a> {
    pub(crate) relations: &'a mut Vec<CoreRelation>,
    pub(crate) interner: &'a mut Interner,
}

/// What a plan under construction knows.
struct Draft {
    bound: BTreeSet<usize>,
    /// What the row tells from which the plan starts.
    seeded: BTreeSet<usize>,
    slots: usize,
    steps: Vec<Step>,
}

impl Draft {
    fn new(slots: usize) -> Self {
        Self { bound: BTreeSet::new(), seeded: BTreeSet::new(), slots, steps: Vec::new() }
    }
}

impl Planner<'_> {
    fn operand(&mut self, expr: &Expr) -> Operand {
        match expr {
            Expr::Variable(slot) => Operand::Known(Source::Slot(*slot)),
            Expr::Constant(value) => Operand::Known(Source::Word(self.interner.intern(value))),
            other => Operand::Computed(other.clone()),
        }
    }

    /// The position of the index of `relation` on `columns`; none when a scan or the row itself
    /// serves.
    pub(crate) fn index(&mut self, relation: usize, columns: &[usize]) -> Option<usize> {
        let relation = &mut self.relations[relation];
        if columns.is_empty() || columns.len() == relation.arity {
            return None;
        }
        let known = relation.indexes.iter().position(|known| **known == *columns);
        Some(known.unwrap_or_else(|| {
            relation.indexes.push(Arc::from(columns));
            relation.indexes.len() - 1
        }))
    }

    /// The plan that starts from nothing.
    pub(crate) fn full(&mut self, body: &[CoreLiteral], head: &[Expr], variables: usize) -> Plan {
        let draft = Draft::new(variables);
        self.arrange(body, None, Seed::default(), draft, head)
    }

    /// The plan that starts from a row of the condition at `start`.
    pub(crate) fn delta(
        &mut self,
        body: &[CoreLiteral],
        start: usize,
        head: &[Expr],
        variables: usize,
    ) -> Plan {
        let mut draft = Draft::new(variables);
        let mut seed = Seed::default();
        if let CoreLiteral::Stored(stored) = &body[start] {
            let terms = Terms::of(&stored.args, &draft.bound, self.interner);
            seed.recursive = stored.recursive;
            if !stored.negated && stored.args.contains(&Term::Wildcard) {
                seed.id_slot = Some(draft.slots);
                draft.slots += 1;
            }
            draft.bound.extend(terms.binds.iter().map(|(_, slot)| *slot));
            (seed.checks, seed.twins, seed.binds) = (terms.checks, terms.twins, terms.binds);
        }
        self.arrange(body, Some(start), seed, draft, head)
    }

    /// The plan that starts from a row of the head.
    pub(crate) fn backward(
        &mut self,
        body: &[CoreLiteral],
        head: &[Expr],
        variables: usize,
    ) -> Plan {
        let mut draft = Draft::new(variables);
        let mut terms = Vec::new();
        let mut computed = Vec::new();
        for expr in head {
            terms.push(match expr {
                Expr::Variable(variable) => Term::Variable(*variable),
                Expr::Constant(value) => Term::Constant(value.clone()),
                other => {
                    let slot = draft.slots;
                    draft.slots += 1;
                    computed.push((slot, other.clone()));
                    Term::Variable(slot)
                }
            });
        }
        let terms = Terms::of(&terms, &draft.bound, self.interner);
        draft.bound.extend(terms.binds.iter().map(|(_, slot)| *slot));
        let (checks, twins, binds) = (terms.checks, terms.twins, terms.binds);
        let seed = Seed { checks, twins, binds, ..Seed::default() };
        let mut plan = self.arrange(body, None, seed, draft, head);
        for (slot, expr) in computed {
            let left = Operand::Known(Source::Slot(slot));
            let right = self.operand(&expr);
            plan.steps.push(Step::Compare { op: Comparison::Equal, left, right });
        }
        plan
    }

    fn arrange(
        &mut self,
        body: &[CoreLiteral],
        start: Option<usize>,
        seed: Seed,
        mut draft: Draft,
        head: &[Expr],
    ) -> Plan {
        draft.seeded.clone_from(&draft.bound);
        let mut left: Vec<usize> = (0..body.len()).filter(|at| Some(*at) != start).collect();
        while !left.is_empty() {
            let scored = left.iter().enumerate().filter_map(|(place, at)| {
                readiness(&body[*at], &draft.bound).map(|score| (score, std::cmp::Reverse(place)))
            });
            let best = scored.max().map(|(_, std::cmp::Reverse(place))| place);
            let place = best.expect("the checker found an order, and more bound variables keep it");
            let at = left.remove(place);
            self.add(at, &body[at], &mut draft);
        }
        let head = head.iter().map(|expr| self.operand(expr)).collect();
        Plan { seed, steps: draft.steps, head, slots: draft.slots }
    }

    fn add(&mut self, at: usize, literal: &CoreLiteral, draft: &mut Draft) {
        match literal {
            CoreLiteral::Stored(stored) => self.add_stored(at, stored, draft),
            CoreLiteral::Computed(kind) => self.add_computed(kind, draft),
        }
    }

    fn add_stored(&mut self, at: usize, stored: &Stored, draft: &mut Draft) {
        let mut terms = Terms::of(&stored.args, &draft.bound, self.interner);
        terms.checks.sort_by_key(|(column, _)| *column);
        let mut columns: Vec<usize> = terms.checks.iter().map(|(column, _)| *column).collect();
        if let Some((keys, _)) = &stored.default {
            columns.retain(|column| column < keys);
        }
        if stored.negated
            && stored.args.contains(&Term::Wildcard)
            && let Some(key) = &self.relations[stored.relation].key
        {
            // At most one row has the key; what else is known of it is checked there.
            columns.retain(|column| key.contains(column));
        }
        let key = terms.checks.iter().filter(|(column, _)| columns.contains(column));
        let key: Vec<Source> = key.map(|(_, source)| *source).collect();
        let access = if columns.len() == stored.args.len() {
            Access::Row
        } else {
            self.index(stored.relation, &columns).map_or(Access::Scan, Access::Index)
        };
        let needs_id = !stored.negated && stored.args.contains(&Term::Wildcard);
        let id_slot = needs_id.then_some(draft.slots);
        draft.slots += usize::from(needs_id);
        draft.bound.extend(terms.binds.iter().map(|(_, slot)| *slot));
        let default = stored.default.as_ref().map(|(keys, value)| (keys, value));
        let is_seeded = |(_, source): &(usize, Source)| match source {
            Source::Slot(slot) => draft.seeded.contains(slot),
            Source::Word(_) => true,
        };
        let early = !draft.steps.is_empty()
            && default.is_none()
            && access != Access::Scan
            && terms.checks.iter().all(is_seeded);
        let probe = Box::new(Probe {
            literal: at,
            relation: stored.relation,
            access,
            key,
            checks: terms.checks,
            twins: terms.twins,
            binds: terms.binds,
            id_slot,
            recursive: stored.recursive,
            early,
            default: default.map(|(keys, value)| (*keys, self.interner.intern(value))),
        });
        draft.steps.push(if stored.negated { Step::Absent(probe) } else { Step::Probe(probe) });
    }

    fn add_computed(&mut self, kind: &LiteralKind, draft: &mut Draft) {
        match kind {
            LiteralKind::Compare { op, left, right } => {
                for (to, from) in [(left, right), (right, left)] {
                    if let Expr::Variable(slot) = to
                        && !draft.bound.contains(slot)
                    {
                        draft.bound.insert(*slot);
                        let from = self.operand(from);
                        draft.steps.push(Step::Assign { slot: *slot, from });
                        return;
                    }
                }
                let (left, right) = (self.operand(left), self.operand(right));
                draft.steps.push(Step::Compare { op: *op, left, right });
            }
            LiteralKind::Test { call, negated } => {
                draft.steps.push(Step::Test { call: call.clone(), negated: *negated });
            }
            LiteralKind::Rows { call, outs } => {
                let terms = Terms::of(outs, &draft.bound, self.interner);
                draft.bound.extend(terms.binds.iter().map(|(_, slot)| *slot));
                let Terms { checks, twins, binds } = terms;
                let needs_id = outs.contains(&Term::Wildcard);
                let id_slot = needs_id.then_some(draft.slots);
                draft.slots += usize::from(needs_id);
                draft.steps.push(Step::Rows { call: call.clone(), checks, twins, binds, id_slot });
            }
            LiteralKind::Atom { .. } | LiteralKind::Aggregate(_) => {
                unreachable!("the compiler turns these into stored rows")
            }
        }
    }
}

/// What the terms of a condition do with the columns of a row.
struct Terms {
    checks: Vec<(usize, Source)>,
    twins: Vec<(usize, usize)>,
    binds: Vec<(usize, usize)>,
}

impl Terms {
    fn of(args: &[Term], bound: &BTreeSet<usize>, interner: &mut Interner) -> Self {
        let mut terms = Self { checks: Vec::new(), twins: Vec::new(), binds: Vec::new() };
        for (column, arg) in args.iter().enumerate() {
            match arg {
                Term::Wildcard => {}
                Term::Constant(value) => {
                    terms.checks.push((column, Source::Word(interner.intern(value))));
                }
                Term::Variable(slot) if bound.contains(slot) => {
                    terms.checks.push((column, Source::Slot(*slot)));
                }
                Term::Variable(slot) => match terms.binds.iter().find(|(_, other)| other == slot) {
                    Some((first, _)) => terms.twins.push((*first, column)),
                    None => terms.binds.push((column, *slot)),
                },
            }
        }
        terms
    }
}

/// How good it is to take this condition next; none when it needs more variables.
fn readiness(literal: &CoreLiteral, bound: &BTreeSet<usize>) -> Option<u32> {
    let stored = match literal {
        CoreLiteral::Computed(kind) => {
            return check::readiness(kind, bound).map(|score| match score {
                // No value is made for what the next look-up drops.
                check::GIVES_VALUE => 850,
                other => other,
            });
        }
        CoreLiteral::Stored(stored) => stored,
    };
    let has = |term: &Term| match term {
        Term::Variable(variable) => bound.contains(variable),
        Term::Constant(_) => true,
        Term::Wildcard => false,
    };
    if stored.negated {
        let open = |term: &Term| *term == Term::Wildcard;
        return stored.args.iter().all(|term| open(term) || has(term)).then_some(1_000);
    }
    if let Some((keys, _)) = &stored.default {
        return stored.args[..*keys].iter().all(has).then_some(400);
    }
    let count = stored.args.iter().filter(|arg| has(arg)).count() as u32;
    let all = count as usize == stored.args.len();
    // What a stratum derives from itself is larger than what it is derived from.
    Some(if all { 900 } else { 10 + count * 10 + u32::from(!stored.recursive) })
}
