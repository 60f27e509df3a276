//! Random patches against an object.

use super::dice::Dice;
use super::objects::ODD;
use super::objects::Y;
use super::objects::map;
use super::objects::s;
use super::scope::Made;

/// A strategic merge patch for `object`, as YAML; careful: nothing that is refused as a rule.
pub fn merge(dice: &mut Dice, object: &Made, careful: bool) -> Y {
    let mut meta = map([("name", s(&object.name))]);
    if let Some(namespace) = &object.namespace {
        meta.put("namespace", s(namespace));
    }
    if dice.chance(25) {
        meta.put(
            "labels",
            map([("app", s(dice.word(&["patched", "null", "\"7\""]))), ("more", s("l"))]),
        );
    }
    if dice.chance(20) {
        meta.put("annotations", map([("note", s(dice.word(&["patched", "null"])))]));
    }
    let mut patch =
        map([("apiVersion", s(object.api_version)), ("kind", s(object.kind)), ("metadata", meta)]);
    if dice.chance(6) {
        patch.put("$patch", s(dice.word(&["delete", "replace", "merge"])));
    }
    let change = |dice: &mut Dice, value: &Y| Change { dice, careful }.of(value, 0);
    let Y::Map(entries) = &object.yaml else { return patch };
    for (key, value) in entries {
        if matches!(key.as_str(), "apiVersion" | "kind" | "metadata") || dice.chance(20) {
            continue;
        }
        if let Some(changed) = change(dice, value) {
            patch.put(key, changed);
        }
    }
    if dice.chance(15) {
        patch.put("extra", map([("x", s(dice.word(ODD)))]));
    }
    patch
}

/// Keys by which items of lists are told apart.
const KEYS: &[&str] = &["name", "containerPort", "port", "protocol", "mountPath"];

struct Change<'d> {
    dice: &'d mut Dice,
    careful: bool,
}

impl Change<'_> {
    /// Parts of a value, changed here and there; `None` leaves it out.
    fn of(&mut self, value: &Y, depth: usize) -> Option<Y> {
        match value {
            Y::Scalar(_) => self.dice.chance(50).then(|| s(self.dice.word(ODD))),
            Y::Map(entries) => self.of_map(entries, depth),
            Y::List(items) => self.of_list(items, depth),
        }
    }

    fn of_map(&mut self, entries: &[(String, Y)], depth: usize) -> Option<Y> {
        let mut made = Y::Map(Vec::new());
        if depth > 0 && self.dice.chance(4) {
            made.put("$patch", s(self.dice.word(&["delete", "replace", "merge"])));
        }
        for (key, value) in entries {
            match self.dice.below(10) {
                0..4 => {
                    if let Some(changed) = self.of(value, depth + 1) {
                        made.put(key, changed);
                    }
                }
                4 if self.dice.chance(40) => made.put(key, s(self.dice.word(&["null", "~", ""]))),
                _ => {}
            }
        }
        if self.dice.chance(20) {
            made.put(self.dice.word(&["added", "new"]), s(self.dice.word(ODD)));
        }
        match &made {
            Y::Map(list) if list.is_empty() && self.dice.chance(80) => None,
            _ => Some(made),
        }
    }

    fn of_list(&mut self, items: &[Y], depth: usize) -> Option<Y> {
        let mut made = Vec::new();
        for item in items {
            if self.dice.chance(60) {
                made.push(self.of_item(item, depth));
            }
        }
        if self.dice.chance(30) {
            made.push(match items.first() {
                Some(Y::Map(first)) => self.new_item(first),
                _ => s(self.dice.word(ODD)),
            });
        }
        if self.dice.chance(5) {
            made.push(map([("$patch", s(self.dice.word(&["replace", "delete"])))]));
        }
        (!made.is_empty()).then_some(Y::List(made))
    }

    /// An item that was not there, or goes.
    fn new_item(&mut self, first: &[(String, Y)]) -> Y {
        let has = |key: &str| first.iter().any(|(k, _)| k == key);
        let choices: &[usize] = match self.careful {
            false => &[0, 1, 2, 3],
            true if has("containerPort") => &[1],
            true if has("port") => &[2],
            true if has("name") => &[0, 3],
            true => return Y::Map(first.to_vec()),
        };
        match *self.dice.pick(choices) {
            0 => map([("name", s("added")), ("image", s("new:1"))]),
            1 => map([("containerPort", s("9090"))]),
            2 => map([("port", s("80")), ("protocol", s("TCP")), ("targetPort", s("1"))]),
            _ => map([("name", s("main")), ("$patch", s("delete"))]),
        }
    }

    /// An item of a list: its keys stay, so that it is found.
    fn of_item(&mut self, item: &Y, depth: usize) -> Y {
        let Y::Map(entries) = item else { return item.clone() };
        let mut made = Y::Map(Vec::new());
        for (key, value) in entries {
            if KEYS.contains(&key.as_str()) {
                if self.careful || self.dice.chance(93) {
                    made.put(key, value.clone());
                }
            } else if self.dice.chance(40)
                && let Some(changed) = self.of(value, depth + 1)
            {
                made.put(key, changed);
            }
        }
        if self.dice.chance(8) {
            made.put("$patch", s(self.dice.word(&["delete", "replace"])));
        }
        made
    }
}

/// All paths of a value, as JSON pointers.
fn pointers(value: &Y, at: &str, out: &mut Vec<String>) {
    match value {
        Y::Scalar(_) => out.push(at.to_owned()),
        Y::Map(entries) => {
            out.push(at.to_owned());
            for (key, value) in entries {
                let key = key.replace('~', "~0").replace('/', "~1");
                pointers(value, &format!("{at}/{key}"), out);
            }
        }
        Y::List(items) => {
            out.push(at.to_owned());
            for (i, item) in items.iter().enumerate() {
                pointers(item, &format!("{at}/{i}"), out);
            }
        }
    }
}

const VALUES: &[&str] =
    &["5", "\"text\"", "{a: b}", "[1, two]", "true", "1000000", "1.5", "null", "'yes'", "yes"];

/// A JSON patch that any object takes.
pub fn json_for_all(dice: &mut Dice) -> String {
    let path = dice.word(&["/extra", "/metadata/annotations", "/metadata/labels", "/spec"]);
    let value = match path {
        "/metadata/annotations" | "/metadata/labels" => "{patched: \"yes\"}".to_owned(),
        _ => dice.text(VALUES),
    };
    let text = format!("- op: add\n  path: {path}\n  value: {value}\n");
    if dice.chance(20) {
        let value = if value.starts_with('{') { "{\"p\": \"y\"}" } else { "1" };
        return format!("[{{\"op\": \"add\", \"path\": \"{path}\", \"value\": {value}}}]\n");
    }
    text
}

/// A JSON patch for `object`. Careful: its steps do not meet, and each finds what it changes.
pub fn json(dice: &mut Dice, object: &Made, careful: bool) -> String {
    let mut all = Vec::new();
    pointers(&object.yaml, "", &mut all);
    let is_id = |path: &str| {
        path.ends_with("/kind")
            || path.ends_with("/apiVersion")
            || (careful && (path == "/metadata" || path.ends_with("/name")))
    };
    all.retain(|path| path.len() > 1 && !is_id(path));
    let mut lines = String::new();
    let mut taken: Vec<String> = Vec::new();
    for _ in 0..1 + dice.below(3) {
        if all.is_empty() {
            break;
        }
        let path = dice.pick(&all).clone();
        let meets = |other: &String| path.starts_with(other) || other.starts_with(&path);
        if careful && taken.iter().any(meets) {
            continue;
        }
        lines.push_str(&step(dice, &path, careful));
        taken.push(path);
    }
    if lines.is_empty() {
        lines.push_str("- op: add\n  path: /extra\n  value: 1\n");
    }
    lines
}

/// One step at `path`.
fn step(dice: &mut Dice, path: &str, careful: bool) -> String {
    let value = dice.text(VALUES);
    match dice.below(10) {
        0..4 => format!("- op: replace\n  path: {path}\n  value: {value}\n"),
        4..6 => {
            let path = match dice.below(4) {
                _ if careful => path.to_owned(),
                0 => format!("{path}/new"),
                1 => format!("{path}/-"),
                2 => format!("{path}/0"),
                _ => path.to_owned(),
            };
            format!("- op: add\n  path: {path}\n  value: {value}\n")
        }
        6..8 => format!("- op: remove\n  path: {path}\n"),
        8 => {
            let op = dice.text(&["copy", "move"]);
            let to = if careful { "/moved".to_owned() } else { format!("{path}2") };
            format!("- op: {op}\n  from: {path}\n  path: {to}\n")
        }
        _ if careful => format!("- op: replace\n  path: {path}\n  value: {value}\n"),
        _ => format!("- op: test\n  path: {path}\n  value: {value}\n"),
    }
}
