use super::*;
use crate::sandbox::builtin::BUILT_IN;
use crate::sandbox::schema::TypeId;

fn context(ty: TypeId) -> Context<'static> {
    Context {
        typed: Typed { types: &BUILT_IN.types, ty },
        ignored: FieldSet::of_fields(&["status"]),
        now: "2026-01-01T00:00:00Z".to_owned(),
    }
}

fn deployment() -> Context<'static> {
    context(BUILT_IN.ids["apps.v1.Deployment"])
}

fn who(name: &str, apply: bool) -> Manager {
    let version = if apply { String::new() } else { "apps/v1".to_owned() };
    Manager { name: name.to_owned(), apply, version, subresource: String::new() }
}

fn config(spec: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec})
}

fn owned(managed: &Managed, name: &str) -> Vec<String> {
    let found = managed.entries.iter().find(|(manager, _)| manager.name == name);
    found.map(|(_, owned)| owned.set.paths()).unwrap_or_default()
}

#[test]
fn an_applied_field_that_goes_is_removed() {
    let cx = deployment();
    let mut managed = Managed::default();
    let flux = who("flux", true);
    let live = config(json!({}));
    let first = config(json!({"replicas": 3, "paused": true}));
    let live = managed.apply(&cx, &live, &first, &flux, false).expect("no conflict").expect("new");
    let second = config(json!({"replicas": 3}));
    let live = managed.apply(&cx, &live, &second, &flux, false).expect("no conflict");
    assert_eq!(live.expect("changed")["spec"], json!({"replicas": 3}));
    assert_eq!(owned(&managed, "flux"), [".spec.replicas"]);
}

#[test]
fn an_update_takes_the_path_away_and_apply_then_conflicts() {
    let cx = deployment();
    let mut managed = Managed::default();
    let flux = who("flux", true);
    let wanted = config(json!({"replicas": 3}));
    let live = managed
        .apply(&cx, &config(json!({})), &wanted, &flux, false)
        .expect("no conflict")
        .expect("new");
    let mut edited = live.clone();
    edited["spec"]["replicas"] = json!(1);
    managed.update(&cx, &live, &edited, &who("kubectl-edit", false));
    assert_eq!(owned(&managed, "flux"), Vec::<String>::new());
    let refused = managed.clone().apply(&cx, &edited, &wanted, &flux, false);
    let text = conflict_text(&refused.expect_err("kubectl-edit owns it"));
    assert_eq!(
        text,
        "Apply failed with 1 conflict: conflict with \"kubectl-edit\" using apps/v1: .spec.replicas"
    );
    let forced = managed.apply(&cx, &edited, &wanted, &flux, true).expect("forced");
    assert_eq!(forced.expect("changed")["spec"]["replicas"], 3);
    assert_eq!(owned(&managed, "kubectl-edit"), Vec::<String>::new());
}

#[test]
fn what_two_appliers_own_stays_when_one_lets_go() {
    let cx = deployment();
    let mut managed = Managed::default();
    let both = config(json!({"replicas": 3}));
    let live = managed
        .apply(&cx, &config(json!({})), &both, &who("a", true), false)
        .expect("no conflict")
        .expect("new");
    let same = managed.apply(&cx, &live, &both, &who("b", true), false).expect("same value");
    assert_eq!(same, None, "nothing changed");
    let gone = managed.apply(&cx, &live, &config(json!({})), &who("a", true), false);
    assert_eq!(gone.expect("no conflict"), None, "b still wants it");
    assert_eq!(owned(&managed, "b"), [".spec.replicas"]);
}

#[test]
fn entries_survive_their_json_form() {
    let cx = deployment();
    let mut managed = Managed::default();
    let mut live = config(json!({"replicas": 1}));
    managed.update(&cx, &json!({}), &live, &who("kubectl", false));
    managed.write(&mut live);
    assert_eq!(Managed::parse(&live), managed);
    assert_eq!(live["metadata"]["managedFields"][0]["time"], "2026-01-01T00:00:00Z");
}

#[test]
fn old_update_managers_become_ancient_changes() {
    let mut managed = Managed::default();
    for round in 0..14 {
        let mut cx = deployment();
        cx.now = format!("2026-01-01T00:00:{round:02}Z");
        let key = format!("k{round}");
        let new = json!({"metadata": {"annotations": {key: "v"}}});
        managed.update(
            &cx,
            &json!({"metadata": {"annotations": {"x": "y"}}}),
            &new,
            &who(&format!("m{round:02}"), false),
        );
    }
    let updates = managed.entries.len();
    assert_eq!(updates, UPDATE_MANAGERS_MAX);
    assert!(managed.entries.keys().any(|manager| manager.name == "ancient-changes"));
}
