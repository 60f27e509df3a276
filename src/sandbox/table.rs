//! Tables: what `kubectl get` shows.
//!
//! In: objects and their kind. Out: a `meta.k8s.io/v1` Table with the recorded columns of built-in
//! kinds, or the printer columns of a definition.
//!
//! Pure but for the age of objects, which needs the time. Not here: the cells of built-in kinds
//! (`cells.rs`).

use serde_json::Value;
use serde_json::json;

use super::builtin::BUILT_IN;
use super::builtin::Column;
use super::cells;
use super::kinds::Kind;

/// What each row carries of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Include {
    Nothing,
    Metadata,
    Whole,
}

impl Include {
    /// Reads `includeObject`.
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "None" => Self::Nothing,
            "Object" => Self::Whole,
            _ => Self::Metadata,
        }
    }
}

/// A table of these objects.
pub(crate) fn of(kind: &Kind, objects: &[Value], metadata: Value, include: Include) -> Value {
    let columns = columns(kind);
    let shown: Vec<Value> = columns
        .iter()
        .map(|((name, kind, format, priority), _)| {
            json!({"name": name, "type": kind, "format": format, "priority": priority,
                "description": ""})
        })
        .collect();
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let cells: Vec<Value> = columns
                .iter()
                .map(|((name, kind_of, _, _), path)| match path {
                    Some(path) => custom_cell(object, path, kind_of),
                    None => cells::cell(kind, object, name),
                })
                .collect();
            let carried = match include {
                Include::Nothing => Value::Null,
                Include::Whole => object.clone(),
                Include::Metadata => json!({"kind": "PartialObjectMetadata",
                    "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]}),
            };
            json!({"cells": cells, "object": carried})
        })
        .collect();
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": shown, "rows": rows})
}

/// The columns of a kind, each with a JSON path when it is one of a definition.
fn columns(kind: &Kind) -> Vec<(Column, Option<String>)> {
    let plain = |name: &str, format: &str, kind: &str| {
        ((name.to_owned(), kind.to_owned(), format.to_owned(), 0), None)
    };
    let Some(custom) = &kind.custom else {
        let recorded = BUILT_IN.columns.get(&format!("{}/{}", kind.id.group, kind.kind));
        return match recorded {
            Some(columns) => columns.iter().map(|column| (column.clone(), None)).collect(),
            None => vec![plain("Name", "name", "string"), plain("Created At", "", "date")],
        };
    };
    let mut columns = vec![plain("Name", "name", "string")];
    for column in &custom.columns {
        let text = |name: &str| column[name].as_str().unwrap_or_default().to_owned();
        let priority = column["priority"].as_i64().unwrap_or(0);
        let described = (text("name"), text("type"), text("format"), priority);
        columns.push((described, Some(text("jsonPath"))));
    }
    if custom.columns.is_empty() {
        columns.push(plain("Age", "", "date"));
    }
    columns
}

fn custom_cell(object: &Value, path: &str, kind: &str) -> Value {
    let found = select(object, path);
    let Some(found) = found else { return Value::Null };
    match (kind, found) {
        ("date", Value::String(time)) => json!(cells::since(&time)),
        ("integer" | "number" | "boolean", found) => found,
        ("string", Value::String(text)) => json!(text),
        ("string", found) => json!(found.to_string()),
        (_, found) => found,
    }
}

/// Follows a simple JSON path: fields, indexes, `[*]`, and filters `[?(@.type=="Ready")]`.
fn select(object: &Value, path: &str) -> Option<Value> {
    let mut found: Vec<&Value> = vec![object];
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let end = closing(after)?;
            let step = &after[..end];
            rest = &after[end + 1..];
            found = found.into_iter().flat_map(|value| indexed(value, step)).collect();
        } else {
            let after = rest.strip_prefix('.').unwrap_or(rest);
            let (name, tail) = field_name(after);
            rest = tail;
            found = found.into_iter().filter_map(|value| value.get(name.as_str())).collect();
        }
    }
    found.first().map(|value| (*value).clone())
}

/// The end of a bracket, past brackets and quotes inside it.
fn closing(text: &str) -> Option<usize> {
    let mut quoted = false;
    text.char_indices().find_map(|(at, c)| {
        quoted ^= c == '"' || c == '\'';
        (c == ']' && !quoted).then_some(at)
    })
}

/// A field name, in which dots may be escaped.
fn field_name(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.extend(chars.next().map(|(_, escaped)| escaped)),
            '.' | '[' => return (name, &text[at..]),
            c => name.push(c),
        }
    }
    (name, "")
}

fn indexed<'v>(value: &'v Value, step: &str) -> Vec<&'v Value> {
    if let Some(key) = step.strip_prefix('\'').and_then(|step| step.strip_suffix('\'')) {
        return value.get(key).into_iter().collect();
    }
    let Some(items) = value.as_array() else { return Vec::new() };
    if step == "*" {
        return items.iter().collect();
    }
    if let Ok(index) = step.parse::<usize>() {
        return items.get(index).into_iter().collect();
    }
    let condition = step.trim_start_matches("?(").trim_end_matches(')').trim();
    let Some((field, wanted)) = condition.split_once("==") else { return Vec::new() };
    let field = field.trim().trim_start_matches("@.");
    let wanted = wanted.trim().trim_matches(['"', '\'']);
    items.iter().filter(|item| item[field] == wanted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printer_columns_follow_their_paths() {
        let object = json!({"status": {"conditions": [{"type": "Ready", "status": "True"},
            {"type": "Other", "status": "False"}], "sizes": [3, 4]},
            "metadata": {"annotations": {"a.b/c": "x"}}});
        #[rustfmt::skip]
        let cases = [
            (".status.conditions[?(@.type==\"Ready\")].status", Some(json!("True"))),
            (".status.conditions[?(@.type=='Other')].status",   Some(json!("False"))),
            (".status.sizes[1]",                                Some(json!(4))),
            (".status.sizes[*]",                                Some(json!(3))),
            (".metadata.annotations.a\\.b/c",                   Some(json!("x"))),
            (".status.missing.deeper",                          None),
        ];
        for (path, want) in cases {
            assert_eq!(select(&object, path), want, "{path}");
        }
    }
}
