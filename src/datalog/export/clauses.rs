//! Clauses as rules of the other engine: what is computed becomes an atom of a table.

use std::collections::BTreeSet;

use crate::datalog::arithmetic;
use crate::datalog::builtins::Builtins;
use crate::datalog::builtins::Mode;
use crate::datalog::export::Declared;
use crate::datalog::export::calls;
use crate::datalog::export::dialect::Dialect;
use crate::datalog::export::order_table;
use crate::datalog::program::Aggregate;
use crate::datalog::program::Call;
use crate::datalog::program::Clause;
use crate::datalog::program::Expr;
use crate::datalog::program::Literal;
use crate::datalog::program::LiteralKind;
use crate::datalog::program::Program;
use crate::datalog::program::RelationKind;
use crate::datalog::program::Term;
use crate::datalog::syntax::Comparison;
use crate::datalog::syntax::Fold;
use crate::datalog::value::Type;

/// Collects the text of a program.
pub(super) struct Writer<'a> {
    pub(super) program: &'a Program,
    builtins: &'a Builtins,
    pub(super) dialect: Dialect,
    declared: Declared,
    rules: String,
    fresh: usize,
}

/// The conditions of one rule, and the types of its clause's variables.
pub(super) struct Body<'t> {
    pub(super) parts: Vec<String>,
    pub(super) types: &'t [Type],
}

impl<'a> Writer<'a> {
    pub(super) fn new(program: &'a Program, builtins: &'a Builtins, dialect: Dialect) -> Self {
        let declared = Declared::new();
        let mut writer =
            Self { program, builtins, dialect, declared, rules: String::new(), fresh: 0 };
        for info in program.relations() {
            let columns = info.columns.iter().map(|column| column.base).collect();
            writer.declared.insert(dialect.relation(&info.name), columns);
        }
        writer
    }

    /// The relations and tables that the rules use.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.declared.keys().cloned().collect()
    }

    /// Declarations, rules, and what is asked for.
    pub(super) fn text(self) -> String {
        let mut text = self.dialect.comment("Made by `hence rules export`.");
        for (name, columns) in &self.declared {
            text.push_str(&self.dialect.declaration(name, columns));
        }
        for info in self.program.relations() {
            if info.kind != RelationKind::Input {
                let name = self.dialect.relation(&info.name);
                text.push_str(&self.dialect.output(&name, info.columns.len()));
            }
        }
        text + &self.rules
    }

    /// A relation or table that rules use.
    pub(super) fn declare(&mut self, name: &str, columns: Vec<Type>) {
        self.declared.entry(name.to_owned()).or_insert(columns);
    }

    pub(super) fn rule(&mut self, head: &str, body: &[String]) {
        if body.is_empty() {
            self.rules.push_str(&format!("{head}.\n"));
        } else {
            self.rules.push_str(&format!("{head} :- {}.\n", body.join(", ")));
        }
    }

    pub(super) fn fresh(&mut self) -> String {
        self.fresh += 1;
        format!("W{}", self.fresh)
    }

    /// Writes the clause at this position of the program.
    pub(super) fn clause(&mut self, at: usize) {
        let program = self.program;
        let clause = &program.inner.clauses[at];
        if program.info(clause.head).kind == RelationKind::Input {
            return; // its rows are among the facts
        }
        let comment = self.dialect.comment(&clause.label);
        self.rules.push_str(&comment);
        let types = self.types(clause);
        let mut body = Body { parts: Vec::new(), types: &types };
        for &literal in &clause.order {
            if let LiteralKind::Aggregate(aggregate) = &clause.body[literal].kind {
                self.aggregate(clause, (at, literal), aggregate, &mut body);
            } else {
                self.literal(clause, &clause.body[literal], &mut body);
            }
        }
        let args: Vec<String> =
            clause.head_args.iter().map(|arg| self.expr(clause, arg, &mut body)).collect();
        let name = self.dialect.relation(&program.info(clause.head).name);
        let head = self.dialect.atom(&name, &args);
        self.rule(&head, &body.parts);
    }

    /// Adds the conditions that a literal stands for.
    pub(super) fn literal(&mut self, clause: &Clause, literal: &Literal, body: &mut Body<'_>) {
        match &literal.kind {
            LiteralKind::Atom { relation, args, negated } => {
                let args: Vec<String> = args.iter().map(|arg| self.term(clause, arg)).collect();
                let name = self.dialect.relation(&self.program.info(*relation).name);
                let atom = self.dialect.atom(&name, &args);
                body.parts.push(if *negated { self.dialect.absent(&atom) } else { atom });
            }
            LiteralKind::Compare { op, left, right } => {
                let base = self.type_of(left, body.types);
                let (left, right) = (self.expr(clause, left, body), self.expr(clause, right, body));
                let (left, right) = match op {
                    Comparison::Equal | Comparison::NotEqual => (left, right),
                    _ => (self.rank(&left, base, body), self.rank(&right, base, body)),
                };
                body.parts.push(format!("{left} {} {right}", op.sign()));
            }
            LiteralKind::Test { call, negated } => {
                let what = if *negated { "fails" } else { "holds" };
                self.call(clause, call, what, Vec::new(), body);
            }
            LiteralKind::Rows { call, outs } => {
                let outs: Vec<String> = outs.iter().map(|out| self.term(clause, out)).collect();
                self.call(clause, call, "rows", outs, body);
            }
            LiteralKind::Aggregate(_) => {}
        }
    }

    /// Adds the atom of a built-in's table.
    fn call(
        &mut self,
        clause: &Clause,
        call: &Call,
        what: &str,
        outs: Vec<String>,
        body: &mut Body<'_>,
    ) {
        let mut args: Vec<String> =
            call.args.iter().map(|arg| self.expr(clause, arg, body)).collect();
        args.extend(outs);
        let builtin = self.builtins.get(&self.program.functions()[call.function]);
        let mut columns = builtin.map(|known| known.inputs.clone()).unwrap_or_default();
        match (what, builtin.map(|known| &known.mode)) {
            ("value", Some(Mode::Function(output, _))) => columns.push(*output),
            ("error", _) => columns.push(Type::Symbol),
            ("rows", Some(Mode::Relation(outputs, _))) => columns.extend(outputs),
            _ => {}
        }
        let table = calls::call_table(self.program, call, what);
        self.declare(&table, columns);
        body.parts.push(self.dialect.atom(&table, &args));
    }

    pub(super) fn variable(&self, clause: &Clause, variable: usize) -> String {
        self.dialect.variable(&clause.variables[variable].name)
    }

    pub(super) fn term(&self, clause: &Clause, term: &Term) -> String {
        match term {
            Term::Variable(variable) => self.variable(clause, *variable),
            Term::Constant(value) => self.dialect.value(value),
            Term::Wildcard => "_".to_owned(),
        }
    }

    /// A variable or value that stands for an expression.
    pub(super) fn expr(&mut self, clause: &Clause, expr: &Expr, body: &mut Body<'_>) -> String {
        match expr {
            Expr::Variable(variable) => self.variable(clause, *variable),
            Expr::Constant(value) => self.dialect.value(value),
            Expr::Arithmetic(op, left, right) => {
                let types = [self.type_of(left, body.types), self.type_of(right, body.types)];
                let result = self.type_of(expr, body.types);
                let args = [self.expr(clause, left, body), self.expr(clause, right, body)];
                let table = calls::arithmetic_table(*op, types[0], types[1]);
                self.table(table, &types, result, args.to_vec(), body)
            }
            Expr::Concat(parts) => {
                let types: Vec<Type> =
                    parts.iter().map(|part| self.type_of(part, body.types)).collect();
                let args = parts.iter().map(|part| self.expr(clause, part, body)).collect();
                let table = calls::concat_table(types.iter().copied());
                self.table(table, &types, Type::Symbol, args, body)
            }
            Expr::Call(call) => {
                let result = self.fresh();
                self.call(clause, call, "value", vec![result.clone()], body);
                result
            }
            Expr::ErrorOf { call, .. } => {
                let result = self.fresh();
                self.call(clause, call, "error", vec![result.clone()], body);
                result
            }
        }
    }

    fn table(
        &mut self,
        table: String,
        types: &[Type],
        result: Type,
        mut args: Vec<String>,
        body: &mut Body<'_>,
    ) -> String {
        let value = self.fresh();
        args.push(value.clone());
        self.declare(&table, [types, &[result]].concat());
        body.parts.push(self.dialect.atom(&table, &args));
        value
    }

    /// A number that orders as the term does among the values of its type.
    pub(super) fn rank(&mut self, term: &str, base: Type, body: &mut Body<'_>) -> String {
        if base == Type::Number {
            return term.to_owned();
        }
        let rank = self.fresh();
        let table = order_table(base);
        self.declare(&table, vec![base, Type::Number]);
        body.parts.push(self.dialect.atom(&table, &[term.to_owned(), rank.clone()]));
        rank
    }

    /// The types of a clause's variables; the checker saw to it that each has one.
    fn types(&self, clause: &Clause) -> Vec<Type> {
        let mut types: Vec<Option<Type>> = vec![None; clause.variables.len()];
        let aggregates = clause.body.iter().filter_map(|literal| match &literal.kind {
            LiteralKind::Aggregate(aggregate) => Some(&aggregate.body),
            _ => None,
        });
        let bodies: Vec<&Vec<Literal>> = aggregates.chain([&clause.body]).collect();
        // A chain of `X = Y` passes a type on once per round.
        for _ in 0..=clause.variables.len() {
            for literal in bodies.iter().copied().flatten() {
                self.types_of_literal(literal, &mut types);
            }
        }
        types.into_iter().map(|base| base.unwrap_or(Type::Symbol)).collect()
    }

    fn types_of_literal(&self, literal: &Literal, types: &mut [Option<Type>]) {
        let mut set = |term: &Term, base: Type| {
            if let Term::Variable(variable) = term {
                types[*variable] = Some(base);
            }
        };
        match &literal.kind {
            LiteralKind::Atom { relation, args, .. } => {
                let columns = &self.program.info(*relation).columns;
                args.iter().zip(columns).for_each(|(arg, column)| set(arg, column.base));
            }
            LiteralKind::Rows { call, outs } => {
                let builtin = self.builtins.get(&self.program.functions()[call.function]);
                if let Some(Mode::Relation(bases, _)) = builtin.map(|known| &known.mode) {
                    outs.iter().zip(bases).for_each(|(out, base)| set(out, *base));
                }
            }
            LiteralKind::Compare { op: Comparison::Equal, left, right } => {
                for (to, from) in [(left, right), (right, left)] {
                    if let (Expr::Variable(to), Some(base)) = (to, self.known_type(from, types)) {
                        types[*to] = Some(base);
                    }
                }
            }
            LiteralKind::Aggregate(aggregate) => {
                let bases = self.types_of_targets(aggregate, types);
                for (target, base) in aggregate.targets.iter().zip(bases) {
                    if let (Term::Variable(variable), Some(base)) = (target, base) {
                        types[*variable] = Some(base);
                    }
                }
            }
            _ => {}
        }
    }

    fn types_of_targets(&self, aggregate: &Aggregate, types: &[Option<Type>]) -> Vec<Option<Type>> {
        match aggregate.fold {
            Fold::Count => vec![Some(Type::Number)],
            Fold::Join { .. } => vec![Some(Type::Symbol)],
            _ => aggregate.selected.iter().map(|expr| self.known_type(expr, types)).collect(),
        }
    }

    pub(super) fn type_of(&self, expr: &Expr, types: &[Type]) -> Type {
        let types: Vec<Option<Type>> = types.iter().copied().map(Some).collect();
        self.known_type(expr, &types).unwrap_or(Type::Symbol)
    }

    fn known_type(&self, expr: &Expr, types: &[Option<Type>]) -> Option<Type> {
        match expr {
            Expr::Variable(variable) => types[*variable],
            Expr::Constant(value) => Some(value.base()),
            Expr::Arithmetic(op, left, right) => {
                let (left, right) = (self.known_type(left, types)?, self.known_type(right, types)?);
                arithmetic::result_type(*op, left, right)
            }
            Expr::Call(call) => {
                let name = &self.program.functions()[call.function];
                match &self.builtins.get(name)?.mode {
                    Mode::Function(output, _) => Some(*output),
                    _ => None,
                }
            }
            Expr::Concat(_) | Expr::ErrorOf { .. } => Some(Type::Symbol),
        }
    }
}

/// The variables of an aggregate's own conditions that are no keys, in order.
pub(super) fn own_variables(aggregate: &Aggregate) -> Vec<usize> {
    let mut found = BTreeSet::new();
    let mut note = |term: &Term| {
        if let Term::Variable(variable) = term {
            found.insert(*variable);
        }
    };
    let mut computed = Vec::new();
    for literal in &aggregate.body {
        match &literal.kind {
            LiteralKind::Atom { args, .. } => args.iter().for_each(&mut note),
            LiteralKind::Rows { outs, .. } => outs.iter().for_each(&mut note),
            LiteralKind::Compare { left, right, .. } => {
                left.variables(&mut |variable| computed.push(variable));
                right.variables(&mut |variable| computed.push(variable));
            }
            _ => {}
        }
    }
    found.extend(computed);
    found.into_iter().filter(|variable| !aggregate.keys.contains(variable)).collect()
}
