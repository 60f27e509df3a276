//! Parser events to a tree: nesting, anchors and aliases, merge keys.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

use saphyr_parser::Event;
use saphyr_parser::ScalarStyle;

use super::error::YamlError;
use super::limits;
use super::merge;
use super::node::Data;
use super::node::Dialect;
use super::node::Entry;
use super::node::Node;
use super::node::Place;
use super::node::Style;
use super::node::Tag;
use super::resolve;

/// Longest text of a key that is kept once for all its uses in a document.
const SHARED_KEY_BYTES_MAX: usize = 64;

/// Takes events until a document is whole.
pub(super) struct Builder {
    dialect: Dialect,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    /// Nodes made so far, aliases spelt out.
    count: usize,
    /// How many nodes an anchor stands for.
    sizes: HashMap<usize, usize>,
    keys: HashSet<Arc<str>>,
    root: Option<Node>,
}

/// A list or map whose end has not come yet.
struct Open {
    node: Node,
    anchor: usize,
    content: Content,
    count_before: usize,
}

enum Content {
    Items(Vec<Node>),
    Entries(Vec<Entry>, Option<Node>),
}

type ParsedTag<'input> = Option<std::borrow::Cow<'input, saphyr_parser::Tag>>;

impl Builder {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            open: Vec::new(),
            anchors: HashMap::new(),
            count: 0,
            sizes: HashMap::new(),
            keys: HashSet::new(),
            root: None,
        }
    }

    /// Takes one event; returns the document when this event ends it.
    pub(super) fn take(
        &mut self,
        event: Event<'_>,
        place: Place,
    ) -> Result<Option<Node>, YamlError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let node = self.scalar(&text, style, &tag, place);
                self.count += 1;
                self.remember(anchor, &node, self.count - 1);
                self.add(node)?;
            }
            Event::Alias(id) => {
                let Some(node) = self.anchors.get(&id).cloned() else {
                    return Err(YamlError::Recursion { at: place });
                };
                self.count = self.count.saturating_add(self.sizes.get(&id).copied().unwrap_or(1));
                self.add(node)?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.start(anchor, &tag, Content::Items(Vec::new()), place)?;
            }
            Event::MappingStart(anchor, tag) => {
                self.start(anchor, &tag, Content::Entries(Vec::new(), None), place)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::DocumentEnd => return Ok(self.root.take()),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => {}
        }
        if self.count > limits::DOCUMENT_NODES_MAX {
            return Err(YamlError::Limit {
                at: place,
                name: "DOCUMENT_NODES_MAX",
                max: limits::DOCUMENT_NODES_MAX,
            });
        }
        Ok(None)
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: &ParsedTag<'_>,
        place: Place,
    ) -> Node {
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::SingleQuoted,
            ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
            ScalarStyle::Literal => Style::Literal,
            ScalarStyle::Folded => Style::Folded,
        };
        let explicit = explicit_tag(tag);
        let tag = match explicit {
            Some(tag) => tag,
            None if style != Style::Plain => Tag::Str,
            None if text == "<<" => Tag::Merge,
            None => resolve::plain(text, Tag::Unset, Dialect::V3).0,
        };
        let data = Data::Scalar(self.shared(text));
        Node { data, tag, style, tagged: explicit.is_some(), place }
    }

    /// Keys repeat from object to object: one allocation serves them all.
    fn shared(&mut self, text: &str) -> Arc<str> {
        let is_key =
            matches!(self.open.last().map(|open| &open.content), Some(Content::Entries(_, None)));
        if !is_key || text.len() > SHARED_KEY_BYTES_MAX {
            return text.into();
        }
        if let Some(known) = self.keys.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.keys.insert(Arc::clone(&new));
        new
    }

    fn start(
        &mut self,
        anchor: usize,
        tag: &ParsedTag<'_>,
        content: Content,
        place: Place,
    ) -> Result<(), YamlError> {
        if self.open.len() >= limits::DOCUMENT_DEPTH_MAX {
            return Err(YamlError::Limit {
                at: place,
                name: "DOCUMENT_DEPTH_MAX",
                max: limits::DOCUMENT_DEPTH_MAX,
            });
        }
        let mut node = match content {
            Content::Items(_) => Node::sequence(Vec::new()),
            Content::Entries(..) => Node::mapping(Vec::new()),
        };
        if let Some(explicit) = explicit_tag(tag) {
            node.tag = explicit;
            node.tagged = true;
        }
        node.place = place;
        self.open.push(Open { node, anchor, content, count_before: self.count });
        self.count += 1;
        Ok(())
    }

    fn end(&mut self) -> Result<(), YamlError> {
        let Some(mut open) = self.open.pop() else { return Ok(()) };
        open.node.data = match open.content {
            Content::Items(items) => Data::Sequence(Arc::new(items)),
            Content::Entries(entries, _) => {
                Data::Mapping(Arc::new(merge::expand(entries, self.dialect)?))
            }
        };
        self.remember(open.anchor, &open.node, open.count_before);
        self.add(open.node)
    }

    fn remember(&mut self, anchor: usize, node: &Node, count_before: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
            self.sizes.insert(anchor, self.count - count_before);
        }
    }

    /// Puts a finished node where it belongs.
    fn add(&mut self, node: Node) -> Result<(), YamlError> {
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::Items(items)) => items.push(node),
            Some(Content::Entries(entries, key)) => match key.take() {
                None => *key = Some(node),
                Some(key) => {
                    let mut value = node;
                    if value.place.line > key.place.line && value.text() == Some("") {
                        // An absent value has no place of its own: the parser names what follows.
                        value.place = key.place;
                    }
                    entries.push(Entry { key, value });
                }
            },
        }
        Ok(())
    }
}

/// The tag that is written out; `!` alone says nothing.
fn explicit_tag(tag: &ParsedTag<'_>) -> Option<Tag> {
    let tag = tag.as_ref()?;
    let whole = format!("{}{}", tag.handle, tag.suffix);
    if whole == "!" {
        return None;
    }
    Some(match whole.strip_prefix("tag:yaml.org,2002:").or(whole.strip_prefix("!!")) {
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
