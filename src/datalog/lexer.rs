//! Words of rule text: bytes in, tokens with spans out. Never fails: what it cannot read becomes an
//! [`Kind::Unknown`] token that the parser complains about.

use crate::datalog::diagnostic::Span;

/// What a token is. Its text is the span's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Name,
    Variable,
    Wildcard,
    Text,
    Version,
    Time,
    Number,
    Decimal,
    Duration,
    Label,
    Doc,
    Open,
    Close,
    OpenBrace,
    CloseBrace,
    Comma,
    Semicolon,
    Colon,
    If,
    Dot,
    Bang,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Subtype,
    Greater,
    GreaterEqual,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    Comment,
    Unknown,
    End,
}

/// One token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

/// All tokens of `text`, comments included, closed by one `End` token.
pub(crate) fn tokens(file: u32, text: &str) -> Vec<Token> {
    let mut lexer = Lexer { text, bytes: text.as_bytes(), at: 0 };
    let mut found = Vec::new();
    loop {
        lexer.skip_blanks();
        let start = lexer.at;
        let kind = lexer.next_kind();
        let span = Span { file, start: start as u32, end: lexer.at as u32 };
        found.push(Token { kind, span });
        if kind == Kind::End {
            return found;
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn skip_blanks(&mut self) {
        while self.at < self.bytes.len() && self.peek(0).is_ascii_whitespace() {
            self.at += 1;
        }
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.at < self.bytes.len() && wanted(self.peek(0)) {
            self.at += 1;
        }
    }

    fn next_kind(&mut self) -> Kind {
        if self.at >= self.bytes.len() {
            return Kind::End;
        }
        match self.peek(0) {
            b'/' if self.peek(1) == b'/' => self.comment(),
            b'"' => self.quoted(Kind::Text),
            b'v' if self.peek(1) == b'"' => self.prefixed(Kind::Version),
            b't' if self.peek(1) == b'"' => self.prefixed(Kind::Time),
            b'[' => self.label(),
            byte if byte.is_ascii_digit() => self.number(),
            byte if byte.is_ascii_alphabetic() || byte == b'_' => self.word(byte),
            byte => self.sign(byte),
        }
    }

    fn comment(&mut self) -> Kind {
        let is_doc = self.peek(2) == b'/' && self.peek(3) != b'/';
        self.take_while(|byte| byte != b'\n');
        if is_doc { Kind::Doc } else { Kind::Comment }
    }

    fn prefixed(&mut self, kind: Kind) -> Kind {
        self.at += 1;
        self.quoted(kind)
    }

    fn quoted(&mut self, kind: Kind) -> Kind {
        self.at += 1;
        while self.at < self.bytes.len() {
            match self.peek(0) {
                b'"' => {
                    self.at += 1;
                    return kind;
                }
                b'\\' if self.at + 1 < self.bytes.len() => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at = self.bytes.len();
        Kind::Unknown
    }

    fn label(&mut self) -> Kind {
        self.take_while(|byte| byte != b']' && byte != b'\n');
        if self.peek(0) == b']' {
            self.at += 1;
            return Kind::Label;
        }
        Kind::Unknown
    }

    fn number(&mut self) -> Kind {
        self.take_while(|byte| byte.is_ascii_digit());
        if self.peek(0) == b'.' && self.peek(1).is_ascii_digit() {
            self.at += 1;
            self.take_while(|byte| byte.is_ascii_digit());
            return Kind::Decimal;
        }
        if self.peek(0).is_ascii_alphabetic() {
            self.take_while(|byte| byte.is_ascii_alphanumeric());
            return Kind::Duration;
        }
        Kind::Number
    }

    fn word(&mut self, first: u8) -> Kind {
        let start = self.at;
        self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if &self.text[start..self.at] == "_" {
            return Kind::Wildcard;
        }
        if first.is_ascii_uppercase() || first == b'_' { Kind::Variable } else { Kind::Name }
    }

    fn sign(&mut self, byte: u8) -> Kind {
        let (kind, length) = match (byte, self.peek(1)) {
            (b'(', _) => (Kind::Open, 1),
            (b')', _) => (Kind::Close, 1),
            (b'{', _) => (Kind::OpenBrace, 1),
            (b'}', _) => (Kind::CloseBrace, 1),
            (b',', _) => (Kind::Comma, 1),
            (b';', _) => (Kind::Semicolon, 1),
            (b':', b'-') => (Kind::If, 2),
            (b':', _) => (Kind::Colon, 1),
            (b'.', _) => (Kind::Dot, 1),
            (b'!', b'=') => (Kind::NotEqual, 2),
            (b'!', _) => (Kind::Bang, 1),
            (b'=', _) => (Kind::Equal, 1),
            (b'<', b'=') => (Kind::LessEqual, 2),
            (b'<', b':') => (Kind::Subtype, 2),
            (b'<', _) => (Kind::Less, 1),
            (b'>', b'=') => (Kind::GreaterEqual, 2),
            (b'>', _) => (Kind::Greater, 1),
            (b'+', _) => (Kind::Plus, 1),
            (b'-', _) => (Kind::Minus, 1),
            (b'*', _) => (Kind::Star, 1),
            (b'/', _) => (Kind::Slash, 1),
            (b'%', _) => (Kind::Percent, 1),
            _ => {
                let rest = &self.text[self.at..];
                (Kind::Unknown, rest.chars().next().map_or(1, char::len_utf8))
            }
        };
        self.at += length;
        kind
    }
}
