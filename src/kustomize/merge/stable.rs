//! What a walk leaves alone: subtrees that only the object has, and that are in order.

use std::collections::HashSet;

use crate::kustomize::path;
use crate::kustomize::schema::Schema;
use crate::kustomize::schemas::Schemas;
use crate::kustomize::yaml::Node;
use crate::kustomize::yaml::Tag;

/// Whether walking `node` without a patch would change nothing. `false` may be said too often.
pub(super) fn is_stable(node: &Node, schema: Option<&Schema>, schemas: &Schemas) -> bool {
    if path::is_null(node) {
        return false; // a null may stay or go: the walk knows
    }
    if let Some(entries) = node.entries() {
        let found = match schema {
            Some(_) => None,
            None => own_schema(node, schemas),
        };
        let schema = schema.or(found.as_ref());
        return entries.iter().all(|entry| {
            let field = schema.and_then(|schema| schema.field(path::text(&entry.key)));
            let kept_null = path::is_null(&entry.value) && !path::text(&entry.value).is_empty();
            kept_null || is_stable(&entry.value, field.as_ref(), schemas)
        });
    }
    match (node.items(), schema) {
        (Some(items), Some(schema)) if schema.merges() => list_is_stable(items, schema, schemas),
        (Some(_), _) => true,
        (None, _) => !path::is_to_be_quoted(node),
    }
}

fn own_schema(node: &Node, schemas: &Schemas) -> Option<Schema> {
    let version = node.get("apiVersion").map(path::value_text)?;
    let kind = node.get("kind").map(path::value_text)?;
    if version.is_empty() || kind.is_empty() {
        return None;
    }
    schemas.of_type(version, kind)
}

/// All items have the same keys, with values that tell them apart.
fn list_is_stable(items: &[Node], schema: &Schema, schemas: &Schemas) -> bool {
    let (_, keys) = schema.strategy();
    let mut seen = HashSet::new();
    if keys.is_empty() {
        let fits =
            |item: &Node| item.is_scalar() && !path::is_null(item) && item.tag() != Tag::Unset;
        return items.iter().all(|item| fits(item) && seen.insert(vec![path::text(item)]));
    }
    let elements = schema.elements();
    let mut pattern: Option<Vec<bool>> = None;
    items.iter().all(|item| {
        if !item.is_mapping() {
            return false;
        }
        let row: Vec<&str> = keys
            .iter()
            .map(|key| item.get(key).map(path::value_text).unwrap_or_default())
            .collect();
        let own: Vec<bool> = row.iter().map(|value| !value.is_empty()).collect();
        let alike = pattern.get_or_insert_with(|| own.clone()) == &own;
        alike
            && own.contains(&true)
            && seen.insert(row)
            && is_stable(item, elements.as_ref(), schemas)
    })
}
