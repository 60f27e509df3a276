//! Credentials that do not fit and hosts that nobody knows: the source says so, with what to do
//! next; what was applied stays, and the right Secret ends it.

use super::world::SOURCE;
use super::world::World;
use super::world::map;
use crate::support::flux;
use crate::support::git::Behaviour;
use crate::support::git::Guard;
use crate::support::git::Repository;
use crate::support::git::SshHost;
use crate::support::wait;
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::ListParams;
use kube::api::Patch;
use kube::api::PatchParams;
use serde_json::Value;
use serde_json::json;

/// The Secret that the source uses.
const SECRET: &str = "credentials";

async fn put(world: &World, entries: Value) {
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    let object = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": SECRET },
        "stringData": entries,
    });
    let params = PatchParams::apply(flux::TEST_MANAGER).force();
    secrets.patch(SECRET, &params, &Patch::Apply(object)).await.expect("the server takes it");
}

async fn source(world: &World, url: &str) {
    let source = json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
        "metadata": { "name": SOURCE },
        "spec": {
            "url": url, "interval": "1h", "ref": { "branch": "main" },
            "secretRef": { "name": SECRET },
        },
    });
    flux::apply(&world.flux(flux::GIT_REPOSITORY), SOURCE, &source).await;
}

/// The texts of the source's Ready condition once it fails and says this, and of its event.
async fn fails(world: &World, says: &[&str]) {
    let sources = &world.flux(flux::GIT_REPOSITORY);
    let message = wait::until("the source to fail", || async move {
        let source = sources.get(SOURCE).await.ok()?;
        let ready = flux::condition(&source, "Ready")?.clone();
        let message = ready["message"].as_str()?.to_owned();
        let fails = ready["status"] == "False" && flux::is_true(&source, "FetchFailed");
        fails.then_some(message)
    })
    .await;
    for part in says {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
    let events: &Api<Event> = &Api::namespaced(world.client.clone(), &world.namespace);
    wait::until("the event", || async {
        let list = events.list(&ListParams::default()).await.ok()?.items;
        list.into_iter().find(|event| {
            event.type_.as_deref() == Some("Warning")
                && event.involved_object.kind.as_deref() == Some("GitRepository")
                && event.message.as_deref() == Some(message.as_str())
        })
    })
    .await;
}

/// What each of these tests does: right credentials, wrong ones beside a push, then the right ones.
struct Trial<'a> {
    repo: &'a Repository,
    url: String,
    right: Value,
    wrong: Value,
    says: &'a [&'a str],
    code: &'a str,
}

async fn stand(world: &World, trial: &Trial<'_>) {
    trial.repo.write("app/a.yaml", map("a", "1"));
    trial.repo.write("app/b.yaml", map("b", "1"));
    let first = trial.repo.commit("two", "main");
    put(world, trial.right.clone()).await;
    source(world, &trial.url).await;
    world.unit("app", json!({})).await;
    world.ready("app", &format!("main@sha1:{first}")).await;

    // Before the commit: a fetch of its own at this moment must not see it with what is right.
    put(world, trial.wrong.clone()).await;
    trial.repo.git(&["rm", "-q", "app/b.yaml"]);
    let second = trial.repo.commit("without b", "main");
    world.fetch().await;
    fails(world, trial.says).await;
    assert_eq!(world.owned_maps().await, ["a", "b"]);
    let live = ["why-not", "live", &second, "--on", "cm/a", "-n", &world.namespace];
    let why = world.site.ask(&live);
    let advice = ["NOT LIVE", trial.code, "help     ", "next     "];
    for part in trial.says.iter().copied().chain(advice) {
        assert!(why.contains(part), "{part:?} is not in {why}");
    }

    put(world, trial.right.clone()).await;
    world.ready("app", &format!("main@sha1:{second}")).await;
    world.owns(&["a"]).await;
}

#[tokio::test]
async fn wrong_credentials_are_told_and_lose_nothing() {
    let world = World::shared("wrong-password").await;
    let guard = Guard::Basic("ann".to_owned(), "right".to_owned());
    world.host.behave(Behaviour { guard, ..Behaviour::default() });
    let url = world.host.url("app");
    let secret = |password: &str| json!({ "username": "ann", "password": password });
    let says = ["unable to clone", url.as_str(), "authentication required"];
    let (right, wrong) = (secret("right"), secret("wrong"));
    let code = "sources::net::unauthenticated";
    let (repo, url, says) = (&world.repo, url.clone(), &says);
    stand(&world, &Trial { repo, url, right, wrong, says, code }).await;
}

#[tokio::test]
async fn an_unknown_host_key_is_told_and_loses_nothing() {
    let world = World::shared("host-key").await;
    let host = SshHost::start(&["ed25519"]);
    let repo = host.repository("app");
    let other = host.known_hosts("ed25519").replace("127.0.0.1", "elsewhere.example");
    let secret = |known: &str| json!({ "identity": host.read("client"), "known_hosts": known });
    let says = ["knownhosts", "127.0.0.1", "SHA256:"];
    let (right, wrong) = (secret(&host.known_hosts("ed25519")), secret(&other));
    let (repo, url, says, code) = (&repo, host.url("app"), &says, "sources::net::host_key_unknown");
    stand(&world, &Trial { repo, url, right, wrong, says, code }).await;
}
