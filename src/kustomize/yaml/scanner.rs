//! Text to tokens, by the rules of YAML 1.1 as go-yaml applies them.
//!
//! Where YAML 1.2 parsers are stricter (brackets that close left of their key, quoted text that
//! goes on at the margin) this one is not, and where they are laxer (tabs) it refuses: what builds
//! with the official program must build, and nothing else.
//!
//! ```text
//! gap ─▶ columns that end ─▶ first character ─▶ Sign ─▶ its row of effects ─▶ tokens
//! ```
//!
//! A key on one line is seen only at its `:`. So a place where a key may start is remembered
//! (`open.rs`), and `Key` is put in front of it later; until then the tokens wait.
//!
//! Not here: scalars (`scan_scalar.rs`), anchors, tags and directives (`scan_tag.rs`).

use std::collections::VecDeque;

use super::cursor::Cursor;
use super::cursor::Mark;
use super::error::YamlError;
use super::limits;
use super::node::Dialect;
use super::node::Place;
use super::node::Style;
use super::open::NoKey;
use super::open::Open;
use super::scalar;
use super::token::Kind;
use super::token::Token;

/// go-yaml v3 looks this many characters ahead for the next comment.
const COMMENT_LOOKAHEAD: usize = 512;

/// Cuts text into tokens on demand.
pub(super) struct Scanner<'t> {
    pub(super) cursor: Cursor<'t>,
    pub(super) open: Open,
    /// May a key without `?` start here?
    pub(super) key_allowed: bool,
    dialect: Dialect,
    waiting: VecDeque<Token>,
    /// Tokens handed out so far.
    taken: usize,
    is_done: bool,
}

/// What a first character announces.
#[derive(Clone, Copy, PartialEq)]
enum Sign {
    Directive,
    DocumentEdge,
    Opens(bool),
    Closes(bool),
    Comma,
    Item,
    Key,
    Value,
    Reference,
    Tag,
    Block,
    Quoted,
    Plain,
    /// No token begins with it.
    Foreign,
}

impl Sign {
    /// May it be a key, or a key's first part?
    fn begins_key(self) -> bool {
        matches!(self, Self::Opens(_) | Self::Reference | Self::Tag | Self::Quoted | Self::Plain)
    }

    /// May a key stand behind it, on the same line?
    fn allows_key(self, in_brackets: bool) -> bool {
        match self {
            Self::Opens(_) | Self::Comma | Self::Item | Self::Block => true,
            Self::Key | Self::Value => !in_brackets,
            _ => false,
        }
    }
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str, start: Place, dialect: Dialect) -> Self {
        Self {
            cursor: Cursor::new(text, start),
            open: Open::new(),
            key_allowed: true,
            dialect,
            waiting: VecDeque::new(),
            taken: 0,
            is_done: false,
        }
    }

    /// The next token, left in place.
    pub(super) fn peek(&mut self) -> Result<&Token, YamlError> {
        // go-yaml v3 reads two tokens further, to find comments.
        let ahead = if self.dialect == Dialect::V3 { 2 } else { 0 };
        while !self.is_done {
            let here = self.cursor.mark;
            if self.waiting.len() > ahead {
                let awaits = self.open.awaits_key(self.taken, here);
                if !self.no_key(awaits)? {
                    break;
                }
            }
            self.step()?;
        }
        Ok(self.waiting.front().expect("the end of the stream is a token that stays"))
    }

    /// Takes the next token. The end of the stream stays.
    pub(super) fn take(&mut self) -> Result<Token, YamlError> {
        let (is_end, mark) = {
            let next = self.peek()?;
            (next.kind == Kind::StreamEnd, next.mark)
        };
        if is_end {
            return Ok(Token { kind: Kind::StreamEnd, mark });
        }
        self.taken += 1;
        Ok(self.waiting.pop_front().expect("peek left one"))
    }

    pub(super) fn error<T>(&self, mark: Mark, reason: &str) -> Result<T, YamlError> {
        Err(YamlError::Syntax { at: self.cursor.place(mark), reason: reason.to_owned() })
    }

    fn no_key<T>(&self, found: Result<T, NoKey>) -> Result<T, YamlError> {
        found.or_else(|NoKey(mark)| {
            self.error(mark, "while scanning a simple key, could not find expected ':'")
        })
    }

    /// Adds a token that starts at `mark`.
    pub(super) fn push(&mut self, kind: Kind, mark: Mark) {
        self.waiting.push_back(Token { kind, mark });
    }

    /// Adds a token of `length` characters.
    fn push_mark(&mut self, kind: Kind, length: usize) {
        self.push(kind, self.cursor.mark);
        (0..length).for_each(|_| self.cursor.skip());
    }

    /// Cuts what stands next.
    fn step(&mut self) -> Result<(), YamlError> {
        let has_comments = self.skip_gap();
        let at_end = self.cursor.is_end();
        if at_end && self.cursor.mark.column != 0 {
            self.cursor.mark.column = 0;
            self.cursor.mark.line += 1;
        }
        let sign = (!at_end).then(|| self.sign());
        let leaves_all = matches!(sign, None | Some(Sign::Directive | Sign::DocumentEdge));
        if has_comments && matches!(sign, None | Some(Sign::DocumentEdge)) {
            self.lengthen_last_block();
        }
        let column = self.cursor.mark.column;
        while self.open.end_block((!leaves_all).then_some(column)) {
            self.push(Kind::BlockEnd, self.cursor.mark);
        }
        let Some(sign) = sign else {
            let dropped = self.open.drop_key();
            self.no_key(dropped)?;
            self.push(Kind::StreamEnd, self.cursor.mark);
            self.is_done = true;
            return Ok(());
        };
        if sign == Sign::Value {
            self.value()?;
        } else {
            self.settle_key(sign)?;
            self.cut(sign)?;
        }
        let edge = matches!(sign, Sign::Directive | Sign::DocumentEdge | Sign::Item);
        if self.dialect == Dialect::V3 && !edge {
            self.skip_line_comment();
        }
        Ok(())
    }

    /// What the next character announces.
    fn sign(&self) -> Sign {
        let next = self.cursor.byte(0);
        let in_brackets = self.open.in_brackets();
        let stands_alone = self.cursor.is_blank_or_end(1);
        match next {
            b'%' if self.cursor.mark.column == 0 => Sign::Directive,
            b'-' | b'.' if self.cursor.is_document_mark() => Sign::DocumentEdge,
            b'[' | b'{' => Sign::Opens(next == b'['),
            b']' | b'}' => Sign::Closes(next == b']'),
            b',' => Sign::Comma,
            b'-' if stands_alone => Sign::Item,
            b'?' if in_brackets || stands_alone => Sign::Key,
            b':' if in_brackets || stands_alone => Sign::Value,
            b'*' | b'&' => Sign::Reference,
            b'!' => Sign::Tag,
            b'|' | b'>' if !in_brackets => Sign::Block,
            b'\'' | b'"' => Sign::Quoted,
            b'#' | b'|' | b'>' | b'%' | b'@' | b'`' | b'\t' => Sign::Foreign,
            _ => Sign::Plain,
        }
    }

    /// Remembers or forgets where a key starts, and opens the list or map that begins here.
    fn settle_key(&mut self, sign: Sign) -> Result<(), YamlError> {
        let mark = self.cursor.mark;
        let in_brackets = self.open.in_brackets();
        let block = match sign {
            Sign::Item => Some((Kind::BlockSequence, "block sequence entries are")),
            Sign::Key => Some((Kind::BlockMapping, "mapping keys are")),
            _ => None,
        };
        if let Some((kind, what)) = block.filter(|_| !in_brackets) {
            if !self.key_allowed {
                return self.error(mark, &format!("{what} not allowed in this context"));
            }
            self.begin_block(kind, mark, self.waiting.len())?;
        }
        let settled = match sign {
            _ if !sign.begins_key() => self.open.drop_key(),
            _ if self.key_allowed => self.open.set_key(mark, self.taken + self.waiting.len()),
            _ => Ok(()),
        };
        self.no_key(settled)?;
        self.key_allowed = sign.allows_key(in_brackets);
        Ok(())
    }

    /// Opens a block list or map, if `mark` is deeper than the open ones: its token goes to
    /// `index`.
    fn begin_block(&mut self, kind: Kind, mark: Mark, index: usize) -> Result<(), YamlError> {
        if self.open.begin_block(mark.column) {
            self.check_depth(mark)?;
            self.waiting.insert(index, Token { kind, mark });
        }
        Ok(())
    }

    fn check_depth(&self, mark: Mark) -> Result<(), YamlError> {
        let max = limits::DOCUMENT_DEPTH_MAX;
        if self.open.depth() <= 2 * max {
            return Ok(());
        }
        let at = self.cursor.place(mark);
        Err(YamlError::Limit { at, name: "DOCUMENT_DEPTH_MAX", max })
    }

    /// Takes the characters of a sign that is no `:`.
    fn cut(&mut self, sign: Sign) -> Result<(), YamlError> {
        let next = self.cursor.byte(0);
        match sign {
            Sign::Directive => return self.scan_directive(),
            Sign::Reference => return self.scan_reference(),
            Sign::Tag => return self.scan_tag(),
            Sign::Block => return self.scan_block_scalar(next == b'|'),
            Sign::Quoted => return self.scan_quoted(next == b'\''),
            Sign::Plain => return self.scan_plain(),
            Sign::Foreign => {
                let reason = "while scanning for the next token, found character that cannot start \
                              any token";
                return self.error(self.cursor.mark, reason);
            }
            Sign::DocumentEdge if next == b'-' => self.push_mark(Kind::DocumentStart, 3),
            Sign::DocumentEdge => self.push_mark(Kind::DocumentEnd, 3),
            Sign::Opens(is_list) => {
                self.open.begin_bracket();
                self.check_depth(self.cursor.mark)?;
                self.push_mark(if is_list { Kind::FlowSequence } else { Kind::FlowMapping }, 1);
            }
            Sign::Closes(is_list) => {
                self.open.end_bracket();
                let kind = if is_list { Kind::FlowSequenceEnd } else { Kind::FlowMappingEnd };
                self.push_mark(kind, 1);
            }
            Sign::Comma => self.push_mark(Kind::Comma, 1),
            Sign::Item => self.push_mark(Kind::Item, 1),
            Sign::Key => self.push_mark(Kind::Key, 1),
            Sign::Value => self.push_mark(Kind::Value, 1),
        }
        Ok(())
    }

    /// A `:`. The key before it is known now, and the map that begins with it.
    fn value(&mut self) -> Result<(), YamlError> {
        let here = self.cursor.mark;
        let in_brackets = self.open.in_brackets();
        let found = self.open.take_key(here);
        let key = self.no_key(found)?;
        let refused = key.is_none() && !in_brackets && !self.key_allowed;
        if refused {
            return self.error(here, "mapping values are not allowed in this context");
        }
        self.key_allowed = key.is_none() && Sign::Value.allows_key(in_brackets);
        match key {
            Some(key) => {
                let index = key.token - self.taken;
                self.waiting.insert(index, Token { kind: Kind::Key, mark: key.mark });
                self.begin_block(Kind::BlockMapping, key.mark, index)?;
            }
            None => self.begin_block(Kind::BlockMapping, here, self.waiting.len())?,
        }
        self.cut(Sign::Value)
    }

    /// Goes past blanks, comments and line breaks. A tab is no blank where a key may start. Says
    /// whether there were comments, all in one column.
    fn skip_gap(&mut self) -> bool {
        let mut columns = Vec::new();
        loop {
            // Further on a byte order mark is part of the text.
            if self.cursor.mark.index == 0 && self.cursor.starts_with("\u{FEFF}") {
                self.cursor.skip();
            }
            let tabs = self.open.in_brackets() || !self.key_allowed;
            while self.cursor.byte(0) == b' ' || (tabs && self.cursor.byte(0) == b'\t') {
                self.cursor.skip();
            }
            if self.cursor.byte(0) == b'#' {
                columns.push(self.cursor.mark.column);
                self.cursor.skip_line_rest();
                if self.dialect == Dialect::V3 {
                    self.skip_more_comments(&mut columns);
                }
            }
            if !self.cursor.is_break(0) {
                return columns.first().is_some_and(|first| columns.iter().all(|c| c == first));
            }
            self.cursor.line_break();
            self.key_allowed |= !self.open.in_brackets();
        }
    }

    /// go-yaml v3 reads the lines of a comment as one, whatever blanks stand before each `#`.
    fn skip_more_comments(&mut self, columns: &mut Vec<usize>) {
        let is_gap = |cursor: &Cursor<'_>, n| cursor.is_blank(n) || cursor.is_break(n);
        loop {
            let gap = (0..COMMENT_LOOKAHEAD).take_while(|n| is_gap(&self.cursor, *n)).count();
            if gap == COMMENT_LOOKAHEAD || self.cursor.byte(gap) != b'#' {
                return;
            }
            while is_gap(&self.cursor, 0) {
                if self.cursor.line_break().is_empty() {
                    self.cursor.skip();
                }
            }
            columns.push(self.cursor.mark.column);
            self.cursor.skip_line_rest();
        }
    }

    /// kyaml writes a comment at a document's end behind an empty line. When it reads that again,
    /// the line counts for a block (`|+`) before it.
    fn lengthen_last_block(&mut self) {
        let Some(Token { kind: Kind::Scalar(text, style), .. }) = self.waiting.back_mut() else {
            return;
        };
        let is_block = matches!(style, Style::Literal | Style::Folded);
        if self.dialect == Dialect::V3
            && is_block
            && scalar::fits_block(text)
            && scalar::chomping(text) == "+"
        {
            text.push('\n');
        }
    }

    /// go-yaml v3 takes a comment behind a token at once.
    fn skip_line_comment(&mut self) {
        if self.cursor.fresh_breaks > 0 {
            return;
        }
        let blanks = (0..COMMENT_LOOKAHEAD).take_while(|n| self.cursor.is_blank(*n)).count();
        if self.cursor.byte(blanks) == b'#' {
            self.cursor.skip_line_rest();
        }
    }
}
