//! Sends requests to the API server: one HTTP/2 connection for requests, more for watches.
//!
//! In: a [`Call`], a plain value. Out: the answer's code and body, or why there is none. Every
//! request carries who it is for (`Impersonate-User`) and what for (`User-Agent`). Nothing is sent
//! twice: trying again is the caller's decision, because a write must have one intent.
//!
//! ```text
//! Cluster ──▶ pace ──▶ gate ──▶ credentials ──▶ requests: one connection
//!                                          └──▶ watches:  one per WATCHES_PER_CONNECTION
//! ```
//!
//! Limits: `ANSWER_BYTES_MAX` for one answer.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::Request;
use http::Response;
use http::header;
use http_body_util::BodyExt;
use http_body_util::Limited;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioTimer;
use kube::Client;
use kube::Config;
use kube::client::Body;
use kube::client::ConfigExt;
use tower::BoxError;
use tower::ServiceBuilder;

use super::ClusterError;
use super::ConnectOptions;
use super::Status;
use super::config::describe;
use super::write::Purpose;
use crate::model::Secret;
use pace::Pace;

mod pace;

/// Watches that share one connection: servers allow at least 100 streams on one.
pub(super) const WATCHES_PER_CONNECTION: usize = 64;
/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// How long an idle connection may stay silent before it is asked whether it still lives.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// A connection to one cluster, for one user. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
    user: Option<Arc<str>>,
}

struct Shared {
    requests: Client,
    lanes: Mutex<Vec<Lane>>,
    config: Config,
    options: ConnectOptions,
    pace: Option<Pace>,
}

/// A connection for watches.
struct Lane {
    client: Client,
    watches: Arc<AtomicUsize>,
}

/// A place for one watch on a connection; given back when dropped.
pub(super) struct LanePlace {
    client: Client,
    watches: Arc<AtomicUsize>,
}

/// One request, as a value.
pub(super) struct Call {
    /// In words, for messages: `apply Deployment/shop/web`.
    pub(super) words: String,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) accept: &'static str,
    pub(super) content: Option<(&'static str, Vec<u8>)>,
    /// One more header, such as the token of a program behind a proxy.
    pub(super) header: Option<(&'static str, Secret<String>)>,
    pub(super) purpose: Purpose,
}

/// An answer with a code below 400.
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) body: Bytes,
    /// The texts of `Warning` headers.
    pub(super) warnings: Vec<String>,
}

impl Call {
    /// A read of `path`.
    pub(super) fn get(words: String, path: String) -> Self {
        Self {
            words,
            method: Method::GET,
            path,
            query: Vec::new(),
            accept: "application/json",
            content: None,
            header: None,
            purpose: Purpose::Observe,
        }
    }

    /// The path with its query.
    fn uri(&self) -> String {
        let mut uri = self.path.clone();
        for (i, (name, value)) in self.query.iter().enumerate() {
            uri.push(if i == 0 { '?' } else { '&' });
            uri.push_str(name);
            uri.push('=');
            uri.push_str(&escape(value));
        }
        uri
    }
}

/// Percent-encodes all but unreserved characters and `:`, which names of RBAC objects hold.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

impl Cluster {
    /// Finds the configuration and prepares the connection. The first request connects.
    pub async fn connect(options: &ConnectOptions) -> Result<Self, ClusterError> {
        let config = options.load().await?;
        let shared = Shared {
            requests: open_connection(&config, options)?,
            lanes: Mutex::new(Vec::new()),
            pace: options.queries_per_second.map(|rate| Pace::new(rate, options.burst)),
            config,
            options: options.clone(),
        };
        Ok(Self { shared: Arc::new(shared), user: None })
    }

    /// The same cluster as another user sees it, by impersonation. The server decides whether we
    /// may, and adds the groups of service accounts itself.
    pub fn as_user(&self, user: &str) -> Self {
        Self { shared: Arc::clone(&self.shared), user: Some(user.into()) }
    }

    /// The user that requests are made for, when it is not ourselves.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// How it was asked to connect.
    pub(super) fn options(&self) -> &ConnectOptions {
        &self.shared.options
    }

    /// The server's address.
    pub fn address(&self) -> String {
        self.shared.config.cluster_url.to_string()
    }

    /// The namespace of the kubeconfig's context, or of the pod.
    pub fn default_namespace(&self) -> &str {
        &self.shared.config.default_namespace
    }

    /// Sends `call` and reads the whole answer. Codes from 400 on are errors.
    pub(super) async fn send(&self, call: Call) -> Result<Answer, ClusterError> {
        if let Some(pace) = &self.shared.pace {
            pace.take().await;
        }
        self.send_now(call).await
    }

    /// The same without waiting for our own limit: for what must not queue behind others.
    pub(super) async fn send_now(&self, call: Call) -> Result<Answer, ClusterError> {
        let limit = self.shared.options.request_timeout;
        let words = call.words.clone();
        let work = self.exchange(call, &self.shared.requests);
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            Err(ClusterError::Timeout { request: words, seconds: limit.as_secs() })
        })
    }

    /// Waits for our own limit on requests, when there is one.
    pub(super) async fn wait_for_turn(&self) {
        if let Some(pace) = &self.shared.pace {
            pace.take().await;
        }
    }

    async fn exchange(&self, call: Call, client: &Client) -> Result<Answer, ClusterError> {
        let words = call.words.clone();
        let response = self.start(call, client).await?;
        let code = response.status().as_u16();
        let warnings = read_warnings(&response);
        let retry_after = read_retry_after(&response);
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
        let body = body.collect().await.map_err(|error| ClusterError::Unreadable {
            request: words.clone(),
            reason: format!("it is cut: {}", describe(error.as_ref())),
        })?;
        let body = body.to_bytes();
        if code < 400 {
            return Ok(Answer { code, body, warnings });
        }
        let mut status = Status::read(code, &body);
        status.retry_after = status.retry_after.or(retry_after);
        Err(ClusterError::Refused { request: words, status: Box::new(status) })
    }

    /// Sends `call` and gives the answer's head with its body still to come.
    async fn start(&self, call: Call, client: &Client) -> Result<Response<Body>, ClusterError> {
        let words = call.words.clone();
        let request = self.build(call)?;
        client
            .send(request)
            .await
            .map_err(|error| ClusterError::Unreachable { request: words, reason: describe(&error) })
    }

    /// Opens a stream on a place of its own. Codes from 400 on are errors.
    pub(super) async fn open(
        &self,
        call: Call,
        place: &LanePlace,
    ) -> Result<Response<Body>, ClusterError> {
        let limit = self.shared.options.request_timeout;
        let words = call.words.clone();
        let late = || ClusterError::Timeout { request: words.clone(), seconds: limit.as_secs() };
        let start = self.start(call, &place.client);
        let response = tokio::time::timeout(limit, start).await.map_err(|_| late())??;
        let code = response.status().as_u16();
        if code < 400 {
            return Ok(response);
        }
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect();
        let body = tokio::time::timeout(limit, body).await.map_err(|_| late())?;
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        let status = Box::new(Status::read(code, &body));
        Err(ClusterError::Refused { request: words, status })
    }

    fn build(&self, call: Call) -> Result<Request<Body>, ClusterError> {
        let product = &self.shared.options.product;
        let mut builder = Request::builder()
            .method(call.method.clone())
            .uri(call.uri())
            .header(header::ACCEPT, call.accept)
            .header(header::USER_AGENT, call.purpose.user_agent(product));
        if let Some(user) = &self.user {
            builder = builder.header("Impersonate-User", user.as_ref());
        }
        if let Some((name, value)) = &call.header {
            builder = builder.header(*name, value.expose());
        }
        let body = match call.content {
            Some((kind, bytes)) => {
                builder = builder.header(header::CONTENT_TYPE, kind);
                Body::from(bytes)
            }
            None => Body::empty(),
        };
        builder.body(body).map_err(|error| ClusterError::Config {
            reason: format!("cannot form the request to {}: {error}", call.words),
        })
    }

    /// A place for one watch, on a connection that has one free.
    pub(super) fn take_place(&self) -> Result<LanePlace, ClusterError> {
        let mut lanes = self.shared.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let free = lanes
            .iter()
            .position(|lane| lane.watches.load(Ordering::Relaxed) < WATCHES_PER_CONNECTION);
        let index = match free {
            Some(index) => index,
            None => {
                let client = open_connection(&self.shared.config, &self.shared.options)?;
                lanes.push(Lane { client, watches: Arc::new(AtomicUsize::new(0)) });
                lanes.len() - 1
            }
        };
        let lane = &lanes[index];
        lane.watches.fetch_add(1, Ordering::Relaxed);
        Ok(LanePlace { client: lane.client.clone(), watches: Arc::clone(&lane.watches) })
    }
}

impl Drop for LanePlace {
    fn drop(&mut self) {
        self.watches.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("address", &self.address())
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// A client with a connection pool of its own, which HTTP/2 keeps at one connection.
fn open_connection(config: &Config, options: &ConnectOptions) -> Result<Client, ClusterError> {
    let wrong = |reason: String| ClusterError::Config { reason };
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(options.connect_timeout));
    tcp.set_keepalive(Some(KEEP_ALIVE));
    tcp.set_nodelay(true);
    let tls = config.rustls_client_config().map_err(|error| wrong(describe(&error)))?;
    let mut connector =
        hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = name.clone().try_into();
        let name = name.map_err(|_| wrong("tls-server-name is not a host name".to_owned()))?;
        let resolver = hyper_rustls::FixedServerNameResolver::new(name);
        connector = connector.with_server_name_resolver(resolver);
    }
    let connector = connector.enable_all_versions().wrap_connector(tcp);
    let http = legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .http2_adaptive_window(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .http2_keep_alive_timeout(KEEP_ALIVE)
        .http2_keep_alive_while_idle(true)
        .build::<_, Body>(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer().map_err(|error| wrong(describe(&error)))?)
        .layer(config.extra_headers_layer().map_err(|error| wrong(describe(&error)))?)
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace.clone()))
}

/// `Retry-After` in whole seconds.
fn read_retry_after(response: &Response<Body>) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    value.parse().ok().map(Duration::from_secs)
}

/// The texts of `Warning: 299 - "text"` headers.
fn read_warnings(response: &Response<Body>) -> Vec<String> {
    let values = response.headers().get_all(header::WARNING).iter();
    let texts = values.filter_map(|value| {
        let (_, text) = value.to_str().ok()?.split_once('"')?;
        Some(text.trim_end_matches('"').replace("\\\"", "\""))
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_selectors_are_escaped() {
        assert_eq!(escape("system:node"), "system:node");
        assert_eq!(escape("a/b c=ü"), "a%2Fb%20c%3D%C3%BC");
        let mut call = Call::get("list".to_owned(), "/api/v1/pods".to_owned());
        call.query = vec![("labelSelector", "a in (b,c)".to_owned()), ("limit", "5".to_owned())];
        assert_eq!(call.uri(), "/api/v1/pods?labelSelector=a%20in%20%28b%2Cc%29&limit=5");
    }
}
