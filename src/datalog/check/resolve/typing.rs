//! Types of variables and expressions: collected while names resolve, settled once per clause.

use crate::datalog::arithmetic;
use crate::datalog::builtins::Mode;
use crate::datalog::check::declare::TypeId;
use crate::datalog::check::declare::base_id;
use crate::datalog::check::resolve::Work;
use crate::datalog::diagnostic::Code;
use crate::datalog::diagnostic::Complaint;
use crate::datalog::diagnostic::Span;
use crate::datalog::program::Expr;
use crate::datalog::syntax::Operator;
use crate::datalog::value::Type;

/// A demand on types that waits until the variables in it have one.
pub(super) enum Pending {
    /// Two expressions that are compared or assigned.
    Same { left: Expr, right: Expr, span: Span },
    /// An expression in a place of a known type.
    Is { expr: Expr, want: TypeId, span: Span },
    /// Two operands of a sign.
    Arithmetic { op: Operator, left: Expr, right: Expr, span: Span },
    /// What `sum` adds up.
    Summable { expr: Expr, span: Span },
}

impl Pending {
    pub(super) fn same(left: Expr, right: Expr, span: Span) -> Self {
        Self::Same { left, right, span }
    }

    pub(super) fn is(expr: Expr, want: TypeId, span: Span) -> Self {
        Self::Is { expr, want, span }
    }
}

impl Work<'_> {
    /// Notes that `variable` stands where a value of type `want` is.
    pub(super) fn constrain(&mut self, variable: usize, want: TypeId, span: Span) {
        let Some((have, origin)) = self.known[variable].of_type else {
            self.known[variable].of_type = Some((want, span));
            return;
        };
        if let Some(meet) = self.scope.meet(have, want) {
            let origin = if meet == have { origin } else { span };
            self.known[variable].of_type = Some((meet, origin));
            return;
        }
        let (have, want) = (&self.scope.types[have].name, &self.scope.types[want].name);
        let name = &self.known[variable].name;
        let message = format!("`{name}` cannot be both {have} and {want}");
        let complaint = Complaint::error(Code::TypeClash, message);
        let complaint = complaint.at(span, format!("{want} here"));
        self.complain(complaint.at(origin, format!("{have} here")));
    }

    /// Gives types to variables until nothing changes, then checks every demand.
    pub(super) fn infer(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        loop {
            let untyped = self.untyped();
            for demand in &pending {
                self.spread(demand);
            }
            if self.untyped() == untyped {
                break;
            }
        }
        for demand in &pending {
            self.settle(demand);
        }
    }

    fn untyped(&self) -> usize {
        self.known.iter().filter(|known| known.of_type.is_none()).count()
    }

    fn spread(&mut self, demand: &Pending) {
        match demand {
            Pending::Same { left, right, span } => {
                for (to, from) in [(left, right), (right, left)] {
                    if let Expr::Variable(variable) = to
                        && self.known[*variable].of_type.is_none()
                        && let Some(found) = self.type_of(from)
                    {
                        self.constrain(*variable, found, *span);
                    }
                }
            }
            Pending::Is { expr: Expr::Variable(variable), want, span }
                if self.known[*variable].of_type.is_none() =>
            {
                self.constrain(*variable, *want, *span);
            }
            _ => {}
        }
    }

    /// The type of `expr`, as far as it is known.
    fn type_of(&self, expr: &Expr) -> Option<TypeId> {
        match expr {
            Expr::Variable(variable) => self.known[*variable].of_type.map(|(found, _)| found),
            Expr::Constant(value) => Some(base_id(value.base())),
            Expr::Arithmetic(op, left, right) => {
                let (left, right) = (self.base_of(left)?, self.base_of(right)?);
                arithmetic::result_type(*op, left, right).map(base_id)
            }
            Expr::Call(call) => match &self.builtins.get(&self.functions[call.function])?.mode {
                Mode::Function(output, _) => Some(base_id(*output)),
                _ => None,
            },
            Expr::Concat(_) | Expr::ErrorOf { .. } => Some(base_id(Type::Symbol)),
        }
    }

    pub(super) fn base_of(&self, expr: &Expr) -> Option<Type> {
        self.type_of(expr).map(|found| self.scope.types[found].base)
    }

    fn settle(&mut self, demand: &Pending) {
        match demand {
            Pending::Same { left, right, span } => {
                let (Some(a), Some(b)) = (self.type_of(left), self.type_of(right)) else { return };
                if self.scope.meet(a, b).is_none() {
                    self.complain_of_pair(a, b, left, right, *span);
                }
            }
            Pending::Is { expr: Expr::Variable(variable), want, span } => {
                self.constrain(*variable, *want, *span);
            }
            Pending::Is { expr, want, span } => {
                let Some(have) = self.type_of(expr) else { return };
                if self.scope.meet(have, *want).is_none() {
                    let (have, want) =
                        (&self.scope.types[have].name, &self.scope.types[*want].name);
                    let message = format!("expected {want}, found {have}");
                    self.complain(Complaint::error(Code::TypeClash, message).at(*span, "here"));
                }
            }
            Pending::Arithmetic { op, left, right, span } => {
                let (Some(a), Some(b)) = (self.base_of(left), self.base_of(right)) else { return };
                if arithmetic::result_type(*op, a, b).is_none() {
                    let message = format!("`{}` does not fit {a} and {b}", op.sign());
                    self.complain(Complaint::error(Code::TypeClash, message).at(*span, "here"));
                }
            }
            Pending::Summable { expr, span } => {
                let Some(base) = self.base_of(expr) else { return };
                if !matches!(base, Type::Number | Type::Decimal | Type::Duration) {
                    let message = format!("`sum` cannot add up values of type {base}");
                    self.complain(Complaint::error(Code::TypeClash, message).at(*span, "here"));
                }
            }
        }
    }

    fn complain_of_pair(&mut self, a: TypeId, b: TypeId, left: &Expr, right: &Expr, span: Span) {
        let (a, b) = (&self.scope.types[a].name, &self.scope.types[b].name);
        let mut complaint =
            Complaint::error(Code::TypeClash, format!("{a} is not comparable with {b}"));
        complaint = complaint.at(span, format!("{a} and {b} here"));
        for (expr, name) in [(left, a), (right, b)] {
            if let Expr::Variable(variable) = expr
                && let Some((_, origin)) = self.known[*variable].of_type
            {
                let variable = &self.known[*variable].name;
                complaint = complaint.at(origin, format!("`{variable}` is {name} since here"));
            }
        }
        self.complain(complaint);
    }
}
