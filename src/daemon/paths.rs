//! Paths to fields as people type them: dots, brackets, JSON pointers, kubectl's JSONPath.
//!
//! ```text
//! spec.containers[name=main].image   {.spec.replicas}   data["app.properties"]
//! metadata.labels.app\.kubernetes\.io/name   data.app.properties   /spec/replicas
//! ```

use serde_json::Value as Json;

use crate::explain::ObjectError;
use crate::model::pointer;

/// The JSON pointer of the field in this object; `None` when it has no such field. A key that holds
/// dots is found without quotes where no shorter one leads to a field.
pub(super) fn pointer_of(field: &str, json: &Json) -> Option<String> {
    if field.starts_with('/') {
        let field = of_data(field.to_owned(), json);
        return json.pointer(&field).map(|_| field);
    }
    let parts = parts(field).ok()?;
    let found = walk(&parts, json, String::new());
    // A Secret's stringData is its data at last.
    found.or_else(|| match parts.split_first() {
        Some((first, rest)) if first == "stringData" && json["kind"] == "Secret" => {
            walk(rest, json.get("data")?, "/data".to_owned())
        }
        _ => None,
    })
}

fn of_data(field: String, json: &Json) -> String {
    match field.strip_prefix("/stringData/") {
        Some(key) if json["kind"] == "Secret" => format!("/data/{key}"),
        _ => field,
    }
}

/// Follows the parts from `at`, which stands at `pointer`.
fn walk(parts: &[String], at: &Json, pointer: String) -> Option<String> {
    let Some((first, rest)) = parts.split_first() else { return Some(pointer) };
    match at {
        Json::Array(items) => {
            let index = match first.split_once('=') {
                Some((name, value)) => items.iter().position(|item| item[name] == value)?,
                None => first.parse().ok()?,
            };
            walk(rest, items.get(index)?, format!("{pointer}/{index}"))
        }
        Json::Object(entries) => (1..=parts.len()).find_map(|count| {
            let key = parts[..count].join(".");
            let below = format!("{pointer}/{}", pointer::escaped(&key));
            walk(&parts[count..], entries.get(&key)?, below)
        }),
        _ => None,
    }
}

/// Whether a path can be read at all.
///
/// # Errors
/// It is empty, a part of it is, or its brackets do not fit.
pub(super) fn check(field: &str) -> Result<(), ObjectError> {
    let wrong = |why| Err(ObjectError::Field { field: field.to_owned(), why });
    match parts(field) {
        _ if field.starts_with('/') => Ok(()),
        Err(why) => wrong(why),
        Ok(parts) if parts.is_empty() => wrong("it is empty"),
        Ok(_) => Ok(()),
    }
}

/// The parts of a path: between dots, and in brackets.
fn parts(field: &str) -> Result<Vec<String>, &'static str> {
    let (mut parts, mut rest) = (Vec::new(), bare(field)?);
    while !rest.is_empty() {
        let (part, tail) = match rest.strip_prefix('[') {
            Some(inside) => bracket(inside)?,
            None => word(rest),
        };
        if part.is_empty() {
            return Err("a part of it is empty");
        }
        parts.push(part);
        rest = match tail.chars().next() {
            Some('.') if tail.len() == 1 => return Err("a part of it is empty"),
            Some('.') => &tail[1..],
            None | Some('[') => tail,
            Some(_) => return Err("a bracket, or text behind it, does not fit"),
        };
    }
    Ok(parts)
}

/// The path without what kubectl puts around it: `{.spec}`, `{$.spec}`, `.spec`.
fn bare(field: &str) -> Result<&str, &'static str> {
    let inside = match field.strip_prefix('{') {
        Some(inside) => inside.strip_suffix('}').ok_or("a brace is not closed")?,
        None => field,
    };
    let inside = inside.strip_prefix('$').unwrap_or(inside);
    Ok(inside.strip_prefix('.').unwrap_or(inside))
}

/// What stands before the closing bracket, without its quotes, and what follows it.
fn bracket(inside: &str) -> Result<(String, &str), &'static str> {
    const OPEN: &str = "a bracket is not closed";
    for quote in ['"', '\''] {
        if let Some(quoted) = inside.strip_prefix(quote) {
            let (part, tail) = quoted.split_once(quote).ok_or("a quote is not closed")?;
            return Ok((part.to_owned(), tail.strip_prefix(']').ok_or(OPEN)?));
        }
    }
    let (part, tail) = inside.split_once(']').ok_or(OPEN)?;
    Ok((part.to_owned(), tail))
}

/// What stands before the next dot or bracket without a backslash before it, and what follows.
fn word(rest: &str) -> (String, &str) {
    let (mut part, mut is_escaped) = (String::new(), false);
    for (at, c) in rest.char_indices() {
        match c {
            '\\' if !is_escaped => is_escaped = true,
            '.' | '[' | ']' if !is_escaped => return (part, &rest[at..]),
            _ => {
                part.push(c);
                is_escaped = false;
            }
        }
    }
    (part, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_fields() {
        let json = serde_json::json!({
            "kind": "Secret",
            "metadata": {"labels": {"app.kubernetes.io/name": "a"}},
            "spec": {"containers": [{"name": "x"}, {"name": "main", "image": "i"}]},
            "data": {"app.properties": "p", "a": {"b": "plain"}, "a.b": "joined", "t": "u"},
        });
        #[rustfmt::skip]
        let cases = [
            ("spec.containers[1].image",               Some("/spec/containers/1/image")),
            ("spec.containers.1.image",                Some("/spec/containers/1/image")),
            ("spec.containers[name=main].image",       Some("/spec/containers/1/image")),
            ("{.spec.containers[1].image}",            Some("/spec/containers/1/image")),
            ("{$.spec.containers[1].image}",           Some("/spec/containers/1/image")),
            (".spec.containers[1]",                    Some("/spec/containers/1")),
            ("metadata.labels[app.kubernetes.io/name]", Some("/metadata/labels/app.kubernetes.io~1name")),
            (r"metadata.labels.app\.kubernetes\.io/name", Some("/metadata/labels/app.kubernetes.io~1name")),
            ("metadata.labels.app.kubernetes.io/name", Some("/metadata/labels/app.kubernetes.io~1name")),
            (r#"data["app.properties"]"#,              Some("/data/app.properties")),
            ("data['app.properties']",                 Some("/data/app.properties")),
            (r"{.data.app\.properties}",               Some("/data/app.properties")),
            ("data.app.properties",                    Some("/data/app.properties")),
            ("data.a.b",                               Some("/data/a/b")),
            ("data[a.b]",                              Some("/data/a.b")),
            ("stringData.t",                           Some("/data/t")),
            ("/stringData/t",                          Some("/data/t")),
            ("/spec/containers/0",                     Some("/spec/containers/0")),
            ("spec.absent",                            None),
            ("spec.containers[name=none].image",       None),
        ];
        for (path, want) in cases {
            assert_eq!(pointer_of(path, &json).as_deref(), want, "{path}");
        }
    }

    #[test]
    fn paths_that_lead_nowhere_are_told() {
        #[rustfmt::skip]
        let cases = [
            ("data[",          "a bracket is not closed"),
            ("data[a",         "a bracket is not closed"),
            ("data[\"a",       "a quote is not closed"),
            ("data[\"a\"",     "a bracket is not closed"),
            ("{.data",         "a brace is not closed"),
            ("data]",          "a bracket, or text behind it, does not fit"),
            ("data[a]b",       "a bracket, or text behind it, does not fit"),
            ("data[]",         "a part of it is empty"),
            ("data..a",        "a part of it is empty"),
            ("..data",         "a part of it is empty"),
            ("data.",          "a part of it is empty"),
            ("",               "it is empty"),
            ("{}",             "it is empty"),
        ];
        for (path, want) in cases {
            let error = check(path).expect_err(path);
            assert!(error.to_string().ends_with(want), "{path}: {error}");
        }
        for path in ["data", "data[a.b/c]", "[a]", "a[0][name=x].b", "/data/a", "{.data}"] {
            assert!(check(path).is_ok(), "{path}");
        }
    }
}
