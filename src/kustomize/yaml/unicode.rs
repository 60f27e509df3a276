//! Character classes as Go knows them, for the order of keys beyond ASCII.

use std::sync::LazyLock;

use regex::Regex;

static LETTER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\p{L}$").expect("the pattern is constant"));
static DIGIT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\p{Nd}$").expect("the pattern is constant"));

/// Go's `unicode.IsLetter`: general category L.
pub(super) fn is_letter(c: char) -> bool {
    LETTER.is_match(c.encode_utf8(&mut [0; 4]))
}

/// Go's `unicode.IsDigit`: general category Nd.
pub(super) fn is_digit(c: char) -> bool {
    DIGIT.is_match(c.encode_utf8(&mut [0; 4]))
}

/// Go's `unicode.IsLetter` or `unicode.IsDigit`: what names of variables are made of.
pub(crate) fn is_go_letter_or_digit(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphanumeric() } else { is_letter(c) || is_digit(c) }
}
