//! Tokens to a tree: the grammar of YAML 1.1 documents, one function for each kind of node.
//!
//! Nesting is bounded by the builder, so the functions may call each other.

use super::cursor::Mark;
use super::error::YamlError;
use super::node::Dialect;
use super::node::Node;
use super::node::Place;
use super::node::Style;
use super::scanner::Scanner;
use super::token::Kind;
use super::tree::Builder;
use super::tree::Properties;

/// The prefix of `!!` unless a directive gives another.
const CORE_PREFIX: &str = "tag:yaml.org,2002:";

/// Reads the first document of `text`; `None` when there is none. What follows is not looked at.
pub(super) fn first_document(
    text: &str,
    start: Place,
    dialect: Dialect,
) -> Result<Option<Node>, YamlError> {
    let scanner = Scanner::new(text, start, dialect);
    let builder = Builder::new(dialect);
    Grammar { scanner, builder, tag_prefixes: Vec::new() }.document()
}

struct Grammar<'t> {
    scanner: Scanner<'t>,
    builder: Builder,
    /// Handles of this document and what they stand for.
    tag_prefixes: Vec<(String, String)>,
}

impl Grammar<'_> {
    fn next(&mut self) -> Result<&Kind, YamlError> {
        Ok(&self.scanner.peek()?.kind)
    }

    fn mark(&mut self) -> Result<Mark, YamlError> {
        Ok(self.scanner.peek()?.mark)
    }

    fn skip(&mut self) -> Result<(), YamlError> {
        self.scanner.take().map(|_| ())
    }

    fn fail<T>(&mut self, reason: &str) -> Result<T, YamlError> {
        let mark = self.mark()?;
        self.scanner.error(mark, reason)
    }

    fn document(mut self) -> Result<Option<Node>, YamlError> {
        match self.next()? {
            Kind::StreamEnd => return Ok(None),
            Kind::Version(..) | Kind::TagPrefix(..) | Kind::DocumentStart => {
                self.directives()?;
                if *self.next()? != Kind::DocumentStart {
                    return self.fail("did not find expected <document start>");
                }
                self.skip()?;
                if self.next_is_document_edge()? {
                    self.empty(Properties::default())?;
                } else {
                    self.node(true, false)?;
                }
            }
            _ => self.node(true, false)?,
        }
        self.next()?; // the official program reads one token on, and may fail on it
        Ok(self.builder.finish())
    }

    fn next_is_document_edge(&mut self) -> Result<bool, YamlError> {
        Ok(matches!(
            self.next()?,
            Kind::Version(..)
                | Kind::TagPrefix(..)
                | Kind::DocumentStart
                | Kind::DocumentEnd
                | Kind::StreamEnd
        ))
    }

    fn directives(&mut self) -> Result<(), YamlError> {
        let mut has_version = false;
        loop {
            match self.next()? {
                Kind::Version(..) if has_version => {
                    return self.fail("found duplicate %YAML directive");
                }
                Kind::Version(1, 1) => has_version = true,
                Kind::Version(..) => return self.fail("found incompatible YAML document"),
                Kind::TagPrefix(handle, prefix) => {
                    let (handle, prefix) = (handle.clone(), prefix.clone());
                    if self.tag_prefixes.iter().any(|(known, _)| *known == handle) {
                        return self.fail("found duplicate %TAG directive");
                    }
                    self.tag_prefixes.push((handle, prefix));
                }
                _ => return Ok(()),
            }
            self.skip()?;
        }
    }

    /// A node: an alias, or properties and content. `block` allows block lists and maps,
    /// `indentless` a list whose items stand in the column of the key before.
    fn node(&mut self, block: bool, indentless: bool) -> Result<(), YamlError> {
        let mark = self.mark()?;
        if let Kind::Alias(_) = self.next()? {
            let token = self.scanner.take()?;
            let place = self.scanner.cursor.place(mark);
            let Kind::Alias(name) = token.kind else { return Ok(()) };
            return self.builder.alias(&name, place);
        }
        let properties = self.properties()?;
        match self.next()? {
            Kind::Item if indentless => self.indentless_sequence(properties),
            Kind::Scalar(..) => {
                let token = self.scanner.take()?;
                let Kind::Scalar(text, style) = token.kind else { return Ok(()) };
                self.builder.scalar(&text, style, properties)
            }
            Kind::FlowSequence => self.flow_sequence(properties),
            Kind::FlowMapping => self.flow_mapping(properties),
            Kind::BlockSequence if block => self.block_sequence(properties),
            Kind::BlockMapping if block => self.block_mapping(properties),
            _ if properties.anchor.is_some() || properties.tag.is_some() => self.empty(properties),
            _ => self.fail("did not find expected node content"),
        }
    }

    /// An anchor and a tag, in either order.
    fn properties(&mut self) -> Result<Properties, YamlError> {
        let mark = self.mark()?;
        let place = self.scanner.cursor.place(mark);
        let mut properties = Properties { anchor: None, tag: None, place };
        loop {
            match self.next()? {
                Kind::Anchor(_) if properties.anchor.is_none() => {
                    if let Kind::Anchor(name) = self.scanner.take()?.kind {
                        properties.anchor = Some(name);
                    }
                }
                Kind::Tag(..) if properties.tag.is_none() => {
                    let token = self.scanner.take()?;
                    if let Kind::Tag(handle, suffix) = token.kind {
                        properties.tag = Some(self.whole_tag(&handle, &suffix, token.mark)?);
                    }
                }
                _ => return Ok(properties),
            }
        }
    }

    fn whole_tag(&self, handle: &str, suffix: &str, mark: Mark) -> Result<String, YamlError> {
        let known = self.tag_prefixes.iter().find(|(known, _)| known == handle);
        match (known, handle) {
            (Some((_, prefix)), _) => Ok(format!("{prefix}{suffix}")),
            (None, "") => Ok(suffix.to_owned()),
            (None, "!") => Ok(format!("!{suffix}")),
            (None, "!!") => Ok(format!("{CORE_PREFIX}{suffix}")),
            (None, _) => {
                self.scanner.error(mark, "while parsing a node, found undefined tag handle")
            }
        }
    }

    /// A scalar that is not there.
    fn empty(&mut self, properties: Properties) -> Result<(), YamlError> {
        self.builder.scalar("", Style::Plain, properties)
    }

    fn absent(&mut self) -> Result<(), YamlError> {
        let mark = self.mark()?;
        let place = self.scanner.cursor.place(mark);
        self.empty(Properties { anchor: None, tag: None, place })
    }

    fn block_sequence(&mut self, properties: Properties) -> Result<(), YamlError> {
        self.builder.start_sequence(properties, false)?;
        self.skip()?;
        loop {
            match self.next()? {
                Kind::Item => {
                    self.skip()?;
                    if matches!(self.next()?, Kind::Item | Kind::BlockEnd) {
                        self.absent()?;
                    } else {
                        self.node(true, false)?;
                    }
                }
                Kind::BlockEnd => break,
                _ => {
                    let reason = "while parsing a block collection, did not find expected '-' \
                                  indicator";
                    return self.fail(reason);
                }
            }
        }
        self.skip()?;
        self.builder.end()
    }

    fn indentless_sequence(&mut self, properties: Properties) -> Result<(), YamlError> {
        self.builder.start_sequence(properties, false)?;
        while *self.next()? == Kind::Item {
            self.skip()?;
            if matches!(self.next()?, Kind::Item | Kind::Key | Kind::Value | Kind::BlockEnd) {
                self.absent()?;
            } else {
                self.node(true, false)?;
            }
        }
        self.builder.end()
    }

    fn block_mapping(&mut self, properties: Properties) -> Result<(), YamlError> {
        self.builder.start_mapping(properties, false)?;
        self.skip()?;
        loop {
            match self.next()? {
                Kind::Key => {
                    self.skip()?;
                    self.block_part()?;
                    if *self.next()? == Kind::Value {
                        self.skip()?;
                        self.block_part()?;
                    } else {
                        self.absent()?;
                    }
                }
                Kind::BlockEnd => break,
                _ => {
                    return self.fail("while parsing a block mapping, did not find expected key");
                }
            }
        }
        self.skip()?;
        self.builder.end()
    }

    /// A key or a value of a block map.
    fn block_part(&mut self) -> Result<(), YamlError> {
        if matches!(self.next()?, Kind::Key | Kind::Value | Kind::BlockEnd) {
            self.absent()
        } else {
            self.node(true, true)
        }
    }

    fn flow_sequence(&mut self, properties: Properties) -> Result<(), YamlError> {
        self.builder.start_sequence(properties, true)?;
        self.skip()?;
        let mut is_first = true;
        while *self.next()? != Kind::FlowSequenceEnd {
            if !is_first {
                self.comma("while parsing a flow sequence, did not find expected ',' or ']'")?;
            }
            is_first = false;
            match self.next()? {
                Kind::Key => self.pair()?,
                Kind::FlowSequenceEnd => break,
                _ => self.node(false, false)?,
            }
        }
        self.skip()?;
        self.builder.end()
    }

    /// `key: value` in a list: a map of one entry.
    fn pair(&mut self) -> Result<(), YamlError> {
        let mark = self.mark()?;
        let place = self.scanner.cursor.place(mark);
        self.builder.start_mapping(Properties { anchor: None, tag: None, place }, true)?;
        self.skip()?;
        if matches!(self.next()?, Kind::Value | Kind::Comma | Kind::FlowSequenceEnd) {
            self.absent()?;
            self.skip()?; // upstream loses this token too
        } else {
            self.node(false, false)?;
        }
        if *self.next()? == Kind::Value {
            self.skip()?;
            if matches!(self.next()?, Kind::Comma | Kind::FlowSequenceEnd) {
                self.absent()?;
            } else {
                self.node(false, false)?;
            }
        } else {
            self.absent()?;
        }
        self.builder.end()
    }

    fn comma(&mut self, otherwise: &str) -> Result<(), YamlError> {
        if *self.next()? == Kind::Comma { self.skip() } else { self.fail(otherwise) }
    }

    fn flow_mapping(&mut self, properties: Properties) -> Result<(), YamlError> {
        self.builder.start_mapping(properties, true)?;
        self.skip()?;
        let mut is_first = true;
        while *self.next()? != Kind::FlowMappingEnd {
            if !is_first {
                self.comma("while parsing a flow mapping, did not find expected ',' or '}'")?;
            }
            is_first = false;
            match self.next()? {
                Kind::FlowMappingEnd => break,
                Kind::Key => {
                    self.skip()?;
                    let is_absent =
                        matches!(self.next()?, Kind::Value | Kind::Comma | Kind::FlowMappingEnd);
                    if is_absent {
                        self.absent()?
                    } else {
                        self.node(false, false)?
                    }
                    if *self.next()? == Kind::Value {
                        self.skip()?;
                        let is_absent = matches!(self.next()?, Kind::Comma | Kind::FlowMappingEnd);
                        if is_absent { self.absent()? } else { self.node(false, false)? }
                    } else {
                        self.absent()?;
                    }
                }
                _ => {
                    self.node(false, false)?;
                    self.absent()?;
                }
            }
        }
        self.skip()?;
        self.builder.end()
    }
}
