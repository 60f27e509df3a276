//! The node tree: what a document is made of.
//!
//! Each part knows its [`Place`]. Lists and maps sit behind an `Arc` and are copied when written
//! to, so cloning a document costs one counter and a change copies only the path to it. A node has
//! 24 bytes: large trees are made of little else.

use std::sync::Arc;

use super::words;

/// The text of a scalar, shared by all nodes that have it.
pub type Text = arcstr::ArcStr;

/// Names a file, or a step that makes nodes out of nothing, in a table that the caller keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// Where a node was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file.
    pub file: FileId,
    /// The line, from 1; 0 when the node was not read from text.
    pub line: u32,
    /// The column in characters, from 1; 0 when the node was not read from text.
    pub column: u32,
}

impl Place {
    /// A node that `file` made, not read from a line of it.
    pub fn made_by(file: FileId) -> Self {
        Self { file, line: 0, column: 0 }
    }
}

/// How a scalar, list or map was written. It decides the meaning of an untagged scalar only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Style {
    /// Plain scalar, or a block list or map.
    #[default]
    Plain,
    /// `'…'`
    SingleQuoted,
    /// `"…"`
    DoubleQuoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
    /// A list or map in brackets.
    Flow,
}

/// What a node says it is. The parser sets it from the text; edits may leave it [`Tag::Unset`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tag {
    /// Not said: a plain scalar is resolved by its text, a quoted one is a string.
    #[default]
    Unset,
    /// `!!null`
    Null,
    /// `!!bool`
    Bool,
    /// `!!int`
    Int,
    /// `!!float`
    Float,
    /// `!!str`
    Str,
    /// `!!timestamp`
    Timestamp,
    /// `!!binary`
    Binary,
    /// `!!merge`, the key `<<`
    Merge,
    /// `!!map`
    Map,
    /// `!!seq`
    Seq,
    /// Any other; the content is then a string, list or map as written.
    Custom,
}

/// Whose rules say what a plain scalar means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// go-yaml v3: resources and patches. `yes` and `on` are strings.
    V3,
    /// go-yaml v2 by way of `sigs.k8s.io/yaml`: the kustomization file. `yes` and `on` are
    /// booleans.
    V2,
}

/// What a scalar means.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer that fits 64 bits with sign.
    Int(i64),
    /// A larger one.
    Uint(u64),
    /// A floating-point number; may be infinite or not a number.
    Float(f64),
    /// A string.
    Str(Text),
    /// Decoded `!!binary` content; not always valid UTF-8.
    Bytes(Arc<[u8]>),
    /// A date or time; the text as `time.Time` prints it in JSON (RFC 3339);
    /// empty when it refuses to.
    Time(Text),
}

/// One entry of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key; nearly always a scalar.
    pub key: Node,
    /// The value.
    pub value: Node,
}

/// A scalar, list or map.
#[derive(Clone, Debug)]
pub struct Node {
    data: Data,
}

/// The three kinds of content, each with what all nodes have: that leaves no gaps.
#[derive(Clone, Debug)]
enum Data {
    Scalar(Head, Text),
    Sequence(Head, Arc<Vec<Node>>),
    Mapping(Head, Arc<Vec<Entry>>),
}

/// What all nodes have, without alignment of its own.
#[derive(Clone, Copy, Debug)]
struct Head {
    tag: Tag,
    style: Style,
    /// The tag was written out, as in `!!str 1`.
    tagged: bool,
    file: [u8; 4],
    line: [u8; 4],
    column: [u8; 4],
}

/// The content of a node.
#[derive(Debug, PartialEq)]
pub(super) enum Content<'n> {
    Scalar(&'n Text),
    Sequence(&'n [Node]),
    Mapping(&'n [Entry]),
}

const _: () = assert!(size_of::<Node>() == 24, "large trees are made of nodes");

/// Equal content, tag and style; the place does not count.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.tag() == other.tag()
            && self.style() == other.style()
            && self.content() == other.content()
    }
}

impl Node {
    fn head(&self) -> &Head {
        match &self.data {
            Data::Scalar(head, _) | Data::Sequence(head, _) | Data::Mapping(head, _) => head,
        }
    }

    fn head_mut(&mut self) -> &mut Head {
        match &mut self.data {
            Data::Scalar(head, _) | Data::Sequence(head, _) | Data::Mapping(head, _) => head,
        }
    }

    pub(super) fn content(&self) -> Content<'_> {
        match &self.data {
            Data::Scalar(_, text) => Content::Scalar(text),
            Data::Sequence(_, items) => Content::Sequence(items),
            Data::Mapping(_, entries) => Content::Mapping(entries),
        }
    }

    /// A plain scalar without tag: its text decides what it means, so `"1"` becomes a number.
    pub fn scalar(text: &str) -> Self {
        Self::of_text(text.into(), Tag::Unset)
    }

    /// A string, whatever its text looks like.
    pub fn string(text: &str) -> Self {
        Self::of_text(words::shared(text), Tag::Str)
    }

    /// A plain scalar with this tag.
    pub(super) fn of_text(text: Text, tag: Tag) -> Self {
        Self { data: Data::Scalar(Head::of(tag), text) }
    }

    /// An integer.
    pub fn int(number: i64) -> Self {
        Self::of_text(number.to_string().into(), Tag::Int)
    }

    /// A boolean.
    pub fn bool(value: bool) -> Self {
        let text = if value { arcstr::literal!("true") } else { arcstr::literal!("false") };
        Self::of_text(text, Tag::Bool)
    }

    /// `null`
    pub fn null() -> Self {
        Self::of_text(arcstr::literal!("null"), Tag::Null)
    }

    /// A list of `items`.
    pub fn sequence(items: Vec<Node>) -> Self {
        Self { data: Data::Sequence(Head::of(Tag::Seq), Arc::new(items)) }
    }

    /// A map of `entries`, in this order.
    pub fn mapping(entries: Vec<Entry>) -> Self {
        Self { data: Data::Mapping(Head::of(Tag::Map), Arc::new(entries)) }
    }

    /// The same node, written at `place`.
    pub fn at(mut self, place: Place) -> Self {
        self.set_place(place);
        self
    }

    /// The same node with another style.
    pub fn styled(mut self, style: Style) -> Self {
        self.set_style(style);
        self
    }

    /// Where it was written.
    pub fn place(&self) -> Place {
        self.head().place()
    }

    /// Its tag: explicit, or found from the text when it was parsed.
    pub fn tag(&self) -> Tag {
        self.head().tag
    }

    /// How it was written.
    pub fn style(&self) -> Style {
        self.head().style
    }

    /// Changes where it was written.
    pub fn set_place(&mut self, place: Place) {
        self.head_mut().set_place(place);
    }

    /// Changes its tag.
    pub fn set_tag(&mut self, tag: Tag) {
        let head = self.head_mut();
        head.tag = tag;
        head.tagged = false;
    }

    /// Whether its tag was written out.
    pub fn is_tagged(&self) -> bool {
        self.head().tagged
    }

    /// Changes whether its tag counts as written out.
    pub fn set_tagged(&mut self, tagged: bool) {
        self.head_mut().tagged = tagged;
    }

    /// Changes its style.
    pub fn set_style(&mut self, style: Style) {
        self.head_mut().style = style;
    }

    /// Sets the place of this node and of everything below it.
    pub fn set_places(&mut self, place: Place) {
        self.set_place(place);
        for item in self.items_mut().into_iter().flatten() {
            item.set_places(place);
        }
        for entry in self.entries_mut().into_iter().flatten() {
            entry.key.set_places(place);
            entry.value.set_places(place);
        }
    }

    /// The items of a list, to change.
    pub fn items_mut(&mut self) -> Option<&mut Vec<Node>> {
        match &mut self.data {
            Data::Sequence(_, items) => Some(Arc::make_mut(items)),
            _ => None,
        }
    }

    /// The entries of a map, to change.
    pub fn entries_mut(&mut self) -> Option<&mut Vec<Entry>> {
        match &mut self.data {
            Data::Mapping(_, entries) => Some(Arc::make_mut(entries)),
            _ => None,
        }
    }

    /// Makes this node a list of `items`; all else stays.
    pub(super) fn set_items(&mut self, items: Vec<Node>) {
        self.data = Data::Sequence(*self.head(), Arc::new(items));
    }

    /// Makes this node a map of `entries`; all else stays.
    pub(super) fn set_entries(&mut self, entries: Vec<Entry>) {
        self.data = Data::Mapping(*self.head(), Arc::new(entries));
    }

    /// Replaces a scalar's text; tag and style stay, so an `!!int` must stay a number.
    pub fn set_text(&mut self, text: &str) {
        self.data = Data::Scalar(*self.head(), text.into());
    }
}

impl Head {
    fn of(tag: Tag) -> Self {
        let zero = [0; 4];
        Self { tag, style: Style::Plain, tagged: false, file: zero, line: zero, column: zero }
    }

    fn place(&self) -> Place {
        Place {
            file: FileId(u32::from_ne_bytes(self.file)),
            line: u32::from_ne_bytes(self.line),
            column: u32::from_ne_bytes(self.column),
        }
    }

    fn set_place(&mut self, place: Place) {
        self.file = place.file.0.to_ne_bytes();
        self.line = place.line.to_ne_bytes();
        self.column = place.column.to_ne_bytes();
    }
}

impl Entry {
    /// An entry whose key is a plain scalar.
    pub fn new(key: &str, value: Node) -> Self {
        Self { key: Node::of_text(words::shared(key), Tag::Unset), value }
    }
}
