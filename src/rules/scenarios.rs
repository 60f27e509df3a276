//! Scenarios of the shipped rules: facts in, actions out. Each reads as a small story.

mod objects;

use std::collections::BTreeMap;

use crate::datalog::Engine;
use crate::datalog::EngineOptions;
use crate::datalog::Fact;
use crate::datalog::Pattern;
use crate::datalog::QueryOptions;
use crate::datalog::Transaction;
use crate::rules;

/// A world that is told facts and asked for actions.
struct World {
    engine: Engine,
}

/// A unit `shop/web` on a fetched source, built completely: one ConfigMap.
const BUILT: &str = r#"
    reconciles("Kustomization") reconciles("GitRepository")
    setting("requeue-dependency", 30s)
    source("GitRepository/shop/repo", "s1") source_generation("GitRepository/shop/repo", 1)
    source_spec("GitRepository/shop/repo", "spec")
    source_timing("GitRepository/shop/repo", 1m, 1m) source_finalizer("GitRepository/shop/repo")
    checked("GitRepository/shop/repo", t"2026-01-01T00:00:00Z")
    fetched("GitRepository/shop/repo", "spec", "main@sha1:1", "tree1")
    unit("shop/web", "u1") unit_generation("shop/web", 1) unit_finalizer("shop/web")
    unit_source("shop/web", "GitRepository/shop/repo") unit_build("shop/web", "b")
    unit_timing("shop/web", 10m, 10m, 9m30s) unit_flag("shop/web", "prune")
    unit_policy("shop/web", "MirrorPrune") variables("shop/web", "v")
    reads("shop/web", "tree1", "part1") rendered("shop/web", "part1", "b", "v", "text", 1)
    renders("shop/web", "ConfigMap/shop/a", "m1", "v1", 4, "015a")
    served("ConfigMap", "yes") listed("ConfigMap")
"#;

/// The ConfigMap was applied and is live.
const APPLIED: &str = r#"
    ours("shop/web", "ConfigMap/shop/a", "o1", "applied")
    applied("shop/web", "ConfigMap/shop/a", "o1", "m1", t"2026-01-01T00:00:01Z")
    live("ConfigMap/shop/a", "o1", "7") live_owner("ConfigMap/shop/a", "shop/web")
    live_health("ConfigMap/shop/a", "Current", "") applier_manages("ConfigMap/shop/a")
"#;

fn facts(text: &str) -> Vec<Fact> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while let Some(end) = end_of_fact(rest) {
        let (fact, tail) = rest.split_at(end);
        found.push(Fact::parse(fact).unwrap_or_else(|error| panic!("{fact}: {error}")));
        rest = tail.trim_start();
    }
    assert!(rest.is_empty(), "not a fact: {rest}");
    found
}

/// Behind the parenthesis that closes the first fact.
fn end_of_fact(text: &str) -> Option<usize> {
    let mut quoted = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b')' if !quoted => return Some(at + 1),
            _ => {}
        }
    }
    None
}

impl World {
    fn new(text: &str) -> Self {
        let program = rules::load(Vec::new()).unwrap_or_else(|errors| panic!("{errors:?}"));
        let engine = Engine::new(program, rules::builtins(), EngineOptions::default());
        let mut world = Self { engine };
        world.told(text);
        world
    }

    fn told(&mut self, text: &str) {
        let transaction = Transaction { inserts: facts(text), deletes: Vec::new() };
        let delta = self.engine.transact(transaction);
        assert!(delta.refused.is_empty(), "{:?}", delta.refused);
        assert!(delta.faults.is_empty(), "{:?}", delta.faults);
    }

    fn no_longer(&mut self, text: &str) {
        let transaction = Transaction { inserts: Vec::new(), deletes: facts(text) };
        self.engine.transact(transaction);
    }

    /// All actions but status and events, one a line.
    fn actions(&self) -> String {
        let telling = ["act_status", "act_source_status", "act_event"];
        let reader = self.engine.reader();
        let names = reader.program().relations().map(|info| &*info.name);
        let acting = names.filter(|name| name.starts_with("act_") && !telling.contains(name));
        acting.flat_map(|relation| self.rows(relation)).collect::<Vec<_>>().join("\n")
    }

    /// All rows of a relation as rule text.
    fn rows(&self, relation: &str) -> Vec<String> {
        let reader = self.engine.reader();
        let arity = reader.program().relation(relation).expect("declared").columns.len();
        let pattern = Pattern { relation: relation.into(), columns: vec![None; arity] };
        let rows = reader.query(&pattern, &QueryOptions::default()).value;
        rows.into_iter().map(|row| Fact::new(relation, row).to_string()).collect()
    }

    /// The status fields that the unit is to show.
    fn shows(&self, unit: &str) -> BTreeMap<String, String> {
        let reader = self.engine.reader();
        let columns = vec![Some(unit.into()), None, None];
        let pattern = Pattern { relation: "shows".into(), columns };
        let rows = reader.query(&pattern, &QueryOptions::default()).value;
        rows.into_iter().map(|row| (row[1].plain(), row[2].plain())).collect()
    }
}

#[test]
fn a_new_source_is_fetched_and_gets_its_finalizer() {
    let world = World::new(
        r#"reconciles("GitRepository") source("GitRepository/a/b", "u")
           source_spec("GitRepository/a/b", "d") source_timing("GitRepository/a/b", 1m, 1m)
           source_generation("GitRepository/a/b", 1)"#,
    );
    insta::assert_snapshot!(world.actions(), @r#"
    act_fetch("GitRepository/a/b", "d", "never fetched from this spec")
    act_finalizer("GitRepository/a/b", "add")
    "#);
}

#[test]
fn a_built_object_is_applied_once() {
    let mut world = World::new(BUILT);
    insta::assert_snapshot!(world.actions(), @r#"act_apply("shop/web", "ConfigMap/shop/a", "m1", 4, "015a", "never applied", "", "")"#);
    world.told(APPLIED);
    insta::assert_snapshot!(world.actions(), @"");
    assert_eq!(
        world.shows("shop/web")["Ready"],
        "True ReconciliationSucceeded 1: Applied revision: main@sha1:1"
    );
    assert_eq!(world.shows("shop/web")["inventory"], "shop_a__ConfigMap v1");
}

#[test]
fn a_push_that_leaves_the_inputs_unchanged_moves_only_the_revision() {
    let mut world = World::new(&format!("{BUILT}{APPLIED}"));
    world.told(
        r#"fetched("GitRepository/shop/repo", "spec", "main@sha1:2", "tree2")
           reads("shop/web", "tree2", "part1")"#,
    );
    insta::assert_snapshot!(world.actions(), @"");
    assert_eq!(world.shows("shop/web")["lastAppliedRevision"], "main@sha1:2");
}

#[test]
fn a_push_that_changes_the_inputs_is_built() {
    let mut world = World::new(&format!("{BUILT}{APPLIED}"));
    world.told(r#"fetched("GitRepository/shop/repo", "spec", "main@sha1:2", "tree2")"#);
    insta::assert_snapshot!(world.actions(), @r#"act_render("shop/web", "main@sha1:2", "tree2", "tree2", "b", "v")"#);
}

#[test]
fn a_dropped_object_is_pruned_only_after_a_complete_build() {
    let mut world = World::new(&format!("{BUILT}{APPLIED}"));
    world.no_longer(r#"renders("shop/web", "ConfigMap/shop/a", "m1", "v1", 4, "015a")"#);
    insta::assert_snapshot!(world.actions(), @r#"act_delete("shop/web", "ConfigMap/shop/a", "o1", "7", "")"#);
    world.no_longer(r#"rendered("shop/web", "part1", "b", "v", "text", 1)"#);
    insta::assert_snapshot!(world.actions(), @r#"act_render("shop/web", "main@sha1:1", "tree1", "part1", "b", "v")"#);
}

#[test]
fn what_is_not_known_is_not_deleted() {
    let mut world = World::new(&format!("{BUILT}{APPLIED}"));
    world.no_longer(r#"renders("shop/web", "ConfigMap/shop/a", "m1", "v1", 4, "015a")"#);
    world.no_longer(r#"listed("ConfigMap")"#);
    insta::assert_snapshot!(world.actions(), @"");
    world.told(r#"listed("ConfigMap")"#);
    world.no_longer(r#"live("ConfigMap/shop/a", "o1", "7")"#);
    insta::assert_snapshot!(world.actions(), @r#"act_observe("ConfigMap/shop/a")"#);
    world.told(r#"absent("ConfigMap/shop/a")"#);
    insta::assert_snapshot!(world.actions(), @r#"act_forget("shop/web", "ConfigMap/shop/a", "it is gone already", "deleted")"#);
}

#[test]
fn drift_is_corrected() {
    let mut world = World::new(&format!("{BUILT}{APPLIED}"));
    world.told(r#"drifted("ConfigMap/shop/a", "data.x", "kubectl-edit", t"2026-01-01T00:01:00Z")"#);
    insta::assert_snapshot!(world.actions(), @r#"act_apply("shop/web", "ConfigMap/shop/a", "m1", 4, "015a", "it has drifted", "o1", "")"#);
}

#[test]
fn an_object_that_moves_to_another_unit_is_transferred() {
    let mut world = World::new(&format!("{BUILT}{APPLIED}"));
    world.told(&BUILT.replace("shop/web", "shop/new"));
    world.no_longer(r#"renders("shop/web", "ConfigMap/shop/a", "m1", "v1", 4, "015a")"#);
    insta::assert_snapshot!(world.actions(), @r#"
    act_apply("shop/new", "ConfigMap/shop/a", "m1", 4, "015a", "never applied", "o1", "")
    act_forget("shop/web", "ConfigMap/shop/a", "wanted by shop/new", "skipped")
    "#);
}

#[test]
fn an_owner_that_is_being_built_keeps_what_it_may_want() {
    let mut world = World::new(&format!("{BUILT}{APPLIED}"));
    world.told(&BUILT.replace("shop/web", "shop/other").replace("\"m1\"", "\"m2\""));
    insta::assert_snapshot!(world.actions(), @"");
    let conflict = [r#"conflict("shop/other", "ConfigMap/shop/a", "shop/web")"#];
    assert_eq!(world.rows("conflict"), conflict);
    // A push: the owner is built again, the other's inputs are what they were.
    world.told(
        r#"fetched("GitRepository/shop/repo", "spec", "main@sha1:2", "tree2")
           reads("shop/web", "tree2", "part2") reads("shop/other", "tree2", "part1")"#,
    );
    insta::assert_snapshot!(world.actions(), @r#"act_render("shop/web", "main@sha1:2", "tree2", "part2", "b", "v")"#);
    assert!(world.rows("conflict").is_empty(), "nothing is decided while it is built");
    world.told(
        r#"render_failed("shop/web", "part2", "b", "v", "BuildFailed", "broken", t"2026-01-01T00:02:00Z")"#,
    );
    insta::assert_snapshot!(world.actions(), @"");
    assert_eq!(world.rows("conflict"), conflict);
}

#[test]
fn a_new_artifact_is_announced_once_and_a_failure_is_over_once() {
    let source = r#"
        reconciles("GitRepository") artifact_host("a:1") source("GitRepository/n/r", "s")
        source_generation("GitRepository/n/r", 1) source_spec("GitRepository/n/r", "spec")
        source_timing("GitRepository/n/r", 1m, 1m) source_finalizer("GitRepository/n/r")
        checked("GitRepository/n/r", t"2026-01-01T00:00:00Z")
        fetched("GitRepository/n/r", "spec", "main@sha1:1", "tree1")
        commit_of("GitRepository/n/r", "main@sha1:1", "First")
        packed("GitRepository/n/r", "tree1", "main@sha1:1", "sha256:d", "p", 7)
        source_shown("GitRepository/n/r", "artifact", "")
    "#;
    let mut world = World::new(source);
    assert!(world.rows("act_event").is_empty(), "not before the status offers it");
    world.told(
        r#"source_shown("GitRepository/n/r", "artifact", "main@sha1:1 sha256:d http://a:1/p 7")"#,
    );
    insta::assert_snapshot!(world.rows("act_event").join("\n"), @r#"act_event("GitRepository/n/r", "artifact", "Normal NewArtifact main@sha1:1 sha256:d stored artifact for commit 'First'", "Normal", "NewArtifact", "stored artifact for commit 'First'", "revision main@sha1:1\ndigest sha256:d")"#);
    world.told(
        r#"event_sent("GitRepository/n/r", "artifact",
             "Normal NewArtifact main@sha1:1 sha256:d stored artifact for commit 'First'")"#,
    );
    assert!(world.rows("act_event").is_empty());
    let failed = r#"fetch_failed("GitRepository/n/r", "spec", "GitOperationFailed", "down",
             t"2026-01-01T00:01:00Z", 1)"#;
    world.told(failed);
    insta::assert_snapshot!(world.rows("act_event").join("\n"), @r#"act_event("GitRepository/n/r", "failure", "Warning GitOperationFailed main@sha1:1 sha256:d down", "Warning", "GitOperationFailed", "down", "")"#);
    world.told(
        r#"event_sent("GitRepository/n/r", "failure",
             "Warning GitOperationFailed main@sha1:1 sha256:d down")"#,
    );
    world.no_longer(failed);
    insta::assert_snapshot!(world.rows("act_event").join("\n"), @r#"act_event("GitRepository/n/r", "failure", "Normal Succeeded main@sha1:1 sha256:d stored artifact for commit 'main@sha1:1'", "Normal", "Succeeded", "stored artifact for commit 'main@sha1:1'", "revision main@sha1:1\ndigest sha256:d")"#);
}

#[test]
fn a_lost_artifact_is_withdrawn_before_it_is_made_again() {
    let mut world = World::new(
        r#"reconciles("GitRepository") artifact_host("a:1") source("GitRepository/n/r", "s")
           source_generation("GitRepository/n/r", 1) source_spec("GitRepository/n/r", "spec")
           source_timing("GitRepository/n/r", 1m, 1m) source_finalizer("GitRepository/n/r")
           checked("GitRepository/n/r", t"2026-01-01T00:00:00Z")
           fetched("GitRepository/n/r", "spec", "main@sha1:1", "tree1")
           artifact_lost("GitRepository/n/r")
           offered("GitRepository/n/r", "main@sha1:1", "sha256:d", "http://a:1/p")
           source_shown("GitRepository/n/r", "artifact", "main@sha1:1 sha256:d http://a:1/p 7")"#,
    );
    insta::assert_snapshot!(world.actions(), @"");
    insta::assert_snapshot!(world.rows("act_source_status").join("\n"), @r#"act_source_status("GitRepository/n/r", "artifact", "")"#);
    world.no_longer(r#"offered("GitRepository/n/r", "main@sha1:1", "sha256:d", "http://a:1/p")"#);
    insta::assert_snapshot!(world.actions(), @r#"act_pack("GitRepository/n/r", "tree1", "main@sha1:1")"#);
}

#[test]
fn adoption_needs_labels_and_field_manager() {
    let text = format!(
        r#"{BUILT} inventory("shop/web", "ConfigMap/shop/a", "v1")
           live("ConfigMap/shop/a", "o1", "7") live_owner("ConfigMap/shop/a", "shop/web")"#
    );
    let mut world = World::new(&text);
    insta::assert_snapshot!(world.actions(), @r#"act_apply("shop/web", "ConfigMap/shop/a", "m1", 4, "015a", "never applied", "o1", "")"#);
    world.told(r#"applier_manages("ConfigMap/shop/a")"#);
    insta::assert_snapshot!(world.actions(), @r#"act_adopt("shop/web", "ConfigMap/shop/a", "o1")"#);
    world.told(r#"ours("shop/web", "ConfigMap/shop/a", "o1", "adopted")"#);
    insta::assert_snapshot!(world.actions(), @r#"act_compare("shop/web", "ConfigMap/shop/a", "m1", "")"#);
}

#[test]
fn a_dependent_waits_for_its_dependency() {
    let web = format!(
        r#"{BUILT} depends_on("shop/web", "shop/db")
           depends_place("shop/web", "shop/db", 0)"#
    );
    let mut world = World::new(&web);
    insta::assert_snapshot!(world.actions(), @"");
    assert_eq!(
        world.shows("shop/web")["Ready"],
        "False DependencyNotReady 1: dependency 'shop/db' not found: \
         kustomizations.kustomize.toolkit.fluxcd.io \"db\" not found"
    );
    let db = format!("{BUILT}{APPLIED}").replace("shop/web", "shop/db").replace("shop/a", "shop/d");
    world.told(&db);
    insta::assert_snapshot!(world.actions(), @r#"act_apply("shop/web", "ConfigMap/shop/a", "m1", 4, "015a", "never applied", "", "")"#);
}

#[test]
fn a_failed_unit_holds_what_it_may_want() {
    let mut world = World::new(&format!("{BUILT}{APPLIED}"));
    let other = BUILT.replace("shop/web", "shop/other");
    world.told(&other);
    world.no_longer(r#"rendered("shop/other", "part1", "b", "v", "text", 1)"#);
    world.told(
        r#"render_failed("shop/other", "part1", "b", "v", "BuildFailed", "broken", t"2026-01-01T00:02:00Z")"#,
    );
    world.no_longer(r#"renders("shop/web", "ConfigMap/shop/a", "m1", "v1", 4, "015a")"#);
    insta::assert_snapshot!(world.actions(), @"");
    insta::assert_snapshot!(world.rows("prune_held").join("\n"), @r#"prune_held("shop/web", "ConfigMap/shop/a", "may be wanted by shop/other")"#);
}

#[test]
fn a_source_with_two_reasons_is_fetched_once() {
    let mut world = World::new(BUILT);
    world.told(r#"source_requested("GitRepository/shop/repo", "now", t"2026-01-01T00:05:00Z")"#);
    world.no_longer(r#"fetched("GitRepository/shop/repo", "spec", "main@sha1:1", "tree1")"#);
    assert_eq!(world.rows("act_fetch").len(), 1);
    assert_eq!(world.rows("fetch_due").len(), 2);
}

#[test]
fn a_unit_that_is_being_built_holds_the_prunes_of_others() {
    let mut world = World::new(&format!("{BUILT}{APPLIED}"));
    world.told(&BUILT.replace("shop/web", "shop/new"));
    let rendered = r#"rendered("shop/new", "part1", "b", "v", "text", 1)"#;
    let renders = r#"renders("shop/new", "ConfigMap/shop/a", "m1", "v1", 4, "015a")"#;
    world.no_longer(&format!("{rendered} {renders}"));
    world.no_longer(r#"renders("shop/web", "ConfigMap/shop/a", "m1", "v1", 4, "015a")"#);
    assert_eq!(world.rows("act_delete").len(), 0);
    world.told(rendered);
    assert_eq!(world.rows("act_delete").len(), 1);
}

#[test]
fn a_failed_unit_holds_what_its_files_mention() {
    let mut world = World::new(&format!("{BUILT}{APPLIED}"));
    world.told(&BUILT.replace("shop/web", "shop/new"));
    let renders = r#"renders("shop/new", "ConfigMap/shop/a", "m1", "v1", 4, "015a")"#;
    world.no_longer(&format!(
        r#"rendered("shop/new", "part1", "b", "v", "text", 1) {renders}
           renders("shop/web", "ConfigMap/shop/a", "m1", "v1", 4, "015a")"#
    ));
    world.told(
        r#"render_failed("shop/new", "part1", "b", "v", "BuildFailed", "x", t"2026-01-01T00:02:00Z")
           mentions("shop/new", "ConfigMap/shop/a")"#,
    );
    assert_eq!(world.rows("act_delete").len(), 0);
    world.no_longer(r#"mentions("shop/new", "ConfigMap/shop/a")"#);
    assert_eq!(world.rows("act_delete").len(), 1);
}

#[test]
fn a_deleted_unit_without_prune_lets_go_once() {
    let mut world = World::new(&format!("{BUILT}{APPLIED}"));
    world.told(r#"inventory("shop/web", "ConfigMap/shop/a", "v1") unit_deleting("shop/web")"#);
    world.no_longer(r#"unit_flag("shop/web", "prune")"#);
    assert_eq!(world.rows("act_forget").len(), 1);
    world.no_longer(r#"ours("shop/web", "ConfigMap/shop/a", "o1", "applied")"#);
    assert_eq!(world.rows("act_adopt").len(), 0);
    assert_eq!(world.rows("act_finalizer"), [r#"act_finalizer("shop/web", "remove")"#]);
}

#[test]
fn an_adopted_object_that_vanished_is_applied() {
    let mut world = World::new(&format!("{BUILT}{APPLIED}"));
    world.no_longer(
        r#"applied("shop/web", "ConfigMap/shop/a", "o1", "m1", t"2026-01-01T00:00:01Z")
           live("ConfigMap/shop/a", "o1", "7")"#,
    );
    assert_eq!(world.rows("act_apply").len(), 1);
}

#[test]
fn a_hold_ends_after_the_time_that_the_flag_gives() {
    let mut world = World::new(&format!(r#"{BUILT}{APPLIED} setting("prune-hold", 1h)"#));
    world.told(&BUILT.replace("shop/web", "shop/other"));
    world.told(
        r#"render_failed("shop/other", "part1", "b", "v", "BuildFailed", "broken", t"2026-01-01T00:02:00Z")"#,
    );
    world.no_longer(
        r#"rendered("shop/other", "part1", "b", "v", "text", 1)
           renders("shop/web", "ConfigMap/shop/a", "m1", "v1", 4, "015a")"#,
    );
    let key = "hold shop/other ConfigMap/shop/a";
    let moment = format!(r#"moment("{key}", "held", "")"#);
    assert!(world.rows("moment").contains(&moment), "{:?}", world.rows("moment"));
    world.told(&format!(r#"noted("{key}", "held", "", t"2026-01-01T00:03:00Z")"#));
    assert_eq!(world.rows("act_delete").len(), 0);
    world.told(&format!(r#"elapsed("{key}", t"2026-01-01T01:03:00Z")"#));
    insta::assert_snapshot!(world.actions(), @r#"act_delete("shop/web", "ConfigMap/shop/a", "o1", "7", "")"#);
    // Once the other unit is whole again there is nothing left to measure.
    world.told(r#"rendered("shop/other", "part1", "b", "v", "text", 1)"#);
    assert!(!world.rows("moment").contains(&moment), "{:?}", world.rows("moment"));
}

#[test]
fn a_unit_acts_as_its_account_or_the_default_one() {
    let mut world = World::new(BUILT);
    world.told(r#"default_account("plain")"#);
    insta::assert_snapshot!(world.actions(), @r#"act_apply("shop/web", "ConfigMap/shop/a", "m1", 4, "015a", "never applied", "", "system:serviceaccount:shop:plain")"#);
    world.told(r#"unit_account("shop/web", "deployer")"#);
    insta::assert_snapshot!(world.actions(), @r#"act_apply("shop/web", "ConfigMap/shop/a", "m1", 4, "015a", "never applied", "", "system:serviceaccount:shop:deployer")"#);
}

#[test]
fn a_deleted_unit_whose_account_is_gone_leaves_its_objects() {
    let mut world = World::new(&format!("{BUILT}{APPLIED}"));
    world.told(
        r#"inventory("shop/web", "ConfigMap/shop/a", "v1") unit_account("shop/web", "deployer")
           unit_deleting("shop/web")
           noted("shop/web", "departing", "", t"2026-01-01T00:05:00Z")
           definition_stood("any", t"2026-01-01T00:05:01Z")"#,
    );
    insta::assert_snapshot!(world.actions(), @r#"act_observe("ServiceAccount/shop/deployer")"#);
    world.told(r#"absent("ServiceAccount/shop/deployer")"#);
    insta::assert_snapshot!(world.actions(), @r#"act_forget("shop/web", "ConfigMap/shop/a", "the unit is deleted and leaves its objects", "")"#);
    world.told(r#"live("ServiceAccount/shop/deployer", "s", "3")"#);
    world.no_longer(r#"absent("ServiceAccount/shop/deployer")"#);
    insta::assert_snapshot!(world.actions(), @r#"act_delete("shop/web", "ConfigMap/shop/a", "o1", "7", "system:serviceaccount:shop:deployer")"#);
}

#[test]
fn a_unit_that_cannot_be_read_is_stalled_and_loses_nothing() {
    let mut world = World::new(&format!("{BUILT}{APPLIED}"));
    world.told(
        r#"unit_refused("shop/web", "spec", "spec.interval: unknown") unit_shown("shop/web", "Ready", "")"#,
    );
    insta::assert_snapshot!(world.actions(), @"");
    assert_eq!(
        world.shows("shop/web")["Stalled"],
        "True UnsupportedField 1: spec.interval: unknown"
    );
    insta::assert_snapshot!(world.rows("act_event").join("\n"), @r#"act_event("shop/web", "result", "1 UnsupportedField spec.interval: unknown", "Warning", "UnsupportedField", "spec.interval: unknown", "")"#);
}

#[test]
fn a_refused_delete_is_tried_again_after_the_retry_interval() {
    let mut world = World::new(&format!("{BUILT}{APPLIED}"));
    world.no_longer(r#"renders("shop/web", "ConfigMap/shop/a", "m1", "v1", 4, "015a")"#);
    world.told(
        r#"delete_refused("shop/web", "ConfigMap/shop/a", "Forbidden", "no", t"2026-01-01T00:02:00Z")"#,
    );
    insta::assert_snapshot!(world.actions(), @"");
    assert!(
        world.rows("timer").contains(
            &r#"timer("retry shop/web 00000001767225720000", t"2026-01-01T00:12:00Z")"#.into()
        ),
        "{:?}",
        world.rows("timer")
    );
    world.told(r#"elapsed("retry shop/web 00000001767225720000", t"2026-01-01T00:12:00Z")"#);
    insta::assert_snapshot!(world.actions(), @r#"act_delete("shop/web", "ConfigMap/shop/a", "o1", "7", "")"#);
}

/// Whatever was seen or missed of the old object meanwhile: as long as no apply of the new manifest
/// was answered, the unit is not ready.
#[test]
fn a_unit_is_not_ready_before_its_object_is_recorded_as_applied() {
    let mut world = World::new(&format!("{BUILT}{APPLIED}"));
    assert_eq!(world.rows("ready"), [r#"ready("shop/web", "main@sha1:1")"#]);
    // An answer "gone" to the delete takes the records along, and a late event brings the old
    // object back: it is adopted.
    world.no_longer(
        r#"applied("shop/web", "ConfigMap/shop/a", "o1", "m1", t"2026-01-01T00:00:01Z")
           ours("shop/web", "ConfigMap/shop/a", "o1", "applied")"#,
    );
    world.told(r#"inventory("shop/web", "ConfigMap/shop/a", "v1")"#);
    insta::assert_snapshot!(world.actions(), @r#"act_adopt("shop/web", "ConfigMap/shop/a", "o1")"#);
    assert_eq!(world.rows("ready"), [""; 0], "before it is adopted");
    world.told(r#"ours("shop/web", "ConfigMap/shop/a", "o1", "adopted")"#);
    assert_eq!(world.rows("ready"), [""; 0], "before it is compared");
    // It leaves the watch, and the watch is lost before a list could tell.
    world.no_longer(
        r#"live("ConfigMap/shop/a", "o1", "7") live_owner("ConfigMap/shop/a", "shop/web")
           applier_manages("ConfigMap/shop/a") listed("ConfigMap")"#,
    );
    insta::assert_snapshot!(world.actions(), @"");
    assert_eq!(world.rows("ready"), [""; 0], "while nobody knows whether it exists");
    world.told(r#"listed("ConfigMap")"#);
    insta::assert_snapshot!(world.actions(), @r#"act_apply("shop/web", "ConfigMap/shop/a", "m1", 4, "015a", "it is gone from the cluster", "", "")"#);
}

#[test]
fn an_owner_that_cannot_be_built_keeps_an_object_only_for_a_while() {
    let mut world = World::new(&format!(r#"{BUILT}{APPLIED} setting("prune-hold", 1h)"#));
    world.told(
        r#"render_failed("shop/web", "part1", "b", "v", "BuildFailed", "broken", t"2026-01-01T00:02:00Z")"#,
    );
    world.no_longer(r#"rendered("shop/web", "part1", "b", "v", "text", 1)"#);
    world.told(&BUILT.replace("shop/web", "shop/other").replace("m1", "m2"));
    assert_eq!(world.rows("act_apply").len(), 0);
    assert_eq!(
        world.rows("conflict"),
        [r#"conflict("shop/other", "ConfigMap/shop/a", "shop/web")"#]
    );
    let key = "hold shop/web ConfigMap/shop/a";
    assert_eq!(world.rows("moment").iter().filter(|row| row.contains(key)).count(), 1);
    world.told(&format!(r#"noted("{key}", "held", "", t"2026-01-01T00:03:00Z")"#));
    world.told(&format!(r#"elapsed("{key}", t"2026-01-01T01:03:00Z")"#));
    insta::assert_snapshot!(world.actions(), @r#"act_apply("shop/other", "ConfigMap/shop/a", "m2", 4, "015a", "never applied", "o1", "")"#);
    // Once the other unit has it, the first one has no claim, whatever its next build says.
    world.no_longer(r#"live_owner("ConfigMap/shop/a", "shop/web")"#);
    world.told(
        r#"ours("shop/other", "ConfigMap/shop/a", "o1", "applied")
           applied("shop/other", "ConfigMap/shop/a", "o1", "m2", t"2026-01-01T01:03:01Z")
           live_owner("ConfigMap/shop/a", "shop/other")"#,
    );
    insta::assert_snapshot!(world.actions(), @r#"act_forget("shop/web", "ConfigMap/shop/a", "another unit took it", "")"#);
}

#[test]
fn a_run_that_a_refused_delete_ended_is_not_disturbed_by_builds_of_others() {
    let mut world = World::new(&format!("{BUILT}{APPLIED}"));
    world.no_longer(r#"renders("shop/web", "ConfigMap/shop/a", "m1", "v1", 4, "015a")"#);
    world.told(
        r#"delete_refused("shop/web", "ConfigMap/shop/a", "Forbidden", "no", t"2026-01-01T00:02:00Z")"#,
    );
    let ended = [r#"ended("shop/web", "1 main@sha1:1 ", "PruneFailed")"#];
    assert_eq!(world.rows("ended"), ended);
    world.told(&BUILT.replace("shop/web", "shop/new"));
    world.no_longer(r#"rendered("shop/new", "part1", "b", "v", "text", 1)"#);
    assert_eq!(world.rows("ended"), ended);
}
