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
            parts.push(Part::Text(parser.literal(|_| true, Escapes::Dollar)));
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

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes characters up to `${`, the end, or one that `accepts` does not like.
    fn literal(&mut self, accepts: impl Fn(char) -> bool, escapes: Escapes) -> String {
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
            } else if accepts(c) {
                taken.push(c);
                self.at += c.len_utf8();
            } else {
                break;
            }
        }
        taken
    }

    /// Takes characters while `accepts` likes them and their number, counted from 1; `${` is nothing
    /// special.
    fn word(&mut self, accepts: impl Fn(char, usize) -> bool) -> String {
        let word: String = self
            .rest()
            .chars()
            .enumerate()
            .take_while(|(index, c)| accepts(*c, index + 1))
            .map(|(_, c)| c)
            .collect();
        self.at += word.len();
        word
    }

    fn name(&mut self) -> String {
        self.word(|c, _| c == '_' || crate::kustomize::yaml::is_go_letter_or_digit(c))
    }

    fn close(&mut self) -> Result<(), SubstituteError> {
        if self.peek() != Some('}') {
            return Err(SubstituteError::BadSubstitution { at: self.at });
        }
        self.at += 1;
        Ok(())
    }

    /// What follows `${`.
    fn call(&mut self, start: usize, depth: usize) -> Result<Call, SubstituteError> {
        if depth >= DEPTH_MAX {
            return Err(SubstituteError::TooDeep { at: start, max: DEPTH_MAX });
        }
        if self.peek() == Some('#') {
            return self.length(start);
        }
        let variable = self.name();
        if variable.is_empty() {
            return Err(SubstituteError::NoName { at: self.at });
        }
        let mut call = Call { variable, operator: String::new(), arguments: Vec::new(), at: start };
        match self.peek() {
            Some(':') => match self.rest()[1..].chars().next() {
                Some('=' | '-' | '?' | '+') => self.default(&mut call, depth)?,
                // Upstream steps back by the width of the next character here, and so stumbles over
                // wide ones and over the end of the text.
                Some(c) if c.is_ascii() => self.substring(&mut call, depth)?,
                _ => return Err(SubstituteError::BadSubstitution { at: self.at }),
            },
            Some('=') => self.default(&mut call, depth)?,
            Some(',' | '^') => {
                call.operator = self.word(|c, n| matches!(c, ',' | '^') && n < 3);
                self.close()?;
            }
            Some('/') => self.replace(&mut call, depth)?,
            Some(sign @ ('#' | '%')) => {
                call.operator = self.word(|c, n| c == sign && n < 3);
                let argument = self.argument(|c| c != '}', Escapes::None, depth)?;
                call.arguments.push(argument);
                self.close()?;
            }
            Some('}') => self.at += 1,
            _ => return Err(SubstituteError::NotClosed { at: self.at }),
        }
        Ok(call)
    }

    /// `${#v}`
    fn length(&mut self, start: usize) -> Result<Call, SubstituteError> {
        self.at += 1;
        let variable = self.name();
        if variable.is_empty() {
            return Err(SubstituteError::BadSubstitution { at: self.at });
        }
        self.close()?;
        Ok(Call { variable, operator: "#".to_owned(), arguments: Vec::new(), at: start })
    }

    /// A piece of text, or a nested call.
    fn argument(
        &mut self,
        accepts: impl Fn(char) -> bool,
        escapes: Escapes,
        depth: usize,
    ) -> Result<Part, SubstituteError> {
        if self.rest().starts_with("${") {
            let start = self.at;
            self.at += 2;
            return self.call(start, depth + 1).map(Part::Call);
        }
        match self.literal(accepts, escapes) {
            text if text.is_empty() => Err(SubstituteError::BadArgument { at: self.at }),
            text => Ok(Part::Text(text)),
        }
    }

    /// `:=…`, `:-…`, `:?…`, `:+…`, `=…`
    fn default(&mut self, call: &mut Call, depth: usize) -> Result<(), SubstituteError> {
        let length = if self.peek() == Some('=') { 1 } else { 2 };
        call.operator = self.word(|_, n| n <= length);
        while self.peek() != Some('}') {
            let argument = self.argument(|c| c != '}', Escapes::None, depth)?;
            call.arguments.push(argument);
        }
        self.close()
    }

    /// `:n` and `:n:m`
    fn substring(&mut self, call: &mut Call, depth: usize) -> Result<(), SubstituteError> {
        self.at += 1;
        call.operator = ":".to_owned();
        let from = self.argument(|c| c != ':' && c != '}', Escapes::None, depth)?;
        call.arguments.push(from);
        if self.peek() == Some('}') {
            self.at += 1;
            return Ok(());
        }
        if self.word(|c, _| c == ':').is_empty() {
            return Err(SubstituteError::BadSubstitution { at: self.at });
        }
        let length = self.argument(|c| c != '}', Escapes::None, depth)?;
        call.arguments.push(length);
        self.close()
    }

    /// `/a/b`, `//a/b`, `/#a/b`, `/%a/b`; `/a/` has no second argument.
    fn replace(&mut self, call: &mut Call, depth: usize) -> Result<(), SubstituteError> {
        call.operator = self.word(|c, n| match n {
            1 => c == '/',
            2 => matches!(c, '/' | '#' | '%'),
            _ => false,
        });
        let from = self.argument(|c| c != '/', Escapes::All, depth)?;
        call.arguments.push(from);
        if self.word(|c, _| c == '/').is_empty() {
            return Err(SubstituteError::BadSubstitution { at: self.at });
        }
        if self.peek() != Some('}') {
            let to = self.argument(|c| c != '}', Escapes::All, depth)?;
            call.arguments.push(to);
        }
        self.close()
    }
}
