//! What a client of Flux sees, scenario by scenario: kustomize-controller and hence side by side,
//! each on a real API server of its own, fed with the same artifacts.
//!
//! In: `scenarios/*.yaml` (data; the form is in `scenario.rs`) and `known.yaml`, the differences
//! that remain, each with its reason. Out: every difference that is not known, and every known one
//! that is gone.
//!
//! ```text
//! scenario ──▶ step ──┬──▶ Side (kustomize-controller) ──▶ snapshot ─┐
//!                     └──▶ Side (hence) ─────────────────▶ snapshot ─┴──▶ compare
//! ```
//!
//! A scenario has the same namespace on both servers, so that nothing has to be translated.

mod compare;
mod known;
mod scenario;
mod side;
mod snapshot;
mod support;

use crate::compare::Difference;
use crate::known::Known;
use crate::known::Speaker;
use crate::scenario::Scenario;
use crate::side::Side;
use crate::support::artifacts::ArtifactServer;
use crate::support::wait;
use futures::StreamExt;
use futures::stream;
use std::time::Duration;

/// How many scenarios run at once.
const AT_ONCE: usize = 8;

/// How long the two sides may take to become equal after both show what a step waits for: events
/// arrive behind the status.
const PATIENCE: Duration = Duration::from_secs(30);

/// One set of scenarios at a time has the machine.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The short scenarios.
#[tokio::test]
async fn short_scenarios_look_the_same_to_a_client() {
    run(|scenario| scenario.short).await;
}

/// All scenarios; `HENCE_SCENARIO=part-of-a-name` runs some of them.
#[tokio::test]
#[ignore = "long: all scenarios, several minutes"]
async fn all_scenarios_look_the_same_to_a_client() {
    let only = std::env::var("HENCE_SCENARIO").unwrap_or_default();
    run(|scenario| scenario.name.contains(&only)).await;
}

async fn run(chosen: impl Fn(&Scenario) -> bool) {
    let _turn = TURN.lock().await;
    let scenarios: Vec<Scenario> = scenario::all().into_iter().filter(chosen).collect();
    assert!(!scenarios.is_empty(), "no scenario is chosen");
    let (flux, hence) = tokio::join!(Side::flux(), Side::hence());
    let artifacts = &ArtifactServer::start();
    let known = &known::read();
    let told: Vec<(Scenario, Vec<Difference>)> = stream::iter(scenarios)
        .map(|scenario| {
            let (flux, hence) = (&flux, &hence);
            async move {
                let found = play(&scenario, flux, hence, artifacts, known).await;
                (scenario, found)
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut wrong: Vec<String> = Vec::new();
    for (scenario, found) in &told {
        let unknown = found.iter().filter(|one| !known.covers(&scenario.name, one));
        wrong.extend(unknown.map(|one| format!("{}: {one}", scenario.name)));
        wrong.extend(known.stale(&scenario.name, found));
    }
    wrong.sort();
    let count = told.len();
    if !wrong.is_empty() {
        let folder = support::tools::temporary();
        let logs = [("flux", flux.log()), ("hence", hence.log())];
        for (side, log) in logs {
            std::fs::write(folder.join(format!("differential-{side}.log")), log)
                .expect("Cargo's folder can be written");
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differences in {count} scenarios:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Plays all steps of a scenario on both sides and gives the differences of each.
async fn play(
    scenario: &Scenario,
    flux: &Side,
    hence: &Side,
    artifacts: &ArtifactServer,
    known: &Known,
) -> Vec<Difference> {
    let mut all = Vec::new();
    tokio::join!(flux.prepare(scenario), hence.prepare(scenario));
    for (number, step) in scenario.steps.iter().enumerate() {
        let offers = step.offers(scenario, number, artifacts);
        let (on_flux, on_hence) = tokio::join!(
            flux.play(scenario, number, step, &offers),
            hence.play(scenario, number, step, &offers)
        );
        let late = [("flux", on_flux), ("hence", on_hence)]
            .into_iter()
            .filter_map(|(side, reached)| Some((side, reached.err()?)));
        let late: Vec<Difference> =
            late.map(|(side, missing)| compare::unreached(number, side, &missing)).collect();
        all.extend(settle(scenario, number, flux, hence, known, late.is_empty()).await);
        if !late.is_empty() {
            all.extend(late);
            break;
        }
    }
    tokio::join!(flux.clear(scenario), hence.clear(scenario));
    all
}

/// The differences after a step, once they no longer go away.
async fn settle(
    scenario: &Scenario,
    number: usize,
    flux: &Side,
    hence: &Side,
    known: &Known,
    patient: bool,
) -> Vec<Difference> {
    let started = std::time::Instant::now();
    loop {
        let (ours, theirs) = tokio::join!(hence.snapshot(scenario), flux.snapshot(scenario));
        let ours = known.plain(Speaker::Hence, ours);
        let theirs = known.plain(Speaker::Flux, theirs);
        let found = compare::differences(number, &theirs, &ours);
        let news = found.iter().any(|one| !known.covers(&scenario.name, one));
        if !news || !patient || started.elapsed() > PATIENCE {
            return found;
        }
        wait::passed(Duration::from_millis(200)).await;
    }
}
