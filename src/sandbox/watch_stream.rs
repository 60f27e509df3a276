//! Watches: the events of a resource as a stream of JSON lines.
//!
//! In: a resource, a selector and the version to start after. Out: `ADDED`, `MODIFIED`, `DELETED`,
//! `BOOKMARK`, and one `ERROR` with 410 when the history no longer reaches back.
//!
//! Limits: a watch ends after `timeoutSeconds`, or after [`WATCH_SECONDS_MAX`]; bookmarks come
//! every [`BOOKMARK_SECONDS`]. Not here: lists (`rest.rs`).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use serde_json::Value;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::refusal::Refusal;
use super::rest::Form;
use super::rest::Server;
use super::selectors::Selector;
use super::store::Event;
use super::world::Target;
use super::world::in_version;

/// Longest watch; the real server ends one after 30 to 60 minutes.
const WATCH_SECONDS_MAX: u64 = 2700;
/// Time between bookmarks.
const BOOKMARK_SECONDS: u64 = 60;

/// What a watch was asked for.
pub(crate) struct WatchOptions {
    pub(crate) selector: Selector,
    pub(crate) form: Form,
    /// The version after which events are wanted; `None` sends what is there first.
    pub(crate) after: Option<u64>,
    pub(crate) bookmarks: bool,
    /// Send what is there, then a bookmark that says so.
    pub(crate) initial_events: bool,
    pub(crate) timeout_seconds: Option<u64>,
}

struct State {
    server: Arc<Server>,
    target: Target,
    options: WatchOptions,
    wake: watch::Receiver<u64>,
    last: u64,
    lines: VecDeque<Bytes>,
    ends: Instant,
    next_bookmark: Instant,
    over: bool,
    first_table: bool,
}

/// Starts a watch.
pub(crate) fn stream(
    server: Arc<Server>,
    target: Target,
    options: WatchOptions,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let seconds = options.timeout_seconds.unwrap_or(WATCH_SECONDS_MAX).min(WATCH_SECONDS_MAX);
    let start = Instant::now();
    let mut state = State {
        wake: server.wake(),
        server,
        target,
        last: options.after.unwrap_or(0),
        options,
        lines: VecDeque::new(),
        ends: start + Duration::from_secs(seconds),
        next_bookmark: start + Duration::from_secs(BOOKMARK_SECONDS),
        over: false,
        first_table: true,
    };
    state.begin();
    futures::stream::unfold(state, |mut state| async move {
        loop {
            if let Some(line) = state.lines.pop_front() {
                return Some((Ok(line), state));
            }
            if state.over || state.server.is_stopped() {
                return None;
            }
            state.collect();
            if state.lines.is_empty() && !state.wait().await {
                return None;
            }
        }
    })
}

impl State {
    fn begin(&mut self) {
        if self.options.after.is_some() && !self.options.initial_events {
            return;
        }
        let server = Arc::clone(&self.server);
        let world = server.world();
        self.last = world.store.revision();
        let within = Some(self.target.namespace.as_str()).filter(|name| !name.is_empty());
        let mut found = Vec::new();
        for (_, object) in world.store.list(&self.target.kind.id, within) {
            if self.options.selector.matches(object) {
                found.push(in_version(&self.target.kind, object));
            }
        }
        drop(world);
        for object in found {
            self.say("ADDED", object);
        }
        if self.options.initial_events {
            self.bookmark(true);
        }
    }

    fn say(&mut self, kind: &str, object: Value) {
        let object = self.options.form.one(&self.target.kind, object, !self.first_table);
        self.first_table = false;
        let mut line = json!({"type": kind, "object": object}).to_string();
        line.push('\n');
        self.lines.push_back(Bytes::from(line));
    }

    fn bookmark(&mut self, initial: bool) {
        let kind = &self.target.kind;
        let mut metadata = json!({"resourceVersion": self.last.to_string()});
        if initial {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object =
            json!({"kind": kind.kind, "apiVersion": kind.api_version(), "metadata": metadata});
        self.say("BOOKMARK", object);
    }

    /// Turns new events into lines.
    fn collect(&mut self) {
        self.wake.mark_unchanged();
        let server = Arc::clone(&self.server);
        let world = server.world();
        let events = world.store.since(&self.target.kind.id, self.last);
        let revision = world.store.revision();
        drop(world);
        let Some(events) = events else {
            let refusal = Refusal::expired(format!("too old resource version: {}", self.last));
            let line = json!({"type": "ERROR", "object": refusal.to_json()}).to_string();
            self.lines.push_back(Bytes::from(line + "\n"));
            self.over = true;
            return;
        };
        for event in events {
            self.last = event.revision;
            if let Some(kind) = self.told(&event) {
                self.say(kind, in_version(&self.target.kind, &event.object));
            }
        }
        self.last = self.last.max(revision);
    }

    /// How an event looks through the selector.
    fn told(&self, event: &Event) -> Option<&'static str> {
        let home = &self.target.namespace;
        if !home.is_empty() && event.object["metadata"]["namespace"] != json!(home) {
            return None;
        }
        let seen = |object: &Value| self.options.selector.matches(object);
        let before = event.before.as_deref().is_some_and(seen);
        let after = !event.deleted && seen(&event.object);
        match (before, after) {
            (false, true) => Some("ADDED"),
            (true, true) => Some("MODIFIED"),
            (true, false) => Some("DELETED"),
            (false, false) => None,
        }
    }

    /// Waits for something to tell; says no when the watch is over.
    async fn wait(&mut self) -> bool {
        if self.server.is_stopped() {
            return false;
        }
        tokio::select! {
            changed = self.wake.changed() => changed.is_ok(),
            () = tokio::time::sleep_until(self.ends) => false,
            () = tokio::time::sleep_until(self.next_bookmark) => {
                self.next_bookmark = Instant::now() + Duration::from_secs(BOOKMARK_SECONDS);
                if self.options.bookmarks {
                    self.bookmark(false);
                }
                true
            }
        }
    }
}
