//! The kinds that are served: the built-in ones and one for each version of each definition.
//!
//! In: what is recorded of built-in kinds, and custom resource definitions as they come and go.
//! Out: for a group, version and resource: names, verbs, subresources, shape and rules.
//!
//! Pure. Not here: whether a definition is valid (`crd.rs`), how kinds are listed (`discovery.rs`).

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::builtin::BUILT_IN;
use super::builtin::Recorded;
use super::crd_schema;
use super::fields::FieldSet;
use super::schema::TypeId;
use super::schema::Types;
use super::store::ResourceId;
use super::typed::Typed;

/// What only custom resources have.
#[derive(Clone, Debug)]
pub(crate) struct Custom {
    /// `openAPIV3Schema`.
    pub(crate) schema: Value,
    /// `additionalPrinterColumns`.
    pub(crate) columns: Vec<Value>,
    /// The scale subresource's paths.
    pub(crate) scale: Option<Value>,
}

/// A subresource: the kind of its objects and its verbs.
#[derive(Clone, Debug)]
pub(crate) struct Subresource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) verbs: Vec<String>,
}

/// A kind in one version.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    pub(crate) id: ResourceId,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) singular: String,
    pub(crate) namespaced: bool,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) verbs: Vec<String>,
    pub(crate) subresources: BTreeMap<String, Subresource>,
    pub(crate) types: Arc<Types>,
    pub(crate) ty: TypeId,
    pub(crate) type_name: String,
    pub(crate) custom: Option<Custom>,
}

impl Kind {
    /// `group/version`, or `v1` in the core group.
    pub(crate) fn api_version(&self) -> String {
        api_version(&self.id.group, &self.version)
    }

    /// Its shape.
    pub(crate) fn typed(&self) -> Typed<'_> {
        Typed { types: &self.types, ty: self.ty }
    }

    /// `resource.group`, as messages name it.
    pub(crate) fn has_status(&self) -> bool {
        self.subresources.contains_key("status")
    }

    /// Paths that a write to this endpoint resets, and that its managers therefore never own.
    pub(crate) fn reset_fields(&self, subresource: &str) -> FieldSet {
        match (subresource, self.custom.is_some()) {
            ("status", true) => FieldSet::of_fields(&["spec", "metadata"]),
            ("status", false) => FieldSet::of_fields(&["spec"]),
            _ if self.has_status() => FieldSet::of_fields(&["status"]),
            _ => FieldSet::default(),
        }
    }
}

/// `group/version`, or the version alone in the core group.
pub(crate) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// All kinds by resource; of several versions the preferred one comes first.
#[derive(Debug)]
pub(crate) struct Kinds {
    all: BTreeMap<ResourceId, Vec<Arc<Kind>>>,
}

impl Kinds {
    /// The built-in kinds.
    pub(crate) fn built_in() -> Self {
        let mut kinds = Self { all: BTreeMap::new() };
        for recorded in &BUILT_IN.kinds {
            // It is the one kind whose stable versions differ, and nothing converts them here.
            if recorded.kind == "HorizontalPodAutoscaler" && recorded.version == "v1" {
                continue;
            }
            let kind = recorded_kind(recorded);
            kinds.all.entry(kind.id.clone()).or_default().push(Arc::new(kind));
        }
        kinds
    }

    /// The kind at a path of the API.
    pub(crate) fn find(&self, group: &str, version: &str, resource: &str) -> Option<Arc<Kind>> {
        let id = ResourceId { group: group.to_owned(), resource: resource.to_owned() };
        self.all.get(&id)?.iter().find(|kind| kind.version == version).cloned()
    }

    /// The resource's kind in its preferred version.
    pub(crate) fn preferred(&self, id: &ResourceId) -> Option<&Arc<Kind>> {
        self.all.get(id)?.first()
    }

    /// The kind that an object or an owner reference names.
    pub(crate) fn named(&self, api_version: &str, kind: &str) -> Option<Arc<Kind>> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let in_group = self.all.iter().filter(|(id, _)| id.group == group);
        let mut found = in_group.flat_map(|(_, kinds)| kinds);
        found.find(|known| known.kind == kind && known.version == version).cloned()
    }

    /// Whether the resource is served in this version.
    pub(crate) fn serves(&self, id: &ResourceId, api_version: &str) -> bool {
        let kinds = self.all.get(id).into_iter().flatten();
        kinds.into_iter().any(|kind| kind.api_version() == api_version)
    }

    /// Replaces all versions of a resource; none takes it away.
    pub(crate) fn replace(&mut self, id: ResourceId, kinds: Vec<Kind>) {
        if kinds.is_empty() {
            self.all.remove(&id);
        } else {
            self.all.insert(id, kinds.into_iter().map(Arc::new).collect());
        }
    }

    /// Every kind of every version.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.all.values().flatten()
    }

    /// Groups and their versions, the preferred version first; the core group is `""`.
    pub(crate) fn groups(&self) -> BTreeMap<String, Vec<String>> {
        let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for kind in self.all() {
            groups.entry(kind.id.group.clone()).or_default().insert(kind.version.clone());
        }
        let sorted = |versions: BTreeSet<String>| {
            let mut versions: Vec<String> = versions.into_iter().collect();
            versions.sort_by_key(|version| std::cmp::Reverse(priority(version)));
            versions
        };
        groups.into_iter().map(|(group, versions)| (group, sorted(versions))).collect()
    }
}

/// Orders versions as the server does: stable over beta over alpha, newer first, then by name.
pub(crate) fn priority(version: &str) -> (u8, u32, u32) {
    let Some(rest) = version.strip_prefix('v') else { return (0, 0, 0) };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (major, stage) = rest.split_at(end);
    let Ok(major) = major.parse() else { return (0, 0, 0) };
    let minor = |rest: &str| rest.parse().unwrap_or(0);
    match (stage, stage.strip_prefix("beta"), stage.strip_prefix("alpha")) {
        ("", _, _) => (3, major, 0),
        (_, Some(beta), _) => (2, major, minor(beta)),
        (_, _, Some(alpha)) => (1, major, minor(alpha)),
        _ => (0, 0, 0),
    }
}

fn recorded_kind(recorded: &Recorded) -> Kind {
    let or_own = |found: &str, own: &str| if found.is_empty() { own } else { found }.to_owned();
    let subresource = |words: &Vec<String>| {
        let named = words.first().map(String::as_str).unwrap_or_default();
        let mut parts = named.splitn(3, '/');
        let (group, version) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        let group = if version.is_empty() { &recorded.group } else { group };
        Subresource {
            group: group.to_owned(),
            version: or_own(version, &recorded.version),
            kind: or_own(parts.next().unwrap_or(""), &recorded.kind),
            verbs: words.iter().skip(1).cloned().collect(),
        }
    };
    Kind {
        id: ResourceId { group: recorded.group.clone(), resource: recorded.resource.clone() },
        version: recorded.version.clone(),
        kind: recorded.kind.clone(),
        list_kind: format!("{}List", recorded.kind),
        singular: recorded.singular.clone(),
        namespaced: recorded.namespaced,
        short_names: recorded.short_names.clone(),
        categories: recorded.categories.clone(),
        verbs: recorded.verbs.clone(),
        subresources: recorded
            .subresources
            .iter()
            .map(|(name, words)| (name.clone(), subresource(words)))
            .collect(),
        types: Arc::clone(&BUILT_IN.types),
        ty: BUILT_IN.ids[&recorded.type_name],
        type_name: recorded.type_name.clone(),
        custom: None,
    }
}

fn words(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The kinds that a definition serves, the preferred version first.
pub(crate) fn of_definition(definition: &Value) -> Vec<Kind> {
    let spec = &definition["spec"];
    let names = &definition["status"]["acceptedNames"];
    let versions = spec["versions"].as_array().into_iter().flatten();
    let served = versions.filter(|version| version["served"] == true);
    let mut kinds: Vec<Kind> = served.map(|version| custom_kind(spec, names, version)).collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(priority(&kind.version)));
    kinds
}

fn custom_kind(spec: &Value, names: &Value, version: &Value) -> Kind {
    let schema = version["schema"]["openAPIV3Schema"].clone();
    let (types, ty) = crd_schema::shape(&schema);
    let verbs = |list: &[&str]| list.iter().map(|verb| (*verb).to_owned()).collect::<Vec<_>>();
    let (group, kind) = (word(&spec["group"]), word(&names["kind"]));
    let version_name = word(&version["name"]);
    let mut subresources = BTreeMap::new();
    let edits = verbs(&["get", "patch", "update"]);
    if version["subresources"]["status"].is_object() {
        let status = Subresource {
            group: group.clone(),
            version: version_name.clone(),
            kind: kind.clone(),
            verbs: edits.clone(),
        };
        subresources.insert("status".to_owned(), status);
    }
    let scale = Some(version["subresources"]["scale"].clone()).filter(Value::is_object);
    if scale.is_some() {
        let scale = Subresource {
            group: "autoscaling".to_owned(),
            version: "v1".to_owned(),
            kind: "Scale".to_owned(),
            verbs: edits,
        };
        subresources.insert("scale".to_owned(), scale);
    }
    let columns = version["additionalPrinterColumns"].as_array().cloned().unwrap_or_default();
    Kind {
        id: ResourceId { group, resource: word(&names["plural"]) },
        version: version_name,
        list_kind: word(&names["listKind"]),
        singular: word(&names["singular"]),
        kind,
        namespaced: spec["scope"] == "Namespaced",
        short_names: words(&names["shortNames"]),
        categories: words(&names["categories"]),
        verbs: verbs(&[
            "delete",
            "deletecollection",
            "get",
            "list",
            "patch",
            "create",
            "update",
            "watch",
        ]),
        subresources,
        types,
        ty,
        type_name: String::new(),
        custom: Some(Custom { schema, columns, scale }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_the_server_orders_them() {
        let mut versions = ["v1beta1", "v2", "v1", "foo", "v1alpha2", "v1beta2", "v10"];
        versions.sort_by_key(|version| std::cmp::Reverse(priority(version)));
        assert_eq!(versions, ["v10", "v2", "v1", "v1beta2", "v1beta1", "v1alpha2", "foo"]);
    }

    #[test]
    fn built_in_kinds_are_found_by_path_and_by_name() {
        let kinds = Kinds::built_in();
        let deployment = kinds.find("apps", "v1", "deployments").expect("built in");
        assert_eq!(deployment.subresources["scale"].group, "autoscaling");
        assert_eq!(deployment.subresources["status"].group, "apps");
        assert_eq!(kinds.named("v1", "Pod").expect("built in").id.resource, "pods");
        assert!(kinds.serves(&deployment.id, "apps/v1"));
        assert!(!kinds.serves(&deployment.id, "apps/v1beta1"));
    }
}
