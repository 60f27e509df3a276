//! The content hash behind names of generated objects.
//!
//! The hash covers kind and data only: upstream looks for the name in a field that never exists.
//! Upstream: `api/hasher`.

use std::fmt::Write as _;

use sha2::Digest as _;
use sha2::Sha256;

use crate::kustomize::error::BuildError;
use crate::kustomize::error::ErrorKind;
use crate::kustomize::error::Result;
use crate::kustomize::json;
use crate::kustomize::path;
use crate::kustomize::plugin::Transformer;
use crate::kustomize::resmap::ResMap;
use crate::kustomize::resmap::shown;
use crate::kustomize::resource::Object;
use crate::kustomize::resource::annotation;
use crate::kustomize::yaml::Node;

/// Appends hashes to the names of the objects that want it.
#[derive(Clone, Debug, Default)]
pub(crate) struct HashTransformer;

impl Transformer for HashTransformer {
    fn transform(&mut self, map: &mut ResMap) -> Result<()> {
        if !map.objects().iter().any(|object| object.is_enabled(annotation::NEEDS_HASH)) {
            return Ok(());
        }
        for object in map.objects_mut() {
            if !object.is_enabled(annotation::NEEDS_HASH) {
                continue;
            }
            let hash = hash(object)?;
            object.store_previous_id()?;
            let name = format!("{}-{hash}", object.name());
            object.set_name(&name)?;
        }
        Ok(())
    }
}

fn hash(object: &Object) -> Result<String> {
    let node = object.node();
    let text = match object.kind() {
        "ConfigMap" => encode(node, "ConfigMap", &["data"], &["binaryData"], None)?,
        "Secret" => encode(node, "Secret", &["data"], &["stringData"], Some("type"))?,
        _ => {
            let words = format!("cannot hash `{}`", shown(object.id()));
            return Err(BuildError::new(ErrorKind::NotSupported, words)
                .advise("only ConfigMaps and Secrets may ask for a name suffix hash"));
        }
    };
    let digest = Sha256::digest(text.as_bytes());
    let mut hex = String::new();
    for byte in digest.iter().take(5) {
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(hex.chars().map(letter).collect())
}

/// Digits that could form words or be mistaken are replaced.
fn letter(digit: char) -> char {
    match digit {
        '0' => 'g',
        '1' => 'h',
        '3' => 'k',
        'a' => 'm',
        'e' => 't',
        other => other,
    }
}

/// The JSON that is hashed, keys in order.
fn encode(
    node: &Node,
    kind: &str,
    always: &[&str],
    if_map: &[&str],
    text: Option<&str>,
) -> Result<String> {
    let mut fields: Vec<(&str, String)> =
        vec![("kind", format!("{kind:?}")), ("name", "\"\"".into())];
    for &name in always {
        fields.push((name, value(node.get(name))?));
    }
    for &name in if_map {
        if node.get(name).is_some_and(Node::is_mapping) {
            fields.push((name, value(node.get(name))?));
        } else if node.get(name).is_some_and(Node::is_sequence) {
            fields.push((name, "null".to_owned()));
        }
    }
    if let Some(name) = text {
        fields.push((name, value(node.get(name))?));
    }
    fields.sort_unstable();
    let fields: Vec<String> =
        fields.into_iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
    Ok(format!("{{{}}}", fields.join(",")))
}

/// A field as JSON: maps as they are, scalars as their text, lists as null.
fn value(node: Option<&Node>) -> Result<String> {
    let mut out = String::new();
    match node {
        Some(map) if map.is_mapping() => json::write(map, &mut out)?,
        Some(list) if list.is_sequence() => out.push_str("null"),
        Some(scalar) => json::write_text(path::text(scalar), &mut out),
        None => out.push_str("\"\""),
    }
    Ok(out)
}
