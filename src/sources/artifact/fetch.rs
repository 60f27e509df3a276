//! An artifact of another controller, downloaded, verified and unpacked once.
//!
//! In: URL and digest of `status.artifact`. Out: a tree in the [`FileStore`]. What has the digest
//! is here already is not downloaded again: the digest names the bytes.
//!
//! Spec: fluxcd/pkg http/fetch: retries with growing pauses, 404 apart, no other trust in the bytes
//! than their digest. Not here: unpacking (`unpack.rs`).

use std::fs;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gix::hash::Kind;
use reqwest::Url;
use sha2::Digest as _;
use tokio_util::sync::CancellationToken;

use crate::model::ContentId;
use crate::model::limits;
use crate::sources::artifact::ArtifactError;
use crate::sources::artifact::error::failed;
use crate::sources::artifact::files::FileStore;
use crate::sources::artifact::unpack;
use crate::sources::disk;
use crate::sources::http::HttpAuth;
use crate::sources::http::HttpClient;
use crate::sources::http::Tls;
use crate::sources::net::Fault;
use crate::sources::net::Net;
use crate::sources::net::Timeouts;

/// What to download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// `status.artifact.url`.
    pub url: String,
    /// `status.artifact.digest`: `<algorithm>:<hex>`.
    pub digest: String,
    /// How often a failed download is tried again (`--http-retry`).
    pub retries: u32,
    /// The pause before the first retry; it doubles each time.
    pub pause: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// Limits of one try.
    pub timeouts: Timeouts,
    /// Replaces the URL's host and port: for a daemon outside the cluster (the environment variable
    /// `SOURCE_CONTROLLER_LOCALHOST` of Flux).
    pub host: Option<String>,
}

impl FetchRequest {
    /// A request with Flux's retries and pauses.
    pub fn new(url: &str, digest: &str) -> Self {
        Self {
            url: url.to_owned(),
            digest: digest.to_owned(),
            retries: 9,
            pause: Duration::from_secs(5),
            pause_max: Duration::from_secs(30),
            timeouts: Timeouts::default(),
            host: None,
        }
    }
}

/// An artifact that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Open it with [`FileStore::tree`].
    pub tree: ContentId,
    /// Whether bytes were downloaded.
    pub moved: bool,
}

/// Brings the artifact into `store`.
pub fn fetch(
    store: &FileStore,
    request: &FetchRequest,
    cancel: &CancellationToken,
) -> Result<Fetched, ArtifactError> {
    // Refused before anything is moved when it cannot be checked.
    Check::of(&request.digest)?;
    if let Some(tree) = store.known(&request.digest) {
        return Ok(Fetched { tree, moved: false });
    }
    let archive = store.partial();
    let result = download(request, cancel, &archive).and_then(|()| {
        let file = fs::File::open(&archive).map_err(failed("read", &archive))?;
        let items = unpack::unpack(store, std::io::BufReader::new(file))?;
        store.publish(&items, &request.digest)
    });
    let _ = fs::remove_file(&archive);
    Ok(Fetched { tree: result?, moved: true })
}

fn download(
    request: &FetchRequest,
    cancel: &CancellationToken,
    to: &Path,
) -> Result<(), ArtifactError> {
    let mut pause = request.pause;
    let mut tries = 0;
    let gave_up = |tries, fault| {
        let url = request.url.clone();
        match fault {
            Fault::NotFound => ArtifactError::NotFound { url },
            Fault::Unauthenticated => refused(url, 401),
            Fault::Forbidden => refused(url, 403),
            Fault::Status { status } if !is_passing(&fault) => refused(url, status),
            fault => ArtifactError::Download { url, tries, fault },
        }
    };
    let url = target(request).map_err(|fault| gave_up(tries, fault))?;
    loop {
        tries += 1;
        let net = Net::start(request.timeouts, cancel).map_err(|fault| gave_up(tries, fault))?;
        let fault = match download_once(&net, &url, &request.digest, to)? {
            None => return Ok(()),
            Some(fault) if tries > request.retries || !is_passing(&fault) => {
                return Err(gave_up(tries, fault));
            }
            Some(fault) => fault,
        };
        tracing::debug!(url = %request.url, %fault, tries, "download failed, trying again");
        let waited = Net::start(Timeouts::of_total(pause * 2), cancel).and_then(|net| {
            net.wait("pausing", pause * 2, async { tokio::time::sleep(pause).await })
        });
        waited.map_err(|fault| gave_up(tries, fault))?;
        pause = (pause * 2).min(request.pause_max);
    }
}

fn refused(url: String, code: u16) -> ArtifactError {
    let status = reqwest::StatusCode::from_u16(code)
        .map_or_else(|_| code.to_string(), |status| status.to_string());
    ArtifactError::Status { url, status }
}

fn target(request: &FetchRequest) -> Result<Url, Fault> {
    let wrong = |reason: String| Fault::Url { reason };
    let mut url = Url::parse(&request.url).map_err(|e| wrong(e.to_string()))?;
    if let Some(host) = &request.host {
        let other = Url::parse(&format!("http://{host}")).map_err(|e| wrong(e.to_string()))?;
        url.set_host(other.host_str()).map_err(|e| wrong(e.to_string()))?;
        url.set_port(other.port()).map_err(|()| wrong("it takes no port".to_owned()))?;
    }
    Ok(url)
}

fn is_passing(fault: &Fault) -> bool {
    match fault {
        Fault::TimedOut { .. } | Fault::Io { .. } => true,
        Fault::Status { status } => *status == 429 || (*status >= 500 && *status != 501),
        _ => false,
    }
}

/// Downloads once: `None` when the bytes are there and are the right ones.
fn download_once(
    net: &Arc<Net>,
    url: &Url,
    digest: &str,
    to: &Path,
) -> Result<Option<Fault>, ArtifactError> {
    net.allow("the artifact", "ARTIFACT_BYTES_MAX", limits::ARTIFACT_BYTES_MAX);
    let opened = HttpClient::new(net, HttpAuth::None, &Tls::default(), None)
        .and_then(|mut client| client.get(url, &[]));
    let mut body = match opened {
        Ok(answer) => answer.body,
        Err(fault) => return Ok(Some(fault)),
    };
    let mut file = disk::create(to).map_err(failed("create", to))?;
    let mut check = Check::of(digest)?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(e) => {
                let reason = e.to_string();
                return Ok(Some(
                    net.fault().unwrap_or(Fault::Io { during: "downloading", reason }),
                ));
            }
        };
        check.update(&buffer[..count]);
        file.write_all(&buffer[..count]).map_err(failed("write", to))?;
    }
    check.finish(digest)?;
    Ok(None)
}

/// A digest being computed.
enum Check {
    Sha1(gix::hash::Hasher),
    Sha256(sha2::Sha256),
    Sha384(sha2::Sha384),
    Sha512(sha2::Sha512),
}

impl Check {
    fn of(digest: &str) -> Result<Self, ArtifactError> {
        let wrong = |reason| ArtifactError::DigestForm { digest: digest.to_owned(), reason };
        let (algorithm, hex) =
            digest.split_once(':').ok_or_else(|| wrong("invalid checksum digest format"))?;
        let (digits, check) = match algorithm {
            "sha1" => (40, Self::Sha1(gix::hash::hasher(Kind::Sha1))),
            "sha256" => (64, Self::Sha256(sha2::Sha256::new())),
            "sha384" => (96, Self::Sha384(sha2::Sha384::new())),
            "sha512" => (128, Self::Sha512(sha2::Sha512::new())),
            _ => return Err(wrong("unsupported digest algorithm")),
        };
        let is_hex = hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if hex.len() == digits && is_hex {
            Ok(check)
        } else {
            Err(wrong("invalid checksum digest length"))
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hash) => hash.update(bytes),
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha384(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
        }
    }

    fn finish(self, want: &str) -> Result<(), ArtifactError> {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let got = match self {
            Self::Sha1(hash) => hash
                .try_finalize()
                .map(|id| format!("sha1:{id}"))
                // Bytes made to collide are never the announced ones.
                .unwrap_or_else(|_| "sha1:collision".to_owned()),
            Self::Sha256(hash) => format!("sha256:{}", hex(&hash.finalize())),
            Self::Sha384(hash) => format!("sha384:{}", hex(&hash.finalize())),
            Self::Sha512(hash) => format!("sha512:{}", hex(&hash.finalize())),
        };
        if got == want {
            return Ok(());
        }
        Err(ArtifactError::Digest { want: want.to_owned(), got })
    }
}
