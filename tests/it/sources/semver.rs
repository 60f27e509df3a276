//! Tags that differ only in build metadata: the last committed wins.

use hence::sources::git::GitOutcome;
use hence::sources::git::GitReference;

use crate::sources::Client;
use crate::sources::request;
use crate::support::git::GitHost;

#[test]
fn the_last_committed_of_equal_versions_wins() {
    let host = GitHost::start();
    let repo = host.repository("app");
    let commit_at = |seconds: u32, tag: &str| {
        repo.write("a.yaml", tag);
        repo.git(&["add", "-A"]);
        let date = format!("@{seconds} +0000");
        let at = repo.work();
        let status = std::process::Command::new("git")
            .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"])
            .args(["commit", "-q", "-m", tag])
            .env("GIT_COMMITTER_DATE", &date)
            .current_dir(at)
            .status()
            .expect("git runs");
        assert!(status.success());
        repo.tag(tag, None);
    };
    commit_at(3_000, "1.0.0+a");
    commit_at(9_000, "1.0.0+b");
    commit_at(6_000, "1.0.0+c");
    commit_at(9_999, "0.9.0");
    let client = Client::new();
    let mut request = request(&host.url("app"));
    request.reference = GitReference { semver: Some("*".into()), ..GitReference::default() };
    let new = client.fetched(&request);
    assert!(new.revision.starts_with("1.0.0+b@sha1:"), "{}", new.revision);
    host.seen();
    request.known = Some(new.revision.clone());
    let outcome = client.fetch(&request).expect("a host that works");
    assert_eq!(outcome, GitOutcome::Unchanged { revision: new.revision });
    let asked = host.seen().iter().any(|s| String::from_utf8_lossy(&s.body).contains("want "));
    assert!(!asked, "the times are known from the first fetch");
}
