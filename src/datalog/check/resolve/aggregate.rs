//! Aggregates: a body with variables of its own, and the types of what it gives.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::datalog::check::declare::base_id;
use crate::datalog::check::resolve::Work;
use crate::datalog::check::resolve::typing::Pending;
use crate::datalog::check::resolve::variables_of_body;
use crate::datalog::diagnostic::Code;
use crate::datalog::diagnostic::Complaint;
use crate::datalog::diagnostic::Span;
use crate::datalog::program::Aggregate;
use crate::datalog::program::Expr;
use crate::datalog::program::Literal;
use crate::datalog::program::Term;
use crate::datalog::syntax;
use crate::datalog::syntax::Fold;
use crate::datalog::value::Type;

impl Work<'_> {
    pub(super) fn aggregate(
        &mut self,
        source: &syntax::Aggregate,
        span: Span,
    ) -> Option<Aggregate> {
        let targets: Option<Vec<Term>> =
            source.targets.iter().map(|target| self.term(target)).collect();
        self.local = Some(BTreeMap::new());
        let inner = self.aggregate_body(source);
        self.local = None;
        let (targets, (selected, order, body)) = (targets?, inner?);
        let many = matches!(source.fold, Fold::Best | Fold::Top(_));
        let wanted = if many { selected.len() } else { 1 };
        if targets.len() != wanted {
            let name = source.fold.name();
            let message = format!("`{name}` gives {wanted} values, not {}", targets.len());
            self.complain(Complaint::error(Code::Arity, message).at(span, "here"));
            return None;
        }
        self.type_aggregate(source, &targets, &selected, span);
        let mut keys = BTreeSet::new();
        let outer: BTreeSet<usize> = self.outer.values().copied().collect();
        variables_of_body(&body, &mut |variable| {
            keys.insert(variable);
        });
        let order_exprs = order.iter().map(|(key, _): &(Expr, bool)| key);
        for expr in selected.iter().chain(order_exprs) {
            expr.variables(&mut |variable| {
                keys.insert(variable);
            });
        }
        let keys = keys.intersection(&outer).copied().collect();
        let fold = source.fold.clone();
        let body_order = Vec::new();
        Some(Aggregate {
            place: span,
            fold,
            targets,
            selected,
            order,
            base: Type::Number,
            body,
            body_order,
            keys,
        })
    }

    #[allow(clippy::type_complexity, reason = "the three parts of one aggregate")]
    fn aggregate_body(
        &mut self,
        source: &syntax::Aggregate,
    ) -> Option<(Vec<Expr>, Vec<(Expr, bool)>, Vec<Literal>)> {
        let mut body = Vec::new();
        for literal in &source.body {
            if let syntax::LiteralKind::Aggregate(_) = literal.kind {
                let complaint =
                    Complaint::error(Code::Misplaced, "an aggregate inside an aggregate");
                let help = "derive the inner one in a relation of its own";
                self.complain(complaint.at(literal.span, "here").help(help));
                return None;
            }
            body.push(self.literal(literal)?);
        }
        let mut selected = Vec::new();
        for expr in &source.selected {
            selected.push(self.expr(expr)?);
        }
        let mut order = Vec::new();
        for (expr, descending) in &source.order {
            order.push((self.expr(expr)?, *descending));
        }
        Some((selected, order, body))
    }

    fn type_aggregate(
        &mut self,
        source: &syntax::Aggregate,
        targets: &[Term],
        selected: &[Expr],
        span: Span,
    ) {
        for (at, target) in targets.iter().enumerate() {
            let target = match target {
                Term::Variable(variable) => Expr::Variable(*variable),
                Term::Constant(value) => Expr::Constant(value.clone()),
                Term::Wildcard => continue,
            };
            self.pending.push(match &source.fold {
                Fold::Count => Pending::is(target, base_id(Type::Number), span),
                Fold::Join { .. } => Pending::is(target, base_id(Type::Symbol), span),
                _ => Pending::same(target, selected[at].clone(), span),
            });
        }
        if source.fold == Fold::Sum {
            self.pending.push(Pending::Summable { expr: selected[0].clone(), span });
        }
    }
}
