//! Filling plain types from YAML the way Go's JSON decoder fills structs.
//!
//! Keys match case-insensitively, null changes nothing, and the first mismatch is the error while
//! everything else is still read. A kustomization file is read strictly: unknown keys are errors
//! and a number is no string. Plugin configurations are read loosely, as `sigs.k8s.io/yaml` does.

use std::collections::BTreeMap;

use super::error::BuildError;
use super::error::ErrorKind;
use super::yaml::Dialect;
use super::yaml::Entry;
use super::yaml::Node;
use super::yaml::Place;
use super::yaml::Style;
use super::yaml::Value;

/// What a decoder must know, and the first thing that went wrong.
pub(crate) struct Decoder {
    dialect: Dialect,
    /// Unknown keys are errors.
    strict: bool,
    /// Numbers and booleans become strings where a string is wanted.
    coerce: bool,
    path: Vec<String>,
    error: Option<(BuildError, Place)>,
}

/// A type that can be filled from a node.
pub(crate) trait Decode: Default {
    /// Takes what `node` says; null is never passed.
    fn decode(&mut self, node: &Node, decoder: &mut Decoder);
    /// Takes null: slices, maps and pointers become nothing, all else stays.
    fn decode_null(&mut self) {}
}

impl Decoder {
    /// For kustomization files.
    pub(crate) fn strict() -> Self {
        Self { dialect: Dialect::V2, strict: true, coerce: false, path: Vec::new(), error: None }
    }

    /// For configuration files with unknown keys refused.
    pub(crate) fn strict_coercing() -> Self {
        Self { coerce: true, ..Self::strict() }
    }

    /// For configuration files read from text.
    pub(crate) fn loose() -> Self {
        Self { strict: false, coerce: true, ..Self::strict() }
    }

    /// For plugin configurations, which are objects of the build.
    pub(crate) fn object() -> Self {
        Self { dialect: Dialect::V3, ..Self::loose() }
    }

    /// Fills a value of type `T` whose Go name is `name`.
    pub(crate) fn read<T: Decode>(
        mut self,
        node: &Node,
        name: &str,
    ) -> Result<T, (BuildError, Place)> {
        let mut value = T::default();
        self.path.push(name.to_owned());
        self.fill(&mut value, node);
        match self.error {
            Some(error) => Err(error),
            None => Ok(value),
        }
    }

    pub(crate) fn fill<T: Decode>(&mut self, slot: &mut T, node: &Node) {
        match node.value(self.dialect) {
            Some(Value::Null) if node.is_scalar() => slot.decode_null(),
            _ => slot.decode(node, self),
        }
    }

    fn fail(&mut self, words: String, says: String, place: Place) {
        if self.error.is_none() {
            let kind = if words.starts_with("json: unknown field") {
                ErrorKind::UnknownField
            } else {
                ErrorKind::InvalidKustomization
            };
            self.error = Some((BuildError::new(kind, words).says(says), place));
        }
    }

    fn mismatch(&mut self, node: &Node, wanted: &str) {
        let found = self.json_type(node);
        let target = match self.path.split_first() {
            Some((owner, [])) => format!("Go value of type types.{owner}"),
            Some((owner, fields)) => {
                format!("Go struct field {owner}.{} of type {wanted}", fields.join("."))
            }
            None => format!("Go value of type {wanted}"),
        };
        let field = self.path.get(1..).unwrap_or_default().join(".");
        let wanted = match wanted {
            "string" => "text",
            "bool" => "true or false",
            "int" | "int64" => "a whole number",
            w if w.starts_with("[]") => "a list",
            _ => "a map",
        };
        self.fail(
            format!("json: cannot unmarshal {found} into {target}"),
            format!("`{field}` must be {wanted}, not {found}"),
            node.place(),
        );
    }

    fn json_type(&self, node: &Node) -> String {
        if node.is_mapping() {
            return "object".to_owned();
        }
        if node.is_sequence() {
            return "array".to_owned();
        }
        match node.value(self.dialect) {
            Some(Value::Bool(_)) => "bool".to_owned(),
            Some(Value::Int(_) | Value::Uint(_) | Value::Float(_)) => "number".to_owned(),
            _ => "string".to_owned(),
        }
    }

    /// The entries of a map in the order in which JSON has them.
    pub(crate) fn entries<'n>(&mut self, node: &'n Node, name: &str) -> Vec<&'n Entry> {
        let Some(entries) = node.entries() else {
            self.mismatch(node, name);
            return Vec::new();
        };
        in_json_order(entries)
    }

    /// The text of a key; in a kustomization file YAML 1.1 decides what that is.
    fn key(&self, key: &Node) -> String {
        match self.dialect {
            Dialect::V2 => key.kustomization_key(),
            Dialect::V3 => key.text().unwrap_or_default().to_owned(),
        }
    }

    pub(crate) fn enter(&mut self, name: &str) {
        self.path.push(name.to_owned());
    }

    pub(crate) fn leave(&mut self) {
        self.path.pop();
    }

    /// A key that no field has.
    pub(crate) fn unknown(&mut self, key: &Node, known: &[&str]) {
        if !self.strict {
            return;
        }
        let name = key.text().unwrap_or_default();
        let place = key.place();
        let hint = match nearest(name, known) {
            Some(near) => format!("unknown field `{name}`; did you mean `{near}`?"),
            None => format!("unknown field `{name}`"),
        };
        self.fail(format!("json: unknown field {name:?}"), hint, place);
    }
}

/// Entries in the order of their keys; the last of equal keys counts.
pub(crate) fn in_json_order(entries: &[Entry]) -> Vec<&Entry> {
    let mut sorted: Vec<&Entry> = entries.iter().rev().collect();
    sorted.sort_by_key(|entry| entry.key.text());
    sorted.dedup_by_key(|entry| entry.key.text());
    sorted
}

/// The known name that is closest to `name`, if any is close.
fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let lower = name.to_lowercase();
    let distances = known.iter().map(|&k| (distance(&lower, &k.to_lowercase()), k));
    distances.min().filter(|(d, _)| *d <= 1 + name.len() / 4).map(|(_, k)| k)
}

/// How many letters must be changed, added or dropped.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut corner = row.first().copied().unwrap_or_default();
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, y) in b.iter().enumerate() {
            let above = row.get(j + 1).copied().unwrap_or_default();
            let left = row.get(j).copied().unwrap_or_default();
            let best = (corner + usize::from(x != *y)).min(above + 1).min(left + 1);
            corner = above;
            if let Some(slot) = row.get_mut(j + 1) {
                *slot = best;
            }
        }
    }
    row.last().copied().unwrap_or_default()
}

/// The field among `known` that a key means: the same name, or the same but for case.
pub(crate) fn field_named<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    let exact = known.iter().find(|&&name| name == key);
    exact.or_else(|| known.iter().find(|name| name.eq_ignore_ascii_case(key))).copied()
}

impl Decode for String {
    fn decode(&mut self, node: &Node, decoder: &mut Decoder) {
        match (node.value(decoder.dialect), decoder.coerce) {
            _ if !node.is_scalar() => decoder.mismatch(node, "string"),
            (Some(Value::Str(text) | Value::Time(text)), _) => *self = (*text).to_owned(),
            (Some(Value::Bytes(bytes)), _) => *self = String::from_utf8_lossy(&bytes).into_owned(),
            (Some(Value::Bool(value)), true) => *self = value.to_string(),
            (Some(Value::Int(number)), true) => *self = number.to_string(),
            (Some(Value::Uint(number)), true) => *self = number.to_string(),
            (Some(Value::Float(number)), true) => *self = super::json::go_float(number),
            _ => decoder.mismatch(node, "string"),
        }
    }
}

impl Decode for bool {
    fn decode(&mut self, node: &Node, decoder: &mut Decoder) {
        match node.value(decoder.dialect) {
            Some(Value::Bool(value)) => *self = value,
            _ => decoder.mismatch(node, "bool"),
        }
    }
}

impl Decode for i64 {
    fn decode(&mut self, node: &Node, decoder: &mut Decoder) {
        match node.value(decoder.dialect) {
            Some(Value::Int(number)) => *self = number,
            Some(Value::Float(number)) if number.fract() == 0.0 && number.abs() < 9e18 => {
                *self = number as i64;
            }
            _ => decoder.mismatch(node, "int64"),
        }
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(&mut self, node: &Node, decoder: &mut Decoder) {
        let Some(items) = node.items() else { return decoder.mismatch(node, "[]string") };
        self.clear();
        for item in items {
            let mut value = T::default();
            decoder.fill(&mut value, item);
            self.push(value);
        }
    }

    fn decode_null(&mut self) {
        self.clear();
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(&mut self, node: &Node, decoder: &mut Decoder) {
        let mut value = self.take().unwrap_or_default();
        decoder.fill(&mut value, node);
        *self = Some(value);
    }

    fn decode_null(&mut self) {
        *self = None;
    }
}

impl Decode for BTreeMap<String, String> {
    fn decode(&mut self, node: &Node, decoder: &mut Decoder) {
        for entry in decoder.entries(node, "map[string]string") {
            let mut value = String::new();
            decoder.fill(&mut value, &entry.value);
            self.insert(decoder.key(&entry.key), value);
        }
    }

    fn decode_null(&mut self) {
        self.clear();
    }
}

/// A text and where it stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Located {
    pub(crate) text: String,
    pub(crate) place: Place,
    /// It is a block: its first line is the one below its place.
    pub(crate) is_block: bool,
}

impl Located {
    /// Where the text starts, for reading it: `line` lines of the file stand before it.
    pub(crate) fn start(&self) -> Place {
        let before =
            if self.is_block { self.place.line } else { self.place.line.saturating_sub(1) };
        Place { line: before, column: 0, ..self.place }
    }
}

impl Decode for Located {
    fn decode(&mut self, node: &Node, decoder: &mut Decoder) {
        self.place = node.place();
        self.is_block = matches!(node.style(), Style::Literal | Style::Folded);
        self.text.decode(node, decoder);
    }
}

/// Implements [`Decode`] for a struct: which key fills which field.
macro_rules! decode_fields {
    ($type:ty { $($key:literal => $($field:ident).+),* $(,)? }) => {
        impl $crate::kustomize::decode::Decode for $type {
            fn decode(
                &mut self,
                node: &$crate::kustomize::yaml::Node,
                decoder: &mut $crate::kustomize::decode::Decoder,
            ) {
                const KNOWN: &[&str] = &[$($key),*];
                for entry in decoder.entries(node, "object") {
                    let key = entry.key.text().unwrap_or_default();
                    match $crate::kustomize::decode::field_named(key, KNOWN) {
                        $(Some($key) => {
                            decoder.enter($key);
                            decoder.fill(&mut self.$($field).+, &entry.value);
                            decoder.leave();
                        })*
                        _ => decoder.unknown(&entry.key, KNOWN),
                    }
                }
            }
        }
    };
}
pub(crate) use decode_fields;
