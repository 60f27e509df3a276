//! The kustomize build beside the official program and a Go loop over its library.
//!
//! `cargo bench --bench kustomize` prints one line a figure with its goal; `-- quick` takes
//! smaller trees, and `processes`, `growth`, `many`, `memory` measure only that. Outputs are
//! compared before a time is told: a build that differs is no faster. The peers come from
//! `tests/tools`, which builds them once and needs Go.

#![allow(clippy::print_stdout, reason = "a bench prints its table")]
#![allow(missing_docs, unreachable_pub, reason = "a program")]

mod data;
mod measure;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use hence::kustomize;
use hence::kustomize::BuildOptions;
use hence::kustomize::Built;
use hence::kustomize::Cache;
use hence::kustomize::Load;
use hence::kustomize::Order;
use hence::kustomize::Outcome;
use hence::kustomize::ReadSet;
use hence::model::ContentId;
use hence::model::Digest;
use hence::model::Entry;
use hence::model::FileTree;

use data::Files;
use measure::fastest;

/// The program's own: memory is measured with what users run.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RUNS: usize = 7;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--memory") {
        return memory_of(Path::new(&arguments[at + 1]));
    }
    let quick = arguments.iter().any(|argument| argument == "quick");
    let peers = Peers { program: measure::tool("kustomize"), go: measure::tool("kustomize-loop") };
    let root = tempfile::tempdir().expect("a directory");
    println!("{:<58} {:>10} {:>10} {:>9}  goal", "figure", "hence", "peer", "ratio");
    let names = ["processes", "growth", "many", "memory"];
    let all = !arguments.iter().any(|argument| names.contains(&argument.as_str()));
    let wants = |name: &str| all || arguments.iter().any(|argument| argument == name);
    if wants("processes") {
        processes(root.path(), &peers, quick);
    }
    if wants("growth") {
        growth(root.path(), quick);
    }
    if wants("many") {
        many(root.path(), &peers, if quick { 100 } else { 1000 });
    }
    if wants("memory") {
        memory(root.path(), if quick { 3000 } else { 10_000 });
    }
}

/// The official program, and the loop over its library.
struct Peers {
    program: std::path::PathBuf,
    go: std::path::PathBuf,
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn line(figure: &str, ours: Duration, theirs: Duration, goal: &str) {
    let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
    let (ours, theirs) = (ms(ours), ms(theirs));
    println!("{figure:<58} {ours:>10} {theirs:>10} {ratio:>8.1}x  {goal}");
}

fn build_command(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hence"));
    command.arg("build").arg(directory);
    command
}

/// Whole processes, from start to end.
fn processes(root: &Path, peers: &Peers, quick: bool) {
    let large = if quick { 600 } else { 3000 };
    let official = |directory: &Path| {
        let mut command = Command::new(&peers.program);
        command.arg("build").arg(directory);
        command
    };
    type Lay = fn(&Path, usize);
    let cases: [(&str, Lay, usize, usize, &str); 4] = [
        ("process: overlay without patch or namespace", data::plain, 30, RUNS, ">= 5x"),
        ("process: namespace and strategic merge", data::patched, 30, RUNS, ">= 30x"),
        ("process: without patch or namespace", data::plain, large, 1, ""),
        ("process: namespace and strategic merge", data::patched, large, 1, ">= 100x at 3000"),
    ];
    for (i, (name, lay, objects, runs, goal)) in cases.into_iter().enumerate() {
        let at = root.join(format!("process-{i}"));
        lay(&at, objects);
        let overlay = at.join("overlay");
        let (ours, our_time) = fastest(RUNS, || build_command(&overlay));
        let (theirs, their_time) = fastest(runs, || official(&overlay));
        assert!(ours == theirs, "{name}: outputs differ");
        line(&format!("{name}, {objects} objects"), our_time, their_time, goal);
    }
}

/// How time grows with the number of objects.
fn growth(root: &Path, quick: bool) {
    let factor = if quick { 3 } else { 10 };
    let time = |objects: usize| {
        let at = root.join(format!("growth-{objects}"));
        data::patched(&at, objects);
        fastest(RUNS, || build_command(&at.join("overlay"))).1
    };
    let (small, large) = (time(1000), time(1000 * factor));
    let ratio = large.as_secs_f64() / small.as_secs_f64();
    let figure = format!("process: {} objects beside 1000", 1000 * factor);
    let goal = "<= 12x at 10000";
    println!("{figure:<58} {:>10} {:>10} {ratio:>8.1}x  {goal}", ms(large), ms(small));
}

/// Builds as a unit is built: files from anywhere in the tree, objects in the order read.
fn build(tree: &dyn FileTree, directory: &str, cache: &Arc<Cache>) -> Built {
    let options = BuildOptions {
        load: Load::WithinTree,
        order: Order::AsRead,
        cache: Some(Arc::clone(cache)),
        ..BuildOptions::default()
    };
    match kustomize::build(tree, directory, &options) {
        Ok(Outcome::Built(built)) => built,
        Ok(Outcome::Needs(needs)) => panic!("{directory} needs {needs:?}"),
        Err(error) => panic!("{directory}: {}", error.upstream()),
    }
}

/// All overlays in one process, then one of them changed.
fn many(root: &Path, peers: &Peers, count: usize) {
    let at = root.join("many");
    data::overlays(&at, count);
    let names: Vec<String> = (0..count).map(data::overlay_name).collect();
    let (theirs, their_time) = go_loop(peers, &at, &names);
    let mut cache = Arc::default();
    let mut best = Duration::MAX;
    let mut built = Vec::new();
    for _ in 0..3 {
        cache = Arc::new(Cache::default());
        let start = Instant::now();
        let tree = Files::read(&at);
        built = names.iter().map(|name| build(&tree, name, &cache)).collect::<Vec<_>>();
        best = best.min(start.elapsed());
    }
    let all: String = built.iter().map(Built::to_yaml).collect();
    assert!(Digest::of(all.as_bytes()).hex() == theirs, "one process: outputs differ");
    line(&format!("one process: {count} overlays over shared bases"), best, their_time, ">= 20x");
    let made = cache.counts();
    println!("  files parsed {}, bases made {}, in all {count} builds", made.files, made.bases);
    one_change(&at, &names, &cache, built);
}

/// Seconds and digest of the Go loop over all of them.
fn go_loop(peers: &Peers, at: &Path, names: &[String]) -> (String, Duration) {
    let output = measure::checked(Command::new(&peers.go).arg(at).args(names));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (seconds, digest) = text.trim().split_once(' ').expect("seconds and a digest");
    (digest.to_owned(), Duration::from_secs_f64(seconds.parse().expect("seconds")))
}

/// Whether nothing that was read has changed.
fn is_current(tree: &Files, reads: &ReadSet, changed: &[&str]) -> bool {
    let now = |path: &str| match tree.entry(path) {
        Ok(Some(Entry::File { id })) => Some(id),
        _ => None,
    };
    changed
        .iter()
        .all(|&path| reads.get(path).is_none_or(|id: &Option<ContentId>| *id == now(path)))
}

/// One file of one overlay changes: only what read it is built again.
fn one_change(at: &Path, names: &[String], cache: &Arc<Cache>, mut built: Vec<Built>) {
    let changed = format!("{}/patch.yaml", names[names.len() / 2]);
    let mut best = Duration::MAX;
    let mut rebuilt = Vec::new();
    let mut tree = Files::read(at);
    for round in 0..RUNS {
        let text = std::fs::read_to_string(at.join(&changed)).expect("the patch");
        let text =
            text.replace(&format!("replicas: {}", 7 + round), &format!("replicas: {}", 8 + round));
        data::write(at, &changed, &text);
        tree.update(at, &changed);
        rebuilt.clear();
        let start = Instant::now();
        for (name, built) in names.iter().zip(&mut built) {
            if !is_current(&tree, &built.reads, &[&changed]) {
                *built = build(&tree, name, cache);
                rebuilt.push(name);
            }
        }
        best = best.min(start.elapsed());
        assert_eq!(rebuilt.len(), 1, "one overlay read {changed}");
    }
    let count = names.len();
    let figure = format!("one file of one overlay of {count} changes: {} rebuilt", rebuilt.len());
    println!("{figure:<58} {:>10} {:>10} {:>9}  <= 5 ms", ms(best), "", "");
    let fresh = build(&Files::read(at), &names[names.len() / 2], &Arc::default());
    let again = &built[names.len() / 2];
    assert!(fresh.to_yaml() == again.to_yaml() && again.to_yaml().contains("replicas: 14"));
}

/// Memory that a build holds at most above what the process held before.
fn memory(root: &Path, objects: usize) {
    let at = root.join("memory");
    data::patched(&at, objects);
    let this = std::env::current_exe().expect("this program");
    let output = measure::checked(Command::new(this).arg("--memory").arg(&at));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    let [held, yaml] = numbers[..] else { panic!("two numbers, not {text}") };
    let mib = |bytes: f64| format!("{:.1} MiB", bytes / f64::from(1 << 20));
    let figure = format!("memory above the idle process, {objects} objects");
    println!(
        "{figure:<58} {:>10} {:>10} {:>8.1}x  <= 10x the YAML",
        mib(held),
        mib(yaml),
        held / yaml
    );
}

/// The other process of [`memory`].
fn memory_of(at: &Path) {
    let idle = measure::peak_memory();
    let built = build(&Files::read(at), "overlay", &Arc::default());
    // One object after the other, as `hence build` prints them.
    let yaml: usize = built.resources.iter().map(|resource| resource.text().len()).sum();
    let held = measure::peak_memory().saturating_sub(idle);
    println!("{held} {yaml}");
}
