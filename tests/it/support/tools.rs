//! Where the real programs are: asks `tests/tools`, which knows how each one is built.
//!
//! Never builds: a test program that compiled Kubernetes for minutes would look hung.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

/// The path of a program that `tests/tools` lists.
///
/// # Panics
/// When it was not built yet; the message names the command that builds it.
pub(crate) fn find(program: &str) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools");
    let output = Command::new(&script)
        .args(["--find", program])
        .env("CARGO_TARGET_DIR", target())
        .output()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", script.display()));
    let said = String::from_utf8_lossy(&output.stdout);
    let found = said.lines().find_map(|line| line.strip_prefix(program)?.strip_prefix(' '));
    match found {
        Some(path) if output.status.success() => PathBuf::from(path),
        _ => panic!("{}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// The folder that Cargo builds into: tools, logs and temporary files live below it.
pub(crate) fn target() -> &'static Path {
    temporary().parent().expect("Cargo's folder for temporary files is inside its target folder")
}

/// Where tests put files that need not stay.
pub(crate) fn temporary() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}
