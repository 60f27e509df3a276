//! The daemon's own HTTP: `/healthz`, `/readyz`, `/metrics`.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::daemon::DaemonError;
use crate::daemon::state::Published;

/// What the handlers see.
#[derive(Clone)]
pub(super) struct Served {
    /// The present generation.
    pub published: Arc<Published>,
    /// Whether the leases are held and the first lists were read.
    pub ready: Arc<AtomicBool>,
}

/// Serves until cancelled.
///
/// # Errors
/// The address cannot be bound.
pub(super) async fn serve(
    address: &str,
    served: Served,
    cancel: CancellationToken,
) -> Result<(), DaemonError> {
    let io = |source| DaemonError::Io { what: format!("cannot listen on {address}"), source };
    let listener = TcpListener::bind(address).await.map_err(io)?;
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(served);
    let stopped = async move { cancel.cancelled().await };
    axum::serve(listener, router).with_graceful_shutdown(stopped).await.map_err(io)
}

async fn ready(State(served): State<Served>) -> (StatusCode, &'static str) {
    if served.ready.load(Ordering::Relaxed) {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "waiting for the leases or the first lists\n")
    }
}

async fn metrics(State(served): State<Served>) -> String {
    let reader = served.published.reader();
    let faults = reader.faults().count();
    format!(
        "# HELP hence_generation Commits of the fact base.\n\
         # TYPE hence_generation counter\n\
         hence_generation {}\n\
         # HELP hence_faulted_relations Relations that rules could not derive.\n\
         # TYPE hence_faulted_relations gauge\n\
         hence_faulted_relations {faults}\n",
        reader.generation()
    )
}
