//! Generators: ConfigMaps and Secrets out of literals, files and env files.

use super::kustomization::Maker;
use super::objects::CONFIGS;
use super::objects::NAMESPACES;
use super::scope::Scope;

impl Maker<'_> {
    pub(super) fn generators(&mut self, path: &str, k: &mut String, scope: &mut Scope) {
        for (field, percent) in [("configMapGenerator", 20), ("secretGenerator", 14)] {
            if self.has(percent, field) {
                self.generator(field, path, k, scope);
            }
        }
        if self.has(14, "generatorOptions") {
            let option = self.dice.text(&[
                "disableNameSuffixHash: true",
                "immutable: true",
                "labels: {all: g}",
                "annotations: {all: g}",
            ]);
            k.push_str(&format!("generatorOptions:\n  {option}\n"));
        }
    }

    fn generator(&mut self, field: &'static str, path: &str, k: &mut String, scope: &mut Scope) {
        let known = scope.generated.get(field).cloned().unwrap_or_default();
        let changes = !known.is_empty() && self.dice.chance(45);
        let mut name = self.dice.text(CONFIGS);
        let kind = if field == "secretGenerator" { "Secret" } else { "ConfigMap" };
        if changes {
            name = self.dice.pick(&known).clone();
        } else if self.careful && !self.claim(kind, &name) {
            name = format!("{name}-{}", scope.objects.len() + known.len() + path.len());
            name.push_str(&path.replace('d', "-d"));
            self.claim(kind, &name);
        }
        k.push_str(&format!("{field}:\n- name: {name}\n"));
        if self.dares(12) || (!changes && self.dice.chance(4)) {
            k.push_str(&format!("  namespace: {}\n", self.dice.text(NAMESPACES)));
        } else if !changes {
            scope.generated.entry(field).or_default().push(name);
        }
        if changes || self.dares(10) {
            self.note("generator behavior");
            let behavior = self.dice.word(&["merge", "merge", "replace"]);
            k.push_str(&format!("  behavior: {behavior}\n"));
        } else if self.dice.chance(5) {
            k.push_str("  behavior: create\n");
        }
        self.data(path, k);
        if field == "secretGenerator" && self.dice.chance(30) {
            k.push_str("  type: kubernetes.io/tls\n");
        }
        if self.has(20, "generator options") {
            let option = self.dice.text(&[
                "disableNameSuffixHash: true",
                "immutable: true",
                "labels: {own: \"1\"}",
                "annotations: {own: x}",
            ]);
            k.push_str(&format!("  options:\n    {option}\n"));
        }
    }

    fn data(&mut self, path: &str, k: &mut String) {
        if self.dice.chance(70) {
            let value =
                self.dice.text(&["v", "\"q\"", "1", "a=b", "yes", "", "<&>", "é", "'single'"]);
            k.push_str(&format!(
                "  literals:\n  - k={value}\n  - 'long={}'\n",
                "word ".repeat(self.dice.below(25))
            ));
        }
        if self.has(30, "generator files") {
            let text = self.dice.text(&[
                "line\nother\n",
                "no end",
                "",
                "tab\tx \n  y",
                "key: [1, 2]\n\n\n",
                "é ü\n",
                "a\r\nb\r\n",
                "\u{feff}mark",
                "trailing \nblank\n",
                "\n\nfirst",
            ]);
            self.files.0.insert(format!("{path}/data.txt"), text);
            k.push_str(&format!(
                "  files:\n  - {}\n",
                self.dice.text(&["data.txt", "renamed.txt=data.txt"])
            ));
        }
        if self.has(20, "generator envs") {
            let text = self.dice.word(&[
                "# c\nX=1\n  Y = two \nW=a=b\r\n",
                "A=1\n\n#B=2\nC='quoted'\nD=\"double\"\n",
                "E=\nF= \n",
            ]);
            let text = if self.dares(30) { "X=1\n=bad\n" } else { text };
            self.files.0.insert(format!("{path}/vars.env"), text.into());
            let field = self.dice.text(&["envs:\n  - vars.env", "env: vars.env"]);
            k.push_str(&format!("  {field}\n"));
        }
    }
}
