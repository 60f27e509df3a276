//! `replacements`: a value from one object, into fields of others.

use super::dice::Dice;
use super::kustomization::Maker;
use super::kustomization::indent;
use super::objects::NAMES;
use super::objects::Y;
use super::scope::Scope;

/// A path to a random scalar, and its last part.
fn field_path(dice: &mut Dice, value: &Y, path: &mut Vec<String>) {
    match value {
        Y::Scalar(_) => {}
        Y::Map(entries) if entries.is_empty() => {}
        Y::List(items) if items.is_empty() => {}
        Y::Map(entries) => {
            let (key, below) = dice.pick(entries);
            let key = match key.contains('.') {
                true if dice.chance(50) => format!("[{key}]"),
                true => key.replace('.', "\\."),
                false => key.clone(),
            };
            path.push(key);
            field_path(dice, below, path);
        }
        Y::List(items) => {
            let at = dice.below(items.len());
            let name = match &items[at] {
                Y::Map(entries) => entries.iter().find(|(key, _)| key == "name"),
                _ => None,
            };
            path.push(match (name, dice.below(3)) {
                (Some((_, Y::Scalar(name))), 0 | 1) => {
                    format!("[name={}]", name.trim_matches(['\'', '"']))
                }
                (_, 2) => "*".to_owned(),
                _ => at.to_string(),
            });
            field_path(dice, &items[at], path);
        }
    }
}

/// A path that exists in `value`, below `spec`, `data` or `metadata`.
fn existing(dice: &mut Dice, value: &Y) -> String {
    let mut path = Vec::new();
    for _ in 0..4 {
        path.clear();
        field_path(dice, value, &mut path);
        let is_id = matches!(path[0].as_str(), "apiVersion" | "kind");
        if !is_id && path.join(".") != "metadata.name" && path.join(".") != "metadata.namespace" {
            return path.join(".");
        }
    }
    "metadata.name".to_owned()
}

impl Maker<'_> {
    pub(super) fn replacements(&mut self, path: &str, k: &mut String, scope: &Scope) {
        if !self.dice.chance(13) {
            return;
        }
        let careful = self.careful;
        let fits = |made: &super::scope::Made| !(careful && made.is_changed);
        let source = scope.find(self.dice, |made| fits(made) && !(careful && made.is_twice));
        let target = scope.find(self.dice, fits);
        let (Some(source), Some(target)) = (source, target) else { return };
        self.note("replacements");
        let mut text = String::new();
        self.source(&mut text, scope, source);
        self.target(&mut text, scope, target);
        if self.has(15, "replacements.path") {
            let body = text.trim_start_matches("- ").replace("\n  ", "\n");
            self.file(format!("{path}/replacement.yaml"), &body);
            text = "- path: replacement.yaml\n".to_owned();
        }
        k.push_str(&format!("replacements:\n{text}"));
    }

    fn source(&mut self, text: &mut String, scope: &Scope, at: usize) {
        if self.has(20, "replacements.sourceValue") {
            let value = self.dice.text(&["x", "\"5\"", "a.b.c", "r.io/n:1"]);
            text.push_str(&format!("- sourceValue: {value}\n"));
            return;
        }
        let made = &scope.objects[at];
        text.push_str(&format!("- source:\n    kind: {}\n    name: {}\n", made.kind, made.name));
        if self.dice.chance(60) {
            let field = match self.careful {
                true => existing(self.dice, &made.yaml),
                false => self.dice.text(&["data.k", "metadata.labels.app", "spec", "kind"]),
            };
            if !(field.contains('*') && self.careful) {
                text.push_str(&format!("    fieldPath: '{}'\n", field.replace('\'', "''")));
            }
        } else if self.dice.chance(40) {
            text.push_str("    options:\n      delimiter: \"-\"\n      index: 0\n");
        }
    }

    fn target(&mut self, text: &mut String, scope: &Scope, at: usize) {
        let made = &scope.objects[at];
        let mut select = format!("kind: {}\n", made.kind);
        let is_alone = scope.of_kind(made.kind) == 1;
        if !is_alone || self.dice.chance(60) {
            select.push_str(&format!("name: {}\n", made.name));
        }
        if self.dice.chance(8) && made.namespace.is_some() {
            select.push_str(&format!("namespace: {}\n", made.namespace.as_deref().unwrap_or("")));
        }
        text.push_str(&format!("  targets:\n  - select:\n{}", indent(&select, 6)));
        if self.has(15, "replacements.reject") {
            text.push_str(&format!("    reject:\n    - name: {}\n", self.dice.text(NAMES)));
        }
        let creates = self.has(45, "replacements.create");
        let field = match (self.careful, creates) {
            (_, true) => self.dice.text(&[
                "metadata.annotations.new",
                "metadata.labels.app",
                "spec.new.deep",
                "spec.template.spec.containers.[name=main].image",
                "metadata.annotations.[example.com/x]",
                "data.made",
            ]),
            (true, false) => existing(self.dice, &made.yaml),
            (false, false) => self.dice.text(&[
                "spec.template.spec.containers.*.env.[name=A].value",
                "data.k",
                "spec.ports.0.port",
                "spec.absent",
            ]),
        };
        text.push_str(&format!("    fieldPaths:\n    - '{}'\n", field.replace('\'', "''")));
        if creates {
            text.push_str("    options:\n      create: true\n");
        } else if self.dice.chance(15) {
            let index = self.dice.word(&["0", "1", "-1", "9"]);
            text.push_str(&format!("    options:\n      delimiter: \"/\"\n      index: {index}\n"));
        }
    }
}
