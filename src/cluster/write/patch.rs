//! Patches: JSON patches for managed fields, merge patches for status and finalizers.

use http::Method;
use serde_json::Value;

use super::Write;
use super::Writer;
use crate::cluster::ClusterError;
use crate::cluster::Observed;
use crate::cluster::Resource;
use crate::cluster::SecretTexts;

/// The form of a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    /// RFC 6902: a list of operations.
    Json,
    /// RFC 7386: the changed fields; `null` removes one, a list replaces a list.
    Merge,
}

impl PatchKind {
    fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json-patch+json",
            Self::Merge => "application/merge-patch+json",
        }
    }
}

impl Writer {
    /// Patches one object, or one of its subresources when `subresource` is not empty. A
    /// `metadata.resourceVersion` in a merge patch makes it a compare-and-swap; `uid` works the
    /// same way.
    pub async fn patch(
        &self,
        resource: &Resource,
        (namespace, name, subresource): (&str, &str, &str),
        kind: PatchKind,
        patch: &Value,
        manager: &str,
    ) -> Result<Observed, ClusterError> {
        let (_, observed) = self
            .send_for_object(Write {
                verb: "patch",
                method: Method::PATCH,
                resource,
                namespace,
                name,
                subresource,
                query: vec![("fieldManager", manager.to_owned())],
                content: Some((kind.content_type(), patch.to_string().into_bytes())),
                secrets: &SecretTexts::none(),
            })
            .await?;
        Ok(observed)
    }

    /// Merges `status` into the status of a custom resource.
    ///
    /// `resource_version` makes it a compare-and-swap: 409 when the object changed since.
    pub async fn patch_status(
        &self,
        resource: &Resource,
        (namespace, name): (&str, &str),
        status: &Value,
        resource_version: Option<&str>,
        manager: &str,
    ) -> Result<Observed, ClusterError> {
        let mut patch = serde_json::json!({"status": status});
        if let Some(version) = resource_version {
            patch["metadata"] = serde_json::json!({"resourceVersion": version});
        }
        let target = (namespace, name, "status");
        self.patch(resource, target, PatchKind::Merge, &patch, manager).await
    }

    /// Sets the finalizers of an object that is still at `resource_version`.
    pub async fn set_finalizers(
        &self,
        resource: &Resource,
        (namespace, name): (&str, &str),
        finalizers: &[String],
        resource_version: &str,
        manager: &str,
    ) -> Result<Observed, ClusterError> {
        let finalizers = match finalizers {
            [] => Value::Null,
            some => serde_json::json!(some),
        };
        let patch = serde_json::json!({
            "metadata": {"finalizers": finalizers, "resourceVersion": resource_version},
        });
        self.patch(resource, (namespace, name, ""), PatchKind::Merge, &patch, manager).await
    }
}
