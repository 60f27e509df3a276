//! `check`, `install`, `uninstall`, `plan`: each on a cluster of its own, because they are about
//! all of it.

use crate::cli::all;
use crate::cli::definitions;
use crate::cli::path;
use crate::support::cluster::Cluster;
use crate::support::cluster::Options;
use crate::support::wait;
use crate::support::workplace::Said;
use crate::support::workplace::Workplace;
use std::path::Path;

const UNITS: &str = "kustomizations.kustomize.toolkit.fluxcd.io";

/// A cluster that collects garbage, with nothing of Flux in it.
fn bare() -> Cluster {
    Cluster::start(&Options { controllers: true, ..Options::default() })
}

#[track_caller]
fn assert_says(said: &Said, code: i32, parts: &[&str]) {
    for part in parts {
        assert!(said.stderr.lines().any(|line| line == *part), "{part:?} is not said:\n{said:?}");
    }
    assert_eq!(said.code, Some(code), "{said:?}");
}

fn install(place: &Workplace) -> Said {
    place.hence(&["install", "--image", "registry.example/hence:v1", "--wait=false"])
}

#[test]
fn installed_checked_and_gone_again() {
    let cluster = bare();
    let place = Workplace::new(cluster.kubeconfig());
    let missing = format!("✗ {UNITS} is not installed");
    assert_says(&place.hence(&["check"]), 1, &[&missing, "✗ check failed"]);
    let before = place.hence(&["check", "--pre"]);
    assert_says(&before, 0, &["► checking prerequisites", "✔ prerequisites checks passed"]);

    let first = install(&place);
    let made = format!("✔ CustomResourceDefinition/{UNITS} created");
    let lines = [
        "► installing hence in flux-system namespace",
        &made,
        "✔ Namespace/flux-system created",
        "✔ ClusterRole/hence-controller-flux-system created",
        "✔ StatefulSet/flux-system/hence created",
        "✔ install finished",
    ];
    assert_says(&first, 0, &lines);
    let again = install(&place);
    assert!(!again.stderr.contains(" created") && !again.stderr.contains(" configured"));
    assert_says(&again, 0, &["✔ StatefulSet/flux-system/hence unchanged"]);

    let nobody = "⚠️ kustomize-controller-leader-election: held by nobody; the daemon does not run";
    let crd = format!("✔ {UNITS}/v1");
    let checked = place.hence(&["check", "--service-account", "hence"]);
    assert_says(&checked, 0, &[&crd, nobody, "✔ all checks passed"]);

    make_unit(&place);
    let refused = place.hence(&["uninstall"]);
    assert_says(&refused, 1, &["✗ not confirmed"]);
    let dry = place.hence(&["uninstall", "--dry-run"]);
    assert_says(&dry, 0, &["✔ Kustomization/flux-system/web finalizers deleted (dry run)"]);
    place.kubectl(&["get", "ks", "web", "-n", "flux-system"]).expect_success();

    let gone = format!("✔ CustomResourceDefinition/{UNITS} deleted");
    let lines = [
        "✔ StatefulSet/flux-system/hence deleted",
        "✔ Kustomization/flux-system/web finalizers deleted",
        &gone,
        "✔ uninstall finished",
    ];
    assert_says(&place.hence(&["uninstall", "--silent"]), 0, &lines);
    wait::until_blocking("the definitions to go", || {
        let left = place.kubectl(&["get", "crd", "-o", "name"]).expect_success();
        left.is_empty().then_some(())
    });
    place.kubectl(&["get", "configmap", "kept", "-n", "flux-system"]).expect_success();
    let roles = place.kubectl(&["get", "clusterroles,clusterrolebindings", "-o", "name"]);
    assert!(!roles.expect_success().contains("hence"), "none of its roles is left");
}

/// A unit as a daemon leaves it, and an object that it applied.
fn make_unit(place: &Workplace) {
    let text = r#"
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: web, namespace: flux-system, finalizers: [finalizers.fluxcd.io]}
spec: {interval: 10m, prune: true, sourceRef: {kind: GitRepository, name: repo}}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: kept
  namespace: flux-system
  labels:
    kustomize.toolkit.fluxcd.io/name: web
    kustomize.toolkit.fluxcd.io/namespace: flux-system
"#;
    let file = place.path("unit.yaml");
    std::fs::write(&file, text).expect("the folder is ours");
    place.kubectl(&["apply", "-f", path(&file)]).expect_success();
}

#[test]
fn definitions_of_others_are_left_alone() {
    let cluster = bare();
    let place = Workplace::new(cluster.kubeconfig());
    let file = definitions().join("kustomize.toolkit.fluxcd.io_kustomizations.yaml");
    let text = std::fs::read_to_string(&file).expect("it is committed");
    // One that an older release brought: it has no place for a field that hence writes.
    let older = text.replace("lastAttemptedRevision:", "somethingElse:");
    assert_ne!(older, text);
    let older_file = place.path("older.yaml");
    std::fs::write(&older_file, older).expect("the folder is ours");
    place.kubectl(&["apply", "-f", path(&older_file)]).expect_success();
    let lacks = format!("✗ the CRD {UNITS} lacks the fields status.lastAttemptedRevision");
    assert_says(&install(&place), 1, &[&lacks]);
    let said = place.kubectl(&["get", "namespace", "flux-system"]);
    assert_eq!(said.code, Some(1), "nothing else was made: {said:?}");

    place
        .kubectl(&["apply", "--server-side", "--force-conflicts", "-f", path(&file)])
        .expect_success();
    let version = || {
        let path = "jsonpath={.metadata.resourceVersion}";
        place.kubectl(&["get", "crd", UNITS, "-o", path]).expect_success()
    };
    let before = version();
    let kept = format!("✔ CustomResourceDefinition/{UNITS} exists and fits, left alone");
    assert_says(&install(&place), 0, &[&kept]);
    assert_eq!(version(), before);
    let gone = place.hence(&["uninstall", "--silent"]);
    assert!(!gone.stderr.contains(&format!("{UNITS} deleted")), "{gone:?}");
    assert_says(&gone, 0, &["✔ uninstall finished"]);
    assert_eq!(version(), before);
}

#[test]
fn an_export_touches_no_cluster_and_can_be_applied() {
    let cluster = bare();
    let nowhere = Workplace::new("/nonexistent");
    let text = nowhere.hence(&["install", "--export", "--image", "i:v1", "-n", "gitops"]);
    let text = text.expect_success();
    let place = Workplace::new(cluster.kubeconfig());
    let file = place.path("all.yaml");
    std::fs::write(&file, text).expect("the folder is ours");
    place.kubectl(&["apply", "--server-side", "-f", path(&file)]).expect_success();
    place.kubectl(&["get", "statefulset", "hence", "-n", "gitops"]).expect_success();
}

#[tokio::test]
async fn the_plan_of_a_running_and_of_a_stopped_daemon() {
    let cluster = bare();
    let place = Workplace::new(cluster.kubeconfig());
    let state = place.state();
    let plan = |more: &[&str]| place.hence(&[&["plan", "--state", path(&state)], more].concat());
    let none = plan(&[]);
    assert_eq!(none.code, Some(2), "{none:?}");
    assert!(none.stderr.contains("facts::no_state"), "{none:?}");

    place.kubectl(&["apply", "--server-side", "-f", path(&definitions())]).expect_success();
    let run = ["run", "--state", path(&state), "--runtime-namespace", "default"];
    let daemon = place.start(&run);
    let said = wait::until("the daemon to say its plan", || async {
        let said = plan(&["-o", "json"]);
        (said.code == Some(0) && !said.stderr.contains('⚠')).then_some(said)
    })
    .await;
    let report: serde_json::Value = serde_json::from_str(&said.stdout).expect("it is JSON");
    assert_eq!(report["version"], "plan.v1");
    let checked = place.hence(&["check", "--state", path(&state), "-n", "default"]);
    assert_says(&checked, 0, &["✔ a daemon answers at its socket", "✔ all checks passed"]);
    assert!(all(&checked).contains("✔ kustomize-controller-leader-election: held by hence_"));
    assert!(daemon.terminate().await.success());
    checks_of_other_states(&place);

    let stopped = plan(&["--exit-code"]);
    for part in
        ["plan of generation ", "as of 20", ": no daemon answers, and nothing later is known"]
    {
        assert!(stopped.stdout.contains(part), "no {part:?} in {stopped:?}");
    }
}

/// A state directory of another version, and one whose journal is not the one that the leases tell.
fn checks_of_other_states(place: &Workplace) {
    let check = |state: &Path| place.hence(&["check", "--state", path(state), "-n", "default"]);
    let newer = place.path("newer");
    std::fs::create_dir(&newer).expect("it is ours");
    std::fs::write(newer.join("VERSION"), "hence state 99\n").expect("it is ours");
    assert_says(&check(&newer), 2, &["✗ check failed"]);
    assert!(all(&check(&newer)).contains("(facts::state_version)"));

    let state = place.state();
    let holds = check(&state);
    assert_eq!(holds.code, Some(0), "{holds:?}");
    let lease = "which kustomize-controller-leader-election tells of";
    assert!(all(&holds).contains(lease), "{holds:?}");
    let (journal, away) = (state.join("journal"), state.join("away"));
    std::fs::rename(&journal, &away).expect("it is ours");
    let lost = check(&state);
    assert_says(&lost, 2, &["✗ check failed"]);
    assert!(all(&lost).contains("(audit::no_journal)"), "{lost:?}");
    std::fs::create_dir(&journal).expect("it is ours");
    std::fs::copy(away.join("000001.seg"), journal.join("000001.seg")).expect("it is ours");
    let segment = std::fs::OpenOptions::new().write(true).open(journal.join("000001.seg"));
    segment.and_then(|file| file.set_len(200)).expect("it is ours");
    let cut = check(&state);
    assert_says(&cut, 1, &["✗ check failed"]);
    assert!(all(&cut).contains("(audit::rolled_back)"), "{cut:?}");
    std::fs::remove_dir_all(&journal).expect("it is ours");
    std::fs::rename(&away, &journal).expect("it is ours");
}
