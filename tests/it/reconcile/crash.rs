//! `kill -9` at any moment: nothing is lost, nothing repeated blindly, each write has its intent.

use crate::reconcile::accounts;
use crate::reconcile::world::World;
use crate::reconcile::world::map;
use crate::support::git::Behaviour;
use crate::support::proxy::Fault;
use crate::support::proxy::FaultProxy;
use crate::support::proxy::Gate;
use crate::support::proxy::Seen;
use crate::support::wait;
use hence::audit::Body;
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// Where on the way of one action the daemon is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The push is not fetched yet.
    BeforeIntent,
    /// The intent is durable, the request has not reached the server.
    BeforeRequest,
    /// The server did it, its answer has not reached the daemon.
    BeforeAnswer,
    /// The answer came; what was written of it to the journal is lost with the machine.
    BeforeOutcome,
    /// The outcome is in the journal.
    AfterOutcome,
}

const STEPS: [Step; 5] = [
    Step::BeforeIntent,
    Step::BeforeRequest,
    Step::BeforeAnswer,
    Step::BeforeOutcome,
    Step::AfterOutcome,
];

fn is_apply(seen: &Seen) -> bool {
    seen.method == "PATCH" && seen.path.contains("/configmaps/") && seen.is_write()
}

fn is_delete(seen: &Seen) -> bool {
    seen.method == "DELETE" && seen.path.contains("/configmaps/")
}

fn is_of_flux(seen: &Seen) -> bool {
    seen.is_write() && !seen.path.contains("/configmaps/")
}

/// The journal's last segment and its length.
fn journal_end(world: &World) -> (PathBuf, u64) {
    let folder = world.site.workplace.state().join("journal");
    let entries = fs::read_dir(folder).expect("the daemon made it");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("ours").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "seg"));
    files.sort();
    let last = files.pop().expect("a journal has a segment");
    let length = fs::metadata(&last).expect("it was listed").len();
    (last, length)
}

/// How many intents of this kind have an outcome.
fn ended(world: &World, kind: &str) -> usize {
    let ended = |item: &hence::audit::Item| match &item.record.body {
        Body::Intent(intent) => intent.action.kind == kind && item.outcome.is_some(),
        _ => false,
    };
    world.site.journal().iter().filter(|item| ended(item)).count()
}

/// How many requests of the one kind were harmed.
fn harmed(proxy: &FaultProxy, is_it: fn(&Seen) -> bool) -> usize {
    proxy.seen().iter().filter(|seen| is_it(seen) && seen.harmed.is_some()).count()
}

async fn until_harmed(proxy: &FaultProxy, is_it: fn(&Seen) -> bool, more_than: usize) {
    let asked = || async move { (harmed(proxy, is_it) > more_than).then_some(()) };
    wait::until("the request to be harmed", asked).await;
}

/// Lets the push that `change` makes run up to the step, and kills the daemon there.
async fn kill_at(world: &mut World, proxy: &FaultProxy, step: Step, kind: &str) {
    let is_it: fn(&Seen) -> bool = if kind == "apply" { is_apply } else { is_delete };
    let (harm_before, done_before) = (harmed(proxy, is_it), ended(world, kind));
    match step {
        Step::BeforeIntent => {
            world.host.seen();
            world.host.behave(Behaviour { hang_after: Some(0), ..Behaviour::default() });
            world.fetch().await;
            let host = &world.host;
            let asked = || async move { (!host.seen().is_empty()).then_some(()) };
            wait::until("the Git host to be asked", asked).await;
        }
        Step::BeforeRequest => {
            proxy.always(is_it, Fault::Hold(Gate::closed()));
            world.fetch().await;
            until_harmed(proxy, is_it, harm_before).await;
        }
        Step::BeforeAnswer => {
            proxy.always(is_it, Fault::HoldAnswer(Gate::closed()));
            let before = proxy.answers_held();
            world.fetch().await;
            proxy.held_answers(before + 1).await;
        }
        Step::BeforeOutcome => {
            // Nothing else may leave: a later intent would have made the outcome durable too.
            let gate = Gate::closed();
            proxy.always(is_it, Fault::Hold(gate.clone()));
            proxy.always(is_of_flux, Fault::Hold(Gate::closed()));
            world.fetch().await;
            until_harmed(proxy, is_it, harm_before).await;
            let (file, length) = journal_end(world);
            gate.open();
            let world_now = &*world;
            let done = || async move { (ended(world_now, kind) > done_before).then_some(()) };
            wait::until("the outcome to be written", done).await;
            world.site.own().kill();
            let segment = fs::OpenOptions::new().write(true).open(&file).expect("it is ours");
            segment.set_len(length).expect("a file can be cut");
            return;
        }
        Step::AfterOutcome => {
            world.fetch().await;
            let world_now = &*world;
            let done = || async move { (ended(world_now, kind) > done_before).then_some(()) };
            wait::until("the outcome to be written", done).await;
        }
    }
    world.site.own().kill();
}

#[tokio::test]
async fn a_kill_at_any_step_loses_and_repeats_nothing() {
    let mut world = World::alone("killed-at").await;
    let proxy = FaultProxy::before(&world.site.cluster);
    world.site.own().through(&proxy.kubeconfig());
    world.source().await;
    world.unit("app", json!({})).await;
    world.site.own().start(&[]);
    let revision = world.push_files(&[("app/base.yaml", &map("base", "1"))]).await;
    world.ready("app", &revision).await;
    for (number, step) in STEPS.into_iter().enumerate() {
        let (name, file) = (format!("m{number}"), format!("app/m{number}.yaml"));
        for kind in ["apply", "delete"] {
            let id = if kind == "apply" {
                world.repo.write(&file, map(&name, "1"));
                world.repo.commit("one more", "main")
            } else {
                world.repo.git(&["rm", "-q", &file]);
                world.repo.commit("one less", "main")
            };
            kill_at(&mut world, &proxy, step, kind).await;
            proxy.heal();
            world.host.behave(Behaviour::default());
            world.site.own().start(&[]);
            world.fetch().await;
            world.ready("app", &format!("main@sha1:{id}")).await;
            let wanted = if kind == "apply" { vec!["base", &name] } else { vec!["base"] };
            world.owns(&wanted).await;
        }
    }
    // All may have been as it is before the last start; a stop in order needs a daemon at work.
    let revision = world.push_files(&[("app/base.yaml", &map("base", "2"))]).await;
    world.ready("app", &revision).await;
    world.site.own().stop().await;
    sound(&world);
    let writes = accounts::add_up(&world).await;
    assert!(writes >= 2 * STEPS.len(), "{writes}");
}

/// The journal's chain is whole.
fn sound(world: &World) {
    let state = world.site.workplace.state();
    let state = state.to_str().expect("paths here are UTF-8");
    let verify = ["audit", "verify", "--state", state];
    let _sound = world.site.workplace.hence(&verify).expect_success();
}

/// Kills at moments that a seed gives, while every round adds, changes and drops an object.
async fn killed_from_outside(kills: u64) {
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_122);
    println!("SEED={seed}, {kills} kills");
    let mut world = World::alone("killed").await;
    world.source().await;
    world.unit("app", json!({})).await;
    let mut random: u64 = seed;
    let mut revision = String::new();
    for round in 0..kills {
        world.site.own().start(&[]);
        if round >= 3 {
            let dropped = format!("app/m{}.yaml", round - 3);
            world.repo.git(&["rm", "-q", "--ignore-unmatch", &dropped]);
        }
        let (file, name, all) =
            (format!("app/m{round}.yaml"), format!("m{round}"), round.to_string());
        revision = world
            .push_files(&[(&file, &map(&name, "1")), ("app/all.yaml", &map("all", &all))])
            .await;
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // From before the first list to after the last write of a round.
        wait::passed(Duration::from_millis((random >> 33) % 1200)).await;
        world.site.own().kill();
    }
    world.site.own().start(&[]);
    world.ready("app", &revision).await;
    // All may have been so before this start; a stop in order needs a daemon at work.
    let revision = world.push_files(&[("app/all.yaml", &map("all", "last"))]).await;
    world.ready("app", &revision).await;
    let wanted = world.repo.git(&["ls-files", "app"]);
    let name = |file: &str| Some(file.strip_prefix("app/")?.strip_suffix(".yaml")?.to_owned());
    let mut wanted: Vec<String> = wanted.lines().filter_map(name).collect();
    wanted.sort_unstable();
    world.owns(&wanted.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world.site.own().stop().await;
    sound(&world);
    let writes = accounts::add_up(&world).await;
    println!("{writes} writes, each with its intent");
    assert!(writes > 0);
}

#[tokio::test]
async fn every_write_has_an_intent_however_often_the_daemon_is_killed() {
    killed_from_outside(20).await;
}

#[tokio::test]
#[ignore = "long: two hundred kills with a restart each"]
async fn two_hundred_kills_from_outside() {
    killed_from_outside(200).await;
}
