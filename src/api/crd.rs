//! Custom resource definitions, made from the types and the tables here.
//!
//! They equal upstream's (Flux 2.9) in all but descriptions: defaults, CEL rules, printer columns,
//! short names, categories. `schemas/crds/*.yaml` holds them as files; a test compares those with
//! what this module makes, and both with upstream's.
//!
//! Pure. Not here: installing them (`cli`), and the decision not to touch existing ones.

use schemars::JsonSchema;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::BucketSource;
use super::ChartSource;
use super::ExternalSource;
use super::GitSource;
use super::HelmSource;
use super::Kind;
use super::OciSource;
use super::Unit;
use super::keys;
use super::schema::structural;

/// A printer column: name, type, JSON path.
type Column = (&'static str, &'static str, &'static str);
/// A CEL rule: the path of the schema below `openAPIV3Schema`, the rule, the message.
type Rule = (&'static str, &'static str, &'static str);

const READY: Column = ("Ready", "string", r#".status.conditions[?(@.type=="Ready")].status"#);
const STATUS: Column = ("Status", "string", r#".status.conditions[?(@.type=="Ready")].message"#);
const AGE: Column = ("Age", "date", ".metadata.creationTimestamp");
const URL: Column = ("URL", "string", ".spec.url");

/// What the types do not say about one kind.
struct Definition {
    short_names: &'static [&'static str],
    category: &'static str,
    columns: &'static [Column],
    /// What the kind is for.
    description: &'static str,
    rules: &'static [Rule],
    /// Defaults that the API server fills in: path of the schema, value as JSON.
    defaults: &'static [(&'static str, &'static str)],
}

const STATUS_DEFAULT: (&str, &str) = ("status", r#"{"observedGeneration":-1}"#);
const TIMEOUT_DEFAULT: (&str, &str) = ("spec.timeout", r#""60s""#);
const PROVIDER_DEFAULT: (&str, &str) = ("spec.provider", r#""generic""#);
const VERIFY_DEFAULT: (&str, &str) = ("spec.verify.provider", r#""cosign""#);

const KUSTOMIZATION: Definition = Definition {
    short_names: &["ks"],
    category: "fluxcd-appliers",
    columns: &[AGE, READY, STATUS],
    description: "A unit: renders one path of one source and keeps the cluster equal to it.",
    rules: &[
        (
            "spec.kubeConfig",
            "has(self.configMapRef) || has(self.secretRef)",
            "exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be \
             specified",
        ),
        (
            "spec.kubeConfig",
            "!has(self.configMapRef) || !has(self.secretRef)",
            "exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be \
             specified",
        ),
    ],
    defaults: &[
        STATUS_DEFAULT,
        ("spec.force", "false"),
        ("spec.postBuild.substituteFrom.[].optional", "false"),
    ],
};

const GIT_REPOSITORY: Definition = Definition {
    short_names: &["gitrepo"],
    category: "fluxcd-sources",
    columns: &[URL, AGE, READY, STATUS],
    description: "A Git repository at one reference.",
    rules: &[(
        "spec",
        "!has(self.serviceAccountName) || (has(self.provider) && (self.provider == 'azure' || \
         self.provider == 'aws'))",
        "serviceAccountName can only be set when provider is 'azure' or 'aws'",
    )],
    defaults: &[STATUS_DEFAULT, TIMEOUT_DEFAULT, ("spec.verify.mode", r#""HEAD""#)],
};

const OCI_REPOSITORY: Definition = Definition {
    short_names: &["ocirepo"],
    category: "fluxcd-sources",
    columns: &[URL, READY, STATUS, AGE],
    description: "Artifacts in a container registry.",
    rules: &[],
    defaults: &[STATUS_DEFAULT, TIMEOUT_DEFAULT, PROVIDER_DEFAULT, VERIFY_DEFAULT],
};

const BUCKET: Definition = Definition {
    short_names: &[],
    category: "fluxcd-sources",
    columns: &[("Endpoint", "string", ".spec.endpoint"), AGE, READY, STATUS],
    description: "Files in an object store.",
    rules: &[
        (
            "spec",
            "self.provider == 'aws' || self.provider == 'generic' || !has(self.sts)",
            "STS configuration is only supported for the 'aws' and 'generic' Bucket providers",
        ),
        (
            "spec",
            "self.provider != 'aws' || !has(self.sts) || self.sts.provider == 'aws'",
            "'aws' is the only supported STS provider for the 'aws' Bucket provider",
        ),
        (
            "spec",
            "self.provider != 'generic' || !has(self.sts) || self.sts.provider == 'ldap'",
            "'ldap' is the only supported STS provider for the 'generic' Bucket provider",
        ),
        (
            "spec",
            "!has(self.sts) || self.sts.provider != 'aws' || !has(self.sts.secretRef)",
            "spec.sts.secretRef is not required for the 'aws' STS provider",
        ),
        (
            "spec",
            "!has(self.sts) || self.sts.provider != 'aws' || !has(self.sts.certSecretRef)",
            "spec.sts.certSecretRef is not required for the 'aws' STS provider",
        ),
        (
            "spec",
            "self.provider != 'generic' || !has(self.serviceAccountName)",
            "ServiceAccountName is not supported for the 'generic' Bucket provider",
        ),
        (
            "spec",
            "!has(self.secretRef) || !has(self.serviceAccountName)",
            "cannot set both .spec.secretRef and .spec.serviceAccountName",
        ),
    ],
    defaults: &[STATUS_DEFAULT, TIMEOUT_DEFAULT, PROVIDER_DEFAULT],
};

const HELM_REPOSITORY: Definition = Definition {
    short_names: &["helmrepo"],
    category: "fluxcd-sources",
    columns: &[URL, AGE, READY, STATUS],
    description: "An index of Helm charts, or a registry that holds them.",
    rules: &[],
    defaults: &[STATUS_DEFAULT, PROVIDER_DEFAULT],
};

const HELM_CHART: Definition = Definition {
    short_names: &["hc"],
    category: "fluxcd-sources",
    columns: &[
        ("Chart", "string", ".spec.chart"),
        ("Version", "string", ".spec.version"),
        ("Source Kind", "string", ".spec.sourceRef.kind"),
        ("Source Name", "string", ".spec.sourceRef.name"),
        AGE,
        READY,
        STATUS,
    ],
    description: "One Helm chart of a repository or of a source's files.",
    rules: &[(
        "spec",
        "!has(self.verify) || self.sourceRef.kind == 'HelmRepository'",
        "spec.verify is only supported when spec.sourceRef.kind is 'HelmRepository'",
    )],
    defaults: &[
        STATUS_DEFAULT,
        VERIFY_DEFAULT,
        ("spec.version", r#""*""#),
        ("spec.reconcileStrategy", r#""ChartVersion""#),
    ],
};

const EXTERNAL_ARTIFACT: Definition = Definition {
    short_names: &["ea"],
    category: "fluxcd-sources",
    columns: &[AGE, READY, STATUS, ("Source", "string", ".spec.sourceRef.name")],
    description: "An artifact that a third party offers.",
    rules: &[],
    defaults: &[],
};

/// A definition as a manifest, with the name of the file that holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Crd {
    /// The file's name in `schemas/crds/`, as upstream names it.
    pub file: String,
    /// The manifest.
    pub manifest: Value,
}

/// All definitions, in the order of their kinds' names.
pub fn all() -> Vec<Crd> {
    vec![
        define::<BucketSource>(&BUCKET),
        define::<ExternalSource>(&EXTERNAL_ARTIFACT),
        define::<GitSource>(&GIT_REPOSITORY),
        define::<ChartSource>(&HELM_CHART),
        define::<HelmSource>(&HELM_REPOSITORY),
        define::<Unit>(&KUSTOMIZATION),
        define::<OciSource>(&OCI_REPOSITORY),
    ]
}

impl Crd {
    /// The manifest as YAML text.
    pub fn to_yaml(&self) -> String {
        serde_yaml::to_string(&self.manifest).expect("a tree of JSON values is valid YAML")
    }
}

fn define<K: Kind>(definition: &Definition) -> Crd
where
    K::Spec: JsonSchema,
    K::Status: JsonSchema,
{
    let mut schema = object_schema(definition, structural::<K::Spec>(), structural::<K::Status>());
    for (path, rule, message) in definition.rules {
        let place = at(&mut schema, path);
        let rules = place.entry("x-kubernetes-validations").or_insert_with(|| json!([]));
        let rules = rules.as_array_mut().expect("it was made as a list");
        rules.push(json!({"rule": rule, "message": message}));
    }
    for (path, value) in definition.defaults {
        let value = serde_json::from_str(value).expect("the table holds JSON");
        at(&mut schema, path).insert("default".to_owned(), value);
    }
    Crd {
        file: format!("{}_{}.yaml", K::GROUP, K::PLURAL),
        manifest: manifest::<K>(definition, schema),
    }
}

/// The schema of a whole object.
fn object_schema(definition: &Definition, spec: Value, status: Value) -> Value {
    json!({
        "type": "object",
        "description": definition.description,
        "properties": {
            "apiVersion": {"type": "string", "description": "The group and version of this object."},
            "kind": {"type": "string", "description": "The kind of this object."},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
    })
}

fn manifest<K: Kind>(definition: &Definition, schema: Value) -> Value {
    let column =
        |(name, type_, path): &Column| json!({"name": name, "type": type_, "jsonPath": path});
    let mut names = json!({
        "kind": K::KIND,
        "listKind": format!("{}List", K::KIND),
        "plural": K::PLURAL,
        "singular": K::KIND.to_lowercase(),
        "categories": ["all", "fluxcd", definition.category],
    });
    if !definition.short_names.is_empty() {
        names["shortNames"] = json!(definition.short_names);
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{}.{}", K::PLURAL, K::GROUP),
            // A unit that holds these definitions may substitute variables; `${…}` in them is text.
            "annotations": {keys::SUBSTITUTE: "disabled"},
        },
        "spec": {
            "group": K::GROUP,
            "names": names,
            "scope": "Namespaced",
            "versions": [{
                "name": K::VERSION,
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": definition.columns.iter().map(column).collect::<Vec<_>>(),
                "schema": {"openAPIV3Schema": schema},
            }],
        },
    })
}

/// The schema at `path`: names of properties joined by dots, `[]` for the items of a list.
fn at<'a>(schema: &'a mut Value, path: &str) -> &'a mut Map<String, Value> {
    let mut place = schema;
    for name in path.split('.') {
        place = match name {
            "[]" => &mut place["items"],
            name => &mut place["properties"][name],
        };
        assert!(place.is_object(), "the tables name `{path}`, which no type has");
    }
    place.as_object_mut().expect("checked in the loop; no path is empty")
}

#[cfg(test)]
mod tests;
