//! The pieces that a YAML text is cut into.

use super::cursor::Mark;
use super::node::Style;

/// One piece of text, and where it starts.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) mark: Mark,
}

/// What a piece is.
#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    StreamEnd,
    /// `%YAML major.minor`
    Version(u32, u32),
    /// `%TAG handle prefix`
    TagPrefix(String, String),
    /// `---`
    DocumentStart,
    /// `...`
    DocumentEnd,
    /// A deeper column begins a block list.
    BlockSequence,
    /// A deeper column begins a block map.
    BlockMapping,
    /// A shallower column ends a block list or map.
    BlockEnd,
    /// `[`
    FlowSequence,
    /// `]`
    FlowSequenceEnd,
    /// `{`
    FlowMapping,
    /// `}`
    FlowMappingEnd,
    /// `-`
    Item,
    /// `,`
    Comma,
    /// `?`, or the start of a key on one line.
    Key,
    /// `:`
    Value,
    Alias(String),
    Anchor(String),
    /// A tag's handle and the rest.
    Tag(String, String),
    Scalar(String, Style),
}
