//! Validation of custom resources against their schema.
//!
//! In: a schema and an object that is pruned and filled. Out: every broken rule, in the server's
//! words. Absent: CEL rules (`x-kubernetes-validations`), `uniqueItems`, most formats.
//!
//! Pure. Facts: `kube-openapi/pkg/validation`. Not here: pruning and defaults (`crd_schema.rs`).

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::sync::Mutex;

use regex::Regex;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::crd_schema::flag;
use super::refusal::FieldError;

/// Every rule of `schema` that `object` breaks.
pub(crate) fn validate(schema: &Value, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    check(schema, object, "", &mut errors);
    errors
}

fn number(schema: &Value, name: &str) -> Option<u64> {
    schema.get(name).and_then(Value::as_u64)
}

fn check(schema: &Value, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if value.is_null() && flag(schema, "nullable") {
        return;
    }
    if !type_fits(schema, value) {
        let wanted = schema.get("type").and_then(Value::as_str).unwrap_or_default();
        let wanted =
            if flag(schema, "x-kubernetes-int-or-string") { "integer,string" } else { wanted };
        let got = type_name(value);
        let detail = format!("{path} in body must be of type {wanted}: {got:?}");
        errors.push(FieldError::wrong_type(path, got, &detail));
        return;
    }
    if let Some(Value::Array(allowed)) = schema.get("enum")
        && !allowed.contains(value)
    {
        let shown: Vec<String> = allowed
            .iter()
            .map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned))
            .collect();
        errors.push(FieldError::unsupported(path, value, &shown));
    }
    match value {
        Value::String(text) => check_text(schema, text, value, path, errors),
        Value::Number(_) => check_number(schema, value, path, errors),
        Value::Array(items) => check_items(schema, items, value, path, errors),
        Value::Object(entries) => check_fields(schema, entries, value, path, errors),
        Value::Null | Value::Bool(_) => {}
    }
    check_combined(schema, value, path, errors);
}

fn type_fits(schema: &Value, value: &Value) -> bool {
    if flag(schema, "x-kubernetes-int-or-string") {
        return value.is_i64() || value.is_u64() || value.is_string();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("number") => value.is_number(),
        Some("integer") => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => true,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Compiled patterns: a schema's pattern is met once for each object.
static PATTERNS: LazyLock<Mutex<BTreeMap<String, Option<Regex>>>> = LazyLock::new(Mutex::default);

fn pattern_fits(pattern: &str, text: &str) -> bool {
    let mut known = PATTERNS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let compiled = known.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).ok());
    compiled.as_ref().is_none_or(|regex| regex.is_match(text))
}

fn check_text(schema: &Value, text: &str, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let count = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
    if let Some(most) = number(schema, "maxLength").filter(|most| count > *most) {
        errors.push(FieldError::too_long(path, most));
    }
    if let Some(least) = number(schema, "minLength").filter(|least| count < *least) {
        let detail = format!("{path} in body should be at least {least} chars long");
        errors.push(FieldError::invalid(path, value, &detail));
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
        && !pattern_fits(pattern, text)
    {
        let detail = format!("{path} in body should match '{pattern}'");
        errors.push(FieldError::invalid(path, value, &detail));
    }
    let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
    if format == "date-time" && text.parse::<jiff::Timestamp>().is_err() {
        let detail = format!("{path} in body must be of type date-time: {text:?}");
        errors.push(FieldError::wrong_type(path, text, &detail));
    }
}

fn check_number(schema: &Value, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let given = value.as_f64().unwrap_or_default();
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let shown = |name: &str| schema.get(name).map(Value::to_string).unwrap_or_default();
    if let Some(least) = bound("minimum") {
        let exclusive = flag(schema, "exclusiveMinimum");
        if given < least || exclusive && given <= least {
            let words = if exclusive { "greater than" } else { "greater than or equal to" };
            let detail = format!("{path} in body should be {words} {}", shown("minimum"));
            errors.push(FieldError::invalid(path, value, &detail));
        }
    }
    if let Some(most) = bound("maximum") {
        let exclusive = flag(schema, "exclusiveMaximum");
        if given > most || exclusive && given >= most {
            let words = if exclusive { "less than" } else { "less than or equal to" };
            let detail = format!("{path} in body should be {words} {}", shown("maximum"));
            errors.push(FieldError::invalid(path, value, &detail));
        }
    }
    if let Some(step) = bound("multipleOf").filter(|step| (given / step).fract() != 0.0) {
        let detail = format!("{path} in body should be a multiple of {step}");
        errors.push(FieldError::invalid(path, value, &detail));
    }
}

fn check_items(
    schema: &Value,
    items: &[Value],
    value: &Value,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
    if let Some(most) = number(schema, "maxItems").filter(|most| count > *most) {
        errors.push(FieldError::too_many(path, items.len(), most));
    }
    if let Some(least) = number(schema, "minItems").filter(|least| count < *least) {
        let detail = format!("{path} in body should have at least {least} items");
        errors.push(FieldError::invalid(path, value, &detail));
    }
    for (index, item) in items.iter().enumerate() {
        if let Some(inner) = schema.get("items") {
            check(inner, item, &format!("{path}[{index}]"), errors);
        }
    }
    let keys: Vec<&str> = schema
        .get("x-kubernetes-list-map-keys")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let identity = |item: &Value| match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => Some(item.clone()),
        Some("map") => {
            let named =
                keys.iter().filter_map(|key| Some(((*key).to_owned(), item.get(*key)?.clone())));
            Some(Value::Object(named.collect::<Map<_, _>>()))
        }
        _ => None,
    };
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        if let Some(id) = identity(item)
            && !seen.insert(id.to_string())
        {
            errors.push(FieldError::duplicate(&format!("{path}[{index}]"), &id));
        }
    }
}

fn check_fields(
    schema: &Value,
    entries: &Map<String, Value>,
    value: &Value,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    let join = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    let count = u64::try_from(entries.len()).unwrap_or(u64::MAX);
    if let Some(most) = number(schema, "maxProperties").filter(|most| count > *most) {
        errors.push(FieldError::too_many(path, entries.len(), most));
    }
    if let Some(least) = number(schema, "minProperties").filter(|least| count < *least) {
        let detail = format!("{path} in body should have at least {least} properties");
        errors.push(FieldError::invalid(path, value, &detail));
    }
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !entries.contains_key(name) {
            errors.push(FieldError::required(&join(name), ""));
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let additional = schema.get("additionalProperties").filter(|inner| inner.is_object());
    for (name, inner) in entries {
        let known = properties.and_then(|properties| properties.get(name)).or(additional);
        if path.is_empty() && name == "metadata" {
            continue;
        }
        if let Some(known) = known {
            check(known, inner, &join(name), errors);
        }
    }
}

fn check_combined(schema: &Value, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let list = |name: &str| schema.get(name).and_then(Value::as_array);
    let fits = |inner: &Value| {
        let mut inside = Vec::new();
        check(inner, value, path, &mut inside);
        inside.is_empty()
    };
    let shown = if path.is_empty() { json!("") } else { value.clone() };
    let mut complain = |detail: String| errors.push(FieldError::invalid(path, &shown, &detail));
    if let Some(all) = list("allOf")
        && !all.iter().all(fits)
    {
        complain(format!("{path:?} must validate all the schemas (allOf)"));
    }
    if let Some(any) = list("anyOf")
        && !any.iter().any(fits)
    {
        complain(format!("{path:?} must validate at least one schema (anyOf)"));
    }
    if let Some(one) = list("oneOf") {
        let count = one.iter().filter(|inner| fits(inner)).count();
        if count != 1 {
            let found = match count {
                0 => "none valid".to_owned(),
                count => format!("{count} valid alternatives"),
            };
            complain(format!(
                "{path:?} must validate one and only one schema (oneOf). Found {found}"
            ));
        }
    }
    if let Some(not) = schema.get("not")
        && fits(not)
    {
        complain(format!("{path:?} must not validate the schema (not)"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_rules_are_worded_as_the_server_words_them() {
        let schema = json!({"type": "object", "required": ["spec"], "properties": {"spec": {
            "type": "object", "required": ["url"], "properties": {
                "url": {"type": "string", "pattern": "^https://"},
                "mode": {"type": "string", "enum": ["a", "b"]},
                "size": {"type": "integer", "minimum": 1},
                "names": {"type": "array", "maxItems": 1, "items": {"type": "string"}}}}}});
        #[rustfmt::skip]
        let cases = [
            (json!({}), vec!["spec: Required value"]),
            (json!({"spec": {}}), vec!["spec.url: Required value"]),
            (json!({"spec": {"url": "x"}}),
                vec!["spec.url: Invalid value: \"x\": spec.url in body should match '^https://'"]),
            (json!({"spec": {"url": "https://x", "size": "one"}}),
                vec!["spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\""]),
            (json!({"spec": {"url": "https://x", "size": 0}}),
                vec!["spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"]),
            (json!({"spec": {"url": "https://x", "mode": "c"}}),
                vec!["spec.mode: Unsupported value: \"c\": supported values: \"a\", \"b\""]),
            (json!({"spec": {"url": "https://x", "names": ["a", "b"]}}),
                vec!["spec.names: Too many: 2: must have at most 1 items"]),
            (json!({"spec": {"url": "https://x"}}), vec![]),
        ];
        for (object, want) in cases {
            let errors: Vec<String> =
                validate(&schema, &object).iter().map(FieldError::text).collect();
            assert_eq!(errors, want, "{object}");
        }
    }
}
