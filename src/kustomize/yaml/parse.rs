//! Text to trees: documents, anchors, tags.
//!
//! Three doors, because the official program has three: resources and patches (`kio.FromBytes`),
//! the kustomization file (`sigs.k8s.io/yaml`), and a single document (go-yaml's decoder).

use std::borrow::Cow;

use super::error::YamlError;
use super::grammar;
use super::node::Dialect;
use super::node::FileId;
use super::node::Node;
use super::node::Place;
use super::text;

/// Reads a file of resources: one node a document, empty documents left out, `List` and
/// `ResourceList` unwrapped when they are the only document (kyaml: `kio.FromBytes`).
pub fn read_resources(bytes: &[u8], file: FileId) -> Result<Vec<Node>, YamlError> {
    read_resources_at(bytes, Place::made_by(file))
}

/// [`read_resources`] of text before which `start.line` lines stand in its file.
pub fn read_resources_at(bytes: &[u8], start: Place) -> Result<Vec<Node>, YamlError> {
    let file = start.file;
    let text = text::decode(bytes, file)?;
    let text = if text.contains("\r\n") { Cow::Owned(text.replace("\r\n", "\n")) } else { text };
    let chunks = text::split_documents(&text, file)?;
    let only_one = chunks.len() == 1;
    let mut output = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        let line = start.line.saturating_add(chunk.lines_before);
        let start = Place { file, line, column: 0 };
        // Each document is a stream of its own; `decode` took the first one's mark.
        let marked = chunk.text.strip_prefix('\u{FEFF}').filter(|_| chunk.lines_before > 0);
        let text = marked.unwrap_or(chunk.text);
        let Some(node) = parse_first(text, start, Dialect::V3)? else { continue };
        if node.is_null() {
            continue;
        }
        match only_one.then(|| list_items(&node)).flatten() {
            Some(items) => output.extend(items),
            None => output.push(node),
        }
    }
    Ok(output)
}

/// Items of a `List` or `ResourceList`; `None` for anything else.
fn list_items(node: &Node) -> Option<Vec<Node>> {
    let wraps = matches!(node.get("kind").and_then(Node::text), Some("List" | "ResourceList"));
    if !wraps || (node.get("items").is_none() && node.get("functionConfig").is_none()) {
        return None;
    }
    Some(node.get("items").and_then(Node::items).unwrap_or_default().to_vec())
}

/// Reads the first document of a kustomization file as `sigs.k8s.io/yaml` does: go-yaml v2's merge
/// order, and the last of several equal keys wins. `None` when the file holds none.
pub fn read_kustomization(bytes: &[u8], file: FileId) -> Result<Option<Node>, YamlError> {
    read_kustomization_at(bytes, Place::made_by(file))
}

/// [`read_kustomization`] of text before which `start.line` lines stand in its file.
pub fn read_kustomization_at(bytes: &[u8], start: Place) -> Result<Option<Node>, YamlError> {
    parse_first(&text::decode(bytes, start.file)?, start, Dialect::V2)
}

/// Reads the first document of `bytes` as go-yaml v3 does. `None` when there is none.
pub fn read_document(bytes: &[u8], file: FileId) -> Result<Option<Node>, YamlError> {
    parse_first(&text::decode(bytes, file)?, Place::made_by(file), Dialect::V3)
}

/// The first document of `text`; what follows it is not looked at. `start.line` lines stand before.
fn parse_first(text: &str, start: Place, dialect: Dialect) -> Result<Option<Node>, YamlError> {
    text::check_characters(text, start)?;
    grammar::first_document(text, start, dialect)
}
