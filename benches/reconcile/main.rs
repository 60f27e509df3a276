//! How long it takes until a cluster equals what is declared, and what that costs.
//!
//! In: a number of Kustomizations of four objects each, fed from artifacts over HTTP, in two
//! layouts. Three contenders meet them one after the other, each on a fresh API server: `hence`,
//! kustomize-controller, and a client that does nothing but write. Out: a table of wall time, CPU,
//! memory, API calls by verb and the time from a push to the changed object. The objects that they
//! leave are compared first; where they differ, nothing is printed.
//!
//! Elsewhere: what a build costs is `benches/kustomize`, what a rule costs is `benches/eval.rs`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints what it measured")]

#[path = "../../tests/it/support/mod.rs"]
mod support;

mod bare;
mod layout;
mod observe;
mod report;
mod usage;

use crate::layout::Layout;
use crate::layout::NAMESPACE;
use crate::layout::Site;
use crate::report::Run;
use crate::support::artifacts::ArtifactServer;
use crate::support::cluster::Cluster;
use crate::support::cluster::Options;
use crate::support::flux;
use crate::support::flux::KustomizeController;
use crate::support::workplace::Daemon;
use crate::support::workplace::Workplace;
use clap::Parser;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::Client;
use kube::api::PostParams;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;
use std::time::Instant;

/// Measures a reconciliation of many units beside kustomize-controller and a bare client.
#[derive(Debug, Parser)]
struct Args {
    /// How many Kustomizations.
    #[arg(long, default_value_t = 1000)]
    units: usize,
    /// How many changes of one unit are timed, one after the other.
    #[arg(long, default_value_t = 100)]
    changes: usize,
    /// How many of these for kustomize-controller in the monorepo, where each starts every unit.
    #[arg(long, default_value_t = 5)]
    peer_changes: usize,
    /// Only this contender; may be repeated. With fewer than all, objects are compared among them.
    #[arg(long, value_enum)]
    only: Vec<Contender>,
    /// Only this layout; may be repeated.
    #[arg(long, value_enum)]
    layout: Vec<Layout>,
    /// In the monorepo kustomize-controller loads the whole artifact for each unit, which takes
    /// more than a second: it is measured until so many units are ready, and what is extrapolated
    /// is marked so. 0 lets it do them all.
    #[arg(long, default_value_t = 100)]
    peer_units: usize,
    /// Given by Cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Contender {
    Hence,
    KustomizeController,
    Bare,
}

impl Contender {
    const ALL: [Self; 3] = [Self::Bare, Self::Hence, Self::KustomizeController];

    /// The name of its process; it also begins its user agent.
    fn program(self) -> &'static str {
        match self {
            Self::Hence => "hence",
            Self::KustomizeController => "kustomize-controller",
            Self::Bare => bare::AGENT,
        }
    }
}

/// A contender at work; dropping it ends it.
enum AtWork {
    Hence { daemon: Daemon, _place: Workplace },
    Controller(KustomizeController),
    Bare,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args = Args::parse();
    let wanted = |contender: &Contender| args.only.is_empty() || args.only.contains(contender);
    let layouts: &[Layout] = match args.layout.as_slice() {
        [] => &[Layout::Separate, Layout::Monorepo],
        some => some,
    };
    let mut runs = Vec::new();
    for layout in layouts {
        for contender in Contender::ALL.into_iter().filter(wanted) {
            eprintln!("{}: {} …", layout.name(), contender.program());
            runs.push(measure(&args, *layout, contender).await);
        }
        let last: Vec<&Run> = runs.iter().filter(|run| run.layout == *layout).collect();
        report::demand_equal(&last);
    }
    println!("{}", report::table(args.units, &runs));
}

/// One contender on one fresh API server.
async fn measure(args: &Args, layout: Layout, contender: Contender) -> Run {
    let cluster = Cluster::start(&Options::default());
    let client = cluster.client_as("admin", "bench").await;
    flux::install_definitions(&client).await;
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(NAMESPACE.to_owned());
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.create(&PostParams::default(), &namespace).await.expect("the server is new");
    let server = ArtifactServer::start();
    let mut site = Site { layout, server: &server, client, values: vec![0; args.units] };
    site.fill().await;

    let folder = cluster.kubeconfig().parent().expect("the file is in the cluster's folder");
    let servers = usage::of_servers(folder);
    let wanted = args.wanted(contender, layout);
    let started = Instant::now();
    let at_work = start(contender, &cluster);
    let done = match &at_work {
        AtWork::Bare => {
            let writer = cluster.client_as("admin", bare::AGENT).await;
            bare::write(&writer, &site.values).await;
            (0..args.units).map(layout::unit_name).collect()
        }
        AtWork::Hence { .. } | AtWork::Controller(_) => ready(&site.client, wanted, &at_work).await,
    };
    let wall = started.elapsed();
    if wanted == args.units {
        rest(contender.program()).await;
    }
    let servers = usage::of_servers(folder) - servers;
    let used = usage::of(contender.program());
    let calls = calls(&cluster, contender).await;
    let changes = args.changes(contender, layout, wanted);
    let latencies = changed(&mut site, changes).await;
    let used_at_last = usage::of(contender.program());
    let made = observe::made(&site.client, &done).await;
    report::demand_values(contender.program(), &made, &site.values);
    Run {
        layout,
        contender: contender.program(),
        units: done.len(),
        wall,
        servers,
        used,
        used_at_last,
        calls,
        latencies,
        made,
    }
}

/// Waits until the contender has nothing left to do: it tells of its work after it did it.
async fn rest(program: &str) {
    const LOOK_EVERY: Duration = Duration::from_millis(500);
    let cpu = || usage::of(program).map_or(0.0, |usage| usage.cpu);
    let (mut before, mut quiet) = (cpu(), 0);
    while quiet < 2 {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = cpu();
        quiet = if now - before < 0.03 { quiet + 1 } else { 0 };
        before = now;
    }
}

impl Args {
    /// Until how many units are ready a contender is measured.
    fn wanted(&self, contender: Contender, layout: Layout) -> usize {
        match (contender, layout, self.peer_units) {
            (_, _, 0) => self.units,
            (Contender::KustomizeController, Layout::Monorepo, some) => some.min(self.units),
            _ => self.units,
        }
    }

    /// How many changes of one unit are timed: none while the first run of others goes on.
    fn changes(&self, contender: Contender, layout: Layout, wanted: usize) -> usize {
        match (contender, layout) {
            (Contender::Bare, _) => 0,
            (Contender::KustomizeController, Layout::Monorepo) if wanted < self.units => 0,
            (Contender::KustomizeController, Layout::Monorepo) => self.peer_changes,
            _ => self.changes,
        }
    }
}

fn start(contender: Contender, cluster: &Cluster) -> AtWork {
    match contender {
        Contender::Bare => AtWork::Bare,
        Contender::KustomizeController => AtWork::Controller(KustomizeController::start(cluster)),
        Contender::Hence => {
            let place = Workplace::new(cluster.kubeconfig());
            let state = place.state();
            let state = state.to_str().expect("paths here are UTF-8");
            let flags = ["--enable-leader-election", "false", "--kinds", "Kustomization"];
            let daemon = place.start(&[&["run", "--state", state], &flags[..]].concat());
            AtWork::Hence { daemon, _place: place }
        }
    }
}

/// Waits for so many units, and says which; shows the log when that takes too long.
async fn ready(client: &Client, units: usize, at_work: &AtWork) -> BTreeSet<String> {
    const LONGEST: Duration = Duration::from_secs(3600);
    match tokio::time::timeout(LONGEST, observe::ready(client, units)).await {
        Ok(ready) => ready,
        Err(_) => {
            let log = match at_work {
                AtWork::Hence { daemon, .. } => daemon.log(),
                AtWork::Controller(controller) => controller.log(),
                AtWork::Bare => String::new(),
            };
            panic!("not all units became ready:\n{log}");
        }
    }
}

/// What the contender asked the API server, by verb; a dry run is a verb of its own.
async fn calls(cluster: &Cluster, contender: Contender) -> BTreeMap<String, usize> {
    let all = cluster.audit().settled(cluster).await;
    let ours = all.iter().filter(|request| request.user_agent.starts_with(contender.program()));
    let mut counts = BTreeMap::new();
    for request in ours {
        let verb = match request.resource.as_str() {
            _ if request.uri.contains("dryRun=All") => format!("dry-run {}", request.verb),
            status if status.ends_with("/status") => format!("{} status", request.verb),
            "events" => format!("{} event", request.verb),
            _ => request.verb.clone(),
        };
        *counts.entry(verb).or_insert(0) += 1;
    }
    counts
}

/// Changes one unit after the other, and times each from the push to the changed object.
async fn changed(site: &mut Site<'_>, changes: usize) -> Vec<Duration> {
    let mut taken = Vec::new();
    for round in 0..changes {
        let number = round * 7919 % site.values.len();
        site.values[number] += 1;
        let artifact = site.publish(number);
        let (name, value) = (layout::unit_name(number), site.values[number]);
        let started = Instant::now();
        let watched = observe::value_arrived(&site.client, &name, value);
        let (_, at) = tokio::join!(site.announce(number, &artifact), async {
            watched.await;
            Instant::now()
        });
        taken.push(at - started);
    }
    taken
}
