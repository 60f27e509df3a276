//! The formatter: one shape for rule text. Comments, blank lines and order stay as they are.
//!
//! An item goes on one line when it fits; a longer clause puts each condition on a line of its own.
//! Formatting twice gives what formatting once gives, and the program stays the same.

use crate::datalog::diagnostic::CheckError;
use crate::datalog::diagnostic::Complaints;
use crate::datalog::lexer::Kind;
use crate::datalog::lexer::Token;
use crate::datalog::lexer::tokens;
use crate::datalog::parser;

/// Longest line that is kept whole.
const WIDTH: usize = 100;

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
            Kind::Doc | Kind::Comment | Kind::Label if self.is_complete() => {
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
        // A directive has no end mark of its own: a comment or label behind it is outside.
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
                && matches!(token.kind, Kind::Dot | Kind::Name)
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

    /// A comment, doc line or label: on its own line, or behind what stands on its line.
    fn alone(&mut self, token: Token) {
        let trails =
            token.kind == Kind::Comment && !self.out.is_empty() && !self.gap(token).contains('\n');
        if trails {
            self.out.pop();
            self.out.push_str("  ");
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
        let has_comment = item.iter().any(|token| matches!(token.kind, Kind::Comment | Kind::Doc));
        let line = if has_comment { None } else { Some(self.joined(&item)) };
        match line.filter(|line| line.chars().count() <= WIDTH) {
            Some(line) => self.out.push_str(&line),
            None => {
                let broken = self.broken(&item);
                self.out.push_str(&broken);
            }
        }
        self.out.push('\n');
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

    /// One condition a line.
    fn broken(&self, item: &[Token]) -> String {
        let mut out = String::new();
        let (mut depth, mut start_of_line) = (0_usize, false);
        // Between `best` or `top` and its colon, commas part values and not conditions.
        let mut selecting = false;
        for (at, token) in item.iter().enumerate() {
            if at > 0 && !start_of_line && spaced(item, at) {
                out.push(' ');
            }
            start_of_line = false;
            out.push_str(self.text_of(*token));
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
            let ends =
                token.kind == Kind::If || (token.kind == Kind::Comma && depth == 0 && !selecting);
            let comment = matches!(token.kind, Kind::Comment | Kind::Doc);
            if at + 1 < item.len() && (comment || (ends && !next_is_comment)) {
                out.push_str("\n    ");
                start_of_line = true;
            }
        }
        out
    }
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
        [f/one]
        a(X) :- wants(X, _), !b(X), X != "q".  // why
        a("z").
        b(-3).
        b(X) :-
            wants(X, Y),
            N = count : { wants(X, _) },
            N + 1 >= -2,
            (A, B) = best P, Q by P desc, Q : { wants(P, Q) },
            f(X; A, _),
            A = B,
            Y = Y.
        b(X) :- // first
            wants(X, _).
        "#);
        assert_eq!(format("t", &once).unwrap(), once);
    }
}
