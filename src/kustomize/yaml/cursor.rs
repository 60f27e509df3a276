//! A place in text that moves forward: what stands ahead, and on which line and column.

use super::node::Place;

/// A position in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Mark {
    /// Characters before it; a CR LF counts as two.
    pub(super) index: usize,
    /// Lines before it.
    pub(super) line: u32,
    /// Characters before it on its line.
    pub(super) column: usize,
}

/// Text with a position. Past the end every byte reads as 0.
pub(super) struct Cursor<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    pub(super) mark: Mark,
    /// Line breaks taken since the last character that is not blank.
    pub(super) fresh_breaks: usize,
    start: Place,
}

impl<'t> Cursor<'t> {
    /// At the start of `text`; `start.line` lines stand before it in the file.
    pub(super) fn new(text: &'t str, start: Place) -> Self {
        let mark = Mark::default();
        Self { text, bytes: text.as_bytes(), at: 0, mark, fresh_breaks: 0, start }
    }

    /// Where `mark` is in the file.
    pub(super) fn place(&self, mark: Mark) -> Place {
        Place {
            file: self.start.file,
            line: self.start.line.saturating_add(mark.line).saturating_add(1),
            column: u32::try_from(mark.column + 1).unwrap_or(u32::MAX),
        }
    }

    /// The byte `ahead` bytes on.
    pub(super) fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    pub(super) fn is_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(super) fn starts_with(&self, text: &str) -> bool {
        self.bytes[self.at..].starts_with(text.as_bytes())
    }

    /// A blank (space or tab) `ahead` bytes on?
    pub(super) fn is_blank(&self, ahead: usize) -> bool {
        matches!(self.byte(ahead), b' ' | b'\t')
    }

    /// A line break `ahead` bytes on?
    pub(super) fn is_break(&self, ahead: usize) -> bool {
        match self.byte(ahead) {
            b'\n' | b'\r' => true,
            0xC2 => self.byte(ahead + 1) == 0x85,
            0xE2 => self.byte(ahead + 1) == 0x80 && matches!(self.byte(ahead + 2), 0xA8 | 0xA9),
            _ => false,
        }
    }

    /// A blank, a line break or the end `ahead` bytes on?
    pub(super) fn is_blank_or_end(&self, ahead: usize) -> bool {
        let end = self.at + ahead >= self.bytes.len();
        end || self.is_blank(ahead) || self.is_break(ahead)
    }

    /// A line break or the end here?
    pub(super) fn is_line_end(&self) -> bool {
        self.is_end() || self.is_break(0)
    }

    /// Goes past one character.
    pub(super) fn skip(&mut self) {
        if !self.is_blank(0) {
            self.fresh_breaks = 0;
        }
        let mut next = self.at + 1;
        while next < self.bytes.len() && !self.text.is_char_boundary(next) {
            next += 1;
        }
        self.at = next.min(self.bytes.len());
        self.mark.index += 1;
        self.mark.column += 1;
    }

    /// Goes past one character and copies it.
    pub(super) fn read(&mut self, into: &mut String) {
        let from = self.at;
        self.skip();
        into.push_str(&self.text[from..self.at]);
    }

    /// Copies characters while `goes_on` likes their first byte; only bytes that cannot be part of
    /// a line break are offered.
    pub(super) fn read_while(&mut self, into: &mut String, goes_on: impl Fn(u8) -> bool) {
        let from = self.at;
        let count = self.bytes[from..]
            .iter()
            .take_while(|b| b.is_ascii() && !matches!(b, b'\n' | b'\r') && goes_on(**b))
            .count();
        if count > 0 {
            self.at += count;
            into.push_str(&self.text[from..self.at]);
            self.mark.index += count;
            self.mark.column += count;
            self.fresh_breaks = 0;
        }
    }

    /// Goes past a line break, if one stands here; returns what it reads as.
    pub(super) fn line_break(&mut self) -> &'static str {
        let (length, characters, reads_as) = match (self.byte(0), self.byte(1)) {
            (b'\r', b'\n') => (2, 2, "\n"),
            (b'\r' | b'\n', _) => (1, 1, "\n"),
            (0xC2, 0x85) => (2, 1, "\n"),
            (0xE2, 0x80) if self.byte(2) == 0xA8 => (3, 1, "\u{2028}"),
            (0xE2, 0x80) if self.byte(2) == 0xA9 => (3, 1, "\u{2029}"),
            _ => return "",
        };
        self.at += length;
        self.mark.index += characters;
        self.mark.line += 1;
        self.mark.column = 0;
        self.fresh_breaks += 1;
        reads_as
    }

    /// Goes to the end of the line.
    pub(super) fn skip_line_rest(&mut self) {
        while !self.is_line_end() {
            self.skip();
        }
    }

    /// `---` or `...` with a blank or the end behind it, at the start of a line?
    pub(super) fn is_document_mark(&self) -> bool {
        self.mark.column == 0
            && (self.starts_with("---") || self.starts_with("..."))
            && self.is_blank_or_end(3)
    }
}
