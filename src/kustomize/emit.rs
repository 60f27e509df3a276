//! Single values as text, for messages and for regular expressions that look at list items.

use super::path;
use super::yaml::Node;
use super::yaml::Style;

/// The text of a scalar as it is written, quotes included.
pub(crate) fn written(node: &Node) -> String {
    let text = path::text(node);
    match node.style() {
        Style::SingleQuoted => format!("'{}'", text.replace('\'', "''")),
        Style::DoubleQuoted => format!("{text:?}"),
        _ => text.to_owned(),
    }
}

/// A node as upstream's messages show it.
pub(crate) fn fragment(node: &Node) -> String {
    let mut out = String::new();
    write_fragment(node, 0, &mut out);
    out
}

fn write_fragment(node: &Node, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    if let Some(entries) = node.entries() {
        for entry in entries {
            let key = path::text(&entry.key);
            if entry.value.is_scalar() {
                out.push_str(&format!("{indent}{key}: {}\n", written(&entry.value)));
            } else {
                out.push_str(&format!("{indent}{key}:\n"));
                write_fragment(&entry.value, depth + 1, out);
            }
        }
    } else if let Some(items) = node.items() {
        for item in items {
            if item.is_scalar() {
                out.push_str(&format!("{indent}- {}\n", written(item)));
            } else {
                out.push_str(&format!("{indent}-\n"));
                write_fragment(item, depth + 1, out);
            }
        }
    } else {
        out.push_str(&format!("{indent}{}\n", written(node)));
    }
}

/// A document in its own style: order, quotes and brackets as they were read.
pub(crate) fn write_styled(node: &Node, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    let inline = |node: &Node| node.is_scalar() || node.is_empty_collection() || is_flow(node);
    if inline(node) {
        out.push_str(&flow(node, depth));
        out.push('\n');
    } else if let Some(entries) = node.entries() {
        for (i, entry) in entries.iter().enumerate() {
            if i > 0 || depth > 0 && !out.ends_with("- ") {
                out.push_str(&indent);
            }
            out.push_str(&written(&entry.key));
            out.push(':');
            if inline(&entry.value) {
                let text = flow(&entry.value, depth + 1);
                if !text.is_empty() {
                    out.push(' ');
                    out.push_str(&text);
                }
                out.push('\n');
            } else {
                out.push('\n');
                let deeper = if entry.value.is_sequence() { depth } else { depth + 1 };
                write_styled(&entry.value, deeper, out);
            }
        }
    } else {
        for item in node.items().unwrap_or_default() {
            out.push_str(&indent);
            out.push_str("- ");
            write_styled(item, depth + 1, out);
        }
    }
}

fn is_flow(node: &Node) -> bool {
    node.style() == Style::Flow
}

/// A node on one line; lines of a block scalar follow, indented.
fn flow(node: &Node, depth: usize) -> String {
    if let Some(entries) = node.entries() {
        let parts: Vec<String> = entries
            .iter()
            .map(|entry| format!("{}: {}", written(&entry.key), flow(&entry.value, depth)))
            .collect();
        return format!("{{{}}}", parts.join(", "));
    }
    if let Some(items) = node.items() {
        let parts: Vec<String> = items.iter().map(|item| flow(item, depth)).collect();
        return format!("[{}]", parts.join(", "));
    }
    let text = path::text(node);
    let mark = match node.style() {
        Style::Literal => '|',
        Style::Folded => '>',
        _ => return written(node),
    };
    let chomp = match (text.ends_with('\n'), text.ends_with("\n\n")) {
        (_, true) => "+",
        (true, false) => "",
        (false, _) => "-",
    };
    let indent = "  ".repeat(depth.max(1));
    let lines: Vec<String> = text
        .strip_suffix('\n')
        .unwrap_or(text)
        .split('\n')
        .map(|line| if line.is_empty() { String::new() } else { format!("{indent}{line}") })
        .collect();
    format!("{mark}{chomp}\n{}", lines.join("\n"))
}
