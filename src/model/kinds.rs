//! The order of kinds: in which stage an object is applied, and where in its stage.
//!
//! Pure tables, equal to Flux's (pkg/ssa of Flux 2.9): the order of the inventory, which users and
//! other tools see, follows from them. Deletes run in the reverse order.

use super::GroupKind;
use super::ObjectRef;

/// Kinds that come first within a stage, in this order, whatever their group.
const FIRST: [&str; 23] = [
    "CustomResourceDefinition", // others are objects of it
    "Namespace",                // others live in it
    "ClusterRole",              // aggregated by others, bound below
    "ClusterClass",
    "RuntimeClass",
    "PriorityClass",
    "StorageClass",
    "VolumeSnapshotClass",
    "IngressClass",
    "GatewayClass",
    "ClusterRoleBinding", // rights before what uses them
    "ResourceQuota",      // limits before what they limit
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap", // settings before the pods that read them
    "Secret",
    "Service", // addresses before the pods that look them up
    "LimitRange",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];
/// Kinds that come last: they judge what comes after them, so nothing should.
const LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// The rank of all kinds that neither table names.
const RANK_OTHER: u32 = 500;
/// The rank of the first of [`LAST`].
const RANK_LAST: u32 = 900;

/// A group of objects that are applied together; the next one waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Namespaces, ClusterRoles and CRDs; waited for until they are Current.
    ClusterDefinitions = 1,
    /// Every kind whose name ends in `Class`; waited for until they are Current.
    ClassDefinitions = 2,
    /// Kinds that the user named; not waited for.
    Custom = 3,
    /// All others.
    Rest = 4,
}

impl Stage {
    /// Whether the next stage waits until the objects of this one are Current.
    pub fn is_waited_for(self) -> bool {
        matches!(self, Self::ClusterDefinitions | Self::ClassDefinitions)
    }
}

impl From<Stage> for i64 {
    fn from(stage: Stage) -> Self {
        stage as Self
    }
}

/// The stage of a kind, when the user named none.
pub fn stage(kind: &GroupKind) -> Stage {
    stage_with(kind, &[])
}

/// The stage of a kind, when the user named these for [`Stage::Custom`].
pub fn stage_with(kind: &GroupKind, custom: &[GroupKind]) -> Stage {
    let is = |group: &str, name: &str| kind.group == group && kind.kind.eq_ignore_ascii_case(name);
    let defines_cluster = is("", "Namespace")
        || is("rbac.authorization.k8s.io", "ClusterRole")
        || is("apiextensions.k8s.io", "CustomResourceDefinition");
    if defines_cluster {
        Stage::ClusterDefinitions
    } else if kind.kind.ends_with("Class") {
        Stage::ClassDefinitions
    } else if custom.contains(kind) {
        Stage::Custom
    } else {
        Stage::Rest
    }
}

/// Where a kind stands within a stage, below 1000. Kinds of one rank are ordered by group and kind.
pub fn rank(kind: &GroupKind) -> u32 {
    let place = |table: &[&str]| table.iter().position(|name| *name == kind.kind);
    let index = |place: usize| u32::try_from(place).expect("the tables are short");
    match (place(&FIRST), place(&LAST)) {
        (Some(first), _) => index(first),
        (None, Some(last)) => RANK_LAST + index(last),
        (None, None) => RANK_OTHER,
    }
}

/// A text whose order is the order of objects within a stage: rank, group, kind, namespace, name.
///
/// The separator is below all characters of groups, kinds and namespaces, so that comparing the
/// texts compares the parts one by one.
pub fn order_key(object: &ObjectRef) -> String {
    let rank = rank(&object.group_kind());
    let ObjectRef { group, kind, namespace, name } = object;
    format!("{rank:03}!{group}!{kind}!{namespace}!{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_follow_group_and_kind() {
        let custom = [GroupKind { group: "shop.example".to_owned(), kind: "Till".to_owned() }];
        #[rustfmt::skip]
        let cases: &[(&str, &str, Stage)] = &[
            ("",                          "Namespace",                Stage::ClusterDefinitions),
            ("shop.example",              "Namespace",                Stage::Rest),
            ("apiextensions.k8s.io",      "CustomResourceDefinition", Stage::ClusterDefinitions),
            ("rbac.authorization.k8s.io", "ClusterRole",              Stage::ClusterDefinitions),
            ("rbac.authorization.k8s.io", "ClusterRoleBinding",       Stage::Rest),
            ("storage.k8s.io",            "StorageClass",             Stage::ClassDefinitions),
            ("shop.example",              "FirstClass",               Stage::ClassDefinitions),
            ("shop.example",              "Till",                     Stage::Custom),
            ("apps",                      "Deployment",               Stage::Rest),
        ];
        for &(group, kind, want) in cases {
            let kind = GroupKind { group: group.to_owned(), kind: kind.to_owned() };
            assert_eq!(stage_with(&kind, &custom), want, "{kind:?}");
        }
        assert!(Stage::ClassDefinitions.is_waited_for() && !Stage::Custom.is_waited_for());
    }

    #[test]
    fn objects_are_ordered_by_kind_then_name() {
        let object = |text: &str| ObjectRef::parse_inventory_id(text).expect("a valid id");
        let ordered = [
            "_z_apiextensions.k8s.io_CustomResourceDefinition",
            "_a__Namespace",
            "shop_a__ConfigMap",
            "shop_b__ConfigMap",
            "shop-x_a__ConfigMap",
            "shop_a__Secret",
            "shop_web_serving.example_Service",
            "shop_web_apps_Deployment",
            "shop_web__Pod",
            "shop_web_apps_DaemonSet",
            "shop_web_apps_ReplicaSet",
            "shop_web_apps-x_DaemonSet",
            "shop_web_networking.k8s.io_Ingress",
            "_a_admissionregistration.k8s.io_MutatingWebhookConfiguration",
            "_a_admissionregistration.k8s.io_ValidatingWebhookConfiguration",
        ];
        let mut sorted = ordered;
        sorted.reverse();
        sorted.sort_by_key(|id| order_key(&object(id)));
        assert_eq!(sorted, ordered);
    }
}
