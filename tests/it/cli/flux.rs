//! `get`, `reconcile`, `suspend`, `resume`: texts, markers and exit codes of Flux.

use crate::cli::all;
use crate::cli::make;
use crate::cli::objects;
use crate::cli::place_on;
use crate::cli::report;
use crate::cli::repositories;
use crate::cli::units;
use crate::support::cluster::Cluster;
use crate::support::wait;
use kube::Api;
use kube::api::DynamicObject;
use serde_json::Value;
use serde_json::json;

const REVISION: &str = "main@sha1:67e2c98a60dc92283531412a9e604dd4bae005a9";

fn unit(suspend: bool) -> Value {
    json!({"interval": "10m", "prune": true, "path": "./", "suspend": suspend,
        "sourceRef": {"kind": "GitRepository", "name": "repo"}})
}

fn repository() -> Value {
    json!({"interval": "10m", "url": "https://git.example/repo", "ref": {"branch": "main"}})
}

fn condition(status: &str, generation: i64, message: &str) -> Value {
    json!({"type": "Ready", "status": status, "reason": "Succeeded", "message": message,
        "observedGeneration": generation, "lastTransitionTime": "2026-01-02T03:04:05Z"})
}

/// What a controller reports after a success.
fn succeeded(generation: i64, handled: &str) -> Value {
    json!({
        "observedGeneration": generation,
        "lastHandledReconcileAt": handled,
        "lastAppliedRevision": REVISION,
        "conditions": [condition("True", generation, &format!("Applied revision: {REVISION}"))],
    })
}

fn fetched(generation: i64, handled: &str) -> Value {
    json!({
        "observedGeneration": generation,
        "lastHandledReconcileAt": handled,
        "artifact": {"revision": REVISION, "path": "p", "url": "http://a/p",
            "digest": format!("sha256:{}", "0".repeat(64)),
            "lastUpdateTime": "2026-01-02T03:04:05Z"},
        "conditions": [condition("True", generation, &format!("stored artifact for {REVISION}"))],
    })
}

/// The request that somebody made of an object, once it was made.
async fn requested(api: &Api<DynamicObject>, name: &str) -> String {
    wait::until("a reconciliation to be asked for", || async move {
        let object = api.get(name).await.expect("the object is there");
        object.metadata.annotations?.get("reconcile.fluxcd.io/requestedAt").cloned()
    })
    .await
}

#[tokio::test]
async fn get_prints_the_tables_of_flux() {
    let cluster = Cluster::shared();
    let place = place_on(cluster).await;
    let namespace = &cluster.namespace("cli-get").await;
    let units_here = objects(cluster, namespace, &units()).await;
    let ready = json!({"spec": unit(false), "status": succeeded(1, "")});
    make(&units_here, "web", &units(), &ready).await;
    make(&units_here, "api", &units(), &json!({"spec": unit(true)})).await;
    let sources_here = objects(cluster, namespace, &repositories()).await;
    let source = json!({"spec": repository(), "status": fetched(1, "")});
    make(&sources_here, "repo", &repositories(), &source).await;

    let header = "NAME\tREVISION          \tSUSPENDED\tREADY\tMESSAGE                             \
                  \x20\n";
    let web =
        "web \tmain@sha1:67e2c98a\tFalse    \tTrue \tApplied revision: main@sha1:67e2c98a\t\n";
    let api =
        "api \t                  \tTrue     \tFalse\twaiting to be reconciled            \t\n";
    let get = |args: &[&str]| place.hence(&[&["get"], args, &["-n", namespace]].concat());
    let list = get(&["kustomizations"]).expect_success();
    assert_eq!(list, format!("{header}{api}{web}"));
    let one = get(&["ks", "web"]).expect_success();
    assert_eq!(one, format!("{header}{web}"));
    let failing = get(&["ks", "--status-selector", "ready!=true", "--no-header"]).expect_success();
    assert_eq!(failing, "api\t\tTrue\tFalse\twaiting to be reconciled\t\n");

    let everything = get(&["all", "--no-header"]).expect_success();
    assert_eq!(
        everything,
        "gitrepository/repo\tmain@sha1:67e2c98a\tFalse\tTrue\tstored artifact for \
         main@sha1:67e2c98a\t\n\
         \n\
         kustomization/api\t                  \tTrue \tFalse\twaiting to be reconciled            \
         \t\n\
         kustomization/web\tmain@sha1:67e2c98a\tFalse\tTrue \tApplied revision: \
         main@sha1:67e2c98a\t\n\
         \n"
    );

    let listing = get(&["ks", "web", "-o", "json"]).expect_success();
    let listing: Value = serde_json::from_str(&listing).expect("it is JSON");
    assert_eq!(listing["version"], "get.v1");
    assert_eq!(listing["objects"][0]["revision"], REVISION, "programs get the whole revision");
}

#[tokio::test]
async fn get_watches_until_it_is_ended() {
    let cluster = Cluster::shared();
    let place = place_on(cluster).await;
    let namespace = &cluster.namespace("cli-watch").await;
    let refused = place.hence(&["get", "all", "-n", namespace, "--watch"]);
    let text = "✗ expected a single resource type, but found all";
    assert_eq!((refused.code, refused.stderr.lines().next()), (Some(1), Some(text)));

    let units_here = objects(cluster, namespace, &units()).await;
    make(&units_here, "web", &units(), &json!({"spec": unit(false)})).await;
    let watch = place.start(&["get", "ks", "-n", namespace, "-w"]);
    watch.logged("web \t        \tFalse    \tFalse\twaiting to be reconciled\t").await;
    report(&units_here, "web", &succeeded(1, "before")).await;
    watch.logged("web\tmain@sha1:67e2c98a\tFalse\tTrue\tApplied revision: ").await;
    make(&units_here, "new", &units(), &json!({"spec": unit(true)})).await;
    watch.logged("new\t\tTrue\tFalse\twaiting to be reconciled\t").await;
    let headers = watch.log().lines().filter(|line| line.starts_with("NAME")).count();
    assert_eq!(headers, 1, "{}", watch.log());
    assert!(watch.terminate().await.success());
}

#[tokio::test]
async fn get_ends_as_flux_does_when_there_is_nothing() {
    let cluster = Cluster::shared();
    let place = place_on(cluster).await;
    let namespace = &cluster.namespace("cli-none").await;
    let first_line = |args: &[&str]| {
        let said = place.hence(args);
        (said.code, said.stderr.lines().next().unwrap_or_default().to_owned(), said.stdout)
    };
    let failed = |text: String| (Some(1), text, String::new());
    assert_eq!(
        first_line(&["get", "ks", "-n", namespace]),
        failed(format!("✗ no Kustomization objects found in \"{namespace}\" namespace"))
    );
    assert_eq!(
        first_line(&["get", "sources", "git", "x", "-n", namespace]),
        failed(format!("✗ GitRepository object 'x' not found in \"{namespace}\" namespace"))
    );
    assert_eq!(
        first_line(&["get", "ks", "x", "-A"]),
        failed("✗ Kustomization object 'x' not found in any namespace".to_owned())
    );
    assert_eq!(
        first_line(&["get", "ks", "-n", "No_Label"]),
        failed("✗ namespace must be a valid DNS label: \"No_Label\"".to_owned())
    );
    let none = (Some(0), String::new(), String::new());
    assert_eq!(first_line(&["get", "all", "-n", namespace]), none, "`all` may find nothing");
}

#[tokio::test]
async fn reconcile_with_source_waits_for_both() {
    let cluster = Cluster::shared();
    let place = place_on(cluster).await;
    let namespace = &cluster.namespace("cli-reconcile").await;
    let units_here = objects(cluster, namespace, &units()).await;
    let sources_here = objects(cluster, namespace, &repositories()).await;
    let ready = json!({"spec": unit(false), "status": succeeded(1, "before")});
    make(&units_here, "web", &units(), &ready).await;
    let source = json!({"spec": repository(), "status": fetched(1, "before")});
    make(&sources_here, "repo", &repositories(), &source).await;

    let args = ["reconcile", "kustomization", "web", "-n", namespace, "--with-source"];
    let verb = place.start(&args);
    let request = requested(&sources_here, "repo").await;
    report(&sources_here, "repo", &fetched(1, &request)).await;
    let request = requested(&units_here, "web").await;
    report(&units_here, "web", &succeeded(1, &request)).await;
    let status = verb.end().await;
    assert_eq!(
        verb.log(),
        format!(
            "► annotating GitRepository repo in {namespace} namespace\n\
             ✔ GitRepository annotated\n\
             ◎ waiting for GitRepository reconciliation\n\
             ✔ fetched revision {REVISION}\n\
             ► annotating Kustomization web in {namespace} namespace\n\
             ✔ Kustomization annotated\n\
             ◎ waiting for Kustomization reconciliation\n\
             ✔ applied revision {REVISION}\n"
        )
    );
    assert!(status.success());
}

#[tokio::test]
async fn a_failed_reconciliation_is_an_error() {
    let cluster = Cluster::shared();
    let place = place_on(cluster).await;
    let namespace = &cluster.namespace("cli-failed").await;
    let sources_here = objects(cluster, namespace, &repositories()).await;
    make(&sources_here, "repo", &repositories(), &json!({"spec": repository()})).await;

    let verb = place.start(&["reconcile", "source", "git", "repo", "-n", namespace]);
    let request = requested(&sources_here, "repo").await;
    let failed = json!({
        "observedGeneration": 1,
        "lastHandledReconcileAt": request,
        "conditions": [condition("False", 1, "no such branch")],
    });
    report(&sources_here, "repo", &failed).await;
    let status = verb.end().await;
    let end = "✗ GitRepository reconciliation failed: 'no such branch'\n";
    assert!(verb.log().contains(end), "{}", verb.log());
    assert_eq!(status.code(), Some(1));

    let late =
        place.hence(&["reconcile", "source", "git", "repo", "-n", namespace, "--timeout=1s"]);
    assert_eq!(late.code, Some(1), "{late:?}");
    assert!(late.stderr.contains("✗ timed out after 1 s waiting for "), "{late:?}");
    let absent = place.hence(&["reconcile", "source", "git", "x", "-n", namespace]);
    let text = "✗ gitrepositories.source.toolkit.fluxcd.io \"x\" not found\n";
    assert!(absent.stderr.starts_with(text), "{absent:?}");
}

#[tokio::test]
async fn suspended_until_resumed() {
    let cluster = Cluster::shared();
    let place = place_on(cluster).await;
    let namespace = &cluster.namespace("cli-suspend").await;
    let units_here = objects(cluster, namespace, &units()).await;
    let ready = json!({"spec": unit(false), "status": succeeded(1, "")});
    make(&units_here, "web", &units(), &ready).await;

    let said = place.hence(&["suspend", "ks", "web", "x", "web", "-n", namespace]);
    assert_eq!(
        (all(&said), said.code),
        (
            format!(
                "► suspending kustomization web in {namespace} namespace\n\
                 ✔ kustomization suspended\n\
                 ✗ Kustomization x not found in {namespace} namespace\n"
            ),
            Some(0)
        )
    );
    assert_eq!(units_here.get("web").await.unwrap().data["spec"]["suspend"], true);
    let refused = place.hence(&["reconcile", "ks", "web", "-n", namespace]);
    assert!(refused.stderr.starts_with("✗ resource is suspended\n"), "{refused:?}");
    assert_eq!(refused.code, Some(1));

    let verb = place.start(&["resume", "kustomization", "web", "-n", namespace]);
    wait::until("the unit to be resumed", || async {
        let unit = units_here.get("web").await.unwrap();
        (unit.data["spec"]["suspend"] == false).then_some(())
    })
    .await;
    report(&units_here, "web", &succeeded(3, "")).await;
    let status = verb.end().await;
    assert_eq!(
        verb.log(),
        format!(
            "► resuming kustomization web in {namespace} namespace\n\
             ✔ kustomization resumed\n\
             ◎ waiting for Kustomization reconciliation\n\
             ✔ Kustomization web reconciliation completed\n\
             ✔ applied revision {REVISION}\n"
        )
    );
    assert!(status.success());
}

#[tokio::test]
async fn a_failed_resume_is_an_error() {
    let cluster = Cluster::shared();
    let place = place_on(cluster).await;
    let namespace = &cluster.namespace("cli-resume").await;
    let units_here = objects(cluster, namespace, &units()).await;
    let failed = json!({"observedGeneration": 2, "conditions": [condition("False", 2, "broken")]});
    for name in ["one", "two"] {
        make(&units_here, name, &units(), &json!({"spec": unit(true)})).await;
        report(&units_here, name, &failed).await;
    }
    let said = place.hence(&["resume", "ks", "--all", "-n", namespace]);
    assert!(!said.stderr.contains('◎'), "without --wait several are not waited for: {said:?}");
    said.expect_success();
    let said = place.hence(&["resume", "ks", "one", "two", "--wait", "-n", namespace]);
    let end = "✗ broken\n✗ broken\n✗ reconciliation failed for 2 Kustomization(s)\n";
    assert!(said.stderr.contains(end), "{said:?}");
    assert_eq!(said.code, Some(1));
    // One that is late takes nothing from the others.
    make(&units_here, "late", &units(), &json!({"spec": unit(true)})).await;
    let args = ["resume", "ks", "late", "one", "--wait", "--timeout", "2s", "-n", namespace];
    let said = place.hence(&args);
    let late = format!("✗ timed out after 2 s waiting for Kustomization {namespace}/late\n");
    let end = format!("{late}✗ broken\n✗ reconciliation failed for 2 Kustomization(s)\n");
    assert!(said.stderr.contains(&end), "{said:?}");
}
