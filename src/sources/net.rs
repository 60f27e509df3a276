//! Waiting with limits: every wait on a peer ends by its answer, a deadline or a cancellation.
//!
//! In: a future. Out: its value or a [`Fault`]. Callers are blocking code; a runtime of one thread
//! lives as long as the exchange, so nothing goes on in the background after it.
//!
//! ```text
//! wait(future) ──┬─ ready ────────────▶ value
//!                ├─ idle for too long ─▶ Fault::TimedOut
//!                ├─ total time spent ──▶ Fault::TimedOut
//!                └─ cancelled ─────────▶ Fault::Cancelled
//! ```
//!
//! Not here: what is sent (`http.rs`, `git/transport/`).

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use miette::Diagnostic;
use thiserror::Error;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// How long a peer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To accept a connection, TLS or ssh handshake included.
    pub connect: Duration,
    /// To send the next byte.
    pub idle: Duration,
    /// For the whole exchange, from the first connection to the last byte.
    pub total: Duration,
}

impl Default for Timeouts {
    /// Flux's timeout of a GitRepository as total; 30 s to connect and between two bytes.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            total: Duration::from_secs(60),
        }
    }
}

impl Timeouts {
    /// Limits for an exchange that may take `total` altogether.
    pub fn of_total(total: Duration) -> Self {
        let default = Self::default();
        Self { connect: default.connect.min(total), idle: default.idle.min(total), total }
    }
}

/// Why an exchange with a peer failed. No message holds a credential.
#[derive(Clone, Debug, Error, Diagnostic)]
pub enum Fault {
    /// The peer did not answer, or not fast enough.
    #[error("timed out after {} while {during}", Seconds(*limit))]
    #[diagnostic(
        code(sources::net::timeout),
        help("check that the host answers; `spec.timeout` sets the time for the whole exchange")
    )]
    TimedOut {
        /// What was waited for.
        during: &'static str,
        /// The limit that was hit.
        limit: Duration,
    },
    /// The caller gave up.
    #[error("cancelled")]
    #[diagnostic(code(sources::net::cancelled))]
    Cancelled,
    /// No connection, or it broke.
    #[error("{during}: {reason}")]
    #[diagnostic(code(sources::net::io), help("check host name, port, proxy and certificates"))]
    Io {
        /// What was being done.
        during: &'static str,
        /// What the system or library said.
        reason: String,
    },
    /// HTTP 401, or an ssh key that the host refuses.
    #[error("authentication required")]
    #[diagnostic(
        code(sources::net::unauthenticated),
        help("check the Secret that `spec.secretRef` names: its credentials are missing or wrong")
    )]
    Unauthenticated,
    /// HTTP 403.
    #[error("authorization failed")]
    #[diagnostic(
        code(sources::net::forbidden),
        help("the credentials are known to the host, but may not read this")
    )]
    Forbidden,
    /// HTTP 404 or 410, or what a Git host says over ssh for it.
    #[error("not found")]
    #[diagnostic(code(sources::net::not_found), help("check the URL"))]
    NotFound,
    /// Any other HTTP status.
    #[error("the host answered with HTTP status {status}")]
    #[diagnostic(code(sources::net::status))]
    Status {
        /// The status code.
        status: u16,
    },
    /// A redirect from https to http.
    #[error("refused the redirect from https to http at {host}")]
    #[diagnostic(
        code(sources::net::redirect_downgrade),
        help("set the URL that the host redirects to, over https")
    )]
    RedirectDowngrade {
        /// The host that redirects.
        host: String,
    },
    /// A redirect that cannot be followed.
    #[error("cannot follow the redirect of {host}: {reason}")]
    #[diagnostic(code(sources::net::redirect))]
    Redirect {
        /// The host that redirects.
        host: String,
        /// Why.
        reason: String,
    },
    /// A URL that cannot be used.
    #[error("invalid URL: {reason}")]
    #[diagnostic(code(sources::net::url), help("use http, https or ssh, a host and a path"))]
    Url {
        /// Why; without the URL, which may hold a password.
        reason: String,
    },
    /// A proxy, certificate or key of a Secret that cannot be used.
    #[error("{reason}")]
    #[diagnostic(code(sources::net::settings), help("check the Secret that holds it"))]
    Settings {
        /// What is wrong with it.
        reason: String,
    },
    /// The peer sends more than it may.
    #[error("{what} is larger than {limit} = {max} bytes")]
    #[diagnostic(code(sources::net::too_large))]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit's name in `model::limits`.
        limit: &'static str,
        /// The limit.
        max: u64,
    },
    /// The peer speaks something else.
    #[error("{reason}")]
    #[diagnostic(code(sources::net::protocol), help("check that the URL names what is expected"))]
    Protocol {
        /// What was expected and found.
        reason: String,
    },
    /// No entry of known_hosts names this host with this kind of key.
    #[error("ssh: handshake failed: knownhosts: key is unknown: {host} has {key}")]
    #[diagnostic(
        code(sources::net::host_key_unknown),
        help("verify the key with the host's owner, then add it to `known_hosts` of the Secret")
    )]
    HostKeyUnknown {
        /// The host, with port when it is not 22.
        host: String,
        /// Algorithm and SHA-256 fingerprint of the key offered.
        key: String,
    },
    /// known_hosts names this host with another key.
    #[error("ssh: handshake failed: knownhosts: key mismatch: {host} has {key}, not the known one")]
    #[diagnostic(
        code(sources::net::host_key_changed),
        help(
            "the host was rebuilt, or is not the one you mean: ask its owner before you change \
             `known_hosts`"
        )
    )]
    HostKeyChanged {
        /// The host, with port when it is not 22.
        host: String,
        /// Algorithm and SHA-256 fingerprint of the key offered.
        key: String,
    },
    /// The remote program failed.
    #[error("the remote host says: {said}")]
    #[diagnostic(code(sources::net::remote))]
    Remote {
        /// What it wrote to standard error.
        said: String,
    },
}

struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        if ms.is_multiple_of(1000) { write!(f, "{}s", ms / 1000) } else { write!(f, "{ms}ms") }
    }
}

/// One exchange: its runtime, limits and the first fault that it met.
pub(crate) struct Net {
    runtime: Option<Runtime>,
    timeouts: Timeouts,
    deadline: Instant,
    cancel: CancellationToken,
    fault: Mutex<Option<Fault>>,
    budget: Mutex<Budget>,
}

/// How many more bytes the peer may send.
#[derive(Clone, Copy)]
struct Budget {
    what: &'static str,
    limit: &'static str,
    max: u64,
    left: u64,
}

impl Net {
    /// Starts the clock of an exchange.
    pub(crate) fn start(
        timeouts: Timeouts,
        cancel: &CancellationToken,
    ) -> Result<Arc<Self>, Fault> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Fault::Io { during: "starting a runtime", reason: e.to_string() })?;
        Ok(Arc::new(Self {
            runtime: Some(runtime),
            timeouts,
            deadline: Instant::now() + timeouts.total,
            cancel: cancel.clone(),
            fault: Mutex::new(None),
            budget: Mutex::new(Budget { what: "", limit: "", max: u64::MAX, left: u64::MAX }),
        }))
    }

    /// The limits.
    pub(crate) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Waits for `future` for at most `limit`, and never past the exchange's deadline.
    pub(crate) fn wait<F: Future>(
        &self,
        during: &'static str,
        limit: Duration,
        future: F,
    ) -> Result<F::Output, Fault> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let hit = if left < limit { self.timeouts.total } else { limit };
        let runtime = self.runtime.as_ref().expect("taken only when dropped");
        let result = runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => Err(Fault::Cancelled),
                value = future => Ok(value),
                () = tokio::time::sleep(left.min(limit)) => {
                    Err(Fault::TimedOut { during, limit: hit })
                }
            }
        });
        result.map_err(|fault| self.keep(fault))
    }

    /// Waits between two bytes.
    pub(crate) fn wait_idle<F: Future>(
        &self,
        during: &'static str,
        future: F,
    ) -> Result<F::Output, Fault> {
        self.wait(during, self.timeouts.idle, future)
    }

    /// From now on the peer may send `max` bytes of `what`; `limit` names the limit in messages.
    pub(crate) fn allow(&self, what: &'static str, limit: &'static str, max: u64) {
        let budget = Budget { what, limit, max, left: max };
        *self.budget.lock().unwrap_or_else(PoisonError::into_inner) = budget;
    }

    /// Counts bytes that came; a fault when they are too many.
    pub(crate) fn spend(&self, bytes: usize) -> Result<(), Fault> {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        let Budget { what, limit, max, left } = *budget;
        match left.checked_sub(bytes as u64) {
            Some(left) => {
                budget.left = left;
                Ok(())
            }
            None => Err(self.keep(Fault::TooLarge { what, limit, max })),
        }
    }

    /// Remembers the first fault: what follows it is only its consequence.
    pub(crate) fn keep(&self, fault: Fault) -> Fault {
        let mut first = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(fault).clone()
    }

    /// Remembers `fault` and hands it through an interface that knows only I/O errors.
    pub(crate) fn keep_io(&self, fault: Fault) -> io::Error {
        io::Error::other(self.keep(fault))
    }

    /// Starts over: what failed is tried in another way.
    pub(crate) fn forget(&self) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The first fault, if any: the cause behind a library's error.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Never waits for a name look-up that hangs.
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn net(total_ms: u64) -> Arc<Net> {
        let timeouts = Timeouts {
            connect: Duration::from_millis(20),
            idle: Duration::from_millis(20),
            total: Duration::from_millis(total_ms),
        };
        Net::start(timeouts, &CancellationToken::new()).expect("a runtime")
    }

    #[test]
    fn each_limit_ends_a_wait_and_names_itself() {
        let idle = net(60_000).wait_idle("reading", pending::<()>()).expect_err("no byte comes");
        assert_eq!(idle.to_string(), "timed out after 20ms while reading");
        let total = net(1).wait_idle("reading", pending::<()>()).expect_err("no time is left");
        assert_eq!(total.to_string(), "timed out after 1ms while reading");
    }

    #[test]
    fn the_first_fault_is_kept() {
        let net = net(60_000);
        net.keep(Fault::Forbidden);
        assert!(matches!(net.keep(Fault::NotFound), Fault::Forbidden));
        assert!(matches!(net.fault(), Some(Fault::Forbidden)));
    }

    #[test]
    fn a_cancelled_exchange_does_not_wait() {
        let cancel = CancellationToken::new();
        let net = Net::start(Timeouts::default(), &cancel).expect("a runtime");
        cancel.cancel();
        let fault = net.wait_idle("reading", pending::<()>()).expect_err("cancelled before");
        assert!(matches!(fault, Fault::Cancelled));
    }
}
