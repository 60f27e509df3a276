//! Random texts with `${…}`, and values for them.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::json;

use crate::random::dice::Dice;

const NAMES: &[&str] = &["a", "b", "foo", "FOO_1", "_x", "n", "ab"];

const VALUES: &[&str] = &[
    "",
    "foo",
    "Bar baz",
    "a/b/c",
    "abcabc",
    "é漢😀x",
    "ÀÉ",
    "ß",
    "1",
    "0777",
    "true",
    "1e6",
    "12345678901234567",
    "null",
    "x.y.z",
    "---",
    "[1, 2]",
    "{a: b}",
    "\"q\"",
    "it's",
    "a: b",
    "# c",
    "*",
    "[x]",
    "\\",
    "$HOME",
    "${foo}",
    "İI",
    "ΣΑΣ",
    "aaa",
    "-1",
    "3",
    "yes",
    "2001-01-01",
    "0x1F",
    " lead",
    "trail ",
    "a#b",
    "%",
    "!x",
    "&a",
    "3.50",
    "\t",
];

const PIECES: &[&str] =
    &["x", "foo", "a b", "$", "$$", "\\/", "\\", "é", "1", "-", ":", "/", "'", "\"", "{", "\n"];

const PATTERNS: &[&str] = &[
    "*", "?", "a", "b", "[a-c]", "[^a]", "\\", "/", ".", "[", "]", "-", "x", "foo", "é", "\\*",
    "[]a]", "o", "[a-]", "[\\]]",
];

/// One or more of a list, or a nested call.
fn pieces(dice: &mut Dice, from: &[&str], depth: usize, most: usize, out: &mut String) {
    if depth < 3 && dice.chance(15) {
        return call(dice, depth + 1, out);
    }
    for _ in 0..1 + dice.below(most) {
        out.push_str(dice.word(from));
    }
}

/// One `${…}`, well formed more often than not.
pub fn call(dice: &mut Dice, depth: usize, out: &mut String) {
    out.push_str("${");
    out.push_str(if dice.chance(8) { "#" } else { "" });
    let name = if dice.chance(4) { dice.word(&["", "é", "1a", "-"]) } else { dice.word(NAMES) };
    out.push_str(name);
    match dice.below(11) {
        0 | 1 => {}
        2 | 3 => {
            out.push_str(dice.word(&[":=", ":-", ":?", ":+", "=", "-", "+", "?"]));
            for _ in 0..dice.below(3) {
                pieces(dice, PIECES, depth, 1, out);
            }
        }
        4 => out.push_str(dice.word(&["^", "^^", ",", ",,", "^,", ",^", "^^^"])),
        5 => {
            out.push(':');
            pieces(dice, &["0", "1", "2", "-1", " 1", "x", "9", "", "+1"], depth, 1, out);
            if dice.chance(50) {
                out.push(':');
                pieces(dice, &["0", "1", "2", "-1", "x", "9", ""], depth, 1, out);
            }
        }
        6 | 7 => {
            out.push_str(dice.word(&["#", "##", "%", "%%", "###"]));
            pieces(dice, PATTERNS, depth, 4, out);
        }
        8 | 9 => {
            out.push_str(dice.word(&["/", "//", "/#", "/%", "///"]));
            let parts = ["a", "b", "o", "\\/", "\\\\", "\\", "é", "*", " ", "$$", "$", "foo", "."];
            pieces(dice, &parts, depth, 2, out);
            if !dice.chance(15) {
                out.push('/');
                if dice.chance(70) {
                    pieces(dice, &parts, depth, 2, out);
                }
            }
        }
        _ => out.push_str(dice.word(&["é", ":é", " ", ".", ":", "::", "!", "@"])),
    }
    out.push_str(if dice.chance(4) { "" } else { "}" });
}

/// Values for some of the names.
pub fn values(dice: &mut Dice, lines: bool) -> BTreeMap<String, String> {
    let mut made = BTreeMap::new();
    for _ in 0..dice.below(6) {
        let value = if lines && dice.chance(5) { "line1\nline2" } else { dice.word(VALUES) };
        let name = if lines && dice.chance(2) { "1bad" } else { dice.word(NAMES) };
        made.insert(name.to_owned(), value.to_owned());
    }
    made
}

/// A question for the oracle's mode `eval`.
pub fn question(dice: &mut Dice) -> Value {
    let mut text = String::new();
    for _ in 0..dice.below(6) {
        match dice.below(6) {
            0..3 => call(dice, 0, &mut text),
            3 => {
                let dollars = ["$$", "$$$", "$", "$a", "$${a}", "$$$${a}", "$$$${", "}", "{"];
                text.push_str(dice.word(&dollars));
            }
            _ => text.push_str(dice.word(&["text ", "é", "\n", "a: b", "\\", "\\/", " "])),
        }
    }
    json!({ "Text": text, "Vars": values(dice, false), "Strict": dice.chance(50) })
}

/// A field's value with one or more calls in it.
pub fn field(dice: &mut Dice) -> String {
    let name = dice.text(NAMES);
    let simple = match dice.below(12) {
        0..5 => format!("${{{name}}}"),
        5 => format!("${{{name}:=dflt}}"),
        6 => format!("${{{name}:-7}}"),
        7 => format!("${{{name}^^}}"),
        8 => format!("${{{name}:1:2}}"),
        9 => format!("${{{name}/a/b}}"),
        10 => format!("$${{{name}}}"),
        _ => {
            let mut out = String::new();
            if dice.chance(30) {
                call(dice, 0, &mut out);
            }
            out
        }
    };
    match dice.below(9) {
        0 => "plain".to_owned(),
        1 => format!("pre-{simple}"),
        2 => format!("{simple}-post"),
        3 => dice.text(&["1", "true", "12345678901234567", "1e6", "0x10", "a # b", "'x'"]),
        4 => format!("{}{simple} after column eighty", "long text that is folded ".repeat(3)),
        5 => format!("two\n{simple}\nlines"),
        _ => simple,
    }
}
