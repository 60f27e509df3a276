//! Selectors on labels and annotations: `app=web,tier in (a,b),!old`.
//!
//! Grammar and limits are those of Kubernetes (`apimachinery/pkg/labels`): keys are qualified names,
//! values have at most 63 characters.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::error::BuildError;
use super::error::ErrorKind;
use super::error::Result;

/// All requirements must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct LabelSelector(Vec<Requirement>);

#[derive(Clone, Debug)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Exists,
    Absent,
    Above(i64),
    Below(i64),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Close,
    Comma,
    Not,
    DoubleEquals,
    Equals,
    Above,
    Below,
    In,
    NotIn,
    NotEquals,
    Open,
    Word(String),
    Wrong(String),
    End,
}

impl Token {
    fn literal(&self) -> &str {
        match self {
            Self::Close => ")",
            Self::Comma => ",",
            Self::Not => "!",
            Self::DoubleEquals => "==",
            Self::Equals => "=",
            Self::Above => ">",
            Self::Below => "<",
            Self::In => "in",
            Self::NotIn => "notin",
            Self::NotEquals => "!=",
            Self::Open => "(",
            Self::Word(word) | Self::Wrong(word) => word,
            Self::End => "",
        }
    }

    /// Where a value may stand, `in` and `notin` are words like others.
    fn as_word(&self) -> Option<&str> {
        match self {
            Self::Word(_) | Self::In | Self::NotIn => Some(self.literal()),
            _ => None,
        }
    }
}

impl LabelSelector {
    /// Reads a selector; an empty one chooses everything.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut parser = Parser { tokens: lex(text), at: 0 };
        parser.selector().map(Self).map_err(|words| {
            BuildError::new(ErrorKind::InvalidSelector, words)
                .says(format!("`{text}` is not a selector"))
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| requirement.holds(labels.get(&requirement.key)))
    }
}

impl Requirement {
    fn holds(&self, value: Option<&String>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match &self.test {
            Test::In(values) => value.is_some_and(|value| values.contains(value)),
            Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::Above(limit) => number().is_some_and(|number| number > *limit),
            Test::Below(limit) => number().is_some_and(|number| number < *limit),
        }
    }
}

fn is_special(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn symbol(text: &str) -> Option<Token> {
    Some(match text {
        ")" => Token::Close,
        "," => Token::Comma,
        "!" => Token::Not,
        "==" => Token::DoubleEquals,
        "=" => Token::Equals,
        ">" => Token::Above,
        "<" => Token::Below,
        "!=" => Token::NotEquals,
        "(" => Token::Open,
        _ => return None,
    })
}

fn lex(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start_matches(is_blank);
    while let Some(first) = rest.chars().next() {
        let length = if is_special(first) {
            // The longest symbol at this place: two characters, or one.
            let two = rest.get(..2).and_then(symbol);
            let token = two.clone().or_else(|| rest.get(..1).and_then(symbol));
            tokens.push(token.unwrap_or_else(|| Token::Wrong(first.to_string())));
            1 + usize::from(two.is_some())
        } else {
            let end = rest.find(|c| is_special(c) || is_blank(c)).unwrap_or(rest.len());
            let word = rest.get(..end).unwrap_or_default();
            tokens.push(match word {
                "in" => Token::In,
                "notin" => Token::NotIn,
                _ => Token::Word(word.to_owned()),
            });
            end
        };
        rest = rest.get(length..).unwrap_or_default().trim_start_matches(is_blank);
    }
    tokens.push(Token::End);
    tokens
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

type Parsed<T> = std::result::Result<T, String>;

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn starts_requirement(&self) -> bool {
        self.peek().as_word().is_some() || *self.peek() == Token::Not
    }

    fn selector(&mut self) -> Parsed<Vec<Requirement>> {
        let mut requirements = Vec::new();
        if *self.peek() == Token::End {
            return Ok(requirements);
        }
        loop {
            if !self.starts_requirement() {
                let found = self.peek().literal();
                return Err(format!(
                    "found '{found}', expected: !, identifier, or 'end of string'"
                ));
            }
            let requirement = self.requirement();
            requirements
                .push(requirement.map_err(|e| format!("unable to parse requirement: {e}"))?);
            match self.next() {
                Token::End => return Ok(requirements),
                Token::Comma if self.starts_requirement() => {}
                Token::Comma => {
                    let found = self.peek().literal();
                    return Err(format!("found '{found}', expected: identifier after ','"));
                }
                other => {
                    let found = other.literal();
                    return Err(format!("found '{found}', expected: ',' or 'end of string'"));
                }
            }
        }
    }

    fn requirement(&mut self) -> Parsed<Requirement> {
        let absent = *self.peek() == Token::Not;
        if absent {
            self.next();
        }
        let token = self.next();
        let Some(key) = token.as_word() else {
            return Err(format!("found '{}', expected: identifier", token.literal()));
        };
        let key = key.to_owned();
        check_key(&key)?;
        if absent {
            return Ok(Requirement { key, test: Test::Absent });
        }
        if matches!(self.peek(), Token::End | Token::Comma) {
            return Ok(Requirement { key, test: Test::Exists });
        }
        let operator = self.next();
        let values = match operator {
            Token::In | Token::NotIn => self.values()?,
            Token::Equals
            | Token::DoubleEquals
            | Token::NotEquals
            | Token::Above
            | Token::Below => BTreeSet::from([self.exact_value()?]),
            other => {
                return Err(format!(
                    "found '{}', expected: '=', '!=', '==', 'in', notin'",
                    other.literal()
                ));
            }
        };
        let number = || {
            let text = values.iter().next().map(String::as_str).unwrap_or_default();
            let wrong = "for 'Gt', 'Lt' operators, the value must be an integer";
            text.parse::<i64>().map_err(|_| wrong.to_owned())
        };
        let test = match operator {
            Token::In | Token::Equals | Token::DoubleEquals => Test::In(values.clone()),
            Token::Above => Test::Above(number()?),
            Token::Below => Test::Below(number()?),
            _ => Test::NotIn(values.clone()),
        };
        values.iter().try_for_each(|value| check_value(&key, value))?;
        Ok(Requirement { key, test })
    }

    fn exact_value(&mut self) -> Parsed<String> {
        if matches!(self.peek(), Token::End | Token::Comma) {
            return Ok(String::new());
        }
        let token = self.next();
        match token.as_word() {
            Some(word) => Ok(word.to_owned()),
            None => Err(format!("found '{}', expected: identifier", token.literal())),
        }
    }

    /// `(a,b)`; nothing between two commas stands for the empty value.
    fn values(&mut self) -> Parsed<BTreeSet<String>> {
        let open = self.next();
        if open != Token::Open {
            return Err(format!("found '{}' expected: '('", open.literal()));
        }
        let mut values = BTreeSet::new();
        if *self.peek() == Token::Close {
            self.next();
            values.insert(String::new());
            return Ok(values);
        }
        loop {
            let token = self.next();
            if let Some(word) = token.as_word() {
                values.insert(word.to_owned());
                match self.next() {
                    Token::Comma if *self.peek() == Token::Close => {
                        self.next();
                        values.insert(String::new());
                        return Ok(values);
                    }
                    Token::Comma => {}
                    Token::Close => return Ok(values),
                    other => {
                        return Err(format!("found '{}', expected: ',' or ')'", other.literal()));
                    }
                }
                continue;
            }
            if token != Token::Comma {
                let found = token.literal();
                return Err(format!("found '{found}', expected: ',', ')' or identifier"));
            }
            values.insert(String::new());
            if *self.peek() == Token::Close {
                self.next();
                return Ok(values);
            }
        }
    }
}

fn is_word(text: &str, max: usize) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.len() <= max
        && edge(text.chars().next())
        && edge(text.chars().last())
        && text.chars().all(inner)
}

fn is_subdomain(text: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    text.len() <= 253
        && text.split('.').all(|label| {
            let bytes = label.as_bytes();
            edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(|&b| inner(b))
        })
}

fn check_key(key: &str) -> Parsed<()> {
    let name = match key.split_once('/') {
        Some((prefix, name)) if is_subdomain(prefix) && !name.contains('/') => Some(name),
        Some(_) => None,
        None => Some(key),
    };
    match name.filter(|name| is_word(name, 63)) {
        Some(_) => Ok(()),
        None => Err(format!("invalid label key {key:?}: it is no qualified name")),
    }
}

fn check_value(key: &str, value: &str) -> Parsed<()> {
    if value.is_empty() || is_word(value, 63) {
        return Ok(());
    }
    Err(format!("invalid label value: {value:?}: at key: {key:?}: it is no label value"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::LabelSelector;

    #[test]
    fn selectors_choose() {
        let labels: BTreeMap<String, String> =
            [("app", "web"), ("n", "5"), ("e", "")].map(|(k, v)| (k.into(), v.into())).into();
        #[rustfmt::skip]
        let cases: &[(&str, Option<bool>)] = &[
            ("", Some(true)),
            ("app=web", Some(true)),
            ("app==web,n", Some(true)),
            ("app!=web", Some(false)),
            ("x!=web", Some(true)),
            ("app in (a, web)", Some(true)),
            ("app notin (a,web)", Some(false)),
            ("!x", Some(true)),
            ("n>4", Some(true)),
            ("n<4", Some(false)),
            ("e=", Some(true)),
            ("e in ()", Some(true)),
            ("e in (,a)", Some(true)),
            ("in", Some(false)),
            ("app=", Some(false)),
            ("app=web,", None),
            ("=web", None),
            ("app=web tier=x", None),
            ("a b", None),
            ("app in web", None),
            ("n>x", None),
            ("-a=b", None),
        ];
        for &(text, want) in cases {
            let found = LabelSelector::parse(text).ok().map(|s| s.matches(&labels));
            assert_eq!(found, want, "{text:?}");
        }
    }
}
