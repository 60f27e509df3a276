//! The Git host and the git program: clone, shallow fetch, push, refused push, deletion.

use super::Running;
use crate::support::tools;
use std::path::Path;
use std::process::Command;

/// Runs git in a folder, without any configuration of the machine; gives its output and success.
fn git(folder: &Path, arguments: &[&str]) -> (String, bool) {
    let output = Command::new("git")
        .args(["-c", "user.name=test", "-c", "user.email=test@localhost"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .expect("git is among the programs that tests need");
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&text).into_owned(), output.status.success())
}

fn must(folder: &Path, arguments: &[&str]) -> String {
    let (text, success) = git(folder, arguments);
    assert!(success, "git {arguments:?}: {text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn git_clones_fetches_and_pushes() {
    let running = Running::start().await;
    let host = running.sandbox.git();
    for (number, text) in ["one", "two", "three"].iter().enumerate() {
        let path = format!("apps/{number}.yaml");
        host.commit("demo", "main", text, &[(&path, Some(text.as_bytes()))]).unwrap();
    }
    let url = format!("{}/demo", running.sandbox.git_url);
    let folder = tempfile::tempdir_in(tools::temporary()).unwrap();
    let (top, one, shallow) =
        (folder.path(), folder.path().join("one"), folder.path().join("shallow"));

    must(top, &["clone", "-q", &url, "one"]);
    assert_eq!(std::fs::read_to_string(one.join("apps/2.yaml")).unwrap(), "three");
    must(top, &["clone", "-q", "--depth", "1", &url, "shallow"]);
    assert_eq!(must(&shallow, &["rev-list", "--count", "HEAD"]).trim(), "1");
    must(&shallow, &["fetch", "-q", "--unshallow"]);
    assert_eq!(must(&shallow, &["rev-list", "--count", "HEAD"]).trim(), "3");

    let large: String = (0..5000).map(|line| format!("line {line}\n")).collect();
    std::fs::write(one.join("large.txt"), &large).unwrap();
    must(&one, &["add", "-A"]);
    must(&one, &["commit", "-q", "-m", "large"]);
    must(&one, &["push", "-q", "origin", "main"]);
    std::fs::write(one.join("large.txt"), format!("{large}more\n")).unwrap();
    must(&one, &["commit", "-q", "-a", "-m", "a delta"]);
    must(&one, &["tag", "-a", "v1", "-m", "one"]);
    must(&one, &["push", "-q", "origin", "main", "v1"]);
    let head = must(&one, &["rev-parse", "HEAD"]);
    assert_eq!(host.head("demo", "main").as_deref(), Some(head.trim()));

    must(&shallow, &["pull", "-q"]);
    assert_eq!(must(&shallow, &["describe"]).trim(), "v1");
    must(&shallow, &["fsck", "--strict"]);

    host.commit("demo", "main", "a stranger's", &[("s", Some(b"s"))]).unwrap();
    must(&one, &["commit", "-q", "--allow-empty", "-m", "late"]);
    let (text, success) = git(&one, &["push", "origin", "main"]);
    assert!(!success && text.contains("rejected"), "{text}");
    must(&one, &["push", "-q", "-f", "origin", "main"]);
    must(&one, &["push", "-q", "origin", "HEAD:refs/heads/other"]);
    must(&one, &["push", "-q", "origin", ":refs/heads/other"]);
    assert_eq!(host.head("demo", "other"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_repository_can_be_cloned_and_filled() {
    let running = Running::start().await;
    running.sandbox.git().create("empty");
    let folder = tempfile::tempdir_in(tools::temporary()).unwrap();
    let url = format!("{}/empty.git", running.sandbox.git_url);
    must(folder.path(), &["clone", "-q", &url, "empty"]);
    let clone = folder.path().join("empty");
    must(&clone, &["commit", "-q", "--allow-empty", "-m", "first"]);
    must(&clone, &["push", "-q", "origin", "HEAD"]);
    assert!(running.sandbox.git().head("empty", "main").is_some());
    let missing = format!("{}/missing", running.sandbox.git_url);
    let (text, success) = git(folder.path(), &["clone", &missing]);
    assert!(!success && text.contains("not found"), "{text}");
}
