//! Why a text is not YAML that the official program takes.

use miette::Diagnostic;
use thiserror::Error;

use super::node::Place;

/// Why a text could not be read or a tree could not be printed. The place names a
/// [`super::FileId`]; the caller knows the file's name.
#[derive(Clone, Debug, PartialEq, Error, Diagnostic)]
pub enum YamlError {
    /// The text is not YAML.
    #[error("line {}: {reason}", at.line)]
    #[diagnostic(code(yaml::syntax), help("check indentation, quotes and colons near this line"))]
    Syntax {
        /// Where.
        at: Place,
        /// What the parser met.
        reason: String,
    },
    /// The bytes are not UTF-8 (or UTF-16 with a mark at the start).
    #[error("the file is not UTF-8 text")]
    #[diagnostic(code(yaml::encoding), help("save the file as UTF-8"))]
    Encoding {
        /// The file.
        at: Place,
    },
    /// A line starts with `---` and goes on with something that is not a comment.
    #[error("invalid document separator: {line}")]
    #[diagnostic(code(yaml::separator), help("put the content on the line after `---`"))]
    Separator {
        /// Where.
        at: Place,
        /// The line.
        line: String,
    },
    /// A key stands twice in one map.
    #[error("line {}: mapping key {key:?} already defined at line {}", at.line, first.line)]
    #[diagnostic(code(yaml::duplicate_key), help("remove one of the two"))]
    DuplicateKey {
        /// The second one.
        at: Place,
        /// The first one.
        first: Place,
        /// The key.
        key: String,
    },
    /// `<<` has a value that is not a map, or stands twice.
    #[error("line {}: map merge requires map or sequence of maps as the value", at.line)]
    #[diagnostic(code(yaml::merge), help("give `<<` an alias of a map, or a list of such aliases"))]
    Merge {
        /// Where.
        at: Place,
    },
    /// An alias stands inside the node that it names.
    #[error("line {}: anchor value contains itself", at.line)]
    #[diagnostic(code(yaml::recursion), help("spell the value out"))]
    Recursion {
        /// Where.
        at: Place,
    },
    /// An alias names an anchor that does not stand before it in the document.
    #[error("line {}: unknown anchor '{anchor}' referenced", at.line)]
    #[diagnostic(code(yaml::unknown_anchor), help("define `&{anchor}` earlier in the document"))]
    UnknownAnchor {
        /// Where.
        at: Place,
        /// The name.
        anchor: String,
    },
    /// A scalar's text does not fit its tag.
    #[error("line {}: cannot decode `{text}` as a {tag}", at.line)]
    #[diagnostic(code(yaml::tag), help("remove the tag or change the value"))]
    WrongTag {
        /// Where.
        at: Place,
        /// The start of the text.
        text: String,
        /// The tag.
        tag: &'static str,
    },
    /// A value that JSON does not have: infinity, not-a-number, a key that is no string.
    #[error("line {}: {what} cannot be written as JSON", at.line)]
    #[diagnostic(code(yaml::not_json), help("Kubernetes objects are JSON: use a string"))]
    NotJson {
        /// Where.
        at: Place,
        /// What it is.
        what: &'static str,
    },
    /// A character that YAML does not allow in text.
    #[error("line {}: control characters are not allowed", at.line)]
    #[diagnostic(code(yaml::control_character), help("remove the character U+{code:04X}"))]
    ControlCharacter {
        /// Where.
        at: Place,
        /// The character.
        code: u32,
    },
    /// A limit of `yaml::limits` was reached.
    #[error("line {}: more than {name} = {max}", at.line)]
    #[diagnostic(code(yaml::limit), help("split the document or spell out fewer aliases"))]
    Limit {
        /// Where.
        at: Place,
        /// The limit's name.
        name: &'static str,
        /// Its value.
        max: usize,
    },
}

impl YamlError {
    /// Where it went wrong.
    pub fn at(&self) -> Place {
        match self {
            Self::Syntax { at, .. }
            | Self::Encoding { at }
            | Self::Separator { at, .. }
            | Self::DuplicateKey { at, .. }
            | Self::Merge { at }
            | Self::Recursion { at }
            | Self::UnknownAnchor { at, .. }
            | Self::WrongTag { at, .. }
            | Self::NotJson { at, .. }
            | Self::ControlCharacter { at, .. }
            | Self::Limit { at, .. } => *at,
        }
    }

    /// The same without what the text has there: it may be a secret value out of place.
    pub fn told(&self) -> String {
        match self {
            Self::Separator { at, .. } => {
                format!("line {}: invalid document separator: text behind `---`", at.line)
            }
            Self::DuplicateKey { at, first, .. } => {
                format!("line {}: this key is already defined at line {}", at.line, first.line)
            }
            Self::UnknownAnchor { at, .. } => format!(
                "line {}: unknown anchor referenced (quote a text that begins with `*`)",
                at.line
            ),
            Self::WrongTag { at, tag, .. } => {
                format!("line {}: the text cannot be decoded as a {tag}", at.line)
            }
            told => told.to_string(),
        }
    }
}
