//! `hence uninstall`: takes the daemon out of a cluster. No workload is touched.
//!
//! First the daemon stops, so that nobody prunes and nobody puts finalizers back; then finalizers
//! go, so that nothing hangs; then what `install` made. Definitions that Flux made stay, with their
//! objects; the namespace and the volume with the journal stay too.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use clap::Args;
use serde_json::Value;

use crate::api::keys;
use crate::cli::connect::ClusterArgs;
use crate::cli::definitions;
use crate::cli::definitions::Definition;
use crate::cli::definitions::MANAGED_BY;
use crate::cli::definitions::OURS;
use crate::cli::error::CliError;
use crate::cli::manifests::ARTIFACTS;
use crate::cli::manifests::DIGEST_KEY;
use crate::cli::manifests::NAME;
use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Outcome;
use crate::cli::target::poll;
use crate::cluster::Cluster;
use crate::cluster::ClusterError;
use crate::cluster::Observed;
use crate::cluster::Purpose;
use crate::cluster::Resource;
use crate::cluster::Writer;
use crate::cluster::read::ListOptions;
use crate::cluster::write::Deletion;
use crate::cluster::write::LeaseRecord;
use crate::cluster::write::Preconditions;
use crate::cluster::write::Propagation;
use crate::cluster::write::WriteGate;
use crate::daemon::http::READER;
use crate::daemon::lease_name;
use crate::daemon::noted_head;

/// How to uninstall.
#[derive(Debug, Args)]
pub(super) struct UninstallArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Say what would be deleted, delete nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    silent: bool,
    /// Keep the custom resource definitions, and with them units and sources
    #[arg(long)]
    keep_crds: bool,
}

/// A cluster that is being cleaned.
struct Cleaning<'a> {
    cluster: &'a Cluster,
    writer: Writer,
    namespace: &'a str,
    dry_run: bool,
}

/// Uninstalls.
pub(super) fn uninstall(args: &UninstallArgs) -> Result<Outcome, Failure> {
    let namespace = args.cluster.namespace().map_err(Failure::marked)?;
    if !args.dry_run && !args.silent && !confirmed(&namespace).map_err(Failure::marked)? {
        return Ok(Outcome::Code(1));
    }
    let work = async {
        let cluster = args.cluster.connect().await?;
        let writer = cluster.writer(Purpose::Upkeep("uninstall"), WriteGate::open());
        let (cluster, namespace) = (&cluster, namespace.as_str());
        let cleaning = Cleaning { cluster, writer, namespace, dry_run: args.dry_run };
        cleaning.run(args.keep_crds).await
    };
    args.cluster.run("the API server", work).map_err(Failure::marked)?;
    output::progress(output::SUCCESS, "uninstall finished");
    Ok(Outcome::Done)
}

/// Asks on a terminal; without one only `--silent` is a yes.
fn confirmed(namespace: &str) -> Result<bool, CliError> {
    if !std::io::stdin().is_terminal() {
        return Err(CliError::Unconfirmed);
    }
    output::ask(&format!("Delete hence from {namespace} and the definitions it installed? [y/N] "));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(CliError::Runtime)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

impl Cleaning<'_> {
    async fn run(&self, keep_crds: bool) -> Result<(), CliError> {
        let namespace = self.namespace;
        output::progress(output::ACTION, &format!("deleting components in {namespace} namespace"));
        self.stop_daemon().await?;
        for kind in ["Kustomization", "GitRepository"] {
            self.nobody_holds(lease_name(kind)).await?;
        }
        let services = Resource::known("", "v1", "Service", "services", true);
        let accounts = Resource::known("", "v1", "ServiceAccount", "serviceaccounts", true);
        for name in [ARTIFACTS, NAME] {
            self.delete_ours(&services, namespace, name).await?;
        }
        for name in [NAME, READER] {
            self.delete_ours(&accounts, namespace, name).await?;
        }
        for (kind, plural) in [("RoleBinding", "rolebindings"), ("Role", "roles")] {
            let roles = Resource::known("rbac.authorization.k8s.io", "v1", kind, plural, true);
            self.delete_ours(&roles, namespace, DIGEST_KEY).await?;
        }
        let secrets = Resource::known("", "v1", "Secret", "secrets", true);
        self.delete_ours(&secrets, namespace, DIGEST_KEY).await?;
        for (kind, plural) in
            [("ClusterRoleBinding", "clusterrolebindings"), ("ClusterRole", "clusterroles")]
        {
            let roles = Resource::known("rbac.authorization.k8s.io", "v1", kind, plural, false);
            for role in ["reconciler", "controller"] {
                self.delete_ours(&roles, "", &format!("{NAME}-{role}-{namespace}")).await?;
            }
        }
        let definitions = definitions::read(self.cluster).await?;
        self.remove_finalizers(&definitions).await?;
        if keep_crds {
            return Ok(());
        }
        output::progress(output::ACTION, "deleting the definitions that hence installed");
        for definition in definitions.iter().filter(|definition| definition.is_ours()) {
            self.delete_ours(&definitions::resource(), "", definition.name()).await?;
        }
        Ok(())
    }

    /// Deletes the stateful set and waits until its pod is gone.
    async fn stop_daemon(&self) -> Result<(), CliError> {
        let sets = Resource::known("apps", "v1", "StatefulSet", "statefulsets", true);
        self.delete_ours(&sets, self.namespace, NAME).await?;
        if self.dry_run {
            return Ok(());
        }
        let pods = Resource::known("", "v1", "Pod", "pods", true);
        let pod = format!("{NAME}-0");
        poll(&pod, || async {
            let found = self.cluster.get(&pods, self.namespace, &pod).await?;
            Ok(found.is_none_or(|pod| !is_ours(&pod)).then_some(()))
        })
        .await
    }

    /// Waits until no daemon of ours holds the lease. One that is renewed meanwhile is held by a
    /// daemon that runs elsewhere.
    async fn nobody_holds(&self, lease: &str) -> Result<(), CliError> {
        let first = Mutex::new(None);
        poll(&format!("the end of the lease {lease}"), || async {
            let found = self.cluster.lease(self.namespace, lease).await?;
            // Only hence notes the end of its journal on a lease.
            let is_ours =
                |held: &LeaseRecord| !held.holder.is_empty() && noted_head(held).is_some();
            let Some(held) = found.filter(is_ours) else { return Ok(Some(())) };
            let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
            let (since, renewed) =
                first.get_or_insert_with(|| (Instant::now(), held.renewed.clone()));
            if *renewed != held.renewed {
                let (lease, holder) = (lease.to_owned(), held.holder);
                return Err(CliError::DaemonRuns { lease, holder });
            }
            // What was not renewed for as long as that has nobody behind it.
            let lasts = Duration::from_secs(held.duration_s.max(0).unsigned_abs());
            Ok((since.elapsed() >= lasts || self.dry_run).then_some(()))
        })
        .await
    }

    /// Takes our finalizer off every unit and source, so that none waits for a daemon that is gone.
    async fn remove_finalizers(&self, definitions: &[Definition]) -> Result<(), CliError> {
        output::progress(output::ACTION, "deleting finalizers in all namespaces");
        for definition in definitions.iter().filter(|one| one.installed.is_some()) {
            let resource = definition.objects();
            let listed = self.cluster.list(&resource, &ListOptions::default(), |seen| seen).await;
            let listed = match listed {
                Err(ClusterError::NotServed { .. }) => continue,
                listed => listed?,
            };
            for object in listed.items.iter().filter(|object| finalizer(object).is_some()) {
                self.remove_finalizer(&resource, object).await?;
            }
        }
        Ok(())
    }

    async fn remove_finalizer(
        &self,
        resource: &Resource,
        object: &Observed,
    ) -> Result<(), CliError> {
        let (namespace, name) = (&*object.object.namespace, &*object.object.name);
        if !self.dry_run {
            let kept = finalizer(object).unwrap_or_default();
            let version = &object.resource_version;
            let target = (namespace, name);
            self.writer.set_finalizers(resource, target, &kept, version, NAME).await?;
        }
        self.say(resource, namespace, name, "finalizers deleted");
        Ok(())
    }

    /// Deletes an object if `install` made it.
    async fn delete_ours(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<(), CliError> {
        let Some(found) = self.cluster.get(resource, namespace, name).await? else {
            return Ok(());
        };
        if !is_ours(&found) {
            return Ok(());
        }
        let is_this = Preconditions { uid: Some(found.uid.clone()), resource_version: None };
        let background = Propagation::Background;
        let deleted =
            self.writer.delete(resource, namespace, name, &is_this, background, self.dry_run);
        if !matches!(deleted.await?, Deletion::WasAbsent) {
            self.say(resource, namespace, name, "deleted");
        }
        Ok(())
    }

    fn say(&self, resource: &Resource, namespace: &str, name: &str, did: &str) {
        let place = if namespace.is_empty() { String::new() } else { format!("{namespace}/") };
        let dry = if self.dry_run { " (dry run)" } else { "" };
        let text = format!("{}/{place}{name} {did}{dry}", resource.kind);
        output::progress(output::SUCCESS, &text);
    }
}

fn is_ours(object: &Observed) -> bool {
    object.raw["metadata"]["labels"][MANAGED_BY] == OURS
}

/// The finalizers that stay on an object that has ours; `None` when it has not.
fn finalizer(object: &Observed) -> Option<Vec<String>> {
    let all = object.raw["metadata"]["finalizers"].as_array()?;
    let others = all.iter().filter(|one| *one != keys::FINALIZER).filter_map(Value::as_str);
    let others: Vec<String> = others.map(str::to_owned).collect();
    (others.len() < all.len()).then_some(others)
}
