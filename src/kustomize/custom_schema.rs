//! A schema that a tree brings along: the file that `openapi.path` names.
//!
//! In: Swagger 2 as JSON or YAML. Out: merge keys, patch strategies and scopes by type, with
//! references followed, into the built-in schema too where upstream holds both. Upstream:
//! `kyaml/openapi`.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::schema;
use super::schema::Schema;

/// Deepest chain of references that is followed before a definition counts as unknown.
const REFERENCES_MAX: usize = 64;

/// Whether the built-in definitions hold beside those of a file: that depends on what upstream had
/// to look up before it met the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BuiltIn {
    /// Only the file's hold.
    #[default]
    Absent,
    /// Both hold; of equal names the built-in one.
    Wins,
    /// Both hold; of equal names the file's.
    Yields,
}

/// The definitions of one file.
#[derive(Debug, Default)]
pub(crate) struct CustomSchema {
    built_in: BuiltIn,
    nodes: Vec<Definition>,
    types: HashMap<(String, String), usize>,
    scopes: HashMap<(String, String), bool>,
}

/// One schema object.
#[derive(Debug, Default)]
struct Definition {
    reference: Option<String>,
    /// Where the reference leads within the file.
    target: Option<usize>,
    properties: BTreeMap<String, usize>,
    additional: Option<usize>,
    items: Option<usize>,
    strategy: Option<String>,
    keys: Vec<String>,
}

impl CustomSchema {
    /// Reads the definitions of `document`.
    pub(crate) fn new(document: &Value, built_in: BuiltIn) -> Self {
        let mut schema = Self { built_in, ..Self::default() };
        let mut by_reference = HashMap::new();
        let empty = serde_json::Map::new();
        let definitions = document.get("definitions").and_then(Value::as_object).unwrap_or(&empty);
        for (name, definition) in definitions {
            let id = schema.lower(definition);
            by_reference.insert(format!("#/definitions/{}", name.replace('/', "~1")), id);
            let types = definition.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
            for gvk in types.into_iter().flatten() {
                if let Some(meta) = type_of(gvk) {
                    schema.types.insert(meta, id);
                }
            }
        }
        for node in &mut schema.nodes {
            node.target = node.reference.as_ref().and_then(|r| by_reference.get(r).copied());
        }
        schema.find_scopes(document);
        schema
    }

    fn lower(&mut self, value: &Value) -> usize {
        let mut node = Definition {
            reference: value.get("$ref").and_then(Value::as_str).map(str::to_owned),
            strategy: text_of(value, "x-kubernetes-patch-strategy"),
            ..Definition::default()
        };
        let listed = value.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
        node.keys = match listed {
            Some(keys) => keys.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            None => text_of(value, "x-kubernetes-patch-merge-key").into_iter().collect(),
        };
        let properties = value.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            let id = self.lower(property);
            node.properties.insert(name.clone(), id);
        }
        if let Some(any) = value.get("additionalProperties").filter(|any| any.is_object()) {
            node.additional = Some(self.lower(any));
        }
        if let (Some("array"), Some(items)) =
            (value.get("type").and_then(Value::as_str), value.get("items"))
        {
            node.items = Some(self.lower(items));
        }
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// A type is namespaced when some path of its reads it below a namespace.
    fn find_scopes(&mut self, document: &Value) {
        let paths = document.get("paths").and_then(Value::as_object);
        for (path, item) in paths.into_iter().flatten() {
            let Some(get) = item.get("get") else { continue };
            let gvk = get.get("x-kubernetes-group-version-kind");
            let Some(meta) = gvk.and_then(type_of) else { continue };
            if path.contains("namespaces/{namespace}") {
                self.scopes.insert(meta, true);
            } else {
                self.scopes.entry(meta).or_insert(false);
            }
        }
    }

    /// The schema of a type.
    pub(crate) fn of_type(this: &Arc<Self>, api_version: &str, kind: &str) -> Option<Schema> {
        let own = this.types.get(&(api_version.to_owned(), kind.to_owned()));
        let own = || own.map(|id| Schema::Custom(Arc::clone(this), *id));
        this.chosen(own, || schema::built_in_type(api_version, kind))
    }

    /// The file's or the built-in one, whichever holds.
    fn chosen(
        &self,
        own: impl FnOnce() -> Option<Schema>,
        built_in: impl FnOnce() -> Option<Schema>,
    ) -> Option<Schema> {
        match self.built_in {
            BuiltIn::Absent => own(),
            BuiltIn::Wins => built_in().or_else(own),
            BuiltIn::Yields => own().or_else(built_in),
        }
    }

    /// Whether a type is namespaced, if this file tells.
    pub(crate) fn scope(&self, api_version: &str, kind: &str) -> Option<bool> {
        self.scopes.get(&(api_version.to_owned(), kind.to_owned())).copied()
    }

    fn resolve(this: &Arc<Self>, mut id: usize) -> Option<Schema> {
        for _ in 0..REFERENCES_MAX {
            let node = this.nodes.get(id)?;
            let Some(reference) = &node.reference else {
                return Some(Schema::Custom(Arc::clone(this), id));
            };
            let own = || node.target.map(|id| Schema::Custom(Arc::clone(this), id));
            let name = reference.strip_prefix("#/definitions/").unwrap_or_default();
            match this.chosen(own, || schema::built_in_definition(name))? {
                Schema::Custom(_, next) => id = next,
                built_in => return Some(built_in),
            }
        }
        None
    }

    /// The schema of a map's entry.
    pub(crate) fn field(this: &Arc<Self>, id: usize, name: &str) -> Option<Schema> {
        let node = this.nodes.get(id)?;
        Self::resolve(this, node.properties.get(name).copied().or(node.additional)?)
    }

    /// The schema of a list's items.
    pub(crate) fn elements(this: &Arc<Self>, id: usize) -> Option<Schema> {
        Self::resolve(this, this.nodes.get(id)?.items?)
    }

    pub(crate) fn strategy(&self, id: usize) -> (&str, Vec<&str>) {
        match self.nodes.get(id) {
            Some(Definition { strategy: Some(strategy), keys, .. }) => {
                (strategy, keys.iter().map(String::as_str).collect())
            }
            _ => ("", Vec::new()),
        }
    }
}

fn text_of(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned)
}

/// `apiVersion` and `kind` of a group-version-kind extension.
fn type_of(gvk: &Value) -> Option<(String, String)> {
    let version = text_of(gvk, "version")?;
    let api_version = match text_of(gvk, "group") {
        Some(group) if !group.is_empty() => format!("{group}/{version}"),
        _ => version,
    };
    Some((api_version, text_of(gvk, "kind")?))
}
