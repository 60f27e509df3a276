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

/// The program under way. It is started anew when a tree ends it.
pub struct Oracle {
    program: String,
    running: Option<(Child, ChildStdin, BufReader<ChildStdout>)>,
}

impl Oracle {
    /// The program that `KUSTOMIZE_ORACLE` names.
    pub fn from_environment() -> Option<Self> {
        let program = std::env::var("KUSTOMIZE_ORACLE").ok()?;
        Some(Self { program, running: None })
    }

    /// What the program makes of a tree.
    pub fn build(&mut self, tree: &MemoryTree, root: &str, order: &str) -> Result<String, String> {
        self.answer(&serde_json::json!({ "root": root, "files": tree.0, "order": order }))
    }

    /// What the program makes of a directory of this machine.
    pub fn build_directory(&mut self, root: &Path, order: &str) -> Result<String, String> {
        self.answer(&serde_json::json!({ "root": root, "disk": true, "order": order }))
    }

    fn answer(&mut self, request: &serde_json::Value) -> Result<String, String> {
        match self.ask(&request.to_string()) {
            Some(answer) if answer["ok"] == true => {
                Ok(answer["out"].as_str().unwrap_or_default().to_owned())
            }
            Some(answer) => Err(answer["err"].as_str().unwrap_or_default().to_owned()),
            None => {
                self.running = None;
                Err("the program ended".to_owned())
            }
        }
    }

    fn ask(&mut self, line: &str) -> Option<serde_json::Value> {
        if self.running.is_none() {
            let mut child = Command::new(&self.program)
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

impl Drop for Oracle {
    fn drop(&mut self) {
        if let Some((mut child, input, _)) = self.running.take() {
            drop(input);
            let _ = child.wait();
        }
    }
}
