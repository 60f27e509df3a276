//! Text as the checks see it: Rust with comments and string contents blanked, line by line.

use std::sync::OnceLock;

/// One file of the repository.
#[derive(Debug)]
pub(crate) struct File {
    /// Its path from the root, with `/` between parts.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
    /// Its code and the number of quoted characters a line: read once, asked for by many checks.
    scanned: OnceLock<(String, Vec<usize>)>,
}

impl File {
    /// A file of this path and text.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), scanned: OnceLock::new() }
    }

    /// Rust with every comment and the contents of every string and character replaced by spaces:
    /// each line keeps its length and its number.
    pub(crate) fn code(&self) -> &str {
        &self.scanned.get_or_init(|| scan(&self.text)).0
    }

    /// For each line, how many of its characters are inside a string.
    pub(crate) fn quoted_columns(&self) -> &[usize] {
        &self.scanned.get_or_init(|| scan(&self.text)).1
    }

    /// True for Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The module of the crate that it belongs to; nothing outside `src/` and for `src/*.rs`.
    pub(crate) fn module(&self) -> Option<&str> {
        Some(self.path.strip_prefix("src/")?.split_once('/')?.0)
    }

    /// True for a file that holds nothing but tests.
    pub(crate) fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let beside = self.path.contains("/tests/") || name.ends_with("tests.rs");
        self.path.starts_with("tests/") || beside
    }

    /// `path:line: complaint`, counting lines from 1.
    pub(crate) fn complain(&self, line: usize, complaint: &str) -> String {
        format!("{}:{}: {complaint}", self.path, line + 1)
    }
}

/// What the reader of Rust text is inside of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Code,
    LineComment,
    /// Block comments nest.
    BlockComment(usize),
    /// A string; raw ones end at a quote and this many `#`, others have escapes.
    Text(Option<usize>),
}

/// The code of a Rust file, and the number of quoted characters of each line.
fn scan(text: &str) -> (String, Vec<usize>) {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut quoted = vec![0];
    let mut inside = Inside::Code;
    let mut at = 0;
    while at < chars.len() {
        let (next, length, shown) = step(inside, &chars[at..]);
        for &c in chars[at..].iter().take(length) {
            // A string or a comment may go on over the end of a line: its line break stays one.
            code.push(if c == '\n' || shown { c } else { ' ' });
            if c == '\n' {
                quoted.push(0);
            } else if matches!(inside, Inside::Text(_)) && !shown {
                *quoted.last_mut().expect("it starts with one line") += 1;
            }
        }
        inside = next;
        at += length;
    }
    (code, quoted)
}

/// What follows: the new state, how many characters it took, and whether they are code.
fn step(inside: Inside, rest: &[char]) -> (Inside, usize, bool) {
    let starts = |text: &str| text.chars().zip(rest).filter(|(a, b)| a == *b).count() == text.len();
    match inside {
        Inside::Code if starts("//") => (Inside::LineComment, 2, false),
        Inside::Code if starts("/*") => (Inside::BlockComment(1), 2, false),
        Inside::Code => match opening_quote(rest) {
            Some((length, raw)) => (Inside::Text(raw), length, true),
            None => (Inside::Code, character(rest), character(rest) == 1),
        },
        Inside::LineComment if starts("\n") => (Inside::Code, 1, true),
        Inside::LineComment => (inside, 1, false),
        Inside::BlockComment(1) if starts("*/") => (Inside::Code, 2, false),
        Inside::BlockComment(depth) if starts("*/") => (Inside::BlockComment(depth - 1), 2, false),
        Inside::BlockComment(depth) if starts("/*") => (Inside::BlockComment(depth + 1), 2, false),
        Inside::BlockComment(_) => (inside, 1, false),
        Inside::Text(None) if starts("\\") => (inside, rest.len().min(2), false),
        Inside::Text(raw) => {
            let hashes = raw.unwrap_or(0);
            let ends =
                rest[0] == '"' && rest[1..].iter().take_while(|c| **c == '#').count() >= hashes;
            if ends { (Inside::Code, 1 + hashes, true) } else { (inside, 1, false) }
        }
    }
}

/// The length of a string's opening (`"`, `r#"`, `b"`) and, for a raw one, its number of `#`.
fn opening_quote(rest: &[char]) -> Option<(usize, Option<usize>)> {
    let letters = rest.iter().take_while(|c| matches!(c, 'r' | 'b' | 'c')).count().min(2);
    let raw = rest[..letters].contains(&'r');
    let hashes = rest[letters..].iter().take_while(|c| **c == '#').count();
    let quoted = rest.get(letters + hashes) == Some(&'"') && (raw || hashes == 0);
    quoted.then_some((letters + hashes + 1, raw.then_some(hashes)))
}

/// The length of a character literal such as `'"'` or `'\n'`; 1 for anything else, lifetimes too.
fn character(rest: &[char]) -> usize {
    match rest {
        ['\'', '\\', _, ..] => {
            rest.iter().skip(3).position(|c| *c == '\'').map_or(1, |end| end + 4)
        }
        ['\'', _, '\'', ..] => 3,
        _ => 1,
    }
}

/// Code without what only tests compile: the item after each `#[cfg(test)]` is blanked.
pub(crate) fn without_tests(code: &str) -> String {
    let mut kept = code.to_owned();
    while let Some(start) = kept.find("#[cfg(test)]") {
        let end = item_end(&kept, start + "#[cfg(test)]".len());
        let blank: String =
            kept[start..end].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
        kept.replace_range(start..end, &blank);
    }
    kept
}

/// Where the item that starts at `from` ends: at its `;`, or at the brace that closes it.
pub(crate) fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, c) in code[from..].char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && matches!(c, '}' | ';') {
            return from + offset + 1;
        }
    }
    code.len()
}

/// True when `word` stands in `line` with no letter, digit or underscore at its ends.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(is_part);
        let after = line[at + word.len()..].chars().next().is_some_and(is_part);
        !before && !after
    })
}

#[test]
fn comments_and_strings_are_blank() {
    #[rustfmt::skip]
    let cases = &[
        ("a // b",             "a     "),
        ("a /* b /* c */ */d", "a                d"),
        (r#"f("x{", 'y')"#,    r#"f("  ",    )"#),
        (r##"r#"a"b"# c"##,    r##"r#"   "# c"##),
        (r#""a\"b" c"#,        r#""    " c"#),
        ("&'a str",            "&'a str"),
        (r"'\'' b",            "     b"),
        ("b'{' c",             "b    c"),
    ];
    for (text, want) in cases {
        assert_eq!(scan(text).0.trim_end(), want.trim_end(), "{text}");
    }
    assert_eq!(scan("a\n\"b\nc\" // d\ne").1, [0, 1, 1, 0]);
}

#[test]
fn test_items_are_left_out() {
    let code = "a;\n#[cfg(test)]\nmod tests {\n  { b }\n}\nc;\n#[cfg(test)]\nmod tests;\nd;";
    let kept: Vec<_> = without_tests(code).split_whitespace().map(str::to_owned).collect();
    assert_eq!(kept, ["a;", "c;", "d;"]);
}
