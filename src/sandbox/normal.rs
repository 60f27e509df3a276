//! The round trip through the server's own structs that every built-in object makes.
//!
//! In: JSON as a client sent it. Out: the same object as the server would write it: unknown fields
//! gone (and named), zero values of `omitempty` fields gone, missing fields that are always
//! written added, quantities in canonical form; or the first value of a wrong type.
//!
//! Pure. Facts: Go's `encoding/json` over `k8s.io/api`. Not here: defaults (`defaults.rs`).

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::quantity;
use super::schema::Field;
use super::schema::Form;
use super::schema::Presence;
use super::schema::Scalar;
use super::schema::TypeId;
use super::schema::Types;

/// A value that Go could not decode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WrongType {
    message: String,
}

impl WrongType {
    /// What Go's decoder says.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

/// Brings `value` into the form that the server writes; paths of unknown fields go to `unknown`.
pub(crate) fn round_trip(
    types: &Types,
    ty: TypeId,
    value: &Value,
    unknown: &mut Vec<String>,
) -> Result<Value, WrongType> {
    Trip { types, unknown }.value(ty, value, "", "")
}

struct Trip<'t> {
    types: &'t Types,
    unknown: &'t mut Vec<String>,
}

impl Trip<'_> {
    fn value(
        &mut self,
        ty: TypeId,
        value: &Value,
        path: &str,
        holder: &str,
    ) -> Result<Value, WrongType> {
        let types = self.types;
        let described = types.get(ty);
        if described.is_free() {
            return Ok(value.clone());
        }
        match (described.form(Some(value)), value) {
            (_, Value::Null) => Ok(zero(types, ty)),
            (Form::Scalar(scalar), value) => scalar_value(scalar, value, path, holder),
            (Form::List(list), Value::Array(items)) => {
                let inner = items.iter().enumerate();
                let inner = inner.map(|(index, item)| {
                    self.value(list.item, item, &format!("{path}[{index}]"), holder)
                });
                inner.collect::<Result<Vec<_>, _>>().map(Value::Array)
            }
            (Form::Map(map), Value::Object(entries)) if map.fields.is_empty() => {
                let element = map.element.unwrap_or(Types::FREE);
                let inner = entries.iter().map(|(name, inner)| {
                    let path = join(path, name);
                    Ok((name.clone(), self.value(element, inner, &path, holder)?))
                });
                inner.collect::<Result<Map<_, _>, _>>().map(Value::Object)
            }
            (Form::Map(map), Value::Object(entries)) => {
                let holder = described.name.as_deref().unwrap_or(holder);
                for name in entries.keys().filter(|name| !map.fields.contains_key(*name)) {
                    self.unknown.push(join(path, name));
                }
                let mut out = Map::new();
                for (name, field) in &map.fields {
                    let given = entries.get(name).unwrap_or(&Value::Null);
                    if let Some(kept) = self.field(field, given, &join(path, name), holder)? {
                        out.insert(name.clone(), kept);
                    }
                }
                Ok(Value::Object(out))
            }
            (Form::List(_) | Form::Map(_), other) => Err(wrong(other, path, holder, "object")),
        }
    }

    fn field(
        &mut self,
        field: &Field,
        given: &Value,
        path: &str,
        holder: &str,
    ) -> Result<Option<Value>, WrongType> {
        if given.is_null() {
            return Ok(match field.presence {
                Presence::Always if field.nullable => Some(Value::Null),
                Presence::Always => Some(zero(self.types, field.ty)),
                Presence::NonZero | Presence::Set => None,
            });
        }
        let kept = self.value(field.ty, given, path, holder)?;
        Ok(Some(kept).filter(|kept| field.presence != Presence::NonZero || !is_zero(kept)))
    }
}

/// Whether Go's `omitempty` leaves the value out.
pub(crate) fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
    }
}

/// What Go writes for a field that was never set.
fn zero(types: &Types, ty: TypeId) -> Value {
    let described = types.get(ty);
    if described.is_free() {
        return Value::Null;
    }
    match described.form(None) {
        Form::Scalar(Scalar::Text) => json!(""),
        Form::Scalar(Scalar::Integer | Scalar::Number | Scalar::IntOrString) => json!(0),
        Form::Scalar(Scalar::Boolean) => json!(false),
        Form::Scalar(Scalar::Quantity) => json!("0"),
        Form::Scalar(Scalar::Bytes | Scalar::Time | Scalar::MicroTime | Scalar::Any)
        | Form::List(_) => Value::Null,
        Form::Map(map) if map.fields.is_empty() => Value::Null,
        Form::Map(map) => {
            let always = map.fields.iter().filter(|(_, f)| f.presence == Presence::Always);
            let fields = always.map(|(name, field)| {
                let value = if field.nullable { Value::Null } else { zero(types, field.ty) };
                (name.clone(), value)
            });
            Value::Object(fields.collect())
        }
    }
}

fn scalar_value(
    scalar: Scalar,
    value: &Value,
    path: &str,
    holder: &str,
) -> Result<Value, WrongType> {
    match (scalar, value) {
        (Scalar::Text | Scalar::Bytes, Value::String(_))
        | (Scalar::Boolean, Value::Bool(_))
        | (Scalar::IntOrString, Value::String(_))
        | (Scalar::Number, Value::Number(_))
        | (Scalar::Any, _) => Ok(value.clone()),
        (Scalar::Integer | Scalar::IntOrString, Value::Number(number)) => {
            let whole = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15);
            match (number.is_f64(), whole) {
                (false, _) => Ok(value.clone()),
                #[expect(clippy::cast_possible_truncation, reason = "whole and below 9e15")]
                (true, Some(whole)) => Ok(json!(whole as i64)),
                (true, None) => Err(wrong(value, path, holder, "int32")),
            }
        }
        (Scalar::Time | Scalar::MicroTime, Value::String(text)) => {
            time(text, scalar == Scalar::MicroTime).ok_or_else(|| WrongType {
                message: format!(
                    "parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse \
                     {text:?} as \"2006\""
                ),
            })
        }
        (Scalar::Quantity, Value::String(_) | Value::Number(_)) => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            quantity::canonical(&text).map(Value::String).ok_or_else(|| WrongType {
                message: "quantities must match the regular expression \
                          '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
                    .to_owned(),
            })
        }
        (scalar, value) => Err(wrong(value, path, holder, go_name(scalar))),
    }
}

/// A time as Go writes it: whole seconds, or six digits of them.
fn time(text: &str, micro: bool) -> Option<Value> {
    let at: jiff::Timestamp = text.parse().ok()?;
    if !micro {
        return Some(json!(jiff::Timestamp::from_second(at.as_second()).ok()?.to_string()));
    }
    Some(json!(at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()))
}

fn go_name(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Text | Scalar::Any => "string",
        Scalar::Integer | Scalar::IntOrString => "int32",
        Scalar::Number => "float64",
        Scalar::Boolean => "bool",
        Scalar::Quantity => "resource.Quantity",
        Scalar::Bytes => "[]uint8",
        Scalar::Time => "v1.Time",
        Scalar::MicroTime => "v1.MicroTime",
    }
}

fn wrong(value: &Value, path: &str, holder: &str, wanted: &str) -> WrongType {
    let got = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let holder = holder.rsplit('.').next().unwrap_or(holder);
    let plain: String =
        path.split('[').map(|part| part.split_once(']').map_or(part, |p| p.1)).collect();
    let message = format!(
        "json: cannot unmarshal {got} into Go struct field {holder}.{plain} of type {wanted}"
    );
    WrongType { message }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::builtin::BUILT_IN;

    fn trip(name: &str, value: &Value) -> (Result<Value, String>, Vec<String>) {
        let mut unknown = Vec::new();
        let out = round_trip(&BUILT_IN.types, BUILT_IN.ids[name], value, &mut unknown);
        (out.map_err(|wrong| wrong.message), unknown)
    }

    #[test]
    fn a_container_comes_back_as_go_writes_it() {
        let given = json!({"name": "web", "stdin": false, "command": [], "nonsense": 1,
            "resources": {"limits": {"cpu": "1000m", "memory": "1.5Gi"}},
            "env": [{"name": "A", "value": ""}]});
        let (out, unknown) = trip("core.v1.Container", &given);
        assert_eq!(
            out,
            Ok(json!({"name": "web", "env": [{"name": "A"}],
                "resources": {"limits": {"cpu": "1", "memory": "1536Mi"}}}))
        );
        assert_eq!(unknown, ["nonsense"]);
    }

    #[test]
    fn an_empty_deployment_shows_what_is_always_written() {
        let (out, _) = trip("apps.v1.Deployment", &json!({}));
        assert_eq!(
            out,
            Ok(json!({"metadata": {}, "status": {}, "spec": {"selector": null, "strategy": {},
                "template": {"metadata": {}, "spec": {"containers": null}}}}))
        );
    }

    #[test]
    fn times_lose_what_their_type_does_not_hold() {
        let given = json!({"metadata": {"creationTimestamp": "2026-01-01T01:00:00.5+01:00"},
            "spec": {"renewTime": "2026-01-01T00:00:00Z"}});
        let (out, _) = trip("coordination.v1.Lease", &given);
        assert_eq!(
            out,
            Ok(json!({"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"},
                "spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}}))
        );
    }

    #[test]
    fn a_wrong_type_is_named_as_go_names_it() {
        let (out, _) = trip("apps.v1.Deployment", &json!({"spec": {"replicas": "three"}}));
        assert_eq!(
            out,
            Err("json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas \
                 of type int32"
                .to_owned())
        );
    }
}
