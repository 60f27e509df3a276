//! Bodies in protobuf, which kubectl and Go clients send for built-in kinds.
//!
//! In: `k8s\0` and an envelope with the kind and the object's message. Out: the object as JSON.
//! Answers are JSON all the same: every such client accepts it.
//!
//! Pure. Facts: the field numbers recorded in `types.json`; `runtime.Unknown` in Kubernetes
//! `apimachinery`. Not here: what is done with the object.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::builtin::BUILT_IN;
use super::builtin::Numbered;
use super::schema::Form;
use super::schema::Scalar;
use super::schema::TypeId;

const MAGIC: &[u8] = b"k8s\0";

/// A field as it is on the wire.
enum Wire<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

/// Reads the fields of a message in order; `None` when it is cut or malformed.
fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Wire<'_>)>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let wire = match tag & 7 {
            0 => Wire::Number(varint(&mut bytes)?),
            1 => {
                let (number, rest) = bytes.split_first_chunk::<8>()?;
                bytes = rest;
                Wire::Number(u64::from_le_bytes(*number))
            }
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let data = bytes.get(..length)?;
                bytes = &bytes[length..];
                Wire::Bytes(data)
            }
            _ => return None,
        };
        found.push((tag >> 3, wire));
    }
    Some(found)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn text(bytes: &[u8]) -> Value {
    json!(String::from_utf8_lossy(bytes))
}

/// The object in an envelope; `ty` is the type that the request's path means, for bodies of which
/// the envelope says the same. `None` when the bytes are no such envelope.
pub(crate) fn decode(body: &[u8], type_of: impl Fn(&str, &str) -> Option<TypeId>) -> Option<Value> {
    let mut named = [String::new(), String::new()];
    let mut message: &[u8] = &[];
    for (number, wire) in fields(body.strip_prefix(MAGIC)?)? {
        match (number, wire) {
            (1, Wire::Bytes(kind)) => {
                for (number, wire) in fields(kind)? {
                    if let (1 | 2, Wire::Bytes(word)) = (number, wire) {
                        named[usize::from(number == 2)] =
                            String::from_utf8_lossy(word).into_owned();
                    }
                }
            }
            (2, Wire::Bytes(raw)) => message = raw,
            _ => {}
        }
    }
    let [version, kind] = named;
    let mut object = struct_value(type_of(&version, &kind)?, message)?;
    object["apiVersion"] = json!(version);
    object["kind"] = json!(kind);
    Some(object)
}

fn struct_value(ty: TypeId, message: &[u8]) -> Option<Value> {
    let mut entries = Map::new();
    fill(ty, message, &mut entries)?;
    Some(Value::Object(entries))
}

fn fill(ty: TypeId, message: &[u8], entries: &mut Map<String, Value>) -> Option<()> {
    let numbers = BUILT_IN.numbers.get(&ty)?;
    for (number, wire) in fields(message)? {
        match numbers.get(&number) {
            Some(Numbered::Inlined(inner)) => {
                let Wire::Bytes(data) = wire else { return None };
                fill(*inner, data, entries)?;
            }
            Some(Numbered::Field(name, field)) => put(*field, name, &wire, entries)?,
            None => {}
        }
    }
    Some(())
}

/// Puts one occurrence of a field; lists and maps have one for each item.
fn put(ty: TypeId, name: &str, wire: &Wire<'_>, entries: &mut Map<String, Value>) -> Option<()> {
    let described = BUILT_IN.types.get(ty);
    if let Some(list) = described.list.as_ref().filter(|_| !described.is_free()) {
        let item = value(list.item, wire)?;
        let slot = entries.entry(name.to_owned()).or_insert_with(|| json!([]));
        slot.as_array_mut()?.push(item);
        return Some(());
    }
    let element =
        described.map.as_ref().filter(|map| map.fields.is_empty() && !described.is_free());
    let Some(element) = element.and_then(|map| map.element) else {
        entries.insert(name.to_owned(), value(ty, wire)?);
        return Some(());
    };
    let Wire::Bytes(pair) = wire else { return None };
    let (mut key, mut inner) = (String::new(), None);
    for (number, wire) in fields(pair)? {
        match (number, wire) {
            (1, Wire::Bytes(bytes)) => key = String::from_utf8_lossy(bytes).into_owned(),
            (2, wire) => inner = Some(value(element, &wire)?),
            _ => {}
        }
    }
    let inner = inner.unwrap_or_else(|| json!(""));
    let slot = entries.entry(name.to_owned()).or_insert_with(|| json!({}));
    slot.as_object_mut()?.insert(key, inner);
    Some(())
}

fn value(ty: TypeId, wire: &Wire<'_>) -> Option<Value> {
    let described = BUILT_IN.types.get(ty);
    if described.is_free() {
        // Raw JSON in a message of its own.
        let Wire::Bytes(data) = wire else { return None };
        let raw = first_bytes(data, 1)?;
        return serde_json::from_slice(raw).ok();
    }
    match (described.form(None), wire) {
        (Form::Scalar(Scalar::Boolean), Wire::Number(number)) => Some(json!(*number != 0)),
        (Form::Scalar(Scalar::Number), Wire::Number(bits)) => Some(json!(f64::from_bits(*bits))),
        (Form::Scalar(_), Wire::Number(number)) => Some(json!(number.cast_signed())),
        (Form::Scalar(Scalar::Quantity), Wire::Bytes(data)) => {
            Some(first_bytes(data, 1).map_or_else(|| json!("0"), text))
        }
        (Form::Scalar(Scalar::IntOrString), Wire::Bytes(data)) => int_or_string(data),
        (Form::Scalar(Scalar::Time | Scalar::MicroTime), Wire::Bytes(data)) => time(data),
        (Form::Scalar(Scalar::Bytes), Wire::Bytes(data)) => {
            use base64::Engine;
            Some(json!(base64::engine::general_purpose::STANDARD.encode(data)))
        }
        (Form::Scalar(_), Wire::Bytes(data)) => Some(text(data)),
        (Form::Map(_), Wire::Bytes(data)) => struct_value(ty, data),
        (Form::List(_) | Form::Map(_), _) => None,
    }
}

fn first_bytes(message: &[u8], wanted: u64) -> Option<&[u8]> {
    fields(message)?.into_iter().find_map(|(number, wire)| match wire {
        Wire::Bytes(data) if number == wanted => Some(data),
        _ => None,
    })
}

fn number(message: &[u8], wanted: u64) -> i64 {
    let all = fields(message).unwrap_or_default();
    let found = all.into_iter().find_map(|(number, wire)| match wire {
        Wire::Number(found) if number == wanted => Some(found),
        _ => None,
    });
    found.unwrap_or(0).cast_signed()
}

/// `{1: which, 2: number, 3: text}`
fn int_or_string(message: &[u8]) -> Option<Value> {
    match number(message, 1) {
        0 => Some(json!(number(message, 2))),
        _ => Some(first_bytes(message, 3).map_or_else(|| json!(""), text)),
    }
}

/// `{1: seconds, 2: nanoseconds}`
fn time(message: &[u8]) -> Option<Value> {
    if message.is_empty() {
        return Some(Value::Null); // a time that was never set
    }
    let nanos = i32::try_from(number(message, 2)).ok()?;
    let at = jiff::Timestamp::new(number(message, 1), nanos).ok()?;
    Some(json!(at.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(number: u8, data: &[u8]) -> Vec<u8> {
        let length = u8::try_from(data.len()).expect("short test data");
        [&[number << 3 | 2, length], data].concat()
    }

    #[test]
    fn an_envelope_with_a_secret_is_read() {
        let metadata = bytes(1, &bytes(1, b"name"));
        let pair = bytes(2, &[bytes(1, b"key"), bytes(2, b"value")].concat());
        let kind = bytes(1, &[bytes(1, b"v1"), bytes(2, b"Secret")].concat());
        let body = [MAGIC, &kind, &bytes(2, &[metadata, pair].concat())].concat();
        let object = decode(&body, |version, kind| {
            assert_eq!((version, kind), ("v1", "Secret"));
            Some(BUILT_IN.ids["core.v1.Secret"])
        });
        let want = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "name"},
            "data": {"key": "dmFsdWU="}});
        assert_eq!(object, Some(want));
        assert_eq!(decode(&body[..12], |_, _| None), None);
        assert_eq!(decode(b"{}", |_, _| None), None);
    }
}
