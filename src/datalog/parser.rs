//! Reads rule text into the syntax tree: recursive descent, one token ahead.
//!
//! A mistake is reported where it stands and the parser goes on after the next full stop that ends
//! a line, so one run finds them all. Nesting deeper than [`DEPTH_MAX`] is an error, never a crash.

use std::sync::Arc;

use crate::datalog::diagnostic::Code;
use crate::datalog::diagnostic::Complaint;
use crate::datalog::diagnostic::Complaints;
use crate::datalog::diagnostic::Span;
use crate::datalog::lexer::Kind;
use crate::datalog::lexer::Token;
use crate::datalog::lexer::tokens;
use crate::datalog::literal;
use crate::datalog::syntax::Aggregate;
use crate::datalog::syntax::Atom;
use crate::datalog::syntax::Clause;
use crate::datalog::syntax::Comparison;
use crate::datalog::syntax::Expr;
use crate::datalog::syntax::ExprKind;
use crate::datalog::syntax::Fold;
use crate::datalog::syntax::Ident;
use crate::datalog::syntax::Item;
use crate::datalog::syntax::Literal;
use crate::datalog::syntax::LiteralKind;
use crate::datalog::syntax::Operator;
use crate::datalog::syntax::RelationDecl;
use crate::datalog::syntax::Role;
use crate::datalog::value::Value;

/// Deepest nesting of parentheses and braces.
const DEPTH_MAX: usize = 64;

/// Most operators of one level in one expression: its tree is as deep as they are many.
const OPERATORS_MAX: usize = 256;

/// A complaint is on record; the parser must recover.
pub(crate) struct Broken(pub(crate) Complaint);

type Parsed<T> = Result<T, Broken>;

/// What an aggregate selects, and by which keys; `true` is descending.
type Selection = (Vec<Expr>, Vec<(Expr, bool)>);

/// All items of one file; complaints go to `complaints`.
pub(crate) fn parse(file: u32, text: &str, complaints: &mut Complaints) -> Vec<Item> {
    let mut parser = Parser::new(file, text);
    let mut items = Vec::new();
    loop {
        let doc = parser.docs();
        if parser.kind() == Kind::End {
            return items;
        }
        match parser.item(doc) {
            Ok(item) => items.push(item),
            Err(Broken(complaint)) => {
                complaints.push(complaint);
                parser.recover();
            }
        }
    }
}

/// One clause alone, such as a proof carries; none when the text is anything else.
pub(crate) fn parse_clause(text: &str) -> Option<Clause> {
    let mut parser = Parser::new(0, text);
    let clause = parser.clause(String::new()).ok()?;
    (parser.kind() == Kind::End).then_some(clause)
}

/// The parser's state: a place in the tokens of one file.
pub(crate) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(file: u32, text: &'a str) -> Self {
        let mut tokens = tokens(file, text);
        tokens.retain(|token| token.kind != Kind::Comment);
        Self { text, tokens, at: 0, depth: 0 }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.tokens[self.at].kind
    }

    fn kind_after(&self) -> Kind {
        self.tokens.get(self.at + 1).map_or(Kind::End, |token| token.kind)
    }

    fn span(&self) -> Span {
        self.tokens[self.at].span
    }

    fn last_span(&self) -> Span {
        self.tokens[self.at.saturating_sub(1)].span
    }

    fn text_of(&self, span: Span) -> &'a str {
        &self.text[span.start as usize..span.end as usize]
    }

    fn advance(&mut self) -> Token {
        let token = self.tokens[self.at];
        if token.kind != Kind::End {
            self.at += 1;
        }
        token
    }

    fn accept(&mut self, kind: Kind) -> bool {
        let found = self.kind() == kind;
        if found {
            self.advance();
        }
        found
    }

    fn broken<T>(&self, wanted: &str) -> Parsed<T> {
        let span = self.span();
        let found = match self.kind() {
            Kind::End => "the end of the file".to_owned(),
            Kind::Unknown if self.text_of(span).contains('"') => {
                "a text that never ends".to_owned()
            }
            _ => format!("`{}`", self.text_of(span).lines().next().unwrap_or_default()),
        };
        let message = format!("expected {wanted}, found {found}");
        Err(Broken(Complaint::error(Code::Syntax, message).at(span, "here")))
    }

    pub(crate) fn expect(&mut self, kind: Kind, wanted: &str) -> Parsed<Token> {
        if self.kind() == kind { Ok(self.advance()) } else { self.broken(wanted) }
    }

    /// Skips to the next item: past a full stop that ends a line, or to a directive that starts
    /// one.
    pub(crate) fn recover(&mut self) {
        loop {
            let token = self.advance();
            let line_ends = self.span().start > token.span.end || self.kind() == Kind::End;
            if token.kind == Kind::End || (token.kind == Kind::Dot && line_ends) {
                return;
            }
            let gap = &self.text[token.span.end as usize..self.span().start as usize];
            if gap.contains('\n') && matches!(self.kind(), Kind::Dot | Kind::Doc | Kind::Label) {
                return;
            }
        }
    }

    /// Steps over one token.
    pub(crate) fn skip(&mut self) {
        self.advance();
    }

    /// Steps over doc lines.
    pub(crate) fn skip_docs(&mut self) {
        self.docs();
    }

    fn docs(&mut self) -> String {
        let mut lines = Vec::new();
        while self.kind() == Kind::Doc {
            let token = self.advance();
            lines.push(self.text_of(token.span).trim_start_matches('/').trim());
        }
        lines.join(" ")
    }

    fn ident(&mut self, wanted: &str) -> Parsed<Ident> {
        let token = self.advance_if(&[Kind::Name, Kind::Variable], wanted)?;
        Ok(Ident { text: self.text_of(token.span).into(), span: token.span })
    }

    fn name(&mut self, wanted: &str) -> Parsed<Ident> {
        let token = self.advance_if(&[Kind::Name], wanted)?;
        Ok(Ident { text: self.text_of(token.span).into(), span: token.span })
    }

    fn advance_if(&mut self, kinds: &[Kind], wanted: &str) -> Parsed<Token> {
        if kinds.contains(&self.kind()) { Ok(self.advance()) } else { self.broken(wanted) }
    }

    fn is_word(&self, word: &str) -> bool {
        self.kind() == Kind::Name && self.text_of(self.span()) == word
    }

    fn accept_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.advance();
        }
        found
    }

    fn item(&mut self, doc: String) -> Parsed<Item> {
        if self.kind() == Kind::Dot {
            return self.directive(doc);
        }
        self.clause(doc).map(Item::Clause)
    }

    fn directive(&mut self, doc: String) -> Parsed<Item> {
        self.advance();
        let word = self.name("a directive such as `.decl`")?;
        match &*word.text {
            "type" => self.type_item(),
            "input" => self.relation_item(Role::Input, doc),
            "decl" => self.relation_item(Role::Derived, doc),
            "output" => self.relation_item(Role::Output, doc),
            "extension" => self.relation_item(Role::Extension, doc),
            "limitsize" => self.limit_item(),
            other => {
                let known = "known: .type .input .decl .output .extension .limitsize";
                let complaint = Complaint::error(Code::Syntax, format!("no directive `.{other}`"));
                Err(Broken(complaint.at(word.span, "here").help(known)))
            }
        }
    }

    fn type_item(&mut self) -> Parsed<Item> {
        let name = self.ident("a type name")?;
        self.expect(Kind::Subtype, "`<:`")?;
        let base = self.ident("the type it specialises")?;
        Ok(Item::Type { name, base })
    }

    fn relation_item(&mut self, role: Role, doc: String) -> Parsed<Item> {
        let name = self.name("a relation name in lower case")?;
        if self.kind() != Kind::Open && role != Role::Derived {
            let mut names = vec![name];
            while self.accept(Kind::Comma) {
                names.push(self.name("a relation name")?);
            }
            return Ok(Item::Mark { role, names });
        }
        self.expect(Kind::Open, "`(`")?;
        let mut columns = Vec::new();
        while self.kind() != Kind::Close {
            let column = self.ident("a column name")?;
            self.expect(Kind::Colon, "`:` and the column's type")?;
            columns.push((column, self.ident("a type")?));
            if !self.accept(Kind::Comma) {
                break;
            }
        }
        self.expect(Kind::Close, "`,` or `)`")?;
        let key = if self.accept_word("key") { Some(self.key_columns()?) } else { None };
        let from =
            if self.accept_word("from") { Some(self.text("the text after `from`")?) } else { None };
        Ok(Item::Relation(RelationDecl { role, name, columns, key, from, doc }))
    }

    fn key_columns(&mut self) -> Parsed<Vec<Ident>> {
        self.expect(Kind::Open, "`(` and the key's columns")?;
        let mut columns = vec![self.ident("a column name")?];
        while self.accept(Kind::Comma) {
            columns.push(self.ident("a column name")?);
        }
        self.expect(Kind::Close, "`,` or `)`")?;
        Ok(columns)
    }

    fn limit_item(&mut self) -> Parsed<Item> {
        let name = self.name("a relation name")?;
        self.expect(Kind::Open, "`(n=…)`")?;
        if !self.accept_word("n") {
            return self.broken("`n=`");
        }
        self.expect(Kind::Equal, "`=`")?;
        let token = self.expect(Kind::Number, "the largest number of rows")?;
        let Ok(rows) = self.text_of(token.span).parse() else {
            return self.broken("a number that fits");
        };
        self.expect(Kind::Close, "`)`")?;
        Ok(Item::Limit { name, rows })
    }

    fn clause(&mut self, mut doc: String) -> Parsed<Clause> {
        let mut label = None;
        if self.kind() == Kind::Label {
            let span = self.advance().span;
            label = Some(Ident {
                text: self.text_of(span).trim_matches(['[', ']']).trim().into(),
                span,
            });
        }
        let more = self.docs();
        if !more.is_empty() {
            doc = if doc.is_empty() { more } else { format!("{doc} {more}") };
        }
        if self.kind() != Kind::Name {
            return self.broken("a clause, a fact or a directive");
        }
        let head = self.atom()?;
        let mut body = Vec::new();
        if self.accept(Kind::If) {
            body = self.literals()?;
        }
        self.expect(Kind::Dot, "`,` or `.`")?;
        let span = head.span.to(self.last_span());
        Ok(Clause { label, doc, head, body, span })
    }

    fn literals(&mut self) -> Parsed<Vec<Literal>> {
        let mut literals = vec![self.literal()?];
        while self.accept(Kind::Comma) {
            literals.push(self.literal()?);
        }
        Ok(literals)
    }

    pub(crate) fn atom(&mut self) -> Parsed<Atom> {
        let name = self.name("a relation name")?;
        self.expect(Kind::Open, "`(`")?;
        let args = self.expr_list()?;
        let outs = if self.accept(Kind::Semicolon) { Some(self.expr_list()?) } else { None };
        let close = self.expect(Kind::Close, "`,` or `)`")?;
        let span = name.span.to(close.span);
        Ok(Atom { name, args, outs, span })
    }

    fn expr_list(&mut self) -> Parsed<Vec<Expr>> {
        let mut list = Vec::new();
        while !matches!(self.kind(), Kind::Close | Kind::Semicolon) {
            list.push(self.expr()?);
            if !self.accept(Kind::Comma) {
                break;
            }
        }
        Ok(list)
    }

    fn literal(&mut self) -> Parsed<Literal> {
        let start = self.span();
        if self.accept(Kind::Bang) {
            let atom = self.atom()?;
            let span = start.to(atom.span);
            return Ok(Literal { kind: LiteralKind::Atom { negated: true, atom }, span });
        }
        if self.kind() == Kind::Name && self.kind_after() == Kind::Open {
            let before = self.at;
            let atom = self.atom()?;
            if !self.is_operator() {
                let span = atom.span;
                return Ok(Literal { kind: LiteralKind::Atom { negated: false, atom }, span });
            }
            self.at = before;
        }
        let targets = self.targets()?;
        let op = self.comparison()?;
        if op == Comparison::Equal && self.starts_aggregate() {
            let aggregate = self.aggregate(targets)?;
            let span = start.to(self.last_span());
            return Ok(Literal { kind: LiteralKind::Aggregate(Box::new(aggregate)), span });
        }
        let Ok([left]) = <[Expr; 1]>::try_from(targets) else {
            return self.broken("`best` or `top` after a list of variables");
        };
        let right = self.expr()?;
        let span = start.to(right.span);
        Ok(Literal { kind: LiteralKind::Compare { op, left, right }, span })
    }

    fn is_operator(&self) -> bool {
        !matches!(self.kind(), Kind::Comma | Kind::Dot | Kind::CloseBrace | Kind::End | Kind::Close)
    }

    /// What stands left of a comparison: one expression, or `(A, B)` before `best` and `top`.
    fn targets(&mut self) -> Parsed<Vec<Expr>> {
        if self.kind() == Kind::Open {
            let before = self.at;
            self.advance();
            let list = self.expr_list()?;
            self.expect(Kind::Close, "`,` or `)`")?;
            if self.kind() == Kind::Equal && !list.is_empty() {
                return Ok(list);
            }
            self.at = before;
        }
        Ok(vec![self.expr()?])
    }

    fn comparison(&mut self) -> Parsed<Comparison> {
        let op = match self.kind() {
            Kind::Equal => Comparison::Equal,
            Kind::NotEqual => Comparison::NotEqual,
            Kind::Less => Comparison::Less,
            Kind::LessEqual => Comparison::LessEqual,
            Kind::Greater => Comparison::Greater,
            Kind::GreaterEqual => Comparison::GreaterEqual,
            _ => return self.broken("a comparison such as `=` or `<`"),
        };
        self.advance();
        Ok(op)
    }

    fn starts_aggregate(&self) -> bool {
        if self.kind() != Kind::Name {
            return false;
        }
        let opens = self.kind_after() == Kind::Open;
        match self.text_of(self.span()) {
            "join" => opens,
            "count" | "sum" | "min" | "max" | "best" | "top" => !opens,
            _ => false,
        }
    }

    fn aggregate(&mut self, targets: Vec<Expr>) -> Parsed<Aggregate> {
        let word = self.name("an aggregate")?;
        let mut selected = Vec::new();
        let mut order = Vec::new();
        let fold = match &*word.text {
            "count" => Fold::Count,
            "sum" | "min" | "max" => {
                selected.push(self.expr()?);
                match &*word.text {
                    "sum" => Fold::Sum,
                    "min" => Fold::Min,
                    _ => Fold::Max,
                }
            }
            "best" => {
                (selected, order) = self.selection()?;
                Fold::Best
            }
            "top" => {
                let rows = self.count("how many rows to keep")?;
                (selected, order) = self.selection()?;
                Fold::Top(rows)
            }
            _ => {
                self.expect(Kind::Open, "`(`")?;
                let separator = self.text("the separator")?;
                self.expect(Kind::Comma, "`,`")?;
                let limit = self.count("how many items to show")?;
                self.expect(Kind::Comma, "`,`")?;
                (selected, order) = self.selection()?;
                self.expect(Kind::Close, "`)`")?;
                Fold::Join { separator, limit }
            }
        };
        self.expect(Kind::Colon, "`:` and a body in braces")?;
        self.expect(Kind::OpenBrace, "`{`")?;
        self.deeper()?;
        let body = self.literals()?;
        self.depth -= 1;
        self.expect(Kind::CloseBrace, "`,` or `}`")?;
        Ok(Aggregate { targets, fold, selected, order, body })
    }

    /// `X, Y by K desc, L`.
    fn selection(&mut self) -> Parsed<Selection> {
        let mut selected = vec![self.expr()?];
        while self.accept(Kind::Comma) {
            selected.push(self.expr()?);
        }
        let mut order = Vec::new();
        if self.accept_word("by") {
            loop {
                let key = self.expr()?;
                let descending = self.accept_word("desc");
                if !descending {
                    self.accept_word("asc");
                }
                order.push((key, descending));
                if !self.accept(Kind::Comma) {
                    break;
                }
            }
        }
        Ok((selected, order))
    }

    fn count(&mut self, wanted: &str) -> Parsed<usize> {
        let token = self.expect(Kind::Number, wanted)?;
        match self.text_of(token.span).parse::<u32>() {
            Ok(number) => Ok(number as usize),
            Err(_) => self.broken("a number that fits"),
        }
    }

    fn text(&mut self, wanted: &str) -> Parsed<Arc<str>> {
        let token = self.expect(Kind::Text, wanted)?;
        match self.constant(token)? {
            Value::Symbol(text) => Ok(text),
            _ => self.broken(wanted),
        }
    }

    fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let complaint = Complaint::error(Code::Syntax, "nested too deeply");
            return Err(Broken(complaint.at(self.span(), "here")));
        }
        Ok(())
    }

    pub(crate) fn expr(&mut self) -> Parsed<Expr> {
        let mut left = self.product()?;
        for _ in 0..OPERATORS_MAX {
            let op = match self.kind() {
                Kind::Plus => Operator::Add,
                Kind::Minus => Operator::Subtract,
                _ => return Ok(left),
            };
            self.advance();
            let right = self.product()?;
            left = arithmetic(op, left, right);
        }
        self.broken("fewer operators in one expression")
    }

    fn product(&mut self) -> Parsed<Expr> {
        let mut left = self.primary()?;
        for _ in 0..OPERATORS_MAX {
            let op = match self.kind() {
                Kind::Star => Operator::Multiply,
                Kind::Slash => Operator::Divide,
                Kind::Percent => Operator::Remainder,
                _ => return Ok(left),
            };
            self.advance();
            let right = self.primary()?;
            left = arithmetic(op, left, right);
        }
        self.broken("fewer operators in one expression")
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let token = self.tokens[self.at];
        let span = token.span;
        let kind = match token.kind {
            Kind::Variable => ExprKind::Variable(self.text_of(span).into()),
            Kind::Wildcard => ExprKind::Wildcard,
            Kind::Open => {
                self.advance();
                self.deeper()?;
                let inner = self.expr()?;
                self.depth -= 1;
                self.expect(Kind::Close, "`)`")?;
                return Ok(inner);
            }
            Kind::Name => {
                self.deeper()?;
                let atom = self.atom()?;
                self.depth -= 1;
                if atom.outs.is_some() {
                    return self.broken("a function without `;`");
                }
                let span = atom.span;
                return Ok(Expr { kind: ExprKind::Call(atom.name, atom.args), span });
            }
            Kind::Minus => {
                self.advance();
                let number = self.advance_if(
                    &[Kind::Number, Kind::Decimal, Kind::Duration],
                    "a number after `-`",
                )?;
                let value =
                    self.constant_text(number, &format!("-{}", self.text_of(number.span)))?;
                return Ok(Expr { kind: ExprKind::Constant(value), span: span.to(number.span) });
            }
            _ => ExprKind::Constant(self.constant(token)?),
        };
        self.advance();
        Ok(Expr { kind, span })
    }

    fn constant(&self, token: Token) -> Parsed<Value> {
        self.constant_text(token, self.text_of(token.span))
    }

    fn constant_text(&self, token: Token, text: &str) -> Parsed<Value> {
        literal::read(token.kind, text).or_else(|wanted| {
            if wanted.is_empty() {
                return self.broken("a value or a variable");
            }
            let message = format!("`{text}` is not {wanted}");
            Err(Broken(Complaint::error(Code::Syntax, message).at(token.span, "here")))
        })
    }
}

fn arithmetic(op: Operator, left: Expr, right: Expr) -> Expr {
    let span = left.span.to(right.span);
    Expr { kind: ExprKind::Arithmetic(op, Box::new(left), Box::new(right)), span }
}
