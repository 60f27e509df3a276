//! Writes: apply, delete, patch, and the small writes of a controller's own life.
//!
//! A write is sent by a [`Writer`], which knows what for ([`Purpose`], in the `User-Agent` of each
//! request) and until when it may ([`WriteGate`]). Nothing is sent twice by itself.

mod apply;
mod delete;
mod event;
mod gate;
mod lease;
mod patch;
mod review;

use std::fmt;

use http::Method;
use serde_json::Value;

pub use apply::Applied;
pub use apply::ApplyOptions;
pub use delete::Deletion;
pub use delete::Preconditions;
pub use delete::Propagation;
pub use event::EventRecorder;
pub use event::EventType;
pub use event::ObjectEvent;
pub use gate::WriteGate;
pub use lease::Elector;
pub use lease::LeaseOptions;
pub use lease::LeaseRecord;
pub use lease::Standing;
pub use patch::PatchKind;
pub use review::AccessQuery;
pub use review::TokenIdentity;

use super::Cluster;
use super::ClusterError;
use super::Observed;
use super::Resource;
use super::SecretTexts;
use super::transport::Answer;
use super::transport::Call;

/// What a request is for; shown in its `User-Agent`, so that the API server's audit log can be
/// compared with the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A read.
    Observe,
    /// An action of the plan, by the id of its intent in the journal.
    Intent(String),
    /// A write of the controller's own life, such as `lease` or `event`.
    Upkeep(&'static str),
}

impl Purpose {
    /// The `User-Agent` of a request.
    pub(super) fn user_agent(&self, product: &str) -> String {
        match self {
            Self::Observe => product.to_owned(),
            Self::Intent(id) => format!("{product} (intent {id})"),
            Self::Upkeep(what) => format!("{product} ({what})"),
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Observe => f.write_str("observe"),
            Self::Intent(id) => write!(f, "intent {id}"),
            Self::Upkeep(what) => f.write_str(what),
        }
    }
}

/// Sends writes for one purpose.
#[derive(Clone, Debug)]
pub struct Writer {
    cluster: Cluster,
    purpose: Purpose,
    gate: WriteGate,
}

impl Cluster {
    /// A writer for `purpose`, which sends only while `gate` is open.
    pub fn writer(&self, purpose: Purpose, gate: WriteGate) -> Writer {
        Writer { cluster: self.clone(), purpose, gate }
    }
}

/// The parts of a write.
struct Write<'a> {
    verb: &'static str,
    method: Method,
    resource: &'a Resource,
    namespace: &'a str,
    /// Empty for a write to the collection.
    name: &'a str,
    /// Empty for the object itself.
    subresource: &'a str,
    query: Vec<(&'static str, String)>,
    content: Option<(&'static str, Vec<u8>)>,
    secrets: &'a SecretTexts,
}

impl Writer {
    /// Sends a write, if the gate is open when its turn comes. Secrets never show in its errors.
    async fn send(&self, write: Write<'_>) -> Result<Answer, ClusterError> {
        let resource = write.resource;
        let mut path = match write.name {
            "" => resource.collection_path(write.namespace),
            name => resource.object_path(write.namespace, name),
        };
        if !write.subresource.is_empty() {
            path = format!("{path}/{}", write.subresource);
        }
        let call = Call {
            words: format!("{} {}", write.verb, resource.words(write.namespace, write.name)),
            method: write.method,
            path,
            query: write.query,
            accept: "application/json",
            content: write.content,
            header: None,
            purpose: self.purpose.clone(),
        };
        self.cluster.wait_for_turn().await;
        self.gate.check(&call.words)?;
        self.cluster.send_now(call).await.map_err(|error| match error {
            ClusterError::Refused { request, status } => ClusterError::Refused {
                request,
                status: Box::new(write.secrets.blot_status(*status)),
            },
            other => other,
        })
    }

    /// Sends a write whose answer is the object.
    async fn send_for_object(&self, write: Write<'_>) -> Result<(Answer, Observed), ClusterError> {
        let words = write.resource.words(write.namespace, write.name);
        let request = format!("{} {words}", write.verb);
        let resource = write.resource;
        let answer = self.send(write).await?;
        let observed = read_object(&answer.body, resource)
            .map_err(|reason| ClusterError::Unreadable { request, reason })?;
        Ok((answer, observed))
    }

    /// Creates an object; an object of that name that exists already is a conflict.
    pub async fn create(
        &self,
        resource: &Resource,
        namespace: &str,
        object: &Value,
    ) -> Result<Observed, ClusterError> {
        let secrets = SecretTexts::of_object(object);
        let (_, observed) = self
            .send_for_object(Write {
                verb: "create",
                method: Method::POST,
                resource,
                namespace,
                name: "",
                subresource: "",
                query: Vec::new(),
                content: Some(("application/json", object.to_string().into_bytes())),
                secrets: &secrets,
            })
            .await?;
        Ok(observed)
    }

    /// Replaces an object; `metadata.resourceVersion` in it makes that a compare-and-swap.
    pub async fn replace(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        object: &Value,
    ) -> Result<Observed, ClusterError> {
        let secrets = SecretTexts::of_object(object);
        let (_, observed) = self
            .send_for_object(Write {
                verb: "replace",
                method: Method::PUT,
                resource,
                namespace,
                name,
                subresource: "",
                query: Vec::new(),
                content: Some(("application/json", object.to_string().into_bytes())),
                secrets: &secrets,
            })
            .await?;
        Ok(observed)
    }
}

/// The object in an answer.
fn read_object(body: &[u8], resource: &Resource) -> Result<Observed, String> {
    let raw: Value = serde_json::from_slice(body)
        .map_err(|error| format!("it is not JSON: column {}", error.column()))?;
    Observed::read(raw, resource)
}
