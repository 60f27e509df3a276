//! Trees to text, byte for byte as `kustomize build` 5.8.1 prints them.
//!
//! The official program prints a resource by way of JSON: keys sorted the natural way, comments and
//! styles gone, scalars written as go-yaml v2 writes them with lines folded after column 80.
//!
//! Not here: how one scalar is written (`scalar.rs`), what a scalar means (`canonical.rs`).

use super::canonical;
use super::canonical::Canonical;
use super::error::YamlError;
use super::node::Content;
use super::node::Node;
use super::node::Style;
use super::order;
use super::scalar;

/// Longest key, in bytes, that is written without `?`.
const SIMPLE_KEY_BYTES_MAX: usize = 128;

/// The text of one resource; ends with a line break.
///
/// Errors: what the official program refuses to print, such as a key that stands twice, `.inf`, a
/// key that is no string, or a control character.
pub fn to_yaml(node: &Node) -> Result<String, YamlError> {
    if node.is_scalar() {
        let what = "a document that is neither map nor list";
        return Err(YamlError::NotJson { at: node.place(), what });
    }
    let mut writer = Writer { after_blank: true, indenting: true, ..Writer::default() };
    writer.node(node, Context { indent: None, in_map: false, in_flow: false }, 0)?;
    writer.line(0);
    Ok(writer.out)
}

/// The text of several resources, separated by `---` lines.
pub fn to_yaml_documents<'n>(
    nodes: impl IntoIterator<Item = &'n Node>,
) -> Result<String, YamlError> {
    let mut out = String::new();
    for node in nodes {
        if !out.is_empty() {
            out.push_str("---\n");
        }
        out.push_str(&to_yaml(node)?);
    }
    Ok(out)
}

/// Where a node is written.
#[derive(Clone, Copy)]
struct Context {
    /// Indentation of the list or map around; `None` at the root.
    indent: Option<usize>,
    /// It is the value of a map's entry.
    in_map: bool,
    /// A list or map around was read from brackets.
    in_flow: bool,
}

/// Text so far, and where the pen stands.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) out: String,
    /// Characters since the last line break.
    pub(super) column: usize,
    /// The last thing written serves as a blank.
    pub(super) after_blank: bool,
    /// Nothing but indentation, `-`, `?` and `:` stands on the line so far.
    pub(super) indenting: bool,
}

impl Writer {
    pub(super) fn push(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    pub(super) fn line_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    /// Goes to column `indent`, on a new line when this one is in use.
    pub(super) fn line(&mut self, indent: usize) {
        let fits = self.column < indent || (self.column == indent && self.after_blank);
        if !self.indenting || !fits {
            self.line_break();
        }
        while self.column < indent {
            self.push(' ');
        }
        self.after_blank = true;
        self.indenting = true;
    }

    /// Writes punctuation, after a blank if there is none yet.
    pub(super) fn indicator(&mut self, text: &str) {
        if !self.after_blank {
            self.push(' ');
        }
        self.mark(text);
    }

    /// Writes punctuation as it is.
    pub(super) fn mark(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.len();
        self.after_blank = false;
        self.indenting = false;
    }

    /// Writes `-`, `?` or `:` at the start of a line: what follows may stay on it.
    fn bullet(&mut self, text: &str) {
        let indenting = self.indenting;
        self.indicator(text);
        self.indenting = indenting;
    }

    fn node(&mut self, node: &Node, around: Context, depth: usize) -> Result<(), YamlError> {
        let in_flow = around.in_flow || node.style() == Style::Flow;
        let context = Context { in_flow, ..around };
        match node.content() {
            Content::Mapping(_) if node.is_hollow() => self.node(&Node::null(), around, depth),
            Content::Scalar(_) => {
                let value = canonical::scalar(node, around.in_flow)?;
                let indent = context.indent.map_or(2, |indent| indent + 2);
                scalar::write(self, &value, indent, false);
                Ok(())
            }
            Content::Sequence([]) => {
                self.indicator("[]");
                Ok(())
            }
            Content::Sequence(items) => self.sequence(items, context, depth),
            Content::Mapping([]) => {
                self.indicator("{}");
                Ok(())
            }
            Content::Mapping(_) => self.mapping(node, context, depth),
        }
    }

    fn sequence(
        &mut self,
        items: &[Node],
        context: Context,
        depth: usize,
    ) -> Result<(), YamlError> {
        let indent = match context.indent {
            None => 0,
            Some(indent) if context.in_map && !self.indenting => indent,
            Some(indent) => indent + 2,
        };
        for item in items {
            self.line(indent);
            self.bullet("-");
            self.node(item, Context { indent: Some(indent), in_map: false, ..context }, depth + 1)?;
        }
        Ok(())
    }

    fn mapping(&mut self, node: &Node, context: Context, depth: usize) -> Result<(), YamlError> {
        let fields = canonical::fields(node, depth == 0, context.in_flow)?;
        if fields.is_empty() {
            self.indicator("{}");
            return Ok(());
        }
        let indent = context.indent.map_or(0, |indent| indent + 2);
        for (key, value) in order::sorted(fields) {
            self.line(indent);
            let simple = key.len() <= SIMPLE_KEY_BYTES_MAX && !key.contains(scalar::is_break);
            let text = Canonical::Text(key);
            if simple {
                scalar::write(self, &text, indent + 2, true);
                self.mark(":");
            } else {
                self.bullet("?");
                scalar::write(self, &text, indent + 2, false);
                self.line(indent);
                self.bullet(":");
            }
            self.node(value, Context { indent: Some(indent), in_map: true, ..context }, depth + 1)?;
        }
        Ok(())
    }
}
