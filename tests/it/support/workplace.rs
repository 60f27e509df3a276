//! A place in which the built `hence` program runs as a user would run it, and nothing of the
//! machine shows through: its own home, state, kubeconfig and a bare environment.

use crate::support::tools;
use crate::support::wait;
use crate::support::watched::Watched;
use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Output;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::PoisonError;
use tempfile::TempDir;

/// Folders of one test; dropping it removes them.
#[derive(Debug)]
pub(crate) struct Workplace {
    folder: TempDir,
    kubeconfig: PathBuf,
}

/// What a command printed and how it ended. Every test must look at it.
#[must_use = "a command whose result nobody looks at proves nothing"]
#[derive(Debug)]
pub(crate) struct Said {
    /// The exit code; nothing when a signal ended it.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Said {
    /// Standard output of a command that must have succeeded.
    #[track_caller]
    pub(crate) fn expect_success(self) -> String {
        assert_eq!(self.code, Some(0), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self.stdout
    }
}

impl Workplace {
    /// A fresh place that talks to the server of this kubeconfig (a cluster's or a proxy's).
    pub(crate) fn new(kubeconfig: impl Into<PathBuf>) -> Self {
        let folder = TempDir::new_in(tools::temporary()).expect("Cargo's folder can be written");
        for part in ["home", "state"] {
            std::fs::create_dir(folder.path().join(part)).expect("the folder is ours");
        }
        Self { folder, kubeconfig: kubeconfig.into() }
    }

    /// A file or folder inside this place.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The state directory, which outlives the daemons of this place.
    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Runs `hence` with these arguments to its end.
    pub(crate) fn hence(&self, args: &[&str]) -> Said {
        self.run(env!("CARGO_BIN_EXE_hence"), args)
    }

    /// Runs the real `kubectl` to its end.
    pub(crate) fn kubectl(&self, args: &[&str]) -> Said {
        self.run(tools::find("kubectl"), args)
    }

    fn run(&self, program: impl AsRef<OsStr>, args: &[&str]) -> Said {
        let mut command = self.command(program);
        let output = command.args(args).stdin(Stdio::null()).output();
        let Output { status, stdout, stderr } =
            output.unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("programs here speak UTF-8");
        Said { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Starts a `hence` that stays, with its output in a log of its own.
    pub(crate) fn start(&self, args: &[&str]) -> Daemon {
        let mut number = 0;
        let log = loop {
            let log = self.path(format!("log-{number}"));
            if !log.exists() {
                break log;
            }
            number += 1;
        };
        let output = File::create(&log).expect("the folder is ours");
        let mut command = self.command(env!("CARGO_BIN_EXE_hence"));
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file handle can be copied"))
            .stderr(output);
        Daemon { process: Mutex::new(Watched::spawn(&mut command)), log }
    }

    /// A command with this place's environment and nothing else but the search path.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.folder.path())
            .env("KUBECONFIG", &self.kubeconfig)
            .env("NO_COLOR", "1")
            .env("TZ", "UTC")
            .current_dir(self.path("home"));
        command
    }
}

/// A `hence` that runs until it is told to stop; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Daemon {
    process: Mutex<Watched>,
    log: PathBuf,
}

impl Daemon {
    /// Everything it printed so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until a line of its log contains `part`, and gives that line.
    ///
    /// # Panics
    /// When the process ends first, with the whole log.
    pub(crate) async fn logged(&self, part: &str) -> String {
        wait::until(&format!("{part:?} in the log of hence"), || async move {
            let ended = self.with_process(Watched::ended);
            let log = self.log();
            let found = log.lines().find(|line| line.contains(part)).map(str::to_owned);
            let gone = found.is_none() && ended.is_some();
            assert!(!gone, "hence ended before it logged {part:?}:\n{log}");
            found
        })
        .await
    }

    /// Asks it to end (SIGTERM), once it can hear that, and waits for its end.
    pub(crate) async fn terminate(&self) -> ExitStatus {
        let hears = || async move { self.with_process(Watched::hears_term).then_some(()) };
        wait::until("hence to hear signals", hears).await;
        self.with_process(|process| process.signal("TERM"));
        self.end().await
    }

    /// Waits for its end, for a process that should end by itself.
    pub(crate) async fn end(&self) -> ExitStatus {
        wait::until("hence to end", || async move { self.with_process(Watched::ended) }).await
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(self) {
        self.with_process(Watched::kill);
    }

    fn with_process<T>(&self, act: impl FnOnce(&mut Watched) -> T) -> T {
        act(&mut self.process.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
