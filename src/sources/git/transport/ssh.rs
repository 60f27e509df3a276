//! Git over ssh: one connection, one remote program, its standard input and output.
//!
//! In: a key, known_hosts, a URL. Out: a stream that gix talks its protocol on.
//!
//! ```text
//! TCP ─▶ key exchange ─▶ host key? ─▶ public key ─▶ exec git-upload-pack '/path' ◀─▶ gix
//!                         known_hosts: unknown, changed ─▶ distinct faults
//! ```
//!
//! The key stays in memory; there is no agent and no child process here.
//! Not here: judging host keys (`known_hosts.rs`), limits in time (`sources/net.rs`).

use std::borrow::Cow;
use std::io;
use std::io::Read;
use std::io::Write;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use bytes::Bytes;
use gix_transport::Protocol;
use gix_transport::client::git::ConnectMode;
use gix_transport::client::git::blocking_io::Connection;
use reqwest::Url;
use russh::ChannelMsg;
use russh::ChannelReadHalf;
use russh::ChannelWriteHalf;
use russh::Preferred;
use russh::client;
use russh::client::Handle;
use russh::client::Msg;
use russh::kex;
use russh::keys::Algorithm;
use russh::keys::HashAlg;
use russh::keys::PrivateKeyWithHashAlg;
use russh::keys::PublicKeyOrCertificate;
use tokio::net::TcpStream;

use crate::model::limits;
use crate::sources::git::GitRequest;
use crate::sources::git::transport::AnyTransport;
use crate::sources::git::transport::known_hosts;
use crate::sources::git::transport::known_hosts::Verdict;
use crate::sources::git::transport::socks;
use crate::sources::http::Proxy;
use crate::sources::net::Fault;
use crate::sources::net::Net;
use crate::sources::secrets::SshAuth;
use crate::sources::secrets::percent_decode;

const PORT_DEFAULT: u16 = 22;
const SOCKS_PORT_DEFAULT: u16 = 1080;

/// Connects, authenticates and starts `git-upload-pack` for the URL's path.
pub(super) fn connect(
    net: &Arc<Net>,
    url: &Url,
    auth: &SshAuth,
    request: &GitRequest,
) -> Result<AnyTransport, Fault> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port().unwrap_or(PORT_DEFAULT);
    let path = remote_path(url).map_err(|fault| net.keep(fault))?;
    let known_hosts = String::from_utf8_lossy(&auth.known_hosts).into_owned();
    let config = config(&known_hosts, &host, port, request).map_err(|fault| net.keep(fault))?;
    let limit = net.timeouts().connect;
    let stream = reach(net, &host, port, request.proxy.as_ref())?;
    let handler = HostKey { net: net.clone(), known_hosts, host, port };
    let shaken = net.wait(
        "shaking hands over ssh",
        limit,
        client::connect_stream(Arc::new(config), stream, handler),
    )?;
    // A refused host key has left its own fault, which `keep` returns instead.
    let mut session = shaken.map_err(|e| net.keep(io_fault("shaking hands over ssh", &e)))?;
    authenticate(net, &mut session, auth)?;
    let command = format!("git-upload-pack {}", quoted(&path));
    let (reader, writer) = run(net, &session, command)?;
    let stderr = Arc::new(Mutex::new(Vec::new()));
    let reader = Reader { net: net.clone(), half: reader, chunk: Bytes::new(), stderr, got: false };
    let writer = Writer { net: net.clone(), half: writer, _session: session };
    let connection = Connection::new(
        reader,
        writer,
        Protocol::V2,
        path,
        None::<(String, Option<u16>)>,
        ConnectMode::Process,
        false,
    );
    Ok(Box::new(connection))
}

/// A connection to the host, through a SOCKS5 proxy when one is set.
fn reach(net: &Net, host: &str, port: u16, proxy: Option<&Proxy>) -> Result<TcpStream, Fault> {
    let during = "connecting to the host";
    let limit = net.timeouts().connect;
    let failed = |e: io::Error| net.keep(io_fault(during, &e));
    let Some(proxy) = proxy else {
        return net.wait(during, limit, TcpStream::connect((host, port)))?.map_err(failed);
    };
    let wrong = |reason: &str| net.keep(Fault::Settings { reason: reason.to_owned() });
    let address = Url::parse(&proxy.address).map_err(|e| wrong(&e.to_string()))?;
    if address.scheme() != "socks5" {
        return Err(wrong("a proxy for ssh has to be socks5"));
    }
    let at = (address.host_str().unwrap_or_default(), address.port().unwrap_or(SOCKS_PORT_DEFAULT));
    let mut stream = net.wait(during, limit, TcpStream::connect(at))?.map_err(failed)?;
    net.wait(during, limit, socks::connect(&mut stream, proxy.auth.as_ref(), host, port))?
        .map_err(failed)?;
    Ok(stream)
}

/// The path that the remote program gets: `/~user/x` is said as `~user/x`.
fn remote_path(url: &Url) -> Result<String, Fault> {
    let path = percent_decode(url.path());
    if path.len() < 2 || path.contains(['\0', '\n']) {
        return Err(Fault::Url { reason: "no path to a repository in it".to_owned() });
    }
    Ok(path.strip_prefix('/').filter(|rest| rest.starts_with('~')).unwrap_or(&path).to_owned())
}

/// `path` as one word of a POSIX shell, which is what runs the command on most hosts.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''"))
}

fn config(
    known_hosts: &str,
    host: &str,
    port: u16,
    request: &GitRequest,
) -> Result<client::Config, Fault> {
    let default = Preferred::default();
    let unknown = |name: &String| Fault::Settings { reason: format!("unknown algorithm `{name}`") };
    let key: Cow<'static, [Algorithm]> = if request.host_key_algorithms.is_empty() {
        wanted_keys(&default.key, &known_hosts::algorithms(known_hosts, host, port))
    } else {
        let names = request.host_key_algorithms.iter();
        let parsed = names.map(|name| Algorithm::new(name).map_err(|_| unknown(name)));
        parsed.collect::<Result<Vec<_>, _>>()?.into()
    };
    let kex: Cow<'static, [kex::Name]> = if request.kex_algorithms.is_empty() {
        default.kex.clone()
    } else {
        let names = request.kex_algorithms.iter();
        let parsed =
            names.map(|name| kex::Name::try_from(name.as_str()).map_err(|()| unknown(name)));
        let mut names = parsed.collect::<Result<Vec<_>, _>>()?;
        // Not algorithms: without them the host does not say which signatures it takes.
        names.push(kex::EXTENSION_SUPPORT_AS_CLIENT);
        names.push(kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT);
        names.into()
    };
    Ok(client::Config {
        preferred: Preferred { key, kex, ..default },
        nodelay: true,
        ..client::Config::default()
    })
}

/// Asks for kinds of keys that known_hosts can judge; for all of them when it has none, so that the
/// answer is "unknown host key" and not "no common algorithm".
fn wanted_keys(default: &[Algorithm], known: &[Algorithm]) -> Cow<'static, [Algorithm]> {
    let same_kind = |a: &Algorithm, b: &Algorithm| match (a, b) {
        (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
        (a, b) => a == b,
    };
    let judged = |a: &&Algorithm| known.iter().any(|b| same_kind(a, b));
    let wanted: Vec<Algorithm> = default.iter().filter(judged).cloned().collect();
    if wanted.is_empty() { default.to_vec().into() } else { wanted.into() }
}

fn io_fault(during: &'static str, error: &dyn std::fmt::Display) -> Fault {
    Fault::Io { during, reason: error.to_string() }
}

fn authenticate(net: &Net, session: &mut Handle<HostKey>, auth: &SshAuth) -> Result<(), Fault> {
    let wrong_key = |reason: &str| Fault::Settings {
        reason: format!("failed to parse the SSH identity key: {reason}"),
    };
    let text = std::str::from_utf8(auth.identity.expose())
        .map_err(|_| net.keep(wrong_key("it is not text")))?;
    let passphrase = auth.passphrase.as_ref().map(|secret| secret.expose().as_str());
    let key = russh::keys::decode_secret_key(text, passphrase)
        .map_err(|e| net.keep(wrong_key(&e.to_string())))?;
    let during = "authenticating over ssh";
    let failed = |e: russh::Error| net.keep(io_fault(during, &e));
    let hash = if key.algorithm().is_rsa() {
        let best = net.wait_idle(during, session.best_supported_rsa_hash())?.map_err(failed)?;
        // Hosts that do not say are taken to know SHA-256, not only the broken SHA-1.
        best.unwrap_or(Some(HashAlg::Sha256))
    } else {
        None
    };
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
    let user = auth.user.clone();
    let result =
        net.wait_idle(during, session.authenticate_publickey(user, key))?.map_err(failed)?;
    if result.success() { Ok(()) } else { Err(net.keep(Fault::Unauthenticated)) }
}

fn run(
    net: &Net,
    session: &Handle<HostKey>,
    command: String,
) -> Result<(ChannelReadHalf, ChannelWriteHalf<Msg>), Fault> {
    let during = "starting the remote program";
    let started = async {
        let channel = session.channel_open_session().await?;
        // Hosts that do not take the variable answer in the older protocol.
        channel.set_env(false, "GIT_PROTOCOL", "version=2").await?;
        channel.exec(true, command).await?;
        Ok::<_, russh::Error>(channel.split())
    };
    net.wait_idle(during, started)?.map_err(|e| net.keep(io_fault(during, &e)))
}

/// Judges the host's key.
struct HostKey {
    net: Arc<Net>,
    known_hosts: String,
    host: String,
    port: u16,
}

impl client::Handler for HostKey {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else { return Ok(false) };
        let verdict = known_hosts::check(&self.known_hosts, &self.host, self.port, key);
        let host = known_hosts::host_name(&self.host, self.port);
        let named = format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256));
        match verdict {
            Verdict::Known => return Ok(true),
            Verdict::Unknown => self.net.keep(Fault::HostKeyUnknown { host, key: named }),
            Verdict::Changed => self.net.keep(Fault::HostKeyChanged { host, key: named }),
        };
        Ok(false)
    }
}

struct Reader {
    net: Arc<Net>,
    half: ChannelReadHalf,
    chunk: Bytes,
    stderr: Arc<Mutex<Vec<u8>>>,
    got: bool,
}

impl Reader {
    /// The next bytes of the remote program's output; `None` at its end.
    fn next_chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            match self.net.wait_idle("waiting for the next byte", self.half.wait())? {
                Some(ChannelMsg::Data { data }) if !data.is_empty() => {
                    self.got = true;
                    self.net.spend(data.len())?;
                    return Ok(Some(data));
                }
                Some(ChannelMsg::ExtendedData { data, .. }) => {
                    let mut stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
                    let room = limits::STDERR_BYTES_MAX.saturating_sub(stderr.len());
                    stderr.extend_from_slice(&data[..data.len().min(room)]);
                }
                Some(ChannelMsg::ExitStatus { exit_status }) if exit_status != 0 => {
                    return Err(self.net.keep(self.failure(exit_status)));
                }
                Some(ChannelMsg::Failure) => {
                    let said = "it refuses to run git-upload-pack".to_owned();
                    return Err(self.net.keep(Fault::Remote { said }));
                }
                None | Some(ChannelMsg::Close) if !self.got => {
                    return Err(self.net.keep(self.failure(0)));
                }
                None | Some(ChannelMsg::Close) => return Ok(None),
                Some(_) => {}
            }
        }
    }

    fn failure(&self, status: u32) -> Fault {
        let stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&stderr);
        let said = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let said: Vec<&str> = said.collect();
        let said = said.join(" ");
        // What Git itself and the large hosts say of a repository that is not there.
        let absent = ["does not appear to be a git repository", "not found", "does not exist"];
        if absent.iter().any(|words| said.to_lowercase().contains(words)) {
            return Fault::NotFound;
        }
        let said = match said.as_str() {
            "" => format!("nothing; the remote program ended with status {status}"),
            said => said.to_owned(),
        };
        Fault::Remote { said }
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.chunk.is_empty() {
            match self.next_chunk() {
                Ok(Some(chunk)) => self.chunk = chunk,
                Ok(None) => return Ok(0),
                Err(fault) => return Err(self.net.keep_io(fault)),
            }
        }
        let count = self.chunk.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.chunk.split_to(count));
        Ok(count)
    }
}

struct Writer {
    net: Arc<Net>,
    half: ChannelWriteHalf<Msg>,
    /// Dropping it would end the connection.
    _session: Handle<HostKey>,
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let during = "sending a request";
        let sent = self.net.wait_idle(during, self.half.data_bytes(bytes.to_vec()));
        let sent = sent.map_err(|fault| self.net.keep_io(fault))?;
        sent.map_err(|e| self.net.keep_io(io_fault(during, &e)))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_one_word_for_the_remote_shell() {
        #[rustfmt::skip]
        let cases = [
            ("ssh://h/a/b.git",      "'/a/b.git'"),
            ("ssh://h/~user/b.git",  "'~user/b.git'"),
            ("ssh://h/a%27;rm%20-r", r"'/a'\'';rm -r'"),
        ];
        for (url, want) in cases {
            let url = Url::parse(url).expect("a URL");
            assert_eq!(quoted(&remote_path(&url).expect("a path")), want);
        }
        for url in ["ssh://h", "ssh://h/", "ssh://h/a%00b"] {
            assert!(remote_path(&Url::parse(url).expect("a URL")).is_err(), "{url}");
        }
    }
}
