//! Trees to and from JSON values, as kyaml converts them.

use serde_json::Map;
use serde_json::Number;
use serde_json::Value as Json;

use super::canonical;
use super::error::YamlError;
use super::node::Content;
use super::node::Dialect;
use super::node::Entry;
use super::node::Node;
use super::node::Place;
use super::node::Style;
use super::node::Tag;
use super::node::Value;
use super::number;
use super::order;
use super::scalar;

impl Node {
    /// The JSON of a resource (kyaml: `RNode.MarshalJSON`). Errors as [`super::to_yaml`], but for
    /// control characters, which JSON can hold.
    pub fn to_json(&self) -> Result<Json, YamlError> {
        if self.is_scalar() {
            let what = "a document that is neither map nor list";
            return Err(YamlError::NotJson { at: self.place(), what });
        }
        self.json_value(true, false)
    }

    fn json_value(&self, is_root: bool, around_flow: bool) -> Result<Json, YamlError> {
        let in_flow = around_flow || self.style() == Style::Flow;
        match self.content() {
            Content::Scalar(_) => self.json_scalar(around_flow),
            Content::Sequence(items) => items
                .iter()
                .map(|item| item.json_value(false, in_flow))
                .collect::<Result<_, _>>()
                .map(Json::Array),
            Content::Mapping(_) if self.is_hollow() => Ok(Json::Null),
            Content::Mapping(_) => {
                let mut map = Map::new();
                for (key, value) in canonical::raw_fields(self, is_root, in_flow)? {
                    map.insert(key.to_string(), value.json_value(false, in_flow)?);
                }
                Ok(Json::Object(map))
            }
        }
    }

    /// What a scalar means once the tree was written out and read back; `in_flow` says whether a
    /// list or map around it stands in brackets.
    pub(crate) fn rewritten(&self, in_flow: bool) -> Result<Value, YamlError> {
        canonical::value(self, in_flow)
    }

    fn json_scalar(&self, in_flow: bool) -> Result<Json, YamlError> {
        Ok(match canonical::value(self, in_flow)? {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(value),
            Value::Int(number) => Json::Number(number.into()),
            Value::Uint(number) => Json::Number(number.into()),
            Value::Float(float) => Json::Number(self.json_float(float)?),
            Value::Str(text) | Value::Time(text) => Json::String(text.to_string()),
            Value::Bytes(bytes) => Json::String(canonical::replace_invalid(&bytes)),
        })
    }

    /// A whole number is written without fraction, and so reads as an integer.
    fn json_float(&self, float: f64) -> Result<Number, YamlError> {
        let what = "an infinite or undefined number";
        let number =
            Number::from_f64(float).ok_or(YamlError::NotJson { at: self.place(), what })?;
        let digits = number::through_json(float);
        let whole = digits.parse::<i64>().map(Number::from);
        Ok(whole.or_else(|_| digits.parse::<u64>().map(Number::from)).unwrap_or(number))
    }

    /// The JSON of a kustomization file (`sigs.k8s.io/yaml`): YAML 1.1 booleans, times as text, the
    /// last of equal keys, keys of any scalar kind as text.
    pub fn to_kustomization_json(&self) -> Result<Json, YamlError> {
        match self.content() {
            Content::Sequence(items) => items
                .iter()
                .map(Node::to_kustomization_json)
                .collect::<Result<_, _>>()
                .map(Json::Array),
            Content::Mapping(entries) => {
                let mut map = Map::new();
                for entry in entries.iter() {
                    map.insert(v2_key(&entry.key)?, entry.value.to_kustomization_json()?);
                }
                Ok(Json::Object(map))
            }
            Content::Scalar(text) => match super::resolve::resolve(self, Dialect::V2)? {
                Value::Null => Ok(Json::Null),
                Value::Bool(value) => Ok(Json::Bool(value)),
                Value::Int(number) => Ok(Json::Number(number.into())),
                Value::Uint(number) => Ok(Json::Number(number.into())),
                Value::Float(float) => self.json_float(float).map(Json::Number),
                Value::Bytes(bytes) => Ok(Json::String(canonical::replace_invalid(&bytes))),
                Value::Str(_) | Value::Time(_) => Ok(Json::String(text.to_string())),
            },
        }
    }

    /// The text that this key has in the JSON of a kustomization file: `n` is `false` there.
    pub(crate) fn kustomization_key(&self) -> String {
        v2_key(self).unwrap_or_else(|_| self.text().unwrap_or_default().to_owned())
    }

    /// A tree with this content, every node at `place` (kyaml: `RNode.UnmarshalJSON`).
    ///
    /// Numbers go through 64-bit floats on this way: `1000000` gets the text `1e+06`, and digits
    /// beyond 2^53 are lost. Maps come out in printed order.
    pub fn from_json(json: &Json, place: Place) -> Self {
        let node = match json {
            Json::Null => Node::null(),
            Json::Bool(value) => Node::bool(*value),
            Json::Number(number) => from_number(number),
            Json::String(text) => from_string(text),
            Json::Array(items) => {
                Node::sequence(items.iter().map(|item| Self::from_json(item, place)).collect())
            }
            Json::Object(map) => {
                let fields = map.iter().collect();
                let entry = |(key, value): (&String, &Json)| Entry {
                    key: from_string(key).at(place),
                    value: Self::from_json(value, place),
                };
                Node::mapping(order::sorted(fields).into_iter().map(entry).collect())
            }
        };
        node.at(place)
    }
}

fn v2_key(key: &Node) -> Result<String, YamlError> {
    let wrong = || YamlError::NotJson { at: key.place(), what: "a key that is not a string" };
    match super::resolve::resolve(key, Dialect::V2).map_err(|_| wrong())? {
        Value::Null => Err(wrong()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Int(number) => Ok(number.to_string()),
        Value::Uint(_) => Err(wrong()),
        Value::Float(float) => Ok(number::key_text(float)),
        Value::Str(text) => Ok(text.to_string()),
        Value::Time(_) => Ok(key.text().unwrap_or_default().to_owned()),
        Value::Bytes(bytes) => Ok(canonical::replace_invalid(&bytes)),
    }
}

fn from_number(number: &Number) -> Node {
    let float = number.as_f64().unwrap_or_default();
    let text = number::shortest(float);
    let tag = if text.contains(['.', 'e']) { Tag::Float } else { Tag::Int };
    let mut node = Node::scalar(&text);
    node.set_tag(tag);
    node
}

fn from_string(text: &str) -> Node {
    let style = scalar::v3_style(text);
    let node = Node::string(text);
    if style == Style::Plain { node } else { node.styled(style) }
}
