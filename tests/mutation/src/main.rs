//! Mutation testing with all mutants in one build: each is code behind a switch.
//!
//! ```text
//! mutation switch LIST FILE…      rewrites the files; LIST gets one line per mutant
//! mutation run LIST KNOWN TEST…   runs the test program once per mutant; KNOWN has lines
//!                                 "file: function: what: reason", each of one that may survive
//! ```
//!
//! A mutant is killed when the test program, run with `MUTANT=number`, fails or takes many times
//! as long as it takes with `MUTANT=none`. Mutants: another operator, a condition or sign dropped,
//! a match arm skipped where a wildcard follows, a function that returns at once. Constants and
//! tests are left alone.

#![allow(missing_docs, reason = "a tool of the tests")]
#![allow(clippy::print_stdout, reason = "it reports")]

mod switch;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::process::ExitCode;
use std::process::Stdio;
use std::time::Duration;

/// A mutant that computes longer is one that does not end; the tests take about two seconds.
const LONGEST: Duration = Duration::from_secs(20);

/// And one that waits for ever.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Tests that find most mutants, quickly: they run first.
const QUICK: &[&str] = &["tests::random::incremental", "tests::faults", "tests::effort"];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.split_first() {
        Some((verb, rest)) if verb == "switch" && rest.len() > 1 => {
            switch_all(Path::new(&rest[0]), &rest[1..]);
            ExitCode::SUCCESS
        }
        Some((verb, rest)) if verb == "run" && rest.len() > 2 => {
            run_all(Path::new(&rest[0]), Path::new(&rest[1]), &rest[2..])
        }
        _ => {
            println!("mutation switch LIST FILE… | mutation run LIST KNOWN TEST…");
            ExitCode::FAILURE
        }
    }
}

fn switch_all(list: &Path, files: &[String]) {
    let mut mutants = Vec::new();
    for file in files {
        let text = fs::read_to_string(file).expect("the file can be read");
        let made = switch::switch(file, &text, &mut mutants);
        fs::write(file, made).expect("the file can be written");
    }
    let lines: Vec<String> = mutants.iter().map(|mutant| format!("{mutant}\n")).collect();
    fs::write(list, lines.concat()).expect("the list can be written");
    println!("{} mutants in {} files", mutants.len(), files.len());
}

/// Runs every mutant, or those that `MUTANTS=from..to` names.
fn run_all(list: &Path, known: &Path, test: &[String]) -> ExitCode {
    let lines = fs::read_to_string(list).expect("the list can be read");
    let known = fs::read_to_string(known).unwrap_or_default();
    let is_reason = |line: &&str| !line.is_empty() && !line.starts_with('#');
    // Each excuses one mutant.
    let mut known: Vec<&str> = known.lines().filter(is_reason).collect();
    let (from, to) = range();
    assert!(passes(None, test, &[]), "the tests fail without any mutant");
    let (mut killed, mut left, mut excused) = (0, Vec::new(), 0);
    for (number, line) in lines.lines().enumerate().filter(|(at, _)| (from..to).contains(at)) {
        if !passes(Some(number), test, QUICK) || !passes(Some(number), test, &[]) {
            killed += 1;
            continue;
        }
        // Without its place, which moves with every edit.
        let what = line.split_once(": ").map_or(line, |(_, what)| what);
        match known.iter().position(|reason| reason.starts_with(what)) {
            Some(at) => {
                excused += 1;
                known.remove(at);
            }
            None => left.push(line),
        }
        println!("survives: {number} {line}");
    }
    let survivors = excused + left.len();
    let rate = 100.0 * f64::from(killed) / (f64::from(killed) + survivors as f64);
    println!("{killed} killed, {survivors} survive: {rate:.1} %");
    println!("{excused} of the survivors are known");
    left.iter().for_each(|line| println!("without a reason: {line}"));
    if (from, to) == EVERY {
        known.iter().for_each(|line| println!("does not survive: {line}"));
    } else {
        known.clear();
    }
    let is_listed = left.is_empty() && known.is_empty();
    if is_listed && rate >= 90.0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// All mutants.
const EVERY: (usize, usize) = (0, usize::MAX);

fn range() -> (usize, usize) {
    let text = std::env::var("MUTANTS").unwrap_or_default();
    let parts = text.split_once("..");
    let (from, to) = parts.unwrap_or(("0", ""));
    (from.parse().unwrap_or(EVERY.0), to.parse().unwrap_or(EVERY.1))
}

fn passes(mutant: Option<usize>, test: &[String], only: &[&str]) -> bool {
    // A mutant that loops for ever fails as one that is wrong does. What counts is the time on a
    // core, so that a busy machine kills nothing.
    let mut command = Command::new("timeout");
    let limited = format!("ulimit -t {} && exec \"$@\"", LONGEST.as_secs());
    command.arg(LONGEST_WAIT.as_secs().to_string()).args(["bash", "-c", &limited, "mutant"]);
    command.args(test).args(only);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    // Named or not, the first test that fails ends the program.
    command.env("MUTANT", mutant.map_or("none".to_owned(), |number| number.to_string()));
    command.status().expect("coreutils are on every machine that runs these tests").success()
}
