//! The API server of a site: the real one, or the sandbox in a process of its own.

use crate::support::cluster;
use crate::support::cluster::Cluster;
use crate::support::workplace::Daemon;
use crate::support::workplace::Workplace;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::Client;
use kube::api::PostParams;
use std::ops::Deref;
use std::path::Path;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

/// Where the objects are.
pub(super) enum Server {
    /// kube-apiserver with etcd and controller manager.
    Real(Box<Cluster>),
    /// `hence sandbox`.
    Sandbox(Box<Sandbox>),
}

/// A running `hence sandbox`.
pub(super) struct Sandbox {
    kubeconfig: PathBuf,
    namespaces: AtomicUsize,
    _process: Daemon,
    _place: Workplace,
}

/// What only the real server has: the audit log, parts to stop, certificates.
impl Deref for Server {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        match self {
            Self::Real(cluster) => cluster,
            Self::Sandbox(_) => panic!("this test needs the real server: see on_sandbox.rs"),
        }
    }
}

impl Server {
    /// Starts `hence sandbox` and waits until it answers.
    pub(super) async fn sandbox() -> Self {
        let place = Workplace::new("");
        let kubeconfig = place.path("sandbox.kubeconfig");
        let file = kubeconfig.to_str().expect("paths here are UTF-8");
        let process = place.start(&["sandbox", "--kubeconfig", file]);
        process.logged("ready").await;
        let namespaces = AtomicUsize::new(0);
        Self::Sandbox(Box::new(Sandbox {
            kubeconfig,
            namespaces,
            _process: process,
            _place: place,
        }))
    }

    /// A kubeconfig with full rights.
    pub(super) fn kubeconfig(&self) -> &Path {
        match self {
            Self::Real(cluster) => cluster.kubeconfig(),
            Self::Sandbox(sandbox) => &sandbox.kubeconfig,
        }
    }

    /// A client with full rights.
    pub(super) async fn client(&self) -> Client {
        cluster::client(self.kubeconfig(), None, "hence-tests").await
    }

    /// Creates a namespace that no other test has; `purpose` opens its name.
    pub(super) async fn namespace(&self, purpose: &str) -> String {
        let sandbox = match self {
            Self::Real(cluster) => return cluster.namespace(purpose).await,
            Self::Sandbox(sandbox) => sandbox,
        };
        let number = sandbox.namespaces.fetch_add(1, Ordering::Relaxed);
        let name = format!("{purpose}-{number}");
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(name.clone());
        let namespaces = Api::all(self.client().await);
        let created = namespaces.create(&PostParams::default(), &namespace).await;
        created.expect("the sandbox takes a new namespace");
        name
    }
}
