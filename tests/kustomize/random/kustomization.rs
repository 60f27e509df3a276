//! Random kustomizations: bases, overlays, components, and every field.

use std::collections::BTreeSet;

use super::RandomTree;
use super::dice::Dice;
use super::objects::ACCOUNTS;
use super::objects::Made;
use super::objects::NAMES;
use super::objects::NAMESPACES;
use super::objects::object;
use super::patch;
use crate::tree::MemoryTree;

/// A tree under construction.
pub(super) struct Maker<'d> {
    pub(super) dice: &'d mut Dice,
    pub(super) files: MemoryTree,
    used: BTreeSet<&'static str>,
    /// Objects that exist somewhere: what patches and references aim at.
    objects: Vec<Made>,
    directories: usize,
    /// Avoid what is nearly always refused.
    careful: bool,
}

/// One random tree.
pub fn tree(dice: &mut Dice) -> RandomTree {
    let depth = 1 + dice.below(4);
    let careful = dice.chance(80);
    let mut maker = Maker {
        dice,
        files: MemoryTree::default(),
        used: BTreeSet::new(),
        objects: Vec::new(),
        directories: 0,
        careful,
    };
    let root = maker.directory(depth, false);
    RandomTree { files: maker.files, root, used: maker.used }
}

fn indent(text: &str, by: usize) -> String {
    let blank = " ".repeat(by);
    text.lines()
        .map(|line| if line.is_empty() { "\n".into() } else { format!("{blank}{line}\n") })
        .collect()
}

impl Maker<'_> {
    fn note(&mut self, name: &'static str) {
        self.used.insert(name);
    }

    /// Rolls for a feature, and notes it.
    pub(super) fn has(&mut self, percent: usize, name: &'static str) -> bool {
        const OFTEN_REFUSED: &[&str] = &[
            "patchesJson6902",
            "replicas",
            "vars",
            "helmCharts",
            "validators",
            "(broken)",
            "generator behavior",
            "(list kind)",
            "crds",
        ];
        let rare = self.careful && OFTEN_REFUSED.contains(&name);
        let percent = if rare { percent.div_ceil(8) } else { percent };
        let yes = self.dice.chance(percent);
        if yes {
            self.note(name);
        }
        yes
    }

    fn some_object(&mut self) -> Option<Made> {
        if self.objects.is_empty() {
            return None;
        }
        Some(self.dice.pick(&self.objects).clone())
    }

    /// A directory with a kustomization; its path.
    fn directory(&mut self, depth: usize, component: bool) -> String {
        self.directories += 1;
        let path = format!("d{}", self.directories);
        let mut k = String::new();
        if component {
            k.push_str("apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n");
        } else if self.dice.chance(70) {
            k.push_str("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n");
        }
        let resources = self.resources(&path, depth, component);
        let key = if self.has(4, "bases") { "bases" } else { "resources" };
        if !resources.is_empty() {
            self.note("resources");
            k.push_str(&format!("{key}:\n"));
            resources.iter().for_each(|r| k.push_str(&format!("- {r}\n")));
        } else if !component {
            k.push_str("resources: []\n");
        }
        if depth > 1 && self.has(18, "components") {
            let below = self.directory(1, true);
            k.push_str(&format!("components:\n- ../{below}\n"));
        }
        self.names(&mut k);
        self.labels(&mut k);
        self.patches(&path, &mut k);
        self.generators(&path, &mut k);
        self.images(&mut k);
        self.replacements(&mut k);
        self.vars(&mut k);
        self.configurations(&path, &mut k);
        self.plugins(&path, &mut k);
        self.metadata(depth, &mut k);
        let name = match self.dice.below(20) {
            0 => "kustomization.yml",
            1 => "Kustomization",
            _ => "kustomization.yaml",
        };
        self.files.0.insert(format!("{path}/{name}"), k);
        path
    }

    /// Files and bases of a directory.
    fn resources(&mut self, path: &str, depth: usize, component: bool) -> Vec<String> {
        let mut list = Vec::new();
        if depth > 1 && !component {
            for _ in 0..1 + self.dice.below(2) {
                let below = self.directory(depth - 1, false);
                list.push(format!("../{below}"));
                if self.has(20, "(base twice)") {
                    // The same base through two overlays.
                    for part in ["x-", "y-"] {
                        self.directories += 1;
                        let overlay = format!("d{}", self.directories);
                        let field = if self.dice.chance(70) { "namePrefix" } else { "nameSuffix" };
                        let mut k = format!("resources:\n- ../{below}\n{field}: {part}\n");
                        if self.dice.chance(30) {
                            self.patches(&overlay, &mut k);
                        }
                        if self.dice.chance(30) {
                            k.push_str(&format!("namespace: {}\n", self.dice.text(NAMESPACES)));
                        }
                        self.files.0.insert(format!("{overlay}/kustomization.yaml"), k);
                        list.push(format!("../{overlay}"));
                    }
                    if self.dice.chance(85) {
                        list.retain(|entry| *entry != format!("../{below}"));
                    }
                }
            }
        }
        let files = if component { self.dice.below(2) } else { 1 + self.dice.below(3) };
        let mut seen = BTreeSet::new();
        for i in 0..files {
            let mut text = String::new();
            for _ in 0..1 + self.dice.below(3) {
                let made = object(self.dice);
                let id = (made.kind, made.name.clone(), made.namespace.clone());
                if !seen.insert(id) && self.dice.chance(97) {
                    continue;
                }
                if !text.is_empty() {
                    text.push_str("---\n");
                }
                text.push_str(&made.yaml.print());
                self.objects.push(made);
            }
            if text.is_empty() {
                continue;
            }
            if self.has(4, "(list kind)") {
                let items: String = text
                    .split("---\n")
                    .map(|o| format!("- {}", indent(o, 2).trim_start()))
                    .collect();
                let kind = self.dice.text(&["List", "ConfigMapList", "WidgetList"]);
                text = format!("apiVersion: v1\nkind: {kind}\nitems:\n{items}");
            }
            self.files.0.insert(format!("{path}/r{i}.yaml"), text);
            list.push(format!("r{i}.yaml"));
        }
        list
    }

    fn names(&mut self, k: &mut String) {
        if self.has(22, "namespace") {
            k.push_str(&format!("namespace: {}\n", self.dice.text(NAMESPACES)));
        }
        if self.has(22, "namePrefix") {
            k.push_str(&format!(
                "namePrefix: {}\n",
                self.dice.text(&["p-", "pre-", "\"1\"", "dev."])
            ));
        }
        if self.has(14, "nameSuffix") {
            k.push_str(&format!("nameSuffix: {}\n", self.dice.text(&["-s", "-v2", "\"0\""])));
        }
    }

    fn labels(&mut self, k: &mut String) {
        if self.has(14, "commonLabels") {
            k.push_str(&format!(
                "commonLabels:\n  app: {}\n",
                self.dice.text(&["common", "\"5\"", "\"yes\""])
            ));
        }
        if self.has(16, "labels") {
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
                k.push_str(
                    "  fields:\n  - path: spec/labels\n    create: true\n    kind: Widget\n",
                );
            }
        }
        if self.has(16, "commonAnnotations") {
            k.push_str(&format!(
                "commonAnnotations:\n  note: {}\n",
                self.dice.text(&["all", "\"1\"", "$(VAR)"])
            ));
        }
    }

    /// A selector that chooses `object`, or more, or nothing.
    fn target(&mut self, object: &Made) -> String {
        let mut out = String::new();
        if self.dice.chance(80) {
            out.push_str(&format!("kind: {}\n", object.kind));
        }
        if self.dice.chance(50) {
            let name = match self.dice.below(4) {
                0 => ".*".to_owned(),
                1 => format!("{}.*", object.name),
                _ => object.name.clone(),
            };
            out.push_str(&format!("name: {name}\n"));
        }
        if self.dice.chance(10) {
            let selector = self.dice.text(&["app=web", "app in (web, db)", "!tier", "app"]);
            out.push_str(&format!("labelSelector: \"{selector}\"\n"));
        }
        if self.dice.chance(6) {
            out.push_str("annotationSelector: note\n");
        }
        if self.dice.chance(8) {
            out.push_str(&format!("namespace: {}\n", self.dice.text(NAMESPACES)));
        }
        if out.is_empty() {
            out.push_str("version: v1\n");
        }
        out
    }

    fn patches(&mut self, path: &str, k: &mut String) {
        if self.has(38, "patches") {
            k.push_str("patches:\n");
            for i in 0..1 + self.dice.below(2) {
                let Some(object) = self.some_object() else { break };
                let json = self.has(50, "patches (JSON 6902)");
                let text = if json {
                    patch::json(self.dice, &object)
                } else {
                    self.note("patches (merge)");
                    patch::merge(self.dice, &object).print()
                };
                if self.dice.chance(40) {
                    let file = format!("patch{i}.yaml");
                    self.files.0.insert(format!("{path}/{file}"), text);
                    k.push_str(&format!("- path: {file}\n"));
                } else {
                    k.push_str(&format!("- patch: |-\n{}", indent(&text, 4)));
                }
                if json || self.dice.chance(40) {
                    let target = self.target(&object);
                    k.push_str(&format!("  target:\n{}", indent(&target, 4)));
                }
                if !json && self.has(10, "patches.options") {
                    k.push_str("  options:\n    allowNameChange: true\n");
                }
            }
            if k.ends_with("patches:\n") {
                k.push_str("  []\n");
            }
        }
        if self.has(12, "patchesStrategicMerge")
            && let Some(object) = self.some_object()
        {
            let text = patch::merge(self.dice, &object).print();
            if self.dice.chance(50) {
                self.files.0.insert(format!("{path}/psm.yaml"), text);
                k.push_str("patchesStrategicMerge:\n- psm.yaml\n");
            } else {
                k.push_str(&format!("patchesStrategicMerge:\n- |-\n{}", indent(&text, 2)));
            }
        }
        if self.has(7, "patchesJson6902")
            && let Some(object) = self.some_object()
        {
            let text = patch::json(self.dice, &object);
            let (group, version) =
                object.api_version.split_once('/').unwrap_or(("", object.api_version));
            let mut target =
                format!("version: {version}\nkind: {}\nname: {}\n", object.kind, object.name);
            if !group.is_empty() {
                target.push_str(&format!("group: {group}\n"));
            }
            let (target, text) = (indent(&target, 4), indent(&text, 4));
            k.push_str(&format!("patchesJson6902:\n- target:\n{target}  patch: |-\n{text}"));
        }
    }

    fn images(&mut self, k: &mut String) {
        let field = if self.has(3, "imageTags") { "imageTags" } else { "images" };
        if self.has(20, "images") {
            let name =
                self.dice.text(&["nginx", "redis", "gcr.io:8080/team/app", "busybox", "x.*"]);
            k.push_str(&format!("{field}:\n- name: {name}\n"));
            let change = self.dice.text(&[
                "newTag: v2",
                "newTag: \"1\"",
                "newName: other/name",
                "digest: sha256:abc",
                "newName: n\n  newTag: t",
                "tagSuffix: -x",
            ]);
            k.push_str(&format!("  {change}\n"));
        }
        if self.has(8, "replicas") {
            let names: Vec<String> = self
                .objects
                .iter()
                .filter(|o| matches!(o.kind, "Deployment" | "StatefulSet"))
                .map(|o| o.name.clone())
                .collect();
            let name = if names.is_empty() {
                self.dice.text(NAMES)
            } else {
                self.dice.pick(&names).clone()
            };
            k.push_str(&format!("replicas:\n- name: {name}\n  count: {}\n", self.dice.below(5)));
        }
    }

    fn replacements(&mut self, k: &mut String) {
        if !self.has(12, "replacements") {
            return;
        }
        let (Some(source), Some(target)) = (self.some_object(), self.some_object()) else { return };
        if self.has(20, "replacements.sourceValue") {
            k.push_str(&format!(
                "replacements:\n- sourceValue: {}\n",
                self.dice.text(&["x", "\"5\"", "a.b.c"])
            ));
        } else {
            k.push_str(&format!(
                "replacements:\n- source:\n    kind: {}\n    name: {}\n",
                source.kind, source.name
            ));
            if self.dice.chance(50) {
                let field = self.dice.text(&[
                    "metadata.name",
                    "kind",
                    "data.k",
                    "metadata.labels.app",
                    "spec",
                    "spec.template.spec.containers.0.image",
                ]);
                k.push_str(&format!("    fieldPath: {field}\n"));
            }
            if self.dice.chance(15) {
                k.push_str("    options:\n      delimiter: \":\"\n      index: 0\n");
            }
        }
        k.push_str("  targets:\n  - select:\n");
        let selector = if self.dice.chance(70) {
            format!("      kind: {}\n", target.kind)
        } else {
            format!("      name: {}\n", target.name)
        };
        k.push_str(&selector);
        if self.has(15, "replacements.reject") {
            k.push_str(&format!("    reject:\n    - name: {}\n", self.dice.text(NAMES)));
        }
        let field = self.dice.text(&[
            "metadata.name",
            "metadata.labels.app",
            "metadata.annotations.new",
            "spec.template.spec.containers.[name=main].image",
            "spec.template.spec.containers.*.env.[name=A].value",
            "spec.new.deep",
            "data.k",
            "spec.ports.0.port",
            "metadata.annotations.[example.com/x]",
        ]);
        k.push_str(&format!("    fieldPaths:\n    - {field}\n"));
        if self.has(55, "replacements.create") {
            k.push_str("    options:\n      create: true\n");
        } else if self.dice.chance(20) {
            k.push_str("    options:\n      delimiter: \"/\"\n      index: 1\n");
        }
    }

    fn vars(&mut self, k: &mut String) {
        if !self.has(5, "vars") {
            return;
        }
        let Some(object) = self.some_object() else { return };
        k.push_str(&format!(
            "vars:\n- name: VAR\n  objref:\n    kind: {}\n    name: {}\n    apiVersion: {}\n",
            object.kind, object.name, object.api_version
        ));
        if self.dice.chance(30) {
            k.push_str(&format!(
                "  fieldref:\n    fieldpath: {}\n",
                self.dice.text(&["metadata.name", "kind", "metadata.labels.app", "spec.replicas"])
            ));
        }
    }

    fn configurations(&mut self, path: &str, k: &mut String) {
        if self.has(9, "configurations") {
            let text = self.dice.text(&[
                "nameReference:\n- kind: ConfigMap\n  version: v1\n  fieldSpecs:\n  - path: spec/a\n    kind: Widget\n",
                "commonLabels:\n- path: spec/labels\n  create: true\n  kind: Widget\n",
                "namePrefix:\n- path: metadata/name\n  kind: Widget\n",
                "images:\n- path: spec/b\n  kind: Widget\n",
                "namespace:\n- path: spec/ns\n  create: true\n  kind: Widget\n",
                "varReference:\n- path: metadata/annotations\n",
                "commonAnnotations:\n- path: spec/notes\n  create: true\n  kind: Widget\n",
                "replicas:\n- path: spec/count\n  create: true\n  kind: Widget\n",
                "labels:\n- path: spec/labels\n  create: true\n  kind: Widget\n",
            ]);
            self.files.0.insert(format!("{path}/config.yaml"), text);
            k.push_str("configurations:\n- config.yaml\n");
        }
        if self.has(2, "crds") {
            let text = "example.com.v1.Widget:\n  Schema:\n    properties:\n      apiVersion: {type: string}\n      kind: {type: string}\n      metadata: {type: object}\n      spec: {$ref: spec}\nspec:\n  Schema:\n    properties:\n      a:\n        x-kubernetes-object-ref-api-version: v1\n        x-kubernetes-object-ref-kind: ConfigMap\n";
            self.files.0.insert(format!("{path}/crd.yaml"), text.into());
            k.push_str("crds:\n- crd.yaml\n");
        }
        if self.has(2, "openapi") {
            let text = self.dice.text(&["path: schema.json", "version: v1.21.2"]);
            let schema = "{\"definitions\":{\"w\":{\"properties\":{\"spec\":{\"properties\":{\"list\":{\"type\":\"array\",\"x-kubernetes-patch-strategy\":\"merge\",\"x-kubernetes-patch-merge-key\":\"name\",\"items\":{\"type\":\"object\"}}}}},\"x-kubernetes-group-version-kind\":[{\"group\":\"example.com\",\"version\":\"v1\",\"kind\":\"Widget\"}]}}}";
            self.files.0.insert(format!("{path}/schema.json"), schema.into());
            k.push_str(&format!("openapi:\n  {text}\n"));
        }
    }

    /// `transformers`, `generators`, `validators` with built-in plugins.
    fn plugins(&mut self, path: &str, k: &mut String) {
        if self.has(7, "transformers") {
            let object = self.some_object();
            let name = object.map_or_else(|| "web".to_owned(), |o| o.name);
            let body = match self.dice.below(11) {
                0 => "kind: PrefixTransformer\nmetadata: {name: t}\nprefix: t-\nfieldSpecs:\n- path: metadata/name\n".to_owned(),
                1 => "kind: SuffixTransformer\nmetadata: {name: t}\nsuffix: -t\nfieldSpecs:\n- path: metadata/name\n".to_owned(),
                2 => "kind: LabelTransformer\nmetadata: {name: t}\nlabels: {plug: in}\nfieldSpecs:\n- path: metadata/labels\n  create: true\n".to_owned(),
                3 => "kind: AnnotationsTransformer\nmetadata: {name: t}\nannotations: {plug: in}\nfieldSpecs:\n- path: metadata/annotations\n  create: true\n".to_owned(),
                4 => {
                    let namespace = self.dice.text(NAMESPACES);
                    let unset_only = self.dice.chance(50);
                    let subjects =
                        self.dice.text(&["none", "allServiceAccounts", "defaultOnly"]);
                    format!(
                        "kind: NamespaceTransformer\nmetadata: {{name: t, namespace: {namespace}}}\n\
                         unsetOnly: {unset_only}\nsetRoleBindingSubjects: {subjects}\n"
                    )
                },
                5 => "kind: ImageTagTransformer\nmetadata: {name: t}\nimageTag: {name: nginx, newTag: t9}\nfieldSpecs: []\n".to_owned(),
                6 => format!("kind: PatchTransformer\nmetadata: {{name: t}}\npatch: '[{{\"op\": \"add\", \"path\": \"/x\", \"value\": 1}}]'\ntarget: {{name: {name}}}\n"),
                7 => format!("kind: ReplicaCountTransformer\nmetadata: {{name: t}}\nreplica: {{name: {name}, count: 4}}\nfieldSpecs:\n- path: spec/replicas\n  create: true\n"),
                8 => "kind: ValueAddTransformer\nmetadata: {name: t}\nvalue: v\ntargets:\n- fieldPath: metadata/annotations/added\n".to_owned(),
                9 => format!("kind: ReplacementTransformer\nmetadata: {{name: t}}\nreplacements:\n- sourceValue: z\n  targets:\n  - select: {{name: {name}}}\n    fieldPaths: [metadata.annotations.z]\n    options: {{create: true}}\n"),
                _ => "kind: HashTransformer\nmetadata: {name: t}\n".to_owned(),
            };
            let text = format!("apiVersion: builtin\n{body}");
            if self.dice.chance(50) {
                self.files.0.insert(format!("{path}/transformer.yaml"), text);
                k.push_str("transformers:\n- transformer.yaml\n");
            } else {
                k.push_str(&format!("transformers:\n- |-\n{}", indent(&text, 2)));
            }
        }
        if self.has(4, "generators") {
            let kind = self.dice.text(&["ConfigMapGenerator", "SecretGenerator"]);
            let text = match self.dice.below(4) {
                0 => "apiVersion: builtin\nkind: IAMPolicyGenerator\nmetadata: {name: g}\ncloud: gke\nkubernetesService: {name: iam, namespace: dev}\nserviceAccount: {name: sa, projectId: p}\n".to_owned(),
                _ => format!("apiVersion: builtin\nkind: {kind}\nmetadata: {{name: plugged}}\nliterals: [a=b]\n"),
            };
            self.files.0.insert(format!("{path}/generator.yaml"), text);
            k.push_str("generators:\n- generator.yaml\n");
        }
        if self.has(2, "validators") {
            let text = "apiVersion: builtin\nkind: LabelTransformer\nmetadata: {name: v}\nlabels: {validated-by: me}\nfieldSpecs:\n- path: metadata/labels\n  create: true\n";
            self.files.0.insert(format!("{path}/validator.yaml"), text.into());
            k.push_str("validators:\n- validator.yaml\n");
        }
        if self.has(1, "helmCharts") {
            k.push_str("helmCharts:\n- name: x\n");
        }
    }

    fn metadata(&mut self, depth: usize, k: &mut String) {
        if self.has(5, "buildMetadata") {
            let list = self.dice.text(&[
                "originAnnotations",
                "transformerAnnotations",
                "managedByLabel",
                "originAnnotations, transformerAnnotations",
            ]);
            k.push_str(&format!("buildMetadata: [{list}]\n"));
        }
        if self.has(5, "sortOptions") {
            let order = self.dice.text(&["fifo", "legacy", "legacy\n  legacySortOptions:\n    orderFirst: [Widget, Service]\n    orderLast: [ConfigMap]"]);
            k.push_str(&format!("sortOptions:\n  order: {order}\n"));
        }
        if self.has(3, "metadata") {
            k.push_str(&format!("metadata:\n  name: {}\n", self.dice.text(ACCOUNTS)));
        }
        if depth == 1 && self.has(1, "(broken)") {
            let wrong = self.dice.text(&[
                "unknownField: 1\n",
                "namePrefix: 5\n",
                "resources: x\n",
                "kind: Wrong\n",
                "  bad\n",
                "patches: [{target: {name: '('}, patch: '[]'}]\n",
            ]);
            k.push_str(&wrong);
        }
    }
}
