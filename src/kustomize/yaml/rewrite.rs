//! What a scalar reads as after kyaml wrote the tree out and read it back.
//!
//! The official program turns a tree into JSON by way of text, and go-yaml v3 does not write every
//! scalar so that it reads back the same. Manifests in the wild depend on it: see each function.

use std::borrow::Cow;

use super::error::YamlError;
use super::grammar;
use super::node::Dialect;
use super::node::Node;
use super::node::Place;
use super::node::Style;
use super::node::Tag;
use super::scalar;

/// An absent value in brackets, `{a: }`, is written as `''` and reads back as an empty string.
pub(super) fn is_absent_in_flow(node: &Node, in_flow: bool) -> bool {
    in_flow && !node.is_tagged() && node.tag() == Tag::Null && node.text() == Some("")
}

/// A time in brackets is quoted for its colons, and reads back as a string.
pub(super) fn is_quoted_time(node: &Node, in_flow: bool) -> bool {
    in_flow && !node.is_tagged() && node.text().is_some_and(|text| text.contains(':'))
}

/// The text of a string after the rewrite.
pub(super) fn text(node: &Node, in_flow: bool) -> Result<Cow<'_, str>, YamlError> {
    let text = node.text().unwrap_or_default();
    let is_block = match node.style() {
        Style::Literal | Style::Folded => true,
        Style::Plain | Style::Flow => text.contains('\n'),
        Style::SingleQuoted | Style::DoubleQuoted => false,
    };
    if !is_block || in_flow || !scalar::fits_block(text) {
        return Ok(Cow::Borrowed(text));
    }
    if text.starts_with('\t') {
        // Written without an indentation indicator, this does not read back.
        return Err(YamlError::NotJson {
            at: node.place(),
            what: "a text block that starts with a tab",
        });
    }
    if node.style() == Style::Folded && text.contains('\n') {
        return fold_again(text, node.place()).map(Cow::Owned);
    }
    Ok(Cow::Borrowed(text))
}

/// go-yaml v3 writes folded text with an empty line for each line break, except after a line that
/// starts with a blank; but it looks at the start of the text where it should look at the next
/// line. So a break before an indented line doubles, and one may vanish in text that starts
/// indented.
fn fold_again(text: &str, at: Place) -> Result<String, YamlError> {
    let mut written = String::from("v: >");
    if text.starts_with(|c| c == ' ' || scalar::is_break(c)) {
        written.push('2');
    }
    written.push_str(scalar::chomping(text));
    written.push('\n');
    let starts_indented =
        text.chars().find(|c| !scalar::is_break(*c)).is_none_or(|c| matches!(c, ' ' | '\t'));
    let (mut after_break, mut in_indented) = (true, true);
    for c in text.chars() {
        if scalar::is_break(c) {
            if c == '\n' && !after_break && !in_indented && !starts_indented {
                written.push('\n');
            }
            written.push(c);
            after_break = true;
        } else {
            if after_break {
                written.push_str("  ");
                in_indented = matches!(c, ' ' | '\t');
            }
            written.push(c);
            after_break = false;
        }
    }
    let read = grammar::first_document(&written, at, Dialect::V3)?;
    let value = read.as_ref().and_then(|node| node.get("v")).and_then(Node::text);
    Ok(value.unwrap_or_default().to_owned())
}
