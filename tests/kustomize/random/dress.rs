//! Files as people leave them: comments, document marks, CRLF, byte order marks, anchors.

use super::dice::Dice;

const COMMENTS: &[&str] = &[
    "# a comment",
    "#",
    "# key: value",
    "#no blank",
    "# ---",
    "# é ü 漢字 \"quote' {{ .Values.x }}",
    "#\ttab",
];

/// The text of a file, dressed up without changing what it means (as a rule).
pub fn dress(dice: &mut Dice, text: &str) -> String {
    let has_blocks = text.contains('|') || text.contains('>') || text.contains("\n\n");
    let mut out = String::new();
    if dice.chance(20) {
        out.push_str(dice.word(&[
            "---\n",
            "# head\n---\n",
            "---\n# head\n",
            "\n\n",
            "--- # head\n",
        ]));
    }
    for line in text.lines() {
        let opens = line.ends_with(':') || line.ends_with(": ");
        if !has_blocks && dice.chance(3) {
            let indent = " ".repeat(dice.below(6));
            out.push_str(&format!("{indent}{}\n", dice.word(COMMENTS)));
        }
        out.push_str(line);
        let is_plain = !has_blocks && !line.contains('"') && !line.contains('\'') && line != "---";
        if is_plain && !opens && dice.chance(3) {
            out.push_str(dice.word(&["  # behind", " #", "   ", " # é"]));
        } else if is_plain && opens && dice.chance(4) {
            // No comment here: see the known differences.
            out.push_str(dice.word(&["  ", " "]));
        }
        out.push('\n');
    }
    match dice.below(60) {
        0 => out.push_str("---\n"),
        1 => out.push_str("...\n"),
        2 => out.push_str("# the end\n"),
        3 => out.push_str("\n\n"),
        4 => out = out.replace('\n', "\r\n"),
        5 => out.insert(0, '\u{feff}'),
        6 => {
            out.pop();
        }
        _ => {}
    }
    out
}
