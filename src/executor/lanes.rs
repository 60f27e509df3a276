//! Lanes: actions of one unit run one after the other, in the plan's order; units run side by side.
//!
//! A lane holds no worker while it is empty, and waiting for health is no action, so no lane ever
//! waits for the cluster's state.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::sync::Semaphore;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Queues by lane, with a bound on how many run at once.
#[derive(Clone)]
pub struct Lanes {
    queues: Arc<Mutex<BTreeMap<String, VecDeque<Work>>>>,
    slots: Arc<Semaphore>,
}

impl Lanes {
    /// Lanes of which at most `concurrent` run at once.
    pub fn new(concurrent: usize) -> Self {
        Self { queues: Arc::default(), slots: Arc::new(Semaphore::new(concurrent)) }
    }

    /// Queues `work` behind what the lane already has.
    pub fn push(&self, lane: &str, work: impl Future<Output = ()> + Send + 'static) {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let running = queues.contains_key(lane);
        queues.entry(lane.to_owned()).or_default().push_back(Box::pin(work));
        drop(queues);
        if !running {
            tokio::spawn(self.clone().drain(lane.to_owned()));
        }
    }

    async fn drain(self, lane: String) {
        while let Some(work) = self.next(&lane) {
            let slot = self.slots.acquire().await;
            work.await;
            drop(slot);
        }
    }

    /// The next work of the lane; an empty lane is removed under the same lock that adds to it.
    fn next(&self, lane: &str) -> Option<Work> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let work = queues.get_mut(lane).and_then(VecDeque::pop_front);
        if work.is_none() {
            queues.remove(lane);
        }
        work
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_lane_keeps_its_order_while_others_pass() {
        let lanes = Lanes::new(2);
        let done = Arc::new(Mutex::new(Vec::new()));
        let (release, gate) = tokio::sync::oneshot::channel::<()>();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let note = |text: &'static str| {
            let done = Arc::clone(&done);
            async move { done.lock().expect("not poisoned").push(text) }
        };
        let first = note("a1");
        lanes.push("a", async move {
            gate.await.ok();
            first.await;
        });
        let second = note("a2");
        lanes.push("a", async move {
            second.await;
            end.send(()).ok();
        });
        let other = note("b1");
        lanes.push("b", async move {
            other.await;
            release.send(()).ok();
        });
        ended.await.expect("the lane ends");
        assert_eq!(*done.lock().expect("not poisoned"), ["b1", "a1", "a2"]);
    }
}
