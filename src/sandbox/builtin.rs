//! Built-in kinds: what `schemas/kubernetes/` records of them, read once.
//!
//! In: `kinds.json`, `types.json`, `defaults.json`, `columns.json`, written by the program in
//! `schemas/kubernetes/record`. Out: an arena of types, the kinds, their defaults and columns.
//!
//! Cost: about 140 KB of JSON, once per process. Not here: what the server computes instead of
//! filling it in (`defaults.rs`, `prepare.rs`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;

use super::schema::Field;
use super::schema::List;
use super::schema::MapShape;
use super::schema::Presence;
use super::schema::Relation;
use super::schema::Scalar;
use super::schema::Strategy;
use super::schema::Type;
use super::schema::TypeId;
use super::schema::Types;

const KINDS: &str = include_str!("../../schemas/kubernetes/kinds.json");
const TYPES: &str = include_str!("../../schemas/kubernetes/types.json");
const DEFAULTS: &str = include_str!("../../schemas/kubernetes/defaults.json");
const COLUMNS: &str = include_str!("../../schemas/kubernetes/columns.json");

/// A built-in kind as recorded.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Recorded {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) resource: String,
    pub(crate) singular: String,
    pub(crate) namespaced: bool,
    #[serde(default)]
    pub(crate) short_names: Vec<String>,
    #[serde(default)]
    pub(crate) categories: Vec<String>,
    pub(crate) verbs: Vec<String>,
    /// Name to `group/version/kind` (empty parts: the kind itself) followed by verbs.
    #[serde(default)]
    pub(crate) subresources: BTreeMap<String, Vec<String>>,
    #[serde(rename = "type")]
    pub(crate) type_name: String,
}

/// A column: name, type, format, priority.
pub(crate) type Column = (String, String, String, i64);

/// What a number means in a protobuf message.
#[derive(Clone, Debug)]
pub(crate) enum Numbered {
    /// A field: its name and type.
    Field(String, TypeId),
    /// A message whose fields are those of the message around it.
    Inlined(TypeId),
}

/// All that is recorded.
pub(crate) struct BuiltIn {
    pub(crate) kinds: Vec<Recorded>,
    pub(crate) types: Arc<Types>,
    pub(crate) ids: BTreeMap<String, TypeId>,
    /// Fields of each type by their number in protobuf.
    pub(crate) numbers: BTreeMap<TypeId, BTreeMap<u64, Numbered>>,
    /// By type name, or by `group/version/Kind:path` where a place differs from its type.
    pub(crate) defaults: BTreeMap<String, Map<String, Value>>,
    /// By `group/Kind`.
    pub(crate) columns: BTreeMap<String, Vec<Column>>,
}

/// The built-in kinds of the recorded version.
pub(crate) static BUILT_IN: LazyLock<BuiltIn> = LazyLock::new(|| {
    let recorded: BTreeMap<String, BTreeMap<String, String>> = read("types.json", TYPES);
    let (types, ids) = read_types(&recorded);
    let numbers = read_numbers(&recorded, &types, &ids);
    BuiltIn {
        kinds: read("kinds.json", KINDS),
        types: Arc::new(types),
        ids,
        numbers,
        defaults: read("defaults.json", DEFAULTS),
        columns: read("columns.json", COLUMNS),
    }
});

fn read<T: serde::de::DeserializeOwned>(name: &str, text: &str) -> T {
    match serde_json::from_str(text) {
        Ok(read) => read,
        Err(error) => unreachable!("schemas/kubernetes/{name} is compiled in and tested: {error}"),
    }
}

/// The prefixes of OpenAPI names that the recorded short names stand for.
const PREFIXES: &[(&str, &str)] = &[
    ("meta.v1.", "io.k8s.apimachinery.pkg.apis.meta.v1."),
    ("apiextensions.v1.", "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."),
    ("apiregistration.v1.", "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1."),
];

/// The name that OpenAPI documents use for a recorded type.
pub(crate) fn open_api_name(short: &str) -> String {
    let known = PREFIXES
        .iter()
        .find_map(|(prefix, full)| short.strip_prefix(prefix).map(|rest| format!("{full}{rest}")));
    known.unwrap_or_else(|| match short.starts_with("io.k8s.") {
        true => short.to_owned(),
        false => format!("io.k8s.api.{short}"),
    })
}

type Ids = BTreeMap<String, TypeId>;

fn read_types(recorded: &BTreeMap<String, BTreeMap<String, String>>) -> (Types, Ids) {
    let mut types = Types::new();
    let ids: Ids = recorded.keys().map(|name| (name.clone(), types.add(Type::default()))).collect();
    for (name, fields) in recorded {
        let mut map = MapShape { atomic: fields.contains_key("*"), ..MapShape::default() };
        for (field, words) in fields.iter().filter(|(field, _)| !field.starts_with(['*', '@'])) {
            let described = read_field(words, &ids, &mut types);
            map.fields.insert(field.clone(), described);
        }
        let ty = Type { name: Some(name.clone()), map: Some(map), ..Type::default() };
        types.set(ids[name], ty);
    }
    (types, ids)
}

fn read_numbers(
    recorded: &BTreeMap<String, BTreeMap<String, String>>,
    types: &Types,
    ids: &Ids,
) -> BTreeMap<TypeId, BTreeMap<u64, Numbered>> {
    let mut numbers = BTreeMap::new();
    for (name, fields) in recorded {
        let ty = ids[name];
        let known = types.get(ty).map.as_ref().map(|map| &map.fields);
        let mut here = BTreeMap::new();
        for (field, words) in fields {
            let inlined = field.strip_prefix('@').and_then(|number| number.parse().ok());
            let inner = words.strip_prefix('#').and_then(|inner| ids.get(inner));
            if let (Some(number), Some(inner)) = (inlined, inner) {
                here.insert(number, Numbered::Inlined(*inner));
            }
            let number = words.split(' ').find_map(|word| word.strip_prefix("pb=")?.parse().ok());
            let described = known.and_then(|known| known.get(field));
            if let (Some(number), Some(described)) = (number, described) {
                here.insert(number, Numbered::Field(field.clone(), described.ty));
            }
        }
        numbers.insert(ty, here);
    }
    numbers
}

/// Reads `[]#core.v1.Container required map=name merge=name`.
fn read_field(text: &str, ids: &Ids, types: &mut Types) -> Field {
    let mut words = text.split(' ');
    let expression = words.next().unwrap_or_default();
    let mut field = Field {
        ty: Types::FREE,
        default: None,
        presence: Presence::Always,
        required: false,
        strategy: Strategy::default(),
        nullable: false,
    };
    let mut relation = None;
    let mut atomic = false;
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match (name, value) {
            ("omit", _) => field.presence = Presence::NonZero,
            ("optional", _) => field.presence = Presence::Set,
            ("nullable", _) => field.nullable = true,
            ("required", _) => field.required = true,
            ("atomic", _) => atomic = true,
            ("set", _) => relation = Some(Relation::Set),
            ("map", keys) => {
                relation = Some(Relation::Keyed(keys.split(',').map(str::to_owned).collect()));
            }
            ("merge", key) => {
                field.strategy.merge = true;
                field.strategy.key = Some(key.to_owned()).filter(|key| !key.is_empty());
            }
            ("retainkeys", _) => field.strategy.retain_keys = true,
            ("replace", _) => field.strategy.replace = true,
            ("default", json) => field.default = serde_json::from_str(json).ok(),
            _ => {}
        }
    }
    let merged = field.strategy.merge.then(|| match &field.strategy.key {
        Some(key) => Relation::Keyed(vec![key.clone()]),
        None => Relation::Set,
    });
    let relation = if atomic { None } else { relation.or(merged) };
    field.ty = read_expression(expression, relation, atomic, ids, types);
    field
}

fn read_expression(
    text: &str,
    relation: Option<Relation>,
    atomic: bool,
    ids: &Ids,
    types: &mut Types,
) -> TypeId {
    if let Some(name) = text.strip_prefix('#') {
        return match atomic {
            false => ids[name],
            true => types.atomic(ids[name]),
        };
    }
    if let Some(item) = text.strip_prefix("[]") {
        let item = read_expression(item, None, false, ids, types);
        let list = List { item, relation: relation.unwrap_or(Relation::Atomic) };
        return types.add(Type { list: Some(list), ..Type::default() });
    }
    if let Some(element) = text.strip_prefix("{}") {
        let element = Some(read_expression(element, None, false, ids, types));
        let map = MapShape { element, atomic, ..MapShape::default() };
        return types.add(Type { map: Some(map), ..Type::default() });
    }
    let scalar = match text {
        "string" => Scalar::Text,
        "int" => Scalar::Integer,
        "float" => Scalar::Number,
        "bool" => Scalar::Boolean,
        "bytes" => Scalar::Bytes,
        "quantity" => Scalar::Quantity,
        "int-or-string" => Scalar::IntOrString,
        "time" => Scalar::Time,
        "microtime" => Scalar::MicroTime,
        _ => return Types::FREE,
    };
    types.add(Type::scalar(scalar))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recorded_type_is_read() {
        let known = &*BUILT_IN;
        assert!(known.kinds.len() > 60, "{}", known.kinds.len());
        for kind in &known.kinds {
            assert!(known.ids.contains_key(&kind.type_name), "{}", kind.type_name);
        }
    }

    #[test]
    fn list_keys_and_their_defaults_are_known() {
        let known = &*BUILT_IN;
        let deployment = known.ids["apps.v1.Deployment"];
        let path = ["spec", "template", "spec", "containers", "*", "ports"];
        let ports = known.types.at(deployment, &path).expect("a field of every container");
        let list = known.types.get(ports).list.as_ref().expect("ports are a list");
        let keys = vec!["containerPort".to_owned(), "protocol".to_owned()];
        assert_eq!(list.relation, Relation::Keyed(keys));
        let port = known.types.get(list.item).map.as_ref().expect("a port is a struct");
        assert_eq!(port.fields["protocol"].default, Some(Value::from("TCP")));
    }

    #[test]
    fn names_of_open_api_are_restored() {
        assert_eq!(open_api_name("core.v1.Pod"), "io.k8s.api.core.v1.Pod");
        assert_eq!(
            open_api_name("meta.v1.ObjectMeta"),
            "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
        );
    }
}
