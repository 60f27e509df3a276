//! Anchors, aliases, tags and directives.

use super::error::YamlError;
use super::scanner::Scanner;
use super::token::Kind;

/// Longest number in `%YAML`, in digits.
const VERSION_DIGITS_MAX: usize = 2;

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')
}

impl Scanner<'_> {
    /// `*name` or `&name`.
    pub(super) fn scan_reference(&mut self) -> Result<(), YamlError> {
        let start = self.cursor.mark;
        let is_alias = self.cursor.byte(0) == b'*';
        self.cursor.skip();
        let mut name = String::new();
        self.cursor.read_while(&mut name, is_word);
        let ends = self.cursor.is_blank_or_end(0) || b"?:,]}%@`".contains(&self.cursor.byte(0));
        if name.is_empty() || !ends {
            let what = if is_alias { "an alias" } else { "an anchor" };
            let reason = format!(
                "while scanning {what}, did not find expected alphabetic or numeric character"
            );
            return self.error(start, &reason);
        }
        self.push(if is_alias { Kind::Alias(name) } else { Kind::Anchor(name) }, start);
        Ok(())
    }

    /// `!handle!suffix`, `!suffix`, `!` or `!<uri>`.
    pub(super) fn scan_tag(&mut self) -> Result<(), YamlError> {
        let start = self.cursor.mark;
        self.cursor.skip();
        let mut word = String::new();
        let is_whole = self.cursor.byte(0) == b'<';
        if is_whole {
            self.cursor.skip();
        } else {
            self.cursor.read_while(&mut word, is_word);
        }
        let has_handle = !is_whole && self.cursor.byte(0) == b'!';
        if has_handle {
            self.cursor.skip();
        }
        let (head, handle) = match (is_whole, has_handle) {
            (true, _) => (String::new(), String::new()),
            (false, true) => (String::new(), format!("!{word}!")),
            (false, false) => (word, "!".to_owned()),
        };
        let uri = self.uri(head)?;
        let is_bare = handle == "!";
        if uri.is_empty() && !is_bare {
            return self.error(start, "while parsing a tag, did not find expected tag URI");
        }
        if is_whole {
            if self.cursor.byte(0) != b'>' {
                return self.error(start, "while scanning a tag, did not find the expected '>'");
            }
            self.cursor.skip();
        }
        if !self.cursor.is_blank_or_end(0) {
            let reason = "while scanning a tag, did not find expected whitespace or line break";
            return self.error(start, reason);
        }
        let is_lone = is_bare && uri.is_empty();
        let parts = if is_lone { (uri, handle) } else { (handle, uri) };
        self.push(Kind::Tag(parts.0, parts.1), start);
        Ok(())
    }

    /// The characters of a URI behind `head`; `%xx` stands for a byte.
    fn uri(&mut self, head: String) -> Result<String, YamlError> {
        let start = self.cursor.mark;
        let mut bytes = head.into_bytes();
        loop {
            let next = self.cursor.byte(0);
            if next == b'%' {
                let digit = |ahead| char::from(self.cursor.byte(ahead)).to_digit(16);
                let octet = digit(1).zip(digit(2)).map(|(high, low)| high * 16 + low);
                let Some(octet) = octet.and_then(|octet| u8::try_from(octet).ok()) else {
                    let reason = "while parsing a tag, did not find URI escaped octet";
                    return self.error(self.cursor.mark, reason);
                };
                bytes.push(octet);
                (0..3).for_each(|_| self.cursor.skip());
            } else if is_word(next) || b";/?:@&=+$,.!~*'()[]".contains(&next) {
                bytes.push(next);
                self.cursor.skip();
            } else {
                break;
            }
        }
        String::from_utf8(bytes)
            .or_else(|_| self.error(start, "while parsing a tag, found an incorrect UTF-8 octet"))
    }

    /// The handle that a `%TAG` names: `!`, `!!` or `!word!`.
    fn directive_handle(&mut self) -> Result<String, YamlError> {
        let start = self.cursor.mark;
        let mut handle = String::new();
        for _ in 0..2 {
            if self.cursor.byte(0) == b'!' {
                self.cursor.read(&mut handle);
                if handle.len() == 1 {
                    self.cursor.read_while(&mut handle, is_word);
                }
            }
        }
        match handle.strip_prefix('!') {
            Some(rest) if rest.is_empty() || rest.ends_with('!') => Ok(handle),
            _ => self.error(start, "while parsing a tag, did not find expected '!'"),
        }
    }

    /// `%YAML 1.1` or `%TAG handle prefix`, to the end of its line.
    pub(super) fn scan_directive(&mut self) -> Result<(), YamlError> {
        let start = self.cursor.mark;
        self.cursor.skip();
        let mut name = String::new();
        self.cursor.read_while(&mut name, is_word);
        if name.is_empty() || !self.cursor.is_blank_or_end(0) {
            let reason = "while scanning a directive, could not find expected directive name";
            return self.error(start, reason);
        }
        let kind = match name.as_str() {
            "YAML" => {
                self.skip_blanks();
                let major = self.scan_version_number()?;
                if self.cursor.byte(0) != b'.' {
                    let reason = "while scanning a %YAML directive, did not find expected digit \
                                  or '.' character";
                    return self.error(start, reason);
                }
                self.cursor.skip();
                Kind::Version(major, self.scan_version_number()?)
            }
            "TAG" => {
                self.skip_blanks();
                let handle = self.directive_handle()?;
                let has_blank = self.cursor.is_blank(0);
                self.skip_blanks();
                let prefix = self.uri(String::new())?;
                if !has_blank || prefix.is_empty() || !self.cursor.is_blank_or_end(0) {
                    let reason =
                        "while scanning a %TAG directive, did not find expected whitespace";
                    return self.error(start, reason);
                }
                Kind::TagPrefix(handle, prefix)
            }
            _ => {
                let reason = "while scanning a directive, found unknown directive name";
                return self.error(start, reason);
            }
        };
        self.skip_blanks();
        if self.cursor.byte(0) == b'#' {
            self.cursor.skip_line_rest();
        }
        if !self.cursor.is_line_end() {
            let reason = "while scanning a directive, did not find expected comment or line break";
            return self.error(start, reason);
        }
        self.cursor.line_break();
        self.push(kind, start);
        Ok(())
    }

    fn skip_blanks(&mut self) {
        while self.cursor.is_blank(0) {
            self.cursor.skip();
        }
    }

    fn scan_version_number(&mut self) -> Result<u32, YamlError> {
        let mut digits = String::new();
        self.cursor.read_while(&mut digits, |b| b.is_ascii_digit());
        match digits.parse() {
            Ok(number) if digits.len() <= VERSION_DIGITS_MAX => Ok(number),
            _ => {
                let reason =
                    "while scanning a %YAML directive, did not find expected version number";
                self.error(self.cursor.mark, reason)
            }
        }
    }
}
