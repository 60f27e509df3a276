//! How go-yaml v2 writes one scalar: which quotes, which escapes, where lines are folded.

use super::canonical::Canonical;
use super::emit::Writer;
use super::node::Dialect;
use super::node::Style;
use super::node::Tag;
use super::resolve;

/// Lines are folded at the first blank after this column.
const WIDTH: usize = 80;

/// The characters that end a line.
pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Characters that are written as they are. Those outside the basic plane are not among them.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{A0}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}')
        && c != '\u{FEFF}'
}

#[derive(Clone, Copy, PartialEq)]
enum Quotes {
    Plain,
    Single,
    Double,
    Literal,
}

/// Which ways of writing a text would read back as the same text.
#[derive(Default)]
struct Shape {
    leading_blank: bool,
    trailing_blank: bool,
    trailing_space: bool,
    blank_after_break: bool,
    blank_before_break: bool,
    unprintable: bool,
    has_breaks: bool,
    indicators: bool,
}

/// A text of letters, digits and what stands between them in names and paths: nothing in it asks
/// for quotes.
fn is_simple(text: &str) -> bool {
    let simple = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'/' | b'_');
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.bytes().all(simple)
}

impl Shape {
    fn of(text: &str) -> Self {
        if is_simple(text) {
            return Self::default();
        }
        let separates = text.starts_with("---") || text.starts_with("...");
        let mut shape = Self { indicators: separates, ..Self::default() };
        let (mut after_space, mut after_break, mut after_blank) = (false, false, true);
        let mut rest = text.chars().peekable();
        let mut is_first = true;
        while let Some(c) = rest.next() {
            let next = rest.peek().copied();
            let before_blank = next.is_none_or(|c| matches!(c, ' ' | '\t'));
            shape.indicators |= match c {
                '#' => after_blank,
                ':' => before_blank,
                '?' | '-' => is_first && before_blank,
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
                | '@' | '`' => is_first,
                _ => false,
            };
            shape.unprintable |= !is_printable(c);
            let (is_space, breaks) = (c == ' ', is_break(c));
            if is_space || breaks {
                shape.leading_blank |= is_first;
                shape.trailing_blank |= next.is_none();
                shape.trailing_space |= is_space && next.is_none();
                shape.blank_after_break |= is_space && after_break;
                shape.blank_before_break |= breaks && after_space;
                shape.has_breaks |= breaks;
            }
            (after_space, after_break) = (is_space, breaks);
            after_blank = is_space || breaks || matches!(c, '\t' | '\0');
            is_first = false;
        }
        shape
    }

    fn quotes(&self, wanted: Quotes, is_key: bool) -> Quotes {
        let single_fits = !(self.blank_after_break || self.blank_before_break || self.unprintable);
        match wanted {
            _ if is_key && self.has_breaks => Quotes::Double,
            Quotes::Plain => {
                let plain_fits = single_fits
                    && !(self.leading_blank
                        || self.trailing_blank
                        || self.has_breaks
                        || self.indicators);
                match (plain_fits, single_fits) {
                    (true, _) => Quotes::Plain,
                    (false, true) => Quotes::Single,
                    (false, false) => Quotes::Double,
                }
            }
            Quotes::Literal
                if is_key || self.trailing_space || self.blank_before_break || self.unprintable =>
            {
                Quotes::Double
            }
            other => other,
        }
    }
}

/// The style in which go-yaml v3 writes a string that a program made.
pub(crate) fn v3_style(text: &str) -> Style {
    let reads_as_string = resolve::plain(text, Tag::Unset, Dialect::V3).0 == Tag::Str
        && resolve::plain(text, Tag::Unset, Dialect::V2).0 == Tag::Str
        && text != "<<";
    let wanted = match () {
        () if text.contains('\n') => Quotes::Literal,
        () if reads_as_string && !is_base_60(text) => Quotes::Plain,
        () => Quotes::Double,
    };
    match Shape::of(text).quotes(wanted, false) {
        Quotes::Plain => Style::Plain,
        Quotes::Single => Style::SingleQuoted,
        Quotes::Double => Style::DoubleQuoted,
        Quotes::Literal => Style::Literal,
    }
}

/// Can go-yaml v3 write this text as a block (`|` or `>`)?
pub(super) fn fits_block(text: &str) -> bool {
    let (mut after_space, mut is_fit) = (false, !text.ends_with(' '));
    for c in text.chars() {
        is_fit &= is_printable(c) || c == '\t';
        is_fit &= !(is_break(c) && after_space);
        after_space = c == ' ';
    }
    is_fit
}

/// The indicator of a block: `-` when the text does not end with a line break, `+` when with many.
pub(super) fn chomping(text: &str) -> &'static str {
    let mut end = text.chars().rev();
    match (end.next().is_some_and(is_break), end.next()) {
        (false, _) => "-",
        (true, None) => "+",
        (true, Some(c)) if is_break(c) => "+",
        _ => "",
    }
}

/// Writes `value`; lines after the first start at column `indent`. A key stays on one line.
pub(super) fn write(writer: &mut Writer, value: &Canonical, indent: usize, is_key: bool) {
    let text = match value {
        Canonical::Word(word) => return plain(writer, word, indent, is_key),
        Canonical::Text(text) => text.as_ref(),
    };
    let reads_as_string = resolve::plain(text, Tag::Unset, Dialect::V2).0 == Tag::Str;
    let wanted = match () {
        () if text.contains('\n') => Quotes::Literal,
        () if reads_as_string && !is_base_60(text) => Quotes::Plain,
        () => Quotes::Double,
    };
    match Shape::of(text).quotes(wanted, is_key) {
        Quotes::Plain => plain(writer, text, indent, is_key),
        Quotes::Single => single_quoted(writer, text, indent, is_key),
        Quotes::Double => double_quoted(writer, text, indent, is_key),
        Quotes::Literal => literal(writer, text, indent),
    }
}

/// `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`: numbers in base 60, quoted for old readers.
fn is_base_60(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let mut parts = whole.split(':');
    let first = parts.next().unwrap_or_default();
    let mut count = 0;
    let sixtieths = parts.all(|part| {
        count += 1;
        matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9'])
    });
    digits(first) && sixtieths && count > 0 && digits(fraction)
}

fn plain(writer: &mut Writer, text: &str, indent: usize, is_key: bool) {
    if !writer.after_blank {
        writer.push(' ');
    }
    if text.is_ascii() && (is_key || writer.column + text.len() <= WIDTH) {
        writer.out.push_str(text);
        writer.column += text.len();
    } else {
        let mut after_space = false;
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            let folds = c == ' ' && !after_space && writer.column > WIDTH;
            if !is_key && folds && rest.peek() != Some(&' ') {
                writer.line(indent);
            } else {
                writer.push(c);
            }
            after_space = c == ' ';
            writer.indenting = false;
        }
    }
    writer.after_blank = false;
    writer.indenting = false;
}

fn single_quoted(writer: &mut Writer, text: &str, indent: usize, is_key: bool) {
    writer.indicator("'");
    let (mut after_space, mut after_break) = (false, false);
    let mut rest = text.char_indices().peekable();
    while let Some((index, c)) = rest.next() {
        let next = rest.peek().map(|(_, c)| *c);
        if c == ' ' {
            let inside = index > 0 && next.is_some();
            if !is_key && !after_space && writer.column > WIDTH && inside && next != Some(' ') {
                writer.line(indent);
            } else {
                writer.push(' ');
            }
            after_space = true;
        } else if is_break(c) {
            if !after_break && c == '\n' {
                writer.line_break();
            }
            write_break(writer, c);
            writer.indenting = true;
            after_break = true;
        } else {
            if after_break {
                writer.line(indent);
            }
            if c == '\'' {
                writer.push(c);
            }
            writer.push(c);
            writer.indenting = false;
            (after_space, after_break) = (false, false);
        }
    }
    writer.mark("'");
}

fn write_break(writer: &mut Writer, c: char) {
    if c == '\n' {
        writer.line_break();
    } else {
        writer.out.push(c);
        writer.column = 0;
    }
}

fn double_quoted(writer: &mut Writer, text: &str, indent: usize, is_key: bool) {
    writer.indicator("\"");
    let mut after_space = false;
    // go-yaml looks for a byte order mark at the start of the text, whichever character it is at.
    let escape_all = text.starts_with('\u{FEFF}');
    let mut rest = text.char_indices().peekable();
    while let Some((index, c)) = rest.next() {
        if c == ' ' && !escape_all {
            let next = rest.peek().map(|(_, c)| *c);
            let inside = index > 0 && next.is_some();
            if !is_key && !after_space && writer.column > WIDTH && inside {
                writer.line(indent);
                if next == Some(' ') {
                    writer.push('\\');
                }
            } else {
                writer.push(' ');
            }
            after_space = true;
            continue;
        }
        if !escape_all && is_printable(c) && !is_break(c) && c != '"' && c != '\\' {
            writer.push(c);
        } else {
            escape(writer, c);
        }
        after_space = false;
    }
    writer.mark("\"");
}

fn escape(writer: &mut Writer, c: char) {
    let short = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' | '\\' => c,
        '\u{85}' => 'N',
        '\u{A0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            let code = u32::from(c);
            let text = match code {
                0..=0xFF => format!("\\x{code:02X}"),
                0x100..=0xFFFF => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            };
            writer.out.push_str(&text);
            writer.column += text.len();
            return;
        }
    };
    writer.push('\\');
    writer.push(short);
}

fn literal(writer: &mut Writer, text: &str, indent: usize) {
    writer.indicator("|");
    if text.starts_with(|c| c == ' ' || is_break(c)) {
        writer.mark("2");
    }
    writer.mark(chomping(text));
    writer.line_break();
    (writer.indenting, writer.after_blank) = (true, true);
    let mut after_break = true;
    for c in text.chars() {
        if is_break(c) {
            write_break(writer, c);
            writer.indenting = true;
            after_break = true;
        } else {
            if after_break {
                writer.line(indent);
            }
            writer.push(c);
            writer.indenting = false;
            after_break = false;
        }
    }
}

/// What a double-quoted text with raw U+0085 reads as: blanks around such breaks go, one break
/// becomes a blank, more become that many less one.
pub(super) fn fold_raw_breaks(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut parts = text.split('\u{85}').peekable();
    let mut breaks = 0;
    let mut is_first = true;
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        let part = if is_first { part } else { part.trim_start_matches(' ') };
        let part = if is_last { part } else { part.trim_end_matches(' ') };
        if !is_first {
            breaks += 1;
        }
        if !part.is_empty() || is_last {
            match breaks {
                0 => {}
                1 => folded.push(' '),
                _ => (1..breaks).for_each(|_| folded.push('\n')),
            }
            breaks = 0;
        }
        folded.push_str(part);
        is_first = false;
    }
    folded
}
