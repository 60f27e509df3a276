//! Questions to a program in the cluster, through the API server's proxy of a Service.

use bytes::Bytes;
use http::Method;

use crate::cluster::Cluster;
use crate::cluster::ClusterError;
use crate::cluster::transport::Call;
use crate::cluster::transport::escape;
use crate::cluster::write::Purpose;
use crate::model::Secret;

/// A port of a Service.
#[derive(Clone, Copy, Debug)]
pub struct ServicePort<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The Service.
    pub service: &'a str,
    /// The port's name.
    pub port: &'a str,
}

impl Cluster {
    /// The answer of the program behind `port` to a question at `path`: with `json` a POST, else a
    /// GET. The proxy drops `Authorization`, so the program's own token travels in `header`.
    ///
    /// # Errors
    /// The API server cannot be reached, or it or the program refuses.
    pub async fn ask_service(
        &self,
        port: ServicePort<'_>,
        path: &str,
        (header, token): (&'static str, &Secret<String>),
        json: Option<Vec<u8>>,
    ) -> Result<Bytes, ClusterError> {
        let ServicePort { namespace, service, port } = port;
        let (namespace, service) = (escape(namespace), escape(service));
        let proxied =
            format!("/api/v1/namespaces/{namespace}/services/http:{service}:{port}/proxy");
        let call = Call {
            words: format!("ask Service/{namespace}/{service}"),
            method: if json.is_some() { Method::POST } else { Method::GET },
            path: format!("{proxied}{path}"),
            query: Vec::new(),
            accept: "*/*",
            content: json.map(|json| ("application/json", json)),
            header: Some((header, token.clone())),
            purpose: Purpose::Observe,
        };
        Ok(self.send(call).await?.body)
    }
}
