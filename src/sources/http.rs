//! HTTP requests with credentials that stay with their host.
//!
//! In: a URL, credentials, trust. Out: a body that is read byte by byte under [`Net`]'s limits.
//! Redirects are followed here and not by the client library: credentials go to the first origin
//! only, and https never becomes http.
//!
//! Not here: what the bytes mean (`git/transport/http.rs`, `artifact/fetch.rs`).

use std::io;
use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::Certificate;
use reqwest::Client;
use reqwest::Identity;
use reqwest::Method;
use reqwest::Response;
use reqwest::StatusCode;
use reqwest::Url;
use reqwest::header;

use crate::model::Secret;
use crate::model::limits;
use crate::sources::net::Fault;
use crate::sources::net::Net;
use crate::sources::tls;

/// How this program names itself to hosts.
pub(crate) const USER_AGENT: &str = concat!("hence/", env!("CARGO_PKG_VERSION"));

/// Credentials of an HTTP request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HttpAuth {
    /// None.
    #[default]
    None,
    /// Name and password.
    Basic {
        /// The name.
        username: String,
        /// The password; empty is allowed.
        password: Secret<String>,
    },
    /// A bearer token.
    Bearer(Secret<String>),
}

/// Whom to trust and how to show who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates (PEM) trusted beside the system's.
    pub ca: Option<Vec<u8>>,
    /// Our certificate and its key (both PEM).
    pub client: Option<(Vec<u8>, Secret<Vec<u8>>)>,
}

/// A proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// `http://`, `https://` or `socks5://` and an address, without credentials.
    pub address: String,
    /// Name and password, when it wants them.
    pub auth: Option<(String, Secret<String>)>,
}

/// A client for one exchange.
pub(crate) struct HttpClient {
    net: Arc<Net>,
    plain: Option<Client>,
    secure: Option<Client>,
    auth: HttpAuth,
    trust: Tls,
    proxy: Option<Proxy>,
}

/// What an answered request came to.
pub(crate) struct Answer {
    /// Where it was answered, after redirects.
    pub(crate) url: Url,
    /// The value of `Content-Type`; empty when there is none.
    pub(crate) content_type: String,
    /// Its bytes.
    pub(crate) body: Body,
}

/// The bytes of an answer, read under the limits of the exchange.
pub(crate) struct Body {
    net: Arc<Net>,
    response: Response,
    chunk: Bytes,
}

impl HttpClient {
    /// A client with these settings. `auth` goes to the origin of the first URL only.
    pub(crate) fn new(
        net: &Arc<Net>,
        auth: HttpAuth,
        trust: &Tls,
        proxy: Option<&Proxy>,
    ) -> Result<Self, Fault> {
        tls::install_provider();
        let (trust, proxy) = (trust.clone(), proxy.cloned());
        let client = Self { net: net.clone(), plain: None, secure: None, auth, trust, proxy };
        // What is wrong with the settings is said before anything is sent.
        client.check_trust().map_err(|fault| net.keep(fault))?;
        Ok(client)
    }

    fn check_trust(&self) -> Result<(), Fault> {
        match (&self.trust.ca, &self.trust.client) {
            (None, None) => Ok(()),
            _ => self.build(true).map(drop),
        }
    }

    /// The client for a URL, made when it is first needed: reading the system's certificates takes
    /// longer than a request over plain http.
    fn client(&mut self, url: &Url) -> Result<Client, Fault> {
        let is_secure = url.scheme() == "https";
        let made = if is_secure { &self.secure } else { &self.plain };
        if let Some(client) = made {
            return Ok(client.clone());
        }
        let client = self.build(is_secure)?;
        let made = if is_secure { &mut self.secure } else { &mut self.plain };
        *made = Some(client.clone());
        Ok(client)
    }

    fn build(&self, is_secure: bool) -> Result<Client, Fault> {
        let settings = |reason: String| Fault::Settings { reason };
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(self.net.timeouts().connect)
            .redirect(reqwest::redirect::Policy::none());
        let proxy_is_secure =
            self.proxy.as_ref().is_some_and(|proxy| proxy.address.starts_with("https:"));
        if !is_secure && !proxy_is_secure {
            builder = builder.tls_certs_only([]);
        }
        if let Some(pem) = self.trust.ca.as_ref().filter(|_| is_secure) {
            let certificates = Certificate::from_pem_bundle(pem)
                .map_err(|e| settings(format!("failed to parse CA certificate: {}", chain(&e))))?;
            if certificates.is_empty() {
                return Err(settings("failed to parse CA certificate: no PEM block in it".into()));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        if let Some((certificate, key)) = self.trust.client.as_ref().filter(|_| is_secure) {
            let pem = [certificate.as_slice(), b"\n", key.expose().as_slice()].concat();
            let pem = Secret::new(pem);
            let identity = Identity::from_pem(pem.expose()).map_err(|_| {
                settings("failed to parse TLS certificate and key: not a pair of PEM blocks".into())
            })?;
            builder = builder.identity(identity);
        }
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(proxy.to_reqwest()?);
        }
        builder.build().map_err(|e| settings(chain(&e.without_url())))
    }

    /// `GET url`.
    pub(crate) fn get(&mut self, url: &Url, headers: &[(&str, &str)]) -> Result<Answer, Fault> {
        self.send(&Method::GET, url, headers, None)
    }

    /// `POST url` with `body`.
    pub(crate) fn post(
        &mut self,
        url: &Url,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Answer, Fault> {
        self.send(&Method::POST, url, headers, Some(body.into()))
    }

    /// From now on sends no credentials: a redirect has led to another origin.
    pub(crate) fn drop_credentials(&mut self) {
        self.auth = HttpAuth::None;
    }

    fn send(
        &mut self,
        method: &Method,
        first: &Url,
        headers: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Answer, Fault> {
        let mut url = first.clone();
        for _ in 0..=limits::REDIRECTS_MAX {
            let client = self.client(&url).map_err(|fault| self.net.keep(fault))?;
            let mut request = client.request(method.clone(), url.clone());
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if same_origin(first, &url) {
                request = match &self.auth {
                    HttpAuth::None => request,
                    HttpAuth::Basic { username, password } => {
                        request.basic_auth(username, Some(password.expose()))
                    }
                    HttpAuth::Bearer(token) => request.bearer_auth(token.expose()),
                };
            }
            if let Some(body) = &body {
                request = request.body(body.clone());
            }
            let response = self
                .net
                .wait_idle("waiting for the host's answer", request.send())?
                .map_err(|e| self.net.keep(request_fault(&e, &self.net)))?;
            if response.status().is_redirection() && response.headers().contains_key("location") {
                url = next_hop(method, &url, &response).map_err(|fault| self.net.keep(fault))?;
                continue;
            }
            return self.answer(url, response);
        }
        let reason = format!("more than REDIRECTS_MAX = {} of them", limits::REDIRECTS_MAX);
        Err(self.net.keep(Fault::Redirect { host: host_of(first), reason }))
    }

    fn answer(&self, url: Url, response: Response) -> Result<Answer, Fault> {
        let fault = match response.status() {
            status if status.is_success() => None,
            StatusCode::UNAUTHORIZED => Some(Fault::Unauthenticated),
            StatusCode::FORBIDDEN => Some(Fault::Forbidden),
            StatusCode::NOT_FOUND | StatusCode::GONE => Some(Fault::NotFound),
            status => Some(Fault::Status { status: status.as_u16() }),
        };
        if let Some(fault) = fault {
            return Err(self.net.keep(fault));
        }
        let content_type = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let body = Body { net: self.net.clone(), response, chunk: Bytes::new() };
        Ok(Answer { url, content_type, body })
    }
}

impl Proxy {
    fn to_reqwest(&self) -> Result<reqwest::Proxy, Fault> {
        let wrong = |reason: &str| Fault::Settings {
            reason: format!("failed to parse proxy address: {reason}"),
        };
        let mut url = Url::parse(&self.address).map_err(|e| wrong(&e.to_string()))?;
        if let Some((name, password)) = &self.auth {
            // socks5 reads credentials from the URL only.
            let set =
                url.set_username(name).and_then(|()| url.set_password(Some(password.expose())));
            set.map_err(|()| wrong("it cannot hold credentials"))?;
        }
        reqwest::Proxy::all(url).map_err(|e| wrong(&chain(&e.without_url())))
    }
}

fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host_str() == b.host_str()
        && a.port_or_known_default() == b.port_or_known_default()
}

/// Whether credentials for `first` may be sent to `url`.
pub(crate) fn may_share_credentials(first: &Url, url: &Url) -> bool {
    same_origin(first, url)
}

/// The host and port that messages name.
pub(crate) fn host_of(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    }
}

fn next_hop(method: &Method, from: &Url, response: &Response) -> Result<Url, Fault> {
    let refused = |reason: &str| Fault::Redirect { host: host_of(from), reason: reason.to_owned() };
    let keeps_method = matches!(
        response.status(),
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
    );
    if method != Method::GET && !keeps_method {
        return Err(refused("it would turn the request into another one"));
    }
    let location = response.headers()[header::LOCATION]
        .to_str()
        .map_err(|_| refused("its target is not text"))?;
    let mut to = from.join(location).map_err(|_| refused("its target is not a URL"))?;
    if !matches!(to.scheme(), "http" | "https") {
        return Err(refused("its target is neither http nor https"));
    }
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(Fault::RedirectDowngrade { host: host_of(from) });
    }
    // Credentials that a host hands out in a redirect are not ours.
    let _ = to.set_username("");
    let _ = to.set_password(None);
    Ok(to)
}

fn request_fault(error: &reqwest::Error, net: &Net) -> Fault {
    if error.is_timeout() {
        let limit = net.timeouts().connect;
        return Fault::TimedOut { during: "connecting to the host", limit };
    }
    let during = if error.is_connect() { "connecting to the host" } else { "sending a request" };
    Fault::Io { during, reason: chain(error) }
}

/// The causes of a library's error, without its URL.
fn chain(error: &reqwest::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        cause = error.source();
    }
    if parts.is_empty() { "the request could not be made".to_owned() } else { parts.join(": ") }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            let chunk = self
                .net
                .wait_idle("waiting for the next byte", self.response.chunk())
                .map_err(|fault| self.net.keep_io(fault))?;
            match chunk {
                Ok(Some(chunk)) => {
                    self.net.spend(chunk.len()).map_err(io::Error::other)?;
                    self.chunk = chunk;
                }
                Ok(None) => return Ok(0),
                Err(e) => {
                    let fault = Fault::Io { during: "reading the answer", reason: chain(&e) };
                    return Err(self.net.keep_io(fault));
                }
            }
        }
        let count = self.chunk.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.chunk.split_to(count));
        Ok(count)
    }
}
