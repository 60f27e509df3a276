//! Deletes, each with the uid and version of the observation that its proof used.

use http::Method;
use serde_json::Value;
use serde_json::json;

use super::Write;
use super::Writer;
use super::read_object;
use crate::cluster::ClusterError;
use crate::cluster::Observed;
use crate::cluster::Resource;
use crate::cluster::SecretTexts;

/// What must still be true of the object; anything else is a conflict, and nothing is deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// Its uid.
    pub uid: Option<String>,
    /// Its version.
    pub resource_version: Option<String>,
}

/// What happens to the objects that it owns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted after it.
    #[default]
    Background,
    /// They are deleted before it.
    Foreground,
    /// They stay.
    Orphan,
}

/// What a delete did.
#[derive(Clone, Debug, PartialEq)]
pub enum Deletion {
    /// It is gone.
    Gone,
    /// It is marked; finalizers keep it for now.
    Terminating(Box<Observed>),
    /// It was not there.
    WasAbsent,
}

impl Propagation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Background => "Background",
            Self::Foreground => "Foreground",
            Self::Orphan => "Orphan",
        }
    }
}

impl Writer {
    /// Deletes one object.
    pub async fn delete(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        preconditions: &Preconditions,
        propagation: Propagation,
        dry_run: bool,
    ) -> Result<Deletion, ClusterError> {
        let answer = self
            .send(Write {
                verb: "delete",
                method: Method::DELETE,
                resource,
                namespace,
                name,
                subresource: "",
                query: Vec::new(),
                content: Some((
                    "application/json",
                    delete_options(preconditions, propagation, dry_run).to_string().into_bytes(),
                )),
                secrets: &SecretTexts::none(),
            })
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(ClusterError::Refused { status, .. }) if status.is_absent(name) => {
                return Ok(Deletion::WasAbsent);
            }
            Err(error) => return Err(error),
        };
        // The server answers with a `Status` when the object is gone, and some kinds with the
        // object as it last was; what still has finalizers comes back marked.
        let kept = read_object(&answer.body, resource).ok().filter(|object| {
            let finalizers = object.raw.pointer("/metadata/finalizers").and_then(Value::as_array);
            object.raw["kind"] == resource.kind.as_str()
                && object.is_terminating()
                && (finalizers.is_some_and(|list| !list.is_empty()) || grace(&object.raw) > 0)
        });
        Ok(kept.map_or(Deletion::Gone, |object| Deletion::Terminating(Box::new(object))))
    }
}

/// The seconds that a pod has left.
fn grace(object: &Value) -> i64 {
    object.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0)
}

fn delete_options(preconditions: &Preconditions, propagation: Propagation, dry_run: bool) -> Value {
    let mut options = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": propagation.as_str(),
    });
    let mut given = serde_json::Map::new();
    if let Some(uid) = &preconditions.uid {
        given.insert("uid".to_owned(), uid.as_str().into());
    }
    if let Some(version) = &preconditions.resource_version {
        given.insert("resourceVersion".to_owned(), version.as_str().into());
    }
    if !given.is_empty() {
        options["preconditions"] = Value::Object(given);
    }
    if dry_run {
        options["dryRun"] = json!(["All"]);
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preconditions_stand_in_the_body() {
        let preconditions =
            Preconditions { uid: Some("u1".to_owned()), resource_version: Some("7".to_owned()) };
        assert_eq!(
            delete_options(&preconditions, Propagation::Background, false),
            json!({
                "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
                "preconditions": {"uid": "u1", "resourceVersion": "7"},
            })
        );
        let bare = delete_options(&Preconditions::default(), Propagation::Orphan, true);
        assert_eq!(bare["dryRun"], json!(["All"]));
        assert!(bare.get("preconditions").is_none());
    }
}
