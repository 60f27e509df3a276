//! `transformers`, `generators` and `validators` with built-in plugins.

use super::kustomization::Maker;
use super::kustomization::indent;
use super::objects::NAMESPACES;
use super::scope::Made;
use super::scope::Scope;

/// Plugins that need to know no object.
const FREE: &[(&str, &str)] = &[
    ("PrefixSuffixTransformer", "prefix: u-\nsuffix: -u\nfieldSpecs:\n- path: metadata/name\n"),
    ("PrefixTransformer", "prefix: t-\nfieldSpecs:\n- path: metadata/name\n"),
    ("SuffixTransformer", "suffix: -t\nfieldSpecs:\n- path: metadata/name\n"),
    (
        "LabelTransformer",
        "labels: {plug: in}\nfieldSpecs:\n- path: metadata/labels\n  create: true\n",
    ),
    (
        "AnnotationsTransformer",
        "annotations: {plug: in}\nfieldSpecs:\n- path: metadata/annotations\n  create: true\n",
    ),
    ("ImageTagTransformer", "imageTag: {name: nginx, newTag: t9}\nfieldSpecs: []\n"),
    (
        "ImageTagTransformer",
        "imageTag: {name: redis, newName: r}\nfieldSpecs:\n- path: spec/template/spec/containers[]/image\n",
    ),
    ("HashTransformer", ""),
];

const GENERATORS: &[(&str, &str)] = &[
    (
        "IAMPolicyGenerator",
        "cloud: gke\nkubernetesService: {name: iam, namespace: dev}\nserviceAccount: {name: sa, projectId: p}\n",
    ),
    ("ConfigMapGenerator", "literals: [a=b]\n"),
    ("SecretGenerator", "literals: [a=b]\ntype: Opaque\n"),
];

/// The name of a plugin as the table shows it.
fn shown(kind: &str) -> &'static str {
    const ALL: &[&str] = &[
        "plugin AnnotationsTransformer",
        "plugin ConfigMapGenerator",
        "plugin HashTransformer",
        "plugin HelmChartInflationGenerator",
        "plugin IAMPolicyGenerator",
        "plugin ImageTagTransformer",
        "plugin LabelTransformer",
        "plugin NamespaceTransformer",
        "plugin PatchJson6902Transformer",
        "plugin PatchStrategicMergeTransformer",
        "plugin PatchTransformer",
        "plugin PrefixSuffixTransformer",
        "plugin PrefixTransformer",
        "plugin ReplacementTransformer",
        "plugin ReplicaCountTransformer",
        "plugin SecretGenerator",
        "plugin SuffixTransformer",
        "plugin ValueAddTransformer",
    ];
    ALL.iter().find(|shown| shown.ends_with(&format!(" {kind}"))).expect("ALL holds every plugin")
}

impl Maker<'_> {
    pub(super) fn plugins(&mut self, path: &str, k: &mut String, scope: &mut Scope) {
        let mut fields = Vec::new();
        if self.has(12, "transformers") {
            let kind_and_text = self.transformer(scope);
            fields.push(("transformers", kind_and_text));
        }
        if self.has(5, "generators") {
            let helm = ("HelmChartInflationGenerator", "name: chart\n");
            let refused = self.dice.chance(if self.careful { 3 } else { 30 });
            let (kind, body) = if refused { helm } else { *self.dice.pick(GENERATORS) };
            let name = format!("plugged-{path}");
            fields.push(("generators", (kind, format!("metadata: {{name: {name}}}\n{body}"))));
        }
        if self.has(2, "validators") {
            let (field, key) = match self.dares(50) {
                true => ("labels", "labels: {validated-by: me}"),
                false => ("annotations", "annotations: {}"),
            };
            let kind =
                if field == "labels" { "LabelTransformer" } else { "AnnotationsTransformer" };
            let body =
                format!("metadata: {{name: v}}\n{key}\nfieldSpecs:\n- path: metadata/{field}\n");
            fields.push(("validators", (kind, body)));
        }
        for (field, (kind, body)) in fields {
            self.note(shown(kind));
            let text = format!("apiVersion: builtin\nkind: {kind}\n{body}");
            if self.dice.chance(50) {
                self.file(format!("{path}/{field}.yaml"), &text);
                k.push_str(&format!("{field}:\n- {field}.yaml\n"));
            } else {
                k.push_str(&format!("{field}:\n- |-\n{}", indent(&text, 2)));
            }
        }
    }

    fn transformer(&mut self, scope: &mut Scope) -> (&'static str, String) {
        let careful = self.careful;
        let fits = |made: &Made| !(careful && (made.is_twice || made.is_changed));
        let found = scope.find(self.dice, fits).filter(|_| self.dice.chance(60));
        if let Some(at) = found {
            scope.objects[at].is_changed = true;
            let made = scope.objects[at].clone();
            return self.aimed(&made);
        }
        if self.dice.chance(25) {
            let namespace = self.dice.text(NAMESPACES);
            let unset_only = self.dice.chance(50);
            let subjects = self.dice.text(&["none", "allServiceAccounts", "defaultOnly"]);
            let body = format!(
                "metadata: {{name: t, namespace: {namespace}}}\nunsetOnly: {unset_only}\n\
                 setRoleBindingSubjects: {subjects}\n"
            );
            return ("NamespaceTransformer", body);
        }
        let &(kind, body) = self.dice.pick(FREE);
        (kind, format!("metadata: {{name: t}}\n{body}"))
    }

    /// A plugin that changes `made`.
    fn aimed(&mut self, made: &Made) -> (&'static str, String) {
        let (kind, name) = (made.kind, &made.name);
        let (group, version) = made.api_version.split_once('/').unwrap_or(("", made.api_version));
        let target =
            format!("{{group: \"{group}\", version: {version}, kind: {kind}, name: {name}}}");
        let namespace = made.namespace.as_ref();
        let namespace = namespace.map(|n| format!(", namespace: {n}")).unwrap_or_default();
        let (plugin, body) = match self.dice.below(6) {
            0 => (
                "PatchTransformer",
                format!(
                    "patch: '[{{\"op\": \"add\", \"path\": \"/x\", \"value\": 1}}]'\ntarget: {target}\n"
                ),
            ),
            1 => (
                "ReplicaCountTransformer",
                format!(
                    "replica: {{name: {name}, count: 4}}\nfieldSpecs:\n- path: spec/replicas\n  create: true\n  kind: {kind}\n"
                ),
            ),
            2 => (
                "ValueAddTransformer",
                format!(
                    "value: v\ntargets:\n- fieldPath: metadata/annotations/added\n  selector: {{kind: {kind}}}\n"
                ),
            ),
            3 => (
                "ReplacementTransformer",
                format!(
                    "replacements:\n- sourceValue: z\n  targets:\n  - select: {{name: {name}}}\n    fieldPaths: [metadata.annotations.z]\n    options: {{create: true}}\n"
                ),
            ),
            4 => (
                "PatchJson6902Transformer",
                format!(
                    "target: {{group: \"{group}\", version: {version}, kind: {kind}, name: {name}{namespace}}}\njsonOp: '[{{\"op\": \"add\", \"path\": \"/y\", \"value\": [1]}}]'\n"
                ),
            ),
            _ => (
                "PatchStrategicMergeTransformer",
                format!(
                    "patches: |-\n  apiVersion: {}\n  kind: {kind}\n  metadata: {{name: {name}{namespace}}}\n  z: {{merged: \"yes\"}}\n",
                    made.api_version
                ),
            ),
        };
        (plugin, format!("metadata: {{name: t}}\n{body}"))
    }
}
