//! Finding all nodes that a replacement's field path names, making what is missing when asked to.
//!
//! `[field=regex]` matches items by an unanchored expression on the written value, `*` matches
//! every item. What stands inside of a text is looked into but has no place in the tree.
//! Upstream: `kyaml/yaml/match.go`.

use super::emit;
use super::error::BuildError;
use super::error::ErrorKind;
use super::error::Result;
use super::path;
use super::path::Kind;
use super::path::element_parts;
use super::path::index_of;
use super::path::is_element;
use super::path::kind_before;
use super::selector;
use super::yaml::Entry;
use super::yaml::FileId;
use super::yaml::Node;
use super::yaml::read_document;

/// Positions from the root down to a node; `None` for one that is not part of the tree.
pub(crate) type At = Option<Vec<usize>>;

/// The places of all nodes that `parts` names.
pub(crate) fn find(node: &mut Node, parts: &[String], create: Option<Kind>) -> Result<Vec<At>> {
    let mut search = Search { create, found: Vec::new() };
    search.visit(node, parts, Some(Vec::new()))?;
    Ok(search.found)
}

/// The node at a place.
pub(crate) fn at_mut<'n>(node: &'n mut Node, at: &[usize]) -> Option<&'n mut Node> {
    at.iter().try_fold(node, |node, &i| {
        if node.is_mapping() {
            return node.entries_mut()?.get_mut(i).map(|entry| &mut entry.value);
        }
        node.items_mut()?.get_mut(i)
    })
}

struct Search {
    create: Option<Kind>,
    found: Vec<At>,
}

fn below(at: &At, i: usize) -> At {
    at.as_ref().map(|at| at.iter().copied().chain([i]).collect())
}

fn wrong(words: String) -> BuildError {
    BuildError::new(ErrorKind::InvalidReplacement, words)
}

impl Search {
    fn visit(&mut self, node: &mut Node, parts: &[String], at: At) -> Result<()> {
        let Some((part, rest)) = parts.split_first() else {
            self.found.push(at);
            return Ok(());
        };
        if let Some(index) = index_of(part) {
            return self.visit_index(node, index, rest, &at);
        }
        if is_element(part) {
            return self.visit_elements(node, part, rest, &at, true);
        }
        if part == "*" {
            path::expect_kind(node, Kind::Sequence)?;
            return node
                .items_mut()
                .into_iter()
                .flatten()
                .enumerate()
                .try_for_each(|(i, item)| self.visit(item, rest, below(&at, i)));
        }
        self.visit_field(node, part, rest, &at)
    }

    fn visit_field(&mut self, node: &mut Node, name: &str, rest: &[String], at: &At) -> Result<()> {
        let is_null = path::is_null(node);
        if !is_null {
            path::expect_kind(node, Kind::Mapping)?;
        }
        let mut index = if is_null { None } else { node.index_of(name) };
        if index.is_none() {
            let Some(last) = self.create else { return Ok(()) };
            let made = kind_before(rest.first().map(String::as_str), last).empty();
            if !node.is_mapping() {
                // Made beside the tree: found, without effect.
                let mut lost = made;
                return self.visit(&mut lost, rest, None);
            }
            index = node.push_entry(Entry::new(name, made));
        }
        let Some(index) = index else { return Ok(()) };
        let entry = node.entries_mut().and_then(|entries| entries.get_mut(index));
        let Some(field) = entry.map(|entry| &mut entry.value) else { return Ok(()) };
        if field.is_scalar() && !rest.is_empty() {
            let mut inner = parse_text(path::text(field))?;
            return self.visit(&mut inner, rest, None);
        }
        self.visit(field, rest, below(at, index))
    }

    fn visit_index(
        &mut self,
        node: &mut Node,
        index: usize,
        rest: &[String],
        at: &At,
    ) -> Result<()> {
        path::expect_kind(node, Kind::Sequence)?;
        let len = node.items().unwrap_or_default().len();
        if let (true, Some(last)) = (len == index, self.create) {
            node.push(kind_before(rest.first().map(String::as_str), last).empty());
        }
        let Some(item) = node.items_mut().and_then(|items| items.get_mut(index)) else {
            return Err(wrong(format!("index {index} specified but only {len} elements found")));
        };
        self.visit(item, rest, below(at, index))
    }

    fn visit_elements(
        &mut self,
        node: &mut Node,
        part: &str,
        rest: &[String],
        at: &At,
        may_create: bool,
    ) -> Result<()> {
        let (field, pattern) = element_parts(part)?;
        path::expect_kind(node, Kind::Sequence)?;
        let before = self.found.len();
        let mut regex = None;
        for (i, item) in node.items_mut().into_iter().flatten().enumerate() {
            if regex.is_none() {
                regex = Some(selector::compile(pattern)?);
            }
            let Some(regex) = &regex else { continue };
            let text = if field.is_empty() {
                emit::written(item)
            } else {
                match item.get(field) {
                    Some(value) if value.is_scalar() => emit::written(value),
                    Some(value) => emit::fragment(value),
                    None => continue,
                }
            };
            if !regex.is_match(text.trim()) {
                continue;
            }
            if field.is_empty() {
                self.found.push(below(at, i));
            } else {
                self.visit(item, rest, below(at, i))?;
            }
        }
        if self.found.len() > before || self.create.is_none() {
            return Ok(());
        }
        if !may_create {
            return Err(wrong(format!("failed to create element for {part:?}")));
        }
        node.push(path::element(field, pattern));
        self.visit_elements(node, part, rest, at, false)
    }
}

/// The document in a text. An empty one has no kind, so nothing is found in it.
pub(crate) fn parse_text(text: &str) -> Result<Node> {
    let parsed = read_document(text.as_bytes(), FileId::default())
        .map_err(|error| BuildError::of_yaml(ErrorKind::InvalidReplacement, "yaml: ", &error))?;
    parsed.ok_or_else(|| wrong("wrong node kind: expected MappingNode but got ".to_owned()))
}
