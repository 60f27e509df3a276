//! The fields of a kustomization that change objects by a rule of their own.

use super::kustomization::Maker;
use super::objects::NAMES;
use super::objects::NAMESPACES;
use super::scope::Scope;

const CONFIGURATIONS: &[&str] = &[
    "nameReference:\n- kind: ConfigMap\n  version: v1\n  fieldSpecs:\n  - path: spec/a\n    kind: Widget\n",
    "commonLabels:\n- path: spec/labels\n  create: true\n  kind: Widget\n",
    "namePrefix:\n- path: metadata/name\n  kind: Widget\n",
    "images:\n- path: spec/b\n  kind: Widget\n",
    "images:\n- path: spec/image\n  create: true\n  kind: Widget\n",
    "namespace:\n- path: spec/ns\n  create: true\n  kind: Widget\n",
    "varReference:\n- path: metadata/annotations\n",
    "varReference:\n- path: spec/a\n  kind: Widget\n- path: data\n  kind: ConfigMap\n",
    "commonAnnotations:\n- path: spec/notes\n  create: true\n  kind: Widget\n",
    "replicas:\n- path: spec/count\n  create: true\n  kind: Widget\n",
    "labels:\n- path: spec/labels\n  create: true\n  kind: Widget\n",
    "nameReference:\n- kind: Service\n  fieldSpecs:\n  - path: spec/list/name\n    kind: Widget\n",
];

const CRD: &str = "example.com.v1.Widget:\n  Schema:\n    properties:\n      apiVersion: {type: string}\n      kind: {type: string}\n      metadata: {type: object}\n      spec: {$ref: spec}\nspec:\n  Schema:\n    properties:\n      a:\n        x-kubernetes-object-ref-api-version: v1\n        x-kubernetes-object-ref-kind: ConfigMap\n";

const SCHEMA: &str = "{\"definitions\":{\"w\":{\"properties\":{\"spec\":{\"properties\":{\"list\":{\"type\":\"array\",\"x-kubernetes-patch-strategy\":\"merge\",\"x-kubernetes-patch-merge-key\":\"name\",\"items\":{\"type\":\"object\"}}}}},\"x-kubernetes-group-version-kind\":[{\"group\":\"example.com\",\"version\":\"v1\",\"kind\":\"Widget\"}]}}}";

impl Maker<'_> {
    pub(super) fn names(&mut self, k: &mut String) {
        if self.has(20, "namespace") {
            k.push_str(&format!("namespace: {}\n", self.dice.text(NAMESPACES)));
        }
        if self.has(18, "namePrefix") {
            k.push_str(&format!(
                "namePrefix: {}\n",
                self.dice.text(&["p-", "pre-", "\"1\"", "dev."])
            ));
        }
        if self.has(12, "nameSuffix") {
            k.push_str(&format!("nameSuffix: {}\n", self.dice.text(&["-s", "-v2", "\"0\""])));
        }
    }

    pub(super) fn labels(&mut self, k: &mut String) {
        if self.has(14, "commonLabels") {
            k.push_str(&format!(
                "commonLabels:\n  app: {}\n",
                self.dice.text(&["common", "\"5\"", "\"yes\""])
            ));
        }
        if self.has(14, "labels") {
            self.label_list(k);
        }
        if self.has(14, "commonAnnotations") {
            k.push_str(&format!(
                "commonAnnotations:\n  note: {}\n",
                self.dice.text(&["all", "\"1\"", "$(VAR)", "\"a: b\"", "'#x'"])
            ));
        }
    }

    fn label_list(&mut self, k: &mut String) {
        k.push_str(&format!(
            "labels:\n- pairs:\n    team: {}\n",
            self.dice.text(&["core", "\"1\"", "\"on\""])
        ));
        if self.dice.chance(30) {
            k.push_str("    app: relabelled\n");
        }
        if self.has(30, "labels.includeSelectors") {
            k.push_str("  includeSelectors: true\n");
        } else if self.has(30, "labels.includeTemplates") {
            k.push_str("  includeTemplates: true\n");
        }
        if self.has(15, "labels.fields") {
            k.push_str("  fields:\n  - path: spec/labels\n    create: true\n    kind: Widget\n");
        }
        if self.dice.chance(15) {
            k.push_str("- pairs: {second: \"2\", team: again}\n");
        }
    }

    pub(super) fn images(&mut self, k: &mut String, scope: &Scope) {
        if self.has(18, "images") {
            let field = if self.has(6, "imageTags") { "imageTags" } else { "images" };
            k.push_str(&format!("{field}:\n"));
            for _ in 0..1 + self.dice.below(2) {
                let name =
                    self.dice.text(&["nginx", "redis", "gcr.io:8080/team/app", "busybox", "x.*"]);
                let change = self.dice.text(&[
                    "newTag: v2",
                    "newTag: \"1\"",
                    "newName: other/name",
                    "digest: sha256:abc",
                    "newName: nn\n  newTag: t",
                    "tagSuffix: -x",
                    "newName: r.io/n\n  digest: sha256:0",
                    "newTag: \"1e3\"",
                ]);
                k.push_str(&format!("- name: {name}\n  {change}\n"));
            }
        }
        if self.has(7, "replicas") {
            let scales = |kind: &str| matches!(kind, "Deployment" | "StatefulSet");
            let found = scope.find(self.dice, |made| scales(made.kind));
            let name = match found {
                Some(at) => scope.objects[at].name.clone(),
                None if self.careful => return,
                None => self.dice.text(NAMES),
            };
            k.push_str(&format!("replicas:\n- name: {name}\n  count: {}\n", self.dice.below(5)));
        }
    }

    pub(super) fn vars(&mut self, k: &mut String, scope: &Scope) {
        if self.is_shared > 0 && self.careful {
            return; // two overlays would both bring it
        }
        let found = scope.find(self.dice, |made| !made.is_twice);
        let Some(at) = found.filter(|_| self.dice.chance(6)) else { return };
        self.note("vars");
        let object = &scope.objects[at];
        let name = match self.variables {
            0 => "VAR".to_owned(),
            n if self.careful => format!("VAR{n}"),
            _ => "VAR".to_owned(),
        };
        self.variables += 1;
        k.push_str(&format!(
            "vars:\n- name: {name}\n  objref:\n    kind: {}\n    name: {}\n    apiVersion: {}\n",
            object.kind, object.name, object.api_version
        ));
        if self.dice.chance(40) {
            let field = match self.careful {
                true => self.dice.text(&["metadata.name", "kind", "apiVersion"]),
                false => self.dice.text(&["metadata.labels.app", "spec.replicas", "spec"]),
            };
            k.push_str(&format!("  fieldref:\n    fieldpath: {field}\n"));
        }
    }

    pub(super) fn configurations(&mut self, path: &str, k: &mut String) {
        if self.has(11, "configurations") {
            let text = self.dice.text(CONFIGURATIONS);
            self.file(format!("{path}/config.yaml"), &text);
            k.push_str("configurations:\n- config.yaml\n");
        }
        if self.has(2, "crds") {
            self.file(format!("{path}/crd.yaml"), CRD);
            k.push_str("crds:\n- crd.yaml\n");
        }
        if self.has(1, "openapi") {
            let text = self.dice.text(&["path: schema.json", "version: v1.21.2"]);
            self.files.0.insert(format!("{path}/schema.json"), SCHEMA.into());
            k.push_str(&format!("openapi:\n  {text}\n"));
        }
    }
}
