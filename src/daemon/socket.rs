//! The local socket: one question as a line of JSON in, one answer as a line of JSON out.
//!
//! Only the user of the daemon can connect (mode 0600). It answers while the loop commits: each
//! answer is about one generation.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::BufReader;
use tokio::net::UnixListener;
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use crate::daemon::DaemonError;
use crate::daemon::Unanswered;
use crate::daemon::ask;
use crate::daemon::ask::Reply;
use crate::daemon::state::Published;

/// Longest question, in bytes.
const QUESTION_BYTES_MAX: u64 = 64 << 10;

/// The socket's path in a state directory.
pub fn path(state: &Path) -> PathBuf {
    state.join("hence.sock")
}

/// Serves questions until cancelled.
///
/// # Errors
/// The socket cannot be made.
pub async fn serve(
    state: &Path,
    published: Arc<Published>,
    cancel: CancellationToken,
) -> Result<(), DaemonError> {
    let path = path(state);
    let io = |source| DaemonError::Io { what: format!("socket {}", path.display()), source };
    // A socket left by a daemon that was killed; the state's lock says that no other one runs.
    std::fs::remove_file(&path).ok();
    let listener = UnixListener::bind(&path).map_err(io)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(io)?;
    let journal = state.join("journal");
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted.map_err(io)?.0,
            () = cancel.cancelled() => break,
        };
        let (published, journal) = (Arc::clone(&published), journal.clone());
        tokio::spawn(async move {
            if let Err(error) = converse(stream, published, journal).await {
                tracing::debug!(%error, "question not answered");
            }
        });
    }
    std::fs::remove_file(&path).ok();
    Ok(())
}

async fn converse(
    stream: UnixStream,
    published: Arc<Published>,
    journal: PathBuf,
) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(QUESTION_BYTES_MAX)).read_line(&mut line).await?;
    let reply = tokio::task::spawn_blocking(move || match serde_json::from_str(&line) {
        Ok(question) => ask::reply(&question, &published, &journal),
        Err(error) => Reply::Unanswered(Unanswered {
            text: format!("the question cannot be read: {error}"),
            code: "ask::question".to_owned(),
            help: "use the `hence` of the daemon's version".to_owned(),
        }),
    });
    let reply = reply.await.unwrap_or_else(|panic| {
        Reply::Unanswered(Unanswered {
            text: panic.to_string(),
            code: "ask::bug".to_owned(),
            help: "this is a bug in hence: please report it".to_owned(),
        })
    });
    let reply = serde_json::to_string(&reply)?;
    write.write_all(format!("{reply}\n").as_bytes()).await
}
