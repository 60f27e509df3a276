//! Running programs and telling times: the shortest of several runs, because whatever else the
//! machine does only makes a run longer.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::time::Duration;
use std::time::Instant;

/// What a program printed, and the shortest time that it took from start to end.
pub fn fastest(runs: usize, mut command: impl FnMut() -> Command) -> (Vec<u8>, Duration) {
    let mut best = Duration::MAX;
    let mut printed = Vec::new();
    for _ in 0..runs {
        let mut command = command();
        let start = Instant::now();
        let output = checked(&mut command);
        best = best.min(start.elapsed());
        printed = output.stdout;
    }
    (printed, best)
}

/// Runs a program that must succeed.
pub fn checked(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let says = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {says}");
    output
}

/// A program of the tests, built when it is missing.
pub fn tool(name: &str) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools");
    let output = checked(Command::new(script).arg(name));
    let line = String::from_utf8_lossy(&output.stdout).into_owned();
    PathBuf::from(line.trim().rsplit(' ').next().unwrap_or_default())
}

/// The largest memory that this process has held so far, in bytes.
pub fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells it there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let words = line.and_then(|line| line.split_whitespace().next());
    words.and_then(|kib| kib.parse::<u64>().ok()).expect("a number of KiB") * 1024
}
