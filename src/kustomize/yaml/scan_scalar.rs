//! Scalars: block (`|` and `>`), quoted and plain.

use super::error::YamlError;
use super::node::Style;
use super::scanner::Scanner;
use super::token::Kind;

/// Blanks and line breaks between two words of a quoted or plain scalar.
#[derive(Default)]
struct Gap {
    blanks: String,
    first_break: &'static str,
    more_breaks: String,
    /// A line break was seen: blanks do not count any more.
    broken: bool,
}

impl Gap {
    /// Adds what the gap reads as: its blanks, or folded line breaks; and forgets it.
    fn flush(&mut self, text: &mut String) {
        if !self.broken {
            text.push_str(&self.blanks);
        } else if self.first_break == "\n" && self.more_breaks.is_empty() {
            text.push(' ');
        } else {
            if self.first_break != "\n" {
                text.push_str(self.first_break);
            }
            text.push_str(&self.more_breaks);
        }
        *self = Self::default();
    }

    fn is_empty(&self) -> bool {
        !self.broken && self.blanks.is_empty()
    }
}

/// A line of a block.
#[derive(Default)]
struct Line {
    text: String,
    /// It starts with a blank, so it is not folded.
    is_indented: bool,
    /// What its line break reads as; nothing at the end of the file.
    end: &'static str,
    /// The line breaks of the empty lines below it.
    below: String,
}

impl Scanner<'_> {
    /// Takes one blank or line break into `gap`.
    fn take_into(&mut self, gap: &mut Gap) {
        if !self.cursor.is_break(0) {
            if gap.broken {
                self.cursor.skip();
            } else {
                self.cursor.read(&mut gap.blanks);
            }
        } else if gap.broken {
            gap.more_breaks.push_str(self.cursor.line_break());
        } else {
            gap.blanks.clear();
            gap.first_break = self.cursor.line_break();
            gap.broken = true;
        }
    }

    pub(super) fn scan_plain(&mut self) -> Result<(), YamlError> {
        let start = self.cursor.mark;
        let in_flow = self.open.in_brackets();
        let min_column = self.open.inner_column();
        let mut text = String::new();
        let mut gap = Gap::default();
        loop {
            if self.cursor.is_document_mark() || self.cursor.byte(0) == b'#' {
                break;
            }
            while !self.cursor.is_blank_or_end(0) {
                let ends = match self.cursor.byte(0) {
                    b':' => self.cursor.is_blank_or_end(1),
                    b',' | b'?' | b'[' | b']' | b'{' | b'}' => in_flow,
                    _ => false,
                };
                if ends {
                    break;
                }
                if !gap.is_empty() {
                    gap.flush(&mut text);
                }
                self.cursor.read(&mut text);
                self.cursor.read_while(&mut text, |b| {
                    !matches!(b, b' ' | b'\t' | b':' | b',' | b'?' | b'[' | b']' | b'{' | b'}')
                });
            }
            if !self.cursor.is_blank(0) && !self.cursor.is_break(0) {
                break;
            }
            while self.cursor.is_blank(0) || self.cursor.is_break(0) {
                let too_far_left = gap.broken && self.cursor.mark.column < min_column;
                if too_far_left && self.cursor.byte(0) == b'\t' {
                    let reason = "while scanning a plain scalar, found a tab character that \
                                  violates indentation";
                    return self.error(start, reason);
                }
                self.take_into(&mut gap);
            }
            if !in_flow && self.cursor.mark.column < min_column {
                break;
            }
        }
        if gap.broken {
            self.key_allowed = true;
        }
        self.push(Kind::Scalar(text, Style::Plain), start);
        Ok(())
    }

    pub(super) fn scan_quoted(&mut self, is_single: bool) -> Result<(), YamlError> {
        let start = self.cursor.mark;
        let quote = if is_single { b'\'' } else { b'"' };
        self.cursor.skip();
        let mut text = String::new();
        loop {
            if self.cursor.is_document_mark() {
                let reason = "while scanning a quoted scalar, found unexpected document indicator";
                return self.error(start, reason);
            }
            if self.cursor.is_end() {
                let reason = "while scanning a quoted scalar, found unexpected end of stream";
                return self.error(start, reason);
            }
            let mut gap = Gap::default();
            while !self.cursor.is_blank_or_end(0) {
                match self.cursor.byte(0) {
                    b'\'' if is_single && self.cursor.byte(1) == b'\'' => {
                        text.push('\'');
                        self.cursor.skip();
                        self.cursor.skip();
                    }
                    b if b == quote => break,
                    b'\\' if !is_single && self.cursor.is_break(1) => {
                        self.cursor.skip();
                        self.cursor.line_break();
                        gap.broken = true;
                        break;
                    }
                    b'\\' if !is_single => self.scan_escape(&mut text)?,
                    _ => {
                        self.cursor.read(&mut text);
                        self.cursor.read_while(&mut text, |b| {
                            !matches!(b, b' ' | b'\t' | b'\'' | b'"' | b'\\')
                        });
                    }
                }
            }
            if self.cursor.byte(0) == quote {
                break;
            }
            while self.cursor.is_blank(0) || self.cursor.is_break(0) {
                self.take_into(&mut gap);
            }
            gap.flush(&mut text);
        }
        self.cursor.skip();
        let style = if is_single { Style::SingleQuoted } else { Style::DoubleQuoted };
        self.push(Kind::Scalar(text, style), start);
        Ok(())
    }

    fn scan_escape(&mut self, text: &mut String) -> Result<(), YamlError> {
        let start = self.cursor.mark;
        let code = self.cursor.byte(1);
        let (plain, digits) = match code {
            b'0' => ('\0', 0),
            b'a' => ('\u{7}', 0),
            b'b' => ('\u{8}', 0),
            b't' | b'\t' => ('\t', 0),
            b'n' => ('\n', 0),
            b'v' => ('\u{b}', 0),
            b'f' => ('\u{c}', 0),
            b'r' => ('\r', 0),
            b'e' => ('\u{1b}', 0),
            b' ' | b'"' | b'\'' | b'\\' => (char::from(code), 0),
            b'N' => ('\u{85}', 0),
            b'_' => ('\u{A0}', 0),
            b'L' => ('\u{2028}', 0),
            b'P' => ('\u{2029}', 0),
            b'x' => ('\0', 2),
            b'u' => ('\0', 4),
            b'U' => ('\0', 8),
            _ => {
                let reason = "while parsing a quoted scalar, found unknown escape character";
                return self.error(start, reason);
            }
        };
        self.cursor.skip();
        self.cursor.skip();
        let mut value = 0_u32;
        for ahead in 0..digits {
            let Some(digit) = char::from(self.cursor.byte(ahead)).to_digit(16) else {
                let reason =
                    "while parsing a quoted scalar, did not find expected hexdecimal number";
                return self.error(start, reason);
            };
            value = value.wrapping_mul(16).wrapping_add(digit);
        }
        (0..digits).for_each(|_| self.cursor.skip());
        match if digits == 0 { Some(plain) } else { char::from_u32(value) } {
            Some(c) => {
                text.push(c);
                Ok(())
            }
            None => {
                let reason =
                    "while parsing a quoted scalar, found invalid Unicode character escape code";
                self.error(start, reason)
            }
        }
    }

    pub(super) fn scan_block_scalar(&mut self, is_literal: bool) -> Result<(), YamlError> {
        let start = self.cursor.mark;
        self.cursor.skip();
        let (keep, column) = self.block_header()?;
        let mut above = String::new();
        let column = self.block_column(column, &mut above)?;
        let mut lines = Vec::new();
        while self.cursor.mark.column == column && !self.cursor.is_end() {
            let mut line = Line { is_indented: self.cursor.is_blank(0), ..Line::default() };
            while !self.cursor.is_line_end() {
                self.cursor.read(&mut line.text);
                self.cursor.read_while(&mut line.text, |_| true);
            }
            line.end = self.cursor.line_break();
            self.block_column(Some(column), &mut line.below)?;
            lines.push(line);
        }
        let text = join(above, &lines, !is_literal, keep);
        let style = if is_literal { Style::Literal } else { Style::Folded };
        self.push(Kind::Scalar(text, style), start);
        Ok(())
    }

    /// What follows `|` or `>` on its line: whether line breaks at the end are all kept (`+`) or
    /// all cut (`-`), and the content's column, if it is said.
    fn block_header(&mut self) -> Result<(Option<bool>, Option<usize>), YamlError> {
        let start = self.cursor.mark;
        let (mut keep, mut increment) = (None, 0);
        for _ in 0..2 {
            match self.cursor.byte(0) {
                sign @ (b'+' | b'-') if keep.is_none() => keep = Some(sign == b'+'),
                b'0' if increment == 0 => {
                    let reason = "while scanning a block scalar, found an indentation indicator \
                                  equal to 0";
                    return self.error(start, reason);
                }
                digit @ b'1'..=b'9' if increment == 0 => increment = usize::from(digit - b'0'),
                _ => break,
            }
            self.cursor.skip();
        }
        while self.cursor.is_blank(0) {
            self.cursor.skip();
        }
        if self.cursor.byte(0) == b'#' {
            self.cursor.skip_line_rest();
        }
        if !self.cursor.is_line_end() {
            let reason =
                "while scanning a block scalar, did not find expected comment or line break";
            return self.error(start, reason);
        }
        self.cursor.line_break();
        let outer = self.open.inner_column().saturating_sub(1);
        Ok((keep, (increment > 0).then_some(outer + increment)))
    }

    /// Goes past empty lines, and past the indentation of the line after them; the content's
    /// column, which the deepest of these lines gives when it is not said.
    fn block_column(
        &mut self,
        said: Option<usize>,
        breaks: &mut String,
    ) -> Result<usize, YamlError> {
        let mut deepest = self.open.inner_column().max(1);
        loop {
            let is_left = |column| said.is_none_or(|said| column < said);
            while self.cursor.byte(0) == b' ' && is_left(self.cursor.mark.column) {
                self.cursor.skip();
            }
            if self.cursor.byte(0) == b'\t' && is_left(self.cursor.mark.column) {
                let reason = "while scanning a block scalar, found a tab character where an \
                              indentation space is expected";
                return self.error(self.cursor.mark, reason);
            }
            deepest = deepest.max(self.cursor.mark.column);
            match self.cursor.line_break() {
                "" => return Ok(said.unwrap_or(deepest)),
                end => breaks.push_str(end),
            }
        }
    }
}

/// Writes the lines of a block after the empty lines `above` it. Folded: one line break between
/// lines that are not indented becomes a blank. `keep` is for the end: all line breaks or none.
fn join(above: String, lines: &[Line], folded: bool, keep: Option<bool>) -> String {
    let mut text = above;
    if lines.is_empty() && keep != Some(true) {
        text.clear();
    }
    for (i, line) in lines.iter().enumerate() {
        text.push_str(&line.text);
        let (end, below) = match lines.get(i + 1) {
            None => (keep != Some(false), keep == Some(true)),
            Some(next) => {
                let flows = folded && !line.is_indented && !next.is_indented && line.end == "\n";
                if flows && line.below.is_empty() {
                    text.push(' ');
                }
                (!flows, true)
            }
        };
        text.push_str(if end { line.end } else { "" });
        text.push_str(if below { &line.below } else { "" });
    }
    text
}
