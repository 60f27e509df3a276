//! Server-side apply.

use http::Method;
use serde_json::Value;

use super::Write;
use super::Writer;
use crate::cluster::ClusterError;
use crate::cluster::Observed;
use crate::cluster::Resource;
use crate::cluster::SecretTexts;

/// How to apply. The defaults are Flux's.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// Who owns the fields.
    pub manager: String,
    /// Whether fields of other managers are taken over; off, they are conflicts.
    pub force: bool,
    /// Whether nothing is stored.
    pub dry_run: bool,
    /// The object must be this one: an object that was replaced is a conflict.
    pub uid: Option<String>,
    /// A subresource, such as `status`; empty for the object itself.
    pub subresource: String,
    /// Values besides those of Secrets that must not show in errors.
    pub secrets: SecretTexts,
}

impl Default for ApplyOptions {
    fn default() -> Self {
        Self {
            manager: "kustomize-controller".to_owned(),
            force: true,
            dry_run: false,
            uid: None,
            subresource: String::new(),
            secrets: SecretTexts::none(),
        }
    }
}

/// What an apply did.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// Whether the object was made just now (HTTP 201), or existed (200).
    pub created: bool,
    /// The object as it is now, or as it would be.
    pub object: Observed,
    /// What the server warned of.
    pub warnings: Vec<String>,
}

impl Writer {
    /// Applies `manifest`, which names its object, in the API version of `resource`.
    pub async fn apply(
        &self,
        resource: &Resource,
        manifest: &Value,
        options: &ApplyOptions,
    ) -> Result<Applied, ClusterError> {
        let text = |path: &str| manifest.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let mut query =
            vec![("fieldManager", options.manager.clone()), ("force", options.force.to_string())];
        if options.dry_run {
            query.push(("dryRun", "All".to_owned()));
        }
        let body = match &options.uid {
            Some(uid) => {
                let mut manifest = manifest.clone();
                manifest["metadata"]["uid"] = uid.as_str().into();
                manifest.to_string()
            }
            None => manifest.to_string(),
        };
        let secrets = SecretTexts::of_object(manifest).join(&options.secrets);
        let sent = self
            .send_for_object(Write {
                verb: if options.dry_run { "dry-run" } else { "apply" },
                method: Method::PATCH,
                resource,
                namespace: text("/metadata/namespace"),
                name: text("/metadata/name"),
                subresource: &options.subresource,
                query,
                content: Some(("application/apply-patch+yaml", body.into_bytes())),
                secrets: &secrets,
            })
            .await;
        let (answer, object) = sent.map_err(|error| match options.uid {
            Some(_) => as_conflict(error),
            None => error,
        })?;
        Ok(Applied { created: answer.code == 201, object, warnings: answer.warnings })
    }
}

/// To a patch the server says that a uid is an immutable field when it is that of another object;
/// to all other writes it says that this is a conflict. It is a conflict.
fn as_conflict(error: ClusterError) -> ClusterError {
    match error {
        ClusterError::Refused { request, mut status }
            if status.code == 422 && status.causes.iter().any(|c| c.field == "metadata.uid") =>
        {
            status.code = 409;
            status.reason = "Conflict".to_owned();
            ClusterError::Refused { request, status }
        }
        other => other,
    }
}
