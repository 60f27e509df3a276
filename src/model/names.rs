//! Names of units and sources, and the text forms in which facts, proofs and messages write them.

use std::fmt;

use crate::model::GroupKind;
use crate::model::ObjectRef;

/// The API group of Kustomization.
pub const KUSTOMIZE_GROUP: &str = "kustomize.toolkit.fluxcd.io";
/// The API group of GitRepository and the other sources.
pub const SOURCE_GROUP: &str = "source.toolkit.fluxcd.io";

/// Names one Kustomization; written `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl UnitName {
    /// The unit with these names.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// Reads `namespace/name`.
    pub fn parse(text: &str) -> Option<Self> {
        let (namespace, name) = text.split_once('/')?;
        let fits = !namespace.is_empty() && !name.is_empty() && !name.contains('/');
        fits.then(|| Self::new(namespace, name))
    }

    /// The custom resource itself.
    pub fn object(&self) -> ObjectRef {
        ObjectRef::new(KUSTOMIZE_GROUP, "Kustomization", &self.namespace, &self.name)
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Names one source; written `Kind/namespace/name`, as Flux's messages do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceName {
    /// GitRepository, OCIRepository, Bucket, HelmRepository, HelmChart or ExternalArtifact.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl SourceName {
    /// The source with these names.
    pub fn new(kind: &str, namespace: &str, name: &str) -> Self {
        Self { kind: kind.to_owned(), namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// Reads `Kind/namespace/name`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let (kind, namespace, name) = (parts.next()?, parts.next()?, parts.next()?);
        let full = [kind, namespace, name].iter().all(|part| !part.is_empty());
        (full && parts.next().is_none()).then(|| Self::new(kind, namespace, name))
    }

    /// The custom resource itself.
    pub fn object(&self) -> ObjectRef {
        ObjectRef::new(SOURCE_GROUP, &self.kind, &self.namespace, &self.name)
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind, self.namespace, self.name)
    }
}

impl GroupKind {
    /// Reads `Kind.group`, or `Kind` for the core group.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, group) = text.split_once('.').unwrap_or((text, ""));
        (!kind.is_empty()).then(|| Self { group: group.to_owned(), kind: kind.to_owned() })
    }
}

impl fmt::Display for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group.as_str() {
            "" => f.write_str(&self.kind),
            group => write!(f, "{}.{group}", self.kind),
        }
    }
}

impl ObjectRef {
    /// The form of facts: `Kind.group/namespace/name`, without the namespace when cluster-scoped.
    pub fn fact_text(&self) -> String {
        let kind = self.group_kind();
        match self.namespace.as_str() {
            "" => format!("{kind}/{}", self.name),
            namespace => format!("{kind}/{namespace}/{}", self.name),
        }
    }

    /// Reads the form of facts.
    pub fn parse_fact_text(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once('/')?;
        let kind = GroupKind::parse(kind)?;
        let (namespace, name) = rest.split_once('/').unwrap_or(("", rest));
        let fits = !name.is_empty() && !name.contains('/');
        fits.then(|| Self::new(&kind.group, &kind.kind, namespace, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fact_texts_round_trip() {
        #[rustfmt::skip]
        let cases = [
            ("Deployment.apps/shop/api", ObjectRef::new("apps", "Deployment", "shop", "api")),
            ("ConfigMap/shop/flags",     ObjectRef::new("", "ConfigMap", "shop", "flags")),
            ("Namespace/shop",           ObjectRef::new("", "Namespace", "", "shop")),
            ("ClusterRole.rbac.authorization.k8s.io/system:x",
                ObjectRef::new("rbac.authorization.k8s.io", "ClusterRole", "", "system:x")),
        ];
        for (text, object) in cases {
            assert_eq!(object.fact_text(), text);
            assert_eq!(ObjectRef::parse_fact_text(text), Some(object));
        }
        for text in ["", "/", "ConfigMap", "ConfigMap/", "ConfigMap/a/b/c", "/a/b"] {
            assert_eq!(ObjectRef::parse_fact_text(text), None, "{text}");
        }
    }

    #[test]
    fn unit_and_source_names_round_trip() {
        let unit = UnitName::new("flux-system", "apps");
        assert_eq!(UnitName::parse(&unit.to_string()), Some(unit));
        assert_eq!(UnitName::parse("apps"), None);
        let source = SourceName::new("GitRepository", "flux-system", "apps");
        assert_eq!(SourceName::parse(&source.to_string()), Some(source));
        assert_eq!(SourceName::parse("a/b"), None);
        assert_eq!(SourceName::parse("a/b/c/d"), None);
    }
}
