//! The harness itself: each thing that other tests lean on is seen to work, and to fail, here.

use crate::support::artifacts::ArtifactServer;
use crate::support::audit;
use crate::support::cluster;
use crate::support::cluster::Cluster;
use crate::support::cluster::Options;
use crate::support::cluster::Part;
use crate::support::flux;
use crate::support::flux::KustomizeController;
use crate::support::flux::TEST_MANAGER;
use crate::support::proxy::Fault;
use crate::support::proxy::FaultProxy;
use crate::support::proxy::Gate;
use crate::support::proxy::Seen;
use crate::support::wait;
use crate::support::watched::Watched;
use crate::support::workplace::Workplace;
use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::Client;
use kube::api::ListParams;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::api::WatchEvent;
use kube::api::WatchParams;
use serde_json::json;
use std::process::Command;
use std::process::Stdio;

fn config_maps(client: &Client, namespace: &str) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), namespace)
}

async fn apply(client: &Client, namespace: &str, name: &str, value: &str) -> kube::Result<()> {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name },
        "data": { "key": value },
    });
    let params = PatchParams::apply(TEST_MANAGER);
    config_maps(client, namespace).patch(name, &params, &Patch::Apply(object)).await.map(|_| ())
}

#[tokio::test]
async fn an_apply_is_watched_and_counted() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("applied").await;
    let client = cluster.client_as("admin", "counted-client").await;
    let maps = config_maps(&client, &namespace);

    let mut events = maps.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    apply(&client, &namespace, "one", "a").await.unwrap();
    let seen = loop {
        match events.next().await.unwrap().unwrap() {
            WatchEvent::Added(seen) => break seen,
            WatchEvent::Bookmark(_) => {}
            event => panic!("{event:?}"),
        }
    };
    assert_eq!(seen.metadata.name.as_deref(), Some("one"));
    assert_eq!(seen.data.unwrap()["key"], "a");

    let all = cluster.audit().settled(cluster).await;
    let ours: Vec<_> = all.iter().filter(|r| r.user_agent == "counted-client").collect();
    let counts: Vec<_> = audit::count(ours.iter().copied()).into_iter().collect();
    assert_eq!(counts, [("patch configmaps".to_owned(), 1), ("watch configmaps".to_owned(), 1)]);
    let patch = ours.iter().find(|request| request.verb == "patch").unwrap();
    assert_eq!((patch.name.as_str(), patch.code), ("one", Some(201)));
    assert_eq!((patch.namespace.as_str(), patch.user.as_str()), (namespace.as_str(), "admin"));
    assert!(patch.is_write() && patch.impersonated.is_none());
}

#[tokio::test]
async fn the_second_user_may_nothing() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("forbidden").await;
    let tester = cluster.client_as("tester", "tester").await;
    let error = apply(&tester, &namespace, "one", "a").await.unwrap_err();
    let kube::Error::Api(status) = error else { panic!("{error}") };
    assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
}

#[tokio::test]
async fn a_server_can_be_stopped_hung_and_started_again() {
    let cluster = Cluster::start(&Options::default());
    let client = cluster.client().await;
    apply(&client, "default", "kept", "a").await.unwrap();

    cluster.stop(Part::ApiServer);
    apply(&client, "default", "kept", "b").await.unwrap_err();
    cluster.restart(Part::ApiServer);
    let client = cluster.client().await;
    let kept = config_maps(&client, "default").get("kept").await.unwrap();
    assert_eq!(kept.data.unwrap()["key"], "a", "state outlives the server");

    cluster.pause(Part::ApiServer);
    let mut question = Box::pin(apply(&client, "default", "kept", "c"));
    let early = futures::poll!(&mut question);
    assert!(early.is_pending(), "a hung server does not answer");
    cluster.resume(Part::ApiServer);
    question.await.unwrap();
}

#[tokio::test]
async fn the_proxy_passes_what_no_rule_names() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("proxied").await;
    let proxy = FaultProxy::before(cluster);
    let client = cluster::client(&proxy.kubeconfig(), None, "proxied-client").await;
    apply(&client, &namespace, "one", "a").await.unwrap();
    let mut events =
        config_maps(&client, &namespace).watch(&WatchParams::default(), "0").await.unwrap().boxed();
    assert!(matches!(events.next().await.unwrap().unwrap(), WatchEvent::Added(_)));
    assert_eq!(proxy.harmed(), 0);

    proxy.cut_streams();
    let end = loop {
        match events.next().await {
            Some(Ok(_)) => {}
            end => break end,
        }
    };
    assert!(end.is_none_or(|event| event.is_err()), "the watch is cut, not ended by an event");
    assert!(proxy.seen().iter().any(|seen| seen.is_watch("configmaps")));
}

#[tokio::test]
async fn each_fault_of_the_proxy_does_its_harm() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("harmed").await;
    let direct = cluster.client().await;
    for name in ["one", "two"] {
        apply(&direct, &namespace, name, "a").await.unwrap();
    }
    let proxy = FaultProxy::before(cluster);
    let client = &cluster::client(&proxy.kubeconfig(), None, "harmed-client").await;
    let maps = &config_maps(client, &namespace);
    let lists = |seen: &Seen| seen.is_list("configmaps");
    let code = |error: kube::Error| match error {
        kube::Error::Api(status) => status.code,
        _ => 0,
    };

    proxy.times(1, lists, Fault::Refuse { code: 403, reason: "Forbidden" });
    assert_eq!(code(maps.list(&ListParams::default()).await.unwrap_err()), 403);
    assert_eq!(maps.list(&ListParams::default()).await.unwrap().items.len(), 2, "only once");

    for fault in [Fault::Break, Fault::CutAfter(100), Fault::LoseAnswer] {
        proxy.times(1, lists, fault);
        assert_eq!(code(maps.list(&ListParams::default()).await.unwrap_err()), 0);
    }

    let expired = Fault::Refuse { code: 410, reason: "Expired" };
    proxy.always(|seen| seen.is_later_page("configmaps"), expired);
    let first = maps.list(&ListParams::default().limit(1)).await.unwrap();
    let page = first.metadata.continue_.expect("two objects are more than a page of one");
    let second = maps.list(&ListParams::default().limit(1).continue_token(&page)).await;
    assert_eq!(code(second.unwrap_err()), 410);
    proxy.heal();

    proxy.times(1, |seen| seen.is_watch("configmaps"), Fault::watch_expired());
    let mut events = maps.watch(&WatchParams::default(), "1").await.unwrap().boxed();
    let event = events.next().await.unwrap().unwrap();
    assert!(matches!(&event, WatchEvent::Error(status) if status.code == 410), "{event:?}");

    proxy.times(1, |seen| seen.is_watch("configmaps"), Fault::Silence);
    let mut silent = maps.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    assert!(futures::poll!(silent.next()).is_pending());

    proxy.times(1, Seen::is_write, Fault::LoseAnswer);
    apply(client, &namespace, "three", "a").await.unwrap_err();
    maps.get("three").await.expect("the write was done although its answer was lost");
    assert_eq!(proxy.harmed(), 8);
}

#[tokio::test]
async fn a_held_request_goes_on_when_the_gate_opens() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("held").await;
    let proxy = &FaultProxy::before(cluster);
    let client = cluster::client(&proxy.kubeconfig(), None, "held-client").await;
    let gate = Gate::closed();
    proxy.times(1, Seen::is_write, Fault::Hold(gate.clone()));
    let write = {
        let namespace = namespace.clone();
        tokio::spawn(async move { apply(&client, &namespace, "one", "a").await })
    };
    wait::until("the request to be held", || async move { (proxy.harmed() == 1).then_some(()) })
        .await;
    let direct = config_maps(&cluster.client().await, &namespace);
    assert!(direct.get_opt("one").await.unwrap().is_none(), "held back, so not done");
    gate.open();
    write.await.unwrap().unwrap();
    direct.get("one").await.unwrap();
}

#[tokio::test]
async fn the_peer_applies_an_artifact() {
    let cluster = Cluster::start(&Options::default());
    let client = cluster.client().await;
    flux::install_definitions(&client).await;
    let artifacts = ArtifactServer::start();
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-artifact}\n";
    let artifact = artifacts.publish("app", "v1@sha256:abc", &[("app/map.yaml", map)]);
    flux::offer(&client, "default", "app", &artifact).await;
    let controller = KustomizeController::start(&cluster);
    let units = &flux::api(&client, flux::KUSTOMIZATION, "default");
    let unit = json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
        "metadata": { "name": "app", "namespace": "default" },
        "spec": {
            "interval": "1h", "prune": true, "path": "./app", "targetNamespace": "default",
            "sourceRef": { "kind": "OCIRepository", "name": "app" },
        },
    });
    flux::apply(units, "app", &unit).await;
    let ready = wait::until("the Kustomization to be ready", || async move {
        units.get("app").await.ok().filter(|unit| flux::is_true(unit, "Ready"))
    })
    .await;
    let message = &flux::condition(&ready, "Ready").unwrap()["message"];
    assert_eq!(message, "Applied revision: v1@sha256:abc", "{}", controller.log());
    config_maps(&client, "default").get("from-artifact").await.unwrap();
    assert_eq!(artifacts.downloads(&artifact), 1);
    controller.stop();
}

#[test]
fn artifacts_can_be_missing_or_cut() {
    let artifacts = ArtifactServer::start();
    let artifact = artifacts.publish("app", "v1", &[("a.yaml", "a: 1")]);
    let again = artifacts.publish("app", "v2", &[("a.yaml", "a: 1")]);
    assert_eq!(artifact.digest, again.digest, "equal files, equal bytes");
    let fetch = || {
        cluster::trust_ring();
        let client = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(&artifact.url).send().unwrap();
        (answer.status().as_u16(), answer.bytes().ok().map(|bytes| bytes.len()))
    };
    assert_eq!(fetch(), (200, Some(artifact.size)));
    artifacts.cut(&artifact, Some(10));
    assert_eq!(fetch(), (200, None));
    artifacts.cut(&artifact, None);
    assert_eq!(fetch(), (200, Some(artifact.size)));
    artifacts.withdraw(&artifact);
    assert_eq!(fetch().0, 404);
    assert_eq!(artifacts.downloads(&artifact), 4);
}

#[test]
fn a_workplace_shows_nothing_of_the_machine() {
    let workplace = Workplace::new("/nonexistent/kubeconfig");
    let output = workplace.command("env").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut names: Vec<_> = text.lines().filter_map(|line| line.split('=').next()).collect();
    names.sort_unstable();
    let mut known = ["HOME", "KUBECONFIG", "NO_COLOR", "PATH", "TMPDIR", "TZ"].to_vec();
    known.retain(|name| names.contains(name));
    assert_eq!(names, known);
    assert!(workplace.state().is_dir());
    let _help = workplace.hence(&["--help"]).expect_success();
}

#[tokio::test]
async fn kubectl_is_the_real_one() {
    let cluster = Cluster::shared();
    let workplace = Workplace::new(cluster.kubeconfig());
    let said = workplace.kubectl(&["version", "-o", "json"]).expect_success();
    let version: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(version["clientVersion"]["gitVersion"], version["serverVersion"]["gitVersion"]);
}

#[tokio::test]
async fn a_daemon_is_ended_with_its_owner() {
    let workplace = Workplace::new("/nonexistent/kubeconfig");
    let daemon = workplace.start(&["--help"]);
    assert!(daemon.end().await.success());
    let mut sleeper = Watched::spawn(Command::new("sleep").arg("1000").stdin(Stdio::null()));
    assert!(sleeper.ended().is_none());
    sleeper.signal("TERM");
    wait::until_blocking("the signal to work", || sleeper.ended());
}
