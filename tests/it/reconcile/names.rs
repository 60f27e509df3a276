//! Whose objects are whose, and under which name: whatever was not known when a unit was built, and
//! whoever bore its name before.

use super::shared;
use crate::reconcile::world::SOURCE;
use crate::reconcile::world::World;
use crate::reconcile::world::map;
use crate::support::flux;
use crate::support::wait;
use kube::Api;
use kube::api::DeleteParams;
use kube::api::DynamicObject;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use serde_json::json;

/// A kind without namespaces, and an object of it.
fn globs(group: &str) -> String {
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("globs.{group}") },
        "spec": {
            "group": group, "scope": "Cluster", "names": { "kind": "Glob", "plural": "globs" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": {
                "openAPIV3Schema": { "type": "object" },
            }}],
        },
    });
    format!("{definition}\n---\napiVersion: {group}/v1\nkind: Glob\nmetadata: {{name: g}}\n")
}

fn all_globs(world: &World, group: &str) -> Api<DynamicObject> {
    Api::all_with(world.client.clone(), &resource(group, "v1", "Glob"))
}

fn resource(group: &str, version: &str, kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

// The unit's target namespace is written onto the object when nobody knows its kind's scope.
#[tokio::test]
async fn an_object_whose_kind_comes_with_it_keeps_its_name() {
    let world = shared("defined-within").await;
    let group = format!("{}.example", world.namespace);
    let revision = world.push_files(&[("app/globs.yaml", &globs(&group))]).await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.ready("app", &revision).await;
    let all = all_globs(&world, &group);
    let uid = all.get("g").await.expect("it was applied").metadata.uid;
    let revision = world.push_files(&[("app/a.yaml", &map("a", "1"))]).await;
    world.ready("app", &revision).await;
    assert_eq!(all.get("g").await.expect("it stays").metadata.uid, uid);
    assert_eq!(world.pruned().await, [""; 0]);
    world.repo.git(&["rm", "-q", "app/globs.yaml"]);
    let revision = world.push("the kind goes").await;
    world.ready("app", &revision).await;
    // The server may not answer for a kind that goes, so the journal is asked.
    let list = ["audit", "list", "--writes", "--limit", "1000"];
    let pruned = format!("Glob.{group}/g  done: deleted");
    wait::until("the object to be pruned", || async {
        world.site.ask(&list).contains(&pruned).then_some(())
    })
    .await;
}

// The kind comes from elsewhere, after the build.
#[tokio::test]
async fn an_object_whose_kind_comes_later_is_applied_under_its_name() {
    let world = shared("defined-later").await;
    let group = format!("{}.example", world.namespace);
    let both = globs(&group);
    let (definition, glob) = both.split_once("\n---\n").expect("two documents");
    let revision = world.push_files(&[("app/glob.yaml", glob)]).await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.shows("app", "False", "no matches for kind").await;
    let definition: serde_json::Value = serde_json::from_str(definition).expect("it is JSON");
    let definitions = resource("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let definitions: Api<DynamicObject> = Api::all_with(world.client.clone(), &definitions);
    flux::apply(&definitions, &format!("globs.{group}"), &definition).await;
    let unit = world.ready("app", &revision).await;
    let entries = json!([{ "id": format!("_g_{group}_Glob"), "v": "v1" }]);
    assert_eq!(unit.data["status"]["inventory"]["entries"], entries);
    assert_eq!(world.pruned().await, [""; 0]);
}

#[tokio::test]
async fn a_restart_moves_no_object_and_a_namesake_inherits_none() {
    let mut world = World::alone("names").await;
    world.site.own().start(&[]);
    // A newer kind than those of which kustomize knows that they have no namespace.
    let policy = "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\n\
        metadata: {name: named}\nspec:\n  matchConstraints: {resourceRules: [{apiGroups: [none], \
        apiVersions: [v1], operations: [CREATE], resources: [nones]}]}\n  \
        validations: [{expression: 'true'}]\n";
    let files = [
        ("app/policy.yaml", policy),
        ("app/a.yaml", &map("a", "1")),
        ("app/globs.yaml", &globs("names.example")),
        ("new/b.yaml", &map("b", "1")),
    ];
    let revision = world.push_files(&files).await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.ready("app", &revision).await;
    for _ in 0..4 {
        world.site.own().stop().await;
        world.site.own().start(&[]);
        world.fetch().await;
        world.ready("app", &revision).await;
    }
    let revision = world.push_files(&[("app/a.yaml", &map("a", "2"))]).await;
    world.ready("app", &revision).await;
    let policies = resource("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy");
    let policies: Api<DynamicObject> = Api::all_with(world.client.clone(), &policies);
    assert!(policies.get_opt("named").await.unwrap().is_some());
    assert!(all_globs(&world, "names.example").get_opt("g").await.unwrap().is_some());
    assert_eq!(world.pruned().await, [""; 0]);

    // While nobody looks the unit is removed without its objects, and another one takes its name.
    world.site.own().stop().await;
    let units = world.flux(flux::KUSTOMIZATION);
    let bare = Patch::Merge(json!({ "metadata": { "finalizers": [] } }));
    units.patch("app", &PatchParams::default(), &bare).await.unwrap();
    units.delete("app", &DeleteParams::default()).await.unwrap();
    world.unit("app", json!({ "path": "./new" })).await;
    world.site.own().start(&[]);
    let unit = world.ready("app", &revision).await;
    let entries = json!([{ "id": format!("{}_b__ConfigMap", world.namespace), "v": "v1" }]);
    assert_eq!(unit.data["status"]["inventory"]["entries"], entries);
    assert!(world.map("a").await.is_some(), "the new unit never had it");
    assert_eq!(world.pruned().await, [""; 0]);

    // So it is with a source: what the old one brought is not what the new one has.
    world.site.own().stop().await;
    let sources = world.flux(flux::GIT_REPOSITORY);
    sources.patch(SOURCE, &PatchParams::default(), &bare).await.unwrap();
    sources.delete(SOURCE, &DeleteParams::default()).await.unwrap();
    let other = json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
        "metadata": { "name": SOURCE },
        "spec": { "interval": "1h", "url": world.host.url("nowhere"), "ref": { "branch": "main" } },
    });
    flux::apply(&sources, SOURCE, &other).await;
    world.site.own().start(&[]);
    world.shows("app", "False", "Source artifact not found").await;
    assert!(world.map("b").await.is_some());
    assert_eq!(world.pruned().await, [""; 0]);
}

// An object that hence leaves alone has no labels, so that no watch of its kind tells of it.
#[tokio::test]
async fn an_object_that_is_left_alone_is_made_when_it_goes() {
    let world = shared("left-alone").await;
    let once = format!(
        "{}  annotations: {{kustomize.toolkit.fluxcd.io/ssa: IfNotPresent}}\n",
        "apiVersion: v1\nkind: ConfigMap\ndata: {key: \"1\"}\nmetadata:\n  name: a\n"
    );
    let theirs = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" },
        "data": { "key": "theirs" },
    });
    let theirs = serde_json::from_value(theirs).expect("it is one");
    world.maps().create(&Default::default(), &theirs).await.unwrap();
    let revision = world.push_files(&[("app/a.yaml", &once)]).await;
    world.source().await;
    world.unit("app", json!({})).await;
    world.ready("app", &revision).await;
    assert_eq!(world.map("a").await.unwrap().data.unwrap()["key"], "theirs");
    world.maps().delete("a", &DeleteParams::default()).await.unwrap();
    let world = &world;
    wait::until("it to be made", || async move {
        (world.map("a").await?.data?["key"] == "1").then_some(())
    })
    .await;
}
