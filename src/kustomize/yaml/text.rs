//! Bytes to text: encodings, forbidden characters, document separators.

use std::borrow::Cow;

use super::error::YamlError;
use super::node::FileId;
use super::node::Place;

/// One document of a file, and how many lines stand before it.
#[derive(Debug, PartialEq)]
pub(super) struct Chunk<'t> {
    pub(super) text: &'t str,
    pub(super) lines_before: u32,
}

/// UTF-8 with or without a mark at the start; UTF-16 with one.
pub(super) fn decode(bytes: &[u8], file: FileId) -> Result<Cow<'_, str>, YamlError> {
    let wrong = || YamlError::Encoding { at: Place::made_by(file) };
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => {
            std::str::from_utf8(rest).map(Cow::Borrowed).map_err(|_| wrong())
        }
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes).ok_or_else(wrong),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes).ok_or_else(wrong),
        _ => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| wrong()),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<Cow<'static, str>> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
    if rest.is_empty() { String::from_utf16(&units).ok().map(Cow::Owned) } else { None }
}

/// May this character stand in a YAML stream (go-yaml's reader)?
pub(super) fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{A0}'..='\u{D7FF}'
        | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}

/// Refuses text with characters that go-yaml's reader refuses.
pub(super) fn check_characters(text: &str, start: Place) -> Result<(), YamlError> {
    let plain = |b: u8| matches!(b, b' '..=b'~' | b'\n' | b'\t' | b'\r');
    if text.bytes().all(plain) {
        return Ok(());
    }
    let (mut line, mut column) = (start.line + 1, 0);
    for c in text.chars() {
        column += 1;
        if c == '\n' {
            line += 1;
            column = 0;
        } else if !is_allowed(c) {
            let at = Place { file: start.file, line, column };
            return Err(YamlError::ControlCharacter { at, code: u32::from(c) });
        }
    }
    Ok(())
}

/// Cuts a file at lines that start with `---` (kyaml: `splitDocuments`). Only blanks or a comment
/// may follow on the line. The first line of the file never separates, nor does a last one without
/// end.
pub(super) fn split_documents(text: &str, file: FileId) -> Result<Vec<Chunk<'_>>, YamlError> {
    let mut chunks = Vec::new();
    if text.is_empty() {
        return Ok(chunks);
    }
    let (mut start, mut lines_before, mut from) = (0, 0, 0);
    while let Some(found) = text[from..].find("\n---") {
        let break_at = from + found;
        let Some(length) = text[break_at + 4..].find('\n') else { break };
        let rest = text[break_at + 4..break_at + 4 + length].trim();
        let chunk = &text[start..=break_at];
        let lines = u32::try_from(chunk.matches('\n').count()).unwrap_or(u32::MAX);
        if !rest.is_empty() && !rest.starts_with('#') {
            let at = Place { file, line: lines_before + lines + 1, column: 1 };
            return Err(YamlError::Separator { at, line: format!("---{rest}") });
        }
        chunks.push(Chunk { text: chunk, lines_before });
        lines_before += lines + 1;
        start = break_at + 4 + length + 1;
        from = start;
    }
    chunks.push(Chunk { text: &text[start..], lines_before });
    Ok(chunks)
}
