//! The smart HTTP protocol: one GET for the host's capabilities, one POST for each command.
//!
//! In: what gix writes and reads as if on one connection. Out: HTTP requests.
//!
//! ```text
//! gix ── write ──▶ pending body ──┐ (sent when gix begins to read)
//!     ◀── read ─── answer's body ◀┴ POST …/git-upload-pack
//! ```
//!
//! After a redirect of the first request all later ones go to its target.
//! Not here: redirects, credentials, limits in time (`sources/http.rs`, `sources/net.rs`).

use std::any::Any;
use std::borrow::Cow;
use std::io;
use std::io::Read;
use std::io::Write;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use gix::bstr::BStr;
use gix_transport::Protocol;
use gix_transport::Service;
use gix_transport::client::Error;
use gix_transport::client::MessageKind;
use gix_transport::client::TransportWithoutIO;
use gix_transport::client::WriteMode;
use gix_transport::client::blocking_io::RequestWriter;
use gix_transport::client::blocking_io::SetServiceResponse;
use gix_transport::client::blocking_io::Transport;
use gix_transport::client::git::ConnectMode;
use gix_transport::client::git::blocking_io::Connection;
use reqwest::Url;

use crate::sources::git::transport::AnyTransport;
use crate::sources::http::Answer;
use crate::sources::http::Body;
use crate::sources::http::HttpAuth;
use crate::sources::http::HttpClient;
use crate::sources::http::Proxy;
use crate::sources::http::Tls;
use crate::sources::http::host_of;
use crate::sources::http::may_share_credentials;
use crate::sources::net::Fault;
use crate::sources::net::Net;

/// Longest line of the protocol, its four length digits included.
const PACKET_BYTES_MAX: usize = 65520;

/// Prepares the exchange; nothing is sent before the handshake.
pub(super) fn connect(
    net: &Arc<Net>,
    url: &Url,
    auth: &HttpAuth,
    tls: &Tls,
    proxy: Option<&Proxy>,
) -> Result<AnyTransport, Fault> {
    let mut base = url.clone();
    // Credentials of the URL are in `auth`; a library must not send them on its own.
    let _ = base.set_username("");
    let _ = base.set_password(None);
    let client = HttpClient::new(net, auth.clone(), tls, proxy)?;
    let shared = Shared(Arc::new(Mutex::new(Exchange {
        net: net.clone(),
        client,
        base,
        service: None,
        version: Protocol::V2,
        pending: Vec::new(),
        answer: None,
    })));
    let inner = Connection::new(
        shared.clone(),
        shared.clone(),
        Protocol::V2,
        url.path(),
        None::<(String, Option<u16>)>,
        ConnectMode::Process,
        false,
    );
    Ok(Box::new(HttpTransport { inner, shared, url: url.path().to_owned() }))
}

struct HttpTransport {
    inner: Connection<Shared, Shared>,
    shared: Shared,
    url: String,
}

struct Exchange {
    net: Arc<Net>,
    client: HttpClient,
    base: Url,
    service: Option<Service>,
    version: Protocol,
    pending: Vec<u8>,
    answer: Option<Box<dyn Read + Send>>,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Exchange>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Exchange> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for Shared {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut exchange = self.lock();
        if !exchange.pending.is_empty() {
            let net = exchange.net.clone();
            exchange.post().map_err(|fault| net.keep_io(fault))?;
        }
        exchange.answer.as_mut().map_or(Ok(0), |answer| answer.read(buffer))
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().pending.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Exchange {
    /// The first request: which service, which protocol.
    fn get(&mut self, service: Service) -> Result<(), Fault> {
        let mut url = self.base.clone();
        let path = format!("{}/info/refs", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url.set_query(Some(&format!("service={}", service.as_str())));
        let answer = self.client.get(&url, &[("Git-Protocol", "version=2")])?;
        self.expect(&answer, service, "advertisement")?;
        if answer.url != url {
            self.move_to(&answer.url)?;
        }
        self.service = Some(service);
        self.answer = Some(Box::new(skip_announcement(answer.body, service)?));
        Ok(())
    }

    /// Later requests go where the first one was answered.
    fn move_to(&mut self, url: &Url) -> Result<(), Fault> {
        let Some(path) = url.path().strip_suffix("/info/refs") else {
            let reason = "its target does not end in /info/refs".to_owned();
            return Err(Fault::Redirect { host: host_of(&self.base), reason });
        };
        let mut base = url.clone();
        base.set_path(path);
        base.set_query(None);
        if !may_share_credentials(&self.base, &base) {
            self.client.drop_credentials();
        }
        self.base = base;
        Ok(())
    }

    fn post(&mut self) -> Result<(), Fault> {
        let service = self.service.ok_or_else(|| Fault::Protocol {
            reason: "a request before the handshake".to_owned(),
        })?;
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{}", url.path().trim_end_matches('/'), service.as_str()));
        let content_type = format!("application/x-{}-request", service.as_str());
        let accept = format!("application/x-{}-result", service.as_str());
        let mut headers = vec![("Content-Type", content_type.as_str()), ("Accept", &accept)];
        if self.version == Protocol::V2 {
            headers.push(("Git-Protocol", "version=2"));
        }
        let answer = self.client.post(&url, &headers, std::mem::take(&mut self.pending))?;
        self.expect(&answer, service, "result")?;
        self.answer = Some(Box::new(answer.body));
        Ok(())
    }

    fn expect(&self, answer: &Answer, service: Service, kind: &str) -> Result<(), Fault> {
        let wanted = format!("application/x-{}-{kind}", service.as_str());
        let found = answer.content_type.split(';').next().unwrap_or_default().trim();
        if found == wanted {
            return Ok(());
        }
        let host = host_of(&answer.url);
        let reason = format!("{host} is not a Git host here: it answers with `{found}`");
        Err(Fault::Protocol { reason })
    }
}

/// Some hosts say `# service=…` and a flush packet before what they have to say.
fn skip_announcement(mut body: Body, service: Service) -> Result<impl Read + Send, Fault> {
    let failed = |e: io::Error| Fault::Io { during: "reading the answer", reason: e.to_string() };
    let broken = || Fault::Protocol { reason: "the host's first line is no packet".to_owned() };
    let mut head = [0; 4];
    body.read_exact(&mut head).map_err(failed)?;
    let length = |head: &[u8; 4]| {
        std::str::from_utf8(head).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok())
    };
    let bytes = length(&head).filter(|n| *n <= PACKET_BYTES_MAX).ok_or_else(broken)?;
    let mut line = vec![0; bytes.saturating_sub(4)];
    body.read_exact(&mut line).map_err(failed)?;
    let announced = format!("# service={}", service.as_str());
    if line.strip_suffix(b"\n").unwrap_or(&line) == announced.as_bytes() {
        body.read_exact(&mut head).map_err(failed)?;
        if length(&head) != Some(0) {
            return Err(broken());
        }
        return Ok(io::Cursor::new(Vec::new()).chain(body));
    }
    Ok(io::Cursor::new([head.as_slice(), &line].concat()).chain(body))
}

impl TransportWithoutIO for HttpTransport {
    fn to_url(&self) -> Cow<'_, BStr> {
        Cow::Borrowed(self.url.as_str().into())
    }

    fn connection_persists_across_multiple_requests(&self) -> bool {
        false
    }

    fn configure(&mut self, _config: &dyn Any) -> gix::Result {
        Ok(())
    }
}

impl Transport for HttpTransport {
    fn handshake<'a>(
        &mut self,
        service: Service,
        extra_parameters: &'a [(&'a str, Option<&'a str>)],
    ) -> Result<SetServiceResponse<'_>, Error> {
        {
            let mut exchange = self.shared.lock();
            let net = exchange.net.clone();
            exchange.get(service).map_err(|fault| Error::Io(net.keep_io(fault)))?;
        }
        let response = self.inner.handshake(service, extra_parameters)?;
        self.shared.lock().version = response.actual_protocol;
        Ok(response)
    }

    fn request(
        &mut self,
        write_mode: WriteMode,
        on_into_read: MessageKind,
        trace: bool,
    ) -> Result<RequestWriter<'_>, Error> {
        self.inner.request(write_mode, on_into_read, trace)
    }
}
