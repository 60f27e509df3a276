//! A proxy between a client and the API server that does harm on request.
//!
//! In: a cluster and rules, each a question about a request and a [`Fault`]. Out: a kubeconfig for
//! the client under test, and a record of what passed and what was harmed, so that a test can show
//! that the harm was done.
//!
//! ```text
//! client ──plain HTTP──▶ FaultProxy ──TLS──▶ kube-apiserver
//! ```
//!
//! The client's own token and impersonation headers pass unchanged. Not here: exec and attach.

use crate::support::cluster::Cluster;
use crate::support::cluster::trust_ring;
use crate::support::serve::Server;
use crate::support::serve::broken_off;
use crate::support::tools;
use crate::support::wait;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures::Stream;
use futures::StreamExt;
use futures::stream;
use http::HeaderMap;
use http::header;
use serde_json::json;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use tempfile::TempDir;
use tokio::sync::watch;

/// The largest request that is passed on: more than the API server itself takes.
const BODY_BYTES_MAX: usize = 64 << 20;

/// What happens to a request that a rule chose.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The server is not asked; the answer is this Kubernetes `Status`.
    Refuse {
        /// The HTTP status.
        code: u16,
        /// The machine-readable reason, `Forbidden` or `Expired` for example.
        reason: &'static str,
    },
    /// The server is not asked; the answer is this text with status 200.
    Answer(String),
    /// The server is not asked; the connection breaks.
    Break,
    /// The server does what was asked, but its answer is lost: the connection breaks.
    LoseAnswer,
    /// The first bytes of the server's answer pass, then the connection breaks.
    CutAfter(usize),
    /// The answer's head passes and then nothing, while the connection stays open.
    Silence,
    /// The request waits until the gate opens, and then goes its way.
    Hold(Gate),
    /// The server does what was asked, but its answer waits until the gate opens.
    HoldAnswer(Gate),
}

impl Fault {
    /// A watch that starts and at once says that its resourceVersion is too old.
    pub(crate) fn watch_expired() -> Self {
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410,
            "reason": "Expired", "message": "too old resource version",
        });
        Self::Answer(format!("{}\n", json!({ "type": "ERROR", "object": status })))
    }
}

/// Holds requests back until a test lets them go.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A closed gate.
    pub(crate) fn closed() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets everything pass, now and later.
    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    async fn passed(&self) {
        let opened = self.0.subscribe().wait_for(|open| *open).await.map(|_| ());
        opened.expect("the gate itself holds a sender");
    }
}

/// A request as the proxy saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// `GET`, `PATCH`, …
    pub(crate) method: String,
    /// The path, without the query.
    pub(crate) path: String,
    /// The query, without its question mark; may be empty.
    pub(crate) query: String,
    /// What was done to it; nothing for a request that passed unharmed.
    pub(crate) harmed: Option<&'static str>,
}

impl Seen {
    /// A list of this resource (its plural name), over all namespaces or in one.
    pub(crate) fn is_list(&self, resource: &str) -> bool {
        self.method == "GET" && self.is_collection(resource) && !self.has("watch=")
    }

    /// A list's second or later page.
    pub(crate) fn is_later_page(&self, resource: &str) -> bool {
        self.is_list(resource) && self.has("continue=")
    }

    /// A watch of this resource.
    pub(crate) fn is_watch(&self, resource: &str) -> bool {
        self.method == "GET" && self.is_collection(resource) && self.has("watch=")
    }

    /// A request that would change something.
    pub(crate) fn is_write(&self) -> bool {
        self.method != "GET" && !self.has("dryRun=")
    }

    fn is_collection(&self, resource: &str) -> bool {
        self.path.rsplit('/').next() == Some(resource)
    }

    fn has(&self, parameter: &str) -> bool {
        self.query.split('&').any(|part| part.starts_with(parameter))
    }
}

type Question = Box<dyn Fn(&Seen) -> bool + Send + Sync>;

struct Rule {
    when: Question,
    times: usize,
    fault: Fault,
}

struct Shared {
    upstream: String,
    client: reqwest::Client,
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<Seen>>,
    /// Counts orders to cut every open stream.
    cuts: watch::Sender<usize>,
    /// Counts answers that the server gave and that wait here.
    answers_held: watch::Sender<usize>,
    /// Objects that a page of a list may have; 0 leaves the client's wish alone.
    page_items: AtomicUsize,
}

/// A running proxy. Rules may come and go while it runs.
pub(crate) struct FaultProxy {
    shared: Arc<Shared>,
    server: Server,
    folder: TempDir,
}

impl fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultProxy").field("server", &self.server).finish_non_exhaustive()
    }
}

impl FaultProxy {
    /// Starts a proxy that harms nothing yet.
    pub(crate) fn before(cluster: &Cluster) -> Self {
        trust_ring();
        let config = std::fs::read_to_string(cluster.kubeconfig()).expect("the harness wrote it");
        let authority = reqwest::Certificate::from_pem_bundle(&cluster.authority())
            .expect("the API server wrote its own certificate");
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only(authority)
            .http1_only()
            .build()
            .expect("a client needs no network to be made");
        let shared = Arc::new(Shared {
            upstream: cluster.server().to_owned(),
            client,
            rules: Mutex::default(),
            seen: Mutex::default(),
            cuts: watch::Sender::new(0),
            answers_held: watch::Sender::new(0),
            page_items: AtomicUsize::new(0),
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        let server = Server::start(router);
        let folder = TempDir::new_in(tools::temporary()).expect("Cargo's folder can be written");
        let config = config.replace(cluster.server(), &server.url());
        std::fs::write(folder.path().join("kubeconfig"), config).expect("the folder is ours");
        Self { shared, server, folder }
    }

    /// A kubeconfig whose server is this proxy; users and contexts are those of the cluster's.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// Harms every request for which `when` is true. Of several rules the first one counts.
    pub(crate) fn always(
        &self,
        when: impl Fn(&Seen) -> bool + Send + Sync + 'static,
        fault: Fault,
    ) {
        self.times(usize::MAX, when, fault);
    }

    /// Harms the next `times` requests for which `when` is true.
    pub(crate) fn times(
        &self,
        times: usize,
        when: impl Fn(&Seen) -> bool + Send + Sync + 'static,
        fault: Fault,
    ) {
        locked(&self.shared.rules).push(Rule { when: Box::new(when), times, fault });
    }

    /// Forgets all rules: from now on everything passes. Held and silent requests stay as they are.
    pub(crate) fn heal(&self) {
        locked(&self.shared.rules).clear();
    }

    /// Breaks every answer that is still under way: all open watches drop at once.
    pub(crate) fn cut_streams(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// From now on no page of a list has more than so many objects.
    pub(crate) fn limit_pages(&self, items: usize) {
        self.shared.page_items.store(items, Ordering::SeqCst);
    }

    /// How many answers were held back so far.
    pub(crate) fn answers_held(&self) -> usize {
        *self.shared.answers_held.borrow()
    }

    /// Waits until so many answers in all were held back.
    pub(crate) async fn held_answers(&self, count: usize) {
        let mut held = self.shared.answers_held.subscribe();
        let reached = held.wait_for(|held| *held >= count);
        let reached = tokio::time::timeout(wait::LONGEST, reached).await;
        let _held = reached.expect("an answer is held in time").expect("the proxy lives");
    }

    /// Every request so far, in order of arrival.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        locked(&self.shared.seen).clone()
    }

    /// How many requests were harmed so far: a test of a fault asserts that this is not zero.
    pub(crate) fn harmed(&self) -> usize {
        locked(&self.shared.seen).iter().filter(|seen| seen.harmed.is_some()).count()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves one request: finds its fault, if any, and does it.
async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let mut seen = Seen {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        harmed: None,
    };
    let fault = shared.fault_for(&seen);
    seen.harmed = fault.as_ref().map(Fault::name);
    locked(&shared.seen).push(seen);
    let cuts = shared.cuts.subscribe();
    match fault {
        None => answer(shared.forward(request).await, cuts, None),
        Some(Fault::Refuse { code, reason }) => refuse(code, reason),
        Some(Fault::Answer(text)) => json_answer(200, Body::from(text)),
        Some(Fault::Break) => broken(),
        Some(Fault::LoseAnswer) => {
            // The body is read to its end: the server must have finished.
            let _lost = shared.forward(request).await.bytes().await;
            broken()
        }
        Some(Fault::CutAfter(bytes)) => answer(shared.forward(request).await, cuts, Some(bytes)),
        Some(Fault::Silence) => {
            let head = shared.forward(request).await;
            let silence = stream::pending::<io::Result<Bytes>>();
            head_of(&head).body(Body::from_stream(until_cut(silence, cuts))).expect(HEAD_IS_VALID)
        }
        Some(Fault::Hold(gate)) => {
            gate.passed().await;
            answer(shared.forward(request).await, cuts, None)
        }
        Some(Fault::HoldAnswer(gate)) => {
            let done = shared.forward(request).await;
            shared.answers_held.send_modify(|held| *held += 1);
            gate.passed().await;
            answer(done, cuts, None)
        }
    }
}

impl Fault {
    fn name(&self) -> &'static str {
        match self {
            Self::Refuse { .. } => "refused",
            Self::Answer(_) => "answered",
            Self::Break => "broken",
            Self::LoseAnswer => "answer lost",
            Self::CutAfter(_) => "cut",
            Self::Silence => "silenced",
            Self::Hold(_) => "held",
            Self::HoldAnswer(_) => "answer held",
        }
    }
}

impl Shared {
    fn fault_for(&self, seen: &Seen) -> Option<Fault> {
        let mut rules = locked(&self.rules);
        let rule = rules.iter_mut().find(|rule| rule.times > 0 && (rule.when)(seen))?;
        rule.times -= 1;
        Some(rule.fault.clone())
    }

    /// The path and query with a smaller `limit`, when pages are limited here.
    fn with_smaller_pages(&self, path: &str) -> String {
        let most = self.page_items.load(Ordering::SeqCst);
        let Some((path, query)) = path.split_once('?').filter(|_| most > 0) else {
            return path.to_owned();
        };
        let smaller = |part: &str| match part.split_once('=') {
            Some(("limit", _)) => format!("limit={most}"),
            _ => part.to_owned(),
        };
        let query: Vec<String> = query.split('&').map(smaller).collect();
        format!("{path}?{}", query.join("&"))
    }

    async fn forward(&self, request: Request) -> reqwest::Response {
        let (head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let path = self.with_smaller_pages(path);
        let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
        let mut headers = head.headers;
        drop_hop_headers(&mut headers);
        let url = format!("{}{path}", self.upstream);
        let sent = self.client.request(head.method, url).headers(headers).body(body).send().await;
        match sent {
            Ok(response) => response,
            // The API server is down: the client sees what a load balancer would say.
            Err(error) => http::Response::builder()
                .status(502)
                .body(error.to_string())
                .expect(HEAD_IS_VALID)
                .into(),
        }
    }
}

const HEAD_IS_VALID: &str = "status and headers come from a valid answer";

/// Passes an answer on, up to a number of bytes if one is given.
fn answer(
    upstream: reqwest::Response,
    cuts: watch::Receiver<usize>,
    cut: Option<usize>,
) -> Response {
    let head = head_of(&upstream);
    let chunks = upstream.bytes_stream().map(|chunk| chunk.map_err(io::Error::other));
    let chunks = until_cut(chunks, cuts);
    let body = match cut {
        None => Body::from_stream(chunks),
        Some(bytes) => Body::from_stream(cut_after(chunks, bytes)),
    };
    head.body(body).expect(HEAD_IS_VALID)
}

fn head_of(upstream: &reqwest::Response) -> http::response::Builder {
    let mut head = Response::builder().status(upstream.status());
    let mut headers = upstream.headers().clone();
    drop_hop_headers(&mut headers);
    if let Some(all) = head.headers_mut() {
        *all = headers;
    }
    head
}

/// Headers that speak of one connection, not of the message.
fn drop_hop_headers(headers: &mut HeaderMap) {
    for name in
        [header::CONNECTION, header::TRANSFER_ENCODING, header::HOST, header::CONTENT_LENGTH]
    {
        headers.remove(name);
    }
}

/// The chunks as they come, until the proxy cuts its streams; then an error, which breaks the
/// connection instead of ending the answer well.
fn until_cut(
    chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    mut cuts: watch::Receiver<usize>,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let cut = async move {
        // An error means that the proxy itself is gone, and its connections with it.
        let _changed = cuts.changed().await;
        Err(io::Error::other("cut by the test"))
    };
    let cut = stream::once(cut).boxed();
    stream::unfold((Box::pin(chunks), cut, false), |(mut chunks, mut cut, over)| async move {
        if over {
            return None;
        }
        let next = tokio::select! {
            chunk = chunks.next() => chunk,
            broken = cut.next() => broken,
        };
        next.map(|item| {
            let over = item.is_err();
            (item, (chunks, cut, over))
        })
    })
}

/// The first bytes of the chunks, then an error.
fn cut_after(
    chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    bytes: usize,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let first = chunks.scan(bytes, |left, chunk| {
        let passed = chunk.map(|chunk| chunk.slice(..chunk.len().min(*left)));
        let go_on = *left > 0;
        *left -= passed.as_ref().map_or(0, Bytes::len);
        async move { go_on.then_some(passed) }
    });
    first.chain(broken_off())
}

/// A body that fails before its first byte: the connection breaks.
fn broken() -> Response {
    json_answer(200, Body::from_stream(broken_off()))
}

fn refuse(code: u16, reason: &str) -> Response {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason, "message": format!("{reason}: refused by the test"),
    });
    json_answer(code, Body::from(status.to_string()))
}

fn json_answer(code: u16, body: Body) -> Response {
    let head = Response::builder().status(code).header(header::CONTENT_TYPE, "application/json");
    head.body(body).expect("a constant head is valid")
}
