//! Clauses: names to positions, and the type of every variable.
//!
//! A variable's uses must lie on one chain of subtypes; the complaint shows both origins. Variables
//! of an aggregate's body that occur nowhere else in the clause are its own.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::datalog::builtins::Builtin;
use crate::datalog::builtins::Builtins;
use crate::datalog::builtins::Mode;
use crate::datalog::check::File;
use crate::datalog::check::declare::Scope;
use crate::datalog::check::declare::TypeId;
use crate::datalog::check::declare::base_id;
use crate::datalog::check::declare::unknown_relation;
use crate::datalog::check::nearest;
use crate::datalog::check::resolve::typing::Pending;
use crate::datalog::diagnostic::Code;
use crate::datalog::diagnostic::Complaint;
use crate::datalog::diagnostic::Complaints;
use crate::datalog::diagnostic::Span;
use crate::datalog::program::Call;
use crate::datalog::program::Clause;
use crate::datalog::program::Expr;
use crate::datalog::program::FileOrigin;
use crate::datalog::program::Literal;
use crate::datalog::program::LiteralKind;
use crate::datalog::program::RelationKind;
use crate::datalog::program::Term;
use crate::datalog::program::Variable;
use crate::datalog::syntax;
use crate::datalog::syntax::ExprKind;

mod aggregate;
mod typing;

/// Most variables of one clause, wildcards not counted.
const VARIABLES_MAX: usize = 32;

/// Most conditions of one clause, those of its aggregates included.
const CONDITIONS_MAX: usize = 48;

/// A clause with the places that later complaints point at.
pub(super) struct CheckedClause {
    pub(super) clause: Clause,
    pub(super) label_span: Span,
    pub(super) head_span: Span,
    pub(super) head_spans: Vec<Span>,
    pub(super) literal_spans: Vec<Span>,
    /// Per variable: where it first occurs, and how often it occurs.
    pub(super) occurrences: Vec<(Span, usize)>,
    /// False when a name did not resolve: later steps then keep quiet.
    pub(super) sound: bool,
}

/// All clauses, and the built-ins that they call.
pub(super) struct Resolved {
    pub(super) clauses: Vec<CheckedClause>,
    pub(super) functions: Vec<Arc<str>>,
}

/// Resolves every clause of `files`.
pub(super) fn resolve(
    files: &[File],
    scope: &Scope,
    builtins: &Builtins,
    complaints: &mut Complaints,
) -> Resolved {
    let mut resolved = Resolved { clauses: Vec::new(), functions: Vec::new() };
    for file in files {
        for item in &file.items {
            let syntax::Item::Clause(clause) = item else { continue };
            let mut work = Work::new(file, scope, builtins, complaints, &mut resolved.functions);
            if let Some(checked) = work.clause(clause) {
                resolved.clauses.push(checked);
            }
        }
    }
    resolved
}

/// What is known of one variable so far.
struct Known {
    name: Arc<str>,
    span: Span,
    count: usize,
    of_type: Option<(TypeId, Span)>,
}

/// One clause under work.
struct Work<'a> {
    file: &'a File,
    scope: &'a Scope,
    builtins: &'a Builtins,
    complaints: &'a mut Complaints,
    functions: &'a mut Vec<Arc<str>>,
    known: Vec<Known>,
    outer_names: BTreeSet<Arc<str>>,
    outer: BTreeMap<Arc<str>, usize>,
    /// Variables of the aggregate that is being read.
    local: Option<BTreeMap<Arc<str>, usize>>,
    pending: Vec<Pending>,
    conditions: usize,
    sound: bool,
}

impl<'a> Work<'a> {
    fn new(
        file: &'a File,
        scope: &'a Scope,
        builtins: &'a Builtins,
        complaints: &'a mut Complaints,
        functions: &'a mut Vec<Arc<str>>,
    ) -> Self {
        Self {
            file,
            scope,
            builtins,
            complaints,
            functions,
            known: Vec::new(),
            outer_names: BTreeSet::new(),
            outer: BTreeMap::new(),
            local: None,
            pending: Vec::new(),
            conditions: 0,
            sound: true,
        }
    }

    fn complain(&mut self, complaint: Complaint) {
        self.sound = false;
        self.complaints.push(complaint);
    }

    fn clause(&mut self, source: &syntax::Clause) -> Option<CheckedClause> {
        self.collect_outer_names(source);
        let mut body = Vec::new();
        for literal in &source.body {
            body.extend(self.literal(literal));
        }
        let head = self.head(source)?;
        let columns = &self.scope.column_types[head];
        let mut head_args = Vec::new();
        for (at, arg) in source.head.args.iter().enumerate() {
            let Some(expr) = self.expr(arg) else { continue };
            if let Some(column) = columns.get(at) {
                self.pending.push(Pending::is(expr.clone(), *column, arg.span));
            }
            head_args.push(expr);
        }
        self.infer();
        for literal in &mut body {
            if let LiteralKind::Aggregate(aggregate) = &mut literal.kind
                && let Some(base) = aggregate.selected.first().and_then(|expr| self.base_of(expr))
            {
                aggregate.base = base;
            }
        }
        let names = self.known.iter().map(|known| Arc::clone(&known.name));
        let variables = names.map(|name| Variable { name });
        let clause = Clause {
            label: source.label.as_ref().map_or_else(|| "".into(), |label| Arc::clone(&label.text)),
            sentence: source.doc.as_str().into(),
            text: self.file.excerpt(source.span).into(),
            file: Arc::clone(&self.file.name),
            line: self.file.line(source.span),
            origin: self.file.origin,
            head,
            head_args,
            order: Vec::new(),
            variables: variables.collect(),
            body,
        };
        Some(CheckedClause {
            clause,
            label_span: source.label.as_ref().map_or(source.head.span, |label| label.span),
            head_span: source.head.name.span,
            head_spans: source.head.args.iter().map(|arg| arg.span).collect(),
            literal_spans: source.body.iter().map(|literal| literal.span).collect(),
            occurrences: self.known.iter().map(|known| (known.span, known.count)).collect(),
            sound: self.sound,
        })
    }

    fn collect_outer_names(&mut self, source: &syntax::Clause) {
        let names = &mut self.outer_names;
        source.head.args.iter().for_each(|arg| names_in(arg, names));
        for literal in &source.body {
            match &literal.kind {
                syntax::LiteralKind::Atom { atom, .. } => names_in_atom(atom, names),
                syntax::LiteralKind::Compare { left, right, .. } => {
                    names_in(left, names);
                    names_in(right, names);
                }
                syntax::LiteralKind::Aggregate(aggregate) => {
                    aggregate.targets.iter().for_each(|target| names_in(target, names));
                }
            }
        }
    }

    fn head(&mut self, source: &syntax::Clause) -> Option<usize> {
        let atom = &source.head;
        let Some(&head) = self.scope.names.get(&atom.name.text) else {
            self.complain(unknown_relation(&atom.name, self.scope));
            return None;
        };
        let info = &self.scope.relations[head];
        let foreign = self.file.origin == FileOrigin::User && info.origin == FileOrigin::BuiltIn;
        if foreign && info.kind != RelationKind::Extension {
            let open: Vec<&str> = self
                .scope
                .relations
                .iter()
                .filter(|other| other.kind == RelationKind::Extension)
                .map(|other| &*other.name)
                .collect();
            let message = format!("`{}` takes no clauses from user files", info.name);
            let help = if open.is_empty() {
                "declare a relation of your own".to_owned()
            } else {
                format!("extension points: {}; or declare a relation of your own", open.join(", "))
            };
            let complaint = Complaint::error(Code::NotExtensible, message);
            self.complain(complaint.at(atom.name.span, "not an extension point").help(help));
        } else if info.kind == RelationKind::Input && !source.body.is_empty() {
            let message =
                format!("`{}` is an input: transactions write it, clauses cannot", info.name);
            let complaint = Complaint::error(Code::NotExtensible, message);
            let complaint = complaint.at(atom.name.span, "derived here");
            let at = self.scope.spans[head];
            self.complain(
                complaint
                    .at(at, "declared as an input here")
                    .help("use .decl, or a relation of its own"),
            );
        }
        if atom.outs.is_some() {
            let complaint = Complaint::error(Code::Misplaced, "a head has no `;`");
            self.complain(complaint.at(atom.span, "only calls of built-ins have outputs"));
        }
        self.check_arity(atom, head);
        Some(head)
    }

    fn check_arity(&mut self, atom: &syntax::Atom, relation: usize) -> bool {
        let info = &self.scope.relations[relation];
        let (have, want) = (atom.args.len(), info.columns.len());
        if have == want {
            return true;
        }
        let message = format!("`{}` has {want} columns, not {have}", info.name);
        let columns: Vec<String> = info
            .columns
            .iter()
            .map(|column| format!("{}: {}", column.name, column.type_name))
            .collect();
        let help = format!("{}({})", info.name, columns.join(", "));
        let complaint =
            Complaint::error(Code::Arity, message).at(atom.span, format!("{have} here"));
        let at = self.scope.spans[relation];
        self.complain(complaint.at(at, format!("declared with {want}")).help(help));
        false
    }

    fn literal(&mut self, source: &syntax::Literal) -> Option<Literal> {
        self.conditions += 1;
        if self.conditions == CONDITIONS_MAX + 1 {
            let message = format!("more than {CONDITIONS_MAX} conditions in one clause");
            let complaint = Complaint::error(Code::TooManyVariables, message);
            self.complain(complaint.at(source.span, "one too many").help("split the clause"));
        }
        let kind = match &source.kind {
            syntax::LiteralKind::Atom { negated, atom } => self.atom(*negated, atom)?,
            syntax::LiteralKind::Compare { op, left, right } => {
                let (left, right) = (self.expr(left)?, self.expr(right)?);
                self.pending.push(Pending::same(left.clone(), right.clone(), source.span));
                LiteralKind::Compare { op: *op, left, right }
            }
            syntax::LiteralKind::Aggregate(aggregate) => {
                LiteralKind::Aggregate(Box::new(self.aggregate(aggregate, source.span)?))
            }
        };
        Some(Literal { kind, text: self.file.excerpt(source.span).into() })
    }

    fn atom(&mut self, negated: bool, atom: &syntax::Atom) -> Option<LiteralKind> {
        if let Some(&relation) = self.scope.names.get(&atom.name.text) {
            if atom.outs.is_some() {
                let complaint = Complaint::error(Code::Misplaced, "a relation has no outputs");
                self.complain(complaint.at(atom.span, "write `,` instead of `;`"));
            }
            if !self.check_arity(atom, relation) {
                atom.args.iter().for_each(|arg| drop(self.term(arg)));
                return None;
            }
            let columns = self.scope.column_types[relation].clone();
            let args = self.typed_terms(&atom.args, &columns)?;
            return Some(LiteralKind::Atom { relation, args, negated });
        }
        let Some(builtin) = self.builtins.get(&atom.name.text) else {
            let mut complaint = unknown_relation(&atom.name, self.scope);
            if let Some(close) = nearest(&atom.name.text, self.builtins.names())
                && nearest(&atom.name.text, self.scope.names.keys().map(|name| &**name)).is_none()
            {
                complaint = complaint.help(format!("did you mean the built-in `{close}`?"));
            }
            self.complain(complaint);
            return None;
        };
        let call = self.call(builtin, &atom.name, &atom.args)?;
        match (&builtin.mode, &atom.outs) {
            (Mode::Test(_), None) => Some(LiteralKind::Test { call, negated }),
            (Mode::Relation(types, _), Some(outs)) if !negated && outs.len() == types.len() => {
                let columns: Vec<TypeId> = types.iter().map(|base| base_id(*base)).collect();
                let outs = self.typed_terms(outs, &columns)?;
                Some(LiteralKind::Rows { call, outs })
            }
            (mode, _) => {
                let usage = match mode {
                    Mode::Test(_) => "a test: write it without `;`".to_owned(),
                    Mode::Function(..) => "a function: write `Y = f(X)`".to_owned(),
                    Mode::Relation(types, _) => {
                        format!("a relation with {} outputs after `;`, not negated", types.len())
                    }
                };
                let message = format!("`{}` is {usage}", atom.name.text);
                self.complain(Complaint::error(Code::Misplaced, message).at(atom.span, "here"));
                None
            }
        }
    }

    fn typed_terms(&mut self, args: &[syntax::Expr], columns: &[TypeId]) -> Option<Vec<Term>> {
        let mut terms = Vec::new();
        for (arg, column) in args.iter().zip(columns) {
            let term = self.term(arg)?;
            match &term {
                Term::Variable(variable) => self.constrain(*variable, *column, arg.span),
                Term::Constant(value) => {
                    self.pending.push(Pending::is(
                        Expr::Constant(value.clone()),
                        *column,
                        arg.span,
                    ));
                }
                Term::Wildcard => {}
            }
            terms.push(term);
        }
        Some(terms)
    }

    fn term(&mut self, source: &syntax::Expr) -> Option<Term> {
        match &source.kind {
            ExprKind::Variable(name) => Some(Term::Variable(self.variable(name, source.span))),
            ExprKind::Constant(value) => Some(Term::Constant(value.clone())),
            ExprKind::Wildcard => Some(Term::Wildcard),
            _ => {
                self.expr(source);
                let complaint = Complaint::error(Code::Misplaced, "expected a variable or a value");
                let help = "bind it first: X = …, then use X";
                self.complain(complaint.at(source.span, "this must be computed").help(help));
                None
            }
        }
    }

    fn variable(&mut self, name: &Arc<str>, span: Span) -> usize {
        let is_outer = self.local.is_none() || self.outer_names.contains(name);
        let names = match &mut self.local {
            Some(local) if !is_outer => local,
            _ => &mut self.outer,
        };
        if let Some(&at) = names.get(name) {
            self.known[at].count += 1;
            return at;
        }
        let at = self.known.len();
        names.insert(Arc::clone(name), at);
        self.known.push(Known { name: Arc::clone(name), span, count: 1, of_type: None });
        if at == VARIABLES_MAX {
            let message = format!("more than {VARIABLES_MAX} variables in one clause");
            let complaint =
                Complaint::error(Code::TooManyVariables, message).at(span, "one too many");
            self.complain(complaint.help("split the clause with a relation of its own"));
        }
        at
    }

    fn call(
        &mut self,
        builtin: &Builtin,
        name: &syntax::Ident,
        args: &[syntax::Expr],
    ) -> Option<Call> {
        if args.len() != builtin.inputs.len() {
            let (have, want) = (args.len(), builtin.inputs.len());
            let message = format!("built-in `{}` takes {want} arguments, not {have}", name.text);
            self.complain(
                Complaint::error(Code::Arity, message).at(name.span, format!("{have} here")),
            );
            return None;
        }
        let mut exprs = Vec::new();
        for (arg, base) in args.iter().zip(&builtin.inputs) {
            let expr = self.expr(arg)?;
            self.pending.push(Pending::is(expr.clone(), base_id(*base), arg.span));
            exprs.push(expr);
        }
        let known = self.functions.iter().position(|known| *known == name.text);
        let function = known.unwrap_or_else(|| {
            self.functions.push(Arc::clone(&name.text));
            self.functions.len() - 1
        });
        Some(Call { function, args: exprs })
    }

    fn expr(&mut self, source: &syntax::Expr) -> Option<Expr> {
        match &source.kind {
            ExprKind::Variable(name) => Some(Expr::Variable(self.variable(name, source.span))),
            ExprKind::Constant(value) => Some(Expr::Constant(value.clone())),
            ExprKind::Wildcard => {
                let complaint = Complaint::error(Code::Misplaced, "`_` has no value to use here");
                self.complain(complaint.at(source.span, "give it a name and bind it"));
                None
            }
            ExprKind::Arithmetic(op, left, right) => {
                let (left, right) = (self.expr(left)?, self.expr(right)?);
                self.pending.push(Pending::Arithmetic {
                    op: *op,
                    left: left.clone(),
                    right: right.clone(),
                    span: source.span,
                });
                Some(Expr::Arithmetic(*op, Box::new(left), Box::new(right)))
            }
            ExprKind::Call(name, args) => self.call_expr(name, args, source.span),
        }
    }

    fn call_expr(
        &mut self,
        name: &syntax::Ident,
        args: &[syntax::Expr],
        span: Span,
    ) -> Option<Expr> {
        if &*name.text == "cat" {
            let exprs: Vec<Option<Expr>> = args.iter().map(|arg| self.expr(arg)).collect();
            return Some(Expr::Concat(exprs.into_iter().collect::<Option<_>>()?));
        }
        if &*name.text == "error" {
            return self.error_expr(args, span);
        }
        match self.builtins.get(&name.text) {
            Some(builtin) if matches!(builtin.mode, Mode::Function(..)) => {
                self.call(builtin, name, args).map(Expr::Call)
            }
            Some(_) => {
                let message = format!("built-in `{}` has no single result", name.text);
                self.complain(
                    Complaint::error(Code::Misplaced, message).at(span, "used as a value"),
                );
                None
            }
            None => {
                let message = format!("no function `{}`", name.text);
                let complaint =
                    Complaint::error(Code::UnknownFunction, message).at(name.span, "called here");
                let known = self.builtins.names().chain(["cat", "error"]);
                let help = match nearest(&name.text, known) {
                    Some(close) => format!("did you mean `{close}`?"),
                    None if self.scope.names.contains_key(&name.text) => {
                        "it is a relation: write it as a condition of its own".to_owned()
                    }
                    None => "only registered built-ins can be called".to_owned(),
                };
                self.complain(complaint.help(help));
                None
            }
        }
    }

    fn error_expr(&mut self, args: &[syntax::Expr], span: Span) -> Option<Expr> {
        if let [syntax::Expr { kind: ExprKind::Call(name, inner), .. }] = args
            && let Some(builtin) = self.builtins.get(&name.text)
            && !matches!(builtin.mode, Mode::Relation(..))
        {
            let is_test = matches!(builtin.mode, Mode::Test(_));
            let call = self.call(builtin, name, inner)?;
            return Some(Expr::ErrorOf { call, is_test });
        }
        let complaint =
            Complaint::error(Code::Misplaced, "`error` takes one call of a function or test");
        self.complain(complaint.at(span, "here").help("write E = error(f(X))"));
        None
    }
}

/// Calls `visit` for each variable of `body`.
pub(super) fn variables_of_body(body: &[Literal], visit: &mut impl FnMut(usize)) {
    let of_term = |term: &Term, visit: &mut dyn FnMut(usize)| {
        if let Term::Variable(variable) = term {
            visit(*variable);
        }
    };
    for literal in body {
        match &literal.kind {
            LiteralKind::Atom { args, .. } => args.iter().for_each(|arg| of_term(arg, visit)),
            LiteralKind::Compare { left, right, .. } => {
                left.variables(visit);
                right.variables(visit);
            }
            LiteralKind::Test { call, .. } => {
                call.args.iter().for_each(|arg| arg.variables(visit));
            }
            LiteralKind::Rows { call, outs } => {
                call.args.iter().for_each(|arg| arg.variables(visit));
                outs.iter().for_each(|out| of_term(out, visit));
            }
            LiteralKind::Aggregate(aggregate) => {
                aggregate.targets.iter().for_each(|target| of_term(target, visit));
                aggregate.keys.iter().for_each(|key| visit(*key));
            }
        }
    }
}

fn names_in_atom(atom: &syntax::Atom, names: &mut BTreeSet<Arc<str>>) {
    atom.args.iter().for_each(|arg| names_in(arg, names));
    atom.outs.iter().flatten().for_each(|arg| names_in(arg, names));
}

fn names_in(expr: &syntax::Expr, names: &mut BTreeSet<Arc<str>>) {
    match &expr.kind {
        ExprKind::Variable(name) => {
            names.insert(Arc::clone(name));
        }
        ExprKind::Wildcard | ExprKind::Constant(_) => {}
        ExprKind::Arithmetic(_, left, right) => {
            names_in(left, names);
            names_in(right, names);
        }
        ExprKind::Call(_, args) => args.iter().for_each(|arg| names_in(arg, names)),
    }
}
