//! Text to tokens, by the rules of YAML 1.1 as go-yaml's scanner applies them.
//!
//! Where YAML 1.2 parsers are stricter (brackets that close left of their key, quoted text that
//! goes on at the margin) this one is not, and where they are laxer (tabs) it refuses: what builds
//! with the official program must build, and nothing else.
//!
//! A key on one line is seen only at its `:`. So a place where a key may start is remembered, and
//! `Key` is put in front of it later.
//!
//! Not here: scalars (`scan_scalar.rs`), anchors, tags and directives (`scan_tag.rs`).

use std::collections::VecDeque;

use super::cursor::Cursor;
use super::cursor::Mark;
use super::error::YamlError;
use super::limits;
use super::node::Dialect;
use super::node::Place;
use super::token::Kind;
use super::token::Token;

/// Longest distance, in characters, from the start of a key to its `:` when it has no `?`.
const KEY_CHARS_MAX: usize = 1024;
/// go-yaml v3 looks this many characters ahead for the next comment.
const COMMENT_LOOKAHEAD: usize = 512;

/// Cuts text into tokens on demand.
pub(super) struct Scanner<'t> {
    pub(super) cursor: Cursor<'t>,
    dialect: Dialect,
    tokens: VecDeque<Token>,
    /// Tokens handed out so far.
    taken: usize,
    /// Columns of the open block lists and maps; -1 is outside of all.
    indents: Vec<isize>,
    pub(super) indent: isize,
    pub(super) flow_level: usize,
    /// May a key without `?` start here?
    pub(super) key_allowed: bool,
    /// One for each flow level: where a key may have started.
    keys: Vec<Option<PossibleKey>>,
    is_done: bool,
}

/// A place where a key may have started.
#[derive(Clone, Copy)]
struct PossibleKey {
    /// The map's column demands a key here.
    required: bool,
    /// How many tokens stand before it.
    number: usize,
    mark: Mark,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str, start: Place, dialect: Dialect) -> Self {
        Self {
            cursor: Cursor::new(text, start),
            dialect,
            tokens: VecDeque::new(),
            taken: 0,
            indents: Vec::new(),
            indent: -1,
            flow_level: 0,
            key_allowed: true,
            keys: vec![None],
            is_done: false,
        }
    }

    /// The next token, left in place.
    pub(super) fn peek(&mut self) -> Result<&Token, YamlError> {
        while !self.is_done && self.needs_more()? {
            self.fetch()?;
        }
        Ok(self.tokens.front().expect("the end of the stream is a token that stays"))
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
        Ok(self.tokens.pop_front().expect("peek left one"))
    }

    pub(super) fn error<T>(&self, mark: Mark, reason: &str) -> Result<T, YamlError> {
        Err(YamlError::Syntax { at: self.cursor.place(mark), reason: reason.to_owned() })
    }

    /// The first token is not settled while a key may still be put before it.
    fn needs_more(&mut self) -> Result<bool, YamlError> {
        // go-yaml v3 reads two tokens further, to find comments.
        let ahead = if self.dialect == Dialect::V3 { 2 } else { 0 };
        if self.tokens.len() <= ahead {
            return Ok(true);
        }
        let first = self.taken;
        match self.keys.iter().position(|key| key.is_some_and(|key| key.number == first)) {
            Some(level) => self.is_valid(level),
            None => Ok(false),
        }
    }

    /// Can the key that may have started still be one? Forgets it when not.
    fn is_valid(&mut self, level: usize) -> Result<bool, YamlError> {
        let Some(key) = self.keys[level] else { return Ok(false) };
        let here = self.cursor.mark;
        if key.mark.line == here.line && key.mark.index + KEY_CHARS_MAX >= here.index {
            return Ok(true);
        }
        if key.required {
            return self
                .error(key.mark, "while scanning a simple key, could not find expected ':'");
        }
        self.keys[level] = None;
        Ok(false)
    }

    pub(super) fn save_key(&mut self) -> Result<(), YamlError> {
        if !self.key_allowed {
            return Ok(());
        }
        let column = isize::try_from(self.cursor.mark.column).unwrap_or(isize::MAX);
        let key = PossibleKey {
            required: self.flow_level == 0 && self.indent == column,
            number: self.taken + self.tokens.len(),
            mark: self.cursor.mark,
        };
        self.forget_key()?;
        if let Some(last) = self.keys.last_mut() {
            *last = Some(key);
        }
        Ok(())
    }

    pub(super) fn forget_key(&mut self) -> Result<(), YamlError> {
        match self.keys.last_mut().and_then(Option::take) {
            Some(key) if key.required => {
                self.error(key.mark, "while scanning a simple key, could not find expected ':'")
            }
            _ => Ok(()),
        }
    }

    /// Adds a token that starts at `mark`.
    pub(super) fn push(&mut self, kind: Kind, mark: Mark) {
        self.tokens.push_back(Token { kind, mark });
    }

    /// Adds a token of one character.
    fn push_skip(&mut self, kind: Kind) {
        let mark = self.cursor.mark;
        self.cursor.skip();
        self.push(kind, mark);
    }

    /// Opens a block list or map when `mark` is deeper than the open ones; `number` says before
    /// which token, `None` at the end.
    fn roll_indent(
        &mut self,
        kind: Kind,
        mark: Mark,
        number: Option<usize>,
    ) -> Result<(), YamlError> {
        let column = isize::try_from(mark.column).unwrap_or(isize::MAX);
        if self.flow_level > 0 || self.indent >= column {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = column;
        self.check_depth(mark)?;
        let index = number.map_or(self.tokens.len(), |number| number - self.taken);
        self.tokens.insert(index, Token { kind, mark });
        Ok(())
    }

    fn check_depth(&self, mark: Mark) -> Result<(), YamlError> {
        let max = limits::DOCUMENT_DEPTH_MAX;
        if self.indents.len() + self.flow_level <= 2 * max {
            return Ok(());
        }
        let at = self.cursor.place(mark);
        Err(YamlError::Limit { at, name: "DOCUMENT_DEPTH_MAX", max })
    }

    /// Closes block lists and maps that are deeper than `column`.
    pub(super) fn unroll_indent(&mut self, column: isize) {
        while self.flow_level == 0 && self.indent > column {
            self.push(Kind::BlockEnd, self.cursor.mark);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn fetch(&mut self) -> Result<(), YamlError> {
        self.skip_to_token()?;
        let column = isize::try_from(self.cursor.mark.column).unwrap_or(isize::MAX);
        self.unroll_indent(column);
        if self.cursor.is_end() {
            return self.fetch_end();
        }
        let next = self.cursor.byte(0);
        if column == 0 && next == b'%' {
            self.unroll_indent(-1);
            self.forget_key()?;
            self.key_allowed = false;
            return self.scan_directive();
        }
        if self.cursor.is_document_mark() {
            return self.fetch_document_mark();
        }
        self.fetch_content(next)?;
        let is_item = self.tokens.back().is_some_and(|token| token.kind == Kind::Item);
        if self.dialect == Dialect::V3 && !is_item {
            self.skip_line_comment();
        }
        Ok(())
    }

    fn fetch_content(&mut self, next: u8) -> Result<(), YamlError> {
        let ends = self.cursor.is_blank_or_end(1);
        let in_flow = self.flow_level > 0;
        match next {
            b'[' => self.fetch_flow_start(Kind::FlowSequence),
            b'{' => self.fetch_flow_start(Kind::FlowMapping),
            b']' => self.fetch_flow_end(Kind::FlowSequenceEnd),
            b'}' => self.fetch_flow_end(Kind::FlowMappingEnd),
            b',' => {
                self.forget_key()?;
                self.key_allowed = true;
                self.push_skip(Kind::Comma);
                Ok(())
            }
            b'-' if ends => self.fetch_item(),
            b'?' if in_flow || ends => self.fetch_key(),
            b':' if in_flow || ends => self.fetch_value(),
            b'*' | b'&' => {
                self.save_key()?;
                self.key_allowed = false;
                self.scan_anchor()
            }
            b'!' => {
                self.save_key()?;
                self.key_allowed = false;
                self.scan_tag()
            }
            b'|' | b'>' if !in_flow => {
                self.forget_key()?;
                self.key_allowed = true;
                self.scan_block_scalar(next == b'|')
            }
            b'\'' | b'"' => {
                self.save_key()?;
                self.key_allowed = false;
                self.scan_quoted(next == b'\'')
            }
            b'-' | b'?' | b':' if next == b'-' || !in_flow => self.fetch_plain(),
            b'?' | b':' | b'#' | b'|' | b'>' | b'%' | b'@' | b'`' | b'\t' => {
                let reason = "while scanning for the next token, found character that cannot start \
                              any token";
                self.error(self.cursor.mark, reason)
            }
            _ => self.fetch_plain(),
        }
    }

    fn fetch_plain(&mut self) -> Result<(), YamlError> {
        self.save_key()?;
        self.key_allowed = false;
        self.scan_plain()
    }

    fn fetch_end(&mut self) -> Result<(), YamlError> {
        if self.cursor.mark.column != 0 {
            self.cursor.mark.column = 0;
            self.cursor.mark.line += 1;
        }
        self.unroll_indent(-1);
        self.forget_key()?;
        self.key_allowed = false;
        self.push(Kind::StreamEnd, self.cursor.mark);
        self.is_done = true;
        Ok(())
    }

    fn fetch_document_mark(&mut self) -> Result<(), YamlError> {
        self.unroll_indent(-1);
        self.forget_key()?;
        self.key_allowed = false;
        let mark = self.cursor.mark;
        let kind =
            if self.cursor.byte(0) == b'-' { Kind::DocumentStart } else { Kind::DocumentEnd };
        (0..3).for_each(|_| self.cursor.skip());
        self.push(kind, mark);
        Ok(())
    }

    fn fetch_flow_start(&mut self, kind: Kind) -> Result<(), YamlError> {
        self.save_key()?;
        self.keys.push(None);
        self.flow_level += 1;
        self.check_depth(self.cursor.mark)?;
        self.key_allowed = true;
        self.push_skip(kind);
        Ok(())
    }

    fn fetch_flow_end(&mut self, kind: Kind) -> Result<(), YamlError> {
        self.forget_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            self.keys.pop();
        }
        self.key_allowed = false;
        self.push_skip(kind);
        Ok(())
    }

    fn fetch_item(&mut self) -> Result<(), YamlError> {
        if self.flow_level == 0 {
            if !self.key_allowed {
                let reason = "block sequence entries are not allowed in this context";
                return self.error(self.cursor.mark, reason);
            }
            self.roll_indent(Kind::BlockSequence, self.cursor.mark, None)?;
        }
        self.forget_key()?;
        self.key_allowed = true;
        self.push_skip(Kind::Item);
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<(), YamlError> {
        if self.flow_level == 0 {
            if !self.key_allowed {
                let reason = "mapping keys are not allowed in this context";
                return self.error(self.cursor.mark, reason);
            }
            self.roll_indent(Kind::BlockMapping, self.cursor.mark, None)?;
        }
        self.forget_key()?;
        self.key_allowed = self.flow_level == 0;
        self.push_skip(Kind::Key);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<(), YamlError> {
        let level = self.keys.len() - 1;
        let valid = self.is_valid(level)?;
        match self.keys[level].filter(|_| valid) {
            Some(key) => {
                let index = key.number - self.taken;
                self.tokens.insert(index, Token { kind: Kind::Key, mark: key.mark });
                self.roll_indent(Kind::BlockMapping, key.mark, Some(key.number))?;
                self.keys[level] = None;
                self.key_allowed = false;
            }
            None => {
                if self.flow_level == 0 {
                    if !self.key_allowed {
                        let reason = "mapping values are not allowed in this context";
                        return self.error(self.cursor.mark, reason);
                    }
                    self.roll_indent(Kind::BlockMapping, self.cursor.mark, None)?;
                }
                self.key_allowed = self.flow_level == 0;
            }
        }
        self.push_skip(Kind::Value);
        Ok(())
    }

    /// Goes past blanks, comments and line breaks. A tab is no blank where a key may start.
    fn skip_to_token(&mut self) -> Result<(), YamlError> {
        loop {
            if self.cursor.mark.column == 0 && self.cursor.starts_with("\u{FEFF}") {
                self.cursor.skip();
            }
            let tabs = self.flow_level > 0 || !self.key_allowed;
            while self.cursor.byte(0) == b' ' || (tabs && self.cursor.byte(0) == b'\t') {
                self.cursor.skip();
            }
            if self.cursor.byte(0) == b'#' {
                self.cursor.skip_line_rest();
                if self.dialect == Dialect::V3 {
                    self.skip_more_comments();
                }
            }
            if !self.cursor.is_break(0) {
                return Ok(());
            }
            self.cursor.line_break();
            if self.flow_level == 0 {
                self.key_allowed = true;
            }
        }
    }

    /// go-yaml v3 reads the lines of a comment as one, whatever blanks stand before each `#`.
    fn skip_more_comments(&mut self) {
        loop {
            let mut ahead = 0;
            while ahead < COMMENT_LOOKAHEAD
                && (self.cursor.is_blank(ahead) || self.cursor.is_break(ahead))
            {
                ahead += 1;
            }
            if ahead >= COMMENT_LOOKAHEAD || self.cursor.byte(ahead) != b'#' {
                return;
            }
            while self.cursor.byte(0) != b'#' {
                if self.cursor.is_break(0) {
                    self.cursor.line_break();
                } else {
                    self.cursor.skip();
                }
            }
            self.cursor.skip_line_rest();
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
