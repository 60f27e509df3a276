//! Which kinds the server serves, under which names and versions.
//!
//! In: the server's discovery documents. Out: [`Kinds`], a value. A group whose documents did not
//! come is *not* a group without kinds: [`Kinds::find`] tells the two apart, because "the kind is
//! gone" may lead to a prune and "nobody knows" must not.
//!
//! Cost: two requests where the server has aggregated discovery (1.30 on), else one for each
//! version of a group.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Cluster;
use super::ClusterError;
use super::transport::Call;
use crate::model::GroupKind;

/// What we ask for: all in one document; a server that cannot do that answers in the old form.
const ACCEPT: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                      application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,\
                      application/json";

/// One kind in one version, as the server serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The kind.
    pub kind: String,
    /// Its name in URLs.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// What can be done with it, such as `list` and `watch`.
    pub verbs: Vec<String>,
    /// What users may call it for short.
    pub short_names: Vec<String>,
    /// Its name in the singular; may be empty.
    pub singular: String,
    /// Its subresources, such as `status`.
    pub subresources: Vec<String>,
}

impl Resource {
    /// A resource that needs no discovery: Leases, Events, Tokens and our own kinds.
    pub fn known(group: &str, version: &str, kind: &str, plural: &str, namespaced: bool) -> Self {
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            namespaced,
            verbs: Vec::new(),
            short_names: Vec::new(),
            singular: String::new(),
            subresources: Vec::new(),
        }
    }

    /// `group/version`, or `version` for the core group.
    pub fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// Its group and kind.
    pub fn group_kind(&self) -> GroupKind {
        GroupKind { group: self.group.clone(), kind: self.kind.clone() }
    }

    /// Whether the server offers `verb` for it.
    pub fn allows(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| known == verb)
    }

    /// The path of the collection; an empty `namespace` means all of them, or that there is none.
    pub(super) fn collection_path(&self, namespace: &str) -> String {
        let root = match self.group.as_str() {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        match namespace {
            namespace if !namespace.is_empty() && self.namespaced => {
                let namespace = super::transport::escape(namespace);
                format!("{root}/namespaces/{namespace}/{}", self.plural)
            }
            _ => format!("{root}/{}", self.plural),
        }
    }

    /// The path of one object.
    pub(super) fn object_path(&self, namespace: &str, name: &str) -> String {
        format!("{}/{}", self.collection_path(namespace), super::transport::escape(name))
    }

    /// `Kind/namespace/name`, for messages.
    pub(super) fn words(&self, namespace: &str, name: &str) -> String {
        match namespace {
            namespace if !namespace.is_empty() && self.namespaced => {
                format!("{}/{namespace}/{name}", self.kind)
            }
            _ => format!("{}/{name}", self.kind),
        }
    }
}

/// A group's version whose kinds could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedGroup {
    /// The group.
    pub group: String,
    /// The version; empty when not even the versions are known.
    pub version: String,
    /// What went wrong.
    pub reason: String,
}

/// What is known about a kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Known<'a> {
    /// It is served; this is its preferred version.
    Served(&'a Resource),
    /// The server answered for the whole group, and the kind is not in it.
    Absent,
    /// The group's documents did not come: the kind may or may not be served.
    Unknown(&'a FailedGroup),
}

/// All kinds that a server serves, at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kinds {
    /// All versions of each kind, preferred first.
    served: BTreeMap<GroupKind, Vec<Resource>>,
    failed: Vec<FailedGroup>,
}

impl Kinds {
    /// From resources, the preferred version of each kind first, and the groups that failed.
    pub fn new(resources: impl IntoIterator<Item = Resource>, failed: Vec<FailedGroup>) -> Self {
        let mut served: BTreeMap<GroupKind, Vec<Resource>> = BTreeMap::new();
        for resource in resources {
            served.entry(resource.group_kind()).or_default().push(resource);
        }
        Self { served, failed }
    }

    /// What is known about a kind, in whatever version.
    pub fn find(&self, kind: &GroupKind) -> Known<'_> {
        match self.served.get(kind).and_then(|versions| versions.first()) {
            Some(resource) => Known::Served(resource),
            None => self.not_found(&kind.group, None),
        }
    }

    /// What is known about a kind in one version: `apps/v1`, or `v1` for the core group.
    pub fn find_version(&self, api_version: &str, kind: &str) -> Known<'_> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let kind = GroupKind { group: group.to_owned(), kind: kind.to_owned() };
        let versions = self.served.get(&kind).map(Vec::as_slice).unwrap_or_default();
        match versions.iter().find(|resource| resource.version == version) {
            Some(resource) => Known::Served(resource),
            None => self.not_found(group, Some(version)),
        }
    }

    fn not_found(&self, group: &str, version: Option<&str>) -> Known<'_> {
        let concerns = |failed: &&FailedGroup| {
            failed.group == group
                && (failed.version.is_empty() || version.is_none_or(|v| v == failed.version))
        };
        match self.failed.iter().find(concerns) {
            Some(failed) => Known::Unknown(failed),
            None => Known::Absent,
        }
    }

    /// These kinds, and of the groups that failed what was known of them before: that a document
    /// did not come says nothing about the kinds in it.
    pub fn or_before(mut self, before: &Self) -> Self {
        let concerns = |failed: &FailedGroup, resource: &Resource| {
            failed.group == resource.group
                && (failed.version.is_empty() || failed.version == resource.version)
        };
        for resource in before.all() {
            let failed = self.failed.iter().any(|failed| concerns(failed, resource));
            let versions = self.served.get(&resource.group_kind());
            let same = |known: &Resource| known.version == resource.version;
            if failed && !versions.is_some_and(|versions| versions.iter().any(same)) {
                self.add(resource.clone());
            }
        }
        self
    }

    /// All kinds in their preferred versions, in the order of group and kind.
    pub fn preferred(&self) -> impl Iterator<Item = &Resource> {
        self.served.values().filter_map(|versions| versions.first())
    }

    /// All kinds in all versions.
    pub fn all(&self) -> impl Iterator<Item = &Resource> {
        self.served.values().flatten()
    }

    /// Groups whose kinds are not known.
    pub fn failed(&self) -> &[FailedGroup] {
        &self.failed
    }

    /// Kinds that a user may mean by `word`: kind, plural, singular or short name, in any case,
    /// also with `.group` behind it. Preferred versions only.
    pub fn named(&self, word: &str) -> Vec<&Resource> {
        let (name, group) = match word.split_once('.') {
            Some((name, group)) => (name, Some(group)),
            None => (word, None),
        };
        let same = |known: &str| known.eq_ignore_ascii_case(name);
        let fits = |resource: &&Resource| {
            let named = same(&resource.kind)
                || same(&resource.plural)
                || same(&resource.singular)
                || resource.short_names.iter().any(|short| same(short));
            named && group.is_none_or(|group| resource.group.eq_ignore_ascii_case(group))
        };
        self.preferred().filter(fits).collect()
    }
}

impl Cluster {
    /// Asks the server for all kinds that it serves.
    ///
    /// Fails only when not even the list of groups comes; a group that fails is named in the
    /// result.
    pub async fn discover(&self) -> Result<Kinds, ClusterError> {
        let mut kinds = Kinds::default();
        for root in ["/api", "/apis"] {
            let mut call = Call::get(format!("discover {root}"), root.to_owned());
            call.accept = ACCEPT;
            let document = self.read_json(call).await?;
            match document["kind"].as_str() {
                Some("APIGroupDiscoveryList") => read_aggregated(&document, &mut kinds),
                Some("APIVersions") => {
                    let versions = texts(&document["versions"]);
                    self.read_group("", &versions, &mut kinds).await;
                }
                Some("APIGroupList") => {
                    for group in list(&document["groups"]) {
                        let name = text(&group["name"]);
                        self.read_group(&name, &group_versions(group), &mut kinds).await;
                    }
                }
                other => {
                    return Err(ClusterError::Unreadable {
                        request: format!("discover {root}"),
                        reason: format!("it is of kind {other:?}"),
                    });
                }
            }
        }
        Ok(kinds)
    }

    /// The old form: one document for each version of a group.
    async fn read_group(&self, group: &str, versions: &[String], kinds: &mut Kinds) {
        for version in versions {
            let path = match group {
                "" => format!("/api/{version}"),
                group => format!("/apis/{group}/{version}"),
            };
            match self.read_json(Call::get(format!("discover {path}"), path)).await {
                Ok(document) => read_resource_list(group, version, &document, kinds),
                Err(error) => kinds.failed.push(FailedGroup {
                    group: group.to_owned(),
                    version: version.clone(),
                    reason: error.to_string(),
                }),
            }
        }
    }
}

/// The versions of a group, preferred first.
fn group_versions(group: &Value) -> Vec<String> {
    let preferred = text(&group["preferredVersion"]["version"]);
    let mut versions: Vec<String> =
        list(&group["versions"]).iter().map(|version| text(&version["version"])).collect();
    versions.sort_by_key(|version| *version != preferred);
    versions
}

/// Reads an `APIGroupDiscoveryList`.
fn read_aggregated(document: &Value, kinds: &mut Kinds) {
    for group in list(&document["items"]) {
        let name = text(&group["metadata"]["name"]);
        for version in list(&group["versions"]) {
            let label = text(&version["version"]);
            // Stale: the server behind this group does not answer; what is listed is from before.
            if version["freshness"] == "Stale" {
                kinds.failed.push(FailedGroup {
                    group: name.clone(),
                    version: label.clone(),
                    reason: "the server behind this group does not answer".to_owned(),
                });
            }
            for found in list(&version["resources"]) {
                let resource = Resource {
                    namespaced: found["scope"] == "Namespaced",
                    verbs: texts(&found["verbs"]),
                    short_names: texts(&found["shortNames"]),
                    singular: text(&found["singularResource"]),
                    subresources: list(&found["subresources"])
                        .iter()
                        .map(|sub| text(&sub["subresource"]))
                        .collect(),
                    ..Resource::known(
                        &name,
                        &label,
                        &text(&found["responseKind"]["kind"]),
                        &text(&found["resource"]),
                        false,
                    )
                };
                kinds.add(resource);
            }
        }
    }
}

/// Reads an `APIResourceList`.
fn read_resource_list(group: &str, version: &str, document: &Value, kinds: &mut Kinds) {
    let mut found: Vec<Resource> = Vec::new();
    for entry in list(&document["resources"]) {
        let name = text(&entry["name"]);
        match name.split_once('/') {
            // Subresources follow their resource.
            Some((plural, subresource)) => {
                if let Some(resource) = found.iter_mut().find(|known| known.plural == plural) {
                    resource.subresources.push(subresource.to_owned());
                }
            }
            None => found.push(Resource {
                verbs: texts(&entry["verbs"]),
                short_names: texts(&entry["shortNames"]),
                singular: text(&entry["singularName"]),
                ..Resource::known(
                    group,
                    version,
                    &text(&entry["kind"]),
                    &name,
                    entry["namespaced"] == true,
                )
            }),
        }
    }
    found.into_iter().for_each(|resource| kinds.add(resource));
}

impl Kinds {
    /// Adds a kind in one version; the first of its versions is the preferred one.
    fn add(&mut self, resource: Resource) {
        if !resource.kind.is_empty() && !resource.plural.is_empty() {
            self.served.entry(resource.group_kind()).or_default().push(resource);
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(text).collect()
}

#[cfg(test)]
mod tests;
