//! The daemon's own HTTP: `/healthz`, `/readyz`, `/metrics`, and remote questions.
//!
//! A question (`POST /v1/ask`) and an export (`GET /v1/export`) carry `X-Hence-Token`: a token of
//! the ServiceAccount `hence-reader` for the audience `hence`, which the API server checks. Nothing
//! else is let in, from inside the cluster neither: the API server's proxy passes no identity on.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::response::Response;
use axum::routing::get;
use axum::routing::post;
use futures::stream;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::audit;
use crate::audit::DiskStorage;
use crate::cluster::Cluster;
use crate::cluster::Purpose;
use crate::cluster::write::WriteGate;
use crate::daemon::DaemonError;
use crate::daemon::ask;
use crate::daemon::ask::Question;
use crate::daemon::state::Published;
use crate::model::Secret;

/// The header that carries the asker's token.
pub const TOKEN_HEADER: &str = "X-Hence-Token";
/// Whom a token must be meant for.
pub const AUDIENCE: &str = "hence";
/// The ServiceAccount whose tokens are accepted, in hence's own namespace.
pub const READER: &str = "hence-reader";
/// Longest question, in bytes.
const QUESTION_BYTES_MAX: usize = 64 << 10;
/// Pieces of an export that may wait for the network.
const PIECES: usize = 16;

/// What the handlers see.
#[derive(Clone)]
pub(super) struct Served {
    /// The present generation, and whether the daemon is ready.
    pub published: Arc<Published>,
    /// Who knows whose a token is.
    pub cluster: Cluster,
    /// hence's own namespace.
    pub namespace: String,
    /// The journal's directory.
    pub journal: PathBuf,
}

/// Binds an address; Go's listeners, whose addresses people copy, take `:9090` for all interfaces.
///
/// # Errors
/// The address cannot be bound.
pub(super) async fn bind(address: &str) -> Result<TcpListener, DaemonError> {
    let every =
        if address.starts_with(':') { format!("0.0.0.0{address}") } else { address.to_owned() };
    let wrong = |source| DaemonError::Listen { address: address.to_owned(), source };
    TcpListener::bind(&every).await.map_err(wrong)
}

/// Serves until cancelled.
pub(super) async fn serve(listener: TcpListener, served: Served, cancel: CancellationToken) {
    let address = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
    tracing::info!(address, "http is served");
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/v1/ask", post(answer))
        .route("/v1/export", get(export))
        .layer(DefaultBodyLimit::max(QUESTION_BYTES_MAX))
        .with_state(served);
    let stopped = async move { cancel.cancelled().await };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
        tracing::error!(%error, "http is not served any more");
    }
}

async fn ready(State(served): State<Served>) -> (StatusCode, String) {
    match served.published.waits_for() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(what) => (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for {what}\n")),
    }
}

async fn metrics(State(served): State<Served>) -> String {
    let reader = served.published.reader();
    let faults = reader.faults().count();
    let rejected = ask::count(&reader, "rules_rejected");
    let lost = ask::count(&reader, "state_lost");
    let ready = u8::from(served.published.waits_for().is_none());
    format!(
        "# HELP hence_generation Commits of the fact base.\n\
         # TYPE hence_generation counter\n\
         hence_generation {}\n\
         # HELP hence_ready Whether the leases are held and what is watched is heard.\n\
         # TYPE hence_ready gauge\n\
         hence_ready {ready}\n\
         # HELP hence_faulted_relations Relations that rules could not derive.\n\
         # TYPE hence_faulted_relations gauge\n\
         hence_faulted_relations {faults}\n\
         # HELP hence_state_losses What this run found to be lost from its state directory.\n\
         # TYPE hence_state_losses gauge\n\
         hence_state_losses {lost}\n\
         # HELP hence_rules_rejected Whether changed rule files were not taken.\n\
         # TYPE hence_rules_rejected gauge\n\
         hence_rules_rejected {rejected}\n",
        reader.generation()
    )
}

async fn answer(
    State(served): State<Served>,
    headers: HeaderMap,
    Json(question): Json<Question>,
) -> Response {
    if let Err(refusal) = admit(&served, &headers).await {
        return refusal.response();
    }
    let answering = move || ask::reply(&question, &served.published, &served.journal);
    let reply = tokio::task::spawn_blocking(answering).await;
    match reply {
        Ok(reply) => Json(reply).into_response(),
        Err(panic) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{panic}\n")).into_response(),
    }
}

async fn export(State(served): State<Served>, headers: HeaderMap) -> Response {
    if let Err(refusal) = admit(&served, &headers).await {
        return refusal.response();
    }
    let (sender, receiver) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        let storage = DiskStorage::for_reading(&served.journal);
        let options = audit::ExportOptions { to_head: true, ..audit::ExportOptions::default() };
        let mut pieces = io::BufWriter::with_capacity(64 << 10, Pieces(sender.clone()));
        let exported = audit::export(&storage, &options, &mut pieces);
        let flushed = io::Write::flush(&mut pieces);
        if let Err(error) = exported.map_err(io::Error::other).and(flushed) {
            // The end of the answer is missing then, and the file does not verify.
            sender.blocking_send(Err(error)).ok();
        }
    });
    let body = stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    Body::from_stream(body).into_response()
}

/// Sends what is written to it to the answer.
struct Pieces(mpsc::Sender<io::Result<Bytes>>);

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(bytes);
        self.0.blocking_send(Ok(piece)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why somebody is not let in.
struct Refusal(StatusCode, &'static str);

impl Refusal {
    fn response(&self) -> Response {
        (self.0, format!("{}\n", self.1)).into_response()
    }
}

/// Lets in whoever has a token of the reader's account; says the same to everybody else.
async fn admit(served: &Served, headers: &HeaderMap) -> Result<(), Refusal> {
    let refuse = |code, text| Err(Refusal(code, text));
    let token = headers.get(TOKEN_HEADER).and_then(|value| value.to_str().ok());
    let Some(token) = token else {
        return refuse(StatusCode::UNAUTHORIZED, "a token of hence-reader is needed");
    };
    let writer = served.cluster.writer(Purpose::Upkeep("token review"), WriteGate::open());
    let token = Secret::new(token.to_owned());
    let wanted = format!("system:serviceaccount:{}:{READER}", served.namespace);
    match writer.review_token(&token, AUDIENCE).await {
        Ok(Some(identity)) if identity.user == wanted => Ok(()),
        Ok(_) => refuse(StatusCode::UNAUTHORIZED, "a token of hence-reader is needed"),
        Err(error) => {
            tracing::warn!(%error, "a token cannot be checked");
            refuse(StatusCode::SERVICE_UNAVAILABLE, "the token cannot be checked now")
        }
    }
}
