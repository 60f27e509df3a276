//! The formatter: one shape for rule text. Comments, blank lines and order stay as they are.
//!
//! An item goes on one line when it fits; a longer clause has its head on the first line, and as
//! many conditions as fit on each line behind it.
//! Formatting twice gives what formatting once gives, and the program stays the same.

use crate::datalog::diagnostic::CheckError;
use crate::datalog::diagnostic::Complaints;
use crate::datalog::lexer::Kind;
use crate::datalog::lexer::Token;
use crate::datalog::lexer::tokens;
use crate::datalog::parser;

/// Longest line that is kept whole.
const WIDTH: usize = 100;
/// Before the second and later lines of an item.
const INDENT: &str = "    ";
/// Before those that continue one condition.
const INDENT_INSIDE: &str = "        ";

/// Formats the text of a rule file. Text that does not parse is turned down with all its mistakes.
pub fn format(name: &str, text: &str) -> Result<String, Vec<CheckError>> {
    let source = text.into();
    let mut complaints = Complaints::new([(name, &source)].into_iter());
    parser::parse(0, text, &mut complaints);
    if complaints.has_errors() {
        return Err(complaints.into_sorted());
    }
    let mut printer = Printer { text, out: String::new(), item: Vec::new(), last_end: 0 };
    for token in tokens(0, text) {
        printer.token(token);
    }
    Ok(printer.out)
}

struct Printer<'a> {
    text: &'a str,
    out: String,
    /// Tokens of the item that is being collected, inner comments included.
    item: Vec<Token>,
    /// Where the last printed token ended in the source.
    last_end: usize,
}

impl<'a> Printer<'a> {
    fn text_of(&self, token: Token) -> &'a str {
        self.text[token.span.start as usize..token.span.end as usize].trim_end()
    }

    fn gap(&self, token: Token) -> &'a str {
        &self.text[self.last_end..token.span.start as usize]
    }

    fn token(&mut self, token: Token) {
        match token.kind {
            Kind::End => self.flush(),
            Kind::Doc | Kind::Comment if self.is_complete() => {
                self.flush();
                self.alone(token);
            }
            _ if self.starts_item(token) => {
                self.flush();
                self.blank_line(token);
                self.item.push(token);
                self.last_end = token.span.end as usize;
            }
            _ => {
                self.item.push(token);
                self.last_end = token.span.end as usize;
            }
        }
    }

    /// True when the collected item has its end, or nothing is collected.
    fn is_complete(&self) -> bool {
        let Some(first) = self.item.first() else { return true };
        let last = self.item[self.item.len() - 1];
        // A directive has no end mark of its own: a comment behind it is outside.
        first.kind == Kind::Dot || last.kind == Kind::Dot
    }

    fn starts_item(&self, token: Token) -> bool {
        if !self.is_complete() {
            return false;
        }
        let is_directive = self.item.first().is_some_and(|first| first.kind == Kind::Dot);
        if is_directive {
            // Its second token is its name; later it ends where a line starts something new.
            let fresh = self.gap(token).contains('\n');
            return self.item.len() > 1
                && fresh
                && matches!(token.kind, Kind::Dot | Kind::Name | Kind::Label)
                && self.depth() == 0
                && !self.continues(token);
        }
        true
    }

    fn continues(&self, token: Token) -> bool {
        let last = self.item[self.item.len() - 1].kind;
        matches!(last, Kind::Comma | Kind::Subtype) || matches!(self.text_of(token), "key" | "from")
    }

    fn depth(&self) -> usize {
        let opens = self.item.iter().filter(|token| token.kind == Kind::Open).count();
        opens - self.item.iter().filter(|token| token.kind == Kind::Close).count().min(opens)
    }

    fn blank_line(&mut self, token: Token) {
        let lines = self.gap(token).matches('\n').count();
        if lines > 1 && !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    /// A comment or doc line: on its own line, or behind what stands on its line.
    fn alone(&mut self, token: Token) {
        let trails =
            token.kind == Kind::Comment && !self.out.is_empty() && !self.gap(token).contains('\n');
        if trails {
            self.out.pop();
            // Comments may be aligned.
            self.out.push_str(if self.gap(token).len() > 2 { self.gap(token) } else { "  " });
        } else {
            self.blank_line(token);
        }
        self.out.push_str(self.text_of(token));
        self.out.push('\n');
        self.last_end = token.span.end as usize;
    }

    fn flush(&mut self) {
        let item = std::mem::take(&mut self.item);
        if item.is_empty() {
            return;
        }
        let shaped = self.shaped(&item);
        self.out.push_str(&shaped);
        self.out.push('\n');
    }

    fn shaped(&self, item: &[Token]) -> String {
        let has_comment = item.iter().any(|token| matches!(token.kind, Kind::Comment | Kind::Doc));
        let line = if has_comment { None } else { Some(self.joined(item)) };
        line.filter(|line| width(line) <= WIDTH).unwrap_or_else(|| self.broken(item))
    }

    fn joined(&self, item: &[Token]) -> String {
        let mut line = String::new();
        for (at, token) in item.iter().enumerate() {
            if at > 0 && spaced(item, at) {
                line.push(' ');
            }
            line.push_str(self.text_of(*token));
        }
        line
    }

    /// The head on a line of its own, and behind it as many conditions a line as fit; one that is
    /// longer than a line is broken inside its brackets.
    fn broken(&self, item: &[Token]) -> String {
        let parts = self.parts(item);
        let is_long = |part: &Part| width(&part.whole()) + INDENT.len() > WIDTH;
        let is_head_long = parts.first().is_some_and(|head| width(&head.whole()) > WIDTH);
        if item[0].kind == Kind::Label && is_head_long {
            return format!("{}\n{}", self.text_of(item[0]), self.shaped(&item[1..]));
        }
        let mut lines = Lines::default();
        for part in parts {
            if is_long(&part) && (lines.column > 0 || is_head_long) {
                lines.is_over = lines.column > 0;
                for (at, piece) in part.pieces.iter().enumerate() {
                    lines.put(piece, if at == 0 { INDENT } else { INDENT_INSIDE });
                    lines.is_over |= piece.ends_with('{');
                }
            } else {
                lines.put(&part.whole(), INDENT);
            }
            lines.is_over |= part.ends_line;
        }
        lines.text
    }

    /// What is parted by a line break only if it must: the head with `:-`, each condition with its
    /// comma, and what stands between comments.
    fn parts(&self, item: &[Token]) -> Vec<Part> {
        let mut parts = Vec::new();
        let (mut pieces, mut text) = (Vec::new(), String::new());
        // In a declaration columns may be parted, else only what is in no brackets.
        let inside = usize::from(is_declaration(item));
        let mut depth = 0_usize;
        // Between `best` or `top` and its colon, commas part values and not conditions.
        let mut selecting = false;
        for (at, token) in item.iter().enumerate() {
            if !text.is_empty() && spaced(item, at) {
                text.push(' ');
            }
            text.push_str(self.text_of(*token));
            match token.kind {
                Kind::Open | Kind::OpenBrace => depth += 1,
                Kind::Close | Kind::CloseBrace => depth = depth.saturating_sub(1),
                Kind::Name if matches!(self.text_of(*token), "best" | "top") => {
                    selecting = item[at - 1].kind == Kind::Equal;
                }
                Kind::Colon => selecting = false,
                _ => {}
            }
            let next_is_comment = item.get(at + 1).is_some_and(|next| next.kind == Kind::Comment);
            let is_comment = matches!(token.kind, Kind::Comment | Kind::Doc);
            let is_head = token.kind == Kind::If && !next_is_comment;
            let is_comma = token.kind == Kind::Comma && !selecting && !next_is_comment;
            let ends = is_comment || is_head || (is_comma && depth <= inside);
            if ends || token.kind == Kind::OpenBrace || (is_comma && depth == inside + 1) {
                pieces.push(std::mem::take(&mut text));
            }
            if ends {
                let pieces = std::mem::take(&mut pieces);
                parts.push(Part { pieces, ends_line: is_comment || is_head });
            }
        }
        pieces.extend((!text.is_empty()).then_some(text));
        parts.extend((!pieces.is_empty()).then_some(Part { pieces, ends_line: false }));
        parts
    }
}

/// A part of an item that stays on one line if it fits.
struct Part {
    /// Where it may be broken else.
    pieces: Vec<String>,
    /// Nothing else stands behind it on its line.
    ends_line: bool,
}

impl Part {
    fn whole(&self) -> String {
        self.pieces.join(" ")
    }
}

/// Text that is filled up to the width.
#[derive(Default)]
struct Lines {
    text: String,
    column: usize,
    /// Nothing more goes on the present line.
    is_over: bool,
}

impl Lines {
    /// Adds text to the line if it fits, else to a new one with this indent.
    fn put(&mut self, text: &str, indent: &str) {
        let width = width(text);
        if self.is_over || (self.column > 0 && self.column + 1 + width > WIDTH) {
            self.text.push('\n');
            self.text.push_str(indent);
            self.column = indent.len();
        } else if self.column > 0 {
            self.text.push(' ');
            self.column += 1;
        }
        self.text.push_str(text);
        self.column += width;
        self.is_over = false;
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// True when a space stands before the token at `at`.
fn spaced(item: &[Token], at: usize) -> bool {
    let (before, here) = (item[at - 1].kind, item[at].kind);
    let tight_before = matches!(here, Kind::Close | Kind::Comma | Kind::Semicolon | Kind::Dot);
    // `name(` of an atom or call; but `(A, B) =`, `key (` never: a keyword is a name too.
    let opens_call = here == Kind::Open && before == Kind::Name;
    let tight_after = matches!(before, Kind::Open | Kind::Bang)
        || (at == 1 && before == Kind::Dot)
        || (before == Kind::Minus && at > 1 && is_sign(item, at - 1));
    let colon = here == Kind::Colon && is_declaration(item);
    let limit = is_limit(item) && (here == Kind::Equal || before == Kind::Equal);
    !(tight_before || opens_call || tight_after || colon || limit)
}

fn is_declaration(item: &[Token]) -> bool {
    item[0].kind == Kind::Dot
}

/// `.limitsize rel(n=10)`: the only directive with an equal sign.
fn is_limit(item: &[Token]) -> bool {
    is_declaration(item) && item.iter().any(|token| token.kind == Kind::Equal)
}

/// True for a minus that belongs to a number: nothing that has a value stands before it.
fn is_sign(item: &[Token], at: usize) -> bool {
    !matches!(
        item[at - 1].kind,
        Kind::Close | Kind::Variable | Kind::Number | Kind::Decimal | Kind::Duration | Kind::Time
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_shape_and_stable() {
        let text = r#"// A file.
.type   Unit<:symbol


/// Doc.
.input wants( u:Unit,o : symbol )key(u)  from "x"
.output a ,b
.limitsize a( n = 10 )
[f/one]   a( X ):-wants(X,_),!b(X),X!="q". // why
a("z"). b(-3).
b(X):-wants(X,Y),N=count:{wants(X,_)},N+ 1>=-2,
(A,B)=best P,Q by P desc,Q:{wants(P,Q)},f(X;A,_),A=B,Y=Y.
b(X) :- // first
 wants(X, _).
"#;
        let once = format("t", text).unwrap();
        insta::assert_snapshot!(once, @r#"
        // A file.
        .type Unit <: symbol

        /// Doc.
        .input wants(u: Unit, o: symbol) key(u) from "x"
        .output a, b
        .limitsize a(n=10)
        [f/one] a(X) :- wants(X, _), !b(X), X != "q".  // why
        a("z").
        b(-3).
        b(X) :-
            wants(X, Y), N = count : { wants(X, _) }, N + 1 >= -2,
            (A, B) = best P, Q by P desc, Q : { wants(P, Q) }, f(X; A, _), A = B, Y = Y.
        b(X) :- // first
            wants(X, _).
        "#);
        assert_eq!(format("t", &once).unwrap(), once);
    }
}
