//! The leases of the controllers that hence replaces: while one of them runs, hence waits, and
//! while hence runs, it waits.
//!
//! The write gate follows the leases: it is open until the nearest deadline of all that are held,
//! and closes at once when one is lost. The journal's head travels in the lease's annotations, so
//! that a journal that was lost or rolled back is noticed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::audit::Head;
use crate::cluster::Cluster;
use crate::cluster::Purpose;
use crate::cluster::write::Elector;
use crate::cluster::write::LeaseOptions;
use crate::cluster::write::LeaseRecord;
use crate::cluster::write::Standing;
use crate::cluster::write::WriteGate;
use crate::daemon::DaemonError;
use crate::daemon::state::Published;
use crate::model::Clock;
use crate::model::Digest;
use crate::model::Timestamp;

/// The annotation that carries the journal's head.
const JOURNAL_HEAD: &str = "hence.dev/journal-head";

/// The lease of the controller that reconciles this kind.
pub fn lease_name(kind: &str) -> &'static str {
    match kind {
        "Kustomization" => "kustomize-controller-leader-election",
        _ => "source-controller-leader-election",
    }
}

/// The end of the journal that the lease's last holder had written, as [`Candidate`] notes it.
pub fn noted_head(lease: &LeaseRecord) -> Option<Head> {
    let (seq, hash) = lease.annotations.get(JOURNAL_HEAD)?.split_once(':')?;
    Some(Head { seq: seq.parse().ok()?, hash: Digest::parse(hash)? })
}

/// How long a lease is held, and how often renewed; the defaults are Flux's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTiming {
    /// How long others wait for a holder that falls silent.
    pub duration: Duration,
    /// How long we count on the lease after a renewal: less than the duration.
    pub renew_deadline: Duration,
    /// The pause between renewals.
    pub retry_period: Duration,
}

impl Default for LeaseTiming {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(35),
            renew_deadline: Duration::from_secs(30),
            retry_period: Duration::from_secs(5),
        }
    }
}

impl LeaseTiming {
    fn options(&self, namespace: &str, name: &str, identity: &str) -> LeaseOptions {
        let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        LeaseOptions {
            duration_ms: ms(self.duration),
            renew_deadline_ms: ms(self.renew_deadline),
            ..LeaseOptions::new(namespace, name, identity)
        }
    }
}

/// Who competes for the leases.
pub(super) struct Candidate {
    /// The cluster.
    pub cluster: Cluster,
    /// Where the leases are.
    pub namespace: String,
    /// How long they are held.
    pub timing: LeaseTiming,
    /// The leases to hold, all of them.
    pub names: Vec<String>,
    /// Who we are, unique for each start.
    pub identity: String,
    /// Opened while all leases are held.
    pub gate: WriteGate,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Cancelled when nothing is written any more: the leases are given back then.
    pub ended: Option<CancellationToken>,
}

impl Candidate {
    /// Waits for the next renewal; true when nothing is to be renewed any more.
    async fn rest(&self) -> bool {
        let pause = tokio::time::sleep(self.timing.retry_period);
        match &self.ended {
            None => {
                pause.await;
                false
            }
            Some(ended) => tokio::select! {
                () = pause => false,
                () = ended.cancelled() => true,
            },
        }
    }

    /// Waits until all leases are held, says so on `held`, then renews them until one is lost.
    pub(super) async fn run(
        self,
        published: Arc<Published>,
        held: oneshot::Sender<()>,
    ) -> Result<(), DaemonError> {
        let mut held = Some(held);
        let options = |name: &String| self.timing.options(&self.namespace, name, &self.identity);
        let mut electors: Vec<(String, Elector)> =
            self.names.iter().map(|name| (name.clone(), Elector::new(options(name)))).collect();
        let writer = self.cluster.writer(Purpose::Upkeep("lease"), WriteGate::open());
        loop {
            let head = published.head().map(|head| format!("{}:{}", head.seq, head.hash));
            let annotations: BTreeMap<String, String> =
                head.map(|head| (JOURNAL_HEAD.to_owned(), head)).into_iter().collect();
            let mut deadline = Timestamp(i64::MAX);
            let mut waits_for = None;
            for (name, elector) in &mut electors {
                match elector.step(&writer, self.clock.now(), &annotations).await {
                    Ok(Standing::Leading { deadline: until, .. }) => {
                        deadline = deadline.min(until);
                    }
                    Ok(Standing::Waiting { holder }) => waits_for = Some((name.clone(), holder)),
                    Err(error) => {
                        tracing::warn!(lease = %name, %error, "lease not renewed");
                        deadline = Timestamp(i64::MIN);
                    }
                }
            }
            match waits_for {
                Some((name, holder)) if held.is_none() => {
                    self.gate.close();
                    return Err(DaemonError::LeaseLost { name, holder });
                }
                Some((name, holder)) => {
                    tracing::info!(lease = %name, %holder, "waiting for lease");
                    published.lease_is_held(&name, &holder);
                }
                None if deadline > Timestamp(i64::MIN) => {
                    self.gate.extend(deadline);
                    if let Some(held) = held.take() {
                        held.send(()).ok();
                    }
                }
                None => {}
            }
            if self.rest().await {
                self.gate.close();
                for (name, elector) in &mut electors {
                    if let Err(error) = elector.release(&writer, self.clock.now()).await {
                        tracing::warn!(lease = %name, %error, "lease not given back");
                    }
                }
                return Ok(());
            }
        }
    }
}
