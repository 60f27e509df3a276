//! Source artifacts as a controller would offer them: tarballs over HTTP with digest and revision.
//!
//! In: a revision and files. Out: an [`Artifact`], whose status text goes into a source object's
//! `status.artifact`. The bytes depend on the files alone, so equal files have equal digests.

use crate::support::serve::Server;
use crate::support::serve::broken_off;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::Uri;
use axum::response::IntoResponse;
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::StreamExt;
use futures::stream;
use serde_json::Value;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// One published tarball.
#[derive(Clone, Debug)]
pub(crate) struct Artifact {
    /// Where it is served.
    pub(crate) url: String,
    /// Its path below the server's address.
    pub(crate) path: String,
    /// The revision that the source would show, `main@sha1:…` for example.
    pub(crate) revision: String,
    /// `sha256:` and the digest of the bytes, in hex.
    pub(crate) digest: String,
    /// Its size in bytes.
    pub(crate) size: usize,
    /// The revision of what it was made from, as the source's metadata would name it.
    pub(crate) origin: Option<String>,
}

impl Artifact {
    /// The text of `status.artifact` for this tarball.
    pub(crate) fn status(&self) -> Value {
        let mut status = json!({
            "url": self.url,
            "path": self.path,
            "revision": self.revision,
            "digest": self.digest,
            "size": self.size,
            "lastUpdateTime": "2026-01-01T00:00:00Z",
        });
        if let Some(origin) = &self.origin {
            status["metadata"] = json!({ "org.opencontainers.image.revision": origin });
        }
        status
    }
}

#[derive(Debug, Default)]
struct Shelf {
    /// Tarballs by path; nothing for one that was withdrawn.
    offers: BTreeMap<String, Option<Offer>>,
    downloads: BTreeMap<String, usize>,
}

#[derive(Clone, Debug)]
struct Offer {
    bytes: Bytes,
    /// The connection breaks after so many bytes.
    cut: Option<usize>,
}

/// Serves what was published, and counts downloads.
#[derive(Debug)]
pub(crate) struct ArtifactServer {
    shelf: Arc<Mutex<Shelf>>,
    server: Server,
}

impl ArtifactServer {
    /// Starts with nothing to offer.
    pub(crate) fn start() -> Self {
        let shelf = Arc::new(Mutex::new(Shelf::default()));
        let router = Router::new().fallback(download).with_state(Arc::clone(&shelf));
        Self { shelf, server: Server::start(router) }
    }

    /// Offers a tarball of `files` (path and text) under a path made of `name` and its digest.
    pub(crate) fn publish(&self, name: &str, revision: &str, files: &[(&str, &str)]) -> Artifact {
        let bytes = tarball(files);
        let digest = hex(&Sha256::digest(&bytes));
        let path = format!("{name}/{}.tar.gz", &digest[..12]);
        let size = bytes.len();
        let offer = Offer { bytes: Bytes::from(bytes), cut: None };
        self.shelf().offers.insert(format!("/{path}"), Some(offer));
        Artifact {
            url: format!("{}/{path}", self.server.url()),
            path,
            revision: revision.to_owned(),
            digest: format!("sha256:{digest}"),
            size,
            origin: None,
        }
    }

    /// Answers 404 for this artifact from now on.
    pub(crate) fn withdraw(&self, artifact: &Artifact) {
        self.shelf().offers.insert(format!("/{}", artifact.path), None);
    }

    /// Breaks the connection after `bytes` bytes of this artifact; `None` serves it whole again.
    pub(crate) fn cut(&self, artifact: &Artifact, bytes: Option<usize>) {
        match self.shelf().offers.entry(format!("/{}", artifact.path)) {
            Entry::Occupied(mut entry) => {
                let offer = entry.get_mut().as_mut().expect("a withdrawn artifact cannot be cut");
                offer.cut = bytes;
            }
            Entry::Vacant(_) => panic!("{} was never published", artifact.path),
        }
    }

    /// How often this artifact was asked for, broken and refused answers included.
    pub(crate) fn downloads(&self, artifact: &Artifact) -> usize {
        let asked = self.shelf().downloads.get(&format!("/{}", artifact.path)).copied();
        asked.unwrap_or_default()
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn download(State(shelf): State<Arc<Mutex<Shelf>>>, uri: Uri) -> Response {
    let mut shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
    *shelf.downloads.entry(uri.path().to_owned()).or_default() += 1;
    let Some(Some(offer)) = shelf.offers.get(uri.path()).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match offer.cut {
        None => offer.bytes.into_response(),
        Some(cut) => {
            let first = stream::once(async move { Ok(offer.bytes.slice(..cut)) });
            Body::from_stream(first.chain(broken_off())).into_response()
        }
    }
}

/// A gzipped tar of regular files, with no time and no owner in it.
pub(crate) fn tarball(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive
            .append_data(&mut header, path, text.as_bytes())
            .unwrap_or_else(|error| panic!("{path} does not fit a tar: {error}"));
    }
    let written = archive.into_inner().and_then(GzEncoder::finish);
    written.expect("writing to memory does not fail")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
