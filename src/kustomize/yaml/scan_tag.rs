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
    pub(super) fn scan_anchor(&mut self) -> Result<(), YamlError> {
        let start = self.cursor.mark;
        let is_alias = self.cursor.byte(0) == b'*';
        self.cursor.skip();
        let mut name = String::new();
        self.cursor.read_while(&mut name, is_word);
        let ends = self.cursor.is_blank_or_end(0)
            || matches!(self.cursor.byte(0), b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`');
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
        let (handle, suffix) = if self.cursor.byte(1) == b'<' {
            self.cursor.skip();
            self.cursor.skip();
            let uri = self.scan_uri("")?;
            if self.cursor.byte(0) != b'>' {
                return self.error(start, "while scanning a tag, did not find the expected '>'");
            }
            self.cursor.skip();
            (String::new(), uri)
        } else {
            let handle = self.scan_handle(false)?;
            if handle.len() > 1 && handle.ends_with('!') {
                let suffix = self.scan_uri("")?;
                (handle, suffix)
            } else {
                match self.scan_uri(&handle)? {
                    suffix if suffix.is_empty() => (suffix, "!".to_owned()),
                    suffix => ("!".to_owned(), suffix),
                }
            }
        };
        if !self.cursor.is_blank_or_end(0) {
            let reason = "while scanning a tag, did not find expected whitespace or line break";
            return self.error(start, reason);
        }
        self.push(Kind::Tag(handle, suffix), start);
        Ok(())
    }

    fn scan_handle(&mut self, is_directive: bool) -> Result<String, YamlError> {
        let start = self.cursor.mark;
        let mut handle = String::new();
        if self.cursor.byte(0) == b'!' {
            self.cursor.read(&mut handle);
            self.cursor.read_while(&mut handle, is_word);
            if self.cursor.byte(0) == b'!' {
                self.cursor.read(&mut handle);
                return Ok(handle);
            }
        }
        if handle.is_empty() || (is_directive && handle != "!") {
            return self.error(start, "while parsing a tag, did not find expected '!'");
        }
        Ok(handle)
    }

    /// The characters of a URI; `head` is a tag's start that was read already.
    fn scan_uri(&mut self, head: &str) -> Result<String, YamlError> {
        let start = self.cursor.mark;
        let mut bytes: Vec<u8> = head.bytes().skip(1).collect();
        let mut is_any = !head.is_empty();
        loop {
            match self.cursor.byte(0) {
                b'%' => self.scan_uri_escape(&mut bytes)?,
                b if is_word(b) || b";/?:@&=+$,.!~*'()[]".contains(&b) => {
                    bytes.push(b);
                    self.cursor.skip();
                }
                _ => break,
            }
            is_any = true;
        }
        match String::from_utf8(bytes) {
            Ok(uri) if is_any => Ok(uri),
            _ => self.error(start, "while parsing a tag, did not find expected tag URI"),
        }
    }

    /// One character as `%xx` for each of its bytes.
    fn scan_uri_escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), YamlError> {
        let mut left = None;
        while left != Some(0) {
            let digit = |ahead| char::from(self.cursor.byte(ahead)).to_digit(16);
            let (b'%', Some(high), Some(low)) = (self.cursor.byte(0), digit(1), digit(2)) else {
                let reason = "while parsing a tag, did not find URI escaped octet";
                return self.error(self.cursor.mark, reason);
            };
            let octet = u8::try_from(high * 16 + low).unwrap_or(0);
            let length = match octet {
                0..=0x7F => 1,
                0xC0..=0xDF => 2,
                0xE0..=0xEF => 3,
                0xF0..=0xF7 => 4,
                _ => 0,
            };
            left = match left {
                None if length > 0 => Some(length - 1),
                Some(n) if octet & 0xC0 == 0x80 => Some(n - 1),
                _ => {
                    let reason = "while parsing a tag, found an incorrect UTF-8 octet";
                    return self.error(self.cursor.mark, reason);
                }
            };
            bytes.push(octet);
            (0..3).for_each(|_| self.cursor.skip());
        }
        Ok(())
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
                let handle = self.scan_handle(true)?;
                let has_blank = self.cursor.is_blank(0);
                self.skip_blanks();
                let prefix = self.scan_uri("")?;
                if !has_blank || !self.cursor.is_blank_or_end(0) {
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
