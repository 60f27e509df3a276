//! Random documents around random scalars.

use super::texts::PIECES;
use super::texts::WORDS;
use super::texts::number;
use super::texts::quoted;
use super::texts::text;
use crate::random::dice::Dice;

/// Texts as values and keys, at several depths: what the emitter makes of them.
pub fn emitted(dice: &mut Dice) -> String {
    let mut scalar = || {
        let made = text(dice);
        quoted(&made)
    };
    let (a, b, c) = (scalar(), scalar(), scalar());
    match dice.below(6) {
        0 => format!("v: {a}\nw: {b}\nx: {c}\n"),
        1 => format!("? {a}\n: {b}\n"),
        2 => format!("l:\n- {a}\n- {b}\n- - {c}\n"),
        3 => format!("a:\n  b:\n    c:\n      {}: {a}\n    e: [{b}, {c}]\n", "d".repeat(26)),
        4 => format!("m:\n  ? {a}\n  : [{b}, {{x: {c}}}]\n"),
        _ => {
            let key = |dice: &mut Dice, i: usize| match dice.chance(50) {
                true => format!("? {}\n: {i}\n", quoted(&text(dice))),
                false => {
                    format!("{}{}{}: {i}\n", dice.word(&["a", "A", "b-", "k.", "é"]), i * 7, i)
                }
            };
            (0..6).map(|i| key(dice, i)).collect()
        }
    }
}

/// Words and numbers without quotes, at times with a tag: what they mean.
pub fn plain(dice: &mut Dice) -> String {
    let word = if dice.chance(60) { number(dice) } else { dice.text(WORDS) + dice.word(WORDS) };
    let tag = match dice.chance(16) {
        true => {
            dice.word(&["!!str ", "!!int ", "!!float ", "!!bool ", "!!null ", "!!binary ", "!x "])
        }
        false => "",
    };
    let quote = if dice.chance(12) { dice.word(&["'", "\""]) } else { "" };
    let scalar = format!("{tag}{quote}{word}{quote}");
    match dice.below(4) {
        0 => format!("v: {scalar}\n"),
        1 => format!("- {scalar}\n"),
        2 => format!("m:\n  {scalar}: 1\n"),
        _ => format!("{scalar}: 1\n"),
    }
}

/// Block scalars with all headers, indentations and ends.
pub fn block(dice: &mut Dice) -> String {
    let (before, base) =
        *dice.pick(&[("v: ", 0), ("a:\n  b: ", 2), ("- ", 0), ("a:\n- k: ", 2), ("v: !!str ", 0)]);
    let indent = base + 1 + dice.below(3);
    let digit = if dice.chance(15) { (1 + dice.below(4)).to_string() } else { String::new() };
    let mut out = format!(
        "{before}{}{}{digit}{}\n",
        dice.word(&["|", ">"]),
        dice.word(&["", "", "-", "+"]),
        dice.word(&["", "", " ", "  # c"])
    );
    for _ in 0..dice.below(7) {
        if dice.chance(20) {
            out.push_str(dice.word(&["\n", "\n", "  \n", " \n", "\t\n", "    \n"]));
            continue;
        }
        let deeper = if dice.chance(20) { dice.below(3) } else { 0 };
        out.push_str(&" ".repeat(indent + deeper));
        for _ in 0..1 + dice.below(4) {
            out.push_str(dice.word(&[
                "a",
                "word",
                "x y",
                " ",
                "#c",
                "- i",
                "k: v",
                "it's",
                "\\",
                "\t",
                "é",
                "😀",
                "long words in a row and more of them ",
            ]));
        }
        out.push('\n');
    }
    if dice.chance(15) {
        out.pop();
    } else if dice.chance(30) && base == 0 {
        out.push_str(if before.starts_with('-') { "- z\n" } else { "zz: 1\n" });
    }
    out
}

/// Documents of nested maps and lists with comments, anchors, merge keys and tags.
pub fn tree(dice: &mut Dice) -> String {
    let mut out = dice.text(&["", "", "", "---\n", "# head\n", "--- # x\n", "\u{feff}", "\n"]);
    for document in 0..1 + dice.below(8).saturating_sub(5) {
        if document > 0 {
            out.push_str(dice.word(&["---\n", "--- # c\n", "...\n---\n", "---\n# only\n---\n"]));
        }
        if dice.chance(10) {
            out.push_str("anchors:\n  a: &x {k0: 1, z: 2}\n  b: &y\n    k0: 3\n");
        }
        for i in 0..1 + dice.below(4) {
            out.push_str(&format!("top{i}:"));
            value(dice, 0, 2, &mut out);
        }
    }
    if dice.chance(7) { out.replace('\n', "\r\n") } else { out }
}

/// A tree or block with a few characters changed.
pub fn mutated(dice: &mut Dice) -> String {
    let whole = if dice.chance(30) { block(dice) } else { tree(dice) };
    mutate(dice, &whole)
}

/// A text with a few characters changed.
pub fn mutate(dice: &mut Dice, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..1 + dice.below(3) {
        if chars.is_empty() {
            break;
        }
        let at = dice.below(chars.len());
        match dice.below(3) {
            0 => drop(chars.drain(at..(at + 1 + dice.below(8)).min(chars.len()))),
            1 => chars.insert(at, dice.word(PIECES).chars().next().unwrap_or(' ')),
            _ => chars[at] = *dice.pick(&[':', '-', ' ', '\n', '#', '"', '\'', '[', '}', '&', '*']),
        }
    }
    chars.into_iter().collect()
}

/// What stands behind `key:` or `-`, with its line break.
fn value(dice: &mut Dice, depth: usize, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match dice.below(if depth > 4 { 4 } else { 8 }) {
        0 => out.push_str(&format!(" {}{}\n", dice.word(WORDS), dice.word(&["", "", " # c"]))),
        1 => out.push_str(&format!(" {}\n", quoted(&text(dice)))),
        2 => {
            out.push(' ');
            flow(dice, 0, out);
            out.push('\n');
        }
        3 => {
            let kind = ["*x", "&x v", "&y [1]", "!!str 5", "", "plain\n", "'a\n", "|\n", ">-\n"];
            let text = dice.text(&kind).replace('\n', &format!("\n{pad}  second line"));
            let end = if text.starts_with('\'') { "'" } else { "" };
            out.push_str(&format!(" {text}{end}\n"));
        }
        4 | 5 => {
            out.push_str(if dice.chance(15) { dice.word(&[" &x", " !!map", " # c"]) } else { "" });
            out.push('\n');
            for i in 0..1 + dice.below(4) {
                if dice.chance(8) {
                    out.push_str(dice.word(&["# comment\n", "  # deep\n", "\n"]));
                }
                if dice.chance(5) {
                    out.push_str(&format!("{pad}<<: {}\n", dice.word(&["*x", "{a: 1}", "[*x]"])));
                    continue;
                }
                let key = if dice.chance(15) { dice.text(WORDS) } else { format!("k{i}") };
                out.push_str(&format!("{pad}{key}:"));
                value(dice, depth + 1, indent + 2, out);
            }
        }
        _ => {
            out.push('\n');
            let outer = if dice.chance(50) { indent } else { indent.saturating_sub(2) };
            let pad = " ".repeat(outer);
            for i in 0..1 + dice.below(3) {
                let is_map = dice.chance(50);
                out.push_str(&if is_map { format!("{pad}- n{i}:") } else { format!("{pad}-") });
                value(dice, depth + 1, outer + if is_map { 4 } else { 2 }, out);
            }
        }
    }
}

fn flow(dice: &mut Dice, depth: usize, out: &mut String) {
    match dice.below(if depth > 3 { 2 } else { 5 }) {
        0 => out.push_str(dice.word(&[
            "a b",
            "'x'",
            "''",
            "1",
            "true",
            "null",
            "",
            "*x",
            "!!str 1",
            "'multi\n   line'",
            "\"fold\n\n   ed\"",
            "http://x.y:80/z",
            "yes",
        ])),
        1 => {
            let text = text(dice);
            out.push_str(&quoted(&text));
        }
        2 | 3 => {
            out.push('{');
            for i in 0..dice.below(4) {
                out.push_str(&format!(
                    "{}k{i}{}",
                    if i > 0 { ", " } else { "" },
                    dice.word(&[": ", ""])
                ));
                if out.ends_with(' ') {
                    flow(dice, depth + 1, out);
                }
            }
            out.push('}');
        }
        _ => {
            out.push('[');
            for i in 0..dice.below(4) {
                out.push_str(if i > 0 { dice.word(&[", ", ",", "\n  , "]) } else { "" });
                flow(dice, depth + 1, out);
            }
            out.push(']');
        }
    }
}
