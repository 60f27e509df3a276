//! The official program, spoken to over pipes.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::path::Path;
use std::process::Child;
use std::process::ChildStdin;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;

use crate::tree::MemoryTree;

/// How much garbage the program may gather before it looks for it, in percent of what it holds: it
/// holds little more than its schema, and makes much garbage.
const GARBAGE: &str = "800";

/// How often a tree is given to a new process before its end counts as the tree's doing.
const ATTEMPTS: usize = 3;

/// The program under way, twice: trees with a schema of their own have a process of their own, for
/// each makes the program read its schema anew, which takes longer than most builds.
pub struct Oracle {
    plain: Process,
    with_schemas: Process,
}

/// One process. It is started anew when a tree ends it.
struct Process {
    program: String,
    running: Option<(Child, ChildStdin, BufReader<ChildStdout>)>,
}

impl Oracle {
    /// The program that `KUSTOMIZE_ORACLE` names.
    pub fn from_environment() -> Option<Self> {
        let program = std::env::var("KUSTOMIZE_ORACLE").ok()?;
        let process = || Process { program: program.clone(), running: None };
        Some(Self { plain: process(), with_schemas: process() })
    }

    /// What the program makes of a tree.
    pub fn build(&mut self, tree: &MemoryTree, root: &str, order: &str) -> Result<String, String> {
        let brings_schema = |text: &String| text.to_lowercase().contains("openapi");
        let process = match tree.0.values().any(brings_schema) {
            true => &mut self.with_schemas,
            false => &mut self.plain,
        };
        process.answer(&serde_json::json!({ "root": root, "files": tree.0, "order": order }))
    }

    /// What the program makes of a directory of this machine.
    pub fn build_directory(&mut self, root: &Path, order: &str) -> Result<String, String> {
        let request = serde_json::json!({ "root": root, "disk": true, "order": order });
        self.with_schemas.answer(&request)
    }
}

impl Process {
    fn answer(&mut self, request: &serde_json::Value) -> Result<String, String> {
        let line = request.to_string();
        for _ in 0..ATTEMPTS {
            match self.ask(&line) {
                Some(answer) if answer["ok"] == true => {
                    return Ok(answer["out"].as_str().unwrap_or_default().to_owned());
                }
                Some(answer) => return Err(answer["err"].as_str().unwrap_or_default().to_owned()),
                None => self.bury(),
            }
        }
        Err(format!("the program ended {ATTEMPTS} times by an error that it does not survive"))
    }

    /// Waits for a process that gave no answer. Upstream's code ends the program with status 1 in
    /// some places, and Go does with status 2 after what cannot be recovered, such as a stack that
    /// is too deep: both may be the tree's doing. Anything else is no answer at all, and no
    /// comparison may count it.
    fn bury(&mut self) {
        let Some((mut child, input, _)) = self.running.take() else { return };
        drop(input);
        let status = child.wait().expect("the program can be waited for");
        let is_own = matches!(status.code(), Some(1 | 2));
        assert!(is_own, "the program ended without an answer: {status}");
        println!("the program ended: {status}");
    }

    fn ask(&mut self, line: &str) -> Option<serde_json::Value> {
        if self.running.is_none() {
            let mut child = Command::new(&self.program)
                .env("GOGC", GARBAGE)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("KUSTOMIZE_ORACLE names a program");
            let input = child.stdin.take().expect("its standard input is piped");
            let output = child.stdout.take().expect("its standard output is piped");
            self.running = Some((child, input, BufReader::new(output)));
        }
        let (_, input, output) = self.running.as_mut()?;
        writeln!(input, "{line}").ok()?;
        input.flush().ok()?;
        let mut answer = String::new();
        output.read_line(&mut answer).ok()?;
        serde_json::from_str(&answer).ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some((mut child, input, _)) = self.running.take() {
            drop(input);
            let _ = child.wait();
        }
    }
}
