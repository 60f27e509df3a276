//! Reads of one object.

use serde_json::Value;

use crate::cluster::Cluster;
use crate::cluster::ClusterError;
use crate::cluster::Observed;
use crate::cluster::Resource;
use crate::cluster::transport::Call;

impl Cluster {
    /// One object, or `None` when the server says that it is absent.
    ///
    /// A kind that is not served, or a namespace that is absent, is an error, not an absence.
    pub async fn get(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Observed>, ClusterError> {
        let words = format!("get {}", resource.words(namespace, name));
        let call = Call::get(words.clone(), resource.object_path(namespace, name));
        match self.read_json(call).await {
            Ok(raw) => Observed::read(raw, resource)
                .map(Some)
                .map_err(|reason| ClusterError::Unreadable { request: words, reason }),
            Err(ClusterError::Refused { status, .. }) if status.is_absent(name) => Ok(None),
            Err(ClusterError::Refused { status, .. })
                if status.code == 404 && status.name.is_empty() =>
            {
                let what = format!("{} {}", resource.api_version(), resource.kind);
                Err(ClusterError::NotServed { what })
            }
            Err(error) => Err(error),
        }
    }

    /// The answer to `call` as JSON.
    pub(in crate::cluster) async fn read_json(&self, call: Call) -> Result<Value, ClusterError> {
        let request = call.words.clone();
        let answer = self.send(call).await?;
        serde_json::from_slice(&answer.body).map_err(|error| ClusterError::Unreadable {
            request,
            reason: format!("it is not JSON: line {} column {}", error.line(), error.column()),
        })
    }

    /// The server's version, such as `v1.37.2`.
    pub async fn server_version(&self) -> Result<String, ClusterError> {
        let document =
            self.read_json(Call::get("read the version".to_owned(), "/version".to_owned())).await?;
        Ok(document["gitVersion"].as_str().unwrap_or_default().to_owned())
    }
}
