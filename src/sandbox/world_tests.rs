use super::*;
use crate::sandbox::write::PatchKind;
use crate::sandbox::write::WriteOptions;

fn target(world: &World, path: [&str; 3], namespace: &str, name: &str) -> Target {
    let [group, version, resource] = path;
    Target {
        kind: world.kinds.find(group, version, resource).expect("a kind that is served"),
        subresource: String::new(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

const MAPS: [&str; 3] = ["", "v1", "configmaps"];
const DEFINITIONS: [&str; 3] = ["apiextensions.k8s.io", "v1", "customresourcedefinitions"];

fn by(manager: &str) -> WriteOptions {
    WriteOptions { manager: manager.to_owned(), ..WriteOptions::default() }
}

fn create(world: &mut World, path: [&str; 3], namespace: &str, body: Value) -> Value {
    let target = target(world, path, namespace, "");
    world.create(&target, body, &by("test")).expect("a good object").object
}

#[test]
fn an_apply_creates_changes_and_then_does_nothing() {
    let mut world = World::new();
    let map = target(&world, MAPS, "default", "a");
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"},
        "data": {"k": "v"}});
    let first = world.patch(&map, PatchKind::Apply, &config, &by("flux")).expect("created");
    assert!(first.created);
    let before = world.store.revision();
    let again = world.patch(&map, PatchKind::Apply, &config, &by("flux")).expect("unchanged");
    assert_eq!(again.object, first.object);
    assert_eq!(world.store.revision(), before, "nothing was written");
    let edit = json!({"data": {"k": "w"}});
    world.patch(&map, PatchKind::Merge, &edit, &by("kubectl-edit")).expect("edited");
    let refused = world.patch(&map, PatchKind::Apply, &config, &by("flux"));
    assert_eq!(refused.expect_err("kubectl-edit owns it").code, 409);
    let forced = WriteOptions { force: true, ..by("flux") };
    let won = world.patch(&map, PatchKind::Apply, &config, &forced).expect("forced");
    assert_eq!(won.object["data"]["k"], "v");
}

#[test]
fn a_dry_run_writes_nothing() {
    let mut world = World::new();
    let before = world.store.revision();
    let map = target(&world, MAPS, "default", "");
    let options = WriteOptions { dry_run: true, ..by("test") };
    let body = json!({"metadata": {"name": "a"}});
    let shown = world.create(&map, body, &options).expect("a good object");
    assert_ne!(shown.object["metadata"]["uid"], Value::Null);
    assert_eq!(world.store.revision(), before);
}

#[test]
fn a_namespace_takes_its_objects_along_and_waits_for_finalizers() {
    let mut world = World::new();
    create(&mut world, ["", "v1", "namespaces"], "", json!({"metadata": {"name": "shop"}}));
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/hold"]}});
    create(&mut world, MAPS, "shop", json!({"metadata": {"name": "free"}}));
    create(&mut world, MAPS, "shop", held);
    let namespace = target(&world, ["", "v1", "namespaces"], "", "shop");
    world.delete(&namespace, &json!({}), false).expect("it is there");
    let (free, held) = (target(&world, MAPS, "shop", "free"), target(&world, MAPS, "shop", "held"));
    assert!(world.live(&free).is_none());
    assert!(world.live(&held).is_some());
    let body = json!({"metadata": {"name": "new"}});
    let refused = world.create(&target(&world, MAPS, "shop", ""), body, &by("test"));
    assert_eq!(refused.expect_err("it is terminating").code, 403);
    let release = json!({"metadata": {"finalizers": null}});
    world.patch(&held, PatchKind::Merge, &release, &by("test")).expect("released");
    assert!(world.live(&held).is_none());
    assert!(world.live(&namespace).is_none());
}

#[test]
fn a_dependent_goes_with_the_last_of_its_owners() {
    let mut world = World::new();
    let owner = |name: &str, uid: &Value| {
        json!({"apiVersion": "v1", "kind": "ConfigMap",
        "name": name, "uid": uid})
    };
    let one = create(&mut world, MAPS, "default", json!({"metadata": {"name": "one"}}));
    let two = create(&mut world, MAPS, "default", json!({"metadata": {"name": "two"}}));
    let owners = [owner("one", &one["metadata"]["uid"]), owner("two", &two["metadata"]["uid"])];
    let body = json!({"metadata": {"name": "child", "ownerReferences": owners}});
    create(&mut world, MAPS, "default", body);
    let child = target(&world, MAPS, "default", "child");
    for (name, stays) in [("one", true), ("two", false)] {
        let gone = target(&world, MAPS, "default", name);
        world.delete(&gone, &json!({}), false).expect("it is there");
        assert_eq!(world.live(&child).is_some(), stays, "after {name}");
    }
}

#[test]
fn a_definition_is_served_at_once_and_goes_with_its_objects() {
    let mut world = World::new();
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object",
        "properties": {"size": {"type": "integer", "default": 1}}}}});
    let definition = json!({"metadata": {"name": "widgets.example.com"}, "spec": {
        "group": "example.com", "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [{"name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": schema}}]}});
    create(&mut world, DEFINITIONS, "", definition);
    let path = ["example.com", "v1", "widgets"];
    let made =
        create(&mut world, path, "default", json!({"metadata": {"name": "w"}, "spec": {"x": 1}}));
    assert_eq!(made["spec"], json!({"size": 1}));
    let definition = target(&world, DEFINITIONS, "", "widgets.example.com");
    let live = world.live(&definition).expect("it is there");
    assert_eq!(live["status"]["conditions"][1]["type"], "Established");
    world.delete(&definition, &json!({}), false).expect("it is there");
    assert!(world.live(&definition).is_none());
    assert!(world.kinds.find("example.com", "v1", "widgets").is_none());
    assert!(world.kinds.find("apps", "v1", "deployments").is_some());
}

#[test]
fn a_delete_holds_to_its_preconditions() {
    let mut world = World::new();
    let made = create(&mut world, MAPS, "default", json!({"metadata": {"name": "a"}}));
    let map = target(&world, MAPS, "default", "a");
    let wrong = json!({"preconditions": {"resourceVersion": "1"}});
    assert_eq!(world.delete(&map, &wrong, false).expect_err("changed since").code, 409);
    let right = json!({"preconditions": {"uid": made["metadata"]["uid"],
        "resourceVersion": made["metadata"]["resourceVersion"]}});
    assert!(world.delete(&map, &right, false).expect("as it was").gone);
}
