//! Where orders go: observing work to workers, writes to the executor, watch changes to the
//! watcher. Whatever they bring about comes back through the inbox.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::actions::Action;
use crate::audit::OutcomeKind;
use crate::daemon::due::Standing;
use crate::daemon::record::Ended;
use crate::daemon::step::Message;
use crate::daemon::step::Order;
use crate::daemon::watcher::Wanted;
use crate::datalog::Delta;
use crate::datalog::Value;
use crate::executor::Executor;
use crate::executor::Lanes;
use crate::executor::Urgency;
use crate::ingest::Holdings;
use crate::ingest::Ingest;
use crate::ingest::Observation;
use crate::ingest::Stores;
use crate::model::GroupKind;
use crate::model::ObjectRef;
use crate::model::Timestamp;

/// How long an action is worked on before the rules hear that it lasts.
const LASTING: Duration = Duration::from_secs(1);

/// How many fetches run at once.
const FETCHES: usize = 8;

/// The loop's ends towards the world.
pub(super) struct Outlets {
    runtime: tokio::runtime::Handle,
    executor: Executor,
    lanes: Lanes,
    standing: Standing,
    stores: Stores,
    fetches: Arc<Semaphore>,
    builds: Arc<Semaphore>,
    inbox: mpsc::Sender<Message>,
    watcher: mpsc::UnboundedSender<Wanted>,
    cancel: CancellationToken,
}

/// What the outlets are made of.
pub(super) struct OutletParts {
    /// Where tasks run.
    pub runtime: tokio::runtime::Handle,
    /// Carries out writes.
    pub executor: Executor,
    /// How many units may be written at once.
    pub concurrent: usize,
    /// Where fetched content is kept.
    pub stores: Stores,
    /// The loop's inbox.
    pub inbox: mpsc::Sender<Message>,
    /// The watcher.
    pub watcher: mpsc::UnboundedSender<Wanted>,
    /// Ends fetches when the daemon stops.
    pub cancel: CancellationToken,
}

impl Outlets {
    /// Outlets over these parts.
    pub(super) fn new(parts: OutletParts) -> Self {
        let workers = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            runtime: parts.runtime,
            executor: parts.executor,
            lanes: Lanes::new(parts.concurrent),
            standing: Standing::default(),
            stores: parts.stores,
            fetches: Arc::new(Semaphore::new(FETCHES)),
            builds: Arc::new(Semaphore::new(workers)),
            inbox: parts.inbox,
            watcher: parts.watcher,
            cancel: parts.cancel,
        }
    }

    /// Which writes the rules want, as the outlets see it.
    pub(super) fn standing(&self) -> Standing {
        self.standing.clone()
    }

    /// Tells the watcher which kinds and objects are to be watched from now on, or no longer.
    pub(super) fn watch(&self, delta: &Delta) {
        let kinds = |rows: Option<&Vec<Vec<Value>>>| -> BTreeSet<GroupKind> {
            let texts = rows.into_iter().flatten().filter_map(|row| row.first()?.as_symbol());
            texts.filter_map(GroupKind::parse).collect()
        };
        let objects = |rows: Option<&Vec<Vec<Value>>>| -> BTreeSet<ObjectRef> {
            let texts = rows.into_iter().flatten().filter_map(|row| row.first()?.as_symbol());
            texts.filter_map(ObjectRef::parse_fact_text).collect()
        };
        let wanted = Wanted {
            kinds_added: kinds(delta.added.get("watched")),
            kinds_removed: kinds(delta.removed.get("watched")),
            objects_added: objects(delta.added.get("watched_object")),
            objects_removed: objects(delta.removed.get("watched_object")),
            health_added: objects(delta.added.get("watched_health")),
            health_removed: objects(delta.removed.get("watched_health")),
            alone_added: objects(delta.added.get("watched_alone")),
            alone_removed: objects(delta.removed.get("watched_alone")),
            again: false,
        };
        if !wanted.is_empty() {
            // The watcher outlives the loop; if it is gone the daemon is stopping.
            self.watcher.send(wanted).ok();
        }
    }

    /// Has the watcher list the managed kinds again: other fields of them are asked for.
    pub(super) fn observe_again(&self) {
        self.watcher.send(Wanted { again: true, ..Wanted::default() }).ok();
    }

    /// Hands each order to whoever carries it out.
    pub(super) fn dispatch(&self, orders: Vec<Order>, ingest: &Ingest, now: Timestamp) {
        for order in orders {
            match &order.planned.action {
                Action::Fetch { source, spec, .. } => {
                    let Some(job) = ingest.fetch_job(source, spec, now) else {
                        self.end_unbegun(&order);
                        continue;
                    };
                    let (stores, cancel) = (self.stores.clone(), self.cancel.clone());
                    self.observe(&order, &self.fetches, move || {
                        Observation::Fetched(Box::new(job.run(&stores, &cancel)))
                    });
                }
                Action::Render { unit, tree, key, .. } => {
                    let Some(job) = ingest.build_job(unit, tree, key) else {
                        self.end_unbegun(&order);
                        continue;
                    };
                    let (stores, cancel) = (self.stores.clone(), self.cancel.clone());
                    self.observe(&order, &self.builds, move || {
                        Observation::Built(Box::new(job.run(&stores, &cancel)))
                    });
                }
                Action::Search { unit, tree } => {
                    let Some(job) = ingest.search_job(unit, tree) else {
                        self.end_unbegun(&order);
                        continue;
                    };
                    self.observe(&order, &self.builds, move || {
                        Observation::Searched(Box::new(job.run()))
                    });
                }
                Action::Pack { source, tree, revision } => {
                    let Some(job) = ingest.pack_job(source, tree, revision, now) else {
                        self.end_unbegun(&order);
                        continue;
                    };
                    let stores = self.stores.clone();
                    self.observe(&order, &self.builds, move || {
                        Observation::Packed(Box::new(job.run(&stores)))
                    });
                }
                _ => self.execute(order),
            }
        }
    }

    /// Removes what is not held from the stores. Fetches and builds wait meanwhile.
    pub(super) fn collect(&self, holdings: Holdings, now: Timestamp) {
        let fetches = u32::try_from(FETCHES).unwrap_or(1);
        let Ok(slots) = Arc::clone(&self.fetches).try_acquire_many_owned(fetches) else { return };
        let stores = self.stores.clone();
        self.runtime.spawn_blocking(move || {
            holdings.collect(&stores, now);
            drop(slots);
        });
    }

    /// Runs blocking work that ends in an observation.
    fn observe(
        &self,
        order: &Order,
        slots: &Arc<Semaphore>,
        work: impl FnOnce() -> Observation + Send + 'static,
    ) {
        let (inbox, slots) = (self.inbox.clone(), Arc::clone(slots));
        let (key, intent) = (order.planned.action.key(), order.intent);
        self.runtime.spawn(async move {
            let slot = slots.acquire_owned().await;
            let work = tokio::task::spawn_blocking(work);
            let done = told_if_lasting(&inbox, &key, work).await;
            drop(slot);
            let (observed, outcome) = match done {
                Ok(observation) => {
                    let outcome = summary(&observation);
                    (vec![observation], outcome)
                }
                Err(panic) => (Vec::new(), Ended::plain(OutcomeKind::Failed, &panic.to_string())),
            };
            let ended = Message::Ended { key, intent, effects: Vec::new(), observed, outcome };
            inbox.send(ended).await.ok();
        });
    }

    /// The action cannot begin: what it needs is not known any more.
    fn end_unbegun(&self, order: &Order) {
        let inbox = self.inbox.clone();
        let outcome = Ended::plain(OutcomeKind::Superseded, "its inputs are not known any more");
        let (key, intent) = (order.planned.action.key(), order.intent);
        self.runtime.spawn(async move {
            let (effects, observed) = (Vec::new(), Vec::new());
            inbox.send(Message::Ended { key, intent, effects, observed, outcome }).await.ok();
        });
    }

    fn execute(&self, order: Order) {
        let (inbox, executor) = (self.inbox.clone(), self.executor.clone());
        let standing = self.standing.clone();
        let lane = lane(&order.planned.action);
        let urgency = Urgency::of(order.planned.action.verb());
        let _guard = self.runtime.enter();
        self.lanes.push(&lane, urgency, async move {
            let Order { intent, planned } = order;
            let key = planned.action.key();
            if !standing.allows(&planned.action) {
                let reason = "withheld: nothing asks for it any more";
                let outcome = Ended::plain(OutcomeKind::Superseded, reason);
                let (effects, observed) = (Vec::new(), Vec::new());
                inbox.send(Message::Ended { key, intent, effects, observed, outcome }).await.ok();
                return;
            }
            let work =
                async move { executor.carry_out(&planned.action, &intent.to_string()).await };
            // In a task of its own: a panic there is an outcome like any other.
            let work = told_if_lasting(&inbox, &key, tokio::spawn(work));
            let (effects, outcome) = match work.await {
                Ok(effects) => {
                    let outcome = Ended::from_effects(&effects);
                    (effects, outcome)
                }
                Err(panic) => (Vec::new(), Ended::plain(OutcomeKind::Unknown, &panic.to_string())),
            };
            let observed = Vec::new();
            inbox.send(Message::Ended { key, intent, effects, observed, outcome }).await.ok();
        });
    }
}

/// Waits for the work; the loop hears of it when that takes long.
async fn told_if_lasting<T>(
    inbox: &mpsc::Sender<Message>,
    key: &str,
    work: impl Future<Output = T> + Unpin,
) -> T {
    let mut work = work;
    match tokio::time::timeout(LASTING, &mut work).await {
        Ok(done) => done,
        Err(_) => {
            inbox.send(Message::Lasting { key: key.to_owned() }).await.ok();
            work.await
        }
    }
}

/// Actions of one unit keep their order; those on custom resources keep it per resource, and events
/// among themselves: no status waits behind them.
fn lane(action: &Action) -> String {
    if let Action::Event { object, .. } = action {
        return format!("event {}", object.fact_text());
    }
    match (action.unit(), action.object()) {
        (Some(unit), _) => format!("unit {unit}"),
        (None, Some(object)) => format!("object {}", object.fact_text()),
        (None, None) => action.key(),
    }
}

/// What the journal says of an observation that an action brought.
fn summary(observation: &Observation) -> Ended {
    let (failure, summary) = match observation {
        Observation::Fetched(fetched) => (fetched.failure(), fetched.summary()),
        Observation::Built(built) => (built.failure(), built.summary()),
        Observation::Packed(packed) => (packed.failure(), packed.summary()),
        Observation::Searched(searched) => (None, searched.summary()),
        _ => (None, "observed".to_owned()),
    };
    let kind = if failure.is_some() { OutcomeKind::Failed } else { OutcomeKind::Done };
    Ended::plain(kind, &summary)
}
