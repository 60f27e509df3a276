//! What is left of a tree after the official program's way through JSON: text that go-yaml v3 reads
//! becomes JSON, and go-yaml v2 reads that JSON.

use std::borrow::Cow;
use std::collections::HashMap;

use super::error::YamlError;
use super::node::Dialect;
use super::node::Entry;
use super::node::Node;
use super::node::Place;
use super::node::Tag;
use super::node::Text;
use super::node::Value;
use super::number;
use super::resolve;
use super::rewrite;
use super::scalar;
use super::text;

/// Longest key, in characters of JSON with its quotes, that go-yaml v2 reads.
const JSON_KEY_CHARS_MAX: usize = 1024;
/// Up to this many keys are compared one by one.
const FEW_KEYS: usize = 16;

/// A scalar as it is to be printed.
pub(super) enum Canonical {
    /// Null, a boolean or a number: printed as it is.
    Word(Cow<'static, str>),
    /// A string: quoted where it would read as something else.
    Text(Text),
}

/// What a scalar means once kyaml has written it out and read it back.
pub(super) fn value(node: &Node, in_flow: bool) -> Result<Value, YamlError> {
    if rewrite::is_absent_in_flow(node, in_flow) {
        return Ok(Value::Str("".into()));
    }
    match resolve::resolve(node, Dialect::V3)? {
        Value::Time(_) if rewrite::is_quoted_time(node, in_flow) => {
            Ok(Value::Str(node.shared_text().unwrap_or_default()))
        }
        Value::Str(text) => Ok(Value::Str(match rewrite::text(node, in_flow)? {
            Cow::Borrowed(_) => text,
            Cow::Owned(rewritten) => rewritten.into(),
        })),
        Value::Time(time) if time.is_empty() => {
            let what = "a time whose zone is a day or more from UTC";
            Err(YamlError::NotJson { at: node.place(), what })
        }
        other => Ok(other),
    }
}

/// What a scalar node prints as.
pub(super) fn scalar(node: &Node, in_flow: bool) -> Result<Canonical, YamlError> {
    let at = node.place();
    let word = |word: Cow<'static, str>| Ok(Canonical::Word(word));
    match value(node, in_flow)? {
        Value::Null => word("null".into()),
        Value::Bool(true) => word("true".into()),
        Value::Bool(false) => word("false".into()),
        Value::Int(number) => word(number.to_string().into()),
        Value::Uint(number) => word(number.to_string().into()),
        Value::Float(number) if number.is_finite() => word(number::through_json(number).into()),
        Value::Float(_) => Err(YamlError::NotJson { at, what: "an infinite or undefined number" }),
        Value::Str(text) => through_json(text, at).map(Canonical::Text),
        Value::Bytes(bytes) => {
            through_json(replace_invalid(&bytes).into(), at).map(Canonical::Text)
        }
        Value::Time(time) => Ok(Canonical::Text(time)),
    }
}

/// The entries of a map as they are printed, in the map's order.
pub(super) fn fields(
    node: &Node,
    is_root: bool,
    in_flow: bool,
) -> Result<Vec<(Text, &Node)>, YamlError> {
    let mut fields = Vec::new();
    for (key, value) in raw_fields(node, is_root, in_flow)? {
        fields.push((json_key(key, value.place())?, value));
    }
    Ok(fields)
}

/// The entries of a map as JSON has them, in the map's order.
///
/// At the root keys of any kind count by their text, null ones are dropped; deeper down a key must
/// be a string.
pub(super) fn raw_fields(
    node: &Node,
    is_root: bool,
    in_flow: bool,
) -> Result<Vec<(Text, &Node)>, YamlError> {
    let entries = node.entries().unwrap_or_default();
    check_unique(entries)?;
    let mut fields = Vec::with_capacity(entries.len());
    for entry in entries {
        if let Some(key) = key_text(&entry.key, is_root, in_flow)? {
            fields.push((key, &entry.value));
        }
    }
    Ok(fields)
}

/// The text of a key; `None` when the official program drops the entry.
fn key_text(key: &Node, is_root: bool, in_flow: bool) -> Result<Option<Text>, YamlError> {
    let at = key.place();
    let wrong = || YamlError::NotJson { at, what: "a key that is not a string" };
    let text = key.shared_text().ok_or_else(wrong)?;
    match key.effective_tag() {
        Tag::Str | Tag::Merge if text.contains(scalar::is_break) => {
            rewrite::text(key, in_flow).map(|text| Some(text.into()))
        }
        Tag::Str | Tag::Merge => Ok(Some(text)),
        Tag::Null if !key.is_tagged() && text.is_empty() => Ok(Some(text)),
        Tag::Null if is_root && text.is_empty() => Ok(None),
        // kyaml finds no text in such a key, and adds it twice.
        Tag::Null if is_root => {
            Err(YamlError::DuplicateKey { at, first: at, key: text.to_string() })
        }
        Tag::Binary if is_root => match resolve::resolve(key, Dialect::V3)? {
            Value::Bytes(bytes) => Ok(Some(replace_invalid(&bytes).into())),
            _ => Err(wrong()),
        },
        _ if is_root => resolve::resolve(key, Dialect::V3).map(|_| Some(text)),
        _ => Err(wrong()),
    }
}

/// Refuses a map in which a key stands twice, as go-yaml v3 does.
pub(crate) fn check_unique(entries: &[Entry]) -> Result<(), YamlError> {
    let text = |entry: &Entry| -> String { entry.key.text().unwrap_or_default().to_owned() };
    let duplicate = |first: &Entry, second: &Entry| {
        Err(YamlError::DuplicateKey {
            at: second.key.place(),
            first: first.key.place(),
            key: text(second),
        })
    };
    let name = |entry: &Entry| (entry.key.is_scalar(), entry.key.is_mapping(), text(entry));
    if entries.len() <= FEW_KEYS {
        for (index, second) in entries.iter().enumerate() {
            let same = |first: &&Entry| {
                first.key.text() == second.key.text()
                    && (second.key.is_scalar() || name(first) == name(second))
            };
            if let Some(first) = entries[..index].iter().find(same) {
                return duplicate(first, second);
            }
        }
        return Ok(());
    }
    let mut seen = HashMap::with_capacity(entries.len());
    for entry in entries {
        if let Some(first) = seen.insert(name(entry), entry) {
            return duplicate(first, entry);
        }
    }
    Ok(())
}

fn json_key(text: Text, at: Place) -> Result<Text, YamlError> {
    if text.len() > JSON_KEY_CHARS_MAX / 6 {
        let quoted: usize = 2 + text.chars().map(json_chars).sum::<usize>();
        if quoted > JSON_KEY_CHARS_MAX {
            return Err(YamlError::NotJson { at, what: "a key of more than 1024 characters" });
        }
    }
    if text.contains('\u{85}') {
        return Err(YamlError::NotJson { at, what: "a key with a line break U+0085" });
    }
    through_json(text, at)
}

/// How many characters Go's JSON writes for one.
fn json_chars(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => 6,
        _ => 1,
    }
}

/// A string as it comes out of JSON that go-yaml v2 read: Go escapes some characters there, others
/// meet the reader raw. U+0085 raw is a line break, and line breaks in quotes are folded.
fn through_json(text: Text, at: Place) -> Result<Text, YamlError> {
    if text.bytes().all(|b| b < 0x7f) {
        return Ok(text);
    }
    let raw = |c: char| c >= '\u{7f}';
    if let Some(bad) = text.chars().find(|c| raw(*c) && !text::is_allowed(*c)) {
        return Err(YamlError::ControlCharacter { at, code: u32::from(bad) });
    }
    if !text.contains('\u{85}') {
        return Ok(text);
    }
    Ok(scalar::fold_raw_breaks(&text).into())
}

/// Bytes as Go's JSON writes them: each one that is not part of a character becomes U+FFFD.
pub(super) fn replace_invalid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|_| text.push('\u{FFFD}'));
    }
    text
}
