//! The lease: one leader at a time, by the server's compare-and-swap.

use super::connect;
use crate::support::cluster::Cluster as Server;
use hence::cluster::Cluster;
use hence::cluster::Purpose;
use hence::cluster::Writer;
use hence::cluster::write::Elector;
use hence::cluster::write::LeaseOptions;
use hence::cluster::write::Standing;
use hence::cluster::write::WriteGate;
use hence::model::Timestamp;
use std::collections::BTreeMap;

const NAME: &str = "kustomize-controller-leader-election";

fn elector(namespace: &str, identity: &str) -> Elector {
    Elector::new(LeaseOptions::new(namespace, NAME, identity))
}

fn keeper(cluster: &Cluster) -> Writer {
    cluster.writer(Purpose::Upkeep("lease"), WriteGate::open())
}

fn leads(standing: &Standing) -> bool {
    matches!(standing, Standing::Leading { .. })
}

#[tokio::test]
async fn it_passes_on_when_given_back_or_abandoned() {
    let namespace = Server::shared().namespace("lease").await;
    let cluster = connect().await;
    let keeper = keeper(&cluster);
    let head = BTreeMap::from([("hence.example/head".to_owned(), "sha256:00".to_owned())]);
    let none = BTreeMap::new();
    let (mut a, mut b) = (elector(&namespace, "a"), elector(&namespace, "b"));

    let first = a.step(&keeper, Timestamp(1_000), &head).await.unwrap();
    assert_eq!(first, Standing::Leading { deadline: Timestamp(31_000), fresh: true });
    let waits = b.step(&keeper, Timestamp(1_000), &none).await.unwrap();
    assert_eq!(waits, Standing::Waiting { holder: "a".to_owned() });
    let again = a.step(&keeper, Timestamp(6_000), &none).await.unwrap();
    assert_eq!(again, Standing::Leading { deadline: Timestamp(36_000), fresh: false });

    // Given back: b need not wait.
    a.release(&keeper, Timestamp(7_000)).await.unwrap();
    assert!(leads(&b.step(&keeper, Timestamp(8_000), &none).await.unwrap()));
    let record = cluster.lease(&namespace, NAME).await.unwrap().unwrap();
    assert_eq!((record.holder.as_str(), record.duration_s), ("b", 35));
    assert_eq!(record.annotations, head, "what the lease carries survives its holder");

    // Abandoned: a waits a whole duration by its own clock.
    assert!(!leads(&a.step(&keeper, Timestamp(10_000), &none).await.unwrap()));
    assert!(!leads(&a.step(&keeper, Timestamp(44_000), &none).await.unwrap()));
    assert!(leads(&a.step(&keeper, Timestamp(45_000), &none).await.unwrap()));
    let lost = b.step(&keeper, Timestamp(45_001), &none).await.unwrap();
    assert_eq!(lost, Standing::Waiting { holder: "a".to_owned() });
    // A late release of the old holder takes nothing away.
    b.release(&keeper, Timestamp(45_002)).await.unwrap();
    assert!(leads(&a.step(&keeper, Timestamp(46_000), &none).await.unwrap()));
}

#[tokio::test]
async fn of_many_at_once_one_leads() {
    let namespace = Server::shared().namespace("race").await;
    let cluster = connect().await;
    let tries = (0..8).map(|i| {
        let (cluster, namespace) = (cluster.clone(), namespace.clone());
        tokio::spawn(async move {
            let mut elector = elector(&namespace, &format!("r{i}"));
            elector.step(&keeper(&cluster), Timestamp(0), &BTreeMap::new()).await.unwrap()
        })
    });
    let mut leaders = 0;
    for standing in tries.collect::<Vec<_>>() {
        leaders += usize::from(leads(&standing.await.unwrap()));
    }
    assert_eq!(leaders, 1);
}
