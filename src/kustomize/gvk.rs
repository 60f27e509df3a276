//! Group, version and kind; resource ids; what a selector of kinds matches.
//!
//! Upstream: `kyaml/resid`. A namespace of `""` and `default` mean the same when ids are compared;
//! a type that is certainly cluster-scoped has no namespace at all, whatever its object says.

use std::fmt;

use super::yaml::Text;
use super::yaml::shared_text;

/// The namespace under which ids of cluster-scoped objects are filed.
pub(crate) const NO_NAMESPACE: &str = "_non_namespaceable_";
/// The namespace that an empty one stands for.
pub(crate) const DEFAULT_NAMESPACE: &str = "default";

/// Kinds that upstream orders before all others, in this order.
const ORDER_FIRST: &[&str] = &[
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

/// Kinds that upstream orders after all others, in this order.
const ORDER_LAST: &[&str] = &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// The lists above, for whoever sorts by them.
pub(crate) fn default_order() -> (Vec<String>, Vec<String>) {
    let own = |list: &[&str]| list.iter().map(|&kind| kind.to_owned()).collect();
    (own(ORDER_FIRST), own(ORDER_LAST))
}

/// The rank of a kind: negative for the first ones, positive for the last ones.
fn rank(kind: &str) -> i32 {
    let place = |list: &[&str]| list.iter().position(|&k| k == kind).map(|i| i as i32);
    match (place(ORDER_FIRST), place(ORDER_LAST)) {
        (_, Some(last)) => last + 1,
        (Some(first), None) => first - ORDER_FIRST.len() as i32,
        (None, None) => 0,
    }
}

/// The group and version of an `apiVersion`; the group of `v1` is empty.
pub(crate) fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// The type of an object as it stands in its file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Gvk {
    pub(crate) api_version: Text,
    pub(crate) kind: Text,
    /// Known to be cluster-scoped. Ids made from earlier names never claim it, as upstream.
    pub(crate) cluster_scoped: bool,
}

impl Gvk {
    pub(crate) fn group(&self) -> &str {
        split_api_version(&self.api_version).0
    }

    pub(crate) fn version(&self) -> &str {
        split_api_version(&self.api_version).1
    }

    /// Whether this type is one of those that `wanted` names.
    pub(crate) fn is_selected(&self, wanted: &GvkPattern) -> bool {
        (wanted.kind.is_empty() || *wanted.kind == *self.kind)
            && (wanted.group.is_empty() || *wanted.group == *self.group())
            && (wanted.version.is_empty() || *wanted.version == *self.version())
    }

    /// The same group, version and kind.
    pub(crate) fn same_type(&self, other: &Self) -> bool {
        self.kind == other.kind && self.api_version == other.api_version
    }
}

impl fmt::Display for Gvk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_gvk(f, &self.kind, self.version(), self.group())
    }
}

fn write_gvk(f: &mut fmt::Formatter<'_>, kind: &str, version: &str, group: &str) -> fmt::Result {
    let or = |text: &'_ str, absent: &'static str| {
        if text.is_empty() { absent.to_owned() } else { text.to_owned() }
    };
    write!(f, "{}.{}.{}", or(kind, "[noKind]"), or(version, "[noVer]"), or(group, "[noGrp]"))
}

/// A type in which empty parts stand for "any".
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct GvkPattern {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
}

impl GvkPattern {
    /// Whether every type that this names is named by `wanted` too, part by part.
    pub(crate) fn is_selected(&self, wanted: &Self) -> bool {
        (wanted.group.is_empty() || wanted.group == self.group)
            && (wanted.version.is_empty() || wanted.version == self.version)
            && (wanted.kind.is_empty() || wanted.kind == self.kind)
    }

    /// The order in which upstream keeps field specs: by rank of the kind, then by text.
    pub(crate) fn sort_key(&self) -> (i32, String) {
        let or = |text: &str, absent: &str| {
            if text.is_empty() { absent.to_owned() } else { text.to_owned() }
        };
        let text = format!(
            "{}_{}_{}",
            or(&self.group, "~G"),
            or(&self.version, "~V"),
            or(&self.kind, "~K")
        );
        (rank(&self.kind), text)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.group.is_empty() && self.version.is_empty() && self.kind.is_empty()
    }
}

impl fmt::Display for GvkPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_gvk(f, &self.kind, &self.version, &self.group)
    }
}

/// An object's identity, now or before a rename.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ResId {
    pub(crate) gvk: Gvk,
    pub(crate) name: Text,
    pub(crate) namespace: Text,
}

/// What two equal ids share; the form in which ids are filed.
pub(crate) type IdKey = (Text, Text, Text, Text);

impl ResId {
    /// The namespace by which ids are compared.
    pub(crate) fn effective_namespace(&self) -> &str {
        if self.gvk.cluster_scoped {
            NO_NAMESPACE
        } else if self.namespace.is_empty() {
            DEFAULT_NAMESPACE
        } else {
            &self.namespace
        }
    }

    /// Upstream's `IsNsEquals`.
    pub(crate) fn same_namespace(&self, other: &Self) -> bool {
        self.effective_namespace() == other.effective_namespace()
    }

    /// Upstream's `Equals`: the same object.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.name == other.name && self.gvk.same_type(&other.gvk) && self.same_namespace(other)
    }

    /// Equal for exactly the ids that are [`ResId::same`].
    pub(crate) fn key(&self) -> IdKey {
        let namespace = if self.effective_namespace() == &*self.namespace {
            self.namespace.clone()
        } else {
            shared_text(self.effective_namespace())
        };
        (self.gvk.api_version.clone(), self.gvk.kind.clone(), self.name.clone(), namespace)
    }
}

impl fmt::Display for ResId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name: &str = if self.name.is_empty() { "[noName]" } else { &self.name };
        let namespace: &str = if self.namespace.is_empty() { "[noNs]" } else { &self.namespace };
        write!(f, "{}/{name}.{namespace}", self.gvk)
    }
}
