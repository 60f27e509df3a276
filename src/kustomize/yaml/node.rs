//! The node tree: what a document is made of.
//!
//! Each part knows its [`Place`]. Lists and maps sit behind an `Arc` and are copied when written
//! to, so cloning a document costs one counter and a change copies only the path to it.

use std::sync::Arc;

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
    Str(Arc<str>),
    /// Decoded `!!binary` content; not always valid UTF-8.
    Bytes(Arc<[u8]>),
    /// A date or time; the text as `time.Time` prints it in JSON (RFC 3339);
    /// empty when it refuses to.
    Time(Arc<str>),
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
    pub(super) data: Data,
    pub(super) tag: Tag,
    pub(super) style: Style,
    /// The tag was written out, as in `!!str 1`.
    pub(super) tagged: bool,
    pub(super) place: Place,
}

/// The three kinds of content.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Data {
    Scalar(Arc<str>),
    Sequence(Arc<Vec<Node>>),
    Mapping(Arc<Vec<Entry>>),
}

/// Equal content, tag and style; the place does not count.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.tag == other.tag && self.style == other.style && self.data == other.data
    }
}

impl Node {
    fn made(data: Data, tag: Tag) -> Self {
        Self { data, tag, style: Style::Plain, tagged: false, place: Place::default() }
    }

    /// A plain scalar without tag: its text decides what it means, so `"1"` becomes a number.
    pub fn scalar(text: &str) -> Self {
        Self::made(Data::Scalar(text.into()), Tag::Unset)
    }

    /// A string, whatever its text looks like.
    pub fn string(text: &str) -> Self {
        Self::made(Data::Scalar(text.into()), Tag::Str)
    }

    /// An integer.
    pub fn int(number: i64) -> Self {
        Self::made(Data::Scalar(number.to_string().into()), Tag::Int)
    }

    /// A boolean.
    pub fn bool(value: bool) -> Self {
        Self::made(Data::Scalar(if value { "true" } else { "false" }.into()), Tag::Bool)
    }

    /// `null`
    pub fn null() -> Self {
        Self::made(Data::Scalar("null".into()), Tag::Null)
    }

    /// A list of `items`.
    pub fn sequence(items: Vec<Node>) -> Self {
        Self::made(Data::Sequence(Arc::new(items)), Tag::Seq)
    }

    /// A map of `entries`, in this order.
    pub fn mapping(entries: Vec<Entry>) -> Self {
        Self::made(Data::Mapping(Arc::new(entries)), Tag::Map)
    }

    /// The same node, written at `place`.
    pub fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// The same node with another style.
    pub fn styled(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    /// Where it was written.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Its tag: explicit, or found from the text when it was parsed.
    pub fn tag(&self) -> Tag {
        self.tag
    }

    /// How it was written.
    pub fn style(&self) -> Style {
        self.style
    }

    /// Changes where it was written.
    pub fn set_place(&mut self, place: Place) {
        self.place = place;
    }

    /// Changes its tag.
    pub fn set_tag(&mut self, tag: Tag) {
        self.tag = tag;
        self.tagged = false;
    }

    /// Whether its tag was written out.
    pub fn is_tagged(&self) -> bool {
        self.tagged
    }

    /// Changes whether its tag counts as written out.
    pub fn set_tagged(&mut self, tagged: bool) {
        self.tagged = tagged;
    }

    /// Changes its style.
    pub fn set_style(&mut self, style: Style) {
        self.style = style;
    }

    /// Sets the place of this node and of everything below it.
    pub fn set_places(&mut self, place: Place) {
        self.place = place;
        match &mut self.data {
            Data::Scalar(_) => {}
            Data::Sequence(items) => {
                Arc::make_mut(items).iter_mut().for_each(|item| item.set_places(place));
            }
            Data::Mapping(entries) => {
                for entry in Arc::make_mut(entries) {
                    entry.key.set_places(place);
                    entry.value.set_places(place);
                }
            }
        }
    }
}

impl Entry {
    /// An entry whose key is a plain scalar.
    pub fn new(key: &str, value: Node) -> Self {
        Self { key: Node::scalar(key), value }
    }
}
