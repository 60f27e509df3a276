//! Mutation testing with all mutants in one build: each is code behind a switch.
//!
//! ```text
//! mutation switch LIST FILE…      rewrites the files; LIST gets one line per mutant
//! mutation run LIST KNOWN TEST…   runs the test program once per mutant; KNOWN has lines
//!                                 "file: function: what: reason" of mutants that may survive
//! ```
//!
//! A mutant is killed when the test program, run with `MUTANT=number`, fails or does not end within
//! a minute. Mutants: another operator, a condition or sign dropped, a match arm skipped where a
//! wildcard follows, a function that returns at once. Constants and tests are left alone.

#![allow(missing_docs, reason = "a tool of the tests")]
#![allow(clippy::print_stdout, reason = "it reports")]

mod switch;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::process::ExitCode;
use std::process::Stdio;
use std::time::Duration;

/// A mutant that runs longer is one that does not end.
const LONGEST: Duration = Duration::from_secs(60);

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
    let (from, to) = range();
    assert!(passes(None, test, &[]), "the tests fail without any mutant");
    let (mut killed, mut left, mut excused) = (0, Vec::new(), 0);
    let mut used = BTreeSet::new();
    for (number, line) in lines.lines().enumerate().filter(|(at, _)| (from..to).contains(at)) {
        if !passes(Some(number), test, QUICK) || !passes(Some(number), test, &[]) {
            killed += 1;
            continue;
        }
        // Without its place, which moves with every edit.
        let what = line.split_once(": ").map_or(line, |(_, what)| what);
        match known.lines().find(|reason| reason.starts_with(what)) {
            Some(reason) => {
                excused += 1;
                used.insert(reason);
            }
            None => left.push(line),
        }
        println!("survives: {number} {line}");
    }
    let survivors = excused + left.len();
    let rate = 100.0 * f64::from(killed) / (f64::from(killed) + survivors as f64);
    println!("{killed} killed, {survivors} survive: {rate:.1} %");
    println!("{excused} of the survivors are known; {} reasons were used", used.len());
    left.iter().for_each(|line| println!("without a reason: {line}"));
    if left.is_empty() && rate >= 90.0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn range() -> (usize, usize) {
    let text = std::env::var("MUTANTS").unwrap_or_default();
    let parts = text.split_once("..");
    let (from, to) = parts.unwrap_or(("0", ""));
    (from.parse().unwrap_or(0), to.parse().unwrap_or(usize::MAX))
}

fn passes(mutant: Option<usize>, test: &[String], only: &[&str]) -> bool {
    // A mutant that loops for ever fails as one that is wrong does.
    let mut command = Command::new("timeout");
    command.arg(LONGEST.as_secs().to_string()).args(test).args(only);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(number) = mutant {
        command.env("MUTANT", number.to_string());
    }
    command.status().expect("coreutils are on every machine that runs these tests").success()
}
