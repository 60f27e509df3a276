//! Units that act in the name of a ServiceAccount: what it may not, they do not.

use crate::reconcile::world::World;
use crate::reconcile::world::map;
use crate::support::audit::Request;
use crate::support::flux;
use crate::support::wait;
use kube::Api;
use kube::api::DeleteParams;
use kube::api::DynamicObject;
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use serde_json::Value;
use serde_json::json;

/// Applies an object of a built-in kind in the world's namespace.
async fn make(world: &World, group: &str, version: &str, kind: &str, mut object: Value) {
    let gvk = GroupVersionKind::gvk(group, version, kind);
    let resource = ApiResource::from_gvk(&gvk);
    let api: Api<DynamicObject> =
        Api::namespaced_with(world.client.clone(), &world.namespace, &resource);
    object["apiVersion"] = json!(gvk.api_version());
    object["kind"] = json!(kind);
    let name = object["metadata"]["name"].as_str().expect("it has a name").to_owned();
    flux::apply(&api, &name, &object).await;
}

/// The account `deployer`, which may do this with ConfigMaps.
async fn account(world: &World, verbs: &[&str]) {
    let name = json!({ "name": "deployer" });
    make(world, "", "v1", "ServiceAccount", json!({ "metadata": name })).await;
    let rbac = "rbac.authorization.k8s.io";
    let rules = json!([{ "apiGroups": [""], "resources": ["configmaps"], "verbs": verbs }]);
    make(world, rbac, "v1", "Role", json!({ "metadata": name, "rules": rules })).await;
    let subject =
        json!({ "kind": "ServiceAccount", "name": "deployer", "namespace": world.namespace });
    let role = json!({ "apiGroup": rbac, "kind": "Role", "name": "deployer" });
    let binding = json!({ "metadata": name, "subjects": [subject], "roleRef": role });
    make(world, rbac, "v1", "RoleBinding", binding).await;
}

async fn maps_requests(world: &World) -> Vec<Request> {
    let all = world.site.cluster.audit().settled(&world.site.cluster).await;
    let ours = |r: &Request| r.user_agent.starts_with("hence/") && r.resource == "configmaps";
    all.into_iter().filter(|r| ours(r) && r.namespace == world.namespace && r.is_write()).collect()
}

#[tokio::test]
async fn a_unit_writes_in_the_name_of_its_account_alone() {
    let world = World::shared("account").await;
    account(&world, &["get"]).await;
    let revision =
        world.push_files(&[("app/a.yaml", &map("a", "1")), ("app/b.yaml", &map("b", "1"))]).await;
    world.source().await;
    world.unit("app", json!({ "serviceAccountName": "deployer" })).await;
    let user = format!("system:serviceaccount:{}:deployer", world.namespace);
    // Without the right to patch, nothing is applied, although hence itself might.
    world.shows("app", "False", "Forbidden").await;
    let unit = world.shows("app", "False", &user).await;
    assert_eq!(flux::condition(&unit, "Ready").unwrap()["reason"], "ReconciliationFailed");
    world.owns(&[]).await;
    // With it, the next try succeeds, and drift is corrected.
    account(&world, &["get", "create", "patch"]).await;
    world.ready("app", &revision).await;
    // Without the right to delete, nothing is pruned.
    let revision = world.push_without(&["app/b.yaml"]).await;
    let unit = world.shows("app", "False", "delete").await;
    assert_eq!(flux::condition(&unit, "Ready").unwrap()["reason"], "PruneFailed");
    world.owns(&["a", "b"]).await;
    account(&world, &["get", "create", "patch", "delete"]).await;
    world.ready("app", &revision).await;
    world.owns(&["a"]).await;
    let writes = maps_requests(&world).await;
    assert!(writes.len() >= 4, "{writes:?}");
    for request in writes {
        assert_eq!(request.impersonated.as_deref(), Some(user.as_str()), "{request:?}");
    }
}

#[tokio::test]
async fn a_unit_whose_account_went_first_leaves_its_objects() {
    let world = World::shared("account-gone").await;
    account(&world, &["get", "create", "patch", "delete"]).await;
    let revision = world.push_files(&[("app/a.yaml", &map("a", "1"))]).await;
    world.source().await;
    world.unit("app", json!({ "serviceAccountName": "deployer" })).await;
    world.ready("app", &revision).await;
    let gvk = GroupVersionKind::gvk("", "v1", "ServiceAccount");
    let resource = ApiResource::from_gvk(&gvk);
    let accounts: Api<DynamicObject> =
        Api::namespaced_with(world.client.clone(), &world.namespace, &resource);
    accounts.delete("deployer", &DeleteParams::default()).await.unwrap();
    let units = world.flux(flux::KUSTOMIZATION);
    units.delete("app", &DeleteParams::default()).await.unwrap();
    let now = &world;
    wait::until("the unit to be gone", || async move {
        now.get_unit("app").await.is_none().then_some(())
    })
    .await;
    assert!(world.map("a").await.is_some(), "nobody was allowed to delete it");
}
