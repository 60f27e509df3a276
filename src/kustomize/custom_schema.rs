//! A schema that a tree brings along: the file that `openapi.path` names.
//!
//! In: Swagger 2 as JSON or YAML. Out: merge keys, patch strategies and scopes by type, with
//! references followed. Upstream: `kyaml/openapi`.

use std::collections::BTreeMap;
use std::collections::HashMap;

use serde_json::Value;

/// Deepest chain of references that is followed before a definition counts as unknown.
const REFERENCES_MAX: usize = 64;

/// The definitions of one file.
#[derive(Debug, Default)]
pub(crate) struct CustomSchema {
    nodes: Vec<Definition>,
    types: HashMap<(String, String), usize>,
    scopes: HashMap<(String, String), bool>,
}

/// One schema object.
#[derive(Debug, Default)]
struct Definition {
    reference: Option<String>,
    target: Option<usize>,
    properties: BTreeMap<String, usize>,
    additional: Option<usize>,
    items: Option<usize>,
    strategy: Option<String>,
    keys: Vec<String>,
}

impl CustomSchema {
    /// Reads the definitions of `document`.
    pub(crate) fn new(document: &Value) -> Self {
        let mut schema = Self::default();
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
    pub(crate) fn of_type(&self, api_version: &str, kind: &str) -> Option<usize> {
        self.types.get(&(api_version.to_owned(), kind.to_owned())).copied()
    }

    /// Whether a type is namespaced, if this file tells.
    pub(crate) fn scope(&self, api_version: &str, kind: &str) -> Option<bool> {
        self.scopes.get(&(api_version.to_owned(), kind.to_owned())).copied()
    }

    fn resolve(&self, mut id: usize) -> Option<usize> {
        for _ in 0..REFERENCES_MAX {
            let node = self.nodes.get(id)?;
            if node.reference.is_none() {
                return Some(id);
            }
            id = node.target?;
        }
        None
    }

    pub(crate) fn field(&self, id: usize, name: &str) -> Option<usize> {
        let node = self.nodes.get(id)?;
        self.resolve(node.properties.get(name).copied().or(node.additional)?)
    }

    pub(crate) fn elements(&self, id: usize) -> Option<usize> {
        self.resolve(self.nodes.get(id)?.items?)
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
