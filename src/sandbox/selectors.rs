//! Label and field selectors.
//!
//! In: the text of `labelSelector` or `fieldSelector`. Out: whether an object matches, or what is
//! wrong with the text.
//!
//! Pure. Fields: `metadata.name` and `metadata.namespace` for all kinds, any scalar path for
//! built-in kinds (the real server allows a few of them for each kind).

use serde_json::Value;

/// A parsed pair of selectors.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    labels: Vec<LabelRule>,
    fields: Vec<(String, bool, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum LabelRule {
    Exists(String),
    Absent(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
}

impl Selector {
    /// Reads both selectors.
    pub(crate) fn parse(labels: &str, fields: &str) -> Result<Self, String> {
        let labels = split_top(labels)
            .into_iter()
            .map(|rule| label_rule(rule.trim()))
            .collect::<Result<Vec<_>, _>>()?;
        let fields = fields
            .split(',')
            .filter(|term| !term.is_empty())
            .map(field_rule)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { labels, fields })
    }

    /// Selects one name as well.
    pub(crate) fn only_name(&mut self, name: &str) {
        self.fields.push(("metadata.name".to_owned(), true, name.to_owned()));
    }

    /// Whether everything matches.
    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Names of the fields that are selected on.
    pub(crate) fn field_names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _, _)| name.as_str())
    }

    /// Whether `object` matches.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        let label = |key: &str| {
            object.pointer("/metadata/labels").and_then(|labels| labels.get(key)?.as_str())
        };
        let labels = self.labels.iter().all(|rule| match rule {
            LabelRule::Exists(key) => label(key).is_some(),
            LabelRule::Absent(key) => label(key).is_none(),
            LabelRule::In(key, values) => {
                label(key).is_some_and(|value| values.iter().any(|one| one == value))
            }
            LabelRule::NotIn(key, values) => {
                label(key).is_none_or(|value| values.iter().all(|one| one != value))
            }
        });
        labels
            && self.fields.iter().all(|(path, equal, wanted)| {
                let found = path.split('.').try_fold(object, |at, step| at.get(step));
                let found = match found {
                    Some(Value::String(text)) => text.clone(),
                    Some(Value::Null) | None => String::new(),
                    Some(other) => other.to_string(),
                };
                (found == *wanted) == *equal
            })
    }
}

/// Splits at commas outside parentheses.
fn split_top(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let parts = text.split(|c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.filter(|part| !part.trim().is_empty()).collect()
}

fn label_rule(rule: &str) -> Result<LabelRule, String> {
    let wrong = || match rule.split_once(' ') {
        Some((_, rest)) => format!(
            "unable to parse requirement: found '{}', expected: in, notin, =, ==, !=, gt, lt",
            rest.trim()
        ),
        None => format!("unable to parse requirement: found '{rule}'"),
    };
    let key = |text: &str| {
        let text = text.trim();
        let fits = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
        if fits && !text.is_empty() { Ok(text.to_owned()) } else { Err(wrong()) }
    };
    let values = |text: &str| -> Result<Vec<String>, String> {
        let inner = text.trim().strip_prefix('(').and_then(|text| text.strip_suffix(')'));
        Ok(inner.ok_or_else(wrong)?.split(',').map(|value| value.trim().to_owned()).collect())
    };
    if let Some((name, list)) = rule.split_once(" notin ").or_else(|| rule.split_once(" notin(")) {
        let list =
            if list.trim_start().starts_with('(') { list.to_owned() } else { format!("({list}") };
        return Ok(LabelRule::NotIn(key(name)?, values(&list)?));
    }
    if let Some((name, list)) = rule.split_once(" in ").or_else(|| rule.split_once(" in(")) {
        let list =
            if list.trim_start().starts_with('(') { list.to_owned() } else { format!("({list}") };
        return Ok(LabelRule::In(key(name)?, values(&list)?));
    }
    if let Some((name, value)) = rule.split_once("!=") {
        return Ok(LabelRule::NotIn(key(name)?, vec![value.trim().to_owned()]));
    }
    if let Some((name, value)) = rule.split_once("==").or_else(|| rule.split_once('=')) {
        return Ok(LabelRule::In(key(name)?, vec![value.trim().to_owned()]));
    }
    match rule.strip_prefix('!') {
        Some(name) => Ok(LabelRule::Absent(key(name)?)),
        None => Ok(LabelRule::Exists(key(rule)?)),
    }
}

fn field_rule(term: &str) -> Result<(String, bool, String), String> {
    let (name, equal, value) = if let Some((name, value)) = term.split_once("!=") {
        (name, false, value)
    } else if let Some((name, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        (name, true, value)
    } else {
        return Err(format!("invalid selector: '{term}'; can't understand '{term}'"));
    };
    Ok((name.to_owned(), equal, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_and_fields_select() {
        let object = json!({"metadata": {"name": "a", "labels": {"app": "web", "tier": "1"}},
            "status": {"phase": "Active"}});
        #[rustfmt::skip]
        let cases = [
            ("", "", true),
            ("app=web", "", true),
            ("app==web,tier!=2", "", true),
            ("app in (web,api)", "", true),
            ("app notin (web)", "", false),
            ("!app", "", false),
            ("missing", "", false),
            ("!missing", "", true),
            ("missing!=x", "", true),
            ("", "metadata.name=a", true),
            ("", "metadata.name!=a", false),
            ("app", "metadata.name=b", false),
            ("", "status.phase=Active", true),
        ];
        for (labels, fields, want) in cases {
            let selector = Selector::parse(labels, fields).expect("a valid selector");
            assert_eq!(selector.matches(&object), want, "{labels} {fields}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Selector::parse("a b", "").is_err());
        assert!(Selector::parse("", "metadata.name").is_err());
    }
}
