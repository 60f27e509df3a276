//! Start and stop: opens state, takes the leases, starts the loop, drains it on the way out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::RwLock;
use std::time::Duration;

use miette::Diagnostic;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::audit::Body;
use crate::audit::DiskStorage;
use crate::audit::Head;
use crate::audit::Journal;
use crate::audit::Note;
use crate::audit::Problem;
use crate::cluster::Cluster;
use crate::cluster::ConnectOptions;
use crate::cluster::Kinds;
use crate::cluster::discovery::Known;
use crate::cluster::write::WriteGate;
use crate::daemon::DaemonError;
use crate::daemon::DaemonOptions;
use crate::daemon::SystemClock;
use crate::daemon::aftermath;
use crate::daemon::artifacts;
use crate::daemon::artifacts::Offer;
use crate::daemon::contact::Contact;
use crate::daemon::due::Due;
use crate::daemon::http;
use crate::daemon::lease;
use crate::daemon::outlets::OutletParts;
use crate::daemon::outlets::Outlets;
use crate::daemon::restore;
use crate::daemon::rule_files;
use crate::daemon::ruling;
use crate::daemon::ruling::Ruling;
use crate::daemon::secret_key;
use crate::daemon::socket;
use crate::daemon::state::Published;
use crate::daemon::step::Ending;
use crate::daemon::step::Message;
use crate::daemon::step::StepLoop;
use crate::daemon::stores;
use crate::daemon::watcher;
use crate::daemon::watcher::SOURCE_KINDS;
use crate::daemon::watcher::Watcher;
use crate::datalog::Delta;
use crate::executor::Executor;
use crate::executor::Seen;
use crate::facts::DeclaredInput;
use crate::facts::FactBase;
use crate::facts::Statement;
use crate::facts::VOLATILE;
use crate::facts::relation;
use crate::facts::store::StateDir;
use crate::ingest::Ingest;
use crate::ingest::IngestOptions;
use crate::ingest::Observation;
use crate::ingest::Recipes;
use crate::ingest::Stores;
use crate::model::Clock;
use crate::model::Digest;
use crate::model::DigestKey;
use crate::model::GroupKind;
use crate::model::KUSTOMIZE_GROUP;
use crate::model::Manifests;
use crate::model::SOURCE_GROUP;
use crate::sources;

/// Messages that may wait for the loop before those who send them wait.
const INBOX: usize = 8192;

/// Managers that Flux takes fields over from: all entries that begin so (features 1.6).
const OVERRIDDEN: &[&str] = &["kubectl", "before-first-apply", "kustomize-controller"];

/// Runs the daemon until `stop` is cancelled, a lease is lost, or something cannot go on.
///
/// # Errors
/// Everything that keeps it from starting or going on; what was underway is journaled.
pub async fn run(options: DaemonOptions, stop: CancellationToken) -> Result<(), DaemonError> {
    sources::tls::install_provider();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    // A flag that cannot be followed is told before anything else is touched.
    let listeners = listen(&options).await?;
    let state = open_state(&options, clock.as_ref())?;
    let published = Arc::new(Published::new(state.facts.reader()));
    let cluster = Cluster::connect(&connection(&options)).await?;
    let cancel = CancellationToken::new();
    serve(listeners, &options, (&published, &cluster), &cancel);
    let mut state = state;
    compare_heads(&options, &cluster, &mut state, clock.as_ref()).await?;
    published.set_head(state.journal.head());
    let held = hold_leases(&options, &cluster, &clock, &published, (&stop, &cancel)).await;
    let Some((gate, leader)) = held else { return Ok(()) };
    let kinds = cluster.discover().await?;
    let known = watcher::served(&kinds);
    let kinds = Arc::new(RwLock::new(Arc::new(kinds)));
    let (inbox, received) = mpsc::channel(INBOX);
    let (wishes, wanted) = mpsc::unbounded_channel();
    let seen = Seen::default();
    let stores = stores::open(&options)?;
    let key = digest_key(&options, &cluster, &gate).await?;
    let (ingest, forgotten) = remember(&options, &state, &stores, (key, published.recipes.clone()));
    let offer = artifacts::bind(&options).await?;
    let mut said = configured(&options, &kinds, offer.as_ref());
    said.extend(forgotten);
    said.extend(state.lost.iter().map(|loss| Statement::Holds(relation::state_lost(loss))));
    if let Some(offer) = offer {
        tokio::spawn(artifacts::serve(offer, Arc::clone(&stores.artifacts), cancel.clone()));
    }
    let closing = gate.clone();
    let patience = options.lease.renew_deadline;
    let contact = Contact::new(gate.clone(), Arc::clone(&clock), patience);
    let executor = Executor {
        cluster: cluster.clone(),
        gate,
        manifests: state.manifests.clone(),
        seen: seen.clone(),
        kinds: Arc::clone(&kinds),
        overridden: overridden(&options).into(),
        events: Arc::default(),
        clock: Arc::clone(&clock),
    };
    let outlets = Outlets::new(OutletParts {
        runtime: tokio::runtime::Handle::current(),
        executor,
        concurrent: options.concurrent,
        stores,
        inbox: inbox.clone(),
        watcher: wishes,
        cancel: cancel.clone(),
    });
    published.lead(awaited(&options, &kinds), contact);
    inbox.send(Message::Observed(Observation::Configured(said))).await.ok();
    inbox.send(Message::Observed(known)).await.ok();
    tokio::spawn(Watcher::run(cluster, kinds, seen, inbox.clone(), options.scope.clone(), wanted));
    rule_files::watch(options.rules.clone(), inbox.clone())?;
    tokio::spawn(stop_in_order(stop, inbox));
    let (mut step, _dir) = begin(state, (ingest, outlets), (published, clock), received)?;
    step.drain = options.drain;
    let ended = run_on_its_thread(step).await;
    close(ended, leader, &closing, &cancel).await
}

/// Ends what is around the loop. Others need not wait for the leases to run out, unless a write is
/// still on its way.
async fn close(
    ended: Result<Ending, DaemonError>,
    leader: Option<JoinHandle<()>>,
    gate: &WriteGate,
    cancel: &CancellationToken,
) -> Result<(), DaemonError> {
    gate.close();
    let is_overdue = matches!(ended, Ok(Ending::Overdue));
    if let Some(leader) = leader.as_ref().filter(|_| is_overdue) {
        leader.abort();
    }
    cancel.cancel();
    if let Some(leader) = leader {
        leader.await.ok();
    }
    ended.map(drop)
}

/// The loop, with everything that already holds; the directory is locked while it lives.
fn begin(
    state: State,
    (ingest, outlets): (Ingest, Outlets),
    (published, clock): (Arc<Published>, Arc<dyn Clock>),
    inbox: mpsc::Receiver<Message>,
) -> Result<(StepLoop, StateDir), DaemonError> {
    let State { facts, journal, recalled, ruling, _dir, .. } = state;
    let (timers, collector, listed) = Default::default();
    let due = Due::new(outlets.standing());
    let mut step = StepLoop {
        facts,
        journal,
        ingest,
        timers,
        due,
        collector,
        outlets,
        published,
        clock,
        ruling,
        inbox,
        listed,
        lasting: Default::default(),
        drain: Duration::default(),
    };
    recalled.iter().try_for_each(|delta| step.recall(delta))?;
    Ok((step, _dir))
}

/// How the cluster is reached.
fn connection(options: &DaemonOptions) -> ConnectOptions {
    ConnectOptions {
        kubeconfig: options.kubeconfig.clone(),
        queries_per_second: options.queries_per_second,
        burst: options.burst,
        ..ConnectOptions::default()
    }
}

/// The key of digests, from the Secret that flags name, or else from the state directory.
async fn digest_key(
    options: &DaemonOptions,
    cluster: &Cluster,
    gate: &WriteGate,
) -> Result<DigestKey, DaemonError> {
    match &options.digest_key_secret {
        Some(name) => secret_key::of_cluster(cluster, &options.namespace, name, gate).await,
        None => secret_key::of_state(&options.state),
    }
}

/// The step loop blocks on disk and computes; it must not share a thread with sockets.
async fn run_on_its_thread(step: StepLoop) -> Result<Ending, DaemonError> {
    let runtime = tokio::runtime::Handle::current();
    let ended = tokio::task::spawn_blocking(move || step.run(&runtime)).await;
    ended.unwrap_or_else(|panic| {
        let source = std::io::Error::other(panic.to_string());
        Err(DaemonError::Io { what: "the step loop panicked".to_owned(), source })
    })
}

/// Tells the loop to finish once somebody asks the daemon to stop.
async fn stop_in_order(stop: CancellationToken, inbox: mpsc::Sender<Message>) {
    stop.cancelled().await;
    inbox.send(Message::Stop).await.ok();
}

/// What the state directory holds, opened.
struct State {
    _dir: StateDir,
    journal: Journal<DiskStorage>,
    facts: FactBase,
    /// What holds, in the order in which it came to be known.
    recalled: [Delta; 2],
    ruling: Ruling,
    manifests: Manifests,
    /// What the directory lost before this run, in words.
    lost: Vec<String>,
}

fn open_state(options: &DaemonOptions, clock: &dyn Clock) -> Result<State, DaemonError> {
    let set = rule_files::load(&options.rules)?;
    let dir = StateDir::open(&options.state)?;
    let (mut journal, left) = aftermath::open_journal(&dir)?;
    let is_new = journal.view().span().is_none();
    let digest = journal.append_rules(clock.now(), ruling::texts(&set.user))?;
    let expected = journal.view().last_generation().unwrap_or(0);
    let (mut facts, recovered, recalled) =
        restore::open_facts(&dir, set.program.clone(), expected)?;
    let lost = recovered.losses.iter().map(|loss| loss as &dyn Diagnostic).chain(left.problems());
    let mut lost: Vec<String> = lost.map(aftermath::told).collect();
    let generation = recovered.head.generation;
    if is_new && generation > 0 {
        let gone = Problem::Gone { generation };
        journal.append(clock.now(), Body::Note(Note::lost_records(gone.to_string())))?;
        lost.push(aftermath::told(&gone));
    }
    for loss in &lost {
        tracing::warn!(state = %options.state.display(), "{loss}");
    }
    let now = clock.now();
    let attempted = facts.commit(left.statements(), now)?;
    facts.sync()?;
    aftermath::settle(&mut journal, left, now)?;
    let recalled = [recalled, attempted];
    let manifests = Manifests::default();
    let ruling = Ruling::new(digest, set);
    Ok(State { _dir: dir, journal, facts, recalled, ruling, manifests, lost })
}

/// An ingest that remembers what was known when the last run ended; the statements say what is not
/// known any more.
fn remember(
    options: &DaemonOptions,
    state: &State,
    stores: &Stores,
    (key, recipes): (DigestKey, Recipes),
) -> (Ingest, Vec<Statement>) {
    let ingest_options = IngestOptions {
        key,
        overridden: overridden(options),
        strict_substitution: options.strict_substitution,
        remote_bases: options.remote_bases,
        recipes,
        http_retries: options.http_retries,
        ssh_host_key_algorithms: options.ssh_host_key_algorithms.clone(),
        ssh_kex_algorithms: options.ssh_kex_algorithms.clone(),
        custom_stage: options.custom_stage.clone(),
    };
    let mut ingest = Ingest::new(ingest_options, state.manifests.clone());
    let mut forgotten = stores::recall(&mut ingest, &state.facts.reader(), stores);
    let declared = DeclaredInput::all(state.facts.reader().program());
    forgotten.extend(ingest.declare(declared));
    (ingest, forgotten)
}

async fn listen(options: &DaemonOptions) -> Result<Vec<TcpListener>, DaemonError> {
    let mut listeners = Vec::new();
    for address in &options.listen {
        listeners.push(http::bind(address).await?);
    }
    Ok(listeners)
}

/// Health, metrics and questions are served from the start; readiness says what is awaited.
fn serve(
    listeners: Vec<TcpListener>,
    options: &DaemonOptions,
    (published, cluster): (&Arc<Published>, &Cluster),
    cancel: &CancellationToken,
) {
    let served = http::Served {
        published: Arc::clone(published),
        cluster: cluster.clone(),
        namespace: options.namespace.clone(),
        journal: options.state.join("journal"),
    };
    for listener in listeners {
        tokio::spawn(http::serve(listener, served.clone(), cancel.clone()));
    }
    serve_socket(options, published, cancel);
}

fn serve_socket(options: &DaemonOptions, published: &Arc<Published>, cancel: &CancellationToken) {
    let (state, published) = (options.state.clone(), Arc::clone(published));
    let cancel = cancel.clone();
    tokio::spawn(async move {
        if let Err(error) = socket::serve(&state, published, cancel).await {
            tracing::error!(%error, "the local socket is not served");
        }
    });
}

/// What flags say, as facts, in the first generation; what described the last run is dropped.
fn configured(
    options: &DaemonOptions,
    kinds: &RwLock<Arc<Kinds>>,
    offer: Option<&Offer>,
) -> Vec<Statement> {
    let mut said: Vec<Statement> =
        VOLATILE.iter().map(|relation| Statement::nothing(relation, Vec::new())).collect();
    let mut holds = |fact| said.push(Statement::Holds(fact));
    for kind in &options.kinds {
        holds(relation::reconciles(kind));
    }
    if let Some(offer) = offer {
        holds(relation::artifact_host(&offer.host));
    }
    if options.no_cross_namespace_refs {
        holds(relation::switch("no-cross-namespace-refs"));
    }
    if options.dry_run_first {
        holds(relation::switch("dry-run-first"));
    }
    if !options.default_service_account.is_empty() {
        holds(relation::default_account(&options.default_service_account));
    }
    holds(relation::setting("requeue-dependency", &options.requeue_dependency));
    holds(relation::setting("prune-hold", &options.prune_hold));
    holds(relation::setting("min-retry-delay", &options.retry_delays.0));
    holds(relation::setting("max-retry-delay", &options.retry_delays.1));
    holds(relation::amount("interval-jitter-percentage", &i64::from(options.jitter_percent)));
    holds(relation::own_namespace(&options.namespace));
    // Until their first list.
    holds(relation::unheard(&format!("Kustomization.{KUSTOMIZE_GROUP}")));
    for kind in SOURCE_KINDS {
        holds(relation::unheard(&format!("{kind}.{SOURCE_GROUP}")));
    }
    let kinds = kinds.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    for resource in kinds.preferred() {
        let namespaced = if resource.namespaced { "yes" } else { "no" };
        holds(relation::served(&resource.group_kind().to_string(), namespaced));
    }
    for failed in kinds.failed() {
        holds(relation::undiscovered(&failed.group));
    }
    said
}

fn overridden(options: &DaemonOptions) -> Vec<String> {
    let known = OVERRIDDEN.iter().map(|name| (*name).to_owned());
    known.chain(options.override_managers.iter().cloned()).collect()
}

/// The kinds whose first list makes the daemon ready: those that it reconciles, and those of
/// sources that the server serves.
fn awaited(options: &DaemonOptions, kinds: &RwLock<Arc<Kinds>>) -> Vec<String> {
    let kinds = kinds.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    let served = |kind: &&&str| {
        let kind = GroupKind { group: SOURCE_GROUP.to_owned(), kind: (**kind).to_string() };
        matches!(kinds.find(&kind), Known::Served(_))
    };
    let sources = SOURCE_KINDS.iter().filter(served).map(|kind| (*kind).to_owned());
    sources.chain(options.kinds.iter().cloned()).collect()
}

/// Compares the journal with the heads that the leases of the last holder name: one that was lost
/// or rolled back does not hold them, which counts among what the state directory lost.
async fn compare_heads(
    options: &DaemonOptions,
    cluster: &Cluster,
    state: &mut State,
    clock: &dyn Clock,
) -> Result<(), DaemonError> {
    if !options.leader_election {
        return Ok(());
    }
    let mut latest: Option<(String, Head)> = None;
    for name in lease_names(options) {
        let record = cluster.lease(&options.namespace, &name).await?;
        let Some(head) = record.as_ref().and_then(lease::noted_head) else { continue };
        let is_later = latest.as_ref().is_none_or(|(_, other)| other.seq < head.seq);
        if is_later && !state.journal.view().holds(&head) {
            latest = Some((name, head));
        }
    }
    let Some((lease, Head { seq, hash })) = latest else { return Ok(()) };
    let loss = Problem::RolledBack { seq, hash, ends_at: state.journal.head().seq };
    tracing::error!(%lease, seq, "{loss}: it was lost or rolled back, or another was used since");
    state.journal.append(clock.now(), Body::Note(Note::lost_records(loss.to_string())))?;
    state.journal.sync()?;
    state.lost.push(format!("{} (lease {lease})", aftermath::told(&loss)));
    Ok(())
}

/// The leases of the controllers that are replaced; shards do not compete, as Flux's do not.
fn lease_names(options: &DaemonOptions) -> Vec<String> {
    let shard = match options.scope.labels.as_str() {
        "" => String::new(),
        labels => format!("-{}", &Digest::of(labels.as_bytes()).hex()[..8]),
    };
    let names = options.kinds.iter().map(|kind| format!("{}{shard}", lease::lease_name(kind)));
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Waits for the leases; from then on losing one stops the daemon. Nothing when it is to stop
/// before: what it held already is given back.
async fn hold_leases(
    options: &DaemonOptions,
    cluster: &Cluster,
    clock: &Arc<dyn Clock>,
    published: &Arc<Published>,
    (stop, ended): (&CancellationToken, &CancellationToken),
) -> Option<(WriteGate, Option<JoinHandle<()>>)> {
    if !options.leader_election {
        return Some((WriteGate::open(), None));
    }
    let gate = WriteGate::until_deadline(Arc::clone(clock));
    let names = lease_names(options);
    let started = clock.now().millis();
    let candidate = lease::Candidate {
        cluster: cluster.clone(),
        namespace: options.namespace.clone(),
        names,
        timing: options.lease,
        identity: format!("hence_{}_{started:x}", std::process::id()),
        gate: gate.clone(),
        clock: Arc::clone(clock),
        ended: options.release_leases.then(|| ended.clone()),
    };
    let (held, is_held) = oneshot::channel();
    let (published, lost) = (Arc::clone(published), stop.clone());
    let leader = tokio::spawn(async move {
        if let Err(error) = candidate.run(published, held).await {
            tracing::error!(%error, "stopping");
            lost.cancel();
        }
    });
    tokio::select! {
        _ = is_held => return Some((gate, options.release_leases.then_some(leader))),
        () = stop.cancelled() => {}
    }
    tracing::info!("stopped while waiting for leases");
    ended.cancel();
    if options.release_leases {
        tokio::time::timeout(options.drain, leader).await.ok();
    }
    None
}
