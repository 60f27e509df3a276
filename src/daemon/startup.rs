//! Start and stop: opens state, takes the leases, starts the loop, drains it on the way out.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::RwLock;
use std::sync::atomic::AtomicBool;

use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::audit::Body;
use crate::audit::DiskStorage;
use crate::audit::Journal;
use crate::audit::JournalOptions;
use crate::audit::Note;
use crate::audit::NoteKind;
use crate::audit::Outcome;
use crate::audit::OutcomeKind;
use crate::audit::RuleSet;
use crate::cluster::Cluster;
use crate::cluster::ConnectOptions;
use crate::cluster::Kinds;
use crate::cluster::write::WriteGate;
use crate::daemon::DaemonError;
use crate::daemon::DaemonOptions;
use crate::daemon::SystemClock;
use crate::daemon::due::Due;
use crate::daemon::http;
use crate::daemon::lease;
use crate::daemon::outlets::OutletParts;
use crate::daemon::outlets::Outlets;
use crate::daemon::restore;
use crate::daemon::socket;
use crate::daemon::state::Published;
use crate::daemon::step::Message;
use crate::daemon::step::StepLoop;
use crate::daemon::timers::Timers;
use crate::daemon::watcher::Watcher;
use crate::datalog::Delta;
use crate::datalog::Pattern;
use crate::datalog::QueryOptions;
use crate::datalog::RuleFile;
use crate::executor::Executor;
use crate::executor::Seen;
use crate::facts::FactBase;
use crate::facts::Statement;
use crate::facts::VOLATILE;
use crate::facts::relation;
use crate::facts::store::StateDir;
use crate::ingest::Ingest;
use crate::ingest::IngestOptions;
use crate::ingest::Observation;
use crate::ingest::Stores;
use crate::model::Clock;
use crate::model::Digest;
use crate::model::DigestKey;
use crate::model::Manifests;
use crate::model::ObjectRef;
use crate::model::SourceName;
use crate::model::UnitName;
use crate::rules;
use crate::sources;
use crate::sources::artifact::FileStore;
use crate::sources::artifact::Storage;
use crate::sources::git::GitStore;

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
    let state = open_state(&options, clock.as_ref())?;
    let published = Arc::new(Published::new(state.facts.reader()));
    let connect = ConnectOptions { kubeconfig: options.kubeconfig.clone(), ..Default::default() };
    let cluster = Cluster::connect(&connect).await?;
    let gate = hold_leases(&options, &cluster, &clock, &published, &stop).await?;
    let kinds = Arc::new(RwLock::new(Arc::new(cluster.discover().await?)));
    let (inbox, received) = mpsc::channel(INBOX);
    let (watcher, wanted) = mpsc::unbounded_channel();
    let cancel = CancellationToken::new();
    let overridden = overridden(&options);
    let seen = Seen::default();
    let ingest = remember(&options, &state, overridden.clone())?;
    let executor = Executor {
        cluster: cluster.clone(),
        gate,
        manifests: state.manifests.clone(),
        seen: seen.clone(),
        kinds: Arc::clone(&kinds),
        overridden: overridden.into(),
        events: Arc::default(),
        clock: Arc::clone(&clock),
    };
    let outlets = Outlets::new(OutletParts {
        runtime: tokio::runtime::Handle::current(),
        executor,
        concurrent: options.concurrent,
        stores: open_stores(&options)?,
        inbox: inbox.clone(),
        watcher,
        cancel: cancel.clone(),
    });
    serve(&options, &published, &cancel);
    inbox.send(Message::Observed(configured(&options, &kinds))).await.ok();
    tokio::spawn(Watcher::run(cluster, kinds, seen, inbox.clone(), wanted));
    tokio::spawn(stop_in_order(stop, inbox));
    let State { facts, journal, recalled, rules, _dir, .. } = state;
    let (timers, due) = (Timers::default(), Due::default());
    let inbox = received;
    let mut step =
        StepLoop { facts, journal, ingest, timers, due, outlets, published, clock, rules, inbox };
    step.recall(&recalled)?;
    let ended = run_on_its_thread(step).await;
    cancel.cancel();
    ended
}

/// The step loop blocks on disk and computes; it must not share a thread with sockets.
async fn run_on_its_thread(step: StepLoop) -> Result<(), DaemonError> {
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
    recalled: Delta,
    rules: Digest,
    manifests: Manifests,
}

fn open_state(options: &DaemonOptions, clock: &dyn Clock) -> Result<State, DaemonError> {
    let user_files = read_rules(&options.rules)?;
    let mut files = rules::built_in_files();
    files.extend(user_files.iter().cloned());
    let program = rules::load(user_files).map_err(|errors| DaemonError::Rules { errors })?;
    let dir = StateDir::open(&options.state)?;
    let mut journal = open_journal(&dir, clock)?;
    let rules = journal_rules(&mut journal, &files, clock)?;
    let expected = journal.view().last_generation().unwrap_or(0);
    let (facts, recovered, recalled) = restore::open_facts(&dir, program, expected)?;
    for loss in &recovered.losses {
        tracing::warn!(%loss, "fact log");
    }
    let manifests = Manifests::default();
    Ok(State { _dir: dir, journal, facts, recalled, rules, manifests })
}

/// What ingest has to remember from before: the fields that our applies recorded.
fn remember(
    options: &DaemonOptions,
    state: &State,
    overridden: Vec<String>,
) -> Result<Ingest, DaemonError> {
    let key = digest_key(&options.state)?;
    let custom_stage = options.custom_stage.clone();
    let ingest_options = IngestOptions { key, overridden, strict_substitution: true, custom_stage };
    let mut ingest = Ingest::new(ingest_options, state.manifests.clone());
    let rows = |relation: &str, columns: usize| {
        let pattern = Pattern { relation: relation.into(), columns: vec![None; columns] };
        let all = QueryOptions { limit: usize::MAX, work: u64::MAX, ..QueryOptions::default() };
        state.facts.reader().query(&pattern, &all).value
    };
    let recorded = rows("recorded", 3);
    let texts = recorded.iter().filter_map(|row| {
        let [object, uid, fields] = row.as_slice() else { return None };
        Some((ObjectRef::parse_fact_text(&object.plain())?, uid.plain(), fields.plain()))
    });
    ingest.recall_recorded(texts);
    let units = rows("unit", 2).iter().filter_map(|row| UnitName::parse(&row[0].plain())).collect();
    let sources =
        rows("source", 2).iter().filter_map(|row| SourceName::parse(&row[0].plain())).collect();
    ingest.recall_names(units, sources);
    Ok(ingest)
}

fn serve(options: &DaemonOptions, published: &Arc<Published>, cancel: &CancellationToken) {
    let ready = Arc::new(AtomicBool::new(true));
    serve_http(options, published, &ready, cancel);
    serve_socket(options, published, cancel);
}

fn serve_http(
    options: &DaemonOptions,
    published: &Arc<Published>,
    ready: &Arc<AtomicBool>,
    cancel: &CancellationToken,
) {
    let Some(address) = options.listen.clone() else { return };
    let served = http::Served { published: Arc::clone(published), ready: Arc::clone(ready) };
    let cancel = cancel.clone();
    tokio::spawn(async move {
        if let Err(error) = http::serve(&address, served, cancel).await {
            tracing::error!(%error, "http is not served");
        }
    });
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
fn configured(options: &DaemonOptions, kinds: &RwLock<Arc<Kinds>>) -> Observation {
    let mut said: Vec<Statement> =
        VOLATILE.iter().map(|relation| Statement::nothing(relation, Vec::new())).collect();
    let mut holds = |fact| said.push(Statement::Holds(fact));
    for kind in &options.kinds {
        holds(relation::reconciles(kind));
    }
    if !options.artifact_adv_addr.is_empty() {
        holds(relation::switch("artifacts"));
    }
    if options.no_cross_namespace_refs {
        holds(relation::switch("no-cross-namespace-refs"));
    }
    if !options.default_service_account.is_empty() {
        holds(relation::default_account(&options.default_service_account));
    }
    holds(relation::setting("requeue-dependency", &options.requeue_dependency));
    holds(relation::setting("prune-hold", &options.prune_hold));
    holds(relation::own_namespace(&options.namespace));
    let kinds = kinds.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    for resource in kinds.preferred() {
        let namespaced = if resource.namespaced { "yes" } else { "no" };
        holds(relation::served(&resource.group_kind().to_string(), namespaced));
    }
    for failed in kinds.failed() {
        holds(relation::undiscovered(&failed.group));
    }
    Observation::Configured(said)
}

fn overridden(options: &DaemonOptions) -> Vec<String> {
    let known = OVERRIDDEN.iter().map(|name| (*name).to_owned());
    known.chain(options.override_managers.iter().cloned()).collect()
}

/// Waits for the leases; from then on losing one stops the daemon.
async fn hold_leases(
    options: &DaemonOptions,
    cluster: &Cluster,
    clock: &Arc<dyn Clock>,
    published: &Arc<Published>,
    stop: &CancellationToken,
) -> Result<WriteGate, DaemonError> {
    if !options.leader_election {
        return Ok(WriteGate::open());
    }
    let gate = WriteGate::until_deadline(Arc::clone(clock));
    let mut names: Vec<String> =
        options.kinds.iter().map(|kind| lease::lease_name(kind).to_owned()).collect();
    names.sort();
    names.dedup();
    let started = clock.now().millis();
    let candidate = lease::Candidate {
        cluster: cluster.clone(),
        namespace: options.namespace.clone(),
        names,
        timing: options.lease,
        identity: format!("hence_{}_{started:x}", std::process::id()),
        gate: gate.clone(),
        clock: Arc::clone(clock),
    };
    let (held, is_held) = oneshot::channel();
    let (published, lost) = (Arc::clone(published), stop.clone());
    tokio::spawn(async move {
        if let Err(error) = candidate.run(published, held).await {
            tracing::error!(%error, "stopping");
            lost.cancel();
        }
    });
    tokio::select! {
        _ = is_held => Ok(gate),
        () = stop.cancelled() => Err(DaemonError::LeaseLost {
            name: "all".to_owned(),
            holder: "nobody: stopped while waiting".to_owned(),
        }),
    }
}

fn open_journal(state: &StateDir, clock: &dyn Clock) -> Result<Journal<DiskStorage>, DaemonError> {
    let storage = DiskStorage::for_writing(&state.journal())?;
    let (mut journal, problems) = Journal::open(storage, &JournalOptions::default())?;
    let now = clock.now();
    for problem in problems {
        tracing::warn!(%problem, "journal");
        let text = problem.to_string();
        let note = Note { about: NoteKind::Recovery, text, fields: BTreeMap::new() };
        journal.append(now, Body::Note(note))?;
    }
    // An intent without outcome: nobody knows whether it took effect. The world is observed anew,
    // and whatever is still due is derived again from what is seen.
    let open: Vec<_> = journal.view().open_intents()?.into_iter().map(|item| item.id).collect();
    for intent in open {
        let outcome = Outcome {
            intent,
            result: OutcomeKind::Unknown,
            detail: "the daemon ended before the outcome was recorded; observed again".to_owned(),
            observed: Default::default(),
        };
        journal.append(now, Body::Outcome(outcome))?;
    }
    let text = format!("hence {} started", env!("CARGO_PKG_VERSION"));
    let note = Note { about: NoteKind::Start, text, fields: BTreeMap::new() };
    journal.append(now, Body::Note(note))?;
    journal.sync()?;
    Ok(journal)
}

fn journal_rules(
    journal: &mut Journal<DiskStorage>,
    files: &[RuleFile],
    clock: &dyn Clock,
) -> Result<Digest, DaemonError> {
    let texts: Vec<(&str, &str)> = files.iter().map(|f| (f.name.as_str(), &*f.text)).collect();
    Ok(journal.append_rules(clock.now(), RuleSet::of(&texts))?)
}

fn open_stores(options: &DaemonOptions) -> Result<Stores, DaemonError> {
    let store = |what: &str, error: &dyn std::fmt::Display| DaemonError::Io {
        what: format!("cannot open {what}"),
        source: std::io::Error::other(error.to_string()),
    };
    let state = &options.state;
    let git = GitStore::open(state.join("git")).map_err(|e| store("the Git store", &e))?;
    let files = FileStore::open(state.join("files")).map_err(|e| store("the file store", &e))?;
    let artifacts =
        Storage::open(state.join("artifacts")).map_err(|e| store("the artifact storage", &e))?;
    Ok(Stores {
        git: Arc::new(git),
        files: Arc::new(files),
        artifacts: Arc::new(artifacts),
        advertised: options.artifact_adv_addr.clone(),
    })
}

/// Rule files of the directories, in name order.
fn read_rules(directories: &[std::path::PathBuf]) -> Result<Vec<RuleFile>, DaemonError> {
    let mut files = Vec::new();
    for directory in directories {
        let io = |source| {
            let what = format!("cannot read rule directory {}", directory.display());
            DaemonError::Io { what, source }
        };
        let entries = fs::read_dir(directory).map_err(io)?;
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(entry.map_err(io)?.path());
        }
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "dl"));
        paths.sort();
        for path in paths {
            let text = fs::read_to_string(&path).map_err(io)?;
            files.push(rules::user_file(&path.display().to_string(), &text));
        }
    }
    Ok(files)
}

/// The key under which secret values are digested: made once, kept with mode 0600.
fn digest_key(state: &Path) -> Result<DigestKey, DaemonError> {
    use std::io::Read as _;
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = state.join("digest-key");
    let io = |source| DaemonError::Io { what: format!("digest key {}", path.display()), source };
    let mut bytes = [0; 32];
    match fs::File::open(&path) {
        Ok(mut file) => file.read_exact(&mut bytes).map_err(io)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut random = fs::File::open("/dev/urandom").map_err(io)?;
            random.read_exact(&mut bytes).map_err(io)?;
            let mut options = fs::OpenOptions::new();
            let mut file =
                options.write(true).create_new(true).mode(0o600).open(&path).map_err(io)?;
            file.write_all(&bytes).map_err(io)?;
            file.sync_all().map_err(io)?;
        }
        Err(error) => return Err(io(error)),
    }
    Ok(DigestKey::new(bytes))
}
