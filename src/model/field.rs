//! Paths to fields of objects, as `.input … from "…"` writes them.
//!
//! In: text such as `spec.template.spec.containers[*].image`. Out: the scalars that an object has
//! there, each with its JSON pointer. `[*]` is each item of a list or each value of a map, `[0]`
//! one item, `['a.b/c']` a name that is no plain word.
//!
//! Pure. Cost: the fields on the way. Not here: which facts they become (`facts::declared`).

use serde_json::Value as Json;
use thiserror::Error;

use crate::model::pointer;

/// A path to fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name(Box<str>),
    Item(usize),
    Each,
}

/// Why a text is no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FieldPathError {
    /// There is nothing where a name should stand.
    #[error("a name is missing at byte {0}")]
    NoName(usize),
    /// A bracket holds none of the three forms.
    #[error("a bracket at byte {0} holds neither `*`, a number nor a quoted name")]
    Bracket(usize),
    /// Something stands between two steps.
    #[error("byte {0} is neither `.` nor `[`")]
    Between(usize),
}

impl FieldPath {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, FieldPathError> {
        let (mut steps, mut at) = (Vec::new(), 0);
        while at < text.len() || steps.is_empty() {
            let rest = &text[at..];
            if rest.starts_with('[') {
                let (step, end) = bracket(rest).ok_or(FieldPathError::Bracket(at))?;
                steps.push(step);
                at += end;
                continue;
            }
            if !steps.is_empty() {
                if !rest.starts_with('.') {
                    return Err(FieldPathError::Between(at));
                }
                at += 1;
            }
            let rest = &text[at..];
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let name = &rest[..end];
            if name.is_empty() || name.contains([']', '\'', '"', '*', ' ']) {
                return Err(FieldPathError::NoName(at));
            }
            steps.push(Step::Name(name.into()));
            at += end;
        }
        Ok(Self(steps))
    }

    /// The scalars of `object` that the path leads to, each with its JSON pointer.
    pub fn scalars<'a>(&self, object: &'a Json) -> Vec<(String, &'a Json)> {
        let mut found = Vec::new();
        walk(&self.0, object, &mut String::new(), &mut found);
        found
    }
}

/// The step in a bracket, and where the bracket ends.
fn bracket(text: &str) -> Option<(Step, usize)> {
    let inner = &text[1..];
    if let Some(quote) = inner.chars().next().filter(|quote| matches!(quote, '\'' | '"')) {
        let end = inner[1..].find(quote)?;
        let closed = inner[end + 2..].starts_with(']');
        return closed.then(|| (Step::Name(inner[1..=end].into()), end + 4));
    }
    let end = inner.find(']')?;
    let step = match &inner[..end] {
        "*" => Step::Each,
        number => Step::Item(number.parse().ok()?),
    };
    Some((step, end + 2))
}

fn walk<'a>(
    steps: &[Step],
    value: &'a Json,
    pointer: &mut String,
    found: &mut Vec<(String, &'a Json)>,
) {
    let Some((step, rest)) = steps.split_first() else {
        if matches!(value, Json::String(_) | Json::Number(_) | Json::Bool(_)) {
            found.push((pointer.clone(), value));
        }
        return;
    };
    let mut go = |name: &str, value: Option<&'a Json>| {
        let Some(value) = value else { return };
        let before = pointer.len();
        pointer.push('/');
        pointer.push_str(&pointer::escaped(name));
        walk(rest, value, pointer, found);
        pointer.truncate(before);
    };
    match (step, value) {
        (Step::Name(name), Json::Object(map)) => go(name, map.get(&**name)),
        (Step::Item(at), Json::Array(items)) => go(&at.to_string(), items.get(*at)),
        (Step::Each, Json::Array(items)) => {
            for (at, item) in items.iter().enumerate() {
                go(&at.to_string(), Some(item));
            }
        }
        (Step::Each, Json::Object(map)) => {
            map.iter().for_each(|(name, value)| go(name, Some(value)));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_to_scalars() {
        let object = json!({
            "spec": {
                "containers": [{"image": "a"}, {"name": "no image"}, {"image": "b"}],
                "replicas": 3,
                "nothing": null,
            },
            "metadata": {"annotations": {"a.b/c": "yes", "d~e": "f"}},
        });
        #[rustfmt::skip]
        let cases: &[(&str, &[(&str, Json)])] = &[
            ("spec.containers[*].image",      &[("/spec/containers/0/image", json!("a")),
                                                ("/spec/containers/2/image", json!("b"))]),
            ("spec.containers[2].image",      &[("/spec/containers/2/image", json!("b"))]),
            ("spec.replicas",                 &[("/spec/replicas", json!(3))]),
            ("metadata.annotations['a.b/c']", &[("/metadata/annotations/a.b~1c", json!("yes"))]),
            (r#"metadata["annotations"][*]"#, &[("/metadata/annotations/a.b~1c", json!("yes")),
                                                ("/metadata/annotations/d~0e", json!("f"))]),
            ("spec",                          &[]),
            ("spec.nothing",                  &[]),
            ("spec.containers.image",         &[]),
        ];
        for (text, want) in cases {
            let path = FieldPath::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let found = path.scalars(&object);
            let found: Vec<(&str, Json)> =
                found.iter().map(|(at, value)| (at.as_str(), (*value).clone())).collect();
            assert_eq!(&found, want, "{text}");
            for (pointer, value) in &found {
                assert_eq!(object.pointer(pointer), Some(value), "{text}");
            }
        }
    }

    #[test]
    fn other_texts_are_refused() {
        #[rustfmt::skip]
        let cases = [
            ("",          FieldPathError::NoName(0)),
            ("spec.",     FieldPathError::NoName(5)),
            ("a..b",      FieldPathError::NoName(2)),
            ("a b",       FieldPathError::NoName(0)),
            ("a[]",       FieldPathError::Bracket(1)),
            ("a[b]",      FieldPathError::Bracket(1)),
            ("a['b]",     FieldPathError::Bracket(1)),
            ("a['b'",     FieldPathError::Bracket(1)),
            ("a[*",       FieldPathError::Bracket(1)),
            ("a[0]b",     FieldPathError::Between(4)),
        ];
        for (text, want) in cases {
            assert_eq!(FieldPath::parse(text), Err(want), "{text}");
        }
    }
}
