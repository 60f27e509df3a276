//! Random texts and scalars: what readers of YAML disagree about.

use crate::random::dice::Dice;

/// Words that mean something to one reader or another.
pub const WORDS: &[&str] = &[
    "a",
    "foo",
    "y",
    "Y",
    "n",
    "no",
    "yes",
    "on",
    "off",
    "On",
    "OFF",
    "true",
    "True",
    "TRUE",
    "false",
    "null",
    "~",
    "Null",
    "tRue",
    "0",
    "1",
    "-1",
    "+1",
    "0777",
    "0o17",
    "0x1F",
    "0b11",
    "-0b11",
    "1_000",
    "1.0",
    "1.5",
    "1e3",
    "1E5",
    "-1.5e-7",
    "1e21",
    "1e20",
    "1e400",
    ".5",
    ".inf",
    "-.inf",
    ".nan",
    "1:30",
    "190:20:30",
    "12:30:45.5",
    "2001-01-01",
    "2001-1-1",
    "2001-12-14t21:59:43.10-05:00",
    "2001-12-14T21:59:43Z",
    "2001-13-01",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "08",
    "1.",
    "1e",
    "_1",
    "0x",
    "-",
    "--",
    "---",
    "...",
    "<<",
    "=",
    "!",
    "&a",
    "*a",
    "%",
    "@",
    "`",
    "|",
    ">",
    "?",
    ":",
    "#",
    "a#b",
    "a #b",
    "a: b",
    "a:b",
    "- a",
    "-a",
    "? a",
    "[",
    "]",
    "{",
    "}",
    "[a",
    ",",
    "a,b",
    "'",
    "\"",
    "\\",
    "''",
    "it's",
    "${x}",
    "1.2.3",
    "v1",
    "00",
    "1e-5",
    "123456.5",
    "1000000",
    "0.1",
    "0.00001",
];

/// Characters and short pieces, common and odd.
pub const PIECES: &[&str] = &[
    "a",
    "b",
    "Z",
    "0",
    "9",
    " ",
    " ",
    "  ",
    "\n",
    "\n\n",
    "\n  ",
    "\t",
    ":",
    ": ",
    "#",
    " #",
    "-",
    "- ",
    "?",
    ",",
    "[",
    "]",
    "{",
    "}",
    "&",
    "*",
    "!",
    "|",
    ">",
    "'",
    "\"",
    "%",
    "@",
    "`",
    "\\",
    "=",
    "~",
    "$",
    "é",
    "漢",
    "😀",
    "\u{85}",
    "\u{a0}",
    "\u{2028}",
    "\u{2029}",
    "\u{feff}",
    "\u{200b}",
    "\u{7f}",
    "\u{80}",
    "\0",
    "\u{1}",
    "\u{7}",
    "\u{8}",
    "\u{b}",
    "\r",
    "\u{1b}",
    "\r\n",
    "<",
    "word",
    "longerword",
    "some text here",
    "\u{fffd}",
    "\u{e000}",
    "\u{fffe}",
];

const LINES: &[&str] = &[
    "word", "longer", "a", "b ", "  ", " ", "x.y", "é\"", "it's", ": ", "\n", " \n", "\n ", "漢字",
];

/// A text of any kind.
pub fn text(dice: &mut Dice) -> String {
    match dice.below(6) {
        0 => dice.text(WORDS),
        1 => many(dice, WORDS, 4, ""),
        2 => {
            let between = dice.text(&[" ", ":", "-", "\n"]);
            many(dice, WORDS, 5, &between)
        }
        3 => many(dice, LINES, 40, " "),
        4 => many(dice, LINES, 40, " ").trim_end().to_owned(),
        _ => many(dice, PIECES, 14, ""),
    }
}

fn many(dice: &mut Dice, from: &[&str], most: usize, between: &str) -> String {
    let count = dice.below(most);
    (0..count).map(|_| dice.text(from)).collect::<Vec<_>>().join(between)
}

/// Something that looks like a number or a time.
pub fn number(dice: &mut Dice) -> String {
    const DIGITS: &[&[&str]] = &[
        &["0", "1", "2", "7", "8", "9", ".", "e", "E", "+", "-", "_", ":", "x", "o", "b", "f"],
        &["0", "1", "9", "5"],
        &["20", "01", "-", "1", "2", "T", "t", " ", ":", "5", "Z", ".", "12", "+", "09"],
    ];
    match dice.below(6) {
        0 => format!("{}e{}", dice.below(100_000), dice.below(40) as i64 - 20),
        1 => format!("{}", f64::from_bits(dice.bits())),
        2 => format!("{}", (dice.bits() as i64) >> dice.below(63)),
        3 => format!(
            "{:04}-{}-{}{}{}:{}:{}{}",
            dice.below(10_000),
            dice.below(14),
            dice.below(33),
            dice.word(&["T", "t", " ", "  "]),
            dice.below(26),
            dice.below(62),
            dice.below(62),
            dice.word(&["", "Z", ".5", ".123456789Z", "+01:00", "-24:00", "+23:60"]),
        ),
        _ => {
            let head =
                dice.text(&["", "", "0x", "0b", "0o", "-0b", "0", "-", "+", ".", "1999-2-3T"]);
            let digits = DIGITS[dice.below(DIGITS.len())];
            head + &many(dice, digits, 14, "")
        }
    }
}

/// A text in double quotes, everything odd escaped.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match (c, u32::from(c)) {
            ('"' | '\\', _) => out.extend(['\\', c]),
            ('\n', _) => out.push_str("\\n"),
            (' '..='~', _) => out.push(c),
            (_, code @ 0..=0xFF) => out.push_str(&format!("\\x{code:02x}")),
            (_, code @ 0..=0xFFFF) => out.push_str(&format!("\\u{code:04x}")),
            (_, code) => out.push_str(&format!("\\U{code:08x}")),
        }
    }
    out + "\""
}
