//! The lease that lets one replica write, held as the controllers that it replaces hold theirs.
//!
//! In: who we are, the lease's name, the time. Out: whether we lead, and until when. Clocks of
//! other machines are never trusted: a lease counts as abandoned when *we* have seen it unchanged
//! for its whole duration. Our own deadline counts from before the request was sent.
//!
//! The annotations of the lease carry what must outlive our disk, such as the journal's head.

use std::collections::BTreeMap;

use jiff::Timestamp as Instant;
use serde_json::Value;
use serde_json::json;

use super::Writer;
use crate::cluster::Cluster;
use crate::cluster::ClusterError;
use crate::cluster::Resource;
use crate::model::Timestamp;

/// Which lease, and how it is held. The times are Flux's.
#[derive(Clone, Debug)]
pub struct LeaseOptions {
    /// The namespace of the lease.
    pub namespace: String,
    /// Its name, such as `kustomize-controller-leader-election`.
    pub name: String,
    /// Who we are; unique for each start of each replica.
    pub identity: String,
    /// How long others wait for a holder that falls silent.
    pub duration_ms: i64,
    /// How long we count on the lease after a renewal: less than the duration.
    pub renew_deadline_ms: i64,
}

impl LeaseOptions {
    /// The lease `name`, held as Flux holds it: 35 s, given up 30 s after the last renewal.
    pub fn new(namespace: &str, name: &str, identity: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            identity: identity.to_owned(),
            duration_ms: 35_000,
            renew_deadline_ms: 30_000,
        }
    }
}

/// A lease as the server stores it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseRecord {
    /// Who holds it; empty when nobody does.
    pub holder: String,
    /// How long others wait for the holder, in seconds.
    pub duration_s: i64,
    /// Since when the holder has it, as written.
    pub acquired: String,
    /// When the holder last said so, as written.
    pub renewed: String,
    /// How often it changed hands.
    pub transitions: i64,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its version.
    pub resource_version: String,
}

/// Where we stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// We hold the lease, until this time at least.
    Leading {
        /// Writes are refused from then on, unless the lease is renewed before.
        deadline: Timestamp,
        /// Whether we have just got it.
        fresh: bool,
    },
    /// Somebody else holds it.
    Waiting {
        /// Who; empty when we lost a race for a free lease.
        holder: String,
    },
}

/// Takes, renews and gives back one lease.
#[derive(Debug)]
pub struct Elector {
    options: LeaseOptions,
    /// The record as we saw it last, and when it last changed.
    seen: Option<(LeaseRecord, Timestamp)>,
}

fn leases() -> Resource {
    Resource::known("coordination.k8s.io", "v1", "Lease", "leases", true)
}

impl LeaseRecord {
    fn read(raw: &Value) -> Self {
        let text =
            |path: &str| raw.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |path: &str| raw.pointer(path).and_then(Value::as_i64).unwrap_or(0);
        let annotations = raw.pointer("/metadata/annotations").and_then(Value::as_object);
        let annotation = |(key, value): (&String, &Value)| {
            (key.clone(), value.as_str().unwrap_or_default().to_owned())
        };
        Self {
            holder: text("/spec/holderIdentity"),
            duration_s: number("/spec/leaseDurationSeconds"),
            acquired: text("/spec/acquireTime"),
            renewed: text("/spec/renewTime"),
            transitions: number("/spec/leaseTransitions"),
            annotations: annotations.into_iter().flatten().map(annotation).collect(),
            resource_version: text("/metadata/resourceVersion"),
        }
    }

    fn to_object(&self, options: &LeaseOptions) -> Value {
        let mut object = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"namespace": options.namespace, "name": options.name},
            "spec": {
                "holderIdentity": self.holder,
                "leaseDurationSeconds": self.duration_s,
                "acquireTime": self.acquired,
                "renewTime": self.renewed,
                "leaseTransitions": self.transitions,
            },
        });
        if !self.annotations.is_empty() {
            object["metadata"]["annotations"] = json!(self.annotations);
        }
        if !self.resource_version.is_empty() {
            object["metadata"]["resourceVersion"] = self.resource_version.as_str().into();
        }
        object
    }

    /// Whether two sightings show the same claim, so that time passes for it.
    fn same_claim(&self, other: &Self) -> bool {
        (&self.holder, &self.renewed, &self.acquired, self.transitions)
            == (&other.holder, &other.renewed, &other.acquired, other.transitions)
    }
}

/// What to do about a lease.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Write this record.
    Claim(LeaseRecord, bool),
    /// Leave it to its holder.
    Wait(String),
}

impl Elector {
    /// Holds nothing yet.
    pub fn new(options: LeaseOptions) -> Self {
        Self { options, seen: None }
    }

    /// The lease as it was last seen.
    pub fn record(&self) -> Option<&LeaseRecord> {
        self.seen.as_ref().map(|(record, _)| record)
    }

    /// Takes or renews the lease; call it every few seconds. `annotations` are merged into those
    /// of the lease. `writer` must not be gated: the lease opens the gate.
    pub async fn step(
        &mut self,
        writer: &Writer,
        now: Timestamp,
        annotations: &BTreeMap<String, String>,
    ) -> Result<Standing, ClusterError> {
        let found = read_lease(&writer.cluster, &self.options).await?;
        match self.decide(found, now, annotations) {
            Step::Wait(holder) => Ok(Standing::Waiting { holder }),
            Step::Claim(record, fresh) => self.claim(writer, record, fresh, now).await,
        }
    }

    async fn claim(
        &mut self,
        writer: &Writer,
        record: LeaseRecord,
        fresh: bool,
        now: Timestamp,
    ) -> Result<Standing, ClusterError> {
        let (resource, options) = (leases(), &self.options);
        let object = record.to_object(options);
        let written = match record.resource_version.as_str() {
            "" => writer.create(&resource, &options.namespace, &object).await,
            _ => writer.replace(&resource, &options.namespace, &options.name, &object).await,
        };
        match written {
            Ok(written) => {
                self.seen = Some((LeaseRecord::read(&written.raw), now));
                let deadline = now.plus_ms(options.renew_deadline_ms);
                Ok(Standing::Leading { deadline, fresh })
            }
            // Another replica was faster: this one looks again.
            Err(ClusterError::Refused { status, .. }) if status.code == 409 => {
                Ok(Standing::Waiting { holder: String::new() })
            }
            Err(error) => Err(error),
        }
    }

    /// Gives the lease back, so that others need not wait. Call it after the last write.
    pub async fn release(&mut self, writer: &Writer, now: Timestamp) -> Result<(), ClusterError> {
        let Some((record, _)) = self.seen.take() else { return Ok(()) };
        if record.holder != self.options.identity {
            return Ok(());
        }
        let freed = LeaseRecord {
            holder: String::new(),
            duration_s: 1,
            acquired: micro_time(now),
            renewed: micro_time(now),
            ..record
        };
        let object = freed.to_object(&self.options);
        let options = &self.options;
        writer.replace(&leases(), &options.namespace, &options.name, &object).await.map(|_| ())
    }

    /// What to do about the lease as found. Pure but for remembering the sighting.
    fn decide(
        &mut self,
        found: Option<LeaseRecord>,
        now: Timestamp,
        annotations: &BTreeMap<String, String>,
    ) -> Step {
        let time = micro_time(now);
        let duration_s = self.options.duration_ms / 1000;
        let Some(found) = found else {
            self.seen = None;
            let record = LeaseRecord {
                holder: self.options.identity.clone(),
                duration_s,
                acquired: time.clone(),
                renewed: time,
                annotations: annotations.clone(),
                ..LeaseRecord::default()
            };
            return Step::Claim(record, true);
        };
        let since = match &self.seen {
            Some((seen, since)) if seen.same_claim(&found) => *since,
            _ => now,
        };
        self.seen = Some((found.clone(), since));
        let ours = found.holder == self.options.identity;
        // The holder's own duration counts when it is the longer one.
        let patience = self.options.duration_ms.max(found.duration_s.saturating_mul(1000));
        let abandoned = now.millis().saturating_sub(since.millis()) >= patience;
        if !ours && !found.holder.is_empty() && !abandoned {
            return Step::Wait(found.holder);
        }
        let mut merged = found.annotations.clone();
        merged.extend(annotations.clone());
        let record = LeaseRecord {
            holder: self.options.identity.clone(),
            duration_s,
            acquired: if ours { found.acquired.clone() } else { time.clone() },
            renewed: time,
            transitions: found.transitions + i64::from(!ours),
            annotations: merged,
            resource_version: found.resource_version,
        };
        Step::Claim(record, !ours)
    }
}

/// The lease, or `None` when there is none.
async fn read_lease(
    cluster: &Cluster,
    options: &LeaseOptions,
) -> Result<Option<LeaseRecord>, ClusterError> {
    let found = cluster.get(&leases(), &options.namespace, &options.name).await?;
    Ok(found.map(|lease| LeaseRecord::read(&lease.raw)))
}

impl Cluster {
    /// Who holds a lease; `None` when it does not exist.
    pub async fn lease(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<LeaseRecord>, ClusterError> {
        read_lease(self, &LeaseOptions::new(namespace, name, "")).await
    }
}

/// `metav1.MicroTime`: RFC 3339 with six digits.
fn micro_time(at: Timestamp) -> String {
    match Instant::from_millisecond(at.millis()) {
        Ok(at) => format!("{at:.6}"),
        Err(_) => at.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elector(identity: &str) -> Elector {
        Elector::new(LeaseOptions::new("hence", "lease", identity))
    }

    fn held_by(holder: &str, renewed: &str) -> Option<LeaseRecord> {
        Some(LeaseRecord {
            holder: holder.to_owned(),
            duration_s: 35,
            renewed: renewed.to_owned(),
            transitions: 4,
            resource_version: "9".to_owned(),
            annotations: BTreeMap::from([("theirs".to_owned(), "kept".to_owned())]),
            ..LeaseRecord::default()
        })
    }

    fn none() -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    #[test]
    fn a_free_lease_is_taken() {
        let claimed = |found| match elector("me").decide(found, Timestamp(0), &none()) {
            Step::Claim(record, true) => record,
            step => panic!("{step:?}"),
        };
        assert_eq!(claimed(None).transitions, 0);
        let record = claimed(held_by("", "x"));
        assert_eq!((record.holder.as_str(), record.transitions), ("me", 5));
        assert_eq!(record.resource_version, "9", "a compare-and-swap");
    }

    #[test]
    fn a_silent_holder_is_waited_for_by_our_own_clock() {
        let mut me = elector("me");
        let wait = Step::Wait("other".to_owned());
        // The holder's clock is years ahead or behind: only changes count.
        assert_eq!(me.decide(held_by("other", "2099"), Timestamp(0), &none()), wait);
        assert_eq!(me.decide(held_by("other", "1999"), Timestamp(34_000), &none()), wait);
        assert_eq!(me.decide(held_by("other", "1999"), Timestamp(68_999), &none()), wait);
        let step = me.decide(held_by("other", "1999"), Timestamp(69_000), &none());
        assert!(matches!(step, Step::Claim(record, true) if record.transitions == 5));
    }

    #[test]
    fn our_own_lease_is_renewed_with_its_annotations() {
        let head = BTreeMap::from([("head".to_owned(), "sha256:00".to_owned())]);
        let step = elector("me").decide(held_by("me", "x"), Timestamp(1), &head);
        let Step::Claim(record, false) = step else { panic!("it is ours") };
        assert_eq!(record.transitions, 4);
        assert_eq!(record.annotations.len(), 2, "ours are added, others stay");
        assert_eq!(record.renewed, "1970-01-01T00:00:00.001000Z");
    }

    #[test]
    fn records_read_back() {
        let record = held_by("me", "1970-01-01T00:00:00.001000Z").expect("given");
        let options = LeaseOptions::new("hence", "lease", "me");
        assert_eq!(LeaseRecord::read(&record.to_object(&options)), record);
    }
}
