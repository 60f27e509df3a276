//! Aggregates spelt out: the group as a relation of its own, and what is made of it.
//!
//! ```text
//! group(keys, variables, order, selected)   one row per solution of the aggregate's conditions
//!
//! one is kept    place(keys, ranks, selected) ─▶ best(keys, best ranks) ─▶ kept(keys, selected)
//!                column after column, so that it costs no more than the rows of the group
//! several are    item(keys, order, selected) ─▶ first(…)   each selected tuple once, at its best
//!                before(keys, better, worse) ─▶ kept(…)    those that too few stand before
//! ```

use crate::datalog::check::binds_alone;
use crate::datalog::export::calls;
use crate::datalog::export::clauses::Body;
use crate::datalog::export::clauses::Writer;
use crate::datalog::export::clauses::own_variables;
use crate::datalog::program::Aggregate;
use crate::datalog::program::Clause;
use crate::datalog::program::Literal;
use crate::datalog::program::LiteralKind;
use crate::datalog::program::Term;
use crate::datalog::syntax::Fold;
use crate::datalog::value::Type;

/// The shape of one group: names of its relations, and what their columns are.
struct Group {
    /// Ends every name.
    id: String,
    keys: Vec<String>,
    key_types: Vec<Type>,
    /// Variables and wildcards of the conditions: together they are one solution.
    own: Vec<String>,
    order: Vec<(String, bool)>,
    selected: Vec<String>,
    /// Types of `order`, then of `selected`.
    types: Vec<Type>,
}

impl Group {
    fn name(&self, what: &str) -> String {
        format!("{what}__{}", self.id)
    }

    fn items(&self) -> Vec<String> {
        let order = self.order.iter().map(|(key, _)| key.clone());
        order.chain(self.selected.iter().cloned()).collect()
    }

    fn selected_types(&self) -> &[Type] {
        &self.types[self.order.len()..]
    }
}

impl Writer<'_> {
    /// Writes the relations of an aggregate, and adds the condition that reads its value.
    pub(super) fn aggregate(
        &mut self,
        clause: &Clause,
        (at, literal): (usize, usize),
        aggregate: &Aggregate,
        body: &mut Body<'_>,
    ) {
        let keys: Vec<String> =
            aggregate.keys.iter().map(|key| self.variable(clause, *key)).collect();
        let targets: Vec<String> =
            aggregate.targets.iter().map(|target| self.term(clause, target)).collect();
        if calls::is_tabled(aggregate) {
            let result = match aggregate.fold {
                Fold::Sum => aggregate.base,
                _ => Type::Symbol,
            };
            let key_types: Vec<Type> = aggregate.keys.iter().map(|key| body.types[*key]).collect();
            let table = calls::fold_table(at, literal);
            self.declare(&table, [key_types, vec![result]].concat());
            body.parts.push(self.dialect.atom(&table, &[keys, targets].concat()));
            return;
        }
        let group = self.group(clause, format!("{at}_{literal}"), aggregate, body);
        let rows = [group.keys.clone(), group.own.clone(), group.items()].concat();
        let atom = self.dialect.atom(&group.name("group"), &rows);
        match aggregate.fold {
            Fold::Count => {
                let value = self.fresh();
                let counted = self.dialect.count(&value, &group.own, &atom);
                body.parts.push(counted);
                is_target(&value, &targets[0], body);
            }
            Fold::Sum => {
                let value = self.fresh();
                let sum = self.dialect.sum(&value, &group.selected[0], &group.own, &atom);
                body.parts.push(sum);
                is_target(&value, &targets[0], body);
            }
            _ => {
                match aggregate.fold {
                    Fold::Top(rows) => self.kept(&group, rows, body.types),
                    _ => self.winner(&group, aggregate.fold == Fold::Max, body.types),
                }
                let row = [group.keys.clone(), targets].concat();
                body.parts.push(self.dialect.atom(&group.name("kept"), &row));
            }
        }
    }

    /// Writes the rule of the group's solutions.
    fn group(
        &mut self,
        clause: &Clause,
        id: String,
        aggregate: &Aggregate,
        outer: &Body<'_>,
    ) -> Group {
        let types = outer.types;
        let mut inner = Body { parts: Vec::new(), types };
        let key_types: Vec<Type> = aggregate.keys.iter().map(|key| types[*key]).collect();
        let keys: Vec<String> =
            aggregate.keys.iter().map(|key| self.variable(clause, *key)).collect();
        if !keys.is_empty() && !binds_alone(aggregate) {
            // The conditions outside say which groups there are.
            let domain = format!("groups__{id}");
            self.declare(&domain, key_types.clone());
            let head = self.dialect.atom(&domain, &keys);
            self.rule(&head, &outer.parts);
            inner.parts.push(head);
        }
        let own_ids = own_variables(aggregate);
        let mut own: Vec<String> =
            own_ids.iter().map(|variable| self.variable(clause, *variable)).collect();
        let mut own_types: Vec<Type> = own_ids.iter().map(|variable| types[*variable]).collect();
        for at in &aggregate.body_order {
            self.solution(clause, &aggregate.body[*at], &mut inner, &mut own, &mut own_types);
        }
        let order_types: Vec<Type> =
            aggregate.order.iter().map(|(key, _)| self.type_of(key, types)).collect();
        let selected_types: Vec<Type> =
            aggregate.selected.iter().map(|expr| self.type_of(expr, types)).collect();
        // Each value gets a column and name of its own, also one that is a key or comes twice.
        let mut named = |writer: &mut Self, expr| {
            let value = writer.expr(clause, expr, &mut inner);
            let name = writer.fresh();
            inner.parts.push(format!("{name} = {value}"));
            name
        };
        let order: Vec<(String, bool)> =
            aggregate.order.iter().map(|(key, down)| (named(self, key), *down)).collect();
        let selected: Vec<String> =
            aggregate.selected.iter().map(|expr| named(self, expr)).collect();
        let all_types = [order_types, selected_types].concat();
        let group = Group { id, keys, key_types, own, order, selected, types: all_types };
        let columns = [group.key_types.clone(), own_types, group.types.clone()].concat();
        self.declare(&group.name("group"), columns);
        let row = [group.keys.clone(), group.own.clone(), group.items()].concat();
        let head = self.dialect.atom(&group.name("group"), &row);
        self.rule(&head, &inner.parts);
        group
    }

    /// One condition of a group: a wildcard that has a value is part of the solution.
    fn solution(
        &mut self,
        clause: &Clause,
        literal: &Literal,
        inner: &mut Body<'_>,
        own: &mut Vec<String>,
        own_types: &mut Vec<Type>,
    ) {
        let LiteralKind::Atom { relation, args, negated: false } = &literal.kind else {
            self.literal(clause, literal, inner);
            return;
        };
        let info = self.program.info(*relation);
        let mut terms = Vec::new();
        for (arg, column) in args.iter().zip(&info.columns) {
            if *arg == Term::Wildcard {
                own.push(self.fresh());
                own_types.push(column.base);
                terms.extend(own.last().cloned());
            } else {
                terms.push(self.term(clause, arg));
            }
        }
        let name = self.dialect.relation(&info.name);
        inner.parts.push(self.dialect.atom(&name, &terms));
    }

    /// Writes the rules that keep the first so many selected tuples.
    fn kept(&mut self, group: &Group, keep: usize, types: &[Type]) {
        let with_keys =
            |columns: &[&[Type]]| [&[group.key_types.as_slice()], columns].concat().concat();
        for name in ["item", "first", "later"] {
            self.declare(&group.name(name), with_keys(&[&group.types]));
        }
        let selected_types = group.selected_types();
        self.declare(&group.name("before"), with_keys(&[selected_types, selected_types]));
        self.declare(&group.name("kept"), with_keys(&[selected_types]));
        let atom = |writer: &Self, name: &str, parts: &[&[String]]| {
            let args = [&[group.keys.as_slice()], parts].concat().concat();
            writer.dialect.atom(&group.name(name), &args)
        };
        let here = group.items();
        let solution = [group.keys.clone(), group.own.clone(), here.clone()].concat();
        let solution = self.dialect.atom(&group.name("group"), &solution);
        let item = atom(self, "item", &[&here]);
        self.rule(&item, &[solution]);

        let there: Vec<String> = here.iter().map(|_| self.fresh()).collect();
        let places = group.order.len();
        let same = |at: usize| format!("{} = {}", there[at], here[at]);
        let selected_here = &here[places..];
        let selected_there = &there[places..];
        // The same tuple at a better place, and another tuple at a better place.
        let later = atom(self, "later", &[&here]);
        let before = atom(self, "before", &[selected_there, selected_here]);
        for at in 0..here.len() {
            let down = group.order.get(at).is_some_and(|(_, down)| *down);
            let (head, source) = if at < places { (Some(&later), "item") } else { (None, "first") };
            for (head, source) in head.map(|h| (h, source)).into_iter().chain([(&before, "first")])
            {
                let mut body = Body {
                    parts: vec![atom(self, source, &[&here]), atom(self, source, &[&there])],
                    types,
                };
                body.parts.extend((0..at).map(same));
                if head == &later {
                    body.parts.extend((places..here.len()).map(same));
                }
                let ours = self.rank(&here[at], group.types[at], &mut body);
                let other = self.rank(&there[at], group.types[at], &mut body);
                let sign = if down { ">" } else { "<" };
                body.parts.push(format!("{other} {sign} {ours}"));
                self.rule(head, &body.parts);
            }
        }
        let not_later = self.dialect.absent(&later);
        let first = atom(self, "first", &[&here]);
        self.rule(&first, &[item, not_later]);
        let kept = atom(self, "kept", &[selected_here]);
        let count = self.fresh();
        let better = self.dialect.count(&count, selected_there, &before);
        self.rule(&kept, &[first, better, format!("{count} < {keep}")]);
    }

    /// Writes the rules that keep the one selected tuple at the best place.
    fn winner(&mut self, group: &Group, descending: bool, types: &[Type]) {
        let here = group.items();
        let selected = &here[group.order.len()..];
        let solution = [group.keys.clone(), group.own.clone(), here.clone()].concat();
        let solution = self.dialect.atom(&group.name("group"), &solution);
        let mut body = Body { parts: vec![solution], types };
        let ranks: Vec<String> = here
            .iter()
            .zip(&group.types)
            .map(|(value, base)| self.rank(value, *base, &mut body))
            .collect();
        let numbers = vec![Type::Number; ranks.len()];
        let selected_types = group.selected_types();
        let declared = [group.key_types.as_slice(), &numbers, selected_types].concat();
        self.declare(&group.name("place"), declared);
        let place = |writer: &Self, ranks: &[String], selected: &[String]| {
            let args = [group.keys.as_slice(), ranks, selected].concat();
            writer.dialect.atom(&group.name("place"), &args)
        };
        let head = place(self, &ranks, selected);
        self.rule(&head, &body.parts);

        let wild = |count: usize| vec!["_".to_owned(); count];
        let numbered = |writer: &mut Self, best: &[String]| {
            let name = group.name(&format!("best_{}", best.len()));
            writer.declare(&name, [group.key_types.as_slice(), &numbers[..best.len()]].concat());
            writer.dialect.atom(&name, &[group.keys.as_slice(), best].concat())
        };
        let mut best: Vec<String> = Vec::new();
        let mut head = numbered(self, &best);
        let any = place(self, &wild(ranks.len()), &wild(selected.len()));
        self.rule(&head, &[any]);
        // The best number of each column, among the rows that have the best ones before it.
        for (at, rank) in ranks.iter().enumerate() {
            let down = group.order.get(at).map_or(descending, |(_, down)| *down);
            let rest = wild(ranks.len() - at - 1);
            let rows = [best.as_slice(), std::slice::from_ref(rank), &rest].concat();
            let rows = place(self, &rows, &wild(selected.len()));
            best.push(self.fresh());
            let extremum = self.dialect.extremum(&best[at], down, rank, &rows);
            let next = numbered(self, &best);
            self.rule(&next, &[head, extremum]);
            head = next;
        }
        let row = place(self, &best, selected);
        let declared = [group.key_types.as_slice(), selected_types].concat();
        self.declare(&group.name("kept"), declared);
        let kept = [group.keys.as_slice(), selected].concat();
        let kept = self.dialect.atom(&group.name("kept"), &kept);
        self.rule(&kept, &[head, row]);
    }
}

fn is_target(value: &str, target: &str, body: &mut Body<'_>) {
    if target != "_" {
        body.parts.push(format!("{target} = {value}"));
    }
}
