//! Watches: nothing is missed, and silence is noticed.

use super::config_map;
use super::config_maps;
use super::connect_to;
use super::connect_with;
use super::writer;
use crate::support::cluster::Cluster as Server;
use crate::support::proxy::Fault;
use crate::support::proxy::FaultProxy;
use crate::support::wait;
use hence::cluster::Cluster;
use hence::cluster::ConnectOptions;
use hence::cluster::read::ListOptions;
use hence::cluster::read::WatchEvent;
use hence::cluster::read::WatchHandle;
use hence::cluster::read::WatchMessage;
use hence::cluster::read::WatchSpec;
use hence::cluster::write::ApplyOptions;
use hence::cluster::write::Deletion;
use hence::cluster::write::Preconditions;
use hence::cluster::write::Propagation;
use serde_json::json;
use std::time::Duration;
use tokio::sync::mpsc;

struct Scene {
    namespace: String,
    proxy: FaultProxy,
    /// Writes past the proxy.
    direct: Cluster,
    messages: mpsc::Receiver<WatchMessage<String>>,
    _watch: WatchHandle,
}

/// A watch of a namespace's ConfigMaps through a proxy; each object is reduced to `name=value`.
async fn watched(purpose: &str, options: ConnectOptions) -> Scene {
    let server = Server::shared();
    let namespace = server.namespace(purpose).await;
    let proxy = FaultProxy::before(server);
    let cluster = connect_with(&proxy.kubeconfig(), options).await;
    let direct = connect_to(server.kubeconfig()).await;
    let (to, messages) = mpsc::channel(16);
    // The labels keep out what the server itself puts into a namespace.
    let labels = "watched=yes".to_owned();
    let list = ListOptions { namespace: namespace.clone(), labels, ..ListOptions::default() };
    let spec = WatchSpec { resource: config_maps(), options: list };
    let reduce = |o: hence::cluster::Observed| {
        format!("{}={}", o.object.name, o.raw["data"]["v"].as_str().unwrap_or_default())
    };
    let handle = cluster.watch(spec, reduce, to);
    Scene { namespace, proxy, direct, messages, _watch: handle }
}

impl Scene {
    async fn put(&self, name: &str, value: &str) {
        let mut manifest = config_map(&self.namespace, name, json!({"v": value}));
        manifest["metadata"]["labels"] = json!({"watched": "yes"});
        let options = ApplyOptions::default();
        writer(&self.direct)
            .apply(&config_maps(), &manifest, &options)
            .await
            .expect("the server takes it");
    }

    async fn delete(&self, name: &str) {
        let gone = writer(&self.direct)
            .delete(
                &config_maps(),
                &self.namespace,
                name,
                &Preconditions::default(),
                Propagation::Background,
                false,
            )
            .await;
        assert_eq!(gone.expect("the server takes it"), Deletion::Gone);
    }

    /// The next message in words, failures left out: a cut may hit a watch that just opens.
    async fn next(&mut self) -> String {
        loop {
            let message = self.next_of_all().await;
            if message != "failed" && message != "resumed" {
                return message;
            }
        }
    }

    async fn next_of_all(&mut self) -> String {
        let message = tokio::time::timeout(wait::LONGEST, self.messages.recv()).await;
        match message.expect("the watch says something").expect("the watch runs").event {
            WatchEvent::Listed(list) => format!("listed {}", list.items.join(" ")),
            WatchEvent::Changed(object) => format!("changed {object}"),
            WatchEvent::Gone(object) => format!("gone {object}"),
            WatchEvent::Stale => "stale".to_owned(),
            WatchEvent::Failed { .. } => "failed".to_owned(),
            WatchEvent::Resumed => "resumed".to_owned(),
        }
    }

    fn lists(&self) -> usize {
        self.proxy.seen().iter().filter(|seen| seen.is_list("configmaps")).count()
    }

    async fn until_watching(&self, times: usize) {
        wait::until("the watch to be open", async || {
            let seen = self.proxy.seen();
            (seen.iter().filter(|seen| seen.is_watch("configmaps")).count() >= times).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn every_change_comes_in_order() {
    let mut scene = watched("changes", ConnectOptions::default()).await;
    assert_eq!(scene.next().await, "listed ");
    scene.put("a", "1").await;
    scene.put("a", "2").await;
    scene.delete("a").await;
    for want in ["changed a=1", "changed a=2", "gone a=2"] {
        assert_eq!(scene.next().await, want);
    }
}

#[tokio::test]
async fn a_cut_connection_is_taken_up_without_a_list() {
    let mut scene = watched("cut", ConnectOptions::default()).await;
    assert_eq!(scene.next().await, "listed ");
    scene.put("a", "1").await;
    assert_eq!(scene.next().await, "changed a=1");
    for round in 2..6 {
        scene.proxy.cut_streams();
        scene.put("a", &round.to_string()).await;
        assert_eq!(scene.next().await, format!("changed a={round}"));
    }
    assert_eq!(scene.lists(), 1);
}

#[tokio::test]
async fn a_deletion_just_before_the_connection_is_taken_up_is_not_lost() {
    let mut scene = watched("deleted", ConnectOptions::default()).await;
    assert_eq!(scene.next().await, "listed ");
    for round in 0..12 {
        scene.proxy.cut_streams();
        scene.put("a", &format!("{round}-1")).await;
        scene.put("a", &format!("{round}-2")).await;
        scene.delete("a").await;
        for want in [
            format!("changed a={round}-1"),
            format!("changed a={round}-2"),
            format!("gone a={round}-2"),
        ] {
            assert_eq!(scene.next().await, want);
        }
    }
    assert_eq!(scene.lists(), 1);
}

#[tokio::test]
async fn an_expired_version_leads_to_a_new_list() {
    let mut scene = watched("expired", ConnectOptions::default()).await;
    assert_eq!(scene.next().await, "listed ");
    scene.until_watching(1).await;
    scene.proxy.times(1, |seen| seen.is_watch("configmaps"), Fault::watch_expired());
    scene.put("a", "1").await;
    assert_eq!(scene.next().await, "changed a=1");
    scene.proxy.cut_streams();
    assert_eq!(scene.next().await, "stale", "changes were missed");
    assert_eq!(scene.next().await, "listed a=1");
    scene.until_watching(3).await;
    let gone = Fault::Refuse { code: 410, reason: "Expired" };
    scene.proxy.times(1, |seen| seen.is_watch("configmaps"), gone);
    scene.proxy.cut_streams();
    assert_eq!(scene.next().await, "stale", "changes were missed");
    assert_eq!(scene.next().await, "listed a=1");
    assert_eq!(scene.proxy.harmed(), 2);
    scene.put("a", "2").await;
    assert_eq!(scene.next().await, "changed a=2");
}

#[tokio::test]
async fn a_refused_watch_is_reported_and_tried_again() {
    let mut scene = watched("refused", ConnectOptions::default()).await;
    assert_eq!(scene.next().await, "listed ");
    scene.until_watching(1).await;
    let fault = Fault::Refuse { code: 403, reason: "Forbidden" };
    scene.proxy.times(1, |seen| seen.is_watch("configmaps"), fault);
    scene.proxy.cut_streams();
    assert_eq!(scene.next_of_all().await, "failed");
    let mut after = scene.next_of_all().await;
    while after == "failed" {
        after = scene.next_of_all().await;
    }
    assert_eq!(after, "resumed");
    scene.put("a", "1").await;
    assert_eq!(scene.next().await, "changed a=1");
    assert_eq!(scene.lists(), 1, "it went on from where it was");
}

#[tokio::test]
async fn a_silent_watch_becomes_stale() {
    let options =
        ConnectOptions { watch_stale_after: Duration::from_secs(2), ..ConnectOptions::default() };
    let mut scene = watched("silent", options).await;
    scene.proxy.times(1, |seen| seen.is_watch("configmaps"), Fault::Silence);
    assert_eq!(scene.next().await, "listed ");
    scene.put("a", "1").await;
    assert_eq!(scene.next().await, "stale", "nothing came through");
    assert_eq!(scene.next().await, "listed a=1");
    assert_eq!(scene.proxy.harmed(), 1);
}

#[tokio::test]
async fn an_idle_watch_is_renewed_and_not_listed_again() {
    let options =
        ConnectOptions { watch_renew_after: Duration::from_secs(1), ..ConnectOptions::default() };
    let mut scene = watched("renewed", options).await;
    assert_eq!(scene.next().await, "listed ");
    scene.until_watching(4).await;
    scene.put("a", "1").await;
    assert_eq!(scene.next().await, "changed a=1");
    assert_eq!(scene.lists(), 1);
}

#[tokio::test]
async fn a_server_that_is_gone_for_a_while_loses_nothing() {
    let mut scene = watched("away", ConnectOptions::default()).await;
    assert_eq!(scene.next().await, "listed ");
    scene.until_watching(1).await;
    scene.proxy.always(|_| true, Fault::Break);
    scene.proxy.cut_streams();
    scene.put("a", "1").await;
    assert_eq!(scene.next_of_all().await, "failed");
    scene.put("a", "2").await;
    scene.delete("a").await;
    scene.proxy.heal();
    assert_eq!(scene.next().await, "changed a=1");
    assert_eq!(scene.next().await, "changed a=2");
    assert_eq!(scene.next().await, "gone a=2");
}

#[tokio::test]
async fn many_watches_share_connections() {
    let server = Server::shared();
    let namespace = server.namespace("many").await;
    let cluster = connect_to(server.kubeconfig()).await;
    let (to, mut messages) = mpsc::channel(16);
    let watches: Vec<WatchHandle> = (0..150)
        .map(|i| {
            let options = ListOptions {
                namespace: namespace.clone(),
                fields: format!("metadata.name=m{i}"),
                ..ListOptions::default()
            };
            let spec = WatchSpec { resource: config_maps(), options };
            cluster.watch(spec, |o| o.object.name, to.clone())
        })
        .collect();
    let mut next = async || {
        let message = tokio::time::timeout(wait::LONGEST, messages.recv()).await;
        message.expect("a watch says something").expect("they run").event
    };
    for _ in &watches {
        assert!(matches!(next().await, WatchEvent::Listed(list) if list.items.is_empty()));
    }
    // More streams than one connection takes: a write still gets through, and all are heard.
    for i in [0, 70, 149] {
        let manifest = config_map(&namespace, &format!("m{i}"), json!({}));
        let options = ApplyOptions::default();
        writer(&cluster).apply(&config_maps(), &manifest, &options).await.unwrap();
        assert_eq!(next().await, WatchEvent::Changed(format!("m{i}")));
    }
}
