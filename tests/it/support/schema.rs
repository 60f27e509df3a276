//! A small judge of JSON documents: do they have the form that a committed schema says?
//!
//! It knows the words that our schemas use and panics at any other, so that none is overlooked.
//! Stricter than the standard in one thing: a property that an object's schema does not name is
//! wrong, unless the schema is put together from several.

use serde_json::Value;
use std::path::Path;

/// Words that say nothing about the form.
const SILENT: &[&str] = &["$schema", "$defs", "title", "description", "format", "default"];

/// The committed schema of this name.
pub(crate) fn committed(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_json::from_str(&text).expect("a committed schema is JSON")
}

/// Where a document differs from a schema; empty when it does not.
pub(crate) fn differences(schema: &Value, document: &Value) -> Vec<String> {
    let strict = schema.get("oneOf").is_none();
    let mut judge = Judge { root: schema, strict, wrong: Vec::new() };
    judge.value(schema, document, "");
    judge.wrong
}

struct Judge<'a> {
    root: &'a Value,
    strict: bool,
    wrong: Vec<String>,
}

impl Judge<'_> {
    fn value(&mut self, schema: &Value, value: &Value, at: &str) {
        if *schema == Value::Bool(true) {
            return; // anything will do
        }
        let words = schema.as_object().unwrap_or_else(|| panic!("{at}: no schema: {schema}"));
        for (word, said) in words.iter().filter(|(word, _)| !SILENT.contains(&word.as_str())) {
            match word.as_str() {
                "type" if !has_type(said, value) => self.note(at, &format!("is not {said}")),
                "const" if value != said => self.note(at, &format!("is not {said}")),
                "minimum" if value.is_number() && value.as_f64() < said.as_f64() => {
                    self.note(at, "is too small")
                }
                "required" => self.required(said, value, at),
                "items" => {
                    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.value(said, item, &format!("{at}/{number}"));
                    }
                }
                "properties" | "additionalProperties" => self.properties(schema, value, at),
                "$ref" => {
                    let part = said.as_str().and_then(|text| text.strip_prefix('#'));
                    let part = part.and_then(|pointer| self.root.pointer(pointer));
                    self.value(part.expect("a reference within the schema"), value, at);
                }
                "oneOf" | "anyOf" => self.one_of(said, value, at),
                "type" | "const" | "minimum" => {}
                other => panic!("{at}: the judge does not know `{other}`"),
            }
        }
    }

    fn note(&mut self, at: &str, what: &str) {
        self.wrong.push(format!("{at}: {what}"));
    }

    fn required(&mut self, names: &Value, value: &Value, at: &str) {
        let names = names.as_array().into_iter().flatten().filter_map(Value::as_str);
        for name in names.filter(|name| value.get(name).is_none()) {
            self.note(at, &format!("has no {name}"));
        }
    }

    fn properties(&mut self, schema: &Value, value: &Value, at: &str) {
        let more = &schema["additionalProperties"];
        // Parts that are named elsewhere have properties of their own.
        let is_whole = ["$ref", "oneOf", "anyOf"].iter().all(|word| schema.get(word).is_none());
        for (name, part) in value.as_object().into_iter().flatten() {
            let place = format!("{at}/{name}");
            match &schema["properties"][name] {
                Value::Null if more.is_object() => self.value(more, part, &place),
                Value::Null if self.strict && is_whole => self.note(&place, "is not in the schema"),
                Value::Null => {}
                known => self.value(known, part, &place),
            }
        }
    }

    fn one_of(&mut self, choices: &Value, value: &Value, at: &str) {
        let choices = choices.as_array().into_iter().flatten();
        let mut tries = choices.map(|choice| {
            let mut judge = Judge { root: self.root, strict: false, wrong: Vec::new() };
            judge.value(choice, value, at);
            judge.wrong
        });
        if !tries.any(|wrong| wrong.is_empty()) {
            self.note(at, "is none of the choices");
        }
    }
}

fn has_type(wanted: &Value, value: &Value) -> bool {
    let has = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("the judge does not know the type `{other}`"),
    };
    match wanted {
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(has),
        name => name.as_str().is_some_and(has),
    }
}
