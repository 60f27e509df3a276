//! Changes of a collection, as they happen.
//!
//! In: a kind and selectors. Out: messages on a channel that may be shared by many watches: first
//! the whole list, then each change. A connection that ends is taken up where it ended; a version
//! that is too old, and a watch without any sign of life, lead to a new whole list.
//!
//! ```text
//!        ┌──────────── expired, stale ───────────┐
//!        ▼                                       │
//!  list ──▶ Listed ──▶ watch ──▶ Changed, Gone ──┤
//!   │ failed            ▲  │ ended, failed       │
//!   └▶ Failed, wait     └──┘ from the last version
//! ```
//!
//! A watch is a hint, a list is proof: `Gone` also comes when an object leaves the selector. A
//! message `Stale` says that nothing was heard for `watch_stale_after`, or that changes were
//! missed; what is known may be old until the next `Listed`. `Failed` is not `Stale`: the watch
//! goes on from where it was. Nothing is kept; a slow reader slows the watch down.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http_body_util::BodyExt;
use kube::client::Body;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::ListOptions;
use super::Listed;
use crate::cluster::Cluster;
use crate::cluster::ClusterError;
use crate::cluster::Observed;
use crate::cluster::Resource;
use crate::cluster::Status;
use crate::cluster::transport::Call;
use crate::cluster::transport::LanePlace;

/// The first wait after a failure; it doubles up to the longest.
const BACKOFF_FIRST: Duration = Duration::from_millis(800);
const BACKOFF_LONGEST: Duration = Duration::from_secs(30);
/// Largest single event, in bytes: objects have at most 3 MiB, their text may be longer.
const EVENT_BYTES_MAX: usize = 32 << 20;

/// What to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchSpec {
    /// The kind.
    pub resource: Resource,
    /// Which of its objects.
    pub options: ListOptions,
}

/// What a watch says.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchEvent<T> {
    /// The whole collection: what is not in it was not there at its version.
    Listed(Listed<T>),
    /// An object is new or changed.
    Changed(T),
    /// An object was deleted, or left the selector; its last state.
    Gone(T),
    /// Nothing was heard for too long, or changes were missed: what is known may be old. A new list
    /// follows.
    Stale,
    /// The server took the watch up again after it had failed: what is known holds.
    Resumed,
    /// Something went wrong; the watch tries again by itself.
    Failed {
        /// What.
        error: Arc<ClusterError>,
        /// When it tries again.
        retry_in: Duration,
    },
}

/// One message of one watch.
#[derive(Clone, Debug)]
pub struct WatchMessage<T> {
    /// Which watch.
    pub spec: Arc<WatchSpec>,
    /// What it says.
    pub event: WatchEvent<T>,
}

/// A running watch; it ends when this is dropped, or when nobody reads its messages.
#[derive(Debug)]
pub struct WatchHandle {
    task: JoinHandle<()>,
}

impl Drop for WatchHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Cluster {
    /// Starts a watch. `reduce` turns each object into what the reader keeps; messages go to
    /// `to`, which may be shared.
    pub fn watch<T: Send + 'static>(
        &self,
        spec: WatchSpec,
        reduce: impl Fn(Observed) -> T + Send + Sync + 'static,
        to: mpsc::Sender<WatchMessage<T>>,
    ) -> WatchHandle {
        let watch = Watch {
            cluster: self.clone(),
            spec: Arc::new(spec),
            reduce,
            to,
            renewals: 0,
            failed: false,
        };
        WatchHandle { task: tokio::spawn(watch.run()) }
    }
}

/// The reader is gone.
struct Unheard;

/// Why one connection of a watch ended.
enum End {
    /// The server ended it in good order, or the connection was lost: go on from the version.
    Closed,
    /// The version is too old.
    Expired,
    /// Nothing was heard for too long.
    Stale,
    /// An error.
    Failed(ClusterError),
}

/// Where a watch stands.
struct Position {
    version: String,
    /// When the server last showed that we are up to date.
    alive: Instant,
}

struct Watch<T, F> {
    cluster: Cluster,
    spec: Arc<WatchSpec>,
    reduce: F,
    to: mpsc::Sender<WatchMessage<T>>,
    renewals: u64,
    /// The last thing that was said is that it failed.
    failed: bool,
}

impl<T: Send + 'static, F: Fn(Observed) -> T + Send + Sync + 'static> Watch<T, F> {
    async fn run(mut self) {
        let mut backoff = Backoff::default();
        while self.list_and_follow(&mut backoff).await.is_ok() {}
    }

    /// One whole list, and all changes until another list is needed.
    async fn list_and_follow(&mut self, backoff: &mut Backoff) -> Result<(), Unheard> {
        let list = self.cluster.list(&self.spec.resource, &self.spec.options, &self.reduce);
        let listed = match list.await {
            Ok(listed) => listed,
            Err(error) => return self.fail(error, backoff).await,
        };
        let mut position =
            Position { version: listed.resource_version.clone(), alive: Instant::now() };
        self.failed = false;
        self.say(WatchEvent::Listed(listed)).await?;
        let mut ended_at_once = false;
        loop {
            let started = Instant::now();
            let heard = position.alive;
            let end = self.follow(&mut position).await?;
            let at_once = position.alive == heard && started.elapsed() < BACKOFF_FIRST;
            if position.alive > heard || started.elapsed() > BACKOFF_LONGEST {
                backoff.reset();
            }
            match end {
                // Changes were missed, and nobody knows which until the list is whole.
                End::Expired | End::Stale => return self.say(WatchEvent::Stale).await,
                End::Failed(error) => self.fail(error, backoff).await?,
                // A server that ends every watch at once must not be asked in a tight loop, and
                // whoever reads this watch should know.
                End::Closed if at_once && ended_at_once => {
                    let error = self.unreadable("it ends at once, without an event".to_owned());
                    self.fail(error, backoff).await?;
                }
                End::Closed if at_once => tokio::time::sleep(backoff.next()).await,
                End::Closed => {}
            }
            ended_at_once = at_once;
            if position.alive.elapsed() >= self.cluster.options().watch_stale_after {
                return self.say(WatchEvent::Stale).await;
            }
        }
    }

    async fn say(&self, event: WatchEvent<T>) -> Result<(), Unheard> {
        let message = WatchMessage { spec: Arc::clone(&self.spec), event };
        self.to.send(message).await.map_err(|_| Unheard)
    }

    /// Reports an error and waits.
    async fn fail(&mut self, error: ClusterError, backoff: &mut Backoff) -> Result<(), Unheard> {
        let retry_in = backoff.next();
        self.failed = true;
        self.say(WatchEvent::Failed { error: Arc::new(error), retry_in }).await?;
        tokio::time::sleep(retry_in).await;
        Ok(())
    }

    /// One connection.
    async fn follow(&mut self, position: &mut Position) -> Result<End, Unheard> {
        let place = match self.cluster.take_place() {
            Ok(place) => place,
            Err(error) => return Ok(End::Failed(error)),
        };
        let body = match self.open(position, &place).await {
            Ok(body) => body,
            Err(ClusterError::Refused { status, .. }) if status.code == 410 => {
                return Ok(End::Expired);
            }
            Err(error) => return Ok(End::Failed(error)),
        };
        if std::mem::take(&mut self.failed) {
            self.say(WatchEvent::Resumed).await?;
        }
        let mut lines = Lines { body, buffer: BytesMut::new(), searched: 0 };
        loop {
            let deadline = position.alive + self.cluster.options().watch_stale_after;
            let line = tokio::select! {
                line = lines.next() => line,
                () = tokio::time::sleep_until(deadline) => return Ok(End::Stale),
                () = self.to.closed() => return Err(Unheard),
            };
            let event = match line {
                Ok(Some(line)) => self.read_event(&line),
                Ok(None) => return Ok(End::Closed),
                Err(reason) => Err(self.unreadable(reason)),
            };
            match event {
                Ok(Line::Event(event, version)) => {
                    position.version = version;
                    position.alive = Instant::now();
                    if let Some(event) = event {
                        self.say(event).await?;
                    }
                }
                Ok(Line::Expired) => return Ok(End::Expired),
                Err(error) => return Ok(End::Failed(error)),
            }
        }
    }

    async fn open(&mut self, position: &Position, place: &LanePlace) -> Result<Body, ClusterError> {
        let words = format!("watch {}", self.spec.options.words(&self.spec.resource));
        let path = self.spec.resource.collection_path(&self.spec.options.namespace);
        self.renewals += 1;
        let shortest = self.cluster.options().watch_renew_after.as_secs().max(1);
        let seconds = shortest + spread(&words, self.renewals) % shortest;
        let mut call = Call::get(words, path);
        call.query = self.spec.options.query();
        call.query.extend([
            ("watch", "true".to_owned()),
            ("allowWatchBookmarks", "true".to_owned()),
            ("resourceVersion", position.version.clone()),
            ("timeoutSeconds", seconds.to_string()),
        ]);
        Ok(self.cluster.open(call, place).await?.into_body())
    }

    fn unreadable(&self, reason: String) -> ClusterError {
        let request = format!("watch {}", self.spec.options.words(&self.spec.resource));
        ClusterError::Unreadable { request, reason }
    }

    fn read_event(&self, line: &[u8]) -> Result<Line<T>, ClusterError> {
        let raw: RawEvent = serde_json::from_slice(line).map_err(|error| {
            self.unreadable(format!("an event is not JSON: column {}", error.column()))
        })?;
        if raw.type_ == "ERROR" {
            let status = Status::from_value(500, &raw.object);
            if status.code == 410 {
                return Ok(Line::Expired);
            }
            let request = format!("watch {}", self.spec.options.words(&self.spec.resource));
            return Err(ClusterError::Refused { request, status: Box::new(status) });
        }
        if raw.type_ == "BOOKMARK" {
            let version = raw.object.pointer("/metadata/resourceVersion").and_then(Value::as_str);
            let version = version.filter(|version| !version.is_empty());
            let version =
                version.ok_or_else(|| self.unreadable("a bookmark has no version".to_owned()))?;
            return Ok(Line::Event(None, version.to_owned()));
        }
        let observed = Observed::read(raw.object, &self.spec.resource);
        let observed = observed.map_err(|reason| self.unreadable(reason))?;
        let version = observed.resource_version.clone();
        let event = match raw.type_.as_str() {
            "ADDED" | "MODIFIED" => WatchEvent::Changed((self.reduce)(observed)),
            "DELETED" => WatchEvent::Gone((self.reduce)(observed)),
            other => return Err(self.unreadable(format!("an event is of type `{other}`"))),
        };
        Ok(Line::Event(Some(event), version))
    }
}

#[derive(Deserialize)]
struct RawEvent {
    #[serde(rename = "type")]
    type_: String,
    object: Value,
}

/// What a line of a watch means.
enum Line<T> {
    /// An event, or none for a bookmark; and the version to go on from.
    Event(Option<WatchEvent<T>>, String),
    /// The version is too old.
    Expired,
}

/// The lines of a body, each one event.
struct Lines {
    body: Body,
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line end.
    searched: usize,
}

impl Lines {
    /// The next line; `None` at the end. A connection that is lost counts as an end: the watch is
    /// taken up from the last whole event. Loses nothing when dropped while it waits.
    async fn next(&mut self) -> Result<Option<BytesMut>, String> {
        loop {
            if let Some(at) = self.buffer[self.searched..].iter().position(|b| *b == b'\n') {
                let line = self.buffer.split_to(self.searched + at + 1);
                self.searched = 0;
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > EVENT_BYTES_MAX {
                return Err(format!("an event has more than EVENT_BYTES_MAX = {EVENT_BYTES_MAX}"));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(_)) | None => return Ok(None),
            }
        }
    }
}

/// Waits that double.
struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(BACKOFF_FIRST)
    }
}

impl Backoff {
    fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(BACKOFF_LONGEST);
        wait
    }

    fn reset(&mut self) {
        *self = Self::default();
    }
}

/// A number that differs between watches and renewals, the same on every run.
fn spread(words: &str, renewal: u64) -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = words.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    renewal.to_le_bytes().into_iter().fold(hash, mix) >> 17
}
