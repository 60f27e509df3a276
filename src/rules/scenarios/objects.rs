//! Scenarios of single objects: what stands in the way, what is asked first, what goes by itself.

use super::APPLIED;
use super::BUILT;
use super::World;

#[test]
fn a_stage_is_applied_once_the_server_would_take_all_of_it() {
    let mut world = World::new(&format!(
        r#"{BUILT} switch("dry-run-first")
           renders("shop/web", "ConfigMap/shop/b", "m2", "v1", 4, "015b")"#
    ));
    insta::assert_snapshot!(world.actions(), @r#"
    act_dry_run("shop/web", "ConfigMap/shop/a", "m1", "")
    act_dry_run("shop/web", "ConfigMap/shop/b", "m2", "")
    "#);
    world.told(
        r#"accepted("shop/web", "ConfigMap/shop/a", "m1")
           refused("shop/web", "ConfigMap/shop/b", "m2", "Invalid", "no", t"2026-01-01T00:00:02Z")"#,
    );
    insta::assert_snapshot!(world.actions(), @"");
    world.no_longer(
        r#"refused("shop/web", "ConfigMap/shop/b", "m2", "Invalid", "no", t"2026-01-01T00:00:02Z")"#,
    );
    world.told(r#"accepted("shop/web", "ConfigMap/shop/b", "m2")"#);
    insta::assert_snapshot!(world.actions(), @r#"
    act_apply("shop/web", "ConfigMap/shop/a", "m1", 4, "015a", "never applied", "", "")
    act_apply("shop/web", "ConfigMap/shop/b", "m2", 4, "015b", "never applied", "", "")
    "#);
}

#[test]
fn an_immutable_object_is_recreated_only_by_force() {
    let refused = r#"applied("shop/web", "ConfigMap/shop/a", "o1", "m0", t"2026-01-01T00:00:01Z")
        refused("shop/web", "ConfigMap/shop/a", "m1", "Invalid", "no", t"2026-01-01T00:00:02Z")"#;
    let mut world = World::new(&format!("{BUILT}{APPLIED}{refused}"));
    insta::assert_snapshot!(world.actions(), @"");
    world.told(r#"unit_flag("shop/web", "force")"#);
    insta::assert_snapshot!(world.actions(), @r#"act_delete("shop/web", "ConfigMap/shop/a", "o1", "7", "")"#);
    // A finalizer keeps it: nothing is repeated, nothing is applied.
    world.told(r#"live_deleting("ConfigMap/shop/a")"#);
    insta::assert_snapshot!(world.actions(), @"");
    let leaving = r#""shop/web", "leaving ConfigMap/shop/a", "o1""#;
    assert!(world.rows("moment").contains(&format!("moment({leaving})")));
    world.told(&format!(r#"noted({leaving}, t"2026-01-01T00:00:03Z")"#));
    world.no_longer(
        r#"live("ConfigMap/shop/a", "o1", "7") live_deleting("ConfigMap/shop/a")
           live_owner("ConfigMap/shop/a", "shop/web")"#,
    );
    insta::assert_snapshot!(world.actions(), @r#"act_observe("ConfigMap/shop/a")"#);
    world.told(r#"absent("ConfigMap/shop/a")"#);
    insta::assert_snapshot!(world.actions(), @r#"act_apply("shop/web", "ConfigMap/shop/a", "m1", 4, "015a", "its manifest changed", "", "")"#);
    // The watch tells of what the apply made before its answer does: that is not in the way.
    world.no_longer(r#"absent("ConfigMap/shop/a")"#);
    world.told(r#"live("ConfigMap/shop/a", "o2", "9") live_owner("ConfigMap/shop/a", "shop/web")"#);
    assert_eq!(world.rows("act_delete").len(), 0);
}

#[test]
fn waiting_for_termination_ends_with_the_timeout() {
    let mut world = World::new(&format!("{BUILT}{APPLIED}"));
    world.told(
        r#"inventory("shop/web", "ConfigMap/shop/a", "v1") unit_deleting("shop/web")
           unit_policy("shop/web", "WaitForTermination") live_deleting("ConfigMap/shop/a")"#,
    );
    insta::assert_snapshot!(world.actions(), @"");
    world.told(r#"noted("shop/web", "ending", "", t"2026-01-01T00:03:00Z")"#);
    insta::assert_snapshot!(world.actions(), @"");
    world.told(r#"elapsed("end shop/web", t"2026-01-01T00:12:30Z")"#);
    insta::assert_snapshot!(world.actions(), @r#"act_forget("shop/web", "ConfigMap/shop/a", "it is being deleted already", "deleted")"#);
}

#[test]
fn a_job_that_went_by_itself_is_made_anew_by_the_next_run() {
    let ttl = r#"toggle("shop/web", "ConfigMap/shop/a", "ttl", "set") unit_flag("shop/web", "wait")
        noted("shop/web", "run", "1 main@sha1:1 ", t"2026-01-01T00:00:00Z")"#;
    let mut world = World::new(&format!("{BUILT}{APPLIED}{ttl}"));
    let live = r#"live("ConfigMap/shop/a", "o1", "7") live_owner("ConfigMap/shop/a", "shop/web")
        live_health("ConfigMap/shop/a", "Current", "")"#;
    world.no_longer(live);
    insta::assert_snapshot!(world.actions(), @"");
    assert_eq!(world.rows("unhealthy").len(), 0, "what is done counts as healthy");
    world.told(r#"elapsed("expire ConfigMap/shop/a", t"2026-01-01T00:10:01Z")"#);
    insta::assert_snapshot!(world.actions(), @r#"act_apply("shop/web", "ConfigMap/shop/a", "m1", 4, "015a", "it is gone from the cluster", "", "")"#);
    world.no_longer(r#"elapsed("expire ConfigMap/shop/a", t"2026-01-01T00:10:01Z")"#);
    insta::assert_snapshot!(world.actions(), @"");
    world.told(r#"noted("shop/web", "run", "1 main@sha1:1 now", t"2026-01-01T00:00:02Z")"#);
    assert_eq!(world.rows("act_apply").len(), 1, "somebody asked for a run");
}
