//! Custom resource definitions on a server, compared with what hence needs of them.
//!
//! In: the definition as installed, and ours. Out: what the installed one lacks. What hence reads
//! from `spec` may be missing (then nobody can use it); what it writes to `status` may not, because
//! the server would drop it silently. Pure, but for [`read`].

use std::collections::BTreeSet;

use serde_json::Value;

use crate::api::crd;
use crate::api::crd::Crd;
use crate::cluster::Cluster;
use crate::cluster::ClusterError;
use crate::cluster::Resource;

/// Who made an object: the value of [`MANAGED_BY`] on what `install` makes.
pub(super) const OURS: &str = "hence";
/// The label that says who made an object.
pub(super) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// One definition that hence needs, and what the server has of it.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    /// What we would install.
    pub(super) ours: Crd,
    /// What is installed; `None` when nothing is.
    pub(super) installed: Option<Value>,
}

/// How CustomResourceDefinitions are addressed.
pub(super) fn resource() -> Resource {
    Resource::known(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        false,
    )
}

/// All definitions that hence needs, as the server has them.
pub(super) async fn read(cluster: &Cluster) -> Result<Vec<Definition>, ClusterError> {
    let mut found = Vec::new();
    for ours in crd::all() {
        let installed = cluster.get(&resource(), "", name_of(&ours.manifest)).await?;
        found.push(Definition { ours, installed: installed.map(|seen| seen.raw) });
    }
    Ok(found)
}

/// The name of an object.
pub(super) fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

impl Definition {
    /// Its name: plural and group.
    pub(super) fn name(&self) -> &str {
        name_of(&self.ours.manifest)
    }

    /// The version that hence uses.
    pub(super) fn version(&self) -> &str {
        self.ours.manifest["spec"]["versions"][0]["name"].as_str().unwrap_or_default()
    }

    /// How its objects are addressed.
    pub(super) fn objects(&self) -> Resource {
        let spec = &self.ours.manifest["spec"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (group, kind) = (text(&spec["group"]), text(&spec["names"]["kind"]));
        Resource::known(&group, self.version(), &kind, &text(&spec["names"]["plural"]), true)
    }

    /// What the installed definition lacks of what hence cannot do without; nothing when all is
    /// there. An absent definition lacks itself.
    pub(super) fn lacks(&self) -> Option<String> {
        let Some(installed) = &self.installed else {
            return Some("the definition itself: it is not installed".to_owned());
        };
        let version = self.version();
        let versions = installed["spec"]["versions"].as_array().into_iter().flatten();
        let served =
            versions.filter(|found| found["served"] == true).find(|found| found["name"] == version);
        let Some(served) = served else {
            return Some(format!("a served version {version}"));
        };
        if !served["subresources"]["status"].is_object() {
            return Some("the status subresource".to_owned());
        }
        let status = |version: &Value| {
            let mut fields = BTreeSet::new();
            let schema = &version["schema"]["openAPIV3Schema"]["properties"]["status"];
            collect(schema, "status", &mut fields);
            fields
        };
        let theirs = status(served);
        let ours = status(&self.ours.manifest["spec"]["versions"][0]);
        let missing: Vec<&str> = ours.difference(&theirs).map(String::as_str).collect();
        (!missing.is_empty()).then(|| format!("the fields {}", missing.join(", ")))
    }

    /// Whether `install` made the installed definition.
    pub(super) fn is_ours(&self) -> bool {
        let label = |found: &Value| found["metadata"]["labels"][MANAGED_BY] == OURS;
        self.installed.as_ref().is_some_and(label)
    }
}

/// The paths of all fields below a schema.
fn collect(schema: &Value, path: &str, fields: &mut BTreeSet<String>) {
    if let Some(items) = schema.get("items") {
        collect(items, &format!("{path}[]"), fields);
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        let inner_path = format!("{path}.{name}");
        collect(inner, &inner_path, fields);
        fields.insert(inner_path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(change: impl FnOnce(&mut Value)) -> Definition {
        let ours = crd::all().into_iter().find(|crd| crd.file.contains("kustomizations"));
        let ours = ours.expect("units are among them");
        let mut installed = ours.manifest.clone();
        change(&mut installed);
        Definition { ours, installed: Some(installed) }
    }

    #[test]
    fn our_own_definition_lacks_nothing() {
        let definition = units(|_| {});
        assert_eq!(definition.lacks(), None);
        assert!(!definition.is_ours());
        assert_eq!(definition.objects().api_version(), "kustomize.toolkit.fluxcd.io/v1");
    }

    #[test]
    fn what_an_older_definition_lacks() {
        let status = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties";
        let lacks = |change: fn(&mut Value)| units(change).lacks().expect("it lacks something");
        assert_eq!(
            lacks(|crd| crd["spec"]["versions"][0]["served"] = false.into()),
            "a served version v1"
        );
        assert_eq!(
            lacks(|crd| crd["spec"]["versions"][0]["subresources"] = Value::Null),
            "the status subresource"
        );
        let mut older = units(|_| {});
        let installed = older.installed.as_mut().expect("given");
        let fields = installed.pointer_mut(status).and_then(Value::as_object_mut);
        fields.expect("it has a status").remove("lastAttemptedRevision");
        assert_eq!(older.lacks().as_deref(), Some("the fields status.lastAttemptedRevision"));
        older.installed = None;
        assert_eq!(older.lacks().as_deref(), Some("the definition itself: it is not installed"));
    }
}
