//! Artifact files over HTTP, for the controllers that load a source by its URL.
//!
//! Static files below the storage's root, no listing; whatever is not on offer is 404. Only the
//! holder of the lease serves, as source-controller does: a Service in front finds it by readiness.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::Uri;
use axum::http::header;
use axum::response::IntoResponse as _;
use axum::response::Response;
use axum::routing::get;
use futures::stream;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::daemon::DaemonError;
use crate::daemon::DaemonOptions;
use crate::daemon::http;
use crate::sources::artifact::Storage;

/// How much of a file is read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// A bound port, and the address under which others reach it.
pub(super) struct Offer {
    listener: TcpListener,
    /// Host and port for URLs.
    pub(super) host: String,
}

/// Binds the port that flags name; `None` when no artifacts are served.
///
/// # Errors
/// The address cannot be bound.
pub(super) async fn bind(options: &DaemonOptions) -> Result<Option<Offer>, DaemonError> {
    let Some(address) = &options.artifact_addr else { return Ok(None) };
    let listener = http::bind(address).await?;
    let wrong = |source| DaemonError::Listen { address: address.clone(), source };
    let bound = listener.local_addr().map_err(wrong)?;
    let host = match (options.artifact_adv_addr.as_str(), bound.ip().is_unspecified()) {
        ("", false) => bound.to_string(),
        ("", true) => format!("{}:{}", host_name(), bound.port()),
        (advertised, _) => advertised.to_owned(),
    };
    Ok(Some(Offer { listener, host }))
}

/// The machine's name, which is a pod's name too.
fn host_name() -> String {
    let named = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    named.unwrap_or_else(|| "localhost".to_owned())
}

/// Serves the files until cancelled.
pub(super) async fn serve(offer: Offer, storage: Arc<Storage>, cancel: CancellationToken) {
    let router = Router::new().fallback(get(file)).with_state(storage);
    let stopped = async move { cancel.cancelled().await };
    let served = axum::serve(offer.listener, router).with_graceful_shutdown(stopped).await;
    if let Err(error) = served {
        tracing::error!(%error, "artifacts are not served any more");
    }
}

async fn file(State(storage): State<Arc<Storage>>, uri: Uri) -> Response {
    let Some(path) = storage.served(uri.path()) else {
        return (StatusCode::NOT_FOUND, "404 page not found\n").into_response();
    };
    match open(path).await {
        Ok((file, bytes)) => {
            let content = [
                (header::CONTENT_TYPE, "application/gzip".to_owned()),
                (header::CONTENT_LENGTH, bytes.to_string()),
            ];
            (content, Body::from_stream(chunks(file))).into_response()
        }
        Err(error) => {
            tracing::warn!(%error, path = uri.path(), "artifact cannot be read");
            StatusCode::NOT_FOUND.into_response()
        }
    }
}

async fn open(path: PathBuf) -> std::io::Result<(File, u64)> {
    let file = File::open(path).await?;
    let bytes = file.metadata().await?.len();
    Ok((file, bytes))
}

fn chunks(file: File) -> impl stream::Stream<Item = std::io::Result<Bytes>> {
    stream::unfold(Some(file), |file| async {
        let mut file = file?;
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        match (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk).await {
            Ok(0) => None,
            Ok(_) => Some((Ok(Bytes::from(chunk)), Some(file))),
            Err(error) => Some((Err(error), None)),
        }
    })
}
