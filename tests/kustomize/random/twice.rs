//! A key that stands twice in a map of a kustomization file: the last one counts.

use super::dice::Dice;

const OTHERS: &[&str] =
    &["x", "1", "true", "null", "[x]", "[{x: 1}]", "{x: 1}", "{name: x, unheard: 1}", "{}", "[]"];

/// The key that starts a line, if one does.
fn key_of(line: &str) -> Option<&str> {
    let key = line.split_once(':')?.0;
    (!key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric())).then_some(key)
}

/// Puts another value of some key in front of the one that is there.
pub fn twice(dice: &mut Dice, text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let at = dice.below(lines.len().max(1));
    let mut out = String::new();
    for (i, line) in lines.iter().enumerate() {
        let body = line.trim_start();
        let item = body.strip_prefix("- ");
        match key_of(item.unwrap_or(body)).filter(|_| i == at) {
            Some(key) => {
                let indent = &line[..line.len() - body.len()];
                let (dash, blank) = if item.is_some() { ("- ", "  ") } else { ("", "") };
                let rest = item.unwrap_or(body);
                let other = dice.word(OTHERS);
                out.push_str(&format!("{indent}{dash}{key}: {other}\n{indent}{blank}{rest}\n"));
            }
            None => out.push_str(&format!("{line}\n")),
        }
    }
    out
}
