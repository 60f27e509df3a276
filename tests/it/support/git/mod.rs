//! Git hosts for tests: smart HTTP (with TLS when wanted) in front of `git http-backend`, and
//! `sshd`.
//!
//! The HTTP host serves every bare repository below its root, for reading and pushing, and can be
//! told to misbehave: [`Behaviour`]. Needs the programs `git`, `ssh-keygen`, `sshd` and, for TLS,
//! `openssl`.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::fs;
use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use crate::support::wait::until_blocking;

mod proxy;
mod ssh;
mod tls;

pub(crate) use proxy::ProxyHost;
pub(crate) use ssh::SshHost;
pub(crate) use tls::Certificates;

/// Runs a program and returns its output; panics with its errors when it fails.
pub(crate) fn run(program: &str, arguments: &[&str], directory: &Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_AUTHOR_NAME", "Ada")
        .env("GIT_AUTHOR_EMAIL", "ada@example.com")
        .env("GIT_COMMITTER_NAME", "Ada")
        .env("GIT_COMMITTER_EMAIL", "ada@example.com")
        .output()
        .unwrap_or_else(|e| panic!("cannot run {program}: {e}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A bare repository, and a working copy to commit in.
pub(crate) struct Repository {
    /// The bare repository.
    pub(crate) bare: PathBuf,
    work: PathBuf,
}

impl Repository {
    /// Creates `<root>/<name>.git` without a commit; its branch is `main`.
    pub(crate) fn create(root: &Path, name: &str) -> Self {
        Self::create_with(root, name, &[])
    }

    /// Creates it with more options of `git init`.
    pub(crate) fn create_with(root: &Path, name: &str, options: &[&str]) -> Self {
        let bare = root.join(format!("{name}.git"));
        let work = root.join(format!("{name}.work"));
        let at = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        let init = |more: &[&str], path: &Path| {
            let path = at(path);
            let mut arguments = vec!["init", "-q", "-b", "main"];
            arguments.extend(options);
            arguments.extend(more);
            arguments.push(&path);
            run("git", &arguments, root);
        };
        init(&["--bare"], &bare);
        run("git", &["config", "http.receivepack", "true"], &bare);
        init(&[], &work);
        run("git", &["remote", "add", "origin", &at(&bare)], &work);
        Self { bare, work }
    }

    /// Runs git in the working copy.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        run("git", arguments, &self.work)
    }

    /// Writes a file of the working copy.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let at = self.work.join(path);
        fs::create_dir_all(at.parent().expect("has a parent")).expect("a directory");
        fs::write(at, content).expect("a file");
    }

    /// The working copy.
    pub(crate) fn work(&self) -> &Path {
        &self.work
    }

    /// Commits all that there is and pushes it to `branch`; returns the commit's id.
    pub(crate) fn commit(&self, message: &str, branch: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["push", "-q", "-f", "origin", &format!("HEAD:refs/heads/{branch}")]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Tags the head and pushes the tag; annotated when there is a message.
    pub(crate) fn tag(&self, name: &str, message: Option<&str>) {
        match message {
            Some(message) => self.git(&["tag", "-a", "-m", message, name]),
            None => self.git(&["tag", name]),
        };
        self.git(&["push", "-q", "origin", &format!("refs/tags/{name}")]);
    }
}

/// An answer of more bytes than this holds a pack, not a list of references.
const LONG: usize = 10_000;

/// What a host asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Nothing.
    #[default]
    Open,
    /// This name and password.
    Basic(String, String),
    /// This token.
    Bearer(String),
}

/// What a host does wrong, or otherwise than usual.
#[derive(Clone, Debug, Default)]
pub(crate) struct Behaviour {
    /// Who may come in.
    pub(crate) guard: Guard,
    /// Answers every request with this status and no more.
    pub(crate) status: Option<u16>,
    /// Redirects requests of these methods (`GET`, `POST`) to this base URL with this status.
    pub(crate) redirect: Option<(u16, String)>,
    /// Ends the connection after so many bytes of a POST's answer, or of what it says.
    pub(crate) cut_after: Option<usize>,
    /// Ends the connection so many bytes before the end of a long POST's answer: in the pack.
    pub(crate) cut_short: Option<usize>,
    /// Stops sending after so many bytes of an answer, and keeps the connection open.
    pub(crate) hang_after: Option<usize>,
    /// Sends one byte of the answer at a time, with a pause.
    pub(crate) drip: Option<Duration>,
    /// Changes the byte at this place of a POST's answer.
    pub(crate) flip: Option<usize>,
    /// Hides the client's wish for protocol version 2.
    pub(crate) old_protocol: bool,
    /// Answers this text instead of what git says.
    pub(crate) say: Option<(String, Vec<u8>)>,
}

/// A request that came in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// `GET` or `POST`.
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Headers, names in lower case.
    pub(crate) headers: HashMap<String, String>,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// The answer's body.
    pub(crate) answer: Vec<u8>,
}

struct Shared {
    root: PathBuf,
    behaviour: Mutex<Behaviour>,
    /// What the next requests meet, before `behaviour` counts again.
    script: Mutex<VecDeque<Behaviour>>,
    seen: Mutex<Vec<Seen>>,
    stop: AtomicBool,
    tls: Option<Arc<rustls::ServerConfig>>,
}

/// A smart HTTP host on loopback.
pub(crate) struct GitHost {
    /// Below it are the repositories.
    pub(crate) root: TempDir,
    /// Its port.
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

impl GitHost {
    /// Starts a host without TLS.
    pub(crate) fn start() -> Self {
        Self::start_with(None)
    }

    /// Starts a host; with a certificate it speaks TLS.
    pub(crate) fn start_with(tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            root: root.path().to_owned(),
            behaviour: Mutex::default(),
            script: Mutex::default(),
            seen: Mutex::default(),
            stop: AtomicBool::new(false),
            tls,
        });
        let serving = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if serving.stop.load(Ordering::Relaxed) {
                    return;
                }
                let shared = serving.clone();
                thread::spawn(move || shared.serve(stream));
            }
        });
        Self { root, port, shared }
    }

    /// Creates a repository.
    pub(crate) fn repository(&self, name: &str) -> Repository {
        Repository::create(self.root.path(), name)
    }

    /// The URL of a repository.
    pub(crate) fn url(&self, name: &str) -> String {
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://localhost:{}/{name}.git", self.port)
    }

    /// Changes what the host does from the next request on.
    pub(crate) fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().expect("no panic") = behaviour;
    }

    /// What the next requests meet, one each.
    pub(crate) fn script(&self, steps: impl IntoIterator<Item = Behaviour>) {
        self.shared.script.lock().expect("no panic").extend(steps);
    }

    /// The requests since the last call.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.shared.seen.lock().expect("no panic"))
    }
}

impl Drop for GitHost {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the listener.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some(config) => {
                let connection =
                    rustls::ServerConnection::new(config.clone()).expect("a valid configuration");
                Box::new(rustls::StreamOwned::new(connection, stream))
            }
        };
        // One request a connection; a broken connection is the client's affair.
        let _ = self.answer(&mut *stream);
        let _ = stream.flush();
    }

    fn answer(&self, stream: &mut dyn Stream) -> io::Result<()> {
        let mut seen = read_request(stream)?;
        let scripted = self.script.lock().expect("no panic").pop_front();
        let behaviour =
            scripted.unwrap_or_else(|| self.behaviour.lock().expect("no panic").clone());
        let (status, headers, body) = self.respond(&seen, &behaviour)?;
        seen.answer = body.clone();
        let is_post = seen.method == "POST" || behaviour.say.is_some();
        self.seen.lock().expect("no panic").push(seen);
        let mut head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
        for (name, value) in &headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        let mut body = body;
        if let Some(at) = behaviour.flip.filter(|at| is_post && *at < body.len()) {
            body[at] ^= 0xff;
        }
        if behaviour.hang_after == Some(0) {
            return self.wait_for_stop();
        }
        stream.write_all(head.as_bytes())?;
        if let Some(pause) = behaviour.drip {
            for byte in body {
                stream.write_all(&[byte])?;
                stream.flush()?;
                // The pause is what is tested: a host that gives its answer drop by drop.
                thread::park_timeout(pause);
            }
            return Ok(());
        }
        if let Some(count) = behaviour.cut_after.filter(|_| is_post) {
            stream.write_all(&body[..count.min(body.len())])?;
            return stream.flush();
        }
        if let Some(count) = behaviour.cut_short.filter(|_| is_post && body.len() > LONG) {
            stream.write_all(&body[..body.len() - count])?;
            return stream.flush();
        }
        if let Some(count) = behaviour.hang_after {
            stream.write_all(&body[..count.min(body.len())])?;
            stream.flush()?;
            return self.wait_for_stop();
        }
        stream.write_all(&body)
    }

    fn wait_for_stop(&self) -> io::Result<()> {
        let stopped = || self.stop.load(Ordering::Relaxed).then_some(());
        until_blocking("the hanging host is stopped", stopped);
        Ok(())
    }

    #[allow(clippy::type_complexity)]
    fn respond(
        &self,
        seen: &Seen,
        behaviour: &Behaviour,
    ) -> io::Result<(u16, Vec<(String, String)>, Vec<u8>)> {
        let named = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        if let Some(status) = behaviour.status {
            return Ok((status, Vec::new(), Vec::new()));
        }
        if let Some((status, base)) = &behaviour.redirect {
            let location = format!("{base}{}", seen.target);
            return Ok((*status, vec![named("Location", &location)], Vec::new()));
        }
        let want = match &behaviour.guard {
            Guard::Open => None,
            Guard::Basic(name, password) => {
                Some(format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
            }
            Guard::Bearer(token) => Some(format!("Bearer {token}")),
        };
        if want.is_some() && seen.headers.get("authorization") != want.as_ref() {
            return Ok((401, vec![named("WWW-Authenticate", "Basic realm=\"git\"")], Vec::new()));
        }
        if let Some((content_type, body)) = &behaviour.say {
            return Ok((200, vec![named("Content-Type", content_type)], body.clone()));
        }
        self.backend(seen, behaviour)
    }

    /// Runs `git http-backend` as a web server would.
    #[allow(clippy::type_complexity)]
    fn backend(
        &self,
        seen: &Seen,
        behaviour: &Behaviour,
    ) -> io::Result<(u16, Vec<(String, String)>, Vec<u8>)> {
        let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
        let header = |name: &str| seen.headers.get(name).cloned().unwrap_or_default();
        let protocol = if behaviour.old_protocol { String::new() } else { header("git-protocol") };
        let mut child = Command::new("git")
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("PATH_INFO", path)
            .env("QUERY_STRING", query)
            .env("REQUEST_METHOD", &seen.method)
            .env("CONTENT_TYPE", header("content-type"))
            .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
            .env("GIT_PROTOCOL", protocol)
            .env("REMOTE_USER", "test")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut input = child.stdin.take().expect("piped");
        let body = seen.body.clone();
        let feeder = thread::spawn(move || input.write_all(&body));
        let mut output = Vec::new();
        child.stdout.take().expect("piped").read_to_end(&mut output)?;
        child.wait()?;
        let _ = feeder.join();
        let end = output.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(output.len());
        let head = String::from_utf8_lossy(&output[..end]).into_owned();
        let mut status = 200;
        let mut headers = Vec::new();
        for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
            if name.eq_ignore_ascii_case("status") {
                status = value.split(' ').next().and_then(|code| code.parse().ok()).unwrap_or(500);
            } else {
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
        Ok((status, headers, output.get(end + 4..).unwrap_or_default().to_vec()))
    }
}

fn read_request(stream: &mut dyn Stream) -> io::Result<Seen> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let mut seen = Seen {
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        ..Seen::default()
    };
    // A proxy is asked with the whole URL.
    if let Some(at) =
        seen.target.find("://").and_then(|at| Some(at + 3 + seen.target[at + 3..].find('/')?))
    {
        seen.target = seen.target[at..].to_owned();
    }
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.trim().split_once(':') {
            seen.headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
    }
    let length = seen.headers.get("content-length").and_then(|text| text.parse().ok());
    if let Some(length) = length {
        seen.body = vec![0; length];
        reader.read_exact(&mut seen.body)?;
    }
    Ok(seen)
}
