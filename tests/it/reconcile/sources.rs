//! GitRepositories as source-controller's clients see them: artifacts, conditions, events; and what
//! a restart costs the Git host.

use super::world::SOURCE;
use super::world::World;
use super::world::map;
use crate::sources::files;
use crate::support::flux;
use crate::support::flux::KustomizeController;
use crate::support::git::Seen;
use crate::support::wait;
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::DynamicObject;
use kube::api::ListParams;
use serde_json::Value;
use serde_json::json;
use std::net::TcpListener;

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

impl World {
    async fn repository(&self) -> DynamicObject {
        self.flux(flux::GIT_REPOSITORY).get(SOURCE).await.expect("the source exists")
    }

    /// Waits until the source's Ready condition has this status and message.
    async fn repository_shows(&self, status: &str, message: &str) -> DynamicObject {
        wait::until(&format!("{status}: {message}"), || async move {
            let source = self.repository().await;
            let ready = flux::condition(&source, "Ready")?.clone();
            let text = ready["message"].as_str().unwrap_or_default();
            (ready["status"] == status && text.contains(message)).then_some(source)
        })
        .await
    }

    /// Waits until the source offers an artifact for which `wanted` holds.
    async fn offers(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let wanted = &wanted;
        wait::until(what, || async move {
            let artifact = self.repository().await.data["status"]["artifact"].clone();
            (artifact.is_object() && wanted(&artifact)).then_some(artifact)
        })
        .await
    }

    /// Waits for an event about the source: its reason, message and metadata.
    async fn source_event(&self, reason: &str, message: &str) -> Event {
        let events: &Api<Event> = &Api::namespaced(self.client.clone(), &self.namespace);
        let about = &ListParams::default().fields("involvedObject.kind=GitRepository");
        wait::until(&format!("event {reason}: {message}"), || async move {
            let list = events.list(about).await.expect("the server answers").items;
            list.into_iter().find(|event| {
                event.reason.as_deref() == Some(reason)
                    && event.message.as_deref().unwrap_or_default().contains(message)
            })
        })
        .await
    }

    /// Requests a fetch and waits until it was answered.
    async fn fetched_again(&self, token: &str) {
        let patch = json!({ "metadata": { "annotations": {
            "reconcile.fluxcd.io/requestedAt": token,
        }}});
        let api = self.flux(flux::GIT_REPOSITORY);
        let patch = kube::api::Patch::Merge(patch);
        api.patch(SOURCE, &Default::default(), &patch).await.expect("the source exists");
        wait::until("the request to be answered", || async move {
            let status = &self.repository().await.data["status"];
            (status["lastHandledReconcileAt"] == token).then_some(())
        })
        .await;
    }
}

/// Whether the request moves objects, not only names of references.
fn moves_objects(seen: &Seen) -> bool {
    String::from_utf8_lossy(&seen.body).contains("command=fetch")
}

async fn download(url: &str) -> (u16, Vec<u8>) {
    crate::support::cluster::trust_ring();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = client.get(url).send().await.expect("hence serves artifacts");
    (answer.status().as_u16(), answer.bytes().await.expect("a whole answer").to_vec())
}

fn digest(bytes: &[u8]) -> String {
    hence::model::Digest::of(bytes).to_string()
}

#[tokio::test]
async fn the_peer_uses_our_artifacts_before_and_after_a_restart() {
    let mut world = World::alone("offered").await;
    let address = format!("127.0.0.1:{}", free_port());
    let flags = ["--kinds", "GitRepository", "--artifact-addr", &address];
    world.site.own().start(&flags);
    let peer = KustomizeController::start(&world.site.cluster);
    world.repo.write("app/map.yaml", map("offered", "1"));
    let first = world.push("A first commit whose subject is longer than fifty characters").await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.ready("app", &first).await;

    let commit = first.rsplit_once(':').expect("a revision").1;
    let artifact = world.offers("the artifact", |a| a["revision"] == first.as_str()).await;
    let path = format!("gitrepository/{}/{SOURCE}/{commit}.tar.gz", world.namespace);
    assert_eq!(artifact["path"], path.as_str());
    assert_eq!(artifact["url"], format!("http://{address}/{path}").as_str());
    let url = artifact["url"].as_str().expect("a URL").to_owned();
    let (status, bytes) = download(&url).await;
    assert_eq!((status, artifact["size"].as_u64()), (200, Some(bytes.len() as u64)));
    assert_eq!(artifact["digest"], digest(&bytes).as_str());
    let subject = "'A first commit whose subject is longer than fifty ...'";
    let event = world.source_event("NewArtifact", subject).await;
    let said = event.metadata.annotations.unwrap_or_default();
    assert_eq!(said["source.toolkit.fluxcd.io/revision"], first);
    assert_eq!(said["source.toolkit.fluxcd.io/digest"], digest(&bytes));
    for hidden in ["", ".made", "gitrepository"] {
        assert_eq!(download(&format!("http://{address}/{hidden}")).await.0, 404, "{hidden:?}");
    }

    // A restart in good order: the same bytes, no clone, nothing written.
    world.site.own().stop().await;
    world.host.seen();
    world.site.own().start(&flags);
    world.fetched_again("after-restart").await;
    assert!(!world.host.seen().iter().any(moves_objects), "the head has not moved");
    assert_eq!(world.repository().await.data["status"]["artifact"], artifact);
    assert_eq!(download(&url).await.1, bytes);

    // The file is lost while nobody looks: it is made again, and said so.
    world.site.own().stop().await;
    let file = world.site.workplace.state().join("artifacts").join(&path);
    std::fs::remove_file(&file).expect("the file is there");
    world.site.own().start(&flags);
    let time = artifact["lastUpdateTime"].clone();
    let again = world.offers("a new artifact", |a| a["lastUpdateTime"] != time).await;
    assert_eq!(download(&url).await.1, bytes, "the same tree gives the same bytes");
    assert_eq!(again["digest"], artifact["digest"]);
    world.source_event("ArtifactVerificationFailed", "integrity").await;
    assert!(!world.host.seen().iter().any(moves_objects), "the tree is in the store");

    let second = world.push_files(&[("app/map.yaml", &map("offered", "2"))]).await;
    world.request(flux::KUSTOMIZATION, "app").await;
    world.ready("app", &second).await;
    assert_eq!(world.map("offered").await.expect("it is there").data.expect("data")["key"], "2");
    peer.stop();
    damaged_and_deleted(&mut world, &flags, &second).await;
}

async fn damaged_and_deleted(world: &mut World, flags: &[&str], revision: &str) {
    // Git objects are damaged while nobody looks: they are fetched again.
    world.site.own().stop().await;
    let store = world.site.workplace.state().join("git");
    let packs = files(&store).into_iter().filter(|p| p.extension().is_some_and(|e| e == "pack"));
    packs.for_each(|pack| std::fs::write(pack, "damaged").expect("it is ours"));
    world.host.seen();
    world.site.own().start(flags);
    let world = &*world;
    wait::until("the objects to be fetched again", || async {
        world.host.seen().iter().any(moves_objects).then_some(())
    })
    .await;
    world.fetched_again("after-damage").await;
    world.repository_shows("True", revision).await;
    // A source that is gone leaves no file behind.
    let offered = world.site.workplace.state().join("artifacts/gitrepository");
    assert!(!files(&offered).is_empty());
    let sources = world.flux(flux::GIT_REPOSITORY);
    sources.delete(SOURCE, &Default::default()).await.expect("it is there");
    wait::until("its files to go", || async { files(&offered).is_empty().then_some(()) }).await;
}

#[tokio::test]
async fn failures_are_told_in_the_words_of_flux() {
    let world = World::shared("told").await;
    world.source().await;
    let empty = world.repository_shows("False", "git repository is empty").await;
    assert_eq!(
        flux::condition(&empty, "FetchFailed").expect("set")["reason"],
        "EmptyGitRepository"
    );
    world.source_event("EmptyGitRepository", "git repository is empty").await;

    world.repo.write("app/map.yaml", map("told", "1"));
    world.repo.commit("On another branch", "other");
    world.fetch().await;
    let text = "failed to checkout and determine revision: unable to clone 'http";
    let missing = world.repository_shows("False", text).await;
    let ready = flux::condition(&missing, "Ready").expect("set");
    assert_eq!(ready["reason"], "GitOperationFailed");
    assert!(ready["message"].as_str().unwrap_or_default().contains("couldn't find remote ref"));

    let revision = world.push("Here it is").await;
    world.repository_shows("True", &format!("stored artifact for revision '{revision}'")).await;
    world.source_event("NewArtifact", "stored artifact for commit 'Here it is'").await;

    // A failure that ends without anything new is over, and nothing more.
    let refuse = crate::support::git::Behaviour { status: Some(500), ..Default::default() };
    world.host.behave(refuse);
    world.fetch().await;
    world.repository_shows("False", "unable to list remote").await;
    world.host.behave(Default::default());
    world.fetch().await;
    world.repository_shows("True", &revision).await;
    world.source_event("Succeeded", &format!("stored artifact for commit '{revision}'")).await;
}
