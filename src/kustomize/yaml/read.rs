//! Reading from a tree: kinds, fields, paths, scalar values.

use super::node::Content;
use super::node::Dialect;
use super::node::Entry;
use super::node::Node;
use super::node::Tag;
use super::node::Text;
use super::node::Value;
use super::resolve;

impl Node {
    /// A scalar?
    pub fn is_scalar(&self) -> bool {
        matches!(self.content(), Content::Scalar(_))
    }

    /// A list?
    pub fn is_sequence(&self) -> bool {
        matches!(self.content(), Content::Sequence(_))
    }

    /// A map?
    pub fn is_mapping(&self) -> bool {
        matches!(self.content(), Content::Mapping(_))
    }

    /// Null: tagged so, or a plain scalar that reads so.
    pub fn is_null(&self) -> bool {
        self.effective_tag() == Tag::Null
    }

    /// A list or map without content.
    pub fn is_empty_collection(&self) -> bool {
        match self.content() {
            Content::Scalar(_) => false,
            Content::Sequence(items) => items.is_empty(),
            Content::Mapping(entries) => entries.is_empty(),
        }
    }

    /// Null, or a list or map without content.
    pub fn is_null_or_empty(&self) -> bool {
        self.is_null() || self.is_empty_collection()
    }

    /// The tag, found from text and style when none is set (go-yaml v3: `Node.ShortTag`).
    pub fn effective_tag(&self) -> Tag {
        match (self.content(), self.tag()) {
            (Content::Sequence(_), Tag::Unset) => Tag::Seq,
            (Content::Mapping(_), Tag::Unset) => Tag::Map,
            (Content::Scalar(text), Tag::Unset) => resolve::implicit_tag(text, self.style()),
            (_, tag) => tag,
        }
    }

    /// The text of a scalar, whatever it means: `"1"` for both `1` and `'1'`.
    pub fn text(&self) -> Option<&str> {
        match self.content() {
            Content::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a scalar, shared.
    pub fn shared_text(&self) -> Option<Text> {
        match self.content() {
            Content::Scalar(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// The text of a scalar that means a string; `None` for numbers, booleans, null, lists, maps.
    pub fn as_str(&self) -> Option<&str> {
        let is_string = matches!(self.effective_tag(), Tag::Str | Tag::Custom | Tag::Merge);
        self.text().filter(|_| is_string)
    }

    /// What a scalar means; `None` for lists and maps, and for text that its tag forbids, such as
    /// `!!int x`. A time is only text to readers of the kustomization file.
    pub fn value(&self, dialect: Dialect) -> Option<Value> {
        match resolve::resolve(self, dialect).ok()? {
            Value::Time(_) if dialect == Dialect::V2 => self.shared_text().map(Value::Str),
            value => Some(value),
        }
    }

    /// The number of an integer scalar.
    pub fn as_i64(&self) -> Option<i64> {
        match self.value(Dialect::V3)? {
            Value::Int(number) => Some(number),
            _ => None,
        }
    }

    /// The boolean of a boolean scalar (`true` and `false` in three spellings each).
    pub fn as_bool(&self) -> Option<bool> {
        match self.value(Dialect::V3)? {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn items(&self) -> Option<&[Node]> {
        match self.content() {
            Content::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a map, in order.
    pub fn entries(&self) -> Option<&[Entry]> {
        match self.content() {
            Content::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// A null that has entries all the same: upstream adds them to whatever it finds, and goes on
    /// to print null.
    pub(crate) fn is_hollow(&self) -> bool {
        self.tag() == Tag::Null && !self.is_tagged() && self.is_mapping()
    }

    /// The first entry of a map whose key has this text.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries()?.iter().find(|entry| entry.key.text() == Some(key))
    }

    /// The value of a map's first entry whose key has this text.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The node below this one along these keys, each looked up by [`Node::get`].
    pub fn get_path(&self, keys: &[&str]) -> Option<&Node> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    /// [`Node::get_path`], then [`Node::as_str`].
    pub fn str_at(&self, keys: &[&str]) -> Option<&str> {
        self.get_path(keys)?.as_str()
    }
}
