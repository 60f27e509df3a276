//! Reads text with `${…}` into a template, by the grammar of Flux's `envsubst`.
//!
//! ```text
//! ${v}  ${#v}  ${v:=d} ${v=d} ${v:-d} ${v:?d} ${v:+d}  ${v:n} ${v:n:m}
//! ${v^} ${v^^} ${v,} ${v,,}  ${v#p} ${v##p} ${v%p} ${v%%p}  ${v/a/b} ${v//a/b} ${v/#a/b} ${v/%a/b}
//! ```
//!
//! `$$` is a `$` anywhere in the text; `$v` is left alone. A default may hold further `${…}`, any
//! other argument may be one. Where upstream's parser is odd, so is this one: see `tests`.
//! Pure. Limit: [`DEPTH_MAX`].

use super::error::SubstituteError;

/// Deepest nesting of `${…}`.
pub(super) const DEPTH_MAX: usize = 100;

/// A piece of a template.
#[derive(Debug, PartialEq)]
pub(super) enum Part {
    /// Copied as it is.
    Text(String),
    /// `${…}`
    Call(Call),
}

/// One `${…}`.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    /// The variable.
    pub(super) variable: String,
    /// The operator as written: empty, `:=`, `##` and so on.
    pub(super) operator: String,
    pub(super) arguments: Vec<Part>,
    /// Bytes of the text before its `$`.
    pub(super) at: usize,
}

/// Reads a whole text.
pub(super) fn parse(text: &str) -> Result<Vec<Part>, SubstituteError> {
    let mut parser = Parser { text, at: 0 };
    let mut parts = Vec::new();
    while parser.at < text.len() {
        if parser.rest().starts_with("${") {
            let start = parser.at;
            parser.at += 2;
            parts.push(Part::Call(parser.call(start, 0)?));
        } else {
            parts.push(Part::Text(parser.literal(&[], Escapes::Dollar)));
        }
    }
    Ok(parts)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

/// Which two-character escapes stand for their second character.
#[derive(Clone, Copy, PartialEq)]
enum Escapes {
    None,
    /// `$$`
    Dollar,
    /// `$$`, `\/` and `\\`
    All,
}

/// What may stand between an operator and the closing brace.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// Nothing.
    Bare,
    /// Any number of texts and calls.
    Pieces,
    /// One text or call.
    Pattern,
    /// One, or two with a `:` between them.
    Slice,
    /// Two with a `/` between them; the second may be missing.
    Replace,
}

/// All operators. One that begins another stands behind it.
const OPERATORS: &[(&str, Form)] = &[
    (":=", Form::Pieces),
    (":-", Form::Pieces),
    (":?", Form::Pieces),
    (":+", Form::Pieces),
    (":", Form::Slice),
    ("=", Form::Pieces),
    ("^^", Form::Bare),
    ("^,", Form::Bare),
    ("^", Form::Bare),
    (",,", Form::Bare),
    (",^", Form::Bare),
    (",", Form::Bare),
    ("##", Form::Pattern),
    ("#", Form::Pattern),
    ("%%", Form::Pattern),
    ("%", Form::Pattern),
    ("//", Form::Replace),
    ("/#", Form::Replace),
    ("/%", Form::Replace),
    ("/", Form::Replace),
];

impl<'t> Parser<'t> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes characters up to `${`, the end, or one of `ends`.
    fn literal(&mut self, ends: &[char], escapes: Escapes) -> String {
        let mut taken = String::new();
        while let Some(c) = self.peek() {
            let next = self.rest()[c.len_utf8()..].chars().next();
            if c == '$' && next == Some('{') {
                break;
            }
            let escaped = match (c, next) {
                ('$', Some('$')) => escapes != Escapes::None,
                ('\\', Some('/' | '\\')) => escapes == Escapes::All,
                _ => false,
            };
            if escaped {
                taken.extend(next);
                self.at += 2;
            } else if ends.contains(&c) {
                break;
            } else {
                taken.push(c);
                self.at += c.len_utf8();
            }
        }
        taken
    }

    /// Takes characters while `accepts` likes them; `${` is nothing special.
    fn word(&mut self, accepts: impl Fn(char) -> bool) -> &'t str {
        let rest = &self.text[self.at..];
        let word = &rest[..rest.find(|c| !accepts(c)).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    fn name(&mut self) -> String {
        self.word(|c| c == '_' || crate::kustomize::yaml::is_go_letter_or_digit(c)).to_owned()
    }

    /// What follows `${`.
    fn call(&mut self, start: usize, depth: usize) -> Result<Call, SubstituteError> {
        if depth >= DEPTH_MAX {
            return Err(SubstituteError::TooDeep { at: start, max: DEPTH_MAX });
        }
        let is_length = self.peek() == Some('#');
        self.at += usize::from(is_length);
        let variable = self.name();
        let mut call = Call { variable, operator: String::new(), arguments: Vec::new(), at: start };
        match (call.variable.is_empty(), is_length) {
            (true, true) => return Err(SubstituteError::BadSubstitution { at: self.at }),
            (true, false) => return Err(SubstituteError::NoName { at: self.at }),
            (false, true) => {
                call.operator = "#".to_owned();
                self.close()?;
            }
            (false, false) if self.peek() == Some('}') => self.at += 1,
            (false, false) => {
                let (operator, form) = self.operator()?;
                call.operator = operator.to_owned();
                self.arguments(form, &mut call.arguments, depth)?;
            }
        }
        Ok(call)
    }

    /// Takes the longest operator that stands here.
    fn operator(&mut self) -> Result<(&'static str, Form), SubstituteError> {
        let found = OPERATORS.iter().find(|(operator, _)| self.rest().starts_with(operator));
        let Some(&(operator, form)) = found else {
            return Err(SubstituteError::NotClosed { at: self.at });
        };
        self.at += operator.len();
        // Upstream steps back by the width of the character behind the colon, and so stumbles over
        // wide ones and over the end of the text.
        if form == Form::Slice && !self.peek().is_some_and(|c| c.is_ascii()) {
            return Err(SubstituteError::BadSubstitution { at: self.at - operator.len() });
        }
        Ok((operator, form))
    }

    /// What stands behind an operator, and the closing brace.
    fn arguments(
        &mut self,
        form: Form,
        arguments: &mut Vec<Part>,
        depth: usize,
    ) -> Result<(), SubstituteError> {
        let (ends_first, separator, escapes): (&[char], char, Escapes) = match form {
            Form::Bare => return self.close(),
            Form::Pieces => {
                while self.peek() != Some('}') {
                    arguments.push(self.argument(&['}'], Escapes::None, depth)?);
                }
                return self.close();
            }
            Form::Pattern => {
                arguments.push(self.argument(&['}'], Escapes::None, depth)?);
                return self.close();
            }
            Form::Slice => (&[':', '}'], ':', Escapes::None),
            Form::Replace => (&['/'], '/', Escapes::All),
        };
        arguments.push(self.argument(ends_first, escapes, depth)?);
        let is_alone = form == Form::Slice && self.peek() == Some('}');
        if !is_alone && self.word(|c| c == separator).is_empty() {
            return Err(SubstituteError::BadSubstitution { at: self.at });
        }
        let may_end = is_alone || form == Form::Replace;
        if !(may_end && self.peek() == Some('}')) {
            arguments.push(self.argument(&['}'], escapes, depth)?);
        }
        self.close()
    }

    /// A nested call, or text up to one of `ends`, but never nothing.
    fn argument(
        &mut self,
        ends: &[char],
        escapes: Escapes,
        depth: usize,
    ) -> Result<Part, SubstituteError> {
        let start = self.at;
        if self.rest().starts_with("${") {
            self.at += 2;
            return self.call(start, depth + 1).map(Part::Call);
        }
        let text = self.literal(ends, escapes);
        if text.is_empty() {
            Err(SubstituteError::BadArgument { at: start })
        } else {
            Ok(Part::Text(text))
        }
    }

    fn close(&mut self) -> Result<(), SubstituteError> {
        match self.peek() {
            Some('}') => {
                self.at += 1;
                Ok(())
            }
            _ => Err(SubstituteError::BadSubstitution { at: self.at }),
        }
    }
}
