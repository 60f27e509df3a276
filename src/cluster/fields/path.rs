//! One step of a path into an object, in the notation of managed fields.
//!
//! | notation | step |
//! | --- | --- |
//! | `f:replicas` | the field of a map |
//! | `k:{"name":"web"}` | the item of a list whose keys are these |
//! | `v:"finalizer"` | the item of a list that is this value |
//! | `i:3` | the item of a list at this place |

use std::cmp::Ordering;

use serde_json::Value;

/// One step of a path.
#[derive(Clone, Debug)]
pub struct PathElement {
    /// The notation; its order is the order of steps.
    raw: Box<str>,
    step: Step,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field,
    Key(Box<[(Box<str>, Value)]>),
    Value(Value),
    Index(usize),
}

impl PartialEq for PathElement {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl Eq for PathElement {}

impl PartialOrd for PathElement {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PathElement {
    fn cmp(&self, other: &Self) -> Ordering {
        self.raw.cmp(&other.raw)
    }
}

impl PathElement {
    /// The field `name` of a map.
    pub fn field(name: &str) -> Self {
        Self { raw: format!("f:{name}").into(), step: Step::Field }
    }

    /// Reads the notation; `None` when it is not one of the four.
    pub fn parse(raw: &str) -> Option<Self> {
        let (kind, rest) = raw.split_once(':')?;
        let step = match kind {
            "f" => Step::Field,
            "k" => {
                let Value::Object(keys) = serde_json::from_str(rest).ok()? else { return None };
                Step::Key(keys.into_iter().map(|(key, value)| (key.into(), value)).collect())
            }
            "v" => Step::Value(serde_json::from_str(rest).ok()?),
            "i" => Step::Index(rest.parse().ok()?),
            _ => return None,
        };
        Some(Self { raw: raw.into(), step })
    }

    /// The notation.
    pub fn as_str(&self) -> &str {
        &self.raw
    }

    /// The name, when the step is into a field of a map.
    pub fn field_name(&self) -> Option<&str> {
        match self.step {
            Step::Field => self.raw.strip_prefix("f:"),
            _ => None,
        }
    }

    /// Whether the step is to an item that is its own value, so that it holds nothing more.
    pub(super) fn is_value(&self) -> bool {
        matches!(self.step, Step::Value(_))
    }

    /// What the step leads to in `value`; `null` counts as nothing.
    pub fn select<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        let found = match &self.step {
            Step::Field => value.get(self.field_name()?),
            Step::Key(keys) => value.as_array()?.iter().find(|item| {
                keys.iter().all(|(key, wanted)| {
                    item.get(&**key).is_some_and(|found| same_scalar(found, wanted))
                })
            }),
            Step::Value(wanted) => value.as_array()?.iter().find(|item| same_scalar(item, wanted)),
            Step::Index(index) => value.as_array()?.get(*index),
        };
        found.filter(|value| !value.is_null())
    }
}

/// Equal as API servers see it: numbers by value.
fn same_scalar(a: &Value, b: &Value) -> bool {
    a == b || a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| a == b)
}

/// A path as people write it: `spec.containers[name="web"].image`, `labels["a/b"]`.
pub fn path_text(path: &[PathElement]) -> String {
    let mut text = String::new();
    for element in path {
        match &element.step {
            Step::Field => {
                let name = element.field_name().unwrap_or_default();
                let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '$';
                if name.is_empty() || !name.chars().all(plain) {
                    text.push_str(&format!("[{}]", Value::from(name)));
                } else {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.push_str(name);
                }
            }
            Step::Key(keys) => {
                let parts: Vec<String> =
                    keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
                text.push_str(&format!("[{}]", parts.join(",")));
            }
            Step::Value(value) => text.push_str(&format!("[={value}]")),
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn steps_lead_into_objects() {
        let object = json!({
            "a/b": 1,
            "gone": null,
            "ports": [{"port": 80, "protocol": "UDP"}, {"port": 80, "protocol": "TCP", "x": 2}],
            "finalizers": ["one", "two"],
        });
        #[rustfmt::skip]
        let cases: &[(&[&str], &str, Option<Value>)] = &[
            (&["f:a/b"],                                        r#"["a/b"]"#,        Some(json!(1))),
            (&["f:gone"],                                       "gone",              None),
            (&["f:none"],                                       "none",              None),
            (&["f:ports", r#"k:{"port":80,"protocol":"TCP"}"#, "f:x"],
                                          r#"ports[port=80,protocol="TCP"].x"#,      Some(json!(2))),
            (&["f:ports", r#"k:{"port":80.0,"protocol":"TCP"}"#, "f:x"],
                                          r#"ports[port=80.0,protocol="TCP"].x"#,    Some(json!(2))),
            (&["f:ports", r#"k:{"port":81}"#],                  "ports[port=81]",    None),
            (&["f:finalizers", r#"v:"two""#],      r#"finalizers[="two"]"#,          Some(json!("two"))),
            (&["f:finalizers", "i:0"],                          "finalizers[0]",     Some(json!("one"))),
        ];
        for (raw, text, want) in cases {
            let path: Vec<PathElement> =
                raw.iter().map(|raw| PathElement::parse(raw).expect("valid")).collect();
            assert_eq!(&path_text(&path), text);
            let found = path.iter().try_fold(&object, |value, step| step.select(value));
            assert_eq!(found, want.as_ref(), "{text}");
        }
    }

    #[test]
    fn other_notations_are_refused() {
        for raw in ["", ".", "x:a", "k:[1]", "k:", "v:", "i:-1", "f"] {
            assert!(PathElement::parse(raw).is_none(), "{raw}");
        }
    }
}
