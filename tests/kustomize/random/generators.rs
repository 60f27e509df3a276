//! Generators: ConfigMaps and Secrets out of literals, files and env files.

use super::kustomization::Maker;
use super::objects::CONFIGS;
use super::objects::NAMESPACES;

impl Maker<'_> {
    pub(super) fn generators(&mut self, path: &str, k: &mut String) {
        for (field, percent) in [("configMapGenerator", 22), ("secretGenerator", 14)] {
            if !self.has(percent, field) {
                continue;
            }
            let name = self.dice.text(CONFIGS);
            k.push_str(&format!("{field}:\n- name: {name}\n"));
            if self.dice.chance(8) {
                k.push_str(&format!("  namespace: {}\n", self.dice.text(NAMESPACES)));
            }
            if self.has(20, "generator behavior") {
                k.push_str(&format!(
                    "  behavior: {}\n",
                    self.dice.text(&["merge", "replace", "create"])
                ));
            }
            if self.dice.chance(70) {
                let value = self.dice.text(&["v", "\"q\"", "1", "a=b", "yes", "", "<&>"]);
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
                ]);
                self.files.0.insert(format!("{path}/data.txt"), text);
                k.push_str(&format!(
                    "  files:\n  - {}\n",
                    self.dice.text(&["data.txt", "renamed.txt=data.txt"])
                ));
            }
            if self.has(20, "generator envs") {
                self.files.0.insert(
                    format!("{path}/vars.env"),
                    "# c\nX=1\n  Y = two \nZ\n\nW=a=b\r\n".into(),
                );
                let field = self.dice.text(&["envs:\n  - vars.env", "env: vars.env"]);
                k.push_str(&format!("  {field}\n"));
            }
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
        if self.has(12, "generatorOptions") {
            let option = self.dice.text(&[
                "disableNameSuffixHash: true",
                "immutable: true",
                "labels: {all: g}",
                "annotations: {all: g}",
            ]);
            k.push_str(&format!("generatorOptions:\n  {option}\n"));
        }
    }
}
