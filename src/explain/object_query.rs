//! Objects as kubectl users write them: `deploy/api -n shop`, `ks/web`, `crd/widgets.example.com`.
//!
//! Kinds are resolved without a cluster: short names and plurals of common kinds stand in a table,
//! any other kind is looked for among those that the facts mention.

use miette::Diagnostic;
use thiserror::Error;

use crate::model::GroupKind;
use crate::model::ObjectRef;

/// Short names and the kinds that they stand for (kubectl's and Flux's).
#[rustfmt::skip]
const SHORT: &[(&str, &str)] = &[
    ("cm", "ConfigMap"), ("ns", "Namespace"), ("svc", "Service"), ("sa", "ServiceAccount"),
    ("po", "Pod"), ("pvc", "PersistentVolumeClaim"), ("pv", "PersistentVolume"),
    ("ep", "Endpoints"), ("ev", "Event"), ("no", "Node"), ("quota", "ResourceQuota"),
    ("limits", "LimitRange"), ("deploy", "Deployment.apps"), ("ds", "DaemonSet.apps"),
    ("rs", "ReplicaSet.apps"), ("sts", "StatefulSet.apps"), ("cj", "CronJob.batch"),
    ("hpa", "HorizontalPodAutoscaler.autoscaling"), ("pdb", "PodDisruptionBudget.policy"),
    ("ing", "Ingress.networking.k8s.io"), ("netpol", "NetworkPolicy.networking.k8s.io"),
    ("sc", "StorageClass.storage.k8s.io"), ("pc", "PriorityClass.scheduling.k8s.io"),
    ("crd", "CustomResourceDefinition.apiextensions.k8s.io"),
    ("ks", "Kustomization.kustomize.toolkit.fluxcd.io"),
    ("gitrepo", "GitRepository.source.toolkit.fluxcd.io"),
    ("ocirepo", "OCIRepository.source.toolkit.fluxcd.io"),
    ("helmrepo", "HelmRepository.source.toolkit.fluxcd.io"),
    ("hr", "HelmRelease.helm.toolkit.fluxcd.io"),
];

/// Common kinds without a namespace.
const CLUSTER_KINDS: &[&str] = &[
    "Namespace",
    "Node",
    "PersistentVolume",
    "ClusterRole.rbac.authorization.k8s.io",
    "ClusterRoleBinding.rbac.authorization.k8s.io",
    "CustomResourceDefinition.apiextensions.k8s.io",
    "StorageClass.storage.k8s.io",
    "PriorityClass.scheduling.k8s.io",
];

/// An object as asked for: the kind is text that still has to be resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectQuery {
    /// A kind, plural or short name, with or without `.group`.
    pub kind: String,
    /// The name.
    pub name: String,
    /// The namespace of `-n`, or the default one.
    pub namespace: String,
}

/// Why an object could not be named.
#[derive(Debug, Error, Diagnostic)]
pub enum ObjectError {
    /// Not of the form `kind/name`.
    #[error("`{text}` does not name an object")]
    #[diagnostic(
        code(explain::object),
        help("write kind/name, such as deploy/api, and -n NAMESPACE")
    )]
    Form {
        /// The text as given.
        text: String,
    },
    /// No kind that is known fits.
    #[error("no kind `{kind}` is known")]
    #[diagnostic(code(explain::kind), help("known kinds with a similar name: {similar}"))]
    UnknownKind {
        /// The kind as given.
        kind: String,
        /// What comes near.
        similar: String,
    },
    /// Another kind than those of units and sources.
    #[error("{object} is neither a Kustomization nor a source")]
    #[diagnostic(
        code(explain::no_unit),
        help(
            "`why-not ready` takes a Kustomization or a source, such as ks/web -n apps; of anything \
              else ask `hence why KIND/NAME -n NAMESPACE`"
        )
    )]
    NoUnit {
        /// The object that was named.
        object: ObjectRef,
    },
    /// A path to a field that cannot be read.
    #[error("`{field}` is no path to a field: {why}")]
    #[diagnostic(
        code(explain::field),
        help(
            "write spec.replicas, spec.containers[name=main].image, data[app.properties], \
              metadata.labels.app\\.kubernetes\\.io/name, or a JSON pointer such as /spec/replicas"
        )
    )]
    Field {
        /// The path as given.
        field: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Several kinds fit.
    #[error("`{kind}` may be any of {candidates}")]
    #[diagnostic(code(explain::which_kind), help("add the group: kind.group/name"))]
    Ambiguous {
        /// The kind as given.
        kind: String,
        /// The kinds that fit.
        candidates: String,
    },
}

impl ObjectQuery {
    /// Reads `kind/name`.
    ///
    /// # Errors
    /// There is no `/`, or one side is empty.
    pub fn parse(text: &str, namespace: &str) -> Result<Self, ObjectError> {
        let form = || ObjectError::Form { text: text.to_owned() };
        let (kind, name) = text.split_once('/').ok_or_else(form)?;
        if kind.is_empty() || name.is_empty() || name.contains('/') {
            return Err(form());
        }
        let (kind, name, namespace) = (kind.to_owned(), name.to_owned(), namespace.to_owned());
        Ok(Self { kind, name, namespace })
    }

    /// The kind meant, given the kinds that the facts mention.
    ///
    /// # Errors
    /// None or several fit.
    pub fn kind(&self, known: &[GroupKind]) -> Result<GroupKind, ObjectError> {
        let asked = self.kind.to_lowercase();
        let (word, group) = split_group(&asked);
        let short = SHORT.iter().find(|(short, _)| *short == word);
        if let Some(kind) = short.and_then(|(_, kind)| GroupKind::parse(kind))
            && (group.is_empty() || group == kind.group)
        {
            return Ok(kind);
        }
        let table = SHORT.iter().filter_map(|(_, kind)| GroupKind::parse(kind));
        let mut fits: Vec<GroupKind> =
            known.iter().cloned().chain(table).filter(|kind| answers_to(kind, &asked)).collect();
        fits.sort();
        fits.dedup();
        match fits.len() {
            1 => Ok(fits.remove(0)),
            0 => Err(ObjectError::UnknownKind {
                kind: self.kind.clone(),
                similar: similar(known, &asked),
            }),
            _ => Err(ObjectError::Ambiguous {
                kind: self.kind.clone(),
                candidates: join(fits.iter()),
            }),
        }
    }

    /// Whether a common kind has no namespace: known without any cluster.
    pub fn is_cluster_kind(kind: &GroupKind) -> bool {
        let named = kind.to_string();
        CLUSTER_KINDS.contains(&named.as_str())
    }

    /// The two objects that may be meant: namespaced, and cluster-scoped.
    pub fn candidates(&self, kind: &GroupKind) -> [ObjectRef; 2] {
        [
            ObjectRef::new(&kind.group, &kind.kind, &self.namespace, &self.name),
            ObjectRef::new(&kind.group, &kind.kind, "", &self.name),
        ]
    }
}

/// Whether `asked` (lower case) is the kind, its plural, or either with the group, or with version
/// and group: `deployments.v1.apps`, `configmaps.v1.`.
fn answers_to(kind: &GroupKind, asked: &str) -> bool {
    let (word, group) = split_group(asked);
    let group_fits = group.is_empty() || kind.group == group;
    let single = kind.kind.to_lowercase();
    group_fits && (word == single || word == plural(&single))
}

/// The word and the group, which is empty where none is given; a version between them is left out.
fn split_group(asked: &str) -> (&str, &str) {
    let (word, group) = asked.split_once('.').unwrap_or((asked, ""));
    match group.split_once('.').unwrap_or((group, "")) {
        (version, group) if is_version(version) => (word, group),
        _ => (word, group),
    }
}

/// `v1`, `v2beta1` and the like.
fn is_version(text: &str) -> bool {
    let digits = text.strip_prefix('v').unwrap_or_default();
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_alphanumeric())
}

fn plural(single: &str) -> String {
    match single {
        s if s.ends_with("ss") || s.ends_with('x') || s.ends_with("ch") => format!("{s}es"),
        s if s.ends_with("ay") || s.ends_with("ey") => format!("{s}s"),
        s if s.ends_with('y') => format!("{}ies", &s[..s.len() - 1]),
        s if s.ends_with('s') => s.to_owned(),
        s => format!("{s}s"),
    }
}

fn similar(known: &[GroupKind], asked: &str) -> String {
    let start: String = asked.chars().take(3).collect();
    let near = known.iter().filter(|kind| kind.kind.to_lowercase().starts_with(&start));
    let text = join(near);
    if text.is_empty() { "none".to_owned() } else { text }
}

fn join<'a>(kinds: impl Iterator<Item = &'a GroupKind>) -> String {
    kinds.map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_as_kubectl_users_write_them() {
        let known = [
            GroupKind { group: "example.com".into(), kind: "Widget".into() },
            GroupKind { group: "other.org".into(), kind: "Widget".into() },
            GroupKind { group: "networking.k8s.io".into(), kind: "NetworkPolicy".into() },
        ];
        #[rustfmt::skip]
        let cases = [
            ("deploy/api",                "Deployment.apps"),
            ("deployment/api",            "Deployment.apps"),
            ("Deployments/api",           "Deployment.apps"),
            ("deployments.apps/api",      "Deployment.apps"),
            ("deployments.v1.apps/api",   "Deployment.apps"),
            ("deploy.apps/api",           "Deployment.apps"),
            ("deploy.v1.apps/api",        "Deployment.apps"),
            ("configmap.v1/x",            "ConfigMap"),
            ("configmaps.v1./x",          "ConfigMap"),
            ("widgets.v1beta1.other.org/x", "Widget.other.org"),
            ("ks/web",                    "Kustomization.kustomize.toolkit.fluxcd.io"),
            ("networkpolicies/x",         "NetworkPolicy.networking.k8s.io"),
            ("widget.example.com/x",      "Widget.example.com"),
            ("cm/x",                      "ConfigMap"),
        ];
        for (text, want) in cases {
            let query = ObjectQuery::parse(text, "shop").expect("kind/name");
            assert_eq!(query.kind(&known).expect(text).to_string(), want, "{text}");
        }
        let query = ObjectQuery::parse("widget/x", "shop").expect("kind/name");
        assert!(matches!(query.kind(&known), Err(ObjectError::Ambiguous { .. })));
        for absent in ["gadget/x", "deploy.example.com/x"] {
            let query = ObjectQuery::parse(absent, "shop").expect("kind/name");
            assert!(matches!(query.kind(&known), Err(ObjectError::UnknownKind { .. })), "{absent}");
        }
        assert!(ObjectQuery::parse("api", "shop").is_err());
    }
}
