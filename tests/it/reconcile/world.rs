//! A world for one test: a Git repository, a namespace, and a `hence` that reconciles between them.
//!
//! Most tests share one cluster and one daemon ([`World::shared`]) and keep to a namespace of their
//! own. A test that stops the daemon, puts a proxy before the server or counts all requests has its
//! own cluster ([`World::alone`]).

use super::server::Server;
use crate::support::audit::Request;
use crate::support::cluster::Cluster;
use crate::support::cluster::Options;
use crate::support::flux;
use crate::support::flux::FluxKind;
use crate::support::git::GitHost;
use crate::support::git::Repository;
use crate::support::wait;
use crate::support::workplace::Daemon;
use crate::support::workplace::Workplace;
use hence::audit::DiskStorage;
use hence::audit::Item;
use hence::audit::JournalReader;
use hence::audit::Query;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::Client;
use kube::api::DynamicObject;
use kube::api::Patch;
use kube::api::PatchParams;
use serde_json::Value;
use serde_json::json;
use std::ops::Deref;
use std::path::Path;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// How long a world may take for one step.
const LONGEST: Duration = Duration::from_secs(40);

/// The name of the only source of a world.
pub(super) const SOURCE: &str = "repo";

/// A cluster with Flux's definitions, and the folders and the daemon of one `hence`.
pub(super) struct Site {
    pub(super) cluster: Server,
    pub(super) workplace: Workplace,
    kubeconfig: PathBuf,
    daemon: Option<Daemon>,
}

impl Site {
    /// Starts a cluster and installs the definitions; no daemon runs yet.
    pub(super) async fn new() -> Self {
        let options = Options { controllers: true, ..Options::default() };
        Self::before(Server::Real(Box::new(Cluster::start(&options)))).await
    }

    async fn before(cluster: Server) -> Self {
        flux::install_definitions(&cluster.client().await).await;
        let kubeconfig = cluster.kubeconfig().to_owned();
        let workplace = Workplace::new(&kubeconfig);
        Self { cluster, workplace, kubeconfig, daemon: None }
    }

    /// From the next start on, the daemon uses this kubeconfig.
    pub(super) fn through(&mut self, kubeconfig: &Path) {
        self.kubeconfig = kubeconfig.to_owned();
    }

    /// Starts `hence run` with more arguments.
    pub(super) fn start(&mut self, more: &[&str]) {
        let mut args = vec!["--enable-leader-election", "false"];
        args.extend(more);
        self.start_elected(&args);
    }

    /// Starts `hence run` with more arguments, and lets it hold leases.
    pub(super) fn start_elected(&mut self, more: &[&str]) {
        let state = self.workplace.state();
        let text = |path: &Path| path.to_str().expect("paths here are UTF-8").to_owned();
        let (state, kubeconfig) = (text(&state), text(&self.kubeconfig));
        let mut args = vec!["run", "--state", &state, "--kubeconfig", &kubeconfig];
        args.extend(["--requeue-dependency", "1"]);
        args.extend(more);
        self.daemon = Some(self.workplace.start(&args));
    }

    /// Every intent of the journal with its outcome, oldest first; the daemon may be running.
    pub(super) fn journal(&self) -> Vec<Item> {
        let storage = DiskStorage::for_reading(&self.workplace.state().join("journal"));
        let journal = JournalReader::open(storage).expect("the journal can be read");
        let mut items = Vec::new();
        let mut query = Query::default();
        loop {
            let page = journal.view().list(&query).expect("the journal can be read");
            items.extend(page.items);
            query.after = page.next;
            if page.next.is_none() {
                return items;
            }
        }
    }

    /// Kills the daemon as `kill -9` does.
    pub(super) fn kill(&mut self) {
        self.daemon.take().expect("a daemon runs").kill();
    }

    /// Ends the daemon in good order.
    pub(super) async fn stop(&mut self) {
        let daemon = self.daemon.take().expect("a daemon runs");
        let ended = daemon.terminate().await;
        assert!(ended.success(), "{ended}\n{}", daemon.log());
    }

    /// What the daemon logged.
    pub(super) fn log(&self) -> String {
        self.daemon.as_ref().map(Daemon::log).unwrap_or_default()
    }

    /// Runs `hence` with `--state`.
    pub(super) fn ask(&self, args: &[&str]) -> String {
        let state = self.workplace.state();
        let state = state.to_str().expect("paths here are UTF-8");
        let mut all = args.to_vec();
        all.extend(["--state", state]);
        let said = self.workplace.hence(&all);
        format!("{}{}", said.stdout, said.stderr)
    }
}

/// A site of one's own, or the one that is shared.
pub(super) enum Place {
    Shared(&'static Site),
    Own(Box<Site>),
}

impl Deref for Place {
    type Target = Site;

    fn deref(&self) -> &Site {
        match self {
            Self::Shared(site) => site,
            Self::Own(site) => site,
        }
    }
}

impl Place {
    /// The site, to start and stop its daemon.
    pub(super) fn own(&mut self) -> &mut Site {
        match self {
            Self::Shared(_) => panic!("the shared daemon serves other tests too"),
            Self::Own(site) => site,
        }
    }
}

/// The site with a daemon at work.
async fn working(site: impl Future<Output = Site>) -> Site {
    let mut site = site.await;
    site.start(&[]);
    site
}

/// Everything that one test needs.
pub(super) struct World {
    pub(super) site: Place,
    pub(super) client: Client,
    pub(super) namespace: String,
    pub(super) host: GitHost,
    pub(super) repo: Repository,
    requests: AtomicUsize,
}

impl World {
    /// A namespace and a repository for the shared daemon before a real API server.
    pub(super) async fn shared(purpose: &str) -> Self {
        static SITE: OnceCell<Site> = OnceCell::const_new();
        Self::on(Place::Shared(SITE.get_or_init(|| working(Site::new())).await), purpose).await
    }

    /// A namespace and a repository for the shared daemon before the sandbox.
    pub(super) async fn on_sandbox(purpose: &str) -> Self {
        static SITE: OnceCell<Site> = OnceCell::const_new();
        let site = async || Site::before(Server::sandbox().await).await;
        Self::on(Place::Shared(SITE.get_or_init(|| working(site())).await), purpose).await
    }

    /// A cluster of its own, whose daemon the test starts itself.
    pub(super) async fn alone(purpose: &str) -> Self {
        Self::on(Place::Own(Box::new(Site::new().await)), purpose).await
    }

    /// The same site with a namespace and a repository of its own, for the next case.
    pub(super) async fn next(self, purpose: &str) -> Self {
        Self::on(self.site, purpose).await
    }

    async fn on(site: Place, purpose: &str) -> Self {
        let namespace = site.cluster.namespace(purpose).await;
        let client = site.cluster.client().await;
        let host = GitHost::start();
        let repo = host.repository("app");
        Self { site, client, namespace, host, repo, requests: AtomicUsize::new(0) }
    }

    /// Objects of a Flux kind in the test's namespace.
    pub(super) fn flux(&self, kind: FluxKind) -> Api<DynamicObject> {
        flux::api(&self.client, kind, &self.namespace)
    }

    /// Creates the GitRepository.
    pub(super) async fn source(&self) {
        self.source_named(SOURCE).await;
    }

    /// Creates the GitRepository with another interval.
    pub(super) async fn source_every(&self, interval: &str) {
        self.source_of(SOURCE, interval).await;
    }

    /// Creates a GitRepository on the one repository there is.
    pub(super) async fn source_named(&self, name: &str) {
        self.source_of(name, "1h").await;
    }

    async fn source_of(&self, name: &str, interval: &str) {
        let source = json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
            "metadata": { "name": name },
            "spec": { "url": self.host.url("app"), "interval": interval, "ref": { "branch": "main" } },
        });
        flux::apply(&self.flux(flux::GIT_REPOSITORY), name, &source).await;
    }

    /// Commits all files of the working copy, pushes, asks for a fetch and gives the revision.
    pub(super) async fn push(&self, message: &str) -> String {
        let id = self.repo.commit(message, "main");
        self.fetch().await;
        format!("main@sha1:{id}")
    }

    /// Writes these files and pushes.
    pub(super) async fn push_files(&self, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            self.repo.write(path, text);
        }
        self.push("files").await
    }

    /// Removes files or folders and pushes.
    pub(super) async fn push_without(&self, paths: &[&str]) -> String {
        for path in paths {
            self.repo.git(&["rm", "-rq", path]);
        }
        self.push("removal").await
    }

    /// Asks for a reconciliation of the source, if there is one.
    pub(super) async fn fetch(&self) {
        self.request(flux::GIT_REPOSITORY, SOURCE).await;
    }

    /// Asks for a reconciliation, as `flux reconcile` does.
    pub(super) async fn request(&self, kind: FluxKind, name: &str) {
        let token = self.requests.fetch_add(1, Ordering::Relaxed);
        let patch = json!({ "metadata": { "annotations": {
            "reconcile.fluxcd.io/requestedAt": format!("request-{token}"),
        }}});
        let (api, patch) = (&self.flux(kind), &Patch::Merge(patch));
        // A machine with too much to do may not let the test itself in at once.
        wait::until("the request to be heard", || async move {
            match api.patch(name, &PatchParams::default(), patch).await {
                Err(kube::Error::Service(_) | kube::Error::HyperError(_)) => None,
                heard => Some(heard),
            }
        })
        .await
        .map(drop)
        .or_else(|error| match error {
            kube::Error::Api(status) if status.code == 404 => Ok(()),
            error => Err(error),
        })
        .expect("it is well-formed");
    }

    /// Creates or changes a Kustomization of folder `./NAME`; `more` is merged into its spec.
    pub(super) async fn unit(&self, name: &str, more: Value) {
        let mut spec = json!({
            "interval": "1h", "retryInterval": "2s", "prune": true, "path": format!("./{name}"),
            "targetNamespace": self.namespace,
            "sourceRef": { "kind": "GitRepository", "name": SOURCE },
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        // What is null in `more` is not to be there at all.
        spec.as_object_mut().expect("it is one").retain(|_, value| !value.is_null());
        let unit = json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": { "name": name }, "spec": spec,
        });
        flux::apply(&self.flux(flux::KUSTOMIZATION), name, &unit).await;
    }

    /// Merges into a Kustomization's spec.
    pub(super) async fn patch_unit(&self, name: &str, spec: Value) {
        let patch = Patch::Merge(json!({ "spec": spec }));
        let params = PatchParams::default();
        self.flux(flux::KUSTOMIZATION).patch(name, &params, &patch).await.expect("the unit exists");
    }

    /// The Kustomization, if it exists.
    pub(super) async fn get_unit(&self, name: &str) -> Option<DynamicObject> {
        self.flux(flux::KUSTOMIZATION).get_opt(name).await.expect("the server answers")
    }

    /// Waits until the unit is ready at the revision.
    pub(super) async fn ready(&self, name: &str, revision: &str) -> DynamicObject {
        let want = format!("Applied revision: {revision}");
        self.shows(name, "True", &want).await
    }

    /// Waits until the unit is ready at the revision, for longer than is usual.
    pub(super) async fn ready_in(
        &self,
        longest: Duration,
        name: &str,
        revision: &str,
    ) -> DynamicObject {
        let want = format!("Applied revision: {revision}");
        self.shows_in(longest, name, "True", &want).await
    }

    /// Waits until the unit's Ready condition has this status and a message with this text.
    pub(super) async fn shows(&self, name: &str, status: &str, text: &str) -> DynamicObject {
        self.shows_in(LONGEST, name, status, text).await
    }

    async fn shows_in(
        &self,
        longest: Duration,
        name: &str,
        status: &str,
        text: &str,
    ) -> DynamicObject {
        let probe = || async move {
            let unit = self.get_unit(name).await?;
            let ready = flux::condition(&unit, "Ready")?;
            let message = ready["message"].as_str().unwrap_or_default();
            let shown = ready["status"] == status && message.contains(text);
            shown.then_some(unit)
        };
        let shown = wait::until_within(longest + LONGEST, "the condition", probe);
        if let Ok(unit) = timeout(longest, shown).await {
            return unit;
        }
        let last = self.get_unit(name).await.map(|unit| unit.data["status"].clone());
        let last = last.unwrap_or_default();
        let audit = self.site.ask(&["audit", "list", "--limit", "30"]);
        panic!("{name} is not {status} with {text:?} but {last:#}\n{audit}\n{}", self.site.log());
    }

    /// Waits until the source's Ready condition has this status.
    pub(super) async fn source_is(&self, status: &str) {
        wait::until(&format!("the source to be ready: {status}"), || async move {
            let source = self.flux(flux::GIT_REPOSITORY).get(SOURCE).await.ok()?;
            (flux::condition(&source, "Ready")?["status"] == status).then_some(())
        })
        .await;
    }

    /// Waits until the unit's status says that it works, or worked, on the revision.
    pub(super) async fn attempts(&self, name: &str, revision: &str) {
        let probe = || async move {
            let unit = self.get_unit(name).await?;
            (unit.data["status"]["lastAttemptedRevision"] == revision).then_some(())
        };
        if timeout(LONGEST, wait::until("the attempt", probe)).await.is_err() {
            let last = self.get_unit(name).await.map(|unit| unit.data["status"].clone());
            panic!("{name} did not come to {revision} but {last:#?}\n{}", self.site.log());
        }
    }

    /// What `/apis` says to a client that knows no aggregated discovery.
    pub(super) async fn old_groups(&self) -> Value {
        let request = http::Request::get("/apis").body(Vec::new()).expect("a plain request");
        self.client.request(request).await.expect("the server answers")
    }

    /// ConfigMaps of the namespace.
    pub(super) fn maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// A ConfigMap, if it exists.
    pub(super) async fn map(&self, name: &str) -> Option<ConfigMap> {
        self.maps().get_opt(name).await.expect("the server answers")
    }

    /// The names of the ConfigMaps that hence owns here, sorted.
    pub(super) async fn owned_maps(&self) -> Vec<String> {
        let owned = kube::api::ListParams::default().labels("kustomize.toolkit.fluxcd.io/name");
        let list = self.maps().list(&owned).await.expect("the server answers");
        let mut names: Vec<_> = list.items.into_iter().filter_map(|m| m.metadata.name).collect();
        names.sort();
        names
    }

    /// The names of what hence deleted in this namespace, sorted.
    pub(super) async fn pruned(&self) -> Vec<String> {
        if let Server::Sandbox(_) = self.site.cluster {
            return self.pruned_by_the_journal();
        }
        let all = self.site.cluster.audit().settled(&self.site.cluster).await;
        let ours = |r: &&Request| r.user_agent.starts_with("hence/") && r.verb == "delete";
        let done = all
            .iter()
            .filter(ours)
            .filter(|r| r.namespace == self.namespace && r.code.is_some_and(|code| code < 300));
        let mut names: Vec<String> = done.map(|r| r.name.clone()).collect();
        names.sort();
        names
    }

    /// The same where no server keeps an audit log.
    fn pruned_by_the_journal(&self) -> Vec<String> {
        let listed = self.site.ask(&["audit", "list", "--writes", "--limit", "1000"]);
        let here = format!("/{}/", self.namespace);
        let done = listed.lines().filter(|line| line.ends_with("done: deleted"));
        let objects = done.filter_map(|line| line.split_whitespace().rev().nth(2));
        let names = objects.filter_map(|object| object.split_once(&here));
        let mut names: Vec<String> = names.map(|(_, name)| name.to_owned()).collect();
        names.sort();
        names
    }

    /// Waits until exactly these ConfigMaps are owned.
    pub(super) async fn owns(&self, names: &[&str]) {
        let probe = || async move { (self.owned_maps().await == names).then_some(()) };
        if timeout(LONGEST, wait::until("the objects", probe)).await.is_err() {
            let owned = self.owned_maps().await;
            panic!("waited for {names:?}; owned: {owned:?}\n{}", self.site.log());
        }
    }
}

/// The text of a ConfigMap with one key.
pub(super) fn map(name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  key: \"{value}\"\n"
    )
}
