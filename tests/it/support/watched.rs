//! Child processes that cannot outlive the test program, not even when it is killed with `kill -9`.
//!
//! Each child leads a process group. One small shell knows all groups and reads a pipe from the
//! test program; when the pipe closes, for whatever reason, it kills the groups that are left.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::Child;
use std::process::ChildStdin;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::OnceLock;

/// Reads `add GROUP` and `del GROUP` until the end of its input, then kills what was added.
const WATCHER: &str = r#"
trap '' INT TERM HUP
while read -r verb group; do
    rest=
    for known in $groups; do [ "$known" = "$group" ] || rest="$rest $known"; done
    groups=$rest
    [ "$verb" = del ] || groups="$groups $group"
done
for group in $groups; do kill -s KILL -- "-$group"; done
"#;

/// A running child; dropping it kills it and its own children.
#[derive(Debug)]
pub(crate) struct Watched {
    child: Child,
}

impl Watched {
    /// Starts `command` in a process group of its own.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let child = command
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        tell_watcher("add", child.id());
        Self { child }
    }

    /// How the process ended, or nothing while it runs.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours can be waited for")
    }

    /// Sends a signal by its name (`TERM`, `STOP`, `KILL`) to the process alone.
    pub(crate) fn signal(&mut self, name: &str) {
        send(name, &self.child.id().to_string());
    }

    /// Whether the process has a handler for SIGTERM already, or has ended: before, the signal
    /// would kill it. Where `/proc` does not tell, it is taken to have one.
    pub(crate) fn hears_term(&mut self) -> bool {
        const TERM: u64 = 1 << (15 - 1);
        if self.ended().is_some() {
            return true;
        }
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        caught.is_none_or(|mask| mask & TERM != 0)
    }

    /// Kills the process and its own children at once and waits for its end.
    pub(crate) fn kill(&mut self) -> ExitStatus {
        if let Some(status) = self.ended() {
            return status;
        }
        send("KILL", &format!("-{}", self.child.id()));
        self.child.wait().expect("a child of ours can be waited for")
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.kill();
        tell_watcher("del", self.child.id());
    }
}

/// The shell's own `kill`: the standard library sends no signal but KILL, and not to a group.
fn send(signal: &str, to: &str) {
    let status = Command::new("sh")
        .args(["-c", r#"kill -s "$1" -- "$2""#, "sh", signal, to])
        .stderr(Stdio::null())
        .status();
    status.expect("a shell is on every machine that runs these tests");
}

fn tell_watcher(verb: &str, group: u32) {
    static WATCHER_INPUT: OnceLock<Mutex<ChildStdin>> = OnceLock::new();
    #[expect(clippy::zombie_processes, reason = "it ends after this program and is nobody's then")]
    let input = WATCHER_INPUT.get_or_init(|| {
        let mut watcher = Command::new("sh")
            .args(["-c", WATCHER])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell is on every machine that runs these tests");
        Mutex::new(watcher.stdin.take().expect("its input was asked for as a pipe"))
    });
    let mut input = input.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    writeln!(input, "{verb} {group}").expect("the watcher ends after this program, not before");
}
