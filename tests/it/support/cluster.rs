//! A real kube-apiserver with its etcd, started by `tests/kube/up` and gone with the test program.
//!
//! In: nothing, or [`Options`]. Out: a kubeconfig, clients, namespaces, the audit log.
//!
//! Most tests share one cluster ([`Cluster::shared`]) and keep to a namespace of their own. A test
//! that stops, hangs or counts the whole server starts a private one ([`Cluster::start`]): about
//! three seconds and 300 MB.
//!
//! Starting blocks the calling thread. Limits: no kubelet, no admission of ServiceAccounts.

use crate::support::audit::AuditLog;
use crate::support::tools;
use http::HeaderValue;
use http::header::USER_AGENT;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::Client;
use kube::Config;
use kube::api::PostParams;
use kube::config::KubeConfigOptions;
use kube::config::Kubeconfig;
use std::collections::BTreeMap;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::ChildStdin;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

/// What a private cluster has beyond the API server; by default, nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Start the controller manager: Deployments get a status, garbage is collected, deleted
    /// Namespaces go away.
    pub(crate) controllers: bool,
    /// More flags for kube-apiserver.
    pub(crate) server_flags: Vec<String>,
}

/// A server that can be stopped and started again within a private cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The store.
    Etcd,
    /// The API server.
    ApiServer,
    /// The controller manager, if there is one.
    Controllers,
}

impl Part {
    fn program(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::Controllers => "kube-controller-manager",
        }
    }
}

/// A running cluster; dropping it ends it and removes its files.
#[derive(Debug)]
pub(crate) struct Cluster {
    folder: PathBuf,
    kubeconfig: PathBuf,
    server: String,
    audit: AuditLog,
    namespaces: AtomicUsize,
    up: Mutex<Up>,
}

/// The script that runs the servers, and the two pipes to talk with it.
#[derive(Debug)]
struct Up {
    script: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Cluster {
    /// The cluster of this test program, with a controller manager; the first caller starts it.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&Options { controllers: true, ..Options::default() }))
    }

    /// Starts a cluster that nobody else uses, and waits until it is ready.
    pub(crate) fn start(options: &Options) -> Self {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kube/up"));
        if options.controllers {
            command.arg("--controllers");
        }
        command.arg("--").args(&options.server_flags);
        let mut script = command
            .env("CARGO_TARGET_DIR", tools::target())
            .env("TMPDIR", tools::temporary())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/kube/up is a bash script of this repository");
        let orders = script.stdin.take();
        let answers = script.stdout.take().expect("its output was asked for as a pipe");
        let mut up = Up { script, orders, answers: BufReader::new(answers) };
        let facts = up.read_facts();
        let fact = |name: &str| facts.get(name).unwrap_or_else(|| panic!("no {name} in {facts:?}"));
        Self {
            folder: PathBuf::from(fact("dir")),
            kubeconfig: PathBuf::from(fact("kubeconfig")),
            server: fact("server").clone(),
            audit: AuditLog::at(fact("audit")),
            namespaces: AtomicUsize::new(0),
            up: Mutex::new(up),
        }
    }

    /// A kubeconfig with full rights; its second context, `tester`, has none until granted some.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The address of the API server, `https://127.0.0.1:PORT`.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// The certificates that a client must trust, in PEM.
    pub(crate) fn authority(&self) -> Vec<u8> {
        std::fs::read(self.folder.join("certs/apiserver.crt")).expect("the API server wrote it")
    }

    /// What the API server was asked so far, by anybody.
    pub(crate) fn audit(&self) -> &AuditLog {
        &self.audit
    }

    /// A client with full rights. It belongs to the calling test's runtime.
    pub(crate) async fn client(&self) -> Client {
        self.client_as("admin", "hence-tests").await
    }

    /// A client for a context of the kubeconfig; the audit log shows its `user_agent`.
    pub(crate) async fn client_as(&self, context: &str, user_agent: &str) -> Client {
        client(&self.kubeconfig, Some(context), user_agent).await
    }

    /// Creates a namespace that no other test has; `purpose` opens its name.
    pub(crate) async fn namespace(&self, purpose: &str) -> String {
        let number = self.namespaces.fetch_add(1, Ordering::Relaxed);
        let name = format!("{purpose}-{number}");
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(name.clone());
        Api::all(self.client().await)
            .create(&PostParams::default(), &namespace)
            .await
            .expect("the shared cluster takes a new namespace");
        name
    }

    /// Kills a server as `kill -9` does. Its state stays.
    pub(crate) fn stop(&self, part: Part) {
        self.order("stop", part);
    }

    /// Starts a stopped server at its old address and waits until it is ready.
    pub(crate) fn restart(&self, part: Part) {
        self.order("start", part);
    }

    /// Stops a server where it is: connections stay open and nothing answers.
    pub(crate) fn pause(&self, part: Part) {
        self.order("pause", part);
    }

    /// Lets a paused server go on.
    pub(crate) fn resume(&self, part: Part) {
        self.order("resume", part);
    }

    fn order(&self, verb: &str, part: Part) {
        let mut up = self.up.lock().unwrap_or_else(PoisonError::into_inner);
        let order = format!("{verb} {}", part.program());
        let orders = up.orders.as_mut().expect("orders end when the cluster is dropped");
        writeln!(orders, "{order}").expect("tests/kube/up reads until it is dropped");
        let mut answer = String::new();
        up.answers.read_line(&mut answer).expect("tests/kube/up answers in text");
        assert_eq!(answer.trim_end(), format!("ok {order}"), "tests/kube/up could not {order}");
    }
}

/// A client for a kubeconfig file, in its current context or the one named.
pub(crate) async fn client(kubeconfig: &Path, context: Option<&str>, user_agent: &str) -> Client {
    trust_ring();
    let options =
        KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let parsed = Kubeconfig::read_from(kubeconfig).expect("the harness wrote this kubeconfig");
    let mut config = Config::from_custom_kubeconfig(parsed, &options)
        .await
        .expect("the harness wrote this kubeconfig");
    let agent = HeaderValue::from_str(user_agent).expect("a user agent is plain ASCII");
    config.headers.push((USER_AGENT, agent));
    Client::try_from(config).expect("a client needs no network to be made")
}

/// Chooses the TLS implementation for this program; the crates leave the choice open.
pub(crate) fn trust_ring() {
    // An error means that another test chose the same a moment ago.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
}

impl Up {
    /// Reads `name value` lines up to `ready`.
    fn read_facts(&mut self) -> BTreeMap<String, String> {
        let mut facts = BTreeMap::new();
        for line in (&mut self.answers).lines() {
            let line = line.expect("tests/kube/up speaks text");
            if line == "ready" {
                return facts;
            }
            if let Some((name, value)) = line.split_once(' ') {
                facts.insert(name.to_owned(), value.to_owned());
            }
        }
        panic!("tests/kube/up ended before the servers were ready; its errors are above");
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // The end of its input is the script's sign to kill the servers and remove its files.
        drop(self.orders.take());
        let _status = self.script.wait();
    }
}
