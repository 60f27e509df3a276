//! Values on their way through JSON: what the official program's detours do to a node.
//!
//! A JSON patch sends the whole object through JSON and back, a list sends its items: the tree is
//! written out and read first, numbers become 64-bit floats or lose their spelling, dates become
//! strings, strings get new quotes.

use super::error::BuildError;
use super::error::ErrorKind;
use super::error::Result;
use super::path;
use super::yaml;
use super::yaml::Dialect;
use super::yaml::Entry;
use super::yaml::Node;
use super::yaml::Style;
use super::yaml::Tag;
use super::yaml::Value;

/// Go writes the shortest form of floats from this power of ten on with an exponent.
const EXPONENT_FROM: i32 = 6;

/// Which detour is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detour {
    /// Printed as JSON, then read as YAML: list items. Strings end up in double quotes.
    JsonText,
    /// Read as JSON into Go values, then printed as YAML: patched objects. All numbers are floats.
    GoValues,
}

/// `node` after the detour.
pub(crate) fn through(node: &Node, detour: Detour) -> Result<Node> {
    convert(node, detour, true, false)
}

fn convert(node: &Node, detour: Detour, top: bool, around_flow: bool) -> Result<Node> {
    let place = node.place();
    let in_flow = around_flow || node.style() == Style::Flow;
    if node.is_hollow() {
        return Ok(Node::null().at(place));
    }
    if let Some(items) = node.items() {
        let items = items.iter().map(|item| convert(item, detour, false, in_flow));
        return Ok(Node::sequence(items.collect::<Result<_>>()?).at(place));
    }
    if let Some(entries) = node.entries() {
        refuse_equal_keys(entries)?;
        let mut made = Vec::with_capacity(entries.len());
        for entry in entries {
            let key = entry.key.text().unwrap_or_default();
            let is_text = matches!(entry.key.effective_tag(), Tag::Str | Tag::Merge);
            if !is_text && !top {
                return Err(not_json("unsupported type: map[interface {}]interface {}"));
            }
            let value = convert(&entry.value, detour, false, in_flow)?;
            made.push(Entry { key: string(key, detour).at(entry.key.place()), value });
        }
        return Ok(Node::mapping(made).at(place));
    }
    let value = node.rewritten(around_flow).map_err(|error| {
        BuildError::new(ErrorKind::InvalidYaml, format!("cannot decode `{}`", path::text(node)))
            .says(error.told())
    })?;
    Ok(scalar(&value, detour)?.at(place))
}

/// Refuses a key that stands twice somewhere below, as upstream does where it decodes a tree.
pub(crate) fn check_decodable(node: &Node) -> Result<()> {
    if let Some(entries) = node.entries() {
        refuse_equal_keys(entries)?;
        return entries.iter().try_for_each(|entry| check_decodable(&entry.value));
    }
    node.items().unwrap_or_default().iter().try_for_each(check_decodable)
}

fn refuse_equal_keys(entries: &[Entry]) -> Result<()> {
    yaml::check_unique(entries).map_err(|error| {
        let before = "yaml: unmarshal errors:\n  ";
        BuildError::of_yaml(ErrorKind::InvalidYaml, before, &error)
    })
}

fn not_json(words: &str) -> BuildError {
    BuildError::new(ErrorKind::InvalidYaml, format!("json: {words}"))
        .says("keys must be strings and numbers finite")
}

pub(crate) fn scalar(value: &Value, detour: Detour) -> Result<Node> {
    Ok(match value {
        Value::Null => Node::null(),
        Value::Bool(value) => Node::bool(*value),
        Value::Int(number) if detour == Detour::JsonText => Node::int(*number),
        Value::Uint(number) if detour == Detour::JsonText => parsed(&number.to_string()),
        Value::Int(number) => parsed(&go_float(*number as f64)),
        Value::Uint(number) => parsed(&go_float(*number as f64)),
        Value::Float(number) if !number.is_finite() => {
            let shown = if number.is_nan() { "NaN" } else { "+Inf" };
            return Err(not_json(&format!("unsupported value: {shown}")));
        }
        Value::Float(number) if detour == Detour::JsonText => parsed(&json_float(*number)),
        Value::Float(number) => parsed(&go_float(*number)),
        Value::Str(text) | Value::Time(text) => string(text, detour),
        Value::Bytes(bytes) => string(&String::from_utf8_lossy(bytes), detour),
    })
}

/// A plain scalar as the parser leaves it: the tag is found from the text.
fn parsed(text: &str) -> Node {
    let mut node = Node::scalar(text);
    node.set_tag(node.effective_tag());
    node
}

/// A string with the quotes that it gets on the way.
fn string(text: &str, detour: Detour) -> Node {
    let style = match detour {
        Detour::JsonText => Style::DoubleQuoted,
        Detour::GoValues => yaml::made_style(text),
    };
    Node::string(text).styled(style)
}

/// Go's `strconv.FormatFloat(number, 'g', -1, 64)`.
pub(crate) fn go_float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let exponent = format!("{number:e}").split_once('e').and_then(|(_, e)| e.parse::<i32>().ok());
    match exponent {
        Some(exponent) if number != 0.0 && !(-4..EXPONENT_FROM).contains(&exponent) => {
            with_exponent(number, 2)
        }
        _ => format!("{number}"),
    }
}

/// `1.5e+06`, the exponent with at least `width` digits.
fn with_exponent(number: f64, width: usize) -> String {
    let text = format!("{number:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:0width$}", exponent.abs())
}

/// A number as Go's `encoding/json` prints it.
pub(crate) fn json_float(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        return with_exponent(number, if size < 1.0 { 1 } else { 2 });
    }
    format!("{number}")
}

/// Appends `node` as Go's `encoding/json` prints it: keys sorted, floats in its form.
pub(crate) fn write(node: &Node, out: &mut String) -> Result<()> {
    if let Some(items) = node.items() {
        out.push('[');
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            write(item, out)?;
        }
        out.push(']');
        return Ok(());
    }
    if let Some(entries) = node.entries() {
        let mut sorted: Vec<&Entry> = entries.iter().collect();
        sorted.sort_by(|a, b| a.key.text().cmp(&b.key.text()));
        out.push('{');
        for (i, entry) in sorted.into_iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            write_text(path::text(&entry.key), out);
            out.push(':');
            write(&entry.value, out)?;
        }
        out.push('}');
        return Ok(());
    }
    match node.value(Dialect::V3) {
        None | Some(Value::Null) => out.push_str("null"),
        Some(Value::Bool(value)) => out.push_str(if value { "true" } else { "false" }),
        Some(Value::Int(number)) => out.push_str(&json_float(number as f64)),
        Some(Value::Uint(number)) => out.push_str(&json_float(number as f64)),
        Some(Value::Float(number)) if !number.is_finite() => {
            return Err(not_json("unsupported value: +Inf"));
        }
        Some(Value::Float(number)) => out.push_str(&json_float(number)),
        Some(Value::Str(text) | Value::Time(text)) => write_text(&text, out),
        Some(Value::Bytes(bytes)) => write_text(&String::from_utf8_lossy(&bytes), out),
    }
    Ok(())
}

/// Appends a string as Go's `encoding/json` prints it: safe to stand in HTML.
pub(crate) fn write_text(text: &str, out: &mut String) {
    use std::fmt::Write as _;
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' || matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// JSON text with two blanks of indentation (Go's `MarshalIndent`).
pub(crate) fn indented(compact: &str) -> String {
    let mut out = String::with_capacity(2 * compact.len());
    let mut depth = 0;
    let mut quoted = false;
    let mut escaped = false;
    let mut chars = compact.chars().peekable();
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    };
    while let Some(c) = chars.next() {
        if quoted {
            out.push(c);
            (quoted, escaped) = (c != '"' || escaped, c == '\\' && !escaped);
            continue;
        }
        match c {
            '"' => {
                quoted = true;
                out.push(c);
            }
            '{' | '[' if matches!(chars.peek(), Some('}' | ']')) => {
                out.push(c);
                out.extend(chars.next());
            }
            '{' | '[' => {
                depth += 1;
                out.push(c);
                line(&mut out, depth);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            other => out.push(other),
        }
    }
    out
}
