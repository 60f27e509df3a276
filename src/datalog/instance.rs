//! Conditions as text with values filled in, for proofs and failed rules.

use crate::datalog::builtins::Calls;
use crate::datalog::expr;
use crate::datalog::fact::Pattern;
use crate::datalog::program::Call;
use crate::datalog::program::Clause;
use crate::datalog::program::Expr;
use crate::datalog::program::Literal;
use crate::datalog::program::LiteralKind;
use crate::datalog::program::Program;
use crate::datalog::program::Term;
use crate::datalog::syntax::Comparison;
use crate::datalog::value::Value;

/// The names that texts need.
pub(crate) struct Names<'a> {
    pub(crate) program: &'a Program,
    pub(crate) clause: &'a Clause,
}

impl Names<'_> {
    /// The pattern of an atom: bound columns have values.
    pub(crate) fn pattern(
        &self,
        relation: usize,
        args: &[Term],
        binding: &[Option<Value>],
    ) -> Pattern {
        let columns = args.iter().map(|arg| expr::wanted(arg, binding)).collect();
        Pattern { relation: self.program.info(relation).name.clone(), columns }
    }

    fn term(&self, term: &Term, binding: &[Option<Value>]) -> String {
        match term {
            Term::Variable(variable) => self.variable(*variable, binding),
            Term::Constant(value) => value.to_string(),
            Term::Wildcard => "_".to_owned(),
        }
    }

    fn variable(&self, variable: usize, binding: &[Option<Value>]) -> String {
        match &binding[variable] {
            Some(value) => value.to_string(),
            None => self.clause.variables[variable].name.to_string(),
        }
    }

    fn terms(&self, terms: &[Term], binding: &[Option<Value>]) -> String {
        let texts: Vec<String> = terms.iter().map(|term| self.term(term, binding)).collect();
        texts.join(", ")
    }

    fn call(&self, call: &Call, binding: &[Option<Value>]) -> String {
        let args: Vec<String> = call.args.iter().map(|arg| self.expr(arg, binding)).collect();
        format!("{}({}", self.program.functions()[call.function], args.join(", "))
    }

    fn expr(&self, expr: &Expr, binding: &[Option<Value>]) -> String {
        match expr {
            Expr::Variable(variable) => self.variable(*variable, binding),
            Expr::Constant(value) => value.to_string(),
            Expr::Arithmetic(op, left, right) => {
                format!(
                    "({} {} {})",
                    self.expr(left, binding),
                    op.sign(),
                    self.expr(right, binding)
                )
            }
            Expr::Call(call) => format!("{})", self.call(call, binding)),
            Expr::Concat(args) => {
                let args: Vec<String> = args.iter().map(|arg| self.expr(arg, binding)).collect();
                format!("cat({})", args.join(", "))
            }
            Expr::ErrorOf { call, .. } => format!("error({}))", self.call(call, binding)),
        }
    }

    /// The condition with values for all bound variables.
    pub(crate) fn literal(&self, literal: &Literal, binding: &[Option<Value>]) -> String {
        match &literal.kind {
            LiteralKind::Atom { relation, args, negated } => {
                let sign = if *negated { "!" } else { "" };
                let name = &self.program.info(*relation).name;
                format!("{sign}{name}({})", self.terms(args, binding))
            }
            LiteralKind::Compare { op, left, right } => {
                format!("{} {} {}", self.expr(left, binding), op.sign(), self.expr(right, binding))
            }
            LiteralKind::Test { call, negated } => {
                let sign = if *negated { "!" } else { "" };
                format!("{sign}{})", self.call(call, binding))
            }
            LiteralKind::Rows { call, outs } => {
                format!("{}; {})", self.call(call, binding), self.terms(outs, binding))
            }
            LiteralKind::Aggregate(aggregate) => {
                let targets = self.terms(&aggregate.targets, binding);
                let rest = literal.text.split_once('=').map_or("", |(_, rest)| rest.trim());
                let keys: Vec<String> = aggregate
                    .keys
                    .iter()
                    .map(|key| {
                        let name = &self.clause.variables[*key].name;
                        format!("{name} = {}", self.variable(*key, binding))
                    })
                    .collect();
                let group = if keys.is_empty() {
                    String::new()
                } else {
                    format!(" for {}", keys.join(", "))
                };
                let targets =
                    if aggregate.targets.len() == 1 { targets } else { format!("({targets})") };
                format!("{targets} = {rest}{group}")
            }
        }
    }

    /// A comparison as it held: both sides computed, and the source text of a computed side kept.
    pub(crate) fn computed(
        &self,
        literal: &Literal,
        binding: &[Option<Value>],
        calls: &Calls,
    ) -> String {
        let text = self.literal(literal, binding);
        if let LiteralKind::Compare { op, left, right } = &literal.kind {
            let is_plain = |side: &Expr| matches!(side, Expr::Variable(_) | Expr::Constant(_));
            if *op == Comparison::Equal && (is_plain(left) || is_plain(right)) {
                // The side that is not computed says already what the other comes to.
                return text;
            }
            let values = [left, right].map(|side| expr::value(side, binding, calls).ok());
            if let [Some(a), Some(b)] = values {
                let plain = format!("{a} {} {b}", op.sign());
                if plain != text {
                    return format!("{text} [{plain}]");
                }
            }
        }
        text
    }

    /// The clause's bound variables by name.
    pub(crate) fn bindings(&self, binding: &[Option<Value>]) -> Vec<(String, Value)> {
        let named = self.clause.variables.iter().zip(binding);
        named
            .filter_map(|(variable, value)| Some((variable.name.to_string(), value.clone()?)))
            .collect()
    }
}
