//! Twenty values that must stay secret pass through a daemon, and then are looked for in all that
//! it leaves behind or says: state, log, journal, metrics, answers, conditions, events.

use super::world::World;
use super::world::map;
use crate::sources::files;
use crate::support::cluster;
use crate::support::flux;
use crate::support::git::Behaviour;
use crate::support::git::Guard;
use crate::support::serve::free_port;
use crate::support::wait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::ListParams;
use kube::api::Patch;
use kube::api::PatchParams;
use serde_json::Value;
use serde_json::json;

/// How many there are.
const COUNT: usize = 20;

/// The value of this number: long, and like nothing else.
fn canary(number: usize) -> String {
    format!("canary-{number:02}-q7x{}", "vz".repeat(4 + number % 5))
}

fn secret(name: &str, entries: &[(&str, String)]) -> Value {
    let data: serde_json::Map<String, Value> =
        entries.iter().map(|(key, text)| ((*key).to_owned(), json!(text))).collect();
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})
}

async fn put(world: &World, object: Value) {
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    let name = object["metadata"]["name"].as_str().expect("it has a name").to_owned();
    let params = PatchParams::apply(flux::TEST_MANAGER).force();
    secrets.patch(&name, &params, &Patch::Apply(object)).await.expect("the server takes it");
}

/// A GitRepository with this URL, and Secrets for credentials and proxy.
async fn source(world: &World, name: &str, url: &str, secret: Option<&str>, proxy: Option<&str>) {
    let mut spec = json!({ "url": url, "interval": "1h", "ref": { "branch": "main" } });
    for (field, name) in [("secretRef", secret), ("proxySecretRef", proxy)] {
        if let Some(name) = name {
            spec[field] = json!({ "name": name });
        }
    }
    let source = json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
        "metadata": { "name": name }, "spec": spec,
    });
    flux::apply(&world.flux(flux::GIT_REPOSITORY), name, &source).await;
}

/// Sources with secrets of every kind, right and wrong ones.
async fn sources(world: &World) {
    let url = world.host.url("app");
    let ssh = "ssh://git@localhost:1/app.git";
    let with_password = url.replace("http://", &format!("http://user:{}@", canary(3)));
    put(world, secret("right", &[("username", canary(0)), ("password", canary(1))])).await;
    put(world, secret("wrong", &[("username", "u".to_owned()), ("password", canary(2))])).await;
    put(world, secret("bearer", &[("bearerToken", canary(4))])).await;
    put(world, secret("half", &[("password", canary(5))])).await;
    put(world, secret("ssh", &[("identity", canary(6)), ("known_hosts", canary(7))])).await;
    let pair = [("tls.crt", canary(8)), ("tls.key", canary(9)), ("ca.crt", canary(10))];
    put(world, secret("tls", &pair)).await;
    let proxy = format!("http://user:{}@localhost:1", canary(11));
    let proxy = [("address", proxy), ("username", "u".to_owned()), ("password", canary(12))];
    put(world, secret("proxy", &proxy)).await;
    source(world, "repo", &url, Some("right"), None).await;
    source(world, "wrong", &url, Some("wrong"), None).await;
    source(world, "userinfo", &with_password, None, None).await;
    source(world, "bearer", &url, Some("bearer"), None).await;
    source(world, "half", &url, Some("half"), None).await;
    source(world, "ssh", ssh, Some("ssh"), None).await;
    source(world, "tls", &url.replace("http:", "https:"), Some("tls"), None).await;
    source(world, "proxied", &url, None, Some("proxy")).await;
}

/// Files whose secrets come from Git and from substitution; some of them the server refuses.
fn write_files(world: &World) {
    let encoded = STANDARD.encode(canary(14));
    let rendered = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: rendered\nstringData:\n  a: {}\n\
         data:\n  b: {encoded}\n",
        canary(13)
    );
    let generated = format!(
        "resources:\n- rendered.yaml\n- tainted.yaml\nsecretGenerator:\n- name: generated\n  \
         literals:\n  - key={}\n",
        canary(15)
    );
    let tainted = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: tainted\n  annotations:\n    \
                   note: ${TOKEN}\ndata:\n  key: before ${TOKEN} after\n";
    // A server that refuses these quotes what it refuses.
    let echoed = "apiVersion: v1\nkind: Service\nmetadata:\n  name: echoed\nspec:\n  type: ${TYPE}\n  \
                  ports:\n  - port: 80\n";
    let misformed = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: misformed\ndata:\n  key: \"{} !\"\n",
        canary(16)
    );
    world.repo.write("app/kustomization.yaml", &generated);
    world.repo.write("app/rendered.yaml", &rendered);
    world.repo.write("app/tainted.yaml", tainted);
    world.repo.write("echo/echoed.yaml", echoed);
    world.repo.write("echo/misformed.yaml", &misformed);
    world.repo.write("echo/fine.yaml", map("fine", "1"));
}

async fn variables(world: &World, token: usize) {
    put(world, secret("variables", &[("TOKEN", canary(token)), ("TYPE", canary(19))])).await;
}

#[tokio::test]
async fn no_secret_is_left_behind_or_said() {
    let mut world = World::alone("canary").await;
    let listen = format!("127.0.0.1:{}", free_port());
    let artifacts = "127.0.0.1:0";
    let flags = ["--listen", &listen, "--artifact-addr", artifacts, "--log-level", "trace"];
    world.site.own().start(&flags);
    let guard = Guard::Basic(canary(0), canary(1));
    world.host.behave(Behaviour { guard, ..Behaviour::default() });
    write_files(&world);
    let revision = world.push("secrets").await;
    sources(&world).await;
    variables(&world, 17).await;
    let from =
        json!({ "postBuild": { "substituteFrom": [{ "kind": "Secret", "name": "variables" }] }});
    world.unit("app", from.clone()).await;
    world.unit("echo", from).await;
    world.ready("app", &revision).await;
    world.shows("echo", "False", "").await;
    let tainted = world.map("tainted").await.expect("it was applied").data.expect("it has data");
    assert!(tainted["key"].contains(&canary(17)), "the value does reach the cluster");

    // A rotated value, and edits by hand of what Secrets gave.
    variables(&world, 18).await;
    wait::until("the rotated value", || async {
        let data = world.map("tainted").await?.data?;
        data["key"].contains(&canary(18)).then_some(())
    })
    .await;
    let by_hand = Patch::Merge(json!({ "data": { "key": "by hand" } }));
    world.maps().patch("tainted", &PatchParams::default(), &by_hand).await.expect("it is there");
    wait::until("the edit to be corrected", || async {
        let data = world.map("tainted").await?.data?;
        data["key"].contains(&canary(18)).then_some(())
    })
    .await;
    for name in ["wrong", "userinfo", "bearer", "half", "ssh", "tls", "proxied"] {
        let sources = &world.flux(flux::GIT_REPOSITORY);
        wait::until(&format!("{name} to fail"), || async move {
            let source = sources.get(name).await.ok()?;
            let ready = flux::condition(&source, "Ready")?;
            (ready["status"] == "False").then_some(())
        })
        .await;
    }
    search(&mut world, &listen).await;
}

/// What the journal holds, as questions and an export tell it: its files hold it deflated.
fn records(world: &World) -> Vec<(String, Vec<u8>)> {
    let mut places = Vec::new();
    // Every write with its whole proof.
    let listed = world.site.ask(&["audit", "list", "--writes", "--limit", "10000"]);
    let ids: Vec<&str> = listed.split_whitespace().filter(|word| word.starts_with("P-")).collect();
    assert!(ids.len() >= 8, "{listed}");
    for id in ids {
        let shown = world.site.ask(&["audit", "show", id, "-o", "json"]);
        places.push((format!("proof {id}"), shown.into_bytes()));
    }
    let export = world.site.workplace.path("journal.jsonl");
    world.site.ask(&["audit", "export", &export.display().to_string()]);
    places.push(("journal".to_owned(), std::fs::read(export).expect("it was written")));
    places
}

/// Looks for each canary in all that the daemon left and said.
async fn search(world: &mut World, listen: &str) {
    let mut places: Vec<(String, Vec<u8>)> = Vec::new();
    let n = world.namespace.clone();
    let questions: &[&[&str]] = &[
        &["why", "cm/tainted", "-n", &n],
        &["why", "secret/rendered", "-n", &n],
        &["why-not", "ready", "ks/echo", "-n", &n],
        &["owners", "secret/rendered", "-n", &n],
        &["pending", "-o", "json"],
        &["plan", "-o", "json"],
        &["audit", "list", "--limit", "10000", "-o", "json"],
    ];
    for question in questions {
        places.push((question.join(" "), world.site.ask(question).into_bytes()));
    }
    places.extend(records(world));
    cluster::trust_ring();
    let metrics = reqwest::get(format!("http://{listen}/metrics")).await.expect("it is served");
    places.push(("metrics".to_owned(), metrics.text().await.expect("text").into_bytes()));
    let events: Api<Event> = Api::all(world.client.clone());
    let events = events.list(&ListParams::default()).await.expect("the server answers");
    places.push(("events".to_owned(), serde_json::to_vec(&events.items).expect("JSON")));
    for kind in [flux::KUSTOMIZATION, flux::GIT_REPOSITORY] {
        let list = world.flux(kind).list(&ListParams::default()).await.expect("it answers");
        let shown: Vec<&Value> = list.items.iter().map(|object| &object.data["status"]).collect();
        places.push(("status".to_owned(), serde_json::to_vec(&shown).expect("JSON")));
    }
    world.site.own().stop().await;
    let log = world.site.workplace.path("log-0");
    places.push((log.display().to_string(), std::fs::read(log).expect("it is there")));
    for file in files(&world.site.workplace.state()) {
        // What Git holds is kept as Git has it: source trees are the one place for it.
        let kept =
            ["git", "files", "artifacts"].map(|part| world.site.workplace.state().join(part));
        // The socket is no file that keeps anything.
        if kept.iter().any(|part| file.starts_with(part)) || !file.is_file() {
            continue;
        }
        places.push((file.display().to_string(), std::fs::read(&file).expect("it is there")));
    }
    let holders = |word: &str| {
        let has = |bytes: &[u8]| bytes.windows(word.len()).any(|part| part == word.as_bytes());
        let found = places.iter().filter(|(_, bytes)| has(bytes)).map(|(name, _)| name.clone());
        found.collect::<Vec<String>>()
    };
    // What is no secret is found by the same search: in journal, facts, log, answers, events.
    let control = holders("tainted").join("\n");
    for part in ["journal", "facts/db", "log-0", "audit list", "why cm/tainted", "proof P-"] {
        assert!(control.contains(part), "{part} was not searched:\n{control}");
    }
    let mut hits = Vec::new();
    for number in 0..COUNT {
        let plain = canary(number);
        for form in [STANDARD.encode(&plain), plain] {
            let found = holders(&form).into_iter();
            hits.extend(found.map(|name| format!("canary {number} in {name}")));
        }
    }
    assert!(hits.is_empty(), "{}", hits.join("\n"));
}
