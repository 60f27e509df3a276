//! The envelope of all custom resources, and the trait that names a kind.

use miette::Diagnostic;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use super::Metadata;
use crate::model::ObjectRef;

/// What a kind is called. Implemented by the marker type of each kind.
pub trait Kind {
    /// Its API group.
    const GROUP: &'static str;
    /// The one version that is served and stored.
    const VERSION: &'static str;
    /// Its kind.
    const KIND: &'static str;
    /// Its name in URLs.
    const PLURAL: &'static str;
    /// What users ask for.
    type Spec: Serialize + DeserializeOwned;
    /// What controllers report.
    type Status: Serialize + DeserializeOwned + Default;

    /// `group/version`.
    fn api_version() -> String {
        format!("{}/{}", Self::GROUP, Self::VERSION)
    }
}

/// One custom resource. `K` tells the kind; the texts of `apiVersion` and `kind` follow from it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound(serialize = "K: Kind", deserialize = "K: Kind"))]
pub struct CustomResource<K: Kind> {
    /// `group/version` as the server sent it.
    pub api_version: String,
    /// The kind as the server sent it.
    pub kind: String,
    /// Name, labels, versions.
    pub metadata: Metadata,
    /// What the user asks for.
    pub spec: K::Spec,
    /// What controllers reported; the default when nobody did.
    #[serde(default)]
    pub status: K::Status,
}

/// A custom resource that could not be read.
#[derive(Debug, Error, Diagnostic)]
#[error("{kind} `{namespace}/{name}` cannot be read: {reason}")]
#[diagnostic(
    code(api::read),
    help("compare the installed CRD with the one this release was made for: `hence check`")
)]
pub struct ReadError {
    /// The kind that was expected.
    pub kind: &'static str,
    /// The namespace of the object.
    pub namespace: String,
    /// The name of the object.
    pub name: String,
    /// What does not fit, with the field.
    pub reason: String,
}

impl<K: Kind> CustomResource<K> {
    /// Reads a custom resource of kind `K`.
    pub fn read(object: &Value) -> Result<Self, ReadError> {
        let part = |name: &str| {
            let text = object.pointer(&format!("/metadata/{name}")).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let fail = |reason: String| ReadError {
            kind: K::KIND,
            namespace: part("namespace"),
            name: part("name"),
            reason,
        };
        let found: Self = Self::deserialize(object).map_err(|error| fail(error.to_string()))?;
        match found.api_version == K::api_version() && found.kind == K::KIND {
            true => Ok(found),
            false => Err(fail(format!("it is a {} {}", found.api_version, found.kind))),
        }
    }

    /// Names it.
    pub fn object(&self) -> ObjectRef {
        ObjectRef::new(K::GROUP, K::KIND, &self.metadata.namespace, &self.metadata.name)
    }
}
