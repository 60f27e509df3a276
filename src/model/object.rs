//! References to Kubernetes objects, and the inventory ids that Flux gives them.

use std::fmt;

use miette::Diagnostic;
use thiserror::Error;

/// An API group and a kind; the version is left out because it does not name an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKind {
    /// The API group; empty for the core group.
    pub group: String,
    /// The kind, such as `Deployment`.
    pub kind: String,
}

/// Names one object of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// The API group; empty for the core group.
    pub group: String,
    /// The kind, such as `Deployment`.
    pub kind: String,
    /// The namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// An inventory id that does not have the form `<namespace>_<name>_<group>_<kind>`.
#[derive(Debug, Error, Diagnostic)]
#[error("`{id}` is not an inventory id")]
#[diagnostic(
    code(model::inventory_id),
    help("an inventory id reads <namespace>_<name>_<group>_<kind>")
)]
pub struct ParseInventoryIdError {
    /// The text as found.
    pub id: String,
}

impl ObjectRef {
    /// The object with these names.
    pub fn new(group: &str, kind: &str, namespace: &str, name: &str) -> Self {
        Self {
            group: group.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Its group and kind.
    pub fn group_kind(&self) -> GroupKind {
        GroupKind { group: self.group.clone(), kind: self.kind.clone() }
    }

    /// The id in `status.inventory` (Flux: `<namespace>_<name>_<group>_<kind>`; `:` in names of
    /// RBAC kinds is written `__`).
    pub fn inventory_id(&self) -> String {
        let rbac = self.group == "rbac.authorization.k8s.io"
            && matches!(
                self.kind.as_str(),
                "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding"
            );
        let name = if rbac { self.name.replace(':', "__") } else { self.name.clone() };
        format!("{}_{name}_{}_{}", self.namespace, self.group, self.kind)
    }

    /// Reads an inventory id: the first `_` ends the namespace, the last two separate group and
    /// kind, and every `__` in the name becomes `:`.
    pub fn parse_inventory_id(id: &str) -> Result<Self, ParseInventoryIdError> {
        let wrong = || ParseInventoryIdError { id: id.to_owned() };
        let (namespace, rest) = id.split_once('_').ok_or_else(wrong)?;
        let (rest, kind) = rest.rsplit_once('_').ok_or_else(wrong)?;
        let (name, group) = rest.rsplit_once('_').ok_or_else(wrong)?;
        if name.is_empty() || kind.is_empty() {
            return Err(wrong());
        }
        Ok(Self::new(group, kind, namespace, &name.replace("__", ":")))
    }
}

impl fmt::Display for ObjectRef {
    /// `Kind/namespace/name`, or `Kind/name` for cluster-scoped objects, as Flux prints them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{}/{}", self.kind, self.name),
            namespace => write!(f, "{}/{namespace}/{}", self.kind, self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inventory_ids_round_trip() {
        #[rustfmt::skip]
        let cases: &[(&str, ObjectRef)] = &[
            ("_apps__Namespace", ObjectRef::new("", "Namespace", "", "apps")),
            ("default_podinfo__Service", ObjectRef::new("", "Service", "default", "podinfo")),
            ("a_b_apps_Deployment", ObjectRef::new("apps", "Deployment", "a", "b")),
            ("_system__x_rbac.authorization.k8s.io_ClusterRole",
                ObjectRef::new("rbac.authorization.k8s.io", "ClusterRole", "", "system:x")),
        ];
        for (id, object) in cases {
            assert_eq!(&object.inventory_id(), id);
            assert_eq!(&ObjectRef::parse_inventory_id(id).expect("a valid id"), object, "{id}");
        }
    }

    #[test]
    fn malformed_ids_are_refused() {
        for id in ["", "a", "a_b", "a_b_c", "___", "a___Kind"] {
            assert!(ObjectRef::parse_inventory_id(id).is_err(), "{id}");
        }
    }
}
