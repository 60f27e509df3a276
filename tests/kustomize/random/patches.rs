//! The patch fields: `patches`, `patchesStrategicMerge`, `patchesJson6902`.

use super::kustomization::Maker;
use super::kustomization::indent;
use super::objects::NAMESPACES;
use super::patch;
use super::scope::Made;
use super::scope::Scope;

impl Maker<'_> {
    pub(super) fn patches(&mut self, path: &str, k: &mut String, scope: &mut Scope) {
        if self.dice.chance(32) && !scope.objects.is_empty() {
            self.note("patches");
            k.push_str("patches:\n");
            for i in 0..1 + self.dice.below(3) {
                self.patch(path, i, k, scope);
            }
            if k.ends_with("patches:\n") {
                k.push_str("  []\n");
            }
        }
        if self.dice.chance(13) {
            self.strategic_merge(path, k, scope);
        }
        if self.dice.chance(7) {
            self.json6902(path, k, scope);
        }
    }

    /// One entry of `patches`.
    fn patch(&mut self, path: &str, i: usize, k: &mut String, scope: &mut Scope) {
        let careful = self.careful;
        let json = self.dice.chance(55);
        let found =
            scope.find(self.dice, |made| !(careful && json && (made.is_changed || made.is_twice)));
        let Some(at) = found else { return };
        let object = scope.objects[at].clone();
        // A wide target meets objects that lack the fields: only what fits all is written then.
        let is_wide = self.dice.chance(25);
        let text = match json {
            true if is_wide && careful => patch::json_for_all(self.dice),
            true => patch::json(self.dice, &object, careful),
            false => patch::merge(self.dice, &object, careful).print(),
        };
        self.note(if json { "patches (JSON 6902)" } else { "patches (merge)" });
        if self.dice.chance(40) {
            let file = format!("patch{i}.yaml");
            self.file(format!("{path}/{file}"), &text);
            k.push_str(&format!("- path: {file}\n"));
        } else {
            let style = self.dice.word(&["|-", "|", "|+"]);
            k.push_str(&format!("- patch: {style}\n{}", indent(&text, 4)));
        }
        let must_aim = json || (careful && object.is_twice);
        if must_aim || self.dice.chance(40) {
            let target = self.aim(&object, is_wide);
            k.push_str(&format!("  target:\n{}", indent(&target, 4)));
            if is_wide {
                scope.objects.iter_mut().for_each(|made| made.is_changed = true);
            }
        }
        if !json && self.has(8, "patches.options") {
            let option = self.dice.word(&["allowNameChange", "allowKindChange"]);
            k.push_str(&format!("  options:\n    {option}: true\n"));
        }
        self.after(scope, at, &text);
    }

    /// A selector that chooses `object` alone, or more, or nothing.
    fn aim(&mut self, object: &Made, is_wide: bool) -> String {
        if !is_wide {
            let name = match self.dice.below(4) {
                0 => format!("^{}$", object.name),
                _ => object.name.clone(),
            };
            return format!("kind: {}\nname: {name}\n", object.kind);
        }
        let mut out = String::new();
        if self.dice.chance(70) {
            out.push_str(&format!("kind: {}\n", object.kind));
        }
        if self.dice.chance(40) {
            let name = match self.dice.below(3) {
                0 => ".*".to_owned(),
                1 => format!("{}.*", object.name),
                _ => format!("({}|web)", object.name),
            };
            out.push_str(&format!("name: {name}\n"));
        }
        if self.dice.chance(25) {
            let selector = self.dice.text(&["app=web", "app in (web, db)", "!tier", "app"]);
            out.push_str(&format!("labelSelector: \"{selector}\"\n"));
        }
        if self.dice.chance(12) {
            out.push_str("annotationSelector: note\n");
        }
        if self.dice.chance(12) {
            out.push_str(&format!("namespace: {}\n", self.dice.text(NAMESPACES)));
        }
        if out.is_empty() {
            out.push_str("version: v1\n");
        }
        out
    }

    fn after(&mut self, scope: &mut Scope, at: usize, text: &str) {
        scope.objects[at].is_changed = true;
        if text.contains("\n$patch: delete") {
            scope.objects.remove(at);
        }
    }

    fn strategic_merge(&mut self, path: &str, k: &mut String, scope: &mut Scope) {
        let careful = self.careful;
        let found = scope.find(self.dice, |made| !(careful && made.is_twice));
        let Some(at) = found else { return };
        self.note("patchesStrategicMerge");
        let text = patch::merge(self.dice, &scope.objects[at], careful).print();
        if self.dice.chance(50) {
            self.file(format!("{path}/psm.yaml"), &text);
            k.push_str("patchesStrategicMerge:\n- psm.yaml\n");
        } else {
            k.push_str(&format!("patchesStrategicMerge:\n- |-\n{}", indent(&text, 2)));
        }
        self.after(scope, at, &text);
    }

    fn json6902(&mut self, path: &str, k: &mut String, scope: &mut Scope) {
        let careful = self.careful;
        let found = scope.find(self.dice, |made| !(careful && (made.is_changed || made.is_twice)));
        let Some(at) = found else { return };
        self.note("patchesJson6902");
        let object = scope.objects[at].clone();
        let text = patch::json(self.dice, &object, careful);
        let (group, version) =
            object.api_version.split_once('/').unwrap_or(("", object.api_version));
        let mut target =
            format!("version: {version}\nkind: {}\nname: {}\n", object.kind, object.name);
        if !group.is_empty() {
            target.push_str(&format!("group: {group}\n"));
        }
        if let Some(namespace) = object.namespace.as_ref().filter(|_| self.dice.chance(80)) {
            target.push_str(&format!("namespace: {namespace}\n"));
        }
        let target = indent(&target, 4);
        if self.dice.chance(40) {
            self.file(format!("{path}/json.yaml"), &text);
            k.push_str(&format!("patchesJson6902:\n- target:\n{target}  path: json.yaml\n"));
        } else {
            let text = indent(&text, 4);
            k.push_str(&format!("patchesJson6902:\n- target:\n{target}  patch: |-\n{text}"));
        }
        self.after(scope, at, "");
    }
}
