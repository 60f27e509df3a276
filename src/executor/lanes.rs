//! Lanes: actions of one unit run one after the other, in the plan's order; units run side by side.
//!
//! A bound says how many lanes run at once. Which of the waiting ones comes next is decided by the
//! urgency of its first action, then by who came first: a push that changes one unit of a thousand
//! changes that unit's objects before it tells a thousand units of the new revision.
//!
//! A lane holds no worker while it is empty, and waiting for health is no action, so no lane ever
//! waits for the cluster's state.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How soon an action is wanted among those of other lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// It changes what the cluster does.
    World,
    /// It shows how a unit or a source fares.
    Status,
    /// It tells of what was done, to whoever reads along.
    Event,
}

impl Urgency {
    /// That of actions with this verb: a status and an event tell of what was done, all else does
    /// it.
    pub fn of(verb: &str) -> Self {
        match verb {
            "status" => Self::Status,
            "event" => Self::Event,
            _ => Self::World,
        }
    }
}

/// Queues by lane, with a bound on how many run at once.
#[derive(Clone)]
pub struct Lanes {
    state: Arc<Mutex<State>>,
}

/// A lane that waits for a slot, in the order in which lanes get one.
type Place = (Urgency, u64, String);

struct State {
    lanes: BTreeMap<String, Lane>,
    waiting: BTreeSet<Place>,
    free: usize,
    arrivals: u64,
}

#[derive(Default)]
struct Lane {
    queue: VecDeque<(Urgency, Work)>,
    /// Its place among the waiting; nothing while its work runs.
    place: Option<(Urgency, u64)>,
}

impl Lanes {
    /// Lanes of which at most `concurrent` run at once.
    pub fn new(concurrent: usize) -> Self {
        let state = State {
            lanes: BTreeMap::new(),
            waiting: BTreeSet::new(),
            free: concurrent,
            arrivals: 0,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Queues `work` behind what the lane already has.
    pub fn push(
        &self,
        lane: &str,
        urgency: Urgency,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let mut state = self.state();
        let is_new = !state.lanes.contains_key(lane);
        let queued = state.lanes.entry(lane.to_owned()).or_default();
        queued.queue.push_back((urgency, Box::pin(work)));
        if is_new {
            state.line_up(lane);
        } else {
            state.hurry(lane, urgency);
        }
        self.start_waiting(state);
    }

    /// Starts lanes while there are slots.
    fn start_waiting(&self, mut state: MutexGuard<'_, State>) {
        while state.free > 0 {
            let Some((_, _, lane)) = state.waiting.pop_first() else { return };
            let Some(work) = state.take(&lane) else { continue };
            state.free -= 1;
            tokio::spawn(self.clone().run(lane, work));
        }
    }

    async fn run(self, lane: String, work: Work) {
        // In a task of its own, so that a panic in it cannot keep the slot; who queued the work
        // hears of it by its own means.
        tokio::spawn(work).await.ok();
        let mut state = self.state();
        state.free += 1;
        if state.lanes.get(&lane).is_some_and(|lane| lane.queue.is_empty()) {
            state.lanes.remove(&lane);
        } else {
            state.line_up(&lane);
        }
        self.start_waiting(state);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Gives a lane that does not run a place among the waiting.
    fn line_up(&mut self, name: &str) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        // All of a lane is as urgent as the most urgent in it, since that must pass the rest.
        let Some(urgency) = lane.queue.iter().map(|(urgency, _)| *urgency).min() else { return };
        self.arrivals += 1;
        lane.place = Some((urgency, self.arrivals));
        self.waiting.insert((urgency, self.arrivals, name.to_owned()));
    }

    /// Moves a waiting lane forward when something more urgent joined it.
    fn hurry(&mut self, name: &str, urgency: Urgency) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        let Some((before, arrival)) = lane.place.filter(|(before, _)| urgency < *before) else {
            return;
        };
        lane.place = Some((urgency, arrival));
        self.waiting.remove(&(before, arrival, name.to_owned()));
        self.waiting.insert((urgency, arrival, name.to_owned()));
    }

    fn take(&mut self, name: &str) -> Option<Work> {
        let lane = self.lanes.get_mut(name)?;
        lane.place = None;
        lane.queue.pop_front().map(|(_, work)| work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What ran, in order, and a way to add to it.
    #[derive(Clone, Default)]
    struct Done(Arc<Mutex<Vec<&'static str>>>);

    impl Done {
        fn note(&self, text: &'static str) -> impl Future<Output = ()> + Send + 'static {
            let done = self.clone();
            async move { done.0.lock().expect("not poisoned").push(text) }
        }

        fn all(&self) -> Vec<&'static str> {
            self.0.lock().expect("not poisoned").clone()
        }
    }

    #[tokio::test]
    async fn one_lane_keeps_its_order_while_others_pass() {
        let (lanes, done) = (Lanes::new(2), Done::default());
        let (release, gate) = tokio::sync::oneshot::channel::<()>();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let first = done.note("a1");
        lanes.push("a", Urgency::World, async move {
            gate.await.ok();
            first.await;
        });
        let second = done.note("a2");
        lanes.push("a", Urgency::World, async move {
            second.await;
            end.send(()).ok();
        });
        let other = done.note("b1");
        lanes.push("b", Urgency::World, async move {
            other.await;
            release.send(()).ok();
        });
        ended.await.expect("the lane ends");
        assert_eq!(done.all(), ["b1", "a1", "a2"]);
    }

    #[tokio::test]
    async fn the_world_comes_before_statuses_and_those_before_events() {
        let (lanes, done) = (Lanes::new(1), Done::default());
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        lanes.push("a", Urgency::Status, done.note("a status"));
        lanes.push("b", Urgency::Event, done.note("b event"));
        lanes.push("f", Urgency::Status, done.note("f status"));
        lanes.push("c", Urgency::Status, done.note("c status"));
        lanes.push("c", Urgency::World, done.note("c apply"));
        lanes.push("d", Urgency::World, done.note("d apply"));
        lanes.push("e", Urgency::Event, async move {
            end.send(()).ok();
        });
        ended.await.expect("the last lane ends");
        // c is moved forward by its apply, and lines up behind d for it.
        let order = ["a status", "c status", "d apply", "c apply", "f status", "b event"];
        assert_eq!(done.all(), order);
    }

    #[tokio::test]
    async fn a_panic_does_not_keep_the_slot() {
        let (lanes, done) = (Lanes::new(1), Done::default());
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        lanes.push("a", Urgency::World, async { panic!("for the test") });
        let last = done.note("after");
        lanes.push("a", Urgency::World, async move {
            last.await;
            end.send(()).ok();
        });
        ended.await.expect("the lane goes on");
        assert_eq!(done.all(), ["after"]);
    }
}
