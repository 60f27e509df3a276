//! `vars:`: `$(NAME)` in fields is replaced by the value of another object's field.
//!
//! A field that holds nothing but one variable takes over its type. Upstream: `api/filters/refvar`,
//! `api/internal/accumulator`.

use std::collections::BTreeMap;

use crate::kustomize::error::BuildError;
use crate::kustomize::error::ErrorKind;
use crate::kustomize::error::Result;
use crate::kustomize::fieldspec::FieldSpecs;
use crate::kustomize::json;
use crate::kustomize::kustomization::Var;
use crate::kustomize::path;
use crate::kustomize::path::Kind;
use crate::kustomize::pen::Pen;
use crate::kustomize::resmap::ResMap;
use crate::kustomize::resource::Object;
use crate::kustomize::yaml::Dialect;
use crate::kustomize::yaml::Node;
use crate::kustomize::yaml::Place;
use crate::kustomize::yaml::Tag;
use crate::kustomize::yaml::Value as Scalar;

/// What a variable stands for.
#[derive(Clone, Debug)]
enum Value {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// A list or map: such a variable is left as it stands.
    Other,
}

type Values = BTreeMap<String, (Value, Place)>;

/// Replaces all variables.
pub(crate) fn transform(
    map: &mut ResMap,
    vars: &BTreeMap<String, Var>,
    specs: &FieldSpecs,
) -> Result<()> {
    if vars.is_empty() {
        return Ok(());
    }
    let mut values = Values::new();
    for (name, var) in vars {
        values.insert(name.clone(), value_of(map, var)?);
    }
    for object in map.objects_mut() {
        specs.apply(object, None, &mut |node, pen| replace_in(node, &values, pen))?;
    }
    Ok(())
}

/// A variable as Go prints the struct.
fn shown(var: &Var) -> String {
    let target = &var.objref;
    let gvk = &target.gvk;
    format!(
        "{{{} {{{} {{{} {} {} false}} {} {}}} {{{}}}}}",
        var.name,
        target.api_version,
        gvk.group,
        gvk.version,
        gvk.kind,
        target.name,
        target.namespace,
        var.fieldref.field_path
    )
}

fn value_of(map: &ResMap, var: &Var) -> Result<(Value, Place)> {
    let wrong = |words: String| {
        let says = format!("variable `{}`: {words}", var.name);
        BuildError::new(ErrorKind::InvalidVariable, words).says(says)
    };
    let Some(object) = map.objects().iter().find(|o| o.variables.contains(&var.name)) else {
        let var = shown(var);
        return Err(wrong(format!(
            "var '{var}' cannot be mapped to a field in the set of known resources"
        )));
    };
    field_value(object, &var.fieldref.field_path).ok_or_else(|| {
        let var = shown(var);
        wrong(format!("field specified in var '{var}' not found in corresponding resource"))
    })
}

/// The value at a path like `spec.ports[0].port`.
fn field_value(object: &Object, field_path: &str) -> Option<(Value, Place)> {
    let mut parts = Vec::new();
    for part in path::split_fields(field_path) {
        let index = part.strip_suffix(']').and_then(|inner| inner.rsplit_once('['));
        match index {
            Some((field, index))
                if !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit()) =>
            {
                if !field.is_empty() {
                    parts.push(field.to_owned());
                }
                parts.push(index.to_owned());
            }
            _ => parts.push(part),
        }
    }
    let node = path::lookup(object.node(), &parts).ok()??;
    let place = object.origin_of(node.place());
    if !node.is_scalar() {
        return Some((Value::Other, place));
    }
    let text = path::text(node);
    let value = match node.tag() {
        Tag::Int => Value::Int(text.parse().ok()?),
        Tag::Float => match node.value(Dialect::V3)? {
            Scalar::Float(number) => Value::Float(number),
            _ => return None,
        },
        Tag::Bool => match text {
            "true" | "True" | "TRUE" => Value::Bool(true),
            "false" | "False" | "FALSE" => Value::Bool(false),
            _ => return None,
        },
        _ => Value::Text(text.to_owned()),
    };
    Some((value, place))
}

fn replace_in(node: &mut Node, values: &Values, pen: &mut Pen) -> Result<()> {
    let wrong = |words: String| BuildError::new(ErrorKind::InvalidVariable, words);
    if path::is_null(node) {
        return Ok(());
    }
    match Kind::of(node) {
        Kind::Scalar => {
            if path::is_string(node) {
                replace(node, values, pen);
            }
        }
        Kind::Mapping => {
            for entry in node.entries_mut().into_iter().flatten() {
                if !path::is_string(&entry.key) {
                    let key = path::text(&entry.key);
                    return Err(wrong(format!("invalid map key: value='{key}', tag=''")));
                }
                if path::is_string(&entry.value) {
                    replace(&mut entry.value, values, pen);
                }
            }
        }
        Kind::Sequence => {
            for item in node.items_mut().into_iter().flatten() {
                if !path::is_string(item) {
                    return Err(wrong("invalid value type expect a string".into()));
                }
                replace(item, values, pen);
            }
        }
    }
    Ok(())
}

/// Replaces the variables of one string.
fn replace(node: &mut Node, values: &Values, pen: &mut Pen) {
    let text = path::text(node).to_owned();
    let (value, place) = expand(&text, values);
    let mut new = match value {
        Value::Text(text) => Node::string(&text),
        Value::Int(number) => Node::int(number),
        Value::Bool(value) => Node::bool(value),
        Value::Float(number) => {
            let mut node = Node::scalar(&format!("{number}"));
            node.set_tag(Tag::Float);
            node
        }
        Value::Other => return,
    };
    new.set_place(place.unwrap_or(node.place()));
    if place.is_none() {
        *node = new;
    } else {
        pen.write(node, new);
    }
}

/// The text with its variables replaced, and where the value of the first one comes from.
fn expand(text: &str, values: &Values) -> (Value, Option<Place>) {
    let mut out = String::new();
    let mut origin = None;
    let mut rest = text;
    while let Some(at) = rest.find('$').filter(|&at| at + 1 < rest.len()) {
        out.push_str(rest.get(..at).unwrap_or_default());
        let after = rest.get(at + 1..).unwrap_or_default();
        let inner = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        if let Some((name, tail)) = inner {
            match values.get(name) {
                Some((value, place)) if !matches!(value, Value::Other) => {
                    origin = origin.or(Some(*place));
                    if text.len() == name.len() + 3 {
                        return (value.clone(), origin);
                    }
                    out.push_str(&text_of(value));
                }
                _ => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = tail;
            continue;
        }
        let next = after.chars().next().unwrap_or_default();
        match next {
            '$' => out.push('$'),
            _ => {
                out.push('$');
                out.push(next);
            }
        }
        rest = after.get(next.len_utf8()..).unwrap_or_default();
    }
    out.push_str(rest);
    (Value::Text(out), origin)
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Float(number) => json::json_float(*number),
        Value::Other => String::new(),
    }
}
