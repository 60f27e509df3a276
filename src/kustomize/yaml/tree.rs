//! Builds a tree as the grammar finds its parts: nesting, anchors and aliases, merge keys.

use std::collections::HashMap;
use std::collections::HashSet;

use super::error::YamlError;
use super::limits;
use super::merge;
use super::node::Dialect;
use super::node::Entry;
use super::node::Node;
use super::node::Place;
use super::node::Style;
use super::node::Tag;
use super::node::Text;
use super::resolve;
use super::words;

/// What stands before a node's content.
#[derive(Default)]
pub(super) struct Properties {
    pub(super) anchor: Option<String>,
    pub(super) tag: Option<String>,
    pub(super) place: Place,
}

/// Takes the parts of a document in order.
pub(super) struct Builder {
    dialect: Dialect,
    open: Vec<Open>,
    anchors: HashMap<String, Anchor>,
    /// Nodes made so far, aliases spelt out.
    count: usize,
    /// Those of them that aliases brought.
    alias_count: usize,
    texts: HashSet<Text>,
    /// Items of all open lists, the outermost first: a list is made once its length is known.
    items: Vec<Node>,
    /// Entries of all open maps, likewise.
    entries: Vec<Entry>,
    root: Option<Node>,
}

/// What an anchor names.
enum Anchor {
    /// A list or map whose end has not come yet, and how deep it is.
    Open(usize),
    /// A node, and how many nodes it is made of.
    Whole(Node, usize),
}

/// A list or map whose end has not come yet.
struct Open {
    node: Node,
    anchor: Option<String>,
    content: Content,
    count_before: usize,
}

/// Where its items or entries begin among those of all that are open.
enum Content {
    Items(usize),
    /// And the key whose value comes next.
    Entries(usize, Option<Node>),
}

impl Builder {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            open: Vec::new(),
            anchors: HashMap::new(),
            count: 0,
            alias_count: 0,
            texts: HashSet::new(),
            items: Vec::new(),
            entries: Vec::new(),
            root: None,
        }
    }

    /// The document, when it is whole.
    pub(super) fn finish(&mut self) -> Option<Node> {
        self.root.take()
    }

    /// Adds a scalar.
    pub(super) fn scalar(
        &mut self,
        text: &str,
        style: Style,
        properties: Properties,
    ) -> Result<(), YamlError> {
        let Properties { anchor, tag, place } = properties;
        let explicit = match tag.as_deref() {
            // go-yaml v2 keeps this tag, and takes the text for a string.
            Some("!") if self.dialect == Dialect::V2 => Some(Tag::Custom),
            tag => tag.and_then(explicit_tag),
        };
        let tag = match explicit {
            Some(tag) => tag,
            None if style != Style::Plain => Tag::Str,
            None if text == "<<" => Tag::Merge,
            None => resolve::plain(text, Tag::Unset, self.dialect).0,
        };
        let mut node = Node::of_text(self.shared(text), tag).styled(style).at(place);
        node.set_tagged(explicit.is_some());
        self.count += 1;
        self.remember(anchor, &node, self.count - 1);
        self.add(node)
    }

    /// Keys, and short values too, repeat: one allocation serves all of a document, and one those
    /// that nearly every object has.
    fn shared(&mut self, text: &str) -> Text {
        if text.len() > words::SHARED_BYTES_MAX {
            return text.into();
        }
        if let Some(known) = words::well_known(text).or_else(|| self.texts.get(text)) {
            return known.clone();
        }
        let new: Text = text.into();
        self.texts.insert(new.clone());
        new
    }

    /// Adds what an anchor names.
    pub(super) fn alias(&mut self, anchor: &str, place: Place) -> Result<(), YamlError> {
        match self.anchors.get(anchor) {
            Some(Anchor::Whole(node, size)) => {
                self.count = self.count.saturating_add(*size);
                self.alias_count = self.alias_count.saturating_add(*size);
                let max = limits::alias_nodes_max(self.count);
                let counts = self.alias_count > limits::ALIAS_FREE_NODES
                    && self.count > limits::ALIAS_FREE_DOCUMENT;
                if counts && self.alias_count > max {
                    return Err(YamlError::Limit { at: place, name: "alias_nodes_max", max });
                }
                let node = node.clone();
                self.add(node)
            }
            Some(Anchor::Open(_)) => Err(YamlError::Recursion { at: place }),
            None => Err(YamlError::UnknownAnchor { at: place, anchor: anchor.to_owned() }),
        }
    }

    /// Opens a list.
    pub(super) fn start_sequence(
        &mut self,
        properties: Properties,
        is_flow: bool,
    ) -> Result<(), YamlError> {
        let content = Content::Items(self.items.len());
        self.start(properties, Node::sequence(Vec::new()), content, is_flow)
    }

    /// Opens a map.
    pub(super) fn start_mapping(
        &mut self,
        properties: Properties,
        is_flow: bool,
    ) -> Result<(), YamlError> {
        let content = Content::Entries(self.entries.len(), None);
        self.start(properties, Node::mapping(Vec::new()), content, is_flow)
    }

    fn start(
        &mut self,
        properties: Properties,
        mut node: Node,
        content: Content,
        is_flow: bool,
    ) -> Result<(), YamlError> {
        let Properties { anchor, tag, place } = properties;
        if self.open.len() >= limits::DOCUMENT_DEPTH_MAX {
            return Err(YamlError::Limit {
                at: place,
                name: "DOCUMENT_DEPTH_MAX",
                max: limits::DOCUMENT_DEPTH_MAX,
            });
        }
        if let Some(explicit) = tag.as_deref().and_then(explicit_tag) {
            node.set_tag(explicit);
            node.set_tagged(true);
        }
        node.set_place(place);
        node.set_style(if is_flow { Style::Flow } else { Style::Plain });
        if let Some(anchor) = &anchor {
            self.anchors.insert(anchor.clone(), Anchor::Open(self.open.len()));
        }
        self.open.push(Open { node, anchor, content, count_before: self.count });
        self.count += 1;
        Ok(())
    }

    /// Closes the innermost list or map.
    pub(super) fn end(&mut self) -> Result<(), YamlError> {
        let Some(mut open) = self.open.pop() else { return Ok(()) };
        match open.content {
            Content::Items(from) => {
                open.node.set_items(self.items.drain(from..).collect());
            }
            Content::Entries(from, _) => {
                let entries = self.entries.drain(from..).collect();
                let mut entries = merge::expand(entries, self.dialect)?;
                entries.shrink_to_fit();
                open.node.set_entries(entries);
            }
        }
        // An anchor of the same name inside has replaced this one.
        let depth_now = self.open.len();
        let is_current = |name: &String| {
            let anchor = self.anchors.get(name);
            matches!(anchor, Some(Anchor::Open(depth)) if *depth == depth_now)
        };
        let anchor = open.anchor.filter(is_current);
        self.remember(anchor, &open.node, open.count_before);
        self.add(open.node)
    }

    fn remember(&mut self, anchor: Option<String>, node: &Node, count_before: usize) {
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, Anchor::Whole(node.clone(), self.count - count_before));
        }
    }

    /// Puts a finished node where it belongs.
    fn add(&mut self, node: Node) -> Result<(), YamlError> {
        if self.count > limits::DOCUMENT_NODES_MAX {
            return Err(YamlError::Limit {
                at: node.place(),
                name: "DOCUMENT_NODES_MAX",
                max: limits::DOCUMENT_NODES_MAX,
            });
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::Items(_)) => self.items.push(node),
            Some(Content::Entries(_, key)) => match key.take() {
                None => *key = Some(node),
                Some(key) => {
                    let mut value = node;
                    if value.text() == Some("") && value.place().line > key.place().line {
                        // An absent value has no place of its own: the parser names what follows.
                        value.set_place(key.place());
                    }
                    self.entries.push(Entry { key, value });
                }
            },
        }
        Ok(())
    }
}

/// The tag that is written out; `!` alone says nothing.
fn explicit_tag(tag: &str) -> Option<Tag> {
    if tag == "!" {
        return None;
    }
    Some(match tag.strip_prefix("tag:yaml.org,2002:").or(tag.strip_prefix("!!")) {
        Some("null") => Tag::Null,
        Some("bool") => Tag::Bool,
        Some("int") => Tag::Int,
        Some("float") => Tag::Float,
        Some("str") => Tag::Str,
        Some("timestamp") => Tag::Timestamp,
        Some("binary") => Tag::Binary,
        Some("merge") => Tag::Merge,
        Some("map") => Tag::Map,
        Some("seq") => Tag::Seq,
        _ => Tag::Custom,
    })
}
