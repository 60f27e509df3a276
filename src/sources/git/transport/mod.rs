//! How bytes reach a Git host and come back: our own implementations under gix's protocol code.
//!
//! In: a URL, credentials, a [`Net`]. Out: something that gix can talk protocol version 2 (or 0 and
//! 1, when the host is older) over. No child process, no key or credential on disk, no agent. Not
//! here: what is said (`git/remote.rs`).

pub(crate) mod http;
pub(crate) mod known_hosts;
mod socks;
pub(crate) mod ssh;

use std::sync::Arc;

use gix_transport::client::blocking_io::Transport;
use reqwest::Url;

use crate::sources::git::GitRequest;
use crate::sources::net::Fault;
use crate::sources::net::Net;
use crate::sources::secrets::GitAuth;

/// A transport of any kind.
pub(crate) type AnyTransport = Box<dyn Transport + Send>;

/// Connects to the repository that `request` names, for reading.
pub(crate) fn connect(net: &Arc<Net>, request: &GitRequest) -> Result<AnyTransport, Fault> {
    let url = Url::parse(&request.url).map_err(|e| Fault::Url { reason: e.to_string() })?;
    match (&request.auth, url.scheme()) {
        (GitAuth::Http { auth, tls }, "http" | "https") => {
            http::connect(net, &url, auth, tls, request.proxy.as_ref())
        }
        (GitAuth::Ssh(auth), "ssh") => ssh::connect(net, &url, auth, request),
        (_, scheme) => Err(Fault::Url {
            reason: format!("cannot fetch over `{scheme}` with these credentials"),
        }),
    }
}
