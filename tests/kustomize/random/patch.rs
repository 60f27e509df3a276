//! Random patches against an object.

use super::dice::Dice;
use super::objects::Made;
use super::objects::ODD;
use super::objects::Y;
use super::objects::map;
use super::objects::s;

/// A strategic merge patch for `object`, as YAML.
pub fn merge(dice: &mut Dice, object: &Made) -> Y {
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
    let Y::Map(entries) = &object.yaml else { return patch };
    for (key, value) in entries {
        if matches!(key.as_str(), "apiVersion" | "kind" | "metadata") || dice.chance(20) {
            continue;
        }
        if let Some(changed) = change(dice, value, 0) {
            patch.put(key, changed);
        }
    }
    if dice.chance(15) {
        patch.put("extra", map([("x", s(dice.word(ODD)))]));
    }
    patch
}

/// Parts of a value, changed here and there; `None` leaves it out.
fn change(dice: &mut Dice, value: &Y, depth: usize) -> Option<Y> {
    match value {
        Y::Scalar(_) => dice.chance(50).then(|| s(dice.word(ODD))),
        Y::Map(entries) => {
            let mut made = Y::Map(Vec::new());
            if depth > 0 && dice.chance(4) {
                made.put("$patch", s(dice.word(&["delete", "replace", "merge"])));
            }
            for (key, value) in entries {
                match dice.below(10) {
                    0..4 => {
                        if let Some(changed) = change(dice, value, depth + 1) {
                            made.put(key, changed);
                        }
                    }
                    4 if dice.chance(40) => made.put(key, s(dice.word(&["null", "~", ""]))),
                    _ => {}
                }
            }
            if dice.chance(20) {
                made.put(dice.word(&["added", "new"]), s(dice.word(ODD)));
            }
            match &made {
                Y::Map(list) if list.is_empty() && dice.chance(80) => None,
                _ => Some(made),
            }
        }
        Y::List(items) => {
            let mut made = Vec::new();
            for item in items {
                if dice.chance(60) {
                    made.push(item_patch(dice, item, depth));
                }
            }
            if dice.chance(30) {
                made.push(match items.first() {
                    Some(Y::Map(_)) => match dice.below(4) {
                        0 => map([("name", s("added")), ("image", s("new:1"))]),
                        1 => map([("containerPort", s("9090"))]),
                        2 => {
                            map([("port", s("80")), ("protocol", s("TCP")), ("targetPort", s("1"))])
                        }
                        _ => map([("name", s("main")), ("$patch", s("delete"))]),
                    },
                    _ => s(dice.word(ODD)),
                });
            }
            if dice.chance(5) {
                made.push(map([("$patch", s(dice.word(&["replace", "delete"])))]));
            }
            (!made.is_empty()).then_some(Y::List(made))
        }
    }
}

/// An item of a list: its keys stay, so that it is found.
fn item_patch(dice: &mut Dice, item: &Y, depth: usize) -> Y {
    let Y::Map(entries) = item else { return item.clone() };
    let mut made = Y::Map(Vec::new());
    for (key, value) in entries {
        let is_key =
            matches!(key.as_str(), "name" | "containerPort" | "port" | "protocol" | "mountPath");
        if is_key {
            if dice.chance(93) {
                made.put(key, value.clone());
            }
        } else if dice.chance(40)
            && let Some(changed) = change(dice, value, depth + 1)
        {
            made.put(key, changed);
        }
    }
    if dice.chance(8) {
        made.put("$patch", s(dice.word(&["delete", "replace"])));
    }
    made
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

/// A JSON patch for `object`.
pub fn json(dice: &mut Dice, object: &Made) -> String {
    let mut all = Vec::new();
    pointers(&object.yaml, "", &mut all);
    all.retain(|path| path.len() > 1 && !path.ends_with("/kind") && !path.ends_with("/apiVersion"));
    let mut lines = String::new();
    for _ in 0..1 + dice.below(3) {
        let path = dice.pick(&all).clone();
        let value = dice.text(&[
            "5", "\"text\"", "{a: b}", "[1, two]", "true", "1000000", "1.5", "null", "'yes'", "yes",
        ]);
        let op = match dice.below(10) {
            0..4 => format!("- op: replace\n  path: {path}\n  value: {value}\n"),
            4..6 => {
                let path = match dice.below(4) {
                    0 => format!("{path}/new"),
                    1 => format!("{path}/-"),
                    2 => format!("{path}/0"),
                    _ => path,
                };
                format!("- op: add\n  path: {path}\n  value: {value}\n")
            }
            6..8 => format!("- op: remove\n  path: {path}\n"),
            8 => {
                let op = dice.text(&["copy", "move"]);
                format!("- op: {op}\n  from: {path}\n  path: {path}2\n")
            }
            _ => format!("- op: test\n  path: {path}\n  value: {value}\n"),
        };
        lines.push_str(&op);
    }
    lines
}
