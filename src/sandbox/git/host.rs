//! The host: repositories by name, over HTTP and for callers in the same process.
//!
//! In: requests, commits. Out: answers of the Git protocol; commit ids.
//!
//! Not here: what the requests mean (`upload.rs`, `receive.rs`).

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::http::header::CONTENT_ENCODING;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use flate2::read::GzDecoder;
use miette::Diagnostic;
use thiserror::Error;

use super::PACK_BYTES_MAX;
use super::receive;
use super::repository::Repository;
use super::upload;

/// Why a commit was not made.
#[derive(Debug, Error, Diagnostic)]
pub enum GitError {
    /// A path that Git could not store.
    #[error("`{path}` is not a path inside a repository")]
    #[diagnostic(
        code(sandbox::git_path),
        help("write a relative path without empty parts, `.`, `..` and `.git`")
    )]
    Path {
        /// The path.
        path: String,
    },
}

/// Repositories in memory.
#[derive(Debug, Default)]
pub struct GitHost {
    repositories: Mutex<BTreeMap<String, Repository>>,
}

impl GitHost {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Repository>> {
        self.repositories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an empty repository; one of this name stays as it is.
    pub fn create(&self, repository: &str) {
        self.lock().entry(repository.to_owned()).or_insert_with(Repository::new);
    }

    /// Commits files to a branch, on top of what is there; `None` removes a file or a folder.
    /// Repository and branch are made when they are not there. Gives the commit's id.
    pub fn commit(
        &self,
        repository: &str,
        branch: &str,
        message: &str,
        files: &[(&str, Option<&[u8]>)],
    ) -> Result<String, GitError> {
        for (path, _) in files {
            let part_fits = |part: &str| !matches!(part, "" | "." | ".." | ".git");
            if !path.split('/').all(part_fits) {
                return Err(GitError::Path { path: (*path).to_owned() });
            }
        }
        let seconds = jiff::Timestamp::now().as_second();
        let mut repositories = self.lock();
        let found = repositories.entry(repository.to_owned()).or_insert_with(Repository::new);
        Ok(found.commit(branch, message, files, seconds).to_string())
    }

    /// The id of a branch's newest commit.
    pub fn head(&self, repository: &str, branch: &str) -> Option<String> {
        let repositories = self.lock();
        let reference = format!("refs/heads/{branch}");
        repositories.get(repository)?.refs.get(&reference).map(ToString::to_string)
    }
}

/// The host as an axum application.
pub(crate) fn router(host: Arc<GitHost>) -> Router {
    Router::new().fallback(handle).with_state(host)
}

fn response(code: StatusCode, media: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn refuse(code: StatusCode, text: &str) -> Response {
    response(code, "text/plain", text.as_bytes().to_vec())
}

async fn handle(State(host): State<Arc<GitHost>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, PACK_BYTES_MAX).await else {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "the push is too large");
    };
    let zipped = parts.headers.get(CONTENT_ENCODING).is_some_and(|value| value == "gzip");
    let mut plain = Vec::new();
    let limit = u64::try_from(PACK_BYTES_MAX).unwrap_or(u64::MAX);
    let body = match zipped {
        false => &body[..],
        true => match GzDecoder::new(&body[..]).take(limit).read_to_end(&mut plain) {
            Ok(_) => &plain[..],
            Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.to_string()),
        },
    };
    let path = parts.uri.path().trim_start_matches('/');
    let query = parts.uri.query().unwrap_or_default();
    let answer = |name: &str| {
        let mut repositories = host.lock();
        let trimmed = name.trim_end_matches(".git");
        let known = [name, trimmed].into_iter().find(|name| repositories.contains_key(*name));
        let known = known.map(str::to_owned)?;
        repositories.get_mut(&known).map(|found| call(&parts.method, path, query, body, found))
    };
    let name = ["/info/refs", "/git-upload-pack", "/git-receive-pack"]
        .into_iter()
        .find_map(|end| path.strip_suffix(end));
    let answered = name.and_then(answer);
    answered.unwrap_or_else(|| refuse(StatusCode::NOT_FOUND, "repository not found"))
}

fn call(
    method: &Method,
    path: &str,
    query: &str,
    body: &[u8],
    repository: &mut Repository,
) -> Response {
    let ok = |media, body| response(StatusCode::OK, media, body);
    let last = path.rsplit('/').next().unwrap_or_default();
    match (method, last, query) {
        (&Method::GET, "refs", "service=git-upload-pack") => {
            ok("application/x-git-upload-pack-advertisement", upload::advertisement())
        }
        (&Method::GET, "refs", "service=git-receive-pack") => {
            let media = "application/x-git-receive-pack-advertisement";
            ok(media, receive::advertisement(repository))
        }
        (&Method::POST, "git-upload-pack", _) => match upload::answer(repository, body) {
            Ok(out) => ok("application/x-git-upload-pack-result", out),
            Err(why) => ok("application/x-git-upload-pack-result", error_packet(&why)),
        },
        (&Method::POST, "git-receive-pack", _) => match receive::answer(repository, body) {
            Ok(out) => ok("application/x-git-receive-pack-result", out),
            Err(why) => ok("application/x-git-receive-pack-result", error_packet(&why)),
        },
        _ => refuse(StatusCode::FORBIDDEN, "only the smart protocol is spoken"),
    }
}

fn error_packet(why: &str) -> Vec<u8> {
    let mut out = Vec::new();
    super::packet::line(&mut out, &format!("ERR {why}"));
    out
}
